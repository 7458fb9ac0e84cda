"""The curves of a run as SVG, drawn by matplotlib without a window or a global state.

A picture holds text and lines only: no script, no link, and no mathematics in what others wrote.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any

from trainlint.diagnostics import Diagnostic, Severity

SIZE = (9.2, 2.6)  # inches
COLORS = ("#3b6ea8", "#c2662b", "#3f8f5b", "#8a5aa8", "#a8862b", "#2b8f94", "#a33d5e", "#5a5a5a")
REST = "#bdbdbd"
MARKS = {Severity.ERROR: "#c22f2f", Severity.WARNING: "#c28a00", Severity.INFO: "#3b86a8"}
MOST_CURVES = 8
MOST_MARKS = 40
MOST_EPOCHS = 40
STYLE = {
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.labelcolor": "#444444",
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "sans-serif",
    "grid.alpha": 0.25,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "trainlint",
    "text.parse_math": False,
    "xtick.color": "#666666",
    "xtick.labelsize": 8,
    "ytick.color": "#666666",
    "ytick.labelsize": 8,
}


def curves(
    lines: Sequence[tuple[str, dict[str, Any]]],
    label: str,
    alarms: Sequence[Diagnostic] = (),
    epochs: Sequence[Sequence[int]] = (),
    *,
    key: str,
) -> str:
    """Some curves over the steps, with the alarms and the beginnings of epochs; SVG."""
    drawable = [(name, line) for name, line in lines if line["steps"]][:MOST_CURVES]
    if not drawable:
        return ""
    with _style():
        figure, axes = _axes(label)
        for number, (name, line) in enumerate(drawable):
            color = COLORS[number % len(COLORS)]
            style = "-" if len(line["steps"]) > 1 else "o"
            axes.plot(line["steps"], line["mean"], style, color=color, lw=1.3, ms=3, label=name)
            if "least" in line:
                axes.fill_between(
                    line["steps"], line["least"], line["greatest"], color=color, alpha=0.15, lw=0
                )
            for step in line.get("not_finite", ())[:MOST_MARKS]:
                axes.axvline(step, color=MARKS[Severity.ERROR], lw=0.6, alpha=0.5)
        if _is_wide([line for _, line in drawable]):
            _use_logarithms(axes)
        for _, step in epochs[1:MOST_EPOCHS] if len(epochs) <= MOST_EPOCHS else ():
            axes.axvline(step, color="#999999", lw=0.5, alpha=0.35, ls=":")
        _mark(axes, alarms)
        if len(drawable) > 1:
            axes.legend(loc="upper right")
        return _svg(figure, label, key)


def composition(batches: dict[str, Any], label: str, *, key: str) -> str:
    """The share of each class in the batches of a loader, over the steps; SVG."""
    steps, counts = batches["steps"], batches["counts"]
    if not steps:
        return ""
    rows = [[*row, *batches["others"][i : i + 1]] for i, row in enumerate(counts)]
    names = [f"class {value}" for value in batches["classes"]]
    names += ["others"] * bool(batches["others"])
    with _style():
        figure, axes = _axes("share of the samples")
        edges = [*steps, steps[-1] + max(1, (steps[-1] - steps[0]) // max(1, len(steps) - 1))]
        bottom = [0.0] * len(rows)
        totals = [sum(row) or 1 for row in rows]
        for index, name in enumerate(names):
            top = [b + row[index] / t for b, row, t in zip(bottom, rows, totals, strict=True)]
            color = REST if name == "others" else COLORS[index % len(COLORS)]
            axes.stairs(top, edges, baseline=bottom, fill=True, color=color, label=name, lw=0)
            bottom = top
        axes.set_ylim(0, 1)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return _svg(figure, label, key)


def _mark(axes: Any, alarms: Sequence[Diagnostic]) -> None:
    """A line at the step of each alarm, and its code at the top."""
    at: dict[int, list[Diagnostic]] = {}
    for alarm in alarms[:MOST_MARKS]:
        step = alarm.evidence.get("step")
        if isinstance(step, int):
            at.setdefault(step, []).append(alarm)
    for step, some in at.items():
        color = MARKS[max(alarm.severity for alarm in some)]
        axes.axvline(step, color=color, lw=1.0)
        text = " ".join(sorted({alarm.code for alarm in some}))
        axes.annotate(
            text, (step, 1.0), xycoords=("data", "axes fraction"), xytext=(2, 2),
            textcoords="offset points", fontsize=7, color=color,
        )  # fmt: skip


def _is_wide(lines: Sequence[dict[str, Any]]) -> bool:
    """Whether the values are all above 0 and span more than two orders of magnitude."""
    values = [value for line in lines for value in line["mean"] if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 100 * min(values)


def _use_logarithms(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _style() -> Any:
    import matplotlib as mpl

    return mpl.rc_context(STYLE)


def _axes(label: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(label)
    return figure, axes


_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_META = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_ID = re.compile(r'((?:id=|xlink:href=)"#?|url\(#)')


def _svg(figure: Any, label: str, key: str) -> str:
    """The picture alone; the key keeps its names apart from those of others on the page."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    text = _META.sub("", _HEAD.sub("", out.getvalue()))
    text = _ID.sub(rf"\g<1>{key}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{_attribute(label)}" ', 1)


def _attribute(text: str) -> str:
    from html import escape

    return escape(text, quote=True)
