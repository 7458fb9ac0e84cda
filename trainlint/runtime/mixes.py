"""Mixes of classes: how far they are from each other, and what chance would do."""

from __future__ import annotations

import math
from collections import Counter

from trainlint.runtime.chance import chi_square_tail

ENOUGH = 5  # samples of a class that are expected, for a chi-square test


def difference(mix: Counter[int], data: Counter[int]) -> float:
    """The probability that so many draws from the data differ as much from its classes."""
    drawn, total = sum(mix.values()), sum(data.values())
    expected = {label: drawn * count / total for label, count in data.items() if count}
    common = {label: count for label, count in expected.items() if count >= ENOUGH}
    pairs = [(mix[label], count) for label, count in common.items()]
    rest = drawn - sum(common.values())
    if rest >= ENOUGH:
        pairs.append((drawn - sum(mix[label] for label in common), rest))
    statistic = sum((seen - count) ** 2 / count for seen, count in pairs)
    return chi_square_tail(statistic, len(pairs) - 1)


def distance(mix: Counter[int], data: Counter[int]) -> float:
    """The part of the samples that would have to be of other classes (total variation)."""
    drawn, total = sum(mix.values()), sum(data.values())
    return sum(max(0.0, mix[label] / drawn - data[label] / total) for label in mix)


def excess(mix: Counter[int], data: Counter[int]) -> tuple[int, float, float]:
    """The class of which there is too much: its parts in both."""
    drawn, total = sum(mix.values()), sum(data.values())
    most = max(mix, key=lambda label: mix[label] / drawn - data[label] / total)
    return most, mix[most] / drawn, data[most] / total


def clustering(counts: list[Counter[int]], mix: Counter[int], rare: float) -> tuple[float, float]:
    """The probability that chance clusters as much, and the part that lies between batches."""
    total = sum(mix.values())
    size = total / len(counts)
    common = [label for label, count in mix.items() if size * count / total >= rare]
    shares = {label: mix[label] / total for label in common}
    rest = 1 - sum(shares.values())
    if rest * size >= rare:
        shares[-1] = rest
    if len(shares) < 2:
        return 1.0, 0.0
    statistic = mean = variance = 0.0
    for count in counts:
        number = sum(count.values())
        kept = {label: count[label] for label in common}
        kept[-1] = number - sum(kept.values())
        statistic += sum((kept[c] - number * p) ** 2 / (number * p) for c, p in shares.items())
        classes = len(shares)
        mean += classes - 1
        excess = sum(1 / p for p in shares.values()) - classes**2 - 2 * classes + 2
        variance += 2 * (classes - 1) + excess / number
    between = max(0.0, (statistic / mean - 1) / max(size - 1, 1))
    scale = variance / (2 * mean)  # a scaled chi-square of the same mean and variance
    return chi_square_tail(statistic / scale, mean / scale), between


def effective(counts: Counter[int]) -> float:
    """How many classes of equal size would be as diverse (the exponential of the entropy)."""
    total = sum(counts.values())
    parts = [count / total for count in counts.values() if count]
    return math.exp(-sum(part * math.log(part) for part in parts))
