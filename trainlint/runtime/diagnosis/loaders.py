"""`check_sampler(loader)`: what the first batches of a loader are made of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from trainlint.runtime.diagnosis.model import _same_random_state
from trainlint.runtime.diagnosis.wording import sampler_lines
from trainlint.runtime.loaders import LABEL_KEYS, describe, labels_of, size_of

CHANCE = 1e-6  # of a composition under independent draws, below which it is no accident
FEW = 0.01  # of all samples that may be constant


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch."""

    size: int | None
    classes: dict[int, int] | None  # how often each is in it
    with_positive: int | None  # samples with another of their class in the batch
    constant: int  # samples with one value throughout
    zero: int  # of these, all zero
    repeated: int  # samples that are in the batch more than once


@dataclass(frozen=True, slots=True)
class SamplerReport:
    """What was found; `print` shows it, `to_dict` gives plain JSON types."""

    sampler: str
    samples: int | None  # of the data set
    batches: tuple[BatchRow, ...]
    classes: dict[int, int]  # over all batches
    known: dict[int, int] | None  # of the data set, where it tells
    distinct: int | None  # samples among all that were seen
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """In plain JSON types."""
        found = asdict(self)
        for key in ("classes", "known"):
            found[key] = _keyed(found[key])
        for row in found["batches"]:
            row["classes"] = _keyed(row["classes"])
        found["batches"], found["notes"] = list(found["batches"]), list(found["notes"])
        return found

    def __str__(self) -> str:
        return "\n".join(sampler_lines(self))


def check_sampler(loader: Any, batches: int = 20) -> SamplerReport:
    """Look at the first batches of a loader; the random state stays as it is.

    Raises:
        ValueError: the number of batches is not above 0.
    """
    if batches < 1:
        raise ValueError("at least one batch has to be looked at")
    about = describe(loader, 1, None)
    generators = [
        one
        for one in (
            getattr(loader, "generator", None),
            getattr(getattr(loader, "sampler", None), "generator", None),
        )
        if one is not None
    ]
    states = [one.get_state() for one in generators]
    rows: list[BatchRow] = []
    seen: set[tuple[float, ...]] = set()
    total = 0
    with _same_random_state():
        for batch in islice(iter(loader), batches):
            marks = _marks(batch)
            rows.append(_row(batch, marks))
            seen.update(mark[:3] for mark in marks)
            total += len(marks)
    for one, state in zip(generators, states, strict=True):
        one.set_state(state)
    classes: Counter[int] = Counter()
    for row in rows:
        classes.update(row.classes or {})
    known = dict(about.dataset_labels) if about.dataset_labels else None
    report = SamplerReport(
        about.sampler,
        about.samples,
        tuple(rows),
        dict(sorted(classes.items())),
        known,
        len(seen) if total else None,
    )
    return SamplerReport(
        report.sampler,
        report.samples,
        report.batches,
        report.classes,
        report.known,
        report.distinct,
        tuple(_notes(report, total)),
    )


def _row(batch: Any, marks: list[tuple[float, ...]]) -> BatchRow:
    classes = labels_of(batch)
    positives = sum(count for count in classes.values() if count > 1) if classes else None
    counts = Counter(mark[:3] for mark in marks)
    return BatchRow(
        size_of(batch),
        dict(sorted(classes.items())) if classes else None,
        positives,
        sum(1 for mark in marks if mark[3] == mark[4]),
        sum(1 for mark in marks if mark[3] == mark[4] == 0),
        sum(count for count in counts.values() if count > 1),
    )


def _marks(batch: Any) -> list[tuple[float, ...]]:
    """Of each sample three sums that tell it from others, its smallest and its largest value."""
    tensor = _features(batch)
    if tensor is None:
        return []
    import torch

    flat = tensor.detach().reshape(len(tensor), -1).to("cpu", torch.float64)
    if flat.shape[1] < 2:
        return []
    weights = torch.linspace(1, 2, flat.shape[1], dtype=torch.float64).sin()
    sums = (flat.sum(1), flat.square().sum(1), (flat * weights).sum(1))
    columns = torch.stack([*sums, flat.min(1).values, flat.max(1).values], dim=1)
    return [tuple(row) for row in columns.tolist()]


def _features(batch: Any) -> Any | None:
    """The first tensor of a batch with more than a number a sample."""
    if isinstance(batch, dict):
        parts = [v for key, v in batch.items() if str(key).lower() not in LABEL_KEYS]
    else:
        parts = list(batch) if isinstance(batch, (list, tuple)) else [batch]
    for part in parts:
        if hasattr(part, "is_floating_point") and part.dim() > 1 and len(part):
            return part
    return None


def _notes(report: SamplerReport, total: int) -> Iterator[str]:
    rows = report.batches
    if not rows or not any(row.size for row in rows):
        yield "the loader hands out nothing"
        return
    shares = report.known or report.classes
    everything = sum(shares.values())
    single = [row for row in rows if row.classes and len(row.classes) == 1 and (row.size or 0) > 1]
    if single and len(shares) > 1:
        size = min(row.size or 1 for row in single)
        alone = sum((count / everything) ** size for count in shares.values())
        if alone ** len(single) < CHANCE:
            yield (
                f"{len(single)} of {len(rows)} batches hold a single class, while the data has "
                f"{len(shares)}: the sampler is {report.sampler}; a contrastive loss on such "
                f"batches of {size} stays at log {size - 1} = {math.log(max(1, size - 1)):.4g}"
            )
    labelled = [row for row in rows if row.classes]
    lonely = [
        row
        for row in labelled
        if row.size and row.with_positive is not None and row.with_positive < row.size / 2
    ]
    if labelled and len(lonely) >= max(1, len(labelled) // 2):
        yield (
            f"in {len(lonely)} of {len(rows)} batches fewer than half of the samples have another "
            "of their class: too few positive pairs for a contrastive loss"
        )
    missing = sorted(set(report.known or {}) - set(report.classes))
    if report.known and labelled:
        drawn = sum(report.classes.values())
        sure = [c for c in missing if (1 - report.known[c] / everything) ** drawn < CHANCE]
        if sure:
            yield f"classes that never came in {drawn} samples: {', '.join(map(str, sure[:10]))}"
    constant = sum(row.constant for row in rows)
    if total and constant > FEW * total:
        zero = sum(row.zero for row in rows)
        yield f"{constant} of {total} samples have one value throughout ({zero} all zero)"
    repeated = [row for row in rows if row.repeated]
    if len(repeated) >= max(2, len(rows) // 4):
        yield f"in {len(repeated)} of {len(rows)} batches a sample comes more than once"
    if (
        total
        and report.distinct
        and report.samples
        and 2 * report.distinct < min(total, report.samples)
    ):
        yield f"only {report.distinct} different samples among {total} that were handed out"


def _keyed(counts: dict[int, int] | None) -> dict[str, int] | None:
    return {str(key): count for key, count in counts.items()} if counts is not None else None
