"""Two subsets of one data set share samples.

## What it does
Finds subsets for training, validation and test (by their names) that overlap: `Subset`,
`SubsetRandomSampler` and `select` over ranges of one data set, or slices of one list of indices,
that begin at the same place, end at the same place or whose numbers overlap; and a data set that is
split by two `random_split` of which one gives the training part and the other one the held-out
part, while nothing makes both draw the same.

It is silent where both generators are seeded with the same number or the global one is seeded
before each of them, where a split gives both of its parts, and where the ranges cannot be compared.

## Why is this bad?
Samples of the training set are in the evaluation, so its score says too much. Two independent
random splits of 80 to 20 percent have 80 percent of the evaluation among the training samples.

## Example
```python
from torch.utils.data import DataLoader, random_split
from torchvision import transforms
from torchvision.datasets import ImageFolder

augmented = ImageFolder("photos", transform=transforms.RandomCrop(32))
plain = ImageFolder("photos", transform=transforms.CenterCrop(32))
train_set, _ = random_split(augmented, [800, 200])
_, val_set = random_split(plain, [800, 200])
loaders = DataLoader(train_set, shuffle=True), DataLoader(val_set)
```

## Use instead
```python
import torch
from torch.utils.data import DataLoader, random_split
from torchvision import transforms
from torchvision.datasets import ImageFolder

augmented = ImageFolder("photos", transform=transforms.RandomCrop(32))
plain = ImageFolder("photos", transform=transforms.CenterCrop(32))
lengths = [800, 200]
train_set, _ = random_split(augmented, lengths, generator=torch.Generator().manual_seed(0))
_, val_set = random_split(plain, lengths, generator=torch.Generator().manual_seed(0))
loaders = DataLoader(train_set, shuffle=True), DataLoader(val_set)
```

## Fix safety
There is no fix: which samples belong to which part is for a person to say.

## Since
0.1.0

## References
- PyTorch documentation of `torch.utils.data.random_split`
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    Step,
    any_of,
    is_dead,
    roles,
    subsets,
    tree,
)

RULE = Rule(
    "LEK006",
    "overlapping-subsets",
    Severity.ERROR,
    needs=any_of("Subset", "random_split", ".select("),
    here=any_of("Subset", "random_split", ".select("),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    yield from _ranges(file)
    yield from _random(file)


def _ranges(file: File) -> Iterator[Finding]:
    told: set[tree.Call] = set()
    for one, other in combinations(subsets.taken(file), 2):
        bodies = {tree.function_of(one.call), tree.function_of(other.call)}
        if one.role == other.role or len(bodies) > 1 or other.call in told:
            continue
        if is_dead(one.call) or is_dead(other.call) or _are_alternatives(one.call, other.call):
            continue
        if not subsets.overlap(one, other) or not _share_files(file, one, other):
            continue
        told.add(other.call)
        line = file.line(one.call)
        yield Finding(
            other.call,
            f"This {other.role} subset shares samples with the {one.role} subset in line {line}: "
            f"{_why(one, other)}",
            trail=(Step(one.call, f"the {one.role} subset takes its samples here"),),
        )


def _share_files(file: File, one: subsets.Taken, other: subsets.Taken) -> bool:
    """False for one list of indices into two data sets of different files."""
    return subsets.are_of_one(file, one.dataset, other.dataset)


def _why(one: subsets.Taken, other: subsets.Taken) -> str:
    if one.is_whole or other.is_whole:
        return "one takes all indices of the list"
    if one.low == other.low:
        return "both ranges begin at the same index"
    if one.high is None and other.high is None:
        return "both ranges go on to the last index"
    return f"indices {_text(one)} and {_text(other)} of the same data"


def _text(taken: subsets.Taken) -> str:
    return f"{taken.low} to {'the last' if taken.high is None else taken.high}"


def _are_alternatives(one: tree.Node, other: tree.Node) -> bool:
    """True for the two branches of one test, of which only one runs."""
    for above in one.ancestors():
        if isinstance(above, tree.If) and above in other.ancestors():
            sides = [any(node in above.body for node in n.ancestors()) for n in (one, other)]
            if sides[0] != sides[1]:
                return True
    return False


# Random splits


def _random(file: File) -> Iterator[Finding]:
    found = subsets.drawn(file)
    for one, other in combinations(found, 2):
        first, second = _role(one), _role(other)
        if first is None or second is None or first == second or roles.TRAIN not in {first, second}:
            continue
        if not _are_together(one.call, other.call) or _are_alternatives(one.call, other.call):
            continue
        if is_dead(one.call) or is_dead(other.call) or _draw_alike(file, one, other):
            continue
        if subsets.identities(file, one.dataset).isdisjoint(
            subsets.identities(file, other.dataset)
        ):
            continue
        line = file.line(one.call)
        yield Finding(
            other.call,
            f"This split draws its {second} part independently of the {first} part in line {line}, "
            "from the same data: no generator with a fixed seed makes both permutations equal, so "
            "that samples of the one are in the other",
            trail=(Step(one.call, f"the {first} part is drawn here, by another permutation"),),
            confidence=Confidence.HIGH
            if tree.function_of(one.call) is tree.function_of(other.call)
            else Confidence.MEDIUM,
        )


def _role(drawn: subsets.Drawn) -> str | None:
    """The split that the one used part of a draw is for."""
    if len(drawn.parts) != 1:
        return None
    return roles.of_name(tree.last_name(next(iter(drawn.parts.values()))))


def _are_together(one: tree.Node, other: tree.Node) -> bool:
    """True for one body, and for the methods of one class."""
    if tree.function_of(one) is tree.function_of(other):
        return True
    cls = tree.class_of(one)
    return cls is not None and cls is tree.class_of(other)


def _draw_alike(file: File, one: subsets.Drawn, other: subsets.Drawn) -> bool:
    """True where both draws have the same permutation, or may well have it."""
    generators = [drawn.call.arg(2, "generator") for drawn in (one, other)]
    if any(drawn.call.has_star for drawn in (one, other)):
        return True
    given = [g for g in generators if g is not None and file.values.literal(g) is not None]
    if not given:
        return _is_seeded_again(file, one, other)
    # One object draws another permutation each time.
    shared = len(given) == 2 and all(isinstance(g, tree.Name) for g in given)
    if shared and len({file.text(g) for g in given}) == 1:
        first, second = (file.values.definitions(g)[0] for g in given if isinstance(g, tree.Name))
        return first != second or _is_seeded_again(file, one, other)
    return True


def _is_seeded_again(file: File, one: subsets.Drawn, other: subsets.Drawn) -> bool:
    """True where a seed is set between two draws, or before each of them."""
    seeds = [call for call in file.calls if "seed" in tree.last_name(call.func).lower()]
    if tree.function_of(one.call) is not tree.function_of(other.call):
        bodies = {tree.function_of(seed) for seed in seeds}
        return not bodies.isdisjoint({tree.function_of(one.call), tree.function_of(other.call)})
    return any(one.call.start < seed.start < other.call.start for seed in seeds)
