"""The test set selects the model that is tested on it.

## What it does
Learns which passes over data without training select: a checkpoint called the best is written after
them, or one is written after some of at least `passes` of them and not after others, or
`ReduceLROnPlateau` is stepped, before training goes on. Reports a selecting pass over data that the
program calls its test data (by the name of the loader, of its data set, or of the function that
makes it) where no validation data is evaluated beside it, and one over validation data whose
samples are those of the test data. A test set that is looked at, or evaluated once at the end,
selects nothing. It is LEK004 seen happening.

## Why is this bad?
The best of many epochs on a set is lucky on that set: its result there is no estimate any more.

## Example
```python
accuracy = evaluate(model, test_loader)
if accuracy > best:
    best = accuracy
    torch.save(model.state_dict(), "best.pt")
```

## Use instead
```python
accuracy = evaluate(model, val_loader)
if accuracy > best:
    best = accuracy
    torch.save(model.state_dict(), "best.pt")
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- Kapoor and Narayanan, Leakage and the reproducibility crisis in ML-based science, 2023
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Pass, Save, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.places import Place
from trainlint.runtime.sample_sets import SampleSet, overlap

LEAST = 2  # evaluations that something was chosen from


@dataclass(frozen=True, slots=True)
class Options:
    passes: int = 3
    common: float = 0.01  # of the test samples


@dataclass(slots=True)
class _Driver:
    """A loader whose passes come last before training goes on."""

    ended: Pass
    claim: str
    passes: int = 0
    saves: int = 0
    place: Place | None = None  # of what it selects
    surely: bool = False


class SelectionOnTestSplit(Check[Options]):
    code = "LEK004"
    name = "selection-on-test-split"
    severity = Severity.ERROR
    confirms = ("LEK004",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._round: dict[str, Pass] = {}  # evaluations since the last step, by what they claim
        self._has_saved = False
        self._plateaus = 0
        self._drivers: dict[int, _Driver] = {}
        self._tests: dict[int, Pass] = {}
        self._told: set[int] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if self._round:
            yield from self._goes_on()
        self._round, self._has_saved = {}, False
        self._plateaus = self._plateau_steps()

    def on_pass(self, ended: Pass) -> Iterator[Finding]:
        if ended.trained or not ended.batches or not self.run.steps:
            return
        what = ended.loader.claim
        if what in ("test", "validation"):
            self._round[what] = ended
        if what == "test":
            self._tests[ended.loader.number] = ended
            for driver in self._drivers.values():
                yield from self._judge(driver)

    def on_save(self, save: Save) -> Iterator[Finding]:
        driver = self._driver()
        if driver is None or not save.is_checkpoint:
            return
        name = (save.path or "").replace("\\", "/").rsplit("/", 1)[-1].lower()
        driver.surely = driver.surely or "best" in name
        driver.place = save.place
        driver.saves += not self._has_saved
        self._has_saved = True
        yield from ()

    def on_end(self, end: End) -> Iterator[Finding]:
        for driver in self._drivers.values():
            yield from self._judge(driver)

    def _driver(self) -> _Driver | None:
        """The loader that decides in this round: validation data, where there is any."""
        what = "validation" if "validation" in self._round else "test"
        ended = self._round.get(what)
        if ended is None:
            return None
        driver = self._drivers.setdefault(ended.loader.number, _Driver(ended, what))
        driver.ended = ended
        return driver

    def _goes_on(self) -> Iterator[Finding]:
        driver = self._driver()
        if driver is None:
            return
        driver.passes += 1
        if self._plateau_steps() > self._plateaus:
            driver.surely = True
        yield from self._judge(driver)

    def _plateau_steps(self) -> int:
        return sum(s.steps for s in self.run.schedules if s.kind == "ReduceLROnPlateau")

    def _judge(self, driver: _Driver) -> Iterator[Finding]:
        number = driver.ended.loader.number
        selects = driver.surely or (
            driver.passes >= self.options.passes and 0 < driver.saves < driver.passes
        )
        if not selects or driver.passes < LEAST or number in self._told:
            return
        if driver.claim == "test":
            words = "the test data selects what is kept"
            found = None
        else:
            ours = driver.ended.samples
            tests = [t.samples for t in self._tests.values() if t.samples is not None]
            found = next(
                (o for t in tests if ours is not None and (o := _common(t, ours)) is not None), None
            )
            if found is None or found <= self.options.common:
                return
            words = (
                f"the validation data that selects what is kept has {100 * found:.0f} % of the "
                "samples of the test data"
            )
        self._told.add(number)
        yield self.finding(
            f"{words}, in {driver.passes} evaluations during training: its result is no test of "
            "the model that it chose",
            driver.ended.loader.place or driver.ended.place,
            evidence={
                "evaluations": driver.passes,
                "kept_after": driver.saves,
                "common_samples": found,
            },
            related=[(driver.place, "this is kept after some of them")],
            subject=f"loader {number}",
        )


def _common(test: SampleSet, selecting: SampleSet) -> float | None:
    found = overlap(test, [selecting])
    return found.share if found is not None else None
