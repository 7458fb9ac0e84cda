"""Which activations surely stand in front of a loss, and not only where a switch says so.

One call of the model that is resolved is enough for a finding. Inside one function, though, nobody
knows which branch goes with which call: an activation under a test that stays open, beside a branch
without it, is no finding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from trainlint.semantics import tensors, tree
from trainlint.semantics.contexts import under_no_grad
from trainlint.semantics.guards import Guard, guards, outcome
from trainlint.semantics.kinds import Frame, Instance, Path, Value
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.tensors import Origin
from trainlint.semantics.training import losses
from trainlint.semantics.training.evaluation import passes
from trainlint.semantics.training.losses import LossEvaluation
from trainlint.semantics.training.recording import trained_on
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def activations(file: File, evaluation: LossEvaluation, kinds: Collection[str]) -> list[Origin]:
    """The origins of these kinds of a loss's input, clamped or reshaped at most."""
    ways: dict[tuple[Node | None, ...], list[Origin]] = {}
    made = tensors.origins(file.values, evaluation.input, evaluation.frame)
    if _is_paired(evaluation, made, kinds):
        return []
    for origin in made:
        ways.setdefault(_way(origin), []).append(origin)
    found: list[Origin] = []
    for origins in ways.values():
        found += _settled(file, evaluation, origins, kinds)
    return [
        origin
        for origin in found
        if not _is_written(file, evaluation, origin) and not _is_shown(file, evaluation, origin)
    ]


def logits(file: File, evaluation: LossEvaluation) -> list[Origin]:
    """The layers that make a loss's input, where some way ends in nothing but their raw outputs.

    Behind them stand only shapes and types: an activation, a clamp or anything unknown on the same
    way, or where it ends, is enough to say nothing.
    """
    ways: dict[tuple[Node, ...], list[Origin]] = {}
    made = tensors.origins(file.values, evaluation.input, evaluation.frame)
    if _is_paired(evaluation, made, {tensors.LOGITS}):
        return []
    for origin in made:
        ways.setdefault(_passes(origin), []).append(origin)
    raw = {way for way, origins in ways.items() if _are_raw(file, evaluation, origins)}
    return [
        origin
        for way, origins in ways.items()
        if all(way[:length] in raw for length in range(len(way) + 1) if way[:length] in ways)
        for origin in origins
    ]


def _are_raw(file: File, evaluation: LossEvaluation, origins: list[Origin]) -> bool:
    return all(
        origin.kind == tensors.LOGITS
        and origin.plain
        and not _is_written(file, evaluation, origin, frozenset())
        for origin in origins
    )


def _is_paired(evaluation: LossEvaluation, made: list[Origin], kinds: Collection[str]) -> bool:
    """True where the loss is one of several, and so is its input: which go together is not known.

    One may be chosen for the other, as a trainer is handed a model and the criterion for it.
    """
    if evaluation.certain or evaluation.frame is not None:
        return False
    return any(origin.kind not in {*kinds, tensors.UNKNOWN} for origin in made)


def faults(
    file: File, evaluations: Sequence[LossEvaluation], kinds: Collection[str]
) -> Iterator[tuple[LossEvaluation, list[Origin]]]:
    """The evaluations whose input is such an activation, clamped or reshaped at most.

    One activation in front of one criterion is one fault, however often it is evaluated: the
    first evaluation that trains speaks for the others.
    """
    found = ((evaluation, activations(file, evaluation, kinds)) for evaluation in evaluations)
    return once_each(file, found)


def once_each(
    file: File, found: Iterable[tuple[LossEvaluation, list[Origin]]]
) -> Iterator[tuple[LossEvaluation, list[Origin]]]:
    """For each source in front of a criterion one evaluation, one that trains where there is.

    An evaluation of which several criteria can be the one (built with and without a GPU) is one.
    """
    chosen: dict[object, tuple[LossEvaluation, list[Origin]]] = {}
    for evaluation, origins in found:
        if not origins:
            continue
        criterion = evaluation.criterion.call if evaluation.criterion else evaluation.call
        fault = (origins[0].node, criterion)
        known = chosen.get(fault)
        if known is None or forms_no_gradient(file, known[0].call):
            chosen[fault] = (evaluation, origins)
    told: dict[object, tuple[LossEvaluation, list[Origin]]] = {}
    for evaluation, origins in chosen.values():
        told.setdefault((evaluation.call, evaluation.name), (evaluation, origins))
    yield from told.values()


def forms_no_gradient(file: File, evaluated: tree.Call) -> bool:
    """True where a loss is only looked at: under ``no_grad``, or in an evaluation pass."""
    if under_no_grad(file, evaluated) is True:
        return True
    function = tree.function_of(evaluated)
    around = {*evaluated.ancestors()}
    return any(found.loop in around and found.function is function for found in passes(file)) and (
        function is None or not trained_on(file, function)
    )


def certain(file: File, evaluation: LossEvaluation, found: Sequence[Origin]) -> bool:
    """Whether the input can be nothing but what was found, and the loss no other one."""
    origins = tensors.origins(file.values, evaluation.input, evaluation.frame)
    return evaluation.certain and len(origins) == len(found)


def _way(origin: Origin) -> tuple[Node | None, ...]:
    """The functions through which a tensor came; their branches are alternatives of one way."""
    nodes = (step.node for step in origin.trail)
    return tuple(tree.function_of(n) if isinstance(n, tree.Return) else n for n in nodes)


def _passes(origin: Origin) -> tuple[Node, ...]:
    """The calls that hand a tensor, as it is by then, to the function where it was asked for."""
    found: list[Node] = []
    for step in reversed(origin.trail):
        if isinstance(step.node, tree.Return):
            break
        found.append(step.node)
    return tuple(found)


def _settled(
    file: File, evaluation: LossEvaluation, origins: list[Origin], kinds: Collection[str]
) -> Iterator[Origin]:
    own = [*guards(evaluation.call)]
    if evaluation.criterion is not None:
        own += guards(evaluation.criterion.call)
    candidates = []
    others: list[Origin] = []
    for origin in origins:
        if origin.kind in kinds and all(op.kind != "other" for op in origin.ops):
            held = [_holds(file, guard, frame, own) for guard, frame in _guarded(origin)]
            candidates.append((origin, held))
        else:
            others.append(origin)
    differs = any(origin.kind != tensors.UNKNOWN for origin in others)
    for origin, held in candidates:
        doubtful = bool(others) and (None in held or (differs and not held))
        if False not in held and not doubtful:
            yield origin


def _guarded(origin: Origin) -> Iterator[tuple[Guard, Frame | None]]:
    """The guards of the place that applies the activation, and of the calls that lead there."""
    node: Node = origin.applied
    frame = origin.frame
    while True:
        for guard in guards(node):
            yield guard, frame
        if frame is None or frame.call is None:
            return
        node, frame = frame.call, frame.caller


def _holds(file: File, guard: Guard, frame: Frame | None, own: Collection[Guard]) -> bool | None:
    """Whether a guard lets the loss's own run pass, None where that is not known."""
    text = file.text(guard.test)
    for mine in own:
        if file.text(mine.test) == text:
            return mine.outcome == guard.outcome
    given = _in_training(file, guard.test, frame)
    return None if given is None else given == guard.outcome


def _in_training(file: File, test: Expr, frame: Frame | None) -> bool | None:
    """A test's outcome while the model trains."""
    if isinstance(test, tree.UnaryOp) and test.op == "not":
        inner = _in_training(file, test.operand, frame)
        return None if inner is None else not inner
    given = outcome(file, test, frame)
    if given is None and isinstance(test, tree.Attribute) and test.attr == "training":
        return True
    return given


def _is_shown(file: File, evaluation: LossEvaluation, origin: Origin) -> bool:
    """True for the probability of a number that is written out: what the loss does is shown.

    Nothing is trained there, unless an optimizer gets the tensor.
    """
    given = origin.input
    if evaluation.name not in losses.BCE or origin.kind != tensors.SIGMOID or given is None:
        return False
    made = file.values.of(given, origin.frame)
    if not made or not all(_is_written_out(value) for value in made):
        return False
    name = tree.base_of(given)
    return not any(
        isinstance(node, tree.Name) and name is not None and node.id == name.id
        for call in file.calls_to(lambda name: name.startswith("torch.optim."))
        for node in call.walk()
    )


def _is_written_out(value: Value) -> bool:
    return isinstance(value, Instance) and value.name in {"torch.tensor", "torch.scalar_tensor"}


def _is_written(
    file: File,
    evaluation: LossEvaluation,
    origin: Origin,
    apart: Collection[str] = tensors.CLAMP,
) -> bool:
    """Whether the tensor is changed in place on its way from the activation to the loss.

    ``apart`` are methods that may do so.
    """
    read = [evaluation.input]
    for step in origin.trail:
        if isinstance(step.node, tree.Return) and step.node.value is not None:
            read.append(step.node.value)
    names = [name for expr in read if (name := tree.base_of(expr)) is not None]
    # In `scores.softmax(1)` the name is what the activation takes.
    names = [name for name in names if origin.applied not in name.ancestors()]
    # `torch` in `torch.sigmoid(x)` is no tensor, nor is `torch.nn.utils.clip_grad_norm_` a write
    tensors_read = [name for name in names if file.names.qualified(name) is None]
    return any(is_changed(file, name, apart) for name in tensors_read)


def is_changed(file: File, name: tree.Name, apart: Collection[str] = (), path: Path = ()) -> bool:
    """Whether what a name holds (its part at ``path``) can be changed in place before it is read.

    ``apart`` are methods that may do so.
    """
    read = path[0] if path else _key(name)
    body = tree.body_of(name)
    flow = file.flow_in(body)
    if not flow.holds(name):
        return False
    mine = {binding.node for binding in file.values.definitions(name)[0]}
    for use in file.home(name).all(tree.Name):
        if use.id != name.id or use is name or not _writes(file, use, read, apart):
            continue
        if not flow.holds(use):
            continue
        theirs = {binding.node for binding in file.values.definitions(use)[0]}
        if mine & theirs and flow.reaches(flow.point(use), [flow.point(name)]):
            return True
    return False


def _writes(file: File, use: tree.Name, read: object, apart: Collection[str]) -> bool:
    """``x[mask] = 0``, ``x["p"] *= 2`` (but for another key than is read), ``x.mul_(2)``."""
    expr: Expr = use
    while isinstance(expr.parent, tree.Subscript | tree.Attribute) and expr is expr.parent.value:
        expr = expr.parent
    if isinstance(expr, tree.Subscript) and is_bound_by(expr):
        return read is None or _key(use) in (None, read)
    if isinstance(expr.parent, tree.Arg) and isinstance(expr.parent.parent, tree.Call):
        called = file.names.qualified(expr.parent.parent.func) or ""
        short = called.rpartition(".")[2]
        return called.startswith("torch.") and short.endswith("_") and short not in apart
    if not isinstance(expr, tree.Attribute) or not isinstance(expr.parent, tree.Call):
        return False
    is_method = expr.parent.func is expr and expr.attr.endswith("_")
    return is_method and expr.attr != "requires_grad_" and expr.attr not in apart


def _key(name: tree.Name) -> object:
    parent = name.parent
    if not isinstance(parent, tree.Subscript) or parent.value is not name:
        return None
    index = parent.index[0]
    return index.value if isinstance(index, tree.Constant) else None
