"""Gradient scalers: the loss without its scale, and the steps that they leave out."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from trainlint.runtime.hooks.patching import patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap `GradScaler.scale` and `GradScaler.step`."""
    import torch
    from torch.amp.grad_scaler import GradScaler

    own, no_grad = session.own("gradient scalers"), torch.no_grad

    def make_scale(original: Any) -> Any:
        def scale(self: Any, outputs: Any) -> Any:
            answer = original(self, outputs)
            if not own.off:
                with own:
                    if answer is not outputs and isinstance(answer, torch.Tensor):
                        session.windows.unscaled = (weakref.ref(answer), outputs)
            return answer

        return scale

    def make_step(original: Any) -> Any:
        def step(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            if own.off or not self.is_enabled():
                return original(self, optimizer, *args, **kwargs)
            windows, record = session.windows, session.optimizer_record(optimizer)
            before = record.steps
            windows.scaler = self
            try:
                answer = original(self, optimizer, *args, **kwargs)
            finally:
                windows.scaler = None
            if record.steps == before:
                with own, no_grad():
                    session.counts.steps += 1
                    record.steps += 1
                    windows.scaler = self
                    windows.skipped(optimizer)
                    windows.scaler = None
                session.end_if_enough()
            return answer

        return step

    return together(patch(GradScaler, "scale", make_scale), patch(GradScaler, "step", make_step))
