"""In which order loaders give the samples that a model learns from, or is measured on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import feeding, row_order
from trainlint.semantics.data.feeding import Feed
from trainlint.semantics.data.roles import TEST, VALIDATION, of_name
from trainlint.semantics.kinds import Object
from trainlint.semantics.training import counting, evaluation
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_EVALUATING = frozenset({"val_dataloader", "test_dataloader", "predict_dataloader"})
_FRAMEWORKS = ("lightning.", "pytorch_lightning.")
# Calls that write a file, and those by which a name is made of another.
_WRITES = re.compile(r"^(imwrite|imsave|savefig|save|save_image|savetxt|savez|to_csv|open)$")
_SPELLS = re.compile(
    r"^(join|joinpath|split|rsplit|splitext|basename|strip|replace|format|str|Path|with_suffix|"
    r"with_name|removesuffix|item|int|zfill|decode)$"
)
# What goes over all that a generator gives.
_TAKE_ALL = frozenset(
    f"builtins.{name}" for name in "sum list tuple set dict max min sorted".split()
)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A loader with the place at which its batches are used; ``shuffle`` is what it is given."""

    loader: tree.Call
    used: tree.Node
    shuffle: Expr | None
    maker: tree.Call | None = None  # the call of the function that makes it, beside others

    @property
    def written(self) -> tree.Constant | None:
        """The word on ``shuffle`` that stands at the loader itself, and serves no other one."""
        given = self.shuffle
        if not isinstance(given, tree.Constant) or self.maker is not None:
            return None
        return given if self.loader in given.ancestors() else None


def shuffled_evaluations(file: File) -> Iterator[Ordered]:
    """The loaders of a validation or test split that shuffle, and that nothing trains on."""
    trained = {
        (feed.loader.call, _maker(feed))
        for found in file.script.training_loops
        for feed in feeding.feeds(file, found.loop)
    }
    learned_from = {call for call, _ in trained}
    told: set[tree.Call] = {call for call, maker in trained if maker is None}
    for found in evaluation.passes(file):
        if _takes_some(file, found.loop):
            continue
        for feed in feeding.feeds(file, found.loop):
            call, maker = feed.loader.call, _maker(feed)
            shuffle = feed.argument("shuffle")
            if call in told or shuffle is None or not _is(file, feed, shuffle, True):
                continue
            if (call, maker) in trained or (maker is None and call in learned_from):
                continue
            if _has_sampler(feed) or _is_iterable(file, feed) or not _is_held_out(file, feed):
                continue
            if _is_kept_by_name(file, feed, found.loop):
                continue
            told.add(call)
            yield Ordered(call, found.loop, shuffle, maker if call in learned_from else None)
    yield from _returned(file, told | learned_from)


def _maker(feed: Feed) -> tree.Call | None:
    """The call of the function in which a loader is made, where it is known."""
    return feed.loader.frame.call if feed.loader.frame is not None else None


def _returned(file: File, told: set[tree.Call]) -> Iterator[Ordered]:
    """The shuffling loaders that a module of Lightning hands out for evaluation."""
    for function in file.all(tree.FunctionDef):
        cls = function.parent
        if function.name not in _EVALUATING or not isinstance(cls, tree.ClassDef):
            continue
        bases = file.values.graph.bases(cls)
        if not any(base is not None and base.startswith(_FRAMEWORKS) for base in bases):
            continue
        for statement in file.values.graph.returns(function):
            assert statement.value is not None
            for loader in feeding.loaders(file, statement.value):
                feed = feeding.feed(file, loader, statement.value)
                shuffle = feed.argument("shuffle")
                if shuffle is None or loader.call in told or _has_sampler(feed):
                    continue
                if _is(file, feed, shuffle, True):
                    told.add(loader.call)
                    yield Ordered(loader.call, statement, shuffle)


def unshuffled_training(file: File) -> Iterator[Ordered]:
    """The loaders of map-style data that a training goes over in the order of the data."""
    told: set[tree.Call] = set()
    for found in file.script.training_loops:
        if row_order.counts_on_order(file, found):
            continue
        for feed in feeding.feeds(file, found.loop):
            call, shuffle = feed.loader.call, feed.argument("shuffle")
            if call in told or _has_sampler(feed) or feed.argument("batch_sampler") is not None:
                continue
            if shuffle is not None and not _is(file, feed, shuffle, False):
                continue
            data = feeding.datasets(file, feed)
            if not data or not all(row_order.is_plain(file, value) for value in data):
                continue
            if row_order.is_mixed(file, feed) or _is_whole(file, feed):
                continue
            told.add(call)
            yield Ordered(call, found.loop, shuffle)


def _has_sampler(feed: Feed) -> bool:
    given = (feed.argument("sampler"), feed.argument("batch_sampler"))
    return any(one is not None and not tree.is_none(one) for one in given)


def _is(file: File, feed: Feed, given: Expr, wanted: bool) -> bool:
    return file.values.literal(given, feed.loader.frame) is wanted


def _is_kept_by_name(file: File, feed: Feed, loop: evaluation.Rounds) -> bool:
    """Whether batches of one are written to files, each under a name that its sample brings."""
    size = feed.argument("batch_size")
    if size is not None and file.values.literal(size, feed.loader.frame) != 1:
        return False
    taken = counting.taken(file, loop) if isinstance(loop, tree.For) else None
    if taken is None or not isinstance(loop, tree.For):
        return False
    brought = {name.id for name in loop.target.walk() if isinstance(name, tree.Name)}
    brought -= {taken.index or ""}
    paths: set[str] = set()
    for node in loop.walk():
        if isinstance(node, tree.Assign) and _is_spelled(node.value, brought):
            names = {
                name.id
                for target in node.targets
                for name in target.walk()
                if isinstance(name, tree.Name)
            }
            brought |= names
            paths |= names if _builds_text(node.value) else set()
    return any(
        isinstance(call, tree.Call)
        and _WRITES.match(tree.last_name(call.func)) is not None
        and any(_is_path(arg.value, brought, paths) for arg in call.args)
        for call in loop.walk()
    )


def _is_path(given: Expr, brought: set[str], paths: set[str]) -> bool:
    if isinstance(given, tree.Name):
        return given.id in paths
    return _builds_text(given) and _is_spelled(given, brought)


def _is_spelled(value: Expr, brought: set[str]) -> bool:
    """Whether a value is made of what a sample brings, by nothing but the handling of text."""
    return any(isinstance(n, tree.Name) and n.id in brought for n in value.walk()) and all(
        _SPELLS.match(tree.last_name(n.func)) is not None
        for n in value.walk()
        if isinstance(n, tree.Call)
    )


def _builds_text(value: Expr) -> bool:
    return any(
        isinstance(node, tree.FormattedString)
        or (isinstance(node, tree.Constant) and isinstance(node.value, str) and "." in node.value)
        for node in value.walk()
    )


def _takes_some(file: File, loop: evaluation.Rounds) -> bool:
    """Whether a loop may end early, so that the order decides which samples it sees."""
    if isinstance(loop, tree.Comprehension):
        taker = loop.parent.parent if isinstance(loop.parent, tree.Arg) else None
        whole = isinstance(taker, tree.Call) and file.names.qualified(taker.func) in _TAKE_ALL
        if loop.kind == "generator" and not whole:
            return True
        return any(_is_cut(file, generator.iter) for generator in loop.generators)
    if isinstance(loop, tree.For) and _is_cut(file, loop.iter):
        return True
    return any(isinstance(node, tree.Break | tree.Return) for node in loop.walk())


def _is_cut(file: File, header: Expr) -> bool:
    """Whether batches are zipped with others, which pairs them, or ends before they do."""
    return any(
        isinstance(node, tree.Call) and file.names.qualified(node.func) == "builtins.zip"
        for node in header.walk()
    )


def _is_iterable(file: File, feed: Feed) -> bool:
    return any(
        isinstance(value, Object)
        and any(base is None or "Iterable" in base for base in file.values.graph.bases(value.cls))
        for value in feeding.datasets(file, feed)
    )


def _is_held_out(file: File, feed: Feed) -> bool:
    """Whether all that tells it says that a loader is of a validation or test split."""
    loader, maker = feed.loader.call, _maker(feed)
    roles = {fed.split for fed in file.loaders.of(Use(loader, feed.loader.frame))}
    for made in (loader, maker) if None in roles else ():
        target = next(iter(tree.targets_of(made.parent if made is not None else None)), None)
        if isinstance(target, tree.Name):
            roles = {of_name(target.id) if role is None else role for role in roles}
    return bool(roles) and roles <= {VALIDATION, TEST}


def _is_whole(file: File, feed: Feed) -> bool:
    """Whether one batch is all of the data."""
    given = feed.argument("batch_size")
    return isinstance(given, tree.Call) and file.names.qualified(given.func) == "builtins.len"
