"""The findings that a repository starts with, kept by fingerprints that survive moved code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Diagnostic
from trainlint.digests import blake2b

VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Findings of one fingerprint; ``message`` is there for the human reader only."""

    path: str
    code: str
    fingerprint: str
    name: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a baseline file holds."""

    entries: tuple[Entry, ...]

    def apply(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """The diagnostics, those that the baseline knows marked as suppressed by it.

        Of identical findings as many are marked as the baseline counts; the rest are new. What a
        comment silences already is left as it is.
        """
        left = Counter({entry.fingerprint: entry.count for entry in self.entries})
        marked: list[Diagnostic] = []
        for diagnostic in diagnostics:
            known = diagnostic.suppressed is None and left[diagnostic.fingerprint] > 0
            if known:
                left[diagnostic.fingerprint] -= 1
            marked.append(diagnostic.with_suppression("baseline") if known else diagnostic)
        return marked

    def stale(
        self,
        diagnostics: Iterable[Diagnostic],
        *,
        paths: Collection[str] | None = None,
        codes: Collection[str] | None = None,
    ) -> list[Entry]:
        """The entries that occur less often than they are counted.

        Only entries of the given paths and codes, those that were checked, are judged; None is all.
        """
        found = Counter(d.fingerprint for d in diagnostics if d.suppressed != "comment")
        return [
            entry
            for entry in self.entries
            if found[entry.fingerprint] < entry.count
            and (paths is None or entry.path in paths)
            and (codes is None or entry.code in codes)
        ]


def fingerprint(code: str, path: str, context_lines: Iterable[str], occurrence: int = 0) -> str:
    """What identifies a finding when lines move: its rule, its path and the text around it.

    ``occurrence`` counts from 0 the findings of a file that are alike in all of these.
    """
    words = (" ".join(line.split()) for line in context_lines)
    parts = (code, path, "\n".join(line for line in words if line), str(occurrence))
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16).hexdigest()


def fingerprints(findings: Iterable[tuple[str, str, Sequence[str]]]) -> list[str]:
    """The fingerprint of each finding (code, path, context lines), alike ones counted in order."""
    seen: Counter[str] = Counter()
    result: list[str] = []
    for code, path, context_lines in findings:
        first = fingerprint(code, path, context_lines)
        result.append(fingerprint(code, path, context_lines, seen[first]))
        seen[first] += 1
    return result


def write(diagnostics: Iterable[Diagnostic]) -> str:
    """The text of a baseline file for the findings that no comment silences, one on each line."""
    counts: Counter[str] = Counter()
    first: dict[str, Diagnostic] = {}
    for diagnostic in diagnostics:
        if diagnostic.suppressed != "comment":
            counts[diagnostic.fingerprint] += 1
            first.setdefault(diagnostic.fingerprint, diagnostic)
    entries = sorted(
        Entry(d.location.path, d.code, print_, d.name, d.message, counts[print_])
        for print_, d in first.items()
    )
    lines = ",\n".join("  " + json.dumps(_to_json(entry)) for entry in entries)
    body = f"\n{lines}\n " if lines else ""
    return f'{{\n "version": {VERSION},\n "findings": [{body}]\n}}\n'


def read(text: str) -> Baseline:
    """The baseline in a text that ``write`` made.

    Raises:
        ValueError: the text is no baseline of this version; the message is one line.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a baseline: not valid JSON ({error})") from None
    if not isinstance(data, dict) or "version" not in data:
        raise ValueError("not a baseline: it has no version")
    if data["version"] != VERSION:
        raise ValueError(
            f"a baseline of version {data['version']!r}; this trainlint reads version {VERSION}"
        )
    findings = data.get("findings")
    if not isinstance(findings, list):
        raise ValueError("not a baseline: 'findings' must be a list")
    return Baseline(tuple(_from_json(item, number) for number, item in enumerate(findings, 1)))


def _to_json(entry: Entry) -> dict[str, object]:
    data: dict[str, object] = {
        "path": entry.path,
        "code": entry.code,
        "name": entry.name,
        "message": entry.message,
        "fingerprint": entry.fingerprint,
    }
    if entry.count > 1:
        data["count"] = entry.count
    return data


def _from_json(item: Any, number: int) -> Entry:
    match item:
        case {"path": str(path), "code": str(code), "fingerprint": str(print_)}:
            count = item.get("count", 1)
            if type(count) is int and count > 0:
                name, message = str(item.get("name", "")), str(item.get("message", ""))
                return Entry(path, code, print_, name, message, count)
    raise ValueError(f"not a baseline: finding {number} lacks path, code or fingerprint")
