"""The fix of a place that uses what a library has changed, where one form says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.edits import Edit, Fix, Safety
from trainlint.rewrite import places
from trainlint.rewrite.arguments import (
    add_arguments,
    name_arguments,
    remove_argument,
    rename_keyword,
)
from trainlint.rewrite.calls import rename_function
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.imports import remove_import_name, rename_import
from trainlint.rewrite.places import Unfixable
from trainlint.rewrite.statements import insert_before
from trainlint.semantics import tree
from trainlint.semantics.changed import Use, is_needless, target_of, written
from trainlint.semantics.migrations import Change
from trainlint.semantics.references import handed_on
from trainlint.semantics.signatures import reaches_back

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_BUILTINS = "builtins."


def in_new_form(file: File, use: Use) -> Fix:
    """The fix of a use.

    Raises:
        Unfixable: no form does the same on all releases of the target.
    """
    change = use.change
    if use.surplus is not None and use.call is not None:
        return _by_keyword(file, use, use.call)
    if change.absent:
        raise Unfixable("which value is meant is not said")
    if change.parameter:
        return _argument(file, use)
    if not change.instead:
        raise Unfixable("the tables name nothing that takes its place")
    if not change.same:
        raise Unfixable("nothing else does quite the same")
    new, safety = _spelling(file, use)
    if isinstance(use.node, tree.Alias):
        return Fix(f"Import `{new}`", _import(file, use.node, use.name, new), safety)
    if not isinstance(use.node, tree.Name | tree.Attribute):
        raise Unfixable("the method would be called at other times")
    edits = _name(file, use, use.node, new)
    return Fix(f"Use `{new.removeprefix(_BUILTINS)}`", edits, safety)


def _spelling(file: File, use: Use) -> tuple[str, Safety]:
    """The new name, or the one that does the same on all releases where the new one is not there.

    Where nobody named the oldest release, an old one is taken for gone.
    """
    change = use.change
    target = target_of(file, use.library, use.package)
    if change.returned is not None and target.overlaps_from(change.returned):
        return change.instead, Safety.UNSAFE  # there the old name means something like it
    has = reaches_back(use.library.targets[use.package], change.since, target)
    if has is True:
        return change.instead, Safety.SAFE
    if change.older:
        return change.older, Safety.SAFE
    if has is None:
        return change.instead, Safety.SHOWN
    raise Unfixable(f"`{change.instead}` is not in the oldest release of the target range")


def _name(file: File, use: Use, expr: tree.Name | tree.Attribute, new: str) -> tuple[Edit, ...]:
    short = new.rpartition(".")[2]
    if new.startswith(_BUILTINS):
        if file.names.find(short, expr) is not None:
            raise Unfixable(f"`{short}` means something else here")
        if isinstance(expr, tree.Name) and expr.id == short:
            raise Unfixable("the import goes with it")
        return replace(file, expr, short)
    if isinstance(expr, tree.Name):
        raise Unfixable("its import changes with it")
    if use.reference is None:  # a method
        if "\n" in file.text(expr):
            raise Unfixable("the name stands on a line of its own")
        return replace(file, expr, f"{file.text(expr.value)}.{short}")
    owner = file.names.qualified(expr.value)
    if owner is not None and new.startswith(f"{owner}."):
        return replace(file, expr, f"{file.text(expr.value)}.{new[len(owner) + 1 :]}")
    return rename_function(file, expr, new)


def _import(file: File, alias: tree.Alias, old: str, new: str) -> tuple[Edit, ...]:
    statement = alias.parent
    found = file.names.find(alias.bound, alias)
    if not isinstance(statement, tree.ImportFrom) or found is None:
        raise Unfixable("the uses change with it")
    if any(handed_on(file, binding) for binding in found[1]):
        raise Unfixable("other files may import it from here")
    if new.startswith(_BUILTINS):
        raise Unfixable("the name has another meaning without the import")
    module, _, name = new.rpartition(".")
    if not module:
        spelled = f"import {new}" if alias.bound == new else f"import {new} as {alias.bound}"
        if len(statement.names) > 1:
            line = insert_before(file, statement, [spelled])
            return places.together(line, remove_import_name(file, alias))
        if places.has_comment(file.source.text, statement.start, statement.end):
            raise Unfixable("a comment would be lost")
        return places.make(file, (statement.start, statement.end, spelled))
    if module == old.rpartition(".")[0]:
        from trainlint.rewrite.imports import replace_import_name

        return replace_import_name(file, alias, name, alias.bound)
    return rename_import(file, alias, module, name)


def _argument(file: File, use: Use) -> Fix:
    change, arg, call = use.change, use.node, use.call
    assert isinstance(arg, tree.Arg)
    assert call is not None
    beside = next((one.keyword for one in call.args if one.keyword in change.alone), None)
    if beside is not None:
        raise Unfixable(f"`{beside}` beside it changes what it means")
    if is_needless(file, use):
        if arg.keyword is None:
            raise Unfixable("it is passed by position")
        edits = remove_argument(file, call, arg)
        return Fix(f"Remove `{change.parameter}`", edits, Safety.SAFE)
    if not change.instead and not change.values:
        raise Unfixable("the tables name nothing that takes its place")
    safety = _safety(file, use)
    if change.values:
        text = change.values.get(written(file, arg.value))
        if text is None:
            raise Unfixable("what takes its place depends on the value")
        if not isinstance(arg.value, tree.Constant):
            raise Unfixable("the value comes from elsewhere")
        edits = replace(file, arg.value, text)
        if change.instead:
            edits = places.together(_renamed(file, arg, change), edits)
        told = f"{change.instead or change.parameter}={text}"
        return Fix(f"Pass `{told}`", edits, safety if change.same else Safety.UNSAFE)
    if change.add and not _is_positive(file, arg.value):
        raise Unfixable("what takes its place depends on the value")
    edits = places.together(
        _renamed(file, arg, change), add_arguments(file, call, dict(change.add))
    )
    if not change.same:
        return Fix(f"Pass `{change.instead}`", edits, Safety.SHOWN, "see what it means there")
    return Fix(f"Call the argument `{change.instead}`", edits, safety)


def _renamed(file: File, arg: tree.Arg, change: Change) -> tuple[Edit, ...]:
    if arg.keyword is None:
        return name_arguments(file, {arg: change.instead})
    return rename_keyword(file, arg, change.instead)


def _safety(file: File, use: Use) -> Safety:
    target = target_of(file, use.library, use.package)
    has = reaches_back(use.library.targets[use.package], use.change.since, target)
    if has is False:
        raise Unfixable(f"`{use.change.instead}` is not in the oldest release of the target range")
    return Safety.SHOWN if has is None else Safety.SAFE


def _by_keyword(file: File, use: Use, call: tree.Call) -> Fix:
    surplus = use.surplus
    assert surplus is not None
    target = target_of(file, use.library, use.package)
    given = [arg for arg in call.args if arg.keyword is None and not arg.star]
    names: dict[tree.Arg, str] = {}
    safety = Safety.SAFE
    for position, arg in enumerate(given[surplus.positions :], surplus.positions):
        known = surplus.row.name_at(position, target)
        spelling = surplus.row.spelling(known, target) if known is not None else None
        if spelling is None:
            raise Unfixable("releases of the target range differ in what they call it")
        names[arg] = spelling.name
        safety = Safety.SHOWN if spelling.guessed else safety
    return Fix("Pass the arguments by keyword", name_arguments(file, names), safety)


def _is_positive(file: File, expr: tree.Expr) -> bool:
    value = file.values.literal(expr)
    return isinstance(value, int) and not isinstance(value, bool) and (value > 0 or value == -1)
