"""Which output of a model a tensor is: back to the layer, or the call, that makes it.

Two tensors are the same output where both lead back to one layer, or to one call of something that
nobody can look into. Shapes, types, devices and containers on the way leave the output what it is;
an index or a key names a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tensors, tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.kinds import MAX_DEPTH, Frame, Instance, Object, Path
from trainlint.semantics.reads import ALIASES
from trainlint.semantics.trail import Step
from trainlint.semantics.training.settled import is_changed
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 300
ACTIVATED = frozenset(
    {tensors.SIGMOID, tensors.SOFTMAX, tensors.LOG_SOFTMAX, tensors.LOG_SIGMOID, tensors.NORMALIZED}
)
CHANGED = "changed"  # written in place on the way
# Operations that give a part of a tensor, and are part of its name.
_SELECTS = frozenset(
    "chunk split unbind select narrow gather index_select masked_select take_along_dim get".split()
)
# Methods and functions that hand a tensor's numbers to NumPy or to plain Python.
_ARRAYS = frozenset({"numpy"})
_NUMBERS = frozenset({"item", "tolist"})
_JOINS = frozenset(
    f"{library}.{name}"
    for library, names in {
        "numpy": "array asarray concatenate vstack hstack stack squeeze ravel reshape append",
        "torch": "cat concat concatenate stack vstack hstack tensor as_tensor from_numpy asarray",
        "builtins": "list tuple float",
    }.items()
    for name in names.split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What makes a tensor: ``node`` builds the layer, or is the expression nobody looks behind.

    ``path`` is the part of it that is meant, ``kind`` what ``tensors`` calls it, ``objects`` the
    calls that built the objects it belongs to (None where that is not known), ``passes`` the calls
    that hand it to the function where it was asked for, ``conversions`` where it leaves torch.
    """

    node: Node
    path: Path
    kind: str
    objects: tuple[tree.Call | None, ...]
    passes: tuple[Node, ...]
    trail: tuple[Step, ...]
    conversions: tuple[tree.Call, ...]

    def is_of(self, other: Source) -> bool:
        """Whether this is the output that ``other`` is, or a part of it.

        Objects of one class that are built in two files are taken for one: the weights of the one
        are loaded into the other.
        """
        return (
            self.node is other.node
            and self.path[: len(other.path)] == other.path
            and all(
                mine is theirs or tree.module_of(mine) is not tree.module_of(theirs)
                for mine, theirs in zip(self.objects, other.objects, strict=False)
                if mine is not None and theirs is not None
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class _At:
    """A use on the way back; ``inside`` tells that the way has entered a function by a call."""

    use: Use
    passes: tuple[Node, ...] = ()
    conversions: tuple[tree.Call, ...] = ()
    inside: bool = False


class Outputs:
    """The outputs in one file."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.back = Backward(file)

    def sources(self, expr: Expr) -> list[Source]:
        """The alternatives of what makes a tensor; empty where they are too many to tell."""
        found: list[Source] = []
        seen: set[object] = set()
        todo = [_At(Use(expr))]
        while todo:
            at = todo.pop()
            key = (at.use.key, at.passes)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > MAX_USES:
                return []
            name = at.use.expr
            path = at.use.path
            if at.use.aside or (
                isinstance(name, tree.Name) and is_changed(self.file, name, path=path)
            ):
                found.append(self._source(at, name, CHANGED))
                continue
            steps = self._steps(at)
            if steps is None:
                found.extend(self._made(at))
            else:
                todo.extend(reversed(steps))
        return found

    def _steps(self, at: _At) -> list[_At] | None:
        """One step back, None where the tensor is made here."""
        use = at.use
        steps = self.back.step(use)
        if isinstance(use.expr, tree.Name):
            return [_passed(at, step) for step in steps or ()] or None
        if steps or (steps is not None and isinstance(use.expr, tree.Sequence | tree.Dict)):
            entered = at.inside or isinstance(use.expr, tree.Call)
            return [_At(step, at.passes, at.conversions, entered) for step in steps]
        match use.expr:
            case tree.Call() as call:
                inner = self._run(at, call)
                return inner if inner is not None else self._operation(at, call)
            case tree.Subscript() as item:
                return [_further(at, item.value, (self._key(item), *use.path))]
            case tree.Attribute() if self.file.names.qualified(use.expr) is None:
                path = () if use.expr.attr in ALIASES else (f".{use.expr.attr}",)
                return [_further(at, use.expr.value, (*path, *use.path))]
            case _:
                return None

    def _key(self, item: tree.Subscript) -> int | str:
        key = self.file.values.literal(item.index[0]) if len(item.index) == 1 else ...
        if isinstance(key, int | str) and not isinstance(key, bool):
            return key
        return f"[{', '.join(self.file.text(index) for index in item.index)}]"

    def _run(self, at: _At, call: tree.Call) -> list[_At] | None:
        """What the ``forward`` of an object of the file returns."""
        use, graph = at.use, self.file.values.graph
        depth = 1 + (use.frame.depth if use.frame is not None else 0)
        found: list[_At] = []
        for callee in self.file.values.callees(call, use.frame):
            method = graph.call_method(callee.cls) if isinstance(callee, Object) else None
            if method is None or not isinstance(callee, Object) or depth > MAX_DEPTH:
                continue
            frame = Frame(method, call, use.frame, callee, depth)
            for statement in graph.returns(method):
                if statement.value is not None:
                    step = Step(statement, f"returned by `{method.name}` here")
                    inner = Use(statement.value, frame, use.path, (*use.trail, step))
                    found.append(_At(inner, at.passes, at.conversions, inside=True))
        return found or None

    def _operation(self, at: _At, call: tree.Call) -> list[_At] | None:
        """The input of an operation that leaves the values as they are."""
        name = self.file.names.qualified(call.func)
        use = at.use
        if name is None:
            func = call.func
            if not isinstance(func, tree.Attribute):
                return None
            return self._method(at, call, func)
        short = name.rpartition(".")[2]
        if name in {"builtins.zip", "builtins.enumerate"} and use.drawn and use.path:
            first = use.path[0]
            position = first if short == "zip" else (0 if first == 1 else None)
            given = call.arg(position) if isinstance(position, int) else None
            return [_At(_each(use, given), at.passes, at.conversions, at.inside)] if given else None
        given = call.arg(0, "input")
        if given is None:
            return None
        if name in _JOINS:
            leaves = name.startswith("numpy.") or name == "builtins.float"
            return [_further(at, given, use.path, call if leaves else None)]
        if name.startswith("torch.") and short in tensors.SHAPE | tensors.CAST:
            part = (self._selection(call),) if short in _SELECTS else ()
            return [_further(at, given, (*part, *use.path))]
        return None

    def _method(self, at: _At, call: tree.Call, func: tree.Attribute) -> list[_At] | None:
        path = at.use.path
        if func.attr == "get" and call.args:
            key = self.file.values.literal(call.args[0].value)
            if isinstance(key, int | str):
                return [_further(at, func.value, (key, *path))]
        if func.attr in _ARRAYS | _NUMBERS:
            return [_further(at, func.value, path, call)]
        if func.attr not in tensors.SHAPE | tensors.CAST:
            return None
        part = (self._selection(call),) if func.attr in _SELECTS else ()
        return [_further(at, func.value, (*part, *path))]

    def _selection(self, call: tree.Call) -> str:
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = ", ".join(self.file.text(arg) for arg in call.args)
        return f".{name}({given})"

    # What makes it

    def _made(self, at: _At) -> Iterable[Source]:
        expr = at.use.expr
        if isinstance(expr, tree.Name):
            bindings, _ = self.file.values.definitions(expr)
            for binding in bindings:
                yield self._source(at, binding.node, tensors.UNKNOWN, (f"{binding.name}",))
            if not bindings:
                yield self._source(at, expr, tensors.UNKNOWN)
            return
        if isinstance(expr, tree.Call):
            layers = [
                value
                for value in self.file.values.callees(expr, at.use.frame)
                if isinstance(value, Instance)
            ]
            if layers:
                for layer in layers:
                    yield from self._applied(at, expr, layer)
                return
        yield self._source(at, expr, self._kind(expr, at.use.frame))

    def _applied(self, at: _At, call: tree.Call, layer: Instance) -> Iterable[Source]:
        """What a library's object makes: a layer by what built it, a model as a whole."""
        for origin in tensors.origins(self.file.values, call, at.use.frame):
            if origin.kind == tensors.LOGITS and origin.plain:
                yield self._source(at, origin.node, origin.kind)
            elif origin.kind in ACTIVATED:
                yield self._source(at, call, origin.kind)
            else:
                whole = layer.call if not layer.name.startswith("torch.nn.") else call
                yield self._source(at, whole, tensors.UNKNOWN)

    def _kind(self, expr: Expr, frame: Frame | None) -> str:
        for origin in tensors.origins(self.file.values, expr, frame):
            if origin.kind in ACTIVATED:
                return origin.kind
        return tensors.UNKNOWN

    def _source(self, at: _At, node: Node, kind: str, path: Path = ()) -> Source:
        use = at.use
        objects = tuple(_objects(use.frame))
        path = (*path, *use.path)
        return Source(node, path, kind, objects, at.passes, use.trail, at.conversions)


def outputs(file: File) -> Outputs:
    """The outputs of a file, made once."""
    return file.once(Outputs)


def _passed(at: _At, step: Use) -> _At:
    """A step from a name; through a parameter it leads to the call that passes it."""
    passes = at.passes
    if not at.inside and len(step.trail) > len(at.use.trail):
        passes = (*passes, step.trail[-1].node)
    return _At(step, passes, at.conversions, at.inside)


def _further(at: _At, expr: Expr, path: Path, conversion: tree.Call | None = None) -> _At:
    conversions = (*at.conversions, conversion) if conversion is not None else at.conversions
    return _At(at.use.at(expr, path), at.passes, conversions, at.inside)


def _each(use: Use, given: Expr) -> Use:
    return Use(given, use.frame, use.path[1:], use.trail, drawn=True, aside=use.aside)


def _objects(frame: Frame | None) -> Iterable[tree.Call | None]:
    """What built the object whose method runs, and the objects that hold it, outwards."""
    while frame is not None and frame.owner is not None:
        yield frame.owner.call
        frame = frame.owner.frame
