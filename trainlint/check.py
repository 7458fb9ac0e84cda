"""Texts in, diagnostics out: what one file says to the rules that may speak about it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from trainlint import baseline, suppress
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
from trainlint.semantics.facts import File, SuppressionFault, Surroundings
from trainlint.semantics.flow import is_dead
from trainlint.semantics.trail import Step
from trainlint.semantics.view import View
from trainlint.text import bounds, syntax
from trainlint.text.source import Source

RECURSION_LIMIT = 8000  # the bounds let an expression be 500 operations deep
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
    view: View | None = None,
) -> Outcome:
    """Run rules on one text. A text that is not Python and a rule that crashes become failures.

    ``known`` are all codes and names that exist, for the rules about suppressions; ``view`` is a
    view of the project that serves other files, too.
    """
    outcome = Outcome()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    shared = view.open(source.path) if view is not None else None
    if shared is not None and shared.source.text != source.text:
        shared = None
    module = _parse(source, outcome) if shared is None else shared.module
    if module is None:
        return outcome
    outcome.parsed = True
    files = _Files(
        File(source, module, replace(surroundings, project=None)),
        File(source, module, surroundings) if shared is None else shared,
    )
    try:
        _check(files, rules, outcome, severities or {}, known)
    finally:
        # The collector would have to look through all that the process holds to find the circles.
        files.alone.view.release()
        if shared is None:
            files.around.view.release()
            tree.unlink(module)
    return outcome


@dataclass(frozen=True, slots=True)
class _Files:
    """One file as rules see it that look at nothing else, and as those that look around."""

    alone: File
    around: File


def _check(
    files: _Files,
    rules: Sequence[Rule],
    outcome: Outcome,
    severities: dict[str, Severity],
    known: frozenset[str],
) -> None:
    file = files.alone
    suppressions = _suppressions(file)
    found: list[tuple[Rule, Finding]] = []
    speaking = [rule for rule in rules if rule.checks]
    last = [rule for rule in speaking if rule.family == "SUP"]
    for rule in (*(rule for rule in speaking if rule not in last), *last):
        if last and rule is last[0]:
            _judge(file, suppressions, rules, known)
        try:
            seen = file if rule.here is None else files.around
            findings = [
                finding
                for check in rule.checks
                for finding in check(seen)
                if tree.module_of(finding.node) is file.module  # another file reports its own
                and not is_dead(finding.node)
            ]
        except Exception as error:  # a rule's own defect must not silence the others
            text = " ".join(str(error).split()) or "no message"
            message = f"{rule.code} failed: {type(error).__name__}: {text}"
            outcome.failures.append(Failure(file.path, "rule", message, code=rule.code))
            continue
        for finding in findings:
            found.append((rule, finding))
            suppressions.match(rule.code, rule.name, _span(finding)[0])
    outcome.diagnostics = _diagnostics(files.around, found, suppressions, severities)


def _judge(
    file: File,
    suppressions: suppress.Suppressions,
    rules: Sequence[Rule],
    known: frozenset[str],
) -> None:
    """Tell the rules about suppressions which of them silenced nothing or name no rule."""
    checked = {word for rule in rules for word in (rule.code, rule.name)}
    for unused in suppressions.unused(checked, known):
        entries = tuple(code.text for code in unused.codes)
        removal = tuple(suppressions.removal(unused))
        file.unused_suppressions.append(SuppressionFault(*unused.span, entries, removal))
    for _, code in suppressions.unknown(known):
        fault = SuppressionFault(code.start, code.end, (code.text,), ())
        file.unknown_suppressions.append(fault)


def _parse(source: Source, outcome: Outcome) -> tree.Module | None:
    refusal = bounds.refusal(source.code)
    if refusal is not None:
        outcome.failures.append(Failure(source.path, "parse", refusal))
        return None
    from trainlint.semantics import lower

    try:
        return lower.parse(source.code)
    except lower.ParseError as error:
        outcome.failures.append(_parse_failure(source, error.message, error.line, error.column))
    except RecursionError:
        outcome.failures.append(Failure(source.path, "parse", "nested too deeply to be read"))
    return None


def _parse_failure(source: Source, message: str, line: int, column: int) -> Failure:
    """The parser's failure, in the words of this Python where it cannot parse the text either."""
    explained = syntax.complaint(source.code)
    if explained is not None and explained.line is not None:
        message, line, column = explained.message, explained.line, explained.column or 1
    try:
        cell, line, column = source.position(source.offset(line, column))
    except ValueError:  # behind the last line
        cell, line, column = source.position(len(source.text))
    return Failure(source.path, "parse", message, line, column, cell)


def _suppressions(file: File) -> suppress.Suppressions:
    text = file.source.code
    if not suppress.may_suppress(text):
        return suppress.collect(file.source, (), ())
    nodes = (node for node in file.module.walk() if isinstance(node, tree.Stmt))
    statements = sorted((node.start, _header_end(node)) for node in nodes)
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
                severity=severities.get(
                    rule.code, rule.severity if finding.severity is None else finding.severity
                ),
                confidence=Confidence.LOW if doubtful and rule.ordered else finding.confidence,
                location=location,
                message=finding.message,
                url=rule.url,
                related=tuple(_related(file, step) for step in finding.trail),
                fixes=tuple(_propose(file, fix) for fix in finding.fixes),
                evidence=dict(finding.evidence),
                target=finding.target,
                suppressed="comment" if silenced else None,
            )
        )
    placed.sort(key=Diagnostic.sort_key)
    fingerprints = baseline.fingerprints(
        (d.code, d.location.path, _context(source, d)) for d in placed
    )
    return [replace(d, fingerprint=f) for d, f in zip(placed, fingerprints, strict=True)]


def _context(source: Source, diagnostic: Diagnostic) -> list[str]:
    place = diagnostic.location
    first = max(1, place.line - CONTEXT_LINES)
    return source.lines(first, place.line + CONTEXT_LINES, place.cell)


def _related(file: File, step: Step) -> Related:
    source = file.home(step.node).source
    return Related(source.location(step.node.start, _header_end(step.node)), step.message)


def _propose(file: File, fix: Fix) -> ProposedFix:
    sources = {edit.path: file.view.source(edit.path) for edit in fix.edits}
    edits = tuple(
        TextEdit(sources[edit.path].location(edit.start, edit.end), edit.text) for edit in fix.edits
    )
    return ProposedFix(fix.title, str(fix.safety), edits, fix.note)
