"""What is used here is not in the newest release of the target range any more.

## What it does
Finds names, methods and arguments that a release of the target range no longer has: `np.float`
(gone since NumPy 1.24), `Image.ANTIALIAS` (Pillow 10), `Trainer(gpus=1)` (Lightning 2.0),
`TrainingArguments(evaluation_strategy=...)`, `OneHotEncoder(sparse=False)`, `df.append(row)`,
`torch.symeig`, arguments that became keyword-only, hooks such as `training_epoch_end` that are no
longer called, what must be given since some release (`task` of torchmetrics, `return_complex` of
`torch.stft`), and all others that the tables of torch, torchvision, torchaudio, NumPy,
scikit-learn, pandas, transformers, Lightning, torchmetrics, timm and Pillow know. The tables are
made from the published releases. Also `verbose` given to a learning-rate scheduler of torch, by
keyword or by position: `ReduceLROnPlateau(..., verbose=True)`, `StepLR`, `CosineAnnealingLR`, also
in the `super().__init__(optimizer, last_epoch, verbose)` of a scheduler of one's own. And
`loss.data[0]` of a loss that is one number, which cannot be indexed since torch 1.0.

It is silent where a version test, a feature test or an `except` selects the code, where the target
stays below the release, and where the object that has the method is not known. What other rules
speak of is left out: `torch.cuda.amp` (AMP004), librosa (AUD001, AUD002), `weights_only` (CKP002).

## Why is this bad?
The line raises an ImportError, an AttributeError or a TypeError on the next installation without
old pins, often late: torch 2.7 removed `verbose`, and building the scheduler stops the program.

## Example
```python
import numpy as np
import torch

labels = np.zeros(4, dtype=np.int)
optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3, verbose=True)
```

## Use instead
```python
import numpy as np
import torch

labels = np.zeros(4, dtype=int)
optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
print(scheduler.get_last_lr())
```

## Fix safety
There is a fix where one form says the same on the whole target range, and it is safe: another name
of the same thing (`np.float` was `float`; unsafe for `np.bool` and `np.long` where the target has
NumPy 2, which has such names again), a parameter that was renamed, a value that was renamed,
arguments passed by keyword. The new form must exist in the oldest release of the target; where
nobody named that, it must have come two years before the newest known one, else the fix is only
shown. Where the new form does something else, or its value depends on what is passed, there is
none, and the message says what takes its place.

`loss.data[0]` becomes `loss.item()`: safe where the target has only releases that refuse the
index, unsafe elsewhere, since older ones gave a tensor.

`verbose` of a scheduler is removed; no learning rate changes. It is safe where the argument is seen
to be false, so that nothing was printed, and where the target has only releases that refuse it.
Elsewhere it is unsafe: on older releases the scheduler no longer prints its changes, and its
`verbose` (also in its state dict) is false. There is no fix where the argument is more than a name
or a constant, since a call would no longer be made, where a comment stands inside it, where
something in the file reads `.verbose` of a scheduler, and where other arguments follow it by
position.

## Since
0.1.0

## References
- PyTorch 2.7 release notes; documentation of `torch.optim.lr_scheduler`
- `rules/migrations/*.json` and `rules/lr_schedulers.json`, made by `scripts/make_tables.py` from
  the releases; `rules/migrations/by_hand.json`, with a source for each row
"""

from __future__ import annotations

import json
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
    any_of,
    changed,
    kinds,
    migrations,
    rewrite,
    scalar_losses,
    scheduler_arguments,
    signatures,
    together,
    tree,
)

_FOLDER = Path(__file__).with_name("migrations")
_WORDS = json.loads((_FOLDER / "words.json").read_text(encoding="utf-8"))
RULE = Rule(
    "API001",
    "removed-api",
    Severity.ERROR,
    needs=any_of(
        *_WORDS["removed"],
        together("torch", "lr_scheduler"),
        together("torch", "data", pattern=r"\.data\[0\]"),
    ),
    fix=Safety.SAFE,
    ordered=False,
)
DEPRECATED = Rule(
    "API002",
    "deprecated-api",
    Severity.WARNING,
    needs=any_of(*_WORDS["deprecated"], together("torch", "lr_scheduler")),
    fix=Safety.SAFE,
    ordered=False,
)
TABLES = migrations.Tables(
    lambda name: (_FOLDER / f"{name}.json").read_text(encoding="utf-8"),
)


@lru_cache(maxsize=1)
def table() -> signatures.Table:
    """The signatures of torch's schedulers, release by release."""
    return signatures.Table.parse(
        Path(__file__).with_name("lr_schedulers.json").read_text(encoding="utf-8")
    )


def _uses(file: File) -> list[changed.Use]:
    """What the file uses of all that some release changed."""
    libraries = TABLES.among(changed.imported_packages(file))
    return changed.uses(file, libraries) if libraries else []


@RULE.check
def check_tables(file: File) -> Iterator[Finding]:
    for use in file.once(_uses):
        target = changed.target_of(file, use.library, use.package)
        version = use.change.removed
        if version is None or not use.change.is_removed(target):
            continue
        is_newest = not target.known and version[:2] >= use.library.newest[:2]
        comes_back = not target.known and use.change.returned is not None
        yield _told(
            file,
            use,
            _removed(file, use, version),
            version,
            Severity.WARNING if is_newest or comes_back else Severity.ERROR,
        )


@DEPRECATED.check
def check_deprecated(file: File) -> Iterator[Finding]:
    """What is used here works on the target, and is on its way out of the library.

    ## What it does
    Finds names, methods and arguments that the releases of the target still take, and that one of
    them calls deprecated: `torch.nn.init.xavier_uniform`, `size_average=False`,
    `models.resnet18(pretrained=True)`, `functorch.vmap`, `np.product` below NumPy 2.0, `verbose` of
    a learning-rate scheduler from torch 2.2 to 2.6; and calls that leave out what they are to say,
    as `checkpoint` without `use_reentrant`. The message says in which release that began, and where
    a newer release has removed it, in which. It is silent on an import of which no use is made,
    where no release has removed the name: nothing warns there.

    ## Why is this bad?
    The program warns at every start, and stops with the release that removes what it uses.

    ## Example
    ```python
    import torch
    from torch import nn

    head = nn.Linear(4, 2)
    nn.init.xavier_uniform(head.weight)
    criterion = nn.MSELoss(size_average=False)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    head = nn.Linear(4, 2)
    nn.init.xavier_uniform_(head.weight)
    criterion = nn.MSELoss(reduction="sum")
    ```

    ## Fix safety
    As for `removed-api`: safe where one form says the same on the whole target range, only shown
    where nobody named the oldest release and the new form is younger than two years, and none where
    the new form does something else. `pretrained=True` becomes `weights="IMAGENET1K_V1"`, which
    loads the same weights; for detection, segmentation and video models it becomes
    `weights="DEFAULT"`, which is unsafe, since newer weights may have come.

    ## Since
    0.1.0

    ## References
    - `rules/migrations/*.json`, made by `scripts/make_tables.py` from the releases;
      `rules/migrations/by_hand.json`, with a source for each row
    """
    for use in file.once(_uses):
        target = changed.target_of(file, use.library, use.package)
        version = use.change.deprecated
        if use.change.removed is None and changed.is_idle_import(file, use):
            continue
        if version is not None and use.change.is_deprecated(target):
            yield _told(file, use, _deprecated(file, use, version), version, Severity.WARNING)


def _told(
    file: File, use: changed.Use, message: str, version: Version, severity: Severity
) -> Finding:
    fixes: tuple[Fix, ...] = ()
    try:
        fixes = (rewrite.in_new_form(file, use),)
    except Unfixable as error:
        message += "" if use.change.note else f" (no fix here: {error.reason})"
    concerned = f"{use.library.title} >= {use.library.short(version)}"
    if (again := _again(use)) is not None:
        concerned += f", < {again}"
    return Finding(use.node, message, fixes=fixes, severity=severity, target=concerned)


def _removed(file: File, use: changed.Use, version: Version) -> str:
    release = f"{use.library.title} {use.library.short(version)}"
    if use.surplus is not None and use.call is not None:
        count = use.surplus.positions
        taken = f"only {count} argument{'s' * (count > 1)}" if count else "no argument"
        return (
            f"`{file.text(use.call.func)}` takes {taken} by position since {release}: "
            f"this call raises a TypeError"
        )
    if use.change.absent:
        return f"{_what(file, use)} raises an error since {release}{_instead(file, use)}"
    if use.is_override:
        then = "this method is refused or never called"
    elif use.change.parameter:
        then = "this call raises a TypeError" if not use.change.only else "this raises an error"
    else:
        then = "this import fails" if use.is_import else f"this raises {_error(use)}"
    if (again := _again(use)) is not None:
        gone = f"was removed in {release} and is there again since {again}: in between {then}"
    else:
        gone = f"was removed in {release}: {then}"
    return f"{_what(file, use)} {gone}{_instead(file, use)}"


def _error(use: changed.Use) -> str:
    """What a name that is gone raises: one that a star import was to bring is not bound."""
    is_of_star = use.reference is not None and not use.reference.bindings
    return "a NameError" if is_of_star and isinstance(use.node, tree.Name) else "an AttributeError"


def _deprecated(file: File, use: changed.Use, version: Version) -> str:
    release = f"{use.library.title} {use.library.short(version)}"
    if version == use.library.oldest:
        release += " or before"
    gone = use.change.removed
    then = f" and was removed in {use.library.short(gone)}" if gone is not None else ""
    if (again := _again(use)) is not None:
        then = then.replace(" and", ",") + f" and is there again since {again}"
    return f"{_what(file, use)} is deprecated since {release}{then}{_instead(file, use)}"


def _again(use: changed.Use) -> str | None:
    """The release that has a removed name again."""
    returned = use.change.returned
    return None if returned is None else use.library.short(returned)


def _what(file: File, use: changed.Use) -> str:
    if use.change.absent and use.call is not None:
        return f"`{file.text(use.call.func)}` without `{use.change.parameter}`"
    if use.change.parameter and use.call is not None:
        given = f"={changed.written(file, use.node.value)}" if use.change.only else ""  # type: ignore[attr-defined]
        return f"`{use.change.parameter}{given}` of `{file.text(use.call.func)}`"
    if use.is_override:
        return f"`{use.name.rpartition('.')[2]}` of `{use.name.split('.')[-2]}`"
    if use.is_import:
        return f"`{use.name}`"
    return f"`{' '.join(file.text(use.node).split())}`"


def _instead(file: File, use: changed.Use) -> str:
    """What takes its place, in the release's own words where it names nothing."""
    change = use.change
    if changed.is_needless(file, use):
        return "; it can be left out"
    if change.same and isinstance(use.node, tree.Arg):
        value = change.values.get(changed.written(file, use.node.value))
        if value is not None:
            return f"; `{change.instead or change.parameter}={value}` takes its place"
    if change.note and change.note in use.library.modules:
        return ", with all of its module" if change.note != use.name else ""
    if change.note:
        return f"; {change.note}"
    if change.instead:
        return f"; `{change.instead.removeprefix('builtins.')}` takes its place"
    return ""


# Losses

_NO_INDEX = (1, 0)


@RULE.check
def check_losses(file: File) -> Iterator[Finding]:
    target = file.target("torch")
    for found in scalar_losses.indexed_losses(file) if target.overlaps_from(_NO_INDEX) else ():
        safety = Safety.SAFE if target.wholly_from(_NO_INDEX) else Safety.UNSAFE
        edits = rewrite.replace(file, found.site, f"{file.text(found.loss)}.item()")
        yield Finding(
            found.site,
            "a loss is one number, and such a tensor cannot be indexed since torch 1.0: this "
            "raises an IndexError; `.item()` takes the place of `.data[0]`",
            fixes=(Fix("Read it with `item()`", edits, safety),),
            target="torch >= 1.0",
        )


# Schedulers


@RULE.check
def check(file: File) -> Iterator[Finding]:
    target = file.target(scheduler_arguments.LIBRARY)
    for found in file.once(_gone_arguments):
        removed = found.gone.removed
        if not target.overlaps_from(removed):
            continue
        severity = Severity.WARNING if _only_newest(target, removed) else Severity.ERROR
        message = (
            f"`{found.scheduler}` has no {_how(found)} since torch {_short(removed)}: this call "
            f"raises a TypeError (the learning rates are in `get_last_lr()`)"
        )
        yield _finding(file, found, message, removed, severity)


@DEPRECATED.check
def check_going(file: File) -> Iterator[Finding]:
    target = file.target(scheduler_arguments.LIBRARY)
    for found in file.once(_gone_arguments):
        going, removed = found.gone.deprecated, found.gone.removed
        if going is None or not target.overlaps_from(going) or target.overlaps_from(removed):
            continue
        message = (
            f"{_how(found)} of `{found.scheduler}` is deprecated since torch {_short(going)} and "
            f"was removed in {_short(removed)} (the learning rates are in `get_last_lr()`)"
        )
        yield _finding(file, found, message, going, Severity.WARNING)


def _gone_arguments(file: File) -> list[scheduler_arguments.GoneArgument]:
    return list(scheduler_arguments.gone_arguments(file, table()))


def _how(found: scheduler_arguments.GoneArgument) -> str:
    return f"`{found.gone.name}`" + ("" if found.arg.keyword else ", given here by position,")


def _short(version: Version) -> str:
    return ".".join(map(str, version[:2]))


def _finding(
    file: File,
    found: scheduler_arguments.GoneArgument,
    message: str,
    since: Version,
    severity: Severity,
) -> Finding:
    try:
        fixes: tuple[Fix, ...] = (_fix(file, found),)
    except Unfixable as error:
        fixes = ()
        message += f"; no fix: {error.reason}"
    return Finding(
        found.arg, message, fixes=fixes, severity=severity, target=f"torch >= {_short(since)}"
    )


def _only_newest(target: Range, removed: Version) -> bool:
    """True where nobody named a target, and only the newest release known refuses the argument."""
    newest = target.high
    return not target.known and newest is not None and removed[: len(newest)] >= newest


def _fix(file: File, found: scheduler_arguments.GoneArgument) -> Fix:
    call, arg = found.call, found.arg
    if not isinstance(arg.value, tree.Constant | tree.Name | tree.Attribute):
        raise Unfixable("what the argument calls would no longer be called")
    behind = call.args[call.args.index(arg) + 1 :]
    if arg.keyword is None and any(other.keyword is None for other in behind):
        raise Unfixable("another argument follows by position")
    read = scheduler_arguments.read(file, found)
    if read is not None:
        raise Unfixable(f"`{file.text(read)}` reads it")
    edits = rewrite.remove_argument(file, call, arg)
    quiet = _is_false(file, arg.value)
    if quiet or file.target(scheduler_arguments.LIBRARY).wholly_from(found.gone.removed):
        return Fix("Remove `verbose`", edits, Safety.SAFE)
    note = "before torch 2.7 the scheduler printed its changes; no learning rate changes"
    return Fix("Remove `verbose`", edits, Safety.UNSAFE, note)


def _is_false(file: File, expr: tree.Expr) -> bool:
    found = file.values.of(expr)
    return bool(found) and all(
        isinstance(value, kinds.Literal) and value.value in (False, None, "deprecated")
        for value in found
    )
