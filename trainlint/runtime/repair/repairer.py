"""Repairs: in bounds, judged after some steps, kept when the symptom is gone, else taken back."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from trainlint.runtime.repair.agreement import Agreement
from trainlint.runtime.repair.errors import ORDER, Case, ErrorType, FixAction
from trainlint.runtime.repair.monitor import TrainingMonitor
from trainlint.runtime.repair.snapshots import Snapshot, Snapshots
from trainlint.runtime.repair.symptoms import level, persists

KINDS = ("none", "reduce_batch", "skip_step", "clip_grad", "reduce_lr", "increase_lr")
HIGHEST, LOWEST = 10.0, 1e-3  # bounds of the factor on the rate
SLOWLY = {ErrorType.PLATEAU, ErrorType.OSCILLATION, ErrorType.VANISHING_GRADIENT}
LONGER = 5  # times as many steps until one of these is judged
logger = logging.getLogger("trainlint.runtime")


@dataclass(slots=True)
class _Undo:
    """What a repair found, so that it can be put back."""

    ratio: float = 1.0  # by which the factor on the rates was changed
    max_norm: float | None = None
    clips: float | None = None  # the bound that was set
    state: Snapshot | None = None  # from before a roll-back, if it was finite


class Repairer:
    """Acts on the cases of a monitor."""

    def __init__(
        self,
        monitor: TrainingMonitor,
        snapshots: Snapshots,
        agreement: Agreement,
        *,
        most: int = 3,
        verify_steps: int = 20,
    ) -> None:
        self.monitor, self.snapshots, self.agreement = monitor, snapshots, agreement
        self.most, self.verify_steps = most, verify_steps
        self.factor = 1.0  # on every rate, whatever a schedule sets it to
        self.max_norm: float | None = None
        self.applied: Counter[ErrorType] = Counter()
        self.failed: Counter[ErrorType] = Counter()  # undone in a row: which repair is next
        self.outcomes: Counter[str] = Counter()
        self._undo: dict[ErrorType, _Undo] = {}
        monitor.repairer = self

    @contextmanager
    def rates(self) -> Iterator[None]:
        """The optimizer's rates with the factor, for one step; a schedule never sees it."""
        if self.factor == 1.0:
            yield
            return
        groups = self.monitor.optimizer.param_groups
        before = [group["lr"] for group in groups]
        for group in groups:
            group["lr"] = group["lr"] * self.factor
        try:
            yield
        finally:
            for group, rate in zip(groups, before, strict=True):
                group["lr"] = rate

    def decide(self, *, can_skip: bool) -> bool:
        """Look at what was noticed and what is to be judged; whether this step is to be left out.

        In a distributed run every rank calls this at the same step, and all come to the same.
        """
        monitor = self.monitor
        waiting = {case.error: case for case in monitor.waiting}
        monitor.waiting = []
        failing = {e for e, case in monitor.open.items() if self._is_due(case) and self._bad(case)}
        latest, best = self.snapshots.find(), self.snapshots.find(best=True)
        numbers = [float(error in waiting) for error in ORDER]
        numbers += [float(error in failing) for error in ORDER]
        if self.agreement.is_distributed:
            numbers += [-float(s.step) if s is not None else 1.0 for s in (latest, best)]
            numbers = self.agreement.largest(numbers)
            latest, best = (self.snapshots.at(int(-number)) for number in numbers[-2:])
        noticed = [error for error, flag in zip(ORDER, numbers, strict=False) if flag > 0]
        failing = {e for e, f in zip(ORDER, numbers[len(ORDER) :], strict=False) if f > 0}
        for error in noticed:
            case = monitor.open.get(error) or monitor.notice(error, "noticed on another rank")
            if case.action is None:
                case.since = monitor.step
        monitor.waiting = []
        self._judge(failing | ({ErrorType.NAN_LOSS} & set(noticed)), set(noticed))
        if not noticed:
            return False
        found = monitor.open.get(noticed[0])
        if found is None:  # judged just now: noticed anew
            found = monitor.notice(noticed[0], "it is there again")
            monitor.waiting = []
        skip = self._act(found, latest, best)
        return skip and can_skip

    def look(self) -> None:
        """Only see which errors are gone; nothing is changed."""
        self.monitor.waiting = []
        for case in list(self.monitor.open.values()):
            if self._is_due(case):
                self._judge({case.error} if self._bad(case) else set(), set())

    def apply_by_hand(self, fix: FixAction) -> bool:
        """A repair that the program asks for."""
        error = fix.error or self.monitor.detect_error() or ErrorType.DIVERGENCE
        case = self.monitor.open.get(error) or self.monitor.notice(error, "repaired by the program")
        self.monitor.waiting = [one for one in self.monitor.waiting if one is not case]
        self._apply(case, fix, self.snapshots.find(), self.snapshots.find(best=True))
        return True

    def pace(self) -> float | None:
        """How much the parameters change in a step, relative to their size, as measured."""
        snapshot = self.snapshots.find(before=self.monitor.step)
        if snapshot is None:
            return None
        change = self.snapshots.difference(snapshot)
        return change / (self.monitor.step - snapshot.step) if change is not None else None

    def _is_due(self, case: Case) -> bool:
        patience = self.verify_steps * (LONGER if case.error in SLOWLY else 1)
        return self.monitor.step - case.since >= patience

    def _bad(self, case: Case) -> bool:
        return persists(case.error, case.before, self.monitor.after(case.since))

    def _judge(self, failing: set[ErrorType], noticed: set[ErrorType]) -> None:
        """Keep what helped and take back what did not."""
        for error, case in list(self.monitor.open.items()):
            acted = case.action is not None and case.action.acts
            again = acted and error in noticed and case.since < self.monitor.step
            if not (self._is_due(case) or again):
                continue
            if not acted:
                if error in failing:
                    case.since = self.monitor.step
                else:
                    self.monitor.close(case, "gone" if case.outcome == "open" else case.outcome)
            elif error in failing or again:
                self._take_back(case)
                self.failed[error] += 1
                self.monitor.close(case, "undone")
            else:
                self._undo.pop(error, None)
                self.failed[error] = 0
                self.monitor.close(case, "kept")
            self.outcomes[case.outcome] += case.outcome in ("kept", "undone")
            if case.outcome == "undone" and error not in noticed:
                self._next(case)

    def _next(self, case: Case) -> None:
        """The symptom is still there: the next repair in turn, if there is one."""
        monitor = self.monitor
        follow = monitor.notice(case.error, f"still there: {case.message}", case.code)
        follow.before = case.before
        monitor.waiting = [one for one in monitor.waiting if one is not follow]
        self._act(follow, self.snapshots.find(), self.snapshots.find(best=True))

    def _act(self, case: Case, latest: Snapshot | None, best: Snapshot | None) -> bool:
        """Repair, if that is still allowed; whether the step is to be left out."""
        error = case.error
        if case.action is not None and case.action.acts:
            return False
        is_bad_loss = error is ErrorType.NAN_LOSS
        if self.applied[error] >= self.most:
            if case.outcome == "open":
                logger.warning("%s: repaired %d times, no more", error.value, self.most)
                case.outcome = "advised"
            return is_bad_loss
        fix = self._agreed(self.monitor.suggest_fix(error))
        if not fix.acts or fix.confidence <= 0.5:
            if case.action is None or case.action.action_type != fix.action_type:
                logger.warning("%s: advice: %s (%s)", error.value, fix.action_type, fix.reason)
            case.action, case.outcome = fix, "advised"
            return False
        self._apply(case, fix, latest, best)
        return is_bad_loss or bool(fix.parameters.get("roll_back"))

    def _agreed(self, fix: FixAction) -> FixAction:
        """What the first rank suggests: ranks whose numbers differ must not act apart."""
        if not self.agreement.is_distributed:
            return fix
        given = fix.parameters
        kind, factor, norm, back, best, confidence = self.agreement.first(
            [
                float(KINDS.index(fix.action_type)),
                float(given.get("factor", 0.0)),
                float(given.get("max_norm", 0.0)),
                float(bool(given.get("roll_back"))),
                float(bool(given.get("best"))),
                fix.confidence,
            ]
        )
        parameters: dict[str, Any] = {"roll_back": bool(back), "best": bool(best)}
        if factor:
            parameters["factor"] = factor
        if norm:
            parameters["max_norm"] = norm
        return FixAction(KINDS[int(kind)], parameters, fix.reason, confidence, fix.error)

    def _apply(
        self, case: Case, fix: FixAction, latest: Snapshot | None, best: Snapshot | None
    ) -> None:
        target = None
        if fix.parameters.get("roll_back"):
            target = best if fix.parameters.get("best") else latest
            if target is None:
                fix.parameters["roll_back"] = False
        undo = _Undo(max_norm=self.max_norm)
        if target is not None or fix.action_type == "increase_lr":
            state = self.snapshots.now(self.monitor.step, math.nan)
            self.snapshots.settle()
            undo.state = state if state.finite else None
        if target is not None:
            self.snapshots.put_back(target)
            for other in self._undo.values():  # they cannot put back what was put back since
                other.state = None
            fix.parameters["to_step"] = target.step
        if "factor" in fix.parameters:
            wanted = self.factor * float(fix.parameters["factor"])
            wanted = min(HIGHEST, max(LOWEST, wanted))
            undo.ratio, self.factor = wanted / self.factor, wanted
        if "max_norm" in fix.parameters:
            undo.clips = self.max_norm = float(fix.parameters["max_norm"])
        self._undo[case.error] = undo
        self.applied[case.error] += 1
        case.action, case.since = fix, self.monitor.step
        logger.warning(
            "%s: %s %s: %s", case.error.value, fix.action_type, fix.parameters, fix.reason
        )

    def _take_back(self, case: Case) -> None:
        undo = self._undo.pop(case.error, None)
        if undo is None:
            return
        self.factor /= undo.ratio
        if undo.clips is not None and self.max_norm == undo.clips:
            self.max_norm = undo.max_norm
        if undo.state is not None:
            self.snapshots.put_back(undo.state)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "factor": self.factor,
            "max_norm": self.max_norm,
            "applied": {error.value: count for error, count in self.applied.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.factor, self.max_norm = state.get("factor", 1.0), state.get("max_norm")
        self.applied = Counter({ErrorType(e): n for e, n in state.get("applied", {}).items()})
        self._undo.clear()

    def level(self) -> float:
        """The loss of the last steps, for a snapshot."""
        recent = [loss for _, loss in list(self.monitor.losses)[-10:]]
        known = level(recent)
        return math.inf if known is None else known

    def statistics(self) -> dict[str, Any]:
        """What was done, in plain JSON types."""
        return {
            "num_fixes": sum(self.applied.values()),
            "fix_counts": {error.value: self.applied[error] for error in ORDER},
            "successful_fixes": self.outcomes["kept"],
            "undone_fixes": self.outcomes["undone"],
            "rate_factor": self.factor,
            "grad_clip_norm": self.max_norm,
        }
