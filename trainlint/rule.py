"""What a rule is: one constant that describes it and the generators that it decorates."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainlint.diagnostics import Confidence, Severity
from trainlint.edits import Fix, Safety
from trainlint.semantics.trail import Step
from trainlint.triage import Needs

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.tree import Node

DOCUMENTATION_URL = "https://github.com/trainlint/trainlint/blob/main/docs/rules.md"
HEADINGS = (
    "What it does",
    "Why is this bad?",
    "Example",
    "Use instead",
    "Fix safety",
    "Since",
    "References",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found at ``node``, in words that convince a reader who doubts."""

    node: Node
    message: str
    trail: tuple[Step, ...] = ()
    fixes: tuple[Fix, ...] = ()
    severity: Severity | None = None  # the rule's own when None
    confidence: Confidence = Confidence.HIGH
    span: tuple[int, int] | None = None  # narrower than the node
    target: str | None = None  # where in the version range the fault begins
    evidence: Mapping[str, Any] = field(default_factory=dict)


Check = Callable[["File"], Iterator[Finding]]


@dataclass(slots=True, eq=False)
class Rule:
    """A fault that trainlint knows.

    ``needs`` are the words that must stand in the file in which the rule reports. A rule that
    follows values across files has ``here``: then these must stand in that file, and those of
    ``needs`` anywhere in its project. ``fix`` is the best safety that one of
    its fixes can have, None when it has none; ``options`` are the settings that a project may
    change, with their defaults; ``ordered`` tells that the rule relies on the order in which
    statements run, which a notebook's cells may not have kept.
    """

    code: str
    name: str
    severity: Severity
    needs: Needs
    fix: Safety | None = None
    here: Needs | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    ordered: bool = True
    checks: list[Check] = field(default_factory=list)
    verifies: list[Check] = field(default_factory=list)

    def check(self, function: Check) -> Check:
        """Decorator: the generator yields this rule's findings in one file."""
        self.checks.append(function)
        return function

    def verify(self, function: Check) -> Check:
        """Decorator: the generator yields what the rule looked at and found right, for audits."""
        self.verifies.append(function)
        return function

    @property
    def documentation(self) -> str:
        """The docstring of the rule's generator where it has one, else that of its module."""
        for function in self.checks:
            if function.__doc__:
                return inspect.cleandoc(function.__doc__)
        first = (self.checks or self.verifies)[0]
        return inspect.cleandoc(sys.modules[first.__module__].__doc__ or "")

    @property
    def summary(self) -> str:
        """The first sentence of the documentation."""
        return self.documentation.partition("\n\n")[0].replace("\n", " ")

    @property
    def url(self) -> str:
        return f"{DOCUMENTATION_URL}#{self.name}"

    @property
    def family(self) -> str:
        return self.code.rstrip("0123456789")
