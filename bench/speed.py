"""Times trainlint, its peers and the bare parser on one corpus, as ratios in one run.

    python bench/speed.py CORPUS [--peers] [--project FOLDER] [--runs 5]
        [--write docs/performance.md]

CORPUS is a folder of Python files. ``--peers`` installs TorchFix and Fixit into a temporary
environment first. ``--project`` is one large repository, on which the project view is compared with
a check of each file by itself. All commands of a comparison run in turn, and medians are compared,
so that a machine whose speed drifts does not decide. Memory is the largest sum of the resident sets
of all processes of a run, sampled (Linux only).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARSE_ONLY = """
import sys, time
import libcst
texts = [open(p, encoding="utf-8", newline="").read() for p in sys.stdin.read().splitlines()]
start = time.perf_counter()
for text in texts:
    try:
        libcst.parse_module(text)
    except libcst.ParserSyntaxError:
        pass
print(time.perf_counter() - start)
"""
PARSED_FILES = """
import sys
from trainlint.diagnostics import Severity
from trainlint.registry import shipped
from trainlint.triage import mentioned
rules = [rule for rule in shipped().rules if rule.severity is not Severity.INFO]
for path in sys.stdin.read().splitlines():
    words = mentioned(open(path, "rb").read(), [rule.needs for rule in rules])
    if any(rule.needs.met(words) for rule in rules):
        print(path)
"""
# The lines of the files that the rules of each family make trainlint parse, in percent.
FAMILIES = """
import sys
from collections import Counter
from trainlint.diagnostics import Severity
from trainlint.registry import shipped
from trainlint.triage import mentioned
rules = [rule for rule in shipped().rules if rule.severity is not Severity.INFO]
every, lines = 0, Counter()
for path in sys.stdin.read().splitlines():
    data = open(path, "rb").read()
    number = data.count(b"\\n")
    every += number
    words = mentioned(data, [rule.needs for rule in rules])
    for family in {rule.family for rule in rules if rule.needs.met(words)}:
        lines[family] += number
print(", ".join(f"{family} {share / every:.0%}" for family, share in lines.most_common()))
"""
FOUNDATION = (
    "AMP001 AMP002 AMP003 AMP004 AMP005 AMP006 AMP008 AUD001 AUD002 ACC001 ACC002 ACC004 ACC005 "
    "MET001 MET005 LEK001 LEK002 LEK003 LEK004 LEK005 ERR001 ERR002 ERR003 LOP001 LOP003 LOP004 "
    "LOS001 CKP001 SUP001 SUP002 API001"
)
# The processor time of a check and all its workers, with the files that were parsed.
PROJECT = """
import os, sys
from pathlib import Path
from trainlint import run
from trainlint.run import Options
folder, jobs, view, cache = sys.argv[1:]
if view == "alone":
    run.surround = lambda *given: None
os.chdir(folder)
options = Options(jobs=int(jobs), cached=bool(cache), cache_dir=cache or None)
parsed = run.check(["."], options).report.parsed
times = os.times()
print(times.user + times.system + times.children_user + times.children_system, parsed)
"""


@dataclass(frozen=True)
class Row:
    """One line of the report: a figure, what was asked of it, and what was reached."""

    what: str
    aim: str
    reached: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--project", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as where it is installed
    files = sorted(str(path) for path in options.corpus.rglob("*.py"))
    lines = sum(Path(path).read_bytes().count(b"\n") for path in files)
    parsed = _python(PARSED_FILES, files).splitlines()
    parsed_lines = sum(Path(path).read_bytes().count(b"\n") for path in parsed)
    rows = [
        Row(
            "files and lines",
            "at least 60,000 lines",
            f"{len(files)} files, {lines:,} lines; parsed {len(parsed)} files, "
            f"{parsed_lines:,} lines ({parsed_lines / lines:.0%})",
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        rows += _parse_share(options.corpus, parsed, options.runs)
        rows += _all_rules(options.corpus, files, options.runs)
        rows += _warm(options.corpus, cache, options.runs)
        rows += _one_file(Path(folder), parsed, cache, options.runs)
        rows += _memory(options.corpus)
        if options.project:
            rows += _project(options.project, Path(folder), options.runs)
        if options.peers:
            rows += _peers(options.corpus, Path(folder), options.runs)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    given = "--project FOLDER " * bool(options.project) + "--peers " * options.peers
    text = _report(rows, cores, given)
    print(text)
    if options.write is not None:
        options.write.write_text(text, encoding="utf-8")
    return 0


def _check(corpus: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "trainlint",
        "check",
        str(corpus),
        "--output-format",
        "json",
        *more,
    ]


def _parse_share(corpus: Path, parsed: Sequence[str], runs: int) -> list[Row]:
    """The time of one process beyond parsing the files that have to be parsed."""
    ratios = []
    for _ in range(runs):
        bare = float(_python(PARSE_ONLY, parsed))
        whole = _seconds(_check(corpus, "--no-cache", "--jobs", "1"))
        startup = _seconds([sys.executable, "-c", "import libcst"])
        ratios.append((whole - startup - bare) / bare)
    return [
        Row(
            "time beyond `libcst.parse_module` of the parsed files, one process",
            "30 %, not above 50 %",
            f"{statistics.median(ratios):.0%}",
        )
    ]


def _all_rules(corpus: Path, files: Sequence[str], runs: int) -> list[Row]:
    """What the rules beyond the foundation cost for a file, and what makes trainlint parse."""
    ratios = []
    for _ in range(runs):
        few = _per_file(_check(corpus, "--no-cache", "--jobs", "1", "--select", FOUNDATION))
        ratios.append(_per_file(_check(corpus, "--no-cache", "--jobs", "1")) / few - 1)
    return [
        Row(
            "all rules against those of the foundation, for each parsed file",
            "at most 10 % more",
            f"{statistics.median(ratios):+.0%}",
        ),
        Row("lines that the rules of a family have parsed", "reported", _python(FAMILIES, files)),
    ]


def _per_file(command: Sequence[str]) -> float:
    """The seconds of a check for each file that it parses."""
    start = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    parsed: int = json.loads(run.stdout)["summary"]["parsed"]
    return (time.perf_counter() - start) / parsed


def _warm(corpus: Path, cache: Path, runs: int) -> list[Row]:
    cold, warm = [], []
    for number in range(runs):
        where = ("--cache-dir", f"{cache}{number}")
        cold.append(_seconds(_check(corpus, *where)))
        time.sleep(2.5)  # a file changed in the last two seconds is not trusted by its time alone
        _seconds(_check(corpus, *where))
        warm.append(_seconds(_check(corpus, *where)))
    ratio = statistics.median(cold) / statistics.median(warm)
    return [Row("an unchanged second run", "at least 15 times as fast", f"{ratio:.0f} times")]


def _one_file(folder: Path, parsed: Sequence[str], cache: Path, runs: int) -> list[Row]:
    near = min(parsed, key=lambda p: abs(Path(p).read_bytes().count(b"\n") - 300))
    target = folder / "one.py"
    target.write_bytes(Path(near).read_bytes())
    os.utime(target, (time.time() - 60,) * 2)
    cold_command = _check(target, "--no-cache")
    warm_command = _check(target, "--cache-dir", str(cache))
    _seconds(warm_command)
    time.sleep(2.5)
    _seconds(warm_command)
    cold, warm, libcst, small = [], [], [], []
    for _ in range(max(runs, 9)):
        cold.append(_seconds(cold_command))
        libcst.append(_seconds([sys.executable, "-c", "import libcst"]))
        warm.append(_seconds(warm_command))
        small.append(_seconds([sys.executable, "-c", "import argparse, json"]))
    size = target.read_bytes().count(b"\n")
    return [
        Row(
            f"one file of {size} lines, cold",
            "2 times `import libcst`",
            f"{statistics.median(cold) / statistics.median(libcst):.2f} times",
        ),
        Row(
            f"one file of {size} lines, cached",
            "2 times `import argparse, json`",
            f"{statistics.median(warm) / statistics.median(small):.2f} times",
        ),
    ]


def _memory(corpus: Path) -> list[Row]:
    if not Path("/proc/self/statm").exists():
        return []
    process = subprocess.Popen(
        _check(corpus, "--no-cache", "--jobs", "2"), stdout=subprocess.DEVNULL
    )
    peak = 0
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, _resident(process.pid))

    watcher = threading.Thread(target=sample)
    watcher.start()
    process.wait()
    done.set()
    watcher.join()
    return [Row("peak memory, two workers", "below 500 MB", f"{peak / 1e6:.0f} MB")]


def _resident(root: int) -> int:
    """The resident bytes of a process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    tree, grew = {root}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in tree} - tree
        tree |= more
        grew = bool(more)
    total = 0
    for pid in tree:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def _project(project: Path, folder: Path, runs: int) -> list[Row]:
    """What the view of a whole project costs, and what one edited file makes it do again."""
    lines = sum(path.read_bytes().count(b"\n") for path in project.rglob("*.py"))
    rows = []
    for jobs in (1, 2):
        ratios = []
        for _ in range(runs):
            alone, _parsed = _checked(project, jobs, "alone", "")
            view, _parsed = _checked(project, jobs, "view", "")
            ratios.append(view / alone - 1)
        rows.append(
            Row(
                f"project view on {lines:,} lines, beyond single files, processes: {jobs}",
                "at most 25 % more processor time",
                f"{statistics.median(ratios):.0%}",
            )
        )
    copy = folder / "project"
    shutil.copytree(project, copy, symlinks=True)
    cache = str(folder / "project-cache")
    _, files = _checked(copy, 2, "view", cache)
    time.sleep(2.5)
    edited = sorted(copy.rglob("*.py"), key=lambda path: path.stat().st_size)[-1]
    for what, added in (("a comment", b"\n# edited\n"), ("a statement", b"\nEDITED = True\n")):
        edited.write_bytes(edited.read_bytes() + added)
        _, again = _checked(copy, 2, "view", cache)
        rows.append(
            Row(
                f"files checked again after {what} was added to the largest file",
                "those that depend on it",
                f"{again} of {files}",
            )
        )
        time.sleep(2.5)
    return rows


def _checked(project: Path, jobs: int, view: str, cache: str) -> tuple[float, int]:
    command = [sys.executable, "-c", PROJECT, str(project), str(jobs), view, cache]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, parsed = run.stdout.split()
    return float(seconds), int(parsed)


def _peers(corpus: Path, folder: Path, runs: int) -> list[Row]:
    environment = folder / "peers"
    venv.create(environment, with_pip=True)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    install = [str(scripts / "python"), "-m", "pip", "install", "-q", "torchfix==0.7.0", "fixit"]
    subprocess.run(install, check=True)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {"TorchFix": [], "Fixit": []}
    for _ in range(runs):
        ours.append(_seconds(_check(corpus, "--no-cache")))
        theirs["TorchFix"].append(
            _seconds([str(scripts / "torchfix"), "--select=ALL", str(corpus)])
        )
        theirs["Fixit"].append(_seconds([str(scripts / "fixit"), "--quiet", "lint", str(corpus)]))
    median = statistics.median(ours)
    return [
        Row(
            f"cold `check` against {name}",
            "40 times as fast, not below 25",
            f"{statistics.median(times) / median:.0f} times",
        )
        for name, times in theirs.items()
    ]


def _python(code: str, files: Sequence[str]) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(files),
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def _report(rows: Sequence[Row], cores: int, options: str) -> str:
    version = json.dumps(sys.version.split()[0]).strip('"')
    table = "\n".join(f"| {row.what} | {row.aim} | {row.reached} |" for row in rows)
    return (
        "# Performance\n\n"
        "Medians of commands run in turn on one machine, as ratios "
        f"(Python {version}, {cores} cores).\n"
        f"Made by `python bench/speed.py CORPUS {options}--write docs/performance.md`; the corpus "
        "of these figures is\nthe `.py` files of twelve of the repositories of "
        "`docs/accuracy/pins.csv`.\n\n"
        f"| what | aim | reached |\n|---|---|---|\n{table}\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
