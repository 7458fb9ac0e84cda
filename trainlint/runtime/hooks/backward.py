"""The outermost `backward` of every loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint.runtime.hooks.patching import compiled_as, patch

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap `torch.autograd.backward`, which every way to a backward pass calls."""
    import torch

    own, is_compiling = session.own("backward"), torch.compiler.is_compiling
    no_grad, windows = torch.no_grad, session.windows
    counts, close = session.counts, session.windows.evaluations.close

    def make(original: Any) -> Any:
        def backward(*args: Any, **kwargs: Any) -> Any:
            if counts.within:  # reentrant checkpoints call backward inside of a backward
                return original(*args, **kwargs)
            if counts.observing or counts.evaluating:
                return look(args, kwargs)
            counts.backwards += 1
            if counts.unfed is not None:
                counts.feed()
            counts.within = True
            try:
                return original(*args, **kwargs)
            finally:
                counts.within = False

        def look(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if is_compiling() or own.off:
                return original(*args, **kwargs)
            if not counts.observing:
                with own, no_grad():
                    close()
                return backward(*args, **kwargs)
            with own, no_grad():
                windows.before_backward(args[0] if args else kwargs["tensors"])
            counts.within = True
            try:
                return original(*args, **kwargs)
            finally:
                counts.within = False
                with own:
                    windows.after_backward()

        return compiled_as(original, backward)

    return patch(torch.autograd, "backward", make)
