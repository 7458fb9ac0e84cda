"""`torch.load` runs whatever code its file holds.

## What it does
Finds calls of `torch.load` with `weights_only=False` (written out, in a dict that is spread by
`**`, or bound by `functools.partial`), and those without the argument where the target is a torch
below 2.6, whose default is the same, or where `pickle`, `dill` or `cloudpickle` is given as the
`pickle_module`, with which it is the default of every release. With `--pedantic` also where more
than states is loaded (data sets, whole models), which cannot be read otherwise, and where no call
and no setting of the project lets a run get to the load. It is silent where the same run has saved
the file before, or trained what takes the states, where the function that loads the file saves
plain states to it, for a cache that is made and saved where it is missing, and for a second try
after a load of plain weights has failed.

## Why is this bad?
A full load unpickles: a file can name any function and have it called with any arguments, before a
line of the script sees what it holds. Checkpoints travel between people and come from hubs; one
that was exchanged takes over the account that loads it. `weights_only=True` builds tensors and
plain containers, and nothing else.

## Example
```python
import torch

model = torch.nn.Linear(4, 2)
model.load_state_dict(torch.load("best.pt", map_location="cpu", weights_only=False))
```

## Use instead
```python
import torch

model = torch.nn.Linear(4, 2)
model.load_state_dict(torch.load("best.pt", map_location="cpu", weights_only=True))
```

## Fix safety
The fix sets `weights_only=True`. It is unsafe, since a file of another origin may hold more than
the saves that trainlint sees. It is only shown where not every save of the project that writes the
file is seen to save states, numbers, texts and containers of them alone, or none is seen at all.
There is none where such a save holds what the loader of plain weights refuses (CKP003 mends that),
where a `pickle_module` is given, where arguments hide behind `*` or `**`, or where the target goes
below torch 1.13, which does not know the argument.

## Since
0.1.0

## References
- PyTorch documentation of `torch.load`
- PyTorch documentation, Serialization semantics, "torch.load with weights_only=True"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
    is_dead,
    plain_saves,
    provenance,
    references,
    rewrite,
    skipped,
    spread,
    tree,
    written,
)

RULE = Rule(
    "CKP002",
    "unsafe-torch-load",
    Severity.WARNING,
    needs=all_of("torch", "load"),
    here=all_of("torch", "load"),
    fix=Safety.UNSAFE,
)
_SINCE = (2, 6)  # the default of weights_only is True from here on
_PICKLES = frozenset({"pickle", "dill", "cloudpickle"})
_FIRST = (1, 13)  # weights_only can be given from here on


@RULE.check
def check(file: File) -> Iterator[Finding]:
    old = file.target("torch").known and file.target("torch").wholly_below(_SINCE)
    for load in file.calls_to("torch.load"):
        shared = spread.arguments(file, load)
        given = _given(load, shared or {})
        if given is None and (not (old or _is_pickled(file, load)) or shared is None):
            continue
        if given is None or file.values.literal(given) is False:
            yield from _finding(file, load, [load], given)
    for bound in file.calls_to("functools.partial"):
        if not bound.args or file.names.qualified(bound.args[0].value) != "torch.load":
            continue
        given = _given(bound, spread.arguments(file, bound) or {})
        if given is not None and file.values.literal(given) is False:
            loads = references.calls_of(file, bound)
            own = [one for one in loads or () if _given(one, {}) is None]
            if loads is None or own:
                yield from _finding(file, bound, own, given)


def _given(call: tree.Call, shared: Mapping[str, tree.Expr]) -> tree.Expr | None:
    given = call.arg(None, "weights_only")
    return given if given is not None else shared.get("weights_only")


def _is_own(file: File, load: tree.Call) -> bool:
    """True where a load does not run, gets what the run has saved, or is a second try."""
    if is_dead(load) or written.saved_before(file, load) is not None:
        return True
    if provenance.is_kept_here(file, load) or provenance.is_cache(file, load):
        return True
    if any(True for _ in plain_saves.second_tries(file, load)):
        return True
    restored = checkpoints.restored(file, load)
    return (
        bool(restored.states)
        and not plain_saves.writers(file, load)  # whose paths have told that it is another file
        and provenance.is_of_this_run(file, load, restored)
    )


def _finding(
    file: File, call: tree.Call, loads: list[tree.Call], given: tree.Expr | None
) -> Iterator[Finding]:
    """The finding at a call that loads, or at the ``partial`` through which the others do."""
    foreign = [load for load in loads if not _is_own(file, load)]
    if (loads and not foreign) or is_dead(call):
        return
    states = [one for load in foreign for one in checkpoints.restored(file, load).states]
    pickled = _is_pickled(file, call)
    what = f"`{file.text(call.func)}` {_how(file, call, given, pickled)}"
    if call not in loads:
        what = "`torch.load`, to which `weights_only=False` is bound here,"
    writers = [one for load in foreign for one in plain_saves.writers(file, load) if states]
    refused = [one for writer in writers for one in writer.refused]
    fixes, why = _fixes(file, call, writers, bool(states))
    trail = [Step(restored, "the states in it are restored here") for restored in states[:2]]
    trail += [Step(one.item, f"{one.what} is saved here") for one in refused[:2]]
    runs = any(not skipped.is_skipped(file, load) for load in foreign)
    yield Finding(
        call,
        f"{what} runs any code that the file holds, as soon as it is loaded{why}",
        trail=tuple(trail),
        fixes=fixes,
        confidence=Confidence.HIGH if states and runs else Confidence.LOW,
        target=None if given is not None or pickled else "torch < 2.6",
    )


def _is_pickled(file: File, load: tree.Call) -> bool:
    """True where a module is given that builds whatever the file names: it needs a full load."""
    given = load.arg(2, "pickle_module")
    return given is not None and file.names.qualified(given) in _PICKLES


def _how(file: File, load: tree.Call, given: tree.Expr | None, pickled: bool) -> str:
    if given is not None:
        return "with `weights_only=False`"
    if pickled:
        module = load.arg(2, "pickle_module")
        assert module is not None
        return f"by `{file.text(module)}`, with which `weights_only` is off in every release,"
    return "without `weights_only`, before torch 2.6,"


def _fixes(
    file: File, load: tree.Call, writers: list[plain_saves.Written], states: bool
) -> tuple[tuple[Fix, ...], str]:
    refused = next((one for writer in writers for one in writer.refused), None)
    try:
        if not states:
            raise Unfixable("it may hold more than states")
        if load.arg(2, "pickle_module") is not None or load.has_star:
            raise Unfixable("how it is unpickled is given elsewhere")
        if refused is not None:
            raise Unfixable(f"{refused.what} is saved with them, which only a full load builds")
        if file.target("torch").known and not file.target("torch").wholly_from(_FIRST):
            raise Unfixable("the target goes below torch 1.13, which has no `weights_only`")
        edits = rewrite.set_argument(file, load, "weights_only", "True")
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    title = "Load plain weights (`weights_only=True`)"
    if writers and all(writer.plain for writer in writers):
        return (Fix(title, edits, Safety.UNSAFE, "a file of another origin may hold more"),), ""
    note = "nothing shows that all that is saved is plain"
    return (Fix(title, edits, Safety.SHOWN, note),), ""
