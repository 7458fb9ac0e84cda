"""The loss of an accumulation loop is not divided by the number of micro-batches.

## What it does
Finds accumulation loops, in which the optimizer steps once for k calls of `backward`, where a loss
is propagated as large as that of one batch alone.

## Why is this bad?
Gradients add up: after k micro-batches `.grad` holds the sum of k mean gradients, k times that of
one batch of the same total size. With SGD this is a learning rate k times as high, clipping cuts
nearly every update, weight decay counts for less, and a change of k changes the training. An
optimizer whose update hardly depends on their size (Adam and its kin) hides the factor: there, and
where a setting names the optimizer, the finding is shown with `--pedantic` only.

## Example
```python
def train_epoch(model, loader, optimizer, criterion, accumulation_steps):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y)
        loss.backward()
        if (i + 1) % accumulation_steps == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
```

## Use instead
```python
def train_epoch(model, loader, optimizer, criterion, accumulation_steps):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y)
        (loss / accumulation_steps).backward()
        if (i + 1) % accumulation_steps == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
```

## Fix safety
Always unsafe: updates become k times smaller, and a learning rate that was tuned to the sum may
have to grow. The division is made where the loss is propagated, so a loss that is logged stays as
it is. There is no fix where that happens in another function, which does not know k.

## Since
0.1.0

## References
- https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
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
    accumulation,
    all_of,
    divisors,
    rewrite,
    scaling,
    script,
    tree,
)

RULE = Rule(
    "ACC002",
    "unscaled-accumulated-loss",
    Severity.WARNING,
    needs=all_of("backward", "step"),
    here=all_of("backward"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        if window.k_value is not None and window.k_value <= 1:
            continue
        if window.clearing or divisors.rescales_gradients(window):
            continue
        plain = [
            event
            for event in window.events
            if event.kind == script.BACKWARD
            and not scaling.is_cleared_at_once(window, event)
            and scaling.is_plain(window, event)
        ]
        if not plain:
            continue
        fixes, reason = _fixes(window, plain)
        k = file.text(window.k)
        clipped, adaptive = divisors.is_clipped(window), divisors.is_scale_free(window)
        chosen = not adaptive and divisors.is_chosen_by_name(window)
        message = (
            f"The loss is propagated undivided in every one of the `{k}` micro-batches of a "
            f"window, so `.grad` holds the sum of their gradients, `{k}` times that of one batch "
            f"of the same size{_outcome(k, clipped, adaptive, chosen)}."
        )
        if reason:
            message = f"{message} There is no fix here: {reason}."
        trail = (Step(window.boundary.atom, f"a window of `{k}` micro-batches ends here"),)
        doubtful = adaptive or chosen or window.is_one_as_written
        sure = Confidence.MEDIUM if clipped else Confidence.HIGH
        yield Finding(
            plain[0].site,
            message,
            trail=trail,
            fixes=fixes,
            confidence=Confidence.LOW if doubtful else sure,
        )


@RULE.verify
def divided(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        for event in window.backwards:
            ways = scaling.divisions(window, event)
            if ways and all(way.by is divisors.By.K for way in ways):
                k = file.text(window.k)
                yield Finding(event.site, f"the loss is divided by the `{k}` batches of a window")


def _outcome(k: str, clipped: bool, adaptive: bool, chosen: bool) -> str:
    """What becomes of the factor in the update."""
    if adaptive:
        rest = ", but for the clipping, which cuts sooner" if clipped else ""
        return f"; the update of this optimizer hardly depends on its size, which hides it{rest}"
    if clipped:
        return f": the clipping before the step cuts at a norm that is `{k}` times as strict"
    if chosen:
        return (
            ", and each update is that much larger unless the optimizer, which a setting names, "
            "divides by their size"
        )
    return ", and each update is that much larger"


def _fixes(
    window: accumulation.AccumulationWindow, plain: Sequence[script.Event]
) -> tuple[tuple[Fix, ...], str]:
    file, k = window.file, _divisor(window)
    try:
        groups = []
        for event in plain:
            if event.site is not event.call or event.receiver is None or window.helper is not None:
                raise Unfixable("the loss is propagated in another function")
            groups.append(rewrite.wrap(file, event.receiver, "", f" / {k}"))
        edits = rewrite.together(*groups)
    except Unfixable as error:
        return (), error.reason
    return (Fix(f"Divide the loss by `{k}`", edits, Safety.UNSAFE),), ""


def _divisor(window: accumulation.AccumulationWindow) -> str:
    text = window.file.text(window.k)
    atom = tree.Name | tree.Attribute | tree.Subscript | tree.Constant | tree.Call
    return text if isinstance(window.k, atom) else f"({text})"
