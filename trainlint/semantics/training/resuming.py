"""Resumed runs: which states a script saves beside the weights, and which it reads back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import Instance
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.training import checkpoints, written
from trainlint.semantics.training.saved_entries import (
    COUNTS,
    EPOCH,
    OPTIMIZER,
    Kept,
    kept,
    kind_of,
    saved_entries,
    saved_keys,
)
from trainlint.semantics.training.script import STEP
from trainlint.semantics.tree import Expr, Node
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_RESUMES = re.compile(r"(^|[^a-z])resum(e|ed|ing)", re.I)
_TUNES = re.compile(
    r"fine_?-?tun|pre_?train|transfer|init_(from|weight)|warm_?start|backbone", re.I
)
_STARTS = re.compile(r"start|begin|first|last|init|resume|^epoch$", re.I)
_TAKES = frozenset({"get", "pop"})
# Calls of frameworks that bring back all of a run.
_WHOLE = frozenset({"load_state", "load_checkpoint", "restore"})


@dataclass(frozen=True, slots=True, eq=False)
class Resume:
    """A load after which training goes on, with the states that it leaves behind.

    ``saved`` are those that the script saves beside these weights; ``lost`` is an optimizer with a
    state of which the file holds nothing.
    """

    load: tree.Call
    weights: tree.Call
    saved: tuple[Kept, ...]
    lost: Instance | None
    why: Node | None


def resumes(file: File) -> list[Resume]:
    """The loads of a file that resume a run and bring back less than it was, one for each model."""
    loads = [load for load in file.calls_to("torch.load") if not is_dead(load)]
    if not loads or any(tree.word_of(c.func) in _WHOLE for c in file.calls if _is_method(c)):
        return []
    restored = _restored_kinds(file)
    saved = saved_entries(file)
    states, known = list(kept(file, saved)), saved_keys(file, saved)
    found: dict[tuple[Node, str], Resume] = {}
    for load in loads:
        one = _resume(file, load, restored, states, known)
        if one is not None and one.why is not None:
            found[one.why, file.text(one.weights.func)] = one
    by_reason: dict[Node, Resume] = {}
    for (why, _), one in found.items():
        by_reason.setdefault(why, one)
    return list(by_reason.values())


def _resume(
    file: File, load: tree.Call, restored: frozenset[str], states: list[Kept], known: set[str]
) -> Resume | None:
    if not _is_followed(file, load):
        return None
    found = checkpoints.restored(file, load)
    weights = _weights(file, found.states)
    why = _resume_word(file, load) or _start(file, load)
    if weights is None or why is None or not _goes_on(file, load):
        return None
    if found.keys and found.keys.isdisjoint(known):
        return None  # another program has written it
    seen = found.keys | found.inner
    left = [one for one in states if one.kind not in restored and one.key not in seen]
    saved = [one for one in left if one.kind != EPOCH] if found.keys else []
    if found.keys and not _reads_epoch(file):
        saved += [one for one in left if one.kind == EPOCH][:1]
    kinds = restored | ({one.kind for one in states} if found.keys else set())
    lost = _stateful(file, load) if OPTIMIZER not in kinds else None
    if not saved and lost is None:
        return None
    return Resume(load, weights, tuple(_one_each(saved)), lost, why)


def _one_each(states: list[Kept]) -> Iterator[Kept]:
    seen: set[str] = set()
    for one in states:
        if one.key not in seen:
            seen.add(one.key)
            yield one


def _is_method(call: tree.Call) -> bool:
    return isinstance(call.func, tree.Attribute)


# What is read back


def _restored_kinds(file: File) -> frozenset[str]:
    """The kinds of objects that get a state back somewhere in a file."""
    return frozenset(
        kind_of(file, call.func.value)
        for call in file.calls
        if isinstance(call.func, tree.Attribute) and call.func.attr == "load_state_dict"
    )


def _weights(file: File, states: list[tree.Call]) -> tree.Call | None:
    for call in states:
        if isinstance(call.func, tree.Attribute) and not kind_of(file, call.func.value):
            return call
    return None


def _is_followed(file: File, load: tree.Call) -> bool:
    """False where something that is not known gets the whole file."""
    for use in uses(file, load):
        parent = use.expr.parent
        if use.lost:
            return False
        if isinstance(parent, tree.Arg) and isinstance(parent.parent, tree.Call):
            call = parent.parent
            name = file.names.qualified(call.func) or ""
            method = tree.word_of(call.func)
            if method != "load_state_dict" and not name.startswith("builtins."):
                return False
    return True


def _reads_epoch(file: File) -> bool:
    """True where a script reads an epoch from what it has loaded, or is told where to start."""
    for node in file.all(tree.Subscript):
        key = node.index[0] if len(node.index) == 1 else None
        text = key.value if isinstance(key, tree.Constant) else None
        if isinstance(text, str) and "epoch" in text and not is_bound_by(node):
            return True
    for call in file.calls:
        given = call.args[0].value if call.args and tree.word_of(call.func) in _TAKES else None
        if isinstance(given, tree.Constant) and "epoch" in str(given.value):
            return True
    return _is_told_the_first(file)


def _is_told_the_first(file: File) -> bool:
    """True where a name for the first epoch can hold more than the number that it is set to."""
    named = [
        node
        for node in (*file.all(tree.Name), *file.all(tree.Attribute))
        if _is_first(tree.last_name(node))
    ]
    bound = [node for node in named if is_bound_by(node)]
    numbers = [node for node in bound if _is_number(node)]
    settled = {file.text(node) for node in numbers} - {
        file.text(node) for node in bound if node not in numbers
    }
    return any(_is_first(param.name) for param in file.all(tree.Param)) or any(
        file.text(node) not in settled for node in named
    )


def _is_first(name: str) -> bool:
    return "epoch" in name and name != "epoch" and _STARTS.search(name) is not None


def _is_number(target: Expr) -> bool:
    """True for a variable, or an attribute of the object itself, that is set to a number."""
    own = isinstance(target, tree.Name) or tree.dotted(target) == f"self.{tree.last_name(target)}"
    set_by = target.parent
    return own and isinstance(set_by, tree.Assign) and isinstance(set_by.value, tree.Constant)


# Whether a run goes on


def _resume_word(file: File, load: tree.Call) -> Node | None:
    """What says that a load resumes: a test, the path, or the name of the function around it."""
    path, told = load.arg(0, "f"), None
    for body, place in written.sites_of(file, load):
        if isinstance(body, tree.FunctionDef) and _TUNES.search(body.name):
            return None
        tests: list[Expr] = [guard.test for guard in guards(place) if guard.outcome]
        if any(_TUNES.search(file.text(test)) for test in tests):
            return None
        for test in tests:  # the outermost one last
            if _RESUMES.search(file.text(test)):
                told = test
        if told is not None:
            return told
        if isinstance(body, tree.FunctionDef) and _RESUMES.search(body.name):
            return body
    if path is not None and _RESUMES.search(file.text(path)):
        return path
    return None


def _start(file: File, load: tree.Call) -> Node | None:
    """The place where the first epoch is taken from a loaded file."""
    for use in uses(file, load):
        item = use.expr.parent
        if not isinstance(item, tree.Subscript) or len(item.index) != 1:
            continue
        key = file.values.literal(item.index[0])
        if not isinstance(key, str) or not COUNTS.match(key):
            continue
        statement = tree.statement_of(item)
        if isinstance(statement, tree.Assign):
            target = tree.word_of(statement.targets[0])
            if "epoch" in target.lower() and _STARTS.search(target):
                return statement
    return None


def _goes_on(file: File, load: tree.Call) -> bool:
    """Whether steps of an optimizer follow a load."""
    for body, place in written.sites_of(file, load):
        flow = file.flow_in(body)
        if not flow.holds(place):
            continue
        steps = [
            flow.point(event.site)
            for event in file.script.events(body)
            if event.kind == STEP and flow.holds(event.site)
        ]
        if flow.reaches(flow.point(place), steps):
            return True
        if isinstance(body, tree.FunctionDef) and _is_open(file, body):
            cls = body.parent
            if isinstance(cls, tree.ClassDef) and any(
                event.kind == STEP
                for method in cls.body
                if isinstance(method, tree.FunctionDef)
                for event in file.script.own_events.get(method, ())
            ):
                return True
    return False


def _is_open(file: File, method: tree.FunctionDef) -> bool:
    """True for a method behind which the others of its object can follow: nobody known calls it."""
    return method.name == "__init__" or not any(file.values.graph.callers(method))


def _stateful(file: File, load: tree.Call) -> Instance | None:
    """The optimizer that steps behind a load, where it keeps averages of the gradients."""
    stepping = [
        value
        for events in file.script.own_events.values()
        for event in events
        if event.kind == STEP and event.receiver is not None
        for value in file.values.of(event.receiver)
        if isinstance(value, Instance) and "optim" in value.name.lower()
    ]
    bodies = {body for body, _ in written.sites_of(file, load)}
    near = [value for value in stepping if tree.body_of(value.call) in bodies]
    return next(filter(lambda value: _keeps_averages(file, value), near or stepping), None)


def _keeps_averages(file: File, optimizer: Instance) -> bool:
    short = optimizer.name.rpartition(".")[2]
    momentum = optimizer.call.arg(2, "momentum")
    given = momentum is not None and file.values.literal(momentum) != 0
    return short.startswith(("Ada", "NAdam", "RAdam", "RMSprop")) or given
