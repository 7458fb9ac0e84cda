"""The places that made a value what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainlint.semantics.tree import Node


@dataclass(frozen=True, slots=True)
class Step:
    """One place of the trail that led to a finding; the node knows its file."""

    node: Node
    message: str
