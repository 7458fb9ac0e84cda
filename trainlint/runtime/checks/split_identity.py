"""What is evaluated as held-out data was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trainlint.diagnostics import Confidence, Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Pass, Save, Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.places import Place
from trainlint.runtime.sample_sets import Overlap, SampleSet, apart, overlap


@dataclass(frozen=True, slots=True)
class Options:
    error: float = 0.01  # of the evaluated samples


@dataclass(frozen=True, slots=True)
class _Apart:
    """Passes of a loader whose samples were not among those trained on."""

    places: tuple[Place, ...]
    trained: int
    evaluated: int
    passes: int


class _Identity(Check[Options]):
    """Both rules compare the same sets; which of them speaks depends on what is equal."""

    defaults = Options()
    of_subsets: ClassVar[bool]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._apart: dict[int, _Apart | None] = {}  # by the loader's number; None: not always

    def on_pass(self, ended: Pass) -> Iterator[Finding]:
        if ended.trained or not ended.batches or ended.samples is None:
            return
        self._look_whether_apart(ended, ended.samples)
        if ended.loader.claim not in ("test", "validation"):
            return
        yield from self._compared(ended, Confidence.HIGH)

    def _look_whether_apart(self, ended: Pass, samples: SampleSet) -> None:
        number, fed = ended.loader.number, self.run.consumption.ever()
        if not fed or self._apart.get(number, ended) is None:
            return
        trained = apart(samples, fed)
        places = [place for place in (ended.place, ended.loader.place) if place is not None]
        if trained is None or samples.indices is None or not places:
            self._apart[number] = None
            return
        known = self._apart.get(number)
        passes = known.passes + 1 if known is not None else 1
        self._apart[number] = _Apart(tuple(places), trained, len(samples.indices), passes)

    def cleared(self) -> Iterator[Cleared]:
        for one in self._apart.values():
            if one is not None:
                yield Cleared(
                    self.code,
                    self.name,
                    f"the sets consumed share no sample: {one.trained} were trained on, "
                    f"{one.evaluated} others evaluated here",
                    one.places,
                    {"trained": one.trained, "evaluated": one.evaluated, "passes": one.passes},
                )

    def _compared(self, ended: Pass, confidence: Confidence) -> Iterator[Finding]:
        before = self.run.consumption.before()
        if ended.samples is None or not before:
            return
        found = overlap(ended.samples, before)
        if found is None or (found.by_index and not found.whole) is not self.of_subsets:
            return
        loader = ended.loader
        trained = [
            other.place
            for other in self.run.loaders.values()
            if other.trained and other is not loader
        ]
        yield self.finding(
            self._words(found),
            loader.place or ended.place,
            severity=Severity.ERROR if found.share > self.options.error else Severity.WARNING,
            confidence=confidence,
            evidence={
                "share": found.share,
                "common": found.count,
                "evaluated": found.of,
                "by": "index" if found.by_index else "content",
                "indices": list(found.examples),
            },
            related=[(place, "this loader feeds the training") for place in trained[:1]],
            subject=f"loader {loader.number}",
        )

    @staticmethod
    def _words(found: Overlap) -> str:
        raise NotImplementedError


class SameDataForTrainAndEval(_Identity):
    """The data that is evaluated is the data that was trained on.

    ## What it does
    At the end of each pass over a loader that the program calls test or validation data (by the
    name of the loader, of its data set, or of the function that makes it, or as `val_loader` of
    `watch`), compares its samples with those that the optimizers were fed which stepped since the
    evaluation before: by their indices where both come from one data set object, else by their
    content and label. Reports an error above `error` of the evaluated samples, a warning above 0.
    Content counts where it is rich enough that two samples are not equal by chance, and equal more
    often than the training data repeats itself. What has no such name is reported only where its
    pass selects the best checkpoint and nothing else is evaluated: a k-NN index, statistics that
    are measured anew, a metric of the training data and a test of memorising are silent. So are the
    folds of a cross-validation, each of which has an optimizer of its own. It is LEK003 seen
    happening; where the indices of one data set show in each pass that nothing evaluated was
    trained on, it is LEK003 disproved.

    ## Why is this bad?
    The number says how well the model remembers, and is published as how well it generalises.

    ## Example
    ```python
    train_loader = DataLoader(data, shuffle=True)
    test_loader = DataLoader(data)
    ```

    ## Use instead
    ```python
    train_set, test_set = random_split(data, [0.8, 0.2], generator=torch.Generator().manual_seed(0))
    train_loader, test_loader = DataLoader(train_set, shuffle=True), DataLoader(test_set)
    ```

    ## Fix safety
    There is no fix.

    ## Since
    0.1.0

    ## References
    - Kapoor and Narayanan, Leakage and the reproducibility crisis in ML-based science, 2023
    """

    code = "LEK003"
    name = "same-data-for-train-and-eval"
    severity = Severity.ERROR
    confirms = ("LEK003",)
    of_subsets = False

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._last: Pass | None = None  # without a name, and nothing else is evaluated
        self._evaluated: set[int] = set()

    def on_pass(self, ended: Pass) -> Iterator[Finding]:
        if ended.trained:
            self._last = None
            return
        self._evaluated.add(ended.loader.number)
        self._last = ended if ended.loader.claim is None else None
        yield from super().on_pass(ended)

    def on_save(self, save: Save) -> Iterator[Finding]:
        ended = self._last
        if ended is None or not save.is_checkpoint or len(self._evaluated) > 1:
            return
        if "best" in (save.path or "").replace("\\", "/").rsplit("/", 1)[-1].lower():
            yield from self._compared(ended, Confidence.MEDIUM)

    def on_step(self, step: Step) -> Iterator[Finding]:
        self._last = None
        yield from ()

    @staticmethod
    def _words(found: Overlap) -> str:
        if found.by_index:
            return (
                f"{found.count} of the {found.of} samples that are evaluated here were trained on: "
                "it is the same data set"
            )
        return (
            f"{found.count} of the {found.of} samples that are evaluated here are equal, with "
            "their labels, to samples that were trained on"
        )


class OverlappingSubsets(_Identity):
    """Samples are in the training part and in the evaluated part of a data set.

    ## What it does
    Compares the indices of subsets (`Subset`, `random_split`, `SubsetRandomSampler`) of one data
    set object: those that the optimizer was fed, and those of a loader that the program calls test
    or validation data. Reports an error above `error` of the evaluated samples, a warning above 0,
    and names some of the indices. It is LEK006 seen happening; LEK003 has what is evaluated by this
    comparison and what is not.

    ## Why is this bad?
    On what was trained on, the model is better than on what it will meet; the metric is too good.

    ## Example
    ```python
    train_set, _ = random_split(data, [800, 200])
    _, val_set = random_split(data, [800, 200])
    ```

    ## Use instead
    ```python
    train_set, val_set = random_split(data, [800, 200])
    ```

    ## Fix safety
    There is no fix.

    ## Since
    0.1.0

    ## References
    - PyTorch documentation, torch.utils.data.random_split
    """

    code = "LEK006"
    name = "overlapping-subsets"
    severity = Severity.ERROR
    confirms = ("LEK006",)
    of_subsets = True

    @staticmethod
    def _words(found: Overlap) -> str:
        named = ", ".join(map(str, found.examples))
        return (
            f"{found.count} of the {found.of} samples that are evaluated here were trained on: the "
            f"subsets overlap (the first indices: {named})"
        )
