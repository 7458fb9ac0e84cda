"""Mixed precision is taken from `torch.cuda.amp` or `torch.cpu.amp`, which torch 2.4 deprecated.

## What it does
Finds every use of `autocast`, `GradScaler`, `custom_fwd` and `custom_bwd` from `torch.cuda.amp` and
`torch.cpu.amp`, whatever it was imported as. An import that nothing uses is no finding of its own;
it goes with the fix of its neighbours.

## Why is this bad?
Since torch 2.4 each of them warns when it is called, and a later release drops them. The new forms
in `torch.amp` take the device first. So a mere change of the import is wrong: `GradScaler(2.**16)`
would take 65536 for a device without a word, and `autocast(True)` would raise.

## Example
```python
import torch
from torch.cuda.amp import GradScaler, autocast

scaler = GradScaler(2.0**16)


def step(model, x, y, optimizer, use_amp):
    with autocast(enabled=use_amp):
        loss = torch.nn.functional.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
```

## Use instead
```python
import torch
from torch.amp import GradScaler, autocast

scaler = GradScaler("cuda", init_scale=2.0**16)


def step(model, x, y, optimizer, use_amp):
    with autocast("cuda", enabled=use_amp):
        loss = torch.nn.functional.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
```

## Fix safety
The fix rewrites the import and all uses of what it binds as one, gives each call its device and
turns positions that the device would shift into keywords. It is safe where every use is a call, a
decorator, a context manager or an annotation. It is unsafe where the class itself is read in a way
that can be followed: `isinstance` (the new class takes in scalers of every device), a base class
with a constructor of its own, `functools.partial` and aliases of which every call is known.

There is no fix where

- a use is not known: the name is passed on, stored in an attribute, replaced by `mock.patch`, or
  can mean something else;
- the arguments are not known (`*args`, `**kwargs`);
- `@autocast` stands as a decorator without a call, which hands it the function as `enabled`;
- the name is handed on to other files (`__all__`, an import from another file) or comes from a star
  import;
- a fallback for older releases uses the same import;
- the target range begins before the new name exists (torch 1.12 for `autocast`, 2.3 for
  `GradScaler`, 2.4 for `custom_fwd` and `custom_bwd`).

Inside a region of another dtype, or where the default dtype is set, the new `autocast` would take
that one over; there the fix writes the old default out (`dtype=torch.float16`). A region that is
entered in another file is not seen.

## Since
0.1.0

## References
- `rules/torch_amp.json`, `torch_cuda_amp.json` and `torch_cpu_amp.json`, made by
  `scripts/make_tables.py` from the releases
- PyTorch 2.4 release notes, "Deprecations", and the documentation of `torch.amp`
- https://github.com/pytorch/pytorch/pull/126527
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

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
    Version,
    all_of,
    any_of,
    contexts,
    references,
    releases,
    rewrite,
    signatures,
    tree,
)

_WORDS = all_of(
    any_of("autocast", "GradScaler", "custom_fwd", "custom_bwd"),
    any_of(".amp", "torch.cuda", "torch.cpu"),
)
RULE = Rule(
    "AMP004",
    "deprecated-cuda-amp",
    Severity.WARNING,
    needs=_WORDS,
    fix=Safety.SAFE,
    here=_WORDS,
    ordered=False,
)


_KINDS = ("autocast", "GradScaler", "custom_fwd", "custom_bwd")
_DEPRECATED: Version = (2, 4)  # from here on they warn; `torch.amp.GradScaler` is older than that
_INSTEAD = frozenset({f"torch.amp.{kind}" for kind in _KINDS} | {"torch.autocast"})
_DTYPES = {"cuda": "float16", "cpu": "bfloat16"}


@dataclass(frozen=True, slots=True)
class Name:
    """A deprecated name: the device it stands for, and what it takes by position."""

    device: str
    new: str
    positions: tuple[str, ...]
    exists: Version  # since when torch.amp has it

    @property
    def is_decorator(self) -> bool:
        """True for ``custom_fwd`` and ``custom_bwd``, which take the device by keyword."""
        return self.positions[0] in {"fwd", "bwd"}


@lru_cache(maxsize=1)
def names() -> dict[str, Name]:
    """The deprecated names, as the releases have them."""
    found = {}
    for device in ("cuda", "cpu"):
        for kind in _KINDS:
            old = _table(f"torch_{device}_amp").get(f"torch.{device}.amp.{kind}")
            new = _table("torch_amp").get(f"torch.amp.{kind}")
            if old is not None and new is not None and new.added is not None:
                positions = old.parameters[: old.positions]
                name = Name(device, f"torch.amp.{kind}", positions, new.added)
                found[f"torch.{device}.amp.{kind}"] = name
    return found


def _table(name: str) -> signatures.Table:
    path = Path(__file__).with_name(f"{name}.json")
    return signatures.Table.parse(path.read_text(encoding="utf-8"))


@dataclass(slots=True, eq=False)
class Use:
    """One reference and what becomes of it; ``reason`` says why it cannot be rewritten."""

    reference: references.Reference
    said: bool  # whether it is a finding of its own
    edits: tuple[Edit, ...] = ()
    safety: Safety = Safety.SAFE
    reason: str | None = None

    @property
    def name(self) -> Name:
        return names()[self.reference.name]

    @property
    def outcome(self) -> Safety | None:
        return self.safety if self.reason is None else None

    @property
    def place(self) -> tree.Expr:
        expr = self.reference.expr
        parent = expr.parent
        return parent if isinstance(parent, tree.Call) and parent.func is expr else expr


@RULE.check
def check(file: File) -> Iterator[Finding]:
    found = references.references(file, names())
    if not found:
        return
    moves = rewrite.Moves(file, found, {old: name.new for old, name in names().items()})
    replaced = {old: file.line(call) for old, call in references.replaced_names(file)}
    replaced |= {r.name: file.line(r.expr) for r in found if references.is_bound_by(r.expr)}
    uses = {reference: _use(file, moves, reference, replaced) for reference in found}
    tested = {r.name for r in found if references.is_type_test(file, r.expr)}
    together = [[r for r in found if r.name == name] for name in tested]
    for members in moves.groups(lambda reference: uses[reference].outcome, together):
        group = [uses[reference] for reference in members]
        fix, reason = _fix(moves, group)
        for use in group:
            if use.said:
                yield _finding(file, use, fix, use.reason or reason)


def _use(
    file: File,
    moves: rewrite.Moves,
    reference: references.Reference,
    replaced: dict[str, int],
) -> Use:
    name, target = names()[reference.name], file.target("torch")
    places = [reference.expr, *(binding.node for binding in reference.bindings)]
    kept = any(releases.is_for_some_releases(file, place, "torch", _INSTEAD) for place in places)
    if not reference.certain:
        kept = kept or not _INSTEAD.isdisjoint(file.names.candidates(reference.expr))
    alias, bound = moves.is_alias(reference), references.is_bound_by(reference.expr)
    use = Use(reference, not (kept or alias or bound or target.wholly_below(_DEPRECATED)))
    line = file.line(reference.expr)
    if kept:
        use.reason = f"line {line} keeps the old form for older releases"
    elif reference.name in replaced:
        use.reason = f"line {replaced[reference.name]} replaces `{reference.name}` by its name"
    elif not signatures.reaches_back("torch", name.exists, target):
        since = _dotted(name.exists)
        use.reason = f"`{name.new}` exists since torch {since}, and the target is {target}"
    else:
        try:
            use.edits, use.safety = _rewritten(file, moves, reference, name, alias)
        except Unfixable as error:
            use.reason = f"line {line}: {error.reason}"
    return use


# One use


def _rewritten(
    file: File,
    moves: rewrite.Moves,
    reference: references.Reference,
    name: Name,
    alias: bool,
) -> tuple[tuple[Edit, ...], Safety]:
    expr = reference.expr
    respelled = moves.respell(reference)
    match expr.parent:
        case tree.Call(func=func) as call if func is expr:
            return rewrite.together(respelled, _with_device(file, call, name)), Safety.SAFE
        case tree.FunctionDef() as function if expr in function.decorators:
            if not name.is_decorator:
                raise Unfixable("without a call, the decorator takes the function for `enabled`")
            needed, text = moves.spell(reference)
            named = rewrite.replace(file, expr, f'{text}(device_type="{name.device}")')
            return rewrite.together(needed, named), Safety.SAFE
        case _ if alias or references.is_annotation(expr):
            return respelled, Safety.SAFE
        case _ if references.is_type_test(file, expr):
            return respelled, Safety.UNSAFE
        case tree.Arg(keyword=None, star="", parent=tree.ClassDef() as cls):
            return rewrite.together(respelled, *_constructed(file, cls, name)), Safety.UNSAFE
        case tree.Arg(parent=tree.Call() as call) if call.args[0] is expr.parent:
            if file.names.qualified(call.func) != "functools.partial":
                raise Unfixable("the name is passed on")
            _require_keyword_calls(file, call)
            return rewrite.together(respelled, _with_device(file, call, name, 1)), Safety.UNSAFE
        case tree.IfExp() if not name.is_decorator:
            _require_keyword_calls(file, expr)
            needed, text = moves.spell(reference)
            more, partial = rewrite.add_import(file, "functools", "partial", at=expr)
            bound = rewrite.replace(file, expr, f'{partial}({text}, "{name.device}")')
            return rewrite.together(needed, more, bound), Safety.UNSAFE
        case _:
            raise Unfixable("the name is passed on, and its calls are not known")


def _with_device(file: File, call: tree.Call, name: Name, first: int = 0) -> tuple[Edit, ...]:
    """Give a call its device, and the default dtype where the new form would take over another."""
    device = f'"{name.device}"'
    if name.is_decorator:
        return rewrite.add_argument(file, call, "device_type", device)
    added: dict[str, str] = {}
    needed: tuple[Edit, ...] = ()
    if "dtype" in name.positions and not first and call.arg(1, "dtype") is None:
        dtype = _DTYPES[name.device]
        is_off = file.values.literal(call.arg(0, "enabled")) is False
        if not is_off and contexts.may_have_other_dtype(file, call, f"torch.{dtype}"):
            needed, added["dtype"] = rewrite.add_import(file, "torch", dtype, at=call)
    shifted = rewrite.shift_arguments(file, call, device, name.positions, first, added)
    return rewrite.together(needed, shifted)


def _constructed(file: File, cls: tree.ClassDef, name: Name) -> Iterator[tuple[Edit, ...]]:
    calls = references.base_constructions(file, cls)
    if calls is None:
        raise Unfixable(f"what `{cls.name}` gives to its base class is not known")
    for call in calls:
        yield _with_device(file, call, name)


def _require_keyword_calls(file: File, expr: tree.Expr) -> None:
    calls = references.calls_of(file, expr)
    if calls is None:
        raise Unfixable("the name is passed on, and its calls are not known")
    for call in calls:
        if call.positional or call.has_star:
            raise Unfixable(f"line {file.line(call)} calls it with positions that would shift")


# All uses together


def _fix(moves: rewrite.Moves, group: Sequence[Use]) -> tuple[Fix | None, str | None]:
    reason = next((use.reason for use in group if use.reason is not None), None)
    if reason is not None:
        return None, reason
    members = {use.reference for use in group}
    stale = [alias for alias, needed in moves.stale() if members >= set(needed)]
    try:
        imports = moves.imports([use.reference for use in group])
        edits = rewrite.together(*(use.edits for use in group), imports, *map(moves.drop, stale))
    except Unfixable as error:
        return None, error.reason
    safety = min(use.safety for use in group)
    names = sorted({use.name.new.rpartition(".")[2] for use in group})
    title = f"Take {_listed(names)} from `torch.amp` and give each use its device"
    note = "" if safety is Safety.SAFE else "a class is read other than by calling it"
    return Fix(title, edits, safety, note), None


def _finding(file: File, use: Use, fix: Fix | None, reason: str | None) -> Finding:
    old, name = use.reference.name, use.name
    since = _dotted(_DEPRECATED)
    optional = name.new.endswith("GradScaler")
    asks = "takes" if optional else "needs"
    message = f"`{old}` is deprecated since torch {since}, and `{name.new}` {asks} the device"
    call = use.place
    if isinstance(call, tree.Call) and not name.is_decorator:
        message += ' first (by default "cuda")' if optional else " first"
        if call.positional:
            message += f": `{file.text(call.positional[0])}` in its place would be taken for it"
    message += "."
    if fix is None:
        message += f" There is no fix: {reason}."
    imported = [b.node for b in use.reference.bindings if isinstance(b.node, tree.Alias)]
    trail = tuple(Step(node, f"`{use.reference.root.id}` is imported here") for node in imported)
    target = f"torch >= {since}"
    return Finding(call, message, trail, (fix,) if fix else (), target=target)


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _dotted(version: Version) -> str:
    return ".".join(map(str, version[:2]))
