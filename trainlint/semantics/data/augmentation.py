"""Which data sets draw a random transform for each sample, and who reads their parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import subsets
from trainlint.semantics.data.roles import TRAIN, of_name
from trainlint.semantics.data.sameness import same_expression
from trainlint.semantics.kinds import Display, Instance, Literal, Object, Unknown, Value
from trainlint.semantics.tree import Expr
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 5
_SAMPLER = "torch.utils.data.SubsetRandomSampler"
_TRANSFORMS = ("transform", "transforms", "augment", "augmentation", "augmentations", "aug")
_LIBRARIES = ("torchvision.transforms.", "torchaudio.transforms.", "albumentations.")
_RANDOM = frozenset(
    "ColorJitter AutoAugment RandAugment TrivialAugmentWide AugMix ElasticTransform GaussianNoise "
    "GaussianBlur TimeMasking FrequencyMasking SpecAugment ScaleJitter".split()
)
HOLDERS = frozenset("Compose Sequential OneOf SomeOf RandomApply RandomChoice RandomOrder".split())
# What of albumentations gives the same result each time.
_FIXED = frozenset(
    "Normalize Resize CenterCrop LongestMaxSize SmallestMaxSize PadIfNeeded ToFloat FromFloat "
    "ToTensorV2 Crop NoOp Lambda Compose Sequential OneOf SomeOf ReplayCompose BboxParams "
    "KeypointParams Transpose".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """One data set with a random transform, of which one part is trained on, one held out.

    ``split`` makes the held-out part, ``role`` names it, ``transform`` is what is random,
    ``loader`` feeds the held-out part.
    """

    split: tree.Call
    role: str
    dataset: Expr
    transform: tree.Node
    loader: tree.Call


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    call: tree.Call
    role: str
    dataset: Expr
    index: int | None  # of a random split
    target: Expr


def shared(file: File) -> Iterator[Shared]:
    """The data sets whose random transforms reach an evaluation."""
    found = list(_parts(file))
    told: set[tree.Call] = set()
    for train, held in permutations(found, 2):
        if train.role != TRAIN or held.role == TRAIN or held.call in told:
            continue
        if not _is_of_one(file, train, held) or _is_set_anew(file, held, train):
            continue
        transform = random_transform(file, held.dataset)
        if transform is None or _loader(file, train) is None:
            continue
        loader = _loader(file, held)
        if loader is not None:
            told.add(held.call)
            yield Shared(held.call, held.role, held.dataset, transform, loader)


def _parts(file: File) -> Iterator[_Part]:
    for drawn in subsets.drawn(file):
        for index, target in drawn.parts.items():
            role = of_name(tree.last_name(target))
            if role is not None:
                yield _Part(drawn.call, role, drawn.dataset, index, target)
    for call in file.calls_to("torch.utils.data.Subset"):
        dataset, statement = call.arg(0, "dataset"), tree.statement_of(call)
        if dataset is None or not isinstance(statement, tree.Assign):
            continue
        for target in _targets(statement, call):
            role = of_name(tree.last_name(target))
            if role is not None:
                yield _Part(call, role, dataset, None, target)
    yield from _sampled(file)


def _sampled(file: File) -> Iterator[_Part]:
    """The loaders that draw a part of a data set by a ``SubsetRandomSampler``."""
    for call in file.calls:
        sampler, dataset = call.arg(None, "sampler"), call.arg(0, "dataset")
        statement = tree.statement_of(call)
        if sampler is None or dataset is None or not isinstance(statement, tree.Assign):
            continue
        drawn = file.values.of(sampler)
        if not any(isinstance(v, Instance) and v.name == _SAMPLER for v in drawn):
            continue
        for target in _targets(statement, call) if file.loaders.is_loader(call, Use(call)) else ():
            role = of_name(tree.last_name(target))
            if role is not None:
                yield _Part(call, role, dataset, None, target)


def _targets(statement: tree.Assign, call: tree.Call) -> Iterator[Expr]:
    target, value = statement.targets[0], statement.value
    if value is call:
        yield target
    elif isinstance(value, tree.Sequence) and isinstance(target, tree.Sequence):
        pairs = zip(target.elts, value.elts, strict=False)
        yield from (name for name, given in pairs if given is call)


def _is_of_one(file: File, one: _Part, other: _Part) -> bool:
    """True for two parts of one object."""
    if one.call is other.call:
        return True
    first = same_expression(file, one.dataset, None)
    if first is not None and first == same_expression(file, other.dataset, None):
        return True
    made = _made(file, one.dataset)
    return made is not None and made is _made(file, other.dataset)


def _made(file: File, dataset: Expr) -> tree.Call | None:
    """The one call that makes a data set, in this body, under whatever name."""
    value = file.values.only(dataset)
    made = value.call if isinstance(value, Instance | Object) else None
    here = made is not None and tree.function_of(made) is tree.function_of(dataset)
    return made if here else None


def _is_set_anew(file: File, held: _Part, train: _Part) -> bool:
    """True where something is assigned to the data set of a part, or to an attribute of it."""
    names = {tree.last_name(expr) for expr in (held.target, train.target, held.dataset)}
    for assign in file.all(tree.Assign):
        for target in assign.targets:
            if not isinstance(target, tree.Attribute) or target in {held.target, train.target}:
                continue
            inner = {
                tree.last_name(node)
                for node in target.value.walk()
                if isinstance(node, tree.Name | tree.Attribute)
            }
            if not names.isdisjoint(inner):
                return True
    return False


def _loader(file: File, part: _Part) -> tree.Call | None:
    """The loader that is given a part as it is; None where a wrapper may change its transform."""
    if part.call.arg(None, "sampler") is not None:
        return part.call
    met: tree.Call | None = None
    made: Expr = part.call
    path = (part.index,) if part.index is not None else ()
    above = made.parent
    if path and isinstance(above, tree.Subscript):  # random_split(...)[0]
        made, path = above, ()
    for use in uses(file, made, path):
        arg = use.expr.parent
        call = arg.parent if isinstance(arg, tree.Arg) else None
        if use.path or not isinstance(call, tree.Call):
            continue
        if file.names.qualified(call.func) in {"builtins.len", "builtins.print"}:
            continue
        if not file.loaders.is_loader(call, Use(call)) or call.arg(0, "dataset") is not use.expr:
            return None
        met = met or call
    return met


# Transforms


def random_transform(file: File, dataset: Expr) -> tree.Node | None:
    """What of the transform of a data set is random, where that is known."""
    for value in file.values.of(dataset):
        match value:
            case Instance() if value.name.startswith("torchvision.datasets."):
                given = value.call.arg(None, "transform")
                found = _in_expr(file, given, value) if given is not None else None
            case Object() if value.call is not None:
                found = _of_object(file, value)
            case _:
                found = None
        if found is not None:
            return found
    return None


def _in_expr(file: File, expr: Expr, owner: Value) -> tree.Node | None:
    return _first(file, file.values.of(expr, owner.frame), _DEPTH)


def _of_object(file: File, owner: Object) -> tree.Node | None:
    """The random transform that a class of the file applies to each of its samples."""
    getter = file.values.graph.method(owner.cls, "__getitem__")
    if getter is None:
        return None
    for node in getter.walk():
        if not isinstance(node, tree.Attribute):
            continue
        if node.attr not in _TRANSFORMS and not _is_always_called(node, getter):
            continue
        if not isinstance(node.value, tree.Name) or node.value.id != getter.params[0].name:
            continue
        values = [
            value
            for value in file.values.attribute(owner, node.attr)
            # What other code sets is set on a copy, or by a name that is looked for elsewhere.
            if not (isinstance(value, Unknown) and value.node is owner.node)
        ]
        found = _first(file, values, _DEPTH)
        if found is not None and all(_is_applied(value) for value in values):
            return found
    return None


def _is_always_called(method: tree.Attribute, getter: tree.FunctionDef) -> bool:
    """True for what is called on every sample: ``image = self.flip(image)``, behind no test."""
    call = method.parent
    if not isinstance(call, tree.Call) or call.func is not method:
        return False
    statement = tree.statement_of(call)
    return isinstance(statement, tree.Assign | tree.Return) and statement.parent is getter


def _is_applied(value: Value) -> bool:
    """False for alternatives that turn a transform off: None, or what nothing is known of."""
    return isinstance(value, Instance) or (isinstance(value, Literal) and value.value is True)


def _first(file: File, values: list[Value], depth: int) -> tree.Node | None:
    """The first random transform in what can be a composition of several."""
    for value in values if depth else ():
        match value:
            case Instance() if value.name.startswith(_LIBRARIES):
                short = value.name.rpartition(".")[2]
                if short in HOLDERS:
                    given = value.call.arg(0, "transforms")
                    inner = file.values.of(given, value.frame) if given is not None else []
                    found = _first(file, inner, depth - 1)
                    if found is not None:
                        return found
                elif _is_random(value.name):
                    return value.call
            case Display(expr=tree.Sequence() as listed):
                for item in listed.elts:
                    found = _first(file, file.values.of(item, value.frame), depth - 1)
                    if found is not None:
                        return found
            case _:
                pass
    return None


def _is_random(name: str) -> bool:
    short = name.rpartition(".")[2]
    if name.startswith("albumentations."):
        return short[:1].isupper() and short not in _FIXED
    return short.startswith("Random") or short in _RANDOM
