"""Which calls run a model, and which model it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Frame, Instance, Object, Unknown
from trainlint.semantics.results import PARALLEL
from trainlint.semantics.training import factories
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Libraries whose classes and factories give models.
MAKERS = (
    "torchvision.models.",
    "timm.create_model",
    "torch.hub.load",
    "segmentation_models_pytorch.",
    "efficientnet_pytorch.",
    "monai.networks.",
    "torch_geometric.nn.models.",
)
# Models of transformers that are none of torch.
_OTHER = re.compile(r"transformers\.(\w+\.)*(TF|Flax)[A-Z]")
_NAME = re.compile(
    r"(^|_)(model|net|network|classifier|segmenter|student|unet|resnet|net_?[gd])(_?\w{0,5})$"
    r"|(model|net)$",
    re.I,
)
# Parameters that stand for functions, classes and helpers.
_NO_NAME = re.compile(
    r"(^|_)(fn|func|function|cls|class|callback|hook|factory|tokenizer|criterion|logger)$", re.I
)
# Functions about models: ``save_model``, ``_build_net``.
_DOES = re.compile(
    r"_*(get|set|load|save|build|create|make|init|export|import|register|list|add|print|log|show|"
    r"compress|prune|quantize|merge|convert|wrap|prepare|setup|download|upload|count|check|test)_",
    re.I,
)
_MAX_SOURCES = 20
_NO_MODELS = frozenset({"tensorflow", "keras", "jax", "flax", "mxnet", "paddle"})
_LOADS = frozenset({"torch.load", "torch.jit.load"})
_CRITERION = re.compile(r"loss|criterion|metric", re.I)


@dataclass(frozen=True, slots=True)
class Forward:
    """A call that runs a model; ``known`` tells that its class or its library is known.

    ``inner`` is the call of the model itself where ``call`` is that of a function which makes it.
    """

    call: tree.Call
    model: Expr
    known: bool
    inner: tree.Call | None = None


def is_model(file: File, expr: Expr) -> bool | None:
    """Whether an expression is a model: True by its binding, None by its name alone."""
    if file.names.qualified(expr) is not None or not _may_be_bound_to_model(file, expr):
        return False
    unknown = False
    for value in file.values.of(expr):
        match value:
            case Object() if file.values.graph.is_module(value.cls):
                return not _CRITERION.search(value.cls.name)
            case Object():
                unknown = unknown or None in file.values.graph.bases(value.cls)
            case Instance():
                if _OTHER.match(value.name):
                    return False
                if is_library_model(value.name):
                    return True
                unknown = unknown or may_be_model(value.name)
            case Unknown():
                unknown = True
            case _:
                pass
    if unknown and _is_wrapped(file, expr):
        return True
    name = tree.word_of(expr)
    named = unknown and _NAME.search(name) is not None and not _DOES.match(name)
    return None if named and not _NO_MODELS & _roots(file) else False


def _is_wrapped(file: File, expr: Expr) -> bool:
    """True for a name that only stands for what a wrapper of models gives."""
    if not isinstance(expr, tree.Name):
        return False
    bindings, unbound = file.values.definitions(expr)
    return (
        bool(bindings)
        and not unbound
        and all(
            binding.kind == "assign"
            and isinstance(binding.value, tree.Call)
            and file.names.qualified(binding.value.func) in PARALLEL
            for binding in bindings
        )
    )


def _may_be_bound_to_model(file: File, expr: Expr) -> bool:
    """False for most methods and for what is a definition itself, without following values."""
    if isinstance(expr, tree.Name):
        return _NO_NAME.search(expr.id) is None and not file.values.is_definition(expr)
    if not isinstance(expr, tree.Attribute) or expr.attr == "module":
        return True
    return (
        file.values.graph.is_attribute(file.home(expr), expr.attr)
        or _NAME.search(expr.attr) is not None
    )


def is_library_model(name: str) -> bool:
    short = name.rpartition(".")[2]
    if name.startswith("torch.nn."):
        return short[:1].isupper() and not short.endswith(("Loss", "Parameter"))
    if name.startswith("transformers."):
        return ".from_pretrained" in name and "Model" in name
    return name.startswith(MAKERS) and "Weights" not in name and "loss" not in name.lower()


def may_be_model(name: str) -> bool:
    """What an unknown library makes may be a model, and a file; what these give is none."""
    if name in _LOADS:
        return True
    root = name.partition(".")[0]
    return root not in {"builtins", "torch", "numpy", "sklearn", "pandas", "torchvision", "os"}


def _roots(file: File) -> set[str]:
    roots = set()
    for alias in file.all(tree.Alias):
        statement = alias.parent
        module = statement.module if isinstance(statement, tree.ImportFrom) else alias.name
        roots.add(module.partition(".")[0])
    return roots


def forward(file: File, call: tree.Call) -> Forward | None:
    """The run of a model that a call is, None when it is none."""
    func = call.func
    if isinstance(func, tree.Attribute) and func.attr in {"forward", "__call__"}:
        func = func.value
    if not call.args or not isinstance(func, tree.Name | tree.Attribute | tree.Subscript):
        return None
    known = is_model(file, func)
    if known is None and factories.gives_callable(file, call):
        return None
    return None if known is False else Forward(call, func, known is True)


def all_forwards(file: File) -> list[Forward]:
    """The runs of models in a file, in source order; ``File.forwards`` keeps them."""
    return [run for call in file.calls if (run := forward(file, call)) is not None]


def forwards(file: File, node: tree.Node) -> list[Forward]:
    """The runs of models below a node, those in inner functions left out."""
    start, end = node.start, node.end
    return [
        run
        for run in file.forwards
        if start <= run.call.start and run.call.end <= end and _is_below(run.call, node)
    ]


def _is_below(inner: tree.Node, outer: tree.Node) -> bool:
    for ancestor in inner.ancestors():
        if ancestor is outer:
            return True
        if isinstance(ancestor, tree.FunctionDef | tree.ClassDef | tree.Lambda):
            return False
    return inner is outer


def _makers(file: File, model: Expr) -> list[Instance | Object]:
    """What a model can be, as far as it is known where that was made."""
    return [
        value
        for value in file.values.of(model)
        if isinstance(value, Instance) or (isinstance(value, Object) and value.call is not None)
    ]


def identities(file: File, model: Expr) -> frozenset[tree.Node]:
    """The places at which a model can have been made; empty when none is known."""
    return frozenset(value.node for value in _makers(file, model))


def same(file: File, one: Expr, other: Expr) -> bool:
    """True when two expressions are one model: by what made it, else by their names."""
    first, second = _makers(file, one), _makers(file, other)
    if first and second:
        return any(
            a.node is b.node and _may_be_one(a.frame, b.frame) for a in first for b in second
        )
    return _unwrapped(one) == _unwrapped(other) and not _are_of_two(file, one, other)


def _may_be_one(one: Frame | None, other: Frame | None) -> bool:
    """False where two calls of a function made each its own: ``net, twin = build(), build()``."""
    while one is not None and other is not None:
        if isinstance(one.function, tree.FunctionDef) and one.function.decorators:
            return True  # it may keep what it made
        if one.call is not None and other.call is not None and one.call is not other.call:
            return False
        one, other = one.caller, other.caller
    return True


def _are_of_two(file: File, one: Expr, other: Expr) -> bool:
    """True for parts of the same name: ``nets.left.body`` and ``nets.right.body``."""
    match _bare(one), _bare(other):
        case (
            tree.Subscript(value=a, index=[tree.Constant(value=key)]),
            tree.Subscript(value=b, index=[tree.Constant(value=twin)]),
        ):
            return key != twin or _are_of_two(file, a, b)
        case (
            tree.Attribute(value=tree.Attribute() | tree.Subscript() as a),
            tree.Attribute(value=tree.Attribute() | tree.Subscript() as b),
        ):
            return not same(file, a, b)
        case tree.Attribute(value=tree.Name() as a), tree.Attribute(value=tree.Name() as b):
            return a.id != b.id and _are_given(file, a, b)
        case _:
            return False


def _are_given(file: File, one: tree.Name, other: tree.Name) -> bool:
    """True for two parameters of one function, neither of which is anything else there."""
    match [binding.node for name in (one, other) for binding in file.values.definitions(name)[0]]:
        case [tree.Param() as first, tree.Param() as second]:
            return first.parent is second.parent and "self" not in {first.name, second.name}
        case _:
            return False


def parameters_in(node: tree.Node) -> list[Expr]:
    """The models whose ``parameters()`` are asked for below a node."""
    return [
        call.func.value
        for call in node.walk()
        if isinstance(call, tree.Call)
        and isinstance(call.func, tree.Attribute)
        and call.func.attr in {"parameters", "named_parameters"}
    ]


def optimized(file: File, optimizer: tree.Call) -> list[Expr]:
    """The models of which an optimizer gets parameters, also by names and as groups."""
    found: list[Expr] = []
    seen: set[tree.Node] = set()
    stack: list[tree.Node] = [arg.value for arg in optimizer.args]
    while stack:
        node = stack.pop()
        if node in seen or len(seen) > _MAX_SOURCES:
            continue
        seen.add(node)
        found.extend(parameters_in(node))
        for name in node.walk():
            if isinstance(name, tree.Name):
                bindings, _ = file.values.definitions(name)
                stack.extend(b.value for b in bindings if b.kind == "assign" and b.value)
    return found


def wholes(part: Expr) -> Iterator[Expr]:
    """A model and what it is a part of: ``model`` for ``model.fc``."""
    yield part
    while isinstance(part, tree.Attribute | tree.Subscript):
        part = part.value
        yield part


def root(part: Expr) -> Expr:
    """What an expression starts from: ``model`` for ``model.layers[0].fc``."""
    while isinstance(part, tree.Attribute | tree.Subscript):
        part = part.value
    return part


def _unwrapped(model: Expr) -> str:
    """``model`` for ``model.module`` and ``self.model``."""
    return tree.word_of(_bare(model))


def _bare(model: Expr) -> Expr:
    while isinstance(model, tree.Attribute) and model.attr == "module":
        model = model.value
    return model
