"""Runs all programs of the runtime suite and writes ``docs/runtime-accuracy.md`` from what happens.

    python scripts/runtime_accuracy.py [--write]

Each program in ``tests/runtime/programs`` trains once, watched, and each one in
``tests/runtime/ranks`` on two ranks. Its marks say what is to be found;
beside our findings stand those of the published monitor's criteria on the same losses and gradient
norms. The seven errors of that monitor (``tests/runtime/seven_errors.py``) are trained with and
without repair.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import re
import runpy
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PROGRAMS = ROOT / "tests/runtime/programs"
RANKS = ROOT / "tests/runtime/ranks"
TARGET = ROOT / "docs/runtime-accuracy.md"
MARK = re.compile(r"#\s*expect(?:-info)?:\s*([A-Z]+\d+)")
RAISES = re.compile(r"^# raises: \w+$", re.MULTILINE)
NEEDS = re.compile(r"^# needs: ", re.MULTILINE)

# Which of our codes speaks of which of the seven.
KINDS = {
    "RUN001": "nan_loss",
    "RUN002": "exploding_gradient",
    "RUN003": "vanishing_gradient",
    "RUN005": "divergence",
    "RUN006": "oscillation",
    "RUN008": "plateau",
    "RUN010": "out_of_memory",
}


def published(losses: Sequence[float], norms: Sequence[float | None]) -> dict[str, int]:
    """The first step, from 1, at which each of the published criteria is met.

    They are tried in the published order, and of several in one step only the first one counts.
    """
    first: dict[str, int] = {}
    for step in range(2, len(losses) + 1):
        found = _published_at(losses[:step], norms[step - 1])
        if found is not None:
            first.setdefault(found, step)
    return first


def _published_at(losses: Sequence[float], norm: float | None) -> str | None:
    if not math.isfinite(losses[-1]):
        return "nan_loss"
    if norm is not None and norm > 100:
        return "exploding_gradient"
    if norm is not None and norm < 1e-7:
        return "vanishing_gradient"
    last = [list(losses[-count:]) for count in (10, 20, 50)]
    ten, twenty, fifty = ([v for v in some if math.isfinite(v)] for some in last)
    if len(ten) == 10 and statistics.linear_regression(range(10), ten).slope > 0.5:
        return "divergence"
    if len(twenty) == 20 and statistics.pstdev(twenty) / (statistics.mean(twenty) + 1e-8) > 0.5:
        return "oscillation"
    if len(fifty) == 50 and statistics.pstdev(fifty) < 1e-5:
        return "plateau"
    return None


@dataclass
class Course:
    """What happened in one program."""

    name: str
    expected: set[tuple[int, str]]  # information that is hidden unless asked for among it
    found: dict[tuple[int, str], int] = field(default_factory=dict)  # to the step of the alarm
    failures: list[str] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    norms: list[float | None] = field(default_factory=list)

    @property
    def is_faulty(self) -> bool:
        """Whether something is wrong with it: a healthy one may give rise to information."""
        return bool(self.expected) and not self.name.startswith("healthy_")

    @property
    def kinds(self) -> set[str]:
        """The ones of the seven that it is marked with."""
        return {KINDS[code] for _, code in self.expected if code in KINDS}


class Recorder:
    """Keeps loss and norm of each step."""

    code = name = "recorder"

    def __init__(self, course: Course) -> None:
        self.course = course

    def on_step(self, step: Any) -> Any:
        loss = step.losses[-1].value if step.losses else None
        if loss is not None:
            self.course.losses.append(loss)
            self.course.norms.append(step.norm)
        return ()


def follow(path: Path) -> Course:
    """Run a program, watched."""
    import torch

    from trainlint.runtime.session import Session
    from trainlint.runtime.watching import watch

    course = Course(path.stem, marks(path.read_text(encoding="utf-8")))
    before = list(sys.path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1234)
    sys.path.insert(0, str(PROGRAMS))
    try:
        w = watch(budget=1.0)  # every step, on a busy machine too
        allowed = (Exception,) if RAISES.search(path.read_text(encoding="utf-8")) else ()
        with warnings.catch_warnings(), contextlib.suppress(*allowed):
            warnings.simplefilter("ignore")
            with w:
                session = Session.current
                assert session is not None
                session._handlers.setdefault("on_step", []).append(Recorder(course))  # type: ignore[arg-type]
                names = runpy.run_path(str(path), run_name="__main__")
            del names
    finally:
        sys.path[:] = before
        torch.set_num_threads(threads)
    for one in w.report().diagnostics:
        key = (one.location.line, one.code)
        course.found[key] = min(course.found.get(key, 1 << 60), one.evidence["step"])
    course.failures = [failure.message for failure in w.report().failures]
    return course


def follow_ranks(path: Path) -> Course:
    """Run a program on two ranks, watched."""
    course = Course(path.stem, marks(path.read_text(encoding="utf-8")))
    here = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    here["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = ["run", "--no-static", "--report", str(report), "--"]
        command = [sys.executable, "-m", "trainlint", *words, *torchrun, "--nproc-per-node", "2"]
        subprocess.run(
            [*command, str(path)], cwd=RANKS, env={**os.environ, **here}, check=True,
            capture_output=True,
        )  # fmt: skip
        data = json.loads(report.read_text(encoding="utf-8"))
    for one in data["diagnostics"]:
        course.found[one["line"], one["code"]] = one["evidence"]["step"]
    course.failures = [failure["message"] for failure in data["failures"]]
    return course


def marks(text: str) -> set[tuple[int, str]]:
    """Line and code of each mark; one on a line of its own speaks of the next line of code."""
    found, waiting = set(), []
    for number, line in enumerate(text.splitlines(), start=1):
        codes = MARK.findall(line)
        if line.strip().startswith("#"):
            waiting += codes
            continue
        found |= {(number, code) for code in [*codes, *waiting]}
        waiting = []
    return found


def per_check(courses: Sequence[Course]) -> list[str]:
    """The table of criteria."""
    from trainlint.runtime.check import shipped

    names = {check.code: check.name for check in shipped()}
    codes = sorted({c for one in courses for _, c in one.expected} | set(names))
    lines = [
        "| check | name | faults | caught | missed | false alarms | steps until the alarm |",
        "|---|---|---|---|---|---|---|",
    ]
    for code in codes:
        wanted = [
            (one, key) for one in courses if one.is_faulty for key in one.expected if key[1] == code
        ]
        caught = [(one, key) for one, key in wanted if key in one.found]
        false = sum(
            key[1] == code and key not in one.expected for one in courses for key in one.found
        )
        steps = sorted(one.found[key] for one, key in caught)
        when = f"{steps[0]} to {steps[-1]}, median {statistics.median(steps):g}" if steps else "-"
        if len(steps) == 1:
            when = str(steps[0])
        lines.append(
            f"| {code} | {names.get(code, '(static rule)')} | {len(wanted)} | {len(caught)} | "
            f"{len(wanted) - len(caught)} | {false} | {when} |"
        )
    return lines


def beside(courses: Sequence[Course]) -> list[str]:
    """Ours and the published criteria on the same programs."""
    ours, theirs = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    totals = Counter[str]()
    accused: defaultdict[str, list[str]] = defaultdict(list)
    healthy = [one for one in courses if not one.is_faulty]
    for one in courses:
        alarms = published(one.losses, one.norms)
        said = {KINDS[code] for _, code in one.found if code in KINDS}
        for kind in one.kinds:
            totals[kind] += 1
            ours["caught", kind] += kind in said
            theirs["caught", kind] += kind in alarms
        if not one.is_faulty:
            for kind in said:
                ours["false", kind] += 1
            for kind in alarms:
                theirs["false", kind] += 1
                accused[kind].append(one.name)
    lines = [
        "| error | programs with it | caught by us | caught by the published | our false alarms | "
        "published false alarms | on, for example |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS.values():
        lines.append(
            f"| {kind.replace('_', ' ')} | {totals[kind]} | {ours['caught', kind]} | "
            f"{theirs['caught', kind]} | {ours['false', kind]} | {theirs['false', kind]} | "
            f"{', '.join(accused[kind][:3]) or '-'} |"
        )
    wrongly = {name for names in accused.values() for name in names}
    ours_wrongly = sum(any(c in KINDS for _, c in one.found) for one in healthy)
    lines.append(
        f"\nOf the {len(healthy)} programs in which nothing is to be found, the published criteria "
        f"accuse {len(wrongly)}, ours {ours_wrongly}."
    )
    return lines


def seven() -> list[str]:
    """The seven errors with and without repair."""
    path = ROOT / "tests/runtime/seven_errors.py"
    spec = importlib.util.spec_from_file_location("seven_errors", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules["seven_errors"] = module
    spec.loader.exec_module(module)
    lines = [
        "| training | error | from step | ours at | published at | published, beside it | "
        "repairs | loss at the end, left alone | repaired |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for scenario in module.SCENARIOS:
        alone = module.run(scenario, auto_fix=False)
        repaired = module.run(scenario)
        norms: list[float | None] = list(alone.norms)
        norms += [None] * (len(alone.losses) - len(norms))
        theirs = published(alone.losses, norms)
        first = [c["step"] + 1 for c in alone.log if c["error"] == scenario.error]
        other = ", ".join(
            f"{kind.replace('_', ' ')} at {step}"
            for kind, step in theirs.items()
            if kind != scenario.error
        )
        did = ", ".join(
            f"{case['action']} {case['outcome']}"
            for case in repaired.log
            if case["action"] not in (None, "none")
        )
        lines.append(
            f"| {scenario.name} | {(scenario.error or 'none').replace('_', ' ')} | "
            f"{scenario.at or '-'} | {min(first, default='-')} | "
            f"{theirs.get(scenario.error or '', '-')} | {other or '-'} | {did or '-'} | "
            f"{_end(alone.losses)} | {_end(repaired.losses)} |"
        )
    return lines


def _end(losses: Sequence[float]) -> str:
    last = list(losses[-20:])
    if sum(map(math.isfinite, last)) < len(last) / 2:
        return "not a number"
    return f"{statistics.median(v for v in last if math.isfinite(v)):.3g}"


def page() -> str:
    """The whole text."""
    import torch

    paths = sorted(p for p in PROGRAMS.glob("*.py") if not p.name.startswith("_"))
    courses, left_out = [], []
    for path in paths:
        if NEEDS.search(path.read_text(encoding="utf-8")):
            left_out.append(path.stem)
            continue
        courses.append(follow(path))
    of_ranks = [p for p in sorted(RANKS.glob("*.py")) if not p.name.startswith("_")]
    everything = [*courses, *map(follow_ranks, of_ranks)]
    faulty = [one for one in everything if one.is_faulty]
    wanted = sum(len(one.expected) for one in faulty)
    caught = sum(key in one.found for one in faulty for key in one.expected)
    false = sum(key not in one.expected for one in everything for key in one.found)
    failures = sum(len(one.failures) for one in everything)
    parts = [
        "# What the runtime shim finds",
        "",
        "Written by `python scripts/runtime_accuracy.py --write`, which runs every program of "
        "`tests/runtime/programs` and `tests/runtime/ranks`; not edited by hand.",
        "",
        f"{len(everything)} programs train, watched, {len(of_ranks)} of them on two ranks: "
        f"{len(faulty)} with faults, and "
        f"{len(everything) - len(faulty)} healthy ones, repaired twins and innocent look-alikes. "
        f"What is only told when asked for is counted, too. Of "
        f"{wanted} faults {caught} are caught and {wanted - caught} missed; there are {false} "
        f"false alarms, and {failures} failures of a check. The programs were written together "
        "with the checks, so these figures say that the checks keep what they promise, not how "
        f"often they are right elsewhere. (torch {torch.__version__.partition('+')[0]} on the CPU"
        + (f"; left out here: {', '.join(left_out)}, which need more" if left_out else "")
        + ".)",
        "",
        "## Each check",
        "",
        *per_check(everything),
        "",
        "## Beside the published criteria",
        "",
        "The training monitor that the wrapper follows has absolute criteria: a gradient norm "
        "above 100 or below 1e-7, a slope of ten losses above 0.5, a standard deviation of twenty "
        "losses above half of their mean, one of fifty below 1e-5. Both were run on the same "
        "losses and norms. A program counts for an error if it is marked with it; a false alarm "
        "is one in a program in which nothing is to be found at all.",
        "",
        *beside(courses),
        "",
        "## The seven errors, provoked and repaired",
        "",
        "Each training runs through `wrap_training`, once with `auto_fix=False` and once with "
        "repair. The loss is the median of the last twenty steps.",
        "",
        *seven(),
        "",
    ]
    return "\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true", help=f"to {TARGET.relative_to(ROOT)}")
    args = parser.parse_args(argv)
    import logging

    logging.getLogger("trainlint.runtime").setLevel(logging.CRITICAL)
    text = page()
    if args.write:
        TARGET.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
