"""An evaluation sees the random augmentation of the training.

## What it does
Finds one data set with a random transform (flips, crops, colour jitter, masks) behind both the
training part and the validation or test part of a `random_split`, or behind two `Subset` or two
`SubsetRandomSampler`, where the held-out part goes to its loader as it is. The parts are told by
their names. It is silent where the part is wrapped (to give it another transform), where the
transform of the data set is set anew, where two data sets are split alike, and where the transform
is not known.

## Why is this bad?
The parts share the one data set and its transform. The evaluation measures on samples that are
cropped, flipped and recoloured at random: the score is too low, differs from run to run, and picks
the best epoch by luck. A later switch of the transform switches it for the training, too.

## Example
```python
from torch.utils.data import DataLoader, random_split
from torchvision import transforms
from torchvision.datasets import ImageFolder

augment = transforms.Compose([transforms.RandomResizedCrop(224), transforms.ToTensor()])
photos = ImageFolder("photos", transform=augment)
train_set, val_set = random_split(photos, [0.8, 0.2])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=32)
```

## Use instead
```python
import torch
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

augment = transforms.Compose([transforms.RandomResizedCrop(224), transforms.ToTensor()])
plain = transforms.Compose([transforms.CenterCrop(224), transforms.ToTensor()])
photos, clean = ImageFolder("photos", transform=augment), ImageFolder("photos", transform=plain)
order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(0)).tolist()
train_set, val_set = Subset(photos, order[200:]), Subset(clean, order[:200])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=32)
```

## Fix safety
There is no fix: which transform the evaluation needs is for a person to say.

## Since
0.1.0

## References
- PyTorch documentation of `torch.utils.data.random_split` and `torch.utils.data.Subset`
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    augmentation,
    is_dead,
    tree,
)

RULE = Rule(
    "LEK007",
    "train-augmentation-on-eval",
    Severity.WARNING,
    needs=all_of(
        any_of("random_split", "Subset"),
        any_of("transforms", "albumentations"),
        "oader",
    ),
)
_LONG = 50


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in augmentation.shared(file):
        if is_dead(found.split):
            continue
        line = file.line(found.transform)
        dataset = " ".join(file.text(found.dataset).split())
        drawn = " ".join(file.text(found.transform).split())
        if len(drawn) > _LONG and isinstance(found.transform, tree.Call):
            drawn = f"{file.text(found.transform.func)}(...)"
        yield Finding(
            found.split,
            f"The {found.role} part shares `{dataset}` with the training part, and with it the "
            f"random `{drawn}` (line {line}): it is measured on samples that are augmented anew "
            "each time",
            trail=(
                Step(found.transform, "each sample of both parts goes through this"),
                Step(found.loader, f"the {found.role} part goes to its loader as it is"),
            ),
        )
