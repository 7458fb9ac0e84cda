"""The best weights of a run, kept by reference (CKP007)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator, written
from .program import Change, Fault, Program

# How the state is kept, of which model, and how it is named behind the loop.
SHAPES = {
    "state": ("best_state = {model}.state_dict()", "best_state"),
    "shallow-copy": ("best_state = {model}.state_dict().copy()", "best_state"),
    "dict-of-the-state": ("best_state = dict({model}.state_dict())", "best_state"),
    "item-of-a-dict": ('kept = {{"weights": {model}.state_dict()}}', 'kept["weights"]'),
}


@dataclass(frozen=True, slots=True)
class Saved:
    """``torch.save(model.state_dict(), path)`` under the test that a round is the best."""

    statement: ast.Expr
    model: str
    path: str
    loop: ast.For


def _saved(program: Program) -> Iterator[Saved]:
    for save in program.calls("torch.save"):
        statement = program.statement(save)
        loop = program.enclosing(save, ast.For)
        state = program.source(save.args[0])
        chosen = isinstance(program.enclosing(save, ast.If, ast.For), ast.If)
        if not isinstance(statement, ast.Expr) or not isinstance(loop, ast.For) or not chosen:
            continue
        if state.endswith(".state_dict()") and "os.replace" not in program.text:
            model = state.removesuffix(".state_dict()")
            yield Saved(statement, model, program.source(save.args[1]), loop)


def _register_kept(name: str) -> None:
    kept, read = SHAPES[name]

    @operator("CKP007", f"{name}-loaded-behind-the-loop")
    def loaded(program: Program) -> Iterator[Fault]:
        for saved in _saved(program):
            line = f"{saved.model}.load_state_dict({read})"
            yield _fault(program, saved, kept, line)

    @operator("CKP007", f"{name}-saved-behind-the-loop")
    def written_out(program: Program) -> Iterator[Fault]:
        for saved in _saved(program):
            yield _fault(program, saved, kept, f"torch.save({read}, {saved.path})")


def _fault(program: Program, saved: Saved, kept: str, line: str) -> Fault:
    changes: tuple[Change, ...] = (
        program.replaced(saved.statement, kept.format(model=saved.model)),
        program.after(saved.loop, line),
    )
    return Fault(changes, at=program.start(saved.statement))


for _name in SHAPES:
    _register_kept(_name)

written(
    "CKP007",
    "deep-copy-left-out",
    "            best_weights = model.state_dict()",
    (
        "            best_weights = copy.deepcopy(model.state_dict())",
        "            best_weights = model.state_dict()",
    ),
)
written(
    "CKP007",
    "clones-left-out",
    "best_state = model.state_dict()",
    (
        "{key: value.clone() for key, value in model.state_dict().items()}",
        "model.state_dict()",
    ),
)
