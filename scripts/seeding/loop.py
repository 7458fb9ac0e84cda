"""The training loop: clearing, modes, recorded graphs, kept losses (LOP001/3/4, MET005)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .modes import has_modes
from .operators import operator
from .program import Change, Fault, Program, dotted

NO_GRAPH = ("no_grad", "inference_mode")


def training_functions(program: Program) -> list[ast.AST]:
    """The functions, or the module, whose own loops hold a backward."""
    found: dict[ast.AST, None] = {}
    for call in program.calls("backward"):
        if program.enclosing(call, ast.For) is not None:
            found[_owner(program, call)] = None
    return list(found)


def batch_loop(program: Program, owner: ast.AST) -> ast.For:
    """The innermost loop of a function that holds its first backward."""
    backward = next(c for c in program.calls("backward") if _owner(program, c) is owner)
    loop = program.enclosing(backward, ast.For)
    assert isinstance(loop, ast.For)
    return loop


def _training_loop(program: Program) -> int:
    return program.start(batch_loop(program, training_functions(program)[0]))


def _owner(program: Program, node: ast.AST) -> ast.AST:
    return program.enclosing(node, ast.FunctionDef) or program.tree


def _clearings(program: Program) -> dict[str, list[ast.stmt]]:
    """The statements that clear gradients, by the optimizer that they clear."""
    found: dict[str, list[ast.stmt]] = {}
    for call in program.calls("zero_grad", "clear"):
        name = dotted(call.func)
        owner = name.rpartition(".")[0] or program.source(call.args[0])
        found.setdefault(owner, []).append(program.statement(call))
    return found


@operator("LOP001", "never-cleared")
def never_cleared(program: Program) -> Iterator[Fault]:
    if not training_functions(program):
        return
    for statements in _clearings(program).values():
        changes = tuple(program.deleted(s) for s in statements)
        yield Fault(changes, at=_training_loop(program), wide=True)


@operator("LOP001", "cleared-once-before-the-loop")
def cleared_once(program: Program) -> Iterator[Fault]:
    for statements in _clearings(program).values():
        inside = [s for s in statements if program.enclosing(s, ast.For) is not None]
        if len(statements) != 1 or not inside:
            continue
        loop = program.enclosing(inside[0], ast.For)
        assert isinstance(loop, ast.For)
        changes = (program.before(loop, program.source(inside[0])), program.deleted(inside[0]))
        yield Fault(changes, at=_training_loop(program), wide=True)


@operator("LOP001", "other-optimizer-cleared")
def other_cleared(program: Program) -> Iterator[Fault]:
    cleared = _clearings(program)
    if len(cleared) < 2:
        return
    names = [name for name in cleared if name.startswith("optimizer_")]
    for name in names:
        other = next((n for n in names if n != name), None)
        if other is None:
            continue
        statement = cleared[name][0]
        change = program.replaced(statement, program.source(statement).replace(name, other))
        yield Fault((change,), at=_training_loop(program), wide=True)


def evaluations(program: Program) -> list[ast.AST]:
    """The functions that put a model in evaluation mode and hold no backward themselves."""
    trains = {_owner(program, call) for call in program.calls("backward")}
    return [
        owner
        for owner in dict.fromkeys(_owner(program, call) for call in program.calls("eval"))
        if owner not in trains
    ]


@operator("LOP003", "decorator-dropped")
def decorator_dropped(program: Program) -> Iterator[Fault]:
    for owner in evaluations(program):
        if not program.all(ast.For, owner) and not program.all(ast.ListComp, owner):
            continue  # no pass
        for decorator in getattr(owner, "decorator_list", []):
            if dotted(decorator.func).endswith(NO_GRAPH):
                start = program.text.rindex("@", 0, program.start(decorator) + 1)
                change = Change(program.line_start(decorator), program.line_end(decorator), "")
                assert start >= change.start
                yield Fault((change,), at=program.start(owner.body[0]), wide=True)  # type: ignore[attr-defined]


@operator("LOP003", "block-dropped")
def block_dropped(program: Program) -> Iterator[Fault]:
    for block in _graphless_blocks(program):
        if len(block.items) == 1:
            yield Fault((program.dedented(block),), at=program.start(block), wide=True)
        else:
            rest = ", ".join(program.source(item.context_expr) for item in block.items[1:])
            first, last = block.items[0].context_expr, block.items[-1].context_expr
            change = Change(program.start(first), program.end(last), rest)
            yield Fault((change,), at=program.start(block), wide=True)


@operator("LOP003", "block-around-the-counting-only")
def block_around_counting(program: Program) -> Iterator[Fault]:
    """The block ends up around the last statement of the pass, behind the forward."""
    for block in _graphless_blocks(program):
        loop = block.body[0]
        if len(block.items) > 1 or not isinstance(loop, ast.For) or len(loop.body) < 2:
            continue
        text = program.dedented(block).text
        *lines, last = text.splitlines()
        indent = last[: len(last) - len(last.lstrip())]
        head = f"{indent}with torch.no_grad():"
        moved = "\n".join([*lines, head, f"    {last}"]) + "\n"
        change = Change(program.line_start(block), program.line_end(block), moved)
        if "model(" not in last:
            yield Fault((change,), at=program.start(block), wide=True)


def _graphless_blocks(program: Program) -> Iterator[ast.With]:
    for block in program.all(ast.With):
        first = block.items[0].context_expr
        if not (isinstance(first, ast.Call) and dotted(first.func).endswith(NO_GRAPH)):
            continue
        owner = _owner(program, block)
        in_training = any(
            program.calls("backward", within=loop)
            for loop in program.above(block)
            if isinstance(loop, ast.For) and isinstance(block.body[0], ast.Assign)
        )
        passes = isinstance(block.body[0], ast.For)
        if program.calls("eval", within=owner) and not in_training and passes:
            yield block


def _switches(program: Program) -> Iterator[tuple[ast.Call, ast.Call]]:
    """The switches to training whose model is put in evaluation mode, too: both calls."""
    evaluations = program.calls("eval")
    if program.has("shadow") or not any(_is_repeated(program, each) for each in evaluations):
        return
    if not has_modes(program):
        return
    for call in program.calls("train"):
        if not call.args and "model" in dotted(call.func):
            yield call, evaluations[0]


def _is_repeated(program: Program, call: ast.Call) -> bool:
    """Whether a call stands in a loop, or in a function that is called in one."""
    owner = _owner(program, call)
    around = [call, *(program.calls(owner.name) if isinstance(owner, ast.FunctionDef) else ())]
    return any(program.enclosing(each, ast.For) is not None for each in around)


@operator("LOP004", "train-dropped")
def train_dropped(program: Program) -> Iterator[Fault]:
    for train, evaluation in _switches(program):
        change = program.deleted(program.statement(train))
        yield Fault((change,), at=program.start(evaluation), wide=True)


@operator("LOP004", "train-once-before-the-epochs")
def train_once(program: Program) -> Iterator[Fault]:
    for train, evaluation in _switches(program):
        owner = _owner(program, train)
        epochs = program.enclosing(train, ast.For)
        if isinstance(owner, ast.FunctionDef) and epochs is None:
            call = next(c for c in program.calls(owner.name) if program.enclosing(c, ast.For))
            epochs = program.enclosing(call, ast.For)
        assert isinstance(epochs, ast.For)
        if _owner(program, epochs) is not owner and "self" in dotted(train.func):
            around = _owner(program, epochs)
            if "self" not in program.source(around)[:80]:
                continue
        changes = (
            program.deleted(program.statement(train)),
            program.before(epochs, program.source(train)),
        )
        yield Fault(changes, at=program.start(evaluation), wide=True)


def _kept(program: Program) -> Iterator[tuple[ast.stmt, ast.Call]]:
    """The statements of training loops that add up or collect ``loss.item()`` and the like."""
    for call in program.calls("item", "detach"):
        statement = program.statement(call)
        loop = program.enclosing(statement, ast.For)
        kept = isinstance(statement, ast.AugAssign) or "append(" in program.source(statement)
        in_training = loop is not None and program.calls("backward", within=loop)
        if kept and in_training and "loss" in dotted(call.func):
            yield statement, call


def _bare(program: Program, call: ast.Call) -> tuple[ast.AST, str]:
    """The whole chain of ``.detach().cpu().item()`` at a value, and the value."""
    value: ast.AST = call
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value
    top: ast.AST = call
    parent = program.parents[top]
    while isinstance(parent, ast.Attribute) and parent.attr in {"item", "detach", "cpu"}:
        top = program.parents[parent]
        parent = program.parents[top]
    return top, program.source(value)


@operator("MET005", "item-dropped")
def item_dropped(program: Program) -> Iterator[Fault]:
    for statement, call in _kept(program):
        top, value = _bare(program, call)
        if top is call or call.func.attr == "detach":  # type: ignore[attr-defined]
            yield Fault((program.replaced(top, value),), at=program.start(statement))


@operator("MET005", "added-by-assignment")
def added_by_assignment(program: Program) -> Iterator[Fault]:
    for statement, call in _kept(program):
        if isinstance(statement, ast.AugAssign):
            target = program.source(statement.target)
            top, value = _bare(program, call)
            added = program.source(statement.value).replace(program.source(top), value)
            text = f"{target} = {target} + {added}"
            yield Fault((program.replaced(statement, text),), at=program.start(statement))


@operator("MET005", "collected-in-a-list")
def collected(program: Program) -> Iterator[Fault]:
    for owner in training_functions(program):
        loop = batch_loop(program, owner)
        backward = program.calls("backward", within=loop)[0]
        if not isinstance(backward.func, ast.Attribute) or program.has("losses.append"):
            continue
        names = [n.id for n in ast.walk(backward.func.value) if isinstance(n, ast.Name)]
        loss = next((n for n in names if "loss" in n), None)
        if loss is None:
            continue
        changes = (
            program.before(loop, "kept = []"),
            program.after(backward, f"kept.append({loss})"),
        )
        yield Fault(changes, mark=f"kept.append({loss})")
