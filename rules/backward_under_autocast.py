"""A backward runs inside the autocast region of its forward pass.

## What it does
Finds `backward()` in a `with torch.autocast(...)` block, or in a function that is called from one.
It is shown with `--pedantic`.

## Why is this bad?
The operations of a backward run in the types that autocast chose for the forward ones, so the
region gives them nothing. It does reach what a backward runs besides: hooks, the backward of custom
functions and tensors that are computed there, now in half precision. torch recommends to leave the
region before `backward()`.

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
        scaler.step(optimizer)
        scaler.update()
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
The fix takes the backward, and the steps that follow it, out of the block. It is only shown, since
custom functions and hooks then compute in other types. There is none where anything but the acts of
an update (step, clipping, clearing) follows the backward in the block, where the backward stands
deeper in it or in another function, or where the block enters another context as well.

## Since
0.1.0

## References
- PyTorch documentation, `torch.autocast`: "Backward passes under autocast are not recommended"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    all_of,
    contexts,
    is_dead,
    rewrite,
    script,
    tree,
)

RULE = Rule(
    "AMP009",
    "backward-under-autocast",
    Severity.INFO,
    needs=all_of("backward", "autocast"),
    fix=Safety.SHOWN,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for events in file.script.own_events.values():
        for event in events:
            if event.kind != script.BACKWARD or event.by == "lightning" or is_dead(event.call):
                continue
            region = _region(file, event)
            if region is not None:
                yield _finding(file, event, region)


def _region(file: File, event: script.Event) -> contexts.Entered | None:
    """The innermost region around a backward that is not switched off."""
    for region in contexts.entered(file, event.call, contexts.is_autocast):
        if region is not None and contexts.autocast_enabled(file, region) is not False:
            return region
    return None


def _finding(file: File, event: script.Event, region: contexts.Entered) -> Finding:
    call = " ".join(file.text(event.call).split())
    message = (
        f"`{call}` runs under autocast, which does nothing for a backward but reach its hooks and "
        "custom functions; torch recommends to leave the region before it."
    )
    fixes: tuple[Fix, ...] = ()
    try:
        edits = rewrite.leave(file, _rest(file, event, region))
        fixes = (Fix("Run the backward behind the autocast block", edits, Safety.SHOWN),)
    except Unfixable as error:
        message += f" There is no fix: {error.reason}."
    trail = (Step(region.expr, "the region is entered here"), *region.steps)
    return Finding(event.call, message, trail, fixes)


def _rest(file: File, event: script.Event, region: contexts.Entered) -> list[tree.Stmt]:
    """The statements of the region's block from the backward on, which are all acts of an update.

    Raises:
        Unfixable: the backward stands elsewhere, or what follows it may want the region.
    """
    statement = tree.statement_of(event.call)
    if not isinstance(statement, tree.ExprStmt) or statement.value is not event.call:
        raise Unfixable("the backward is a part of a larger statement")
    block = statement.parent
    if not isinstance(block, tree.With) or region.expr not in (i.context for i in block.items):
        raise Unfixable("the backward stands deeper in the region or in another function")
    if len(block.items) > 1:
        raise Unfixable("the block enters another context, which the backward may need")
    rest = block.body[block.body.index(statement) :]
    acts = {
        own.call for own in file.script.events(tree.body_of(event.call)) if own.call is own.site
    }
    if any(not isinstance(one, tree.ExprStmt) or one.value not in acts for one in rest):
        raise Unfixable("other statements follow the backward, which may want the region")
    return rest
