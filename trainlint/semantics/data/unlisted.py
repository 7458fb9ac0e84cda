"""Columns that a model never sees, as the column transformer before it does not list them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import columns, labels, namings, splits
from trainlint.semantics.data.deeds import Deed
from trainlint.semantics.data.namings import Naming
from trainlint.semantics.data.splits import Split
from trainlint.semantics.kinds import Instance, Method, Value
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_PIPELINES = frozenset({"Pipeline", "make_pipeline"})
_LIBRARIES = ("sklearn.", "imblearn.")
_SAME_COLUMNS = frozenset({"drop", "copy", "reset_index"})
_FORM = frozenset("shape ndim dtypes columns index".split())
_TAKES = frozenset(
    "fit fit_transform transform predict predict_proba decision_function score".split()
)
_RETURNS_SELF = frozenset({"fit", "set_output", "set_params"})
_LOOKS = frozenset({"builtins.print", "builtins.len"})


def is_never_learned(file: File, deed: Deed, split: Split, index: int) -> bool:
    """True where the columns that a statement sets are dropped on all ways from a split."""
    statement = tree.statement_of(deed.node)
    key = _set_columns(statement)
    if statement is None or key is None:
        return False
    filled = namings.named(file, key)
    if filled is None or _is_used_for_others(file, statement, filled):
        return False
    if split.name in splits.FOLDING and isinstance(split.node, tree.Call):
        return _drops_in_folds(file, split.node, filled)
    if split.name != "train_test_split" or file.view.is_imported(file):
        return False
    taken = split.targets[2 * index : 2 * index + 2]
    names = [target for target in taken if isinstance(target, tree.Name)]
    return len(names) == 2 and _are_dropped(file, names, filled)


def _set_columns(statement: tree.Node | None) -> Expr | None:
    match statement:
        case tree.Assign(targets=[tree.Subscript(value=tree.Name(), index=[key])]):
            return key
        case _:
            return None


def _is_used_for_others(file: File, fill: tree.Node, filled: Naming) -> bool:
    """True where a statement may compute another column from them."""
    for statement in (*file.all(tree.Assign), *file.all(tree.AugAssign)):
        match statement:
            case tree.Assign():
                targets, value = statement.targets, statement.value
            case tree.AugAssign():
                targets, value = [statement.target], statement.value
            case _:
                continue
        if statement is fill or not columns.may_be_of(file, statement, fill):
            continue
        for target in targets:
            if isinstance(target, tree.Attribute) and not columns.is_own(target):
                return True
            if isinstance(target, tree.Subscript) and not _is_of_others(
                file, target, value, filled
            ):
                return True
    return False


def _is_of_others(file: File, target: tree.Subscript, value: Expr, filled: Naming) -> bool:
    """True where a value is computed of the columns that it is set to, or of unfilled ones."""
    base, key = tree.base_of(target), file.text(target.index[0])
    for inner in value.walk():
        if isinstance(inner, tree.Subscript) and isinstance(inner.value, tree.Name):
            known = namings.named(file, inner.index[0]) if len(inner.index) == 1 else None
            if file.text(inner.index[0]) != key and not namings.are_apart(known, filled):
                return False
        elif _is_whole(inner, base):
            return False
    return True


def _is_whole(inner: tree.Node, base: tree.Name | None) -> bool:
    """True where a table is read without a choice of columns."""
    named = isinstance(inner, tree.Name) and base is not None and inner.id == base.id
    return named and not isinstance(inner.parent, tree.Subscript)


# From the split on


def _are_dropped(file: File, targets: list[tree.Name], filled: Naming) -> bool:
    """True where each way from the parts ends before the columns reach a model."""
    stack, seen, dropped = list(targets), set[tree.Name](), False
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        for read in _reads(file, name):
            end = _end(file, read, filled)
            if end is None:
                return False
            stack.extend([end] if isinstance(end, tree.Name) else [])
            dropped = dropped or isinstance(end, tree.Call)
    return dropped


def _reads(file: File, target: tree.Name) -> Iterator[tree.Name]:
    statement = tree.statement_of(target)
    for read in file.all(tree.Name):
        if read.id != target.id or is_bound_by(read):
            continue
        bindings, _ = file.values.definitions(read)
        bound = [b.node for b in bindings]
        own = next((node for node in bound if tree.statement_of(node) is statement), None)
        if own is not None and _is_still_bound(file, read, own, bound):
            yield read


def _is_still_bound(
    file: File, read: tree.Name, own: tree.Node, bound: Sequence[tree.Node]
) -> bool:
    """False where a function reads a name that was bound anew before the function was defined."""
    body = tree.body_of(own)
    inside = [node for node in read.ancestors() if isinstance(node, tree.FunctionDef)]
    defined = next((node for node in inside if tree.body_of(node) is body), None)
    if tree.body_of(read) is body or defined is None:
        return True
    flow = file.flow_in(body)
    others = {flow.point(node) for node in bound if node is not own and flow.holds(node)}
    return flow.point(own) in flow.reaching(flow.point(defined), others)


def _end(file: File, read: tree.Name, filled: Naming) -> tree.Node | None:
    """Where a way leads on (a name), is cut off (a call), or ends; None where nothing is known."""
    expr: Expr = read
    while True:
        above = expr.parent
        match above:
            case tree.Attribute(attr=attr) if attr in _FORM:
                return above
            case tree.Attribute(attr=attr, parent=tree.Call() as call) if call.func is above:
                if attr not in _SAME_COLUMNS:
                    return None
                expr = call
            case tree.Subscript(value=value, index=[key]) if value is expr:
                apart = namings.are_apart(namings.named(file, key), filled)
                ends = apart or is_bound_by(above) or labels.becomes_labels(above)
                return above if ends else None
            case tree.Arg(parent=tree.Call() as call):
                if file.names.qualified(call.func) in _LOOKS:
                    return above
                return call if _is_dropping(file, call, above, filled) else None
            case tree.Assign(targets=[tree.Name() as name]):
                return name
            case tree.Sequence(
                elts=values, parent=tree.Assign(targets=[tree.Sequence(elts=names)])
            ):
                pairs = zip(values, names, strict=False)
                target = next((name for value, name in pairs if value is expr), None)
                known = len(values) == len(names) and isinstance(target, tree.Name)
                return target if known else None
            case tree.ExprStmt():
                return above
            case _:
                return None


def _is_dropping(file: File, call: tree.Call, arg: tree.Arg, filled: Naming) -> bool:
    func = call.func
    if not isinstance(func, tree.Attribute) or func.attr not in _TAKES:
        return False
    first = call.args[0] is arg and arg.keyword in {None, "X"} and not arg.star
    return first and _drops(file, func.value, filled)


def _drops_in_folds(file: File, call: tree.Call, filled: Naming) -> bool:
    """``cross_val_score(pipeline, X, y)``, and the ``fit`` of a search."""
    func = call.func
    if isinstance(func, tree.Attribute) and func.attr == "fit":
        return _drops(file, func.value, filled)
    estimator = call.arg(0, "estimator")
    return estimator is not None and _drops(file, estimator, filled)


# Column transformers


def _drops(file: File, expr: Expr, filled: Naming, depth: int = 4) -> bool:
    """True for a column transformer, or a pipeline that begins with one, without the columns."""
    values = file.values.of(expr) if depth else []
    return bool(values) and all(_is_without(file, v, filled, depth - 1) for v in values)


def _is_without(file: File, value: Value, filled: Naming, depth: int) -> bool:
    if isinstance(value, Method) and value.name in _RETURNS_SELF:
        return _drops(file, value.receiver, filled, depth)
    if not isinstance(value, Instance) or value.call.has_star:
        return False
    short, call = value.name.rpartition(".")[2], value.call
    if short in splits.SEARCHES:
        inner = call.arg(0, "estimator")
        return inner is not None and _drops(file, inner, filled, depth)
    if not value.name.startswith(_LIBRARIES):
        return False
    if short in _PIPELINES:
        first = _first_step(call, short)
        return first is not None and _drops(file, first, filled, depth)
    remainder = call.arg(None, "remainder")
    if remainder is not None and file.values.literal(remainder) != "drop":
        return False
    listed = _listed(call, short)
    return bool(listed) and all(
        namings.are_apart(namings.named(file, key) if key is not None else None, filled)
        for key in listed
    )


def _first_step(call: tree.Call, short: str) -> Expr | None:
    if short == "make_pipeline":
        return call.positional[0] if call.positional else None
    match call.arg(0, "steps"):
        case tree.Sequence(elts=[tree.Sequence(elts=[_, first]), *_]):
            return first
        case _:
            return None


def _listed(call: tree.Call, short: str) -> list[Expr | None]:
    """The columns that each transformer is given, None where they are unknown."""
    if short == "make_column_transformer":
        return [_columns_of(item, 2) for item in call.positional]
    items = call.arg(0, "transformers") if short == "ColumnTransformer" else None
    return [_columns_of(item, 3) for item in items.elts] if isinstance(items, tree.Sequence) else []


def _columns_of(item: Expr, size: int) -> Expr | None:
    known = isinstance(item, tree.Sequence) and len(item.elts) == size
    return item.elts[-1] if known and isinstance(item, tree.Sequence) else None
