"""`wrap_training(model, optimizer)`: each training step watched, and repaired where that helps."""

from __future__ import annotations

import logging
import math
import os
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from trainlint.diagnostics import Report
from trainlint.runtime.events import Loss
from trainlint.runtime.readings import Readings
from trainlint.runtime.repair import checkpoints, relay
from trainlint.runtime.repair.agreement import Agreement
from trainlint.runtime.repair.errors import ErrorType
from trainlint.runtime.repair.memory import is_out_of_memory, shapes_of
from trainlint.runtime.repair.monitor import TrainingMonitor
from trainlint.runtime.repair.repairer import Repairer
from trainlint.runtime.repair.reporting import report_lines
from trainlint.runtime.repair.snapshots import Snapshots
from trainlint.runtime.session import Config, Session

Forward = Callable[[Any, Any], Any]
logger = logging.getLogger("trainlint.runtime")


class SOSATrainingWrapper:
    """Makes training steps, notices seven errors in them, and repairs what can be taken back.

    A repair lowers or raises the rate by a factor, clips gradients, leaves a step out, or puts the
    parameters back to a state that was kept in memory. It is judged after ``verify_steps`` steps:
    kept if the symptom is gone, else undone; of one kind of error at most ``max_fixes_per_error``
    are made. With ``auto_fix=False`` nothing but the plain step happens, and errors are told.

    The rate is changed around each step only, so a schedule goes on as it would have. Ranks of a
    distributed run decide together, every ``agree_every`` steps, and have to make equally many.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        config: Any = None,
        checkpoint_dir: str | os.PathLike[str] = "./checkpoints",
        auto_fix: bool = True,
        max_fixes_per_error: int = 3,
        *,
        verify_steps: int = 20,
        snapshot_every: int = 50,
        snapshot_bytes: int = 8 << 30,
        checkpoint_seconds: float = 300.0,
        agree_every: int = 10,
        scaler: Any = None,
        budget: float = 0.01,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.model, self.optimizer, self.config = model, optimizer, config
        self.checkpoint_dir = Path(checkpoint_dir)
        self.checkpoint_seconds, self.agree_every = checkpoint_seconds, agree_every
        self.auto_fix, self.max_fixes_per_error = auto_fix, max_fixes_per_error
        self.scaler = scaler
        self.global_step = 0
        self.best_checkpoint_path: Path | None = None
        self.transient_faults = 0
        self.steps_left_out = 0
        self._agreement = Agreement()
        self._snapshots = Snapshots(
            model,
            optimizer,
            every=snapshot_every,
            limit=snapshot_bytes,
            by_time=not self._agreement.is_distributed,
        )
        self.monitor = TrainingMonitor(optimizer)
        self._repairer = Repairer(
            self.monitor,
            self._snapshots,
            self._agreement,
            most=max_fixes_per_error,
            verify_steps=verify_steps,
        )
        self._losses = Readings()
        self._config = Config(budget=budget, options=options or {})
        self._session: Session | None = None
        self._relay: relay.Relay | None = None
        self._leave: Callable[[], Any] = lambda: None
        self._closed = 0
        self._last_write = time.monotonic()
        self._best_level = math.inf

    # Steps

    def training_step(self, batch: Any, forward_fn: Forward | None = None) -> Any:
        """One step on one batch: forward, backward, the optimizer's step, and gradients cleared.

        ``forward_fn(model, batch)`` returns the loss. Without it the model is called with the batch
        (its items, if it is a mapping), and gives the loss, or an object or mapping that has one.

        Raises:
            ValueError: there is no loss in what the model returns.
        """
        governor = self._join().governor
        governor.enter()
        try:
            self._begin()
        finally:
            governor.leave()
        try:
            return self._step(batch, forward_fn)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._out_of_memory(error, batch)
            if not self.auto_fix or self._agreement.is_distributed:
                raise
            del error
        self._make_room()  # outside of the handler, whose traceback keeps tensors alive
        loss = self._step(batch, forward_fn)
        self.transient_faults += 1
        logger.warning("the same batch passed at the second attempt: a transient fault")
        return loss

    def _join(self) -> Session:
        """The session that watches these steps; the first one begins it."""
        if self._session is None:
            session, self._relay, is_ours = relay.join(self._config)
            self._session = session
            session.record.knows_model(self.model)
            self._relay.add(self.monitor)
            if is_ours:
                self._leave = weakref.finalize(self, relay.leave, session)
        return self._session

    def _begin(self) -> None:
        self.monitor.step = self.global_step
        self._losses.poll()
        if self.auto_fix and not self.monitor.open and self._snapshots.is_due(self.global_step):
            self._snapshots.maybe_take(self.global_step, self._repairer.level())

    def _step(self, batch: Any, forward_fn: Forward | None) -> Any:
        loss = self._forward(batch, forward_fn)
        together = self._agreement.is_distributed
        if self.auto_fix and not together and _is_bad(loss):
            loss = self._repeat(loss, batch, forward_fn)
            if _is_bad(loss):
                return self._leave_out(loss)
        if self.scaler is not None:
            self.scaler.scale(loss).backward()
        else:
            loss.backward()
        if together:
            self._note(loss)
            if self._is_boundary() and self._decide(can_skip=True):
                self.optimizer.zero_grad()
                self.steps_left_out += 1
                self.global_step += 1
                return loss
        self._make_step()
        governor = self._join().governor
        governor.enter()
        try:
            if not together:
                self._note(loss)
                self._decide(can_skip=False)
            self.global_step += 1
            self._maybe_write()
        finally:
            governor.leave()
        return loss

    def _make_step(self) -> None:
        norm = self._repairer.max_norm
        if norm is not None:
            import torch

            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            held = [p for group in self.optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(held, norm)
        with self._repairer.rates():
            if self.scaler is None:
                self.optimizer.step()
            else:
                self.scaler.step(self.optimizer)
                self.scaler.update()
        self.optimizer.zero_grad()

    def _forward(self, batch: Any, forward_fn: Forward | None) -> Any:
        if forward_fn is not None:
            return forward_fn(self.model, batch)
        given = self.model(**batch) if isinstance(batch, Mapping) else self.model(batch)
        loss = given.get("loss") if isinstance(given, Mapping) else getattr(given, "loss", None)
        if loss is None and getattr(given, "numel", lambda: 0)() == 1:
            loss = given
        if loss is None:
            raise ValueError("the model returns no loss: give a forward_fn(model, batch)")
        return loss

    def _note(self, loss: Any) -> None:
        step, monitor = self.global_step, self.monitor
        self._losses.take([loss.detach()], lambda values: monitor.saw(step, values[0]))

    def _decide(self, *, can_skip: bool) -> bool:
        skip = False
        if self.auto_fix:
            is_worth = self.monitor.waiting or self.monitor.open or self._agreement.is_distributed
            skip = bool(is_worth) and self._repairer.decide(can_skip=can_skip)
        else:
            self._repairer.look()
        closed = self._repairer.monitor.ended
        if closed != self._closed and self._relay is not None and self._session is not None:
            self._closed = closed
            self._relay.arm(self._session)
        return skip

    def _is_boundary(self) -> bool:
        return self.global_step % self.agree_every == 0

    # What goes wrong

    def _repeat(self, loss: Any, batch: Any, forward_fn: Forward | None) -> Any:
        """The same batch once more: a fault that does not come again was transient."""
        again = self._forward(batch, forward_fn)
        if not _is_bad(again):
            self.transient_faults += 1
            logger.warning("step %d: the loss was not finite, and is at the second attempt: a "
                           "transient fault", self.global_step)  # fmt: skip
            return again
        return loss

    def _leave_out(self, loss: Any) -> Any:
        if self._session is not None and self._relay is not None:
            place = self._session.places.here()
            self._relay.not_finite(Loss(place, 1.0, None, float(loss.detach())))
        self._note(loss)
        self._decide(can_skip=True)
        self.optimizer.zero_grad()
        self.steps_left_out += 1
        self.global_step += 1
        return loss

    def _out_of_memory(self, error: BaseException, batch: Any) -> None:
        text = str(error).strip().partition("\n")[0]
        case = self.monitor.notice(ErrorType.OOM, f"{text} (batch of {shapes_of(batch)})", "RUN010")
        self.monitor.waiting = [one for one in self.monitor.waiting if one is not case]
        case.action = self.monitor.suggest_fix(ErrorType.OOM)
        logger.warning("out_of_memory: advice: %s", case.action.reason)
        self.monitor.close(case, "advised")

    def _make_room(self) -> None:
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # Checkpoints

    def save_checkpoint(self, name: str = "latest") -> Path:
        """Write ``checkpoint_<name>.pt``, whole or not at all; where it stands now.

        Raises:
            OSError: it cannot be written; what stood there before still does.
        """
        path = self.checkpoint_dir / f"checkpoint_{name}.pt"
        content = {
            "step": self.global_step,
            "model_state_dict": self.model.state_dict(),
            "optimizer_state_dict": self.optimizer.state_dict(),
            "scaler_state_dict": self.scaler.state_dict() if self.scaler is not None else None,
            "best_loss": self.monitor.best_loss,
            "repair": self._repairer.state(),
            "config": checkpoints.plain(self.config),
        }
        checkpoints.write(str(path), content)
        if name == "best":
            self.best_checkpoint_path = path
        return path

    def load_checkpoint(self, checkpoint_path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint; a file that would run code is refused.

        Raises:
            OSError: it cannot be read.
            pickle.UnpicklingError: it holds more than tensors and plain values.
        """
        content = checkpoints.read(checkpoint_path)
        self.model.load_state_dict(content["model_state_dict"])
        self.optimizer.load_state_dict(content["optimizer_state_dict"])
        if self.scaler is not None and content.get("scaler_state_dict"):
            self.scaler.load_state_dict(content["scaler_state_dict"])
        self.global_step = self.monitor.step = content["step"]
        self.monitor.best_loss = content["best_loss"]
        self._repairer.load(content.get("repair", {}))
        self._snapshots.forget(self.global_step)

    def _maybe_write(self) -> None:
        now = time.monotonic()
        if not self.auto_fix or now - self._last_write < self.checkpoint_seconds:
            return
        self._last_write = now
        level = self._repairer.level()
        if level >= self._best_level or self.monitor.open or not self._leads():
            return
        self._best_level = level
        try:
            self.save_checkpoint("best")
        except OSError as error:
            logger.warning("the best checkpoint cannot be written: %s", error)

    def _leads(self) -> bool:
        if not self._agreement.is_distributed:
            return True
        import torch.distributed as dist

        return bool(dist.get_rank() == 0)

    # Reports

    @property
    def best_loss(self) -> float:
        """The lowest loss of a step."""
        return self.monitor.best_loss

    @property
    def fix_counts(self) -> dict[ErrorType, int]:
        """How many repairs of each error were made."""
        return {error: self._repairer.applied[error] for error in ErrorType}

    def report(self) -> Report:
        """The findings so far as every report of trainlint takes them."""
        return self._session.report() if self._session is not None else Report([], [])

    def get_statistics(self) -> dict[str, Any]:
        """What was seen and done, in plain JSON types."""
        self._losses.drain()
        best = self.monitor.best_loss
        cases = [*self.monitor.closed, *self.monitor.open.values()]
        return {
            **self.monitor.get_statistics(),
            **self._repairer.statistics(),
            "global_step": self.global_step,
            "best_loss": best if math.isfinite(best) else None,
            "current_lr": self.monitor.rate(),
            "transient_faults": self.transient_faults,
            "steps_left_out": self.steps_left_out,
            "log": [case.to_dict() for case in cases],
            "snapshots": self._snapshots.statistics(),
            "best_checkpoint": str(self.best_checkpoint_path)
            if self.best_checkpoint_path
            else None,
            "watch": self._session.summary() if self._session is not None else None,
        }

    def print_report(self) -> None:
        """Print what was seen and done."""
        print("\n".join(report_lines(self.get_statistics())))

    # The end

    def close(self) -> None:
        """Stop watching; what was noticed stays."""
        self._losses.drain()
        self._leave()

    def __enter__(self) -> SOSATrainingWrapper:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def wrap_training(model: Any, optimizer: Any, **options: Any) -> SOSATrainingWrapper:
    """A wrapper around training steps, with its options."""
    return SOSATrainingWrapper(model, optimizer, **options)


def _is_bad(loss: Any) -> bool:
    """Whether a loss is not finite, as far as that can be known without waiting for a device."""
    return loss.device.type == "cpu" and not math.isfinite(float(loss.detach()))
