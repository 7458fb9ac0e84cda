"""A script moves its model to a GPU and nowhere asks whether there is one.

## What it does
Finds training scripts that call `.cuda()` or name `"cuda"` as their device, where neither they nor
a file that is connected with them asks `torch.cuda.is_available()` or the like, and no setting
chooses the device. Scripts that run one process for each device, and those that use a library which
needs a GPU anyway, are left out.

## Why is this bad?
On a machine without an NVIDIA GPU, or with a build of torch for the CPU, the script ends with
"Torch not compiled with CUDA enabled" or "Found no NVIDIA driver", also where somebody only wants
to see a test of it pass, or to debug it on a laptop.

## Example
```python
import torch
import torch.nn.functional as F

device = torch.device("cuda")


def train(model, loader, optimizer):
    model.to(device)
    for x, y in loader:
        optimizer.zero_grad()
        F.mse_loss(model(x.to(device)), y.to(device)).backward()
        optimizer.step()
```

## Use instead
```python
import torch
import torch.nn.functional as F

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(model, loader, optimizer):
    model.to(device)
    for x, y in loader:
        optimizer.zero_grad()
        F.mse_loss(model(x.to(device)), y.to(device)).backward()
        optimizer.step()
```

## Fix safety
The fix is unsafe, since a run without a GPU goes on and may take days, where it ended at once. It
makes the one place that names the device ask for a GPU, and `.cuda()` use that name. There is none
where the file has no such name, where it is not known at every place, or where `torch` is not
imported by that name.

## Since
0.1.0

## References
- PyTorch documentation, CUDA semantics: "Device-agnostic code"
"""

from __future__ import annotations

from collections.abc import Iterator

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
    any_of,
    demands,
    purpose,
    rewrite,
    tree,
)

RULE = Rule(
    "DEV001",
    "unguarded-cuda",
    Severity.INFO,
    needs=all_of("cuda", any_of("backward", "fit", "train", "fine_tune")),
    here=all_of("cuda", any_of("backward", "fit", "train", "fine_tune")),
    fix=Safety.UNSAFE,
    ordered=False,
)
_SHOWN = 4
_LONG = 60


@RULE.check
def check(file: File) -> Iterator[Finding]:
    found = demands.demands(file)
    if not found or purpose.training(file) is None:
        return
    fixes, why = _fix(file, found)
    first, *others = found
    yield Finding(
        first.call,
        f"`{_short(file.text(first.call))}` asks for a GPU whatever machine this is, and nothing "
        f"tests whether there is one: without it the script ends with an error{why}",
        trail=tuple(Step(one.call, "this asks for a GPU as well") for one in others[:_SHOWN]),
        fixes=fixes,
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONG and "\n" not in text else "cuda"


def _fix(file: File, found: list[demands.Demand]) -> tuple[tuple[Fix, ...], str]:
    try:
        edits = _edits(file, found)
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    return (Fix("Use a GPU where there is one", edits, Safety.UNSAFE),), ""


def _edits(file: File, found: list[demands.Demand]) -> tuple[Edit, ...]:
    device = demands.named(file, found)
    if not demands.knows_torch(file, device.literal):
        raise Unfixable("`torch` is not known by this name where the device is named")
    text = f'{file.text(device.literal)} if torch.cuda.is_available() else "cpu"'
    edits = [rewrite.replace(file, device.literal, text)]
    for one in found:
        if one.literal is None:
            assert isinstance(one.call.func, tree.Attribute)
            moved = f"{file.text(one.call.func.value)}.to({device.name})"
            edits.append(rewrite.replace(file, one.call, moved))
    return rewrite.together(*edits)
