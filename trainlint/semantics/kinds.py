"""What a value can be: an object of a class, what a library gives, a display, something unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainlint.semantics import tree
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr, Node

Path = tuple[int | str, ...]
MAX_DEPTH = 12  # frames inside frames; deeper is unknown


@dataclass(frozen=True, slots=True)
class Frame:
    """One call under evaluation; ``call`` is None when only the object is known.

    Frames of the same call on the same object are equal, so that what was found in one is known
    in the other.
    """

    function: tree.FunctionDef | tree.Lambda
    call: tree.Call | None
    caller: Frame | None
    owner: Object | None
    depth: int = field(compare=False)

    @property
    def chain(self) -> list[tree.Call]:
        """The calls that lead here, the outermost first."""
        calls: list[tree.Call] = []
        frame: Frame | None = self
        while frame is not None:
            if frame.call is not None:
                calls.append(frame.call)
            frame = frame.caller
        return calls[::-1]


def frame_at(node: Node, user: Node, frame: Frame | None) -> Frame | None:
    """The frame for a binding: the user's own when both stand in the same function."""
    function = tree.function_of(user)
    owner = node.parent if isinstance(node, tree.Param) else tree.function_of(node)
    return frame if owner is function or owner is getattr(frame, "function", None) else None


def depth_of(frame: Frame | None) -> int:
    return 0 if frame is None else frame.depth


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """``node`` is where the value comes from, ``trail`` how it got here (outermost last)."""

    node: Node = field(compare=False)
    frame: Frame | None
    trail: tuple[Step, ...] = field(compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Unknown(Value):
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Literal(Value):
    value: Any


def is_none(value: Value) -> bool:
    """Whether a value is what stands for an object until there is one."""
    return isinstance(value, Literal) and value.value is None


@dataclass(frozen=True, slots=True, eq=False)
class Symbol(Value):
    """Something of a library, by its qualified name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Instance(Value):
    """What a call of a library's ``name`` gives: an object of a class, or a function's result."""

    name: str
    call: tree.Call


@dataclass(frozen=True, slots=True, eq=False)
class Method(Value):
    """What a method gives of an object that is not the project's: ``x.squeeze(-1)``."""

    name: str
    call: tree.Call

    @property
    def receiver(self) -> Expr:
        func = self.call.func
        assert isinstance(func, tree.Attribute)
        return func.value


@dataclass(frozen=True, slots=True, eq=False)
class Applied(Value):
    """What a call of a library's object gives: ``self.head(x)`` with an ``nn.Sequential``."""

    of: Instance
    call: tree.Call


@dataclass(frozen=True, slots=True)
class Object(Value):
    """An object of a class of the project; ``call`` made it, None when that is not known.

    Two are equal when one call in one frame made both, whatever way they took since.
    """

    cls: tree.ClassDef
    call: tree.Call | None


@dataclass(frozen=True, slots=True, eq=False)
class FunctionValue(Value):
    function: tree.FunctionDef | tree.Lambda
    owner: Object | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClassValue(Value):
    cls: tree.ClassDef


@dataclass(frozen=True, slots=True, eq=False)
class Display(Value):
    """A tuple, list, set or dict display, or a comprehension; its items are asked for by path."""

    expr: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Element(Value):
    """What a loop or comprehension takes from ``of``; ``path`` is the unpacking behind it."""

    of: Expr
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class Part(Value):
    """The part of a value that ``path`` names: an index, a key or ``.attribute``."""

    of: Value
    path: Path


def part(value: Value, path: Path) -> Value:
    """The part of a value that ``path`` names, the value itself where it names none."""
    return Part(value.node, value.frame, value.trail, value, path) if path else value


@dataclass(frozen=True, slots=True, eq=False)
class Computed(Value):
    """The result of an operator, a comparison or a subscript."""

    expr: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Same(Value):
    """A method that hands back the object it is called on."""

    value: Value
