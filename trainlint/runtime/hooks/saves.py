"""What the program saves, and which parameters it reads from a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Save
from trainlint.runtime.hooks.patching import patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap `torch.save` and `Module.load_state_dict`."""
    import torch

    own = session.own("checkpoints")

    def make_save(original: Any) -> Any:
        def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
            answer = original(obj, f, *args, **kwargs)
            with own:
                path = os.fspath(f) if isinstance(f, (str, os.PathLike)) else None
                size = os.stat(path).st_size if path is not None else None
                session.tell(Save(path, size, session.places.here()))
            return answer

        return save

    def make_load(original: Any) -> Any:
        def load_state_dict(self: Any, *args: Any, **kwargs: Any) -> Any:
            answer = original(self, *args, **kwargs)
            with own:
                for parameter in self.parameters():
                    session.record.loaded.add(parameter)
            return answer

        return load_state_dict

    return together(
        patch(torch, "save", make_save), patch(torch.nn.Module, "load_state_dict", make_load)
    )
