"""An incomplete last window of gradient accumulation is never applied.

## What it does
Finds loops that call `backward` on every micro-batch and `optimizer.step()` only on every k-th,
`if (i + 1) % k == 0:`, where nothing takes care of the micro-batches behind the last full window.
`or (len(loader) <= k and i + 1 == len(loader))` does so only in a pass of less than one window.
Where the gradients are cleared on every micro-batch there is no window to complete (see ACC004).

With `--pedantic` also loops whose k is 1 wherever this file writes it out (a default that nothing
here changes): they accumulate nothing yet.

## Why is this bad?
A loader seldom has a multiple of k batches. What is left over is computed in every epoch and then
either discarded by the next `zero_grad`, so that up to k - 1 batches never train the model, or it
stays in `.grad` and is added to the first update of the next epoch, which is then too large and
made of stale gradients.

## Example
```python
def train_epoch(model, loader, optimizer, criterion, accumulation_steps):
    optimizer.zero_grad()
    total = 0.0
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
        total += loss.item()
    return total / len(loader)
```

## Use instead
```python
def train_epoch(model, loader, optimizer, criterion, accumulation_steps):
    optimizer.zero_grad()
    total = 0.0
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
        total += loss.item()
    return total / len(loader)
```

## Fix safety
Always unsafe: the optimizer makes one step more in an epoch, which is the point.
`or (i + 1) == len(loader)` is added to every copy of the test (`no_sync`, flags) where the loop
enumerates from 0 something whose `len` the script takes or is known to have, and no `continue`,
`break` or swallowed exception stands on the way to the test; there each loss is also divided by
the real size of its window. Elsewhere the end of a window (unscale, clip, step, update, schedule,
`zero_grad`) is repeated behind the loop, guarded by what is left over; there the loss stays
divided by k. `i % k == 0` on an index from 0 becomes `(i + 1) % k == 0` in the same fix.
A schedule that the window steps and that is sized by a floor division by k is sized by the ceiling
in the same fix. There is no fix where it is a `OneCycleLR` of unknown size, which raises on the
extra step, where the step stands in another function than the loop, or where the end of a window
cannot be repeated; the fix is only shown where the schedule is not known at all.

## Since
0.1.0

## References
- https://github.com/pytorch/torchtune/issues/2745
- https://github.com/Lightning-AI/pytorch-lightning/issues/19987
- https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    Edit,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    accumulation,
    all_of,
    rewrite,
    scaling,
    tail,
)

RULE = Rule(
    "ACC001",
    "dropped-accumulation-tail",
    Severity.ERROR,
    needs=all_of("backward", "step"),
    here=all_of("backward"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        if window.tail is None or window.clearing:
            continue  # cleared on every micro-batch, nothing is added up; ACC004 speaks of it
        fixes, reason = _fixes(window)
        message = _message(window, window.tail)
        if reason:
            message = f"{message} There is no fix here: {reason}."
        yield Finding(
            window.boundary.atom,
            message,
            trail=tuple(_trail(window, window.tail)),
            fixes=fixes,
            confidence=Confidence.LOW if window.is_one_as_written else Confidence.HIGH,
        )


@RULE.verify
def applied(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        place = tail.applied(window)
        if place is not None:
            yield Finding(place, "the last window of a pass is applied, however few batches it has")


def _message(window: accumulation.AccumulationWindow, lost: tail.Tail) -> str:
    file = window.file
    test = " ".join(file.text(window.boundary.atom).split())
    outcome = "true" if window.boundary.wanted else "false"
    parts = [
        f"The optimizer steps only when `{test}` is {outcome}, so {_left_over(window)} "
        f"{_fate(window, lost)}."
    ]
    if lost.never is not None:
        parts.append(f"`{file.text(lost.never)}` never holds: the last index is one lower.")
    if lost.first is not None:
        short = " ".join(file.text(lost.first).split())
        parts.append(f"`{short}` takes care only of a pass of less than one full window.")
    if window.is_shifted:
        index = file.text(window.boundary.dividend)
        parts.append(
            f"The first batch has `{index}` = 0, so the first step follows one micro-batch and "
            "every window is shifted by one."
        )
    return " ".join(parts)


def _left_over(window: accumulation.AccumulationWindow) -> str:
    k = window.file.text(window.k)
    if window.leftover is not None and window.batches is not None:
        last = "batch" if window.leftover == 1 else f"{window.leftover} batches"
        return f"the gradients of the last {last} of {window.batches}"
    if window.k_value == 2:
        return "the gradients of an odd last batch"
    if window.k_value is not None:
        return f"the gradients of up to {window.k_value - 1} batches at the end of every pass"
    if window.is_one_as_written:
        return (
            f"the gradients of up to `{k}` - 1 batches at the end of every pass (of none as long "
            f"as `{k}` is 1, the only value that is written here)"
        )
    return (
        f"the gradients of up to `{k}` - 1 batches at the end of every pass (of none where it is 1)"
    )


def _fate(window: accumulation.AccumulationWindow, lost: tail.Tail) -> str:
    fate = tail.Consequence
    match lost.consequence:
        case fate.DISCARDED if lost.cleared is not None:
            line = window.file.line(lost.cleared.site)
            more = ", while the counter runs on" if lost.persistent else ""
            return f"are discarded by the `zero_grad` of the next pass (line {line}){more}"
        case fate.LEAKED:
            return "stay in `.grad` and leak into the first update of the next epoch"
        case fate.LOST:
            return "are never applied"
        case _:
            return (
                "are not applied when the loop ends: the next `zero_grad` discards them, or they "
                "leak into the first update of the next epoch"
            )


def _trail(window: accumulation.AccumulationWindow, lost: tail.Tail) -> Iterator[Step]:
    yield Step(window.backwards[0].site, "the gradients of every batch are added up here")
    yield Step(window.steps[0].site, "they are applied only here")
    if lost.cleared is not None:
        yield Step(lost.cleared.site, "the rest is discarded here")


def _fixes(window: accumulation.AccumulationWindow) -> tuple[tuple[Fix, ...], str]:
    """The fix, or why there is none."""
    try:
        schedules, known = rewrite.with_one_more_step(window)
        title, edits, note = _edits(window)
        edits = rewrite.together(edits, schedules)
    except Unfixable as error:
        return (), error.reason
    safety = Safety.UNSAFE
    if not known:
        safety = Safety.SHOWN
        note = f"{note} The schedule that the window steps is not known: a OneCycleLR sized by a "
        note += "floor division raises on the extra step."
    return (Fix(title, edits, safety, note.strip()),), ""


def _edits(window: accumulation.AccumulationWindow) -> tuple[str, tuple[Edit, ...], str]:
    try:
        edits = rewrite.step_on_last_batch(window)
    except Unfixable:
        behind = rewrite.step_behind_loop(window)
        return "Apply what is left over behind the loop", behind, _divided(window)
    title = "Step on the last batch as well"
    try:
        return title, rewrite.together(edits, rewrite.sized_tail(window)), ""
    except Unfixable:
        return title, edits, _divided(window)


def _divided(window: accumulation.AccumulationWindow) -> str:
    if not scaling.is_divided(window):
        return ""
    k = window.file.text(window.k)
    return f"The losses of the last window stay divided by `{k}`, not by its real size."
