"""Registering the ways to spoil a program: one operator is one shape of one rule's fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .program import Fault, Place, Program

Seeder = Callable[[Program], Iterable[Fault]]


@dataclass(frozen=True, slots=True)
class Operator:
    """A shape of a fault: the rule that should find it, and the places where it can be made."""

    code: str
    name: str
    seeder: Seeder


@dataclass(frozen=True, slots=True)
class Mutant:
    """A faulty program."""

    code: str
    operator: str
    program: str
    number: int
    text: str
    place: Place

    @property
    def id(self) -> str:
        return f"{self.code}/{self.operator}/{self.program}/{self.number}"


OPERATORS: list[Operator] = []


def operator(code: str, name: str) -> Callable[[Seeder], Seeder]:
    """Decorator: the generator yields the faults of this shape that fit into a program."""

    def register(seeder: Seeder) -> Seeder:
        OPERATORS.append(Operator(code, name, seeder))
        return seeder

    return register


def written(code: str, name: str, mark: str, *edits: tuple[str, str], wide: bool = False) -> None:
    """A shape of a fault that is written for one program, as edits of its text.

    The fault is where ``mark`` stands, a piece of the new text, and anywhere in the program where
    that is empty; it does not fit where an edit or the mark has not just one place.
    """

    @operator(code, name)
    def seed(program: Program) -> Iterator[Fault]:
        changes = program.edited(*edits)
        if changes and (not mark or program.changed(changes).count(mark) == 1):
            yield Fault(changes, mark=mark, wide=wide, anywhere=not mark)


def mutants(program: Program, operators: Iterable[Operator] | None = None) -> Iterator[Mutant]:
    """Every faulty program that the operators make of a clean one."""
    numbers: Counter[tuple[str, str]] = Counter()
    for each in OPERATORS if operators is None else operators:
        for fault in each.seeder(program):
            numbers[each.code, each.name] += 1
            text, place = program.seeded(fault)
            number = numbers[each.code, each.name]
            yield Mutant(each.code, each.name, program.name, number, text, place)
