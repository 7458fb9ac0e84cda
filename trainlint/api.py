"""All that a rule may import: facts about the file, edits for fixes, and the words for findings."""

from trainlint import rewrite
from trainlint.diagnostics import Confidence, Severity
from trainlint.edits import Edit, Fix, Safety
from trainlint.rewrite import Unfixable
from trainlint.rule import Finding, Rule, Step
from trainlint.semantics import (
    audio,
    backward,
    callgraph,
    checkpoints,
    contexts,
    evaluation,
    handlers,
    losses,
    models,
    modes,
    placeholders,
    references,
    releases,
    roles,
    rows,
    script,
    signatures,
    splits,
    tensors,
    transformers,
    tree,
    updates,
    values,
)
from trainlint.semantics.facts import File
from trainlint.semantics.flow import ENTRY, EXIT, Flow
from trainlint.targets import Range, Version
from trainlint.triage import ALWAYS, Needs, all_of, any_of

__all__ = [
    "ALWAYS",
    "ENTRY",
    "EXIT",
    "Confidence",
    "Edit",
    "File",
    "Finding",
    "Fix",
    "Flow",
    "Needs",
    "Range",
    "Rule",
    "Safety",
    "Severity",
    "Step",
    "Unfixable",
    "Version",
    "all_of",
    "any_of",
    "audio",
    "backward",
    "callgraph",
    "checkpoints",
    "contexts",
    "evaluation",
    "handlers",
    "losses",
    "models",
    "modes",
    "placeholders",
    "references",
    "releases",
    "rewrite",
    "roles",
    "rows",
    "script",
    "signatures",
    "splits",
    "tensors",
    "transformers",
    "tree",
    "updates",
    "values",
]
