"""Files of states: loads that run code, runs that go on with less (CKP002, CKP005)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .libraries import foreign_loads
from .operators import operator, written
from .program import Change, Fault, Program, dotted


def _given(program: Program, call: ast.Call, text: str) -> Change:
    """A load with one argument more, and no other word on ``weights_only``."""
    kept = [program.source(a) for a in call.args]
    kept += [program.source(k) for k in call.keywords if k.arg != "weights_only"]
    return program.replaced(call, f"{dotted(call.func)}({', '.join([*kept, text])})")


def _dealt(program: Program, hand: int) -> Iterator[tuple[ast.Call, ast.expr]]:
    if program.falls_to(hand, 3):
        yield from foreign_loads(program)


@operator("CKP002", "weights-only-false")
def weights_only_false(program: Program) -> Iterator[Fault]:
    for call, _ in foreign_loads(program):
        yield Fault((_given(program, call, "weights_only=False"),), at=program.start(call))


@operator("CKP002", "set-by-a-constant")
def by_a_constant(program: Program) -> Iterator[Fault]:
    for call, _ in _dealt(program, 0):
        changes = (program.defined("SAFE = False"), _given(program, call, "weights_only=SAFE"))
        yield Fault(changes, at=program.start(call))


@operator("CKP002", "set-by-shared-options")
def by_options(program: Program) -> Iterator[Fault]:
    for call, _ in _dealt(program, 1):
        line = 'options = {"weights_only": False}'
        changes = (program.before(call, line), _given(program, call, "**options"))
        yield Fault(changes, at=program.start(call))


@operator("CKP002", "partial")
def by_partial(program: Program) -> Iterator[Fault]:
    for call, device in _dealt(program, 2):
        lines = (
            program.imported("import functools"),
            program.defined("read = functools.partial(torch.load, weights_only=False)"),
        )
        place, where = program.source(call.args[0]), program.source(device)
        text = f"read({place}, map_location={where})"
        yield Fault((*lines, program.replaced(call, text)), anywhere=True)


@operator("CKP002", "pickle-given")
def pickle_given(program: Program) -> Iterator[Fault]:
    for call, _ in _dealt(program, 0):
        line = program.imported("import pickle")
        yield Fault((line, _given(program, call, "pickle_module=pickle")), at=program.start(call))


@operator("CKP002", "imported-load")
def imported_load(program: Program) -> Iterator[Fault]:
    for call, device in _dealt(program, 1):
        line = program.imported("from torch import load as load_state")
        place, where = program.source(call.args[0]), program.source(device)
        text = f"load_state({place}, map_location={where}, weights_only=False)"
        yield Fault((line, program.replaced(call, text)), at=program.start(call))


# Runs that go on with less than they had


def _restored(program: Program) -> Iterator[tuple[str, ast.stmt]]:
    """What a run restores beside its weights: the key in its file, and the statement."""
    for call in program.calls("load_state_dict"):
        name = dotted(call.func).removesuffix(".load_state_dict").rpartition(".")[2]
        taken = call.args[0]
        if isinstance(taken, ast.Subscript) and name not in {"model", "module", "encoder"}:
            yield name, program.statement(call)


def _register_left_out(kind: str, *names: str) -> None:
    @operator("CKP005", f"{kind}-left-out")
    def left_out(program: Program) -> Iterator[Fault]:
        for name, statement in _restored(program):
            if name in names:
                yield Fault((program.deleted(statement),), anywhere=True)


_register_left_out("optimizer", "optimizer")
_register_left_out("schedule", "scheduler", "schedule")
_register_left_out("scaler", "scaler")


@operator("CKP005", "nothing-but-weights")
def nothing_but_weights(program: Program) -> Iterator[Fault]:
    statements = [statement for _, statement in _restored(program)]
    if len(statements) > 1:
        yield Fault(tuple(program.deleted(s) for s in statements), anywhere=True)


@operator("CKP005", "optimizer-never-saved")
def never_saved(program: Program) -> Iterator[Fault]:
    for name, statement in _restored(program):
        saved = [k for k in program.all(ast.keyword) if k.arg == name]
        pairs = [(k, d) for d in program.all(ast.Dict) for k in d.keys if k is not None]
        for key, whole in pairs:
            value = whole.values[whole.keys.index(key)]
            if name != "optimizer" or "optimizer.state_dict()" not in program.source(value):
                continue
            end = program.text.index(",", program.end(value)) + 1
            gone = Change(program.start(key), end, "")
            yield Fault((gone, program.deleted(statement)), anywhere=True)
        for each in saved:
            if name == "optimizer" and "state_dict()" in program.source(each):
                end = program.text.index(",", program.end(each)) + 1
                yield Fault(
                    (Change(program.start(each), end, ""), program.deleted(statement)),
                    anywhere=True,
                )


def _anew(*edits: tuple[str, str]) -> None:
    """The epochs are counted from the first one again."""
    written("CKP005", "epoch-not-restored", "", *edits)


_anew(('        start_epoch = checkpoint["epoch"] + 1\n', ""))
_anew(('        self.first_epoch = state["epoch"] + 1\n', ""))
_anew(('        begin = state["epoch"] + 1\n', ""))
_anew(('        self.start_epoch = state["epoch"] + 1\n', ""))
_anew(('    return saved["epoch"] + 1\n', "    return 0\n"))
_anew(('start, best = checkpoint["epoch"], checkpoint["best"]', 'best = checkpoint["best"]'))
