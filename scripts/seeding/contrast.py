"""Contrastive losses on features of any length (LOS004)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .loop import batch_loop, training_functions
from .operators import operator, written
from .program import Fault, Program, dotted

_NORMAL = "return F.normalize(projected, dim=1)"
_CALL = "criterion(one, other)"
VIEWS = {
    "left-out": "return projected",
    "result-dropped": "F.normalize(projected, dim=1)\n        return projected",
    "positive-instead": "return F.relu(projected)",
    "dropout-instead": "return F.dropout(projected, 0.1, self.training)",
    "scaled-by-a-number": "return projected / 8.0",
}
for _name, _new in VIEWS.items():
    written("LOS004", f"normalisation-{_name}", _CALL, (_NORMAL, _new))

written(
    "LOS004",
    "normalised-before-the-projection",
    _CALL,
    (_NORMAL, "return projected"),
    (
        "self.projector(self.trunk(images))",
        "self.projector(F.normalize(self.trunk(images), dim=1))",
    ),
)
written(
    "LOS004",
    "batch-norm-instead",
    _CALL,
    (_NORMAL, "return projected"),
    ("nn.Linear(width, size))", "nn.Linear(width, size), nn.BatchNorm1d(size))"),
)
written(
    "LOS004",
    "features-of-the-trunk",
    _CALL,
    (
        "one, other = encoder(first), encoder(second)",
        "one, other = encoder.trunk(first), encoder.trunk(second)",
    ),
)
written(
    "LOS004",
    "normalised-for-one-loss-only",
    _CALL,
    (_NORMAL, "return projected"),
    ("supervised(one, labels)", "supervised(F.normalize(one, dim=1), labels)"),
)
written(
    "LOS004",
    "supervised-on-raw-features",
    "supervised(encoder.trunk(first), labels)",
    ("supervised(one, labels)", "supervised(encoder.trunk(first), labels)"),
)
written(
    "LOS004",
    "loss-of-a-library",
    "nt_xent_loss(one, other, TEMPERATURE)",
    (
        "from torch import nn",
        "from pl_bolts.losses.self_supervised_learning import nt_xent_loss\nfrom torch import nn",
    ),
    (_CALL, "nt_xent_loss(one, other, TEMPERATURE)"),
    (_NORMAL, "return projected"),
)
_SEEN = "seen = functional.normalize(self.vision(images), dim=-1)"
_TOLD = "told = functional.normalize(self.language(self.embedding(tokens)), dim=-1)"
_PAIR = "pair_loss(seen, told, towers.log_scale.exp())"
written(
    "LOS004",
    "both-towers-raw",
    _PAIR,
    (_SEEN, "seen = self.vision(images)"),
    (_TOLD, "told = self.language(self.embedding(tokens))"),
)
written("LOS004", "one-tower-raw", _PAIR, (_TOLD, "told = self.language(self.embedding(tokens))"))
written(
    "LOS004",
    "raw-pairs-through-an-einsum",
    "hardest(seen, told)",
    (_SEEN, "seen = self.vision(images)"),
    (_TOLD, "told = self.language(self.embedding(tokens))"),
    (
        "loss = pair_loss(seen, told, towers.log_scale.exp())\n"
        "        loss = loss + 0.01 * hardest",
        "loss = hardest",
    ),
)

_AGREEMENT = (
    "",
    "def agreement(first, second, temperature=0.1):",
    "    logits = first @ second.T / temperature",
    "    return torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)))",
    "",
    "",
)


@operator("LOS004", "two-passes-compared")
def two_passes(program: Program) -> Iterator[Fault]:
    """An auxiliary loss on two passes with different dropout, on what the network returns."""
    if (
        not program.has("Dropout")
        or program.has("HuberLoss")
        or program.has("@ ")
        or program.has("log_softmax")
    ):
        return
    for owner in training_functions(program):
        loop = batch_loop(program, owner)
        if not isinstance(owner, ast.FunctionDef) or not program.calls("zero_grad", within=loop):
            continue
        backward = program.calls("backward", within=loop)[0]
        loss = backward.func.value if isinstance(backward.func, ast.Attribute) else None
        models = [c for c in program.calls("model", within=loop) if len(c.args) == 1]
        if not isinstance(loss, ast.Name) or not models:
            continue
        made = program.source(models[0])
        line = f"{loss.id} = {loss.id} + agreement({made}, {made})"
        first = program.tree.body.index(program.enclosing(owner, ast.ClassDef) or owner)
        place = program.tree.body[first]
        if "self" in dotted(models[0].func) and not isinstance(place, ast.ClassDef):
            continue
        yield Fault(
            (program.before(place, *_AGREEMENT[1:]), program.before(backward, line)), mark=line
        )
