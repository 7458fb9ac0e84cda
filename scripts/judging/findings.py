"""Findings of trainlint in pinned repositories that lie in a folder, outside this one."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainlint import baseline
from trainlint.check import CONTEXT_LINES
from trainlint.text.source import Source, decode

ROOT = Path(__file__).resolve().parents[2]
SETS = ("sources", "tuning", "fresh")
# In the working directory of a repository, nothing of it may be imported in trainlint's place.
_RUN = "import sys; sys.path[0] = {!r}; from trainlint.cli import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Pin:
    """A repository at a commit, in one of the sets."""

    set: str
    repository: str
    commit: str

    def folder(self, corpus: Path) -> Path:
        return corpus / self.set / self.repository.replace("/", "+")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; in a notebook, of one of its cells."""

    path: str
    line: int
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What trainlint reports at a place of a repository."""

    pin: Pin
    place: Place
    code: str
    name: str
    severity: str
    confidence: str
    fingerprint: str
    message: str
    trail: tuple[tuple[Place, str], ...]
    shape: str  # of its text alone, wherever that stands: copies of a file have the same

    @property
    def shown(self) -> bool:
        """Whether it is reported without ``--pedantic``."""
        return self.severity != "info" and self.confidence != "low"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.pin.set, self.pin.repository, self.fingerprint


@dataclass(frozen=True, slots=True)
class Run:
    """The findings in one repository and how many files it has.

    ``unread`` counts the files whose own text is at fault; ``failures`` are defects of trainlint.
    """

    pin: Pin
    findings: tuple[Finding, ...]
    files: int
    notebooks: int
    unread: int
    failures: tuple[str, ...]


def read_pins(path: Path) -> list[Pin]:
    """The pins of a file, in its order.

    Raises:
        ValueError: a row is no pin.
    """
    with path.open(newline="", encoding="utf-8") as file:
        pins = [Pin(row["set"], row["repository"], row["commit"]) for row in csv.DictReader(file)]
    for pin in pins:
        if pin.set not in SETS or pin.repository.count("/") != 1 or len(pin.commit) != 40:
            raise ValueError(f"{path}: no pin: {pin.set}, {pin.repository}, {pin.commit}")
    return pins


def check_repository(pin: Pin, corpus: Path, options: Sequence[str] = ("--no-cache",)) -> Run:
    """Run ``trainlint check --pedantic`` in a repository.

    Raises:
        RuntimeError: it gave no report.
    """
    folder = pin.folder(corpus)
    command = [sys.executable, "-c", _RUN.format(str(ROOT)), "check", ".", "--pedantic"]
    command += ["--output-format", "json", *options]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if not result.stdout.startswith("{"):
        said = result.stderr.strip()[-500:] or f"no report, exit code {result.returncode}"
        raise RuntimeError(f"{pin.repository}: {said}")
    report = json.loads(result.stdout)
    reported = [d for d in report["diagnostics"] if d["suppressed"] is None]
    findings = tuple(_findings(pin, folder, reported))
    defects = tuple(
        f"{pin.repository} {failure['path']}: {failure['message']}"
        for failure in report["failures"]
        if failure["stage"] not in {"read", "decode", "parse"}
    )
    if "Traceback" in result.stderr:
        defects = (*defects, f"{pin.repository}: {result.stderr.strip()[-500:]}")
    unread = sum(failure["stage"] in {"read", "decode", "parse"} for failure in report["failures"])
    notebooks = sum(1 for _ in folder.rglob("*.ipynb"))
    return Run(pin, findings, report["summary"]["files"], notebooks, unread, defects)


def _findings(pin: Pin, folder: Path, reported: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    by_path: dict[str, list[dict[str, Any]]] = {}
    for diagnostic in reported:
        by_path.setdefault(diagnostic["path"], []).append(diagnostic)
    for path, diagnostics in by_path.items():
        source = read_source(folder, path)
        prints = baseline.fingerprints(
            (d["code"], path, _around(source, _place(d))) for d in diagnostics
        )
        for diagnostic, fingerprint in zip(diagnostics, prints, strict=True):
            trail = tuple((_place(r), r["message"]) for r in diagnostic["related"])
            yield Finding(
                pin=pin,
                place=_place(diagnostic),
                code=diagnostic["code"],
                name=diagnostic["name"],
                severity=diagnostic["severity"],
                confidence=diagnostic["confidence"],
                fingerprint=fingerprint,
                message=diagnostic["message"],
                trail=trail,
                shape=baseline.fingerprint(
                    diagnostic["code"], "", _around(source, _place(diagnostic))
                ),
            )


def _place(data: dict[str, Any]) -> Place:
    return Place(data["path"], data["line"], data.get("cell"))


def _around(source: Source, place: Place) -> list[str]:
    first = max(1, place.line - CONTEXT_LINES)
    return source.lines(first, place.line + CONTEXT_LINES, place.cell)


def read_source(folder: Path, path: str) -> Source:
    """The source of a file of a repository."""
    return decode(path, (folder / path).read_bytes())


def excerpt(source: Source, place: Place, before: int, after: int) -> list[str]:
    """Numbered lines around a place, the place itself marked."""
    first = max(1, place.line - before)
    lines = source.lines(first, place.line + after, place.cell)
    return [
        f"{'>' if number == place.line else ' '}{number:5d} {line.rstrip()}"
        for number, line in enumerate(lines, first)
    ]
