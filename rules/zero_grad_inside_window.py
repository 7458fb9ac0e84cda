"""Gradients are cleared on every micro-batch of an accumulation loop.

## What it does
Finds loops in which the optimizer steps only on every k-th batch while `zero_grad` runs on each of
them, so that nothing is ever accumulated.

## Why is this bad?
The update is made from the last micro-batch alone; the forward and backward passes of the k - 1
batches before it are computed and thrown away. The batch is as small as before, the epoch has k
times fewer updates, and where the loss is divided by k they are k times too small as well.

## Example
```python
def train_epoch(model, loader, optimizer, criterion, accumulation_steps):
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        loss = criterion(model(x), y) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0 or (i + 1) == len(loader):
            optimizer.step()
```

## Use instead
```python
def train_epoch(model, loader, optimizer, criterion, accumulation_steps):
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
```

## Fix safety
Always unsafe: the gradients of all micro-batches reach the update, which is the point. The call is
moved behind the step, or taken out where the end of a window clears the gradients already. There
is no fix where the gradients are cleared, or the optimizer steps, in another function, and where
the call is part of a larger statement, as in `for p in parameters: p.grad = None`.

## Since
0.1.0

## References
- https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
- https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html
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
    accumulation,
    all_of,
    rewrite,
    script,
    tree,
)

RULE = Rule(
    "ACC004",
    "zero-grad-inside-window",
    Severity.ERROR,
    needs=all_of("backward", "step", "grad"),
    here=all_of("backward"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        clearing = window.clearing
        if not clearing or (window.k_value is not None and window.k_value <= 1):
            continue
        fixes, reason = _fixes(window)
        k = file.text(window.k)
        message = (
            f"The gradients are cleared on every micro-batch, but applied only on every `{k}`-th: "
            "each update is made from one micro-batch, and the others are computed for nothing."
        )
        if reason:
            message = f"{message} There is no fix here: {reason}."
        trail = (Step(window.steps[0].site, "the optimizer steps only here"),)
        yield Finding(
            clearing[0].site,
            message,
            trail=trail,
            fixes=fixes,
            confidence=Confidence.LOW if window.is_one_as_written else Confidence.HIGH,
        )


@RULE.verify
def cleared(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        for event in [] if window.clearing else window.at_end(script.ZERO_GRAD)[:1]:
            yield Finding(event.site, "gradients are cleared once a window, after its step")


def _fixes(window: accumulation.AccumulationWindow) -> tuple[tuple[Fix, ...], str]:
    file = window.file
    try:
        if window.helper is not None:
            raise Unfixable("the step stands in another function than the loop")
        cleared = bool(window.at_end(script.ZERO_GRAD))
        groups = []
        for event in window.clearing:
            statement = tree.statement_of(event.site)
            if event.site is not event.call:
                raise Unfixable("the gradients are cleared in another function")
            alone = isinstance(statement, tree.ExprStmt) and statement.value is event.call
            if not alone or isinstance(statement, tree.Module):
                raise Unfixable("the call is part of a larger statement")
            if cleared:
                groups.append(rewrite.delete(file, statement))
            else:
                groups.append(rewrite.move(file, statement, after=_last_act(window)))
        edits = rewrite.together(*groups)
    except Unfixable as error:
        return (), error.reason
    title = "Clear the gradients only after a step"
    return (Fix(title, edits, Safety.UNSAFE),), ""


def _last_act(window: accumulation.AccumulationWindow) -> tree.Stmt:
    """The statement of the guarded block with the last step or scaler update."""
    acts = window.at_end(script.STEP, script.UPDATE)
    found = None
    for statement in window.guard.block:
        if any(statement in (e.site, *e.site.ancestors()) for e in acts):
            found = statement
    if found is None:
        raise Unfixable("the step shares its statement with the test")
    return found
