"""A new checkpoint file is written every few epochs, and none is ever removed.

## What it does
Finds `torch.save` in a training loop under a path that holds the loop's counter, in a file that
removes no file; and Lightning's `ModelCheckpoint` with `save_top_k=-1`. It is silent where a test
lets the loop save once or in chosen rounds, where the loop ends with the save, where the names come
round again (`epoch % 3`), and where numbers in the code say that the loop saves ten files or fewer:
`range(100)` with `epoch % 10 == 0`. It speaks of forty files, however small, and of a number of
rounds that an option or a configuration sets, for the next run may set another one.

## Why is this bad?
Weights and the states of Adam take three times the size of the model, for each file. A run of days
fills the disk, and dies in the middle of a save with all others on that machine.

## Example
```python
import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(1000):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    if epoch % 10 == 0:
        torch.save(model.state_dict(), f"model_{epoch}.pt")
```

## Use instead
```python
import os

import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(1000):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    if epoch % 10 == 0:
        torch.save(model.state_dict(), f"model_{epoch}.pt")
        if os.path.exists(f"model_{epoch - 30}.pt"):
            os.remove(f"model_{epoch - 30}.pt")
```

## Fix safety
There is no fix. How many files are to be kept, and which, the author has to say.

## Since
0.1.0

## References
- Lightning documentation, ModelCheckpoint, `save_top_k`
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
    any_of,
    checkpoint_files,
    loop_saves,
    tree,
)

RULE = Rule(
    "CKP004",
    "unbounded-checkpoints",
    Severity.INFO,
    needs=all_of(any_of("backward", "save_top_k"), "save"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    if checkpoint_files.removes(file):
        return
    by_loop: dict[tree.Loop, list[loop_saves.LoopSave]] = {}
    for found in loop_saves.loop_saves(file):
        counted = found.kind == loop_saves.COUNTED
        if counted and not checkpoint_files.is_rare(file, found):
            by_loop.setdefault(found.loop, []).append(found)
    for loop, saves in by_loop.items():
        first = saves[0]
        trail = [Step(loop, f"this loop counts `{first.counter}`")]
        trail += [Step(other.save, "another file") for other in saves[1:3]]
        yield Finding(
            first.save,
            f"`{file.text(first.path)}` is a new file for each `{first.counter}` that gets here, "
            "and nothing in this script ever removes one: the disk fills up",
            trail=tuple(trail),
        )


@RULE.check
def check_callbacks(file: File) -> Iterator[Finding]:
    for call in file.calls_to(lambda name: name.endswith(".ModelCheckpoint")):
        name = file.names.qualified(call.func) or ""
        kept = call.arg(None, "save_top_k")
        if name.startswith("lightning.") and kept and file.values.literal(kept) == -1:
            if _are_few(file, call):
                continue
            yield Finding(
                call,
                "`save_top_k=-1` keeps every checkpoint of the run: the disk fills up",
                trail=(Step(kept, "no file is ever removed"),),
            )


def _are_few(file: File, checkpoint: tree.Call) -> bool:
    """True where every trainer of a file runs for a number of epochs that gives few files."""
    if any(checkpoint.arg(None, k) for k in ("every_n_train_steps", "train_time_interval")):
        return False
    given = checkpoint.arg(None, "every_n_epochs")
    every = file.values.literal(given) if given is not None else 1
    trainers = file.calls_to(
        lambda name: name.startswith("lightning.") and name.endswith("Trainer")
    )
    epochs = [file.values.literal(call.arg(None, "max_epochs")) for call in trainers]
    return (
        isinstance(every, int)
        and every > 0
        and bool(epochs)
        and all(isinstance(n, int) and 0 <= n // every <= checkpoint_files.FEW for n in epochs)
    )
