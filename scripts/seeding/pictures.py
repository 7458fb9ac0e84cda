"""Data sets that draw: pictures without their targets, shared generators (DAT001, DAT002)."""

from __future__ import annotations

from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program

# Boxes, masks and points that stay where they were


def _alone(name: str, mark: str, *edits: tuple[str, str]) -> None:
    written("DAT001", name, mark, *edits, wide=True)


_alone(
    "flipped-alone",
    "image = TF.hflip(image)",
    (
        "            width = image.shape[-1]\n"
        "            boxes = torch.stack([width - boxes[:, 2], "
        "boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)\n",
        "",
    ),
)
_alone(
    "flipped-by-a-tensor-method",
    "image = image.flip(-1)",
    (
        "            image = TF.hflip(image)\n            width = image.shape[-1]\n"
        "            boxes = torch.stack([width - boxes[:, 2], "
        "boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)\n",
        "            image = image.flip(-1)\n",
    ),
)
written(
    "DAT001",
    "cropped-alone-in-a-method",
    "",
    (
        "        boxes = boxes - torch.tensor([left, top, left, top], dtype=torch.float32)\n"
        "        return image, boxes.clamp(min=0)\n",
        "        return image, boxes\n",
    ),
)
_alone(
    "random-transform-of-the-picture",
    "image = self.jitter(image)",
    (
        "        self.rows, self.train = rows, train\n",
        "        self.rows, self.train = rows, train\n"
        "        self.jitter = transforms.Compose(\n"
        "            [transforms.RandomHorizontalFlip(), transforms.RandomRotation(10)]\n"
        "        )\n",
    ),
    (
        "import torchvision.transforms.functional as TF\n",
        "import torchvision.transforms.functional as TF\nfrom torchvision import transforms\n",
    ),
    (
        "        if self.train and random.random() < 0.5:\n            image = TF.hflip(image)\n"
        "            width = image.shape[-1]\n"
        "            boxes = torch.stack([width - boxes[:, 2], "
        "boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)\n        if self.train:\n"
        "            image, boxes = self.shifted(image, boxes)\n",
        "        if self.train:\n            image = self.jitter(image)\n",
    ),
)
written(
    "DAT001",
    "flipped-alone-in-a-method",
    "",
    (
        "            points = np.stack([image.shape[1] - 1 - points[:, 0], points[:, 1]], axis=1)\n"
        "            points = points[[1, 0, 2, 4, 3]]\n",
        "",
    ),
)
written(
    "DAT001", "turned-alone", "", ("        points = points @ turn[:, :2].T + turn[:, 2]\n", "")
)
written(
    "DAT001",
    "cropped-alone-in-a-method",
    "",
    ("return image, points - np.array([left, top], dtype=np.float32)", "return image, points"),
)
_alone(
    "augmented-alone",
    "self.transform(image=image)",
    (
        "both = self.transform(image=image, mask=mask)",
        'both = {**self.transform(image=image), "mask": torch.from_numpy(mask)}',
    ),
)
_alone(
    "augmented-alone",
    'image = self.transform(image=image)["image"]',
    (
        "        both = self.transform(image=image, mask=mask)\n"
        '        return both["image"], both["mask"].long()\n',
        '        image = self.transform(image=image)["image"]\n'
        "        return image, torch.from_numpy(mask).long()\n",
    ),
)
_alone(
    "each-drawn-anew",
    'mask = self.transform(image=mask)["image"]',
    (
        "        both = self.transform(image=image, mask=mask)\n"
        '        return both["image"], both["mask"].long()\n',
        '        image = self.transform(image=image)["image"]\n'
        '        mask = self.transform(image=mask)["image"]\n        return image, mask.long()\n',
    ),
)
_alone(
    "flipped-alone",
    "picture = TF.vflip(picture)",
    ("picture, mask = TF.vflip(picture), TF.vflip(mask)", "picture = TF.vflip(picture)"),
)
_alone(
    "turned-alone",
    "picture = TF.rotate(picture, angle)",
    ("        mask = TF.rotate(mask, angle)\n", ""),
)
_alone(
    "each-drawn-anew",
    "mask = TF.rotate(mask, random.choice([0, 90, 180, 270]))",
    ("mask = TF.rotate(mask, angle)", "mask = TF.rotate(mask, random.choice([0, 90, 180, 270]))"),
)

_MASKS = "        image = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255\n"


def _added(name: str, mark: str, line: str, needed: str) -> None:
    """Lines that move the picture of a pair of files that had no augmentation."""
    head = "from pathlib import Path\n\nimport numpy as np\nimport torch\n"
    "import torch.nn.functional as F\n"
    _alone(name, mark, (_MASKS, f"{line}{_MASKS}"), (head, f"{needed}{head}"))


_added(
    "flipped-by-numpy",
    "image = np.fliplr(image)",
    "        if np.random.rand() < 0.5:\n            image = np.fliplr(image)\n",
    "",
)
_added(
    "turned-by-numpy",
    "image = np.rot90(image, random.randint(0, 3))",
    "        image = np.rot90(image, random.randint(0, 3))\n",
    "import random\n",
)
_added(
    "flipped-by-slices",
    "image = image[:, ::-1]",
    "        if random.random() > 0.5:\n            image = image[:, ::-1]\n",
    "import random\n",
)


# Generators that every worker gets a copy of

_MAKERS = {
    "generator-of-numpy": ("np.random.default_rng(0)", "import numpy as np", "integers(0, 100)"),
    "random-state": ("np.random.RandomState(7)", "import numpy as np", "randint(0, 100)"),
    "generator-of-python": ("random.Random(1)", "import random", "randrange(100)"),
}


def _with_workers(program: Program) -> bool:
    return program.has("num_workers=") and not program.has("get_worker_info")


def _register_generator(name: str) -> None:
    made, line, draw = _MAKERS[name]

    @operator("DAT002", name)
    def stored(program: Program) -> Iterator[Fault]:
        if not _with_workers(program) or program.has("self.rng"):
            return
        for owner in program.classes("Dataset")[:1]:
            method, item = program.method(owner, "__init__"), program.method(owner, "__getitem__")
            if method is None or item is None:
                continue
            changes = [
                program.after(method.body[-1], f"self.draws = {made}"),
                program.before(item.body[0], f"if self.draws.{draw} < 10:", "    index = 0"),
            ]
            if not program.has(f"{line}\n"):
                changes.append(program.imported(line))
            yield Fault(tuple(changes), anywhere=True)


for _name in _MAKERS:
    _register_generator(_name)


@operator("DAT002", "generator-of-torch")
def generator_of_torch(program: Program) -> Iterator[Fault]:
    if not _with_workers(program):
        return
    for owner in program.classes("Dataset")[:1]:
        method, item = program.method(owner, "__init__"), program.method(owner, "__getitem__")
        if method is None or item is None:
            continue
        changes = (
            program.after(method.body[-1], "self.draws = torch.Generator().manual_seed(3)"),
            program.before(
                item.body[0],
                "noise = torch.randn(1, generator=self.draws)",
                "if noise > 2:",
                "    index = 0",
            ),
        )
        yield Fault(changes, anywhere=True)


written(
    "DAT002",
    "made-with-the-data-set",
    "",
    ("self.rng = None", "self.rng = np.random.default_rng(0)"),
    (
        "        if self.rng is None:\n"
        "            self.rng = np.random.default_rng(torch.initial_seed())\n",
        "",
    ),
)
written(
    "DAT002",
    "made-with-the-class",
    "",
    ("class Faces(Dataset):\n", "class Faces(Dataset):\n    rng = np.random.default_rng(5)\n\n"),
    ("        self.rng = None\n", ""),
    (
        "        if self.rng is None:\n"
        "            self.rng = np.random.default_rng(torch.initial_seed())\n",
        "",
    ),
)
written(
    "DAT002",
    "made-by-a-method",
    "",
    ("self.generator = None", "self.generator = self.make_generator()"),
    (
        "        if self.generator is None:\n            self.generator = self.make_generator()\n",
        "",
    ),
    (
        "        info = get_worker_info()\n        worker = 0 if info is None else info.id\n"
        "        return np.random.default_rng([self.seed, worker, torch.initial_seed()])\n",
        "        return np.random.default_rng(self.seed)\n",
    ),
    (
        "from torch.utils.data import DataLoader, Dataset, get_worker_info",
        "from torch.utils.data import DataLoader, Dataset",
    ),
)
written(
    "DAT002",
    "in-a-transform",
    "",
    (
        "def cutout(image):\n",
        "class Noise:\n    def __init__(self):\n        self.rng = np.random.default_rng(0)\n\n"
        "    def __call__(self, image):\n"
        "        return image + 0.1 * float(self.rng.standard_normal())\n\n\ndef cutout(image):\n",
    ),
    ("transforms.Lambda(cutout)]", "transforms.Lambda(cutout), Noise()]"),
)
