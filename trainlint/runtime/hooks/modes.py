"""Which models there are, and whether they are in training or evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import ModeSwitch
from trainlint.runtime.hooks.patching import patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap `Module.train`, which `eval` calls too; it calls itself for the children."""
    import torch

    own, is_compiling = session.own("modes"), torch.compiler.is_compiling
    depth = 0

    def make(original: Any) -> Any:
        def train(self: Any, mode: bool = True) -> Any:
            nonlocal depth
            if depth or own.off or is_compiling():
                return original(self, mode)
            depth += 1
            try:
                answer = original(self, mode)
            finally:
                depth -= 1
            with own:
                session.record.knows_model(self)
                session.record.training[id(self)] = mode
                session.tell(ModeSwitch(self, mode, session.places.here()))
            return answer

        return train

    def make_parameters(original: Any) -> Any:
        def parameters(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not own.off and not is_compiling():
                session.record.knows_model(self)
            return original(self, *args, **kwargs)

        return parameters

    return together(
        patch(torch.nn.Module, "train", make),
        patch(torch.nn.Module, "parameters", make_parameters),
    )
