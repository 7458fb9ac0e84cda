"""An autocast of `torch.amp` is made without its device type.

## What it does
Finds `torch.autocast(...)` and `torch.amp.autocast(...)` that name no device: no argument at all,
keywords only, or a flag or dtype where the device belongs. The forms of `torch.cuda.amp`, which
need none, are left to `deprecated-cuda-amp`.

## Why is this bad?
`device_type` has no default, so the call raises a TypeError, and a flag in its place a ValueError.
It mostly comes from changing the import of `torch.cuda.amp.autocast` and not its calls, and it
shows only when the training step is reached.

## Example
```python
import torch

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def step(model, x):
    with torch.autocast(dtype=torch.bfloat16):
        return model(x.to(device))
```

## Use instead
```python
import torch

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def step(model, x):
    with torch.autocast(device.type, dtype=torch.bfloat16):
        return model(x.to(device))
```

## Fix safety
The fix names the device that the code around the call uses, in the same function, else the same
class, else the file: `.cuda()` gives `"cuda"`, a `torch.device` its `.type`, and any other value
that tensors are moved to becomes `torch.device(...).type`. It is safe, since the call could only
raise. There is no fix where

- no device is used, or several;
- the device is not visible at the call, or is bound behind it.

## Since
0.1.0

## References
- Documentation of `torch.autocast`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.api import (
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Unfixable,
    any_of,
    kinds,
    rewrite,
    tree,
)

RULE = Rule(
    "AMP005",
    "autocast-without-device",
    Severity.ERROR,
    needs=any_of("autocast"),
    fix=Safety.SAFE,
    ordered=False,
)

_NAMES = frozenset({"torch.autocast", "torch.amp.autocast"})
_EXPECTING = frozenset({"raises", "assertRaises", "assertRaisesRegex"})


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for call in file.calls_to(_NAMES.__contains__):
        if call.has_star or call.arg(None, "device_type") is not None or _is_expected(file, call):
            continue
        first = call.args[0] if call.args and call.args[0].keyword is None else None
        misplaced = _parameter(file, first.value) if first is not None else None
        if first is not None and misplaced is None:
            continue
        name = file.text(call.func)
        fault = f"`{name}` has no default device, so this call raises a TypeError"
        if first is not None:
            given = file.text(first.value)
            fault = f"`{name}` takes `{given}` for its device type and raises a ValueError"
        try:
            device = device_type(file, call)
            named = rewrite.name_arguments(file, {first: misplaced}) if first and misplaced else ()
            edits = rewrite.together(rewrite.insert_argument_first(file, call, device), named)
        except Unfixable as error:
            yield Finding(call, f"{fault}. There is no fix: {error.reason}.")
            continue
        fix = Fix(f"Name the device that this code uses, `{device}`", edits, Safety.SAFE)
        yield Finding(call, f"{fault}; the code around it uses `{device}`.", fixes=(fix,))


def _parameter(file: File, expr: tree.Expr) -> str | None:
    """The parameter for which a value was meant that cannot be a device."""
    if isinstance(file.values.literal(expr), bool):
        return "enabled"
    name = file.names.qualified(expr) or ""
    return "dtype" if name in {f"torch.{t}" for t in ("float16", "bfloat16", "half")} else None


def _is_expected(file: File, call: tree.Call) -> bool:
    """Whether the error is what the code waits for: a test, or a fallback."""
    below: tree.Node = call
    for above in call.ancestors():
        if isinstance(above, tree.With):
            contexts = [item.context for item in above.items]
            callees = [c.func for c in contexts if isinstance(c, tree.Call)]
            if any((tree.dotted(f) or "").rpartition(".")[2] in _EXPECTING for f in callees):
                return True
        if isinstance(above, tree.Try) and below in above.body:
            caught = [h.type for h in above.handlers if h.type is not None]
            if any("TypeError" in file.text(kind) for kind in caught):
                return True
        below = above
    return False


# The device that the code uses


@dataclass(frozen=True, slots=True)
class Device:
    """A device as some code spells it; ``root`` is the name that must be bound at the call."""

    text: str
    root: tree.Name | None


def device_type(file: File, call: tree.Call) -> str:
    """The type of the one device that the code around a call uses.

    Raises:
        Unfixable: there is none, or more than one, or it cannot be read at the call.
    """
    for scope in call.ancestors():
        if not isinstance(scope, tree.FunctionDef | tree.ClassDef | tree.Module):
            continue
        found = {device.text: device for device in _devices(file, scope)}
        if len(found) > 1:
            found.pop('"cpu"', None)  # where results are fetched to
        if len(found) > 1:
            raise Unfixable(f"several devices are used here, {', '.join(sorted(found))}")
        for device in found.values():
            _require_visible(file, device, call)
            return device.text
    raise Unfixable("nothing in this file says which device it uses")


def _devices(file: File, scope: tree.Node) -> Iterator[Device]:
    for node in scope.walk():
        if not isinstance(node, tree.Call):
            continue
        func = node.func
        if isinstance(func, tree.Attribute) and func.attr == "cuda" and len(node.args) < 2:
            if (file.names.qualified(func) or "").partition(".")[0] != "torch":
                yield Device('"cuda"', None)
            continue
        moved = isinstance(func, tree.Attribute) and func.attr == "to"
        given = node.arg(0 if moved else None, "device")
        if given is not None:
            device = _device(file, given)
            if device is not None:
                yield device


def _device(file: File, expr: tree.Expr) -> Device | None:
    """The device type of what tensors are moved to or made on, None for a dtype or a tensor."""
    if isinstance(expr, tree.Constant):
        kind = expr.value.partition(":")[0] if isinstance(expr.value, str) else "cuda"
        return Device(f'"{kind}"', None) if expr.value is not None else None
    if isinstance(expr, tree.Call):
        made = file.names.qualified(expr.func) == "torch.device" and expr.args
        literal = made and isinstance(expr.args[0].value, tree.Constant)
        return _device(file, expr.args[0].value) if literal else None
    root: tree.Expr = expr
    while isinstance(root, tree.Attribute):
        root = root.value
    if not isinstance(root, tree.Name):
        return None
    found = file.values.of(expr)
    text = file.text(expr)
    if all(isinstance(v, kinds.Instance) and v.name == "torch.device" for v in found):
        return Device(f"{text}.type", root)
    literals = [v.value for v in found if isinstance(v, kinds.Literal)]
    if len(literals) == len(found) and all(isinstance(v, str) for v in literals):
        return Device(f"torch.device({text}).type" if ":" in "".join(literals) else text, root)
    if "device" in text.rpartition(".")[2].lower():
        return Device(f"torch.device({text}).type", root)
    return None


def _require_visible(file: File, device: Device, call: tree.Call) -> None:
    if "torch.device(" in device.text:
        found = file.names.find("torch", call)
        if found is None or any(binding.qualified != "torch" for binding in found[1]):
            raise Unfixable("`torch` is not bound at the call")
    if device.root is None:
        return
    used, seen = file.names.find(device.root.id, device.root), file.names.find(device.root.id, call)
    if used is None or seen is None:
        raise Unfixable(f"`{device.root.id}` is not known at the call")
    own = isinstance(device.root.parent, tree.Attribute) and used[1][0].kind == "param"
    if used[0] is seen[0]:
        late = [b for b in seen[1] if b.kind != "param" and b.node.start > call.start]
        inner = tree.function_of(call) is not None and seen[0].node is file.module
        if late and not inner:
            raise Unfixable(f"`{device.root.id}` is bound behind the call")
    elif not (own and seen[1][0].kind == "param" and seen[1][0].name == used[1][0].name):
        raise Unfixable(f"`{device.root.id}` is another name at the call")
