"""SARIF 2.1.0, for code scanning and for viewers in editors.

Severities: ``error`` and ``warning`` are levels of SARIF; ``info`` is ``note``, its word for what
is worth knowing. The level stands on each result, since settings may change a rule's own.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from trainlint.diagnostics import Diagnostic, Failure, Location, ProposedFix, Report, Severity
from trainlint.reports import Context, RuleInfo
from trainlint.reports.neutral import to_json
from trainlint.reports.wording import (
    cell_place,
    failure_severity,
    failure_title,
    ordered_failures,
    recorded,
    repository_path,
)

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
BASE = "%SRCROOT%"
# Changes only when the way changes in which fingerprints are made.
FINGERPRINT = "trainlint/v1"


def render(report: Report, context: Context) -> str:
    """A log with one run."""
    findings = recorded(report)
    failures = ordered_failures(report.failures)
    rules = _rules(findings, context)
    index = {code: number for number, code in enumerate(rules)}
    matched = any(d.suppressed == "baseline" for d in findings)
    run = {
        "tool": {"driver": _driver(rules, failures, context)},
        "invocations": [_invocation(failures, index, context)],
        "originalUriBaseIds": {BASE: _base(context)},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, index[d.code], matched, context) for d in findings],
    }
    return to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rules(findings: list[Diagnostic], context: Context) -> dict[str, RuleInfo]:
    """The rules that spoke, by code; a finding of an unknown one speaks for it."""
    spoke = {d.code: RuleInfo(d.code, d.name, d.name, d.severity, url=d.url) for d in findings}
    return {code: context.rules.get(code, spoke[code]) for code in sorted(spoke)}


def _driver(
    rules: dict[str, RuleInfo], failures: list[Failure], context: Context
) -> dict[str, Any]:
    driver: dict[str, Any] = {"name": "trainlint"}
    if context.version:
        driver["version"] = context.version
    driver["rules"] = [_rule(rule) for rule in rules.values()]
    if failures:
        stages = sorted({failure.stage for failure in failures})
        driver["notifications"] = [{"id": stage} for stage in stages]
    return driver


def _rule(rule: RuleInfo) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
    }
    text = rule.documentation or rule.summary
    data["help"] = {"text": text, "markdown": text}
    if rule.url:
        data["helpUri"] = rule.url
    data["defaultConfiguration"] = {"level": LEVELS[rule.severity]}
    return data


def _invocation(failures: list[Failure], index: dict[str, int], context: Context) -> dict[str, Any]:
    done = all(failure_severity(failure) is not Severity.ERROR for failure in failures)
    return {
        "executionSuccessful": done,
        "toolExecutionNotifications": [_notification(f, index, context) for f in failures],
    }


def _notification(failure: Failure, index: dict[str, int], context: Context) -> dict[str, Any]:
    words = f"{failure_title(failure)}: {failure.message}"
    physical: dict[str, Any] = {"artifactLocation": _artifact(failure.path, context)}
    if failure.cell is not None:
        words = f"{cell_place(failure)}: {words}"
    elif failure.line is not None:
        physical["region"] = {"startLine": failure.line}
        if failure.column is not None:
            physical["region"]["startColumn"] = failure.column
    data: dict[str, Any] = {
        "level": LEVELS[failure_severity(failure)],
        "descriptor": {"id": failure.stage},
        "message": {"text": _message(words)},
        "locations": [{"physicalLocation": physical}],
    }
    if failure.code is not None:
        rule: dict[str, Any] = {"id": failure.code}
        if failure.code in index:
            rule["index"] = index[failure.code]
        data["associatedRule"] = rule
    return data


def _base(context: Context) -> dict[str, Any]:
    """Where relative paths begin; a reader knows better where no root was given."""
    base: dict[str, Any] = {}
    if context.repository_root:
        root = PurePath(context.repository_root).as_uri()
        base["uri"] = root if root.endswith("/") else root + "/"
    base["description"] = {"text": "The folder that the checked project lies in."}
    return base


def _result(
    diagnostic: Diagnostic, rule_index: int, matched: bool, context: Context
) -> dict[str, Any]:
    where = diagnostic.location
    message = diagnostic.message
    if where.cell is not None:
        message = f"{cell_place(where)}: {message}"
    data: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule_index,
        "level": LEVELS[diagnostic.severity],
        "message": {"text": _message(message)},
        "locations": [_location(where, context)],
    }
    if diagnostic.related:
        steps = [(step.location, step.message) for step in diagnostic.related]
        data["relatedLocations"] = [
            {"id": number, **_location(place, context, words)}
            for number, (place, words) in enumerate(steps, start=1)
        ]
        flow = [*steps, (where, diagnostic.message)]
        locations = [{"location": _location(place, context, words)} for place, words in flow]
        data["codeFlows"] = [{"threadFlows": [{"locations": locations}]}]
    fixes = [_fix(fix, context) for fix in diagnostic.fixes if _is_placed(fix)]
    if fixes:
        data["fixes"] = fixes
    if diagnostic.fingerprint:
        data["partialFingerprints"] = {FINGERPRINT: diagnostic.fingerprint}
    data["suppressions"] = _suppressions(diagnostic)
    if matched:
        known = diagnostic.suppressed == "baseline"
        data["baselineState"] = "unchanged" if known else "new"
    data["properties"] = {"confidence": str(diagnostic.confidence)}
    if "run" in diagnostic.evidence:
        data["properties"]["run"] = diagnostic.evidence["run"]
    return data


def _suppressions(diagnostic: Diagnostic) -> list[dict[str, Any]]:
    """Empty where nothing suppresses the result, which SARIF tells from *unknown*."""
    match diagnostic.suppressed:
        case None:
            return []
        case "comment":
            return [{"kind": "inSource", "justification": "a comment in the source"}]
        case "run":
            return [{"kind": "external", "justification": "the watched run disproves it"}]
        case by:
            return [{"kind": "external", "justification": f"an entry of the {by}"}]


def _location(where: Location, context: Context, words: str = "") -> dict[str, Any]:
    data: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": _artifact(where.path, context),
            "region": _region(where),
        }
    }
    if where.cell is not None:  # SARIF knows no cells: the region counts inside this one
        data["logicalLocations"] = [
            {
                "name": f"cell {where.cell}",
                "fullyQualifiedName": f"{where.path}:cell {where.cell}",
                "kind": "cell",
            }
        ]
        words = f"{cell_place(where)}: {words}" if words else cell_place(where)
    if words:
        data["message"] = {"text": _message(words)}
    return data


def _region(where: Location) -> dict[str, int]:
    return {
        "startLine": where.line,
        "startColumn": where.column,
        "endLine": where.end_line,
        "endColumn": where.end_column,
    }


def _artifact(path: str, context: Context) -> dict[str, str]:
    relative = repository_path(path, context.repository_root)
    try:
        name = relative.encode("utf-8", "surrogateescape")  # the bytes that the disk has
    except UnicodeEncodeError:
        name = relative.encode("utf-8", "surrogatepass")
    return {"uri": quote(name, safe="/"), "uriBaseId": BASE}


def _is_placed(fix: ProposedFix) -> bool:
    """A viewer would apply an edit that counts inside a cell to the notebook's JSON."""
    return bool(fix.edits) and all(edit.location.cell is None for edit in fix.edits)


def _fix(fix: ProposedFix, context: Context) -> dict[str, Any]:
    by_path: dict[str, list[dict[str, Any]]] = {}
    for edit in sorted(fix.edits, key=lambda e: e.location.sort_key()):
        replacement: dict[str, Any] = {"deletedRegion": _region(edit.location)}
        if edit.text:
            replacement["insertedContent"] = {"text": edit.text}
        by_path.setdefault(edit.location.path, []).append(replacement)
    return {
        "description": {"text": _message(fix.title)},
        "artifactChanges": [
            {"artifactLocation": _artifact(path, context), "replacements": replacements}
            for path, replacements in by_path.items()
        ],
        "properties": {"safety": fix.safety},
    }


def _message(text: str) -> str:
    r"""The text with ``[x](1)`` kept from being a link: ``layers[0](x)`` is Python."""
    return text.replace("[", "\\[") if "](" in text else text
