"""The last window of gradient accumulation is divided by k, although it holds fewer batches.

## What it does
Finds accumulation loops that apply what is left over at the end of a pass, as they should, but
divide its losses by the length of a full window. It is shown with `--pedantic`.

## Why is this bad?
The mean over the window is too small by the part that is missing: of 10 batches in windows of 4 the
last two make an update of half their size. The samples that come last in a pass count for less, a
little where passes are long and much where a pass has few windows.

## Example
```python
def train_epoch(model, loader, optimizer, criterion, k):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / k
        loss.backward()
        if (i + 1) % k == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
```

## Use instead
```python
def train_epoch(model, loader, optimizer, criterion, k):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader):
        window = min(k, len(loader) - i + i % k)
        loss = criterion(model(x), y) / window
        loss.backward()
        if (i + 1) % k == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
```

## Fix safety
The fix divides each loss by the real size of its window. It is only shown: the effect is often
small, and a mean over a full window may be meant, so that no batch counts for more than another.
There is no fix where the loop does not enumerate something whose `len` is known, where the loss is
propagated in another function, or where its division is not followed.

## Since
0.1.0

## References
- PyTorch documentation, Automatic Mixed Precision examples, "Gradient accumulation"
- Hugging Face, "Fixing Gradient Accumulation"
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
    tailsize,
)

RULE = Rule(
    "ACC003",
    "tail-window-misscaled",
    Severity.INFO,
    needs=all_of("backward", ".step", "%"),
    fix=Safety.SHOWN,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        short = tailsize.short_window(window)
        if short is None:
            continue
        k = file.text(window.k)
        size = "can hold fewer"
        if window.leftover is not None and window.batches is not None:
            size = f"holds {window.leftover} of the {window.batches}"
        message = (
            f"The last window of a pass {size} micro-batches, and its losses are divided by `{k}` "
            "all the same: its gradient is too small by the part that is missing."
        )
        fixes: tuple[Fix, ...] = ()
        try:
            if window.items is None or window.items.start != 0 or not window.is_sized:
                raise Unfixable("the batches are not enumerated from 0 with a known number of them")
            edits = rewrite.sized_tail(window)
            fixes = (Fix("Divide by the real size of the window", edits, Safety.SHOWN),)
        except Unfixable as error:
            message += f" There is no fix: {error.reason}."
        known = window.leftover is not None
        yield Finding(
            short.division,
            message,
            (Step(short.applied, "this applies the last window"),),
            fixes,
            confidence=Confidence.HIGH if known else Confidence.MEDIUM,
        )
