"""Says why a text must not be handed to the parser, from one cheap scan over its characters.

libcst parses by recursion without a guard: some thousand nested brackets end the process with a
segmentation fault, long chains of operators, calls or attributes take quadratic time and memory,
and nested ``case`` patterns take exponential time. Under these bounds every construct that was
measured parses in less than half a second, on less than an eighth of the usual 8 MB stack. In a
million lines of public training code the largest values are 9 brackets, 139 links, 46 strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

MAX_DEPTH = 100  # nested brackets and replacement fields
MAX_LINKS = 500  # operators, attributes, calls and the like on the deepest path of one expression
MAX_STRINGS = 1_000  # literals joined by standing side by side
MAX_PATTERN_DEPTH = 8  # brackets in one `case`: every further one takes four times as long
MAX_BRANCHES = 1_000  # `elif` of one `if`


def refusal(code: str) -> str | None:
    """One line that says why ``code`` must not be parsed; None where it may be."""
    if "\r" in code:
        code = code.replace("\r\n", "\n").replace("\r", "\n")
    found = _too_many_branches(code) if code.count("elif") > MAX_BRANCHES else None
    quiet = re.compile(_QUIET)  # compiled late, as all here: it takes as long as a small import
    position = 0
    while found is None and position < len(code):
        if lines := quiet.match(code, position):
            position = lines.end()
        if position < len(code):
            extent = _walk(code, position, _brackets())
            found = _too_much(code, position, extent)
            position = extent.end
    if found is not None:
        line = code.count("\n", 0, found[0]) + 1
        return f"line {line}: {found[1]}; the parser cannot take that"
    return None


# Every pattern below is unambiguous, so that a failed match costs linear time: a run of plain
# characters is followed by a character that the run excludes.
_FORMAT = r"(?:(?<=[fFtT])|(?<=[fFtT][rR]))"
_NO_FORMAT = r"(?<![fFtT])(?<![fFtT][rR])"
_PLAIN = r"[^\n\"'#\\()\[\]{}]*"
_FIELD = rf"\{{{_PLAIN}(?:[(\[]{_PLAIN}[)\]]{_PLAIN})*\}}"
_SHORT = "|".join(
    [
        _NO_FORMAT + r"\"(?!\"\")[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"",
        _NO_FORMAT + r"'(?!'')[^'\\\n]*(?:\\.[^'\\\n]*)*'",
        _FORMAT + rf"\"(?!\"\")[^\"\\\n{{}}]*(?:{_FIELD}[^\"\\\n{{}}]*)*\"",
        _FORMAT + rf"'(?!'')[^'\\\n{{}}]*(?:{_FIELD}[^'\\\n{{}}]*)*'",
    ]
)
_FLAT = rf"[(\[{{]{_PLAIN}(?:(?:{_SHORT}){_PLAIN})*[)\]}}]"
_NESTED = rf"[(\[{{]{_PLAIN}(?:(?:{_SHORT}|{_FLAT}){_PLAIN})*[)\]}}]"
# Whole lines, too short and too flat to reach a bound.
_QUIET = (
    rf"(?:(?=[^\n]{{0,{MAX_LINKS - 20}}}\n)"
    rf"{_PLAIN}(?:(?:{_SHORT}|{_NESTED}){_PLAIN})*(?:\#[^\n]*)?\n){{1,500}}"
)

_STRING = _NO_FORMAT + (  # ends at the latest where its line or the text ends
    r"(?:\"\"\"[^\"\\]*(?:(?:\\(?:.|\Z)|\"(?!\"\"))[^\"\\]*)*(?:\"\"\"|\Z)"
    r"|'''[^'\\]*(?:(?:\\(?:.|\Z)|'(?!''))[^'\\]*)*(?:'''|\Z)"
    r"|\"[^\"\\\n]*(?:\\(?:.|\Z)[^\"\\\n]*)*\"?"
    r"|'[^'\\\n]*(?:\\(?:.|\Z)[^'\\\n]*)*'?)"
)
# Where one of these begins a line no bracket is open, whatever was miscounted before.
_STATEMENT = (
    r"\n[ \t\f]*(?:def|class|return|import|while|with|try|except|finally|raise|assert|del|pass"
    r"|break|continue|global|nonlocal)\b"
)
_BRACKET = r"[()\[\]{}]"
_QUOTE = r"(?P<quote>\"\"\"|'''|\"|')"
_WORDS = ("and", "or", "not", "in", "is", "if", "else", "for", "lambda", "await", "yield", "async")
_WORD = rf"(?:{'|'.join(_WORDS)})\b"
_LINK = rf"\*\*|//|<<|>>|->|[-+*/%@&|^~<>]=?|[!:=]=|\.(?!\d)|[,;:]|{_WORD}"
_LINK_MARKS = (*"+-*/%@&|^~<>.([{\"'", *_WORDS)


def _until(stops: str, skipped: str) -> re.Pattern[str]:
    """Matches up to and with the next stop, over comments and what else is skipped."""
    return re.compile(rf"(?:{skipped}|\#[^\n]*|\\(?:.|\Z)){{0,200}}(?P<stop>{stops}|)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Where the next step ends: outside of brackets, inside, in a field of a formatted string."""

    top: re.Pattern[str]
    inside: re.Pattern[str]
    field: re.Pattern[str]

    def of(self, kind: str) -> re.Pattern[str]:
        match kind:
            case "":
                return self.top
            case "(":
                return self.inside
            case "{":
                return self.field
        return _text(kind)


_OTHER = (
    rf"(?!{_WORD})[^\W\d]\w*|\d[\d_]*|\.\d[\d_]*|[^\w\n\"'#\\()\[\]{{}}\-+*/%@&|^~<>=!:.,;]+|[=!]"
)
_NO_STATEMENT = rf"(?!{_STATEMENT})\n"


@cache
def _brackets() -> _Patterns:
    ends, marks = rf"{_BRACKET}|{_QUOTE}", r"()\[\]{}\"'#\\\n"
    inner_ends, others = rf"{_STATEMENT}|{ends}", rf"{_STRING}|{_NO_STATEMENT}"
    return _Patterns(
        _until(rf"\n|{ends}", rf"[^{marks}]+|{_STRING}"),
        _until(inner_ends, rf"[^{marks}]+|{others}"),
        _until(rf":|{inner_ends}", rf"[^{marks}:]+|{others}"),
    )


@cache
def _links() -> _Patterns:
    inside = _until(
        rf"{_BRACKET}|{_STATEMENT}|{_LINK}|(?P<string>{_STRING})|{_QUOTE}",
        rf"{_OTHER}|{_NO_STATEMENT}",
    )
    top = _until(rf"{_BRACKET}|\n|{_LINK}|(?P<string>{_STRING})|{_QUOTE}", _OTHER)
    return _Patterns(top, inside, inside)


@cache
def _text(kind: str) -> re.Pattern[str]:
    """The text of a formatted string, or after a colon of a format in it, up to a field or end."""
    quote = kind.lstrip(":")
    mark = quote[0]
    stops, skipped = (r"[{}]", "") if kind[0] == ":" else (r"\{", r"|\{\{|\}")
    if len(quote) == 1:
        stops += r"|\n"
    else:
        skipped += rf"|\n|{mark}(?!{mark * 2})"
    skipped = rf"[^\\{{}}\n{mark}]+|\\N\{{[\w -]*\}}|\\[^{{}}]|\\{skipped}"
    return re.compile(rf"(?:{skipped}){{0,200}}(?P<stop>{stops}|{quote}|)", re.DOTALL)


_STRINGS = frozenset(colon + quote for colon in ("", ":") for quote in ('"', "'", '"""', "'''"))


class _Level:
    """An open bracket, field or formatted string, and what was counted in it."""

    __slots__ = ("best", "kind", "links", "pending", "strings")

    def __init__(self, kind: str) -> None:
        self.kind = kind  # "" outside, "(" any bracket, "{" field, or one of _STRINGS
        self.links = 0  # since the last comma
        self.best = 0  # of the elements before it
        self.pending = 0  # `lambda` and `for` whose commas and colon do not end an element
        self.strings = 0  # literals side by side


@dataclass(slots=True)
class _Extent:
    """How far a logical line reaches, and the most that was counted in it."""

    end: int
    depth: int = 0
    links: int = 0
    strings: int = 0
    worst: int = 0  # offset of the deepest bracket


def _walk(code: str, position: int, patterns: _Patterns) -> _Extent:
    """The extent of the logical line at ``position``; ends early where brackets nest too deep."""
    levels = [_Level("")]
    extent = _Extent(len(code))
    while position < len(code):
        level = levels[-1]
        found = patterns.of(level.kind).match(code, position)
        assert found is not None  # every pattern matches the empty text
        stop = found["stop"]
        position = max(found.end(), position + 1)
        if not stop:
            continue
        if level.kind in _STRINGS:
            if stop == "{":
                levels.append(_Level("{"))
            elif stop == "}":
                _close(levels)
                _close(levels)
            else:
                position -= stop == "\n"
                _end_string(levels, extent)
        elif stop in "([{":
            level.links += 1
            level.strings = 0
            levels.append(_Level("("))
        elif stop in ")]}":
            level.strings = 0
            if len(levels) > 1 and (level.kind != "{" or stop == "}"):
                _close(levels)
        elif stop[0] == "\n":
            extent.end = position if level.kind == "" else found.start("stop") + 1
            break
        elif found["quote"]:
            levels.append(_Level(stop))
        elif stop[0] == ":" and level.kind == "{":
            levels.append(_Level(":" + levels[-2].kind.lstrip(":")))
            position = found.start("stop") + 1
        else:
            _count(level, stop, extent, is_string=bool(found["string"]))
        if len(levels) > extent.depth + 1:
            extent.depth = len(levels) - 1
            extent.worst = position
            if extent.depth > MAX_DEPTH:
                break
    while len(levels) > 1:
        _close(levels)
    extent.links = max(levels[0].best, levels[0].links)
    return extent


def _close(levels: list[_Level]) -> None:
    closed = levels.pop()
    links = max(closed.best, closed.links)
    if levels[-1].kind in _STRINGS:
        levels[-1].best = max(levels[-1].best, links)
    else:
        levels[-1].links += links


def _end_string(levels: list[_Level], extent: _Extent) -> None:
    """Closes the innermost formatted string, with what was left open in it."""
    is_spec = True
    while is_spec:
        is_spec = levels[-1].kind not in _STRINGS or levels[-1].kind[0] == ":"
        _close(levels)
    levels[-1].strings += 1
    extent.strings = max(extent.strings, levels[-1].strings)


def _count(level: _Level, stop: str, extent: _Extent, *, is_string: bool) -> None:
    """Counts one operator, keyword, separator or string literal."""
    if is_string:
        level.strings += 1
        extent.strings = max(extent.strings, level.strings)
        return
    level.strings = 0
    match stop:
        case "," | ";":
            if not level.pending:
                level.best = max(level.best, level.links)
                level.links = 0
        case ":":
            level.pending -= level.pending > 0
        case "in" if level.pending:
            level.pending -= 1
        case "for" | "lambda":
            level.pending += 1
            level.links += 1
        case _:
            level.links += 1


def _too_much(code: str, start: int, extent: _Extent) -> tuple[int, str] | None:
    """Where and why the logical line must not be parsed."""
    if extent.depth > MAX_DEPTH:
        return extent.worst, f"brackets nest more than {MAX_DEPTH} deep"
    if extent.depth > MAX_PATTERN_DEPTH and _CASE.match(code, start):
        return extent.worst, f"a case pattern nests more than {MAX_PATTERN_DEPTH} deep"
    if extent.end - start <= MAX_LINKS:
        return None
    line = code[start : extent.end]
    if sum(map(line.count, _LINK_MARKS)) <= MAX_LINKS:
        return None
    counted = _walk(line, 0, _links())
    if counted.links > MAX_LINKS:
        return start, f"an expression chains more than {MAX_LINKS} operators, attributes or calls"
    if counted.strings > MAX_STRINGS:
        return start, f"more than {MAX_STRINGS} strings stand side by side"
    return None


_CASE = re.compile(r"\s*case\b(?!\s*[=.,)])")
_LINE_START = re.compile(r"^([ \t\f]*)(elif|if)\b", re.MULTILINE)


def _too_many_branches(code: str) -> tuple[int, str] | None:
    branches: dict[str, int] = {}
    for line in _LINE_START.finditer(code):
        indent, word = line.groups()
        branches[indent] = branches.get(indent, 0) + 1 if word == "elif" else 0
        if branches[indent] > MAX_BRANCHES:
            return line.start(), f"an if has more than {MAX_BRANCHES} branches"
    return None
