"""Which parameters a run has, and what the operations on them give: shapes and kinds of numbers.

Names are looked for once while it trains, since a model that lives in a function is gone when the
report is written. Shapes come from the graph of a loss, so that no hook stands in a forward pass.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainlint.runtime.naming import living_modules

if TYPE_CHECKING:
    from trainlint.runtime.events import Step
    from trainlint.runtime.optimizers import TensorRecord
    from trainlint.runtime.places import Place
    from trainlint.runtime.record import Record

MOST = 2000  # parameters
OPERATIONS = 400  # of a graph
LARGEST = 50_000  # nodes of a graph that is looked at
MOST_LOOKS = 4  # over the living objects
LOSSES = 4  # places of backward calls whose graphs are looked at
# What only brings a parameter into another form before it is used.
FORMS = frozenset("T Transpose ToCopy View Permute Expand Unsqueeze UnsafeView Reshape".split())


@dataclass(slots=True)
class _Row:
    reference: weakref.ref[Any]
    model: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    trainable: bool


@dataclass(slots=True)
class _Operation:
    name: str
    parameters: list[weakref.ref[Any]]
    names: list[str]  # of the parameters, as far as they are known by now
    output: tuple[tuple[int, ...], str, str] | None = None  # its shape, dtype and device


class Inventory:
    """The parameters and operations of a run."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._rows: list[_Row] = []
        self._left_out = 0
        self._taken = self._known = 0  # looks, and optimizers that were known at the last
        self._norms: dict[int, float | None] = {}  # by id of a tensor's record
        self._moved: dict[int, float] = {}
        self._last: dict[int, Step] = {}
        self.operations: dict[Place | None, list[_Operation]] = {}

    @property
    def is_due(self) -> bool:
        """Whether there is an optimizer whose parameters are not known yet."""
        return len(self._last) > self._known and self._taken < MOST_LOOKS

    def hear(self, step: Step) -> None:
        """A step was made."""
        self._last[step.optimizer.number] = step
        if step.movement is not None:
            for tensor, change in zip(step.movement.tensors, step.movement.changes, strict=True):
                self._moved[id(tensor)] = max(self._moved.get(id(tensor), 0.0), change)

    def take(self) -> None:
        """Name every parameter of the models that are trained; walks the living objects."""
        held = {
            id(parameter)
            for optimizer in self._record.optimizers.values()
            for parameter, _ in optimizer.parameters()
        }
        self._taken += 1
        self._known = len(self._last)
        seen = {id(p) for row in self._rows if (p := row.reference()) is not None}
        for module in trained_models(held):
            kind = type(module).__name__
            for name, parameter in module.named_parameters():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    self._add(kind, name, parameter)
        for optimizer in self._record.optimizers.values():
            for parameter, _ in optimizer.parameters():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    self._add("", "", parameter)
        self._name_operations()

    def _add(self, model: str, name: str, parameter: Any) -> None:
        if len(self._rows) == MOST:
            self._left_out += 1
            return
        self._rows.append(
            _Row(
                weakref.ref(parameter),
                model,
                name,
                tuple(parameter.shape),
                _kind(parameter.dtype),
                str(parameter.device),
                bool(parameter.requires_grad),
            )
        )

    def look(self, loss: Any, place: Place | None) -> None:
        """Read the operations off the graph of a loss, once a place."""
        if place not in self.operations and len(self.operations) < LOSSES:
            self.operations[place] = operations(loss)
            self._name_operations()

    def _name_operations(self) -> None:
        names = {id(p): row.name for row in self._rows if (p := row.reference()) is not None}
        for one in (one for found in self.operations.values() for one in found):
            alive = [reference() for reference in one.parameters]
            one.names = [names[id(p)] for p in alive if names.get(id(p))] or one.names

    def to_json(self) -> dict[str, Any]:
        """The two tables."""
        tensors = self._tensors()
        return {
            "parameters": [self._row(row, tensors) for row in self._rows],
            "parameters_left_out": self._left_out,
            "operations": [
                {
                    "path": place.path if place else None,
                    "line": place.line if place else None,
                    "operations": [
                        {
                            "name": one.name,
                            "parameters": one.names,
                            "shape": list(one.output[0]),
                            "dtype": one.output[1],
                            "device": one.output[2],
                        }
                        for one in found
                        if one.output is not None
                    ],
                }
                for place, found in self.operations.items()
                if any(one.output is not None for one in found)
            ],
        }

    def _tensors(self) -> dict[int, tuple[int, TensorRecord]]:
        """By id of the parameter's reference: the optimizer that has it, and its record."""
        norms = self._norms
        found: dict[int, tuple[int, TensorRecord]] = {}
        for optimizer in self._record.optimizers.values():
            for tensor in optimizer.tensors.values():
                found[id(tensor.reference)] = (optimizer.number, tensor)
        for step in self._last.values():
            for tensor, norm in zip(step.tensors, step.norms, strict=False):
                norms[id(tensor)] = norm
        return found

    def _row(self, row: _Row, tensors: dict[int, tuple[int, TensorRecord]]) -> dict[str, Any]:
        # Two plain weak references to one object are one object.
        number, tensor = tensors.get(id(row.reference), (None, None))
        data: dict[str, Any] = {
            "model": row.model,
            "name": row.name,
            "shape": list(row.shape),
            "dtype": row.dtype,
            "device": row.device,
            "trainable": row.trainable if tensor is None else tensor.movable,
            "optimizer": number,
            "gradient": None if tensor is None else tensor.had_gradient,
            "norm": None if tensor is None else self._norms.get(id(tensor)),
            "change": None if tensor is None else self._moved.get(id(tensor)),
        }
        return data


def trained_models(held: set[int]) -> list[Any]:
    """The outermost living modules that have one of these parameters."""
    candidates = [
        module for module in living_modules() if any(id(p) in held for p in module.parameters())
    ]
    inner = {
        id(child) for module in candidates for child in module.modules() if child is not module
    }
    return [module for module in candidates if id(module) not in inner]


def operations(loss: Any) -> list[_Operation]:
    """What was computed for a loss, in the order in which it was."""
    nodes: list[Any] = []
    seen: set[Any] = set()
    stack = [loss.grad_fn]
    while stack and len(seen) < LARGEST:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if not hasattr(node, "variable"):
            nodes.append(node)
        stack += [following for following, _ in node.next_functions]
    nodes.sort(key=lambda node: node._sequence_nr())
    found: list[tuple[Any, _Operation]] = []
    for node in nodes:
        name = _operation(node)
        parameters = [p for following, _ in node.next_functions if (p := _parameter(following))]
        if not (name in FORMS and parameters):
            found.append((node, _Operation(name, parameters, [])))
    if len(found) > OPERATIONS:
        found = [(node, one) for node, one in found if one.parameters]
    for node, one in found[:OPERATIONS]:
        _describe(node, one)
    return [one for _, one in found[:OPERATIONS]]


def _describe(node: Any, operation: _Operation) -> None:
    """Note what the outputs of a node are: now, or when its backward pass is handed gradients.

    Torch 2.4 tells nothing of the outputs; their gradients are of the same kind.
    """
    if hasattr(node, "_input_metadata"):
        operation.output = _form(node._input_metadata)
        return
    handle: Any = None

    def arrived(gradients: Any) -> None:
        with suppress(Exception):  # it runs in the midst of the program's own backward pass
            handle.remove()
            operation.output = _form(gradients)

    try:
        handle = node.register_prehook(arrived)
    except (AttributeError, RuntimeError):  # a function of the program's own
        return


def _form(outputs: Any) -> tuple[tuple[int, ...], str, str] | None:
    """Shape, dtype and device of the first one, where they are plain."""
    first = outputs[0] if outputs else None
    if first is None:
        return None
    try:
        return tuple(int(length) for length in first.shape), _kind(first.dtype), str(first.device)
    except (TypeError, ValueError):  # symbolic
        return None


def _parameter(node: Any) -> weakref.ref[Any] | None:
    """The parameter that a node hands on as it is, or in another form."""
    for _ in range(4):
        if node is None:
            return None
        variable = getattr(node, "variable", None)
        if variable is not None:
            return weakref.ref(variable)
        if _operation(node) not in FORMS:
            return None
        node = node.next_functions[0][0]
    return None


def _operation(node: Any) -> str:
    name: str = type(node).__name__
    return name.partition("Backward")[0] or name


def _kind(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
