"""Modules that are wrapped for several processes, and whether the wrapper is called."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from trainlint.runtime.hooks.patching import patch, together
from trainlint.runtime.record import WrapperRecord

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap construction and `forward` of `DistributedDataParallel`."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    own, is_compiling = session.own("wrappers"), torch.compiler.is_compiling
    known: weakref.WeakKeyDictionary[Any, WrapperRecord] = weakref.WeakKeyDictionary()

    def make_init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(self, *args, **kwargs)
            with own:
                record = WrapperRecord(weakref.ref(self), session.places.here())
                known[self] = record
                session.record.wrappers.append(record)

        return __init__

    def make_forward(original: Any) -> Any:
        def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not is_compiling():
                record = known.get(self)
                if record is not None:
                    record.calls += 1
            return original(self, *args, **kwargs)

        return forward

    return together(
        patch(DistributedDataParallel, "__init__", make_init),
        patch(DistributedDataParallel, "forward", make_forward),
    )
