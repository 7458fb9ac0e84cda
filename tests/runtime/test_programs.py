"""Programs that really train, watched: what is marked is found, nothing else, nothing changes."""

from __future__ import annotations

import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trainlint.runtime import watch  # noqa: E402

PROGRAMS = Path(__file__).parent / "programs"
_MARK = re.compile(r"#\s*expect:\s*([A-Z]+\d+)")
_INFO = re.compile(r"#\s*expect-info:\s*([A-Z]+\d+)")
_RAISES = re.compile(r"^# raises: (\w+)$", re.MULTILINE)
_NEEDS = re.compile(r"^# needs: a compiler$", re.MULTILINE)


def programs() -> list[Path]:
    return sorted(path for path in PROGRAMS.glob("*.py") if not path.name.startswith("_"))


def expected(path: Path, mark: re.Pattern[str] = _MARK) -> set[tuple[int, str]]:
    """Line and code of each mark; one on a line of its own speaks of the next line of code."""
    found, waiting = set(), []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        codes = mark.findall(line)
        if line.strip().startswith("#"):
            waiting += codes
            continue
        found |= {(number, code) for code in [*codes, *waiting]}
        waiting = []
    return found


@dataclass(frozen=True)
class Outcome:
    found: set[tuple[int, str]]
    infos: set[tuple[int, str]]  # those that are hidden unless asked for
    messages: list[str]
    failures: list[str]
    state: dict[str, Any]


def marks(path: Path) -> set[tuple[int, str]]:
    return expected(path) | expected(path, _INFO)


def run(path: Path, watched: bool) -> Outcome:
    threads = torch.get_num_threads()
    before = list(sys.path)
    names: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)  # code that torch 2.4 compiles turns it on as it is loaded
    torch.manual_seed(1234)
    sys.path.insert(0, str(PROGRAMS))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not watched:
                with ends_as_it_says(path):
                    names = runpy.run_path(str(path), run_name="__main__")
                return Outcome(set(), set(), [], [], state(names) if names else {})
            with ends_as_it_says(path), watch(budget=1.0) as w:  # all steps, on a busy machine too
                names = runpy.run_path(str(path), run_name="__main__")
                kept = state(names)
            if "init_process_group" in path.read_text(encoding="utf-8"):
                _NEVER_FREED.append(names)
            del names
    finally:
        sys.path[:] = before
        torch.set_num_threads(threads)
    shown = w.report().shown()
    return Outcome(
        {(d.location.line, d.code) for d in shown},
        {(d.location.line, d.code) for d in w.report().diagnostics if d not in shown},
        [f"{d.location.line} {d.code} {d.message}" for d in shown],
        [failure.message for failure in w.report().failures],
        kept,
    )


_NEVER_FREED: list[dict[str, Any]] = []
"""A process group that is freed joins its threads, which may wait for the lock that we hold."""


@contextmanager
def ends_as_it_says(path: Path) -> Iterator[None]:
    """A program that says which error ends it ends in that error."""
    raises = _RAISES.findall(path.read_text(encoding="utf-8"))
    try:
        yield
    except Exception as error:
        if type(error).__name__ not in raises:
            raise
    else:
        assert not raises


def state(names: dict[str, Any]) -> dict[str, Any]:
    """Every tensor that a program ends with, and the state of the random generator."""
    found = {"random state": torch.get_rng_state()}
    for name, value in names.items():
        if isinstance(value, torch.nn.Module):
            found |= {f"{name}.{key}": t for key, t in value.state_dict().items()}
        elif isinstance(value, torch.Tensor):
            found[name] = value.detach()
    return {name: tensor.clone() for name, tensor in found.items()}


@cache
def watched(path: Path) -> Outcome:
    if _NEEDS.search(path.read_text(encoding="utf-8")) and not _compiles():
        pytest.skip("torch.compile finds no working compiler here")
    return run(path, watched=True)


@lru_cache(maxsize=1)
def _compiles() -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.compile(lambda x: x + 1)(torch.ones(2))
    except Exception:
        return False
    return True


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_what_is_marked_is_found_and_nothing_else(path: Path) -> None:
    outcome = watched(path)
    assert outcome.failures == []
    assert outcome.found == expected(path), "\n".join(outcome.messages)
    assert outcome.infos == expected(path, _INFO)


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_watching_changes_no_number(path: Path) -> None:
    seen = watched(path).state
    unseen = run(path, watched=False).state
    assert seen.keys() == unseen.keys()
    different = [name for name in seen if not torch.equal(_bits(seen[name]), _bits(unseen[name]))]
    assert different == []


def _bits(tensor: Any) -> Any:
    if not tensor.numel():
        return tensor
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def test_each_check_has_two_faulty_programs_and_each_of_them_a_repaired_twin() -> None:
    from trainlint.runtime.check import Check, shipped

    faulty = [p for p in programs() if marks(p) and not p.stem.startswith("healthy_")]
    for check in shipped():
        if check.across is not Check.across:  # several processes: tests/runtime/test_ranks.py
            continue
        own = [path for path in faulty if any(c == check.code for _, c in marks(path))]
        assert len(own) >= 2, check.code
    twins = {path.stem for path in programs()}
    assert [path.stem for path in faulty if f"{path.stem}_fixed" not in twins] == []
