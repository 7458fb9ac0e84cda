"""Means of the batches' mean losses, and what would weight each batch by its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training import batches, losses, means
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_LOADER = "torch.utils.data.DataLoader"
# What makes the mean of a batch another one than that over its samples.
_WEIGHTS = ("weight", "ignore_index", "reduction", "size_average", "reduce")
# The samples to train on and to test on.
_SAMPLES = dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST"), (60_000, 10_000))
_SAMPLES |= dict.fromkeys(("CIFAR10", "CIFAR100"), (50_000, 10_000))
_NUMBER = frozenset({"item", "detach", "cpu"})


@dataclass(frozen=True, slots=True, eq=False)
class BatchMean:
    """A mean of the means that ``loss`` gives of the batches of ``loader``.

    ``size`` is the text of a batch's size, where a tensor of the batch has a name; ``sized`` tells
    that the loader gives each sample of its data set once.
    """

    mean: means.Mean
    loss: losses.LossEvaluation
    loader: Instance
    added: Expr
    size: str | None
    sized: bool


def batch_means(file: File) -> Iterator[BatchMean]:
    """The means of a file that take each batch for as large as the others."""
    found = [m for m in means.means(file) if _counts_batches(file, m)]
    if not found:
        return
    evaluations = {each.call: each for each in losses.loss_evaluations(file, losses.KNOWN)}
    for mean in found:
        added = mean.adds[0][1]
        loss = evaluations.get(_made(file, added))  # type: ignore[arg-type]
        if loss is None or not _is_plain(loss):
            continue
        for value in file.values.of(mean.source):
            if isinstance(value, Instance) and value.name == _LOADER and _has_rest(file, value):
                sized = not any(value.call.arg(None, k) for k in ("sampler", "batch_sampler"))
                yield BatchMean(mean, loss, value, added, _size(mean, loss), sized)
                break


def _counts_batches(file: File, mean: means.Mean) -> bool:
    """True where one thing is added in a round, and the divisor is the number of the rounds."""
    if mean.nested or len(mean.adds) != 1 or mean.kind == means.SAMPLES:
        return False
    if mean.kind == means.LENGTH:
        return True
    added = mean.adds[0][0]
    match mean.counts:
        case [tree.AugAssign(value=tree.Constant(value=1)) as count]:
            beside = count.parent is added.parent
        case [only]:
            beside = only is added
        case _:
            return False
    return beside and means.begins_at_zero(file, mean) and _is_in_each_round(mean.loop, added)


def _is_in_each_round(loop: tree.For, statement: tree.Stmt) -> bool:
    """True for what stands in no test, in a loop that goes to its end."""
    above = statement.parent
    while isinstance(above, tree.With):
        above = above.parent
    leaves = (tree.Break, tree.Return, tree.Continue)
    return above is loop and not any(isinstance(node, leaves) for node in loop.walk())


def _made(file: File, expr: Expr) -> tree.Call | None:
    """The call whose value is added, under whatever name, as a number or a tensor."""
    for _ in range(6):
        match expr:
            case tree.Call(func=tree.Attribute(attr=attr) as func, args=[]) if attr in _NUMBER:
                expr = func.value
            case tree.Attribute(attr="data"):
                expr = expr.value
            case tree.Call() if (
                file.names.qualified(expr.func) == "builtins.float" and len(expr.positional) == 1
            ):
                expr = expr.positional[0]
            case tree.Name():
                bindings, unbound = file.values.definitions(expr)
                one = bindings[0] if len(bindings) == 1 and not unbound else None
                if one is None or one.kind != "assign" or one.path or one.value is None:
                    return None
                expr = one.value
            case tree.Call():
                return expr
            case _:
                return None
    return None


def _is_plain(loss: losses.LossEvaluation) -> bool:
    """True for the mean over the samples of a batch."""
    calls = [loss.call] if loss.criterion is None else [loss.criterion.call]
    return all(
        not call.has_star
        and not any(call.arg(None, word) is not None for word in _WEIGHTS)
        and (call is loss.call or not call.positional)
        for call in calls
    )


def _has_rest(file: File, loader: Instance) -> bool:
    """False where the batches surely are of one size, or where that is not known."""
    call = loader.call
    if call.has_star or call.arg(None, "batch_sampler") is not None:
        return False
    drops = call.arg(None, "drop_last")
    if drops is not None and file.values.literal(drops, loader.frame) is not False:
        return False
    size = call.arg(1, "batch_size")
    number = file.values.literal(size, loader.frame) if size is not None else 1
    if number == 1 or number is None:
        return False
    dataset = call.arg(0, "dataset")
    samples = None
    if dataset is not None:
        samples = _published(file, dataset, loader) or batches.batches(file, dataset)
    if samples is None or not isinstance(number, int):
        return True
    return samples % number != 0


def _published(file: File, dataset: Expr, loader: Instance) -> int | None:
    """How many samples there are in a data set of torchvision whose parts are fixed."""
    value = file.values.only(dataset, loader.frame)
    if not isinstance(value, Instance) or not value.name.startswith("torchvision.datasets."):
        return None
    sizes = _SAMPLES.get(value.name.rpartition(".")[2])
    flag = value.call.arg(1, "train")
    train = True if flag is None else file.values.literal(flag, value.frame)
    if sizes is None or value.call.has_star or not isinstance(train, bool):
        return None
    return sizes[0] if train else sizes[1]


def _size(mean: means.Mean, loss: losses.LossEvaluation) -> str | None:
    """The size of a batch by its target, where the loop itself gives that its name."""
    target = loss.target
    if not isinstance(target, tree.Name):
        return None
    taken = tree.names_in(mean.loop.target)
    return f"{target.id}.size(0)" if target.id in taken else None
