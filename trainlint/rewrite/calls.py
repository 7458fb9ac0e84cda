"""Edits that let a call run another function, which takes its arguments in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.arguments import respell_arguments
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.imports import add_import
from trainlint.semantics import tree
from trainlint.semantics.tree import Arg, Call, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def rename_function(file: File, expr: Expr, function: str) -> tuple[Edit, ...]:
    """Write the function of that qualified name in place of another, imported where it must be.

    A name that is reached through the same package (``lr.feature.rmse``) keeps the way there.
    """
    file = file.home(expr)
    module, _, name = function.rpartition(".")
    if isinstance(expr, tree.Attribute) and file.names.qualified(expr.value) == module:
        return replace(file, expr, f"{file.text(expr.value)}.{name}")
    root = expr
    while isinstance(root, tree.Attribute):
        root = root.value
    package = file.names.qualified(root)
    if package is not None and "." not in package and function.startswith(f"{package}."):
        return replace(file, expr, f"{file.text(root)}{function.removeprefix(package)}")
    imports, text = add_import(file, module, name, at=expr)
    return places.together(imports, replace(file, expr, text))


def pass_arguments(
    file: File,
    call: Call,
    names: Mapping[Arg, str],
    order: Sequence[str],
    dropped: Iterable[Arg] = (),
    added: Mapping[str, str] | None = None,
) -> tuple[Edit, ...]:
    """Pass arguments under the names of another function.

    Those in front stay positional as far as ``order``, which the function takes by position, has
    them in the same places.
    """
    file = file.home(call)
    spelled: dict[Arg, str] = {}
    by_position = True
    for position, (arg, name) in enumerate(names.items()):
        by_position = by_position and list(order[position : position + 1]) == [name]
        if arg.keyword != name and (arg.keyword is not None or not by_position):
            spelled[arg] = name
    return respell_arguments(file, call, spelled, dropped, added)
