"""The training script in the field's words: backward, step, zero_grad, modes, and their loops.

An ``Event`` is one such act as seen from a body: its ``site`` is the place in that body where it
happens, which is the call of a helper when the act itself stands in the helper.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import FunctionValue, Instance, Literal, Method, Object
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.names import Binding
    from trainlint.semantics.training.accumulation import AccumulationWindow


BACKWARD, STEP, ZERO_GRAD, UPDATE, UNSCALE, CLIP, SCHEDULE, MODE = (
    "backward",
    "step",
    "zero_grad",
    "update",
    "unscale",
    "clip",
    "schedule",
    "mode",
)
SCALERS = frozenset(
    {
        "torch.amp.GradScaler",
        "torch.cuda.amp.GradScaler",
        "torch.cpu.amp.GradScaler",
        "torch.distributed.fsdp.sharded_grad_scaler.ShardedGradScaler",
    }
)
CLIPS = frozenset(
    f"torch.nn.utils.{module}{name}"
    for module in ("", "clip_grad.")
    for name in ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm")
)
# Engines and callbacks that propagate, step and clear by themselves.
ENGINES = frozenset({"deepspeed", "fastai", "ignite", "colossalai"})
# Calls that do a backward or a step for the script; what they hide, no rule may miss.
FRAMEWORKS = ENGINES | {"accelerate", "lightning"}

_OPTIMIZER = re.compile(r"(^|_)(optim|optimizer|optimiser|opt)s?(_|\d|$)|optim", re.I)
# Classes of optimizers in libraries: transformers.AdamW, apex.optimizers.FusedLAMB, ...
_OPTIMIZER_CLASS = re.compile(
    r"\.\w*(Ada(m|factor|grad|belief|delta)|SGD|Lion|LAMB|Lamb|LARS|RMSprop|Ranger|Shampoo|Muon|"
    r"Sophia|Prodigy)\w*$"
)
_SCHEDULER = re.compile(r"sched", re.I)
_SCHEDULES = re.compile(r"lr_scheduler|SWALR$|(?i:schedule)[^.]*$")
_SCALER = re.compile(r"scaler", re.I)
_MAX_DEPTH = 4
_ACTS = ("backward", "zero_grad", "step")


@dataclass(frozen=True, slots=True)
class Event:
    """One act of training.

    ``receiver`` is the loss, optimizer, scheduler, scaler or model; ``scaled`` tells that the act
    goes through a ``GradScaler``, ``by`` the framework object that does it.
    """

    kind: str
    call: tree.Node
    site: tree.Node
    receiver: Expr | None
    scaled: bool = False
    by: str | None = None  # "accelerator", "fabric", "engine", "lightning", "apex"
    training: bool | None = None  # of a mode switch

    def at(self, site: tree.Node) -> Event:
        return Event(self.kind, self.call, site, self.receiver, self.scaled, self.by, self.training)


@dataclass(frozen=True, slots=True)
class TrainingLoop:
    """The innermost loop around a backward, with the acts that happen in one iteration of it."""

    loop: tree.Loop
    body: Body
    events: tuple[Event, ...]

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]


class Script:
    def __init__(self, file: File) -> None:
        self.file = file
        self._events: dict[Body, list[Event]] = {}
        self._elsewhere: dict[Expr, bool] = {}

    @cached_property
    def bodies(self) -> list[Body]:
        return [self.file.module, *self.file.all(tree.FunctionDef)]

    @cached_property
    def own_events(self) -> dict[Body, list[Event]]:
        """The acts that stand in each body itself, in source order."""
        found: dict[Body, list[Event]] = {}
        for call in self.file.calls:
            event = self._event(call)
            if event is not None:
                body: Body = tree.body_of(call)
                found.setdefault(body, []).append(event)
        for assign in self.file.all(tree.Assign):  # p.grad = None
            target = assign.targets[0]
            if isinstance(target, tree.Attribute) and target.attr == "grad":
                body = tree.body_of(assign)
                found.setdefault(body, []).append(Event(ZERO_GRAD, assign, assign, target.value))
        return found

    def events(self, body: Body) -> list[Event]:
        """The acts of a body and of the functions of the project that it calls."""
        home = self.file.home(body)
        if home is not self.file:
            return home.script.events(body)
        if body not in self._events:
            self._events[body] = sorted(
                self._collect(body, _MAX_DEPTH, frozenset()), key=lambda e: e.site.start
            )
        return self._events[body]

    def _collect(self, body: Body, depth: int, seen: frozenset[Body]) -> Iterator[Event]:
        home = self.file.home(body)
        if home is not self.file:
            yield from home.script._collect(body, depth, seen)
            return
        yield from self.own_events.get(body, ())
        if depth == 0 or body in seen:
            return
        for call in self.file.contents.calls_in.get(body, ()):
            for function in self.called(call):
                for event in self._collect(function, depth - 1, seen | {body}):
                    yield event.at(call)

    def called(self, call: tree.Call) -> list[tree.FunctionDef]:
        """The functions that a call can run and in which something happens."""
        func = call.func
        name = func.id if isinstance(func, tree.Name) else getattr(func, "attr", None)
        if name not in self._eventful:
            if func not in self._elsewhere:
                self._elsewhere[func] = self._happens_elsewhere(func)
            if not self._elsewhere[func]:
                return []
        return [
            value.function
            for value in self.file.values.callees(call)
            if isinstance(value, FunctionValue) and isinstance(value.function, tree.FunctionDef)
        ]

    def _happens_elsewhere(self, func: Expr) -> bool:
        """Whether a function that is taken from another file leads to an act there."""
        links = self.file.view.links
        if links is None or not self._taken_from(func):
            return False
        linked: list[Binding] = []
        if isinstance(func, tree.Name):
            found = self.file.names.find(func.id, func)
            for binding in found[1] if found is not None else ():
                linked += links.bindings(binding) or []
        else:
            linked += links.definitions(func) or []
        return any(
            isinstance(one.node, tree.FunctionDef)
            and one.name in self.file.home(one.node).script._eventful
            for one in linked
        )

    def _taken_from(self, func: Expr) -> bool:
        """Whether a callee is of a module in which a word of an act stands; none is opened."""
        links = self.file.view.links
        assert links is not None
        places: set[str | None] = set()
        if isinstance(func, tree.Attribute):
            places.add(links.place(func.value))
        elif isinstance(func, tree.Name):
            found = self.file.names.find(func.id, func)
            for binding in found[1] if found is not None else ():
                statement = binding.node.parent
                if binding.kind == "import" and isinstance(statement, tree.ImportFrom):
                    find = links.graph.find
                    places.add(find(self.file.path, statement.level, statement.module))
        return any(
            place is not None
            and (place.endswith("__init__.py") or links.graph.mentions(place, _ACTS))
            for place in places
        )

    @cached_property
    def _eventful(self) -> frozenset[str]:
        """Names of functions that can lead to an act, over any number of calls."""
        names = {b.name for b in self.own_events if isinstance(b, tree.FunctionDef)}
        called: dict[str, set[str]] = {}
        for body, calls in self.file.contents.calls_in.items():
            if isinstance(body, tree.FunctionDef):
                called.setdefault(body.name, set()).update(tree.word_of(c.func) for c in calls)
        while True:
            more = {name for name, callees in called.items() if callees & names} - names
            if not more:
                return frozenset(names)
            names |= more

    @cached_property
    def training_loops(self) -> list[TrainingLoop]:
        """The innermost loops that run a backward, in this body or in what it calls."""
        found: list[TrainingLoop] = []
        for body in self.bodies:
            events = self.events(body)
            loops: list[tree.Loop] = []
            for event in events:
                if event.kind != BACKWARD:
                    continue
                loop = tree.enclosing_loop(event.site)
                if loop is not None and loop not in loops and not _is_in_inner_loop(event):
                    loops.append(loop)
            for loop in loops:
                inside = tuple(e for e in events if tree.in_rounds(e.site, loop))
                found.append(TrainingLoop(loop, body, inside))
        return found

    @cached_property
    def accumulation_windows(self) -> list[AccumulationWindow]:
        """The loops that step once for several backwards."""
        from trainlint.semantics.training.windows import windows

        return windows(self)

    def epoch_loop(self, loop: tree.Loop) -> tree.Loop | None:
        """The loop around a batch loop: in the same body, or around a call of its function."""
        outer = tree.enclosing_loop(loop)
        if outer is not None:
            return outer
        function = tree.function_of(loop)
        if function is None:
            return None
        for call, _owner in self.file.values.graph.callers(function):
            outer = tree.enclosing_loop(call)
            if outer is not None:
                return outer
        return None

    @cached_property
    def frameworks(self) -> frozenset[str]:
        """The training frameworks that the file imports."""
        roots = set()
        for alias in self.file.all(tree.Alias):
            statement = alias.parent
            module = statement.module if isinstance(statement, tree.ImportFrom) else alias.name
            root = module.partition(".")[0]
            roots.add("lightning" if root == "pytorch_lightning" else root)
        return FRAMEWORKS & roots

    # One call

    def _event(self, call: tree.Call) -> Event | None:
        func = call.func
        if not isinstance(func, tree.Attribute):
            name = self.file.names.qualified(func)
            return self._function_event(call, name) if name is not None else None
        name = self.file.names.qualified(func)
        if name is not None:
            return self._function_event(call, name)
        match func.attr:
            case "backward":
                return self._backward(call, func.value)
            case "manual_backward" | "manual_optimizer_step":
                return Event(BACKWARD, call, call, call.arg(0), by="lightning")
            case "step":
                return self._step(call, func.value)
            case "zero_grad" | "zero_grad_":
                return Event(ZERO_GRAD, call, call, func.value)
            case "zero_" | "fill_" if (owner := _gradient_of(func.value)) is not None:
                return Event(ZERO_GRAD, call, call, owner)
            case "update" if self.is_scaler(func.value):
                return Event(UPDATE, call, call, func.value)
            case "unscale_" if self.is_scaler(func.value):
                return Event(UNSCALE, call, call, call.arg(0, "optimizer"), scaled=True)
            case "unscale_gradients" | "clip_grad_norm_" | "clip_grad_value_":
                return Event(CLIP, call, call, call.arg(0), by="accelerator")
            case "eval" if not call.args:
                return Event(MODE, call, call, func.value, training=False)
            case "train" if len(call.args) <= 1:
                return self._train(call, func.value)
            case _:
                return None

    def _function_event(self, call: tree.Call, name: str) -> Event | None:
        if name in CLIPS:
            return Event(CLIP, call, call, call.arg(0, "parameters"))
        if name == "torch.autograd.backward":
            return Event(BACKWARD, call, call, call.arg(0, "tensors"))
        if name.endswith("xla_model.optimizer_step"):
            return Event(STEP, call, call, call.arg(0))
        return None

    def _train(self, call: tree.Call, receiver: Expr) -> Event | None:
        training: bool | None = True
        if call.args:
            given = self.file.values.literal(call.args[0].value)
            training = given if isinstance(given, bool) else None
        values = self.file.values.callees(call)
        if any(isinstance(value, FunctionValue) for value in values):
            return None  # a method of the project called ``train``
        return Event(MODE, call, call, receiver, training=training)

    def _backward(self, call: tree.Call, receiver: Expr) -> Event:
        if isinstance(receiver, tree.Call) and isinstance(receiver.func, tree.Attribute):
            inner = receiver.func
            if inner.attr == "scale" and receiver.args:
                return Event(BACKWARD, call, call, receiver.args[0].value, scaled=True)
        loss = call.arg(0, "loss")
        last = tree.word_of(receiver)
        if loss is not None and not isinstance(loss, tree.Constant):
            by = self._framework_object(receiver, last)
            if by is not None:
                return Event(BACKWARD, call, call, loss, by=by)
            if self.is_optimizer(receiver):  # FP16_Optimizer
                return Event(BACKWARD, call, call, loss)
        for value in self.file.values.of(receiver):
            # scaled = scaler.scale(loss); scaled.backward()
            if isinstance(value, Method) and value.name == "scale" and value.call.args:
                return Event(BACKWARD, call, call, value.call.args[0].value, scaled=True)
        return Event(BACKWARD, call, call, receiver)

    def _framework_object(self, receiver: Expr, last: str) -> str | None:
        for value in self.file.values.of(receiver):
            if isinstance(value, Instance):
                short = value.name.rpartition(".")[2]
                if short in {"Accelerator", "Fabric"}:
                    return short.lower()
                if short == "initialize" and "deepspeed" in value.name:
                    return "engine"
        lowered = last.lower()
        for word in ("accelerator", "fabric", "engine"):
            if word in lowered:
                return word
        return "engine" if "deepspeed" in self.frameworks else None

    def _step(self, call: tree.Call, receiver: Expr) -> Event | None:
        if self.is_scaler(receiver):
            given = call.arg(0, "optimizer")
            return Event(STEP, call, call, given, scaled=True) if given is not None else None
        if self.is_scheduler(receiver):
            return Event(SCHEDULE, call, call, receiver)
        if self.is_optimizer(receiver):
            return Event(STEP, call, call, receiver)
        if "engine" in tree.word_of(receiver).lower():
            return Event(STEP, call, call, receiver, by="engine")
        return None

    # Objects

    def is_optimizer(self, expr: Expr) -> bool:
        """By its binding; by its name only where the binding is unknown."""
        return self._is(
            expr,
            lambda name: (
                not _SCHEDULES.search(name)
                and (name.startswith("torch.optim.") or bool(_OPTIMIZER_CLASS.search(name)))
            ),
            "torch.optim.Optimizer",
            _OPTIMIZER,
        )

    def is_scheduler(self, expr: Expr) -> bool:
        """By its binding; by its name only where the binding is unknown."""
        return self._is(
            expr,
            lambda name: _SCHEDULES.search(name) is not None,
            "torch.optim.lr_scheduler.LRScheduler",
            _SCHEDULER,
        )

    def is_scaler(self, expr: Expr) -> bool:
        """By its binding; by its name only where the binding is unknown."""
        return self._is(expr, SCALERS.__contains__, "torch.amp.GradScaler", _SCALER)

    def _is(
        self, expr: Expr, known: Callable[[str], bool], base: str, by_name: re.Pattern[str]
    ) -> bool:
        unknown = False
        for value in self.file.values.of(expr):
            match value:
                case Instance():
                    if known(value.name):
                        return True
                    unknown = unknown or value.name.rpartition(".")[2][:1].islower()
                case Object():
                    bases = self.file.values.graph.bases(value.cls)
                    if base in bases or any(name is not None and known(name) for name in bases):
                        return True
                    unknown = unknown or None in bases
                case Literal():
                    continue
                case _:
                    unknown = True
        return unknown and by_name.search(tree.word_of(expr)) is not None


def _gradient_of(expr: Expr) -> Expr | None:
    """``p`` for ``p.grad`` and ``p.grad.data``, None for what is no gradient."""
    while isinstance(expr, tree.Attribute):
        if expr.attr == "grad":
            return expr.value
        expr = expr.value
    return None


def _is_in_inner_loop(event: Event) -> bool:
    """True when the act stands in a loop of the helper that the site calls."""
    return event.site is not event.call and tree.enclosing_loop(event.call) is not None
