"""Words, tables and small curves that the formats share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint.audit.result import Audit, Claim
from trainlint.diagnostics import Location
from trainlint.reports.neutral import shown
from trainlint.reports.wording import counted

NAMED = 6  # places of one claim that are named
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60  # bars, at most


def total(audit: Audit) -> str:
    """The one line that says what came of it."""
    verified = sum(len(section.verified) for section in audit.sections)
    questions = sum(len(section.questions) for section in audit.sections)
    parts = [f"{verified} verified", f"{len(audit.found)} found"]
    if questions:
        parts.append(f"{questions} for a run to decide")
    if audit.failures:
        parts.append(counted(len(audit.failures), "failure"))
    return f"{counted(audit.files, 'file')}: {', '.join(parts)}."


def where(claim: Claim) -> str:
    """``train.py:24, 80; model.py:7``: the places of a claim, if it has any."""
    by_file: dict[str, list[str]] = {}
    for place in claim.places[:NAMED]:
        by_file.setdefault(shown(place.path), []).append(_line(place))
    text = "; ".join(f"{path}:{', '.join(dict.fromkeys(lines))}" for path, lines in by_file.items())
    more = len(claim.places) - NAMED
    return f"{text} and {counted(more, 'more place')}" if more > 0 else text


def _line(place: Location) -> str:
    return f"cell {place.cell}:{place.line}" if place.cell is not None else str(place.line)


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def widths(self) -> list[int]:
        return [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]


def table(claim: Claim) -> Table | None:
    """The table of a claim."""
    given: Mapping[str, Any] = claim.evidence.get("table") or {}
    if not given:
        return None
    rows = tuple(tuple(shown(str(cell)) for cell in row) for row in given["rows"])
    return Table(tuple(given["columns"]), rows)


def series(claim: Claim) -> Iterator[str]:
    """A small curve of the values of a claim, with its first, highest and last."""
    given: Mapping[str, Any] = claim.evidence.get("series") or {}
    if given:
        values = [float(value) for value in given["values"]]
        unit, first = given["unit"], int(given.get("first", 0))
        yield sparkline(values)
        yield (
            f"{unit} {first}: {values[0]:.3g}; highest {max(values):.3g}, lowest "
            f"{min(values):.3g}; {unit} {first + len(values) - 1}: {values[-1]:.3g}"
        )


def sparkline(values: Sequence[float]) -> str:
    """The values as bars, from the lowest to the highest."""
    if len(values) > _WIDTH:
        values = [values[i * len(values) // _WIDTH] for i in range(_WIDTH)]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    last = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / span * last)] for value in values)
