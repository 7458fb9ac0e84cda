"""Whether the last window of a pass, which can be shorter, is divided as if it were full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.training import boundary as boundaries
from trainlint.semantics.training import leftovers, scaling
from trainlint.semantics.training.boundary import Atom, same, spelled
from trainlint.semantics.training.divisors import By, rescales_gradients
from trainlint.semantics.training.script import BACKWARD, Event
from trainlint.semantics.tree import Node

if TYPE_CHECKING:
    from trainlint.semantics.training.accumulation import AccumulationWindow


@dataclass(frozen=True, slots=True, eq=False)
class ShortWindow:
    """A window of fewer micro-batches that is applied, while its losses are divided by k.

    ``applied`` is the test for the last batch, or the step behind the loop; ``division`` is where
    a loss is divided.
    """

    window: AccumulationWindow
    applied: Node
    division: Node
    backwards: tuple[Event, ...]


def short_window(window: AccumulationWindow) -> ShortWindow | None:
    """None where the last window is full, lost, divided by its own size, or not known."""
    if not _counts_each_pass(window) or window.clearing or _mentions_gradients(window):
        return None
    applied = _applied(window)
    backwards = tuple(event for event in window.events if event.kind == BACKWARD)
    if applied is None or not backwards or rescales_gradients(window):
        return None
    divided: list[Node] = []
    for event in backwards:
        found = scaling.divisions(window, event)
        for division in found:
            by_k = division.divisor is not None and same(window.file, division.divisor, window.k)
            if division.by is not By.K or not by_k:
                return None
            divided.append(division.node)
    return ShortWindow(window, applied, divided[0], backwards) if divided else None


def _counts_each_pass(window: AccumulationWindow) -> bool:
    """True where each pass over a loader counts full windows from its first batch."""
    items, known = window.items, [value for value in window.k_values if value is not None]
    if items is None or items.kind == "range" or window.shift != 0 or not window.index.restarts:
        return False
    if (known and max(known) <= 1) or window.is_one_as_written or not window.boundary.modulo:
        return False
    if leftovers.is_even(window) or leftovers.is_trimmed(window) or _is_asserted(window):
        return False
    return not _is_set_in_loop(window)


def _is_set_in_loop(window: AccumulationWindow) -> bool:
    """True where the length of a window changes in the loop."""
    text = spelled(window.file, window.k)
    for node in window.loop.walk():
        targets = node.targets if isinstance(node, tree.Assign) else []
        if isinstance(node, tree.AugAssign | tree.AnnAssign):
            targets = [node.target]
        if any(spelled(window.file, target) == text for target in targets):
            return True
    return False


def _is_asserted(window: AccumulationWindow) -> bool:
    """True where the script refuses a number of batches that k does not divide."""
    file = window.file
    tests = [node.test for node in file.all(tree.Assert)]
    for node in file.all(tree.If):
        if any(isinstance(statement, tree.Raise) for statement in node.body):
            tests.append(node.test)
    return any(
        isinstance(part, tree.BinOp) and part.op == "%" and same(file, part.right, window.k)
        for test in tests
        for part in test.walk()
    )


def _mentions_gradients(window: AccumulationWindow) -> bool:
    """True where the body works on gradients itself, and may rescale them."""
    return any(isinstance(n, tree.Attribute) and n.attr == "grad" for n in window.body.walk())


def _applied(window: AccumulationWindow) -> Node | None:
    """What applies the last window."""
    for atom in window.choice:
        if _is_last(window, atom):
            return atom.expr
    if window.choice:
        return None
    behind = leftovers.flush(window)
    return None if behind is None else behind.site


def _is_last(window: AccumulationWindow, atom: Atom) -> bool:
    """True for a test that holds at the last batch of a pass: ``i + 1 == len(loader)``."""
    file, lag = window.file, window.index.lag
    match atom.expr:
        case tree.Compare(ops=["==" | ">="], left=left, comparators=[right]) if atom.wanted:
            here, there = boundaries.linear_of(file, left), boundaries.linear_of(file, right)
        case _:
            return False
    if spelled(file, there.base) == spelled(file, window.boundary.index):
        here, there = there, here
    counted = spelled(file, here.base) == spelled(file, window.boundary.index)
    if not counted or lag is None or not leftovers.length_of(window, there.base):
        return False
    return lag + here.offset == there.offset
