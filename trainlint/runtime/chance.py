"""Probabilities of chance, in plain arithmetic."""

from __future__ import annotations

import math


def chi_square_tail(statistic: float, freedom: float) -> float:
    """The probability that a chi-square variable exceeds this (the regularised gamma function)."""
    if statistic <= 0 or freedom <= 0:
        return 1.0
    a, x = freedom / 2, statistic / 2
    front = math.exp(-x + a * math.log(x) - math.lgamma(a)) if x < 1e6 else 0.0
    if front == 0.0:
        return 0.0 if x > a else 1.0
    if x < a + 1:
        term = total = 1 / a
        for step in range(1, 10_000):
            term *= x / (a + step)
            total += term
            if term < total * 1e-15:
                break
        return max(0.0, 1 - front * total)
    tiny = 1e-300
    b, c = x + 1 - a, 1 / tiny
    d = 1 / b
    h = d
    for step in range(1, 10_000):
        factor = -step * (step - a)
        b += 2
        d = 1 / _off_zero(factor * d + b, tiny)
        c = _off_zero(b + factor / c, tiny)
        h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return min(1.0, front * h)


def _off_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
