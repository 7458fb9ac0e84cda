"""An evaluation pass records the graph for a backward that never comes.

## What it does
Finds loops that run a model in evaluation mode (or in a function, or over a loader, that is named
for evaluation) while gradients are recorded: no `torch.no_grad()`, `torch.inference_mode()` or
`torch.set_grad_enabled(False)` around them, as a decorator, or in the functions of the file that
call them. It is silent where gradients are wanted (attacks, saliency, input gradients), where the
model's own `forward` holds `no_grad`, where `model.freeze()` or `model.requires_grad_(False)` has
left nothing to record, for the steps of frameworks, which hold it themselves, in tests, where only
one batch is tried, and for helpers that hand the output to NumPy as it is, which no caller could do
with gradients. Of loops inside each other the outermost is reported.

## Why is this bad?
Every forward of layers that are not frozen keeps its activations until the outputs are gone.
Evaluation needs several times the memory that it has to, and runs out of it with a batch size that
training managed; a list of outputs keeps the graphs of all batches alive.

## Example
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))


def evaluate(loader):
    model.eval()
    total = 0.0
    for x, y in loader:
        total += nn.functional.mse_loss(model(x), y).item()
    return total / len(loader)


print(evaluate([(torch.ones(4, 8), torch.ones(4, 1))]))
```

## Use instead
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))


@torch.no_grad()
def evaluate(loader):
    model.eval()
    total = 0.0
    for x, y in loader:
        total += nn.functional.mse_loss(model(x), y).item()
    return total / len(loader)


print(evaluate([(torch.ones(4, 8), torch.ones(4, 1))]))
```

## Fix safety
The fix decorates the function with `@torch.no_grad()`, or puts the loop under
`with torch.no_grad():` where there is no function, or where the function also trains. There is none
where that would re-indent a string over several lines, where the loop gives way to other code (by
`yield` or `await`, which would then run without gradients, too), or where a caller differentiates
what the function returns. It is safe only where every layer of the model is known, none of them
attends (the fast path of `nn.TransformerEncoder` zeroes padded positions, and the kernels of
attention round differently), it is not compiled, and every call of the function is known and none
is in a training loop; else it is unsafe.

## Since
0.1.0

## References
- PyTorch documentation, Autograd mechanics, "Locally disabling gradient computation"
- PyTorch documentation, torch.nn.TransformerEncoder
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.api import (
    Confidence,
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
    contexts,
    evaluation,
    layers,
    models,
    provenance,
    recording,
    rewrite,
    tree,
)

_WORDS = ("eval", "val", "test", "infer", "predict", "score", "dev")
RULE = Rule(
    "LOP003",
    "eval-without-no-grad",
    Severity.WARNING,
    needs=all_of(
        any_of("torch", "transformers"),
        any_of("for", "while"),
        any_of(*(cased for word in _WORDS for cased in (word, word.title(), word.upper()))),
    ),
    here=any_of(*(cased for word in _WORDS for cased in (word, word.title(), word.upper()))),
    fix=Safety.SAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    reported: set[tree.Node] = set()
    for whole in evaluation.passes(file):
        found = recording.outside_no_grad(file, whole)
        recorded = recording.recorded(file, found) if found is not None else False
        if found is None or recorded is False or recording.needs_gradients(file, found):
            continue
        if not reported.isdisjoint(found.loop.ancestors()) or _is_a_try(file, found):
            continue
        if recorded is None and recording.needs_no_grad(file, found):
            continue
        function = found.function
        trained = recording.trained_on(file, function) if function is not None else []
        if function is not None and len(trained) == len(file.values.graph.callers(function)) > 0:
            continue
        run = found.runs[0]
        sure = recorded and found.switched is not None and run.known
        trail = [Step(run.call, "the model runs here and keeps what a backward would need")]
        if found.switched is not None:
            trail.append(Step(found.switched.call, "it is put in evaluation mode here"))
        fixes, why = _fix(file, found, trained)
        reported.add(found.loop)
        yield Finding(
            found.loop,
            f"This evaluation pass runs `{file.text(run.model)}` with gradients switched on: each "
            f"forward records {_held(file, run)}{why}",
            trail=tuple(trail),
            fixes=fixes,
            confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
        )


@RULE.verify
def held(file: File) -> Iterator[Finding]:
    for whole in evaluation.passes(file):
        if all(contexts.under_no_grad(file, run.call) is True for run in whole.runs):
            yield Finding(whole.loop, "this evaluation pass runs under no_grad")


def _is_a_try(file: File, found: evaluation.EvaluationPass) -> bool:
    """True for what tests the code, not the model: in a test, or one batch that is looked at."""
    loop = found.loop
    body = [] if isinstance(loop, tree.Comprehension) else loop.body
    if found.switched is None and any(isinstance(statement, tree.Break) for statement in body):
        return True
    return provenance.is_tested(file, loop)


def _held(file: File, run: models.Forward) -> str:
    """What a forward keeps: of layers that may be frozen, in this file or elsewhere, less."""
    graph = "a graph that nothing uses"
    if run.known and not any(recording.freezes_parts(one) for one in _homes(file, run)):
        return f"{graph} and holds its activations as long as the outputs are there"
    return f"{graph} of all layers that are not frozen, and holds what a backward would need"


def _homes(file: File, run: models.Forward) -> set[File]:
    """The file of a run, and those of the classes of its model."""
    classes = [getattr(value, "cls", None) for value in file.values.of(run.model)]
    return {file, *(file.home(cls) for cls in classes if isinstance(cls, tree.ClassDef))}


def _fix(
    file: File, found: evaluation.EvaluationPass, trained: Sequence[tree.Call]
) -> tuple[tuple[Fix, ...], str]:
    try:
        if trained:
            line = file.line(trained[0])
            raise Unfixable(f"line {line} trains on what the function returns")
        title, edits = _edits(file, found)
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    doubt = _doubt(file, found)
    safety = Safety.SAFE if not doubt else Safety.UNSAFE
    return (Fix(title, edits, safety, doubt),), ""


def _edits(file: File, found: evaluation.EvaluationPass) -> tuple[str, tuple[Edit, ...]]:
    function = found.function
    if function is None or not recording.is_only_evaluation(file, function):
        if recording.gives_way(found.loop):
            raise Unfixable("other code runs in the middle of the loop")
        imports, text = rewrite.add_import(file, "torch", "no_grad", at=found.loop)
        statement = tree.statement_of(found.loop)  # of a comprehension, the one that holds it
        if isinstance(statement, tree.Module):
            raise Unfixable("the pass is no statement")
        wrapped = rewrite.wrap_in_with(file, [statement], f"with {text}():")
        return "Run the loop under `torch.no_grad()`", rewrite.together(imports, wrapped)
    imports, text = rewrite.add_import(file, "torch", "no_grad", at=function)
    decorated = rewrite.add_decorator(file, function, f"{text}()")
    title = f"Decorate `{function.name}` with `torch.no_grad()`"
    return title, rewrite.together(imports, decorated)


def _doubt(file: File, found: evaluation.EvaluationPass) -> str:
    """Why the values could change; empty where they cannot."""
    for run in found.runs:
        name = file.text(run.model)
        attends = layers.attends(file, run.model)
        if attends is None:
            return f"not every layer of `{name}` is known"
        if attends:
            return f"`{name}` holds attention, whose kernels differ without gradients"
    if file.calls_to("torch.compile"):
        return "a compiled model is compiled anew without gradients"
    function = found.function
    if function is not None and recording.is_only_evaluation(file, function):
        return recording.other_use(file, function)
    return ""
