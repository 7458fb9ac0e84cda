"""Edits of ``except`` clauses, and of comments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.places import Unfixable
from trainlint.semantics import tree

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def catch(file: File, handler: tree.Handler, name: str) -> tuple[Edit, ...]:
    """Let a bare ``except:`` catch ``name`` only."""
    file = file.home(handler)
    if handler.type is not None:
        raise Unfixable("the clause names what it catches")
    if file.names.find(name, handler) is not None:
        raise Unfixable(f"the name {name} is taken")
    at = handler.start + len("except")
    return places.make(file, (at, at, f" {name}"))


def remove_spans(file: File, spans: Iterable[tuple[int, int]]) -> tuple[Edit, ...]:
    """Take pieces of comments out."""
    return places.make(file, *((start, end, "") for start, end in spans))
