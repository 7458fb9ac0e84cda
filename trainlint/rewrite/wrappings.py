"""What is put around a tensor where it is read: a sigmoid, a normalisation to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite.expressions import wrap
from trainlint.rewrite.imports import add_import
from trainlint.rewrite.places import Unfixable, together
from trainlint.semantics import tree
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def sigmoid_around(
    file: File, read: Expr, conversions: Sequence[Sequence[tree.Call]]
) -> tuple[Edit, ...]:
    """Apply a sigmoid to what is read, while it still is a tensor.

    ``conversions`` are, for each way that leads to the read, the calls at which the values leave
    torch, the nearest to the read first.

    Raises:
        Unfixable: it is a plain number by then, or a tensor on one way and none on another.
    """
    if not any(conversions):
        return _around(file, read)
    own = set(read.walk())
    inside = {call for way in conversions for call in way if call in own}
    if inside and all(set(way) == inside for way in conversions):
        tensor = _converted(file, conversions[0][-1])
        if tensor is not None:
            return _around(file, tensor)
    if all(way and _gives_array(file, way[0]) for way in conversions):
        edits, torch = add_import(file, "torch", at=read)
        return together(
            edits, wrap(file, read, f"{torch}.sigmoid({torch}.as_tensor(", ")).numpy()")
        )
    raise Unfixable("it is no tensor any more where it is read")


def normalize_around(file: File, features: Expr) -> tuple[Edit, ...]:
    """Give the vectors along the last dimension the length 1."""
    edits, function = add_import(file, "torch.nn.functional", "normalize", at=features)
    return together(edits, wrap(file, features, f"{function}(", ", dim=-1)"))


def _around(file: File, tensor: Expr) -> tuple[Edit, ...]:
    edits, function = add_import(file, "torch", "sigmoid", at=tensor)
    return together(edits, wrap(file, tensor, f"{function}(", ")"))


def _converted(file: File, conversion: tree.Call) -> Expr | None:
    """The tensor that a call takes out of torch, None where that can be a list of some."""
    func = conversion.func
    if isinstance(func, tree.Attribute) and file.names.qualified(func) is None:
        return func.value
    return conversion.arg(0) if file.names.qualified(func) == "builtins.float" else None


def _gives_array(file: File, conversion: tree.Call) -> bool:
    func = conversion.func
    name = file.names.qualified(func)
    if name is None:
        return isinstance(func, tree.Attribute) and func.attr == "numpy"
    return name.startswith("numpy.")
