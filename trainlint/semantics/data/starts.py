"""Random starts of a cut: drawn below what a sample leaves over, which can be nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import looks
from trainlint.semantics.kinds import Instance
from trainlint.semantics.names import Binding
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_EXCLUSIVE = frozenset({"numpy.random.randint", "random.randrange", "torch.randint"})
_INCLUSIVE = frozenset({"random.randint", "numpy.random.random_integers"})
_GENERATORS = frozenset({"numpy.random.default_rng", "numpy.random.RandomState", "random.Random"})
_METHODS = {"integers": True, "randint": True, "randrange": True}


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """``call`` draws a start in what is left of ``sample`` beside a cut of ``width``.

    ``equal`` tells that a sample of just the width fails, too; ``given`` that the sample is handed
    in, so that others may have looked at it.
    """

    call: tree.Call
    sample: Expr
    size: Expr
    width: Expr
    equal: bool
    given: bool


def starts(file: File) -> Iterator[Start]:
    """The starts of a file that are drawn without a look at the size of the sample."""
    for call in file.calls:
        function = tree.function_of(call)
        inclusive = _inclusive(file, call)
        if function is None or inclusive is None:
            continue
        bound = _bound(file, call)
        if bound is None:
            continue
        one_more = isinstance(bound, tree.BinOp) and bound.op == "+" and _is_one(bound.right)
        if one_more and isinstance(bound, tree.BinOp):
            bound = bound.left
        match bound:
            case tree.BinOp(op="-", left=size, right=width):
                pass
            case _:
                continue
        if isinstance(file.values.literal(width), int) and file.values.literal(width) <= 1:
            continue
        sample = _sample(file, size)
        if sample is None or not _is_fixed(file, width, sample):
            continue
        base = tree.base_of(sample)
        bindings = file.values.definitions(base)[0] if base is not None else []
        if _is_one_for_all(sample, bindings) or looks.is_filtered(function, width):
            continue
        if looks.is_looked_at(function, call, sample, size, width):
            continue
        given = any(binding.kind == "param" for binding in bindings)
        if looks.is_seen_by_callers(file, function, sample) or looks.is_behind_a_resize(
            file, function
        ):
            continue
        equal = not (inclusive or one_more)
        yield Start(call, sample, size, width, equal, given)


def _is_one_for_all(sample: Expr, bindings: list[Binding]) -> bool:
    """True for what the object or the module holds: the same at each draw, and long enough once."""
    if isinstance(sample, tree.Attribute) and _is_self(sample.value):
        return True
    return any(b.kind != "param" and tree.function_of(b.node) is None for b in bindings)


def _inclusive(file: File, call: tree.Call) -> bool | None:
    """Whether a draw can give its upper bound itself; None for what draws no number."""
    name = file.names.qualified(call.func)
    if name in _EXCLUSIVE:
        return False
    if name in _INCLUSIVE:
        return True
    func = call.func
    if name is not None or not isinstance(func, tree.Attribute) or func.attr not in _METHODS:
        return None
    for value in file.values.of(func.value):
        if isinstance(value, Instance) and value.name in _GENERATORS:
            return value.name == "random.Random" and func.attr == "randint"
    return None


def _bound(file: File, call: tree.Call) -> Expr | None:
    """The upper bound of a draw that begins at 0."""
    if call.has_star:
        return None
    given = call.positional
    high = call.arg(None, "high")
    if high is not None:
        return high if not given or file.values.literal(given[0]) == 0 else None
    torch = file.names.qualified(call.func) == "torch.randint"
    if torch and (not isinstance(given[-1], tree.Sequence) or len(given[-1].elts) != 1):
        return None
    numbers = given[:-1] if torch else given
    if torch and file.values.literal(given[-1].elts[0]) != 1:  # type: ignore[attr-defined]
        return None
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) == 2 and file.values.literal(numbers[0]) == 0:
        return numbers[1]
    return None


def _is_one(expr: Expr) -> bool:
    return isinstance(expr, tree.Constant) and expr.value == 1


def _sample(file: File, size: Expr, hops: int = 2) -> Expr | None:
    """What a size is that of: ``wave`` for ``len(wave)``, ``wave.shape[0]``, ``wave.size(1)``."""
    match size:
        case tree.Call() if file.names.qualified(size.func) == "builtins.len" and size.args:
            return size.args[0].value
        case tree.Call(func=tree.Attribute(attr="size", value=sample)) if size.args:
            return sample
        case tree.Subscript(value=tree.Attribute(attr="shape" | "size", value=sample)):
            return sample if not _is_self(sample) else None
        case tree.Attribute(attr="width" | "height", value=tree.Name() as sample):
            return sample if not _is_self(sample) else None
        case tree.Name() if hops:
            bindings, unbound = file.values.definitions(size)
            one = bindings[0] if len(bindings) == 1 and not unbound else None
            if one is None or one.kind != "assign" or one.value is None:
                return None
            part = _part(one)
            if part is not None and (not one.path or part is not one.value):
                return _sample(file, part, hops - 1)
            match one.value:
                case tree.Attribute(attr="shape" | "size", value=sample):
                    return sample
                case tree.Subscript(value=tree.Attribute(attr="shape", value=sample)):
                    return sample
                case _:
                    return None
        case _:
            return None


def _is_self(expr: Expr) -> bool:
    return isinstance(expr, tree.Name) and expr.id in {"self", "cls"}


def _is_fixed(file: File, width: Expr, sample: Expr, hops: int = 4) -> bool:
    """True for a setting, or the size of something else: nothing that this size decides, or a draw.

    The width of a mask is drawn, and that of a crop may be a share of the sample.
    """
    if not hops or tree.dotted(width) == tree.dotted(sample) is not None:
        return False
    match width:
        case tree.Constant():
            return True
        case tree.Attribute():
            return tree.dotted(width) is not None
        case tree.Name():
            bindings, unbound = file.values.definitions(width)
            known = bool(bindings) and not unbound
            return known and all(_gives_fixed(file, b, sample, hops - 1) for b in bindings)
        case tree.BinOp(op="*" | "//" | "+" | "-"):
            sides = (width.left, width.right)
            return all(_is_fixed(file, side, sample, hops - 1) for side in sides)
        case tree.Subscript(value=tree.Attribute(attr="shape" | "size", value=other)):
            return tree.dotted(other) not in {None, tree.dotted(sample)}
        case tree.Subscript(value=tree.Attribute()):
            return tree.dotted(width.value) is not None
        case tree.Call():
            name = file.names.qualified(width.func)
            given = width.positional
            if name == "builtins.len" and given:
                return tree.dotted(given[0]) not in {None, tree.dotted(sample)}
            if name in {"builtins.int", "builtins.round"} and given:
                return _is_fixed(file, given[0], sample, hops - 1)
            return False
        case _:
            return False


def _gives_fixed(file: File, binding: Binding, sample: Expr, hops: int) -> bool:
    if binding.kind == "param":
        return True
    value = _part(binding)
    match value:
        case None:
            return False
        case tree.Attribute(attr="shape" | "size", value=other) if binding.path:
            return tree.dotted(other) not in {None, tree.dotted(sample)}
        case _:
            return (value is binding.value or not binding.path[1:]) and _is_fixed(
                file, value, sample, hops
            )


def _part(binding: Binding) -> Expr | None:
    """What a name is given: an item of a tuple, or the whole that it is unpacked from."""
    value, path = binding.value, binding.path
    if binding.kind != "assign" or value is None:
        return None
    if isinstance(value, tree.Sequence) and path and isinstance(path[0], int):
        return value.elts[path[0]] if path[0] < len(value.elts) else None
    if path and not isinstance(value, tree.Attribute | tree.Subscript):
        return None
    return value
