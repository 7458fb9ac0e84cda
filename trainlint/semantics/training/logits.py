"""Which outputs losses train as logits, and which reads are reads of them and of nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import escapes, tree
from trainlint.semantics.training import losses
from trainlint.semantics.training.outputs import ACTIVATED, CHANGED, Source, outputs
from trainlint.semantics.tree import Node
from trainlint.semantics.values import FunctionValue, Instance

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_FOCAL = frozenset(
    {"torchvision.ops.sigmoid_focal_loss", "torchvision.ops.focal_loss.sigmoid_focal_loss"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """An output that the loss ``name`` takes as logits in ``call``."""

    source: Source
    name: str
    call: tree.Call


def trained_as_logits(file: File, read: Iterable[Source]) -> list[Trained]:
    """The outputs that losses with a sigmoid of their own are evaluated on.

    They are looked for in the file, and in those that the models get to from which is ``read``.
    """
    homes = dict.fromkeys(file.home(source.node) for source in read)
    files = {file: None}
    for home in homes:
        files.update(dict.fromkeys(file.view.connected(home)))
    return [trained for each in files for trained in each.once(_trained)]


def _trained(file: File) -> list[Trained]:
    given = [
        (evaluation.call, evaluation.name, evaluation.input)
        for evaluation in losses.loss_evaluations(file, losses.BCE_WITH_LOGITS)
        if _is_sure(file, evaluation)
    ]
    for call in file.calls_to(lambda name: name in _FOCAL):
        taken = call.arg(0, "inputs")
        if taken is not None:
            given.append((call, "sigmoid_focal_loss", taken))
    return [
        Trained(source, name.rpartition(".")[2], call)
        for call, name, taken in given
        for source in outputs(file).sources(taken)
        if source.kind not in ACTIVATED | {CHANGED}
    ]


def _is_sure(file: File, evaluation: losses.LossEvaluation) -> bool:
    """True where the loss is one, however many calls hand it to its function."""
    if evaluation.certain or evaluation.criterion is None:
        return evaluation.certain
    made = evaluation.criterion.call
    callees = file.values.callees(evaluation.call)
    return all(isinstance(callee, Instance) and callee.call is made for callee in callees)


def known(read: Iterable[Source], trained: Collection[Source]) -> list[Source]:
    """The sources of a read that are known outputs, whatever way it takes there.

    The ways by which one call hands the tensor to where it is read are taken together: a single
    one that leads to something else leaves open what is read.
    """
    ways: dict[tuple[Node, ...], list[Source]] = {}
    for source in read:
        ways.setdefault(source.passes, []).append(source)
    return [
        source
        for sources in ways.values()
        if all(any(each.is_of(other) for other in trained) for each in sources)
        for source in sources
    ]


def other_callers(file: File, source: Source) -> list[str]:
    """Who else may hand something to the functions in which an output is read as an argument."""
    found = []
    for call in source.passes:
        functions = [
            callee.function
            for callee in (file.values.callees(call) if isinstance(call, tree.Call) else ())
            if isinstance(callee, FunctionValue) and isinstance(callee.function, tree.FunctionDef)
        ]
        if not functions:
            found.append(f"line {_line(file, call)}: who else calls this is not known")
        for function in functions:
            found += [
                f"line {_line(file, escape.node)}: {escape.why}"
                for escape in escapes.of_function(file, function)
            ]
    return found


def _line(file: File, node: Node) -> int:
    return file.home(node).source.position(node.start)[1]
