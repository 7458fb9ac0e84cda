"""A gradient scaler steps in every round and is never updated.

## What it does
Finds `scaler.step(optimizer)` in a loop in which no `scaler.update()` of a `GradScaler` follows,
neither in the loop nor in a function that it calls; `scaler.update` without its parentheses is
none. One update serves all optimizers of a round.

## Why is this bad?
`step` remembers for each optimizer that it has stepped, and only `update` forgets it. The second
round raises `RuntimeError: step() has already been called since the last update()`. Where the
scaler is switched off nothing happens, so the fault shows only on the machine with the GPU.

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
The fix puts `scaler.update()` behind the last step of the scaler in the round, or calls the update
that is named there. It is unsafe: a run that ended in the second round now goes on. There is no fix
where

- the scaler steps in several blocks of the loop, so that no place comes once after all of them;
- the step stands in a function that the loop calls, which others may call too;
- the step is a part of a larger statement;
- an update behind the loop would then come twice.

## Since
0.1.0

## References
- PyTorch documentation, `torch.amp.GradScaler.step` and `torch.amp.GradScaler.update`
- PyTorch documentation, Automatic Mixed Precision examples, "Working with Multiple Models, Losses,
  and Optimizers"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    tree,
    unrenewed,
)

RULE = Rule(
    "AMP007",
    "scaler-without-update",
    Severity.ERROR,
    needs=all_of(".scale", "backward", ".step", "caler"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    rounds: dict[tuple[tree.Loop, str], list[unrenewed.UnrenewedStep]] = {}
    for found in unrenewed.unrenewed(file):
        rounds.setdefault((found.loop, file.text(found.scaler)), []).append(found)
    for (loop, scaler), steps in rounds.items():
        yield _finding(file, loop, scaler, steps)


def _finding(
    file: File, loop: tree.Loop, scaler: str, steps: Sequence[unrenewed.UnrenewedStep]
) -> Finding:
    last, outside = steps[-1], steps[-1].outside
    message = (
        f"`{scaler}` steps in a loop and is "
        f"{'not updated' if outside is None else 'updated only behind it'}: where it is switched "
        "on, a RuntimeError comes in place of the second step "
        '("... has already been called ... since the last update()").'
    )
    trail = [Step(loop, "this loop comes round to the step again")]
    if outside is not None:
        trail.append(Step(outside.site, "the scaler is updated only here"))
    if last.named is not None:
        trail.append(Step(last.named, "the update is named here, and not called"))
    fixes: tuple[Fix, ...] = ()
    try:
        fixes = (_update(file, scaler, steps),)
    except Unfixable as error:
        message += f" There is no fix: {error.reason}."
    confidence = Confidence.HIGH if last.certain else Confidence.MEDIUM
    return Finding(last.step.call, message, tuple(trail), fixes, confidence=confidence)


def _update(file: File, scaler: str, steps: Sequence[unrenewed.UnrenewedStep]) -> Fix:
    places: list[tree.Stmt] = []
    for found in steps:
        call = found.step.call
        place: tree.Node = tree.statement_of(call)
        if found.outside is not None:
            raise Unfixable("the update behind the loop would come a second time")
        if found.loop not in call.ancestors():
            raise Unfixable("the step stands in a function that the loop calls")
        if not isinstance(place, tree.ExprStmt | tree.Assign):
            raise Unfixable("the step is a part of a larger statement")
        while tree.enclosing_loop(place) is not found.loop:
            assert isinstance(place.parent, tree.Stmt)
            place = place.parent
        assert isinstance(place, tree.Stmt)
        places.append(place)
    if len({id(place.parent) for place in places}) > 1:
        raise Unfixable("the scaler steps in several blocks of the loop")
    if any(tree.block_of(place) is not tree.block_of(places[0]) for place in places):
        raise Unfixable("the scaler steps in several blocks of the loop")
    named = steps[-1].named
    if named is not None and named in tree.block_of(places[-1]) and named.start > places[-1].start:
        edits = rewrite.replace(file, named.value, f"{scaler}.update()")
    else:
        edits = rewrite.insert_after(file, places[-1], [f"{scaler}.update()"])
    return Fix(f"Update `{scaler}` at the end of each round", edits, Safety.UNSAFE)
