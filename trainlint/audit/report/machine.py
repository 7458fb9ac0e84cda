"""The audit as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from trainlint.audit.result import Audit, Claim


def render(audit: Audit) -> str:
    data = {
        "version": 1,
        "files": audit.files,
        "headings": [
            {
                "title": section.heading.title,
                "verified": [_claim(claim) for claim in section.verified],
                "found": [diagnostic.to_json() for diagnostic in section.found],
                "run": [asdict(question) for question in section.questions],
            }
            for section in audit.sections
        ],
        "failures": [failure.to_json() for failure in audit.failures],
    }
    return json.dumps(data, indent=2) + "\n"


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "code": claim.code,
        "message": claim.message,
        "places": [place.to_json() for place in claim.places],
        "evidence": dict(claim.evidence),
    }
