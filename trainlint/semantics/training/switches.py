"""Switches of the command line that can only be set to what they are by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import guards
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def is_dead_branch(file: File, node: tree.Node) -> bool:
    """True in a branch that a switch which is always on never takes."""
    return any(always(file, guard.test) is (not guard.outcome) for guard in guards(node))


def always(file: File, test: Expr) -> bool | None:
    """What a switch of the command line gives that can only be set to its default."""
    if isinstance(test, tree.UnaryOp) and test.op == "not":
        inner = always(file, test.operand)
        return None if inner is None else not inner
    if not isinstance(test, tree.Attribute):
        return None
    options = [call for call in file.calls if _defines(file, call, test.attr)]
    if len(options) != 1 or test.attr in file.contents.set_from_outside:
        return None
    action, default = options[0].arg(None, "action"), options[0].arg(None, "default")
    stored = {"store_true": True, "store_false": False}.get(file.values.literal(action))
    return stored if stored is not None and file.values.literal(default) is stored else None


def _defines(file: File, call: tree.Call, name: str) -> bool:
    """True for ``parser.add_argument("--name", ...)``."""
    func = call.func
    if not isinstance(func, tree.Attribute) or func.attr != "add_argument" or not call.args:
        return False
    given = call.arg(None, "dest")
    if given is not None:
        return bool(file.values.literal(given) == name)
    flags = [file.values.literal(arg.value) for arg in call.args if not arg.keyword]
    spelled = [f.lstrip("-").replace("-", "_") for f in flags if isinstance(f, str)]
    return name in spelled
