"""Whether a sampler that shares out the data learns the epoch, so that its order changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.edits import Unfixable
from trainlint.semantics import tree
from trainlint.semantics.data import feeding
from trainlint.semantics.data.feeding import Feed
from trainlint.semantics.kinds import Frame, Instance, Literal, Value
from trainlint.semantics.parameters import argument
from trainlint.semantics.training.counting import unwrapped
from trainlint.semantics.training.distributed import is_cared_for
from trainlint.semantics.training.script import TrainingLoop
from trainlint.semantics.training.updates import visible
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

SAMPLERS = frozenset(
    {
        "torch.utils.data.DistributedSampler",
        "torch.utils.data.distributed.DistributedSampler",
    }
)
_SHUFFLE = 3  # DistributedSampler(dataset, num_replicas, rank, shuffle, ...)
_MAX_STEPS = 60

_REPEATED = re.compile(r"fold|seed|trial|client|repeat|(^|_)runs?$|split", re.I)
_EPOCHS = re.compile(r"epoch", re.I)
_RANGES = re.compile(r"range$")


@dataclass(frozen=True, slots=True)
class Unshuffled:
    """A training loop whose distributed sampler gives the same order in each round of ``epochs``.

    ``site`` is the place in ``epochs`` from which the loop runs: itself, or a call.
    """

    feed: Feed
    sampler: Instance
    loop: tree.For
    epochs: tree.Loop
    site: tree.Node


def without_epoch(file: File) -> Iterator[Unshuffled]:
    """The shuffling distributed samplers of a file's training that never learn the epoch."""
    told: set[tree.Call] = set()
    if is_cared_for(file):
        return
    for found in file.script.training_loops:
        for feed in feeding.feeds(file, found.loop):
            for sampler in _shuffling(file, feed):
                if sampler.call in told:
                    continue
                place = epoch_loop(file, found, (sampler, feed.loader))
                if place is None or _learns(file, feed, sampler):
                    continue
                told.add(sampler.call)
                assert isinstance(found.loop, tree.For)
                yield Unshuffled(feed, sampler, found.loop, *place)


def is_sampler(value: Value) -> bool:
    """Whether a value is torch's own distributed sampler."""
    return isinstance(value, Instance) and value.name in SAMPLERS


def _shuffling(file: File, feed: Feed) -> Iterator[Instance]:
    """The distributed samplers of a loader that are known to shuffle."""
    for value in feeding.samplers(file, feed):
        if not isinstance(value, Instance) or value.name not in SAMPLERS or value.call.has_star:
            continue
        given = value.call.arg(_SHUFFLE, "shuffle")
        if given is None or any(
            isinstance(one, Literal) and one.value is True
            for one in file.values.of(given, value.frame)
        ):
            yield value


# Epochs


def epoch_loop(
    file: File, found: TrainingLoop, made: tuple[Instance, ...]
) -> tuple[tree.Loop, tree.Node] | None:
    """The loop over the epochs around a training loop, with the place in it that leads there.

    None where none is known, or where it makes one of the given objects anew in each round.
    """
    for outer, site in _around(file, found.loop):
        if _is_left_after(outer, site):
            continue
        if any(_is_made_in(outer, value) for value in made):
            return None
        if _counts_epochs(file, outer):
            return outer, site
    return None


def _around(file: File, loop: tree.Loop) -> Iterator[tuple[tree.Loop, tree.Node]]:
    """The loops around one, in its function and around the calls of that."""
    places: list[tree.Node] = [loop]
    seen: set[tree.FunctionDef] = set()
    while places:
        callers: list[tree.Node] = []
        for site in places:
            outer = tree.enclosing_loop(site)
            while outer is not None:
                yield outer, site
                outer = tree.enclosing_loop(outer)
            function = tree.function_of(site)
            if function is not None and function not in seen:
                seen.add(function)
                callers += [call for call, _owner in file.values.graph.callers(function)]
        places = callers if len(seen) < _MAX_STEPS else []


def _is_left_after(loop: tree.Loop, site: tree.Node) -> bool:
    """Whether a round that gets through its training pass is the last: attempts, not epochs."""
    for above in (site, *site.ancestors()):
        if above is loop:
            return False
        if isinstance(above, tree.Stmt) and any(
            isinstance(one, tree.Break | tree.Return) for one in _following(above)
        ):
            return True
    return False


def _following(statement: tree.Stmt) -> list[tree.Stmt]:
    block = tree.block_of(statement)
    return block[next(at for at, one in enumerate(block) if one is statement) + 1 :]


def _is_made_in(loop: tree.Loop, value: Instance) -> bool:
    """Whether each round of a loop makes an object, there or in a function that is called there."""
    frame: Frame | None = value.frame
    places: list[tree.Node] = [value.call, *(frame.chain if frame is not None else ())]
    return any(above is loop for place in places for above in place.ancestors())


def _counts_epochs(file: File, loop: tree.Loop) -> bool:
    """Whether a loop goes over epochs, and more than one: by its range, or by its name."""
    if isinstance(loop, tree.While):
        return not any(_REPEATED.search(name) for name in tree.words_of(loop.test))
    names = list(tree.words_of(loop.target))
    if any(_REPEATED.search(name) for name in names):
        return False
    counted = _range(file, loop)
    if counted is not None:
        return file.values.literal(counted.arg(0)) != 1 or counted.arg(1) is not None
    return any(_EPOCHS.search(name) for name in names)


def _range(file: File, loop: tree.For) -> tree.Call | None:
    """The ``range`` or ``trange`` that a loop counts, also behind a progress bar."""
    header = unwrapped(file, loop.iter)
    if isinstance(header, tree.Call) and _RANGES.search(tree.last_name(header.func)):
        return header
    return None


def _learns(file: File, feed: Feed, sampler: Instance) -> bool:
    """Whether something may tell a sampler the epoch; of an unknown one it may."""
    homes = dict.fromkeys((file, file.home(sampler.call), file.home(feed.loader.call)))
    for home in homes:
        for other in file.view.mentioning(["set_epoch", "epoch"], home):
            if any(_may_mean(file, call, feed, sampler) for call in other.once(_set_epochs)):
                return True
    return False


def _set_epochs(file: File) -> list[tree.Node]:
    """The calls of ``set_epoch`` of a file, what sets an ``epoch``, and mentions by a string."""
    found: list[tree.Node] = [
        node
        for node in file.all(tree.Attribute)
        if _is_set(node)
        or (
            node.attr == "set_epoch"
            and file.names.qualified(node) is None
            and not _says_nothing(node)
        )
    ]
    found += [node for node in file.all(tree.Constant) if node.value == "set_epoch"]
    return found


def _is_set(attribute: tree.Attribute) -> bool:
    """Whether ``sampler.epoch`` is what an assignment fills."""
    if attribute.attr != "epoch" or "sampler" not in (tree.last_name(attribute.value) or ""):
        return False
    match attribute.parent:
        case tree.Assign(targets=targets):
            return any(target is attribute for target in targets)
        case tree.AugAssign(target=target):
            return target is attribute
        case _:
            return False


def _says_nothing(node: tree.Attribute) -> bool:
    """True where ``set_epoch`` is named and not called, or always told the same number."""
    call = node.parent
    if not isinstance(call, tree.Call) or call.func is not node:
        return isinstance(call, tree.ExprStmt)
    return len(call.args) == 1 and isinstance(call.args[0].value, tree.Constant)


def _may_mean(file: File, node: tree.Node, feed: Feed, sampler: Instance) -> bool:
    if not isinstance(node, tree.Attribute):
        return True
    receiver = node.value
    while isinstance(receiver, tree.Attribute) and receiver.attr in {"sampler", "batch_sampler"}:
        inner = receiver.value
        if not feeding.loaders(file, inner) and isinstance(inner, tree.Name):
            break
        receiver = inner
    own = {feed.loader.call, sampler.call}
    return any(
        not isinstance(value, Instance)
        or value.name not in SAMPLERS | feeding.LOADERS
        or value.call in own
        for value in file.values.of(receiver)
    )


# What the loop over the epochs calls things


@dataclass(frozen=True, slots=True)
class Telling:
    """The lines that tell a sampler the epoch; ``known`` that it is there to be told."""

    lines: tuple[str, ...]
    known: bool


def telling(file: File, found: Unshuffled) -> Telling:
    """How the sampler is told the epoch at the head of the loop over the epochs.

    Raises:
        Unfixable: the loop counts no epochs, or neither sampler nor loader has a name in it, or
            `set_epoch` is there and tells nothing.
    """
    loop = found.epochs
    if not isinstance(loop, tree.For) or not isinstance(loop.target, tree.Name):
        raise Unfixable("the loop does not count the epochs")
    if _range(file, loop) is None:
        raise Unfixable("the loop does not count the epochs")
    named = [n for n in loop.walk() if isinstance(n, tree.Attribute) and n.attr == "set_epoch"]
    if any(map(_says_nothing, named)):
        raise Unfixable("`set_epoch` stands there already, and tells no epoch")
    epoch, head = loop.target.id, loop.body[0]
    if epoch == "_":
        raise Unfixable("the loop gives the epoch no name")
    given = found.feed.argument("sampler")
    if given is None:
        raise Unfixable("a batch sampler hides the sampler")
    if tree.dotted(given) is not None and visible(file, given, head):
        return _told(file.text(given), epoch, file.values.of(given), known=True)
    loader = _loader_at(found)
    if loader is None or not visible(file, loader, head):
        raise Unfixable("neither the sampler nor its loader has a name in the loop over the epochs")
    known = feeding.is_only_loaders(file, loader)
    drawn: list[Value | None] = []
    for one in feeding.loaders(file, loader):
        drawn += feeding.samplers(file, feeding.feed(file, one, loader)) or [None]
    return _told(f"{file.text(loader)}.sampler", epoch, drawn, known)


def _told(sampler: str, epoch: str, values: Sequence[Value | None], known: bool) -> Telling:
    call = f"{sampler}.set_epoch({epoch})"
    if values and all(value is not None and is_sampler(value) for value in values):
        return Telling((call,), known)
    return Telling((f'if hasattr({sampler}, "set_epoch"):', f"    {call}"), known)


def _loader_at(found: Unshuffled) -> Expr | None:
    """The loader as the loop over the epochs names it, None where it has no name there."""
    taken, site = found.feed.taken, found.site
    function = tree.function_of(found.loop)
    if site is found.loop or tree.function_of(site) is function:
        return taken if tree.dotted(taken) is not None else None
    if isinstance(taken, tree.Name) and function is not None and isinstance(site, tree.Call):
        param = function.param(taken.id)
        given = argument(function, site, param) if param is not None else None
        return given if given is not None and tree.dotted(given) is not None else None
    own = (tree.dotted(taken) or "").startswith("self.")
    return taken if own and tree.class_of(site) is tree.class_of(taken) is not None else None
