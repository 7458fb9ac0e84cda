"""What a contrastive loss compares: pairs that exist, features of one length."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.runtime.check import Check
from trainlint.runtime.events import Similarity
from trainlint.runtime.findings import Finding
from trainlint.runtime.places import Place


@dataclass(frozen=True, slots=True)
class PairOptions:
    looks: int = 3  # running
    part: float = 0.5  # of the anchors


class NoPositivePairs(Check[PairOptions]):
    """The anchors of a contrastive loss have no positives.

    ## What it does
    Finds the matrix of similarities or distances in the graph of the loss (features times, or
    against, themselves) and the mask with which the loss picks its positives. Reports where, in
    `looks` looks running, at least `part` of the anchors have none besides themselves. A mask over
    log-probabilities picks the positives; one in another place, such as a sum inside of the
    logarithm or the distances of triplets, is believed where the loss falls as its pairs come
    nearer and where it is that of the batch's labels.

    A loss without such a mask is not judged, however few of a batch share their class: the
    positives are other views, a momentum encoder's keys or a memory's samples. Shuffled batches of
    C equally frequent classes leave an anchor of B alone with probability (1 - 1/C)^(B - 1); where
    that is a quarter or less, batches of 32 or more are accused with one below 1e-6.

    ## Why is this bad?
    Anchors without a positive only push everything apart, or drop out of the mean: the loss falls
    or stands, and samples of one class are never drawn together.

    ## Example
    ```python
    loader = DataLoader(data, batch_size=8, shuffle=True)  # of 100 classes
    ```

    ## Use instead
    ```python
    loader = DataLoader(data, batch_sampler=ClassesAndSamples(labels, classes=8, samples=4))
    ```

    ## Fix safety
    There is no fix.

    ## Since
    0.1.0

    ## References
    - Khosla et al., Supervised Contrastive Learning, 2020
    """

    code = "RUN015"
    name = "no-positive-pairs"
    defaults = PairOptions()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._row: dict[Place | None, deque[float]] = {}

    def on_similarity(self, similarity: Similarity) -> Iterator[Finding]:
        part = similarity.without_positive
        if part is None:
            return
        row = self._row.setdefault(similarity.place, deque(maxlen=self.options.looks))
        row.append(part)
        if len(row) < self.options.looks or min(row) < self.options.part:
            return
        batch = similarity.batches[-1] if similarity.batches else None
        classes = len(batch.labels) if batch is not None and batch.labels else None
        sampler = batch.loader.sampler if batch is not None else None
        size = similarity.rows
        yield self.finding(
            f"{100 * min(row):.0f} % or more of the {size} anchors of this contrastive loss have "
            "no positive: "
            + (
                f"`{sampler}` fills a batch of {batch.size} from {classes} classes"
                if batch is not None and classes
                else "no other sample of the batch belongs with them"
            ),
            similarity.place,
            step=similarity.step,
            evidence={
                "without_positive": list(row),
                "rows": size,
                "sampler": sampler,
                "classes_in_batch": classes,
            },
            related=[(batch.loader.place, "the loader of these batches")] if batch else [],
        )


@dataclass(frozen=True, slots=True)
class NormOptions:
    looks: int = 3  # running
    part: float = 0.5  # of the rows


class UnnormalizedFeatures(Check[NormOptions]):
    """The features of a contrastive loss have no unit length.

    ## What it does
    Finds the matrix of similarities in the graph of the loss (features times themselves, or times
    those of another encoder into a cross entropy, over a temperature below 1) and measures the
    features in it. Reports where, in `looks` looks running, the norms of at least `part` of the
    rows differ from 1 by more than 1 %. Similarities without a temperature are dot products on
    purpose, and what is divided by the norms afterwards is a cosine: both are silent. It is LOS004
    seen happening.

    ## Why is this bad?
    The temperature scales numbers of any size: the softmax saturates on the longest vectors, and
    the loss can be lowered by making them longer.

    ## Example
    ```python
    similar = features @ features.T / 0.1
    ```

    ## Use instead
    ```python
    features = F.normalize(features, dim=1)
    similar = features @ features.T / 0.1
    ```

    ## Fix safety
    There is no fix at run time; `trainlint fix` has that of LOS004.

    ## Since
    0.1.0

    ## References
    - Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020
    """

    code = "RUN016"
    name = "unnormalized-features"
    confirms = ("LOS004",)
    defaults = NormOptions()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._row: dict[Place | None, deque[float]] = {}

    def on_similarity(self, similarity: Similarity) -> Iterator[Finding]:
        if similarity.unnormalized is None:
            return
        row = self._row.setdefault(similarity.place, deque(maxlen=self.options.looks))
        row.append(similarity.unnormalized)
        if len(row) < self.options.looks or min(row) < self.options.part:
            return
        by = f" by {similarity.temperature:g}" if similarity.temperature else ""
        yield self.finding(
            f"the features of this contrastive loss have a mean norm of {similarity.mean_norm:.3g}"
            f", not 1, and their similarities are divided{by}",
            similarity.place,
            step=similarity.step,
            evidence={
                "mean_norm": similarity.mean_norm,
                "unnormalized_rows": min(row),
                "temperature": similarity.temperature,
            },
        )
