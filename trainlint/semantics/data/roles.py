"""What a name, a path or an argument says about the split that data belongs to."""

from __future__ import annotations

import re

TRAIN, VALIDATION, TEST, ALL = "train", "validation", "test", "all"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TRAIN = frozenset(
    {"train", "training", "tr", "trn", "trainset", "trainloader", "xtrain", "ytrain"}
)
_VALIDATION = frozenset(
    "val valid validation validate validating dev eval evaluation valset valloader validset "
    "validloader cv devset".split()
)
_TEST = frozenset({"test", "testing", "tst", "testset", "testloader", "xtest", "ytest"})
_COMPONENT = re.compile(r"[/\\]")


def of_name(name: str) -> str | None:
    """The split that a name speaks of, None when it speaks of none or of several."""
    words = {word.lower() for word in _WORD.findall(name)}
    found = {
        role
        for role, known in ((TRAIN, _TRAIN), (VALIDATION, _VALIDATION), (TEST, _TEST))
        if not words.isdisjoint(known)
    }
    return found.pop() if len(found) == 1 else None


def of_word(text: str) -> str | None:
    """The split that an argument such as ``"test"`` or ``"train+val"`` names."""
    found = {of_name(part) for part in re.split(r"[+,]", text)} - {None}
    return found.pop() if len(found) == 1 else None


def of_path(path: str) -> str | None:
    """The split that the components of a path name, the last ones first."""
    for component in reversed(_COMPONENT.split(path)):
        role = of_name(component)
        if role is not None:
            return role
    return None


def without(name: str) -> str:
    """A name without its words for splits: equal for ``X_train`` and ``X_test``."""
    words = [word.lower() for word in _WORD.findall(name)]
    return "_".join(word for word in words if word not in _TRAIN | _VALIDATION | _TEST)
