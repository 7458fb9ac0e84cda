"""How a loop counts its rounds and its micro-batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import bars, tree
from trainlint.semantics.flow import Flow
from trainlint.semantics.guards import guards, required
from trainlint.semantics.training.boundary import Boundary, linear_of, spelled
from trainlint.semantics.tree import Body, Expr, Node, Stmt

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


_MAX_ALIASES = 6
_TURNED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}  # read from right to left


@dataclass(frozen=True, slots=True)
class Taken:
    """What a ``for`` takes: ``index`` is bound to the number of the item, counted from ``start``.

    ``source`` is what is iterated; ``kind`` is ``"enumerate"``, ``"range"`` or ``"items"``.
    """

    index: str | None
    start: int | None
    source: Expr
    kind: str


@dataclass(frozen=True, slots=True)
class Index:
    """The number that a window's test reads.

    At the test it is the number of micro-batches since the start plus ``lag`` (None: not known);
    ``restarts`` tells that every pass over the loader begins at the same number. A counter has
    ``increments``, and ``early`` tells whether it is counted up ahead of the test.
    """

    lag: int | None
    restarts: bool
    enumerated: bool = False
    increments: tuple[Stmt, ...] = ()
    early: bool | None = None


def taken(file: File, loop: tree.Loop) -> Taken | None:
    """What a ``for`` loop takes, progress bars and ``iter`` left out; None for a ``while``."""
    if not isinstance(loop, tree.For):
        return None
    source = unwrapped(file, loop.iter)
    first = loop.target
    if isinstance(source, tree.Call):
        name = file.names.qualified(source.func)
        if name == "builtins.enumerate" and source.args:
            target = first.elts[0] if isinstance(first, tree.Sequence) and first.elts else None
            given = source.arg(1, "start")
            start = 0 if given is None else file.values.literal(given)
            inner = unwrapped(file, source.args[0].value)
            index = target.id if isinstance(target, tree.Name) else None
            return Taken(index, start if isinstance(start, int) else None, inner, "enumerate")
        if name == "builtins.range" or tree.last_name(source.func) == "trange":
            index = first.id if isinstance(first, tree.Name) else None
            return Taken(index, _range_start(file, source), source, "range")
    return Taken(None, None, source, "items")


def _range_start(file: File, call: tree.Call) -> int | None:
    given = call.positional
    if len(given) < 2:
        return 0
    start = file.values.literal(given[0])
    step = file.values.literal(given[2]) if len(given) > 2 else 1
    return start if isinstance(start, int) and step == 1 else None


def is_in_last_round(file: File, node: Node, loop: tree.Loop) -> bool:
    """True where a place runs in the last round of ``for i in range(n)`` only."""
    return any(op == "==" and at == -1 for op, at in _asked(file.home(node), node, loop))


def is_past_the_end(file: File, node: Node) -> bool:
    """True where a place asks the counter of ``range(n)`` to be ``n``, which it never is."""
    return any(
        op in {"==", ">=", ">"} and at >= 0
        for loop in node.ancestors()
        if isinstance(loop, tree.For) and tree.body_of(loop) is tree.body_of(node)
        for op, at in _asked(file, node, loop)
    )


def _asked(file: File, node: Node, loop: tree.Loop) -> Iterator[tuple[str, int]]:
    """How a place compares the counter of ``range(n)``, and with how much more than ``n``."""
    tests = [part for guard in guards(node) if guard.outcome for part in required(guard.test)]
    rounds = taken(file, loop) if tests else None
    if rounds is None or rounds.kind != "range" or not isinstance(rounds.source, tree.Call):
        return
    given = rounds.source.positional
    if len(given) not in {1, 2}:
        return
    text, end = _number(file, given[-1])
    for test in tests:
        match test:
            case tree.Compare(ops=[op], left=left, comparators=[right]) if op in _TURNED:
                sides = (left, right, op), (right, left, _TURNED[op])
            case _:
                continue
        for here, there, said in sides:
            counter, (what, number) = linear_of(file, here), _number(file, there)
            is_counter = tree.dotted(counter.base) == rounds.index is not None
            if not is_counter or what != text:
                continue
            if any(tree.in_rounds(put, loop) for put in writes(file, text, tree.body_of(loop))):
                return
            yield said, number - counter.offset - end


def _number(file: File, expr: Expr) -> tuple[str, int]:
    """What an expression is, and how much more; a known number is that much more than nothing."""
    whole = linear_of(file, expr)
    number = file.values.literal(whole.base)
    if isinstance(number, int) and not isinstance(number, bool):
        return "", whole.offset + number
    return spelled(file, whole.base), whole.offset


def unwrapped(file: File, expr: Expr, depth: int = _MAX_ALIASES) -> Expr:
    """What is iterated behind progress bars, ``iter`` and names that are set once."""
    match expr:
        case tree.Call() if depth:
            inner = bars.shown(expr)
            if inner is None and file.names.qualified(expr.func) == "builtins.iter":
                inner = expr.arg(0)
            return expr if inner is None else unwrapped(file, inner, depth - 1)
        case tree.Name() if depth:
            bindings, unbound = file.values.definitions(expr)
            plain = [b for b in bindings if b.kind == "assign" and not b.path and b.value]
            if unbound or not plain or len(plain) != len(bindings):
                return expr
            found = [
                unwrapped(file, b.value, depth - 1)
                for b in plain
                if b.value is not None and not _reads(b.value, expr.id)
            ]
            if not found or len({spelled(file, item) for item in found}) != 1:
                return expr
            # A loader stays the name it is bound to; a progress bar is seen through.
            known = isinstance(found[0], tree.Call)
            wraps = any(b.value is not found[0] for b in plain)
            counts = known and _counts(file, found[0])
            return found[0] if wraps or counts else expr
        case _:
            pass
    return expr


def _counts(file: File, expr: Expr) -> bool:
    name = file.names.qualified(expr.func) if isinstance(expr, tree.Call) else None
    return name in {"builtins.enumerate", "builtins.range"}


def _reads(expr: Expr, name: str) -> bool:
    direct = expr.args[0].value if isinstance(expr, tree.Call) and expr.args else expr
    return isinstance(direct, tree.Name) and direct.id == name


def index_of(
    file: File, body: Body, loop: tree.Loop, found: Boundary, test: Node, backward: Node
) -> Index | None:
    """How the index of a test counts micro-batches, None when it counts something else."""
    index = found.index
    if isinstance(index, tree.BinOp):  # epoch * len(loader) + i
        parts = (index.left, index.right) if index.op == "+" else ()
        inner = [_loop_index(file, loop, linear_of(file, part).base) for part in parts]
        return Index(None, False) if any(inner) else None
    direct = _loop_index(file, loop, index)
    if direct is not None:
        return direct
    return _counter(file, body, loop, index, test, backward)


def _loop_index(file: File, loop: tree.Loop, expr: Expr) -> Index | None:
    items = taken(file, loop)
    if items is None or items.index is None or not isinstance(expr, tree.Name):
        return None
    if expr.id != items.index:
        return None
    bindings, _ = file.values.definitions(expr)
    if any(binding.node is not loop for binding in bindings):
        return None
    lag = None if items.start is None else items.start - 1
    return Index(lag, True, items.kind == "enumerate")


def _counter(
    file: File, body: Body, loop: tree.Loop, expr: Expr, test: Node, backward: Node
) -> Index | None:
    """A variable or attribute that the loop counts up by one with every micro-batch."""
    text = spelled(file, expr)
    flow = file.flow_in(body)
    inside: list[Stmt] = []
    outside: list[Stmt] = []
    for statement in writes(file, text, body):
        (inside if tree.in_rounds(statement, loop) else outside).append(statement)
    increments = [s for s in inside if _adds_one(file, s, text)]
    if not increments:
        return None
    header, at = flow.point(loop), flow.point(test)
    points = [flow.point(s) for s in increments]
    here = flow.point(backward)
    if flow.reaches(here, [here], avoiding=points):
        return None  # not every micro-batch is counted
    start, restarts = _start(file, flow, loop, outside)
    early: bool | None = None
    if len(increments) == 1:
        if not flow.reaches(header, [at], avoiding=points):
            early = True
        elif not flow.reaches(points[0], [at], avoiding=[header]):
            early = False
    lag = None if start is None or early is None else start + early - 1
    return Index(lag, restarts, False, tuple(increments), early)


def _start(file: File, flow: Flow, loop: tree.Loop, outside: list[Stmt]) -> tuple[int | None, bool]:
    """The literal that a counter has when the loop begins, and whether each pass sets it anew."""
    points = {flow.point(s): s for s in outside if flow.holds(s)}
    last, unmet = flow.last(flow.point(loop), points)
    if not last:
        return None, False
    epoch = tree.enclosing_loop(loop)
    statements = [points[p] for p in last]
    restarts = not unmet and (epoch is None or all(tree.in_rounds(s, epoch) for s in statements))
    values = {_literal_of(file, s) for s in statements}
    value = values.pop() if len(values) == 1 and not unmet else None
    return value, restarts


def _literal_of(file: File, statement: Stmt) -> int | None:
    value = getattr(statement, "value", None)
    if isinstance(statement, tree.AugAssign) or not isinstance(value, Expr):
        return None
    given = file.values.literal(value)
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def writes(file: File, text: str, body: Body) -> Iterator[Stmt]:
    """The statements of a body that set a name, attribute or item, by its text."""
    from trainlint.semantics.bodies import own_nodes

    for node in own_nodes(body):
        match node:
            case tree.Assign():
                targets = node.targets
            case tree.AugAssign() | tree.AnnAssign():
                targets = [node.target]
            case _:
                continue
        for target in targets:
            items = target.elts if isinstance(target, tree.Sequence) else [target]
            if any(spelled(file, item) == text for item in items):
                yield node


def _adds_one(file: File, statement: Stmt, text: str) -> bool:
    match statement:
        case tree.AugAssign(op="+", value=tree.Constant(value=1)):
            return True
        case tree.Assign(value=tree.BinOp(op="+") as total):
            sides = (total.left, total.right)
            one = any(isinstance(s, tree.Constant) and s.value == 1 for s in sides)
            return one and any(spelled(file, s) == text for s in sides)
        case _:
            return False
