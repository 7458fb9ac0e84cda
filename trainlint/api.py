"""All that a rule may import."""

from trainlint.diagnostics import Confidence, Severity
from trainlint.edits import Edit, Fix, Safety
from trainlint.rule import Finding, Rule, Step
from trainlint.semantics import tree
from trainlint.semantics.facts import File
from trainlint.triage import ALWAYS, Needs, all_of, any_of

__all__ = [
    "ALWAYS",
    "Confidence",
    "Edit",
    "File",
    "Finding",
    "Fix",
    "Needs",
    "Rule",
    "Safety",
    "Severity",
    "Step",
    "all_of",
    "any_of",
    "tree",
]
