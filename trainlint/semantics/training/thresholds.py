"""Where a number is read as a probability: compared with one, rounded, kept under such a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Display, Element, Instance, Literal, Value
from trainlint.semantics.tree import Expr
from trainlint.triage import any_of

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

COMPARED, ROUNDED, KEPT = "compared", "rounded", "kept"
_ORDER = frozenset({"<", "<=", ">", ">="})
_COMPARISONS = frozenset("gt ge lt le greater greater_equal less less_equal".split())
_ROUNDINGS = frozenset({"torch.round", "numpy.round", "numpy.around", "numpy.rint"})
_RANGES = frozenset({"numpy.linspace", "numpy.arange", "torch.linspace", "torch.arange"})
_PROBABILITY = frozenset("prob probs proba probas probability probabilities".split())
_SAYS_PROBABILITY = _PROBABILITY | {"confidence"}
_BOUND = frozenset("threshold thresh thr cutoff min minimum".split())
_OTHER_SCALE = frozenset("log logit logits margin raw energy".split())
# A file that reads a probability says one of these.
_WORDS = ("hresh", "HRESH", "0.", "round", "prob", "Prob", "PROB", "conf", "cutoff", "thr", "sigm")
WORDS = any_of(*_WORDS)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """``tensor`` is read as a probability at ``node``.

    ``bound`` is what it is compared with, ``value`` that number where it is known, ``key`` the name
    under which it is kept.
    """

    kind: str
    node: Expr
    tensor: Expr
    bound: Expr | None = None
    value: float | None = None
    key: str = ""


def readings(file: File) -> Iterator[Reading]:
    """The places of a file where something is read as a probability."""
    if not any(word in file.source.code for word in _WORDS):
        return
    for compare in file.all(tree.Compare):
        if len(compare.ops) == 1 and compare.ops[0] in _ORDER:
            yield from _compared(file, compare, compare.left, compare.comparators[0])
    for call in file.calls:
        yield from _called(file, call)
    for display in file.all(tree.Dict):
        for key, value in zip(display.keys, display.values, strict=True):
            if isinstance(key, tree.Constant) and isinstance(key.value, str):
                yield from _kept(key.value, value)
    for assign in file.all(tree.Assign):
        for target in assign.targets:
            if isinstance(target, tree.Subscript) and len(target.index) == 1:
                literal = file.values.literal(target.index[0])
                if isinstance(literal, str):
                    yield from _kept(literal, assign.value)


def _compared(file: File, node: Expr, left: Expr, right: Expr) -> Iterator[Reading]:
    for tensor, bound in ((left, right), (right, left)):
        if isinstance(tensor, tree.Constant):
            continue
        numbers = probability(file, bound)
        if numbers is not None:
            value = numbers[0] if len(numbers) == 1 else None
            yield Reading(COMPARED, node, tensor, bound, value)


def _called(file: File, call: tree.Call) -> Iterator[Reading]:
    name = file.names.qualified(call.func)
    if name is None:
        func = call.func
        if not isinstance(func, tree.Attribute):
            return
        if func.attr in _COMPARISONS and len(call.args) == 1:
            yield from _compared(file, call, func.value, call.args[0].value)
        elif func.attr == "round" and not call.args:
            yield Reading(ROUNDED, call, func.value)
        return
    given, other = call.arg(0, "input"), call.arg(1, "other")
    library, _, short = name.rpartition(".")
    if library == "torch" and short in _COMPARISONS and given is not None and other is not None:
        yield from _compared(file, call, given, other)
    elif name in _ROUNDINGS | {"builtins.round"} and given is not None and len(call.args) == 1:
        yield Reading(ROUNDED, call, given)


def _kept(key: str, value: Expr) -> Iterator[Reading]:
    words = _words(key)
    if words & _PROBABILITY and not words & _OTHER_SCALE:
        yield Reading(KEPT, value, value, key=key)


def probability(file: File, expr: Expr) -> tuple[float, ...] | None:
    """The numbers in (0, 1) that a bound can be, none where only its name says probability.

    None where nothing tells that it is a probability.
    """
    name = tree.last_name(expr)
    words = _words(name)
    if words & _OTHER_SCALE:
        return None
    found = file.values.of(expr)
    numbers = [n for value in found if (n := _number(value)) is not None]
    numbers += _default(file, expr)
    if numbers:
        return tuple(dict.fromkeys(numbers)) if all(0 < n < 1 for n in numbers) else None
    if any(_is_drawn_from_probabilities(file, value) for value in found):
        return ()
    return () if words & _SAYS_PROBABILITY and words & _BOUND else None


def _number(value: Value) -> float | None:
    if isinstance(value, Literal) and isinstance(value.value, int | float):
        return None if isinstance(value.value, bool) else float(value.value)
    return None


def _default(file: File, expr: Expr) -> list[float]:
    """The default of a command line's option that an attribute is named after."""
    if not isinstance(expr, tree.Attribute):
        return []
    found = []
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "add_argument":
            continue
        flags = [arg.value for arg in call.args if isinstance(arg.value, tree.Constant)]
        names = {str(flag.value).lstrip("-").replace("-", "_") for flag in flags}
        default = file.values.literal(call.arg(None, "default"))
        if expr.attr in names and isinstance(default, int | float):
            found.append(float(default))
    return found


def _is_drawn_from_probabilities(file: File, value: Value) -> bool:
    """Whether a value is one of several numbers between 0 and 1 that a loop goes through."""
    if not isinstance(value, Element) or value.path:
        return False
    for source in file.values.of(value.of, value.frame):
        if isinstance(source, Display) and isinstance(source.expr, tree.Sequence):
            items = [file.values.literal(item, source.frame) for item in source.expr.elts]
        elif isinstance(source, Instance) and source.name in _RANGES:
            ends = (source.call.arg(0, "start"), source.call.arg(1, "end"))
            stop = source.call.arg(1, "stop") or ends[1]
            items = [file.values.literal(end, source.frame) for end in (ends[0], stop)]
        else:
            continue
        numbers = [float(n) for n in items if isinstance(n, int | float)]
        if len(numbers) == len(items) and all(0 <= n <= 1 for n in numbers):
            return any(0 < n < 1 for n in numbers) or isinstance(source, Instance)
    return False


def _words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(name))
