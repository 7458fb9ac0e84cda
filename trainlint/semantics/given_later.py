"""What a call leaves out and the program says behind it: a cast, ``set_params``, a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SAME = frozenset({"values", "to_numpy", "T", "loc", "iloc", "join", "fillna"})
_NO_TYPE = frozenset({"astype", "columns", "index", "shape"})


def is_given_later(file: File, call: tree.Call, parameter: str) -> bool:
    """True where a parameter is set, searched or made up for behind the call that leaves it out."""
    if any(_is_set(read, parameter) for read in _reads(file, call)):
        return True
    if parameter == "dtype":
        return any(_is_cast(read) for read in _reads(file, call))
    return _is_searched(file, parameter)


def _reads(file: File, call: tree.Call) -> Iterator[Expr]:
    """The call, and the reads of the name that it is given."""
    yield call
    statement = call.parent
    if not isinstance(statement, tree.Assign) or statement.value is not call:
        return
    for target in statement.targets:
        for name in file.all(tree.Name) if isinstance(target, tree.Name) else ():
            if name.id != tree.dotted(target) or is_bound_by(name):
                continue
            if any(b.node is statement for b in file.values.definitions(name)[0]):
                yield name


def _is_set(read: Expr, parameter: str) -> bool:
    """True for ``model.set_params(n_init=10)`` and ``model.n_init = 10``."""
    match read.parent:
        case tree.Attribute(attr="set_params", parent=tree.Call() as call):
            return call.has_star or call.arg(None, parameter) is not None
        case tree.Attribute(attr=attr) as attribute:
            return attr == parameter and is_bound_by(attribute)
        case _:
            return False


def _is_cast(read: Expr) -> bool:
    """True where another type follows, or none is asked for."""
    match read.parent:
        case tree.Attribute(attr=attr) as attribute if attr in _NO_TYPE | _SAME:
            called = attribute.parent
            outer = called if isinstance(called, tree.Call) else attribute
            typed = isinstance(outer, tree.Call) and outer.arg(None, "dtype") is not None
            return attr in _NO_TYPE or typed or _is_cast(outer)
        case tree.Subscript() as part if part.value is read:
            return _is_cast(part)
        case tree.Arg(parent=tree.Call() as taker):
            return taker.arg(None, "dtype") is not None
        case _:
            return False


def _is_searched(file: File, parameter: str) -> bool:
    """True where a grid lists values of the parameter, or a step of a pipeline is given one."""
    for table in file.all(tree.Dict):
        for key, values in zip(table.keys, table.values, strict=True):
            named = key.value if isinstance(key, tree.Constant) else None
            step, _, last = str(named).rpartition("__")
            if last == parameter and (step or isinstance(values, tree.Sequence)):
                return True
    step = f"__{parameter}"
    return any((arg.keyword or "").endswith(step) for call in file.calls for arg in call.args)
