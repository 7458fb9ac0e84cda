"""The optimizer steps after the very first micro-batch, and every window is shifted by one.

## What it does
Finds accumulation loops that test `i % k == 0` with an index from 0. Where the same loop also drops
its last window, `dropped-accumulation-tail` reports and mends both.

## Why is this bad?
0 is a multiple of k: the first update of every pass is made from one micro-batch, with a loss that
was divided by k, so it is k times too small and as noisy as a single batch; all later windows begin
one batch late.

## Example
```python
def train(model, batches, optimizer, criterion, accumulation_steps, max_steps):
    for i in range(max_steps):
        x, y = next(batches)
        loss = criterion(model(x), y) / accumulation_steps
        loss.backward()
        if i % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
```

## Use instead
```python
def train(model, batches, optimizer, criterion, accumulation_steps, max_steps):
    for i in range(max_steps):
        x, y = next(batches)
        loss = criterion(model(x), y) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
```

## Fix safety
Always unsafe: every window is made of other batches than before. All copies of the test change
together. There is no fix where a copy of it clears the gradients ahead of the backward, or where
the index is computed in a way that is not followed.

## Since
0.1.0

## References
- https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    all_of,
    rewrite,
)

RULE = Rule(
    "ACC005",
    "step-on-first-micro-batch",
    Severity.WARNING,
    needs=all_of("backward", "step", "%"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        if not window.is_shifted or window.tail is not None:
            continue
        if window.k_value is not None and window.k_value <= 1:
            continue
        index, k = file.text(window.boundary.dividend), file.text(window.k)
        message = (
            f"`{index}` is 0 for the first micro-batch, so the optimizer steps after that one "
            f"alone, and every later window of `{k}` begins one batch late."
        )
        try:
            edits = rewrite.counted_from_one(window)
            title = f"Count `{index}` from one in the test"
            fixes: tuple[Fix, ...] = (Fix(title, edits, Safety.UNSAFE),)
        except Unfixable as error:
            fixes = ()
            message = f"{message} There is no fix here: {error.reason}."
        trail = (Step(window.steps[0].site, "the optimizer steps here"),)
        yield Finding(
            window.boundary.atom,
            message,
            trail=trail,
            fixes=fixes,
            confidence=Confidence.LOW if window.is_one_as_written else Confidence.HIGH,
        )


@RULE.verify
def whole(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        if window.shift == 0 and not window.is_pipelined:
            k = file.text(window.k)
            yield Finding(window.boundary.atom, f"a window ends after its `{k}`-th batch")
