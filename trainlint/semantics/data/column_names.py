"""Which columns of a table a list names, and which of them are taken out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.kinds import FunctionValue
from trainlint.semantics.names import Binding
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Chosen = tuple[set[str] | None, set[str]]

_SPLIT = "sklearn.model_selection.train_test_split"
_RESAMPLED = "fit_resample"
_CHANGES = frozenset("append extend remove insert pop clear sort".split())


class ColumnNames:
    """``calls`` are those by which a function is, or was, entered on the way."""

    def __init__(self, file: File, calls: dict[tree.FunctionDef, tree.Call]) -> None:
        self.file, self.calls = file, calls

    def named(self, expr: Expr, table: Expr, hops: int = 6) -> Chosen | None:
        """The columns that a list names (None for all), and those that it leaves out."""
        if not hops:
            return None
        match expr:
            case tree.Constant(value=str() as name):
                return {name}, set()
            case tree.Sequence():
                parts = [self._listed(item, table, hops) for item in expr.elts]
                named = [part[0] for part in parts if part is not None and part[0] is not None]
                return (set().union(*named), set()) if len(named) == len(parts) else None
            case tree.Name():
                inner = self.given(expr) if not self._is_list_changed(expr) else None
                return self.named(inner, table, hops - 1) if inner is not None else None
            case tree.Attribute(attr="columns", value=owner):
                same = tree.dotted(owner) is not None and tree.dotted(owner) == tree.dotted(table)
                return (None, set()) if same else None
            case tree.Attribute(attr="values"):
                return self.named(expr.value, table, hops - 1)
            case tree.BinOp(op="+", left=left, right=right):
                sides = [self.named(side, table, hops - 1) for side in (left, right)]
                both = [side[0] for side in sides if side is not None and side[0] is not None]
                return (both[0] | both[1], set()) if len(both) == 2 else None
            case tree.Call(func=tree.Attribute(attr="tolist" | "to_list" | "copy") as func):
                return self.named(func.value, table, hops - 1)
            case tree.Call(func=tree.Attribute(attr="drop" | "difference") as func, args=[arg]):
                whole = self.named(func.value, table, hops - 1)
                gone = self.named(arg.value, table, hops - 1)
                if whole is None or gone is None or gone[0] is None:
                    return None
                return whole[0], whole[1] | gone[0]
            case tree.Call(func=tree.Name(id="list" | "sorted"), args=[arg]):
                return self.named(arg.value, table, hops - 1)
            case tree.Comprehension(kind="list", elt=tree.Name(id=elt), generators=[each]):
                return self._filtered(elt, each, table, hops)
            case _:
                return None

    def _listed(self, item: Expr, table: Expr, hops: int) -> Chosen | None:
        if isinstance(item, tree.Starred):
            return self.named(item.value, table, hops - 1)
        name = self.file.values.literal(item)
        return ({name}, set()) if isinstance(name, str) else None

    def _filtered(self, elt: str, each: tree.Generator, table: Expr, hops: int) -> Chosen | None:
        """``[c for c in table.columns if c not in ("id", "price")]``."""
        if not isinstance(each.target, tree.Name) or each.target.id != elt:
            return None
        over = each.iter if not isinstance(each.iter, tree.Name) or self.given(each.iter) else table
        whole = self.named(over, table, hops - 1)
        if whole is None:
            return None
        only, lost = whole
        for test in each.ifs:
            match test:
                case tree.Compare(left=tree.Name(id=name), ops=["!="], comparators=[other]):
                    given = self.file.values.literal(other)
                    gone = {given} if isinstance(given, str) else None
                case tree.Compare(left=tree.Name(id=name), ops=["not in"], comparators=[other]):
                    found = self.named(other, table, hops - 1)
                    gone = found[0] if found is not None else None
                case _:
                    return None
            if gone is None or name != elt:
                return None
            lost = lost | gone
        return only, lost

    # Taken out

    def dropped(self, call: tree.Call) -> set[str] | None:
        """The columns that ``drop`` takes out, none for rows; None where they are not known."""
        columns = call.arg(None, "columns")
        if columns is None:
            axis = self.file.values.literal(call.arg(1, "axis"))
            if axis is ... and call.arg(1, "axis") is None:
                return set()
            columns = call.arg(0, "labels") if axis in {1, "columns"} else None
            if axis in {0, "index"}:
                return set()
        found = self.named(columns, call.func) if columns is not None else None
        return found[0] if found is not None and found[0] is not None else None

    def gone_in_place(self, name: tree.Name) -> set[str] | None:
        """What is taken out of what is called so, anywhere; None where that is not known."""
        gone: set[str] = set()
        for other in self.file.home(name).all(tree.Name):
            if other.id != name.id or other is name:
                continue
            match other.parent:
                case tree.Attribute(attr="drop", parent=tree.Call() as call) if (
                    call.arg(None, "inplace") is not None
                ):
                    found = self.dropped(call)
                case tree.Attribute(attr="pop", parent=tree.Call(args=[arg])):
                    one = self.file.values.literal(arg.value)
                    found = {one} if isinstance(one, str) else None
                case tree.Attribute(attr="set_index", parent=tree.Call() as call) if (
                    call.arg(None, "inplace") is not None
                ):
                    found = None
                case tree.Attribute(attr="columns", parent=tree.Assign() as assign) if (
                    other.parent in assign.targets
                ):
                    found = None
                case tree.Subscript(index=[key], parent=tree.Delete()):
                    one = self.file.values.literal(key)
                    found = {one} if isinstance(one, str) else None
                case tree.Arg(parent=tree.Call(parent=tree.ExprStmt()) as call) if (
                    self.file.names.qualified(call.func) is None
                    and not isinstance(call.func, tree.Attribute)
                    and not self._only_reads(call)
                ):
                    found = None
                case tree.Arg(parent=tree.Call() as call) if self._takes_out(call):
                    found = None
                case _:
                    continue
            if found is None:
                return None
            gone |= found
        return gone

    def _only_reads(self, call: tree.Call) -> bool:
        """True for functions of the file that take no columns out, nor call what may do so."""
        values = self.file.values.callees(call)
        if not values or self._takes_out(call):
            return False
        return all(
            isinstance(value, FunctionValue)
            and not any(
                isinstance(node, tree.ExprStmt)
                and isinstance(node.value, tree.Call)
                and isinstance(node.value.func, tree.Name)
                and self.file.names.qualified(node.value.func) is None
                for node in value.function.walk()
            )
            for value in values
        )

    def _takes_out(self, call: tree.Call) -> bool:
        """True for a function of the project that takes columns out of what it is handed."""
        return any(
            isinstance(node, tree.Delete)
            or (isinstance(node, tree.Attribute) and node.attr == "pop")
            or (isinstance(node, tree.Arg) and node.keyword == "inplace")
            for value in self.file.values.callees(call)
            if isinstance(value, FunctionValue)
            for node in value.function.walk()
        )

    def _is_list_changed(self, name: tree.Name) -> bool:
        return any(
            isinstance(other.parent, tree.Attribute)
            and other.parent.attr in _CHANGES
            and isinstance(other.parent.parent, tree.Call)
            for other in self.file.home(name).all(tree.Name)
            if other.id == name.id
        ) or any(
            isinstance(item.target, tree.Name) and item.target.id == name.id
            for item in self.file.home(name).all(tree.AugAssign)
        )

    # What names are given

    def binding(self, name: tree.Name) -> Binding | None:
        bindings, unbound = self.file.values.definitions(name)
        if unbound or len(bindings) != 1 or bindings[0].kind not in {"assign", "param"}:
            return None
        return bindings[0]

    def given(self, name: tree.Name) -> Expr | None:
        """What a name is given, its part where it is one of a split or of a tuple."""
        binding = self.binding(name)
        if binding is None:
            return None
        if isinstance(binding.node, tree.Param):
            return self._passed(binding.node)
        value, path = binding.value, binding.path
        if binding.kind != "assign" or value is None:
            return None
        if not path:
            made = self._returned(value) if isinstance(value, tree.Call) else None
            return value if made is None else made
        index = path[0] if len(path) == 1 else None
        if not isinstance(index, int):
            return None
        if isinstance(value, tree.Call):
            if self.file.names.qualified(value.func) == _SPLIT:
                index, made = index // 2, None
            elif tree.last_name(value.func) == _RESAMPLED:
                made = None
            else:
                value = made = self._returned(value)
            if isinstance(value, tree.Call) and made is None:
                given = value.positional
                return given[index] if index < len(given) else None
        if isinstance(value, tree.Sequence) and index < len(value.elts):
            return value.elts[index]
        return None

    def _passed(self, param: tree.Param) -> Expr | None:
        """What the call that is looked at gives a parameter of its function."""
        function = param.parent
        call = self.calls.get(function) if isinstance(function, tree.FunctionDef) else None
        if call is None or not isinstance(function, tree.FunctionDef):
            return None
        return parameters.argument(function, call, param)

    def _returned(self, call: tree.Call) -> Expr | None:
        """What a function of the file gives, where one place returns it.

        A function that two calls enter on the way may give two things: nothing is known of them.
        """
        values = self.file.values.callees(call)
        only = values[0] if len(values) == 1 else None
        if not isinstance(only, FunctionValue) or not isinstance(only.function, tree.FunctionDef):
            return None
        function = only.function
        returns = self.file.values.graph.returns(function)
        if self.file.home(function) is not self.file or len(returns) != 1:
            return None
        if function.decorators or self.calls.setdefault(function, call) is not call:
            return None
        return returns[0].value
