"""Move an activation from where a model applies it to where its output is read, all but the loss.

A loss that works on logits must no longer see the sigmoid; everybody else must still see it. So the
activation goes at its source and comes back around every other read, which leaves all values but
the loss's own as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from trainlint.edits import Edit
from trainlint.rewrite.clamps import narrow, unclamp
from trainlint.rewrite.expressions import replace, unwrap, wrap
from trainlint.rewrite.imports import add_import
from trainlint.rewrite.places import Unfixable, together
from trainlint.semantics import escapes, tensors, tree
from trainlint.semantics.escapes import Escape
from trainlint.semantics.kinds import Instance, Object, Unknown
from trainlint.semantics.readers import Readers
from trainlint.semantics.reads import Reads
from trainlint.semantics.tensors import Origin
from trainlint.semantics.training.graphs import feeds_backward
from trainlint.semantics.training.losses import LossEvaluation

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

T = TypeVar("T", bound=tree.Expr)
EXPORTS = (
    "torch.jit.script",
    "torch.jit.trace",
    "torch.onnx.export",
    "torch.onnx.dynamo_export",
    "torch.export.export",
)

# The edit at the source, the expressions that then hold something else, and who else may hold it.
Changed = tuple[tuple[Edit, ...], list[tree.Expr], list[Escape]]
Change = Callable[["File", Origin], Changed]
Restore = Callable[["File", tree.Expr, Sequence[Origin]], tuple[Edit, ...]]


@dataclass(frozen=True, slots=True)
class Move:
    """The edits, and the reasons why a person must look at them before they are made."""

    edits: tuple[Edit, ...]
    doubts: tuple[str, ...]


def move_activation(file: File, evaluations: Sequence[LossEvaluation], kind: str) -> Move:
    """Take the activation of ``kind`` away from the inputs of all these losses.

    Raises:
        Unfixable: an input is not known to be that activation of something, or more than shapes,
            types and clamps stands between the two.
    """
    return change_activation(file, evaluations, kind, _remove, _restore, kind == tensors.SIGMOID)


def change_activation(
    file: File,
    evaluations: Sequence[LossEvaluation],
    kind: str,
    change: Change,
    restore: Restore,
    elementwise: bool,
) -> Move:
    """Change the activation of ``kind`` in front of these losses, and undo it at other reads.

    ``elementwise`` tells that what undoes it looks at each element alone, whatever its shape.

    Raises:
        Unfixable: as ``move_activation``.
    """
    if not all(evaluation.certain for evaluation in evaluations):
        raise Unfixable("the criterion can be another one")
    found = _origins(file, evaluations, kind)
    nodes = frozenset(origin.node for origin in found)
    losses = frozenset(evaluation.call for evaluation in evaluations)
    doubts = _doubts(file, {file.home(node): None for node in (*nodes, *losses)})
    edits: list[tuple[Edit, ...]] = []
    reads = Reads()
    for origin in {origin.node: origin for origin in found}.values():
        removal, carriers, escaped = change(file, origin)
        edits.append(removal)
        reads.escapes += escaped
        along = None if elementwise else dim_of(file, origin)
        for carrier in carriers:
            if not _is_only(file, carrier, nodes, kind):
                raise Unfixable("what applies the activation also applies others")
            reads += Readers(file, losses, along).of(carrier)
    missed = losses - set(reads.losses)
    if missed:
        line = min(place_of(file, call) for call in missed)
        raise Unfixable(f"the way of the output to the loss in {line} cannot be followed")
    for escape in (*reads.escapes, *reads.changes):
        doubts.append(f"{place_of(file, escape.node)}: {escape.why}")
    for clamp in _unique(reads.clamps):
        if not narrow(file, clamp):
            doubts.append(f"{place_of(file, clamp)}: the clamp may change more than the ends")
        edits.append(unclamp(file, clamp))
    for read in _unique(reads.others):
        if not elementwise and read in reads.reshaped:
            raise Unfixable("the shape changes between the activation and its readers")
        if not _is_only(file, read, nodes, kind):
            doubts.append(f"{place_of(file, read)}: `{file.text(read)}` can be something else")
        if feeds_backward(file, read):
            raise Unfixable("another loss needs what the activation gives")
        edits.append(restore(file, read, found))
    return Move(together(*edits), tuple(dict.fromkeys(doubts)))


def place_of(file: File, node: tree.Node) -> str:
    """The line in which a node begins, with its file where that is another one."""
    home = file.home(node)
    line = f"line {home.line(node)}"
    return line if home is file else f"{home.path}, {line}"


def _is_only(file: File, expr: tree.Expr, nodes: Collection[tree.Node], kind: str) -> bool:
    """Whether an expression is one of these activations, whatever way leads there."""
    found = tensors.origins(file.values, expr)
    return bool(found) and all(origin.kind == kind and origin.node in nodes for origin in found)


def _origins(file: File, evaluations: Iterable[LossEvaluation], kind: str) -> list[Origin]:
    found: list[Origin] = []
    for evaluation in evaluations:
        for origin in tensors.origins(file.values, evaluation.input, evaluation.frame):
            if origin.kind != kind:
                why = origin.why or f"it is {origin.kind}"
                raise Unfixable(f"an input of the loss is not known to be a {kind}: {why}")
            for op in origin.ops:
                if op.kind == "other":
                    raise Unfixable(f"`{op.name}` stands between the {kind} and the loss")
            found.append(origin)
    return found


def _remove(file: File, origin: Origin) -> Changed:
    applied = origin.applied
    if not isinstance(applied, tree.Call) or not isinstance(origin.node, tree.Call):
        raise Unfixable("the place where the activation is applied is not known")
    if origin.node is applied:  # torch.sigmoid(x), x.sigmoid()
        if origin.input is None or not is_plain(applied):
            raise Unfixable("the activation does more than to return its result")
        return unwrap(file, applied, origin.input), [applied], []
    container = container_of(file, origin.node)
    if container is origin.node and origin.input is not None:  # self.sigmoid(x)
        return unwrap(file, applied, origin.input), [applied], []
    carriers = applications(file, container)
    if not carriers:
        raise Unfixable("the calls of the layers that end in the activation are not known")
    escaped = list(escapes.of_object(file, container, carriers))
    func = origin.node.func
    if isinstance(func, tree.Attribute):
        text = file.home(func).source.text[func.start : func.attr_start] + "Identity()"
        return replace(file, origin.node, text), list(carriers), escaped
    edits, text = add_import(file, "torch.nn", "Identity", at=origin.node)
    return together(edits, replace(file, origin.node, f"{text}()")), list(carriers), escaped


def is_plain(call: tree.Call) -> bool:
    """False for what writes into its input or another tensor, or gives another type."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    known = {None, "input", "dim", "_stacklevel"}
    return not (
        name.endswith("_")
        or call.has_star
        or len(call.positional) > 2
        or any(arg.keyword not in known for arg in call.args)
    )


def applications(file: File, layer: tree.Call) -> list[tree.Call]:
    """The calls that run a layer built by ``layer``."""
    return [
        call
        for call in _possible_runs(file, layer)
        if file.names.qualified(call.func) is None
        and any(
            isinstance(value, Instance) and value.call is layer
            for value in file.values.callees(call)
        )
    ]


def _possible_runs(file: File, layer: tree.Call) -> Iterator[tree.Call]:
    """The calls of its own file, and those of the names that keep it in others."""
    home = file.home(layer)
    yield from home.calls
    targets = tree.targets_of(tree.statement_of(layer))
    names = [target.attr for target in targets if isinstance(target, tree.Attribute)]
    for other in file.view.mentioning(names, home) if names else ():
        if other is not home:
            for name in names:
                yield from other.contents.calls_by_name.get(name, ())


def container_of(file: File, layer: tree.Call) -> tree.Call:
    """The outermost ``Sequential`` of which a layer is the end, or the layer itself."""
    container = layer
    while True:
        arg = container.parent
        call = arg.parent if isinstance(arg, tree.Arg) else None
        if not isinstance(call, tree.Call):
            return container
        if file.names.qualified(call.func) != "torch.nn.Sequential":
            return container
        container = call


def _restore(file: File, read: tree.Expr, origins: Sequence[Origin]) -> tuple[Edit, ...]:
    kind = origins[0].kind
    if kind == tensors.SIGMOID:
        edits, function = add_import(file, "torch", "sigmoid", at=read)
        return together(edits, wrap(file, read, f"{function}(", ")"))
    dims = {dim_of(file, origin) for origin in origins}
    dim = dims.pop() if len(dims) == 1 else None
    if dim is None:
        raise Unfixable("the dimension of the activation is not known")
    name = "softmax" if kind == tensors.SOFTMAX else "log_softmax"
    edits, function = add_import(file, "torch", name, at=read)
    return together(edits, wrap(file, read, f"{function}(", f", dim={dim})"))


def dim_of(file: File, origin: Origin) -> int | None:
    call = origin.node
    if not isinstance(call, tree.Call):
        return None
    name = file.names.qualified(call.func) or ""
    position = 1 if origin.node is origin.applied and name else 0
    value = file.values.literal(call.arg(position, "dim"))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _doubts(file: File, homes: Iterable[File]) -> list[str]:
    """What tells that others may read the model's output, or its whole object."""
    found = []
    homes = list(homes)
    if not all(file.view.sees_all(home) for home in homes):
        found.append("the project is too large to look at all that may read the output")
    around = dict.fromkeys(each for home in homes for each in file.view.connected(home))
    for call in (call for each in around for call in each.calls):
        name = file.names.qualified(call.func)
        line = place_of(file, call)
        if name in EXPORTS:
            found.append(f"{line}: the model is exported, and what runs it then is not here")
        elif name == "torch.save" and (saved := call.arg(0, "obj")) is not None:
            if any(_is_model(file, value) for value in file.values.of(saved)):
                found.append(
                    f"{line}: whole models are saved; those on disk keep the activation"
                    " (state dicts stay valid)"
                )
        elif name is None and _calls_unknown_model(file, call):
            found.append(
                f"{line}: `{file.text(call.func)}` may be this model, and its output"
                " would be read as logits"
            )
    return found


def _is_model(file: File, value: object) -> bool:
    if isinstance(value, Object):
        return file.values.graph.is_module(value.cls)
    return isinstance(value, Instance) and value.name == "torch.nn.Sequential"


_MODEL_WORDS = ("model", "net", "detector", "classifier", "discriminator", "segmenter")


def _calls_unknown_model(file: File, call: tree.Call) -> bool:
    func = call.func
    last = func.id if isinstance(func, tree.Name) else getattr(func, "attr", "")
    if not any(last.lower().endswith(word) for word in _MODEL_WORDS):
        return False
    return all(isinstance(value, Unknown) for value in file.values.callees(call))


def _unique(nodes: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(nodes))
