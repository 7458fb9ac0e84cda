"""Diagnoses in lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainlint.runtime.diagnosis.loaders import SamplerReport
    from trainlint.runtime.diagnosis.model import Diagnosis

MOST = 60  # rows of a table


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """A model on one batch."""
    yield (
        f"{found.count():,} parameters, {found.count(trainable=True):,} trainable, "
        f"{found.count(optimized=True):,} in the optimizer"
    )
    rows: list[tuple[str, ...]] = [
        ("parameter", "shape", "dtype", "trainable", "group", "gradient", "moved")
    ]
    for row in found.parameters:
        rows.append(
            (
                row.name,
                _shape(row.shape),
                row.dtype,
                "yes" if row.trainable else "no",
                "-" if row.group is None else str(row.group),
                _number(row.gradient),
                _number(row.moved),
            )
        )
    yield from _table(rows)
    rows = [("module", "kind", "dtype", "shape of its output", "finite")]
    for module in found.modules:
        rows.append(
            (
                module.name,
                module.kind,
                module.dtype,
                _shape(module.shape),
                "yes" if module.finite else "NO",
            )
        )
    yield from _table(rows)
    expected = f", log {found.classes} = {math.log(found.classes):.4g}" if found.classes else ""
    yield f"first loss {found.loss:.4g}{expected}"
    if found.losses:
        yield (
            f"one batch again and again: {found.losses[0]:.4g} to {found.losses[-1]:.4g} in "
            f"{len(found.losses)} steps at a rate of {_number(found.rate)}"
        )
    yield from _conclusion(found.notes)


def sampler_lines(report: SamplerReport) -> Iterator[str]:
    """The batches of a loader."""
    samples = "unknown" if report.samples is None else f"{report.samples:,}"
    yield f"{len(report.batches)} batches by {report.sampler} from {samples} samples"
    rows: list[tuple[str, ...]] = [
        ("batch", "size", "classes", "with a positive", "constant", "repeated")
    ]
    for number, row in enumerate(report.batches, start=1):
        classes = row.classes or {}
        told = " ".join(f"{label}:{count}" for label, count in list(classes.items())[:12])
        rows.append(
            (
                str(number),
                "-" if row.size is None else str(row.size),
                (told + (" ..." if len(classes) > 12 else "")) or "-",
                "-" if row.with_positive is None else str(row.with_positive),
                str(row.constant),
                str(row.repeated),
            )
        )
    yield from _table(rows)
    yield from _conclusion(report.notes)


def _conclusion(notes: Sequence[str]) -> Iterator[str]:
    for note in notes:
        yield f"! {note}"
    if not notes:
        yield "nothing to remark"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    shown = rows[: MOST + 1]
    widths = [max(len(row[column]) for row in shown) for column in range(len(rows[0]))]
    yield ""
    for row in shown:
        yield "  ".join(
            f"{text:<{width}}" for text, width in zip(row, widths, strict=True)
        ).rstrip()
    if len(rows) > len(shown):
        yield f"... and {len(rows) - len(shown)} more"
    yield ""


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
