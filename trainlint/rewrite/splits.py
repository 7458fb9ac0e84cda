"""Move a fit behind the split of its data, onto the train part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit, Unfixable
from trainlint.rewrite import places
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.statements import delete, insert_after
from trainlint.semantics import tree
from trainlint.semantics.data.splits import Split
from trainlint.semantics.data.transformers import (
    COMPOSED,
    EMBEDDING,
    ENCODER,
    IMPUTER,
    OWN,
    PROJECTION,
    SCALER,
    SELECTOR,
    VECTORIZER,
    Transformer,
)

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_NAMES = {
    SCALER: "scaler",
    IMPUTER: "imputer",
    PROJECTION: "projection",
    SELECTOR: "selector",
    VECTORIZER: "vectorizer",
    ENCODER: "encoder",
    COMPOSED: "preprocessor",
}


def fit_behind_split(
    file: File, fit: tree.Call, transformer: Transformer, applied: tree.Call, split: Split
) -> tuple[Edit, ...]:
    """Fit on the train part behind the split; ``applied`` is the call that transforms.

    ``X = scaler.fit_transform(X)`` becomes a ``fit_transform`` of the train part and a
    ``transform`` of the test part, ``scaler.fit(X)`` a ``fit`` of the train part.
    """
    first, second = tree.statement_of(fit), tree.statement_of(split.node)
    if split.name != "train_test_split" or not isinstance(second, tree.Assign):
        raise Unfixable("the parts of the split are no plain names")
    if second.value is not split.node or len(split.targets) != 2 * len(split.inputs):
        raise Unfixable("the parts of the split are no plain names")
    if not isinstance(first, tree.Assign | tree.ExprStmt) or first.parent is not second.parent:
        raise Unfixable("the fit and the split do not stand in one block")
    if first.value is not fit:
        raise Unfixable("the fit is a part of a larger statement")
    if places.cell(file, first.start) != places.cell(file, second.start):
        raise Unfixable("the change would cross notebook cells")
    if first.start > second.start:
        raise Unfixable("the fit stands behind the split")
    if "#" in file.text(first) or "\n" in file.text(fit.args[0].value):
        raise Unfixable("the statement goes over several lines")
    func = fit.func
    if not isinstance(func, tree.Attribute):
        raise Unfixable("a plain function computes it, which cannot be fitted on the train part")
    if isinstance(first, tree.ExprStmt):
        return _fit(file, fit, func, applied, split, (first, second))
    return _fit_and_transform(file, fit, func, transformer, split, (first, second))


def _fit_and_transform(
    file: File,
    fit: tree.Call,
    func: tree.Attribute,
    transformer: Transformer,
    split: Split,
    statements: tuple[tree.Assign, tree.Assign],
) -> tuple[Edit, ...]:
    first, second = statements
    target = first.targets[0]
    if func.attr != "fit_transform":
        raise Unfixable("it is not a `fit_transform`")
    if transformer.kind in {EMBEDDING, OWN}:
        raise Unfixable(f"`{transformer.name}` may not be able to transform other rows")
    if len(first.targets) != 1 or not isinstance(target, tree.Name):
        raise Unfixable("the result replaces a part of a table")
    position = _position(split, target.id)
    if position is None:
        raise Unfixable("the data changes between the fit and the split")
    _refuse_mentions(first, second, {target.id, *tree.names_in(fit)})
    _refuse_readers(file, target, split.inputs[position])
    train, test = _parts(split, position)
    lines = []
    receiver = file.text(func.value)
    if not isinstance(func.value, tree.Name | tree.Attribute):
        receiver = _NAMES.get(transformer.kind, "transformer")
        if any(name.id == receiver for name in file.all(tree.Name)):
            raise Unfixable(f"the name `{receiver}` for the transformer is taken")
        lines.append(f"{receiver} = {file.text(func.value)}")
    lines.append(f"{train} = {receiver}.fit_transform({train}{_labels(fit, split)})")
    lines.append(f"{test} = {receiver}.transform({test})")
    if any("\n" in line for line in lines):
        raise Unfixable("the statement goes over several lines")
    data = file.text(fit.args[0].value)
    given = () if data == target.id else replace(file, split.inputs[position], data)
    return places.together(delete(file, first), given, insert_after(file, second, lines))


def _fit(
    file: File,
    fit: tree.Call,
    func: tree.Attribute,
    applied: tree.Call,
    split: Split,
    statements: tuple[tree.ExprStmt, tree.Assign],
) -> tuple[Edit, ...]:
    first, second = statements
    data = fit.args[0].value
    if not isinstance(func.value, tree.Name):
        raise Unfixable("the transformer has no name")
    if applied.start < second.start or not isinstance(data, tree.Name):
        raise Unfixable("the data is transformed before it is split")
    position = _position(split, data.id)
    if position is None:
        raise Unfixable("the split takes other data")
    _refuse_mentions(first, second, {func.value.id})
    train, _ = _parts(split, position)
    line = f"{func.value.id}.{func.attr}({train}{_labels(fit, split)})"
    return places.together(delete(file, first), insert_after(file, second, [line]))


def _position(split: Split, name: str) -> int | None:
    for position, expr in enumerate(split.inputs):
        if isinstance(expr, tree.Name) and expr.id == name:
            return position
    return None


def _parts(split: Split, position: int) -> tuple[str, str]:
    """The names of the two parts of one input of a split."""
    found = split.targets[2 * position : 2 * position + 2]
    names = [part.id for part in found if isinstance(part, tree.Name) and part.id != "_"]
    if len(names) != 2 or names[0] == names[1]:
        raise Unfixable("the parts of the split are no plain names")
    return names[0], names[1]


def _labels(fit: tree.Call, split: Split) -> str:
    """The train part of the labels that a supervised transformer is fitted with."""
    if len(fit.args) == 1:
        return ""
    given = fit.args[1] if len(fit.args) == 2 else None
    if given is not None and not given.star and isinstance(given.value, tree.Name):
        position = _position(split, given.value.id)
        if position is not None:
            keyword = f"{given.keyword}=" if given.keyword else ""
            return f", {keyword}{_parts(split, position)[0]}"
    raise Unfixable("it is fitted with more than the data")


def _refuse_mentions(first: tree.Stmt, second: tree.Stmt, names: set[str]) -> None:
    block = tree.block_of(second)
    between: Sequence[tree.Stmt] = block[block.index(first) + 1 : block.index(second)]
    for statement in between:
        mentioned = sorted(tree.names_in(statement) & names)
        if mentioned:
            raise Unfixable(f"`{mentioned[0]}` is used between the fit and the split")


def _refuse_readers(file: File, target: tree.Name, allowed: tree.Expr) -> None:
    """Refuse where the transformed data is read elsewhere, as it would no longer be transformed."""
    statement = tree.statement_of(target)
    for name in file.all(tree.Name):
        if name.id != target.id or name is allowed or tree.statement_of(name) is statement:
            continue
        bindings, _ = file.values.definitions(name)
        if any(binding.node is statement for binding in bindings):
            raise Unfixable(f"`{name.id}` has other readers")
