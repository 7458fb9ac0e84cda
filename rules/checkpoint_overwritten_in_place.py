"""A checkpoint is written over the one before it.

## What it does
Finds a `torch.save` in a training loop whose path is the same in every round, where it goes to that
path at once and not to a temporary file that then takes its place. It is silent where the loop
keeps other copies (a file for each epoch, a backup), and where it ends with the save.

## Why is this bad?
`torch.save` empties the file first and writes it after. A job that is killed in that time (a limit
of the queue, a full disk, a pulled plug) leaves half a file and no other: the best model of days is
gone with the last one. `os.replace` exchanges the files in one go.

## Example
```python
import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(100):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    torch.save(model.state_dict(), "last.pt")
```

## Use instead
```python
import os

import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(100):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    torch.save(model.state_dict(), "last.pt.tmp")
    os.replace("last.pt.tmp", "last.pt")
```

## Fix safety
The fix saves beside the file and replaces it with `os.replace`. It is only shown, never applied in
bulk: for a moment it needs the room of two checkpoints, and storage that is no file system may not
be able to replace. It is offered where the save is a statement of its own, and its path is a text,
a name or an attribute.

## Since
0.1.0

## References
- Python documentation, os.replace
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
    checkpoint_files,
    loop_saves,
    rewrite,
    tree,
)

RULE = Rule(
    "CKP006",
    "checkpoint-overwritten-in-place",
    Severity.INFO,
    needs=all_of("torch", "save", ".step", "backward"),
    fix=Safety.SHOWN,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in loop_saves.loop_saves(file):
        if found.kind != loop_saves.FIXED or checkpoint_files.is_replaced_whole(file, found):
            continue
        if checkpoint_files.has_older(file, found):
            continue
        fixes, why = _fix(file, found)
        trail = [Step(found.loop, "this loop saves it again and again")]
        if found.place is not found.save:
            trail.insert(0, Step(found.place, "it is saved from here"))
        yield Finding(
            found.save,
            f"Each save writes over `{file.text(found.path)}` in place: a run that is stopped "
            f"while it writes leaves half a file, and no older one{why}",
            trail=tuple(trail),
            fixes=fixes,
        )


def _fix(file: File, found: loop_saves.LoopSave) -> tuple[tuple[Fix, ...], str]:
    statement, path = tree.statement_of(found.save), found.path
    try:
        if not isinstance(statement, tree.ExprStmt) or statement.value is not found.save:
            raise Unfixable("the save is a part of a larger statement")
        text = file.text(path)
        match path:
            case tree.Constant(value=str()) if text[:1] in "'\"" and text[:3] != text[:1] * 3:
                beside = f"{text[:-1]}.tmp{text[-1]}"
            case tree.Name() | tree.Attribute() if not _is_open(file, path):
                beside = f'f"{{{text}}}.tmp"'
            case _:
                raise Unfixable("the path is put together in the call")
        edits, module = rewrite.add_import(file, "os", at=found.save)
        edits = rewrite.together(
            edits,
            rewrite.replace(file, path, beside),
            rewrite.insert_after(file, statement, [f"{module}.replace({beside}, {text})"]),
        )
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    title = "Save beside it, and replace it in one go"
    note = "needs the room of two checkpoints for a moment"
    return (Fix(title, edits, Safety.SHOWN, note),), ""


def _is_open(file: File, path: tree.Expr) -> bool:
    """True for the file of ``with open(path, "wb") as f``."""
    bindings = file.values.definitions(path)[0] if isinstance(path, tree.Name) else []
    return any(binding.kind not in {"assign", "param"} for binding in bindings)
