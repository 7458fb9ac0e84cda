"""Outputs that a loss or a threshold takes for something else (LOS002, LOS003, LOS006)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .losses import (
    BINARY,
    CLASSES,
    SHAPES,
    SOFTMAX,
    activated,
    evaluations,
    on_probabilities,
)
from .operators import operator, written
from .program import Change, Fault, Program, dotted


def _as_nll(program: Program, losses: list[ast.Call]) -> list[Change]:
    """The cross entropy replaced by the loss on logarithms of probabilities."""
    changes = []
    for loss in losses:
        if dotted(loss.func).endswith(CLASSES[1]):
            name = program.source(loss.func).replace(CLASSES[1], "nll_loss")
            changes.append(program.replaced(loss.func, name))
    for made in program.calls(CLASSES[0]):
        name = program.source(made.func).replace(CLASSES[0], "NLLLoss")
        changes.append(program.replaced(made, f"{name}()"))
    return changes


def _register_nll(shape: str) -> None:
    @operator("LOS002", f"softmax-as-{shape}")
    def before_nll(program: Program) -> Iterator[Fault]:
        losses = evaluations(program, CLASSES)
        for loss in losses[:1]:
            changed = losses if shape in {"forward", "layer"} else [loss]
            changes = activated(program, shape, SOFTMAX, loss, [loss])
            if changes is not None:
                yield Fault((*changes, *_as_nll(program, changed)), at=program.start(loss))


for _shape in SHAPES:
    _register_nll(_shape)

_LOG = "return F.log_softmax(x, dim=1)"
_NLL = "loss = F.nll_loss(output, target)\n"
written("LOS002", "logarithm-left-out", _NLL, (_LOG, "return F.softmax(x, dim=1)"))
written("LOS002", "logarithm-left-out-of-a-method", _NLL, (_LOG, "return x.softmax(-1)"))
written(
    "LOS002",
    "logarithm-left-out-of-a-layer",
    _NLL,
    (_LOG, "return self.last(x)"),
    ("        self.fc = nn", "        self.last = nn.Softmax(dim=1)\n        self.fc = nn"),
)
written(
    "LOS002",
    "probabilities-clamped",
    _NLL,
    (_LOG, "return F.softmax(x, dim=1).clamp(min=1e-8)"),
)
written(
    "LOS002",
    "criterion-object",
    "loss = nn.NLLLoss()(output, target)",
    (_LOG, "return torch.softmax(x, dim=-1)"),
    (_NLL, "loss = nn.NLLLoss()(output, target)\n"),
)


# Logits where probabilities are expected


@operator("LOS003", "criterion-of-probabilities")
def criterion_of_probabilities(program: Program) -> Iterator[Fault]:
    losses = evaluations(program, BINARY)
    for loss in losses[:1]:
        yield Fault(tuple(on_probabilities(program, losses)), at=program.start(loss))


@operator("LOS003", "function-for-the-criterion")
def function_for_the_criterion(program: Program) -> Iterator[Fault]:
    for loss in evaluations(program, BINARY)[:1]:
        change = program.replaced(loss.func, "torch.nn.functional.binary_cross_entropy")
        yield Fault((change,), at=program.start(loss))


@operator("LOS003", "criterion-made-in-place")
def criterion_in_place(program: Program) -> Iterator[Fault]:
    for loss in evaluations(program, BINARY)[:1]:
        change = program.replaced(loss.func, 'torch.nn.BCELoss(reduction="mean")')
        yield Fault((change,), at=program.start(loss))


@operator("LOS003", "flattened-and-cast")
def flattened_and_cast(program: Program) -> Iterator[Fault]:
    losses = evaluations(program, BINARY)
    for loss in losses[:1]:
        first = loss.args[0]
        change = program.replaced(first, f"{program.source(first)}.float().reshape(-1)")
        changes = (change, *on_probabilities(program, losses))
        yield Fault(changes, at=program.start(loss))


@operator("LOS003", "one-evaluation-of-several")
def one_of_several(program: Program) -> Iterator[Fault]:
    losses = evaluations(program, BINARY)
    if len(losses) > 1:
        change = program.replaced(losses[-1].func, "torch.nn.functional.binary_cross_entropy")
        yield Fault((change,), at=program.start(losses[-1]))


@operator("LOS003", "one-hot-targets")
def one_hot(program: Program) -> Iterator[Fault]:
    """A cross entropy over classes made into one over each of them."""
    for loss in evaluations(program, CLASSES)[:1]:
        if (
            program.has("@")
            or len(loss.args) != 2
            or not isinstance(loss.args[0], ast.Call | ast.Name)
        ):
            continue
        first, second = (program.source(a) for a in loss.args)
        text = (
            f"torch.nn.functional.binary_cross_entropy({first}, "
            f"torch.nn.functional.one_hot({second}, 10).float())"
        )
        yield Fault((program.replaced(loss, text),), at=program.start(loss))


# Logits that are read as probabilities


def _compared(program: Program) -> Iterator[tuple[ast.Compare, ast.Call]]:
    for compare in program.all(ast.Compare):
        for call in program.calls("torch.sigmoid", within=compare):
            yield compare, call


COMPARED = {
    "sigmoid-left-out": "{logits}{rest} > {number}",
    "rounded": "torch.round({logits}{rest})",
    "rounded-by-a-method": "({logits}){rest}.round()",
    "greater-by-a-method": "({logits}){rest}.gt({number})",
    "greater-by-a-function": "torch.gt({logits}{rest}, {number})",
    "turned-round": "{number} < {logits}{rest}",
    "where": "torch.where({logits}{rest} >= {number}, 1.0, 0.0)",
}


def _register_compared(name: str) -> None:
    @operator("LOS006", name)
    def compared(program: Program) -> Iterator[Fault]:
        for compare, call in _compared(program):
            left = program.source(compare.left)
            rest = left.partition(program.source(call))[2]
            text = COMPARED[name].format(
                logits=program.source(call.args[0]),
                rest=rest,
                number=program.source(compare.comparators[0]),
            )
            parent = program.parents[compare]
            text = f"({text})" if isinstance(parent, ast.Attribute) and " " in text else text
            yield Fault((program.replaced(compare, text),), at=program.start(compare))


for _name in COMPARED:
    _register_compared(_name)

written(
    "LOS006",
    "half-for-a-mask",
    "found = model(images.cuda()) > 0.5",
    ("found = model(images.cuda()) > 0\n", "found = model(images.cuda()) > 0.5\n"),
)
written(
    "LOS006",
    "collected-as-rates",
    "found = np.concatenate(rates) >= 0.5",
    ("rates.append(torch.sigmoid(logits).numpy())", "rates.append(logits.numpy())"),
)
written(
    "LOS006",
    "kept-as-a-probability",
    '"probability": self.model(x).tolist()',
    ("torch.sigmoid(self.model(x)).tolist()", "self.model(x).tolist()"),
)
written(
    "LOS006",
    "counted-beside-the-loss",
    "hits += ((smile > 0.5).squeeze(1) == smiles.bool()).sum()",
    (
        "        first = self.age_loss(age, ages)\n",
        "        first = self.age_loss(age, ages)\n"
        "        hits = torch.zeros((), device=self.device)\n"
        "        hits += ((smile > 0.5).squeeze(1) == smiles.bool()).sum()\n"
        "        print(hits.item() / len(images))\n",
    ),
)
written(
    "LOS006",
    "counted-by-a-helper",
    "return ((scores > 0.5) == truth.bool()).float().mean()",
    (
        "def clear(optimizer):",
        "def share(scores, truth):\n"
        "    return ((scores > 0.5) == truth.bool()).float().mean()\n\n\ndef clear(optimizer):",
    ),
    (
        "    return criterion(logits, y)",
        "    print(share(logits, y).item())\n    return criterion(logits, y)",
    ),
)
written(
    "LOS006",
    "share-that-the-discriminator-believes",
    "believed = (discriminator(fake) >= 0.5).float().mean()",
    (
        "        sum_d += loss_d.item()\n",
        "        believed = (discriminator(fake) >= 0.5).float().mean()\n"
        "        print(believed.item())\n        sum_d += loss_d.item()\n",
    ),
)
