"""What the optimizers of a program get: all parameters of a module, or the trainable ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.training import models
from trainlint.semantics.training.freezing import LISTS, PARAMETERS, owners_of
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 4

_CLASSES = frozenset(
    "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam Rprop ASGD Adafactor".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What an optimizer gets of a module: all of its parameters, or those that can be trained."""

    module: Expr
    trainable: bool


def optimizers(file: File) -> list[tree.Call]:
    """The calls that build optimizers of torch or transformers."""
    return file.calls_to(
        lambda name: (
            name.startswith(("torch.optim.", "transformers."))
            and "lr_scheduler" not in name
            and name.rpartition(".")[2] in _CLASSES
        )
    )


def shared(file: File, optimizer: tree.Call) -> Iterator[list[Share]]:
    """What an optimizer gets, one list for each alternative; an empty one where it is unknown."""
    given = optimizer.arg(0, "params")
    if given is None:
        yield []
        return
    yield from _shares(file, given, _DEPTH)


def _shares(file: File, given: Expr, depth: int) -> Iterator[list[Share]]:
    match given:
        case tree.Call(func=tree.Attribute() as func) if func.attr in PARAMETERS:
            yield [Share(func.value, False)]
        case tree.Call() if file.names.qualified(given.func) == "builtins.filter":
            yield _filtered(given)
        case tree.Call() if file.names.qualified(given.func) in LISTS and given.args:
            yield from _joined(file, [arg.value for arg in given.args], depth)
        case tree.Comprehension():
            yield _comprehended(given)
        case tree.Sequence() if given.elts:
            yield from _joined(file, given.elts, depth)
        case tree.Dict():
            params = _params_of(given)
            if params is None:
                yield []
            else:
                yield from _shares(file, params, depth)
        case tree.BinOp() if given.op == "+":
            yield from _joined(file, [given.left, given.right], depth)
        case tree.Name() if depth:
            yield from _named(file, given, depth)
        case _:
            yield []


def _joined(file: File, parts: list[Expr], depth: int) -> Iterator[list[Share]]:
    found: list[Share] = []
    for part in parts:
        alternatives = list(_shares(file, part, depth))
        if len(alternatives) != 1 or not alternatives[0]:
            yield []
            return
        found.extend(alternatives[0])
    yield found


def _filtered(call: tree.Call) -> list[Share]:
    test, given = call.arg(0), call.arg(1)
    if test is None or given is None or not _asks_trainable(test):
        return []
    return [Share(module, True) for module in models.parameters_in(given)]


def _comprehended(display: tree.Comprehension) -> list[Share]:
    if len(display.generators) != 1 or not isinstance(display.elt, tree.Name):
        return []
    generator = display.generators[0]
    modules = models.parameters_in(generator.iter)
    if not generator.ifs:
        return [Share(module, False) for module in modules]
    # A further test takes some of them only: the others are another group's.
    if len(generator.ifs) != 1 or not _is_only_trainable(generator.ifs[0]):
        return []
    return [Share(module, True) for module in modules]


def _is_only_trainable(test: Expr) -> bool:
    match test:
        case tree.Attribute():
            return test.attr == "requires_grad"
        case tree.Compare(left=tree.Attribute() as left):
            return left.attr == "requires_grad" and _is_true(test.comparators[0])
        case _:
            return False


def _is_true(expr: Expr) -> bool:
    return isinstance(expr, tree.Constant) and expr.value is True


def _asks_trainable(test: Expr) -> bool:
    return isinstance(test, tree.Lambda) and _is_only_trainable(test.body)


def _params_of(group: tree.Dict) -> Expr | None:
    for name, value in zip(group.keys, group.values, strict=True):
        if isinstance(name, tree.Constant) and name.value == "params":
            return value
    return None


def _named(file: File, name: tree.Name, depth: int) -> Iterator[list[Share]]:
    bindings, unbound = file.values.definitions(name)
    if unbound or not bindings:
        yield []
    for binding in bindings:
        value = binding.value
        if binding.kind != "assign" or value is None or binding.path:
            yield []
        elif isinstance(value, tree.Sequence) and not value.elts:
            yield _collected(file, name)
        else:
            yield from _shares(file, value, depth - 1)


def _collected(file: File, name: tree.Name) -> list[Share]:
    """``for p in model.parameters(): if p.requires_grad: params.append(p)``."""
    found: list[Share] = []
    for change in file.splits.backward.changes.before(name):
        test = change.statement.parent
        taken = change.values[0] if len(change.values) == 1 else None
        if not isinstance(taken, tree.Name) or not isinstance(test, tree.If):
            return []
        if not _is_only_trainable(test.test) or test.orelse:
            return []
        found.extend(Share(module, True) for module in owners_of(file, taken))
    return found


def adds_groups(file: File) -> bool:
    """True where a file gives an optimizer more parameters than it was built with."""
    for node in file.all(tree.Attribute):
        if node.attr == "add_param_group":
            return True
        if node.attr != "param_groups":
            continue
        if isinstance(node.parent, tree.Attribute | tree.AugAssign):
            return True
        around = tree.statement_of(node).walk()
        if any(isinstance(inner, tree.Constant) and inner.value == "params" for inner in around):
            return True
    return False
