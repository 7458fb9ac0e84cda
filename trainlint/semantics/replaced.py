"""Definitions that a later one of the same name replaces before anything can use them."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence

from trainlint.semantics import tree
from trainlint.semantics.tree import Node, Stmt

Definition = tree.FunctionDef | tree.ClassDef
# Decorators that give the function back, or a stand-in, and keep it nowhere else.
_PLAIN = frozenset(
    "staticmethod classmethod abstractmethod override no_grad inference_mode enable_grad autocast "
    "lru_cache cache cached_property contextmanager".split()
)


def in_replaced(node: Node) -> bool:
    """True for a node of a definition that never runs, since its name means another one by then."""
    if isinstance(node, Definition) and is_replaced(node):
        return True
    return any(isinstance(a, Definition) and is_replaced(a) for a in node.ancestors())


def is_replaced(definition: Definition) -> bool:
    """True where the same body defines the name once more, with no use of it in between.

    A definition in a branch replaces nothing for sure, and one whose decorator may register it is
    known elsewhere.
    """
    body = definition.parent
    if not isinstance(body, tree.Module | tree.ClassDef) or not _is_plain(definition):
        return False
    behind = iter(body.body)
    if not any(statement is definition for statement in behind):
        return False
    for statement in behind:
        if _may_use(statement, definition.name, isinstance(body, tree.Module)):
            return False
        if isinstance(statement, Definition) and statement.name == definition.name:
            return True
    return False


def _is_plain(definition: Definition) -> bool:
    bases = definition.bases if isinstance(definition, tree.ClassDef) else []
    for base in bases:  # a base of the project, or a metaclass, may keep what derives from it
        name = tree.base_of(base.value)
        if base.keyword is not None or name is None or _is_own(name):
            return False
    for decorator in definition.decorators:
        func = decorator.func if isinstance(decorator, tree.Call) else decorator
        if (tree.dotted(func) or "").rpartition(".")[2] not in _PLAIN:
            return False
    return True


def _may_use(statement: Stmt, name: str, in_module: bool) -> bool:
    """True for a statement that names what was defined, or calls what may look for it.

    The functions of a module see what it defines; those of a class body do not.
    """
    for node in _at_once([statement]):
        if isinstance(node, tree.Name) and node.id == name:
            return True
        if isinstance(node, tree.ImportFrom) and node.star:
            return True
        if in_module and isinstance(node, tree.Call):
            called = tree.base_of(node.func)
            if called is None or _is_own(called):
                return True
    return False


def _is_own(called: tree.Name) -> bool:
    """True for a name that the project may have defined: it is neither built in nor imported."""
    scope = tree.module_of(called).scope
    bindings = scope.bindings.get(called.id)
    if bindings is None:
        return not hasattr(builtins, called.id)
    return not all(binding.kind == "import" for binding in bindings)


def _at_once(nodes: Sequence[Node]) -> Iterator[Node]:
    """The nodes that run where they stand: not those in the bodies of functions."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        match node:
            case tree.FunctionDef():
                stack.extend(node.decorators)
                stack.extend(p.default for p in node.params if p.default is not None)
            case tree.Lambda():
                pass
            case _:
                stack.extend(node.children())
