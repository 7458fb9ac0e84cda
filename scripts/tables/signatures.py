"""Extracts functions, classes, aliases and imports from the text of one module.

What a reader of the release could see is taken, no more: parameters, the deprecation decorators,
the sentinel defaults of parameters on their way out, and the sentences that name a replacement.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst

WARNING = re.compile(r"\.\. (?:warning|deprecated)::(.*?)(?=\n\s*\n|\Z)", re.DOTALL)
SENTINELS = frozenset({"Deprecated()", "util.Deprecated()", "'deprecated'"})


@dataclass(frozen=True, slots=True)
class Notice:
    """A deprecation that the release itself states."""

    removal: str = ""
    moved: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True)
class Rename:
    """A parameter that goes by a new name."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a callable by how they may be passed.

    With `tolerant`, keyword-only ones are still taken by position, with a warning.
    """

    positional: tuple[str, ...] = ()
    keyword: tuple[str, ...] = ()
    star: bool = False
    kwargs: bool = False
    tolerant: bool = False
    deprecated: tuple[str, ...] = ()
    renames: tuple[Rename, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All named parameters in their order."""
        return self.positional + self.keyword

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the positions that a call may fill."""
        return self.names if self.tolerant else self.positional


@dataclass(frozen=True, slots=True)
class Definition:
    """A public callable: `origin` is the dotted name of the place that defines it."""

    origin: str
    signature: Signature | None
    notice: Notice | None = None
    bases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alias:
    """A name bound to another name, perhaps through `moved(...)`."""

    target: str
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name; `name` is "*" for a star import, "" for a module."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """What one module binds at its top level."""

    name: str
    parsed: bool = True
    definitions: dict[str, Definition] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    stars: tuple[Import, ...] = ()
    exported: tuple[str, ...] | None = None


def read_module(name: str, text: str, *, package: bool) -> Module:
    """Return what the module's text binds; an unparsable one is empty and says so."""
    tree = _parse(text)
    if tree is None:
        return Module(name, parsed=False)
    parent = name if package else name.rpartition(".")[0]
    module = Module(name)
    stars: list[Import] = []
    exported: tuple[str, ...] | None = None
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            module.definitions[node.name] = _definition(name, node)
        elif isinstance(node, ast.ImportFrom):
            stars += _bind_imports(module, node, parent)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
            if target == "__all__":
                exported = _strings(node.value)
            elif (alias := _alias(node.value)) is not None:
                module.aliases[target] = alias
    return Module(
        name, True, module.definitions, module.aliases, module.imports, tuple(stars), exported
    )


def is_lazy(text: str) -> bool:
    """Return whether the package takes its names from the stub beside it."""
    return "attach_stub(" in text


def _parse(text: str) -> ast.Module | None:
    """Parse sources older and newer than the Python at hand, None where nothing helps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            pass
        try:
            return ast.parse(without_new_syntax(text))
        except (SyntaxError, ValueError, RecursionError, libcst.ParserSyntaxError):
            return None


def without_new_syntax(text: str) -> str:
    """Return the text without type parameters and `type` statements."""
    return libcst.parse_module(text).visit(_OlderSyntax()).code


class _OlderSyntax(libcst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802
        self, original_node: libcst.FunctionDef, updated_node: libcst.FunctionDef
    ) -> libcst.FunctionDef:
        return updated_node.with_changes(type_parameters=None)

    def leave_ClassDef(  # noqa: N802
        self, original_node: libcst.ClassDef, updated_node: libcst.ClassDef
    ) -> libcst.ClassDef:
        return updated_node.with_changes(type_parameters=None)

    def leave_TypeAlias(  # noqa: N802
        self, original_node: libcst.TypeAlias, updated_node: libcst.TypeAlias
    ) -> libcst.Pass:
        return libcst.Pass()


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those under `if` and `try` too."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _top_level(node.body)
            yield from _top_level(node.orelse)
        else:
            yield node


def _bind_imports(module: Module, node: ast.ImportFrom, parent: str) -> list[Import]:
    source = _absolute(node, parent)
    stars = []
    for alias in node.names:
        if alias.name == "*":
            stars.append(Import(source, "*"))
        else:
            module.imports[alias.asname or alias.name] = Import(source, alias.name)
    return stars


def _absolute(node: ast.ImportFrom, parent: str) -> str:
    if not node.level:
        return node.module or ""
    parts = parent.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _definition(
    module: str, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
) -> Definition:
    origin = f"{module}.{node.name}"
    notice = _notice(node)
    if not isinstance(node, ast.ClassDef):
        return Definition(origin, _signature(node), notice)
    makers = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    maker = next((item for item in makers if item.name == "__init__"), None)
    bases = tuple(ast.unparse(base) for base in node.bases)
    signature = _signature(maker, bound=True) if maker is not None else None
    return Definition(origin, signature, notice, bases)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool = False) -> Signature:
    spec = node.args
    positional = [arg.arg for arg in (*spec.posonlyargs, *spec.args)][bound:]
    keyword = [arg.arg for arg in spec.kwonlyargs]
    return Signature(
        tuple(positional),
        tuple(keyword),
        star=spec.vararg is not None,
        kwargs=spec.kwarg is not None,
        tolerant=any(_called(item) == "deprecate_positional_args" for item in node.decorator_list),
        deprecated=tuple(_going(spec)),
        renames=tuple(_renames(node)),
    )


def _going(spec: ast.arguments) -> Iterator[str]:
    """Yield the parameters whose default says that nobody should pass them."""
    ordered = [*spec.posonlyargs, *spec.args]
    paired = list(zip(reversed(ordered), reversed(spec.defaults), strict=False))
    pairs = [*reversed(paired), *zip(spec.kwonlyargs, spec.kw_defaults, strict=True)]
    for arg, default in pairs:
        if default is not None and ast.unparse(default) in SENTINELS:
            yield arg.arg


def _renames(node: ast.AST) -> Iterator[Rename]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _called(call) == "rename_kw":
            given = {word.arg: word.value for word in call.keywords}
            old = given.get("old_name") or (call.args[0] if call.args else None)
            new = given.get("new_name") or (call.args[2] if len(call.args) > 2 else None)
            if isinstance(old, ast.Constant) and isinstance(new, ast.Constant):
                yield Rename(str(old.value), str(new.value))


def _notice(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Notice | None:
    says = _warning_text(ast.get_docstring(node) or "")
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _called(decorator) in ("deprecated", "moved"):
            return Notice(_removal(decorator), _called(decorator) == "moved", says)
    return None


def _alias(value: ast.expr) -> Alias | None:
    if isinstance(value, ast.Name | ast.Attribute):
        return Alias(ast.unparse(value))
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Call) and value.args):
        return None
    if _called(value.func) not in ("moved", "_moved", "deprecated"):
        return None
    return Alias(ast.unparse(value.args[0]), Notice(_removal(value.func), moved=True))


def _removal(call: ast.Call) -> str:
    """Return the release that the decorator announces for the removal."""
    given = next((word.value for word in call.keywords if word.arg == "version_removed"), None)
    value = given or (call.args[-1] if call.args else None)
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _warning_text(doc: str) -> str:
    found = WARNING.search(doc)
    return " ".join(found.group(1).split()) if found else ""


def _called(node: ast.expr) -> str:
    """Return the last name of a decorator or callee."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _strings(value: ast.expr) -> tuple[str, ...] | None:
    try:
        names = ast.literal_eval(value)
    except ValueError:
        return None
    return tuple(str(name) for name in names)
