"""Which outputs losses train as logits, and which reads are reads of them and of nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import escapes, tensors, tree
from trainlint.semantics.guards import guards, outcome
from trainlint.semantics.kinds import Frame, FunctionValue, Instance, Object
from trainlint.semantics.training import losses
from trainlint.semantics.training.outputs import ACTIVATED, CHANGED, Source, outputs
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_FOCAL = frozenset(
    {"torchvision.ops.sigmoid_focal_loss", "torchvision.ops.focal_loss.sigmoid_focal_loss"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """An output that the loss ``name`` takes as logits in ``call``.

    A loss on probabilities takes it through ``sigmoid``.
    """

    source: Source
    name: str
    call: tree.Call
    sigmoid: Node | None = None


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
    given: list[tuple[tree.Call, str, Expr, Node | None]] = [
        (evaluation.call, evaluation.name, evaluation.input, None)
        for evaluation in losses.loss_evaluations(file, losses.BCE_WITH_LOGITS)
        if _is_sure(file, evaluation)
    ]
    for evaluation in losses.loss_evaluations(file, losses.BCE):
        squashed = _squashed(file, evaluation.input) if _is_sure(file, evaluation) else []
        given += [(evaluation.call, evaluation.name, raw, node) for raw, node in squashed]
    for call in file.calls_to(lambda name: name in _FOCAL):
        taken = call.arg(0, "inputs")
        if taken is not None:
            given.append((call, "sigmoid_focal_loss", taken, None))
    return [
        Trained(source, name.rpartition(".")[2], call, sigmoid)
        for call, name, taken, sigmoid in given
        for source in outputs(file).sources(taken)
        if source.kind not in ACTIVATED | {CHANGED}
    ]


def _squashed(file: File, given: Expr) -> list[tuple[Expr, Node]]:
    """What a sigmoid beside a loss is applied to, with the sigmoid: ``bce(sigmoid(x), y)``."""
    found = tensors.origins(file.values, given)
    if any(origin.kind != tensors.SIGMOID or origin.frame is not None for origin in found):
        return []
    return [(origin.input, origin.applied) for origin in found if origin.input is not None]


def _is_sure(file: File, evaluation: losses.LossEvaluation) -> bool:
    """True where the loss is one, however many calls hand it to its function."""
    if evaluation.certain or evaluation.criterion is None:
        return evaluation.certain
    made = evaluation.criterion.call
    callees = file.values.callees(evaluation.call)
    return all(
        isinstance(callee, Instance) and callee.call is made and callee.name == evaluation.name
        for callee in callees
    )


def known(
    file: File, node: Node, read: Iterable[Source], trained: Collection[Trained]
) -> list[tuple[Source, Trained]]:
    """The sources of what ``node`` reads that are known outputs, whatever way it takes there.

    The ways by which one call hands the tensor to where it is read are taken together: a single
    one that leads to something else leaves open what is read. With each comes a loss on it.
    """
    ways: dict[tuple[Node, ...], list[Source]] = {}
    for source in read:
        if not _is_barred(file, node, source.passes):
            ways.setdefault(source.passes, []).append(source)
    found: list[tuple[Source, Trained]] = []
    for sources in ways.values():
        losses_on = [_loss_on(file, node, source, trained) for source in sources]
        if None not in losses_on:
            found += [(s, loss) for s, loss in zip(sources, losses_on, strict=True) if loss]
    return found


def _loss_on(
    file: File, node: Node, source: Source, trained: Collection[Trained]
) -> Trained | None:
    losses_on = (each for each in trained if source.is_of(each.source))
    return next((each for each in losses_on if not _excludes(file, node, source, each)), None)


def _excludes(file: File, node: Node, source: Source, loss: Trained) -> bool:
    """True where one choice between criteria leads either to the loss or to what is read.

    Then a run that reads the output in that way does not train it by that loss.
    """
    mine = _entered(file, node, source.passes)
    if not mine:
        return False
    theirs = _entered(file, loss.call, loss.source.passes)
    theirs[_choice(file, loss.call)] = loss.call
    return any(
        chosen and entered is not theirs.get(chosen, entered) for chosen, entered in mine.items()
    )


def _is_barred(file: File, node: Node, passes: Iterable[Node]) -> bool:
    """True where a call on the way gives an argument with which the place is not got to."""
    for call in passes:
        function = tree.function_of(node)
        if isinstance(call, tree.Call) and isinstance(function, tree.FunctionDef):
            frame = Frame(function, call, None, None, 1)
            for guard in guards(node):
                if outcome(file.view, guard.test, frame) is (not guard.outcome):
                    return True
        node = call
    return False


def _entered(file: File, node: Node, passes: Iterable[Node]) -> dict[frozenset[Node], Node | None]:
    """Which function is entered where one of several criteria is called, on the way to a node."""
    found: dict[frozenset[Node], Node | None] = {}
    for call in passes:
        chosen = _choice(file, call)
        if chosen:
            found[chosen] = tree.function_of(node)
        node = call
    return found


def _choice(file: File, call: Node) -> frozenset[Node]:
    """What makes the objects of which a call runs one; empty where it has no choice."""
    if not isinstance(call, tree.Call):
        return frozenset()
    made = {
        value.call
        for value in file.values.callees(call)
        if isinstance(value, Instance | Object) and value.call is not None
    }
    return frozenset(made) if len(made) > 1 else frozenset()


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
            found.append(f"line {file.line(call)}: who else calls this is not known")
        for function in functions:
            found += [
                f"line {file.line(escape.node)}: {escape.why}"
                for escape in escapes.of_function(file, function)
            ]
    return found
