"""The harness that proves a rule on its fixtures, for trainlint's own rules and other people's.

A fixture folder is named after its rule and holds ``bad*.py`` with marks, ``good*.py`` without,
and for each ``bad.py`` whose rule fixes, ``bad.fixed.py``: its text after ``--apply --unsafe`` of
this rule alone (``bad.safe.py``: after ``--apply`` alone, where that is neither the fixed text nor,
for a rule without safe fixes, the unchanged one). Marks stand on the line of the finding or on a
line of their own above it::

    loss = crit(out, y)  # expect: AMP001 at "crit(out, y)"
    # expect-no-fix: AMP001 at "crit(out, y)"

``# target: torch=2.0..2.5`` anywhere in a fixture sets the range that it must work on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainlint.check import Outcome, check_source
from trainlint.config.targets import Range
from trainlint.diagnostics import Diagnostic
from trainlint.edits import Safety
from trainlint.fixing import fix_sources
from trainlint.project.graph import Graph
from trainlint.project.modules import Modules
from trainlint.registry import shipped
from trainlint.rule import Rule
from trainlint.semantics import lower
from trainlint.semantics.facts import File, Surroundings
from trainlint.text.source import Source, decode

_MARK = re.compile(
    r"expect(?P<no_fix>-no-fix)?: (?P<code>[A-Z]+\d+) at "
    r"(?P<quote>[\"`])(?P<text>.*?)(?P=quote)(?=\s|$|,|;)"
)
_TARGET = re.compile(r"# target: ([\w-]+)=(\S+)")


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A finding that a fixture expects: the line, and the text at which it stands."""

    line: int
    code: str
    text: str
    fixable: bool


def marks(text: str) -> list[Mark]:
    """The marks of a fixture, in order."""
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        before, hash_sign, comment = line.partition("# expect")
        if not hash_sign:
            continue
        place = number
        if not before.strip():
            place = next(
                n for n, later in enumerate(lines[number:], number + 1) if not _is_mark(later)
            )
        for match in _MARK.finditer("expect" + comment):
            fixable = match["no_fix"] is None
            found.append(Mark(place, match["code"], match["text"], fixable))
    return sorted(found)


def _is_mark(line: str) -> bool:
    return line.strip().startswith("# expect")


class Memory:
    """The texts of a project that is nowhere on a disk, by path."""

    root = ""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = {path: text.encode() for path, text in texts.items()}

    @property
    def paths(self) -> list[str]:
        return list(self.texts)

    def read(self, path: str) -> bytes | None:
        return self.texts.get(path)

    def local(self, words: Iterable[str], path: str) -> frozenset[str]:
        tops = {path.partition("/")[0].removesuffix(".py") for path in self.texts}
        return frozenset(words) & tops


def project_of(texts: Mapping[str, str]) -> Modules:
    """The modules of a project in memory."""
    return Modules(Graph(Memory(texts)))


def surroundings_of(text: str) -> Surroundings:
    """The target ranges that a fixture asks for."""
    targets = {name: Range.parse(spec) for name, spec in _TARGET.findall(text)}
    return Surroundings(targets, {})


def file_of(text: str, path: str = "fixture.py") -> File:
    """What is known of a text by itself."""
    source = decode(path, text.encode())
    return File(source, lower.parse(source.code), surroundings_of(text))


def check_text(rule: Rule, text: str, path: str = "fixture.py") -> list[Diagnostic]:
    """What the rule finds in a text."""
    return _run(rule, decode(path, text.encode())).diagnostics


def fix_text(rule: Rule, text: str, allowed: Safety, path: str = "fixture.py") -> str:
    """The text after all allowed fixes of the rule."""
    return fix_source(rule, decode(path, text.encode()), allowed).text


def fix_source(rule: Rule, source: Source, allowed: Safety) -> Source:
    """The source after all allowed fixes of the rule."""
    fixed = fix_sources({source.path: source}, lambda s, _: _run(rule, s), allowed)
    return fixed.sources.get(source.path, source)


def _run(rule: Rule, source: Source) -> Outcome:
    rules = [rule]
    if rule.family == "SUP":  # whether a suppression is of use, the other rules decide
        rules += [other for other in shipped().rules if other.family != "SUP"]
    known = frozenset(word for other in rules for word in (other.code, other.name))
    outcome = check_source(source, rules, surroundings_of(source.text), known=known)
    if outcome.failures:
        raise AssertionError(f"{source.path}: {outcome.failures[0].message}")
    outcome.diagnostics = [d for d in outcome.diagnostics if d.code == rule.code]
    return outcome


def found_marks(rule: Rule, source: Source) -> list[Mark]:
    """The rule's findings in the form of marks, so that both can be compared."""
    result = []
    for diagnostic in _run(rule, source).diagnostics:
        place = diagnostic.location
        start = source.offset(place.line, place.column, place.cell)
        end = source.offset(place.end_line, place.end_column, place.cell)
        fixable = any(fix.safety != "shown" for fix in diagnostic.fixes)
        text = source.text[start:end].splitlines()[0] if end > start else ""
        result.append(Mark(place.line, diagnostic.code, text, fixable))
    return sorted(result)


def verify(rule: Rule, folder: Path) -> None:
    """Prove a rule on its fixture folder.

    Raises:
        AssertionError: it finds something else than the marks, or its fixes give other texts.
    """
    bad = sorted(p for p in folder.glob("bad*.py") if p.name.count(".") == 1)
    good = sorted(folder.glob("good*.py"))
    assert bad, f"{folder} has no bad.py"
    assert good, f"{folder} has no good.py"
    for path in good:
        verify_silence(rule, path.read_text(encoding="utf-8"), path.name)
    fixes = set()
    for path in bad:
        text = path.read_text(encoding="utf-8")
        verify_marks(rule, text, path.name)
        fixes |= {Safety[fix.safety.upper()] for d in check_text(rule, text) for fix in d.fixes}
        verify_fixes(rule, path)
    best = max(fixes) if fixes else None
    assert best == rule.fix, f"{rule.code} declares {rule.fix} fixes, its best one is {best}"


def verify_silence(rule: Rule, text: str, name: str) -> None:
    """The rule says nothing about a text."""
    found = check_text(rule, text)
    assert not found, f"{name}: {[(d.location.line, d.message) for d in found]}"


def verify_marks(rule: Rule, text: str, name: str) -> None:
    """The rule finds exactly what the marks of the text say, under every transformation of it."""
    expected = marks(text)
    assert expected, f"{name} has no marks"
    plain = found_marks(rule, decode("fixture.py", text.encode()))
    _compare(name, plain, _fixability(rule, expected))
    for label, transformed in transformations(text):
        found = found_marks(rule, transformed)
        shown = [(m.code, _spaces(m.text), m.fixable) for m in found]
        wanted = [(m.code, _spaces(m.text), m.fixable) for m in plain]
        assert sorted(shown) == sorted(wanted), f"{name} as {label}: {shown}, not {wanted}"


def _fixability(rule: Rule, expected: list[Mark]) -> list[Mark]:
    if rule.fix is not None and rule.fix > Safety.SHOWN:
        return expected
    return [Mark(m.line, m.code, m.text, False) for m in expected]


def _compare(name: str, found: list[Mark], expected: list[Mark]) -> None:
    missing = [m for m in expected if m not in found]
    surplus = [m for m in found if m not in expected]
    assert not missing, f"{name}: not found {missing}; not expected {surplus}"
    assert not surplus, f"{name}: not expected {surplus}"


def verify_fixes(rule: Rule, path: Path) -> None:
    """The fixes give the texts beside the fixture, converge, and keep newlines and indentation."""
    text = path.read_text(encoding="utf-8")
    fixed_path, safe_path = path.with_suffix(".fixed.py"), path.with_suffix(".safe.py")
    fixed = fixed_path.read_text(encoding="utf-8") if fixed_path.exists() else text
    safe = fixed if rule.fix is Safety.SAFE else text
    if safe_path.exists():
        safe = safe_path.read_text(encoding="utf-8")
    for allowed, wanted in ((Safety.UNSAFE, fixed), (Safety.SAFE, safe)):
        result = fix_text(rule, text, allowed)
        assert result == wanted, f"{path.name} after {allowed} fixes:\n{result}"
        again = fix_text(rule, result, allowed)
        assert again == result, f"{path.name}: a second run changes the text again"
    for label, transform in TRANSFORMATIONS.items():
        changed, wanted_source = transform(text), transform(fixed)
        if changed is None or wanted_source is None:
            continue
        result_source = fix_source(rule, changed, Safety.UNSAFE)
        assert result_source.text == wanted_source.text, (
            f"{path.name} as {label}:\n{result_source.text}"
        )


# Transformations that must not change what a rule says


def transformations(text: str) -> Iterator[tuple[str, Source]]:
    """The same program in other clothes."""
    for label, transform in TRANSFORMATIONS.items():
        source = transform(text)
        if source is not None:
            yield label, source


def _crlf(text: str) -> Source | None:
    return decode("fixture.py", text.replace("\n", "\r\n").encode())


def _tabs(text: str) -> Source | None:
    if _has_long_string(text):
        return None
    return decode("fixture.py", _reindent(text, lambda n: "\t" * (n // 4) + " " * (n % 4)).encode())


def _bom(text: str) -> Source | None:
    return decode("fixture.py", b"\xef\xbb\xbf" + text.encode())


def _no_final_newline(text: str) -> Source | None:
    return decode("fixture.py", text.rstrip("\n").encode())


def _nested(text: str) -> Source | None:
    """All of the program in a method of a class, where neither star imports nor futures may be."""
    if _has_long_string(text) or re.search(r"^from .* import \*|__future__|^__all__", text, re.M):
        return None
    inner = _reindent(text, lambda n: " " * (n + 8))
    return decode("fixture.py", f"class Outer:\n    def run(outer):\n{inner}".encode())


def _notebook(text: str) -> Source | None:
    import json

    lines = text.rstrip("\n").splitlines(keepends=True)
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": []}
    book = {
        "cells": [{**cell, "source": lines}],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return decode("fixture.ipynb", json.dumps(book, indent=1).encode())


TRANSFORMATIONS: Mapping[str, Callable[[str], Source | None]] = {
    "CRLF": _crlf,
    "tabs": _tabs,
    "with a BOM": _bom,
    "without a final newline": _no_final_newline,
    "nested in a class and a method": _nested,
    "a notebook": _notebook,
}


def _has_long_string(text: str) -> bool:
    return '"""' in text or "'''" in text or "\\\n" in text


def _reindent(text: str, indent: Callable[[int], str]) -> str:
    lines = []
    for line in text.splitlines(keepends=True):
        bare = line.lstrip(" ")
        lines.append(bare if not bare.strip() else indent(len(line) - len(bare)) + bare)
    return "".join(lines)


def _spaces(text: str) -> str:
    return " ".join(text.split())
