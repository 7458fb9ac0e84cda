"""When two expressions give the same data: equal keys for what is made alike of the same things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.backward import Use, frame_key
from trainlint.semantics.data.datasets import NOT_DATA
from trainlint.semantics.kinds import Frame
from trainlint.semantics.names import is_of_class
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_PATHS = frozenset({"os.path.join", "pathlib.Path", "builtins.str", "torch.tensor", "os.fspath"})


def same_expression(file: File, expr: Expr, frame: Frame | None) -> object:
    """A key that is equal for expressions of the same value, None where that cannot be told."""
    literal = file.values.literal(expr, frame)
    if literal is not ...:
        return "literal", literal
    match expr:
        case tree.Name():
            return _name(file, expr, frame)
        case tree.Attribute():
            inner = same_expression(file, expr.value, frame)
            return (inner, expr.attr) if inner is not None else None
        case tree.Subscript():
            return _all(file, frame, "item", [expr.value, *expr.index])
        case tree.Slice():
            ends = [end for end in (expr.lower, expr.upper, expr.step) if end is not None]
            given = (expr.lower is None, expr.upper is None, expr.step is None)
            found = _all(file, frame, "slice", ends)
            return (given, found) if found is not None else None
        case tree.BinOp():
            return _all(file, frame, expr.op, [expr.left, expr.right])
        case tree.UnaryOp():
            return _all(file, frame, expr.op, [expr.operand])
        case tree.FormattedString():
            names = [node for node in expr.walk() if isinstance(node, tree.Name)]
            return _all(file, frame, file.text(expr), list(names))
        case tree.Call() if (name := file.names.qualified(expr.func)) in _PATHS:
            given_ = [arg.value for arg in expr.args if not arg.star and arg.keyword is None]
            return _all(file, frame, name or "", given_) if len(given_) == len(expr.args) else None
        case _:
            return None


def _all(file: File, frame: Frame | None, kind: str, exprs: list[Expr]) -> object:
    keys = tuple(same_expression(file, expr, frame) for expr in exprs)
    return None if None in keys else (kind, keys)


def _name(file: File, name: tree.Name, frame: Frame | None) -> object:
    bindings, unbound = file.values.definitions(name)
    if len(bindings) != 1 or unbound:
        return None
    binding = bindings[0]
    match binding.kind:
        case "assign" | "import":
            # A name of another function's body is bound once for all its calls.
            here = tree.function_of(binding.node) is not None
            return (binding, frame_key(frame)) if here else binding
        case "param" if isinstance(binding.node, tree.Param):
            return _param(file, binding.node, frame)
        case _:
            return None


def _param(file: File, param: tree.Param, frame: Frame | None) -> object:
    function = param.parent
    if frame is None or frame.function is not function or frame.call is None:
        return param, frame_key(frame)
    assert isinstance(function, tree.FunctionDef | tree.Lambda)
    given = parameters.given(function, frame.call, param)
    return same_expression(file, given, frame.caller) if given is not None else None


def same_data(file: File, use: Use, call: tree.Call) -> object:
    """A key that is equal for data sets made alike of the same data, whatever the transforms."""
    unlike = (call, use.path, frame_key(use.frame))
    name = file.names.qualified(call.func) or file.text(call.func)
    if not is_of_class(name) and "load_dataset" not in name:
        return unlike
    items: list[object] = []
    told = False
    for index, arg in enumerate(call.args):
        if arg.star:
            return unlike
        label = arg.keyword or tree.last_name(arg.value)
        if NOT_DATA.search(label):
            continue
        key = same_expression(file, arg.value, use.frame)
        if key is None:
            return unlike
        items.append((arg.keyword or index, key))
        literal = file.values.literal(arg.value, use.frame)
        told = told or literal is ... or isinstance(literal, str | bool)
    return (name, tuple(items), use.path) if told else unlike
