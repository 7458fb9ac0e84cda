"""Progress bars and prefetchers, which give the items of what they go over."""

from __future__ import annotations

import re

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr

_BAR = re.compile(r"_?tqdm|track$|_?progress|(data_?)?prefetch\w", re.I)


def shown(call: tree.Call) -> Expr | None:
    """What a progress bar goes over, None for the call of anything else."""
    if not _BAR.match(tree.last_name(call.func)):
        return None
    return call.arg(0, "iterable") or call.arg(None, "sequence")
