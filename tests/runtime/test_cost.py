"""What watching may cost: the governor's share, steps that are only counted, and no waiting."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from trainlint.runtime import readings, watch, wrap_training  # noqa: E402
from trainlint.runtime.governor import Governor  # noqa: E402
from trainlint.runtime.session import Config, Session  # noqa: E402

MILLI = 1_000_000  # nanoseconds


@dataclass
class Clock:
    """Time that goes by only where it is told to, and a little at each look."""

    now: int = 0
    look: int = 0

    def __call__(self) -> int:
        self.now += self.look
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr("time.perf_counter_ns", one)
    return one


def train(
    governor: Governor, clock: Clock, steps: int, pace: Callable[[int], int], cost: int
) -> Iterator[tuple[int, bool]]:
    """So many steps; the number of each and whether it was observed."""
    due = True
    for number in range(steps):
        if due:
            governor.spent += cost
            clock.now += cost
        clock.now += pace(number) + governor.passing
        yield number, due
        governor.counts.steps += 1
        due = governor.is_due()


@pytest.mark.parametrize("pace", [200_000, MILLI, 3 * MILLI, 8 * MILLI, 30 * MILLI, 200 * MILLI])
@pytest.mark.parametrize("cost", [300_000, 800_000, 5 * MILLI])
def test_the_share_stays_within_the_budget_and_the_budget_is_used(
    clock: Clock, pace: int, cost: int
) -> None:
    governor = Governor(budget=0.01, grace=0.0)
    governor.passing = 1_000
    governor.begin()
    for number, _ in train(governor, clock, 12_000, lambda _: pace, cost):
        if number == 6_000:
            begun, taken = clock.now, governor.taken
    assert governor.taken <= 0.01 * clock.now + 2 * cost  # the first two say what one costs
    lately = governor.taken - taken
    if cost + governor.passing <= 0.01 * pace:
        assert governor.interval == 1
    else:
        span = clock.now - begun
        assert lately - cost <= 0.0101 * span
        assert lately + cost >= 0.002 * span


def test_what_every_step_takes_is_counted_in(clock: Clock) -> None:
    seen = {}
    for passing in (0, 5_000, 8_000, 20_000):
        governor = Governor(budget=0.01, grace=0.0)
        governor.passing = passing
        governor.begin()
        for _ in train(governor, clock, 12_000, lambda _: MILLI, 300_000):
            pass
        seen[passing] = governor.observed
        assert governor.taken == governor.spent + governor.counts.steps * passing
        if passing < 10_000:
            assert governor.share <= 0.01
    # What is left of the budget is what there is for observed steps, and at least a tenth of it.
    assert seen[0] > seen[5_000] > seen[8_000] > seen[20_000]
    assert 12_000 / 400 < seen[20_000] <= 12_000 / 300 + 3


def test_a_costly_look_is_saved_on_the_steps_after_it(clock: Clock) -> None:
    governor = Governor(budget=0.01, grace=0.0)
    governor.begin()
    for number, _ in train(governor, clock, 30_000, lambda _: 2 * MILLI, 100_000):
        if number in (4_000, 12_000):  # two fifths of the whole budget at once
            before = governor.observed
            governor.spent += 240 * MILLI
            clock.now += 240 * MILLI
        if number in (8_000, 16_000):
            assert governor.observed - before <= 3
    assert governor.share <= 0.01
    assert governor.interval < 10


def test_steps_that_become_shorter_are_observed_less_often(clock: Clock) -> None:
    governor = Governor(budget=0.01, grace=0.0)
    governor.begin()
    pace = [50 * MILLI]
    intervals = []
    for _ in range(2):
        for _ in train(governor, clock, 5_000, lambda _: pace[0], 400_000):
            pass
        intervals.append(governor.interval)
        pace[0] = MILLI
    assert intervals[0] == 1
    assert intervals[1] >= 40
    assert governor.share <= 0.01


def test_of_alternating_optimizers_each_is_observed(clock: Clock) -> None:
    for count in (2, 3, 4, 6):
        governor = Governor(budget=0.01, grace=0.0)
        governor.begin()
        found = Counter(
            number % count
            for number, due in train(governor, clock, 20_000, lambda _: MILLI, 300_000)
            if due
        )
        assert len(found) == count
        assert min(found.values()) >= 0.8 * max(found.values())


def test_without_a_budget_every_step_is_observed(clock: Clock) -> None:
    governor = Governor(budget=1.0, grace=0.0)
    governor.begin()
    assert all(due for _, due in train(governor, clock, 1_000, lambda _: 1_000, MILLI))


def test_the_free_time_is_spent_first(clock: Clock) -> None:
    governor = Governor(budget=0.01, grace=0.5)
    governor.begin()
    seen = [due for _, due in train(governor, clock, 3_000, lambda _: MILLI, 500_000)]
    assert all(seen[:1000])  # half a second
    assert sum(seen[1000:]) < 200


def network() -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def step(model: Any, optimizer: Any, x: Any, y: Any) -> None:
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def batches(count: int) -> Iterator[Any]:
    loader = DataLoader(
        TensorDataset(torch.randn(64, 4), torch.arange(64) % 3), batch_size=8, shuffle=True
    )
    return itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), count)


def test_a_whole_session_keeps_its_share(clock: Clock) -> None:
    clock.look = 30_000  # so that each stretch of the shim's work takes that
    session = Session(Config(grace=0.0))
    session.start()
    session.governor.overhead, session.governor.passing = 0, 1_000
    try:
        model, optimizer = network()
        for x, y in batches(600):
            clock.now += 2 * MILLI
            step(model, optimizer, x, y)
    finally:
        session.stop()
    summary = session.summary()
    assert summary["steps"] == summary["backward_calls"] == 600
    assert summary["share"] <= 0.0101
    assert 600 / 100 < summary["observed_steps"] < 600 / 5
    assert session.report().failures == []


def only_count(session: Session) -> None:
    """No step is observed any more."""
    session.counts.observing, session.counts.until = False, 1 << 20


def calls_of(work: Callable[[], object]) -> Counter[str]:
    """How often each function of the shim is called."""
    found: Counter[str] = Counter()

    def note(frame: Any, event: str, argument: object) -> None:
        if event == "call" and "runtime" in frame.f_code.co_filename.split("trainlint")[-1]:
            found[frame.f_code.co_name] += "trainlint" in frame.f_code.co_filename

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return +found


def test_a_step_that_is_not_observed_is_only_counted() -> None:
    session = Session(Config(grace=60.0))
    session.start()
    try:
        model, optimizer = network()
        given = list(batches(4))
        step(model, optimizer, *given[0])
        only_count(session)
        spent = session.governor.spent
        calls = calls_of(lambda: step(model, optimizer, *given[1]))
        assert calls == {"loss_function": 1, "backward": 1, "before": 1, "after": 1}
        assert session.governor.spent == spent  # not one stretch of work, and so nothing made
        assert session.record.steps == 2
        (record,) = session.record.optimizers.values()
        assert record.steps == 2
    finally:
        session.stop()


def test_a_batch_that_is_not_observed_is_only_counted() -> None:
    session = Session(Config(grace=60.0))
    session.start()
    try:
        iterator = iter(DataLoader(TensorDataset(torch.randn(64, 4)), batch_size=8))
        next(iterator)
        only_count(session)
        spent = session.governor.spent
        assert calls_of(lambda: next(iterator)) == {"__next__": 1, "_next_index": 1}
        assert session.governor.spent == spent
        (record,) = session.record.loaders.values()
        assert record.batches == 2
        assert session.drawn.get(iterator) in (None, {})
    finally:
        session.stop()


@pytest.mark.parametrize("size", [1, 12])
def test_what_an_observed_step_takes_is_bounded(size: int) -> None:
    """Calls of functions, which no busy machine changes; the sizes are those of a deep model."""
    session = Session(Config(grace=60.0))
    session.start()
    try:
        torch.manual_seed(0)
        model = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(size)))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        given = list(batches(70))
        for x, y in given[:60]:
            step(model, optimizer, x, y)
        counts = [
            sum(calls_of(partial(step, model, optimizer, x, y)).values()) for x, y in given[60:]
        ]
    finally:
        session.stop()
    assert sorted(counts)[5] <= 260 + 8 * 2 * size


def test_what_a_clock_in_the_hooks_does_not_see_is_measured() -> None:
    with watch() as one:
        governor = one._session.governor
        assert 0 < governor.overhead < MILLI
        assert 0 < governor.passing < MILLI
        assert governor.spent == governor.counts.steps == 0


def test_the_work_of_the_wrapper_is_part_of_the_share(tmp_path: Any) -> None:
    model, optimizer = network()
    with wrap_training(model, optimizer, checkpoint_dir=tmp_path) as wrapper:
        given = list(batches(6))

        def loss_of(model: Any, batch: Any) -> Any:
            return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])

        wrapper.training_step(given[0], loss_of)
        session = wrapper._session
        only_count(session)
        spent = session.governor.spent
        wrapper.training_step(given[1], loss_of)
        stretches = 2 * session.governor.overhead
        assert session.governor.spent > spent + stretches


class Copy:
    """Numbers that a device has not sent yet."""

    pending: ClassVar[list[Copy]] = []

    def __init__(self, numbers: Any, device: Any) -> None:
        self.host, self.event, self.has_come = torch.ones(len(numbers)), self, False
        self.was_waited_for = False
        Copy.pending.append(self)

    def query(self) -> bool:
        return self.has_come

    def synchronize(self) -> None:
        self.has_come = self.was_waited_for = True


def test_no_step_waits_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without numbers every question for one is an error, and so would be any wait."""
    monkeypatch.setattr(readings, "_start_copy", Copy)
    monkeypatch.setattr(Copy, "pending", [])
    session = Session(Config(grace=600.0))
    session.start()
    try:
        model = torch.nn.Sequential(
            torch.nn.Linear(4, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.Dropout(),
            torch.nn.Linear(8, 3),
        ).to("meta")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
        x, y = torch.empty(8, 4, device="meta"), torch.empty(8, dtype=torch.long, device="meta")
        for number in range(60):
            step(model, optimizer, x, y)
            scheduler.step()
            if number % 7 == 6:  # some steps later
                for one in Copy.pending[:-3]:
                    one.has_come = True
        assert session.governor.observed >= 60
        assert session.record.optimizers
        assert len(session.readings.queue) <= 20
        assert not any(one.was_waited_for for one in Copy.pending)
    finally:
        session.stop()
    assert session.report().failures == []
    (record,) = session.record.optimizers.values()
    assert record.observed == 60
    assert len(Copy.pending) >= 60
