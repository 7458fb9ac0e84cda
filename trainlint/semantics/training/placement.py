"""Whether a file that is loaded can hold tensors of a device that the loading run does not have.

Two things must be known for that: that models, optimizers or a checkpoint of them are in the file
(tensors of a data set are made on the CPU), and that the code which gets to the load supports a
machine without the device of the run that saved it. It chooses its device by what there is or by a
setting, or never speaks of one in a project whose other programs use a GPU, and nothing on the way
to the load, or behind it, needs a GPU whatever there is. Where only names tell what is in the file,
or the device is open in a project that speaks of one, the answer is possible; where something
speaks against one of the two, or nothing for it, it is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from enum import Enum
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own, own_statements
from trainlint.semantics.kinds import FunctionValue
from trainlint.semantics.training import (
    devices,
    plain_saves,
    provenance,
    refusals,
    skipped,
    titles,
    whole_models,
    written,
)
from trainlint.semantics.training.checkpoints import Restored
from trainlint.semantics.tree import Body, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_STATE_KEY = re.compile(
    r"state_?dict|(model|net|optim\w*|sched\w*)(_state)?$|^epoch$|_state$", re.I
)
_NUMBERS = re.compile(r"scaler|sched", re.I)  # whose states hold no tensors
_DEPTH = 2  # functions inside functions that a GPU is looked for in
_ON_CPU = frozenset({"offload_to_cpu", "cpu_offload"})


class Chance(Enum):
    """Whether the load can meet tensors of a device that is not there."""

    NONE = "none"
    POSSIBLE = "possible"  # nothing speaks for it, or against
    LIKELY = "likely"


def chance(file: File, load: tree.Call, restored: Restored) -> Chance:
    """Whether a ``torch.load`` can meet tensors of a device that its run does not have."""
    if restored.array is not None or _gathers_on_cpu(file) or _is_number_state(file, restored):
        return Chance.NONE
    if provenance.is_tested(file, load) or provenance.is_own(file, load, restored):
        return Chance.NONE
    if titles.is_published(file, load) or _is_sharded(file) or _has_another_way(file, load):
        return Chance.NONE
    if _has_its_own_file(file, load) or _is_written_on_cpu(file, load):
        return Chance.NONE
    if devices.needs_gpu(file, {tree.word_of(model) for model in provenance.receivers(restored)}):
        return Chance.NONE
    if file.once(devices.demands_gpu) or devices.is_only_with_gpu(load):
        return Chance.NONE
    if skipped.on_every_way(file, load, _needs_gpu) or skipped.is_skipped(file, load):
        return Chance.NONE
    if provenance.is_saved_nowhere(file, restored) or not file.once(devices.is_spoken_of):
        return Chance.NONE
    if not _holds_states(file, load, restored):
        return Chance.POSSIBLE if titles.says_states(file, load) else Chance.NONE
    match file.once(devices.device):
        case devices.Device.OPEN:
            return Chance.NONE if _stays_on_cpu(file) else Chance.LIKELY
        case devices.Device.GPU:
            return Chance.NONE
        case devices.Device.UNSAID:
            known = (
                not provenance.saves(file)
                and not titles.is_pretrained(file, load)
                and _runs_without_gpu(file, load)
                and _is_saved_with_gpu(file)
            )
            return Chance.LIKELY if known else Chance.POSSIBLE


# Who runs it


def _runs_without_gpu(file: File, load: tree.Call) -> bool:
    """True where some script gets to a load and does not need a GPU anyway."""
    scripts = {
        file.home(site)
        for _, site in written.sites_of(file, load)
        if tree.function_of(site) is None
    }
    return any(
        not script.once(devices.demands_gpu)
        and script.once(devices.device) is not devices.Device.GPU
        for script in scripts
    )


def _is_saved_with_gpu(file: File) -> bool:
    """True where other files of the project save states, and some speak of a GPU."""
    others = [other for other in file.view.holding(["torch", "save"], file) if other is not file]
    if not any(provenance.saves(other) for other in others):
        return False
    using = file.view.holding(["torch", "cuda"], file)
    return any(
        other.once(devices.demands_gpu) or other.once(devices.device) is not devices.Device.UNSAID
        for other in dict.fromkeys((*others, *using))
        if other is not file
    )


def _stays_on_cpu(file: File) -> bool:
    """True where all that this file saves lies on the CPU, or no file of the project moves a model.

    Such a file moves everything to the CPU; such a project saves states and moves only copies.
    """
    if file.once(devices.is_cpu) and provenance.saves(file):
        return True
    if not file.once(devices.moves_only_copies):
        return False
    view = file.view
    moving = {other for word in ("to", "cuda") for other in view.holding(["torch", word], file)}
    return any(map(provenance.saves, view.holding(["torch", "save"], file))) and all(
        other.once(devices.moves_only_copies) is not False for other in moving
    )


def _needs_gpu(file: File, site: Node) -> bool:
    """True where the body of a place needs a GPU, whether before it or behind it."""
    return _fails_before(file, site) or _fails_behind(file, site) or _is_refused(file, site)


def _fails_before(file: File, site: Node) -> bool:
    """True where the body of a place needs a GPU before it."""
    return not file.once(devices.is_spread) and any(
        call.start < site.start
        and devices.fails_without_gpu(file, call)
        and _is_on_the_way(call, site)
        for call in file.contents.calls_in.get(tree.body_of(site), ())
    )


def _is_refused(file: File, site: Node) -> bool:
    """True where the body of a place ends a run without a GPU before it.

    Where there is one process for each, the place must be in the one that uses the first by number.
    """
    body = tree.body_of(site)
    refused = any(
        statement.start < site.start
        and refusals.refuses(file, statement)
        and _is_on_the_way(statement, site)
        for statement in own_statements(body)
    )
    calls = file.contents.calls_in.get(body, ()) if refused else ()
    return refused and (
        not file.once(devices.is_spread)
        or any(
            call.start > site.start
            and devices.is_first_gpu(file, call)
            and not _is_chosen(call, body, set(site.ancestors()))
            for call in calls
        )
    )


def _fails_behind(file: File, site: Node) -> bool:
    """True where what follows a place needs a GPU, and no branch leads past that."""
    body = tree.body_of(site)
    calls = file.contents.calls_in.get(body, ())
    left = [node.start for kind in (tree.Return, tree.Raise) for node in own(body, kind)]
    return not file.once(devices.is_spread) and any(
        call.start > site.start
        and not _is_chosen(call, body, set(site.ancestors()))
        and not any(site.start < start < call.start for start in left)
        and (devices.fails_without_gpu(file, call) or _leads_to_demand(file, call, _DEPTH))
        for call in calls
    )


def _leads_to_demand(file: File, call: tree.Call, depth: int) -> bool:
    """True for the call of a function that moves something to a GPU, whatever it is given."""
    for value in file.values.callees(call) if depth else ():
        function = value.function if isinstance(value, FunctionValue) else None
        if not isinstance(function, tree.FunctionDef):
            continue
        home = file.home(function)
        for inner in home.contents.calls_in.get(function, ()):
            if _is_chosen(inner, function, set()):
                continue
            if tree.word_of(inner.func) == "cuda" or devices.fails_without_gpu(home, inner):
                return True
            if _leads_to_demand(home, inner, depth - 1):
                return True
    return False


def _is_chosen(call: tree.Call, body: Body, shared: Set[Node]) -> bool:
    """True where a branch that is not among the shared decides whether a body gets to a call."""
    for node in call.ancestors():
        if node is body:
            return False
        if isinstance(node, tree.If | tree.IfExp | tree.Try) and node not in shared:
            return True
    return True


def _is_on_the_way(before: Node, site: Node) -> bool:
    """True where what leads to a place has run something before: no branch or loop is around it."""
    above = set(site.ancestors())
    return not any(
        isinstance(node, tree.If | tree.IfExp | tree.For | tree.While | tree.Try)
        and node not in above
        for node in before.ancestors()
        if not isinstance(node, tree.Module)
    )


# What is in the file


def _holds_states(file: File, load: tree.Call, restored: Restored) -> bool:
    if restored.states or any(_STATE_KEY.search(key) for key in restored.keys | restored.inner):
        return True
    return whole_models.may_be_model(file, load)


def _has_another_way(file: File, load: tree.Call) -> bool:
    """True where the other branch of a choice, or the handler of a failure, says the device."""
    return any(_says_where(file, node) for other in _other_branches(load) for node in other.walk())


def _has_its_own_file(file: File, load: tree.Call) -> bool:
    """True where a run without a GPU loads another file than one with it: each keeps its own."""
    path = load.arg(0, "f")
    if path is None or not devices.is_only_without_gpu(load):
        return False
    return any(
        is_load(file, node) and isinstance(node, tree.Call) and _is_of_another(file, node, path)
        for other in _other_branches(load)
        for node in other.walk()
    )


def _is_of_another(file: File, load: tree.Call, path: tree.Expr) -> bool:
    given = load.arg(0, "f")
    return given is not None and not written.same_path(file, path, given)


def _other_branches(load: tree.Call) -> Iterator[Node]:
    """What runs where one of the choices around a load takes its other branch, or fails."""
    for above in load.ancestors():
        match above:
            case tree.Try() if any(load in statement.walk() for statement in above.body):
                yield from above.handlers
            case tree.If() if load not in above.test.walk():
                inside = any(load in statement.walk() for statement in above.body)
                yield from above.orelse if inside else above.body
            case tree.FunctionDef() | tree.ClassDef():
                return


def _is_written_on_cpu(file: File, load: tree.Call) -> bool:
    """True where all that is seen to write the file moves everything to the CPU."""
    homes = {file.home(writer.save) for writer in plain_saves.writers(file, load)}
    return bool(homes) and all(home.once(devices.is_cpu) for home in homes)


def is_load(file: File, node: Node) -> bool:
    """True for a call of ``torch.load``."""
    return isinstance(node, tree.Call) and file.names.qualified(node.func) == "torch.load"


def _says_where(file: File, node: Node) -> bool:
    """True for a call of ``torch.load`` with a ``map_location``."""
    return (
        isinstance(node, tree.Call)
        and is_load(file, node)
        and (node.has_star or node.arg(1, "map_location") is not None)
    )


def _is_number_state(file: File, restored: Restored) -> bool:
    """True for the states of gradient scalers and schedules alone: plain numbers."""
    if restored.others or not restored.states:
        return False
    return all(
        isinstance(call.func, tree.Attribute)
        and (
            file.script.is_scaler(call.func.value)
            or file.script.is_scheduler(call.func.value)
            or _NUMBERS.search(tree.word_of(call.func.value)) is not None
        )
        for call in restored.states
    )


def _is_sharded(file: File) -> bool:
    """True where FSDP gathers the states: where to, a setting of it decides that is not known."""
    return any(
        (file.names.qualified(node) or "").startswith("torch.distributed.fsdp.")
        or (isinstance(node, tree.Attribute) and node.attr == "state_dict_type")
        for node in (*file.all(tree.Attribute), *file.all(tree.Name))
    )


def _gathers_on_cpu(file: File) -> bool:
    """True where a file tells FSDP to hand out states on the CPU."""
    return any(
        arg.keyword in _ON_CPU and file.values.literal(arg.value) is True
        for call in file.calls
        for arg in call.args
    )
