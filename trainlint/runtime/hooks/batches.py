"""What data loaders hand out, with and without workers."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from trainlint.runtime import loaders
from trainlint.runtime.events import Batch, Pass
from trainlint.runtime.hooks.indices import of_last_batch
from trainlint.runtime.hooks.patching import patch, together
from trainlint.runtime.sample_sets import SampleSet

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:  # noqa: PLR0915
    """Wrap `__next__` of the one class that all iterators of loaders have in common."""
    import torch
    from torch.utils.data import DataLoader
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    own = session.own("data loaders")
    origin: weakref.WeakKeyDictionary[Any, loaders.LoaderRecord] = weakref.WeakKeyDictionary()
    before: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # it was trained on
    sets: weakref.WeakKeyDictionary[Any, SampleSet] = weakref.WeakKeyDictionary()

    def make_iterator(original: Any) -> Any:
        def get_iterator(self: Any) -> Any:
            iterator = original(self)
            with own:
                record = origin[iterator] = session.loader_record(self)
                sets[iterator] = session.record.consumption.read(record.number, self)
            return iterator

        return get_iterator

    def make_next(original: Any) -> Any:
        def __next__(self: Any) -> Any:  # noqa: N807
            if own.off:
                return original(self)
            count = self._num_yielded
            try:
                batch = original(self)
            except StopIteration:
                with own:
                    record = origin.get(self)
                    if record is not None:
                        session.windows.pass_ended(record)
                        _ended(self, record, count)
                raise
            with own:
                record = origin.get(self)
                if record is not None:
                    _came(record, batch, count, self)
            return batch

        return __next__

    def _ended(iterator: Any, record: loaders.LoaderRecord, count: int) -> None:
        trained, place = record.trained - before.get(iterator, 0), session.places.here()
        session.forwards.close()
        session.tell(Pass(record, count, record.passes, trained, sets.get(iterator), place))
        if not trained:
            session.record.consumption.evaluated()

    def _came(record: loaders.LoaderRecord, batch: Any, count: int, iterator: Any) -> None:
        if count == 0:
            record.passes += 1
            before[iterator] = record.trained
        record.batches += 1
        with_gradients = torch.is_grad_enabled()
        if not with_gradients:
            session.windows.evaluations.fed(loaders.size_of(batch))
        if not session.windows.observing:
            session.last_loader, session.fed = record, False
            session.drawn.pop(iterator, None)
            return
        samples, drawn = sets.get(iterator), of_last_batch(session, iterator)
        session.batch_came(
            Batch(
                loader=record,
                number=count + 1,
                size=loaders.size_of(batch),
                labels=loaders.labels_of(batch),
                fingerprint=loaders.fingerprint(batch),
                with_gradients=with_gradients,
                place=session.places.here(),
                shapes=loaders.shapes_of(batch),
                indices=samples.mapped(drawn) if samples is not None and drawn else None,
                content=batch,
                samples=samples,
            )
        )

    def make_init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(self, *args, **kwargs)
            if not own.off:
                with own:
                    session.loader_record(self)

        return __init__

    return together(
        patch(_BaseDataLoaderIter, "__next__", make_next),
        patch(DataLoader, "_get_iterator", make_iterator),
        patch(DataLoader, "__init__", make_init),
    )
