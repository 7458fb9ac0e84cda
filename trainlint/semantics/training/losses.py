"""Where losses are evaluated: which criterion, on what input, against what target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Frame, Instance, Symbol, Value, is_none
from trainlint.semantics.names import is_of_class
from trainlint.triage import any_of

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

BCE = frozenset({"torch.nn.BCELoss", "torch.nn.functional.binary_cross_entropy"})
BCE_WITH_LOGITS = frozenset(
    {
        "torch.nn.BCEWithLogitsLoss",
        "torch.nn.MultiLabelSoftMarginLoss",
        "torch.nn.functional.binary_cross_entropy_with_logits",
        "torch.nn.functional.multilabel_soft_margin_loss",
        "segmentation_models_pytorch.losses.SoftBCEWithLogitsLoss",
        "pytorch_toolbelt.losses.SoftBCEWithLogitsLoss",
    }
)
CROSS_ENTROPY = frozenset({"torch.nn.CrossEntropyLoss", "torch.nn.functional.cross_entropy"})
NLL = frozenset({"torch.nn.NLLLoss", "torch.nn.functional.nll_loss"})
# These broadcast input and target against each other.
REGRESSION = frozenset(
    f"torch.nn.{name}"
    for name in "MSELoss L1Loss SmoothL1Loss HuberLoss functional.mse_loss functional.l1_loss "
    "functional.smooth_l1_loss functional.huber_loss".split()
)
# One of these stands in a file that evaluates a loss, whatever file builds the criterion.
_WORDS = ("loss", "Loss", "crit", "Crit", "bce", "BCE", "objective", "entropy")
WORDS = any_of(*_WORDS)
_KEYWORDS = frozenset(
    "input target weight size_average ignore_index reduce reduction label_smoothing "
    "pos_weight beta delta".split()
)
_NO_TENSOR = (tree.Constant, tree.FormattedString, tree.Dict, tree.Lambda, tree.Comprehension)
_CALLERS = 8  # of one function, that are told apart
KNOWN = BCE | BCE_WITH_LOGITS | CROSS_ENTROPY | NLL | REGRESSION


@dataclass(frozen=True, slots=True, eq=False)
class LossEvaluation:
    """One evaluation of a known loss.

    ``name`` is the qualified name of its class or function; ``criterion`` the call that built the
    loss object, None for a function; ``certain`` tells that the callee can be nothing else.
    """

    call: tree.Call
    name: str
    criterion: Instance | None
    input: tree.Expr
    target: tree.Expr | None
    frame: Frame | None
    certain: bool


def loss_evaluations(file: File, names: frozenset[str]) -> list[LossEvaluation]:
    """The evaluations in a file of the losses of these qualified names."""
    wanted = {name.rpartition(".")[2] for name in names} if file.view.project is None else _WORDS
    if not any(word in file.source.code for word in wanted):
        return []
    found: list[LossEvaluation] = []
    for call in file.once(_candidates):
        found.extend(_evaluations(file, call, names))
    return found


def _candidates(file: File) -> list[tree.Call]:
    return [call for call in file.calls if _may_be_criterion(file, call)]


def _may_be_criterion(file: File, call: tree.Call) -> bool:
    """Cheap test before values are followed: a known loss takes an input, a target and options."""
    if isinstance(call.parent, tree.ExprStmt) or not call.args:
        return False
    if not 2 <= len(call.args) <= 8 and not call.has_star:
        return False
    for arg in call.args:
        if arg.keyword is not None and arg.keyword not in _KEYWORDS:
            return False
    if any(isinstance(given, _NO_TENSOR) for given in call.positional[:2]):
        return False
    name = file.names.qualified(call.func)
    return name in KNOWN if name is not None else not _is_made_here(file, call.func)


def _is_made_here(file: File, func: tree.Expr) -> bool:
    """Whether a callee is a function, a class or a method of the file, and so no known loss."""
    if isinstance(func, tree.Name):
        return file.values.is_definition(func)
    cls = tree.class_of(func)
    return (
        isinstance(func, tree.Attribute)
        and cls is not None
        and isinstance(func.value, tree.Name)
        and func.value.id == "self"
        and cls.method(func.attr) is not None
        and func.attr not in file.contents.attributes
    ) or isinstance(func, tree.Lambda)


def _evaluations(file: File, call: tree.Call, names: frozenset[str]) -> Iterator[LossEvaluation]:
    ways = list(_ways(file, call))
    certain = [len(callees) for _, callees in ways] == [1]
    for frame, callees in ways:
        for value in callees:
            evaluated = _evaluated(value)
            given = call.arg(0, "input")
            if evaluated is None or evaluated[0] not in names or given is None:
                continue
            target = call.arg(1, "target")
            yield LossEvaluation(call, *evaluated, given, target, frame, certain)


def _ways(file: File, call: tree.Call) -> Iterator[tuple[Frame | None, list[Value]]]:
    """What a call may evaluate; by the callers of its function where each of them chooses one."""
    callees = _callees(file, call, None)
    function = tree.function_of(call)
    if len(callees) > 1 and isinstance(function, tree.FunctionDef):
        callers = file.values.graph.callers(function)
        frames = [Frame(function, each, None, owner, 1) for each, owner in callers]
        chosen = [(frame, _callees(file, call, frame)) for frame in frames[:_CALLERS]]
        if len(frames) <= _CALLERS and chosen and all(len(found) == 1 for _, found in chosen):
            yield from chosen
            return
    yield None, callees


def _callees(file: File, call: tree.Call, frame: Frame | None) -> list[Value]:
    return [value for value in file.values.callees(call, frame) if not is_none(value)]


def _evaluated(value: Value) -> tuple[str, Instance | None] | None:
    """The loss that a callee is: a loss object or a loss function."""
    if isinstance(value, Instance) and value.name in KNOWN and is_of_class(value.name):
        return value.name, value
    if isinstance(value, Symbol) and value.name in KNOWN and not is_of_class(value.name):
        return value.name, None
    return None
