"""Reports: one module a format, imported only when it is asked for.

Every format treats paths, messages and source lines as data that somebody else wrote; how they
are made harmless stands in ``neutral``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trainlint.diagnostics import Report, Severity

FORMATS = ("text", "concise", "json", "github", "gitlab", "sarif", "junit")

LineSource = Callable[[str, "int | None", int, int], list[str]]


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What a report may say of a rule; ``documentation`` is Markdown."""

    code: str
    name: str
    summary: str
    severity: Severity
    documentation: str = ""
    url: str = ""


def _no_lines(path: str, cell: int | None, first: int, last: int) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Context:
    """What a report needs beside the findings.

    ``lines`` gives the source lines from ``first`` to ``last``, both included and counted from 1,
    without their newlines; fewer, or none, where there are no more. ``width`` is that of the
    terminal, 0 where lines need not be wrapped. ``repository_root`` is the absolute path that
    GitHub, GitLab and SARIF count paths from; ``""`` stands for the working directory.
    """

    lines: LineSource = _no_lines
    color: bool = False
    width: int = 0
    rules: Mapping[str, RuleInfo] = field(default_factory=dict)
    repository_root: str = ""
    statistics: bool = False
    version: str = ""


def render(report: Report, fmt: str, context: Context) -> str:
    """The report in one of ``FORMATS``, ending in a newline unless there is nothing to say.

    Raises:
        ValueError: there is no such format.
    """
    match fmt:
        case "text":
            from trainlint.reports import text

            return text.render(report, context)
        case "concise":
            from trainlint.reports import concise

            return concise.render(report, context)
        case "json":
            from trainlint.reports import json

            return json.render(report, context)
        case "github":
            from trainlint.reports import github

            return github.render(report, context)
        case "gitlab":
            from trainlint.reports import gitlab

            return gitlab.render(report, context)
        case "sarif":
            from trainlint.reports import sarif

            return sarif.render(report, context)
        case "junit":
            from trainlint.reports import junit

            return junit.render(report, context)
        case _:
            raise ValueError(f"no report format named {fmt!r}; there are {', '.join(FORMATS)}")
