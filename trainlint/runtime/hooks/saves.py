"""What the program saves, and which parameters it reads from a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
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
                models = list(session.record.models())
                is_checkpoint = path is not None and holds_parameters(obj, models)
                session.tell(Save(path, size, session.places.here(), is_checkpoint))
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


def holds_parameters(saved: Any, models: Iterable[Any], depth: int = 2) -> bool:
    """Whether it is a model, an optimizer's state, or holds the parameters of a known model."""
    import torch

    if isinstance(saved, torch.nn.Module):
        return True
    if not isinstance(saved, Mapping) or not saved:
        return False
    if {"state", "param_groups"} <= saved.keys():
        return True
    keys = {str(key).removeprefix("module.") for key in saved}
    for model in list(models):
        names = {name.removeprefix("module.") for name, _ in model.named_parameters()}
        if names and names <= keys:
            return True
    return depth > 0 and any(holds_parameters(v, models, depth - 1) for v in saved.values())
