"""Texts in, texts out: applies the fixes on offer, and keeps only those that prove themselves.

A fix is kept when every file that it touches still parses, its finding is gone and no finding of
severity error is new. Fixes are applied in rounds, those that overlap wait for the next one, and
after the last round a further one would change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trainlint.check import Outcome
from trainlint.diagnostics import Diagnostic, ProposedFix, Severity, TextEdit
from trainlint.edits import Conflict, Edit, Safety, overlaps
from trainlint.semantics.lower import is_read_by_libcst
from trainlint.text.source import Source, SourceError

MAX_ROUNDS = 10

Check = Callable[[Source, Mapping[str, Source]], Outcome]
"""The outcome of one source, where its project holds the others as they are now."""
Refuse = Callable[[str], str | None]
"""Why a file must not be written (it is vendored, was not named, ...), None when it may be."""


@dataclass(frozen=True, slots=True)
class Applied:
    diagnostic: Diagnostic
    fix: ProposedFix


@dataclass(frozen=True, slots=True)
class Withheld:
    """A fix that was allowed by its safety and still was not applied."""

    diagnostic: Diagnostic
    fix: ProposedFix
    reason: str


@dataclass(slots=True)
class Fixed:
    """What came of fixing: new sources by path, and what happened to each fix."""

    sources: dict[str, Source] = field(default_factory=dict)
    applied: list[Applied] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    remaining: list[Diagnostic] = field(default_factory=list)


def fix_sources(
    sources: Mapping[str, Source],
    check: Check,
    allowed: Safety,
    *,
    shown: Callable[[Diagnostic], bool] = lambda d: d.suppressed is None,
    refuse: Refuse = lambda path: None,
) -> Fixed:
    """Apply the first fix of each finding whose safety is at least ``allowed``.

    Only findings for which ``shown`` holds are fixed; a fix that touches a file which is not among
    the sources, or which ``refuse`` names a reason for, is withheld whole.
    """
    work = _Work(dict(sources), check, allowed, shown, refuse)
    for _ in range(MAX_ROUNDS):
        if not work.round():
            break
    changed = {
        path: source for path, source in work.sources.items() if source.text != sources[path].text
    }
    remaining = [d for path in sorted(sources) for d in work.outcome(path).diagnostics]
    left = {_key(diagnostic) for diagnostic in remaining}
    withheld = [one for key, one in work.withheld.items() if key in left]
    return Fixed(changed, work.applied, withheld, remaining)


Offer = tuple[Diagnostic, ProposedFix, dict[str, list[Edit]]]


class _Work:
    def __init__(
        self,
        sources: dict[str, Source],
        check: Check,
        allowed: Safety,
        shown: Callable[[Diagnostic], bool],
        refuse: Refuse,
    ) -> None:
        self.sources, self.check, self.allowed = sources, check, allowed
        self.given = dict(sources)
        self.shown, self.refuse = shown, refuse
        self.applied: list[Applied] = []
        self.withheld: dict[tuple[str, str, str], Withheld] = {}
        self._outcomes: dict[str, tuple[list[Source], Outcome]] = {}

    def outcome(self, path: str) -> Outcome:
        known = self._outcomes.get(path)
        now = [self.sources[path], *self.sources.values()]
        if known is None or any(a is not b for a, b in zip(known[0], now, strict=True)):
            self._outcomes[path] = known = (now, self.check(now[0], self.sources))
        return known[1]

    def round(self) -> bool:
        """Apply what does not overlap; False when nothing was applied."""
        taken: list[Offer] = []
        for path in sorted(self.sources):
            for diagnostic in self.outcome(path).diagnostics:
                offer = self._offer(diagnostic)
                if offer is not None and not any(_clash(offer, other) for other in taken):
                    taken.append(offer)
        if not taken:
            return False
        withheld = len(self.withheld)
        if self._try(taken):
            return True
        # Which of them fail by themselves shows on the same texts; the others are tried again.
        good = [offer for offer in taken if self._try([offer], keep=False)]
        if 0 < len(good) < len(taken) and self._try(good):
            return True
        changed: set[str] = set()  # in these files the offsets of the other offers are old
        for offer in good:
            if changed.isdisjoint(offer[2]) and self._try([offer]):
                changed.update(offer[2])
        return bool(changed) or len(self.withheld) > withheld

    def _offer(self, diagnostic: Diagnostic) -> Offer | None:
        if not self.shown(diagnostic) or _key(diagnostic) in self.withheld:
            return None
        for fix in diagnostic.fixes:
            if Safety[fix.safety.upper()] < max(self.allowed, Safety.UNSAFE):
                continue
            edits: dict[str, list[Edit]] = {}
            for edit in fix.edits:
                path = edit.location.path
                reason = self.refuse(path)
                if reason is None and path not in self.sources:
                    reason = "it was not named"
                if reason is None and path != diagnostic.location.path and self._moved(path):
                    reason = "it was changed meanwhile"
                if reason is not None:
                    self._withhold(diagnostic, fix, f"it needs {path}: {reason}")
                    return None
                edits.setdefault(path, []).append(edit_of(self.sources[path], edit))
            return diagnostic, fix, edits
        return None

    def _moved(self, path: str) -> bool:
        """Whether positions that another file's finding gives in this file may be old."""
        return self.sources[path] is not self.given[path]

    def _try(self, offers: Sequence[Offer], *, keep: bool = True) -> bool:
        """Apply the offers together and, unless only asked whether, keep what proves itself."""
        edits: dict[str, list[Edit]] = {}
        for _, _, per_file in offers:
            for path, some in per_file.items():
                edits.setdefault(path, []).extend(some)
        before = {path: self.sources[path] for path in edits}
        found_in = {diagnostic.location.path for diagnostic, _, _ in offers}
        was = {path: self.outcome(path) for path in sorted(found_in | edits.keys())}
        reason = None
        try:
            for path, some in edits.items():
                new = before[path].edited(some)
                new.to_bytes()
                self.sources[path] = new
        except (Conflict, ValueError, SourceError) as error:
            reason = f"its edits do not fit: {error}"
        if reason is None:
            reason = self._fault(offers, was, before)
        if reason is None and keep:
            self.applied.extend(Applied(diagnostic, fix) for diagnostic, fix, _ in offers)
            return True
        self.sources.update(before)
        for path, outcome in was.items():
            self._outcomes[path] = ([self.sources[path], *self.sources.values()], outcome)
        if reason is None:
            return True
        if len(offers) == 1:
            diagnostic, fix, _ = offers[0]
            self._withhold(diagnostic, fix, reason)
        return False

    def _fault(
        self, offers: Sequence[Offer], was: Mapping[str, Outcome], before: Mapping[str, Source]
    ) -> str | None:
        """Why the texts as they now stand must not be kept.

        ``was`` holds the outcomes of the changed files and of those in which the findings stand.
        """
        now: list[Diagnostic] = []
        crashed = {
            (failure.path, failure.code) for outcome in was.values() for failure in outcome.failures
        }
        for path in was:
            old = before.get(path, self.sources[path])
            outcome = self.outcome(path)
            for failure in outcome.failures:
                if failure.stage != "rule":
                    return f"{path} would not parse any more: {failure.message}"
                if (failure.path, failure.code) not in crashed:
                    return f"{failure.code} could not check {path} any more"
            if not is_read_by_libcst(self.sources[path].code) and is_read_by_libcst(old.code):
                return f"{path} would not parse any more: libcst does not read it"
            now.extend(outcome.diagnostics)
        counted = Counter(d.code for outcome in was.values() for d in outcome.diagnostics)
        after = Counter(d.code for d in now)
        for code, number in Counter(diagnostic.code for diagnostic, _, _ in offers).items():
            if after[code] > counted[code] - number:
                return f"{code} would still be found"
        for code in {d.code for d in now if d.severity is Severity.ERROR}:
            if after[code] > counted[code]:
                return f"a new {code} would be found"
        return None

    def _withhold(self, diagnostic: Diagnostic, fix: ProposedFix, reason: str) -> None:
        self.withheld[_key(diagnostic)] = Withheld(diagnostic, fix, reason)


def _key(diagnostic: Diagnostic) -> tuple[str, str, str]:
    return diagnostic.location.path, diagnostic.code, diagnostic.fingerprint


def edit_of(source: Source, edit: TextEdit) -> Edit:
    """The edit in offsets of the source that it speaks of."""
    place = edit.location
    start = source.offset(place.line, place.column, place.cell)
    end = source.offset(place.end_line, place.end_column, place.cell)
    return Edit(place.path, start, end, edit.text)


def _clash(one: Offer, other: Offer) -> bool:
    """Whether two fixes must not be made in one round.

    One rule may give several findings the same edits. Fixes of two rules that replace the same text
    by the same can still mean different things by it: each wants its own loss to be the exception.
    """
    if _overlap(one[2], other[2]):
        return True
    if one[0].code == other[0].code:
        return False
    return any(
        edit.start < edit.end and edit in other[2].get(path, ())
        for path, edits in one[2].items()
        for edit in edits
    )


def _overlap(left: Mapping[str, Iterable[Edit]], right: Mapping[str, Iterable[Edit]]) -> bool:
    return any(
        a != b and overlaps(a, b)
        for path in left.keys() & right.keys()
        for a in left[path]
        for b in right[path]
    )
