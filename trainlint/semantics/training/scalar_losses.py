"""Losses that have no dimension and are indexed as if they had one: ``loss.data[0]``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import releases, tree
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.training import losses
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_REDUCTIONS = ("reduction", "size_average", "reduce")
_INTERRUPT = "builtins.KeyboardInterrupt"
_HOPS = 4  # from name to name


@dataclass(frozen=True, slots=True, eq=False)
class IndexedLoss:
    """``site`` takes the first of the elements of ``loss``, which is one number."""

    site: tree.Subscript
    loss: Expr


def indexed_losses(file: File) -> Iterator[IndexedLoss]:
    """The places that read ``loss.data[0]``, where nothing asks for the release or catches it."""
    scalars: set[tree.Call] | None = None
    for site in file.all(tree.Subscript):
        match site:
            case tree.Subscript(
                value=tree.Attribute(attr="data", value=(tree.Name() | tree.Call()) as loss),
                index=[tree.Constant(value=0)],
            ) if not is_bound_by(site):
                if scalars is None:
                    scalars = _scalars(file)
                if _is_scalar(file, loss, scalars, _HOPS) and not _is_guarded(file, site):
                    yield IndexedLoss(site, loss)
            case _:
                pass


def _scalars(file: File) -> set[tree.Call]:
    """The evaluations of losses that are nothing but the mean or the sum over a batch."""
    found = losses.loss_evaluations(file, losses.KNOWN)
    others = {each.call for each in found if not each.certain or not _is_reduced(each)}
    return {each.call for each in found} - others


def _is_reduced(loss: losses.LossEvaluation) -> bool:
    weights = 0 if loss.name in losses.REGRESSION else 1  # what follows may ask for each sample
    made = loss.criterion.call if loss.criterion is not None else None
    return all(
        not call.has_star
        and all(call.arg(None, word) is None for word in _REDUCTIONS)
        and len(call.positional) <= weights + (0 if call is made else 2)
        for call in (loss.call, made)
        if call is not None
    )


def _is_scalar(file: File, expr: Expr, scalars: Collection[tree.Call], hops: int) -> bool:
    match expr:
        case tree.Call(func=tree.Attribute(attr="cpu" | "detach", value=inner), args=[]):
            return _is_scalar(file, inner, scalars, hops)
        case tree.Call():
            return expr in scalars
        case tree.BinOp(op="+" | "-" | "*" | "/", left=left, right=right):
            sides = [s for s in (left, right) if not isinstance(s, tree.Constant)]
            return bool(sides) and all(_is_scalar(file, s, scalars, hops) for s in sides)
        case tree.Name() if hops:
            bindings, unbound = file.values.definitions(expr)
            made = [each.value for each in bindings if each.kind in {"assign", "augment"}]
            of_whole = len(made) == len(bindings) and not any(each.path for each in bindings)
            sums = [value for value in made if not isinstance(value, tree.Constant)]  # from 0 on
            return (
                bool(sums)
                and of_whole
                and not unbound
                and all(
                    value is not None and _is_scalar(file, value, scalars, hops - 1)
                    for value in sums
                )
            )
        case _:
            return False


def _is_guarded(file: File, site: Node) -> bool:
    """True where a test of the release chooses the place, or something catches its error."""
    return releases.is_for_some_releases(file, site, "torch") or any(
        handler.type is None or file.names.qualified(handler.type) != _INTERRUPT
        for above in site.ancestors()
        if isinstance(above, tree.Try)
        for handler in above.handlers
    )
