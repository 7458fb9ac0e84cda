"""The twelve headings of an audit, and what belongs under each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """``codes`` are codes or beginnings of codes: of rules, of inspections, of checks of a run."""

    title: str
    codes: tuple[str, ...]


HEADINGS = (
    Heading("Syntax and interfaces", ("SYNTAX", "API", "ENV", "SUP", "AUD", "AMP004", "AMP005")),
    Heading("Anti-patterns", ("ERR",)),
    Heading(
        "Mathematics: losses, schedules, accumulation, splits",
        ("MATH", "ACC", "OPT", "LOS", "LEK", "LOP", "RUN"),
    ),
    Heading("Data types", ("DTYPE", "AMP", "RUN001")),
    Heading("Tensor shapes", ("SHAPE", "LOS005", "DAT001")),
    Heading(
        "Edge cases",
        ("EDGE", "MET", "ERR003", "DAT003", "RUN013", "RUN014", "RUN017", "RUN018", "RUN019"),
    ),
    Heading(
        "Races and random state",
        ("RANDOM", "REP", "DAT002", "DDP", "LOP007", "LOP008", "RUN023", "RUN024", "RUN026"),
    ),
    Heading("Memory", ("MEMORY", "LOP001", "LOP003", "MET005", "CKP004", "RUN010", "RUN025")),
    Heading("Portability", ("PORT", "CKP", "DEV")),
    Heading("Performance", ("PERF",)),
    Heading("Logging", ("LOG", "ERR005")),
    Heading("Documentation", ("DOC",)),
)


def heading_of(code: str) -> Heading | None:
    """The heading of a rule, a check or an inspection: the longest beginning of its code decides.

    None for the rules of other packages, whose families are their own.
    """
    ranked = [
        (len(start), heading)
        for heading in HEADINGS
        for start in heading.codes
        if code.startswith(start)
    ]
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None
