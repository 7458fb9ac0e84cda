"""The tables of a report on a run, as rows of plain text that every form takes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """A head and rows; the columns of numbers are set to the right."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: frozenset[int] = frozenset()
    note: str = ""


def parameters(history: dict[str, Any]) -> Table:
    """Every parameter: who has it, whether a gradient reached it, whether it moved."""
    rows = []
    for one in history.get("parameters", ()):
        name = f"{one['model']}.{one['name']}" if one["model"] else one["name"] or "(unnamed)"
        rows.append(
            (
                name,
                dims(one["shape"]),
                one["dtype"],
                one["device"],
                yes(one["trainable"]),
                "none" if one["optimizer"] is None else str(one["optimizer"]),
                yes(one["gradient"]),
                number(one["norm"]),
                number(one["change"]),
            )
        )
    left_out = history.get("parameters_left_out", 0)
    return Table(
        (
            "parameter",
            "shape",
            "dtype",
            "device",
            "trainable",
            "optimizer",
            "gradient",
            "last norm",
            "largest change",
        ),
        rows,
        frozenset((7, 8)),
        f"{left_out} more are left out." if left_out else "",
    )


def totals(history: dict[str, Any]) -> str:
    """How many numbers there are, and what happened to them, in one sentence."""
    found = history.get("parameters", ())
    if not found:
        return ""
    counts = dict.fromkeys(("all", "trainable", "held", "reached", "moved"), 0)
    for one in found:
        size = math.prod(one["shape"])
        counts["all"] += size
        counts["trainable"] += size * bool(one["trainable"])
        counts["held"] += size * (one["optimizer"] is not None)
        counts["reached"] += size * bool(one["gradient"])
        counts["moved"] += size * bool(one["change"])
    return (
        f"{counts['all']:,} parameters: {counts['trainable']:,} trainable, {counts['held']:,} in "
        f"an optimizer, {counts['reached']:,} received a gradient, {counts['moved']:,} were seen "
        "to move."
    )


def operations(found: dict[str, Any]) -> Table:
    """What the operations on the way to a loss gave: shapes and kinds of numbers."""
    rows = [
        (one["name"], ", ".join(one["parameters"]), dims(one["shape"]), one["dtype"], one["device"])
        for one in found["operations"]
    ]
    return Table(("operation", "parameters", "output", "dtype", "device"), rows)


def costs(processes: Sequence[dict[str, Any]]) -> Table:
    """What the watch saw of each process, and what it took for that."""
    rows = []
    for index, one in enumerate(processes):
        unseen = ", ".join(f"{what} ({n})" for what, n in one.get("unobserved", {}).items())
        rows.append(
            (
                f"rank {one['rank']}" if one.get("rank") is not None else str(index + 1),
                str(one.get("steps", 0)),
                str(one.get("observed_steps", 0)),
                f"every {one.get('interval', 1)}",
                f"{100 * one.get('share', 0.0):.2f} %",
                f"{one.get('seconds', 0.0):.3f} s",
                unseen or "nothing",
                "killed" if one.get("ended") is False else "yes",
            )
        )
    head = "process steps observed at_the_end share_of_time time not_observed ended"
    return Table(tuple(word.replace("_", " ") for word in head.split()), rows, frozenset((1, 2)))


def dims(shape: Sequence[int]) -> str:
    """A shape as people write it."""
    return " x ".join(map(str, shape)) if shape else "scalar"


def yes(value: bool | None) -> str:
    """Yes, no, or a dash where it is not known."""
    return "-" if value is None else "yes" if value else "no"


def number(value: Any) -> str:
    """A number with the digits that matter; a dash where there is none."""
    return f"{value:.3g}" if isinstance(value, (int, float)) else "-"


def source(one: dict[str, Any]) -> str:
    """The file and line that something was called at."""
    if not one.get("path"):
        return "unknown place"
    return f"{os.path.basename(one['path'])}:{one['line']}"
