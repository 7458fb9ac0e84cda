"""A BCE loss on probabilities is evaluated inside an autocast region.

## What it does
Finds `nn.BCELoss` and `F.binary_cross_entropy` evaluated where autocast for CUDA or XPU is (or can
be) switched on: in a `with` block, under a decorator, in a function or a model's `forward` that is
called from one, or in the steps of a framework whose mixed precision is switched on.

## Why is this bad?
PyTorch refuses `binary_cross_entropy` under autocast on CUDA and XPU and raises a RuntimeError at
the first batch. The type of the input does not matter, so `.float()` does not help. In half
precision the logarithm of a probability near 0 or 1 has lost most of its digits anyway.

## Example
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid()).cuda()
criterion = nn.BCELoss()


def step(x, y):
    with torch.autocast("cuda"):
        return criterion(model(x), y)
```

## Use instead
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 1), nn.Identity()).cuda()
criterion = nn.BCEWithLogitsLoss()


def step(x, y):
    with torch.autocast("cuda"):
        return criterion(model(x), y)
```

## Fix safety
The first fix changes the criterion to its logits form, takes the sigmoid away at its source
(`nn.Identity()` in its place, so that indices and state-dict keys stay) and puts `torch.sigmoid`
around every other read of the output. It needs: every input of this criterion is a sigmoid; only
shapes, types and clamps stand between the two (a clamp goes too); no other loss is computed from
the output; every read can be followed. It is safe where the region is for CUDA or XPU and always
on, unsafe where it can be off, and only shown where the model is saved whole or exported, where the
output is changed in place, and where a user of the output, the model or the criterion is not known
(a hook, a container, a mock). The files that it changes are changed together or not at all.

The second fix evaluates the loss with autocast switched off, on float32 values. It is safe, needs a
statement that only evaluates the loss, and ends the crash but not the loss of precision.

## Since
0.1.0

## References
- PyTorch documentation, Automatic Mixed Precision package, "Prefer binary_cross_entropy_with_logits
  over binary_cross_entropy"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

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
    any_of,
    contexts,
    losses,
    rewrite,
    tensors,
    tree,
)

RULE = Rule(
    "AMP001",
    "bce-under-autocast",
    Severity.ERROR,
    needs=all_of(
        any_of("BCELoss", "binary_cross_entropy"),
        any_of("autocast", "precision", "fp16", "bf16"),
    ),
    here=losses.WORDS,
    fix=Safety.SAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    evaluations = losses.loss_evaluations(file, losses.BCE)
    regions = {e.call: _regions(file, e) for e in evaluations}
    for evaluation in evaluations:
        banned = regions[evaluation.call]
        if not banned:
            continue
        region = banned[0]
        family = rewrite.entangled(file, evaluation, evaluations)
        certain = all(_always_on(file, regions[e.call]) for e in family)
        yield Finding(
            evaluation.call,
            _message(file, evaluation, region),
            trail=_trail(file, evaluation, region),
            fixes=tuple(_fixes(file, evaluation, family, certain, regions)),
            confidence=Confidence.HIGH if evaluation.certain else Confidence.MEDIUM,
        )


def _regions(file: File, evaluation: losses.LossEvaluation) -> list[contexts.Entered]:
    """The regions around an evaluation that are not for the CPU and not switched off."""
    found = contexts.entered(file, evaluation.call, contexts.is_autocast)
    regions = [region for region in found if region is not None]
    if not regions:
        regions = contexts.framework_autocast(file, evaluation.call)
    return [
        region
        for region in regions
        if contexts.autocast_enabled(file, region, evaluation.frame) is not False
        and contexts.autocast_device(file, region) != "cpu"
    ]


def _always_on(file: File, regions: Sequence[contexts.Entered]) -> bool:
    return bool(regions) and all(
        contexts.autocast_enabled(file, region) is True
        and contexts.autocast_device(file, region) in {"cuda", "xpu"}
        for region in regions
    )


def _message(file: File, evaluation: losses.LossEvaluation, region: contexts.Entered) -> str:
    loss = evaluation.name.rpartition(".")[2]
    device = contexts.autocast_device(file, region)
    where = "CUDA and XPU" if device is None else device.upper()
    when = "" if contexts.autocast_enabled(file, region) else ", whenever it is switched on"
    kind, then = ("is", "PyTorch") if evaluation.certain else ("can be", "PyTorch then")
    return (
        f"`{file.text(evaluation.call.func)}` {kind} `{loss}` and is evaluated under "
        f"autocast{when}: on {where} {then} raises a RuntimeError here (binary_cross_entropy is "
        f"unsafe to autocast), for float32 inputs too"
    )


def _trail(
    file: File, evaluation: losses.LossEvaluation, region: contexts.Entered
) -> tuple[Step, ...]:
    steps = []
    for origin in tensors.origins(file.values, evaluation.input)[:1]:
        if origin.kind == tensors.SIGMOID:
            steps.append(Step(origin.node, "the sigmoid is applied here"))
            steps.extend(_returns(origin.trail))
    if evaluation.criterion is not None:
        steps.append(Step(evaluation.criterion.call, "the criterion is built here"))
    steps.extend(region.steps)
    steps.append(Step(region.expr, "autocast is entered here"))
    return tuple(dict.fromkeys(steps))


def _returns(trail: Sequence[Step]) -> list[Step]:
    return [step for step in trail if isinstance(step.node, tree.Return)]


def _fixes(
    file: File,
    evaluation: losses.LossEvaluation,
    family: Sequence[losses.LossEvaluation],
    certain: bool,
    regions: dict[tree.Call, list[contexts.Entered]],
) -> Iterator[Fix]:
    try:
        move = rewrite.move_activation(file, family, tensors.SIGMOID)
        converted = rewrite.to_logits_form(file, family)
        edits = rewrite.together(move.edits, converted.edits)
    except Unfixable:
        pass
    else:
        safety = Safety.SAFE if certain else Safety.UNSAFE
        doubts = move.doubts + converted.doubts
        if doubts:
            safety = Safety.SHOWN
        yield Fix(
            "Compute the loss from logits, and the sigmoid where the output is read",
            edits,
            safety,
            "; ".join(doubts),
        )
    with suppress(Unfixable):
        yield _outside(file, evaluation, regions[evaluation.call])


def _outside(
    file: File, evaluation: losses.LossEvaluation, regions: Sequence[contexts.Entered]
) -> Fix:
    """The loss alone with autocast switched off."""
    statement = tree.statement_of(evaluation.call)
    if not isinstance(statement, tree.Assign | tree.Return | tree.ExprStmt | tree.AugAssign):
        raise Unfixable("the loss is evaluated in the header of a block")
    given = [arg.value for arg in evaluation.call.args]
    for node in statement.walk():
        if isinstance(node, tree.BinOp) and node.op == "@":
            raise Unfixable("a matrix product in the statement needs autocast for its types")
        if isinstance(node, tree.Call) and node is not evaluation.call:
            inside = any(node in value.walk() for value in given)
            if not inside or not _moves_only(node):
                raise Unfixable("the statement computes more than the loss")
    devices = {contexts.autocast_device(file, region) for region in regions}
    device = devices.pop() if len(devices) == 1 else None
    if device is not None:
        text = f'"{device}"'
    elif isinstance(evaluation.input, tree.Name | tree.Attribute):
        text = f"{file.text(evaluation.input)}.device.type"
    else:
        raise Unfixable("the device is not known here")
    imports, autocast = rewrite.add_import(file, "torch", "autocast", at=evaluation.call)
    header = f"with {autocast}(device_type={text}, enabled=False):"
    edits = [imports, rewrite.wrap_in_with(file, [statement], header)]
    for value in (evaluation.input, evaluation.target):
        if value is not None and not _is_float(value):
            edits.append(rewrite.wrap(file, value, "", ".float()"))
    return Fix(
        "Evaluate the loss with autocast switched off (its precision near 0 and 1 stays poor)",
        rewrite.together(*edits),
        Safety.SAFE,
    )


def _is_float(value: tree.Expr) -> bool:
    func = value.func if isinstance(value, tree.Call) else None
    return isinstance(func, tree.Attribute) and func.attr == "float"


def _moves_only(call: tree.Call) -> bool:
    func = call.func
    return isinstance(func, tree.Attribute) and func.attr in tensors.SHAPE | tensors.CAST
