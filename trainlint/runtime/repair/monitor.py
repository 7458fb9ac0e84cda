"""What the run's numbers say: errors as they are noticed, their causes, and what could be done."""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from statistics import median, pstdev
from typing import TYPE_CHECKING, Any

from trainlint.diagnostics import Confidence
from trainlint.runtime.events import Event, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.repair.errors import CAUSES, CODES, ORDER, Case, ErrorType, FixAction, Level
from trainlint.runtime.series import mean

if TYPE_CHECKING:
    from trainlint.runtime.repair.repairer import Repairer

HISTORY = 1000  # losses and norms that are kept
SLOW = 1e-4  # relative change of the parameters in a step, below which a rate is too small
USUAL = 1e-3  # what it is in most healthy trainings
MOST = 10.0  # by which a rate is raised
logger = logging.getLogger("trainlint.runtime")


class TrainingMonitor:
    """Notes each step, and each error that the checks find in them."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.repairer: Repairer | None = None  # who acts, if anyone does
        self.losses: deque[tuple[int, float]] = deque(maxlen=HISTORY)
        self.norms: deque[tuple[int, float]] = deque(maxlen=HISTORY)
        self.step = 0
        self.steps_seen = 0
        self.best_loss = math.inf
        self.counts: Counter[ErrorType] = Counter()
        self.anomalous: set[int] = set()
        self.open: dict[ErrorType, Case] = {}
        self.closed: deque[Case] = deque(maxlen=HISTORY)
        self.ended = 0  # cases, ever
        self.waiting: list[Case] = []  # noticed, and not yet looked at by the repairer

    # What it is told

    def saw(self, step: int, loss: float) -> None:
        """A step's loss has arrived."""
        self.losses.append((step, loss))
        self.steps_seen += 1
        if math.isfinite(loss):
            self.best_loss = min(self.best_loss, loss)
            return
        case = self.open.get(ErrorType.NAN_LOSS)
        if case is None or case.action is None or step > case.since:  # not one still on its way
            self.notice(ErrorType.NAN_LOSS, f"the loss is {loss}", "RUN001")

    def stepped(self, step: Step) -> None:
        """An optimizer stepped and was observed."""
        if step.optimizer.reference() is self.optimizer and step.norm is not None:
            self.norms.append((self.step, step.norm))

    def alarmed(self, finding: Finding, event: Event) -> None:
        """A check found something."""
        if isinstance(event, Step) and event.optimizer.reference() is not self.optimizer:
            return
        if "spike" in finding.subject or finding.confidence is Confidence.LOW:
            return
        error = CODES[finding.code]
        if error is ErrorType.NAN_LOSS:  # of the losses the wrapper itself keeps count
            if finding.subject != "gradients" or error in self.open:
                return
        elif self._is_judging():
            return
        self.notice(error, finding.message, finding.code)

    def notice(self, error: ErrorType, message: str, code: str = "") -> Case:
        """An error, now."""
        case = self.open.get(error)
        if case is None:
            case = Case(error, self.step, message, code, self.before(), since=self.step)
            self.open[error] = case
            self.counts[error] += 1
            logger.warning("step %d: %s: %s", self.step, error.value, message)
        self.anomalous.add(self.step)
        if case not in self.waiting:
            self.waiting.append(case)
        return case

    def before(self) -> Level:
        """What was measured up to the last step."""
        return Level(
            [loss for at, loss in self.losses if at < self.step][-200:],
            [norm for at, norm in self.norms if at < self.step][-200:],
        )

    def after(self, step: int) -> Level:
        """What was measured after that step."""
        return Level(
            [loss for at, loss in self.losses if at > step],
            [norm for at, norm in self.norms if at > step],
        )

    def close(self, case: Case, outcome: str) -> None:
        """It is over."""
        case.outcome, case.ended = outcome, self.step
        if self.open.get(case.error) is case:
            del self.open[case.error]
        self.closed.append(case)
        self.ended += 1
        logger.warning("step %d: %s: %s", self.step, case.error.value, outcome)

    def _is_judging(self) -> bool:
        return any(case.action is not None and case.action.acts for case in self.open.values())

    # What it answers

    def detect_error(self) -> ErrorType | None:
        """The gravest error that is there now: found by a check, its symptom not yet gone."""
        return next((error for error in ORDER if error in self.open), None)

    def diagnose(self, error: ErrorType) -> str:
        """What was found, with its numbers, and what usually causes it."""
        case = self.open.get(error) or next(
            (one for one in reversed(self.closed) if one.error is error), None
        )
        if case is None:
            return f"{error.value}: not seen in this run"
        lines = [f"{error.value} at step {case.step}: {case.message}"]
        losses = [loss for loss in case.before.losses if math.isfinite(loss)]
        if losses:
            lines.append(f"  loss before it: median {median(losses[-20:]):.4g}")
        if case.before.norms:
            lines.append(f"  gradient norm before it: median {median(case.before.norms[-20:]):.4g}")
        lines.append(f"  learning rate: {self.rate():.3g}")
        lines.append(f"  usual causes: {CAUSES[error]}")
        return "\n".join(lines)

    def suggest_fix(self, error: ErrorType) -> FixAction:
        """The repair that is next in turn for an error, or the advice."""
        rung = self.repairer.failed[error] if self.repairer is not None else 0
        match error:
            case ErrorType.OOM:
                return FixAction(
                    "reduce_batch",
                    {"batch": "half", "accumulate": 2},
                    "half of the batch with two accumulated steps has the same effective size",
                    0.9,
                    error,
                )
            case ErrorType.NAN_LOSS if rung == 0:
                return FixAction(
                    "skip_step",
                    {"roll_back": self._has_bad_parameters()},
                    "one batch may be at fault: leave it out",
                    0.9,
                    error,
                )
            case ErrorType.NAN_LOSS:
                return self._lower(error, 0.1**rung, "the loss stays not finite", best=rung > 1)
            case ErrorType.EXPLODING_GRADIENT if rung == 0:
                return self._clip(error)
            case ErrorType.EXPLODING_GRADIENT | ErrorType.DIVERGENCE:
                factor = 0.5 ** (rung + (error is ErrorType.DIVERGENCE))
                return self._lower(error, factor, "the loss left its level", best=True)
            case ErrorType.OSCILLATION:
                return FixAction(
                    "reduce_lr",
                    {"factor": 0.5 ** (rung + 1), "roll_back": False},
                    "smaller steps, and so less scatter",
                    0.7,
                    error,
                )
            case _:
                return self._raise(error)

    def apply_fix(self, fix: FixAction, optimizer: Any = None, model: Any = None) -> bool:
        """Make a repair now; its symptom is looked for afterwards as after any other.

        On another optimizer than the monitored one only the rate can be changed, and nothing looks
        after it.
        """
        if not fix.acts:
            return False
        if optimizer is not None and optimizer is not self.optimizer:
            if "factor" not in fix.parameters:
                return False
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * fix.parameters["factor"]
            return True
        if self.repairer is None:
            return False
        return self.repairer.apply_by_hand(fix)

    def rate(self) -> float:
        """The rate of the first group, as the optimizer is given it."""
        factor = self.repairer.factor if self.repairer is not None else 1.0
        return float(self.optimizer.param_groups[0]["lr"]) * factor

    def get_statistics(self) -> dict[str, Any]:
        """Counts and recent losses in plain JSON types."""
        recent = [loss for _, loss in list(self.losses)[-100:] if math.isfinite(loss)]
        found: dict[str, Any] = {
            "total_steps": self.steps_seen,
            "anomaly_steps": len(self.anomalous),
            "anomaly_rate": len(self.anomalous) / max(1, self.steps_seen),
            "error_counts": {error.value: self.counts[error] for error in ORDER},
            "total_errors": sum(self.counts.values()),
        }
        if recent:
            found["recent_loss_mean"] = mean(recent)
            found["recent_loss_std"] = pstdev(recent)
            found["recent_loss_min"] = min(recent)
        return found

    def _has_bad_parameters(self) -> bool:
        return self.repairer is not None and not self.repairer.snapshots.is_finite()

    def _clip(self, error: ErrorType) -> FixAction:
        norms = self.before().norms
        if not norms:
            return self._lower(error, 0.5, "no norm is known to clip to", best=True)
        usual = median(norms)
        return FixAction(
            "clip_grad",
            {"max_norm": 2 * usual, "roll_back": True},
            f"twice the median norm of {usual:.3g}, from before the step that was too large",
            0.9,
            error,
        )

    def _lower(self, error: ErrorType, factor: float, why: str, best: bool) -> FixAction:
        return FixAction(
            "reduce_lr", {"factor": factor, "roll_back": True, "best": best}, why, 0.85, error
        )

    def _raise(self, error: ErrorType) -> FixAction:
        """A rate that is too small is raised; where it is not, nothing is known that helps."""
        if self.repairer is not None and self.repairer.failed[error]:
            return FixAction("none", {}, "another rate did not help", 0.0, error)
        pace = self.repairer.pace() if self.repairer is not None else None
        if self.rate() == 0:
            return FixAction("none", {}, "the learning rate is 0: see its schedule", 0.0, error)
        if error is ErrorType.PLATEAU and pace is not None and pace >= USUAL:
            return FixAction(
                "reduce_lr",
                {"factor": 0.3, "roll_back": False},
                f"the parameters go back and forth by {pace:.1g} of their size in a step",
                0.6,
                error,
            )
        if pace is None or pace >= SLOW:
            told = "" if pace is None else f": the parameters change by {pace:.1g} of their size"
            return FixAction(
                "none", {}, f"the rate is not what holds it up{told} in a step", 0.0, error
            )
        return FixAction(
            "increase_lr",
            {"factor": min(MOST, USUAL / max(pace, USUAL / MOST))},
            f"the parameters change by only {pace:.1g} of their size in a step",
            0.7,
            error,
        )
