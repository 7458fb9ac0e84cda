"""Which part of a split some data is, and from which rows a transformer has learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.diagnostics import Confidence
from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.deeds import ORIGIN, PART, Deed
from trainlint.semantics.data.roles import TEST, TRAIN, VALIDATION, of_name, of_path
from trainlint.semantics.data.transformers import Transformer
from trainlint.semantics.trail import Step

if TYPE_CHECKING:
    from trainlint.semantics.data.splits import Split
    from trainlint.semantics.facts import File

HELD_OUT = frozenset({TEST, VALIDATION, "held out"})


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Why data is held out: ``what`` for a sentence, ``why`` for the place that made it so."""

    role: str
    what: str
    why: str
    node: tree.Node
    trail: tuple[Step, ...]
    confidence: Confidence


def origins(file: File, use: Use) -> set[object]:
    """Where the rows of an expression come from, when all of them are in it."""
    past = file.splits.rows.past(use)
    return {d.origin for d in past if d.kind == ORIGIN and d.whole and not d.aside}


def is_whole(file: File, use: Use) -> bool:
    """True when all rows of some origin are in an expression, and no chain is of a part."""
    return not parts(file, use) and bool(origins(file, use))


def parts(file: File, use: Use) -> list[Deed]:
    """The splits of which an expression is one part, as deeds."""
    return [d for d in file.splits.rows.past(use) if d.kind == PART and not d.aside]


def fits_before(file: File, transformer: Transformer, node: tree.Node) -> list[tree.Call]:
    """The fits of a transformer that can be the last one before a place.

    Fits in other functions count only when none stands in the same one.
    """
    known = file.splits.transformers.fits.get(transformer.made, [])
    body = tree.body_of(node)
    near = [c for c in known if tree.body_of(c) is body]
    if not near:
        return known
    flow = file.flow_in(body)
    points = {flow.point(call): call for call in near}
    at = flow.point(node)
    if at in points and points[at].end <= node.end:  # StandardScaler().fit(a).transform(b)
        return [points[at]]
    last, _ = flow.last(at, set(points))
    return [points[point] for point in sorted(last)]


def role(file: File, deed: Deed, inner: frozenset[tree.Node] = frozenset()) -> str | None:
    """Which part a deed of the kind PART took: train, validation, test, or held out.

    ``inner`` are the splits of that part which were asked before: a loop may divide it again.
    """
    split = next((s for s in file.splits.all if s.node is deed.node), None)
    index = deed.index
    if index is None:
        return None
    named = None
    if split is not None and index < len(split.targets):
        named = of_name(file.text(split.targets[index]))
    pairs = split is not None and split.name == "train_test_split"
    develops = split is not None and pairs and index == 0 and _is_development(file, split)
    if named in {TEST, VALIDATION} and not develops:
        return named
    if named == TRAIN and not pairs:
        return TRAIN
    if index == 0 or (pairs and index % 2 == 0):
        outer = [] if deed.data is None else parts(file, deed.data)
        asked = inner | {deed.node}
        roles = (role(file, one, asked) for one in outer if one.node not in asked)
        return "held out" if any(known in HELD_OUT for known in roles) else TRAIN
    return "held out"


def _is_development(file: File, split: Split) -> bool:
    """``x_dev, x_final = train_test_split(x)``: the part that the model is developed on."""
    return bool(split.targets) and "dev" in file.text(split.targets[0]).lower()


def held_out(file: File, use: Use) -> HeldOut | None:
    """Whether data is a test or validation part: by its split, its file, or its name."""
    past = [deed for deed in file.splits.rows.past(use) if not deed.aside]
    taken = [(role(file, deed), deed) for deed in past if deed.kind == PART]
    if taken:
        which, deed = taken[0]
        if which is None or any(other not in HELD_OUT for other, _ in taken):
            return None
        what = f"the {'test' if which == TEST else 'held-out'} part of a split"
        why = "it is held out here"
        return HeldOut(which, what, why, deed.node, deed.trail, Confidence.HIGH)
    origins = [deed for deed in past if deed.kind == ORIGIN]
    if len({deed.origin for deed in origins}) == 1:
        deed = origins[0]
        which = read_from(deed.node)
        if which in {TEST, VALIDATION}:
            why = f"it is read from the {which} file here"
            what = f"the {which} data"
            return HeldOut(which, what, why, deed.node, deed.trail, Confidence.MEDIUM)
    which = _by_name(use)
    if which in {TEST, VALIDATION} and not any(read_from(d.node) for d in origins):
        what = f"the {which} part by its name"
        return HeldOut(which, what, "by its name", use.expr, (), Confidence.MEDIUM)
    return None


def is_training(file: File, use: Use) -> bool:
    """True for the train part of a split, a training file, or by a name that says so."""
    for deed in file.splits.rows.past(use):
        if deed.kind == PART and role(file, deed) == TRAIN:
            return True
        if deed.kind == ORIGIN and read_from(deed.node) == TRAIN:
            return True
    return _by_name(use) == TRAIN


def _by_name(use: Use) -> str | None:
    base = tree.base_of(use.expr)
    return of_name(base.id) if base is not None else None


def read_from(node: tree.Node) -> str | None:
    """The split that the path of a reading call names."""
    if not isinstance(node, tree.Call) or not node.args:
        return None
    for inner in node.args[0].value.walk():
        if isinstance(inner, tree.Constant) and isinstance(inner.value, str):
            found = of_path(inner.value)
            if found is not None:
                return found
    return None
