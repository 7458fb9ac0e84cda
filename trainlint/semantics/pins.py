"""The releases that a file itself tells of: by installs, imports, its Python, tests that end it.

Only what stands at the level of the module holds for all that is below it. A test of another form,
or one that only chooses between two ways, says nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from trainlint.config.companions import beside_companions, bounded
from trainlint.config.installs import installed_entries
from trainlint.config.targets import (
    Range,
    Version,
    library_name,
    newest,
    parse_version,
    stated_ranges,
)
from trainlint.semantics import tree
from trainlint.semantics.guards import ends_program
from trainlint.semantics.numeric import NEGATED, TURNED
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.text.source import Source

_LIBRARY = "torch"
_SHOWN = r"(?<![\w.])\d+\.\d+\.\d+(?=\+[a-z]|\.?(?:post|rc|dev)|[^\w.]|\.?$)"
_SATISFIED = r"Requirement already satisfied: ([A-Za-z][\w.-]*).* \((\d[^\s()]*)\)"
_ENDED = r"\b(?:chainer|mxnet|tensorflow|theano)\b"
_INSTALL = r"(?m)^[^\n]*\b(?:install|create)[ \t](?:[^\n]*\\[ \t]*\n)*[^\n]*$"


def pinned(file: File) -> Range | None:
    """The releases of torch on which a file can run by what it says itself; None for any."""
    found = file.once(installed).get(_LIBRARY)
    if "__version__" in file.source.text:
        for statement in file.module.body:
            found = _both(found, _demanded(file, statement))
    return found


def installed(file: File) -> Mapping[str, Range]:
    """The releases of libraries that a file's commands install, and those that go with them."""
    commands = _commands(file.source) if file.source.is_notebook else _run_first(file)
    if not commands:
        return {}
    return bounded(beside_companions(stated_ranges(installed_entries(commands))))


def held_back(file: File) -> Mapping[str, Range]:
    """The releases of libraries that go with what a file imports and has newer ones no more."""
    if re.search(_ENDED, file.source.text) is None:
        return {}
    from trainlint.semantics import ended

    return ended.held_back(file)


def run_on(file: File) -> Mapping[str, Range]:
    """The releases of libraries that a notebook was run on, and those there are for its Python.

    That is what its author had; nothing keeps others from newer ones.
    """
    ran = _put_in(file.source) if file.source.is_notebook else {}
    ran |= _printed(file) if "__version__" in file.source.text else {}
    if file.source.python:
        release = parse_version(file.source.python)
        ran["python"] = Range(release, release, known=False)
    return bounded(ran) if ran else ran


def _printed(file: File) -> dict[str, Range]:
    """The releases that a notebook shows below the cells that ask modules for them."""
    asked: dict[int, list[str]] = {}
    for node in file.all(tree.Attribute):
        if node.attr == "__version__" and file.source.is_notebook:
            library = library_name((file.names.qualified(node) or "").rpartition(".")[0])
            cell = file.source.position(node.start)[0]
            if cell is not None and newest(library) is not None:
                asked.setdefault(cell, []).append(library)
    found: dict[str, Range] = {}
    for cell, text in file.source.printed(asked).items() if asked else ():
        releases = re.findall(_SHOWN, text)
        for at, library in enumerate(asked[cell]):
            own = re.search(rf"(?i)\b{library}\b[^\d\n]{{0,20}}({_SHOWN})", text)
            shown = own[1] if own is not None else None
            if own is None and len(releases) == len(asked[cell]):
                shown = releases[at]
            if shown is not None:
                found[library] = Range(None, parse_version(shown), known=False)
    return found


def _put_in(source: Source) -> dict[str, Range]:
    """The releases that the commands of a notebook told they had installed, or found there."""
    cells = {source.position(start)[0] or 0 for start, _ in _install_lines(source)}
    found: dict[str, Range] = {}
    for text in source.printed(cells).values() if cells else ():
        told = re.findall(_SATISFIED, text)
        for line in re.findall(r"Successfully installed (.+)", text):
            told += (word.rpartition("-")[::2] for word in line.split())
        for name, release in told:
            library = library_name(name)
            if newest(library) is not None and re.match(r"\d+(\.\d+)+", release):
                found[library] = Range(None, parse_version(release), known=False)
    return found


def _both(one: Range | None, other: Range | None) -> Range | None:
    if one is None or other is None:
        return one or other
    return one.narrow(other) or one


def _commands(source: Source) -> str:
    """The lines of a notebook that install something, and are no Python."""
    return "\n".join(line for _, line in _install_lines(source))


def _install_lines(source: Source) -> Iterator[tuple[int, str]]:
    for found in re.finditer(_INSTALL, source.text):
        if source.code[found.start() : found.end()] != found[0]:
            yield found.start(), found[0]


def _run_first(file: File) -> str:
    """The commands that a module has the shell run, as what a notebook became does."""
    if "install " not in file.source.text or ".system(" not in file.source.text:
        return ""
    return "\n".join(
        call.args[0].value.value
        for call in file.calls
        if isinstance(call.func, tree.Attribute)
        and (file.names.qualified(call.func) == "os.system" or _is_shell(file, call.func))
        and call.args
        and isinstance(call.args[0].value, tree.Constant)
        and isinstance(call.args[0].value.value, str)
        and isinstance(tree.body_of(call), tree.Module)
    )


def _is_shell(file: File, func: tree.Attribute) -> bool:
    """True for ``get_ipython().system``, by which a converted notebook runs a command."""
    return (
        func.attr == "system"
        and isinstance(func.value, tree.Call)
        and tree.last_name(func.value.func) == "get_ipython"
    )


def _demanded(file: File, statement: tree.Stmt) -> Range | None:
    match statement:
        case tree.Assert(test=test):
            return _where(file, test, holds=True)
        case tree.If(test=test, body=[*_, last], orelse=[]) if ends_program(file, last):
            return _where(file, test, holds=False)
        case _:
            return None


def _where(file: File, test: Expr, *, holds: bool) -> Range | None:
    """The releases on which a test is true, or is false."""
    match test:
        case tree.UnaryOp(op="not"):
            return _where(file, test.operand, holds=not holds)
        case tree.BoolOp(op="and" | "or") if (test.op == "and") == holds:
            left = _where(file, test.left, holds=holds)
            return _both(left, _where(file, test.right, holds=holds))
        case tree.Compare(ops=[op], comparators=[right]) if op in NEGATED:
            made = _compared(file, test.left, op if holds else NEGATED[op], right)
            turned = TURNED[op if holds else NEGATED[op]]
            return made or _compared(file, right, turned, test.left)
        case tree.Call(func=tree.Attribute(value=value, attr="startswith")) if holds:
            version = _version(test.args[0].value) if len(test.args) == 1 else None
            is_own = version is not None and _is_release(file, value)
            return Range(version, version) if is_own else None
        case _:
            return None


def _compared(file: File, left: Expr, op: str, right: Expr) -> Range | None:
    if _is_release(file, _argument(left)):
        version = _version(_argument(right))
        return _range(op, version) if version is not None else None
    place = _part(file, _argument(left))
    number = right.value if isinstance(right, tree.Constant) else None
    if place is None or not re.fullmatch(r"\d+", str(number)):
        return None
    if place == 0:
        return _range(op, (int(str(number)),))
    # A minor number alone fits one release of each major one, the newest of which is known.
    last = newest(_LIBRARY)
    return Range(None, (last[0], int(str(number)))) if last and op == "==" else None


def _range(op: str, version: Version) -> Range | None:
    made: dict[str, Callable[[], Range]] = {
        "==": lambda: Range(version, version),
        "<": lambda: Range(None, version, below=True),
        "<=": lambda: Range(None, version),
        ">": lambda: Range(
            (*version[:-1], version[-1] + 1) if len(version) == 1 else version, None
        ),
        ">=": lambda: Range(version, None),
    }
    return made[op]() if op in made else None


def _argument(expr: Expr) -> Expr:
    """What a call such as ``version.parse(...)`` or ``int(...)`` is given."""
    if isinstance(expr, tree.Call) and len(expr.args) == 1 and not expr.args[0].star:
        name = tree.last_name(expr.func)
        if re.fullmatch(r"int|\w*[vV]ersion|parse(_version)?", name):
            return expr.args[0].value
    return expr


def _is_release(file: File, expr: Expr) -> bool:
    return file.names.qualified(expr) == f"{_LIBRARY}.__version__"


def _part(file: File, expr: Expr) -> int | None:
    """The place of a number of the release that is split at its dots: major or minor."""
    match expr:
        case tree.Subscript(
            value=tree.Call(
                func=tree.Attribute(value=value, attr="split"),
                args=[tree.Arg(value=tree.Constant(value="."))],
            ),
            index=[tree.Constant(value=0 | 1 as place)],
        ) if _is_release(file, value):
            return int(place)
        case _:
            return None


def _version(expr: Expr) -> Version | None:
    if not isinstance(expr, tree.Constant) or not isinstance(expr.value, str):
        return None
    try:
        return parse_version(expr.value.rstrip("."))
    except ValueError:
        return None
