"""What a run says of the linter's suspicions: confirmed, disproved, or nothing.

A finding of the run confirms a suspicion if it has its code, or is of a check that confirms it, and
both speak of one place: a common line, or one function. A suspicion is disproved only where the run
watched one of its very lines, saw it right, and no process of the run saw it wrong.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from trainlint.diagnostics import Confidence, Diagnostic, Location, Related, Severity
from trainlint.runtime.findings import DOCUMENTATION_URL, locate
from trainlint.runtime.places import Place
from trainlint.runtime.report.told import CONFIRMED, DISPROVED

AUTOCAST = re.compile(r"\bunsafe to autocast\b")
LONGEST = 3  # lines: a longer place is a whole statement, and says only where it begins

Line = tuple[str, int]


def judged(
    static: Sequence[Diagnostic], seen: Sequence[Diagnostic], cleared: Sequence[Diagnostic]
) -> list[Diagnostic]:
    """All findings in one list; what confirms a suspicion of its own code becomes one with it."""
    functions = _Functions()
    found: list[Diagnostic] = []
    merged: set[int] = set()
    for suspicion in static:
        hits = [
            one
            for one in seen
            if suspicion.code in _speaks_of(one)
            and suspicion.suppressed is None
            and functions.meet(suspicion, one)
        ]
        if hits:
            same = [one for one in hits if one.code == suspicion.code]
            merged.update(map(id, same))
            found.append(_confirmed(suspicion, (same or hits)[0]))
            continue
        against = [one for one in cleared if one.code == suspicion.code]
        witness = next((one for one in against if _lines(suspicion) & _lines(one)), None)
        if witness is not None and suspicion.suppressed is None:
            found.append(_disproved(suspicion, witness))
        else:
            found.append(suspicion)
    found += [one for one in seen if id(one) not in merged]
    return sorted(found, key=lambda diagnostic: diagnostic.sort_key())


def crashed(
    crash: str | None, place: tuple[str, int] | None, steps: int, static: Sequence[Diagnostic]
) -> Iterator[Diagnostic]:
    """The finding in a crash that the linter can explain: a loss that autocast forbids."""
    if crash is None or not AUTOCAST.search(crash):
        return
    others = [d for d in static if d.code == "AMP001" and d.suppressed is None]
    where = Place(place[0], place[1], "") if place is not None else None
    if where is None and not others:
        return
    location = locate(where, os.getcwd()) if where is not None else others[0].location
    related: list[Related] = []
    if not any(_lines(d) & {_key(location)} for d in others):
        related = [step for d in others[:2] for step in d.related[:1]]
    yield Diagnostic(
        "AMP001",
        "bce-under-autocast",
        Severity.ERROR,
        Confidence.HIGH,
        location,
        "the run ended here: autocast refuses this loss, which is computed from probabilities "
        f"(after {steps} steps)",
        f"{DOCUMENTATION_URL}#bce-under-autocast",
        tuple(related),
        evidence={"seen": "at run time", "step": steps, "crash": True},
    )


def _confirmed(suspicion: Diagnostic, witness: Diagnostic) -> Diagnostic:
    step = witness.evidence.get("step")
    same = witness.code == suspicion.code
    by = witness.message if same else f"{witness.code}, {witness.message}"
    run = {"verdict": CONFIRMED, "by": witness.code, "step": step, "message": witness.message}
    related = suspicion.related
    if same and not _lines(suspicion) & {_key(witness.location)}:
        related = (*related, Related(witness.location, "seen in the run here"))
    return replace(
        suspicion,
        severity=max(suspicion.severity, witness.severity) if same else suspicion.severity,
        confidence=Confidence.HIGH,
        message=f"{suspicion.message}; the run confirms it: {by}",
        related=related,
        evidence={**suspicion.evidence, **(witness.evidence if same else {}), "run": run},
    )


def _disproved(suspicion: Diagnostic, witness: Diagnostic) -> Diagnostic:
    run = {"verdict": DISPROVED, "message": witness.message}
    numbers = {k: v for k, v in witness.evidence.items() if k != "seen"}
    return replace(
        suspicion,
        message=f"{suspicion.message}; the run disproves it: {witness.message}",
        evidence={**suspicion.evidence, "run": {**run, **numbers}},
        suppressed="run",
    )


def _speaks_of(seen: Diagnostic) -> set[str]:
    return {seen.code, *seen.evidence.get("confirms", ())}


def _places(diagnostic: Diagnostic) -> Iterator[Location]:
    yield diagnostic.location
    yield from (step.location for step in diagnostic.related)


def _lines(diagnostic: Diagnostic) -> set[Line]:
    return {line for place in _places(diagnostic) for line in _lines_of(place)}


def _lines_of(place: Location) -> Iterable[Line]:
    path = os.path.realpath(place.path)
    last = place.end_line if place.end_line - place.line < LONGEST else place.line
    return ((path, line) for line in range(place.line, last + 1))


def _key(place: Location) -> Line:
    return (os.path.realpath(place.path), place.line)


class _Functions:
    """Which function a line is in, read off the files' own text."""

    def __init__(self) -> None:
        self._spans: dict[str, list[tuple[int, int]]] = {}

    def meet(self, one: Diagnostic, other: Diagnostic) -> bool:
        """Whether two findings have a line in common, else whether their functions are the same."""
        if _lines(one) & _lines(other):
            return True
        ours, theirs = self._of(one.location), self._of(other.location)
        return ours is not None and ours == theirs

    def _of(self, place: Location) -> tuple[str, int, int] | None:
        """The innermost function, or the whole module; None where the text cannot be read."""
        path, line = _key(place)
        if path not in self._spans:
            self._spans[path] = _functions(path)
        around = [span for span in self._spans[path] if span[0] <= line <= span[1]]
        return (path, *min(around, key=lambda span: span[1] - span[0])) if around else None


def _functions(path: str) -> list[tuple[int, int]]:
    try:
        with open(path, "rb") as stream:
            tree = ast.parse(stream.read())
    except (OSError, SyntaxError, ValueError):
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    spans = [(n.lineno, n.end_lineno or n.lineno) for n in ast.walk(tree) if isinstance(n, kinds)]
    return [(0, 1 << 60), *spans]
