"""Sizes of dimensions: numbers, symbols and what is computed from them.

A size is exact or unknown (None). Symbols stand for whole numbers, so that floor divisions nest
and cancel as they do for numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with their coefficients; a term is a product of atoms, the constant has none."""

    terms: tuple[tuple[tuple[Atom, ...], int], ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """``number // divisor``."""

    number: Sum
    divisor: Size


@dataclass(frozen=True, slots=True)
class Group:
    """A sum as one factor of a product."""

    of: Sum


class Number:
    """A number that is not known and no size."""


NUMBER = Number()
Atom = str | Floor | Group
Size = int | Sum
Dim = Size | None


def symbol(name: str) -> Sum:
    return Sum((((name,), 1),))


def _terms(size: Size) -> dict[tuple[Atom, ...], int]:
    if isinstance(size, Sum):
        return dict(size.terms)
    return {(): size} if size else {}


def _size(terms: Mapping[tuple[Atom, ...], int]) -> Size:
    left = {atoms: count for atoms, count in terms.items() if count}
    if not left:
        return 0
    if left.keys() == {()}:
        return left[()]
    return Sum(tuple(sorted(left.items(), key=lambda item: (not item[0], _key(item[0])))))


def _key(atoms: tuple[Atom, ...]) -> tuple[str, ...]:
    return tuple(map(_atom_text, atoms))


def _rank(atom: Atom) -> tuple[bool, str]:
    return not isinstance(atom, str), _atom_text(atom)


def plus(*sizes: Dim) -> Dim:
    """The sum of sizes."""
    total: dict[tuple[Atom, ...], int] = {}
    for size in sizes:
        if size is None:
            return None
        for atoms, count in _terms(size).items():
            total[atoms] = total.get(atoms, 0) + count
    return _size(total)


def times(*sizes: Dim) -> Dim:
    """The product of sizes."""
    count = 1
    atoms: list[Atom] = []
    for size in sizes:
        if size is None:
            return None
        if isinstance(size, int):
            count *= size
        elif len(size.terms) == 1:
            ((inner, factor),) = size.terms
            count *= factor
            atoms += inner
        else:
            atoms.append(Group(size))
    match atoms:
        case [Group() as alone]:
            return _size({term: factor * count for term, factor in alone.of.terms})
        case _:
            return _size({tuple(sorted(atoms, key=_rank)): count})


def minus(one: Dim, other: Dim) -> Dim:
    return plus(one, times(other, -1))


def floor(size: Dim, divisor: Dim) -> Dim:
    """``size // divisor``, exactly, for a positive divisor."""
    if size is None or divisor is None:
        return None
    if isinstance(divisor, Sum):
        given = size if isinstance(size, Sum) else Sum((((), size),))
        even = divided(size, divisor)
        return _size({(Floor(given, divisor),): 1}) if even is None else even
    if divisor < 1:
        return None
    if isinstance(size, int):
        return size // divisor
    if divisor == 1:
        return size
    nested = [atoms for atoms, count in size.terms if atoms and count == 1]
    match nested:
        case [(Floor(divisor=int() as first) as inner,)] if len(size.terms) == 1 + (
            () in dict(size.terms)
        ):
            constant = dict(size.terms).get((), 0)
            whole = plus(inner.number, constant * first)
            return floor(whole, first * divisor)
        case _:
            pass
    out: dict[tuple[Atom, ...], int] = {}
    left: dict[tuple[Atom, ...], int] = {}
    for atoms, count in size.terms:
        if count % divisor == 0 or not atoms:
            out[atoms] = count // divisor
        if count % divisor:
            left[atoms] = count % divisor if not atoms else count
    rest = _size(left)
    if isinstance(rest, int):
        return plus(_size(out), rest // divisor)
    return plus(_size(out), _size({(Floor(rest, divisor),): 1}))


def divided(size: Dim, by: Dim) -> Dim:
    """The quotient where the division surely comes out even, None elsewhere."""
    if size is None or by is None or by == 0:
        return None
    if size == by:
        return 1
    if isinstance(by, int):
        factor, atoms = by, []
    elif len(by.terms) == 1:
        ((inner, factor),) = by.terms
        atoms = list(inner)
    else:
        factor, atoms = 1, [Group(by)]
    found: dict[tuple[Atom, ...], int] = {}
    for term, count in _terms(size).items():
        left = list(term)
        for atom in atoms:
            if atom not in left:
                return None
            left.remove(atom)
        if count % factor:
            return None
        found[tuple(left)] = count // factor
    return times(_size(found), 1)


def text(size: Dim) -> str:
    """The size in Python's notation; ``?`` where it is unknown."""
    if not isinstance(size, Sum):
        return "?" if size is None else str(size)
    match size.terms:
        case [([Floor() as alone], 1)]:
            return _atom_text(alone)[1:-1]
        case _:
            pass
    parts = []
    for atoms, count in size.terms:
        factors = [str(abs(count))] if abs(count) != 1 or not atoms else []
        factors += map(_atom_text, atoms)
        parts.append(("-" if count < 0 else "+") + "*".join(factors))
    return "".join(parts).removeprefix("+")


def _atom_text(atom: Atom) -> str:
    match atom:
        case str():
            return atom
        case Group():
            return f"({text(atom.of)})"
        case Floor():
            inner, by = text(atom.number), text(atom.divisor)
            over = inner if inner.isidentifier() or inner.isdigit() else f"({inner})"
            return f"({over}//{by if by.isidentifier() or by.isdigit() else f'({by})'})"


def agree(one: Dim, other: Dim) -> bool | None:
    """Whether two sizes are the same; None where that cannot be told."""
    if one is None or other is None:
        return None
    if one == other:
        return True
    return False if isinstance(one, int) and isinstance(other, int) else None


def better(one: Dim, other: Dim) -> Dim:
    """Of two names of the same size the one that says more."""
    return min((one, other), key=lambda size: 2 if size is None else isinstance(size, Sum))


def product(sizes: Iterable[Dim]) -> Dim:
    return times(*sizes)
