"""Means over the rounds of a loop: what is added up in it, and what the sum is divided by.

A mean is found where a sum (``total += loss.item()``, ``losses.append(...)``) is divided behind its
loop, in the same body, by the length of what the loop goes over or by a count that is kept beside
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import bars, tree
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.flow import Flow, is_dead
from trainlint.semantics.links import flow_in
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

LENGTH, SAMPLES, COUNT = "length", "samples", "count"
_NUMBERS = frozenset({"builtins.float", "builtins.int"})
_SUMS = frozenset({"builtins.sum", "numpy.sum", "torch.sum"})


@dataclass(frozen=True, slots=True, eq=False)
class Mean:
    """``division`` divides the sum ``total`` by ``divisor``, behind the ``loop`` over ``source``.

    ``adds`` are the statements of the loop that add to the sum, each with what it adds. ``kind``
    tells the divisor: the length of the source, the samples behind it, or a count, in which case
    ``counts`` are the statements that count.
    """

    division: tree.Node
    total: str
    loop: tree.For
    source: Expr
    adds: tuple[tuple[tree.Stmt, Expr], ...]
    divisor: Expr
    kind: str
    counts: tuple[tree.AugAssign, ...] = ()

    @property
    def flow(self) -> Flow:
        return flow_in(tree.body_of(self.loop))


def divisor(file: File, mean: Mean) -> str:
    """What a sum is divided by, in words of the code (a formatted string hides its own)."""
    if isinstance(mean.divisor, tree.Name):
        return mean.divisor.id
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
    for node in own_nodes(body):
        match node:
            case tree.BinOp(op="/", left=left, right=right):
                divisions.append((node, left, right))
            case tree.AugAssign(op=op, target=tree.Name() as target, value=value):
                if op.startswith("/"):
                    divisions.append((node, target, value))
                elif op.startswith("+"):
                    added.setdefault(target.id, []).append((node, value))
            case tree.ExprStmt(
                value=tree.Call(
                    func=tree.Attribute(value=tree.Name(id=name), attr="append"), args=[arg]
                )
            ):
                added.setdefault(name, []).append((node, arg.value))
            case _:
                pass
    for division, left, right in divisions if added else ():
        total, is_list = _total(file, left)
        if total is None or total not in added or is_dead(division):
            continue
        adds = [a for a in added[total] if isinstance(a[0], tree.AugAssign) is not is_list]
        mean = _mean(file, division, total, adds, right, added)
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
) -> Mean | None:
    loops = {tree.enclosing_loop(statement) for statement, _ in adds}
    loop = loops.pop() if len(loops) == 1 else None
    if not isinstance(loop, tree.For) or loop in division.ancestors():
        return None
    if not _is_emptied(loop, total):
        return None
    source = iterated(file, loop)
    found = _divisor(file, divided, loop, source, added)
    if found is None:
        return None
    kind, counts = found
    mean = Mean(division, total, loop, source, tuple(adds), divided, kind, counts)
    flow = mean.flow
    if not flow.holds(division) or not flow.reaches(flow.point(loop), [flow.point(division)]):
        return None
    return mean


def _is_emptied(loop: tree.For, total: str) -> bool:
    """True where the sum begins anew each time that the loop does."""
    blocks: list[tree.Stmt] = list(tree.block_of(loop))
    for statement in blocks[: blocks.index(loop)]:
        for node in statement.walk():
            if isinstance(node, tree.Assign) and any(
                isinstance(name, tree.Name) and name.id == total
                for target in node.targets
                for name in target.walk()
            ):
                return True
    above = loop.parent
    if not isinstance(above, tree.With | tree.If | tree.Try):
        return False
    return any(
        isinstance(target, tree.Name) and target.id == total
        for statement in tree.block_of(above)
        if statement.end <= above.start and isinstance(statement, tree.Assign)
        for target in statement.targets
    )


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
) -> tuple[str, tuple[tree.AugAssign, ...]] | None:
    """The kind of a divisor, and what counts where it is a count."""
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
    if text is None:
        return None
    if tree.dotted(sized) == text:
        return LENGTH, ()
    if isinstance(sized, tree.Attribute) and sized.attr == "dataset":
        return (SAMPLES, ()) if tree.dotted(sized.value) == text else None
    return None
