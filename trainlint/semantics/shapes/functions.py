"""What functions of torch and Python give whose first argument is no tensor."""

from __future__ import annotations

from typing import Any

from trainlint.semantics import dtypes
from trainlint.semantics.shapes import moves
from trainlint.semantics.shapes.dimensions import NUMBER, Dim, Sum, minus
from trainlint.semantics.shapes.operations import perform
from trainlint.semantics.shapes.shape import Shape
from trainlint.semantics.shapes.tensor import Given, Misfit, Tensor, joined

FILLED = frozenset("zeros ones rand randn empty full randint".split())
_PREFIXES = ("torch.nn.functional.", "torch.Tensor.", "torch.special.", "torch.")
_PURE = frozenset("torch.cuda torch.utils torch.nn.utils torch.distributed".split())


def called(name: str, given: Given) -> Any:
    """What a function gives, ``...`` where it is not known.

    Raises:
        Misfit: the shapes do not fit.
    """
    if name.startswith("math."):
        return NUMBER
    if name == "builtins.len":
        first = given.get(0, "")
        if isinstance(first, Tensor) and first.shape is not None and not first.shape.open:
            return first.shape.dims[0] if first.shape.dims else ...
        return len(first) if isinstance(first, tuple) else ...
    if name in {"builtins.tuple", "builtins.list"}:
        first = given.get(0, "", ...)
        return first if isinstance(first, tuple) else ...
    if name in {"builtins.int", "builtins.float"}:
        first = given.get(0, "", ...)
        return first if isinstance(first, int | Sum) and name == "builtins.int" else NUMBER
    prefix = next((p for p in _PREFIXES if name.startswith(p)), None)
    if prefix is None or name.rpartition(".")[0] in _PURE:
        return ...
    short = name.removeprefix(prefix)
    match short:
        case "cat" | "concat" | "stack":
            axis = given.get(1, "dim", given.keywords.get("axis", 0))
            return joined(given.get(0, "tensors", ...), axis, short == "stack")
        case "einsum":
            return einsum(given)
        case "arange":
            return _counted(given)
        case _ if short in FILLED:
            return _filled(short, given)
        case _:
            pass
    first = given.get(0, "input", given.keywords.get("x", ...))
    if not isinstance(first, Tensor):
        return ...
    return perform(short, first, Given(given.positional[1:], given.keywords))


def _dtype(given: Given, default: str | None) -> str | None:
    named = given.keywords.get("dtype")
    if named is None:
        return default
    known = isinstance(named, str) and named.startswith("torch.")
    return dtypes.canonical(named) if known else None


def _filled(short: str, given: Given) -> Any:
    sizes = given.many("size")
    if short in {"full", "randint"}:
        whole = [one for one in (*given.positional, given.keywords.get("size")) if one is not None]
        sizes = next((one for one in whole if isinstance(one, tuple)), None)
    if sizes is None:
        return Tensor(made=True)
    dims = tuple(size if isinstance(size, int | Sum) else None for size in sizes)
    default = {"randint": "int64", "full": None}.get(short, "float32")
    return Tensor(Shape(dims), _dtype(given, default), made=True)


def _counted(given: Given) -> Any:
    bounds = list(given.positional)
    numbers = all(isinstance(bound, int | Sum) for bound in bounds)
    size: Dim = None
    if numbers and len(bounds) == 1:
        size = bounds[0]
    elif numbers and len(bounds) == 2:
        size = minus(bounds[1], bounds[0])
    whole = "int64" if numbers and bounds else None
    return Tensor(Shape((size,)), _dtype(given, whole), made=True)


def einsum(given: Given) -> Any:
    """The sizes that the letters of the operands give those of the result."""
    equation = given.get(0, "equation")
    operands = given.positional[1:]
    if not isinstance(equation, str) or "->" not in equation or "." in equation:
        return Tensor(made=True)
    left, right = equation.replace(" ", "").split("->")
    sizes: dict[str, Dim] = {}
    for letters, operand in zip(left.split(","), operands, strict=False):
        if not isinstance(operand, Tensor):
            return Tensor(made=True)
        shape = moves.permuted(operand.shape, range(len(letters)))
        for letter, size in zip(letters, shape.dims if shape else (), strict=False):
            known = sizes.get(letter)
            if isinstance(known, int) and isinstance(size, int) and 1 != known != size != 1:
                raise Misfit
            if not isinstance(known, int) or known == 1:
                sizes[letter] = known if size is None else size
    return Tensor(Shape(tuple(sizes.get(letter) for letter in right)), made=True)
