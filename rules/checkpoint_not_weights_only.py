"""A checkpoint holds what `torch.load` refuses to build since torch 2.6.

## What it does
Finds calls of `torch.save` whose contents are not on the list of plain weights (NumPy scalars and
arrays, the state of NumPy's generator, `argparse.Namespace`, `Path`, `defaultdict`, `datetime`,
whole models, objects of own classes) where the file is read again by a `torch.load` with
`weights_only=True`, or with no `weights_only`, which is the same since torch 2.6. The load is found
by the path, or by two or more keys that it reads. It is silent where `add_safe_globals` or
`safe_globals` stands in the file, where every load says `weights_only=False` or gives a
`pickle_module`, and where the project's torch is older. The confidence is low where every such load
stands behind a setting or a parameter that the project sets to False wherever it sets it, or in a
module that asks a package of the project for another one that is not there. Of several loads, one
that a run gets to is named before one in a module that nothing imports and that is no script.

Also finds such loads of a file that nobody here is seen to save, where what they give is used as a
model itself (`model = torch.load(path)`, `model.eval()`) and nothing asks what it is, takes an item
of it, or hands it to a `load_state_dict`; or where an item of it is so used
(`model = torch.load(path)["model"]`).

## Why is this bad?
The load raises an `UnpicklingError`. Mostly that happens when the training is over and its best
checkpoint is to be evaluated, or when a run that was interrupted is to go on.

## Example
```python
import numpy as np
import torch

model = torch.nn.Linear(4, 2)
losses = [0.5, 0.25]
torch.save({"model": model.state_dict(), "loss": np.mean(losses)}, "best.pt")
best = torch.load("best.pt", map_location="cpu")
model.load_state_dict(best["model"])
```

## Use instead
```python
import numpy as np
import torch

model = torch.nn.Linear(4, 2)
losses = [0.5, 0.25]
torch.save({"model": model.state_dict(), "loss": float(np.mean(losses))}, "best.pt")
best = torch.load("best.pt", map_location="cpu")
model.load_state_dict(best["model"])
```

## Fix safety
The fix saves `float(...)` of a NumPy scalar. It is unsafe: who reads the file gets a number of
Python instead. `vars(...)` of a namespace and `str(...)` of a path are only shown, since readers in
other files may want the object. Files that are on disk already still need
`torch.serialization.add_safe_globals`, or one load with `weights_only=False`. There is no fix

- for what has no plain form (arrays, models, objects);
- where the saved value can also be something that is not a number;
- where the scalar may be an integer;
- where this file reads the item as the object that it is;
- where the name `float`, `vars` or `str` means something else.

## Since
0.1.0

## References
- PyTorch documentation of `torch.load` and of `torch.serialization.add_safe_globals`
- PyTorch 2.6 release notes, "Flip default of torch.load to weights_only=True"
"""

from __future__ import annotations

import re
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
    allowlist,
    any_of,
    counting,
    guards,
    is_dead,
    placement,
    readback,
    rewrite,
    skipped,
    tree,
    uses,
    whole_models,
)

RULE = Rule(
    "CKP003",
    "checkpoint-not-weights-only",
    Severity.ERROR,
    needs=all_of("torch", any_of("save", "load")),
    here=all_of("torch", any_of("save", "load")),
    fix=Safety.UNSAFE,
)
_SINCE = (2, 6)  # the default of weights_only is True from here on
_FIRST = (1, 13)  # weights_only can be given from here on
_ALLOWS = ("safe_globals", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
_ALLOWING = ("add_safe_globals", "safe_globals")
_SETS_LOAD = re.compile(r"\.load\s*=")
_MAX_NAMED = 4
_CALLS = {allowlist.SCALAR: "float", allowlist.NAMESPACE: "vars", allowlist.PATH: "str"}


@RULE.check
def check(file: File) -> Iterator[Finding]:
    if _is_allowed(file):
        return
    for save in file.calls_to("torch.save"):
        saved = save.arg(0, "obj")
        if saved is None or save.has_star or is_dead(save) or counting.is_past_the_end(file, save):
            continue
        items = allowlist.refused(file, saved)
        found = readback.readbacks(file, save) if items else ()
        readers = [reader for reader in found if _is_strict(file, reader.load)]
        readers.sort(
            key=lambda reader: (
                _is_idle(file, reader.load),
                reader.by != "path",
                not _knows(file, reader.load, items),
            )
        )
        if readers:
            yield _finding(file, save, readers, items)


@RULE.check
def check_models(file: File) -> Iterator[Finding]:
    if _is_allowed(file) or any(len(file.view.holding([word], file)) > 1 for word in _ALLOWING):
        return
    for load in file.calls_to("torch.load"):
        if not _is_strict(file, load):
            continue
        whole = whole_models.use_as_model(file, load)
        method = whole or whole_models.item_as_model(file, load)
        if method is not None and not _is_told_of(file, load):
            yield _of_model(file, load, method, "is" if whole else "holds")


def _is_allowed(file: File) -> bool:
    """True where a file lets its loads build more than plain weights."""
    return any(word in file.source.text for word in _ALLOWS) or _is_replaced(file)


def _is_replaced(file: File) -> bool:
    """True where `torch.load` itself is given another default."""
    return _SETS_LOAD.search(file.source.text) is not None and any(
        file.names.qualified(target) == "torch.load"
        for assign in file.all(tree.Assign)
        for target in assign.targets
        if isinstance(target, tree.Attribute) and target.attr == "load"
    )


def _is_strict(file: File, load: tree.Call) -> bool:
    """True for a load that builds plain weights only, on some release of the target."""
    if _is_allowed(file.home(load)):
        return False
    if load.has_star or is_dead(load) or load.arg(2, "pickle_module") is not None:
        return False
    if _has_second_try(file, load):
        return False
    given = load.arg(None, "weights_only")
    known = file.values.literal(given) if given is not None else None
    if known is True:
        return not file.target("torch").wholly_below(_FIRST)
    return known is None and not file.target("torch").wholly_below(_SINCE)


def _is_idle(file: File, load: tree.Call) -> bool:
    """True for a load that no run of the project gets to, as far as it shows."""
    return skipped.is_skipped(file, load) or readback.is_out_of_reach(file, load)


def _is_told_of(file: File, load: tree.Call) -> bool:
    """True where the save of what a load reads is seen, and what it saves: that is told there."""
    return any(
        reader.load is load
        for other in file.view.holding(["torch", "save"], file)
        for save in other.calls_to("torch.save")
        if (saved := save.arg(0, "obj")) is not None
        and (allowlist.refused(other, saved) or not isinstance(saved, tree.Name | tree.Attribute))
        for reader in readback.readbacks(other, save)
    )


def _knows(file: File, load: tree.Call, items: Sequence[allowlist.Refused]) -> bool:
    """True where the file of a load has a word for the class of an object that is saved."""
    text = file.home(load).source.text
    made = [tree.word_of(item.value.func) for item in items if isinstance(item.value, tree.Call)]
    return any(name and re.search(rf"\b{re.escape(name)}\b", text) for name in made)


def _has_second_try(file: File, load: tree.Call) -> bool:
    """True for one of two loads, of which the second one is tried where the first one fails."""
    below: tree.Node = load
    for above in load.ancestors():
        if isinstance(above, tree.Try):
            tried = any(below is statement for statement in above.body)
            other: list[tree.Handler] | list[tree.Stmt] = above.handlers if tried else above.body
            if any(placement.is_load(file, node) for part in other for node in part.walk()):
                return True
        if isinstance(above, tree.FunctionDef):
            return False
        below = above
    return False


def _finding(
    file: File,
    save: tree.Call,
    readers: Sequence[readback.Readback],
    items: Sequence[allowlist.Refused],
) -> Finding:
    reader = readers[0]
    line = rewrite.place_of(file, reader.load)
    given = reader.load.arg(None, "weights_only")
    asked = given is not None and file.values.literal(given) is True
    how = "`weights_only=True`" if asked else "`weights_only=True`, the default since torch 2.6"
    fixes, why = _fixes(file, readers, items)
    steps = [
        Step(item.value, f"{_name(file, item)} {_verb(item)} {item.what} from here")
        for item in items
    ]
    shared = "by its path" if reader.by == "path" else "by the keys that it reads"
    behind = Step(reader.load, f"this load reads the file again ({shared})")
    versions = {item.until for item in items}
    confidence = Confidence.MEDIUM
    if skipped.is_skipped(file, reader.load) or file.view.lacks_a_module(file.home(reader.load)):
        confidence = Confidence.LOW
    elif reader.by == "path" and None in versions:
        confidence = Confidence.HIGH
    return Finding(
        save,
        f"{_listed(file, items)}: {line} loads this file with {how}, and raises an "
        f"UnpicklingError there. Files that exist already need "
        f"`torch.serialization.add_safe_globals` once, or `weights_only=False`{why}",
        trail=(behind, *steps[:_MAX_NAMED]),
        fixes=fixes,
        confidence=confidence,
        target=None if asked else "torch >= 2.6",
    )


def _of_model(file: File, load: tree.Call, method: tree.Attribute, verb: str) -> Finding:
    given, used = load.arg(None, "weights_only"), rewrite.place_of(file, method)
    how = "`weights_only=True`" if given else "`weights_only=True`, the default since torch 2.6,"
    certain = tree.enclosing(load, tree.Try) is None and not any(guards.guards(load))
    confidence = Confidence.HIGH if certain else Confidence.MEDIUM
    return Finding(
        load,
        f"What is loaded {verb} a whole model: `.{method.attr}()` of it is called in {used}. With "
        f"{how} this load refuses its class and raises an UnpicklingError. Save and load its state "
        f"dict, or give `weights_only=False` for a file that you trust",
        trail=(Step(method, "it is used as a model here"),),
        confidence=Confidence.LOW if _is_idle(file, load) else confidence,
        target=None if given else "torch >= 2.6",
    )


def _listed(file: File, items: Sequence[allowlist.Refused]) -> str:
    alike: dict[tuple[str, str], list[str]] = {}
    for item in items[:_MAX_NAMED]:
        what = f"{item.what}{_until(item.until)}"
        alike.setdefault((_verb(item), what), []).append(_name(file, item))
    named = [
        f"{names[0]} {verb} {what}"
        if len(names) == 1
        else f"each of {', '.join(names)} {verb} {what}"
        for (verb, what), names in alike.items()
    ]
    more = len(items) - _MAX_NAMED
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "")


def _verb(item: allowlist.Refused) -> str:
    return "holds" if item.nested else "is"


def _until(release: tuple[int, ...] | None) -> str:
    if release is None:
        return ""
    return f" before scikit-learn {'.'.join(map(str, release))}"


def _name(file: File, item: allowlist.Refused) -> str:
    if item.key is not None:
        return f"`{item.key}`"
    text = file.text(item.item)
    return "what is saved" if "\n" in text or len(text) > 40 else f"`{text}`"


# The fix


def _fixes(
    file: File, readers: Sequence[readback.Readback], items: Sequence[allowlist.Refused]
) -> tuple[tuple[Fix, ...], str]:
    try:
        edits = [_plain(file, readers, item) for item in items]
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    shown = any(item.kind != allowlist.SCALAR for item in items)
    note = (
        "readers of this file elsewhere must take the plain form, too"
        if shown
        else "who reads the file gets a Python float"
    )
    safety = Safety.SHOWN if shown else Safety.UNSAFE
    fix = Fix("Save plain values", rewrite.together(*edits), safety, note)
    return (fix,), ""


def _plain(
    file: File, readers: Sequence[readback.Readback], item: allowlist.Refused
) -> tuple[Edit, ...]:
    name = _name(file, item)
    call = _CALLS.get(item.kind)
    if call is None or item.nested:
        raise Unfixable(f"{name} has no plain form that its readers could take as it is")
    if file.names.find(call, item.item) is not None:
        raise Unfixable(f"the name `{call}` means something else here")
    wanted = {"number", item.kind} if item.kind == allowlist.SCALAR else {item.kind}
    if not allowlist.kinds(file, item.item) <= wanted:
        raise Unfixable(f"{name} can be something else, too")
    reader = next(_readers_as_is(file, readers, item), None)
    if reader is not None:
        line = rewrite.place_of(file, reader)
        raise Unfixable(f"{line} reads {name} as the object that it is")
    return rewrite.wrap(file, item.item, f"{call}(", ")")


def _readers_as_is(
    file: File, readers: Sequence[readback.Readback], item: allowlist.Refused
) -> Iterator[tree.Node]:
    """The places that take an item from the file and would not know its plain form."""
    for found in readers:
        for use in uses.uses(file, found.load):
            taken = use.expr.parent
            if item.key is None or not isinstance(taken, tree.Subscript):
                continue
            if taken.value is not use.expr or file.values.literal(taken.index[0]) != item.key:
                continue
            if item.kind != allowlist.SCALAR:
                yield taken
            for inner in uses.uses(file, taken):
                if isinstance(inner.expr.parent, tree.Attribute):
                    yield inner.expr
