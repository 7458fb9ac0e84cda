"""An error in forward, backward or step is swallowed, and the loop goes on.

## What it does
Finds `except Exception`, `except BaseException` and bare `except:` around the forward, backward or
step of a training loop, or the forward of an evaluation loop, whose handler only passes, continues
or prints. It is silent where the handler raises again or ends the program, where it counts or
collects what failed, where success leaves the loop (a retry), where each round makes its own
optimizer (a sweep over settings), and where a loop has neither labels nor a score and only writes
its predictions down.

## Why is this bad?
Out of memory, a NaN check, a wrong shape or a typo in the loss all look like a skipped batch. The
gradients of a half-done step stay and are added to the next one, the metric is computed over the
batches that happened to work, and a run in which every batch fails ends normally.

## Example
```python
def train_epoch(model, loader, criterion, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        try:
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        except Exception as e:
            print(e)
            continue
```

## Use instead
```python
import torch


def train_epoch(model, loader, criterion, optimizer):
    skipped = 0
    for x, y in loader:
        optimizer.zero_grad()
        try:
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        except torch.OutOfMemoryError:
            skipped += 1
            if skipped > 10:
                raise
            torch.cuda.empty_cache()
    return skipped
```

## Fix safety
There is no fix: which errors the loop can survive, only its author knows.

## Since
0.1.0

## References
- PyTorch documentation, Frequently Asked Questions, "My out of memory exception handler can't
  allocate memory"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    handlers,
)

RULE = Rule("ERR002", "swallowed-training-error", Severity.ERROR, needs=all_of("except", "try"))

_CONSEQUENCES = {
    "forward": "the batch drops out of the metrics{unseen}, which then speak of the others only",
    "backward": "the batch is skipped{unseen}",
    "step": "the update is skipped{unseen}",
}


_KEEPS = ", and the gradients of a half-done step are added to the next one"


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for swallowed in handlers.swallowed(file):
        handler = swallowed.handler
        caught = "except" if handler.node.type is None else f"except {file.text(handler.node.type)}"
        unseen = "" if handlers.reports(handler) else " unseen"
        consequence = _CONSEQUENCES[swallowed.kind].format(unseen=unseen)
        yield Finding(
            handler.node,
            f"`{caught}` goes on whatever goes wrong in `{_first_line(file, swallowed)}`: on out "
            f"of memory, a failed NaN check or a plain bug {consequence}"
            f"{_KEEPS if swallowed.keeps else ''}; if every batch fails, the run still ends "
            "normally",
            trail=(
                Step(swallowed.act, "this is tried"),
                Step(swallowed.loop, "and this loop goes on"),
            ),
        )


def _first_line(file: File, swallowed: handlers.Swallowed) -> str:
    return file.text(swallowed.act).splitlines()[0]
