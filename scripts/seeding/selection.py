"""Evaluation on the training rows, and selection on the test rows (LEK003, LEK004)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .leakage import splits
from .operators import operator
from .program import Change, Fault, Program, dotted


def _loaders(program: Program, *names: str) -> Iterator[tuple[ast.Assign, ast.Call]]:
    for assign in program.all(ast.Assign):
        target = assign.targets[0]
        if not isinstance(target, ast.Name) or not isinstance(assign.value, ast.Call):
            continue
        if dotted(assign.value.func).endswith("DataLoader") and target.id.startswith(names):
            yield assign, assign.value


def _evaluating(program: Program, kind: str = "val|valid") -> Iterator[tuple[ast.Call, ast.expr]]:
    """The calls that are given a validation or test loader, and the argument."""
    for call in program.all(ast.Call):
        for argument in call.args:
            text = program.source(argument)
            if re.fullmatch(rf"(self\.)?({kind})_loader", text) and dotted(call.func) != "len":
                yield call, argument


@operator("LEK003", "train-loader-evaluated")
def train_loader_evaluated(program: Program) -> Iterator[Fault]:
    calls = list(_evaluating(program, "val|valid|test"))
    if not calls or program.has("get_loaders"):
        return
    changes = tuple(
        program.replaced(a, ("self." if "self." in program.source(a) else "") + "train_loader")
        for _, a in calls
    )
    yield Fault(changes, at=program.start(calls[0][0]), anywhere=True)


@operator("LEK003", "train-set-behind-every-loader")
def train_set_everywhere(program: Program) -> Iterator[Fault]:
    train = [call for _, call in _loaders(program, "train")]
    held = [call for _, call in _loaders(program, "val", "valid", "test")]
    drawn = program.has("def make_data") or program.has("def faces")  # other rows on every call
    if len(train) != 1 or not held or program.has("get_loaders") or drawn:
        return
    if all(program.source(h.args[0]) == program.source(train[0].args[0]) for h in held):
        return  # samplers tell the parts apart
    changes = [program.replaced(h.args[0], program.source(train[0].args[0])) for h in held]
    calls = [c for c, _ in _evaluating(program)]
    if calls:
        yield Fault(tuple(changes), at=program.start(calls[0]), anywhere=True)


@operator("LEK003", "score-on-train-rows")
def score_on_train(program: Program) -> Iterator[Fault]:
    """All that is predicted and compared in the split's function are training rows."""
    for split in splits(program):
        used = [
            node
            for node in program.all(ast.Name)
            if node.id in {split.test, split.y_test, "x_test", "y_test"}
            and isinstance(node.ctx, ast.Load)
            and program.enclosing(node, ast.FunctionDef)
            is program.enclosing(split.statement, ast.FunctionDef)
        ]
        predicted = [c for c in program.calls("predict") if c.args]
        same = [
            c
            for c in predicted
            if program.enclosing(c, ast.FunctionDef)
            is program.enclosing(split.statement, ast.FunctionDef)
        ]
        if not used or not same:
            continue
        changes = tuple(
            program.replaced(n, n.id.replace("test", "train"))
            for n in used
            if not _is_prepared(program, n)
        )
        yield Fault(changes, at=program.start(same[0]), anywhere=True)


def _is_prepared(program: Program, name: ast.Name) -> bool:
    """The argument of `x_test = scaler.transform(x_test)` stays as it is."""
    statement = program.statement(name)
    return isinstance(statement, ast.Assign) and "test" in dotted(statement.targets[0]).lower()


@operator("LEK003", "train-file-read-twice")
def train_file_twice(program: Program) -> Iterator[Fault]:
    """The evaluation sets are read from the training file or split."""
    changes = []
    for call in program.calls("Recordings"):
        for argument in call.args[1:2]:
            if program.source(argument) in {'"validation"', '"test"'}:
                changes.append(program.replaced(argument, '"train"'))
    for subscript in program.all(ast.Subscript):
        if program.source(subscript) == 'data["validation"]':
            changes.append(program.replaced(subscript, 'data["train"]'))
    for found in re.finditer(r"\}/(val|test)(?=[\"'.])", program.text):
        changes.append(Change(found.start(1), found.end(1), "train"))
    if changes:
        yield Fault(tuple(changes), at=0, anywhere=True)


@operator("LEK004", "test-loader-selects")
def test_loader_selects(program: Program) -> Iterator[Fault]:
    if not program.has("test_loader"):
        return
    for call, argument in _evaluating(program):
        change = program.replaced(
            argument, program.source(argument).replace("valid", "val").replace("val", "test")
        )
        yield Fault((change,), at=program.start(call), anywhere=True)
        return


@operator("LEK004", "test-set-behind-validation")
def test_set_behind_validation(program: Program) -> Iterator[Fault]:
    held = {a.targets[0].id: c for a, c in _loaders(program, "val", "valid", "test")}  # type: ignore[attr-defined]
    test = held.get("test_loader")
    for name, call in held.items():
        if name == "test_loader" or test is None:
            continue
        change = program.replaced(call.args[0], program.source(test.args[0]))
        calls = [c for c, _ in _evaluating(program)]
        at = program.start(calls[0]) if calls else program.start(call)
        yield Fault((change,), at=at, anywhere=True)


@operator("LEK004", "test-file-as-validation")
def test_file(program: Program) -> Iterator[Fault]:
    """The only held-out set is the test split, by its name in a path, key or argument."""
    calls = [c for c, _ in _evaluating(program)]
    if program.has("test_loader") or not program.has("best") or not calls:
        return
    changes = [
        Change(found.start(1), found.end(1), "test")
        for found in re.finditer(r"[\"'/}](val|validation)[\"']", program.text)
        if program.text[found.start()] != "}"
    ]
    if changes:
        yield Fault(tuple(changes), at=program.start(calls[0]), anywhere=True)


@operator("LEK004", "loader-named-test")
def loader_named_test(program: Program) -> Iterator[Fault]:
    """Nothing but the names says that the selecting rows are the test rows."""
    calls = [c for c, _ in _evaluating(program)]
    told = any(map(program.has, ("validation", "/val", '"val"')))
    selects = program.has("best") and not told
    if program.has("test_") or not calls or not selects:
        return
    changes = [
        Change(
            found.start(), found.end(), found.group().replace("valid", "val").replace("val", "test")
        )
        for found in re.finditer(r"\b(val|valid)_(loader|set|data)\b", program.text)
    ]
    yield Fault(tuple(changes), at=program.start(calls[0]), anywhere=True)
