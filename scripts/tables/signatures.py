"""Extracts functions, classes, aliases and imports from the text of one module.

What a reader of the release could see is taken, no more: parameters, the deprecation decorators,
the sentinel defaults of parameters on their way out, and the sentences that name a replacement.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import libcst

from tables import notices
from tables.notices import Notice, Rename, called

_LOUD = re.compile(
    r"deprecat|FutureWarning|will be removed|been removed|is removed|rename|legacy|no longer|moved",
    re.I,
)
TOLERANT = frozenset(
    {
        "deprecate_positional_args",
        "_deprecate_positional_args",
        "deprecate_nonkeyword_arguments",
        "kwonly_to_pos_or_kw",
    }
)


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
    defaults: Mapping[str, str] = field(default_factory=dict)  # as they are written

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
    """A public callable: `origin` is the dotted name of the place that defines it.

    `members` are the public methods of a class, to which its `metaclass` adds its own; `fields`
    tells a data class, whose parameters come after those of its bases.
    """

    origin: str
    signature: Signature | None
    notice: Notice | None = None
    bases: tuple[str, ...] = ()
    metaclass: str = ""
    members: Mapping[str, Definition] = field(default_factory=dict)
    fields: bool = False
    is_class: bool = False


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
    constants: frozenset[str] = frozenset()
    mentioned: frozenset[str] = frozenset()
    retired: Mapping[str, str] = field(default_factory=dict)
    open_ended: bool = False
    sets_others: bool = False


@cache
def read_module(name: str, text: str, *, package: bool, wide: bool = False) -> Module:
    """Return what the module's text binds; an unparsable one is empty and says so.

    With `wide`, methods, constants and what bodies warn of are read too.
    """
    tree = _parse(text)
    if tree is None:
        return Module(name, parsed=False)
    parent = name if package else name.rpartition(".")[0]
    module = Module(name)
    loud = frozenset(_loud_lines(text)) if wide else None
    stars: list[Import] = []
    exported: tuple[str, ...] | None = None
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            module.definitions[node.name] = _definition(name, node, loud)
        elif isinstance(node, ast.ImportFrom):
            stars += _bind_imports(module, node, parent)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
            if target == "__all__":
                exported = _strings(node.value)
            elif (alias := _alias(node.value)) is not None:
                module.aliases[target] = alias
    found = Module(
        name, True, module.definitions, module.aliases, module.imports, tuple(stars), exported
    )
    return _widened(found, tree, text) if wide else found


def _widened(module: Module, tree: ast.Module, text: str) -> Module:
    """Return the module with its constants, and with all words where names come at run time."""
    constants: set[str] = set()
    retired: dict[str, str] = {}
    for node in _top_level(tree.body):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) and node.value else targets
        names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        if any(re.search(r"(expired|former|removed)_?attr", each) for each in names):
            retired |= _texts_of(node)
        constants |= {each for each in names if re.fullmatch(r"[A-Z][A-Z0-9_]{2,}", each)}
    dynamic = "__getattr__" in text or "globals()" in text or "sys.modules[__name__]" in text
    words = re.findall(r"[A-Za-z_]\w*", text)
    bound = {name for node in tree.body for name in _stored(node)}
    return replace(
        module,
        constants=frozenset(constants),
        mentioned=frozenset(words) if dynamic else frozenset(bound),
        retired=retired,
        open_ended=any(_serves_anything(node) for node in tree.body),
        sets_others="._" in module.name and ("setattr(" in text or "sys.modules[" in text),
    )


def _stored(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement of a module binds, in its blocks too."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for part in ast.iter_child_nodes(node):
            yield from _stored(part)


def _serves_anything(node: ast.stmt) -> bool:
    """Return whether a module's ``__getattr__`` looks names up elsewhere."""
    if not isinstance(node, ast.FunctionDef) or node.name != "__getattr__":
        return False
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    return any(called(call) in ("getattr", "import_module", "__import__") for call in calls)


def _texts_of(node: ast.stmt) -> dict[str, str]:
    """Return the names of a table of attributes that are gone, with what it says of each."""
    value = getattr(node, "value", None)
    if not isinstance(value, ast.Dict):
        return {}
    found = {}
    for key, said in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(said, ast.Constant):
            found[str(key.value)] = str(said.value)
    return found


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


def _loud_lines(text: str) -> Iterator[int]:
    """Yield the numbers of the lines that can speak of a deprecation."""
    number, at = 1, 0
    for found in _LOUD.finditer(text):
        number += text.count("\n", at, found.start())
        at = found.start()
        yield number


def _is_loud(node: ast.stmt, loud: frozenset[int] | None) -> bool:
    if loud is None:
        return False
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return any(line in loud for line in range(first, (node.end_lineno or first) + 1))


def _definition(
    module: str,
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
    loud: frozenset[int] | None,
) -> Definition:
    origin = f"{module}.{node.name}"
    notice = notices.notice_of(node)
    if notice is None and _is_loud(node, loud):
        notice = notices.notice_in_text(node)
    if not isinstance(node, ast.ClassDef):
        return Definition(origin, _signature(node, loud), notice)
    maker = _maker(node)
    bases = tuple(ast.unparse(base) for base in node.bases)
    docs = ast.get_docstring(node) or ""
    signature = _signature(maker, loud, bound=True, docs=docs) if maker is not None else None
    if loud is None:
        return Definition(origin, signature, notice, bases)
    fields = maker is None and any(called(item) == "dataclass" for item in node.decorator_list)
    members = dict(_members(origin, node, loud))
    made_by = [ast.unparse(word.value) for word in node.keywords if word.arg == "metaclass"]
    return Definition(
        origin,
        _fields(node) if fields else signature,
        notice,
        bases,
        "".join(made_by),
        members,
        fields=fields,
        is_class=True,
    )


def _maker(node: ast.ClassDef) -> ast.FunctionDef | None:
    """Return what takes the arguments of a class: its ``__new__`` where that has parameters."""
    makers = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
    new = makers.get("__new__")
    is_told = new is not None and (len(new.args.args) > 1 or new.args.kwonlyargs)
    return new if is_told else makers.get("__init__")


def _members(
    origin: str, node: ast.ClassDef, loud: frozenset[int]
) -> Iterator[tuple[str, Definition]]:
    """Yield the public methods, properties and class attributes."""
    for item in node.body:
        match item:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not item.name.startswith("_"):
                marks = {called(mark) for mark in item.decorator_list}
                notice = notices.notice_of(item)
                if notice is None and _is_loud(item, loud):
                    notice = notices.notice_in_text(item)
                is_data = not marks.isdisjoint({"property", "cached_property", "setter"})
                bound = "staticmethod" not in marks
                made = None if is_data else _signature(item, loud, bound=bound)
                yield item.name, Definition(f"{origin}.{item.name}", made, notice)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, Definition(f"{origin}.{name}", None)
            case ast.If():
                inner = ast.ClassDef(
                    name=node.name, bases=[], keywords=[], body=item.body, decorator_list=[]
                )
                yield from _members(origin, inner, loud)
            case _:
                pass


def _fields(node: ast.ClassDef) -> Signature:
    """Return the parameters that a data class takes for its own fields."""
    names: list[str] = []
    leaving: list[str] = []
    defaults: dict[str, str] = {}
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            if "ClassVar" in ast.unparse(item.annotation):
                continue
            names.append(item.target.id)
            default = _field_default(item.value)
            defaults |= {item.target.id: default} if default else {}
            said = ast.unparse(item.value) if item.value is not None else ""
            if re.search(r"help['\"]: ['\"(]*\s*(This argument is |\()?[Dd]eprecated", said):
                leaving.append(item.target.id)
    return Signature(tuple(names), deprecated=tuple(leaving), defaults=defaults)


def _field_default(value: ast.expr | None) -> str:
    """Return the literal that a field of a data class has, "" where it has none."""
    if isinstance(value, ast.Call):
        value = next((word.value for word in value.keywords if word.arg == "default"), None)
    return "" if value is None else _literal(value)


def _literal(value: ast.expr) -> str:
    """Return a constant, or a name that stands for one, as it is written; "" for all else."""
    match value:
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()) | ast.Name() | ast.Attribute():
            return ast.unparse(value)
        case ast.Tuple(elts=elts) if all(isinstance(each, ast.Constant) for each in elts):
            return ast.unparse(value)
        case _:
            return ""


def _signature(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    loud: frozenset[int] | None,
    *,
    bound: bool = False,
    docs: str = "",
) -> Signature:
    spec = node.args
    positional = [arg.arg for arg in (*spec.posonlyargs, *spec.args)][bound:]
    keyword = [arg.arg for arg in spec.kwonlyargs]
    made = dict(zip(reversed(positional), reversed(spec.defaults), strict=False))
    made |= {name: value for name, value in zip(keyword, spec.kw_defaults, strict=True) if value}
    tolerant = {"deprecate_positional_args"} if loud is None else TOLERANT
    going = list(notices.going(node))
    told = list(notices.renames(node)) if loud is None or _is_loud(node, loud) else []
    if docs or _is_loud(node, loud):
        docs = f"{docs}\n{ast.get_docstring(node) or ''}"
        going += [name for name, _ in notices.going_in_text(node, docs)]
        told += notices.renames_in_text(node)
    return Signature(
        tuple(positional),
        tuple(keyword),
        star=spec.vararg is not None,
        kwargs=spec.kwarg is not None,
        tolerant=any(called(item) in tolerant for item in node.decorator_list),
        deprecated=tuple(dict.fromkeys(going)),
        renames=tuple(dict.fromkeys(told)),
        defaults={name: text for name, value in made.items() if (text := _literal(value))},
    )


def _alias(value: ast.expr) -> Alias | None:
    if isinstance(value, ast.Name | ast.Attribute):
        return Alias(ast.unparse(value))
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Call) and value.args):
        return None
    if called(value.func) not in ("moved", "_moved", "deprecated"):
        return None
    return Alias(ast.unparse(value.args[0]), Notice(notices.removal(value.func), moved=True))


def _strings(value: ast.expr) -> tuple[str, ...] | None:
    try:
        names = ast.literal_eval(value)
    except ValueError:
        return None
    return tuple(str(name) for name in names)
