"""Reading a sample: the calls that load it, and the statements that run when one has failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_LOADS = re.compile(
    r"^(open|imread|imdecode|loadtxt|loadmat|genfromtxt|decode\w*|VideoReader|VideoCapture|File|"
    r"dcmread|get_fdata|fetch\w*|download\w*|sf_read)$|(^|_)(load|read|parse)(er|_|s|$)|^load|"
    r"^read|_open$",
    re.I,
)


# Failed look-ups are decisions about the sample; only what is read can fail to load.
_LOOKUPS = frozenset(
    f"builtins.{name}"
    for name in "KeyError IndexError AttributeError ImportError ModuleNotFoundError StopIteration "
    "TypeError".split()
)
EXISTS = frozenset({"exists", "isfile", "is_file"})


@dataclass(frozen=True, slots=True)
class Failure:
    """The statements that run when ``load`` has failed."""

    body: Sequence[tree.Stmt]
    load: tree.Call
    tried: Sequence[tree.Stmt]


def is_load(call: tree.Call) -> bool:
    """True when a call reads a sample from somewhere, as far as its name tells."""
    return _LOADS.search(tree.word_of(call.func)) is not None


def is_test(call: tree.Call) -> bool:
    """True when a call asks whether a file is there."""
    return tree.word_of(call.func) in EXISTS


def failures(file: File, method: tree.FunctionDef) -> Iterator[Failure]:
    """The failures of loads that a method looks after: in a handler, or by a test."""
    for node in own_nodes(method):
        match node:
            case tree.Try():
                load = next((call for call in calls(node.body) if is_load(call)), None)
                if load is None:
                    continue
                for handler in node.handlers:
                    if not _is_lookup(file, handler.type):
                        yield Failure(handler.body, load, node.body)
            case tree.If():
                failed = _failed_test(file, method, node.test)
                if failed is not None:
                    yield Failure(node.body, failed, ())
            case _:
                pass


def calls(statements: Sequence[tree.Stmt]) -> Iterator[tree.Call]:
    """The calls in some statements."""
    for statement in statements:
        for node in statement.walk():
            if isinstance(node, tree.Call):
                yield node


def _is_lookup(file: File, caught: Expr | None) -> bool:
    if isinstance(caught, tree.Sequence):
        return all(_is_lookup(file, item) for item in caught.elts)
    return caught is not None and file.names.qualified(caught) in _LOOKUPS


def _failed_test(file: File, method: tree.FunctionDef, test: Expr) -> tree.Call | None:
    """The load that a test finds to have failed: no image read, no such file."""
    match test:
        case tree.Compare(left=tree.Name() as name, ops=["is"]):
            if not isinstance(test.comparators[0], tree.Constant):
                return None
            bindings, _ = file.values.definitions(name)
            for binding in bindings:
                value = binding.value
                if isinstance(value, tree.Call) and tree.word_of(value.func) == "imread":
                    return value if tree.function_of(value) is method else None
            return None
        case tree.UnaryOp(op="not", operand=tree.Call() as call):
            return call if is_test(call) else None
        case _:
            return None
