"""Under which contexts a place runs: autocast, no_grad, and those of its callers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Frame, Instance, Method, Symbol, Value
from trainlint.semantics.trail import Step

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

AUTOCAST = frozenset(
    {
        "torch.autocast",
        "torch.amp.autocast",
        "torch.cuda.amp.autocast",
        "torch.cpu.amp.autocast",
    }
)
NO_GRAD = frozenset({"torch.no_grad", "torch.inference_mode"})
_ASKS = frozenset({"torch.is_autocast_enabled", "torch.is_autocast_cpu_enabled"})
# What Lightning's trainer calls by itself, of a module or of a callback.
_HOOKS = re.compile(
    r"(training|validation|test|predict)_(step|step_end|epoch_end)|"
    r"on_(train|validation|test|predict)_(batch_|epoch_)?(start|end)"
)
MAX_CHAINS = 24  # of callers, each with its own context


@dataclass(frozen=True, slots=True)
class Entered:
    """A context that holds at a place.

    ``expr`` is the context expression, ``value`` what it is, ``certain`` False where another value
    is possible (``nullcontext() if cpu else autocast()``), ``steps`` the calls between the context
    and the place, the innermost first.
    """

    expr: tree.Expr
    value: Value
    certain: bool
    steps: tuple[Step, ...]

    @property
    def call(self) -> tree.Call | None:
        return self.value.call if isinstance(self.value, Instance | Method) else None


Match = Callable[[Value], bool]


def entered(file: File, node: tree.Node, match: Match) -> list[Entered | None]:
    """For each chain of callers that is known, the innermost matching context, or None."""
    below = node
    for ancestor in node.ancestors():
        match ancestor:
            case tree.With() if isinstance(below, tree.Stmt):
                for context in _of_block(ancestor, below):
                    if (found := _matching(file, context, match)) is not None:
                        return [found]
            case tree.FunctionDef() if isinstance(below, tree.Stmt):
                for decorator in reversed(ancestor.decorators):
                    found = _matching(file, decorator, match)
                    if found is not None:
                        return [found]
                return _of_callers(file, ancestor, match)
            case _:
                pass
        below = ancestor
    return [None]


def _of_block(block: tree.With, below: tree.Stmt) -> Iterator[tree.Expr]:
    """The contexts around a statement of a block, those a stack enters before it too."""
    for statement in reversed(block.body[: block.body.index(below)]):
        match statement:
            case tree.ExprStmt(
                value=tree.Call(func=tree.Attribute(attr="enter_context"), args=[tree.Arg() as arg])
            ):
                yield arg.value
            case _:
                pass
    yield from (item.context for item in reversed(block.items))


def _of_callers(file: File, function: tree.FunctionDef, match: Match) -> list[Entered | None]:
    def find() -> list[Entered | None]:
        chains: dict[Entered | None, None] = {}
        for call, _owner in file.values.graph.callers(function):
            step = Step(call, f"`{function.name}` is called here")
            for found in entered(file, call, match):
                chains[found and replace(found, steps=(step, *found.steps))] = None
        chains.update(dict.fromkeys(_by_trainer(file, function, match)))
        return list(chains)[:MAX_CHAINS] or [None]

    return file.values.contexts.ask((function, match), find, [None])


def _by_trainer(file: File, function: tree.FunctionDef, match: Match) -> Iterator[Entered | None]:
    """How Lightning's trainer calls a method of its own: what evaluates, without gradients."""
    cls = function.parent
    hook = _HOOKS.fullmatch(function.name)
    if hook is None or not isinstance(cls, tree.ClassDef):
        return
    bases = file.values.graph.bases(cls)
    if any(base is not None and base.startswith("lightning.") for base in bases):
        held = Symbol(function, None, (), "torch.no_grad")
        if match(held):
            trains = "train" in hook[0]
            yield None if trains else Entered(cls.bases[0].value, held, True, ())


def _matching(file: File, context: tree.Expr, match: Match) -> Entered | None:
    found = file.values.of(context)
    for value in found:
        if match(value):
            return Entered(context, value, len(found) == 1, ())
    return None


def is_autocast(value: Value) -> bool:
    """An autocast region: torch's own, or that of an accelerate or Fabric object."""
    if isinstance(value, Instance | Symbol):
        return value.name in AUTOCAST
    return isinstance(value, Method) and value.name == "autocast"


def is_never_autocast(file: File, test: tree.Expr) -> bool:
    """Whether a test asks for autocast at a place that no way leads to through such a region."""
    if not isinstance(test, tree.Call) or file.names.qualified(test.func) not in _ASKS:
        return False
    if file.calls_to(lambda name: name.startswith("torch.set_autocast")):
        return False
    known = [*entered(file, test, is_autocast), *framework_autocast(file, test)]
    return all(found is None for found in known)


def is_no_grad(value: Value) -> bool:
    """``torch.no_grad()`` and ``torch.inference_mode()``, called or as a bare decorator."""
    return isinstance(value, Instance | Symbol) and value.name in NO_GRAD


def autocast_device(file: File, region: Entered) -> str | None:
    """The device type of an autocast region, None when it is not known."""
    value = region.value
    name = value.name if isinstance(value, Instance | Symbol) else ""
    if name.startswith(("torch.cuda.", "torch.cpu.")):
        return name.split(".")[1]
    if region.call is None or not isinstance(value, Instance):
        return None
    device = file.values.literal(region.call.arg(0, "device_type"), value.frame)
    return device if isinstance(device, str) else None


def autocast_enabled(file: File, region: Entered, frame: Frame | None = None) -> bool | None:
    """Whether a region is switched on, in a call of its function; None when that depends."""
    if region.call is None or not isinstance(region.value, Instance):
        return None if not isinstance(region.value, Symbol) else True
    old = region.value.name.startswith(("torch.cuda.", "torch.cpu."))
    given = region.call.arg(0 if old else 2, "enabled")
    if given is None:
        switched: bool | None = None if region.call.has_star else True
    else:
        same = frame is not None and tree.function_of(given) is frame.function
        literal = file.values.literal(given, frame if same else region.value.frame)
        switched = literal if isinstance(literal, bool) else None
    return switched if region.certain or switched is False else None


def may_have_other_dtype(file: File, node: tree.Node, default: str) -> bool:
    """Whether a region around a place, or a call in the file, sets an autocast dtype but this."""

    def other(value: Value) -> bool:
        if not is_autocast(value) or not isinstance(value, Instance):
            return is_autocast(value) and isinstance(value, Method)
        dtype = value.call.arg(1, "dtype")
        return dtype is not None and file.names.qualified(dtype) != default

    is_set = file.calls_to(lambda name: name.startswith("torch.set_autocast") and "dtype" in name)
    return bool(is_set) or any(entered(file, node, other))


def under_no_grad(file: File, node: tree.Node) -> bool | None:
    """True when every known caller holds ``no_grad``, False when none does, None otherwise."""
    chains = {found is not None for found in entered(file, node, is_no_grad)}
    return chains.pop() if len(chains) == 1 else None


# Steps that a framework runs under the precision its trainer was given.
_STEPS = frozenset({"training_step", "validation_step", "test_step", "forward", "compute_loss"})
_TRAINERS = frozenset({"Trainer", "TrainingArguments", "Seq2SeqTrainingArguments"})
_SWITCHES = {
    "precision": frozenset({16, "16", "16-mixed", "bf16", "bf16-mixed"}),
    "fp16": frozenset({True}),
    "bf16": frozenset({True}),
}
_FRAMEWORK_BASES = ("lightning.", "transformers.")


def framework_autocast(file: File, node: tree.Node) -> list[Entered]:
    """The switch of a framework that runs the step around a place in mixed precision.

    The step is a method of a Lightning module or of a Hugging Face trainer, and the file gives a
    trainer its precision as a literal.
    """
    function = tree.function_of(node)
    cls = function.parent if function is not None else None
    if function is None or function.name not in _STEPS or not isinstance(cls, tree.ClassDef):
        return []
    bases = file.values.graph.bases(cls)
    if not any(base is not None and base.startswith(_FRAMEWORK_BASES) for base in bases):
        return []
    found = []
    for call in file.calls:
        name = file.names.qualified(call.func) or ""
        if not name.startswith(_FRAMEWORK_BASES) or name.rpartition(".")[2] not in _TRAINERS:
            continue
        for keyword, values in _SWITCHES.items():
            given = call.arg(None, keyword)
            if given is not None and file.values.literal(given) in values:
                value = Symbol(call, None, (), name)
                found.append(Entered(call, value, True, ()))
    return found
