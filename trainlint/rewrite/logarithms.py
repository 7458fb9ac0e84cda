"""A softmax in front of a loss on log-probabilities becomes a log-softmax, for that loss alone.

Whoever else reads the output gets its exponential, which is the softmax again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite.activations import (
    Changed,
    Move,
    applications,
    change_activation,
    container_of,
    dim_of,
    is_plain,
)
from trainlint.rewrite.expressions import replace, wrap
from trainlint.rewrite.imports import add_import
from trainlint.rewrite.places import Unfixable, together
from trainlint.semantics import escapes, tensors, tree
from trainlint.semantics.tensors import Origin
from trainlint.semantics.training.losses import LossEvaluation

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_LOGARITHMS = {
    "torch.softmax": ("torch", "log_softmax"),
    "torch.special.softmax": ("torch.special", "log_softmax"),
    "torch.nn.functional.softmax": ("torch.nn.functional", "log_softmax"),
    "torch.nn.Softmax": ("torch.nn", "LogSoftmax"),
}


def to_log_softmax(file: File, evaluations: Sequence[LossEvaluation]) -> Move:
    """Give all these losses the logarithm of the softmax that they take now.

    Raises:
        Unfixable: an input is not known to be a softmax with only shapes, types and clamps behind
            it, or a softmax has no logarithmic form that is written the same way.
    """
    return change_activation(
        file, evaluations, tensors.SOFTMAX, _take_logarithm, _exponentiate, elementwise=True
    )


def _take_logarithm(file: File, origin: Origin) -> Changed:
    applied, made = origin.applied, origin.node
    if not isinstance(applied, tree.Call) or not isinstance(made, tree.Call):
        raise Unfixable("the place where the softmax is applied is not known")
    if made is applied:  # torch.softmax(x, dim=1), x.softmax(1)
        if not is_plain(applied):
            raise Unfixable("the softmax does more than to return its result")
        return _renamed(file, applied), [applied], []
    container = container_of(file, made)
    carriers = applications(file, container)
    if not carriers:
        raise Unfixable("the calls of the layers that end in the softmax are not known")
    escaped = list(escapes.of_object(file, container, carriers))
    if container is made and (escaped or len(carriers) > 1):  # it serves others, too
        return _called(file, origin, applied), [applied], []
    return _renamed(file, made), list(carriers), escaped


def _renamed(file: File, call: tree.Call) -> tuple[Edit, ...]:
    """The logarithmic form of a function, method or class, called with the same arguments."""
    file = file.home(call)
    func = call.func
    name = file.names.qualified(func)
    if name is None and isinstance(func, tree.Attribute) and func.attr == "softmax":
        return (Edit(file.path, func.attr_start, func.attr_start + len(func.attr), "log_softmax"),)
    if name not in _LOGARITHMS:
        raise Unfixable(f"`{file.text(func)}` has no logarithmic form")
    module, short = _LOGARITHMS[name]
    if isinstance(func, tree.Attribute):
        return (Edit(file.path, func.attr_start, func.attr_start + len(func.attr), short),)
    edits, text = add_import(file, module, short, at=call)
    return together(edits, replace(file, func, text))


def _called(file: File, origin: Origin, applied: tree.Call) -> tuple[Edit, ...]:
    """A function instead of the layer at this place, where the layer has other uses too."""
    dim = dim_of(file, origin)
    if dim is None or origin.input is None or len(applied.args) != 1:
        raise Unfixable("the layer has other uses, and its dimension is not known")
    edits, function = add_import(file, "torch", "log_softmax", at=applied)
    given = file.text(origin.input)
    if "\n" in given or "\r" in given:
        raise Unfixable("the input of the softmax is spread over lines")
    return together(edits, replace(file, applied, f"{function}({given}, dim={dim})"))


def _exponentiate(file: File, read: tree.Expr, origins: Sequence[Origin]) -> tuple[Edit, ...]:
    edits, function = add_import(file, "torch", "exp", at=read)
    return together(edits, wrap(file, read, f"{function}(", ")"))
