"""Comments that silence findings: what they name, what they reach, and which were of use.

A comment speaks for the statements that begin or end on its line and for findings on that line; a
comment on a line of its own speaks for the next statement. Codes of other tools under ``noqa`` are
kept, so that a removal leaves them alone, and never judged.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from trainlint.config.settings import specificity

Span = tuple[int, int]
Line = tuple[int | None, int]  # cell and line

_PRAGMA = re.compile(
    r"\#\s*(?:"
    r"trainlint:\s*(?P<file>ignore-file|ignore)(?:\s*\[(?P<listed>[^\]\r\n]*)\]|(?=\s*(?:--|\#|$)))"
    r"|(?P<noqa>(?i:noqa))(?:\s*:\s*(?P<codes>[A-Z]+[0-9]+\b(?:[\s,]+[A-Z]+[0-9]+\b)*)"
    r"|(?=\s|\#|$)(?!\s*:))"
    r")"
)
_NEXT_COMMENT = re.compile(r"\#\s*[A-Za-z]")
_LISTED = re.compile(r"[^\s,]+")
_CODE_LINE = re.compile(r"^[^\S\r\n]*([^\s#])", re.M)
# Whether a suppression of these is of use shows only after the suppressions were judged.
_OWN_RULES = frozenset(
    ("SUP001", "SUP002", "unused-suppression", "unknown-code-in-suppression", "SUP")
)


class Positions(Protocol):
    """What is asked of a source."""

    @property
    def text(self) -> str:
        """The whole text."""

    def position(self, offset: int) -> tuple[int | None, int, int]:
        """Cell, line and column of an offset; all count from 1, the cell of a script is None."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code, name or family in a suppression, with its place."""

    text: str
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Suppression:
    """One pragma; without codes it silences every rule.

    ``start`` to ``end`` is the pragma with its reason: the comment, or its part up to the next
    pragma. ``lines`` are the lines that it speaks for; None is the whole file.
    """

    start: int
    end: int
    codes: tuple[Code, ...]
    noqa: bool
    lines: frozenset[Line] | None
    reason: str = ""
    used: set[str] = field(default_factory=set)

    @property
    def blanket(self) -> bool:
        """True if it silences every rule."""
        return not self.codes

    def silences(self, code: str, name: str) -> list[str]:
        """The entries that cover the rule; ``ALL`` for a suppression without codes."""
        if self.blanket:
            # Else a useless blanket would silence the finding that says so.
            return [] if code in _OWN_RULES else ["ALL"]
        if self.noqa:
            return [entry.text for entry in self.codes if entry.text == code]
        return [entry.text for entry in self.codes if specificity(entry.text, code, name)]


@dataclass(frozen=True, slots=True)
class Unused:
    """Entries of a suppression that silenced nothing; no entry means the whole of a blanket one."""

    suppression: Suppression
    codes: tuple[Code, ...]

    @property
    def span(self) -> Span:
        """Where to report it."""
        if not self.codes:
            return self.suppression.start, self.suppression.end
        return self.codes[0].start, self.codes[-1].end


@dataclass(slots=True)
class Suppressions:
    """The suppressions of one text."""

    source: Positions
    statements: Sequence[Span]
    all: list[Suppression] = field(default_factory=list)
    by_line: dict[Line, list[Suppression]] = field(default_factory=dict)

    def match(self, code: str, name: str, offset: int) -> Suppression | None:
        """The suppression that silences a finding at the offset, which is then in use."""
        first: Suppression | None = None
        for suppression in self._reaching(offset) if self.all else ():
            entries = suppression.silences(code, name)
            if entries:
                suppression.used.update(entries)
                first = first or suppression
        return first

    def unused(self, checked: Collection[str], known: Collection[str] = ()) -> list[Unused]:
        """Entries that silenced nothing, though each rule that they name was checked in full.

        Both arguments hold codes and names. A family or a blanket suppression is judged only if
        ``known`` is given and every known rule that it covers was checked; a bare ``noqa`` never,
        since it may serve another tool.
        """
        found: list[Unused] = []
        others = [rule for rule in known if rule not in _OWN_RULES]
        for suppression in self.all:
            if suppression.blanket:
                everything = bool(others) and all(rule in checked for rule in others)
                if everything and not suppression.used and not suppression.noqa:
                    found.append(Unused(suppression, ()))
                continue
            families = () if suppression.noqa else others
            codes = tuple(
                entry
                for entry in suppression.codes
                if entry.text not in suppression.used and _judged(entry.text, checked, families)
            )
            if codes:
                found.append(Unused(suppression, codes))
        return found

    def unknown(self, known: Collection[str]) -> list[tuple[Suppression, Code]]:
        """Entries that name no known rule; under ``noqa`` they are taken for another tool's."""
        return [
            (suppression, entry)
            for suppression in self.all
            if not suppression.noqa
            for entry in suppression.codes
            if not any(specificity(entry.text, rule, rule) for rule in known)
        ]

    def removal(self, unused: Unused) -> list[Span]:
        """The spans to delete, so that the entries go and all else in the comment stays."""
        suppression = unused.suppression
        gone = [entry in unused.codes for entry in suppression.codes]
        if all(gone):
            return [_whole(self.source, suppression)]
        return list(_listed_spans(suppression.codes, gone))

    def _reaching(self, offset: int) -> Iterator[Suppression]:
        """The nearest first: on the finding's line, around its statement, for the file."""
        cell, line, _ = self.source.position(offset)
        lines: list[Line] = [(cell, line)]
        statement = _statement_at(self.statements, offset)
        if statement is not None:
            lines.append(self.source.position(statement[0])[:2])
            lines.append(self.source.position(max(statement[1] - 1, statement[0]))[:2])
        for place in dict.fromkeys(lines):
            yield from self.by_line.get(place, ())
        yield from (suppression for suppression in self.all if suppression.lines is None)


def may_suppress(text: str) -> bool:
    """False if no comment of the text can be a suppression; cheap."""
    return "trainlint:" in text or "noqa" in text or "noqa" in text.lower()


def collect(
    source: Positions, comments: Sequence[tuple[int, str]], statements: Sequence[Span]
) -> Suppressions:
    """The suppressions among the comments of a source.

    ``comments`` are offsets and texts of real comments; ``statements`` are the sorted spans of
    simple statements and of the headers of compound ones.
    """
    suppressions = Suppressions(source, statements)
    if not comments or not may_suppress(source.text):
        return suppressions
    for offset, comment in comments:
        for found in _PRAGMA.finditer(comment):
            following = _NEXT_COMMENT.search(comment, found.end())
            end = offset + (following.start() if following else len(comment.rstrip()))
            codes = tuple(_codes(found, offset))
            noqa = found["noqa"] is not None
            if not codes and found["listed"] is not None:
                continue  # an empty list silences nothing
            if "ALL" in (code.text for code in codes) and not noqa:
                codes = ()
            lines = None
            if found["file"] != "ignore-file":
                lines = frozenset(
                    _lines(source, offset, statements, own_line=not noqa or bool(codes))
                )
            reason = comment[found.end() : end - offset].strip(" -:")
            suppression = Suppression(offset + found.start(), end, codes, noqa, lines, reason)
            suppressions.all.append(suppression)
            for line in lines or ():
                suppressions.by_line.setdefault(line, []).append(suppression)
    return suppressions


def _codes(found: re.Match[str], offset: int) -> Iterator[Code]:
    group = "codes" if found["noqa"] else "listed"
    if found[group] is not None:
        base = offset + found.start(group)
        for code in _LISTED.finditer(found[group]):
            yield Code(code[0], base + code.start(), base + code.end())


def _lines(
    source: Positions, offset: int, statements: Sequence[Span], *, own_line: bool
) -> Iterator[Line]:
    """The lines that a comment speaks for."""
    cell, line, column = source.position(offset)
    yield cell, line
    text = source.text
    if not own_line or text[offset - column + 1 : offset].strip():
        return
    places: list[int] = []
    below = _CODE_LINE.search(text.replace("\r", "\n"), offset)
    if below is not None:
        places.append(below.start(1))
    if _statement_at(statements, offset) is None:
        index = bisect_right(statements, (offset, len(text)))
        places.extend(start for start, _ in statements[index : index + 1])
    for place in places:
        next_cell, next_line, _ = source.position(place)
        if next_cell == cell:
            yield next_cell, next_line


def _statement_at(statements: Sequence[Span], offset: int) -> Span | None:
    index = bisect_right(statements, offset, key=lambda span: span[0]) - 1
    if index >= 0 and offset < statements[index][1]:
        return statements[index]
    return None


def _judged(entry: str, checked: Collection[str], known: Collection[str]) -> bool:
    if entry in checked or entry in _OWN_RULES:
        return entry not in _OWN_RULES
    covered = [rule for rule in known if specificity(entry, rule, rule)]
    return bool(covered) and all(rule in checked for rule in covered)


def _whole(source: Positions, suppression: Suppression) -> Span:
    """The pragma with the space before it; with its whole line, where nothing else is on it."""
    text, start, end = source.text, suppression.start, suppression.end
    if text[end : end + 1] not in ("", "\r", "\n"):
        return start, end  # what follows in the comment moves up
    while start > 0 and text[start - 1] in " \t\f":
        start -= 1
    cell = source.position(suppression.start)[0]
    if start > 0 and text[start - 1] not in "\r\n":
        return start, end
    after = end + (2 if text.startswith("\r\n", end) else 1)
    if cell is not None and (after >= len(text) or source.position(after)[0] != cell):
        return start, end  # the line break after it ends the cell
    return start, min(after, len(text))


def _listed_spans(codes: Sequence[Code], gone: Sequence[bool]) -> Iterator[Span]:
    """The entries that go, each with the separator that goes with it."""
    kept: Code | None = None
    pending: int | None = None
    for code, goes in zip(codes, gone, strict=True):
        if not goes:
            if pending is not None:
                yield pending, code.start
            kept, pending = code, None
        elif pending is None:
            pending = code.start
    if pending is not None and kept is not None:
        yield kept.end, codes[-1].end
