"""Which global generators of random numbers a file draws from, and which of them are seeded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import FunctionValue

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

PYTHON, NUMPY, TORCH, TENSORFLOW = "Python", "NumPy", "torch", "Keras"

SEEDS = {
    "random.seed": PYTHON,
    "numpy.random.seed": NUMPY,
    "torch.manual_seed": TORCH,
    "torch.random.manual_seed": TORCH,
    "tensorflow.random.set_seed": TENSORFLOW,
    "tensorflow.set_random_seed": TENSORFLOW,
    "tensorflow.random.set_random_seed": TENSORFLOW,
    "tensorflow.compat.v1.set_random_seed": TENSORFLOW,
    "tensorflow.compat.v1.random.set_random_seed": TENSORFLOW,
}
# A state that is brought back is as good as a seed.
_RESTORED = {
    "random.setstate": PYTHON,
    "numpy.random.set_state": NUMPY,
    "torch.set_rng_state": TORCH,
    "torch.random.set_rng_state": TORCH,
}
# These seed one device, and not the generator that weights and orders are drawn from.
_ASIDE = re.compile(r"^(torch\.(cuda|mps|xpu)|cupy\.random|tensorflow\.experimental)\b")
_WORDS = ("seed", "manual_seed", "set_seed", "set_random_seed", "default_rng")
_HELPER = re.compile(r"seed|determinis|reproduc", re.I)
_NO_HELPER = re.compile(r"^(manual_)?seed(_all)?$|^(get|from|read|next|make|split)_|initial_seed")
_SPLITTING = re.compile(r"shuffle|split|perm|sample|choice|Split", re.I)
_NEAR = 5  # statements
_NO_TRAINING = re.compile(
    r"plot|show|visual|display|demo|preview|draw|sample_images|port|name|(^|_)u?u?id(_|$)|sleep|wait"
    r"|backoff|retry",
    re.I,
)

_PYTHON_DRAWS = frozenset(
    "random.random random.shuffle random.choice random.choices random.sample random.randint "
    "random.uniform random.gauss random.randrange random.normalvariate random.betavariate".split()
)
_NUMPY_DRAWS = frozenset(
    f"numpy.random.{name}"
    for name in "rand randn random randint choice shuffle permutation uniform normal beta binomial "
    "standard_normal random_sample dirichlet poisson multinomial exponential laplace".split()
)
_TORCH_DRAWS = re.compile(
    r"^torch\.(rand|randn|randint|randperm|normal|bernoulli|multinomial|rand_like|randn_like)$"
    r"|^torch\.nn\.(Linear|Conv\w+|LSTM|GRU|RNN|Embedding|Dropout\w*|Transformer\w*|Multihead\w+)$"
)
_SPLITS = frozenset(
    f"sklearn.model_selection.{name}" for name in ("train_test_split", "ShuffleSplit")
)


@dataclass(frozen=True, slots=True)
class Partly:
    """``seed`` seeds one generator; ``drawn`` are draws from others that nothing seeds."""

    seed: tree.Call
    drawn: tuple[tuple[str, tree.Call], ...]


def partly_seeded(file: File) -> Partly | None:
    """What a file seeds, with the first draws from what it leaves unseeded, if there are any."""
    seeds = [(call, kind) for call in file.calls if (kind := _seeded(file, call)) is not None]
    if not seeds or any(_may_seed_all(file, call) for call in file.calls):
        return None
    missing = {PYTHON, NUMPY, TORCH, TENSORFLOW} - set(_told(file)) - {kind for _, kind in seeds}
    if PYTHON not in missing:
        missing.discard(TENSORFLOW)  # Keras 3 draws its seeds from the generator of Python
    first: dict[str, tree.Call] = {}
    for call in file.calls:
        kind = _drawn(file, call)
        if kind not in missing or kind in first or not _is_of_training(call):
            continue
        if TORCH in missing or not _is_in_worker(file, call):
            first[kind] = call
    if first:
        for other in file.view.mentioning(_WORDS, file):
            if other is not file:
                _forget_seeded(other, first)
    alive = [
        (call, kind)
        for call, kind in seeds
        if not is_dead(call) and not _is_aside(call) and not _is_for_a_split(file, call, kind)
    ]
    if not first or not alive or _is_test(file, alive[0][0]):
        return None
    drawn = sorted(first.items(), key=lambda item: item[1].start)
    return Partly(alive[0][0], tuple(drawn))


def _seeded(file: File, call: tree.Call) -> str | None:
    name = file.names.qualified(call.func)
    return SEEDS.get(name) if name is not None and call.args else None


def _is_in_worker(file: File, call: tree.Call) -> bool:
    """Whether workers may draw: in each of them torch seeds all generators by its own."""
    cls = tree.class_of(call)
    if cls is None or not any(cls.method(name) for name in ("__getitem__", "__iter__", "__call__")):
        return False
    return any(
        other.values.literal(number) != 0
        for other in file.view.mentioning(["num_workers"], file)
        for loader in other.calls
        if (number := loader.arg(None, "num_workers")) is not None
    )


def _told(file: File) -> Iterator[str]:
    """The generators whose state is set, or whose seeding is handed on as a function."""
    for kind in (tree.Attribute, tree.Name):
        for node in file.all(kind):
            name = file.names.qualified(node) or ""
            if name in _RESTORED:
                yield _RESTORED[name]
            elif name in SEEDS and not (
                isinstance(node.parent, tree.Call) and node.parent.func is node
            ):
                yield SEEDS[name]


def _is_test(file: File, seed: tree.Call) -> bool:
    """Whether a seed is that of a test, which repeats its own draws alone."""
    name = file.path.replace("\\", "/").rpartition("/")[2]
    function = tree.function_of(seed)
    return name.startswith("test_") or (function is not None and function.name.startswith("test_"))


def _is_aside(seed: tree.Call) -> bool:
    """Whether a seed is that of a loader's workers, each of which has its own."""
    function = tree.function_of(seed)
    return function is not None and "worker" in function.name.lower()


def _is_for_a_split(file: File, seed: tree.Call, kind: str) -> bool:
    """Whether a seed stands directly before a split or shuffle, and is there for that."""
    statement = tree.statement_of(seed)
    if isinstance(statement, tree.Module):
        return False
    block = tree.block_of(statement)
    at = next(index for index, one in enumerate(block) if one is statement)
    for later in block[at + 1 : at + 1 + _NEAR]:
        for node in later.walk():
            if isinstance(node, tree.Call) and _drawn(file, node) == kind:
                return _SPLITTING.search(tree.last_name(node.func)) is not None
    return False


def _forget_seeded(other: File, first: dict[str, tree.Call]) -> None:
    """Leave out what another file of the project seeds, or may seed."""
    if any(_may_seed_all(other, call) for call in other.calls):
        first.clear()
    for call in other.calls:
        first.pop(_seeded(other, call) or "", None)


def _may_seed_all(file: File, call: tree.Call) -> bool:
    """Whether a call is one of a helper, here or in a library, that may seed everything.

    A helper of the file itself is no secret: what it seeds stands in the file.
    """
    name = tree.last_name(call.func)
    if not _HELPER.search(name) or _NO_HELPER.search(name):
        return False
    known = file.names.qualified(call.func)
    if known in SEEDS or (known is not None and _ASIDE.match(known)):
        return False
    return not any(
        isinstance(value, FunctionValue) and file.home(value.function) is file
        for value in file.values.callees(call)
    )


def _drawn(file: File, call: tree.Call) -> str | None:
    """The global generator that a call draws from, None where it has its own or none."""
    name = file.names.qualified(call.func)
    if name is None:
        return None
    if name in _PYTHON_DRAWS:
        return PYTHON
    if name in _NUMPY_DRAWS:
        return NUMPY
    if call.has_star:
        return None
    if name in _SPLITS and _splits_at_random(file, call):
        return NUMPY
    if _TORCH_DRAWS.match(name) or _shuffles(file, name, call):
        return None if call.arg(None, "generator") is not None else TORCH
    if name.startswith(("tensorflow.keras.layers.Dense", "tensorflow.keras.layers.Conv")):
        return TENSORFLOW
    return None


def _splits_at_random(file: File, call: tree.Call) -> bool:
    given = call.arg(None, "random_state")
    if given is not None and file.values.literal(given) is not None:
        return False
    shuffle = call.arg(None, "shuffle")
    return shuffle is None or file.values.literal(shuffle) is True


def _shuffles(file: File, name: str, call: tree.Call) -> bool:
    if name == "torch.utils.data.random_split":
        return call.arg(2, "generator") is None
    if name == "torch.utils.data.DataLoader":
        return file.values.literal(call.arg(2, "shuffle")) is True
    return False


def _is_of_training(call: tree.Call) -> bool:
    """False for draws that choose a picture to show, a port or a name, and for dead code."""
    function = tree.function_of(call)
    if is_dead(call) or (function is not None and _NO_TRAINING.search(function.name)):
        return False
    return not any(_NO_TRAINING.search(name) for name in _around(call))


def _around(call: tree.Call) -> Iterator[str]:
    """The names that the statement around a call gives to what it makes, and calls it for."""
    statement = tree.statement_of(call)
    if isinstance(statement, tree.Assign):
        for target in statement.targets:
            yield from tree.names_in(target)
    for above in call.ancestors():
        if above is statement:
            return
        if isinstance(above, tree.Call):
            yield tree.last_name(above.func)
        elif isinstance(above, tree.Arg) and above.keyword is not None:
            yield above.keyword
