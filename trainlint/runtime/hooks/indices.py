"""The indices that samplers draw, kept until their batch comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint.runtime.hooks.patching import patch

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session

MOST = 4096  # batches that workers are ahead


def install(session: Session) -> Undo:
    """Wrap `_next_index`, which loaders call once a batch, with and without workers."""
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    own, counts = session.own("samplers"), session.counts

    def make(original: Any) -> Any:
        def _next_index(self: Any) -> Any:
            index = original(self)
            # Workers are ahead of the step: what is drawn now may be looked at later.
            if (counts.observing or self._num_workers) and not own.off:
                with own:
                    ahead = session.drawn.setdefault(self, {})
                    ahead[getattr(self, "_send_idx", 0)] = index
                    if len(ahead) > MOST:
                        ahead.clear()
            return index

        return _next_index

    return patch(_BaseDataLoaderIter, "_next_index", make)


def take(session: Session, iterator: Any) -> Any:
    """What was drawn for the batch that has just come, as the sampler gave it, and forget it."""
    ahead = session.drawn.get(iterator)
    if not ahead or getattr(iterator, "_in_order", True) is False:
        return None
    received = getattr(iterator, "_rcvd_idx", None)
    return ahead.pop(0 if received is None else received - 1, None)


def of_last_batch(session: Session, iterator: Any) -> tuple[int, ...] | None:
    """What the batch that has just come was drawn from; None where that is not certain."""
    index = take(session, iterator)
    if type(index) is int:
        return (index,)
    if isinstance(index, (list, tuple)) and all(type(one) is int for one in index):
        return tuple(index)
    if isinstance(index, (list, tuple)) and all(hasattr(one, "__index__") for one in index):
        return tuple(one.__index__() for one in index)
    return None
