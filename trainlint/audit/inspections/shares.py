"""The shares into which the data is divided, where they are known numbers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from trainlint.api import File, Finding, Rule, Severity, any_of, tree

RULE = Rule("MATH2", "shares", Severity.INFO, needs=any_of("train_test_split", "random_split"))
_SPLIT = "sklearn.model_selection.train_test_split"


@RULE.verify
def divided(file: File) -> Iterator[Finding]:
    for call in file.calls_to(_SPLIT):
        test = _share(file, call.arg(None, "test_size"))
        train = _share(file, call.arg(None, "train_size"))
        if test is None and train is None:
            continue
        test = 1 - train if test is None and train is not None else test
        train = 1 - test if train is None and test is not None else train
        if train is None or test is None or not 0 < train + test <= 1:
            continue
        by = call.arg(None, "stratify")
        how = ", alike in their classes" if by is not None and not tree.is_none(by) else ""
        shares = f"{_percent(train)} and {_percent(test)}"
        yield Finding(call, f"the data is divided into {shares} of what it is given{how}")
    for call in file.calls_to("torch.utils.data.random_split"):
        parts = call.arg(1, "lengths")
        given = parts.elts if isinstance(parts, tree.Sequence) else []
        known = [share for one in given if (share := _share(file, one)) is not None]
        if known and len(known) == len(given) and sum(known) == 1:
            said = ", ".join(map(_percent, known))
            yield Finding(call, f"the data is divided into {said}, which is all of it")


def _share(file: File, expr: tree.Expr | None) -> Fraction | None:
    """A share as it is written, free of the errors of binary fractions."""
    value = file.values.literal(expr) if expr is not None else None
    if isinstance(value, float) and 0 < value < 1:
        return Fraction(repr(value))
    return None


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):g} %"
