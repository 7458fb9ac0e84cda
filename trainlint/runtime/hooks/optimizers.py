"""Every optimizer's steps and parameters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from trainlint.runtime.governor import LOOK
from trainlint.runtime.hooks.patching import compiled_as, patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Register the global hooks of `torch.optim`, and hear of each group that is added."""
    import torch
    from torch.optim import optimizer as module

    own, is_compiling, no_grad = session.own("steps"), torch.compiler.is_compiling, torch.no_grad
    counts, windows, governor = session.counts, session.windows, session.governor
    stepping, arriving, known = windows.stepping, session.readings.queue, session.stepped
    wanted = sys.maxsize if session.config.steps is None else session.config.steps

    # Nothing but the counts is touched in a step that is not observed: each name that a function
    # takes from here is a place in memory more.

    def before(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if counts.running is None and counts.steps < counts.until:
            counts.running = optimizer
        else:
            begin(optimizer, args, kwargs)

    def after(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if counts.running is not optimizer:
            end(optimizer, args, kwargs)
            return
        counts.running = None
        try:
            known[id(optimizer)].steps += 1
        except KeyError:  # its first step
            meet(optimizer)
        counts.steps += 1

    def meet(optimizer: Any) -> None:
        with own:
            session.optimizer_record(optimizer).steps += 1

    def begin(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if is_compiling() or own.off:
            return
        if counts.running is not None:  # it runs still, around this one, or ended in an error
            stepping[:], counts.running = [counts.running], None
        counts.until = 0
        session.end_if_ignored()
        with own, no_grad():
            windows.before_step(optimizer, counts.observing and _has_closure(args, kwargs))

    def end(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not stepping or own.off:  # the beginning was compiled, and with it what is to be seen
            return
        stepped = False
        with own, no_grad():
            session.readings.poll()
            stepped = windows.after_step(optimizer, counts.observing and _has_closure(args, kwargs))
            if stepped and not counts.observing and not arriving:
                counts.until = min(governor.due - 1, counts.steps + LOOK, wanted - 1)
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
        module.register_optimizer_step_pre_hook(compiled_as(_nothing, before)),
        module.register_optimizer_step_post_hook(compiled_as(_nothing, after)),
    )
    return together(
        patch(module.Optimizer, "add_param_group", make), *(handle.remove for handle in handles)
    )


def _nothing(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    return None


def _has_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    # The first argument is the optimizer itself where the step is called as its method.
    closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
    return callable(closure)
