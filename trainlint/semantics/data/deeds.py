"""What can be done with the rows of a table on their way to a place."""

from __future__ import annotations

from dataclasses import dataclass

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.transformers import Transformer
from trainlint.semantics.trail import Step

FIT, APPLY, STATISTIC, RESAMPLE, PART, ORIGIN = (
    "fit",  # the rows that come out were the rows of the fit
    "apply",  # a transformer that was fitted elsewhere was applied
    "statistic",  # an own mean, median or deviation was taken out or filled in
    "resample",  # rows were repeated or made up
    "part",  # the rows are one part of a split
    "origin",
)


@dataclass(frozen=True, slots=True, eq=False)
class Deed:
    """One thing done with the rows.

    ``node`` is the place (of a part: its split), ``data`` what it was done to, ``index`` which part
    it is; ``whole`` tells that no rows were left out between the deed and the place that was asked
    about.
    """

    kind: str
    node: tree.Node
    whole: bool
    trail: tuple[Step, ...]
    data: Use | None = None
    transformer: Transformer | None = None
    index: int | None = None
    learns: str = ""
    aside: bool = False  # it was done to one column or item only, which came from elsewhere
    ordered: bool = False  # a statistic that shifts or stretches columns, so their order stays
    origin: object = None  # equal for chains that end at the same place
