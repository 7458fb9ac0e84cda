"""Move an activation from where a model applies it to where its output is read, all but the loss.

A loss that works on logits must no longer see the sigmoid; everybody else must still see it. So the
activation goes at its source and comes back around every other read, which leaves all values but
the loss's own as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite.expressions import replace, unwrap, wrap
from trainlint.rewrite.imports import add_import
from trainlint.rewrite.places import Unfixable, together
from trainlint.rewrite.statements import delete
from trainlint.semantics import tensors, tree
from trainlint.semantics.losses import LossEvaluation
from trainlint.semantics.readers import Readers, Reads, applications
from trainlint.semantics.tensors import Origin
from trainlint.semantics.values import Instance, Object, Unknown

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

EXPORTS = (
    "torch.jit.script",
    "torch.jit.trace",
    "torch.onnx.export",
    "torch.onnx.dynamo_export",
    "torch.export.export",
)


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
    found = _origins(file, evaluations, kind)
    losses = frozenset(evaluation.call for evaluation in evaluations)
    doubts = _doubts(file)
    edits: list[tuple[Edit, ...]] = []
    reads = Reads()
    done: set[tree.Node] = set()
    for origin in found:
        if origin.node in done:
            continue
        done.add(origin.node)
        removal, carriers = _remove(file, origin)
        edits.append(removal)
        for carrier in carriers:
            reads += Readers(file, losses).of(carrier)
    missed = losses - set(reads.losses)
    if missed:
        line = file.source.position(next(iter(missed)).start)[1]
        raise Unfixable(f"the way of the output to the loss in line {line} cannot be followed")
    for escape in reads.escapes:
        line = file.source.position(escape.node.start)[1]
        doubts.append(f"line {line}: {escape.why}")
    for clamp in _unique(reads.clamps):
        edits.append(_unclamp(file, clamp))
    for read in _unique(reads.others):
        edits.append(_restore(file, read, found, kind))
    return Move(together(*edits), tuple(dict.fromkeys(doubts)))


def rename_callee(file: File, func: tree.Expr, module: str, name: str) -> tuple[Edit, ...]:
    """Call another function or class of the same module: ``nn.BCELoss`` to its logits form."""
    if isinstance(func, tree.Attribute):
        end = func.attr_start + len(func.attr)
        return (Edit(file.path, func.attr_start, end, name),)
    edits, text = add_import(file, module, name, at=func)
    return together(edits, replace(file, func, text))


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


def _remove(file: File, origin: Origin) -> tuple[tuple[Edit, ...], list[tree.Expr]]:
    """The edit at the source, and the expressions that then hold logits."""
    applied = origin.applied
    if not isinstance(applied, tree.Call) or not isinstance(origin.node, tree.Call):
        raise Unfixable("the place where the activation is applied is not known")
    if origin.node is applied:  # torch.sigmoid(x), x.sigmoid()
        if origin.input is None:
            raise Unfixable("the input of the activation is not written out")
        return unwrap(file, applied, origin.input), [applied]
    container = _container(file, origin.node)
    if container is origin.node and origin.input is not None:  # self.sigmoid(x)
        return unwrap(file, applied, origin.input), [applied]
    carriers = applications(file, container)
    if carriers is None:
        raise Unfixable("the calls of the layers that end in the activation are not known")
    func = origin.node.func
    if isinstance(func, tree.Attribute):
        text = file.source.text[func.start : func.attr_start] + "Identity()"
        return replace(file, origin.node, text), list(carriers)
    edits, text = add_import(file, "torch.nn", "Identity", at=origin.node)
    return together(edits, replace(file, origin.node, f"{text}()")), list(carriers)


def _container(file: File, layer: tree.Call) -> tree.Call:
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


def _unclamp(file: File, clamp: tree.Call) -> tuple[Edit, ...]:
    inner = _clamped(clamp)
    statement = clamp.parent
    if isinstance(statement, tree.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, tree.Name) and isinstance(inner, tree.Name):
            if target.id == inner.id:  # p = p.clamp(...)
                return delete(file, statement)
    return unwrap(file, clamp, inner)


def _clamped(call: tree.Call) -> tree.Expr:
    func = call.func
    if isinstance(func, tree.Attribute) and func.attr in tensors.CLAMP:
        given = call.arg(0, "input")
        is_method = given is None or isinstance(given, tree.Constant | tree.UnaryOp)
        if is_method or not isinstance(func.value, tree.Name) or func.value.id != "torch":
            return func.value
    given = call.arg(0, "input")
    if given is None:
        raise Unfixable("the clamped tensor is not written out")
    return given


def _restore(file: File, read: tree.Expr, origins: Sequence[Origin], kind: str) -> tuple[Edit, ...]:
    if kind == tensors.SIGMOID:
        edits, function = add_import(file, "torch", "sigmoid", at=read)
        return together(edits, wrap(file, read, f"{function}(", ")"))
    dims = {_dim(file, origin) for origin in origins}
    dim = dims.pop() if len(dims) == 1 else None
    if dim is None:
        raise Unfixable("the dimension of the activation is not known")
    if dim >= 0 and any(op.kind == "shape" for origin in origins for op in origin.ops):
        raise Unfixable("the shape changes between the activation and its readers")
    name = "softmax" if kind == tensors.SOFTMAX else "log_softmax"
    edits, function = add_import(file, "torch", name, at=read)
    return together(edits, wrap(file, read, f"{function}(", f", dim={dim})"))


def _dim(file: File, origin: Origin) -> int | None:
    call = origin.node
    if not isinstance(call, tree.Call):
        return None
    name = file.names.qualified(call.func) or ""
    position = 1 if origin.node is origin.applied and name else 0
    value = file.values.literal(call.arg(position, "dim"))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _doubts(file: File) -> list[str]:
    """What in the file tells that others may read the model's output, or its whole object."""
    found = []
    for call in file.calls:
        name = file.names.qualified(call.func)
        line = file.source.position(call.start)[1]
        if name in EXPORTS:
            found.append(f"line {line}: the model is exported, and what runs it then is not here")
        elif name == "torch.save" and (saved := call.arg(0, "obj")) is not None:
            if any(_is_model(file, value) for value in file.values.of(saved)):
                found.append(
                    f"line {line}: whole models are saved; those on disk keep the activation"
                    " (state dicts stay valid)"
                )
        elif name is None and _calls_unknown_model(file, call):
            found.append(
                f"line {line}: `{file.text(call.func)}` may be this model, and its output"
                " would be read as logits"
            )
    if file.surroundings.imported:
        found.append("other files of the project import this one")
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


def _unique(nodes: Iterable[tree.Expr]) -> list[tree.Expr]:
    return list(dict.fromkeys(nodes))


LOGITS_FORM = {
    "torch.nn.BCELoss": ("torch.nn", "BCEWithLogitsLoss"),
    "torch.nn.functional.binary_cross_entropy": (
        "torch.nn.functional",
        "binary_cross_entropy_with_logits",
    ),
}


def to_logits_form(
    file: File, evaluation: LossEvaluation, family: Sequence[LossEvaluation]
) -> tuple[Edit, ...]:
    """Change a BCE criterion, all of whose evaluations are ``family``, to its logits form.

    Raises:
        Unfixable: the criterion is also used in a way that the logits form would change.
    """
    module, name = LOGITS_FORM[evaluation.name]
    if evaluation.criterion is None:
        return rename_callee(file, evaluation.call.func, module, name)
    if not all(each.certain for each in family):
        raise Unfixable("the criterion can be another one")
    return rename_callee(file, evaluation.criterion.call.func, module, name)
