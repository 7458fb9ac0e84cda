"""Fits on rows that a split divides: by transformers, and by statistics of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import (
    columns,
    deeds,
    labels,
    parts,
    pieces,
    roles,
    splits,
    transformers,
    unlisted,
)
from trainlint.semantics.data.deeds import Deed
from trainlint.semantics.data.splits import Split
from trainlint.semantics.data.transformers import Transformer

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_FILL = frozenset({"SimpleImputer", "Imputer"})
# By which words are chosen that the rows of the test part have, too.
_CHOOSES = ("min_df", "max_df", "max_features")


@dataclass(frozen=True, slots=True)
class Leak:
    """A fit on rows that a split divides, and the deed that gives its result on.

    ``of_labels`` tells that nothing but targets of the training is fitted on.
    """

    split: Split
    deed: Deed
    fit: tree.Call
    of_labels: bool = False

    @property
    def made(self) -> tree.Node:
        """Where the transformer was made, or the statistic."""
        known = self.deed.transformer
        return self.deed.node if known is None else known.made

    @property
    def keeps_order(self) -> bool:
        """True where columns only get another scale, which no tree can tell."""
        known = self.deed.transformer
        return self.deed.ordered if known is None else known.ordered

    @property
    def fills(self) -> bool:
        """True where values come in only where some are missing."""
        known = self.deed.transformer
        return not self.deed.ordered if known is None else known.kind == transformers.IMPUTER


def leaks(file: File, split: Split) -> list[Leak]:
    """The fits on rows that a split divides, in source order."""
    found = (Leak(split, deed, fit) for deed, fit in _leaks(file, split))
    return sorted(found, key=lambda leak: leak.fit.start)


def _leaks(file: File, split: Split) -> Iterator[tuple[Deed, tree.Call]]:
    for index, expr in enumerate(split.inputs):
        use = Use(expr)
        past = file.splits.rows.past(use)
        if split.name == "slicing" and _put_together(past):
            continue
        for deed in past:
            if split.name in splits.BY_HAND and not _is_known(deed):
                continue
            for found, fit in _of_deed(file, split, deed):
                if columns.is_left_out(file, found, expr):
                    continue
                if not unlisted.is_never_learned(file, found, split, index):
                    yield found, fit
        if index == 0:
            yield from _applied_to_parts(file, split, parts.origins(file, use))


def _put_together(past: Sequence[Deed]) -> bool:
    """Train and test files that were joined for a while are no split when taken apart again."""
    return len({deed.origin for deed in past if deed.kind == deeds.ORIGIN}) > 1


def _is_known(deed: Deed) -> bool:
    """True where a library's transformer was fitted or applied."""
    return deed.transformer is not None and deed.transformer.kind != transformers.OWN


def _of_deed(file: File, split: Split, deed: Deed) -> Iterator[tuple[Deed, tree.Call]]:
    known, call = deed.transformer, deed.node
    if deed.data is None or not isinstance(call, tree.Call):
        return
    if deed.kind == deeds.STATISTIC:
        if parts.is_whole(file, deed.data) and not pieces.is_of_one(
            file, deed.data, call, split.node
        ):
            yield deed, call
    elif known is None or not known.leaks:
        return
    elif deed.kind == deeds.FIT:
        if pieces.is_of_one(file, deed.data, call, split.node):
            return
        if parts.is_whole(file, deed.data) or _is_train_part_in_folds(file, split, deed.data):
            yield deed, call
    elif deed.kind == deeds.APPLY:
        origins = parts.origins(file, deed.data)
        for fit in parts.fits_before(file, known, call):
            if _learns_from(file, fit, origins):
                yield deed, fit


def _is_train_part_in_folds(file: File, split: Split, data: Use) -> bool:
    """A train part is all that there is to folds that are gone through by hand."""
    if split.name != "split":
        return False
    taken = parts.parts(file, data)
    return bool(taken) and all(
        _name_of_split(file, part) == "train_test_split" and parts.role(file, part) == roles.TRAIN
        for part in taken
    )


def _name_of_split(file: File, part: Deed) -> str | None:
    known = file.home(part.node).splits.all
    return next((split.name for split in known if split.node is part.node), None)


def _applied_to_parts(
    file: File, split: Split, origins: set[object]
) -> Iterator[tuple[Deed, tree.Call]]:
    """Transformers that are applied to a part and were fitted on the whole."""
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "transform" or not call.args:
            continue
        data = Use(call.args[0].value)
        if not any(part.node is split.node for part in parts.parts(file, data)):
            continue
        for known in file.splits.transformers.of(func.value):
            for fit in parts.fits_before(file, known, call) if known.leaks else ():
                if _learns_from(file, fit, origins):
                    learns = known.learns
                    yield Deed(deeds.APPLY, call, True, (), data, known, learns=learns), fit


def _learns_from(file: File, fit: tree.Call, origins: set[object]) -> bool:
    """True when a fit takes all rows from one of the origins."""
    data = Use(fit.args[0].value)
    return parts.is_whole(file, data) and not parts.origins(file, data).isdisjoint(origins)


# What it changes


def is_of_labels(file: File, leak: Leak) -> bool:
    """True where nothing but targets of the training is fitted on."""
    data = leak.deed.data
    return data is not None and labels.are_labels(file, leak.split, data.expr)


def is_harmless(file: File, leak: Leak) -> bool:
    """True for what is as good as the same without the test part."""
    known = leak.deed.transformer
    if leak.of_labels:
        return True
    if known is None:
        return _fills_what_is_missing(file, leak)
    return all(p.name in _FILL or _only_counts(p) for p in known.parts or (known,))


def _fills_what_is_missing(file: File, leak: Leak) -> bool:
    """True where a loop fills one column after the other, whether it has gaps or not."""
    column = leak.deed.data.expr if leak.deed.data is not None and leak.fills else None
    if not isinstance(column, tree.Subscript) or len(column.index) != 1:
        return False
    key = column.index[0]
    return isinstance(key, tree.Name) and any(
        binding.kind == "each" for binding in file.values.definitions(key)[0]
    )


def _only_counts(known: Transformer) -> bool:
    """True for a vocabulary of all words: those of the test part are zero in the train part."""
    made = known.made
    if known.name != "CountVectorizer" or not isinstance(made, tree.Call) or made.has_star:
        return False
    return all(made.arg(None, name) is None for name in _CHOOSES)
