"""What was done with the rows of a table or array before they reach a place.

``Rows.past`` walks back from an expression and yields the deeds on the way: what was fitted on the
rows, applied to them, which split they were taken from, and where they come from. Each deed is one
resolved chain; a chain that cannot be followed any further ends at an origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.data import folds, repeats, tables
from trainlint.semantics.data.deeds import APPLY, FIT, ORIGIN, PART, RESAMPLE, STATISTIC, Deed
from trainlint.semantics.data.statistics import TAKEN_OUT, Statistic, is_per_row, statistics
from trainlint.semantics.data.transformers import FITS, RESAMPLES, Transformer, Transformers
from trainlint.semantics.kinds import Display, Method, Symbol
from trainlint.semantics.questions import Questions
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 600

Nexts = list[tuple[Use, bool]]  # what to look at next, and whether all rows of it are meant
Look = tuple[Nexts, list[Deed]]


class Rows:
    def __init__(self, file: File, transformers: Transformers, backward: Backward) -> None:
        self.file, self.transformers, self.backward = file, transformers, backward
        self._asked: Questions[list[Deed]] = Questions()

    def past(self, use: Use) -> list[Deed]:
        """The deeds that lie behind an expression."""
        if use.aside:
            use = replace(use, aside=False)  # relative to what is asked about now
        plain = use.frame is None and not use.path and not use.drawn
        return self._asked.ask(use.key, lambda: list(self._walk(use)), [], keep=plain)

    def _walk(self, start: Use) -> Iterator[Deed]:
        seen: set[tuple[object, ...]] = set()
        stack: list[tuple[Use, bool]] = [(start, True)]
        while stack and len(seen) < MAX_USES:
            use, whole = stack.pop()
            key = (*use.key, whole)
            if key in seen:
                continue
            seen.add(key)
            nexts, deeds = self._look(use, whole)
            yield from (replace(deed, aside=True) for deed in deeds) if use.aside else deeds
            stack.extend(reversed(nexts))

    def _look(self, use: Use, whole: bool) -> Look:
        """What a use leads to and the deeds that it is."""
        expr = use.expr
        if use.drawn:
            drawn = self._drawn(use)
            return [(drawn, whole)] if drawn is not None else [], self._origin(use, False, drawn)
        steps = self.backward.step(use)
        if steps is not None:
            return [(step, whole) for step in steps], [] if steps else self._origin(use, whole)
        match expr:
            case tree.Call():
                return self._call(use, expr, whole)
            case tree.Attribute():
                if self.file.names.qualified(expr) is not None:
                    return [], self._origin(use, whole)
                return [(use.at(expr.value), whole)], []
            case tree.Subscript():
                return self._subscript(use, expr, whole)
            case tree.BinOp():
                return self._operator(use, expr, whole)
            case tree.UnaryOp():
                return [(use.at(expr.operand), whole)], []
            case tree.Comprehension():
                return [(use.at(g.iter), whole) for g in expr.generators[:1]], []
            case tree.Constant() | tree.Compare() | tree.FormattedString() | tree.Lambda():
                return [], []
            case _:
                return [], self._origin(use, whole)

    def _origin(self, use: Use, whole: bool, unless: Use | None = None) -> list[Deed]:
        if unless is not None:
            return []
        deed = Deed(ORIGIN, use.expr, whole, use.trail, origin=self._identity(use.expr))
        return [deed]

    def _identity(self, expr: Expr) -> object:
        """What tells two origins apart: the binding of a name, the text of an attribute."""
        if isinstance(expr, tree.Name):
            bindings, _ = self.file.values.definitions(expr)
            return bindings[0] if bindings else expr.id
        return tree.dotted(expr) or expr

    def _drawn(self, use: Use) -> Use | None:
        """``for table in [train, test]`` gives these tables."""
        expr = use.expr
        if isinstance(expr, tree.Sequence):
            return Use(expr, use.frame, use.path, use.trail)
        return None

    # Calls

    def _call(self, use: Use, call: tree.Call, whole: bool) -> Look:
        func = call.func
        if isinstance(func, tree.Attribute):
            done = self._fitted(use, call, func, whole)
            if done is not None:
                return done
        callees = self.file.values.callees(call, use.frame)
        for callee in callees:
            if isinstance(callee, Symbol):
                return self._function(use, call, callee.name, whole)
        if isinstance(func, tree.Attribute) and any(isinstance(c, Method) for c in callees):
            return self._method(use, call, func, whole)
        if any(getattr(c, "cls", None) is not None for c in callees):  # a data set over the rows
            return [(use.at(arg.value), whole) for arg in call.args if not arg.star], []
        return [], self._origin(use, whole)

    def _fitted(self, use: Use, call: tree.Call, func: tree.Attribute, whole: bool) -> Look | None:
        if func.attr == "train_test_split" and self.file.names.qualified(func) is None:
            return self._part(use, call, func.value, whole)
        if not call.args or call.args[0].star:
            return None
        given = [arg.value for arg in call.args if not arg.star]
        data = use.at(given[0])
        if func.attr in RESAMPLES:
            found = self.transformers.sampler(func.value, use.frame)
            deed = Deed(RESAMPLE, call, whole, use.trail, data, learns=found[0] if found else "")
            return [(_chosen(use, given), whole)], [deed]
        if func.attr not in FITS | {"transform"}:
            return None
        known = self.transformers.of(func.value, use.frame)
        if not known:
            return None
        kind = APPLY if func.attr == "transform" else FIT
        deeds = [Deed(kind, call, whole, use.trail, data, t, learns=t.learns) for t in known]
        return [(data, whole)], deeds

    def _part(self, use: Use, call: tree.Call, data: Expr, whole: bool) -> Look:
        index = use.path[0] if use.path and isinstance(use.path[0], int) else None
        return [], [Deed(PART, call, whole, use.trail, use.at(data), index=index)]

    def _function(self, use: Use, call: tree.Call, name: str, whole: bool) -> Look:
        root, short = name.partition(".")[0], name.rpartition(".")[2]
        given = [arg.value for arg in call.args if not arg.star]
        if not given:
            return [], self._origin(use, whole)
        first = use.at(given[0])
        learned = self.transformers.function(name)
        if learned is not None:
            if is_per_row(self.file, use, call):
                return [(first, whole)], []
            fitted = Transformer(call, short, *learned)
            deed = Deed(FIT, call, whole, use.trail, first, fitted, learns=fitted.learns)
            return [(first, whole)], [deed]
        match name:
            case "torch.utils.data.random_split":
                return self._part(use, call, given[0], whole)
            case "sklearn.utils.resample":
                deed = Deed(RESAMPLE, call, whole, use.trail, first, learns="resample")
                again = repeats.with_replacement(call, default=True)
                return [(_chosen(use, given), False)], [deed] if again else []
            case "sklearn.utils.shuffle":
                return [(_chosen(use, given), whole)], []
            case "builtins.len":
                return [], []
            case "builtins.next":
                return [(use.at(given[0], use.path), whole)], []
            case _:
                pass
        if short == "train_test_split":
            index = use.path[0] if use.path and isinstance(use.path[0], int) else 0
            return self._part(use, call, given[min(index // 2, len(given) - 1)], whole)
        if name in tables.DATASETS or (root == "builtins" and short in tables.ITERATES):
            return [(use.at(item), whole) for item in given], []
        if root not in tables.TABLES or short in tables.READS or ".random." in name:
            return [], self._origin(use, whole)
        if short in tables.JOINS:
            joined = [(use.at(item), whole) for item in given[: 2 if short == "merge" else 1]]
            twice = repeats.repeated(self.file, use, call, short)
            if twice is None:
                return joined, []
            return joined, [Deed(RESAMPLE, call, whole, use.trail, use.at(twice), learns="repeat")]
        return [(first, whole)], []

    def _method(self, use: Use, call: tree.Call, func: tree.Attribute, whole: bool) -> Look:
        receiver = use.at(func.value)
        if func.attr == "predict" or func.attr.startswith("predict_"):
            return [], self._origin(use, whole)
        if func.attr == "split" and folds.is_folds(self.file, func.value, use.frame):
            return self._part(use, call, func.value, whole)
        deeds: list[Deed] = []
        if func.attr == "fillna" and call.args:
            text = self.file.text(func.value)
            found = statistics(self.file, use.at(call.args[0].value))
            own = [s for s in found if self.file.text(s.data.expr) == text]
            deeds = [self._computed(use, s, whole) for s in own]
        elif func.attr == "sample" and repeats.with_replacement(call, default=False):
            deeds = [Deed(RESAMPLE, call, whole, use.trail, receiver, learns="sample")]
        all_rows = func.attr not in tables.RESTRICTS or self._shuffles(use, call, func)
        nexts = [(receiver, whole and all_rows)]
        if func.attr in tables.JOIN_METHODS:
            nexts.extend((use.at(arg.value), whole) for arg in call.args if not arg.star)
        return nexts, deeds

    def _shuffles(self, use: Use, call: tree.Call, func: tree.Attribute) -> bool:
        """``sample(frac=1)`` gives all rows in another order."""
        share = self.file.values.literal(call.arg(None, "frac"), use.frame)
        return func.attr == "sample" and share == 1

    # Operators and subscripts

    def _operator(self, use: Use, expr: tree.BinOp, whole: bool) -> Look:
        deeds = [
            self._computed(use, statistic, whole, ordered=True)
            for statistic in statistics(self.file, use.at(expr.right))
            if statistic.name in TAKEN_OUT.get(expr.op, ())
            and self._same_rows(statistic.data, use.at(expr.left))
        ]
        twice = repeats.doubled(self.file, use, expr)
        if twice is not None:
            data = use.at(twice)
            deeds.append(Deed(RESAMPLE, expr, whole, use.trail, data, learns="repeat"))
        sides = [expr.left, expr.right] if expr.op in {"+", "*"} else [expr.left]
        return [(use.at(side), whole) for side in sides], deeds

    def _computed(self, use: Use, statistic: Statistic, whole: bool, ordered: bool = False) -> Deed:
        name, call, data = statistic.name, statistic.call, statistic.data
        return Deed(STATISTIC, call, whole, use.trail, data, learns=name, ordered=ordered)

    def _same_rows(self, one: Use, other: Use) -> bool:
        """True when some rows of both come from the same place."""
        own = {d.origin for d in self.past(one) if d.kind == ORIGIN}
        return any(d.origin in own for d in self.past(other) if d.kind == ORIGIN)

    def _subscript(self, use: Use, expr: tree.Subscript, whole: bool) -> Look:
        first = expr.index[0] if expr.index else None
        base = expr.value
        located = isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc", "at", "iat"}
        if isinstance(base, tree.Attribute) and located:
            base = base.value
        key = self.file.values.literal(first, use.frame) if len(expr.index) == 1 else ...
        if isinstance(key, int) and not isinstance(key, bool) and not located:
            return [(use.at(base, (key, *use.path)), whole)], []
        if isinstance(key, str) and not located:
            return [(use.at(base, (key,)) if self._is_mapping(base) else use.at(base), whole)], []
        if first is None or folds.is_everything(first):
            return [(use.at(base), whole)], []
        part = self._index_of_part(use, first)
        if part is not None:
            call, index = part
            return [], [Deed(PART, call, whole, use.trail, use.at(base), index=index)]
        some = located or len(expr.index) > 1 or folds.selects_rows(self.file, first, use.frame)
        return [(use.at(base), whole and not some)], []

    def _is_mapping(self, base: Expr) -> bool:
        return any(
            isinstance(v, Display) and isinstance(v.expr, tree.Dict)
            for v in self.file.values.of(base)
        )

    def _index_of_part(self, use: Use, index: Expr) -> tuple[tree.Node, int | None] | None:
        """The split whose index array selects the rows."""
        if not isinstance(index, tree.Name | tree.Subscript | tree.Attribute):
            return None
        found = folds.index_of_fold(self.file, index)
        if found is not None:
            return found
        for deed in self.past(use.at(index)):
            if deed.kind == PART:
                return deed.node, deed.index
        return None


def _chosen(use: Use, given: list[Expr]) -> Use:
    """The argument that belongs to the output which a path names."""
    index = use.path[0] if use.path and isinstance(use.path[0], int) else 0
    return use.at(given[min(index, len(given) - 1)])
