"""The program as plain data with spans: what the one walk over a libcst tree leaves behind.

The vocabulary is that of the standard library's ``ast``, so that nobody has to learn it, with two
differences: every node knows its parent, and spans are character offsets into the parsed text
which leave out enclosing parentheses (``outer`` includes them).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar


@dataclass(slots=True, eq=False, repr=False)
class Node:
    start: int
    end: int
    parent: Node | None = field(init=False, default=None, repr=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.start}:{self.end}>"

    def children(self) -> Iterator[Node]:
        """The nodes directly below this one, in source order."""
        found: list[Node] = []
        self.push(found)
        return reversed(found)

    def push(self, stack: list[Node]) -> None:
        """Put the nodes directly below this one on a stack, the first one last."""
        for name in BACKWARD_FIELDS[type(self)]:
            value = getattr(self, name)
            if value.__class__ is list:
                for item in reversed(value):
                    if item is not None:
                        stack.append(item)
            elif value is not None:
                stack.append(value)

    def walk(self) -> Iterator[Node]:
        """This node and everything below it, in source order."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            node.push(stack)

    def ancestors(self) -> Iterator[Node]:
        """The nodes above this one, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


@dataclass(slots=True, eq=False, repr=False)
class Expr(Node):
    outer: tuple[int, int] = field(init=False, default=(0, 0), repr=False)


@dataclass(slots=True, eq=False, repr=False)
class Stmt(Node):
    pass


# Expressions


@dataclass(slots=True, eq=False, repr=False)
class Name(Expr):
    id: str


@dataclass(slots=True, eq=False, repr=False)
class Attribute(Expr):
    value: Expr
    attr: str
    attr_start: int


@dataclass(slots=True, eq=False, repr=False)
class Arg(Node):
    """An argument of a call, or a base of a class; ``star`` is ``""``, ``"*"`` or ``"**"``."""

    keyword: str | None
    star: str
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class Call(Expr):
    func: Expr
    args: list[Arg]

    def arg(self, position: int | None, keyword: str | None = None) -> Expr | None:
        """The argument given at ``position`` or as ``keyword``, None when it is not written."""
        if keyword is not None:
            for item in self.args:
                if item.keyword == keyword:
                    return item.value
        if position is None:
            return None
        for index, item in enumerate(self.args):
            if item.star or item.keyword is not None:
                return None
            if index == position:
                return item.value
        return None

    @property
    def has_star(self) -> bool:
        """True when ``*args`` or ``**kwargs`` may hold arguments that are not written out."""
        return any(item.star for item in self.args)

    @property
    def positional(self) -> list[Expr]:
        """The arguments given by position, up to the first ``*args``."""
        found = []
        for item in self.args:
            if item.star:
                break
            if item.keyword is None:
                found.append(item.value)
        return found


@dataclass(slots=True, eq=False, repr=False)
class Constant(Expr):
    """A literal: int, float, complex, str, bytes, bool, None or Ellipsis."""

    value: Any


@dataclass(slots=True, eq=False, repr=False)
class FormattedString(Expr):
    values: list[Expr]


@dataclass(slots=True, eq=False, repr=False)
class Sequence(Expr):
    """A tuple, list or set display; ``kind`` is ``"tuple"``, ``"list"`` or ``"set"``."""

    kind: str
    elts: list[Expr]


@dataclass(slots=True, eq=False, repr=False)
class Dict(Expr):
    """A dict display; the key of ``**mapping`` is None."""

    keys: list[Expr | None]
    values: list[Expr]


@dataclass(slots=True, eq=False, repr=False)
class Starred(Expr):
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class BinOp(Expr):
    left: Expr
    op: str
    right: Expr


@dataclass(slots=True, eq=False, repr=False)
class UnaryOp(Expr):
    op: str
    operand: Expr


@dataclass(slots=True, eq=False, repr=False)
class BoolOp(Expr):
    left: Expr
    op: str
    right: Expr


@dataclass(slots=True, eq=False, repr=False)
class Compare(Expr):
    left: Expr
    ops: list[str]
    comparators: list[Expr]


@dataclass(slots=True, eq=False, repr=False)
class IfExp(Expr):
    body: Expr
    test: Expr
    orelse: Expr


@dataclass(slots=True, eq=False, repr=False)
class Subscript(Expr):
    value: Expr
    index: list[Expr]


@dataclass(slots=True, eq=False, repr=False)
class Slice(Expr):
    lower: Expr | None
    upper: Expr | None
    step: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class Param(Node):
    """A parameter; ``kind`` is ``posonly``, ``normal``, ``star``, ``kwonly`` or ``kwargs``."""

    name: str
    kind: str
    annotation: Expr | None
    default: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class Lambda(Expr):
    params: list[Param]
    body: Expr
    scope: Any = field(init=False, default=None, repr=False)


@dataclass(slots=True, eq=False, repr=False)
class Generator(Node):
    """One ``for ... in ... if ...`` of a comprehension."""

    target: Expr
    iter: Expr
    ifs: list[Expr]


@dataclass(slots=True, eq=False, repr=False)
class Comprehension(Expr):
    """``kind`` is ``"list"``, ``"set"``, ``"dict"`` or ``"generator"``; ``key`` is for dicts."""

    kind: str
    key: Expr | None
    elt: Expr
    generators: list[Generator]
    scope: Any = field(init=False, default=None, repr=False)


@dataclass(slots=True, eq=False, repr=False)
class Await(Expr):
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class Yield(Expr):
    value: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class NamedExpr(Expr):
    target: Expr
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class OtherExpr(Expr):
    values: list[Expr]


# Statements


@dataclass(slots=True, eq=False, repr=False)
class Module(Node):
    """A whole file; ``kinds`` holds its nodes by their class, in source order.

    What is found of a tree once and for all is kept on it: the ``scope`` of each node that opens
    one, the ``contents`` of the module.
    """

    body: list[Stmt]
    kinds: dict[type, list[Any]] = field(init=False, default_factory=dict)
    contents: Any = field(init=False, default=None, repr=False)
    scope: Any = field(init=False, default=None, repr=False)


@dataclass(slots=True, eq=False, repr=False)
class FunctionDef(Stmt):
    """``header_end`` is the offset behind the colon, ``start`` that of the first decorator."""

    name: str
    name_start: int
    params: list[Param]
    decorators: list[Expr]
    returns: Expr | None
    body: list[Stmt]
    is_async: bool
    header_end: int
    scope: Any = field(init=False, default=None, repr=False)

    def param(self, name: str) -> Param | None:
        return next((p for p in self.params if p.name == name), None)


@dataclass(slots=True, eq=False, repr=False)
class ClassDef(Stmt):
    name: str
    name_start: int
    bases: list[Arg]
    decorators: list[Expr]
    body: list[Stmt]
    header_end: int
    scope: Any = field(init=False, default=None, repr=False)

    def method(self, name: str) -> FunctionDef | None:
        """The last definition of the method in the body of the class itself."""
        found = None
        for statement in self.body:
            if isinstance(statement, FunctionDef) and statement.name == name:
                found = statement
        return found


@dataclass(slots=True, eq=False, repr=False)
class ExprStmt(Stmt):
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class Assign(Stmt):
    targets: list[Expr]
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class AugAssign(Stmt):
    target: Expr
    op: str
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class AnnAssign(Stmt):
    target: Expr
    annotation: Expr
    value: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class Return(Stmt):
    value: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class Delete(Stmt):
    target: Expr


@dataclass(slots=True, eq=False, repr=False)
class Raise(Stmt):
    exc: Expr | None
    cause: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class Assert(Stmt):
    test: Expr
    msg: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class Alias(Node):
    """One name of an import: ``name`` as written, ``asname`` when given."""

    name: str
    asname: str | None

    @property
    def bound(self) -> str:
        """The local name that the import binds (the first part of a plain dotted import)."""
        return self.asname or self.name.partition(".")[0]


@dataclass(slots=True, eq=False, repr=False)
class Import(Stmt):
    names: list[Alias]


@dataclass(slots=True, eq=False, repr=False)
class ImportFrom(Stmt):
    """``module`` is without the leading dots, which ``level`` counts; ``*`` is an empty list."""

    module: str
    level: int
    names: list[Alias]
    star: bool
    module_start: int
    module_end: int


@dataclass(slots=True, eq=False, repr=False)
class Scope(Stmt):
    """``global`` or ``nonlocal``."""

    keyword: str
    names: list[str]


@dataclass(slots=True, eq=False, repr=False)
class Pass(Stmt):
    pass


@dataclass(slots=True, eq=False, repr=False)
class Break(Stmt):
    pass


@dataclass(slots=True, eq=False, repr=False)
class Continue(Stmt):
    pass


@dataclass(slots=True, eq=False, repr=False)
class OtherStmt(Stmt):
    values: list[Expr]


@dataclass(slots=True, eq=False, repr=False)
class If(Stmt):
    """An ``elif`` is an ``If`` alone in ``orelse`` whose text begins with that word."""

    test: Expr
    body: list[Stmt]
    orelse: list[Stmt]
    header_end: int


@dataclass(slots=True, eq=False, repr=False)
class For(Stmt):
    target: Expr
    iter: Expr
    body: list[Stmt]
    orelse: list[Stmt]
    is_async: bool
    header_end: int


@dataclass(slots=True, eq=False, repr=False)
class While(Stmt):
    test: Expr
    body: list[Stmt]
    orelse: list[Stmt]
    header_end: int


@dataclass(slots=True, eq=False, repr=False)
class WithItem(Node):
    context: Expr
    target: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class With(Stmt):
    items: list[WithItem]
    body: list[Stmt]
    is_async: bool
    header_end: int


@dataclass(slots=True, eq=False, repr=False)
class Handler(Node):
    """An ``except`` clause; ``type`` is None for a bare one."""

    type: Expr | None
    name: str | None
    body: list[Stmt]
    header_end: int


@dataclass(slots=True, eq=False, repr=False)
class Try(Stmt):
    body: list[Stmt]
    handlers: list[Handler]
    orelse: list[Stmt]
    finalbody: list[Stmt]
    header_end: int


@dataclass(slots=True, eq=False, repr=False)
class Case(Node):
    """One case of a ``match``; ``names`` are bound by its pattern."""

    names: list[str]
    guard: Expr | None
    body: list[Stmt]


@dataclass(slots=True, eq=False, repr=False)
class Match(Stmt):
    subject: Expr
    cases: list[Case]
    header_end: int


Body = Module | FunctionDef
Loop = For | While
Function = FunctionDef | Lambda
Compound = FunctionDef | ClassDef | If | For | While | With | Try | Match

T = TypeVar("T", bound=Node)


def enclosing_loop(node: Node) -> Loop | None:
    """The innermost loop that runs a node in its rounds, without leaving the node's function."""
    below = node
    for ancestor in node.ancestors():
        if isinstance(ancestor, For | While) and below not in ancestor.orelse:
            return ancestor
        if isinstance(ancestor, FunctionDef | Lambda | ClassDef):
            return None
        below = ancestor
    return None


def in_rounds(node: Node, loop: Loop) -> bool:
    """True when a node stands in the body of a loop (not in its header or ``else``)."""
    below = node
    for ancestor in node.ancestors():
        if ancestor is loop:
            return any(below is statement for statement in loop.body)
        below = ancestor
    return False


def enclosing(node: Node, *kinds: type[T]) -> T | None:
    """The nearest ancestor of the given kinds, without leaving the function the node stands in."""
    for ancestor in node.ancestors():
        if isinstance(ancestor, kinds):
            return ancestor
        if isinstance(ancestor, FunctionDef | Lambda | ClassDef):
            return None
    return None


def function_of(node: Node) -> FunctionDef | None:
    """The function whose body the node stands in (decorators and defaults stand outside)."""
    below, above = node, node.parent
    while above is not None:
        if above.__class__ is FunctionDef and isinstance(below, Stmt):
            return above
        below, above = above, above.parent
    return None


def module_of(node: Node) -> Module:
    """The module in which the node stands.

    Raises:
        ValueError: the node belongs to none.
    """
    above: Node | None = node
    while above is not None:
        if above.__class__ is Module:
            return above
        above = above.parent
    raise ValueError(node)


def targets_of(statement: Node | None) -> list[Expr]:
    """What an assignment sets, whether it is annotated or not; nothing for another statement."""
    if isinstance(statement, AnnAssign):
        return [statement.target]
    return statement.targets if isinstance(statement, Assign) else []


def body_of(node: Node) -> Body:
    """The function, or else the module, whose body the node stands in."""
    return function_of(node) or module_of(node)


def class_of(node: Node) -> ClassDef | None:
    """The class in whose body, or in a method of which, the node stands."""
    for ancestor in node.ancestors():
        if isinstance(ancestor, ClassDef):
            return ancestor
    return None


def statement_of(node: Node) -> Stmt | Module:
    """The innermost statement that holds the node (the node itself, if it is one)."""
    if isinstance(node, Stmt):
        return node
    for ancestor in node.ancestors():
        if isinstance(ancestor, Stmt | Module):
            return ancestor
    raise ValueError("a node outside a module")


def block_of(statement: Stmt) -> list[Stmt]:
    """The list of statements in which this one stands."""
    parent = statement.parent
    assert parent is not None
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and any(item is statement for item in block):
            return block
    raise ValueError("a statement outside a block")


def dotted(expr: Expr) -> str | None:
    """``a.b.c`` for a chain of attributes on a name, None for anything else."""
    parts: list[str] = []
    while isinstance(expr, Attribute):
        parts.append(expr.attr)
        expr = expr.value
    if not isinstance(expr, Name):
        return None
    parts.append(expr.id)
    return ".".join(reversed(parts))


def last_name(expr: Expr) -> str:
    """``b`` for ``b`` and ``a.b``, empty for anything else."""
    match expr:
        case Name():
            return expr.id
        case Attribute():
            return expr.attr
        case _:
            return ""


def word_of(expr: Expr) -> str:
    """The last name also of what is indexed or called: ``net`` for ``a.nets.net[0]``, ``net()``."""
    while isinstance(expr, Subscript | Call):
        expr = expr.value if isinstance(expr, Subscript) else expr.func
    return last_name(expr)


def words_of(node: Node) -> Iterator[str]:
    """The names and the names of attributes in a node: all that its text calls something."""
    for inner in node.walk():
        if isinstance(inner, Name):
            yield inner.id
        elif isinstance(inner, Attribute):
            yield inner.attr


def names_in(node: Node) -> set[str]:
    """The names in a node."""
    return {inner.id for inner in within(node, Name)}


def within(node: Node, kind: type[T]) -> list[T]:
    """What ``walk`` finds of one class (and none of its subclasses), without the walk."""
    known: list[T] = module_of(node).kinds.get(kind, [])
    start, end = node.start, node.end
    first = bisect_left(known, start, key=_start)
    some = known[first : bisect_left(known, end, first, key=_start)]
    return [one for one in some if one.end < end or (one.end == end and _is_in(one, node))]


def _is_in(inner: Node, outer: Node) -> bool:
    return inner is outer or outer in inner.ancestors()


def is_none(expr: Expr | None) -> bool:
    """Whether ``None`` is what stands there."""
    return isinstance(expr, Constant) and expr.value is None


def link(root: Module) -> None:
    """Tell every node its parent and the module which nodes it has: the one walk over the tree."""
    kinds = root.kinds
    stack: list[Node] = [root]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind in kinds:
            kinds[kind].append(node)
        else:
            kinds[kind] = [node]
        for name in FIELDS[kind]:
            value = getattr(node, name)
            if value.__class__ is list:
                for item in value:
                    if item is not None:
                        item.parent = node
                        stack.append(item)
            elif value is not None:
                value.parent = node
                stack.append(value)
    for nodes in kinds.values():
        nodes.sort(key=_start)


def unlink(root: Module) -> None:
    """Forget what ``link`` told: the tree is no circle any more, and of no more use."""
    for nodes in root.kinds.values():
        for node in nodes:
            node.parent = None
    for kind in (FunctionDef, Lambda, ClassDef, Comprehension):
        for opened in root.kinds.get(kind, ()):
            opened.scope = None
    root.scope = root.contents = None
    root.kinds.clear()


def _start(node: Node) -> int:
    return node.start


def base_of(expr: Expr) -> Name | None:
    """The name at the bottom of subscripts, attributes and calls: of ``X[cols].values``, ``X``."""
    while isinstance(expr, Subscript | Attribute | Call):
        expr = expr.func if isinstance(expr, Call) else expr.value
    return expr if isinstance(expr, Name) else None


def _fields(kind: type[Node]) -> tuple[str, ...]:
    return tuple(
        name
        for name, spec in kind.__dataclass_fields__.items()
        if name not in {"start", "end", "parent", "outer"} and str(spec.type) not in _PLAIN
    )


_PLAIN = {"str", "int", "bool", "Any", "str | None", "list[str]", "dict[type, list[Any]]"}


def _all_kinds(kind: type[Node]) -> Iterator[type[Node]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from _all_kinds(sub)


# Field order is source order, but for decorators, which come first in the text.
FIELDS: dict[type[Node], tuple[str, ...]] = {kind: _fields(kind) for kind in _all_kinds(Node)}
BACKWARD_FIELDS = {kind: names[::-1] for kind, names in FIELDS.items()}
