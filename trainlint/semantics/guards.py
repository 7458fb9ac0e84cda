"""Code that chooses by itself what a library offers: tests of a version, and fallbacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# What a name or a parameter that a release does not have raises.
_MISSING = frozenset(
    {
        "builtins.ImportError",
        "builtins.ModuleNotFoundError",
        "builtins.AttributeError",
        "builtins.TypeError",
    }
)
_VERSION = re.compile(r"version|(^|_)(has|is|old|new|legacy|supports?)_", re.I)
_PROBES = frozenset({"hasattr", "getattr", "signature", "find_spec", "getfullargspec"})


def guarded(file: File, node: Node) -> bool:
    """True where a test of a version or of a feature, or a fallback, decides whether a node runs.

    A handler for everything counts only if it names what the node uses, or another way to it:
    one that prints or passes on chooses nothing.
    """
    below: Node = node
    for ancestor in node.ancestors():
        match ancestor:
            case tree.If() | tree.While() | tree.IfExp() if below is not ancestor.test:
                if _tests(file, ancestor.test):
                    return True
            case tree.Try():
                if _falls_back(file, ancestor, node):
                    return True
            case tree.FunctionDef():
                if _left_before(file, ancestor, below):
                    return True
            case _:
                pass
        below = ancestor
    return False


def _tests(file: File, test: Expr) -> bool:
    """True for a test of a version or a feature, also through a name that holds its result."""
    for part in test.walk():
        match part:
            case tree.Attribute() if part.attr in {"__version__", "version_info"}:
                return True
            case tree.Name() if part.id in _PROBES or part.id == "__version__":
                return True
            case tree.Attribute() if part.attr in _PROBES:
                return True
            case tree.Name() if part.id.isupper() or _VERSION.search(part.id):
                if _holds_version(file, part):
                    return True
            case _:
                pass
    return False


def _holds_version(file: File, name: tree.Name) -> bool:
    found = file.names.find(name.id, name)
    if found is None:
        return False
    for binding in found[1]:
        value = binding.value
        if binding.kind == "import" and _VERSION.search(binding.qualified or ""):
            return True
        if value is not None and name not in value.walk():
            for part in value.walk():
                if isinstance(part, tree.Attribute) and part.attr == "__version__":
                    return True
                if isinstance(part, tree.Name | tree.Attribute):
                    last = part.id if isinstance(part, tree.Name) else part.attr
                    if last in _PROBES:
                        return True
        statement = binding.node
        if isinstance(statement.parent, tree.Try | tree.Handler):
            return True  # try: import x; HAS_X = True
    return False


def _falls_back(file: File, statement: tree.Try, node: Node) -> bool:
    """True where a node is tried, or is what is done when something else failed."""
    if any(part is node for handler in statement.handlers for part in handler.walk()):
        return any(_catches(file, handler) for handler in statement.handlers)
    if not any(part is node for item in statement.body for part in item.walk()):
        return False
    used = _words(node)
    for handler in statement.handlers:
        if _catches(file, handler):
            return True
        bare = handler.type is None or file.names.qualified(handler.type) in {
            "builtins.Exception",
            "builtins.BaseException",
        }
        if bare and any(not used.isdisjoint(_words(item)) for item in handler.body):
            return True
    return False


def _catches(file: File, handler: tree.Handler) -> bool:
    """True for a handler of the errors that a missing name raises."""
    kinds = handler.type.elts if isinstance(handler.type, tree.Sequence) else [handler.type]
    return any(k is not None and file.names.qualified(k) in _MISSING for k in kinds)


def _words(node: Node) -> set[str]:
    """The last names of what is called in a node."""
    found = set()
    for part in node.walk():
        if isinstance(part, tree.Call):
            func = part.func
            if isinstance(func, tree.Attribute):
                found.add(func.attr)
            elif isinstance(func, tree.Name):
                found.add(func.id)
    return found - {"print", "format", "str", "exit", "info", "warning", "error", "exception"}


def _left_before(file: File, function: tree.FunctionDef, below: Node) -> bool:
    """True where a test above in the body of a function has left it."""
    for statement in function.body:
        if statement is below:
            return False
        if isinstance(statement, tree.If) and _tests(file, statement.test):
            leaves = isinstance(statement.body[-1], tree.Return | tree.Raise)
            if leaves:
                return True
    return False
