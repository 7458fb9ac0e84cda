"""The clean programs give no finding, and faults of every rule that are seeded into them are found.

All seeds take a minute (`python scripts/seed_faults.py`): a few of each rule, of different shapes
and programs, and of those only that the last full run found, stand here for the others.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import seed_faults  # noqa: E402
from seeding import OPERATORS, Mutant, Program, all_mutants, function_at  # noqa: E402
from seeding.program import Change, Fault  # noqa: E402

from trainlint.check import check_source  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.semantics.facts import Surroundings  # noqa: E402
from trainlint.text.source import decode  # noqa: E402

PER_RULE = 4
SEEDED = json.loads((ROOT / "docs/accuracy/seeded.json").read_text(encoding="utf-8"))["rules"]
PROGRAMS = seed_faults.read_programs(seed_faults.SEEDS)
WITHOUT_SEEDS = {"SUP001", "SUP002"}
OF_FEW_SHAPES = {"AUD001", "LOP004"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_clean_program_gives_no_finding_that_is_shown(program: Program) -> None:
    source = decode(program.name, program.text.encode())
    outcome = check_source(source, shipped().rules, Surroundings({}, {}))
    shown = [(d.code, d.location.line, d.message) for d in outcome.diagnostics if not d.hidden]
    assert (shown, outcome.failures) == ([], [])
    accepted = {m.code for m in mutants() if m.program == program.name and not m.place.function}
    assert accepted.isdisjoint(d.code for d in outcome.diagnostics)


@pytest.mark.parametrize("code", sorted(SEEDED))
def test_faults_of_different_shapes_are_found(code: str) -> None:
    sample = [mutant for mutant in spread(code) if mutant.id not in SEEDED[code]["misses"]]
    missed = [m.id for m in sample[:PER_RULE] if not seed_faults.judge(m, only=True).found]
    assert sample
    assert missed == []


def test_every_rule_is_seeded_at_least_ten_times_in_three_shapes() -> None:
    seeds: dict[str, list[str]] = {}
    for mutant in mutants():
        seeds.setdefault(mutant.code, []).append(mutant.operator)
    assert sorted(seeds) == sorted({rule.code for rule in shipped().rules} - WITHOUT_SEEDS)
    assert {code: len(found) for code, found in seeds.items() if len(found) < 10} == {}
    shapes = {code: len(set(found)) for code, found in seeds.items()}
    assert {code for code, count in shapes.items() if count < 3} == OF_FEW_SHAPES


def test_every_shape_of_a_fault_fits_into_a_program() -> None:
    seeded = {(mutant.code, mutant.operator) for mutant in mutants()}
    assert {(each.code, each.name) for each in OPERATORS} - seeded == set()


def test_the_same_faults_are_seeded_every_time() -> None:
    again = list(all_mutants(PROGRAMS))
    assert [(m.id, m.text) for m in again] == [(m.id, m.text) for m in mutants()]
    assert len({m.id for m in again}) == len(again)


def test_a_faulty_program_is_found_at_its_place_only() -> None:
    mutant = next(m for m in mutants() if m.code == "CKP001")
    place = mutant.place
    elsewhere = Mutant(
        mutant.code,
        mutant.operator,
        mutant.program,
        1,
        mutant.text,
        type(place)(place.function, place.last + 1, place.last + 9),
    )
    assert seed_faults.judge(mutant, only=True).found
    assert not seed_faults.judge(elsewhere, only=True).found


def test_changes_move_the_place_of_the_fault() -> None:
    program = Program("p.py", "import torch\n\n\ndef f(x):\n    y = x\n    return g(y)\n")
    call = program.calls("g")[0]
    first = program.imported("import math")
    text, place = program.seeded(
        Fault((first, program.replaced(call, "h(y)")), at=program.start(call))
    )
    assert text.splitlines()[place.first - 1] == "    return h(y)"
    assert (place.function, place.first, place.last) == ("f", 7, 7)


def test_overlapping_changes_are_refused() -> None:
    program = Program("p.py", "x = 1\n")
    with pytest.raises(ValueError, match="overlapping"):
        program.seeded(Fault((Change(0, 3, "y"), Change(2, 5, "z")), at=0))


def test_a_line_belongs_to_the_innermost_function() -> None:
    text = "class A:\n    @cached\n    def f(self):\n        def g():\n            pass\nx = 1\n"
    names = [function_at(text, line) for line in range(1, 7)]
    assert names == ["<module>", "A.f", "A.f", "A.f.g", "A.f.g", "<module>"]


@lru_cache(maxsize=1)
def mutants() -> tuple[Mutant, ...]:
    return tuple(all_mutants(PROGRAMS))


def spread(code: str) -> list[Mutant]:
    """The seeds of a rule: first one of each shape, each from a program that is not used yet."""
    left = [m for m in mutants() if m.code == code]
    ordered: list[Mutant] = []
    shapes: dict[str, int] = {}
    programs: dict[str, int] = {}
    while left:
        best = min(left, key=lambda m: (shapes.get(m.operator, 0), programs.get(m.program, 0)))
        left.remove(best)
        ordered.append(best)
        shapes[best.operator] = shapes.get(best.operator, 0) + 1
        programs[best.program] = programs.get(best.program, 0) + 1
    return ordered
