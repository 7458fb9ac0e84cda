"""Whether code runs only on some releases of a library: version tests, feature tests, fallbacks.

A script that asks which release it runs on, or that catches the lack of a name, knows of the old
and the new form; the one that it keeps for the old release is no fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import lru_cache
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import ends_program
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# What is raised where a release lacks a module, a name or a parameter.
_LACK = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "NameError"})
_BROAD = frozenset({"Exception", "BaseException", "TypeError", "RuntimeError", "ValueError"})
_FEATURE_TESTS = frozenset(
    {
        "builtins.hasattr",
        "builtins.getattr",
        "builtins.dir",
        "builtins.vars",
        "inspect.signature",
        "inspect.getfullargspec",
        "importlib.util.find_spec",
    }
)
_RELEASE_TESTS = frozenset({"importlib.metadata.version", "pkg_resources.get_distribution"})
_CONTENTS = frozenset({"__all__", "__annotations__", "__dataclass_fields__", "__dict__"})
_MAX_DEPTH = 4


def is_for_some_releases(
    file: File, node: Node, library: str, instead: Set[str] = frozenset()
) -> bool:
    """True where a test of the library's release, or an ``except`` for a lack, selects a node.

    ``instead`` are the qualified names of the newer form: beside one of them, any ``except`` is
    a fallback.
    """
    below = node
    for above in node.ancestors():
        match above:
            case tree.If() | tree.IfExp() if below is not above.test:
                if asks_release(file, above.test, library) or _asks_for(file, above.test, node):
                    return True
                if isinstance(above, tree.If) and _is_for_checkers(file, above, below):
                    return True
            case tree.BoolOp() if below is above.right:
                if asks_release(file, above.left, library) or _asks_for(file, above.left, node):
                    return True
            case tree.With() if below in above.body and _suppresses(file, above, node):
                return True
            case tree.Try() if _is_fallback(file, above, below, node, library, instead):
                return True
            case _:
                pass
        if isinstance(below, tree.Stmt) and _is_answered_before(file, below, library):
            return True
        below = above
    return False


def _asks_for(file: File, test: Expr, node: Node) -> bool:
    """Whether a test asks an object whether it has the member that is used."""
    return isinstance(node, tree.Attribute) and any(
        isinstance(part, tree.Call)
        and file.names.qualified(part.func) == "builtins.hasattr"
        and len(part.args) == 2
        and file.values.literal(part.args[1].value) == node.attr
        and file.text(part.args[0].value) == file.text(node.value)
        for part in test.walk()
    )


def _is_for_checkers(file: File, test: tree.If, below: Node) -> bool:
    """Whether a statement stands where only those look who check types."""
    return file.names.qualified(test.test) == "typing.TYPE_CHECKING" and below in test.body


def _suppresses(file: File, statement: tree.With, node: Node) -> bool:
    """Whether a block goes on where a name is lacking, or an import fails in whatever way."""
    names = _LACK | _BROAD if _is_import(node) else _LACK
    return any(
        isinstance(item.context, tree.Call)
        and file.names.qualified(item.context.func) == "contextlib.suppress"
        and any(_is_one_of(arg.value, names) for arg in item.context.args)
        for item in statement.items
    )


def _is_import(node: Node) -> bool:
    return isinstance(node, tree.Alias | tree.Import | tree.ImportFrom)


def _is_one_of(exception: Expr, names: Set[str]) -> bool:
    return (tree.dotted(exception) or "").rpartition(".")[2] in names


def asks_release(file: File, test: Expr, library: str, depth: int = _MAX_DEPTH) -> bool:
    """Whether a test asks for the release of a library, or for something that not all have."""
    return any(_asks(file, node, library, depth) for node in test.walk())


def _asks(file: File, node: Node, library: str, depth: int) -> bool:
    match node:
        case tree.Attribute(attr="__version__"):
            return (file.names.qualified(node) or library).partition(".")[0] == library
        case tree.Call():
            return _is_asked(file, node, library, _FEATURE_TESTS | _RELEASE_TESTS)
        case tree.Attribute():
            if _words(library).search(node.attr):
                return True
            if node.attr in _CONTENTS:
                return _names_library(file, node.value, library)
            return depth > 0 and any(
                _is_answer(file, assign, library, depth - 1) for assign in _assigned(file, node)
            )
        case tree.Name():
            if _words(library).search(node.id):
                return True
            return depth > 0 and any(
                _is_answer(file, bound, library, depth - 1) for bound in _bindings(file, node)
            )
        case _:
            return False


def _is_asked(file: File, node: Node, library: str, questions: Set[str]) -> bool:
    """Whether a call puts one of the questions about a library."""
    return (
        isinstance(node, tree.Call)
        and file.names.qualified(node.func) in questions
        and any(_names_library(file, arg.value, library) for arg in node.args)
    )


@lru_cache(maxsize=16)
def _words(library: str) -> re.Pattern[str]:
    """Names that speak of a release: ``TORCH_VERSION``, ``is_torch_greater_than_2_4``."""
    after = r"(version|_g[et]|_l[et]|greater|less|newer|older|at_least|_v?\d)"
    return re.compile(rf"{library}\w*{after}|version\w*{library}|^is_{library}", re.IGNORECASE)


def _names_library(file: File, expr: Expr, library: str) -> bool:
    for node in expr.walk():
        if isinstance(node, tree.Constant) and isinstance(node.value, str):
            if node.value.partition(".")[0] == library:
                return True
        elif isinstance(node, tree.Name):
            name = file.names.qualified(node) or ""
            if name.partition(".")[0] == library:
                return True
    return False


def _bindings(file: File, name: tree.Name) -> Iterator[Node]:
    found = file.names.find(name.id, name)
    for binding in found[1] if found is not None else ():
        if binding.kind in {"assign", "function"}:
            yield binding.node


def _assigned(file: File, attribute: tree.Attribute) -> Iterator[tree.Assign]:
    """The assignments to an attribute, in methods and in the bodies of classes."""
    if not isinstance(attribute.value, tree.Name) or attribute.value.id not in {"self", "cls"}:
        return
    for assign in file.all(tree.Assign):
        in_class = isinstance(assign.parent, tree.ClassDef)
        for target in assign.targets:
            match target:
                case tree.Attribute(attr=attribute.attr):
                    yield assign
                case tree.Name(id=attribute.attr) if in_class:
                    yield assign
                case _:
                    pass


def _is_answer(file: File, node: Node, library: str, depth: int) -> bool:
    """Whether what a name is bound to is the answer of such a test."""
    match node:
        case tree.Assign(value=tree.Constant()):
            return any(
                isinstance(above, tree.Try) and _catches_lack(above, library)
                for above in node.ancestors()
            )
        case tree.Assign(value=value):
            return asks_release(file, value, library, depth)
        case tree.FunctionDef():
            returned = [part.value for part in node.walk() if isinstance(part, tree.Return)]
            return any(v is not None and asks_release(file, v, library, depth) for v in returned)
        case _:
            return False


def _catches_lack(statement: tree.Try, library: str) -> bool:
    """Whether a ``try`` asks for something of a library and catches that it is not there."""
    return any(_catches(handler, _LACK) for handler in statement.handlers) and any(
        _is_of(node, library) for part in statement.body for node in part.walk()
    )


def _is_of(node: Node, library: str) -> bool:
    match node:
        case tree.ImportFrom(level=0):
            return node.module.partition(".")[0] == library
        case tree.Alias() if isinstance(node.parent, tree.Import):
            return node.name.partition(".")[0] == library
        case tree.Name():
            return node.id == library
        case _:
            return False


def _is_fallback(
    file: File, statement: tree.Try, below: Node, node: Node, library: str, instead: Set[str]
) -> bool:
    if isinstance(below, tree.Handler):
        if _catches_lack(statement, library) and _catches(below, _LACK):
            return True
        return _mentions(file, statement.body, instead)
    if below not in statement.body:
        return False
    imported = _is_import(node)
    for handler in statement.handlers:
        if ends_program(file, handler.body[-1]):
            continue  # it is no other way
        if _catches(handler, _LACK):
            # One that imports the library, too, asks whether it is there at all.
            if not imported or _binds(handler, node) or not _imports_all_of(statement, library):
                return True
        elif _catches(handler, _BROAD) and (imported or _mentions(file, handler.body, instead)):
            return True
    return False


def _binds(handler: tree.Handler, node: Node) -> bool:
    """Whether a handler gives another meaning to the name that an import binds."""
    name = node.bound if isinstance(node, tree.Alias) else ""
    for statement in handler.body:
        for part in statement.walk():
            if isinstance(part, tree.Name | tree.FunctionDef | tree.ClassDef | tree.Alias):
                bound = getattr(part, "id", "") or getattr(part, "bound", "")
                if name in {bound, getattr(part, "name", "")}:
                    return True
    return False


def _imports_all_of(statement: tree.Try, library: str) -> bool:
    return any(
        isinstance(part, tree.Import) and any(alias.name == library for alias in part.names)
        for part in statement.body
    )


def _catches(handler: tree.Handler, names: Set[str]) -> bool:
    """Whether a handler names one of the exceptions; a bare one catches what is broad."""
    if handler.type is None:
        return names is _BROAD
    listed = handler.type.elts if isinstance(handler.type, tree.Sequence) else [handler.type]
    return any(_is_one_of(item, names) for item in listed)


def _mentions(file: File, block: list[tree.Stmt], names: Set[str]) -> bool:
    for statement in block:
        for node in statement.walk():
            if isinstance(node, tree.ImportFrom):
                found = {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, tree.Name | tree.Attribute):
                found = {name or "" for name in file.names.candidates(node)}
            else:
                continue
            if not names.isdisjoint(found):
                return True
    return False


def _is_answered_before(file: File, statement: tree.Stmt, library: str) -> bool:
    """Whether an earlier statement of the block leaves the function on some releases.

    One that raises mostly asks for a least release, which says nothing of newer ones: there only
    a test for a feature counts.
    """
    for earlier in tree.block_of(statement):
        match earlier:
            case _ if earlier is statement:
                return False
            case tree.If(test=test, body=[*_, tree.Return()]):
                if asks_release(file, test, library):
                    return True
            case tree.If(test=test, body=[*_, tree.Raise()]):
                if any(_is_asked(file, node, library, _FEATURE_TESTS) for node in test.walk()):
                    return True
            case _:
                pass
    return False
