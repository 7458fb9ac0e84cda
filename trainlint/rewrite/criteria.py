"""Losses on probabilities in their logits form, and which losses only change together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite.activations import Move, place_of
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.imports import add_import
from trainlint.rewrite.places import Unfixable, together
from trainlint.semantics import escapes, tensors, tree
from trainlint.semantics.kinds import Symbol
from trainlint.semantics.references import is_type_test
from trainlint.semantics.training.losses import LossEvaluation

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

LOGITS_FORM = {
    "torch.nn.BCELoss": ("torch.nn", "BCEWithLogitsLoss"),
    "torch.nn.functional.binary_cross_entropy": (
        "torch.nn.functional",
        "binary_cross_entropy_with_logits",
    ),
}


def to_logits_form(file: File, evaluations: Sequence[LossEvaluation]) -> Move:
    """Change the BCE losses of these evaluations to their logits form.

    Raises:
        Unfixable: a loss can be another one, or is evaluated in a way that stays as it is.
    """
    edits: list[tuple[Edit, ...]] = []
    doubts: list[str] = []
    for evaluation in evaluations:
        module, name = LOGITS_FORM[evaluation.name]
        if not evaluation.certain:
            raise Unfixable("the criterion can be another one")
        if evaluation.criterion is None:
            if file.names.qualified(evaluation.call.func) != evaluation.name:
                raise Unfixable("the loss function is not named where it is called")
            edits.append(_rename(file, evaluation.call.func, module, name))
            continue
        made = evaluation.criterion.call
        named = _named(file, made, evaluation.name)
        edits.append(_rename(file, named, module, name))
        if named is not made.func:
            doubts += (
                f"{place_of(file, escape.node)}: {escape.why}"
                for escape in escapes.of_object(file, named, [made])
            )
        known = [e.call for e in evaluations if e.criterion and e.criterion.call is made]
        doubts += (
            f"{place_of(file, escape.node)}: {escape.why}"
            for escape in escapes.of_object(file, made, known)
        )
        doubts += (
            f"{place_of(file, test)}: the class of the criterion is tested"
            for test in file.home(made).all(tree.Name) + file.home(made).all(tree.Attribute)
            if file.names.qualified(test) == evaluation.name and is_type_test(file, test)
        )
    return Move(together(*edits), tuple(dict.fromkeys(doubts)))


def entangled(
    file: File, evaluation: LossEvaluation, evaluations: Sequence[LossEvaluation]
) -> list[LossEvaluation]:
    """The evaluations that share a criterion or an activation with this one, directly or not.

    What is done to one of them is done to all.
    """
    sources = {each.call: _sources(file, each) for each in evaluations}
    family = [evaluation]
    for member in family:
        for other in evaluations:
            if other.call in {each.call for each in family}:
                continue
            made = other.criterion.call if other.criterion is not None else None
            same = member.criterion is not None and member.criterion.call is made
            if same or sources[member.call] & sources[other.call]:
                family.append(other)
    return sorted(family, key=lambda each: each.call.start)


def _sources(file: File, evaluation: LossEvaluation) -> set[tree.Node]:
    found = tensors.origins(file.values, evaluation.input, evaluation.frame)
    return {origin.node for origin in found if origin.kind != tensors.UNKNOWN}


def _named(file: File, made: tree.Call, name: str) -> tree.Expr:
    """Where the class of a criterion is named: at its call, or as what a table or a name holds."""
    if file.names.qualified(made.func) == name:
        return made.func
    value = file.values.only(made.func)
    if not isinstance(value, Symbol) or not isinstance(value.node, tree.Name | tree.Attribute):
        raise Unfixable("the class of the criterion is not named where it is built")
    return value.node


def _rename(file: File, func: tree.Expr, module: str, name: str) -> tuple[Edit, ...]:
    """Call another function or class of the same module: ``nn.BCELoss`` to its logits form."""
    file = file.home(func)
    if isinstance(func, tree.Attribute):
        end = func.attr_start + len(func.attr)
        return (Edit(file.path, func.attr_start, end, name),)
    edits, text = add_import(file, module, name, at=func)
    return together(edits, replace(file, func, text))
