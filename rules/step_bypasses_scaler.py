"""The optimizer steps by itself on gradients of a scaled loss.

## What it does
Finds `optimizer.step()` behind `scaler.scale(loss).backward()` where the function gives this
optimizer to no `scaler.step(...)`.

## Why is this bad?
`scaler.step(optimizer)` divides the gradients by the scale and leaves the step out where they are
infinite. Without it each update is 65536 times too large at first (Adam hides the factor, but not
in its epsilon and its weight decay), and the first overflow writes NaN into the weights.

## Example
```python
import torch


def train(model, loader, optimizer, criterion):
    scaler = torch.amp.GradScaler("cuda")
    for x, y in loader:
        optimizer.zero_grad()
        with torch.autocast("cuda"):
            loss = criterion(model(x), y)
        scaler.scale(loss).backward()
        optimizer.step()
```

## Use instead
```python
import torch


def train(model, loader, optimizer, criterion):
    scaler = torch.amp.GradScaler("cuda")
    for x, y in loader:
        optimizer.zero_grad()
        with torch.autocast("cuda"):
            loss = criterion(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
```

## Fix safety
The fix calls `scaler.step(optimizer)` instead, and `scaler.update()` behind the last such step
where the window has none. It is unsafe: the updates shrink by the scale. There is no fix where

- the step is also taken where the loss was not scaled;
- the step is given a closure, which the scaler does not support;
- several steps of one window stand in different blocks;
- the backward or the step stands in another function.

## Since
0.1.0

## References
- PyTorch documentation, `torch.amp.GradScaler.step`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.api import (
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
    rewrite,
    scaler,
    script,
    tree,
)

RULE = Rule(
    "AMP008",
    "step-bypasses-scaler",
    Severity.ERROR,
    needs=all_of(".scale", "backward", ".step"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    reported = set()
    for body in scaler.scaler_bodies(file):
        found: dict[scaler.ScaledBackward, list[script.Event]] = {}
        for step in body.of(script.STEP):
            if step.scaled or step.by is not None or step.call in reported:
                continue
            scaled = body.scaled_before(step, past_other=False)
            if scaled is not None and not body.gives_to_scaler(step, scaled):
                reported.add(step.call)
                found.setdefault(scaled, []).append(step)
        for scaled, steps in found.items():
            yield from _findings(body, scaled, steps)


@RULE.verify
def through_scaler(file: File) -> Iterator[Finding]:
    for loop in file.script.training_loops:
        for event in loop.of(script.STEP):
            if event.scaled:
                yield Finding(event.call, "the step goes through the scaler, which skips overflows")


def _findings(
    body: scaler.ScalerBody, scaled: scaler.ScaledBackward, steps: Sequence[script.Event]
) -> Iterator[Finding]:
    fixes: tuple[Fix, ...] = ()
    reason = ""
    try:
        fixes = (_step_by_scaler(body, scaled, steps),)
    except Unfixable as error:
        reason = f" There is no fix: {error.reason}."
    trail = (Step(scaled.event.call, "the gradients are scaled here"),)
    for step in steps:
        optimizer = body.file.text(step.receiver) if step.receiver else "the optimizer"
        message = (
            f"`{optimizer}` steps on gradients that carry the scale of `{scaled.scaler}`: they are "
            f"too large by that factor, and infinite ones are applied. "
            f"`{scaled.scaler}.step({optimizer})` divides them first and leaves such steps out."
        )
        yield Finding(step.call, message + reason, trail, fixes)


def _step_by_scaler(
    body: scaler.ScalerBody, scaled: scaler.ScaledBackward, steps: Sequence[script.Event]
) -> Fix:
    file = body.file
    edits: list[tuple[Edit, ...]] = []
    for step in steps:
        if step.site is not step.call or scaled.event.site is not scaled.event.call:
            raise Unfixable("the backward or the step stands in another function")
        if not isinstance(step.call, tree.Call) or step.call.args or step.receiver is None:
            raise Unfixable("the scaler does not support a closure")
        if not set(body.tests(scaled.event.call)) <= set(body.tests(step.call)):
            raise Unfixable("the step is also taken where the loss was not scaled")
        new = f"{scaled.scaler}.step({file.text(step.receiver)})"
        edits.append(rewrite.replace(file, step.call, new))
    last = tree.statement_of(steps[-1].call)
    if not any(body.updated_after(step) for step in steps):
        blocks = {tree.statement_of(step.call).parent for step in steps}
        if len(blocks) > 1 or not isinstance(last, tree.Stmt):
            raise Unfixable("the optimizers step in several blocks")
        edits.append(rewrite.insert_after(file, last, [f"{scaled.scaler}.update()"]))
    return Fix(f"Step by `{scaled.scaler}`", rewrite.together(*edits), Safety.UNSAFE)
