"""What the criteria of optimisation and progress are told: memory, plans, evaluations, tails."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.optim import lr_scheduler  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from trainlint.runtime import watch  # noqa: E402
from trainlint.runtime.check import Check  # noqa: E402
from trainlint.runtime.checks.out_of_memory import numbers_in, shown  # noqa: E402
from trainlint.runtime.events import Evaluation, Overwrite, Step, Tail  # noqa: E402
from trainlint.runtime.plans import planned_steps  # noqa: E402
from trainlint.runtime.session import Config, Session  # noqa: E402

GIB = 1 << 30


class Recorder(Check[Any]):
    """Keeps what it is told."""

    code = "TST002"
    name = "recorder"

    def __init__(self) -> None:
        self.events: list[Any] = []

    def hear(self, event: Any) -> Iterator[Any]:
        self.events.append(event)
        yield from ()

    on_step = on_evaluation = on_tail = on_overwrite = hear  # type: ignore[assignment]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    session, one = Session(Config(budget=1.0)), Recorder()
    for handler in ("on_step", "on_evaluation", "on_tail", "on_overwrite"):
        session._handlers[handler] = [one]
    session.start()
    yield one
    session.stop()


def made(rate: float = 0.1) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    return model, torch.optim.SGD(model.parameters(), lr=rate)


def data(count: int) -> Any:
    return TensorDataset(torch.randn(count, 4), torch.arange(count) % 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 8.00 "
            "GiB of which 512.00 MiB is free. Of the allocated memory 6.00 GiB is allocated by "
            "PyTorch",
            {"asked": 5 * GIB // 2, "capacity": 8 * GIB, "free": GIB // 2, "allocated": 6 * GIB},
        ),
        (
            "CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 4.00 GiB total capacity; "
            "3.00 GiB already allocated; 1.00 MiB free; 3.50 GiB reserved in total by PyTorch)",
            {"asked": 20 << 20, "capacity": 4 * GIB, "free": 1 << 20, "allocated": 3 * GIB},
        ),
        (
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 400000000000000 bytes. Error code 12",
            {"asked": 400000000000000},
        ),
        ("CUDA error: out of memory", {}),
    ],
)
def test_the_numbers_of_a_message_are_read(text: str, expected: dict[str, int]) -> None:
    assert numbers_in(text) == expected


def test_bytes_are_shown_in_the_largest_unit_that_they_fill() -> None:
    assert [shown(n) for n in (5, 1 << 10, 3 * GIB // 2)] == ["5 bytes", "1.0 KiB", "1.5 GiB"]


@pytest.mark.parametrize(
    ("size", "capacity", "asked", "micro", "steps"),
    [(64, "8.00", "9.00", 8, 8), (64, "80.00", "1.00", 32, 2), (1, "8.00", "9.00", None, None)],
)
def test_the_advice_keeps_the_effective_batch(
    size: int, capacity: str, asked: str, micro: int | None, steps: int | None
) -> None:
    message = (
        (
            f"CUDA out of memory. Tried to allocate {asked} GiB. GPU 0 has a total capacity of "
            f"{capacity} GiB of which 1.00 GiB is free. Of the allocated memory 20.00 GiB is "
            "allocated by PyTorch"
        )
        if size > 1 and capacity == "8.00"
        else f"CUDA out of memory. Tried to allocate {asked} GiB."
    )
    model, _ = made()
    w = watch()

    def train() -> None:
        with w:
            for x, _ in DataLoader(data(64), batch_size=size):
                model(x).sum().backward()
                raise torch.OutOfMemoryError(message)

    with pytest.raises(torch.OutOfMemoryError):
        train()
    (found,) = [d for d in w.findings if d.code == "RUN010"]
    assert found.evidence["shapes"] == [[size, 4], [size]]
    assert (found.evidence.get("micro_batch"), found.evidence.get("accumulation")) == (micro, steps)


def test_another_error_is_no_lack_of_memory() -> None:
    with pytest.raises(ValueError, match="memory"), watch() as w:
        raise ValueError("the memory bank is empty")
    assert w.findings == []


def linear_decay(step: int, *, num_training_steps: int) -> float:
    return 1 - step / num_training_steps


@pytest.mark.parametrize(
    ("make", "planned"),
    [
        (lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=30), 30),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, epochs=3, steps_per_epoch=7), 21),
        (lambda o: lr_scheduler.PolynomialLR(o, total_iters=12), 12),
        (lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=9), 9),
        (lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, total_iters=9), None),
        (lambda o: lr_scheduler.StepLR(o, 10), None),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.9), None),
        (
            lambda o: lr_scheduler.LambdaLR(
                o, functools.partial(linear_decay, num_training_steps=40)
            ),
            40,
        ),
        (lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.9**step), None),
        (
            lambda o: lr_scheduler.SequentialLR(
                o,
                [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.CosineAnnealingLR(o, 20)],
                milestones=[5],
            ),
            25,
        ),
    ],
)
def test_a_scheduler_says_for_how_many_steps_it_was_made(make: Any, planned: int | None) -> None:
    assert planned_steps(make(made()[1])) == planned


def test_what_is_computed_without_gradients_is_gathered_until_training_goes_on(
    recorder: Recorder,
) -> None:
    model, optimizer = made()
    held_out = data(20)
    for _ in range(2):
        losses = []
        with torch.no_grad():
            for x, y in DataLoader(held_out, batch_size=8):
                losses.append(torch.nn.functional.cross_entropy(model(x), y))
        assert len(recorder.of(Evaluation)) == len(recorder.of(Step))
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        evaluation = recorder.of(Evaluation)[-1]
        assert evaluation.value == pytest.approx(float(sum(losses)) / 3, rel=1e-6)
        assert (evaluation.calls, evaluation.samples) == (3, 20)
    assert [e.step for e in recorder.of(Evaluation)] == [0, 1]


def test_the_metric_of_a_plateau_scheduler_is_an_evaluation(recorder: Recorder) -> None:
    model, optimizer = made()
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer)
    for metric in (0.5, torch.tensor(0.25)):
        schedule.step(metric)
        model(torch.ones(1, 4)).sum().backward()
    assert [(e.value, e.is_metric) for e in recorder.of(Evaluation)] == [(0.5, True), (0.25, True)]


@pytest.mark.parametrize(("clear", "lost"), [(True, [1]), (False, [])])
def test_a_tail_is_lost_only_if_it_is_cleared(
    recorder: Recorder, clear: bool, lost: list[int]
) -> None:
    model, optimizer = made()
    loader = DataLoader(data(20), batch_size=4)
    for _ in range(2):
        if clear:
            optimizer.zero_grad()
        for number, (x, _) in enumerate(loader, start=1):
            model(x).sum().backward()
            if number % 2 == 0:
                optimizer.step()
                optimizer.zero_grad()
    assert [len(tail.losses) for tail in recorder.of(Tail)] == lost


def test_the_scale_of_a_scaler_is_seen_at_each_step(recorder: Recorder) -> None:
    model, optimizer = made()
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
    for bad in (1.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(1, 4)).sum() * bad).backward()
        scaler.step(optimizer)
        scaler.update()
    assert [(s.scale, s.skipped) for s in recorder.of(Step)] == [
        (8.0, False),
        (16.0, True),
        (8.0, False),
    ]


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda o: lr_scheduler.LambdaLR(o, lambda step: 1.0), [(0.1, 0.01, 0.1)]),
        (lambda o: lr_scheduler.StepLR(o, 100), [(0.1, 0.01, 0.01)]),
    ],
)
def test_a_rate_set_by_hand_is_seen_with_what_became_of_it(
    recorder: Recorder, make: Any, seen: list[tuple[float, ...]]
) -> None:
    _, optimizer = made()
    schedule = make(optimizer)
    for step in range(6):
        optimizer.step()
        if step == 3:
            optimizer.param_groups[0]["lr"] = 0.01
        schedule.step()
    found = [(*o.left, *o.found, *o.now) for o in recorder.of(Overwrite)]
    assert found == [pytest.approx(one) for one in seen]


def test_the_wrapper_of_several_processes_is_left_as_it_was() -> None:
    from torch.nn.parallel import DistributedDataParallel

    before = dict(vars(DistributedDataParallel))
    with watch():
        assert vars(DistributedDataParallel)["forward"] is not before["forward"]
    assert all(vars(DistributedDataParallel)[name] is value for name, value in before.items())
