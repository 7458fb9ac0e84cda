"""Runs a peer and trainlint over the peer's own fixtures, and says where they differ.

    python scripts/peers.py torchfix FOLDER... --python VENV/bin/python
    python scripts/peers.py torch-preflight FOLDER... --python VENV/bin/python --write docs/peers.md

A fixture is a script (``.py``), or a program that the peer is given while its tests run. Each
stands alone, in a folder of its own. One line a fixture: what both say, and at which lines.
``docs/peers/record.json`` says which rules mean the same, and why the two differ; with ``--write``
that goes into the document, and a difference without a reason, or a reason without a difference,
ends in exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from trainlint.config.targets import NEWEST, Range  # noqa: E402
from trainlint.run import Options, check  # noqa: E402

RECORD = ROOT / "docs" / "peers" / "record.json"
SCRIPT = "train.py"
Counterparts = Mapping[str, frozenset[str]]
"""What a peer's rule is called here; nothing where the catalogue has no such rule."""

# Loaded by pytest beside the peer's tests, before they import what they test.
RECORDER = """
import json
import os

from torch_preflight import engine

given = {}
check = engine.check_source


def recording(path, source, *args, **kwargs):
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0].rpartition("::")[2]
    given.setdefault(test, []).append(source)
    return check(path, source, *args, **kwargs)


def pytest_sessionfinish():
    with open(os.environ["RECORD"], "w", encoding="utf-8") as record:
        json.dump(given, record)


engine.check_source = recording
"""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What a program says of a fixture; ``lines`` are all that it points at, its own first."""

    line: int
    code: str
    lines: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return f"{self.code}:{self.line}"


Runner = Callable[[str, Sequence[Path]], Mapping[str, list[Finding]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fixture: the findings of both that mean the same, and those of one alone."""

    fixture: str
    agreed: tuple[tuple[Finding, Finding], ...]
    peer: tuple[Finding, ...]
    ours: tuple[Finding, ...]

    def __str__(self) -> str:
        parts = [f"agreed {theirs}={ours}" for theirs, ours in self.agreed]
        parts += [f"only peer {finding}" for finding in self.peer]
        parts += [f"only trainlint {finding}" for finding in self.ours]
        return f"{self.fixture}: {'; '.join(parts) or 'both silent'}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line a fixture and the counts, or write the counts and the reasons."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("peer", choices=sorted(record))
    parser.add_argument("folders", nargs="+", type=Path, help="its fixtures, or single files")
    parser.add_argument("--python", required=True, help="the interpreter that has the peer")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a document with the marks")
    args = parser.parse_args(argv)
    sources = dict(pair for folder in args.folders for pair in fixtures(folder, args.python))
    counterparts = {
        code: frozenset(same) for code, same in record[args.peer]["counterparts"].items()
    }
    places = outcomes(RUNNERS[args.peer.partition(":")[0]], args.python, sources, counterparts)
    found = list(places)
    print("".join(f"{outcome}\n" for outcome in found), end="")
    lines = list(counts(found, counterparts))
    reasons, complete = explained(record[args.peer]["differences"], found, counterparts)
    lines += ["", *reasons]
    if args.write is None:
        print("\n".join(["", *lines]))
        return 0
    begin = f"<!-- made by scripts/peers.py: {args.peer} -->\n"
    head, _, rest = args.write.read_text(encoding="utf-8").partition(begin)
    body = "".join(f"{line}\n" for line in lines)
    tail = rest[rest.index("<!-- end -->") :]
    args.write.write_text(head + begin + body + tail, encoding="utf-8")
    return int(not complete)


def fixtures(path: Path, python: str) -> Iterator[tuple[str, str]]:
    """The fixtures of a file or a folder: their names and their text."""
    if path.is_dir():
        for script in sorted(path.rglob("*.py")):
            for name, source in fixtures(script, python):
                folder = script.parent.relative_to(path).as_posix()
                yield f"{folder}/{name}".removeprefix("./"), source
    elif path.name.startswith("test_"):
        yield from recorded(path, python)
    else:
        yield path.name, path.read_text(encoding="utf-8")


def recorded(tests: Path, python: str) -> Iterator[tuple[str, str]]:
    """The programs that torch-preflight is given while its tests run, by the name of the test."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "recorder.py").write_text(RECORDER, encoding="utf-8")
        search = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
        record = Path(folder, "record.json")
        env = {**os.environ, "PYTHONPATH": search, "RECORD": str(record)}
        command = [python, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
        command += ["-p", "recorder", str(tests.resolve())]
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=env)
        given: dict[str, list[str]] = json.loads(record.read_text(encoding="utf-8"))
    for test, programs in given.items():
        for number, program in enumerate(dict.fromkeys(programs), 1):
            yield f"{test}.{number}" if number > 1 else test, program


def outcomes(
    runner: Runner, python: str, sources: Mapping[str, str], counterparts: Counterparts
) -> Iterator[Outcome]:
    """What both say of each fixture."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, f"case{number:04}", SCRIPT) for number in range(len(sources))]
        for place, source in zip(places, sources.values(), strict=True):
            place.parent.mkdir()
            place.write_text(source, encoding="utf-8")
        said = runner(python, places)
        for name, place in zip(sources, places, strict=True):
            theirs = sorted(said.get(str(place), ()))
            yield compare(name, theirs, sorted(ours_of(place)), counterparts)


def ours_of(place: Path) -> Iterator[Finding]:
    """What trainlint says of a file when nothing is known of the versions that it is for."""
    anything = dict.fromkeys(NEWEST, Range(None, None, known=False))
    options = Options(cached=False, pedantic=True, jobs=1, targets=anything)
    for found in check([SCRIPT], options, cwd=str(place.parent)).report.diagnostics:
        spans = [found.location, *(related.location for related in found.related)]
        lines = (line for span in spans for line in range(span.line, span.end_line + 1))
        yield Finding(found.location.line, found.code, frozenset(lines))


def torchfix(python: str, places: Sequence[Path]) -> dict[str, list[Finding]]:
    """What TorchFix says with all its rules; it prints a finding a line."""
    command = [python, "-m", "torchfix", "--select", "ALL", "-j", "1", *map(str, places)]
    fixed = {**os.environ, "PYTHONHASHSEED": "0"}  # what it says of a name bound twice varies
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=fixed)
    said: dict[str, list[Finding]] = {}
    for path, line, code in re.findall(r"^(.+?):(\d+):\d+: (TOR\d+) ", run.stdout, re.M):
        said.setdefault(path, []).append(Finding(int(line), code))
    return said


def preflight(python: str, places: Sequence[Path]) -> dict[str, list[Finding]]:
    """What torch-preflight says with its defaults; 1 is its exit code where it finds errors."""
    command = [python, "-m", "torch_preflight", "check", "-f", "json", "-j", "1"]
    run = subprocess.run([*command, *map(str, places)], capture_output=True, text=True, check=False)
    report = json.loads(run.stdout)
    if report["failures"] or report["summary"]["files_checked"] != len(places):
        raise SystemExit(f"torch-preflight did not read every fixture: {report['failures']}")
    said: dict[str, list[Finding]] = {}
    for found in report["diagnostics"]:
        said.setdefault(found["path"], []).append(Finding(found["line"], found["code"]))
    return said


RUNNERS: dict[str, Runner] = {"torchfix": torchfix, "torch-preflight": preflight}


NEAR: tuple[Callable[[Finding, Finding], bool], ...] = (
    lambda their, our: their.line == our.line,
    lambda their, our: their.line in our.lines,
    lambda their, our: their.code.startswith("TG"),
)


def compare(
    name: str,
    theirs: Sequence[Finding],
    ours: Sequence[Finding],
    counterparts: Counterparts,
) -> Outcome:
    """Pair what means the same: first at the same line, then by a place that ours points at too.

    A rule about a loop or a function has no one line: of those, the same fixture is enough.
    """
    left, right = list(theirs), list(ours)
    agreed: list[tuple[Finding, Finding]] = []
    for is_near in NEAR:
        for their in list(left):
            same = [our for our in right if our.code in counterparts[their.code]]
            match = next((our for our in same if is_near(their, our)), None)
            if match is not None:
                agreed.append((their, match))
                left.remove(their)
                right.remove(match)
    return Outcome(name, tuple(sorted(agreed)), tuple(left), tuple(right))


def counts(found: Sequence[Outcome], counterparts: Counterparts) -> Iterator[str]:
    """How often both say the same, by rule of the peer, and how often one of them alone speaks."""
    agreed = Counter(their.code for outcome in found for their, _ in outcome.agreed)
    alone = Counter(their.code for outcome in found for their in outcome.peer)
    silent = sum(not (o.agreed or o.peer or o.ours) for o in found)
    yield f"{len(found)} fixtures; of {silent} neither says anything."
    yield from ("", "| rule of the peer | here | agreed | only the peer |", "|---|---|--:|--:|")
    for code, same in counterparts.items():
        if agreed[code] or alone[code]:
            here = ", ".join(sorted(same)) or "none"
            yield f"| {code} | {here} | {agreed[code]} | {alone[code]} |"
    yield f"| all | | {agreed.total()} | {alone.total()} |"
    known = _known(counterparts)
    for title, wanted in (("that have a counterpart", True), ("that have none", False)):
        ours = Counter(our.code for o in found for our in o.ours if (our.code in known) is wanted)
        text = ", ".join(f"{code} {number}" for code, number in sorted(ours.items()))
        yield from ("", f"Only trainlint, by rules {title}: {ours.total()} ({text or 'none'}).")


def explained(
    record: Sequence[Mapping[str, Any]], found: Sequence[Outcome], counterparts: Counterparts
) -> tuple[list[str], bool]:
    """The differences by the reasons on record, and whether each has a reason and each is one.

    A difference is recorded as fixture and finding (``train.py TOR101:9``), or without the line.
    """
    known = _known(counterparts)
    left = Counter(f"{o.fixture} {their}" for o in found for their in o.peer)
    left += Counter(f"{o.fixture} {our}" for o in found for our in o.ours if our.code in known)
    lines = ["| who is right | findings | why | fixtures |", "|---|--:|---|---|"]
    gone = []
    for entry in record:
        number = 0
        for name in entry["differences"]:
            here = [each for each in left if name in (each, each.rpartition(":")[0])]
            number += sum(left.pop(each) for each in here)
            gone += [] if here else [name]
        names = ", ".join(f"`{name}`" for name in entry["differences"])
        lines.append(f"| {entry['right']} | {number} | {entry['why']} | {names} |")
    for title, those in (("no longer a difference", gone), ("no reason on record", sorted(left))):
        print("".join(f"{title}: {each}\n" for each in those), end="", file=sys.stderr)
    return lines, not gone and not left


def _known(counterparts: Counterparts) -> frozenset[str]:
    return frozenset(code for same in counterparts.values() for code in same)


if __name__ == "__main__":
    sys.exit(main())
