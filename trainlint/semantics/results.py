"""What calls give: what they build, and what the functions return that they call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.semantics import holdings, tree
from trainlint.semantics.kinds import (
    MAX_DEPTH,
    Applied,
    ClassValue,
    Frame,
    FunctionValue,
    Instance,
    Method,
    Object,
    Path,
    Same,
    Symbol,
    Unknown,
    Value,
    depth_of,
    part,
)
from trainlint.semantics.trail import Step

if TYPE_CHECKING:
    from trainlint.semantics.values import Values

# What takes a model and spreads it over processes, or over devices.
DISTRIBUTED = frozenset(
    {
        "torch.nn.parallel.DistributedDataParallel",
        "torch.nn.parallel.distributed.DistributedDataParallel",
    }
)
PARALLEL = DISTRIBUTED | {"torch.nn.DataParallel", "torch.nn.parallel.DataParallel"}
# Calls that hand back their first argument, or the object they are a method of.
WRAPPERS = PARALLEL | frozenset(
    {
        "torch.nn.SyncBatchNorm.convert_sync_batchnorm",
        "torch.compile",
        "torch.jit.script",
        "copy.deepcopy",
        "copy.copy",
    }
)
SAME_OBJECT = frozenset(
    "to cuda cpu xpu half float double bfloat16 eval train requires_grad_ apply share_memory "
    "type to_empty".split()
)


def result(values: Values, expr: tree.Call, frame: Frame | None, path: Path) -> Iterator[Value]:
    """What a call gives, or the part of it that ``path`` names."""
    for callee in values.callees(expr, frame):
        match callee:
            case Symbol() if callee.name in WRAPPERS and (inner := expr.arg(0)) is not None:
                yield from values.of(inner, frame, path)
            case Symbol(name="builtins.super"):
                yield from _super(values, expr, frame)
            case Symbol():
                made = Instance(expr, frame, callee.trail, callee.name, expr)
                yield from holdings.layer(values, made, path)
            case Instance():
                yield from holdings.entry(
                    values, Applied(expr, frame, callee.trail, callee, expr), path
                )
            case ClassValue():
                made_here = Object(expr, frame, callee.trail, callee.cls, expr)
                yield from holdings.built(values, callee.cls, made_here, path)
            case FunctionValue():
                yield from _returns(values, callee, expr, frame, path)
            case Object():
                method = values.graph.call_method(callee.cls)
                if method is None:
                    yield Unknown(expr, frame, (), f"`{callee.cls.name}` is not callable here")
                else:
                    bound = FunctionValue(method, callee.frame, callee.trail, method, callee)
                    yield from _returns(values, bound, expr, frame, path)
            case Same():
                yield part(callee.value, path)
            case Method(name="prepare") if _is_accelerator(values, callee):
                yield from _prepared(values, expr, frame, path)
            case Method():
                yield part(callee, path)
            case Unknown():
                yield replace(callee, node=expr)
            case _:
                yield Unknown(expr, frame, (), "the callee is not known")


def _is_accelerator(values: Values, method: Method) -> bool:
    return any(
        isinstance(value, Instance) and value.name.split(".")[-1] in {"Accelerator", "Fabric"}
        for value in values.of(method.receiver, method.frame)
    )


def _prepared(values: Values, expr: tree.Call, frame: Frame | None, path: Path) -> Iterator[Value]:
    """``accelerator.prepare(model, optimizer)`` gives its arguments back, wrapped."""
    given = expr.positional
    if len(given) == 1:
        yield from values.of(given[0], frame, path)
    elif path and isinstance(path[0], int) and path[0] < len(given):
        yield from values.of(given[path[0]], frame, path[1:])
    else:
        yield Unknown(expr, frame, (), "which argument is meant is not known")


def _returns(
    values: Values, callee: FunctionValue, call: tree.Call, frame: Frame | None, path: Path
) -> Iterator[Value]:
    depth = depth_of(frame) + 1
    if depth > MAX_DEPTH:
        yield Unknown(call, frame, (), "calls are nested too deeply")
        return
    inner = Frame(callee.function, call, frame, callee.owner, depth)
    if isinstance(callee.function, tree.Lambda):
        yield from values.of(callee.function.body, inner, path)
        return
    returns = values.graph.returns(callee.function)
    if not returns:
        yield Unknown(call, frame, (), f"`{callee.function.name}` returns nothing")
    for statement in returns:
        assert statement.value is not None
        if len(returns) > 1 and values.is_excluded(statement, inner):
            continue
        step = Step(statement, f"returned by `{callee.function.name}` here")
        for value in values.of(statement.value, inner, path):
            yield replace(value, trail=(*value.trail, step))


def _super(values: Values, expr: tree.Call, frame: Frame | None) -> Iterator[Value]:
    """The object itself, as one of its base class."""
    cls = tree.class_of(expr)
    base = values.graph.base(cls) if cls is not None else None
    if base is None:
        yield Unknown(expr, frame, (), "the base class is not in this file")
        return
    owner = frame.owner if frame is not None else None
    call, outer = (owner.call, owner.frame) if owner is not None else (None, None)
    yield Object(expr, outer, (), base, call)
