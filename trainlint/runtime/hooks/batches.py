"""What data loaders hand out, with and without workers."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainlint.runtime import loaders
from trainlint.runtime.events import Batch, Pass
from trainlint.runtime.hooks.indices import of_last_batch, take
from trainlint.runtime.hooks.patching import patch, together
from trainlint.runtime.sample_sets import SampleSet

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


@dataclass(slots=True)
class _Reading:
    """A pass of a loader."""

    reference: weakref.ref[Any]  # to the iterator; when that goes, so does this
    record: loaders.LoaderRecord
    samples: SampleSet
    trained: int = 0  # batches of the loader that were trained on before


def install(session: Session) -> Undo:  # noqa: PLR0915
    """Wrap `__next__` of the one class that all iterators of loaders have in common."""
    import torch
    from torch.utils.data import DataLoader
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    own, is_grad_enabled = session.own("data loaders"), torch.is_grad_enabled
    counts, windows = session.counts, session.windows
    known: dict[int, _Reading] = {}  # by id of the iterator

    def make_iterator(original: Any) -> Any:
        def get_iterator(self: Any) -> Any:
            iterator = original(self)
            with own:
                record = session.loader_record(self)
                samples = session.record.consumption.read(record.number, self)
                key = id(iterator)
                reference = weakref.ref(iterator, lambda _: known.pop(key, None))
                known[key] = _Reading(reference, record, samples)
            return iterator

        return get_iterator

    def make_next(original: Any) -> Any:
        def __next__(self: Any) -> Any:  # noqa: N807
            try:
                batch = original(self)
            except StopIteration:
                reading = known.get(id(self))
                if reading is not None and not own.off:
                    with own:
                        _ended(reading, self._num_yielded)
                raise
            reading = known.get(id(self))
            if reading is None:
                return batch
            is_first = self._num_yielded == 1
            if counts.observing or is_first or self._num_workers or not is_grad_enabled():
                look(reading, batch, self)
            else:
                reading.record.batches += 1
                counts.unfed = reading.record
            return batch

        return __next__

    def look(reading: _Reading, batch: Any, iterator: Any) -> None:
        if not own.off:
            with own:
                _came(reading, batch, iterator._num_yielded - 1, iterator)

    def _ended(reading: _Reading, count: int) -> None:
        windows.pass_ended(reading.record)
        record, place = reading.record, session.places.here()
        trained = record.trained - reading.trained
        session.forwards.close()
        session.tell(Pass(record, count, record.passes, trained, reading.samples, place))
        if not trained:
            session.record.consumption.evaluated()

    def _came(reading: _Reading, batch: Any, count: int, iterator: Any) -> None:
        record = reading.record
        if count == 0:
            record.passes += 1
            reading.trained = record.trained
        record.batches += 1
        with_gradients = is_grad_enabled()
        if not with_gradients:
            windows.evaluations.fed(loaders.size_of(batch))
        counts.unfed = record
        if not counts.observing:
            take(session, iterator)
            return
        samples, drawn = reading.samples, of_last_batch(session, iterator)
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
                indices=samples.mapped(drawn) if drawn else None,
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
