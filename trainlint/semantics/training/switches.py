"""Options of a program that can only be what they are by default.

Those are switches whose action stores their default, and all options where the list of arguments
that is parsed is empty, as in a notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import guards
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_PARSES = frozenset({"parse_args", "parse_known_args"})


def is_dead_branch(file: File, node: tree.Node) -> bool:
    """True in a branch that a switch which is always on never takes."""
    return any(always(file, guard.test) is (not guard.outcome) for guard in guards(node))


def always(file: File, test: Expr) -> bool | None:
    """What an option is true of that can only be what it is by default; None where it is open."""
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
    known = file.values.literal(default)
    if stored is not None and known is stored:
        return stored
    if default is None:
        known = None if stored is None else not stored
    return None if known is ... or not file.once(_parses_nothing) else bool(known)


def _parses_nothing(file: File) -> bool:
    """True for ``parser.parse_args([])``, where nothing is set behind it."""
    parses = [call for call in file.calls if tree.word_of(call.func) in _PARSES]
    given = [call.arg(0, "args") for call in parses]
    return bool(given) and all(expr is not None and _is_empty(expr) for expr in given)


def _is_empty(expr: Expr) -> bool:
    match expr:
        case tree.Sequence(elts=[]) | tree.Constant(value=""):
            return True
        case _:
            return False


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
