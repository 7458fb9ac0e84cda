"""Files that a run reads after it has written them itself.

Their tensors were saved on the machine that loads them, by ``torch.save`` or by the
``ModelCheckpoint`` of a Lightning trainer that was fitted before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.kinds import FunctionValue, Instance, Literal, Symbol, Unknown
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_CALLERS = 5
_KEPT = frozenset({"best_model_path", "last_model_path"})


def saved_before(file: File, load: tree.Call) -> tree.Call | None:
    """What has written the file of a load before, in the same run: a save, or a fit."""
    path = load.arg(0, "f")
    return _written(file, path, load, MAX_CALLERS) if path is not None else None


def _written(file: File, path: Expr, site: tree.Call, depth: int) -> tree.Call | None:
    """What has written a path before a place; of a parameter, at every call of its function."""
    sites = dict(sites_of(file, site))
    given = _passed_as(file, path) if depth else []
    for save in file.calls_to("torch.save"):
        saved = save.arg(1, "f")
        if saved is None:
            continue
        same = _same_parameter if given else _is_saved
        for body, place in sites_of(file, save) if same(file, path, saved) else ():
            if body in sites and comes_before(file, body, place, sites[body]):
                return save
    found = _fitted_before(file, path, sites) or _handed_back(file, path)
    if found is not None or not given:
        return found
    passed = [_written(file, arg, call, depth - 1) if arg else None for arg, call in given]
    return passed[0] if all(passed) else None


def _is_saved(file: File, path: Expr, saved: Expr) -> bool:
    """True for one path, also where the function that saves gets it at a call."""
    if same_path(file, path, saved):
        return True
    return any(arg is not None and same_path(file, path, arg) for arg, _ in _passed_as(file, saved))


def _parameter(file: File, path: Expr) -> tree.Param | None:
    """The parameter that a path is, as it was passed."""
    name = spelled(file, path)
    if not isinstance(name, tree.Name):
        return None
    bindings, unbound = file.values.definitions(name)
    node = bindings[0].node if len(bindings) == 1 and not unbound else None
    return node if isinstance(node, tree.Param) else None


def _passed_as(file: File, path: Expr) -> list[tuple[Expr | None, tree.Call]]:
    """What the calls of a function give for the parameter that a path is; None: not written out."""
    param = _parameter(file, path)
    function = param.parent if param is not None else None
    if param is None or not isinstance(function, tree.FunctionDef):
        return []
    return [
        (parameters.given(function, call, param), call)
        for call, _owner in file.values.graph.callers(function)
    ]


def _same_parameter(file: File, one: Expr, other: Expr) -> bool:
    param = _parameter(file, one)
    return param is not None and param is _parameter(file, other)


# Functions that tell where they have saved


def _handed_back(file: File, path: Expr) -> tree.Call | None:
    """The save of a function that has given a path, or a collection of paths, to the load."""
    for callee in _makers(file, path, MAX_CALLERS):
        for save in file.home(callee).calls_to("torch.save"):
            target = save.arg(1, "f")
            if not isinstance(target, tree.Name) or tree.function_of(save) is not callee:
                continue
            if any(_keeps_name(node, target.id) for node in own_nodes(callee)):
                return save
    return None


def _makers(file: File, path: Expr, depth: int) -> list[tree.FunctionDef]:
    """The functions of the project that have made a path, or what it is taken from."""
    if isinstance(path, tree.Call):
        callees = [v.function for v in file.values.callees(path) if isinstance(v, FunctionValue)]
        found = [function for function in callees if isinstance(function, tree.FunctionDef)]
        if found:
            return found
    name = tree.base_of(path)
    bindings, unbound = file.values.definitions(name) if name is not None else ([], True)
    if not depth or unbound or len(bindings) != 1 or bindings[0].kind not in {"assign", "each"}:
        return []
    value = bindings[0].value
    return _makers(file, value, depth - 1) if value is not None else []


def _keeps_name(node: Node, name: str) -> bool:
    """True where a function puts what is named into a collection, or returns it."""
    match node:
        case tree.Assign(value=tree.Name(id=kept), targets=targets):
            return kept == name and any(isinstance(t, tree.Subscript) for t in targets)
        case tree.Call(func=tree.Attribute(attr="append"), args=[tree.Arg(value=tree.Name() as n)]):
            return n.id == name
        case tree.Return(value=tree.Expr() as value):
            given = value.elts if isinstance(value, tree.Sequence) else [value]
            return any(isinstance(one, tree.Name) and one.id == name for one in given)
        case _:
            return False


# Lightning


def _fitted_before(file: File, path: Expr, sites: dict[Body, Node]) -> tree.Call | None:
    """The fit before a load of what a ``ModelCheckpoint`` keeps."""
    path = spelled(file, path)
    best = any(isinstance(node, tree.Attribute) and node.attr in _KEPT for node in path.walk())
    if not best and not any(_keeps(file, call, path) for call in _model_checkpoints(file)):
        return None
    for call in file.calls:
        if not _fits(file, call):
            continue
        for body, place in sites_of(file, call):
            if body in sites and comes_before(file, body, place, sites[body]):
                return call
    return None


def _model_checkpoints(file: File) -> list[tree.Call]:
    return file.calls_to(
        lambda name: name.startswith("lightning.") and name.endswith(".ModelCheckpoint")
    )


def _fits(file: File, call: tree.Call) -> bool:
    func = call.func
    if not isinstance(func, tree.Attribute) or func.attr != "fit":
        return False
    return any(
        isinstance(value, Unknown)
        or (isinstance(value, Instance) and value.name.startswith("lightning."))
        for value in file.values.of(func.value)
    )


def _keeps(file: File, checkpoint: tree.Call, path: Expr) -> bool:
    """True where a path is made of the folder and the file name of a ``ModelCheckpoint``."""
    folder, name = checkpoint.arg(0, "dirpath"), checkpoint.arg(1, "filename")
    if folder is None or not _mentions(file, path, folder):
        return False
    return name is None or _mentions(file, path, name)


def _mentions(file: File, path: Expr, part: Expr) -> bool:
    known = file.values.literal(part)
    if isinstance(known, str):
        stem = known.partition("{")[0].removeprefix("./").strip("/")
        return any(stem in text for text in texts(file, path))
    return any(same_path(file, node, part) for node in path.walk() if isinstance(node, tree.Expr))


def texts(file: File, path: Expr) -> Iterator[str]:
    """The literal pieces of a path."""
    for node in path.walk():
        if isinstance(node, tree.FormattedString):
            yield file.text(node)
        elif isinstance(node, tree.Constant | tree.Name):
            known = file.values.literal(node)
            if isinstance(known, str):
                yield known


# Paths and places


def sites_of(file: File, node: Node) -> Iterator[tuple[Body, Node]]:
    """The bodies from which a place is reached, with the place in each that leads to it."""
    todo: list[tuple[Node, int]] = [(node, 0)]
    seen: set[Body] = set()
    while todo:
        site, depth = todo.pop(0)
        function = tree.function_of(site)
        body = tree.body_of(site)
        if body in seen:
            continue
        seen.add(body)
        yield body, site
        if function is not None and depth < MAX_CALLERS:
            callers = file.values.graph.callers(function)
            todo.extend((caller, depth + 1) for caller, _ in callers)


def comes_before(file: File, body: Body, first: Node, second: Node) -> bool:
    """True where a run that has got to one place of a body can get to another."""
    flow = file.flow_in(body)
    if not flow.holds(first) or not flow.holds(second):
        return False
    return flow.reaches(flow.point(first), [flow.point(second)])


def same_path(file: File, one: Expr, other: Expr) -> bool:
    if not _origins(file, one).isdisjoint(_origins(file, other)):
        return True
    first, second = spelled(file, one), spelled(file, other)
    if isinstance(first, tree.BinOp | tree.Call) and _same_pieces(file, first, second):
        return True
    if isinstance(first, tree.Name) or _text(file, first) != _text(file, second):
        return False
    names = [[n for n in expr.walk() if isinstance(n, tree.Name)] for expr in (first, second)]
    return all(
        _same_binding(file, a, b) or _same_value(file, a, b) for a, b in zip(*names, strict=True)
    )


def _same_pieces(file: File, one: Expr, other: Expr) -> bool:
    """True for paths that are joined of pieces which come from the same places, however named."""
    match one, other:
        case tree.BinOp(), tree.BinOp() if one.op == other.op:
            return _same_pieces(file, one.left, other.left) and _same_pieces(
                file, one.right, other.right
            )
        case tree.Call(), tree.Call() if _joins(file, one) and _joins(file, other):
            given, also = one.positional, other.positional
            return len(given) == len(also) and all(
                _same_pieces(file, a, b) for a, b in zip(given, also, strict=True)
            )
        case tree.Constant(), tree.Constant():
            return bool(one.value == other.value)
        case tree.Name() | tree.Attribute(), tree.Name() | tree.Attribute():
            return not _sources(file, one).isdisjoint(_sources(file, other))
        case _:
            return False


def _joins(file: File, call: tree.Call) -> bool:
    return not call.has_star and file.names.qualified(call.func) == "os.path.join"


def _sources(file: File, piece: Expr) -> set[object]:
    """The values that a piece of a path can be."""
    return {
        value.value if isinstance(value, Literal) else (value.node, getattr(value, "path", ()))
        for value in file.values.of(piece)
    }


def _text(file: File, expr: Expr) -> str:
    """What an expression says; inside a formatted string only names have a text of their own."""
    return tree.dotted(expr) or file.text(expr)


def spelled(file: File, path: Expr, depth: int = MAX_CALLERS) -> Expr:
    """The expression that a name for a path stands for."""
    path = _opened(file, path)
    if isinstance(path, tree.Name) and depth:
        bindings, unbound = file.values.definitions(path)
        value = bindings[0].value if len(bindings) == 1 and not unbound else None
        if value is not None and bindings[0].kind == "assign" and not bindings[0].path:
            return spelled(file, value, depth - 1)
    return path


def _same_binding(file: File, one: tree.Name, other: tree.Name) -> bool:
    if one.id == other.id == "self":
        return tree.class_of(one) is tree.class_of(other)
    found, known = file.names.find(one.id, one), file.names.find(other.id, other)
    return found is known or (found is not None and known is not None and found[0] is known[0])


def _same_value(file: File, one: tree.Name, other: tree.Name) -> bool:
    """True for a name and the parameter that it is passed to, or for two such parameters."""
    value = file.values.only(one)
    if value is None or isinstance(value, Unknown):
        return False
    return _sources(file, one) == _sources(file, other)


def _origins(file: File, path: Expr) -> set[object]:
    """The texts that a path can be, and the expressions that make it."""
    found: set[object] = set()
    for value in file.values.of(_opened(file, path)):
        match value:
            case Literal():
                found.add(value.value)
            case Symbol():
                found.add(value.name)
            case _:
                found.add(value.node)
    return found


def _opened(file: File, path: Expr) -> Expr:
    """The path of ``with open(path) as f``."""
    bindings = file.values.definitions(path)[0] if isinstance(path, tree.Name) else []
    for binding in bindings:
        call = binding.value
        if binding.kind != "with" or not isinstance(call, tree.Call):
            continue
        if file.names.qualified(call.func) in {"builtins.open", "io.open"}:
            return call.arg(0, "file") or path
    return path
