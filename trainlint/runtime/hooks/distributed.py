"""Models under `DistributedDataParallel`, and their parameters now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint.runtime.hooks.patching import patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap the construction of the wrapper, and look after the steps of every optimizer."""
    import torch
    from torch.optim import optimizer as module

    if not torch.distributed.is_available():
        return together()
    from torch.nn.parallel import DistributedDataParallel

    own, is_compiling, no_grad = (
        session.own("distributed models"),
        torch.compiler.is_compiling,
        torch.no_grad,
    )
    ranks = session.record.ranks
    handles: list[Any] = []

    def make_init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(self, *args, **kwargs)
            if not own.off:
                with own:
                    ranks.has_model(self, session.places.here())
                    if not handles:  # a step costs nothing where there is no such model
                        handles.append(module.register_optimizer_step_post_hook(after))

        return __init__

    def after(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if own.off or is_compiling() or not ranks.is_due(session.record.steps):
            return
        with own, no_grad():
            ranks.look(session.record.steps, session.readings)

    def undo() -> None:
        while handles:
            handles.pop().remove()

    return together(patch(DistributedDataParallel, "__init__", make_init), undo)
