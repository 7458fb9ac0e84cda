"""What the check of one file gave, and its form in the cache and on the way from a worker."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from trainlint.diagnostics import Diagnostic, Failure

# How far a file was looked into; a later run that asks for more looks again.
SCANNED, COMPILED, PARSED = 0, 1, 2


@dataclass(slots=True)
class Result:
    """The findings and failures of one file."""

    depth: int = SCANNED
    diagnostics: list[Diagnostic] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def keepable(self) -> bool:
        """False for what another run might see otherwise: a crash, a deadline, a rule's defect."""
        known = self.depth > SCANNED
        return all(known and failure.stage in ("decode", "parse") for failure in self.failures)

    def names_others(self, path: str) -> bool:
        """Whether a finding in the file at a path names, or may name, a place in another file."""
        return any(
            fix.note or any(edit.location.path != path for edit in fix.edits)
            for found in self.diagnostics
            for fix in found.fixes
        ) or any(step.location.path != path for found in self.diagnostics for step in found.related)

    def to_bytes(self) -> bytes:
        """The result as plain JSON."""
        diagnostics = [diagnostic.to_json() for diagnostic in self.diagnostics]
        failures = [failure.to_json() for failure in self.failures]
        return json.dumps([self.depth, diagnostics, failures], separators=(",", ":")).encode()

    @staticmethod
    def from_bytes(data: bytes) -> Result:
        return _result(*json.loads(data))


def _result(
    depth: int, diagnostics: list[dict[str, object]], failures: list[dict[str, object]]
) -> Result:
    return Result(
        depth,
        [Diagnostic.from_json(data) for data in diagnostics],
        [Failure.from_json(data) for data in failures],
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A result with the circumstances that it depends on beside the bytes of the file.

    ``role`` covers the path and the terms; ``imports`` are the words whose modules may be local
    ones, and ``local`` those that were.
    """

    role: str
    imports: list[str]
    local: list[str]
    result: Result

    def to_bytes(self) -> bytes:
        head = json.dumps([self.role, self.imports, self.local], separators=(",", ":"))
        return head.encode() + b"\n" + self.result.to_bytes()

    @staticmethod
    def from_bytes(payload: bytes, roles: Collection[str]) -> Kept | None:
        """The kept result if it was stored in one of these roles."""
        head, _, body = payload.partition(b"\n")
        with suppress(ValueError, TypeError, LookupError):
            kept_role, imports, local = json.loads(head)
            if kept_role in roles:
                return Kept(kept_role, imports, local, Result.from_bytes(body))
        return None
