"""Whether the program packs what its graphs save, on releases that do not tell it of each tensor.

To ask such a tensor for its value runs code of the program: a checkpoint would compute again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint.runtime.hooks.patching import patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Note the first use of `saved_tensors_hooks`, which checkpoints are made of, too."""
    from torch.autograd.graph import saved_tensors_hooks

    if tells():
        return together()
    session.contrast.has_to_guess = True

    def make(original: Any) -> Any:
        def __enter__(self: Any) -> Any:  # noqa: N807
            session.contrast.packs = True
            return original(self)

        return __enter__

    return patch(saved_tensors_hooks, "__enter__", make)


def tells() -> bool:
    """Whether a saved tensor says that a hook packed it."""
    import torch

    with torch.enable_grad():
        one = torch.ones(1, device="cpu")
        node = (one.requires_grad_() * torch.ones(1, device="cpu")).grad_fn
    return hasattr(getattr(node, "_raw_saved_other", None), "unpack_hook")
