"""The wrapper's own report, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def report_lines(stats: Mapping[str, Any]) -> Iterator[str]:
    """What was seen and done."""
    best = stats["best_loss"]
    yield f"Training report: {stats['global_step']} steps, " + (
        f"best loss {best:.6g}" if best is not None else "no finite loss"
    )
    clip = stats["grad_clip_norm"]
    yield f"  learning rate {stats['current_lr']:.3g} (factor {stats['rate_factor']:g}), " + (
        f"gradients clipped to {clip:.3g}" if clip is not None else "gradients not clipped"
    )
    found = {error: count for error, count in stats["error_counts"].items() if count}
    yield "  errors: " + (", ".join(f"{e} {c}" for e, c in found.items()) or "none")
    yield (
        f"  repairs: {stats['num_fixes']} made, {stats['successful_fixes']} kept, "
        f"{stats['undone_fixes']} undone; {stats['steps_left_out']} steps left out, "
        f"{stats['transient_faults']} transient faults"
    )
    for case in stats["log"][-20:]:
        did = case["action"] or "nothing"
        numbers = ", ".join(f"{k}={_short(v)}" for k, v in case["parameters"].items())
        yield f"    step {case['step']}: {case['error']}: {did} ({numbers}): {case['outcome']}"
    kept = stats["snapshots"]
    yield (
        f"  snapshots: {kept['count']} in memory, {kept['bytes'] / 2**20:.1f} MiB, taken "
        f"{kept['taken']} times in {kept['seconds']:.2f} s"
        + (f"; one would take {kept['refused'] / 2**20:.0f} MiB" if kept["refused"] else "")
    )
    if stats["best_checkpoint"]:
        yield f"  best checkpoint: {stats['best_checkpoint']}"
    watch = stats["watch"]
    if watch is not None:
        yield (
            f"  the watch: {watch['observed_steps']} of {watch['steps']} steps observed, "
            f"{100 * watch['share']:.1f} % of the time"
        )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
