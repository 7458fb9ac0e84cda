"""Reads what a definition says of its own end: decorators, warnings in bodies, docstrings.

Only what the release itself states is taken: that a callable is deprecated, that it only raises,
that a parameter is on its way out, and which other name it goes by.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

Maker = ast.FunctionDef | ast.AsyncFunctionDef
Marked = Maker | ast.ClassDef

WARNING = re.compile(r"\.\. (?:warning|deprecated)::(.*?)(?=\n\s*\n|\Z)", re.DOTALL)
SENTINELS = frozenset(
    {"Deprecated()", "util.Deprecated()", "'deprecated'", "'DEPRECATED'", "deprecated()"}
)
MARKS = frozenset({"deprecated", "moved", "_deprecated", "deprecate", "deprecated_function"})
CATEGORIES = ("DeprecationWarning", "FutureWarning", "VisibleDeprecation")
_ENDING = re.compile(r"deprecat|will be removed|is removed|has been removed", re.I)
_PLANNED = re.compile(r"no longer (?:available|supported)|removed|deprecat", re.I)
_FIELD = re.compile(r"^\s*`*(\w+)`* *\([^)\n]*\): *(?:\.\. *)?[Dd]eprecated\b", re.M)
_NEW_NAME = re.compile(
    r"(?:renamed (?:to|into)|use|in favou?r of|replaced (?:by|with)|switch to)\s+(?:the\s+)?"
    r"(?:argument\s+|parameter\s+|keyword\s+)?[`'\"]*(?:\w+\()?(\w+)"
)
_POINTS = re.compile(
    r"(?:\b[Uu]se(?: the)?|in favou?r of|replaced (?:by|with)|superseded by|[Ss]ee|renamed to|"
    r"moved to)\s+(?:(?:function|method|class|argument|parameter|identical)\s+)?"
    r"(?::\w+:)?([`'\"]*)\s*\.?([A-Za-z_][\w.]*\w)"
)
MAX_TEXT = 160


@dataclass(frozen=True, slots=True)
class Notice:
    """A deprecation that the release itself states; `dead` where a call only raises."""

    removal: str = ""
    moved: bool = False
    says: str = ""
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Rename:
    """A parameter that goes by a new name."""

    old: str
    new: str


def notice_of(node: Marked) -> Notice | None:
    """Return what the decorators say of a definition."""
    says = _docstring_warning(ast.get_docstring(node) or "")
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and called(decorator) in ("deprecated", "moved"):
            return Notice(removal(decorator), called(decorator) == "moved", says)
    return None


def notice_in_text(node: Marked) -> Notice | None:
    """Return what decorators, docstring and body say, in the ways of all libraries."""
    for decorator in node.decorator_list:
        name = called(decorator)
        if name in MARKS and isinstance(decorator, ast.Call):
            return Notice(says=_short(_literal_text(decorator)))
    body = _body(node)
    told = _unconditional_warning(body)
    if _only_raises(body) and not _is_abstract(node):
        return Notice(says=told, dead=True)
    if told:
        return Notice(says=told)
    if isinstance(node, ast.ClassDef):
        maker = next((m for m in node.body if isinstance(m, Maker) and m.name == "__init__"), None)
        return notice_in_text(maker) if maker is not None else None
    return None


def going(node: Maker) -> Iterator[str]:
    """Yield the parameters whose default says that nobody should pass them."""
    spec = node.args
    ordered = [*spec.posonlyargs, *spec.args]
    paired = list(zip(reversed(ordered), reversed(spec.defaults), strict=False))
    pairs = [*reversed(paired), *zip(spec.kwonlyargs, spec.kw_defaults, strict=True)]
    for arg, default in pairs:
        if default is not None and ast.unparse(default) in SENTINELS:
            yield arg.arg


def going_in_text(node: Maker, docs: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters that warnings in the body or the docstring give up, with the text."""
    names = {arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    told = {found for found in _FIELD.findall(docs) if found in names}
    yield from ((name, "") for name in sorted(told))
    for part in ast.walk(node):
        if not isinstance(part, ast.If):
            continue
        text = _unconditional_warning(part.body)
        for name in sorted(_tested(part.test) & names):
            if text and re.search(rf"\b{name}\b", text) and _is_about(name, text):
                yield name, text


def renames(node: ast.AST) -> Iterator[Rename]:
    """Yield the renames that calls of a helper or decorators of a function tell."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        name = called(call)
        if name == "rename_kw":
            yield from _rename(call, ("old_name", "new_name"), (0, 2))
        elif name == "deprecate_kwarg":
            yield from _rename(call, ("old_arg_name", "new_arg_name"), (0, 1))
            yield from _rename(call, ("old_name", "new_name"), (0, 1))
            yield from _rename(call, ("", "new_name"), (0, 9))
        elif name == "handle_legacy_interface":
            for word in call.keywords:
                match word.value:
                    case ast.Tuple(elts=[ast.Constant(value=str() as old), *_]) if word.arg:
                        yield Rename(old, word.arg)
                    case _:
                        pass


def renames_in_text(node: Maker) -> Iterator[Rename]:
    """Yield the renames that the warnings about parameters tell, in words."""
    names = {arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    for old, text in going_in_text(node, ""):
        for found in _NEW_NAME.finditer(text):
            if found[1] in names and found[1] != old:
                yield Rename(old, found[1])
                break


def pointed_to(name: str, text: str) -> str:
    """Return, in our words, what a release's own text points to instead of a symbol."""
    for found in _POINTS.finditer(text):
        quote, word = found.groups()
        cut_off = text[found.end() :] in ("...", "..")
        is_code = bool(quote) or "." in word or "_" in word
        if is_code and not cut_off and word != name.rpartition(".")[2] and word != name:
            return f"its releases point to `{word.rstrip('.')}`"
    return ""


def called(node: ast.expr) -> str:
    """Return the last name of a decorator or callee."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def removal(call: ast.Call) -> str:
    """Return the release that the decorator announces for the removal."""
    given = next((word.value for word in call.keywords if word.arg == "version_removed"), None)
    value = given or (call.args[-1] if call.args else None)
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _rename(call: ast.Call, words: tuple[str, str], positions: tuple[int, int]) -> Iterator[Rename]:
    given = {word.arg: word.value for word in call.keywords}
    found = []
    for word, position in zip(words, positions, strict=True):
        by_position = call.args[position] if position < len(call.args) else None
        found.append(given.get(word) or by_position)
    match found:
        case [ast.Constant(value=str() as old), ast.Constant(value=str() as new)]:
            yield Rename(old, new)
        case _:
            pass


def _docstring_warning(doc: str) -> str:
    found = WARNING.search(doc)
    return " ".join(found.group(1).split()) if found else ""


def _body(node: Marked) -> list[ast.stmt]:
    first = node.body[0] if node.body else None
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return node.body[1:] if is_doc else node.body


def _unconditional_warning(body: list[ast.stmt]) -> str:
    """Return the text of a deprecation that the statements give whenever they run."""
    for statement in body:
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Call) and _is_ending(value):
            return _short(_literal_text(value)) or "deprecated"
    return ""


def _is_ending(call: ast.Call) -> bool:
    name = called(call)
    if "warn" not in name and "deprec" not in name:
        return False
    given = " ".join(ast.unparse(arg) for arg in (*call.args, *(w.value for w in call.keywords)))
    categorised = any(category in given for category in CATEGORIES)
    text = _literal_text(call)
    return categorised or name in MARKS or bool(_ENDING.search(text))


def _only_raises(body: list[ast.stmt]) -> bool:
    """Return whether a body is one ``raise`` that says that the function is no more."""
    if len(body) != 1 or not isinstance(body[0], ast.Raise) or body[0].exc is None:
        return False
    exc = body[0].exc
    if called(exc) not in ("RuntimeError", "AttributeError", "ImportError", "NotImplementedError"):
        return False
    return _PLANNED.search(_literal_text(exc)) is not None


def _is_abstract(node: Marked) -> bool:
    return any("abstract" in called(decorator) for decorator in node.decorator_list)


def _tested(test: ast.expr) -> set[str]:
    """Return the names that a test asks about: given at all, not which value."""
    match test:
        case ast.BoolOp(values=values):
            return set().union(*map(_tested, values))
        case ast.Compare(left=ast.Name(id=name), ops=[ast.IsNot() | ast.NotEq()], comparators=[to]):
            plain = ast.unparse(to)
            told = isinstance(to, ast.Constant) and to.value not in (None, "deprecated")
            return set() if told and plain not in SENTINELS else {name}
        case ast.Call(func=ast.Name(id="is_param_set"), args=[ast.Name(id=name)]):
            return {name}
        case ast.Name(id=name):
            return {name}
        case _:
            return set()


def _is_about(name: str, text: str) -> bool:
    """Return whether a warning speaks of the parameter itself, and not of one of its values."""
    return re.search(rf"\b{name}\s*==?\s*[^\s`'\"]*['\"\w]", text) is None or f"`{name}`" in text


def _literal_text(node: ast.AST) -> str:
    parts = [
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    return " ".join(" ".join(parts).split())


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3].rstrip() + "..."
