"""Subsets of one data set: the indices that they take, and the parts of its random splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.roles import of_name
from trainlint.semantics.data.sameness import same_expression
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.tree import Expr
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SUBSET = "torch.utils.data.Subset"
_SAMPLER = "torch.utils.data.SubsetRandomSampler"
RANDOM_SPLIT = "torch.utils.data.random_split"
_LISTS = frozenset({"builtins.list", "builtins.tuple", "numpy.array", "torch.tensor"})
_RANGES = frozenset({"builtins.range", "numpy.arange", "torch.arange"})


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """The indices from ``low`` to ``high`` of ``base``, given to what is named for ``role``.

    A bound is a number, a key that is equal for equal expressions, or None for the very end.
    ``dataset`` is where they are indices of, as far as that is written.
    """

    call: tree.Call
    role: str
    base: object
    low: object
    high: object
    dataset: Expr | None

    @property
    def is_whole(self) -> bool:
        return self.low == 0 and self.high is None


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A ``random_split``: ``parts`` are the expressions that its parts are given to, by index."""

    call: tree.Call
    dataset: Expr
    parts: dict[int, Expr]


def role_of(node: tree.Node) -> str | None:
    """The split that the names say to which the statement of a node gives what it makes."""
    statement = tree.statement_of(node)
    match statement:
        case tree.Assign(targets=[target]) | tree.AnnAssign(target=target):
            return of_name(tree.last_name(target))
        case _:
            return None


# Ranges


def taken(file: File) -> list[Taken]:
    """The subsets and samplers over written ranges or slices, whose role their names tell."""
    found = []
    for call in file.calls:
        role = role_of(call)
        one = _take(file, call, role) if role is not None else None
        if one is not None:
            found.append(one)
    return found


def overlap(one: Taken, other: Taken) -> bool:
    """True where two ranges of one base share an index, whatever the names in them stand for."""
    if one.base != other.base:
        return False
    if one.low == other.low or (one.high is None and other.high is None):
        return True
    if one.is_whole or other.is_whole:
        return True
    numbers = [one.low, one.high, other.low, other.high]
    if not all(n is None or isinstance(n, int) for n in numbers) or _is_negative(*numbers):
        return False
    return _reaches(one.high, other.low) and _reaches(other.high, one.low)


def _reaches(high: object, low: object) -> bool:
    return high is None or (isinstance(high, int) and isinstance(low, int) and high > low)


def _take(file: File, call: tree.Call, role: str) -> Taken | None:
    name = file.names.qualified(call.func)
    func = call.func
    if name == _SUBSET:
        return _range(file, call, role, call.arg(0, "dataset"), call.arg(1, "indices"))
    if name == _SAMPLER:
        return _range(file, call, role, _sampled(file, call), call.arg(0, "indices"))
    if name is None and isinstance(func, tree.Attribute) and func.attr == "select":
        return _range(file, call, role, func.value, call.arg(0, "indices"))
    return None


def _sampled(file: File, sampler: tree.Call) -> Expr | None:
    """The data set of the loader that draws by a sampler."""
    for use in uses(file, sampler):
        arg = use.expr.parent
        if isinstance(arg, tree.Arg) and arg.keyword == "sampler":
            loader = arg.parent
            return loader.arg(0, "dataset") if isinstance(loader, tree.Call) else None
    return None


def _range(
    file: File, call: tree.Call, role: str, dataset: Expr | None, indices: Expr | None
) -> Taken | None:
    """What indices take: of the data set for a range, of a list of indices for its slice."""
    source = _written(file, indices)
    owner = same_expression(file, dataset, None) if dataset is not None else None
    match source:
        case tree.Call() if file.names.qualified(source.func) in _RANGES:
            given = source.positional
            if owner is None or not given or len(given) > 2 or len(given) != len(source.args):
                return None
            low = _bound(file, given[0]) if len(given) == 2 else 0
            high = _bound(file, given[-1])
            usable = low is not None and high is not None and not _is_negative(low, high)
            return Taken(call, role, ("range", owner), low, high, dataset) if usable else None
        case tree.Subscript(value=tree.Name() as named, index=[tree.Slice() as part]):
            base = same_expression(file, named, None)
            if base is None or part.step is not None or _is_changed(file, named):
                return None
            low = _bound(file, part.lower) if part.lower is not None else 0
            high = _bound(file, part.upper) if part.upper is not None else None
            known = low is not None and (part.upper is None or high is not None)
            return Taken(call, role, ("slice", base), low, high, dataset) if known else None
        case _ if isinstance(indices, tree.Name):
            base = same_expression(file, indices, None)
            if base is None or dataset is None or _is_changed(file, indices):
                return None
            return Taken(call, role, ("slice", base), 0, None, dataset)
        case _:
            return None


def _written(file: File, indices: Expr | None) -> Expr | None:
    """The range or slice that a name stands for, out of ``list(...)``."""
    for _ in range(4):
        match indices:
            case tree.Call(args=[only]) if file.names.qualified(indices.func) in _LISTS:
                indices = only.value
            case tree.Name():
                bindings, unbound = file.values.definitions(indices)
                value = bindings[0].value if len(bindings) == 1 and not unbound else None
                if value is None or bindings[0].kind != "assign":
                    return None
                path = bindings[0].path
                if path and not (isinstance(value, tree.Sequence) and len(path) == 1):
                    return None
                indices = _item(value, path[0]) if path else value
            case _:
                return indices
    return indices


def _item(value: Expr, index: int | str) -> Expr | None:
    assert isinstance(value, tree.Sequence)
    known = isinstance(index, int) and index < len(value.elts)
    return value.elts[index] if known and isinstance(index, int) else None


def _bound(file: File, expr: Expr | None) -> object:
    """A bound as a number, or as a key; None where it is not known."""
    if expr is None:
        return None
    known = file.values.literal(expr)
    if isinstance(known, int) and not isinstance(known, bool):
        return known
    return same_expression(file, expr, None)


def _is_negative(*bounds: object) -> bool:
    """True for what counts from the end, or may do so: ``indices[-n:]``."""
    return any(
        (isinstance(bound, int) and bound < 0) or (isinstance(bound, tuple) and bound[0] == "-")
        for bound in bounds
    )


def _is_changed(file: File, name: tree.Name) -> bool:
    """True where a list of indices is shuffled or refilled in place: it may differ in between."""
    found = file.names.find(name.id, name)
    if found is None or len(found[1]) != 1:
        return True
    shuffles = 0
    for call in file.calls:
        named = any(isinstance(a.value, tree.Name) and a.value.id == name.id for a in call.args)
        shuffles += named and tree.last_name(call.func) in {"shuffle", "shuffle_"}
    return shuffles > 1


# Random splits


def drawn(file: File) -> list[Drawn]:
    """The random splits of a file, with the parts that are used."""
    found = []
    for call in file.calls_to(RANDOM_SPLIT):
        dataset = call.arg(0, "dataset")
        if dataset is not None:
            found.append(Drawn(call, dataset, dict(_parts(file, call))))
    return found


def _parts(file: File, call: tree.Call) -> Iterator[tuple[int, Expr]]:
    above = call.parent
    if isinstance(above, tree.Subscript) and above.value is call:
        index = file.values.literal(above.index[0])
        statement = tree.statement_of(call)
        if isinstance(index, int) and isinstance(statement, tree.Assign):
            yield index, statement.targets[0]
    elif isinstance(above, tree.Assign) and isinstance(above.targets[0], tree.Sequence):
        for index, target in enumerate(above.targets[0].elts):
            if _is_used(file, target):
                yield index, target


def _is_used(file: File, target: Expr) -> bool:
    """True for a part that is read again, and not thrown away as ``_``."""
    match target:
        case tree.Name():
            if target.id.startswith("_"):
                return False
            statement = tree.statement_of(target)
            return any(
                read.id == target.id
                and not is_bound_by(read)
                and any(b.node is statement for b in file.values.definitions(read)[0])
                for read in file.all(tree.Name)
            )
        case tree.Attribute():
            return True
        case _:
            return False


def are_of_one(file: File, one: Expr | None, other: Expr | None) -> bool:
    """True for one data set, or two of the same files; where nothing says that they differ."""
    if one is None or other is None:
        return True
    return not identities(file, one).isdisjoint(identities(file, other))


def identities(file: File, dataset: Expr) -> set[object]:
    """Keys that are equal for one data set, or two that are made alike of the same files."""
    return {fed.identity for fed in file.loaders.of(Use(dataset))}
