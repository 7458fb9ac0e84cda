"""The seven errors of a training monitor, each provoked in a small real training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parent / "programs"))
import _data

sys.path.pop(0)


@dataclass
class Setting:
    """What a scenario trains, and what happens to it on the way."""

    model: Any
    optimizer: Any
    batches: Iterator[Any]
    forward: Callable[[Any, Any], Any]
    before_step: Callable[[int], None] = lambda step: None
    schedule: Any = None
    options: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    name: str
    error: str | None  # that is provoked
    at: int  # step
    repair: str  # that is kept in the end, or "undone", "advised", ""
    make: Callable[[], Setting]
    steps: int = 200


def classifier(rate: float = 0.1, width: int = 32) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
    return model, torch.optim.SGD(model.parameters(), lr=rate)


def digit_batches(size: int = 32, change: Any = None) -> Iterator[Any]:
    loader = DataLoader(
        _data.digits(),
        batch_size=size,
        shuffle=True,
        generator=torch.Generator().manual_seed(5),
    )
    step = 0
    while True:
        for x, y in loader:
            yield change(step, x, y) if change is not None else (x, y)
            step += 1


def entropy(model: Any, batch: Any) -> Any:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def by_hand(model: Any, batch: Any) -> Any:
    """Cross entropy from probabilities, which saturate."""
    probabilities = model(batch[0]).softmax(dim=1)
    return -(nn.functional.one_hot(batch[1], 10) * probabilities.log()).sum(dim=1).mean()


def healthy() -> Setting:
    model, optimizer = classifier()
    return Setting(model, optimizer, digit_batches(), entropy)


def healthy_adam() -> Setting:
    model, _ = classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Setting(model, optimizer, digit_batches(), entropy)


def healthy_restarts() -> Setting:
    model, optimizer = classifier(0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=50)
    return Setting(model, optimizer, digit_batches(), entropy, schedule=schedule)


def healthy_large_units() -> Setting:
    """Losses in the thousands and norms far above any absolute bound."""
    x, y = _data.cancer().tensors
    torch.manual_seed(0)
    model = nn.Linear(30, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    target = 300 * x[:, :1] + 50 * y[:, None].float()

    def batches() -> Iterator[Any]:
        while True:
            index = torch.randperm(len(x))[:64]
            yield x[index], target[index]

    return Setting(model, optimizer, batches(), lambda m, b: nn.functional.mse_loss(m(b[0]), b[1]))


def bad_sample() -> Setting:
    def change(step: int, x: Any, y: Any) -> Any:
        if step == 80:
            x[3, 10] = float("nan")
        return x, y

    model, optimizer = classifier()
    return Setting(model, optimizer, digit_batches(change=change), entropy)


def saturated_logarithm() -> Setting:
    model, optimizer = classifier()

    def jump(step: int) -> None:
        if step == 80:
            optimizer.param_groups[0]["lr"] = 10.0

    return Setting(model, optimizer, digit_batches(), by_hand, jump)


def square_root_at_zero() -> Setting:
    """A finite loss with gradients that are not."""

    def forward(model: Any, batch: Any) -> Any:
        x, y = batch
        return (
            nn.functional.cross_entropy(model(x), y)
            + 0.01 * x.new_tensor(0.0)
            + 0.01 * (model[2].weight * x[0, 0]).abs().sum().sqrt()
        )

    def change(step: int, x: Any, y: Any) -> Any:
        x[0, 0] = 0.0 if step == 80 else 0.5
        return x, y

    model, optimizer = classifier()
    return Setting(model, optimizer, digit_batches(change=change), forward)


def bad_shard() -> Setting:
    """Some batches in other units, a thousand times as large."""

    def change(step: int, x: Any, y: Any) -> Any:
        return (x * 300 if 80 <= step < 84 else x), y

    model, optimizer = classifier(0.05)
    return Setting(model, optimizer, digit_batches(change=change), entropy)


def recurrence() -> Setting:
    """A recurrent network whose schedule jumps to a rate far too high."""
    x, y = _data.sequences()
    torch.manual_seed(0)
    rnn, head = nn.RNN(1, 24, nonlinearity="relu", batch_first=True), nn.Linear(24, 1)
    model = nn.ModuleList([rnn, head])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.002)

    def batches() -> Iterator[Any]:
        while True:
            index = torch.randperm(len(x))[:32]
            yield x[index], y[index]

    def jump(step: int) -> None:
        if step == 80:
            optimizer.param_groups[0]["lr"] = 1.5

    def forward(model: Any, batch: Any) -> Any:
        return (model[1](model[0](batch[0])[0][:, -1]) - batch[1]).pow(2).mean()

    return Setting(model, optimizer, batches(), forward, jump)


def sigmoids() -> Setting:
    """Ten saturated layers: the gradient is gone before it reaches the first ones."""
    torch.manual_seed(0)
    layers: list[Any] = [nn.Linear(64, 24), nn.Sigmoid()]
    for _ in range(9):
        layers += [nn.Linear(24, 24), nn.Sigmoid()]
    model = nn.Sequential(*layers, nn.Linear(24, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return Setting(model, optimizer, digit_batches(), entropy)


def tiny_loss(rate: float = 1.0) -> Setting:
    """A loss that was divided by far too much: its gradients are tiny, and so are the steps."""
    model, optimizer = classifier(rate)

    def forward(model: Any, batch: Any) -> Any:
        return entropy(model, batch) * 1e-8

    return Setting(model, optimizer, digit_batches(), forward)


def too_high_rate() -> Setting:
    """A rate that grows slowly beyond what the curvature bears."""
    x, _ = _data.cancer().tensors
    torch.manual_seed(0)
    model = nn.Linear(29, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

    def batches() -> Iterator[Any]:
        generator = torch.Generator().manual_seed(1)
        while True:
            index = torch.randperm(len(x), generator=generator)[:64]
            yield x[index, :29], x[index, 29:]

    def jump(step: int) -> None:
        if step == 100:
            optimizer.param_groups[0]["lr"] = 0.083

    return Setting(
        model,
        optimizer,
        batches(),
        lambda m, b: nn.functional.mse_loss(m(b[0]), b[1]),
        jump,
    )


def drifting_labels() -> Setting:
    """The labels of the later data mean something else, so the loss rises for good."""

    def change(step: int, x: Any, y: Any) -> Any:
        return x, torch.randint(0, 10, y.shape) if step >= 100 else y

    model, optimizer = classifier(0.3)
    return Setting(model, optimizer, digit_batches(change=change), entropy)


def bouncing() -> Setting:
    """Too much momentum at too high a rate: epochs go up and down."""
    model, _ = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.99)
    return Setting(model, optimizer, digit_batches(100), entropy)


def rate_in_tiny_units() -> Setting:
    """The same with a rate in such units, too, which is only some ten times too low."""
    return tiny_loss(1e5)


def swing(noise: float = 0.0) -> Setting:
    """Momentum that never ends: the loss swings over whole epochs."""
    x, _ = _data.cancer().tensors
    torch.manual_seed(0)
    model = nn.Linear(29, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.999)
    target = x[:, 29:] + noise * torch.randn(len(x), 1) if noise else x[:, 29:]

    def batches() -> Iterator[Any]:
        data = torch.utils.data.TensorDataset(x[:, :29], target)
        while True:
            yield from DataLoader(data, batch_size=64, shuffle=True)

    return Setting(model, optimizer, batches(), lambda m, b: nn.functional.mse_loss(m(b[0]), b[1]))


def swing_of_noisy_targets() -> Setting:
    """The same over a floor of noise, against which a lower rate calms it."""
    return swing(0.5)


def noise_floor(rate: float = 0.06) -> Setting:
    """A rate so high that the noise of small batches keeps the loss up."""
    x, _ = _data.cancer().tensors
    torch.manual_seed(0)
    model = nn.Linear(20, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def batches() -> Iterator[Any]:
        noise = torch.randn(len(x), 1, generator=torch.Generator().manual_seed(2))
        data = torch.utils.data.TensorDataset(x[:, :20], x[:, 20:21] + noise)
        while True:
            yield from DataLoader(data, batch_size=16, shuffle=True)

    return Setting(model, optimizer, batches(), lambda m, b: nn.functional.mse_loss(m(b[0]), b[1]))


def full_memory() -> Setting:
    def forward(model: Any, batch: Any) -> Any:
        if len(batch[0]) > 64:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return entropy(model, batch)

    def batches() -> Iterator[Any]:
        for step, batch in enumerate(digit_batches(96)):
            yield batch if step == 82 else (batch[0][:32], batch[1][:32])

    model, optimizer = classifier()
    return Setting(model, optimizer, batches(), forward)


SCENARIOS = (
    Scenario("one bad sample", "nan_loss", 80, "skip_step", bad_sample),
    Scenario("logarithm of a saturated probability", "nan_loss", 81, "reduce_lr",
             saturated_logarithm),
    Scenario("square root at zero", "nan_loss", 80, "skip_step", square_root_at_zero),
    Scenario("a shard in other units", "exploding_gradient", 80, "clip_grad", bad_shard),
    Scenario("recurrence at a high rate", "exploding_gradient", 80, "reduce_lr", recurrence),
    Scenario("ten sigmoids", "vanishing_gradient", 0, "advised", sigmoids),
    Scenario("a loss scaled to nothing", "vanishing_gradient", 0, "undone", tiny_loss),
    Scenario("a rate too low for a loss in tiny units", "vanishing_gradient", 0, "increase_lr",
             rate_in_tiny_units),
    Scenario("a rate beyond the curvature", "exploding_gradient", 100, "clip_grad",
             too_high_rate, 300),
    Scenario("too much momentum", "divergence", 20, "reduce_lr", bouncing, 400),
    Scenario("labels that drift", "divergence", 100, "undone", drifting_labels, 400),
    Scenario("momentum without end", "oscillation", 20, "undone", swing, 520),
    Scenario("momentum without end, noisy targets", "oscillation", 20, "reduce_lr",
             swing_of_noisy_targets, 520),
    Scenario("noise that a high rate keeps up", "plateau", 20, "reduce_lr", noise_floor, 500),
    Scenario("a batch too large", "out_of_memory", 82, "advised", full_memory),
    Scenario("healthy, SGD", None, 0, "", healthy),
    Scenario("healthy, Adam", None, 0, "", healthy_adam),
    Scenario("healthy, warm restarts", None, 0, "", healthy_restarts),
    Scenario("healthy, targets in large units", None, 0, "", healthy_large_units),
)  # fmt: skip


@dataclass
class Outcome:
    losses: list[float]
    norms: list[float]
    statistics: dict[str, Any]

    @property
    def log(self) -> list[dict[str, Any]]:
        return self.statistics["log"]  # type: ignore[no-any-return]


def run(scenario: Scenario, *, auto_fix: bool = True, **options: Any) -> Outcome:
    """Train through the wrapper, as a program would."""
    from trainlint.runtime import wrap_training

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    setting = scenario.make()
    wrapper = wrap_training(
        setting.model,
        setting.optimizer,
        auto_fix=auto_fix,
        options=setting.options,
        **{"snapshot_every": 20, "budget": 1.0, **options},
    )
    losses: list[float] = []
    try:
        for step in range(scenario.steps):
            setting.before_step(step)
            try:
                loss = wrapper.training_step(next(setting.batches), setting.forward)
                losses.append(float(loss.detach()))
            except torch.OutOfMemoryError:
                losses.append(float("nan"))
            if setting.schedule is not None:
                setting.schedule.step()
        statistics = wrapper.get_statistics()
        norms = [norm for _, norm in wrapper.monitor.norms]
        return Outcome(losses, norms, statistics)
    finally:
        wrapper.close()
        torch.set_num_threads(threads)
