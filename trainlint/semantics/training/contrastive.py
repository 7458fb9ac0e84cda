"""Where features go into a contrastive loss, and whether anything gives them a length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tensors, tree
from trainlint.semantics.kinds import FunctionValue, Instance, Object, Symbol
from trainlint.semantics.parameters import argument
from trainlint.semantics.training.outputs import Source, outputs
from trainlint.semantics.training.similarities import Contrast, contrast_of
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Losses of libraries that leave the lengths of the features as they are, and where they take them.
_OF_LIBRARIES = {
    "pl_bolts.losses.self_supervised_learning.nt_xent_loss": (0, 1),
}
# Names under which a loss of another file may be contrastive, and by which it may be called.
_CONTRASTIVE = re.compile(r"contrast|supcon|nce(_|[lL]oss|$)|xent|simclr|clip", re.IGNORECASE)
_LOSS = re.compile(r"loss|crit|contrast|supcon|nce|xent|objective", re.IGNORECASE)
# Layers whose output has any length: what `tensors` calls logits, and these behind or for them.
_UNBOUNDED = frozenset(
    f"torch.nn.{name}"
    for name in (
        "BatchNorm1d BatchNorm2d ReLU LeakyReLU GELU SiLU ELU PReLU Embedding EmbeddingBag "
        "functional.relu functional.leaky_relu functional.gelu functional.silu functional.elu"
    ).split()
) | {"torch.relu", "torch.relu_"}
# Layers that leave the length to what stands before them, about.
_PASSING = frozenset(
    f"torch.nn.{name}"
    for name in (
        "Flatten Unflatten Identity Dropout Dropout1d Dropout2d AdaptiveAvgPool1d "
        "AdaptiveAvgPool2d AdaptiveMaxPool2d AvgPool2d MaxPool2d"
    ).split()
)
_DROPOUTS = frozenset({"torch.nn.functional.dropout", "torch.dropout"})
# Networks for classes, which end in a linear layer or the features before it.
_NETWORK = re.compile(r"torchvision\.models\.[a-z]\w*$|timm\.create_model$")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A call of a contrastive loss with features of any length, as ``raw`` says where from.

    ``features`` are the arguments that hold them, ``contrast`` is None for a library's loss, and
    ``certain`` tells that the features can come from nowhere else.
    """

    call: tree.Call
    features: tuple[Expr, ...]
    raw: tuple[Source, ...]
    contrast: Contrast | None
    certain: bool


def evaluations(file: File) -> Iterator[Evaluation]:
    """The calls of contrastive losses in a file with features that nothing has normalised."""
    for call in file.calls_to(lambda name: name in _OF_LIBRARIES):
        positions = _OF_LIBRARIES[file.names.qualified(call.func) or ""]
        features = [arg for position in positions if (arg := call.arg(position)) is not None]
        yield from _of_library(file, call, features)
    for call in sorted(_candidates(file), key=lambda call: call.start):
        yield from _of_project(file, call)


def _candidates(file: File) -> set[tree.Call]:
    """The calls that may run a contrastive loss, of this file or of one that it imports."""
    found = {
        call
        for function in file.all(tree.FunctionDef)
        if contrast_of(file, function) is not None
        for call, _owner in file.values.graph.callers(function)
        if file.home(call) is file
    }
    if any(_CONTRASTIVE.search(alias.name) for alias in file.all(tree.Alias)):
        found.update(
            call
            for call in file.calls
            if _LOSS.search(_called(call))
            and not (file.names.qualified(call.func) or "").startswith(("torch.", "numpy."))
        )
    return found


def _called(call: tree.Call) -> str:
    """The last name of what is called; for ``Loss()(x)`` that of what is built first."""
    func = call.func.func if isinstance(call.func, tree.Call) else call.func
    return tree.last_name(func)


def _of_library(file: File, call: tree.Call, features: list[Expr]) -> Iterator[Evaluation]:
    found = [(arg, outputs(file).sources(arg)) for arg in features]
    raw = [(arg, s) for arg, s in found if s and all(is_raw(file, each) for each in s)]
    if raw:
        sources = tuple(source for _, several in raw for source in several)
        yield Evaluation(call, tuple(arg for arg, _ in raw), sources, None, certain=True)


def _of_project(file: File, call: tree.Call) -> Iterator[Evaluation]:
    callees = file.values.callees(call) if call.args else []
    for callee in callees:
        function = None
        if isinstance(callee, FunctionValue) and isinstance(callee.function, tree.FunctionDef):
            function = callee.function
        elif isinstance(callee, Object):
            function = file.values.graph.call_method(callee.cls)
        contrast = contrast_of(file, function) if function is not None else None
        if contrast is None:
            continue
        raw = _raw_sources(file, contrast, call)
        given = [argument(contrast.function, call, param) for param in contrast.params]
        features = [arg for arg in given if arg is not None and _is_raw_argument(file, arg)]
        if raw and features:
            certain = len(callees) == 1
            yield Evaluation(call, tuple(features), tuple(raw), contrast, certain)
            return


def _raw_sources(file: File, contrast: Contrast, call: tree.Call) -> list[Source]:
    """What one call compares, where all of it has any length; empty where something may not."""
    found: list[Source] = []
    for operand in contrast.operands:
        here = [s for s in outputs(file).sources(operand) if s.passes[:1] == (call,)]
        if not here or not all(is_raw(file, source) for source in here):
            return []
        found += here
    return found


def _is_raw_argument(file: File, arg: Expr) -> bool:
    found = outputs(file).sources(arg)
    return bool(found) and all(is_raw(file, source) for source in found)


def is_raw(file: File, source: Source) -> bool:
    """Whether vectors of any length come from here: a linear layer, a norm over the batch."""
    if source.kind == tensors.LOGITS:
        return True
    if source.kind != tensors.UNKNOWN:
        return False
    inner = _kept_length(file, source.node)
    if inner is not None:
        below = outputs(file).sources(inner)
        return bool(below) and all(is_raw(file, each) for each in below)
    if not isinstance(source.node, tree.Call):
        return False
    names = [_last_layer(file, value) for value in file.values.callees(source.node)]
    return bool(names) and all(
        name is not None and (name in _UNBOUNDED or _NETWORK.match(name) is not None)
        for name in names
    )


def _kept_length(file: File, node: tree.Node) -> Expr | None:
    """What a dropout, or a product or quotient with a number, leaves as long as it is, about."""
    match node:
        case tree.Call() if file.names.qualified(node.func) in _DROPOUTS:
            return node.arg(0, "input")
        case tree.BinOp(op="*" | "/") if isinstance(node.right, tree.Constant):
            return node.left
        case _:
            return None


def _last_layer(file: File, value: object) -> str | None:
    """The class of a layer, or a function; for a ``Sequential`` its last that sets lengths."""
    if isinstance(value, Symbol):
        return value.name
    if not isinstance(value, Instance) or value.name != "torch.nn.Sequential":
        return value.name if isinstance(value, Instance) else None
    for arg in reversed(value.call.args):
        layer = file.values.only(arg.value, value.frame) if not arg.star else None
        name = _last_layer(file, layer)
        if name not in _PASSING:
            return name
    return None
