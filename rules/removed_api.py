"""An argument is passed that the newest release of the target range no longer takes.

## What it does
Finds `verbose` given to a learning-rate scheduler of torch, by keyword or by position:
`ReduceLROnPlateau(..., verbose=True)`, `StepLR`, `CosineAnnealingLR` and all others that had it,
also in the `super().__init__(optimizer, last_epoch, verbose)` of a scheduler of one's own. Which
schedulers had it, and in which place, is read from a table made from the releases.

## Why is this bad?
torch 2.2 deprecated the argument and torch 2.7 removed it: building the scheduler raises a
TypeError before the first batch.

## Example
```python
import torch

optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3, verbose=True)
```

## Use instead
```python
import torch

optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
print(scheduler.get_last_lr())
```

## Fix safety
The fix removes the argument; no learning rate changes. It is safe where the argument is seen to be
false, so that nothing was printed, and where the target has only releases that refuse it. Elsewhere
it is unsafe: on older releases the scheduler no longer prints its changes, and its `verbose` (also
in its state dict) is false. There is no fix where the argument is more than a name or a constant,
since a call would no longer be made, where a comment stands inside it, where something in the file
reads `.verbose` of a scheduler, and where other arguments follow it by position.

## Since
0.1.0

## References
- PyTorch 2.7 release notes; documentation of `torch.optim.lr_scheduler`
- `rules/lr_schedulers.json`, made by `scripts/make_tables.py` from the releases
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from trainlint.api import (
    File,
    Finding,
    Fix,
    Range,
    Rule,
    Safety,
    Severity,
    Unfixable,
    Version,
    all_of,
    releases,
    rewrite,
    signatures,
    tree,
    values,
)

RULE = Rule(
    "API001",
    "removed-api",
    Severity.ERROR,
    needs=all_of("torch", "lr_scheduler"),
    fix=Safety.SAFE,
    ordered=False,
)
LIBRARY = "torch"
SCHEDULERS = "torch.optim.lr_scheduler."
_BASES = {f"{SCHEDULERS}_LRScheduler": f"{SCHEDULERS}LRScheduler"}


@lru_cache(maxsize=1)
def table() -> signatures.Table:
    """The signatures of torch's schedulers, release by release."""
    return signatures.Table.parse(
        Path(__file__).with_name("lr_schedulers.json").read_text(encoding="utf-8")
    )


@RULE.check
def check(file: File) -> Iterator[Finding]:
    target = file.target(LIBRARY)
    for call in file.calls:
        if not call.args:
            continue
        for name, shift in _schedulers(file, call):
            row = table().get(_BASES.get(name, name))
            for gone in row.gone if row is not None else ():
                arg = _given(call, gone, shift)
                if arg is None or not target.overlaps_from(gone.removed):
                    continue
                if releases.is_for_some_releases(file, call, LIBRARY, {name}):
                    continue
                yield _finding(file, call, arg, name, gone)
            break


def _schedulers(file: File, call: tree.Call) -> Iterator[tuple[str, int]]:
    """The scheduler that a call builds, and how many arguments stand before those it takes.

    A class chosen at run time is looked for only where `verbose` is written out.
    """
    func = call.func
    name = file.names.qualified(func)
    if name is not None:
        if name == "functools.partial" and call.args:
            inner = file.names.qualified(call.args[0].value)
            if inner is not None:
                yield inner, 1
        else:
            yield name, 0
        return
    if isinstance(func, tree.Attribute) and func.attr == "__init__":
        yield from _base(file, call, func)
    elif any(arg.keyword == "verbose" for arg in call.args):
        for value in file.values.callees(call):
            if isinstance(value, values.Symbol) and value.name in table():
                yield value.name, 0


def _base(file: File, call: tree.Call, func: tree.Attribute) -> Iterator[tuple[str, int]]:
    """The scheduler whose ``__init__`` a subclass calls, through ``super()`` or by its name."""
    cls = tree.class_of(call)
    named = file.names.qualified(func.value)
    if named is not None:
        yield named, 1
        return
    inner = func.value
    if cls is None or not isinstance(inner, tree.Call):
        return
    bases = [base for base in cls.bases if base.keyword is None]
    if file.names.qualified(inner.func) == "builtins.super" and len(bases) == 1:
        name = file.names.qualified(bases[0].value)
        if name is not None:
            yield name, 0


def _given(call: tree.Call, gone: signatures.Gone, shift: int) -> tree.Arg | None:
    """The argument, by keyword or in the place where the last release had it."""
    for index, arg in enumerate(call.args):
        if arg.keyword == gone.name:
            return arg
        if arg.star:
            return None if arg.star == "*" else _keyword(call, gone.name)
        if arg.keyword is None and gone.position is not None and index == gone.position + shift:
            return arg
    return None


def _keyword(call: tree.Call, name: str) -> tree.Arg | None:
    return next((arg for arg in call.args if arg.keyword == name), None)


def _finding(
    file: File, call: tree.Call, arg: tree.Arg, name: str, gone: signatures.Gone
) -> Finding:
    target = file.target(LIBRARY)
    short = _BASES.get(name, name).removeprefix(SCHEDULERS)
    removed = ".".join(map(str, gone.removed[:2]))
    how = f"`{gone.name}`" if arg.keyword else f"`{gone.name}`, given here by position,"
    message = (
        f"`{short}` has no {how} since torch {removed}: this call raises a TypeError "
        f"(the learning rates are in `get_last_lr()`)"
    )
    try:
        fixes: tuple[Fix, ...] = (_fix(file, call, arg, gone),)
    except Unfixable as error:
        fixes = ()
        message += f"; no fix: {error.reason}"
    return Finding(
        arg,
        message,
        fixes=fixes,
        severity=Severity.WARNING if _only_newest(target, gone.removed) else Severity.ERROR,
        target=f"torch >= {removed}",
    )


def _only_newest(target: Range, removed: Version) -> bool:
    """True where nobody named a target, and only the newest release known refuses the argument."""
    newest = target.high
    return not target.known and newest is not None and removed[: len(newest)] >= newest


def _fix(file: File, call: tree.Call, arg: tree.Arg, gone: signatures.Gone) -> Fix:
    if not isinstance(arg.value, tree.Constant | tree.Name | tree.Attribute):
        raise Unfixable("what the argument calls would no longer be called")
    behind = call.args[call.args.index(arg) + 1 :]
    if arg.keyword is None and any(other.keyword is None for other in behind):
        raise Unfixable("another argument follows by position")
    read = next((r for r in file.all(tree.Attribute) if _reads(file, call, r, gone.name)), None)
    if read is not None:
        raise Unfixable(f"`{file.text(read)}` reads it")
    edits = rewrite.remove_argument(file, call, arg)
    quiet = _is_false(file, arg.value)
    if quiet or file.target(LIBRARY).wholly_from(gone.removed):
        return Fix("Remove `verbose`", edits, Safety.SAFE)
    note = "before torch 2.7 the scheduler printed its changes; no learning rate changes"
    return Fix("Remove `verbose`", edits, Safety.UNSAFE, note)


def _reads(file: File, call: tree.Call, attribute: tree.Attribute, name: str) -> bool:
    """True where an attribute is read that the scheduler got from the argument."""
    statement = attribute.parent
    if attribute.attr != name or (
        isinstance(statement, tree.Assign) and attribute in statement.targets
    ):
        return False
    owner = attribute.value
    if isinstance(owner, tree.Name) and owner.id == "self":
        cls = tree.class_of(attribute)
        inherited = isinstance(call.func, tree.Attribute) and call.func.attr == "__init__"
        if cls is None or cls is not tree.class_of(call) or not inherited:
            return False
        return not file.values.graph.assignments(cls, name)
    return file.script.is_scheduler(owner)


def _is_false(file: File, expr: tree.Expr) -> bool:
    found = file.values.of(expr)
    return bool(found) and all(
        isinstance(value, values.Literal) and value.value in (False, None, "deprecated")
        for value in found
    )
