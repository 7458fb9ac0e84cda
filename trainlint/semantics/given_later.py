"""What a call leaves out and the program says behind it: a cast, ``set_params``, a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Instance
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SAME = frozenset({"values", "to_numpy", "T", "loc", "iloc", "join", "fillna", "copy"})
_CUTS = frozenset({"drop", "dropna", "drop_duplicates", "head", "sample", "reset_index"})
_NO_TYPE = frozenset({"columns", "index", "shape"})
_HOPS = 3  # from name to name


def is_given_later(file: File, call: tree.Call, parameter: str) -> bool:
    """True where a parameter is set, searched or made up for behind the call that leaves it out."""
    reads = list(_reads(file, call))
    if any(_is_set(read, parameter) for read in reads):
        return True
    if parameter != "dtype":
        return _is_searched(file, call, parameter)
    return any(_is_cast(file, read) for read in reads) or (
        bool(reads) and all(_asks_no_type(file, read) for read in reads)
    )


def _reads(file: File, made: Expr) -> Iterator[Expr]:
    """The reads of the name that something is given; itself where it is given none."""
    statement = made.parent
    if not isinstance(statement, tree.Assign):
        yield made
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


def _is_cast(file: File, read: Expr, hops: int = _HOPS) -> bool:
    """True where another type follows, also by the names that a table is given."""
    table = _last(file, read)
    if _is_typed(table):
        return True
    match table.parent:
        case tree.Attribute(attr="astype"):
            return True
        case tree.Arg(parent=tree.Call() as taker) if _is_typed(taker):
            return True
        case tree.Assign() if hops:
            return any(_is_cast(file, other, hops - 1) for other in _reads(file, table))
        case _:
            return False


def _asks_no_type(file: File, read: Expr) -> bool:
    """True where nothing but the names or the number of rows and columns is asked for."""
    above = _last(file, read).parent
    return isinstance(above, tree.Attribute) and above.attr in _NO_TYPE


def _last(file: File, table: Expr) -> Expr:
    """What is made of a table, as long as it has the types of the table."""
    match table.parent:
        case tree.Attribute(attr=attr, parent=above) as attribute if attr in _SAME | _CUTS:
            made = above if isinstance(above, tree.Call) else attribute
            return made if _is_typed(made) else _last(file, made)
        case tree.Subscript(value=value) as part if value is table:
            return _last(file, part)
        case tree.Sequence(parent=tree.Arg(parent=tree.Call() as joined)) if (
            file.names.qualified(joined.func) == "pandas.concat"
        ):
            return _last(file, joined)
        case _:
            return table


def _is_typed(made: Expr) -> bool:
    return isinstance(made, tree.Call) and made.arg(None, "dtype") is not None


def _is_searched(file: File, call: tree.Call, parameter: str) -> bool:
    """True where a grid lists values of the parameter, or a step of a pipeline is given one."""
    for table in file.all(tree.Dict):
        for key, values in zip(table.keys, table.values, strict=True):
            named = key.value if isinstance(key, tree.Constant) else None
            step, _, last = str(named).rpartition("__")
            if last != parameter:
                continue
            if step or (
                isinstance(values, tree.Sequence) and not _is_of_another(file, call, table)
            ):
                return True
    step = f"__{parameter}"
    return any((arg.keyword or "").endswith(step) for call in file.calls for arg in call.args)


def _is_of_another(file: File, call: tree.Call, grid: tree.Dict) -> bool:
    """True where all that a grid is given to are searches that try another estimator."""
    uses = [read.parent for read in _reads(file, grid)]
    searches = [
        u.parent for u in uses if isinstance(u, tree.Arg) and isinstance(u.parent, tree.Call)
    ]
    tried = [search.arg(0, "estimator") for search in searches]
    return 0 < len(uses) == len(searches) and all(
        expr is not None
        and all(isinstance(v, Instance) and v.call is not call for v in file.values.of(expr))
        for expr in tried
    )
