"""Which loads of a project read what a save has written: by the path, or by the keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Display, Method, Object
from trainlint.semantics.parameters import argument
from trainlint.semantics.training import checkpoints, written
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 2
_FIELD = re.compile(r"\{[^}]*\}|%\S")
_ENOUGH = 2  # keys that two files hardly share by chance


@dataclass(frozen=True, slots=True, eq=False)
class Readback:
    """A load of what a save has written; ``by`` is ``"path"`` or ``"keys"``."""

    load: tree.Call
    by: str
    restored: checkpoints.Restored


def readbacks(file: File, save: tree.Call) -> Iterator[Readback]:
    """The loads that read what a ``torch.save`` writes, as far as the project tells."""
    saved, target = save.arg(0, "obj"), save.arg(1, "f")
    if saved is None or target is None:
        return
    keys = keys_of(file, saved)
    near = set(file.view.connected(file))
    for other in file.view.holding(["torch", "load"], file):
        for load, path, restored in other.once(_loads):
            if not _fits(file, saved, keys, load, restored):
                continue
            shared = bool(keys) and len(restored.keys) >= _ENOUGH and restored.keys <= keys
            if (other in near or shared) and _same_file(file, path, target):
                yield Readback(load, "path", restored)
            elif shared:
                yield Readback(load, "keys", restored)


def is_out_of_reach(file: File, load: tree.Call) -> bool:
    """True for a load in another module that no run gets to.

    Such a module cannot be imported, or nothing imports it and it does nothing itself.
    """
    home = file.home(load)
    if home is file:
        return False
    if file.view.lacks_a_module(home):
        return True
    if tree.function_of(load) is None:
        return False
    return not file.view.is_imported(home) and not any(map(_acts, home.module.body))


def _acts(statement: tree.Stmt) -> bool:
    """True for a statement that a script has and a module of definitions has not."""
    match statement:
        case tree.ExprStmt(value=tree.Constant()):
            return False
        case tree.If() | tree.Try():
            asks = [node for node in statement.walk() if isinstance(node, tree.Name)]
            named = any(node.id == "__name__" for node in asks)
            return named or any(map(_acts, (*statement.body, *statement.orelse)))
        case _:
            return isinstance(statement, tree.ExprStmt | tree.For | tree.While | tree.With)


def _loads(file: File) -> list[tuple[tree.Call, Expr, checkpoints.Restored]]:
    """The loads of a file, with their paths and what becomes of what they give."""
    return [
        (load, path, checkpoints.restored(file, load))
        for load in file.calls_to("torch.load")
        if (path := load.arg(0, "f")) is not None
    ]


def keys_of(file: File, saved: Expr) -> frozenset[str]:
    """The keys of a saved dict; empty where they, or whether it is one, are not known."""
    found: set[str] = set()
    for value in file.values.of(saved):
        if not isinstance(value, Display) or not isinstance(value.expr, tree.Dict):
            return frozenset()
        for key in value.expr.keys:
            known = file.values.literal(key, value.frame) if key is not None else ...
            if isinstance(known, str):
                found.add(known)
    if isinstance(saved, tree.Name):
        for change in file.splits.backward.changes.before(saved):
            if isinstance(change.key, str):
                found.add(change.key)
    return frozenset(found)


def _fits(
    file: File,
    saved: Expr,
    keys: frozenset[str],
    load: tree.Call,
    restored: checkpoints.Restored,
) -> bool:
    """False where a load treats its file as something else than what is saved."""
    if keys and restored.keys and not restored.keys <= keys:
        return False
    direct = any(arg.value is load for call in restored.states for arg in call.args)
    values = file.values.of(saved)
    stateless = bool(keys) or any(isinstance(v, Object) for v in values)
    if direct and stateless:
        return False
    states = [v for v in values if isinstance(v, Method) and v.name == "state_dict"]
    return not (states and restored.keys)


# Paths


def _same_file(file: File, read: Expr, target: Expr) -> bool:
    reads, targets = list(_given(file, read, _DEPTH)), list(_given(file, target, _DEPTH))
    return any(
        written.same_path(file, one, other) or _same_name(file, one, other)
        for one in reads
        for other in targets
    )


def _given(file: File, path: Expr, depth: int) -> Iterator[Expr]:
    """A path as it is spelled, and what the calls of its function give for it."""
    path = written.spelled(file, path)
    yield path
    if not depth or not isinstance(path, tree.Name):
        return
    for binding in file.values.definitions(path)[0]:
        param = binding.node
        function = param.parent if isinstance(param, tree.Param) else None
        if not isinstance(param, tree.Param) or not isinstance(function, tree.FunctionDef):
            continue
        for call, _owner in file.values.graph.callers(function):
            given = argument(function, call, param)
            if given is not None:
                yield from _given(file, given, depth - 1)
        if param.default is not None:
            yield param.default


def _same_name(file: File, one: Expr, other: Expr) -> bool:
    """True for one file name, in whatever folder: ``best.pt`` behind two names of the folder."""
    first, second = _name(file, one), _name(file, other)
    return first is not None and first == second


def _name(file: File, path: Expr) -> str | None:
    """The last part of a path where it is written out and has an extension."""
    known = file.values.literal(path)
    match path:
        case _ if isinstance(known, str):
            text = known
        case tree.BinOp() if path.op in {"/", "+"}:
            return _name(file, path.right)
        case tree.Call() if path.args and _joins(file, path):
            return _name(file, path.args[-1].value)
        case tree.FormattedString():
            text = file.text(path).rstrip("'\"")
            if "/" not in text and text[:2].lower() in {"f'", 'f"'}:
                text = text[2:]
        case _:
            return None
    name = text.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    told = any(c.isalpha() for c in _FIELD.sub("", stem))
    return name if told and dot and extension.isalnum() else None


def _joins(file: File, call: tree.Call) -> bool:
    name = file.names.qualified(call.func) or ""
    return name in {"os.path.join", "builtins.str", "pathlib.Path", "os.fspath"}
