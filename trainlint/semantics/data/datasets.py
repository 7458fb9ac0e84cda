"""What the arguments of a data set's constructor say of the split that it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.roles import TEST, TRAIN, of_path, of_word

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

ARGUMENT, PATH, SPLIT, NAME = "argument", "path", "split", "name"
NOT_TRAIN = "not train"

_KEYWORDS = frozenset(
    "split mode phase subset partition set stage set_type data_split set_name dataset_type "
    "image_set usage data_type flag dataset_split which fold_name split_name".split()
)
_TRAIN_FLAGS = frozenset({"train", "is_train", "training", "istrain", "is_training", "train_set"})
_TEST_FLAGS = frozenset({"test", "is_test", "istest", "testing", "test_mode"})
_BY_FLAG = frozenset("MNIST FashionMNIST KMNIST QMNIST CIFAR10 CIFAR100 USPS".split())
_BY_SPLIT = frozenset(
    "SVHN STL10 ImageNet GTSRB DTD Food101 Flowers102 FER2013 PCAM OxfordIIITPet StanfordCars "
    "CelebA LFWPeople RenderedSST2 FGVCAircraft Country211 SUN397".split()
)
_PATHS = frozenset({"join", "Path", "str", "joinpath", "read_csv", "glob"})
_FIELD = re.compile(r"\{[^{}]*\}|[\"']")
NOT_DATA = re.compile(r"transform|augment|tokeni|collat|config|cfg|args|device|batch_size|worker")


@dataclass(frozen=True, slots=True)
class Told:
    """The split that an argument or path names at ``node``.

    ``official`` is for data sets whose splits are fixed by their publishers.
    """

    split: str
    by: str
    node: tree.Node
    official: bool = False


def told(file: File, use: Use, call: tree.Call) -> Told | None:
    """What a constructor's arguments say, flags and names of splits before paths."""
    short = tree.last_name(call.func)
    published = (file.names.qualified(call.func) or "").startswith("torchvision.datasets.")
    hub = "load_dataset" in short
    if hub and use.path and isinstance(use.path[0], str):
        role = of_word(use.path[0])
        if role is not None:
            return Told(role, ARGUMENT, call, True)
    for index, arg in enumerate(call.args):
        if arg.star:
            continue
        keyword = arg.keyword
        if keyword is None and index == 1 and published:
            keyword = "train" if short in _BY_FLAG else "split" if short in _BY_SPLIT else None
        found = _of_argument(keyword, file.values.literal(arg.value, use.frame))
        if found is not None:
            return Told(found, ARGUMENT, arg.value, published or hub)
    if published and short in _BY_FLAG and call.arg(1, "train") is None and not call.has_star:
        return Told(TRAIN, ARGUMENT, call, True)
    for arg in call.args:
        if arg.keyword is None or not NOT_DATA.search(arg.keyword):
            role = path_role(file, Use(arg.value, use.frame))
            if role is not None:
                return Told(role, PATH, arg.value)
    return None


def _of_argument(keyword: str | None, literal: object) -> str | None:
    if isinstance(literal, str):
        if keyword in _KEYWORDS or (keyword is None and len(literal) < 12):
            return of_word(literal)
        return None
    if isinstance(literal, bool) and keyword in _TRAIN_FLAGS:
        return TRAIN if literal else NOT_TRAIN
    if literal is True and keyword in _TEST_FLAGS:
        return TEST
    return None


def path_role(file: File, use: Use, depth: int = 4) -> str | None:
    """The split that a path names: ``os.path.join(root, "test")``, ``root / "test"``."""
    expr = use.expr
    match expr:
        case tree.Constant():
            known = isinstance(expr.value, str) and len(expr.value) < 200
            return of_path(expr.value) if known else None
        case tree.FormattedString():
            return of_path(_FIELD.sub("", file.text(expr)))
        case tree.BinOp() if expr.op in {"/", "+"}:
            right = path_role(file, use.at(expr.right), depth)
            return right or path_role(file, use.at(expr.left), depth)
        case tree.Call() if tree.last_name(expr.func) in _PATHS:
            found = (path_role(file, use.at(arg.value), depth) for arg in reversed(expr.args))
            return next((role for role in found if role is not None), None)
        case tree.Name() | tree.Attribute() if depth:
            steps = file.splits.backward.step(use) or []
            roles = {path_role(file, step, depth - 1) for step in steps if not step.aside}
            return roles.pop() if len(roles) == 1 else None
        case _:
            return None
