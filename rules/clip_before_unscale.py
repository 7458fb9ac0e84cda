"""Gradients are clipped while the loss scale is still in them.

## What it does
Finds `clip_grad_norm_` and `clip_grad_value_` on gradients of `scaler.scale(loss).backward()` where
no `scaler.unscale_(optimizer)` lies between the two, on any path to the scaler's step.

## Why is this bad?
The gradients are larger than the true ones by the loss scale, 65536 at the start. So the norm is
far above the limit at every step, every gradient is cut down to it, and the unscaling in
`scaler.step` then divides what is left by the scale: the model all but stops learning, at a rate
that follows the scale.

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
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
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
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
```

## Fix safety
The fix inserts `scaler.unscale_(optimizer)` above the (first) clipping of the window, under the
test that chooses the scaler where there is one. It is unsafe: the updates become larger, and a
learning rate that was tuned to the fault may be too high. There is no fix where

- the gradients are also clipped in an iteration without a step, since a second `unscale_` before
  the update raises;
- an `unscale_` follows behind the clipping, for the same reason;
- the window steps several optimizers, and which of them is meant is not known;
- the gradients are clipped in several places;
- the clipping, the backward or the step stands in another function.

## Since
0.1.0

## References
- PyTorch documentation, Automatic Mixed Precision examples, "Working with Unscaled Gradients"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    any_of,
    rewrite,
    scaler,
    script,
    tree,
)

RULE = Rule(
    "AMP006",
    "clip-before-unscale",
    Severity.ERROR,
    needs=all_of(".scale", "backward", any_of("clip_grad_norm", "clip_grad_value")),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    reported = set()
    for body in scaler.scaler_bodies(file):
        for clip in body.of(script.CLIP):
            if clip.by is not None or clip.call in reported:
                continue
            scaled, steps = body.scaled_before(clip), body.steps_after(clip)
            if scaled is None or not steps or body.is_unscaled(scaled, clip):
                continue
            reported.add(clip.call)
            yield _finding(body, scaled, clip, steps)


@RULE.verify
def unscaled(file: File) -> Iterator[Finding]:
    for body in scaler.scaler_bodies(file):
        for clip in body.of(script.CLIP):
            scaled = body.scaled_before(clip)
            if scaled is None or clip.by is not None or not body.of(script.UNSCALE):
                continue
            if body.is_unscaled(scaled, clip):
                yield Finding(clip.call, "gradients are unscaled before they are clipped")


def _finding(
    body: scaler.ScalerBody,
    scaled: scaler.ScaledBackward,
    clip: script.Event,
    steps: Sequence[script.Event],
) -> Finding:
    loss = body.file.text(scaled.event.receiver) if scaled.event.receiver else "the loss"
    message = (
        f"The gradients of `{loss}` are clipped while they carry the scale of `{scaled.scaler}`. "
        "Their norm is too large by that factor, so `step` divides what the clipping leaves of "
        "them to almost nothing."
    )
    trail = (
        Step(scaled.event.call, "the gradients are scaled here"),
        Step(steps[0].call, "they lose the scale only here"),
    )
    try:
        fix = _unscale(body, scaled, clip, steps)
    except Unfixable as error:
        return Finding(clip.call, f"{message} There is no fix: {error.reason}.", trail)
    return Finding(clip.call, message, trail, (fix,))


def _unscale(
    body: scaler.ScalerBody,
    scaled: scaler.ScaledBackward,
    clip: script.Event,
    steps: Sequence[script.Event],
) -> Fix:
    file = body.file
    if any(event.site is not event.call for event in (scaled.event, clip, *steps)):
        raise Unfixable("the backward, the clipping or the step stands in another function")
    optimizers = {file.text(step.receiver) for step in steps if step.receiver is not None}
    if len(optimizers) != 1:
        raise Unfixable("several optimizers are stepped, and which one is clipped is not known")
    if body.unscaled_after(clip):
        raise Unfixable("an `unscale_` follows, and a second one before the update raises")
    place = _first_clipping(body, clip, steps)
    choice = _choice(body, scaled, place, steps)
    if choice is None and not body.always_steps_after(place, clip, steps):
        raise Unfixable(
            "gradients are also clipped where no step of the scaler follows, and there a second "
            "`unscale_` would raise"
        )
    line = f"{scaled.scaler}.unscale_({optimizers.pop()})"
    lines = [line] if choice is None else [f"if {choice}:", f"    {line}"]
    edits = rewrite.insert_before(file, place, lines)
    return Fix("Unscale the gradients before they are clipped", edits, Safety.UNSAFE)


def _first_clipping(
    body: scaler.ScalerBody, clip: script.Event, steps: Sequence[script.Event]
) -> tree.Stmt:
    """The statement above which to unscale: the first clipping before the same steps.

    For one in a loop over parameter groups that is the loop.
    """
    others = [other for other in body.of(script.CLIP) if other.site is other.call]
    together = [other for other in others if body.steps_after(other) == list(steps)]
    places: list[tree.Node] = []
    for event in together or [clip]:
        place: tree.Node = tree.statement_of(event.call)
        while tree.enclosing_loop(place) is not tree.enclosing_loop(steps[0].call):
            if not isinstance(place.parent, tree.Stmt):
                raise Unfixable("the gradients are clipped in a loop of its own")
            place = place.parent
        places.append(place)
    first = places[0]
    if not isinstance(first, tree.Stmt) or any(p.parent is not first.parent for p in places):
        raise Unfixable("the gradients are clipped in several places")
    return first


def _choice(
    body: scaler.ScalerBody,
    scaled: scaler.ScaledBackward,
    place: tree.Stmt,
    steps: Sequence[script.Event],
) -> str | None:
    """The test that chooses between the scaler and a plain step, if ``place`` is not under it.

    It must choose the scaled backward, too.
    """
    step = steps[0].call
    around = {node: None for node in step.ancestors() if isinstance(node, tree.If)}
    outside = [node for node in around if node not in set(place.ancestors())]
    if len(outside) != 1 or len(steps) != 1 or not outside[0].orelse:
        return None
    test = outside[0].test
    if not all(isinstance(node, _PLAIN) for node in test.walk()):
        return None
    both = set(body.tests(step)) & set(body.tests(scaled.event.call))
    chosen = tree.statement_of(step) in outside[0].body
    return body.file.text(test) if chosen and set(body.tests(step)) <= both else None


# A test made of these can be asked once more.
_PLAIN = (tree.Name, tree.Attribute, tree.Compare, tree.Constant, tree.UnaryOp, tree.BoolOp)
