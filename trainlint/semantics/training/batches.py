"""How many micro-batches an iterable gives, as far as that can be told."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import ClassValue, Display, FunctionValue, Instance, Object
from trainlint.semantics.shapes.functions import FILLED
from trainlint.semantics.training.boundary import definition, same
from trainlint.semantics.training.counting import unwrapped
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_ENDLESS = re.compile(r"cycle|infinit|endless|forever|(^|_)inf(_|$)", re.I)
_MAX_ALIASES = 6
_TENSORS = frozenset(f"torch.{name}" for name in FILLED | {"arange"})


def is_endless(file: File, source: Expr) -> bool:
    """True for ``itertools.cycle`` and generators that never end, by name where not known."""
    if isinstance(source, tree.Name) and (value := definition(file, source)) is not None:
        source = unwrapped(file, value)
    if not isinstance(source, tree.Call):
        return False
    name = file.names.qualified(source.func)
    if name in {"itertools.cycle", "itertools.count", "itertools.repeat"}:
        return True
    functions = [v for v in file.values.of(source.func) if isinstance(v, FunctionValue)]
    for function in functions:
        for node in function.function.walk():
            endless = isinstance(node, tree.While) and isinstance(node.test, tree.Constant)
            if endless and any(isinstance(inner, tree.Yield) for inner in node.walk()):
                return True
    return not functions and _ENDLESS.search(tree.last_name(source.func)) is not None


def is_multiple(file: File, expr: Expr, k: Expr, depth: int = _MAX_ALIASES) -> bool:
    """True for a number that is a multiple of ``k`` as it is written: ``n // k * k``."""
    match expr:
        case tree.BinOp(op="*"):
            return any(same(file, side, k) for side in (expr.left, expr.right)) or any(
                is_multiple(file, side, k, depth) for side in (expr.left, expr.right)
            )
        case tree.BinOp(op="-", right=tree.BinOp(op="%") as rest):
            return same(file, rest.left, expr.left) and same(file, rest.right, k)
        case tree.Name() if depth and (value := definition(file, expr)) is not None:
            return is_multiple(file, value, k, depth - 1)
        case tree.Call(args=[argument]) if file.names.qualified(expr.func) == "builtins.int":
            return is_multiple(file, argument.value, k, depth)
        case tree.Constant(value=int(number)):
            divisor = file.values.literal(k)
            return isinstance(divisor, int) and divisor > 0 and number % divisor == 0
        case _:
            return False


def batches(file: File, source: Expr) -> int | None:
    """How many items a loader, range or display gives, None when that is not known."""
    value = file.values.only(source)
    if isinstance(value, Instance) and value.name == "torch.utils.data.DataLoader":
        call = value.call
        odd = ("sampler", "batch_sampler")
        if call.has_star or any(call.arg(None, word) is not None for word in odd):
            return None
        given = call.arg(0, "dataset")
        number = None if given is None else _length(file, given)
        size = _literal(file, call.arg(1, "batch_size"), 1)
        drop = _literal(file, call.arg(8, "drop_last"), False)
        if number is None or not isinstance(size, int) or size < 1 or not isinstance(drop, bool):
            return None
        return number // size if drop else math.ceil(number / size)
    return _length(file, source)


def is_sized(file: File, source: Expr, loop: tree.Loop) -> bool:
    """True for a display, a range, a loader of a map-style dataset, or what ``len`` is taken of.

    The script's own ``len`` counts where it is taken of the same binding in the same function, or
    for an attribute in the same class.
    """
    if tree.dotted(source) is None:
        return False
    values = file.values.of(source)
    known = [v for v in values if isinstance(v, Instance | Display)]
    if any(isinstance(v, Instance) and not _is_map_style(file, v) for v in known):
        return False
    if known and len(known) == len(values):
        return all(_has_length(file, v) for v in known) or _is_measured(file, source, loop)
    return _is_measured(file, source, loop)


def _is_map_style(file: File, loader: Instance) -> bool:
    """False for a loader of an ``IterableDataset``."""
    given = loader.call.arg(0, "dataset")
    if loader.name != "torch.utils.data.DataLoader" or given is None:
        return True
    for value in file.values.of(given, loader.frame):
        if isinstance(value, Object):
            bases = file.values.graph.bases(value.cls)
            if "torch.utils.data.IterableDataset" in bases:
                return False
    return True


def _has_length(file: File, value: Instance | Display) -> bool:
    if isinstance(value, Display):
        return isinstance(value.expr, tree.Sequence) or (
            isinstance(value.expr, tree.Comprehension) and value.expr.kind == "list"
        )
    if value.name != "torch.utils.data.DataLoader":
        return value.name in {"builtins.range", "builtins.list"}
    given = value.call.arg(0, "dataset")
    return given is not None and any(
        isinstance(v, Display) or _is_known_dataset(v) or _has_len(file, v)
        for v in file.values.of(given, value.frame)
    )


def _is_known_dataset(value: object) -> bool:
    return isinstance(value, Instance) and value.name.startswith(("torch.", "torchvision."))


def _has_len(file: File, value: object) -> bool:
    return isinstance(value, Object) and file.values.graph.method(value.cls, "__len__") is not None


def _is_measured(file: File, source: Expr, loop: tree.Loop) -> bool:
    text, function, cls = tree.dotted(source), tree.function_of(loop), tree.class_of(loop)
    for call in file.calls_to("builtins.len"):
        given = call.arg(0)
        if given is None or tree.dotted(given) != text:
            continue
        if tree.function_of(call) is function:
            return True
        if isinstance(source, tree.Attribute) and cls is not None and tree.class_of(call) is cls:
            return True
    return False


def _literal(file: File, given: Expr | None, default: object) -> object:
    return default if given is None else file.values.literal(given)


def _length(file: File, expr: Expr, depth: int = _MAX_ALIASES) -> int | None:
    value = file.values.only(expr)
    match value:
        case Display() if isinstance(value.expr, tree.Sequence):
            stars = any(isinstance(item, tree.Starred) for item in value.expr.elts)
            return None if stars else len(value.expr.elts)
        case Display() if isinstance(value.expr, tree.Comprehension):
            generators = value.expr.generators
            if value.expr.kind != "list" or len(generators) != 1 or generators[0].ifs:
                return None
            return _length(file, generators[0].iter, depth - 1) if depth else None
        case Instance(name="builtins.range"):
            given = [file.values.literal(item, value.frame) for item in value.call.positional]
            if given and all(isinstance(item, int) for item in given) and 0 not in given[2:]:
                return len(range(*given))
            return None
        case Instance(name="torch.utils.data.TensorDataset" | "builtins.list" | "builtins.tuple"):
            return _of_first(file, value, depth)
        case Instance(name="torch.utils.data.Subset"):
            given_indices = value.call.arg(1, "indices")
            return None if given_indices is None else _length(file, given_indices, depth - 1)
        case Instance() if value.name in _TENSORS:
            return _of_tensor(file, value)
        case Object() | ClassValue():
            return _of_object(file, value.cls)
        case _:
            return None


def _of_first(file: File, value: Instance, depth: int) -> int | None:
    given = value.call.positional
    return _length(file, given[0], depth - 1) if given and depth else None


def _of_tensor(file: File, value: Instance) -> int | None:
    short, given = value.name.rpartition(".")[2], value.call.positional
    if short == "randint":  # the size is the last argument by position
        size = value.call.arg(None, "size") or (given[-1] if len(given) > 1 else None)
    else:
        size = given[0] if given else None
    if short == "arange" and len(given) != 1:
        return None
    if isinstance(size, tree.Sequence):
        size = size.elts[0] if size.elts else None
    number = None if size is None else file.values.literal(size)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _of_object(file: File, cls: tree.ClassDef) -> int | None:
    method = file.values.graph.method(cls, "__len__")
    if method is None:
        return None
    returns = file.values.graph.returns(method)
    if len(returns) != 1 or returns[0].value is None:
        return None
    number = file.values.literal(returns[0].value)
    return number if isinstance(number, int) and not isinstance(number, bool) else None
