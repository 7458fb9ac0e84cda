"""Whether the rows of data stand in an order of their own, and whether it means something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import feeding
from trainlint.semantics.data.feeding import Feed
from trainlint.semantics.kinds import FunctionValue, Instance, Object, Part, Value
from trainlint.semantics.parameters import argument
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.training import counting

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.training.script import TrainingLoop

# What draws rows at random, and what has an order that means something.
_MIXED = re.compile(
    r"shuffle|perm(?!ute$)|random|choice|sample|split|^rand|rand_|weighted|balance", re.I
)
_IN_ORDER = re.compile(
    r"seq(?!uential)|time|temporal|series|window|stream|video|frame|curricul|forecast|rollout|"
    r"traject|replay|episode|history|sorted(?!$)|bucket|bptt|corpus|lm_|chunk|infer|extract|eval|embed",
    re.I,
)
# Calls that bring rows into a random order.
_SHUFFLES = re.compile(r"^(shuffle|permutation|permuted|randperm|train_test_split|random_split)$")
_MAX_STEPS = 80


def counts_on_order(file: File, found: TrainingLoop) -> bool:
    """Whether a loop is called by an order, or puts its batches beside others by their position."""
    loop = found.loop
    if _IN_ORDER.search(getattr(found.body, "name", "")):
        return True
    taken = counting.taken(file, loop)
    if taken is None:
        return True
    source = taken.source
    if isinstance(source, tree.Call) and file.names.qualified(source.func) == "builtins.zip":
        return True
    return taken.index is not None and any(
        isinstance(part, tree.Name) and part.id == taken.index
        for node in loop.walk()
        if isinstance(node, tree.Subscript)
        for index in node.index
        for part in index.walk()
    )


def is_plain(file: File, value: Value) -> bool:
    """Whether data is map-style, in its own order, and that order means nothing."""
    if isinstance(value, Part) or not feeding.is_map_style(file, value):
        return False
    if isinstance(value, Instance):
        short = value.name.rpartition(".")[2]
        return not (_MIXED.search(short) or short in {"Subset", "ConcatDataset", "FakeData"})
    assert isinstance(value, Object)
    names = [name for cls in file.values.graph.lineage(value.cls) for name in _words_on_order(cls)]
    return not any(_MIXED.search(name) for name in names) and not any(
        _IN_ORDER.search(name) for name in (value.cls.name, *_parameters(value.cls))
    )


def _words_on_order(cls: tree.ClassDef) -> Iterator[str]:
    """The names in a data set, without those that only change the row that is asked for."""
    getter = cls.method("__getitem__")
    apart: set[tree.FunctionDef] = set()
    if getter is not None and _takes_its_number(getter):
        built = _own_calls(cls, [m for m in cls.body if _is_method(m, "__init__")])
        apart = _own_calls(cls, [getter]) - built
    for part in cls.body:
        if part not in apart:
            yield from tree.words_of(part)


def _is_method(part: tree.Stmt, name: str) -> bool:
    return isinstance(part, tree.FunctionDef) and part.name == name


def _takes_its_number(getter: tree.FunctionDef) -> bool:
    """Whether a data set takes the row of the number that it is asked for: ``self.rows[index]``."""
    number = getter.params[1].name if len(getter.params) == 2 else None
    named = [n for n in getter.walk() if isinstance(n, tree.Name) and n.id == number]
    return not any(is_bound_by(name) for name in named) and any(
        isinstance(name.parent, tree.Subscript) and name.parent.index == [name] for name in named
    )


def _own_calls(cls: tree.ClassDef, methods: list[tree.Stmt]) -> set[tree.FunctionDef]:
    """Some methods, and those of the class that they call on their object."""
    found: set[tree.FunctionDef] = set()
    while methods:
        method = methods.pop()
        if not isinstance(method, tree.FunctionDef) or method in found:
            continue
        found.add(method)
        for node in method.walk():
            if isinstance(node, tree.Attribute) and tree.dotted(node.value) == "self":
                methods += [m for m in cls.body if _is_method(m, node.attr)]
    return found


def _parameters(cls: tree.ClassDef) -> Iterator[str]:
    init = cls.method("__init__")
    yield from (param.name for param in init.params) if init is not None else ()


def is_mixed(file: File, feed: Feed) -> bool:
    """Whether anything that the data is made of is drawn at random, or has to do with order."""
    seen: set[tree.Node] = set()
    stack: list[tree.Node] = [feed.loader.call]
    frame = feed.loader.frame
    stack += [arg for call in (frame.chain if frame is not None else ()) for arg in call.args]
    while stack and len(seen) < _MAX_STEPS:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if any(_MIXED.search(name) or _IN_ORDER.search(name) for name in tree.words_of(node)):
            return True
        if node is not feed.loader.call and any(map(_shuffles, node.walk())):
            return True
        if any(_is_shuffler(file, part) or _is_sorted_by(part) for part in node.walk()):
            return True
        for name in node.walk():
            if isinstance(name, tree.Name):
                stack += _sources(file, name)
    return False


def _shuffles(node: tree.Node) -> bool:
    """Whether a node tells another loader or split to shuffle."""
    if not isinstance(node, tree.Arg) or node.keyword != "shuffle":
        return False
    return not isinstance(node.value, tree.Constant) or bool(node.value.value)


def _is_sorted_by(node: tree.Node) -> bool:
    """Whether a node puts rows into an order of its own: ``sorted(rows, key=len)``."""
    return (
        isinstance(node, tree.Call)
        and tree.last_name(node.func) in {"sorted", "sort"}
        and any(arg.keyword == "key" for arg in node.args)
    )


def _is_shuffler(file: File, node: tree.Node) -> bool:
    """Whether a node calls a function of the project that brings rows into a random order."""
    if not isinstance(node, tree.Call):
        return False
    return any(
        isinstance(value, FunctionValue)
        and any(
            isinstance(part, tree.Call) and _SHUFFLES.match(tree.last_name(part.func))
            for part in value.function.walk()
        )
        for value in file.values.callees(node)
    )


def _sources(file: File, name: tree.Name) -> Iterator[tree.Node]:
    """What gives a name its value: definitions, arguments, and what changes it in place."""
    bindings, _ = file.values.definitions(name)
    for binding in bindings:
        function = binding.node.parent
        if binding.kind in {"assign", "augment"} and binding.value is not None:
            yield binding.value
        elif isinstance(binding.node, tree.Param) and isinstance(function, tree.FunctionDef):
            for call, _owner in file.values.graph.callers(function):
                given = argument(function, call, binding.node)
                if given is not None:
                    yield given
    if bindings:
        yield from _changes(file, name)


def _changes(file: File, name: tree.Name) -> Iterator[tree.Node]:
    """The calls that are given a name of the same body, or sort it: ``shuffle(rows)``."""
    for call in file.contents.calls_in.get(tree.body_of(name), ()):
        if tree.dotted(call.func) == f"{name.id}.sort":
            yield call
        if any(isinstance(arg.value, tree.Name) and arg.value.id == name.id for arg in call.args):
            yield call.func
