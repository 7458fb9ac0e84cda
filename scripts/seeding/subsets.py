"""Parts that share samples, and parts that share the augmentation (LEK006, LEK007)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program, dotted


def _draws(program: Program) -> Iterator[tuple[ast.Assign, ast.Call, list[str]]]:
    """The random splits: statement, call and the names of the parts."""
    for call in program.calls("random_split"):
        statement = program.statement(call)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Tuple):
            yield statement, call, [program.source(e) for e in statement.targets[0].elts]


def _twice(text: str, names: list[str], form: str) -> tuple[str, str]:
    """Two lines that each draw for one part, and the second of them."""
    lines = []
    for position, name in enumerate(names[:2]):
        if form == "unpacked":
            parts = ", ".join(name if i == position else "_" for i in range(len(names)))
            lines.append(f"{parts} = {text}")
        else:
            lines.append(f"{name} = {text}[{position}]")
    if len(names) > 2:
        lines.append(f"{names[2]} = {text}[2]")
    return "\n".join(lines), lines[1]


def _register_twice(form: str, shared: bool) -> None:
    name = f"drawn-twice-{form}" + ("-by-one-generator" if shared else "")

    @operator("LEK006", name)
    def twice(program: Program) -> Iterator[Fault]:
        for statement, call, names in _draws(program):
            given = ", ".join(program.source(a) for a in call.args)
            text = f"{dotted(call.func)}({given}" + (", generator=draw)" if shared else ")")
            both, second = _twice(text, names, form)
            indent = program.indent(statement)
            if shared:
                both = f"draw = torch.Generator().manual_seed(1)\n{both}"
            change = program.replaced(statement, both.replace("\n", f"\n{indent}"))
            yield Fault((change,), mark=second)


for _form in ("unpacked", "indexed"):
    for _shared in (False, True):
        _register_twice(_form, _shared)


RANGES = {
    "numbers-overlap": ("range(0, 500)", "range(450, 600)"),
    "both-from-the-first": ("range(600)", "range(200)"),
    "listed-ranges-overlap": ("list(range(600))", "list(range(500, 700))"),
    "the-same-slice": ("order[100:]", "order[100:]"),
    "both-heads": ("order[:400]", "order[:100]"),
    "both-tails": ("order[100:]", "order[-100:]"),
}


def _register_ranges(name: str) -> None:
    first, second = RANGES[name]

    @operator("LEK006", f"subsets-{name}")
    def subsets(program: Program) -> Iterator[Fault]:
        for statement, call, names in _draws(program):
            data = program.source(call.args[0])
            lines = [f"{names[0]} = torch.utils.data.Subset({data}, {first})"]
            lines += [f"{n} = torch.utils.data.Subset({data}, {second})" for n in names[1:2]]
            mark = lines[-1]
            lines += [f"{n} = torch.utils.data.Subset({data}, range(900, 1000))" for n in names[2:]]
            if "order" in first:
                lines.insert(0, f"order = torch.randperm(len({data})).tolist()")
            indent = program.indent(statement)
            change = program.replaced(statement, f"\n{indent}".join(lines))
            yield Fault((change,), mark=mark)


for _name in RANGES:
    _register_ranges(_name)

written(
    "LEK006",
    "slice-turned-round",
    "val_set = Subset(steady, order[cut:])",
    ("Subset(steady, order[:cut])", "Subset(steady, order[cut:])"),
)
written(
    "LEK006",
    "samplers-of-one-slice",
    "SubsetRandomSampler(indices[held_out:])\n    train_loader",
    ("SubsetRandomSampler(indices[:held_out])", "SubsetRandomSampler(indices[held_out:])"),
)
written(
    "LEK006",
    "samplers-of-all-and-a-part",
    "valid_sampler = SubsetRandomSampler",
    ("SubsetRandomSampler(indices[held_out:])", "SubsetRandomSampler(indices)"),
)
written(
    "LEK006",
    "rows-selected-twice",
    'data["train"].select(range(500))',
    ('DataLoader(data["train"], batch', "DataLoader(train_rows, batch"),
    ('DataLoader(data["validation"], batch', "DataLoader(valid_rows, batch"),
    (
        "    collate =",
        '    train_rows = data["train"].select(range(3000))\n'
        '    valid_rows = data["train"].select(range(500))\n    collate =',
    ),
)


# Augmentation in the evaluation

_PLAIN = "plain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])"
TRANSFORMS = {
    "flip": "transforms.RandomHorizontalFlip(), ",
    "crop": "transforms.RandomCrop(32, padding=4), ",
    "jitter": "transforms.ColorJitter(0.2, 0.2), ",
    "policy": "transforms.TrivialAugmentWide(), ",
    "affine": "transforms.RandomAffine(10, translate=(0.1, 0.1)), ",
    "chosen": "transforms.RandomApply([transforms.GaussianBlur(3)], p=0.3), ",
}


def _register_transform(name: str) -> None:
    new = _PLAIN.replace("[", f"[{TRANSFORMS[name]}", 1)
    written("LEK007", f"{name}-before-the-split", "random_split(\n", (_PLAIN, new))


for _name in TRANSFORMS:
    _register_transform(_name)

written(
    "LEK007",
    "erasing-behind-the-tensor",
    "random_split(\n",
    (
        _PLAIN,
        _PLAIN.replace(
            "Normalize(MEAN, STD)]", "Normalize(MEAN, STD), transforms.RandomErasing()]"
        ),
    ),
)
written(
    "LEK007",
    "indices-of-one-set",
    "val_set = Subset(varied, order[:cut])",
    ("Subset(steady, order[:cut])", "Subset(varied, order[:cut])"),
)
written(
    "LEK007",
    "one-set-behind-both-names",
    "val_set = Subset(steady, order[:cut])",
    ("steady = datasets.ImageFolder(root, transform=plain)", "steady = varied"),
)
written(
    "LEK007",
    "one-set-drawn-at-random",
    "train_set, val_set = random_split(varied, [1 - held_out, held_out])",
    ("import DataLoader, Subset", "import DataLoader, Subset, random_split"),
    (
        "    train_set = Subset(varied, order[cut:])\n    val_set = Subset(steady, order[:cut])\n",
        "    train_set, val_set = random_split(varied, [1 - held_out, held_out])\n",
    ),
)
written(
    "LEK007",
    "samplers-of-a-rotated-set",
    "valid_loader = DataLoader(data",
    (
        "transform=transforms.ToTensor()",
        "transform=transforms.Compose([transforms.RandomRotation(15), transforms.ToTensor()])",
    ),
)
written(
    "LEK007",
    "own-data-set",
    "random_split(whole, [0.9, 0.1])",
    (
        "transforms.Compose([transforms.Resize((64, 64)),",
        "transforms.Compose([transforms.RandomResizedCrop(64),",
    ),
    ("import DataLoader, Dataset", "import DataLoader, Dataset, random_split"),
    (
        'train_data, val_data = Folder(f"{root}/train"), Folder(f"{root}/val")',
        "whole = Folder(root)\n    train_data, val_data = random_split(whole, [0.9, 0.1])",
    ),
    ("len(train_data.classes)", "len(whole.classes)"),
)
written(
    "LEK007",
    "augment-switched-on",
    "random_split(recordings, [0.8, 0.1, 0.1])",
    ("import DataLoader, Dataset", "import DataLoader, Dataset, random_split"),
    (
        '    train_loader = DataLoader(Recordings(folder, "train", augment=True), 32, '
        "shuffle=True)\n"
        '    val_loader = DataLoader(Recordings(folder, "validation"), 32)\n'
        '    test_loader = DataLoader(Recordings(folder, "test"), 32)\n',
        '    recordings = Recordings(folder, "all", augment=True)\n'
        "    train_set, val_set, test_set = random_split(recordings, [0.8, 0.1, 0.1])\n"
        "    train_loader = DataLoader(train_set, 32, shuffle=True)\n"
        "    val_loader = DataLoader(val_set, 32)\n"
        "    test_loader = DataLoader(test_set, 32)\n",
    ),
)
written(
    "LEK007",
    "own-data-set-of-masks",
    "random_split(masks, [len(names) - 200, 200])",
    ("import DataLoader, Dataset", "import DataLoader, Dataset, random_split"),
    ("from torch.amp", "from torchvision.transforms import v2\nfrom torch.amp"),
    (
        "        self.root, self.names = Path(root), names\n",
        "        self.root, self.names = Path(root), names\n"
        "        self.blur = v2.Compose([v2.RandomGrayscale(0.2), v2.ColorJitter(0.3)])\n",
    ),
    (
        "        return image, torch.from_numpy(mask",
        "        image = self.blur(image)\n        return image, torch.from_numpy(mask",
    ),
    (
        "    train_loader = DataLoader(Masks(root, names[:-200]), batch",
        "    masks = Masks(root, names)\n"
        "    train_set, val_set = random_split(masks, [len(names) - 200, 200])\n"
        "    train_loader = DataLoader(train_set, batch",
    ),
    ("DataLoader(Masks(root, names[-200:]), batch", "DataLoader(val_set, batch"),
)
