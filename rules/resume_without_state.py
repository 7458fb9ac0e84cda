"""A resumed run gets its weights back, and not the rest of its state.

## What it does
Finds loads that resume a run (an option, path or function says `resume`, or the first epoch is
read from the file) and after which the optimizer goes on with its steps, where the weights are
restored and the state of the optimizer, the schedule, the gradient scaler, or the number of the
epoch is not, although the script saves it; or where a script that resumes never saves the state of
an optimizer that keeps averages (Adam, SGD with momentum). It is silent where something that is not
known gets the whole file, for fine-tuning from given weights, and where a framework restores the
run.

## Why is this bad?
Adam's averages begin at zero, so that its first steps are of the wrong size; the schedule starts
again with its warmup or its highest rate; the epochs are counted from zero and all of them trained
once more. The loss jumps at each resume, and the run is another one than it would have been.

## Example
```python
import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--resume")
args = parser.parse_args()
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters())
start_epoch = 0
if args.resume:
    checkpoint = torch.load(args.resume, map_location="cpu")
    model.load_state_dict(checkpoint["model"])
    start_epoch = checkpoint["epoch"] + 1
for epoch in range(start_epoch, 10):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    torch.save(state, "last.pt")
```

## Use instead
```python
import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--resume")
args = parser.parse_args()
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters())
start_epoch = 0
if args.resume:
    checkpoint = torch.load(args.resume, map_location="cpu")
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    start_epoch = checkpoint["epoch"] + 1
for epoch in range(start_epoch, 10):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    torch.save(state, "last.pt")
```

## Fix safety
There is no fix. Where the optimizer is built behind the load, or holds other groups than the one
that was saved, its state cannot be restored by one more line.

## Since
0.1.0

## References
- PyTorch tutorials, "Saving and loading a general checkpoint in PyTorch"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    resuming,
    saved_entries,
)

RULE = Rule(
    "CKP005",
    "resume-without-state",
    Severity.WARNING,
    needs=all_of("torch.load", "load_state_dict", ".step", any_of("esum", "RESUM", "epoch")),
)
_EFFECTS = {
    saved_entries.OPTIMIZER: "the optimizer begins with empty averages",
    saved_entries.SCHEDULER: "the schedule begins anew",
    saved_entries.SCALER: "the loss scale begins anew",
    saved_entries.EPOCH: "the epochs are counted from the first one again",
}


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in resuming.resumes(file):
        trail = [Step(found.weights, "the weights are restored here")]
        if found.why is not None:
            trail.insert(0, Step(found.why, "this says that a run goes on"))
        if found.saved:
            keys = ", ".join(f"`{one.key}`" for one in found.saved)
            kinds = dict.fromkeys(one.kind for one in found.saved)
            effects = ", ".join(_EFFECTS[kind] for kind in kinds)
            told = f"This resume restores the weights and leaves {keys} behind, saved with them: "
            told += effects
            trail += [Step(one.node, "it is saved here") for one in found.saved[:3]]
            minor = found.lost is None and set(kinds) <= {saved_entries.SCALER}
            sure = Confidence.LOW if minor else Confidence.HIGH
        elif found.lost is not None:
            name = found.lost.name.rpartition(".")[2]
            told = (
                "This resume restores the weights and no state of the optimizer: "
                f"`{name}` begins with empty averages"
            )
            trail.append(Step(found.lost.call, "the optimizer is built here"))
            sure = Confidence.MEDIUM
        else:
            continue
        yield Finding(found.load, told, trail=tuple(trail), confidence=sure)
