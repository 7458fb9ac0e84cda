"""What loaders hand out: which element of a batch holds the labels, and what is in them."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainlint.runtime.claims import claim
from trainlint.runtime.places import Place

LABEL_KEYS = ("label", "labels", "target", "targets", "class", "classes", "y")
LARGEST = 65536  # labels of a batch that are counted
SPARSE = 64  # elements of a tensor that make its fingerprint


@dataclass(slots=True, eq=False)
class LoaderRecord:
    """A data loader, what fed training from it, and the classes that it was seen to hand out."""

    number: int  # from 1
    reference: weakref.ref[Any]
    place: Place | None  # where it was made, else where it was first read
    samples: int | None  # of its data set
    sampler: str
    sampler_reference: weakref.ref[Any] | None = None  # of what draws single samples
    passes: int = 0  # begun
    batches: int = 0
    trained: int = 0  # batches that a backward call followed
    seen: int = 0  # batches whose content was looked at
    trail: tuple[Place, ...] = ()  # the lines that led to its construction, innermost first
    claimed: str | None = None  # what it was said to hold, or what its names say once asked
    named_classes: int = 0  # in `classes` of its data set
    labels: Counter[int] = field(default_factory=Counter)  # over all batches seen
    dataset_labels: Counter[int] | None = None  # of the data set, where it tells them

    @property
    def is_training(self) -> bool:
        """Whether what it hands out is trained on."""
        return self.trained >= 2

    @property
    def claim(self) -> str | None:
        """`test`, `validation` or `training`, as the program calls it."""
        if self.claimed is None:
            self.claimed = claim(self.trail) or ""
        return self.claimed or None

    def is_same_as(self, other: LoaderRecord) -> bool:
        """Whether the same line made both, from as many samples of the same classes."""
        ours, theirs = (
            (one.place, one.samples, one.sampler, set(one.dataset_labels or ()))
            for one in (self, other)
        )
        return self.place is not None and ours == theirs

    @property
    def shares(self) -> dict[int, float]:
        """The part of each class in the data, as far as it is known."""
        known = self.dataset_labels or self.labels
        total = sum(known.values())
        return {label: count / total for label, count in known.items()} if total else {}


def describe(loader: Any, number: int, place: Place | None) -> LoaderRecord:
    """A record of a loader that was not seen before."""
    dataset = getattr(loader, "dataset", None)
    try:
        samples = len(dataset)  # type: ignore[arg-type]
    except Exception:
        samples = None
    batch_sampler, sampler = (
        getattr(loader, "batch_sampler", None),
        getattr(loader, "sampler", None),
    )
    which = batch_sampler
    if type(batch_sampler).__name__ == "BatchSampler" or batch_sampler is None:
        which = sampler
    record = LoaderRecord(number, weakref.ref(loader), place, samples, type(which).__name__)
    record.dataset_labels = _dataset_labels(dataset, sampler)
    drawing = getattr(batch_sampler, "sampler", sampler)
    record.sampler_reference = weakref.ref(drawing) if hasattr(drawing, "set_epoch") else None
    record.named_classes = _named_classes(dataset)
    return record


def size_of(batch: Any) -> int | None:
    """How many samples a batch holds: the length of its first tensor."""
    for _, value in _elements(batch):
        if _is_tensor(value) and value.dim():
            return int(value.shape[0])
    return None


def label_of(batch: Any) -> Any | None:
    """The tensor of a class for each sample, where something in the batch is certainly that."""
    label = _label_tensor(batch)
    return label if label is not None and label.device.type == "cpu" else None


def features_of(batch: Any) -> Any | None:
    """What describes each sample: the first tensor of two dimensions or more; None off the CPU."""
    for _, value in _elements(batch):
        if not _is_tensor(value) or value.dim() < 2 or not value.numel():
            continue
        if value.device.type != "cpu" or value.layout != _strided() or value.dtype.is_complex:
            return None
        return value
    return None


def _strided() -> Any:
    import torch

    return torch.strided


def shapes_of(batch: Any) -> tuple[tuple[int, ...], ...]:
    """The shapes of the tensors in a batch."""
    return tuple(tuple(value.shape) for _, value in _elements(batch) if _is_tensor(value))


def labels_of(batch: Any) -> dict[int, int] | None:
    """How often each class is in a batch; None where nothing in it is certainly a label."""
    label = _label_tensor(batch)
    if label is None or label.device.type != "cpu" or not 0 < label.numel() <= LARGEST:
        return None
    if label.dtype.is_floating_point:
        return None
    return dict(Counter(label.flatten().tolist()))


def _label_tensor(batch: Any) -> Any | None:
    """A whole number a sample, under a label's key, or second beside features."""
    if isinstance(batch, Mapping):
        named = [v for key, v in batch.items() if str(key).lower() in LABEL_KEYS]
        found = [value for value in named if _is_column(value)]
        return found[0] if len(found) == 1 else None
    if isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) == 2:
        features, label = batch
        if _is_column(label) and _is_features(features, label.shape[0]):
            return label
    return None


def _is_column(value: Any) -> bool:
    if not _is_tensor(value) or value.dtype.is_floating_point or value.dtype.is_complex:
        return False
    return bool(value.dim() == 1 or (value.dim() == 2 and value.shape[1] == 1))


def _is_features(value: Any, rows: int) -> bool:
    """Numbers with a fraction, as features are; padded token ids come with their lengths."""
    if isinstance(value, Sequence) and not isinstance(value, str):  # several views of a sample
        return bool(value) and all(_is_features(one, rows) for one in value)
    if not _is_tensor(value) or not value.dim() or value.shape[0] != rows:
        return False
    return bool(value.dtype.is_floating_point) or str(value.dtype) == "torch.uint8"


def fingerprint(batch: Any) -> int | None:
    """A number that differs where batches differ, from a few elements; None off the CPU."""
    for _, value in _elements(batch):
        if _is_tensor(value) and value.numel():
            return tensor_fingerprint(value)
    return None


def tensor_fingerprint(tensor: Any) -> int | None:
    """The hash of some elements that are spread over the tensor."""
    if tensor.device.type != "cpu" or tensor.is_sparse or not tensor.numel():
        return None
    flat = tensor.detach()
    flat = flat.view(-1) if flat.is_contiguous() else flat[0].flatten() if flat.dim() else flat
    stride = max(1, flat.numel() // SPARSE)
    return hash((tuple(tensor.shape), *flat.reshape(-1)[::stride][:SPARSE].tolist()))


def _elements(batch: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(batch, Mapping):
        return batch.items()
    if isinstance(batch, Sequence) and not isinstance(batch, str):
        flat: list[Any] = []
        for value in batch:
            flat += value if isinstance(value, (list, tuple)) else [value]
        return enumerate(flat)
    return ((None, batch),)


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "is_floating_point") and hasattr(value, "device")


def told_labels(dataset: Any, indices: Iterable[int]) -> Counter[int] | None:
    """What a data set says of the labels of these samples, which it may hand out as others."""
    column = _label_column(dataset)
    try:
        values = [column[index] for index in indices]
        return Counter(int(value) for value in values)
    except (TypeError, ValueError, IndexError, KeyError):
        return None


def _label_column(dataset: Any) -> Any:
    try:
        attributes = vars(dataset)
    except TypeError:
        return None
    tensors = attributes.get("tensors")
    if isinstance(tensors, tuple) and len(tensors) == 2:
        return tensors[1]
    return next((attributes[k] for k in ("targets", "labels", "y") if k in attributes), None)


def _dataset_labels(dataset: Any, sampler: Any) -> Counter[int] | None:
    """What a data set says in a plain attribute of the labels of a loader's samples.

    No code of it runs.
    """
    parts = [sampler.indices] if type(sampler).__name__ == "SubsetRandomSampler" else []
    if type(dataset).__name__ == "Subset":
        parts.append(dataset.indices)
        dataset = dataset.dataset
    column = _label_column(dataset)
    values = column.tolist() if hasattr(column, "tolist") else column
    if not isinstance(values, (list, tuple)) or not 0 < len(values) <= 1 << 20:
        return None
    if parts:
        drawn: Iterable[Any] = parts[0]
        for indices in parts[1:]:
            drawn = [indices[int(index)] for index in drawn]
        values = [values[int(index)] for index in drawn if int(index) < len(values)]
    if not all(type(value) is int for value in values):
        return None
    return Counter(values)


def _named_classes(dataset: Any) -> int:
    while type(dataset).__name__ == "Subset":
        dataset = dataset.dataset
    try:
        classes = vars(dataset).get("classes")
    except TypeError:
        return 0
    return len(classes) if isinstance(classes, (list, tuple)) else 0
