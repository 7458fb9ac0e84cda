"""Which binding a name has, and by what qualified name a library knows it.

A name is resolved by its binding and never by its spelling: a name that is bound twice to different
things has no qualified name, and a star import makes every name that nothing else binds unknown.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.links import Links

ScopeNode = tree.Module | tree.FunctionDef | tree.Lambda | tree.ClassDef | tree.Comprehension
SCOPES = (tree.Module, tree.FunctionDef, tree.Lambda, tree.ClassDef, tree.Comprehension)
_BINDERS = (
    tree.Import,
    tree.ImportFrom,
    tree.FunctionDef,
    tree.ClassDef,
    tree.Param,
    tree.Assign,
    tree.AnnAssign,
    tree.AugAssign,
    tree.NamedExpr,
    tree.For,
    tree.Generator,
    tree.WithItem,
    tree.Handler,
    tree.Delete,
    tree.Case,
)
_BUILTINS = frozenset(dir(builtins))
_UNKNOWN: frozenset[str | None] = frozenset([None])

# Places in which a library also keeps a name that it exports elsewhere.
_MOVED = (
    ("torch.nn.modules.loss.", "torch.nn."),
    ("torch.nn.modules.activation.", "torch.nn."),
    ("torch.nn.modules.container.", "torch.nn."),
    ("torch.nn.modules.", "torch.nn."),
    ("torch.cuda.amp.autocast_mode.", "torch.cuda.amp."),
    ("torch.cuda.amp.grad_scaler.", "torch.cuda.amp."),
    ("torch.cpu.amp.autocast_mode.", "torch.cpu.amp."),
    ("torch.cpu.amp.grad_scaler.", "torch.cpu.amp."),
    ("torch.amp.autocast_mode.", "torch.amp."),
    ("torch.amp.grad_scaler.", "torch.amp."),
    ("torch.autograd.grad_mode.", "torch."),
    ("torch.utils.data.dataloader.", "torch.utils.data."),
    ("torch.utils.data.dataset.", "torch.utils.data."),
    ("torch.utils.data.sampler.", "torch.utils.data."),
    ("torch.utils.data.distributed.", "torch.utils.data."),
    ("pytorch_lightning.", "lightning.pytorch."),
    ("sklearn.metrics._classification.", "sklearn.metrics."),
)
_OLD = tuple(old for old, _ in _MOVED)


@dataclass(slots=True, eq=False)
class Binding:
    """One place that gives a name its value.

    ``value`` is the expression the value comes from, if there is one, and ``path`` says which part
    of it: an index for each level of unpacking, ``"*"`` for a starred target, ``"each"`` for the
    elements that a loop or comprehension takes, ``"enter"`` for what a ``with`` binds.
    """

    name: str
    kind: str  # import, assign, augment, param, function, class, each, with, except, delete, other
    node: Node
    value: Expr | None = None
    path: tuple[int | str, ...] = ()
    qualified: str | None = None


@dataclass(slots=True, eq=False)
class Scope:
    node: ScopeNode
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    outer: dict[str, str] = field(default_factory=dict)  # named by ``global`` or ``nonlocal``
    star: bool = False  # a module with a star import
    flow: Any = None  # of the body, once it was asked for

    def bind(self, binding: Binding) -> None:
        self.owner(binding.name).bindings.setdefault(binding.name, []).append(binding)

    def owner(self, name: str) -> Scope:
        """The scope in which a binding of the name takes effect, this one but for ``global``."""
        keyword = self.outer.get(name)
        if keyword is None or self.parent is None:
            return self
        above = [scope for scope in self.above() if not isinstance(scope.node, tree.ClassDef)]
        if keyword == "global":
            return above[-1]
        functions = above[:-1] or above
        return next((scope for scope in functions if name in scope.bindings), functions[0])

    def above(self) -> Iterator[Scope]:
        """The scopes around this one, the module last."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent


class Names:
    """What the names of modules mean; ``links`` lead to those of the project's own."""

    def __init__(self, links: Links | None = None) -> None:
        self.links = links
        self._qualified: dict[Expr, frozenset[str | None]] = {}
        self._named: dict[tuple[Node, str], frozenset[str | None]] = {}

    def scope(self, node: Node) -> Scope:
        """The scope in which a node is evaluated."""
        return scope_of(node)

    def inner(self, node: ScopeNode) -> Scope:
        """The scope that a function, class or comprehension opens."""
        scope: Scope = node.scope
        return scope

    def find(self, name: str, at: Node) -> tuple[Scope, list[Binding]] | None:
        """The scope in which the name is bound as seen from a node, and all its bindings there."""
        scope: Scope | None = scope_of(at)
        first = True
        while scope is not None:
            if name in scope.outer:
                owner = scope.owner(name)
                return (owner, owner.bindings[name]) if name in owner.bindings else None
            visible = first or not isinstance(scope.node, tree.ClassDef)
            if visible and name in scope.bindings:
                return scope, scope.bindings[name]
            if not isinstance(scope.node, tree.Comprehension):
                first = False
            scope = scope.parent
        return None

    def qualified(self, expr: Expr) -> str | None:
        """The one qualified name that an expression can have (``torch.nn.BCELoss``), or None.

        A name that belongs to the project has a leading dot or is None: only libraries' names are
        told apart by their text.
        """
        names = self.candidates(expr)
        return next(iter(names)) if len(names) == 1 else None

    def candidates(self, expr: Expr) -> frozenset[str | None]:
        """All qualified names that the bindings of an expression allow; None stands for unknown."""
        known = self._qualified.get(expr)
        if known is None:
            self._qualified[expr] = _UNKNOWN  # ends a circle of aliases
            known = self._qualified[expr] = self._candidates(expr)
        return known

    def _candidates(self, expr: Expr) -> frozenset[str | None]:
        if isinstance(expr, tree.Attribute):
            owners = self.candidates(expr.value)
            if owners == _UNKNOWN:
                return owners
            linked = self.links.definitions(expr) if self.links and _is_local(owners) else None
            if linked is not None:
                return frozenset(q for one in linked for q in self._of_binding(one)) or _UNKNOWN
            attr = expr.attr
            return frozenset(None if o is None else canonical(f"{o}.{attr}") for o in owners)
        if not isinstance(expr, tree.Name):
            return _UNKNOWN
        found = self.find(expr.id, expr)
        if found is not None:
            return self._of_name(found[0], expr.id)
        linked = self.links.starred(expr) if self.links is not None else None
        if linked:
            return frozenset(q for one in linked for q in self._of_binding(one))
        if expr.id in _BUILTINS and (expr.id in _COMMON or not _has_star(expr)):
            return frozenset([f"builtins.{expr.id}"])
        return _UNKNOWN

    def _of_name(self, scope: Scope, name: str) -> frozenset[str | None]:
        """The same for every place that sees the name, however often it is bound and read."""
        key = (scope.node, name)
        if key not in self._named:
            self._named[key] = _UNKNOWN  # ends a circle of aliases
            bindings = scope.bindings[name]
            self._named[key] = frozenset(q for one in bindings for q in self._of_binding(one))
        return self._named[key]

    def _of_binding(self, binding: Binding) -> Iterator[str | None]:
        if binding.kind == "import":
            yield from self._of_import(binding)
        elif (
            binding.kind == "assign"
            and not binding.path
            and isinstance(binding.value, tree.Name | tree.Attribute)
        ):
            yield from self.candidates(binding.value)
        elif binding.kind != "delete":
            yield None

    def _of_import(self, binding: Binding) -> Iterator[str | None]:
        links = self.links
        if links is not None and links.is_defined(binding):
            yield None
            return
        linked = links.bindings(binding) if links is not None else None
        if linked is None or links is None:
            yield binding.qualified
            return
        if links.is_module(binding):
            yield f".{(binding.qualified or binding.name).lstrip('.')}"
            return
        for one in linked:
            yield from self._of_binding(one)
        if not linked:
            yield None


def _is_local(names: frozenset[str | None]) -> bool:
    return any(name is not None and name.startswith(".") for name in names)


def scope_of(node: Node) -> Scope:
    """The scope in which a node is evaluated."""
    below = lower = node
    above = node.parent
    while above is not None:
        kind = type(above)
        if kind in SCOPES and (
            isinstance(below, tree.Stmt)
            if kind is tree.FunctionDef and type(below) is not tree.Param
            else _evaluated_inside(above, below, lower)
        ):
            inside: Scope = above.scope  # type: ignore[attr-defined]
            return inside
        lower, below, above = below, above, above.parent
    whole: Scope = node.scope  # type: ignore[attr-defined]  # a module
    return whole


def _has_star(node: Node) -> bool:
    scope: Scope = tree.module_of(node).scope
    return scope.star


def open_scopes(module: tree.Module, local: frozenset[str]) -> None:
    """Give every node of a module that opens a scope its scope, with all bindings."""
    module.scope = Scope(module, None)
    inner = [node for kind in SCOPES[1:] for node in module.kinds.get(kind, ())]
    for node in sorted(inner, key=lambda node: (node.start, -node.end)):
        node.scope = Scope(node, scope_of(node))
    for node in module.kinds.get(tree.Scope, ()):
        scope_of(node).outer.update(dict.fromkeys(node.names, node.keyword))
    binders = [node for kind in _BINDERS for node in module.kinds.get(kind, ())]
    for node in sorted(binders, key=lambda node: node.start):
        _bind(node, scope_of(node), local)


def _bind(node: Node, scope: Scope, local: frozenset[str]) -> None:
    match node:
        case tree.Assign():
            for target in node.targets:
                _bind_target(scope, target, "assign", node, node.value, ())
        case tree.Param():
            scope.bind(Binding(node.name, "param", node, node.default))
        case tree.FunctionDef():
            scope.bind(Binding(node.name, "function", node))
        case tree.Import():
            for alias in node.names:
                name = alias.name if alias.asname else alias.bound
                known = _absolute(name, local)
                scope.bind(Binding(alias.bound, "import", alias, qualified=known))
        case tree.ImportFrom():
            _bind_from(node, scope, local)
        case tree.ClassDef():
            scope.bind(Binding(node.name, "class", node))
        case tree.AnnAssign() if node.value is not None:
            _bind_target(scope, node.target, "assign", node, node.value, ())
        case tree.AugAssign():
            _bind_target(scope, node.target, "augment", node, node.value, ())
        case tree.NamedExpr():
            owner = scope
            while isinstance(owner.node, tree.Comprehension) and owner.parent is not None:
                owner = owner.parent
            _bind_target(owner, node.target, "assign", node, node.value, ())
        case tree.For() | tree.Generator():
            _bind_target(scope, node.target, "each", node, node.iter, ("each",))
        case tree.WithItem() if node.target is not None:
            _bind_target(scope, node.target, "with", node, node.context, ("enter",))
        case tree.Handler() if node.name is not None:
            scope.bind(Binding(node.name, "except", node))
        case tree.Delete():
            _bind_target(scope, node.target, "delete", node, None, ())
        case tree.Case():
            for name in node.names:
                scope.bind(Binding(name, "other", node))
        case _:
            pass


def _bind_from(node: tree.ImportFrom, scope: Scope, local: frozenset[str]) -> None:
    if node.star:
        module: Scope = tree.module_of(node).scope
        module.star = True
    prefix = "." * node.level + node.module
    for alias in node.names:
        joint = "" if prefix.endswith(".") else "."
        name = _absolute(f"{prefix}{joint}{alias.name}", local)
        scope.bind(Binding(alias.asname or alias.name, "import", alias, qualified=name))


def _absolute(name: str, local: frozenset[str]) -> str:
    """A name of the project begins with a dot, so that it is not taken for a library's."""
    if name.startswith(".") or name.partition(".")[0] not in local:
        return canonical(name)
    return f".{name}"


_COMMON = frozenset(
    "print len range enumerate zip map list dict tuple set str int float bool open sorted super "
    "isinstance hasattr getattr setattr Exception type sum min max round abs any all".split()
)


def is_of_class(name: str) -> bool:
    """Whether a name is spelled as those of classes are."""
    return name.rpartition(".")[2][:1].isupper()


def canonical(name: str) -> str:
    """The name under which a library documents what it also keeps elsewhere."""
    if name.startswith(_OLD):
        for old, new in _MOVED:
            if name.startswith(old):
                return new + name[len(old) :]
    return name


def _evaluated_inside(scope: Node, child: Node, lower: Node) -> bool:
    """Whether a node is evaluated in the scope that a node above it opens.

    ``child`` is the node on the way directly below the scope, ``lower`` the one below that (the
    node itself, where there is none).
    """
    match scope:
        case tree.FunctionDef() | tree.Lambda() if isinstance(child, tree.Param):
            return lower is child  # its default and its annotation stand outside
        case tree.FunctionDef() | tree.ClassDef():
            return isinstance(child, tree.Stmt)
        case tree.Comprehension() if child is scope.generators[0]:
            return lower is not scope.generators[0].iter
        case _:
            return True


def _bind_target(
    scope: Scope,
    target: Expr,
    kind: str,
    node: Node,
    value: Expr | None,
    path: tuple[int | str, ...],
) -> None:
    match target:
        case tree.Name():
            scope.bind(Binding(target.id, kind, node, value, path))
        case tree.Sequence():
            for index, item in enumerate(target.elts):
                starred = isinstance(item, tree.Starred)
                inner = item.value if isinstance(item, tree.Starred) else item
                _bind_target(scope, inner, kind, node, value, (*path, "*" if starred else index))
        case _:
            pass
