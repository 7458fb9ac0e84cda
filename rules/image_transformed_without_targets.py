"""An image is flipped, rotated or cropped, and its boxes, mask or keypoints are not.

## What it does
Finds `__getitem__` of a data set that moves the image of a sample at random (a flip, a rotation, a
crop or a warp of torchvision, albumentations, OpenCV, NumPy or PIL, also through a composition that
the data set was given) and returns the boxes, masks, keypoints or landmarks of the same sample as
they were read, or moved by a second draw. It is silent where anything on the way of the target is
not known, where a call takes image and target together, where the image is moved the same way each
time, and where a seed may make two draws alike.

## Why is this bad?
In every sample in which the chance falls so, the boxes, the mask or the points lie beside what they
name. The model learns from wrong targets, and nothing fails: shapes and types are right.

## Example
```python
import random

import torchvision.transforms.functional as TF
from PIL import Image
from torch.utils.data import Dataset


class Lesions(Dataset):
    def __init__(self, files):
        self.files = files

    def __getitem__(self, index):
        photo, outline = self.files[index]
        image, mask = Image.open(photo), Image.open(outline)
        if random.random() < 0.5:
            image = TF.hflip(image)
        return TF.to_tensor(image), TF.to_tensor(mask)
```

## Use instead
```python
import random

import torchvision.transforms.functional as TF
from PIL import Image
from torch.utils.data import Dataset


class Lesions(Dataset):
    def __init__(self, files):
        self.files = files

    def __getitem__(self, index):
        photo, outline = self.files[index]
        image, mask = Image.open(photo), Image.open(outline)
        if random.random() < 0.5:
            image, mask = TF.hflip(image), TF.hflip(mask)
        return TF.to_tensor(image), TF.to_tensor(mask)
```

## Fix safety
There is no fix: how the target moves depends on what its numbers mean.

## Since
0.1.0

## References
- torchvision documentation, "Getting started with transforms v2": boxes and masks move with the
  image where they are tv_tensors
- albumentations documentation, "Masks" and "Bounding boxes": `transform(image=image, mask=mask)`
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
    geometry,
    is_dead,
    tree,
)

RULE = Rule(
    "DAT001",
    "image-transformed-without-targets",
    Severity.ERROR,
    needs=all_of(
        "__getitem__",
        any_of("box", "mask", "keypoint", "kpt", "landmark", "joints", "key_point", "lmk"),
        any_of("flip", "Flip", "FLIP", "otat", "Crop", "crop", "rot90", "::-1", "ffine", "lastic"),
        any_of("torchvision", "albumentations", "cv2", "PIL", "numpy"),
    ),
)
_LONG = 50


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in geometry.unmoved(file):
        if is_dead(found.deed):
            continue
        deed = _short(file, found.made)
        line = file.line(found.made)
        target = found.name or file.text(found.target)
        other = "is not: where the image moves, it"
        end = Step(found.target, "and returned here, with nothing on the way that moves it")
        if found.anew is not None:
            other = "by a draw of its own: where the two fall apart, it"
            end = Step(found.anew, "and moved here, whatever was drawn for the image")
        yield Finding(
            found.deed,
            f"The image is {found.how} at random (`{deed}`, line {line}) and `{target}` of the "
            f"same sample {other} lies in another place than what it marks",
            trail=(Step(found.origin, f"`{target}` is read here"), end),
        )


def _short(file: File, made: tree.Node) -> str:
    text = " ".join(file.text(made).split())
    if len(text) > _LONG and isinstance(made, tree.Call):
        return f"{file.text(made.func)}(...)"
    return text
