"""Where a failure to get a model, its library or its weights is answered with another model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data.sameness import same_expression
from trainlint.semantics.kinds import Instance, Object
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.training import handlers, models
from trainlint.semantics.training.handlers import Handler
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_MODEL = re.compile(
    r"(^|_)(model|net|network|backbone|encoder|classifier|detector|extractor)s?(_|\d|$)|(model|net)$",
    re.I,
)
_IMPORTS = frozenset({"builtins.ImportError", "builtins.ModuleNotFoundError"})
# What a program expects to happen: the first run of one that resumes, another release.
_EXPECTED = frozenset(
    f"builtins.{name}"
    for name in ("FileNotFoundError", "TypeError", "AttributeError", "KeyboardInterrupt")
)
# Where whole models come from, whatever the name is that they get.
_ZOOS = ("torchvision.models.", "timm.create_model", "transformers.")
_PRETRAINED = frozenset({"pretrained", "weights"})
_FILES = frozenset({"torch.load", "safetensors.torch.load_file"})
_UNTRAINED = frozenset({"from_config", "_from_config"})
_RELATED = frozenset({"optimizer", "scheduler", "scaler", "criterion", "ema"})
_REPORTS = re.compile(r"print|log|warn|error|exception|critical|info|debug|write", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Fallback:
    """``instead`` is what is used where ``wanted`` cannot be had; None: random weights.

    ``failed`` is the ``except`` clause that turns to it, ``told`` that something reports it.
    """

    wanted: tree.Call
    instead: tree.Call | None
    failed: Handler
    told: bool
    model: str


def fallbacks(file: File) -> Iterator[Fallback]:
    """The fallbacks of a file to another model, or to a model without its weights."""
    for handler in handlers.handlers(file):
        if handlers.raises(handler) or handlers.leaves(file, handler):
            continue
        if _catches_only(file, handler, _IMPORTS):
            yield from _without_library(file, handler)
        if not _catches_only(file, handler, _EXPECTED):
            yield from _another_model(file, handler)
            yield from _random_weights(file, handler)


def _catches_only(file: File, handler: Handler, names: frozenset[str]) -> bool:
    caught = handler.node.type
    kinds = caught.elts if isinstance(caught, tree.Sequence) else [caught]
    return all(kind is not None and file.names.qualified(kind) in names for kind in kinds)


def _is_told(nodes: list[tree.Stmt]) -> bool:
    return any(
        isinstance(node, tree.Call) and _REPORTS.search(tree.word_of(node.func)) is not None
        for statement in nodes
        for node in statement.walk()
    )


# Another model in the handler


def _another_model(file: File, handler: Handler) -> Iterator[Fallback]:
    tried = dict(_given(handler.tried.body))
    for target, instead in _given(handler.node.body):
        wanted = tried.get(target)
        if wanted is None or _is_chosen(handler, instead):
            continue
        if _hand_on(file, target, wanted, instead):
            continue
        call = _made_by(file, instead)
        if call is None:
            continue
        made = _made_by(file, wanted)
        first = made or wanted
        if not isinstance(first, tree.Call) or not _is_model(file, target, made):
            continue
        if _is_alike(file, first, call) and not _loses_weights(file, handler, wanted):
            continue
        if _is_loaded_again(file, handler, wanted, call, {target, file.text(instead)}):
            continue
        yield Fallback(first, call, handler, _is_told(handler.node.body), target)


def _given(block: list[tree.Stmt]) -> Iterator[tuple[str, Expr]]:
    """What the names and attributes of a block are set to, and what it returns, under ``return``.

    Only the last of several values of a name counts.
    """
    for statement in block:
        match statement:
            case tree.Assign(targets=[tree.Name() | tree.Attribute() as target]):
                name = tree.dotted(target)
                if name is not None:
                    yield name, statement.value
            case tree.Return(value=tree.Expr() as value):
                yield "return", value
            case tree.If():
                yield from _given(statement.body)
                yield from _given(statement.orelse)
            case tree.With():
                yield from _given(statement.body)
            case _:
                pass


def _is_model(file: File, target: str, made: tree.Call | None) -> bool:
    """True for a target that is named for a model, or that gets a whole one of a library."""
    if target == "return" or _MODEL.search(target.rpartition(".")[2]):
        return True
    name = file.names.qualified(made.func) if made is not None else None
    return name is not None and name.startswith(_ZOOS)


def _hand_on(file: File, target: str, wanted: Expr, instead: Expr) -> bool:
    """True where both calls are given one and the same model: it is wrapped in two ways."""
    if not isinstance(wanted, tree.Call) or not isinstance(instead, tree.Call):
        return False
    given = {file.text(arg.value) for arg in wanted.args}
    return any(
        file.text(arg.value) in given
        and (tree.dotted(arg.value) == target or models.is_model(file, arg.value) is True)
        for arg in instead.args
    )


def _loses_weights(file: File, handler: Handler, wanted: Expr) -> bool:
    """True where the ``try`` gives a model its weights, and the handler gives none."""
    return any(
        isinstance(node.func, tree.Attribute) and models.same(file, node.func.value, wanted)
        for node in _loads(handler.tried.body)
    ) and not any(_loads(handler.node.body))


def _is_loaded_again(
    file: File, handler: Handler, wanted: Expr, instead: tree.Call, names: set[str]
) -> bool:
    """True where a handler builds the class of what was wanted, and gives it the same weights."""
    if not isinstance(wanted, tree.Call):
        return False
    cls = file.text(instead.func)
    if not f"{file.text(wanted.func)}.".startswith(f"{cls}.") and not _is_load(file, wanted):
        return False
    asked = {same_expression(file, arg.value, None) for arg in wanted.args} - {None}
    for load in _loads(handler.node.body):
        if not isinstance(load.func, tree.Attribute) or file.text(load.func.value) not in names:
            continue
        given = load.arg(0, "state_dict")
        if given is not None and not asked.isdisjoint(_weights(file, given)):
            return True
    return False


def _weights(file: File, state: Expr) -> Iterator[object]:
    """The files and objects that a state may come from."""
    todo, seen = [state], set[Expr]()
    while todo:
        expr = todo.pop()
        if expr in seen:
            continue
        seen.add(expr)
        match expr:
            case tree.Call() if _is_load(file, expr) and expr.args:
                yield same_expression(file, expr.args[0].value, None)
            case tree.Call(func=tree.Attribute(value=inner)):  # ``state.get("model")``
                todo.append(inner)
            case tree.Attribute(value=inner) | tree.Subscript(value=inner):
                todo.append(inner)
            case tree.Name():
                yield same_expression(file, expr, None)
                for binding in file.values.definitions(expr)[0]:
                    if binding.value is not None:
                        todo.append(binding.value)
            case _:
                pass


def _is_load(file: File, call: tree.Call) -> bool:
    return file.names.qualified(call.func) in _FILES


def _loads(block: list[tree.Stmt]) -> Iterator[tree.Call]:
    for statement in block:
        for node in statement.walk():
            if isinstance(node, tree.Call) and tree.word_of(node.func) == "load_state_dict":
                yield node


def _made_by(file: File, expr: Expr) -> tree.Call | None:
    """The call that makes a model, where that is known."""
    for value in file.values.of(expr):
        match value:
            case Object() if value.call is not None and file.values.graph.is_module(value.cls):
                return value.call
            case Instance() if models.is_model(file, expr) is True or _is_from_config(value.name):
                return value.call
            case _:
                pass
    return None


def _is_from_config(name: str) -> bool:
    """True for ``AutoModel.from_config``: a model with random weights."""
    owner, _, method = name.rpartition(".")
    return name.startswith("transformers.") and "Model" in owner and method in _UNTRAINED


def _is_alike(file: File, wanted: tree.Call, instead: tree.Call) -> bool:
    """True where the second call gives the first one's model, or may well do so."""
    first, second = file.names.qualified(wanted.func), file.names.qualified(instead.func)
    same = first == second and file.text(wanted.func) == file.text(instead.func)
    if not same:
        if second is not None and second.rpartition(".")[2] in _UNTRAINED:
            return False
        named = {_literal(file, arg.value) for arg in wanted.args}
        return second is not None and second.rpartition(".")[2] in named
    if _is_pretrained(file, wanted) and _is_pretrained(file, instead) is False:
        return False
    one = wanted.positional[:1]
    other = instead.positional[:1]
    if not one or not other:
        return True
    chosen, fallen = _literal(file, one[0]), _literal(file, other[0])
    return not (isinstance(chosen, str) and isinstance(fallen, str) and chosen != fallen)


def _literal(file: File, expr: Expr) -> object:
    return file.values.literal(expr)


def _is_pretrained(file: File, call: tree.Call) -> bool | None:
    """Whether a call loads trained weights, as far as its arguments tell."""
    for arg in call.args:
        if arg.keyword in _PRETRAINED:
            known = file.values.literal(arg.value)
            if known in (False, None):
                return False
            return None if known is ... and not isinstance(arg.value, tree.Attribute) else True
    return None


def _is_chosen(handler: Handler, instead: Expr) -> bool:
    """True for a fallback behind a test in the handler: a setting asks for it."""
    return any(
        isinstance(above, tree.If) and handler.node in above.ancestors()
        for above in instead.ancestors()
    )


# Random weights


def _random_weights(file: File, handler: Handler) -> Iterator[Fallback]:
    """``try: model.load_state_dict(...)`` whose failure is passed over."""
    if not handlers.is_silent(handler) or _tells_later(handler) or _skips(handler):
        return
    for node in (n for statement in handler.tried.body for n in statement.walk()):
        if not isinstance(node, tree.Call) or not isinstance(node.func, tree.Attribute):
            continue
        if node.func.attr != "load_state_dict" or not _is_tried(node, handler):
            continue
        model = node.func.value
        if tree.word_of(model).lower() in _RELATED or models.is_model(file, model) is False:
            continue
        if not _goes_on(file, model, handler):
            continue
        told = _is_told(handler.node.body)
        yield Fallback(node, None, handler, told, file.text(model))
        return


def _goes_on(file: File, model: Expr, handler: Handler) -> bool:
    """True for a model that was there before the ``try``, and is used behind it."""
    root = next((node for node in model.walk() if isinstance(node, tree.Name)), None)
    if root is None:
        return False
    bindings, unbound = file.values.definitions(root)
    if unbound or any(handler.tried in binding.node.ancestors() for binding in bindings):
        return False
    if any(isinstance(binding.node, tree.Param) for binding in bindings):
        return True
    return any(
        name.id == root.id
        and handler.tried not in name.ancestors()
        and any(binding in file.values.definitions(name)[0] for binding in bindings)
        and _may_follow(file, handler.tried, name)
        for name in file.all(tree.Name)
        if not is_bound_by(name)
    )


def _may_follow(file: File, tried: tree.Try, name: tree.Name) -> bool:
    body = tree.function_of(tried) or file.module
    if (tree.function_of(name) or file.module) is not body:
        return True
    flow = file.flow_in(body)
    return flow.holds(name) and flow.reaches(flow.point(tried), [flow.point(name)])


def _is_tried(node: tree.Node, handler: Handler) -> bool:
    """True for what no ``try`` inside this one keeps from the handler."""
    for above in node.ancestors():
        if above is handler.tried:
            return True
        if isinstance(above, tree.Try | tree.FunctionDef | tree.Lambda):
            return False
    return False


def _tells_later(handler: Handler) -> bool:
    """True where success is told apart: by a result, a flag, or the way that is taken."""
    for statement in (*handler.tried.body, *handler.tried.orelse):
        for node in statement.walk():
            match node:
                case tree.Return() | tree.Break():
                    return True
                case tree.Assign(value=tree.Constant(value=True | False)):
                    return True
                case _:
                    pass
    return False


def _skips(handler: Handler) -> bool:
    """True where the model that could not be loaded is not used: the next one is taken."""
    return any(
        isinstance(node, tree.Continue)
        for statement in handler.node.body
        for node in statement.walk()
    )


# A library that is missing


def _without_library(file: File, handler: Handler) -> Iterator[Fallback]:
    """``if HAS_LIBRARY: model = library.Model() else: model = resnet18()``."""
    flags = _flags(handler)
    if not flags:
        return
    for choice in file.all(tree.IfExp):
        missing = _asks(file, choice.test, flags, handler)
        if missing is not None:
            first, value = choice.body, choice.orelse
            pair = ("model", value, first) if missing else ("model", first, value)
            yield from _replaced(file, handler, [pair], [])
    for branch in file.all(tree.If):
        missing = _asks(file, branch.test, flags, handler)
        if missing is not None:
            block = branch.body if missing else branch.orelse
            wanted = dict(_given(branch.orelse if missing else branch.body))
            pairs = [(name, wanted[name], value) for name, value in _given(block) if name in wanted]
            yield from _replaced(file, handler, pairs, block)


def _replaced(
    file: File, handler: Handler, pairs: list[tuple[str, Expr, Expr]], block: list[tree.Stmt]
) -> Iterator[Fallback]:
    for name, first, value in pairs:
        if _hand_on(file, name, first, value):
            continue
        call = _made_by(file, value)
        made = first if isinstance(first, tree.Call) else _made_by(file, first)
        if not _is_model(file, name, made) and not _is_model(file, name, call):
            continue
        if call is not None and made is not None and _is_of_library(file, made, handler):
            told = _is_told(block) or _is_told(handler.node.body)
            yield Fallback(made, call, handler, told, name)


def _flags(handler: Handler) -> dict[str, object]:
    """The names that tell whether the import went well, with their value where it did not."""
    found: dict[str, object] = {}
    for statement in handler.node.body:
        match statement:
            case tree.Assign(value=tree.Constant() as value, targets=targets):
                for target in targets:
                    if isinstance(target, tree.Name) and value.value in (False, None):
                        found[target.id] = value.value
            case _:
                pass
    return found


def _asks(file: File, test: Expr, flags: dict[str, object], handler: Handler) -> bool | None:
    """Whether a test holds where the library is missing; None where it asks for something else."""
    match test:
        case tree.Name() if test.id in flags and _is_bound_in(file, test, handler):
            return False
        case tree.UnaryOp(op="not"):
            inner = _asks(file, test.operand, flags, handler)
            return None if inner is None else not inner
        case tree.Compare(
            left=tree.Name() as left, ops=[op], comparators=[tree.Constant() as none]
        ):
            if none.value is not None or left.id not in flags:
                return None
            return (
                {"is": True, "is not": False}.get(op) if _is_bound_in(file, left, handler) else None
            )
        case _:
            return None


def _is_bound_in(file: File, name: tree.Name, handler: Handler) -> bool:
    found = file.names.find(name.id, name)
    return found is not None and any(handler.node in b.node.ancestors() for b in found[1])


def _is_of_library(file: File, call: tree.Call, handler: Handler) -> bool:
    """True where a model comes from what the ``try`` imports."""
    root = next((node for node in call.func.walk() if isinstance(node, tree.Name)), None)
    found = file.names.find(root.id, root) if root is not None else None
    return found is not None and any(handler.tried in b.node.ancestors() for b in found[1])
