"""What each process of a program leaves for the report: lines of JSON, each whole at once.

A process that is killed leaves what it had found by then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trainlint.diagnostics import Diagnostic, Failure


class Spool:
    """The file of one process."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, f"{os.getpid()}-{os.urandom(4).hex()}.jsonl")

    def write(self, kind: str, data: Any) -> None:
        """Add one line; a full disk must not stop the program."""
        line = json.dumps({"kind": kind, "data": data}, default=str) + "\n"
        try:
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(line)
        except OSError:
            return

    def replace(self, kind: str, data: Any) -> None:
        """Write down the latest state of something, in the place of the one before."""
        path = f"{self._path.removesuffix('.jsonl')}.{kind}.json"
        try:
            with open(f"{path}.new", "w", encoding="utf-8") as stream:
                json.dump(data, stream, default=str)
            os.replace(f"{path}.new", path)
        except OSError:
            return


@dataclass(slots=True)
class Left:
    """What one process left."""

    pid: int
    rank: int | None = None
    has_torch: bool = False
    findings: list[Diagnostic] = field(default_factory=list)
    troubles: list[Failure] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    crash: str | None = None
    crash_place: tuple[str, int] | None = None
    cleared: list[Diagnostic] = field(default_factory=list)
    history: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)  # of checks, by code
    files: list[str] = field(default_factory=list)  # of the program itself, absolute
    said: str = ""  # what there is to say of TensorBoard
    ended: bool = False

    @property
    def trained(self) -> bool:
        """Whether something was trained in it; workers of loaders have nothing to say."""
        return bool(self.summary.get("backward_calls") or self.findings)


def read_all(folder: str) -> list[Left]:
    """What all processes left, those of lower rank first."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))
    found = [_read(os.path.join(folder, name), int(name.partition("-")[0])) for name in names]
    return sorted(found, key=lambda left: (left.rank or 0, left.pid))


def _read(path: str, pid: int) -> Left:
    left = Left(pid)
    findings: dict[tuple[str, str, str], Diagnostic] = {}
    for kind, data in _lines(path):
        match kind:
            case "torch":
                left.has_torch, left.rank = True, data["rank"]
            case "finding":
                diagnostic = Diagnostic.from_json(data)
                location = diagnostic.location
                key = (diagnostic.code, f"{location.path}:{location.line}", diagnostic.fingerprint)
                findings[key] = diagnostic  # a later one of the same subject is graver
            case "cleared":
                left.cleared.append(Diagnostic.from_json(data))
            case "summary":
                left.summary = data
            case "end":
                left.ended, left.crash = True, data["crash"]
                if data["place"] is not None:
                    left.crash_place = (data["place"][0], data["place"][1])
                left.troubles = [Failure.from_json(failure) for failure in data["failures"]]
    left.findings = list(findings.values())
    if left.rank is None:
        left.rank = left.summary.get("rank")
    stem = path.removesuffix(".jsonl")
    left.history = _state(stem, "history", {})
    left.notes = _state(stem, "notes", {})
    left.files = _state(stem, "files", [])
    left.said = _state(stem, "tensorboard", "")
    return left


def _state(stem: str, kind: str, default: Any) -> Any:
    try:
        with open(f"{stem}.{kind}.json", encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return default


def _lines(path: str) -> Iterator[tuple[str, Any]]:
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            try:
                entry = json.loads(line)
            except ValueError:  # cut off by a kill
                continue
            yield entry["kind"], entry["data"]
