"""Which data a loader feeds: its identity, and the split that it belongs to.

The split is told, in this order, by an argument (``split="test"``, ``train=False``), by a path, by
the part of a split that the data is, or by the names on the way; what says it decides how sure a
rule can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainlint.semantics import bars, tree
from trainlint.semantics.backward import Use, frame_key
from trainlint.semantics.data import ingredients
from trainlint.semantics.data.datasets import NAME, NOT_DATA, NOT_TRAIN, SPLIT, told
from trainlint.semantics.data.deeds import PART, Deed
from trainlint.semantics.data.parts import role as part_role
from trainlint.semantics.data.roles import TEST, VALIDATION, of_name
from trainlint.semantics.data.sameness import same_data
from trainlint.semantics.kinds import ClassValue, Symbol
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 200

_PASSES_ON = frozenset(
    "builtins.enumerate builtins.iter builtins.list builtins.zip builtins.reversed "
    "itertools.islice itertools.cycle itertools.chain".split()
)
_STAGES = frozenset(
    "batch shuffle prefetch cache map repeat with_format set_format filter select sort cast "
    "flatten remove_columns rename_column rename_columns select_columns with_transform".split()
)
_LOADER = re.compile(r"(DataLoader|_?[lL]oader)$")
# Where loaders of graphs are told which nodes or edges of the one graph they go over.
_OF_GRAPHS = (
    (re.compile(r"^torch_geometric\..*(Neighbor|HGT)\w*$"), 2),
    (re.compile(r"^dgl\..*(?<!Graph)DataLoader$"), 1),
)
_CHOSEN = ("sampler", "batch_sampler", "input_nodes", "input_edges", "edge_label_index", "indices")
_DRAWS_FROM_ALL = re.compile(r"Weighted|Balanced|Stratified|^RandomSampler$|Distributed")


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """The data behind a loader.

    ``split`` is None where nothing tells it; ``by`` is what tells it; ``node`` is the place that
    does, or that makes the data; ``identity`` is equal for the same data.
    """

    split: str | None
    by: str
    node: tree.Node
    identity: object
    trail: tuple[Step, ...]
    names: tuple[str, ...]


class Loaders:
    def __init__(self, file: File) -> None:
        self.file = file
        self.backward = file.splits.backward
        self._memo: dict[Expr, list[Fed]] = {}

    def of(self, use: Use) -> list[Fed]:
        """What a loader, data set or iterable can feed; unknown data is among it."""
        if use.frame is not None or use.path or use.trail or use.drawn or use.aside:
            return self._of(use)
        if use.expr not in self._memo:
            self._memo[use.expr] = self._of(use)
        return self._memo[use.expr]

    def _of(self, use: Use) -> list[Fed]:
        found: list[Fed] = []
        seen: set[tuple[object, ...]] = set()
        stack: list[tuple[Use, tuple[str, ...]]] = [(use, ())]
        while stack and len(seen) < MAX_USES:
            current, names = stack.pop()
            if current.key in seen:
                continue
            seen.add(current.key)
            nexts, feds = self._look(current, names)
            found.extend(feds)
            stack.extend(reversed(nexts))
        return found

    def _look(
        self, use: Use, names: tuple[str, ...]
    ) -> tuple[list[tuple[Use, tuple[str, ...]]], list[Fed]]:
        expr = use.expr
        if isinstance(expr, tree.Name):
            names = (*names, expr.id)
        elif isinstance(expr, tree.Attribute):
            names = (*names, expr.attr)
        if use.drawn and not isinstance(expr, tree.Sequence):
            return [], [self._unknown(use, names)]
        if isinstance(expr, tree.Call) and (inner := self._passed_on(use, expr)) is not None:
            return [(inner, names)], []
        steps = self.backward.step(use)
        if steps is not None and not (isinstance(expr, tree.Call) and not steps):
            plain = [step for step in steps if not step.aside]
            if plain:
                return [(step, names) for step in plain], []
            return [], [self._unknown(use, names)]
        match expr:
            case tree.Call():
                return self._call(use, expr, names)
            case tree.Subscript():
                index = expr.index[0] if len(expr.index) == 1 else None
                key = self.file.values.literal(index, use.frame)
                if isinstance(key, int | str) and not isinstance(key, bool):
                    inner = Use(expr.value, use.frame, (key, *use.path), use.trail)
                    return [(inner, names)], []
                return [], [self._unknown(use, names)]
            case _:
                return [], [self._unknown(use, names)]

    def _passed_on(self, use: Use, call: tree.Call) -> Use | None:
        """What a progress bar, ``enumerate`` or ``accelerator.prepare`` hands on."""
        shown = bars.shown(call)
        if shown is not None:
            return Use(shown, use.frame, (), use.trail)
        given = call.positional
        if not given:
            return None
        name = self.file.names.qualified(call.func)
        last = tree.last_name(call.func)
        if last in _STAGES and name is None and isinstance(call.func, tree.Attribute):
            return Use(call.func.value, use.frame, use.path, use.trail)
        if name in _PASSES_ON:
            return Use(given[0], use.frame, (), use.trail)
        if last == "prepare" and name is None:
            index = use.path[0] if use.path and len(given) > 1 else 0
            if isinstance(index, int) and index < len(given):
                return Use(given[index], use.frame, use.path[1:], use.trail)
        return None

    def _call(
        self, use: Use, call: tree.Call, names: tuple[str, ...]
    ) -> tuple[list[tuple[Use, tuple[str, ...]]], list[Fed]]:
        if self.is_loader(call, use):
            dataset = call.arg(0, "dataset")
            if dataset is None:
                return [], [self._unknown(use, names)]
            chosen = self._chosen(use, call)
            inner = Use(dataset, use.frame, (), use.trail)
            if chosen is None or isinstance(chosen, tree.Constant):
                return [(inner, names)], []
            feds = self.of(inner)
            return [], [self._sampled(fed, chosen, names) for fed in feds]
        return [], [self._made(use, call, names)]

    def is_loader(self, call: tree.Call, use: Use) -> bool:
        """True for torch's ``DataLoader``, its kin and its subclasses in the file."""
        for value in self.file.values.callees(call, use.frame):
            if isinstance(value, Symbol):
                if _LOADER.search(value.name) and not value.name.startswith("."):
                    return call.arg(0, "dataset") is not None
            elif isinstance(value, ClassValue):
                bases = self.file.values.graph.bases(value.cls)
                if any(b is not None and _LOADER.search(b) for b in bases):
                    return call.arg(0, "dataset") is not None
        return False

    def _chosen(self, use: Use, call: tree.Call) -> Expr | None:
        """What tells which rows of its data a loader goes over: a sampler, nodes of a graph."""
        names = [v.name for v in self.file.values.callees(call, use.frame) if isinstance(v, Symbol)]
        for kind, position in _OF_GRAPHS:
            if any(map(kind.search, names)) and position < len(call.positional):
                return call.positional[position]
        given = (call.arg(None, keyword) for keyword in _CHOSEN)
        return next((expr for expr in given if expr is not None), None)

    def _sampled(self, fed: Fed, sampler: Expr, names: tuple[str, ...]) -> Fed:
        """A weighted or balanced sampler draws from all rows, any other one may take a part."""
        names = (*names, *fed.names)
        made = {tree.last_name(call.func) for call in self._calls(sampler)}
        if made and all(_DRAWS_FROM_ALL.search(name) for name in made):
            return replace(fed, names=names)
        role = of_name(tree.last_name(sampler)) or _of_names(names)
        identity = (fed.identity, self._binding(sampler))
        return Fed(role, NAME, sampler, identity, fed.trail, names)

    def _calls(self, expr: Expr) -> list[tree.Call]:
        """The calls that can make an object."""
        if isinstance(expr, tree.Name):
            bindings, _ = self.file.values.definitions(expr)
            return [b.value for b in bindings if isinstance(b.value, tree.Call)]
        return [expr] if isinstance(expr, tree.Call) else []

    # One data set

    def _made(self, use: Use, call: tree.Call, names: tuple[str, ...]) -> Fed:
        """The data that a call makes: a data set's constructor, a part of a split, a factory."""
        identity = same_data(self.file, use, call)
        said = told(self.file, use, call)
        if said is not None:
            split: str | None = said.split
            if split == NOT_TRAIN:
                split = self._not_train(names, said.official)
            return Fed(split, said.by, said.node, identity, use.trail, names)
        for deed in self._parts(use, call):
            role = part_role(self.file, deed)
            part = (deed.node, deed.index)
            if role == "held out":
                role = _of_names(names)
            return Fed(role, SPLIT, deed.node, (identity, part), use.trail, names)
        role = self._unless_of_another(use, self._role(names, call))
        return Fed(role, NAME, call, identity, use.trail, names)

    def _role(self, names: tuple[str, ...], call: tree.Call) -> str | None:
        """What the names say, that of the data before those of its loaders."""
        given = {of_name(name) for name in self._argument_names(call)} - {None}
        own = _of_names(names)
        if not given:
            return own
        role = given.pop() if len(given) == 1 else None
        nearest = of_name(names[-1]) if len(names) > 1 else None
        return role if nearest in {None, role} else None

    def _parts(self, use: Use, call: tree.Call) -> Iterator[Deed]:
        for deed in self.file.splits.rows.past(Use(call, use.frame, use.path, use.trail)):
            if deed.kind == PART and not deed.aside:
                yield deed

    def _not_train(self, names: tuple[str, ...], official: bool) -> str | None:
        """``train=False`` is the test split, where no validation split is told apart from it."""
        if official:
            return TEST
        role = _of_names(names)
        return None if role == VALIDATION else TEST

    def _argument_names(self, call: tree.Call) -> Iterator[str]:
        for arg in call.args:
            if arg.star or (arg.keyword is not None and NOT_DATA.search(arg.keyword)):
                continue
            name = tree.last_name(arg.value)
            if name and not NOT_DATA.search(name):
                yield name

    # Identity

    def _binding(self, expr: Expr) -> object:
        if isinstance(expr, tree.Name):
            bindings, _ = self.file.values.definitions(expr)
            if bindings:
                return bindings[0]
        return expr

    def _calls_apart(self, use: Use) -> tuple[object, ...]:
        """Unlike for each call of a function, where a value is made of what that call has."""
        function = use.frame.function if use.frame is not None else None
        for node in use.expr.walk() if isinstance(function, tree.FunctionDef) else ():
            if not isinstance(node, tree.Name) or node.id in {"self", "cls"}:
                continue
            found = self.file.names.find(node.id, node)
            if found is not None and found[0].node is function:
                return frame_key(use.frame)
        return ()

    def _unknown(self, use: Use, names: tuple[str, ...]) -> Fed:
        keys = tuple(key for key in use.path if isinstance(key, str))
        identity = (self._binding(use.expr), use.path, self._calls_apart(use))
        role = self._unless_of_another(use, _of_names((*names, *keys)))
        return Fed(role, NAME, use.expr, identity, use.trail, names)

    def _unless_of_another(self, use: Use, role: str | None) -> str | None:
        """The split that the names say, unless what it is made of is called another one."""
        made_of = ingredients.splits_of(self.file, use) if role is not None else set()
        return role if role in made_of or not made_of else None


def _of_names(names: tuple[str, ...]) -> str | None:
    """What the innermost name that says something says: ``DataLoader(test_set)`` is of the test."""
    roles = [role for name in reversed(names) if (role := of_name(name)) is not None]
    return roles[0] if roles else None
