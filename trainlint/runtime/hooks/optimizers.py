"""Every optimizer's steps and parameters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from trainlint.runtime.governor import LOOK
from trainlint.runtime.hooks.patching import patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Register the global hooks of `torch.optim`, and hear of each group that is added."""
    import torch
    from torch.optim import optimizer as module

    own, is_compiling, no_grad = session.own("steps"), torch.compiler.is_compiling, torch.no_grad
    windows, governor, run = session.windows, session.governor, session.record
    stepping, arriving = windows.stepping, session.readings.queue
    wanted = sys.maxsize if session.config.steps is None else session.config.steps
    counted: Any = None  # whose step runs, of which nothing but the number is wanted

    def before(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal counted
        if is_compiling() or own.off:
            return
        if counted is not None:  # it runs still, around this one, or ended in an error
            stepping[:], counted = [counted], None
        elif not (windows.observing or stepping or arriving) and governor.left % LOOK:
            record = run.optimizers.get(id(optimizer))
            if record is not None and record.reference() is optimizer and run.steps + 1 < wanted:
                counted = optimizer
                record.steps += 1
                run.steps += 1
                return
        session.end_if_ignored()
        with own, no_grad():
            windows.before_step(optimizer, windows.observing and _has_closure(args, kwargs))

    def after(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal counted
        if is_compiling():
            return
        if counted is optimizer:
            counted = None
            governor.steps += 1  # and the next one is not due: the same as to ask
            governor.left -= 1
            return
        if own.off:
            return
        stepped = False
        with own, no_grad():
            session.readings.poll()
            stepped = windows.after_step(
                optimizer, windows.observing and _has_closure(args, kwargs)
            )
        if stepped:
            session.end_if_enough()

    def make(original: Any) -> Any:
        def add_param_group(self: Any, *args: Any, **kwargs: Any) -> Any:
            answer = original(self, *args, **kwargs)
            with own:
                for parameter in self.param_groups[-1]["params"]:
                    session.record.held.add(parameter)
            return answer

        return add_param_group

    handles = (
        module.register_optimizer_step_pre_hook(before),
        module.register_optimizer_step_post_hook(after),
    )
    return together(
        patch(module.Optimizer, "add_param_group", make), *(handle.remove for handle in handles)
    )


def _has_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    # The first argument is the optimizer itself where the step is called as its method.
    closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
    return callable(closure)
