"""`torch.load` puts every tensor back on the device that it was saved from.

## What it does
Finds calls of `torch.load` with no `map_location`, neither by keyword nor in the second position,
where the states of models or optimizers are read by a program that may run without the device of
the run that saved them: it chooses its device by what there is or by a setting, runs one process on
each device, or never asks for a GPU in a project whose other programs save states and use one. With
`--pedantic` also where less is known: only names tell that the file holds weights, or the device is
that of whoever calls a helper.

Nothing is said of
- projects that name no device anywhere, and programs that cannot do without a GPU (by a move to it,
  a test that ends the run where there is none, or a Lightning trainer with a fixed number of GPUs,
  in the file or on all ways to the load), move nothing but detached copies to their device, or save
  states themselves and move everything to the CPU;
- files of data, published weights, and what nothing in the project saves: states of optimizers
  where only others are saved, and weights that are trained on where none are;
- weights that the same run has trained or saved before, in this file or in another one, and tests;
- files that are only written where everything is moved to the CPU, or that a run without a GPU
  keeps beside those of runs with one;
- loads under `if use_cuda:` or beside one with a `map_location` for the other case, those with a
  `map_location` that the caller hands in, those in a branch that each call of their function, or an
  empty list of options, leaves out, and those in functions that an application has no use for.

## Why is this bad?
A file that was written on a GPU cannot be read on a machine without one (RuntimeError:
"Attempting to deserialize object on a CUDA device"), nor on one with fewer GPUs. In a distributed
run every process loads its copy onto the GPU that saved it, which then runs out of memory.

## Example
```python
import torch

device = "cuda" if torch.cuda.is_available() else "cpu"
model = torch.nn.Linear(4, 2).to(device)
model.load_state_dict(torch.load("best.pt"))
```

## Use instead
```python
import torch

device = "cuda" if torch.cuda.is_available() else "cpu"
model = torch.nn.Linear(4, 2).to(device)
model.load_state_dict(torch.load("best.pt", map_location="cpu"))
```

## Fix safety
The fix adds `map_location="cpu"`. It is safe where all that is loaded goes into `load_state_dict`
of models and optimizers, which copy it to the device of their own tensors; a renaming of its keys
may stand between. It is unsafe where anything else reads it (features, whole models, an epoch or a
score beside the weights), where `assign=True` or a `load_state_dict` of the project's own keeps the
tensors as they are: they are then on the CPU. There is no fix where states of random-number
generators are in the file, where arguments hide behind `*` or `**`, and none is needed (and nothing
is reported) where what is read goes to NumPy at once, where FSDP hands out states on the CPU, where
the same run has saved the file before (by `torch.save`, or by the fit of a Lightning trainer with a
`ModelCheckpoint`), or where a default device is set.

## Since
0.1.0

## References
- PyTorch documentation of `torch.load`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
    checkpoints,
    placement,
    rewrite,
    tree,
    written,
)

RULE = Rule(
    "CKP001",
    "load-without-map-location",
    Severity.WARNING,
    needs=all_of("torch", "load"),
    here=all_of("torch", "load"),
    fix=Safety.SAFE,
)
_OPTIMIZER = re.compile(r"optim", re.I)
_DEFAULT_DEVICE = frozenset({"torch.set_default_device", "torch.set_default_tensor_type"})


@RULE.check
def check(file: File) -> Iterator[Finding]:
    loads = [call for call in file.calls_to("torch.load") if not _has_location(file, call)]
    if not loads or _is_settled(file):
        return
    for call in loads:
        if _under_device(file, call) or written.saved_before(file, call) is not None:
            continue
        restored = checkpoints.restored(file, call)
        chance = placement.chance(file, call, restored)
        if chance is placement.Chance.NONE:
            continue
        fixes, why = _fixes(file, call, restored)
        yield Finding(
            call,
            f"`{file.text(call.func)}` without `map_location` puts every tensor back on the device "
            "it was saved from: a file written on a GPU cannot be loaded on a machine without that "
            f"GPU{why}",
            trail=tuple(Step(expr, "what is loaded is used here") for expr in restored.others[:3]),
            fixes=fixes,
            confidence=Confidence.HIGH if chance is placement.Chance.LIKELY else Confidence.LOW,
        )


@RULE.verify
def placed(file: File) -> Iterator[Finding]:
    for call in file.calls_to("torch.load"):
        given = call.arg(1, "map_location")
        if given is not None and file.values.literal(given) is not None:
            yield Finding(call, f"the weights are loaded to `{file.text(given)}`")


def _has_location(file: File, call: tree.Call) -> bool:
    if call.has_star or not call.args:
        return True
    given = call.arg(1, "map_location")
    if given is None:
        return False
    return file.values.literal(given) is not None or _is_handed_in(file, given)


def _is_handed_in(file: File, expr: tree.Expr) -> bool:
    """True for a parameter: where to, its callers say."""
    bindings = file.values.definitions(expr)[0] if isinstance(expr, tree.Name) else []
    return bool(bindings) and all(isinstance(one.node, tree.Param) for one in bindings)


def _is_settled(file: File) -> bool:
    """True where a default device is set, or `torch.load` itself is replaced."""
    if file.calls_to(_DEFAULT_DEVICE.__contains__):
        return True
    return any(
        file.names.qualified(target) == "torch.load"
        for assign in file.all(tree.Assign)
        for target in assign.targets
    )


def _under_device(file: File, call: tree.Call) -> bool:
    """True inside `with torch.device(...)`."""
    contexts = [
        item.context
        for above in call.ancestors()
        if isinstance(above, tree.With)
        for item in above.items
    ]
    return any(
        isinstance(context, tree.Call) and file.names.qualified(context.func) == "torch.device"
        for context in contexts
    )


def _fixes(
    file: File, call: tree.Call, restored: checkpoints.Restored
) -> tuple[tuple[Fix, ...], str]:
    if restored.random is not None:
        return (), (
            "; no fix: the file also holds the state of a random-number generator, which must stay "
            "where it was"
        )
    try:
        edits = rewrite.set_argument(file, call, "map_location", '"cpu"', 1)
    except Unfixable as error:
        return (), f"; no fix: {error.reason}"
    title = 'Load to the CPU (`map_location="cpu"`)'
    if restored.states and not restored.others:
        return (Fix(title, edits, Safety.SAFE),), ""
    note = "what is loaded is used directly, and will be on the CPU"
    if any(_OPTIMIZER.search(file.text(other)) for other in restored.others):
        note = "a whole optimizer would keep its state on the CPU while the model moves on"
        return (Fix(title, edits, Safety.SHOWN, note),), ""
    return (Fix(title, edits, Safety.UNSAFE, note),), ""
