"""What a session counts does not depend on which of the steps it observes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from unittest import mock

import pytest

torch = pytest.importorskip("torch")

from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from trainlint.runtime.events import Evaluation, Pass  # noqa: E402
from trainlint.runtime.session import Config, Session  # noqa: E402

FIRST, EVERY = 20, 157  # steps that are observed: the first ones, then one of so many
BATCHES = 8  # of an epoch


class Training:
    """A model, its optimizer and loader, and epochs of it."""

    def __init__(self, make: Any = torch.optim.SGD, workers: int = 0) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
        )
        self.optimizer = make(self.model.parameters(), lr=0.01)
        data = TensorDataset(torch.randn(64, 4), torch.arange(64) % 3)
        self.loader = DataLoader(data, 64 // BATCHES, shuffle=True, num_workers=workers)

    def loss(self, x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(self.model(x), y)

    def epochs(
        self, count: int, backward: Callable[[Any], Any] = lambda loss: loss.backward()
    ) -> None:
        for _ in range(count):
            for x, y in self.loader:
                self.optimizer.zero_grad()
                backward(self.loss(x, y))
                self.optimizer.step()


def plain() -> None:
    Training().epochs(12)


def with_workers() -> None:
    Training(workers=1).epochs(6)


def through_a_name_of_its_own() -> None:
    from torch.autograd import backward

    Training().epochs(12, backward)


def gradients_of_a_pass_without_steps() -> None:
    one = Training()
    one.epochs(6)
    for x, y in one.loader:  # the Fisher information of each parameter, say
        one.model.zero_grad()
        one.loss(x, y).backward()
    one.epochs(6)


def penalties_now_and_then() -> None:
    one, steps = Training(), itertools.count()

    def backward(loss: Any) -> None:
        loss.backward()
        number = next(steps)
        if number > 2 * FIRST and number % 16 == 0:
            sum(p.pow(2).sum() for p in one.model.parameters()).backward()

    one.epochs(12, backward)


def accumulation_that_begins_late() -> None:
    one = Training()
    one.epochs(6)
    for _ in range(6):
        for number, (x, y) in enumerate(one.loader):
            one.loss(x, y).backward()
            if number % 4 == 3:
                one.optimizer.step()
                one.optimizer.zero_grad()


def gradients_without_backward() -> None:
    one = Training()
    one.epochs(6)
    held = list(one.model.parameters())
    for _ in range(6):
        for x, y in one.loader:
            for p, gradient in zip(held, torch.autograd.grad(one.loss(x, y), held), strict=True):
                p.grad = gradient
            one.optimizer.step()


def batches_left_out() -> None:
    one = Training()
    one.epochs(6)
    for _ in range(2):
        for x, y in one.loader:
            with suppress(ValueError):
                one.loss(x, y).backward()
                raise ValueError("not this one")
    one.epochs(2)


def steps_that_fail() -> None:
    one, steps = Training(), itertools.count()

    def fail(*given: Any) -> None:
        if next(steps) % 10 == 9:
            raise ValueError("not this one")

    one.optimizer.register_step_pre_hook(fail)
    for _ in range(12):
        for x, y in one.loader:
            one.optimizer.zero_grad()
            one.loss(x, y).backward()
            with suppress(ValueError):
                one.optimizer.step()


def somebody_elses_patch() -> None:
    one = Training()
    one.epochs(2)
    ours = torch.autograd.backward

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    with mock.patch.object(torch.autograd, "backward", theirs):
        one.epochs(4)
    one.epochs(4)
    torch.autograd.backward = ours
    one.epochs(4)


def two_optimizers_in_turns() -> None:
    left, right = Training(), Training()
    for _ in range(6):
        left.epochs(1)
        right.epochs(1)


def optimizers_one_after_the_other() -> None:
    kept = []
    for _ in range(6):
        kept.append(Training())
        kept[-1].epochs(4)


def optimizers_that_come_and_go() -> None:
    for _ in range(6):
        Training().epochs(4)  # the next one may get the id of the one that is gone


def a_copy_of_an_optimizer() -> None:
    one = Training(partial(torch.optim.SGD, momentum=0.9))
    one.epochs(6)
    other = copy.copy(one.optimizer)  # of the same class, parameters and defaults
    for number, (x, y) in enumerate(itertools.chain(*[one.loader] * 6)):
        one.optimizer.zero_grad()
        one.loss(x, y).backward()
        (other if number % 3 else one.optimizer).step()


def backward_within_backward() -> None:
    one = Training()

    def loss(x: Any, y: Any) -> Any:
        hidden = checkpoint(one.model[:2], x.requires_grad_(), use_reentrant=True)
        return torch.nn.functional.cross_entropy(one.model[2](hidden), y)

    one.loss = loss  # type: ignore[method-assign]
    one.epochs(12)


def steps_within_steps() -> None:
    class Outer(torch.optim.SGD):
        def __init__(self, parameters: Any, lr: float) -> None:
            given = list(parameters)
            super().__init__(given, lr=lr)
            self.inner = torch.optim.SGD(given, lr=lr)

        def step(self, closure: Any = None) -> None:
            self.inner.step()
            super().step()

    Training(Outer).epochs(12)


def closures() -> None:
    one = Training(lambda given, lr: torch.optim.LBFGS(given, lr=lr, max_iter=2))
    for _ in range(8):
        for x, y in one.loader:

            def closure(x: Any = x, y: Any = y) -> Any:
                one.optimizer.zero_grad()
                loss = one.loss(x, y)
                loss.backward()
                return loss

            one.optimizer.step(closure)


def steps_that_a_scaler_leaves_out() -> None:
    one, steps = Training(), itertools.count()
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for _ in range(12):
        for x, y in one.loader:
            one.optimizer.zero_grad()
            loss = one.loss(x, y)
            scaler.scale(loss * float("inf") if next(steps) % 9 == 8 else loss).backward()
            scaler.step(one.optimizer)
            scaler.update()


def evaluations_between_steps() -> None:
    one = Training()
    other = DataLoader(TensorDataset(torch.randn(24, 4), torch.arange(24) % 3), 8)
    for _ in range(12):
        one.epochs(1)
        with torch.no_grad():
            for x, y in other:
                one.loss(x, y)


def metrics_within_steps() -> None:
    one = Training()

    def backward(loss: Any) -> None:
        loss.backward()
        with torch.no_grad():
            one.loss(torch.ones(3, 4), torch.arange(3))

    one.epochs(12, backward)


def a_step_that_is_compiled() -> None:
    one = Training()
    one.epochs(6)
    step = torch.compile(one.optimizer.step, backend="eager")
    for _ in range(4):
        for x, y in one.loader:
            one.loss(x, y).backward()
            step()
    one.epochs(2)


PROGRAMS = [
    plain,
    with_workers,
    through_a_name_of_its_own,
    gradients_of_a_pass_without_steps,
    penalties_now_and_then,
    accumulation_that_begins_late,
    gradients_without_backward,
    batches_left_out,
    steps_that_fail,
    somebody_elses_patch,
    two_optimizers_in_turns,
    optimizers_one_after_the_other,
    optimizers_that_come_and_go,
    a_copy_of_an_optimizer,
    backward_within_backward,
    steps_within_steps,
    closures,
    steps_that_a_scaler_leaves_out,
    evaluations_between_steps,
    metrics_within_steps,
    a_step_that_is_compiled,
]


def counts(program: Callable[[], None], *, few: bool, steps: int | None = None) -> dict[str, Any]:
    """All that is counted of a run of which every step is observed, or few are."""
    session = Session(Config(grace=60.0, steps=steps))
    heard: list[tuple[float, ...]] = []
    governor, tell = session.governor, session.tell

    def plan() -> None:
        governor.interval = EVERY if few and session.counts.steps >= FIRST else 1

    def hear(event: Any) -> None:
        if isinstance(event, Pass):
            heard.append((event.loader.number, event.number, event.batches, event.trained))
        elif isinstance(event, Evaluation):
            heard.append((event.step, event.epoch, event.calls, event.samples, event.value))
        tell(event)

    governor._plan = plan  # type: ignore[method-assign]
    session.tell = hear  # type: ignore[method-assign]
    ended = False
    session.start()
    try:
        program()
    except SystemExit:
        ended = True
    finally:
        session.stop()
    assert session.report().failures == []
    if few and session.counts.steps > 2 * FIRST:
        assert governor.observed < session.counts.steps / 2
    return {
        "steps": session.record.steps,
        "of each": [one.steps for one in session.record.optimizers.values()],
        "backward": session.counts.backwards,
        "epoch": session.record.epoch,
        "batches": [(one.batches, one.trained) for one in session.record.loaders.values()],
        "told": heard,
        "ended": ended,
    }


@pytest.mark.filterwarnings("ignore:`torch.jit")
# Torch 2.4 asks its own checkpoints for what it deprecates.
@pytest.mark.filterwarnings("ignore:.*cpu.amp.autocast:FutureWarning")
@pytest.mark.parametrize("program", PROGRAMS)
def test_all_that_is_counted_is_the_same_whatever_is_observed(program: Callable[[], None]) -> None:
    before = torch.autograd.backward
    assert counts(program, few=True) == counts(program, few=False)
    assert torch.autograd.backward is before


@pytest.mark.parametrize("steps", [19, 21, 84, 96])
def test_a_run_of_so_many_steps_ends_after_them(steps: int) -> None:
    assert counts(plain, few=True, steps=steps) == counts(plain, few=False, steps=steps)
    assert counts(plain, few=True, steps=steps)["steps"] == steps
