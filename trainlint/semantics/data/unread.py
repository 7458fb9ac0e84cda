"""Splits whose held-out part nobody looks at, so that nothing is measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import parts, roles
from trainlint.semantics.data.splits import Split
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# What is asked about the form of a table, not about its rows.
_FORM = frozenset("shape ndim dtype dtypes columns".split())


def is_held_out_unread(file: File, split: Split) -> bool:
    """True where the train part is read afterwards, and its rows and those of no other part."""
    targets = split.targets or _fold_targets(split.node)
    learned, held = _sides(split, targets)
    if not learned or not held or _is_held_out(learned[0]):
        return False
    names = [target for target in targets if isinstance(target, tree.Name)]
    if len(names) < len(targets) or _is_taken_elsewhere(file, split):
        return False
    if any(_is_read(file, name) for name in held) or not any(_is_read(file, n) for n in learned):
        return False
    return not any(
        part.node is split.node
        for other in file.splits.all
        if other is not split
        for data in other.inputs
        for part in parts.parts(file, Use(data))
    )


def _sides(split: Split, targets: Sequence[Expr]) -> tuple[Sequence[Expr], Sequence[Expr]]:
    """What the train parts and what the other parts are given to."""
    if split.name == "train_test_split":
        return targets[::2], targets[1::2]
    return targets[:1], targets[1:]


def _is_held_out(target: Expr) -> bool:
    name = target.id if isinstance(target, tree.Name) else ""
    return roles.of_name(name) in {roles.TEST, roles.VALIDATION}


def _fold_targets(node: tree.Node) -> Sequence[Expr]:
    """``for train, test in kf.split(X)``, counted or not."""
    loop = next((a for a in node.ancestors() if isinstance(a, tree.For)), None)
    if loop is None or not any(inner is node for inner in loop.iter.walk()):
        return ()
    target = loop.target
    if isinstance(loop.iter, tree.Call) and loop.iter is not node:
        counted = isinstance(target, tree.Sequence) and len(target.elts) == 2
        target = target.elts[1] if isinstance(target, tree.Sequence) and counted else target
    return tuple(target.elts) if isinstance(target, tree.Sequence) else ()


def _is_taken_elsewhere(file: File, split: Split) -> bool:
    """True where another file can import the parts."""
    return tree.function_of(split.node) is None and file.view.is_imported(file)


def _is_read(file: File, target: Expr) -> bool:
    assert isinstance(target, tree.Name)
    statement = target.parent
    while statement is not None and not isinstance(statement, tree.Stmt):
        statement = statement.parent
    for read in file.all(tree.Name):
        if read.id != target.id or is_bound_by(read) or _asks_form(file, read):
            continue
        bindings, _ = file.values.definitions(read)
        if any(_is_of(binding.node, statement) for binding in bindings):
            return True
    return False


def _is_of(node: tree.Node, statement: tree.Node | None) -> bool:
    while not isinstance(node, tree.Stmt) and node.parent is not None:
        node = node.parent
    return node is statement


def _asks_form(file: File, read: tree.Name) -> bool:
    above = read.parent
    if isinstance(above, tree.Attribute):
        return above.attr in _FORM
    call = above.parent if isinstance(above, tree.Arg) else None
    return isinstance(call, tree.Call) and file.names.qualified(call.func) == "builtins.len"
