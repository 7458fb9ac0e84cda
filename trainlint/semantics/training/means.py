"""Means over the rounds of a loop: what is added up in it, and what the sum is divided by.

A mean is found where a sum (``total += loss.item()``, ``losses.append(...)``) is divided behind its
loop, in the same body, by the length of what the loop goes over, by a count that is kept beside it,
or by the length of the list that is summed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import bars, tree
from trainlint.semantics.bodies import own
from trainlint.semantics.flow import Flow, is_dead
from trainlint.semantics.links import flow_in
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

LENGTH, SAMPLES, COUNT = "length", "samples", "count"
_NUMBERS = frozenset({"builtins.float", "builtins.int"})
_SUMS = frozenset({"builtins.sum", "numpy.sum", "torch.sum"})
_FILLS = frozenset({"extend", "insert", "appendleft", "clear", "pop", "remove"})
_READERS = ("builtins.", "numpy.", "torch.", "statistics.")


@dataclass(frozen=True, slots=True, eq=False)
class Mean:
    """``division`` divides the sum ``total`` by ``divisor``, behind the ``loop`` over ``source``.

    ``adds`` are the statements of the loop that add to the sum, each with what it adds. ``kind``
    tells the divisor: the length of the source, the samples behind it, or a count, in which case
    ``counts`` are the statements that count: those that add, where it is the length of a list.
    ``nested`` tells that the sum goes on over the rounds of a loop around this one.
    """

    division: tree.Node
    total: str
    loop: tree.For
    source: Expr
    adds: tuple[tuple[tree.Stmt, Expr], ...]
    divisor: Expr
    kind: str
    counts: tuple[tree.Stmt, ...] = ()
    nested: bool = False

    @property
    def flow(self) -> Flow:
        return flow_in(tree.body_of(self.loop))

    @property
    def is_list(self) -> bool:
        """True where the sum is that of a list, and its length counts."""
        return bool(self.counts) and not isinstance(self.counts[0], tree.AugAssign)


def divisor(file: File, mean: Mean) -> str:
    """What a sum is divided by, in words of the code (a formatted string hides its own)."""
    if isinstance(mean.divisor, tree.Name):
        return mean.divisor.id
    match mean.counts:
        case [tree.AugAssign(target=tree.Name(id=count)), *_]:
            return count
        case [_, *_]:
            return f"len({mean.total})"
        case _:
            pass
    source = file.text(mean.source)
    return f"len({source}.dataset)" if mean.kind == SAMPLES else f"len({source})"


def means(file: File) -> list[Mean]:
    """The means of a file, in source order."""
    return file.once(_means)


def _means(file: File) -> list[Mean]:
    divisions: list[tree.Node] = [node for node in file.all(tree.BinOp) if node.op == "/"]
    divisions += [node for node in file.all(tree.AugAssign) if node.op.startswith("/")]
    dividing = {tree.body_of(node) for node in divisions}
    bodies: list[Body] = [file.module, *file.all(tree.FunctionDef)]
    return [mean for body in bodies if body in dividing for mean in _in_body(file, body)]


def _in_body(file: File, body: Body) -> Iterator[Mean]:
    divisions: list[tuple[tree.Node, Expr, Expr]] = []
    added: dict[str, list[tuple[tree.Stmt, Expr]]] = {}
    for division in own(body, tree.BinOp):
        if division.op == "/":
            divisions.append((division, division.left, division.right))
    for change in own(body, tree.AugAssign):
        if isinstance(change.target, tree.Name):
            if change.op.startswith("/"):
                divisions.append((change, change.target, change.value))
            elif change.op.startswith("+"):
                added.setdefault(change.target.id, []).append((change, change.value))
    for statement in own(body, tree.ExprStmt):
        match statement.value:
            case tree.Call(
                func=tree.Attribute(value=tree.Name(id=name), attr="append"), args=[arg]
            ):
                added.setdefault(name, []).append((statement, arg.value))
            case _:
                pass
    for node, left, right in divisions if added else ():
        total, is_list = _total(file, left)
        if total is None or total not in added or is_dead(node):
            continue
        adds = [a for a in added[total] if isinstance(a[0], tree.AugAssign) is not is_list]
        whole = is_list and len(adds) == len(added[total]) and not _is_filled(file, body, total)
        mean = _mean(file, node, total, adds, right, added, whole)
        if mean is not None:
            yield mean


def _total(file: File, expr: Expr) -> tuple[str | None, bool]:
    """The name of a sum, and whether it is a list that is summed here."""
    while True:
        match expr:
            case tree.Name():
                return expr.id, False
            case tree.Call(func=tree.Attribute(attr="item" | "cpu" | "detach") as func):
                expr = func.value
            case tree.Call() if expr.positional:
                name = file.names.qualified(expr.func)
                given = expr.positional[0]
                if name in _SUMS and isinstance(given, tree.Name):
                    return given.id, True
                if name not in _NUMBERS:
                    return None, False
                expr = given
            case _:
                return None, False


def _mean(
    file: File,
    division: tree.Node,
    total: str,
    adds: list[tuple[tree.Stmt, Expr]],
    divided: Expr,
    added: dict[str, list[tuple[tree.Stmt, Expr]]],
    is_list: bool,
) -> Mean | None:
    loops = {tree.enclosing_loop(statement) for statement, _ in adds}
    loop = loops.pop() if len(loops) == 1 else None
    around: tree.Loop | None = loop
    while around is not None and not _is_emptied(around, total):
        around = tree.enclosing_loop(around)
    if not isinstance(loop, tree.For) or around is None or around in division.ancestors():
        return None
    source = iterated(file, loop)
    listed = (total, tuple(statement for statement, _ in adds)) if is_list else None
    found = _divisor(file, divided, loop, source, added, listed)
    if found is None:
        return None
    kind, counts = found
    nested = around is not loop
    if nested and kind != COUNT:
        return None
    mean = Mean(division, total, loop, source, tuple(adds), divided, kind, counts, nested)
    flow = mean.flow
    if not flow.holds(division) or not flow.reaches(flow.point(loop), [flow.point(division)]):
        return None
    return mean


def _is_emptied(loop: tree.Loop, total: str) -> bool:
    """True where the sum begins anew each time that the loop does."""
    below: tree.Node | None = loop
    while isinstance(below, tree.Loop | tree.With | tree.If | tree.Try):
        blocks: list[tree.Stmt] = list(tree.block_of(below))
        for statement in blocks[: blocks.index(below)]:
            if any(_sets(node, total) for node in statement.walk()):
                return True
        below = below.parent if not isinstance(below.parent, tree.Loop) else None
    return False


def _sets(node: tree.Node, name: str) -> bool:
    match node:
        case tree.Assign(targets=targets):
            return any(name in tree.names_in(target) for target in targets)
        case tree.AnnAssign(target=tree.Name(id=found)):
            return found == name and node.value is not None
        case _:
            return False


def _is_filled(file: File, body: Body, name: str) -> bool:
    """True where a list is changed by other means than ``append``, or handed to what may do so."""
    for node in own(body, tree.Name):
        match node:
            case tree.Name() if node.id != name:
                pass
            case tree.Name(parent=tree.Attribute(attr=attr, parent=tree.Call())) if attr in _FILLS:
                return True
            case tree.Name(parent=tree.Arg(parent=tree.Call() as call)) if tree.enclosing_loop(
                call
            ) is not None and not (file.names.qualified(call.func) or "").startswith(_READERS):
                return True
            case _:
                pass
    return False


def iterated(file: File, loop: tree.For) -> Expr:
    """What a loop goes over, without ``enumerate`` and progress bars."""
    source = loop.iter
    for _ in range(4):
        if not isinstance(source, tree.Call):
            break
        inner = bars.shown(source)
        if inner is None and file.names.qualified(source.func) == "builtins.enumerate":
            inner = source.arg(0)
        if inner is None:
            break
        source = inner
    while isinstance(source, tree.Name):
        bindings, unbound = file.values.definitions(source)
        given = bindings[0].value if len(bindings) == 1 and not unbound else None
        if not isinstance(given, tree.Call) or bindings[0].kind != "assign":
            break
        inner = bars.shown(given)
        if inner is None:
            break
        source = inner
    return source


def _divisor(
    file: File,
    divided: Expr,
    loop: tree.For,
    source: Expr,
    added: dict[str, list[tuple[tree.Stmt, Expr]]],
    listed: tuple[str, tuple[tree.Stmt, ...]] | None,
) -> tuple[str, tuple[tree.Stmt, ...]] | None:
    """The kind of a divisor, and what counts where it is a count, or the length of a list."""
    while isinstance(divided, tree.Call) and file.names.qualified(divided.func) in _NUMBERS:
        if not divided.positional:
            return None
        divided = divided.positional[0]
    if isinstance(divided, tree.Name):
        counts = [s for s, _ in added.get(divided.id, ()) if isinstance(s, tree.AugAssign)]
        if counts:
            inside = all(tree.enclosing_loop(s) is loop for s in counts)
            return (COUNT, tuple(counts)) if inside else None
        bindings, unbound = file.values.definitions(divided)
        given = bindings[0] if len(bindings) == 1 and not unbound else None
        if given is None or given.kind != "assign" or given.path or given.value is None:
            return None
        divided = given.value
    if not isinstance(divided, tree.Call) or len(divided.positional) != 1:
        return None
    if file.names.qualified(divided.func) != "builtins.len":
        return None
    sized, text = divided.positional[0], tree.dotted(source)
    if listed is not None and isinstance(sized, tree.Name) and sized.id == listed[0]:
        return COUNT, listed[1]
    if text is None:
        return None
    if tree.dotted(sized) == text:
        return LENGTH, ()
    if isinstance(sized, tree.Attribute) and sized.attr == "dataset":
        return (SAMPLES, ()) if tree.dotted(sized.value) == text else None
    return None


def begins_at_zero(file: File, mean: Mean) -> bool:
    """True for a count that is zero, or a list that is empty, before its loop."""
    counter = _counter(mean)
    if counter is None:
        return False
    found = False
    for binding in file.values.definitions(counter)[0]:
        value = binding.value
        if binding.kind != "assign":
            continue
        if binding.path and isinstance(value, tree.Sequence) and isinstance(binding.path[0], int):
            value = value.elts[binding.path[0]]
        match value:
            case (
                tree.Sequence(kind="list", elts=[]) | tree.Call(func=tree.Name(id="list"), args=[])
            ):
                found = mean.is_list
            case tree.Constant(value=0):
                found = not mean.is_list
            case _:
                return False
    return found


def _counter(mean: Mean) -> tree.Name | None:
    """The count, or the list whose length counts, where it is first made larger."""
    match mean.counts[0]:
        case tree.AugAssign(target=tree.Name() as counter):
            return counter
        case tree.ExprStmt(
            value=tree.Call(func=tree.Attribute(value=tree.Name() as listed, attr="append"))
        ):
            return listed
        case _:
            return None
