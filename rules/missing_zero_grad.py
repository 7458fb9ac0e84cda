"""Gradients are never cleared between the steps of a training loop.

## What it does
Finds loops in which a backward and an optimizer's step run and nothing ever clears that optimizer's
gradients: no `zero_grad()` of it or of its model, no `p.grad = None`, not in the loop, nor in a
helper, nor in a closure. Every optimizer is looked at for itself. Where gradients are cleared only
before a loop that steps in every round, it reports that too (with medium confidence).

## Why is this bad?
`backward()` adds to the gradients that are there. Without `zero_grad()` every step applies the sum
of all gradients since the start: the loss falls for a while, then the updates grow without bound.

## Example
```python
import torch
from torch import nn

model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(loader):
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
```

## Use instead
```python
import torch
from torch import nn

model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(loader):
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
```

## Fix safety
The fix is unsafe, since it changes what is learnt. It puts `zero_grad()` before the backward of
each window: above it in the loop where every round steps, behind the step where the step runs every
k-th batch only. There is none where the step runs under another condition (which batches make a
window is then not known), or where the optimizer has no name at that place.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim.Optimizer.zero_grad
- PyTorch recipes, "Zeroing out gradients in PyTorch"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    all_of,
    clearing,
    rewrite,
    script,
    updates,
)

RULE = Rule(
    "LOP001",
    "missing-zero-grad",
    Severity.ERROR,
    needs=all_of("backward", "step"),
    here=all_of("backward"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    reported: set[object] = set()
    for window in updates.update_windows(file):
        if not updates.repeats(file, window):
            continue
        steps = [s for s in clearing.uncleared(file, window) if s.call not in reported]
        if not steps:
            yield from _once_only(file, window, reported)
            continue
        reported.update(step.call for step in steps)
        names = " and ".join(f"`{_name(file, step)}`" for step in steps)
        fixes, why = _fix(file, window, steps)
        yield Finding(
            window.backward.call,
            f"Nothing clears the gradients of {names} in this loop: each backward adds to those of "
            f"all batches before, and every step applies the whole sum{why}",
            trail=(
                *(Step(step.call, "and they are applied here") for step in steps),
                Step(window.loop, "in each round of this loop"),
            ),
            fixes=fixes,
            confidence=(
                Confidence.HIGH if updates.certain(file, tuple(steps)) else Confidence.MEDIUM
            ),
        )


@RULE.verify
def cleared(file: File) -> Iterator[Finding]:
    for window in updates.update_windows(file):
        if updates.repeats(file, window):
            for event in clearing.cleared_in_rounds(file, window)[:1]:
                name = file.text(event.receiver) if event.receiver is not None else "the optimizer"
                yield Finding(event.call, f"the gradients of `{name}` are cleared in every window")


def _once_only(
    file: File, window: updates.UpdateWindow, reported: set[object]
) -> Iterator[Finding]:
    for step in window.steps:
        before = clearing.cleared_before(file, window, step)
        if before is None or step.call in reported:
            continue
        reported.add(step.call)
        fixes, why = _fix(file, window, [step])
        yield Finding(
            window.backward.call,
            f"The gradients of `{_name(file, step)}` are cleared before this loop and not in its "
            "rounds: each backward adds to those of the rounds before, and every step applies the "
            f"whole sum{why}",
            trail=(
                Step(before.call, "they are cleared here, once for all rounds"),
                Step(step.call, "and they are applied here"),
                Step(window.loop, "in each round of this loop"),
            ),
            fixes=fixes,
            confidence=Confidence.MEDIUM,
        )


def _name(file: File, step: script.Event) -> str:
    assert step.receiver is not None
    return file.text(step.receiver)


def _fix(
    file: File, window: updates.UpdateWindow, steps: Sequence[script.Event]
) -> tuple[tuple[Fix, ...], str]:
    edits: list[tuple[Edit, ...]] = []
    try:
        for step in steps:
            edits.append(_clear(file, window, step))
        together = rewrite.together(*edits)
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    return (Fix("Clear the gradients before each window", together, Safety.UNSAFE),), ""


def _clear(file: File, window: updates.UpdateWindow, step: script.Event) -> tuple[Edit, ...]:
    assert step.receiver is not None
    condition = updates.condition_of(window, step)
    if condition is not None:
        if not updates.counts_batches(condition):
            raise Unfixable("the step runs under a condition, so that its windows are not known")
        if file.home(step.call) is not file.home(window.site):
            raise Unfixable("a function of another file steps, which others may call")
        line = f"{_name(file, step)}.zero_grad()"
        return rewrite.insert_after(file, updates.statement(step.call), [line])
    head = updates.head(window)
    for optimizer in (step.receiver, updates.named_at_site(step)):
        if head is not None and optimizer is not None and updates.visible(file, optimizer, head):
            return rewrite.insert_before(file, head, [f"{file.text(optimizer)}.zero_grad()"])
    raise Unfixable("the optimizer is not known by a name where the backward runs")
