"""The outermost `backward` of every loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint.runtime.hooks.patching import patch

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap `torch.autograd.backward`, which every way to a backward pass calls."""
    import torch

    own, is_compiling = session.own("backward"), torch.compiler.is_compiling
    no_grad, windows, evaluations = torch.no_grad, session.windows, session.windows.evaluations
    depth = 0  # reentrant checkpoints call backward inside of a backward

    def make(original: Any) -> Any:
        def backward(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            if is_compiling() or depth or own.off:
                return original(*args, **kwargs)
            if not windows.observing:
                if evaluations.open:
                    with own, no_grad():
                        evaluations.close()
                if session.fed or session.last_loader is None:
                    session.backwards += 1
                else:
                    session.loader_fed_training()
                return original(*args, **kwargs)
            with own, no_grad():
                windows.before_backward(args[0] if args else kwargs["tensors"])
            depth += 1
            try:
                return original(*args, **kwargs)
            finally:
                depth -= 1
                with own:
                    windows.after_backward()

        return backward

    return patch(torch.autograd, "backward", make)
