"""Texts in, diagnostics out: what one file says to the rules that may speak about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trainlint import baseline, bounds, suppress
from trainlint.diagnostics import (
    Confidence,
    Diagnostic,
    Failure,
    ProposedFix,
    Related,
    Severity,
    TextEdit,
)
from trainlint.edits import Fix
from trainlint.rule import Finding, Rule
from trainlint.semantics import tokens, tree
from trainlint.semantics.facts import File, Surroundings
from trainlint.source import Source

CONTEXT_LINES = 1  # on each side of a finding, for its fingerprint


@dataclass(slots=True)
class Outcome:
    """What came of one file."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    parsed: bool = False


def check_source(
    source: Source,
    rules: Sequence[Rule],
    surroundings: Surroundings,
    *,
    severities: dict[str, Severity] | None = None,
    known: frozenset[str] = frozenset(),
) -> Outcome:
    """Run rules on one text. A text that is not Python and a rule that crashes become failures.

    ``known`` are all codes and names that exist, for the rules about suppressions.
    """
    outcome = Outcome()
    file = _parse(source, surroundings, outcome)
    if file is None:
        return outcome
    outcome.parsed = True
    found: list[tuple[Rule, Finding]] = []
    suppressions = _suppressions(file)
    for rule in sorted(rules, key=lambda rule: rule.code.startswith("SUP")):
        if rule.code.startswith("SUP"):
            if not found and not suppressions.all:
                continue
            file.suppressions = suppress.Review(
                suppressions, frozenset(r.code for r in rules), known
            )
        try:
            findings = [finding for check in rule.checks for finding in check(file)]
        except Exception as error:  # a rule's own defect must not silence the others
            text = " ".join(str(error).split()) or "no message"
            message = f"{rule.code} failed: {type(error).__name__}: {text}"
            outcome.failures.append(Failure(source.path, "rule", message, code=rule.code))
            continue
        for finding in findings:
            found.append((rule, finding))
            suppressions.match(rule.code, rule.name, _span(finding)[0])
    outcome.diagnostics = _diagnostics(file, found, suppressions, severities or {})
    return outcome


def _parse(source: Source, surroundings: Surroundings, outcome: Outcome) -> File | None:
    refusal = bounds.refusal(source.code)
    if refusal is not None:
        outcome.failures.append(Failure(source.path, "parse", refusal))
        return None
    from trainlint.semantics import lower  # imports libcst

    try:
        module = lower.parse(source.code)
    except lower.ParseError as error:
        cell, line, column = source.parsed_position(error.line, error.column)
        outcome.failures.append(
            Failure(source.path, "parse", error.message, line, column, cell)
        )
        return None
    except RecursionError:
        outcome.failures.append(Failure(source.path, "parse", "nested too deeply to be read"))
        return None
    return File(source, module, surroundings)


def _suppressions(file: File) -> suppress.Suppressions:
    text = file.source.code
    if "noqa" not in text.lower() and "trainlint" not in text.lower():
        return suppress.collect(file.source, (), ())
    statements = sorted(
        (node.start, _header_end(node)) for node in file.module.walk() if isinstance(node, tree.Stmt)
    )
    return suppress.collect(file.source, tokens.comments(text), statements)


def _header_end(node: tree.Node) -> int:
    end: int = getattr(node, "header_end", node.end)
    return end


def _span(finding: Finding) -> tuple[int, int]:
    if finding.span is not None:
        return finding.span
    return finding.node.start, _header_end(finding.node)


def _diagnostics(
    file: File,
    found: Iterable[tuple[Rule, Finding]],
    suppressions: suppress.Suppressions,
    severities: dict[str, Severity],
) -> list[Diagnostic]:
    source = file.source
    doubtful = source.is_notebook and not source.in_order
    placed = []
    for rule, finding in found:
        start, end = _span(finding)
        location = source.location(start, end)
        silenced = suppressions.match(rule.code, rule.name, start) is not None
        placed.append(
            Diagnostic(
                code=rule.code,
                name=rule.name,
                severity=severities.get(rule.code, finding.severity or rule.severity),
                confidence=Confidence.LOW if doubtful and rule.ordered else finding.confidence,
                location=location,
                message=finding.message,
                url=rule.url,
                related=tuple(
                    Related(source.location(step.node.start, _header_end(step.node)), step.message)
                    for step in finding.trail
                ),
                fixes=tuple(_propose(file, fix) for fix in finding.fixes),
                evidence=dict(finding.evidence),
                target=finding.target,
                suppressed="comment" if silenced else None,
            )
        )
    placed.sort(key=Diagnostic.sort_key)
    return baseline.with_fingerprints(placed, source.lines, CONTEXT_LINES)


def _propose(file: File, fix: Fix) -> ProposedFix:
    edits = tuple(
        TextEdit(file.source.location(edit.start, edit.end), edit.text) for edit in fix.edits
    )
    return ProposedFix(fix.title, str(fix.safety), edits, fix.note)
