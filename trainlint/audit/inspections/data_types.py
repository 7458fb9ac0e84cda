"""Data types that the program states: of targets, of tensors it makes, and under autocast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    any_of,
    contexts,
    dtypes,
    kinds,
    losses,
    models,
    tensors,
    tree,
)

TARGETS = Rule("DTYPE1", "target-types", Severity.INFO, needs=losses.WORDS, here=losses.WORDS)
MADE = Rule(
    "DTYPE2",
    "stated-types",
    Severity.INFO,
    needs=any_of("from_numpy", "tensor", "as_tensor", "LongTensor", "FloatTensor"),
)
REGIONS = Rule("DTYPE3", "autocast-regions", Severity.INFO, needs=any_of("autocast"))
_CLASSES = losses.CROSS_ENTROPY | losses.NLL
_FLOATS = losses.BCE | losses.BCE_WITH_LOGITS | losses.REGRESSION
_KEEP = tensors.SHAPE | tensors.PLACE  # without a data type among the arguments
_MAKERS = frozenset({"torch.tensor", "torch.as_tensor", "torch.asarray"})
_TYPED = {"torch.LongTensor": "int64", "torch.FloatTensor": "float32", "torch.IntTensor": "int32"}
# What autocast computes in where nothing else is said.
_DEFAULTS = {"cuda": "float16", "cpu": "bfloat16"}
_STEPS = 12


@TARGETS.verify
def cast_targets(file: File) -> Iterator[Finding]:
    for evaluation in losses.loss_evaluations(file, _CLASSES | _FLOATS):
        wanted = {"int64"} if evaluation.name in _CLASSES else {"float32", "float64"}
        cast = None if evaluation.target is None else _cast(file, evaluation.target)
        if cast is not None and cast[1] in wanted:
            name = evaluation.name.rpartition(".")[2]
            said = f"`{name}` gets its targets as {cast[1]}, as it asks: `{file.text(cast[0])}`"
            yield Finding(evaluation.call, said)


def _cast(file: File, expr: tree.Expr) -> tuple[tree.Expr, str] | None:
    """The cast that gives a tensor its data type, through what keeps it."""
    for _ in range(_STEPS):
        match expr:
            case tree.Name() | tree.Attribute():
                value = file.values.only(expr)
                if not isinstance(value, kinds.Method | kinds.Instance):
                    return None
                expr = value.call
            case tree.Call() if (name := file.names.qualified(expr.func)) is not None:
                stated = _stated(file, expr, name)
                return None if stated is None else (expr, stated)
            case tree.Call(func=tree.Attribute(value=receiver, attr=attr)):
                if attr in dtypes.CASTS:
                    return expr, dtypes.CASTS[attr]
                dtype = _named(file, [arg.value for arg in expr.args])
                if attr in {"to", "type"} and dtype is not None:
                    return expr, dtype
                if attr not in _KEEP or any("dtype" in file.text(arg) for arg in expr.args):
                    return None
                expr = receiver
            case _:
                return None
    return None


def _named(file: File, given: list[tree.Expr]) -> str | None:
    """The data type of torch or NumPy that one of the arguments names."""
    for expr in given:
        name = file.names.qualified(expr) or ""
        short = dtypes.canonical(name)
        if name.startswith(("torch.", "numpy.")) and short in _TYPES:
            return short
        if isinstance(expr, tree.Constant) and expr.value in _TYPES:
            return str(expr.value)
    return None


_TYPES = frozenset(dtypes.CASTS.values()) | {"int8", "uint8"}


@MADE.verify
def made_tensors(file: File) -> Iterator[Finding]:
    for call in file.calls:
        name = file.names.qualified(call.func)
        stated = None if name is None else _stated(file, call, name)
        if name is not None and stated is not None:
            short = name.removeprefix("torch.")
            yield Finding(call, f"`{short}` makes {stated} here, which the call itself says")


def _stated(file: File, call: tree.Call, name: str) -> str | None:
    """The data type that a call which makes a tensor says itself."""
    if name in _TYPED:
        return _TYPED[name]
    if name in _MAKERS:
        dtype = call.arg(1 if name != "torch.tensor" else None, "dtype")
        return None if dtype is None else _named(file, [dtype])
    given = call.arg(0) if name == "torch.from_numpy" else None
    value = None if given is None else file.values.only(given)
    if isinstance(value, kinds.Method) and value.name == "astype":
        dtype = value.call.arg(0, "dtype")
        return None if dtype is None else _named(file, [dtype])
    return None


@REGIONS.verify
def autocast_regions(file: File) -> Iterator[Finding]:
    for block in file.all(tree.With):
        for item in block.items:
            found = file.values.of(item.context)
            region = next(
                (
                    contexts.Entered(item.context, value, len(found) == 1, ())
                    for value in found
                    if contexts.is_autocast(value)
                ),
                None,
            )
            if region is not None:
                yield Finding(item.context, _region(file, block, region))


def _region(file: File, block: tree.With, region: contexts.Entered) -> str:
    runs = [f"`{file.text(run.model)}`" for run in models.forwards(file, block)]
    first, last = _lines(file, block)
    where = f"line {first}" if first == last else f"lines {first} to {last}"
    what = f"{' and '.join(dict.fromkeys(runs)) or 'what stands'} in {where}"
    enabled = contexts.autocast_enabled(file, region)
    if enabled is False:
        return f"{what} computes in the types of its inputs: autocast is off"
    switched = "" if enabled else ", where it is switched on"
    return f"{what} computes {_computes(file, region)}{switched}"


def _computes(file: File, region: contexts.Entered) -> str:
    if isinstance(region.value, kinds.Method) or region.call is None:
        return "under autocast, in the type that its owner was given"
    device = contexts.autocast_device(file, region)
    on = f" on {device}" if device else ""
    given: Any = region.call.arg(1, "dtype")
    if given is not None:
        dtype = _named(file, [given])
        return f"under autocast in {dtype or f'the type `{file.text(given)}`'}{on}"
    is_set = file.calls_to(lambda name: name.startswith("torch.set_autocast") and "dtype" in name)
    default = None if is_set or device is None else _DEFAULTS.get(device)
    if default is None:
        return f"under autocast in the default type of its device{on}"
    return f"under autocast in {default}{on}, the default there"


def _lines(file: File, block: tree.With) -> tuple[int, int]:
    source = file.home(block).source
    return source.position(block.body[0].start)[1], source.position(block.body[-1].end - 1)[1]
