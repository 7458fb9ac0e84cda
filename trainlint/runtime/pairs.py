"""Which pairs of samples a contrastive loss takes for its positives, as its masks have it.

A mask that chooses among log-probabilities chooses the positives. One in another place, such as a
sum inside of the logarithm or the distances of triplets, may as well choose what is pushed apart:
it is believed only where the loss falls as these pairs come nearer, and where it is the mask of the
labels, in a batch that has a class twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SOFTMAX = frozenset(
    f"{name}Backward0" for name in "LogSoftmax Log Logsumexp NllLoss LogSigmoid".split()
)
_FORMS = frozenset("Squeeze Unsqueeze View UnsafeView Expand Sum".split())
_NEAR = 8  # nodes on the way from a difference to the logarithm in it
# What grows with what goes into it; a power does where nothing is below 0, as with distances.
_RISING = frozenset(
    "Add Mean Sum Log Exp Logsumexp LogSigmoid Max Amax Min Amin Relu Softplus Clamp ClampMin "
    "Sqrt Where MaskedFill MaskedSelect Index Gather Topk Sort View UnsafeView ReshapeAlias Select "
    "Squeeze Unsqueeze Expand Permute T Transpose Clone ToCopy Stack Cat".split()
)
ROUNDED = 1e-6  # sums in single precision
MOST = 4  # masks that are asked for their numbers

Step = tuple[Any, int]  # a node of a graph, and which of its inputs leads on
Path = Sequence[Step]


@dataclass(slots=True)
class Pairs:
    """Masks over the pairs of a batch, in numbers that their device works out."""

    numbers: list[Any]  # of each mask: the part of rows without a pair, all pairs, sum of squares
    is_sure: bool  # there is one, and it chooses the positives

    def without_positive(
        self, values: Sequence[float], labels: Mapping[int, int] | None, rows: int
    ) -> float | None:
        """The part of the anchors that have none; None where the loss does not tell."""
        if self.is_sure:
            return values[0]
        if not labels or sum(labels.values()) != rows or max(labels.values()) < 2:
            return None
        partners = [size - 1 for size in labels.values() for _ in range(size)]
        count, squares = sum(partners), sum(one * one for one in partners)
        is_theirs = any(
            math.isclose(a, count, rel_tol=ROUNDED) and math.isclose(b, squares, rel_tol=ROUNDED)
            for a, b in zip(values[1::3], values[2::3], strict=True)
        )
        return partners.count(0) / rows if is_theirs else None


def is_softmax(path: Path) -> bool:
    """Whether what lies at the end of a path through a graph is compared in a softmax."""
    return any(_is_logarithm(node, branch) for node, branch in path)


def pairs_of(
    path: Path,
    around: Iterable[tuple[Path, int]],
    shape: tuple[int, int],
    *,
    is_self: bool,
    are_distances: bool,
) -> Pairs | None:
    """The masks over what lies at the end of this path, a matrix of similarities or distances.

    ``around`` has a path through each node on the way there, and the node's place on it.
    """
    for place, (node, branch) in enumerate(path):
        partners = _partners(node, branch, shape, is_self=is_self)
        if partners is None:
            continue
        if is_softmax(path[place:]) and not is_softmax(path[:place]):
            return Pairs(_numbers(partners), is_sure=True)
        break
    if not is_self:
        return None
    found: list[list[Any]] = []
    for way, place in around:
        partners = _partners(*way[place], shape, is_self=True)
        if partners is None or len(found) == MOST:
            continue
        if _slope(way, are_positive=are_distances) == (1 if are_distances else -1):
            found.append(_numbers(partners))
    return Pairs([number for some in found for number in some], is_sure=False) if found else None


def _numbers(partners: Any) -> list[Any]:
    return [(partners == 0).float().mean(), partners.sum(), partners.square().sum()]


def _partners(node: Any, branch: int, shape: tuple[int, int], *, is_self: bool) -> Any | None:
    """How many pairs a mask leaves each row, itself not counted."""
    mask, (rows, columns) = _mask(node, branch), shape
    if mask is None or mask.shape[0] != rows:
        return None
    mask = mask != 0
    if mask.shape[1] == columns:
        partners = mask.sum(1)
        return (partners - mask.diagonal().long() if is_self else partners).float()
    if is_self and mask.shape[1] == columns - 1:  # each row without itself
        return mask.sum(1).float()
    return None


def _slope(path: Path, *, are_positive: bool) -> int:
    """Whether the loss grows (1) or falls (-1) with what lies at the end; 0 where it may do both.

    A sum of exponentials from which some are taken off again is one without these.
    """
    slope, is_in_sum = 1, False
    for node, branch in path:
        name = type(node).__name__.partition("Backward")[0]
        is_in_sum = name in ("Log", "Div") or (is_in_sum and name != "Exp")
        if name in ("Neg", "Rsub") or (name in ("Sub", "Div") and branch == 1):
            slope = -slope
            if name == "Sub" and is_in_sum:
                return 0
        elif name == "Mul":
            factor = next(constants(node), None)
            if factor is None:
                return 0
            if factor.numel() == 1 and factor.device.type == "cpu" and float(factor) < 0:
                slope = -slope
        elif name not in (*_RISING, "Sub", "Div") and not (name == "Pow" and are_positive):
            return 0
    return slope


def _is_logarithm(node: Any, branch: int) -> bool:
    """Whether it is a logarithm, or one is taken off here: log-probabilities are made so."""
    name = type(node).__name__
    if name in SOFTMAX:
        return True
    if name != "SubBackward0":
        return False
    node, _ = node.next_functions[1 - branch]
    for _ in range(_NEAR):
        name = type(node).__name__
        if name in SOFTMAX:
            return True
        if name.partition("Backward")[0] not in _FORMS:
            return False
        node, _ = node.next_functions[0]
    return False


def _mask(node: Any, branch: int) -> Any | None:
    """The matrix with which a node chooses among the numbers of one of its inputs."""
    match type(node).__name__:
        case "MulBackward0":
            mask = next((v for v in constants(node) if v.dim() == 2), None)
        case "WhereBackward0":
            mask = node._saved_condition
            mask = mask if branch == 0 else ~mask
        case "MaskedFillBackward0":
            mask = ~node._saved_mask
        case "MaskedSelectBackward0":
            mask = node._saved_mask
        case "IndexBackward0":
            mask = node._saved_indices[0] if len(node._saved_indices) == 1 else None
        case _:
            return None
    return mask if mask is not None and mask.dim() == 2 else None


def constants(node: Any) -> Iterator[Any]:
    """What a node of a graph multiplies with or divides by, where it is no variable."""
    for name in ("other", "self"):
        if not is_at_hand(node, name):
            continue
        try:
            value = getattr(node, f"_saved_{name}")
        except RuntimeError:
            continue
        if value is not None and not (value.numel() > 1 and value.requires_grad):
            yield value


def is_at_hand(node: Any, name: str) -> bool:
    """Whether it was saved as it is. What does not tell is asked only where nothing is packed."""
    raw = getattr(node, f"_raw_saved_{name}", None)
    return raw is not None and getattr(raw, "unpack_hook", None) is None
