"""Programs that read an activation's output in every way there is, before and after its fix.

Each program of ``programs/moved`` says in its first line what becomes of it: ``fixed`` programs
give the same values afterwards, as a logits loss of logits equals the loss of their sigmoid;
``kept`` ones stay as they are, since somebody may read the output whom the fix would not reach;
``silent`` ones have no fault. All of them were changed for the worse by some careless move.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trainlint.edits import Safety  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.testing import check_text, fix_text  # noqa: E402

PROGRAMS = sorted((Path(__file__).parent / "programs" / "moved").glob("*.py"))


def run(program: str) -> Any:
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names["main"]()


def same(one: Any, other: Any) -> bool:
    match one:
        case torch.Tensor():
            return one.shape == other.shape and torch.allclose(one, other, atol=1e-5)
        case list() | tuple():
            return len(one) == len(other) and all(map(same, one, other))
        case dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case float():
            return abs(one - other) < 1e-5
        case _:
            return bool(one == other)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_no_value_but_the_loss_changes_or_the_program_stays_as_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code, wanted = text.partition("\n")[0].removeprefix("# ").split(": ")
    rule = shipped().find(code)
    assert rule is not None
    before = run(text)
    fixed = fix_text(rule, text, Safety.UNSAFE)
    assert bool(check_text(rule, text)) == (wanted != "silent")
    assert (fixed != text) == (wanted == "fixed")
    if wanted == "fixed":
        assert same(before, run(fixed)), fixed
