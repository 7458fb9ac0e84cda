"""Times the share of a training step that watching takes, as ratios in one run.

    python bench/runtime.py [--device cpu] [--seconds 4] [--write docs/runtime-cost.md]

Three models train: a small MLP, a convolutional net and a transformer. Each of them plainly,
watched with and without a budget, wrapped (with snapshots for repair), and in the published way:
one ``.item()`` a parameter for the norm, a checkpoint on disk at each improvement. The ways take
turns in short stretches, and medians of their ratios are compared, so that a machine whose speed
drifts does not decide.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import nn  # noqa: E402

from trainlint.runtime import watch, wrap_training  # noqa: E402
from trainlint.runtime.session import Session  # noqa: E402

Step = Callable[[], None]
WAYS = ("plain", "every step", "watched", "wrapped", "published way")
STRETCHES = 9


@dataclass
class Task:
    """What trains."""

    name: str
    make: Callable[[], nn.Module]
    batch: Callable[[], tuple[torch.Tensor, torch.Tensor]]


@dataclass
class Times:
    """Seconds of the steps of each way, and what the shim itself says."""

    steps: dict[str, list[float]] = field(default_factory=dict)
    totals: dict[str, list[float]] = field(default_factory=dict)  # mean of each stretch
    summary: dict[str, Any] = field(default_factory=dict)

    def ratio(self, way: str) -> float:
        """How long a step takes, on average over a stretch, next to a plain one."""
        pairs = zip(self.totals[way], self.totals["plain"], strict=True)
        return statistics.median(one / plain for one, plain in pairs)


class Convolutions(nn.Sequential):
    """Six of them with batch norm."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            if after == before:
                layers.append(nn.MaxPool2d(2))
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


class Transformer(nn.Module):
    """Four layers on sequences of 64."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(1000, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(128, 10)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of each sequence."""
        return self.head(self.layers(self.embed(tokens)).mean(1))  # type: ignore[no-any-return]


def mlp() -> nn.Module:
    """Three layers."""
    return nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    )


TASKS = (
    Task("small MLP", mlp, lambda: (torch.randn(64, 64), torch.randint(0, 10, (64,)))),
    Task(
        "convolutional net",
        Convolutions,
        lambda: (torch.randn(8, 3, 32, 32), torch.randint(0, 10, (8,))),
    ),
    Task(
        "transformer",
        Transformer,
        lambda: (torch.randint(0, 1000, (4, 64)), torch.randint(0, 10, (4,))),
    ),
)


def loss_of(model: Any, batch: Any) -> Any:
    """Cross entropy."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


class Way:
    """One way of training a task, that can go on in stretches."""

    def __init__(self, way: str, task: Task, device: str, folder: str) -> None:
        torch.manual_seed(0)
        self.way, self.device = way, device
        self.model = task.make().to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.batches = [tuple(t.to(device) for t in task.batch()) for _ in range(8)]
        self.count, self.best = 0, float("inf")
        self.file = os.path.join(folder, "best.pt")
        self.wrapper: Any = None
        if way == "wrapped":
            self.wrapper = wrap_training(self.model, self.optimizer, checkpoint_dir=folder)

    def step(self) -> None:
        """One training step."""
        batch = self.batches[self.count % len(self.batches)]
        self.count += 1
        if self.wrapper is not None:
            self.wrapper.training_step(batch, loss_of)
            return
        loss = loss_of(self.model, batch)
        loss.backward()
        if self.way == "published way":
            self._published(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _published(self, loss: Any) -> None:
        total = 0.0
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                total += parameter.grad.norm(2).item() ** 2
        value = loss.item()
        if value < self.best:
            self.best = value
            state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
            torch.save(state, self.file)

    def stretch(self, seconds: float) -> list[float]:
        """Seconds of each step of a stretch."""
        found: list[float] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(found) < 3:
            started = time.perf_counter()
            self.step()
            if self.device != "cpu" and len(found) % 50 == 49:
                torch.cuda.synchronize()  # so that the queue does not hide the work
            found.append(time.perf_counter() - started)
        if self.device != "cpu":
            torch.cuda.synchronize()
        return found


def measure(task: Task, device: str, seconds: float) -> Times:
    """All ways of one task, taking turns."""
    times = Times({way: [] for way in WAYS}, {way: [] for way in WAYS})
    with tempfile.TemporaryDirectory() as folder:
        ways = {way: Way(way, task, device, folder) for way in WAYS}
        for way in ("plain", "published way"):
            ways[way].stretch(0.3)
        for _ in range(STRETCHES):
            for name, way in ways.items():
                if name in ("plain", "published way"):
                    _note(times, name, way.stretch(seconds))
                elif name == "wrapped":
                    way.step()
                    way.wrapper._session.governor.grace = 0.0
                    way.stretch(seconds)
                    _note(times, name, way.stretch(seconds))
                    way.wrapper._leave()
                    way.wrapper._session = None
                else:
                    with watch(budget=1.0 if name == "every step" else 0.01) as one:
                        _session().governor.grace = 0.0
                        way.stretch(seconds)  # the governor settles
                        _note(times, name, way.stretch(seconds))
                    times.summary[name] = one.summary()
        del ways
    return times


def _session() -> Session:
    assert Session.current is not None
    return Session.current


def _note(times: Times, way: str, found: Sequence[float]) -> None:
    times.steps[way] += found
    times.totals[way].append(statistics.mean(found))


def page(results: dict[str, Times], device: str) -> str:
    """The table."""
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    lines = [
        "# What watching costs",
        "",
        f"Written by `python bench/runtime.py --write`. {name}, torch "
        f"{torch.__version__.partition('+')[0]}, {torch.get_num_threads()} threads; mean step of "
        "short stretches that take turns, as ratios to the plain step beside it.",
        "",
        "| model | plain step | every step watched | watched | wrapped, with repair | published "
        "way | observed, when watched |",
        "|---|---|---|---|---|---|---|",
    ]
    for task, times in results.items():
        about = times.summary["watched"]
        lines.append(
            f"| {task} | {1000 * statistics.median(times.steps['plain']):.2f} ms | "
            + " | ".join(f"{times.ratio(way):.3f}" for way in WAYS[1:])
            + f" | every {about['interval']}. step at the end |"
        )
    lines += [
        "",
        "*Every step watched* has no budget. *Watched* and *wrapped* keep to the budget of 1 % "
        "from the first step on; in a program the first half second of the shim's work is free, "
        "so that short runs are seen whole. *Published way*: one number asked of the device for "
        "each parameter, and a file written whenever the loss is the best so far.",
        "",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=1.0, help="of a stretch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", metavar="FILE")
    args = parser.parse_args(argv)
    logging.getLogger("trainlint.runtime").setLevel(logging.CRITICAL)
    torch.set_num_threads(args.threads)
    results = {task.name: measure(task, args.device, args.seconds) for task in TASKS}
    text = page(results, args.device)
    if args.write:
        Path(args.write).write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
