"""Which samples a loader hands out: by their index in one data set, and by what is in them."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainlint.runtime.loaders import features_of, label_of

if TYPE_CHECKING:
    from trainlint.runtime.events import Batch

WHOLE = ("SequentialSampler", "RandomSampler", "DistributedSampler", "WeightedRandomSampler")
ELEMENTS = 512  # of each sample that make its mark
KEPT = 200_000  # marks of a set
RICH = (16, 8)  # elements, and different values: equal samples that have as many are no chance
KEPT_SETS = 16  # of an optimizer
LOOKS = 8  # samples of a batch whose values are counted


@dataclass(slots=True, eq=False)
class SampleSet:
    """The samples of one loader object."""

    dataset: weakref.ref[Any] | None = None  # that of the loader
    base: weakref.ref[Any] | None = None  # the data set under all subsets
    indices: Collection[int] | None = None  # in it, where they are known beforehand
    chain: tuple[Any, ...] = ()  # the indices of the subsets, the outermost first
    drawn: set[int] = field(default_factory=set)  # indices that were seen
    marks: set[int] = field(default_factory=set)
    rows: int = 0  # samples with a mark, each index once
    rich: bool = True
    _open: bool = True

    @property
    def known(self) -> Collection[int]:
        """The indices of its samples, as far as they are known."""
        return self.drawn if self.indices is None else self.indices

    @property
    def repeats(self) -> float:
        """The part of its samples whose content another of them has."""
        return 1 - len(self.marks) / self.rows if self.rows else 0.0

    def is_same_as(self, other: SampleSet) -> bool:
        """Whether both hold the same samples of one data set that is alive."""
        base = self.base() if self.base is not None else None
        if base is None or other.base is None or other.base() is not base:
            return False
        return self.indices is not None and self.indices == other.indices

    def is_of_same_data(self, other: SampleSet) -> bool:
        """Whether the loaders of both were given one object."""
        if self.dataset is None or other.dataset is None:
            return False
        return self.dataset() is not None and self.dataset() is other.dataset()

    def mapped(self, drawn: Iterable[int]) -> tuple[int, ...]:
        """Indices that a sampler drew, as those of the data set under all subsets."""
        return tuple(_mapped(self.chain, drawn))

    def note(self, batch: Batch) -> None:
        """A batch was handed out; looks at its content in the first pass."""
        fresh = None
        if batch.indices is not None:
            fresh = [i for i, index in enumerate(batch.indices) if index not in self.drawn]
            self.drawn.update(batch.indices)
        elif batch.number == 1 and self.rows:
            self._open = False
        if not self._open or fresh == [] or self.rows >= KEPT:
            return
        found = marks_of(batch.content)
        if found is None:
            return
        marks, is_rich = found
        if fresh is not None and len(marks) == len(batch.indices or ()):
            marks = [marks[i] for i in fresh]
        self.rich = self.rich and is_rich
        known = [mark for mark in marks if mark is not None]
        self.marks.update(known)
        self.rows += len(known)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Samples that two sets have in common."""

    share: float  # of the evaluated ones
    count: int
    of: int
    by_index: bool
    whole: bool  # both are of one data set object, and not two subsets of it
    examples: tuple[int, ...] = ()


def sample_set(loader: Any) -> SampleSet:
    """What can be said of a loader's samples beforehand; no code of the data set runs."""
    found = SampleSet()
    dataset: Any = getattr(loader, "dataset", None)
    chain: list[Any] = []
    while type(dataset).__name__ == "Subset":
        chain.append(dataset.indices)
        dataset = dataset.dataset
    try:
        found.base = weakref.ref(dataset)
        found.dataset = weakref.ref(loader.dataset)
    except TypeError:
        return found
    found.chain = tuple(chain)
    kind = type(getattr(loader, "sampler", None)).__name__
    batched = type(getattr(loader, "batch_sampler", None)).__name__
    if batched not in ("BatchSampler", "NoneType"):
        return found
    if kind == "SubsetRandomSampler":
        own: Any = loader.sampler.indices
        found.dataset = None  # the sampler takes a part of it
    elif kind in WHOLE and hasattr(loader.dataset, "__len__"):
        own = range(len(chain[0])) if chain else range(len(loader.dataset))
    else:
        return found
    found.indices = frozenset(_mapped(chain, own)) if chain or kind not in WHOLE else own
    return found


def _mapped(chain: Sequence[Any], drawn: Iterable[int]) -> list[int]:
    found = [int(index) for index in drawn]
    for indices in chain:
        found = [int(indices[index]) for index in found]
    return found


def marks_of(batch: Any) -> tuple[list[int | None], bool] | None:
    """A hash of each sample with its label, None for a constant one; and whether it says much.

    Two samples with the same hash are the same, but for chance, where their content is rich.
    """
    import torch

    features = features_of(batch)
    if features is None:
        return None
    flat = features.detach().reshape(len(features), -1)
    flat = flat[:, :: max(1, flat.shape[1] // ELEMENTS)]
    same = (flat == flat[:, :1]).all(1).tolist()
    least, values = RICH
    some = [row.unique().numel() for row, all_same in zip(flat, same, strict=True) if not all_same]
    is_rich = flat.shape[1] >= least and bool(some[:LOOKS]) and min(some[:LOOKS]) >= values
    bits = _bits(flat)
    width = bits.shape[1]
    weights = torch.arange(1, width + 1, dtype=torch.int64, device="cpu")
    weights = weights * 6364136223846793005 + 1442695040888963
    mixed = (bits ^ (bits >> 15)) * weights
    sums = (mixed ^ (mixed >> 29)).sum(1)
    label = label_of(batch)
    if label is not None and len(label) == len(features):
        sums = sums * 31 + label.reshape(-1).to(torch.int64)
    return [
        None if all_same else s for s, all_same in zip(sums.tolist(), same, strict=True)
    ], is_rich


def _bits(flat: Any) -> Any:
    import torch

    if not flat.dtype.is_floating_point:
        return flat.to(torch.int64)
    sizes = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    whole = sizes.get(flat.element_size())
    return (
        flat.contiguous().view(whole).to(torch.int64) if whole else flat.double().view(torch.int64)
    )


def overlap(evaluated: SampleSet, trained: Iterable[SampleSet]) -> Overlap | None:
    """What of the evaluated samples was trained on."""
    before = list(trained)
    base = evaluated.base() if evaluated.base is not None else None
    akin = [s for s in before if base is not None and s.base is not None and s.base() is base]
    known = evaluated.known
    if akin and known:
        seen: set[int] = set().union(*(s.known for s in akin))
        common = [index for index in known if index in seen]
        if common:
            whole = any(evaluated.is_of_same_data(s) for s in akin)
            return Overlap(
                len(common) / len(known),
                len(common),
                len(known),
                True,
                whole,
                tuple(sorted(common)[:5]),
            )
    others = [s for s in before if s.rich == evaluated.rich and s.marks]
    marks: set[int] = set().union(*(s.marks for s in others))
    count = len(evaluated.marks & marks)
    if not count:
        return None
    repeats = max(s.repeats for s in others)
    share = count / len(evaluated.marks)
    if share <= 3 * repeats or count < 3 or (not evaluated.rich and share < 0.5):
        return None
    return Overlap(share, count, len(evaluated.marks), False, True)


def apart(evaluated: SampleSet, trained: Iterable[SampleSet]) -> int | None:
    """How many samples were trained on, none of them evaluated; None where that is not certain.

    Certain are the indices of one data set alone: equal content may look different.
    """
    base = evaluated.base() if evaluated.base is not None else None
    sets = list(trained)
    if base is None or evaluated.indices is None or not sets:
        return None
    seen: set[int] = set()
    for one in sets:
        if one.indices is None or one.base is None or one.base() is not base:
            return None
        seen.update(one.indices)
    return None if seen.intersection(evaluated.indices) else len(seen)


class Consumption:
    """What was trained on by which optimizer, and what was evaluated."""

    def __init__(self) -> None:
        self.trained: dict[int, list[SampleSet]] = {}  # by the optimizer's number
        self.recent: list[int] = []  # optimizers that stepped since the last evaluation
        self._sets: dict[int, SampleSet] = {}  # by the loader's number
        self._closed = False

    def read(self, number: int, loader: Any) -> SampleSet:
        """The loader with this number is about to be read."""
        known, found = self._sets.get(number), sample_set(loader)
        if known is None or not known.is_same_as(found):
            self._sets[number] = known = found
        return known

    def stepped(self, optimizer: int, batches: Iterable[Batch]) -> None:
        """An optimizer stepped on these batches."""
        if self._closed:
            self.recent, self._closed = [], False
        if optimizer not in self.recent:
            self.recent.append(optimizer)
        sets = self.trained.setdefault(optimizer, [])
        for batch in batches:
            if batch.trained and batch.samples is not None and batch.samples not in sets:
                sets.append(batch.samples)
                del sets[:-KEPT_SETS]

    def evaluated(self) -> None:
        """An evaluation ended: what steps next is another stretch of training."""
        self._closed = True

    def ever(self) -> list[SampleSet]:
        """All that any optimizer was fed."""
        return [s for sets in self.trained.values() for s in sets]

    def before(self) -> list[SampleSet]:
        """What the optimizers of the last stretch of training were fed."""
        return [s for number in self.recent for s in self.trained.get(number, ())]
