"""Times the share of a training step that watching takes, as ratios in one run.

    python bench/runtime.py [--device cpu] [--seconds 110] [--clock wall] [--write FILE]

Three models train: a small MLP, a convolutional net and a transformer. Each of them plainly,
watched with and without a budget, wrapped (with snapshots for repair), and in the published way:
one ``.item()`` a parameter for the norm, a checkpoint on disk at each improvement.

A stretch of each way stands beside one of plain steps, in turns, until the time is over; what is
told is the median of the ratios of such pairs, with their quartiles, so that a machine whose speed
drifts does not decide. What a watch learns at its beginning is not part of a stretch.

One per cent of a step is less than what such a ratio tells on a busy machine. So the same training
also goes on in blocks of a few steps, in random order: with the watch detached, attached and only
counting, attached and observing. The batches are the smallest there are, since what the watch does
does not depend on them, and the noise does. What the two kinds of steps add is told in processor
time, as the trimmed mean of the differences to the detached block of the same round with its 95 %
confidence interval, and from both the share of a step at the interval that the watch chose.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import nn  # noqa: E402

from trainlint.runtime import wrap_training  # noqa: E402
from trainlint.runtime.hooks import install_all  # noqa: E402
from trainlint.runtime.session import Config, Session  # noqa: E402

WAYS = ("every step", "watched", "wrapped", "published way")
STRETCH = 0.15  # seconds of a stretch at least
LONGEST = 0.8  # seconds of a stretch at most
ROUNDS = 3  # at least
COUNTED = 40  # steps whose calls are counted
KINDS = ("detached", "counting", "observing")
FAR = 1 << 29  # steps
PLAIN, LEAST = 9, 20  # blocks and rounds
TRIMMED = 0.1  # of the differences, on each side
WARM, BLOCK = 8, 8  # steps of a kind: patching makes Python forget what it learned; then timed


@dataclass
class Task:
    """What trains."""

    name: str
    make: Callable[[], nn.Module]
    batch: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    least: Callable[[], tuple[torch.Tensor, torch.Tensor]]  # the same, with little to compute


@dataclass(frozen=True)
class Bounds:
    """A trimmed mean, and what its standard error leaves on each side with a confidence of 95 %."""

    middle: float
    margin: float

    @staticmethod
    def of(values: Sequence[float]) -> Bounds:
        """The trimmed mean of these, with the error that Yuen gives it."""
        count, cut = len(values), int(TRIMMED * len(values))
        ordered = sorted(values)
        kept = ordered[cut : count - cut]
        pulled = [min(max(value, kept[0]), kept[-1]) for value in ordered]
        error = statistics.stdev(pulled) * math.sqrt(count - 1)
        margin = 1.96 * error / math.sqrt(len(kept) * (len(kept) - 1))
        return Bounds(statistics.fmean(kept), margin)

    @staticmethod
    def together(several: Sequence[Bounds]) -> Bounds:
        """What they say together of one number, each with the weight of its certainty."""
        weights = [one.margin**-2 for one in several]
        middle = sum(w * one.middle for w, one in zip(weights, several, strict=True)) / sum(weights)
        return Bounds(middle, sum(weights) ** -0.5)

    def text(self, scale: float, digits: int, unit: str) -> str:
        """In a table."""
        middle, margin = scale * self.middle, scale * self.margin
        return f"{middle:.{digits}f} ± {margin:.{digits}f} {unit}"


@dataclass
class Parts:
    """Seconds of processor time that a step adds under the watch; one number a round."""

    plain: float = 0.0  # of a whole step, on a batch of the usual size
    counting: list[float] = field(default_factory=list)
    observing: list[float] = field(default_factory=list)

    def share(self, interval: int, counting: Bounds) -> Bounds:
        """Of a step, where every so many are observed and the others counted."""
        seen, others = Bounds.of(self.observing), interval - 1
        middle = (seen.middle + others * counting.middle) / (interval * self.plain)
        margin = math.hypot(seen.margin, others * counting.margin) / (interval * self.plain)
        return Bounds(middle, margin)


@dataclass
class Times:
    """What was measured of one task."""

    plain: list[float] = field(default_factory=list)  # seconds of a step, one a stretch
    ratios: dict[str, list[float]] = field(default_factory=dict)  # to the stretch beside it
    summary: dict[str, Any] = field(default_factory=dict)  # of the watch in its budget
    snapshots: dict[str, Any] = field(default_factory=dict)
    state: int = 0  # bytes of the parameters and of what the optimizer keeps of them
    calls: tuple[float, float] = (0.0, 0.0)  # of the shim's functions: observed step, other one
    parts: Parts = field(default_factory=Parts)

    def ratio(self, way: str) -> str:
        """The median and the quartiles."""
        found = self.ratios[way]
        low, middle, high = statistics.quantiles(found, n=4)
        return f"{middle:.3f} ({low:.3f}-{high:.3f})"


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
    Task(
        "small MLP",
        mlp,
        lambda: (torch.randn(64, 64), torch.randint(0, 10, (64,))),
        lambda: (torch.randn(2, 64), torch.randint(0, 10, (2,))),
    ),
    Task(
        "convolutional net",
        Convolutions,
        lambda: (torch.randn(8, 3, 32, 32), torch.randint(0, 10, (8,))),
        lambda: (torch.randn(2, 3, 8, 8), torch.randint(0, 10, (2,))),
    ),
    Task(
        "transformer",
        Transformer,
        lambda: (torch.randint(0, 1000, (4, 64)), torch.randint(0, 10, (4,))),
        lambda: (torch.randint(0, 1000, (2, 2)), torch.randint(0, 10, (2,))),
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
        self.session: Session | None = None
        self.wrapper: Any = None
        self.pace = 0.0  # seconds of a step, on the wall
        self._since = 0  # when its watch was laid aside
        if way == "wrapped":
            self.wrapper = wrap_training(self.model, self.optimizer, checkpoint_dir=folder)
        elif way in ("every step", "watched"):
            self.session = Session(Config(1.0 if way == "every step" else 0.01, grace=0.0))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Its watch, for a stretch; the time between two of them is not the run's."""
        if self.wrapper is not None and self.session is None:
            self.wrapper.training_step(self.batches[0], loss_of)
            self.session = self.wrapper._session
            self.session.governor.grace = 0.0
        elif self.session is not None and not self._since:
            self.session.start()
        elif self.session is not None:
            self.session.governor._started += time.perf_counter_ns() - self._since
            Session.current, self.session._undo = self.session, install_all(self.session)
        try:
            yield
        finally:
            if self.session is not None:
                while self.session._undo:
                    self.session._undo.pop()()
                Session.current, self._since = None, time.perf_counter_ns()

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

    def stretch(self, steps: int, clock: Callable[[], float]) -> float:
        """Seconds of a step of a stretch, on average."""
        with self.watching():
            self._wait()
            started = clock()
            for _ in range(steps):
                self.step()
            self._wait()
            return (clock() - started) / steps

    def settle(self, seconds: float) -> None:
        """Some steps that are not measured."""
        with self.watching():
            started, before = time.perf_counter(), self.count
            while time.perf_counter() < started + seconds or self.count < before + 3:
                self.step()
            self._wait()
            self.pace = (time.perf_counter() - started) / (self.count - before)

    def _wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()


def measure(task: Task, device: str, seconds: float, clock: Callable[[], float]) -> Times:
    """All ways of one task, each beside plain steps, in turns."""
    times = Times(ratios={way: [] for way in WAYS})
    end = time.perf_counter() + seconds
    with tempfile.TemporaryDirectory() as folder:
        plain = Way("plain", task, device, folder)
        ways = [Way(way, task, device, folder) for way in WAYS]
        for way in (plain, *ways):
            way.settle(seconds / 40)
        turn = 0
        while time.perf_counter() < end or turn < ROUNDS:
            for way in ways:
                steps = _length(way)
                pair = [plain, way] if turn % 2 else [way, plain]
                found = {one.way: one.stretch(steps, clock) for one in pair}
                times.plain.append(found["plain"])
                times.ratios[way.way].append(found[way.way] / found["plain"])
            turn += 1
        for way in ways:
            if way.way == "watched" and way.session is not None:
                with way.watching():  # its time ends here, not after the stretches of others
                    times.summary = way.session.summary()
                times.calls = _calls(way)
            if way.wrapper is not None:
                times.snapshots = way.wrapper.get_statistics()["snapshots"]
                times.state = way.wrapper._snapshots._size()
    return times


def measure_parts(task: Task, device: str, seconds: float) -> Parts:
    """What a step adds that is observed, and one that is only counted."""
    parts, order = Parts(), random.Random(0)
    end = time.perf_counter() + seconds
    with tempfile.TemporaryDirectory() as folder:
        way = Way("every step", task, device, folder)
        way.settle(seconds / 20)
        parts.plain = statistics.median(_block(way, "detached") for _ in range(PLAIN))
        way.batches = [tuple(t.to(device) for t in task.least()) for _ in range(8)]
        while time.perf_counter() < end or len(parts.counting) < LEAST:
            kinds = order.sample(KINDS, len(KINDS))
            found = {kind: _block(way, kind) for kind in kinds}
            parts.counting.append(found["counting"] - found["detached"])
            parts.observing.append(found["observing"] - found["detached"])
    return parts


def _block(way: Way, kind: str) -> float:
    """Seconds of processor time that a step of this kind takes."""
    session = way.session
    assert session is not None
    with nullcontext() if kind == "detached" else way.watching():
        _let(session, observe=kind == "observing")
        for _ in range(WARM):
            way.step()
        way._wait()
        started = time.process_time()
        for _ in range(BLOCK):
            way.step()
        way._wait()
        return (time.process_time() - started) / BLOCK


def _let(session: Session, *, observe: bool) -> None:
    """Have the steps from now on observed, or only counted."""
    counts, governor = session.counts, session.governor
    counts.observing, governor.due = observe, 0 if observe else FAR
    counts.until = 0 if observe else FAR


def _length(way: Way) -> int:
    """Steps of a stretch: enough for two that are observed, and for the clock."""
    interval = way.session.governor.interval if way.session is not None else 1
    least, most = math.ceil(STRETCH / way.pace), math.ceil(LONGEST / way.pace)
    return min(max(least, 2 * interval), most)


def _calls(way: Way) -> tuple[float, float]:
    """How many functions of the shim are called in a step that is observed, and in another."""
    assert way.session is not None
    session, package = way.session, os.path.join("trainlint", "runtime") + os.sep
    found = []
    with way.watching():
        for observe in (True, False):
            calls = 0

            def note(frame: Any, event: str, argument: object) -> None:
                nonlocal calls
                calls += event == "call" and package in frame.f_code.co_filename

            for _ in range(COUNTED):
                _let(session, observe=observe)
                sys.setprofile(note)
                try:
                    way.step()
                finally:
                    sys.setprofile(None)
            found.append(calls / COUNTED)
    return found[0], found[1]


def page(results: dict[str, Times], device: str, command: str) -> str:
    """The tables."""
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    lines = [
        "# What watching costs",
        "",
        f"Written by `{command}` on {date.today().isoformat()}. "
        f"{name}, torch {torch.__version__.partition('+')[0]}, "
        f"{torch.get_num_threads()} thread(s). Mean steps of short stretches, each beside a "
        "stretch of plain steps: the median of these ratios, and their quartiles.",
        "",
        "| model | plain step | every step watched | watched | wrapped, with repair | published "
        "way | pairs |",
        "|---|---|---|---|---|---|---|",
    ]
    for task, times in results.items():
        lines.append(
            f"| {task} | {1000 * statistics.median(times.plain):.2f} ms | "
            + " | ".join(times.ratio(way) for way in WAYS)
            + f" | {min(map(len, times.ratios.values()))} |"
        )
    lines += [
        "",
        "*Every step watched* has no budget. *Watched* and *wrapped* keep to the budget of 1 % "
        "from the first step on; in a program the first half second of the shim's work is free, "
        "so that short runs are seen whole. *Published way*: one number asked of the device for "
        "each parameter, and a file written whenever the loss is the best so far.",
        "",
        "| model | observed, when watched | share, as the shim itself has it | calls in an "
        "observed step | calls in another step | snapshots at their peak | of model and optimizer "
        "|",
        "|---|---|---|---|---|---|---|",
    ]
    for task, times in results.items():
        about, peak = times.summary, times.snapshots["peak"]
        lines.append(
            f"| {task} | every {about['interval']}. step | {100 * about['share']:.2f} % | "
            f"{times.calls[0]:.0f} | {times.calls[1]:.0f} | {peak / 2**20:.1f} MiB | "
            f"{peak / times.state:.1f} times |"
        )
    lines += [
        "",
        "*Share* counts what the clocks in the hooks measure, what these clocks take, and the way "
        "through the hooks of each step. *Calls* are those of the shim's own functions; the number "
        "does not depend on how busy a machine is. *Snapshots* are what the wrapper keeps for a "
        "roll-back, on the host: three of them, and one more while a roll-back may be undone; they "
        "are never larger than `snapshot_bytes`.",
        "",
        "## In parts",
        "",
        "Blocks of a few steps of one training, in random order: with the watch detached, attached "
        "and counting, attached and observing. Processor time of a step, and what is added to it "
        "in the trimmed mean of all rounds, with a confidence of 95 %, which on the smallest "
        "batches is told best and is the same on others; the share is that of both kinds of steps "
        "together in a plain step at the interval above.",
        "",
        "| model | plain step | added by an observed step | added by a counted step | share when "
        "watched | rounds |",
        "|---|---|---|---|---|---|",
    ]
    counting = Bounds.together([Bounds.of(times.parts.counting) for times in results.values()])
    for task, times in results.items():
        parts = times.parts
        lines.append(
            f"| {task} | {1000 * parts.plain:.2f} ms | "
            f"{Bounds.of(parts.observing).text(1e6, 0, 'µs')} | "
            f"{Bounds.of(parts.counting).text(1e6, 1, 'µs')} | "
            f"{parts.share(times.summary['interval'], counting).text(100, 2, '%')} | "
            f"{len(parts.counting)} |"
        )
    lines += [
        "",
        "A counted step goes the same way through the hooks whatever the model is: all three "
        f"models together say {counting.text(1e6, 1, 'µs')}, which the share is reckoned with. The "
        "hooks take a tenth of that where they are called in a loop: in a program each step drives "
        "them out of the caches, which the shim's own share allows for. A step shorter than "
        f"{1e5 * counting.middle:.1f} ms therefore loses more than 1 %, however seldom one is "
        "observed.",
        "",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=110.0, help="of the whole measurement")
    parser.add_argument(
        "--clock", default="wall", choices=("wall", "cpu"), help="cpu: on a machine that is busy"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", metavar="FILE")
    args = parser.parse_args(argv)
    given = list(sys.argv[1:] if argv is None else argv)
    logging.getLogger("trainlint.runtime").setLevel(logging.CRITICAL)
    torch.set_num_threads(args.threads)
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    each = args.seconds / len(TASKS)
    results = {task.name: measure(task, args.device, each / 2, clock) for task in TASKS}
    for task in TASKS:
        results[task.name].parts = measure_parts(task, args.device, each / 2)
    text = page(results, args.device, " ".join(["python bench/runtime.py", *given]))
    if args.write:
        Path(args.write).write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
