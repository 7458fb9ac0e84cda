"""The control flow of one function or module body: which statement can follow which.

A point is a statement; for a compound one it stands for its header (the test, the taking of the
next element, the entering of a context). ``ENTRY`` and ``EXIT`` are points of their own. Any
statement inside a ``try`` may jump to its handlers; elsewhere only ``raise``, and a call that ends
the program, leave a block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trainlint.semantics import tree
from trainlint.semantics.replaced import in_replaced
from trainlint.semantics.tree import Body, Node, Stmt

ENTRY, EXIT = 0, 1
# What a statement calls to end the program; it raises SystemExit.
_ENDS = frozenset({"sys.exit", "os._exit", "exit", "quit"})
MAX_REMEMBERED = 2000  # questions about reachability; each is asked again and again


class Flow:
    """The points of a body and the edges between them."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.statements: list[Stmt | None] = [None, None]
        self.after: list[set[int]] = [set(), set()]
        self.before: list[set[int]] = [set(), set()]
        self._index: dict[Node, int] = {}
        self._reached: dict[tuple[int, frozenset[int]], set[int]] = {}
        self._loops: list[tuple[int, set[int]]] = []  # header, points that break out of it
        self._handlers: list[set[int]] = []  # points from which an exception is thrown
        ends = self._block(body.body, {ENTRY})
        self._connect(ends, EXIT)

    def point(self, node: Node) -> int:
        """The point at which a node of this body is evaluated.

        Raises:
            KeyError: the node belongs to another body.
        """
        current: Node | None = node
        while current is not None:
            if current in self._index:
                return self._index[current]
            current = current.parent
        raise KeyError(node)

    def holds(self, node: Node) -> bool:
        current: Node | None = node
        while current is not None and current is not self.body:
            if current in self._index:
                return True
            current = current.parent
        return False

    def reaches(self, start: int, goals: Collection[int], avoiding: Collection[int] = ()) -> bool:
        """True when some path of at least one step leads from ``start`` to one of ``goals``.

        The path may not pass through ``avoiding`` on the way; a goal is looked at first.
        """
        key = (start, frozenset(avoiding))
        reached = self._reached.get(key)
        if reached is None:
            if len(self._reached) >= MAX_REMEMBERED:
                self._reached.clear()
            self._reached[key] = reached = self._reach(*key)
        return not reached.isdisjoint(goals)

    def _reach(self, start: int, avoiding: frozenset[int]) -> set[int]:
        seen: set[int] = set()
        stack = list(self.after[start])
        while stack:
            point = stack.pop()
            if point in seen:
                continue
            seen.add(point)
            if point not in avoiding:
                stack.extend(self.after[point])
        return seen

    def reaching(self, goal: int, avoiding: Collection[int] = ()) -> set[int]:
        """Every point from which ``reaches`` leads to the goal."""
        found: set[int] = set()
        stack = list(self.before[goal])
        while stack:
            point = stack.pop()
            if point not in found:
                found.add(point)
                if point not in avoiding and point != goal:
                    stack.extend(self.before[point])
        return found

    def always_before(self, point: int, through: Collection[int]) -> bool:
        """True when every path from the entry to ``point`` passes one of ``through``."""
        return not self.reaches(ENTRY, [point], avoiding=through)

    def last(self, point: int, candidates: Collection[int]) -> tuple[set[int], bool]:
        """The candidates that can be the last one passed before ``point``.

        The second value is True when a path from the entry passes none of them.
        """
        found: set[int] = set()
        seen: set[int] = set()
        stack = list(self.before[point])
        unmet = False
        while stack:
            current = stack.pop()
            if current in seen:
                continue
            seen.add(current)
            if current in candidates:
                found.add(current)
            elif current == ENTRY:
                unmet = True
            else:
                stack.extend(self.before[current])
        return found, unmet

    # Building

    def _add(self, statement: Stmt, before: Iterable[int]) -> int:
        point = len(self.statements)
        self.statements.append(statement)
        self.after.append(set())
        self.before.append(set())
        self._index[statement] = point
        self._connect(before, point)
        for throwers in self._handlers[-1:]:
            throwers.add(point)
        return point

    def _connect(self, sources: Iterable[int], target: int) -> None:
        for source in sources:
            self.after[source].add(target)
            self.before[target].add(source)

    def _block(self, statements: list[Stmt], before: set[int]) -> set[int]:
        for statement in statements:
            before = self._statement(statement, before)
        return before

    def _statement(self, statement: Stmt, before: set[int]) -> set[int]:
        if isinstance(statement, tree.Try):
            return self._try(statement, before)
        point = self._add(statement, before)
        match statement:
            case tree.If():
                taken = self._block(statement.body, {point})
                constant = truth(statement.test)
                other = self._block(statement.orelse, {point}) if constant is not True else set()
                return taken | other if constant is not False else other
            case tree.For() | tree.While():
                return self._loop(statement, point)
            case tree.With():
                return self._block(statement.body, {point})
            case tree.Match():
                ends = {point}
                for case in statement.cases:
                    ends |= self._block(case.body, {point})
                return ends
            case tree.Return():
                self._connect([point], EXIT)
                return set()
            case tree.Raise():
                return self._thrown(point)
            case tree.ExprStmt(value=tree.Call(func=func)) if tree.dotted(func) in _ENDS:
                return self._thrown(point)
            case tree.Break() if self._loops:
                self._loops[-1][1].add(point)
                return set()
            case tree.Continue() if self._loops:
                self._connect([point], self._loops[-1][0])
                return set()
            case _:
                return {point}

    def _thrown(self, point: int) -> set[int]:
        if not self._handlers:
            self._connect([point], EXIT)
        return set()

    def _loop(self, statement: tree.For | tree.While, point: int) -> set[int]:
        breaks: set[int] = set()
        self._loops.append((point, breaks))
        ends = self._block(statement.body, {point})
        self._loops.pop()
        self._connect(ends, point)
        endless = isinstance(statement, tree.While) and truth(statement.test) is True
        done = set() if endless else self._block(statement.orelse, {point})
        return done | breaks

    def _try(self, statement: tree.Try, before: set[int]) -> set[int]:
        point = self._add(statement, before)
        throwers: set[int] = {point}
        self._handlers.append(throwers)
        ends = self._block(statement.body, {point})
        self._handlers.pop()
        ends = self._block(statement.orelse, ends)
        for handler in statement.handlers:
            first = len(self.statements)
            ends |= self._block(handler.body, set(throwers))
            self._index[handler] = first
        if statement.finalbody:
            if not statement.handlers:  # an exception passes through it, too
                self._block(statement.finalbody, ends | throwers)
                return {self.point(statement.finalbody[-1])} if ends else set()
            return self._block(statement.finalbody, ends)
        return ends


def truth(expr: tree.Expr) -> bool | None:
    """The truth of a literal test, None when it is not one."""
    if isinstance(expr, tree.Constant):
        return bool(expr.value)
    return None


def is_dead(node: Node) -> bool:
    """True below ``if False`` and the like, behind a ``return`` or its kind, and where replaced.

    A definition is replaced by a later one of its name.
    """
    if in_replaced(node) or _follows_an_end(node):
        return True
    below = node
    for ancestor in node.ancestors():
        if isinstance(ancestor, tree.If | tree.While):
            constant = truth(ancestor.test)
            if constant is False and any(below is s for s in ancestor.body):
                return True
            if constant is True and any(below is s for s in ancestor.orelse):
                return True
        below = ancestor
    return False


def _follows_an_end(node: Node) -> bool:
    """True where a statement of the same block, or of one around it, always leaves it before."""
    for above in (node, *node.ancestors()):
        if not isinstance(above, Stmt) or above.parent is None:
            continue
        for earlier in tree.block_of(above):
            if earlier is above:
                break
            if isinstance(earlier, tree.Return | tree.Raise | tree.Break | tree.Continue):
                return True
    return False
