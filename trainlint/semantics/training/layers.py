"""What layers a model holds, and which of them ask for the mode or for a graph that is recorded."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import (
    ClassValue,
    Display,
    FunctionValue,
    Instance,
    Object,
    Unknown,
    Value,
)
from trainlint.semantics.names import is_of_class
from trainlint.semantics.training import models
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Layers that compute something else in training than in evaluation, by part of their name.
_MODAL = ("Dropout", "dropout", "BatchNorm", "RReLU", "rrelu", "Transformer", "Multihead")
# Layers whose kernels depend on whether the graph is recorded.
_ATTENTION = ("Transformer", "MultiheadAttention", "scaled_dot_product_attention")
_ATTENTIVE = re.compile(r"\.(vit|swin|maxvit|.*Vi[tT]|.*[sS]win|.*[fF]ormer)", re.I)
_DROPS = ("torch.nn.Dropout", "torch.nn.AlphaDropout", "torch.nn.FeatureAlphaDropout")
_NORMS = ("torch.nn.BatchNorm", "torch.nn.SyncBatchNorm", "torch.nn.LazyBatchNorm")
_ATTENDS = frozenset(
    f"torch.nn.Transformer{name}"
    for name in ("", "Encoder", "EncoderLayer", "Decoder", "DecoderLayer")
)
_NORMALISED = re.compile(
    r"torchvision\.models\.(segmentation\.|video\.)?(resnet|resnext|wide_resnet|densenet|mobilenet|"
    r"efficientnet|regnet|shufflenet|googlenet|inception|mnasnet|vgg\d+_bn|deeplabv3|fcn_|lraspp|"
    r"r3d|mc3|r2plus1d)"
)
_DROPPED = re.compile(r"torchvision\.models\.(vgg|alexnet|squeezenet)")
DROPOUT, BATCH_NORM = "dropout", "batch norm"


def layers(file: File, model: Expr) -> frozenset[str | None]:
    """The qualified names of all layers of a model; None stands for what is not known of it."""
    found: set[str | None] = set()
    seen: set[tree.Node] = set()
    for value in file.values.of(model):
        found.update(_layers(file, value, seen))
    return frozenset(found)


def layers_of_class(file: File, cls: tree.ClassDef) -> frozenset[str | None]:
    """The same for the objects of a class, as far as the class itself says it."""
    return frozenset(_class_layers(file, cls, set()))


def _layers(file: File, value: Value, seen: set[tree.Node]) -> Iterator[str | None]:
    match value:
        case Instance() if models.is_library_model(value.name):
            yield value.name
            for arg in value.call.args:
                for inner in file.values.of(arg.value, value.frame):
                    if isinstance(inner, Display) or _may_be_layer(file, inner):
                        yield from _layers(file, inner, seen)
        case Display():
            for child in tree.within(value.expr, tree.Call):
                yield from _made(file, child, seen)
        case Object():
            yield from _class_layers(file, value.cls, seen)
            given = value.call.args if value.call is not None else []
            for arg in given:
                for inner in file.values.of(arg.value, value.frame):
                    if _may_be_layer(file, inner):
                        yield from _layers(file, inner, seen)
        case _:
            yield None


def _may_be_layer(file: File, value: Value) -> bool:
    """Whether what a model is given may be a part of it, and no device, size or setting."""
    match value:
        case Instance(name=name):
            return models.is_library_model(name) or models.may_be_model(name)
        case Object(cls=cls):
            graph = file.values.graph
            return graph.is_module(cls) or None in graph.bases(cls)
        case _:
            return False


def _class_layers(file: File, cls: tree.ClassDef, seen: set[tree.Node]) -> Iterator[str | None]:
    if cls in seen:
        return
    seen.add(cls)
    graph = file.values.graph
    for base in graph.bases(cls):
        if base not in {"torch.nn.Module", "torch.nn.Sequential", "builtins.object"}:
            yield None
    for item in graph.lineage(cls):
        for call in tree.within(item, tree.Call):
            yield from _made(file, call, seen)
        for node in (*tree.within(item, tree.Name), *tree.within(item, tree.Attribute)):
            name = file.names.qualified(node)
            if name is not None and name.startswith(("torch.nn.", "torch.is_grad")):
                yield name


def _made(file: File, call: tree.Call, seen: set[tree.Node]) -> Iterator[str | None]:
    """What a call in the body of a model gives it, if it is a layer or may be one."""
    name = file.names.qualified(call.func)
    if name is not None:
        if name.startswith("torch.nn.") or models.is_library_model(name):
            yield name
        elif name.startswith(".") or (models.may_be_model(name) and _may_give_layers(call, name)):
            yield None
        return
    for value in file.values.of(call.func):
        if isinstance(value, ClassValue):
            if file.values.graph.is_module(value.cls) or None in file.values.graph.bases(value.cls):
                yield from _class_layers(file, value.cls, seen)
        elif isinstance(value, FunctionValue) and isinstance(value.function, tree.FunctionDef):
            if value.function not in seen:
                seen.add(value.function)
                for inner in tree.within(value.function, tree.Call):
                    yield from _made(file, inner, seen)
        elif isinstance(value, Unknown):
            named = isinstance(call.func, tree.Name) and _is_kept(call)
            if named or is_of_class(tree.word_of(call.func)):
                yield None


def _may_give_layers(call: tree.Call, name: str) -> bool:
    standard = name.partition(".")[0] in sys.stdlib_module_names
    return is_of_class(name) or (_is_kept(call) and not standard)


def _is_kept(call: tree.Call) -> bool:
    """True for what a model keeps under an attribute when it is made: its layers."""
    function = tree.function_of(call)
    statement = tree.statement_of(call)
    return (
        function is not None
        and function.name == "__init__"
        and isinstance(statement, tree.Assign)
        and statement.value is call
        and isinstance(statement.targets[0], tree.Attribute)
    )


def depends_on_mode(file: File, model: Expr) -> bool | None:
    """Whether a model computes something else in training than in evaluation."""
    found = layers(file, model)
    if any(name is not None and _is_modal(name) for name in found):
        return True
    return None if None in found or not found else False


def _is_modal(name: str) -> bool:
    return any(word in name for word in _MODAL) or (
        name.startswith((*models.MAKERS, "transformers.")) and not name.startswith("torch.hub")
    )


def attends(file: File, model: Expr) -> bool | None:
    """Whether a model holds attention, whose kernels depend on the recording of the graph."""
    found = layers(file, model)
    for name in found:
        if name is None:
            continue
        if any(word in name for word in (*_ATTENTION, "is_grad_enabled")):
            return True
        if name.startswith(models.MAKERS):
            if not name.startswith("torchvision.models.") or _ATTENTIVE.search(name):
                return None
        elif name.startswith("transformers."):
            return None
    return None if None in found or not found else False


def modal_layers(file: File, model: Expr) -> tuple[str, ...]:
    """What of a model differs between the modes: dropout, batch norm, both, or nothing known."""
    found = {kind for name in layers(file, model) if name for kind in _kinds(name)}
    return tuple(kind for kind in (DROPOUT, BATCH_NORM) if kind in found)


def _kinds(name: str) -> Iterator[str]:
    if name.startswith(_DROPS) or name in _ATTENDS or _DROPPED.match(name):
        yield DROPOUT
    if name.startswith(_NORMS) or _NORMALISED.match(name):
        yield BATCH_NORM
    if name.startswith(("segmentation_models_pytorch.", "efficientnet_pytorch.")):
        yield BATCH_NORM
