"""Where data is split into what is learned from and what is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.diagnostics import Confidence
from trainlint.semantics import tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.flow import truth
from trainlint.semantics.roles import TEST, TRAIN, VALIDATION, of_name, of_path
from trainlint.semantics.rows import ORIGIN, PART, Deed, Rows, fold_call
from trainlint.semantics.trail import Step
from trainlint.semantics.transformers import Transformer, Transformers
from trainlint.semantics.tree import Expr
from trainlint.semantics.values import Instance

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

CROSS_VALIDATIONS = frozenset(
    f"sklearn.model_selection.{name}"
    for name in (
        "cross_val_score",
        "cross_validate",
        "cross_val_predict",
        "learning_curve",
        "validation_curve",
        "permutation_test_score",
    )
)
SEARCHES = frozenset(
    "GridSearchCV RandomizedSearchCV HalvingGridSearchCV HalvingRandomSearchCV BayesSearchCV".split()
)
FOLDING = SEARCHES | {name.rpartition(".")[2] for name in CROSS_VALIDATIONS}
HELD_OUT = frozenset({TEST, VALIDATION, "held out"})


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One split.

    ``inputs`` is what is split (features first, labels behind), ``targets`` the expressions that
    the parts are given to, in the order of the parts; ``name`` is how the code calls it.
    """

    node: tree.Node
    name: str
    inputs: tuple[Expr, ...]
    targets: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Why data is held out: ``what`` for a sentence, ``why`` for the place that made it so."""

    role: str
    what: str
    why: str
    node: tree.Node
    trail: tuple[Step, ...]
    confidence: Confidence


class Splits:
    def __init__(self, file: File) -> None:
        self.file = file
        self.transformers = Transformers(file)
        self.backward = Backward(file)
        self.rows = Rows(file, self.transformers, self.backward)

    @cached_property
    def all(self) -> list[Split]:
        """The splits that can run, in source order."""
        found = [*self._calls(), *self._folds(), *self._slices(), *self._sampled()]
        return sorted((s for s in found if not is_dead(s.node)), key=lambda s: s.node.start)

    def _calls(self) -> Iterator[Split]:
        for call in self.file.calls:
            given = [arg.value for arg in call.args if not arg.star and arg.keyword is None]
            name = self.file.names.qualified(call.func)
            if name is None and isinstance(call.func, tree.Attribute):
                yield from self._method(call, call.func, given)
                continue
            if name is None or not given:
                continue
            short = name.rpartition(".")[2]
            if short == "train_test_split" and not name.startswith("."):
                yield Split(call, short, tuple(given), _targets(call))
            elif name == "torch.utils.data.random_split":
                yield Split(call, short, (given[0],), _targets(call))
            elif name in CROSS_VALIDATIONS and (data := call.arg(1, "X")) is not None:
                yield Split(call, short, (data,))

    def _method(self, call: tree.Call, func: tree.Attribute, given: list[Expr]) -> Iterator[Split]:
        if func.attr == "train_test_split":
            yield Split(call, "train_test_split", (func.value,), _targets(call))
        elif func.attr == "fit" and given:
            share = self.file.values.literal(call.arg(None, "validation_split"))
            if isinstance(share, float) and share > 0:
                yield Split(call, "fit(validation_split=...)", (given[0],))
                return
            for value in self.file.values.of(func.value):
                if isinstance(value, Instance) and value.name.rpartition(".")[2] in SEARCHES:
                    yield Split(call, value.name.rpartition(".")[2], (given[0],))
                    return

    def _folds(self) -> Iterator[Split]:
        """``for train, test in kf.split(X)``: what the index arrays select rows of."""
        selected: dict[tree.Call, list[Expr]] = {}
        for subscript in self.file.all(tree.Subscript):
            index = subscript.index[0] if subscript.index else None
            if not isinstance(index, tree.Name):
                continue
            found = self.file.names.find(index.id, index)
            if found is None or not any(b.kind in {"each", "assign"} and b.path for b in found[1]):
                continue
            for binding in self.file.values.definitions(index)[0]:
                call = fold_call(binding.value) if binding.value is not None else None
                if call is not None and binding.path and self._is_folds(call):
                    base = subscript.value
                    if isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc"}:
                        base = base.value
                    selected.setdefault(call, []).append(base)
        for call in self.file.calls:
            func = call.func
            if isinstance(func, tree.Attribute) and func.attr == "split" and call.args:
                if self._is_folds(call):
                    data = selected.get(call) or [call.args[0].value]
                    yield Split(call, "split", tuple(data))

    def _is_folds(self, call: tree.Call) -> bool:
        func = call.func
        return isinstance(func, tree.Attribute) and self.rows.is_folds(func.value, Use(func.value))

    def _slices(self) -> Iterator[Split]:
        """``train, test = X[:n], X[n:]``, on one line or on several of the same body."""
        heads: dict[tuple[object, str, str], tree.Subscript] = {}
        for subscript in self.file.all(tree.Subscript):
            index = subscript.index[0] if subscript.index else None
            if not isinstance(index, tree.Slice) or index.step is not None:
                continue
            bound = index.upper if index.lower is None else index.lower
            if bound is None or (index.lower is not None and index.upper is not None):
                continue
            if isinstance(bound, tree.Constant | tree.UnaryOp) or not _kept(subscript):
                continue
            base = subscript.value
            if isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc"}:
                base = base.value
            key = (tree.function_of(subscript), self.file.text(base), self.file.text(bound))
            if index.lower is None:
                heads[key] = subscript
            elif key in heads and isinstance(base, tree.Name):
                head = heads.pop(key)
                yield Split(head, "slicing", (base,), (*_targets(head), *_targets(subscript)))

    def _sampled(self) -> Iterator[Split]:
        """``train = df.sample(frac=0.8)`` and ``test = df.drop(train.index)``."""
        for call in self.file.calls:
            func = call.func
            if not isinstance(func, tree.Attribute) or func.attr != "drop" or not call.args:
                continue
            index = call.args[0].value
            if not (isinstance(index, tree.Attribute) and index.attr == "index"):
                continue
            for value in self.file.values.of(index.value):
                made = getattr(value, "call", None)
                if not isinstance(made, tree.Call) or not isinstance(made.func, tree.Attribute):
                    continue
                same = self.file.text(made.func.value) == self.file.text(func.value)
                if made.func.attr == "sample" and same:
                    targets = (*_targets(made), *_targets(call))
                    yield Split(made, "sample", (func.value,), targets)

    # Which rows

    def origins(self, use: Use) -> set[object]:
        """Where the rows of an expression come from, when all of them are in it."""
        return {d.origin for d in self.rows.past(use) if d.kind == ORIGIN and d.whole and not d.aside}

    def is_whole(self, use: Use) -> bool:
        """True when all rows of some origin are in an expression, and no chain is of a part."""
        return not self.parts(use) and bool(self.origins(use))

    def fits_before(self, transformer: Transformer, node: tree.Node) -> list[tree.Call]:
        """The fits of a transformer that can be the last one before a place.

        Fits in other functions count only when none stands in the same one.
        """
        known = self.transformers.fits.get(transformer.made, [])
        body = tree.function_of(node) or self.file.module
        near = [c for c in known if (tree.function_of(c) or self.file.module) is body]
        if not near:
            return known
        flow = self.file.flow_in(body)
        points = {flow.point(call): call for call in near}
        at = flow.point(node)
        last, _ = flow.last(at, set(points))
        found = [points[point] for point in sorted(last)]
        if at in points and points[at].end <= node.end:  # StandardScaler().fit(a).transform(b)
            found = [points[at]]
        return found

    def parts(self, use: Use) -> list[Deed]:
        """The splits of which an expression is one part, as deeds."""
        return [d for d in self.rows.past(use) if d.kind == PART and not d.aside]

    def role(self, deed: Deed) -> str | None:
        """Which part a deed of the kind PART took: train, validation, test, or held out."""
        split = next((s for s in self.all if s.node is deed.node), None)
        index = deed.index
        if index is None:
            return None
        named = None
        if split is not None and index < len(split.targets):
            named = of_name(self.file.text(split.targets[index]))
        if named in {TEST, VALIDATION}:
            return named
        pairs = split is not None and split.name == "train_test_split"
        if named == TRAIN and not pairs:
            return TRAIN
        if index == 0 or (pairs and index % 2 == 0):
            outer = [] if deed.data is None else self.parts(deed.data)
            return "held out" if any(self.role(o) in HELD_OUT for o in outer) else TRAIN
        return "held out"

    def held_out(self, use: Use) -> HeldOut | None:
        """Whether data is a test or validation part: by its split, its file, or its name."""
        past = [deed for deed in self.rows.past(use) if not deed.aside]
        text = self.file.text(use.expr)
        taken = [(self.role(deed), deed) for deed in past if deed.kind == PART]
        if taken:
            role, deed = taken[0]
            if role not in HELD_OUT or any(other not in HELD_OUT for other, _ in taken):
                return None
            what = "the test part" if role == TEST else "the held-out part"
            why = "it is held out here"
            what = f"{what} of a split"
            return HeldOut(role or "", what, why, deed.node, deed.trail, Confidence.HIGH)
        origins = [deed for deed in past if deed.kind == ORIGIN]
        for deed in origins:
            role = self._read_from(deed.node)
            if role in {TEST, VALIDATION} and len({d.origin for d in origins}) == 1:
                what = f"the {role} data"
                why = f"it is read from the {role} file here"
                return HeldOut(role, what, why, deed.node, deed.trail, Confidence.MEDIUM)
        role = of_name(base_name(use.expr) or "")
        if role in {TEST, VALIDATION} and not any(self._read_from(d.node) for d in origins):
            what = f"`{text}`, the {role} part by its name"
            return HeldOut(role, what, "by its name", use.expr, (), Confidence.MEDIUM)
        return None

    def is_training(self, use: Use) -> bool:
        """True for the train part of a split, a training file, or by a name that says so."""
        past = self.rows.past(use)
        if any(deed.kind == PART and self.role(deed) == TRAIN for deed in past):
            return True
        if any(deed.kind == ORIGIN and self._read_from(deed.node) == TRAIN for deed in past):
            return True
        return of_name(base_name(use.expr) or "") == TRAIN

    def _read_from(self, node: tree.Node) -> str | None:
        """The split that the path of a reading call names."""
        if not isinstance(node, tree.Call) or not node.args:
            return None
        for inner in node.args[0].value.walk():
            if isinstance(inner, tree.Constant) and isinstance(inner.value, str):
                role = of_path(inner.value)
                if role is not None:
                    return role
        return None


def base_of(expr: Expr) -> tree.Name | None:
    """The name at the bottom of ``X_test[cols].values``."""
    while isinstance(expr, tree.Subscript | tree.Attribute | tree.Call):
        expr = expr.func if isinstance(expr, tree.Call) else expr.value
    return expr if isinstance(expr, tree.Name) else None


def base_name(expr: Expr) -> str | None:
    name = base_of(expr)
    return name.id if name is not None else None


def is_dead(node: tree.Node) -> bool:
    """True below ``if False`` and the like."""
    below = node
    for ancestor in node.ancestors():
        if isinstance(ancestor, tree.If | tree.While):
            constant = truth(ancestor.test)
            if constant is False and any(below is s for s in ancestor.body):
                return True
            if constant is True and any(below is s for s in ancestor.orelse):
                return True
        below = ancestor
    return False


def _targets(value: tree.Node) -> tuple[Expr, ...]:
    """What the parts of a value are given to when it is assigned."""
    statement = tree.statement_of(value)
    if not isinstance(statement, tree.Assign) or len(statement.targets) != 1:
        return ()
    target = statement.targets[0]
    if statement.value is value:
        return tuple(target.elts) if isinstance(target, tree.Sequence) else (target,)
    if isinstance(statement.value, tree.Sequence) and isinstance(target, tree.Sequence):
        for item, given in zip(target.elts, statement.value.elts, strict=False):
            if given is value:
                return (item,)
    return ()


def _kept(subscript: tree.Subscript) -> bool:
    """True when the slice itself is given a name, not when it is a part of an expression."""
    return bool(_targets(subscript))
