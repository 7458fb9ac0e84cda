"""What a dataset answers when a sample cannot be loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own, own_nodes
from trainlint.semantics.data import loading, samples
from trainlint.semantics.data.loading import Failure
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_BLANKS = frozenset(
    f"{library}.{name}"
    for library in ("torch", "numpy")
    for name in (
        "zeros ones empty full rand randn zeros_like ones_like empty_like full_like random.rand "
        "random.randn random.normal random.uniform"
    ).split()
) | {"PIL.Image.new", "pydub.AudioSegment.silent", "torch.FloatTensor"}
_LOADERS = re.compile(r"load|read|open|get|fetch|decode|image|audio|video|frame|wav|sample", re.I)
_DERIVES = re.compile(r"extract|compute|calc|estimat|feature|augment|transform|stat", re.I)
_MAX_HOPS = 3


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A made-up part of a sample that goes out as a real one.

    ``statement`` returns or assigns it, ``made`` is the expression, ``load`` what failed, ``label``
    what it is given with, where that is known; ``borrowed`` tells that it is another sample's,
    ``tested`` that ``load`` is a test for the file.
    """

    statement: tree.Stmt
    made: Expr
    load: tree.Node
    label: Expr | None
    borrowed: bool = False

    @property
    def tested(self) -> bool:
        return isinstance(self.load, tree.Call) and loading.is_test(self.load)


def placeholders(file: File) -> Iterator[Placeholder]:
    """The placeholders of the datasets of a file."""
    for cls in file.all(tree.ClassDef):
        getitem = cls.method("__getitem__")
        if getitem is None or not _is_dataset(file, cls):
            continue
        if not samples.gives_labels(file, getitem):
            continue
        for method in _methods(file, cls, getitem):
            for failure in loading.failures(file, method):
                found = _placeholder(file, cls, method, failure)
                if found is not None:
                    yield found


def _is_dataset(file: File, cls: tree.ClassDef) -> bool:
    bases = file.values.graph.bases(cls)
    if any(base is not None and base.endswith(("Dataset", "Folder")) for base in bases):
        return True
    return cls.method("__len__") is not None and ("dataset" in cls.name.lower() or None in bases)


def _methods(file: File, cls: tree.ClassDef, getitem: tree.FunctionDef) -> list[tree.FunctionDef]:
    """``__getitem__`` and the methods that it reaches to load with."""
    found = [getitem]
    for _ in range(_MAX_HOPS):
        for method in tuple(found):
            for node in own(method, tree.Call):
                if not _is_own_call(node, method):
                    continue
                called = file.values.graph.method(cls, tree.word_of(node.func))
                if called is None or called in found:
                    continue
                if _LOADERS.search(called.name) and not _DERIVES.search(called.name):
                    found.append(called)
    return found


def _is_own_call(call: tree.Call, method: tree.FunctionDef) -> bool:
    func = call.func
    return (
        isinstance(func, tree.Attribute)
        and isinstance(func.value, tree.Name)
        and bool(method.params)
        and func.value.id == method.params[0].name
    )


# Answers


def _placeholder(
    file: File, cls: tree.ClassDef, method: tree.FunctionDef, failure: Failure
) -> Placeholder | None:
    nodes = [node for statement in failure.body for node in statement.walk()]
    if any(isinstance(node, tree.Raise) for node in nodes):
        return None
    if any(samples.marks(statement) for statement in nodes if isinstance(statement, tree.Assign)):
        return None
    is_item = method.name == "__getitem__"
    returns = [node for node in nodes if isinstance(node, tree.Return) and node.value is not None]
    for statement in returns:
        assert statement.value is not None
        found = _returned(file, cls, statement.value, is_item, failure)
        if found is not None:
            made, label = found
            return Placeholder(statement, made, failure.load, label)
    if returns or any(isinstance(node, tree.Continue | tree.Break) for node in nodes):
        return None
    return _assigned(file, method, failure)


def _returned(
    file: File, cls: tree.ClassDef, value: Expr, is_item: bool, failure: Failure
) -> tuple[Expr, Expr | None] | None:
    """The blank part of an answer and its label; None where it is marked or holds no blank."""
    parts = samples.parts(file, value)
    if parts is None:
        if not is_item:
            blank = _blank(file, value, failure.body)
            return (blank, None) if blank is not None else None
        return _from_method(file, cls, value)
    keys = [key for key, _ in parts]
    if any(samples.is_mark(part) for _, part in parts) or any(map(samples.is_mark_name, keys)):
        return None
    blanks = [_blank(file, part, failure.body) for _, part in parts]
    labels = [
        part
        for (key, part), blank in zip(parts, blanks, strict=True)
        if blank is None and not samples.is_identity((key, part))
    ]
    made = next((blank for blank in blanks if blank is not None), None)
    if made is None or (is_item and not labels):
        return None
    return made, labels[0] if labels else None


def _from_method(file: File, cls: tree.ClassDef, value: Expr) -> tuple[Expr, Expr | None] | None:
    """The blank part of what a method made for the purpose returns: ``self._placeholder()``."""
    if not isinstance(value, tree.Call) or not isinstance(value.func, tree.Attribute):
        return None
    if tree.word_of(value.func) == "__getitem__":
        return None
    method = file.values.graph.method(cls, value.func.attr)
    if method is None or not isinstance(value.func.value, tree.Name):
        return None
    for statement in file.values.graph.returns(method):
        assert statement.value is not None
        inner = Failure(method.body, value, ())
        found = samples.parts(file, statement.value)
        if found is not None:
            return _returned(file, cls, statement.value, True, inner)
    return None


def _blank(file: File, expr: Expr, body: Sequence[tree.Stmt]) -> Expr | None:
    """What makes up a tensor or image, also behind a name that these statements bind."""
    match expr:
        case tree.Name():
            made = [a.value for a in _assignments(body) if _binds(a, expr.id)]
            blanks = [_blank(file, value, ()) for value in made]
            return blanks[0] if blanks and all(blanks) else None
        case tree.BinOp() if isinstance(expr.right, tree.Constant):
            return expr if _blank(file, expr.left, ()) is not None else None
        case tree.Call():
            calls = (node for node in expr.walk() if isinstance(node, tree.Call))
            made_up = any(file.names.qualified(call.func) in _BLANKS for call in calls)
            return expr if made_up else None
        case _:
            return None


def _assignments(body: Sequence[tree.Stmt]) -> Iterator[tree.Assign]:
    for statement in body:
        for node in statement.walk():
            if isinstance(node, tree.Assign):
                yield node


def _binds(assign: tree.Assign, name: str) -> bool:
    return any(isinstance(target, tree.Name) and target.id == name for target in assign.targets)


def _assigned(file: File, method: tree.FunctionDef, failure: Failure) -> Placeholder | None:
    """A placeholder that takes the place of what should have been loaded, and is returned."""
    for assign in _assignments(failure.body):
        if len(assign.targets) != 1 or not isinstance(assign.targets[0], tree.Name):
            continue
        borrowed = _is_borrowed(assign, failure) or _is_other_item(assign, method, failure)
        if borrowed and _is_relabelled(assign, failure):
            continue
        if not borrowed and _blank(file, assign.value, ()) is None:
            continue
        if _is_returned(file, method, assign.targets[0].id, assign.start):
            return Placeholder(assign, assign.value, failure.load, None, borrowed)
    return None


def _is_borrowed(assign: tree.Assign, failure: Failure) -> bool:
    """True for a load like the one that failed, of a sample picked by a number of its own."""
    target = assign.targets[0]
    assert isinstance(target, tree.Name)
    if not any(_binds(a, target.id) for a in _assignments(failure.tried)):
        return False
    calls = [node for node in assign.value.walk() if isinstance(node, tree.Call)]
    name = tree.word_of(failure.load.func)
    if not any(tree.word_of(call.func) == name for call in calls):
        return False
    for node in assign.value.walk():
        if isinstance(node, tree.Subscript) and len(node.index) == 1:
            index = node.index[0]
            number = isinstance(index, tree.Constant) and isinstance(index.value, int)
            own = isinstance(node.value, tree.Attribute)
            if own and (number or isinstance(index, tree.BinOp | tree.Call)):
                return True
    return False


def _is_other_item(assign: tree.Assign, method: tree.FunctionDef, failure: Failure) -> bool:
    """True for one part of another sample, under what the failed one goes on with.

    ``image = self[(index + 1) % len(self)][0]``; not where more than one part is taken from there.
    """
    others = [a for a in _assignments(failure.body) if a is not assign]
    if any(_other_items(other.value, method) for other in others):
        return False
    taken = _other_items(assign.value, method)
    return bool(taken) and all(
        isinstance(item.parent, tree.Subscript) and item.parent.value is item for item in taken
    )


def _is_relabelled(assign: tree.Assign, failure: Failure) -> bool:
    """True where the label, too, is taken from where the sample comes from."""
    return any(
        isinstance(node, tree.Subscript) and isinstance(node.value, tree.Attribute)
        for other in _assignments(failure.body)
        if other is not assign
        for node in other.value.walk()
    )


def _other_items(expr: Expr, method: tree.FunctionDef) -> list[Expr]:
    """The samples that an expression asks the dataset itself for, by a number of their own."""
    found: list[Expr] = []
    for node in expr.walk():
        match node:
            case tree.Subscript(value=tree.Name(id=owner), index=[index]):
                pass
            case tree.Call(
                func=tree.Attribute(value=tree.Name(id=owner), attr="__getitem__"),
                args=[tree.Arg(value=index)],
            ):
                pass
            case _:
                continue
        own = bool(method.params) and owner == method.params[0].name
        if own and isinstance(index, tree.BinOp | tree.Call | tree.Constant):
            found.append(node)
    return found


def _is_returned(file: File, method: tree.FunctionDef, name: str, after: int) -> bool:
    """True when a value under a name, or what is made of it, is returned."""
    names = {name}
    statements = sorted(
        (n for n in own_nodes(method) if isinstance(n, tree.Stmt) and n.start > after),
        key=lambda n: n.start,
    )
    for statement in statements:
        match statement:
            case tree.Assign():
                if _reads(statement.value, names):
                    names.update(_roots(statement.targets))
            case tree.Return() if statement.value is not None:
                if _reads(statement.value, names):
                    parts = samples.parts(file, statement.value)
                    if parts is None or method.name != "__getitem__":
                        return True
                    if any(samples.is_mark(part) for _, part in parts):
                        return False
                    return any(
                        not _reads(part[1], names) and not samples.is_identity(part)
                        for part in parts
                    )
            case _:
                pass
    return False


def _reads(expr: Expr, names: set[str]) -> bool:
    return any(isinstance(node, tree.Name) and node.id in names for node in expr.walk())


def _roots(targets: Sequence[Expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, tree.Sequence):
            yield from _roots(target.elts)
            continue
        for node in target.walk():
            if isinstance(node, tree.Name):
                yield node.id
                break
