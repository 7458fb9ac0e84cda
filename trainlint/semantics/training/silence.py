"""What turns off all warnings of a program, and for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import FunctionValue

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_FILTERS = {"warnings.filterwarnings": 2, "warnings.simplefilter": 1}  # position of the category
_VARIABLE = "PYTHONWARNINGS"
_ENVIRONMENT = "os.environ"
_RESTORES = frozenset({"default", "always", "error", "once", "module", "all"})
_SAVES = frozenset({"warnings.catch_warnings", "warnings.filters"})
_IN_WORKERS = frozenset({"worker_init_fn", "initializer"})


def silencers(file: File) -> list[tree.Node]:
    """The places that silence every warning, in source order; none where warnings come back."""
    if any(_restores(file, call) for call in file.calls) or _saves(file):
        return []
    found: list[tree.Node] = [call for call in file.calls if _silences(file, call)]
    found += _assigned(file)
    lasting = [node for node in found if not _is_limited(file, node) and not is_dead(node)]
    return sorted(lasting, key=lambda node: node.start)


def _silences(file: File, call: tree.Call) -> bool:
    name = file.names.qualified(call.func)
    if name in _FILTERS:
        return _action(file, call) == "ignore" and not _selects(file, call, _FILTERS[name])
    if name in {f"{_ENVIRONMENT}.setdefault", "os.putenv"}:
        return _is_variable(file, call.arg(0)) and _ignores(file, call.arg(1))
    return False


def _action(file: File, call: tree.Call) -> object:
    return file.values.literal(call.arg(0, "action"))


def _selects(file: File, call: tree.Call, category: int) -> bool:
    """Whether a filter is for some warnings only: of a category, a message or a module."""
    if call.has_star:
        return True
    given = call.arg(category, "category")
    if given is not None and file.names.qualified(given) != "builtins.Warning":
        return True
    by_text = [call.arg(None, "module"), call.arg(None, "message")]
    if category == 2:
        by_text += [call.arg(1), call.arg(3)]
    if any(text is not None and file.values.literal(text) != "" for text in by_text):
        return True
    return call.arg(category + 2, "lineno") is not None or call.arg(None, "lineno") is not None


def _restores(file: File, call: tree.Call) -> bool:
    name = file.names.qualified(call.func)
    if name == "warnings.resetwarnings":
        return True
    return name in _FILTERS and _action(file, call) in _RESTORES


def _saves(file: File) -> bool:
    """Whether filters are kept to come back, in another way than by a block of their own."""
    return any(
        file.names.qualified(node) in _SAVES
        and not (isinstance(node.parent, tree.Call) and _is_entered(node.parent))
        for kind in (tree.Attribute, tree.Name)
        for node in file.all(kind)
    )


def _is_entered(call: tree.Call) -> bool:
    return any(
        isinstance(above, tree.With) and any(item.context is call for item in above.items)
        for above in call.ancestors()
    )


def _assigned(file: File) -> Iterator[tree.Node]:
    """``os.environ["PYTHONWARNINGS"] = "ignore"``, and a ``warnings.warn`` that does nothing."""
    for assign in file.all(tree.Assign):
        for target in assign.targets:
            match target:
                case tree.Subscript(index=[key]) if _is_variable(file, key):
                    environment = file.names.qualified(target.value) == _ENVIRONMENT
                    if environment and _ignores(file, assign.value):
                        yield assign
                case tree.Attribute() if file.names.qualified(target) == "warnings.warn":
                    if _does_nothing(file, assign.value):
                        yield assign
                case _:
                    pass


def _is_variable(file: File, key: tree.Expr | None) -> bool:
    return bool(file.values.literal(key) == _VARIABLE)


def _ignores(file: File, value: tree.Expr | None) -> bool:
    return bool(file.values.literal(value) == "ignore")


def _does_nothing(file: File, value: tree.Expr) -> bool:
    for one in file.values.of(value):
        function = one.function if isinstance(one, FunctionValue) else None
        if isinstance(function, tree.FunctionDef):
            if not all(isinstance(s, tree.Pass) or _is_text(s) for s in function.body):
                return False
        elif function is None or not isinstance(function.body, tree.Constant):
            return False
    return True


def _is_text(statement: tree.Stmt) -> bool:
    return isinstance(statement, tree.ExprStmt) and isinstance(statement.value, tree.Constant)


def _is_limited(file: File, node: tree.Node) -> bool:
    """Whether the silence ends with a block, or somebody can choose it."""
    for above in node.ancestors():
        match above:
            case tree.With() if any(_catches(file, item.context) for item in above.items):
                return True
            case tree.If() if not _is_main(above):
                return True
            case tree.Handler() | tree.Lambda():
                return True
            case tree.FunctionDef() if _is_of_workers(file, above):
                return True
            case _:
                pass
    return False


def _is_of_workers(file: File, function: tree.FunctionDef) -> bool:
    """Whether other processes begin with a function, and this one never runs it."""
    return any(
        arg.keyword in _IN_WORKERS
        for arg in file.all(tree.Arg)
        if isinstance(arg.value, tree.Name) and arg.value.id == function.name
    )


def _catches(file: File, entered: tree.Expr) -> bool:
    if not isinstance(entered, tree.Call):
        return False
    return file.names.qualified(entered.func) == "warnings.catch_warnings"


def _is_main(test: tree.If) -> bool:
    return any(isinstance(node, tree.Name) and node.id == "__name__" for node in test.test.walk())
