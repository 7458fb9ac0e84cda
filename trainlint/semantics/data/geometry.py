"""Samples whose image is flipped, rotated or cropped while what lies on it stays where it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.data import loading
from trainlint.semantics.data.motions import (
    MAX_STEPS,
    SAME_FUNCTIONS,
    SAME_METHODS,
    Moves,
    draws,
    draws_itself,
    given_to,
    moves_of,
)
from trainlint.semantics.kinds import Instance
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_TARGETS = re.compile(
    r"(^|_)(b?box(es)?|masks?|key_?points?|kpts?|landmarks?|lmks?|joints)($|_\d*$)"
)
_NO_TARGETS = re.compile(
    r"attention|attn|pad|valid|loss|key_|causal|caption|text|token|time|frame|audio|input|crop|patch"
    r"|rand|erase|num|len|has|is_|face_mask|visib|orig|raw|full|unaug|untransformed"
)
_IMAGES = re.compile(r"(^|_)(image|img|picture|photo|pixel_values|x|rgb)s?(_tensor|_t|_\d)?$")
_ALIKE = re.compile(r"seed|state|replay|determin")
_CONVERTERS = frozenset("ToTensor PILToTensor ToImage ToDtype ConvertImageDtype".split())


@dataclass(frozen=True, slots=True, eq=False)
class Unmoved:
    """A sample that a data set gives: ``deed`` moves its image, and ``target`` stays.

    ``how`` says what happens to the image, ``name`` what the target is called, ``origin`` where it
    is taken from. A target that does not stay is moved by a draw of its own, ``anew``.
    """

    deed: Expr
    how: str
    made: tree.Node
    target: Expr
    name: str
    origin: Node
    anew: Expr | None = None


def unmoved(file: File) -> Iterator[Unmoved]:
    """The samples of a file's data sets whose targets do not move with the image."""
    for cls in file.all(tree.ClassDef):
        getter = cls.method("__getitem__")
        if getter is None:
            continue
        told: set[Expr] = set()
        for statement in file.values.graph.returns(getter):
            assert statement.value is not None
            for found in _in_sample(file, getter, _leaves(getter, statement.value)):
                if found.deed not in told:
                    told.add(found.deed)
                    yield found


def _in_sample(
    file: File, getter: tree.FunctionDef, leaves: list[tuple[str, Expr]]
) -> Iterator[Unmoved]:
    targets = [leaf for leaf in leaves if _is_target(leaf)]
    images = [leaf for leaf in leaves if leaf not in targets and _IMAGES.search(leaf[0].lower())]
    if not targets or len(images) != 1:
        return
    for key, target in targets:
        stays = _Stays(file, getter)
        known = stays.walk(target)
        anew = _drawn_anew(file, getter, target) if stays.moved or not known else None
        given = anew.arg(0, "image") if anew is not None else None
        if given is not None:
            stays = _Stays(file, getter)
            known = stays.walk(given)
        if not known or stays.origin is None:
            continue
        moves = Moves(file, getter, stays.moved)
        moves.walk(images[0][1])
        if moves.deed is None or moves.made is None or _is_told(moves.deed, leaves):
            continue
        if moves.deed is anew:
            continue
        yield Unmoved(moves.deed, moves.how, moves.made, target, key, stays.origin, anew)
        return


def _drawn_anew(file: File, getter: tree.FunctionDef, target: Expr) -> tree.Call | None:
    """What moves a target by a number that is drawn for it alone, in this very call.

    Nothing is known where a seed or a state may make two draws alike.
    """
    if any(_ALIKE.search(word.lower()) for word in tree.words_of(getter)):
        return None
    if any(isinstance(n, tree.ExprStmt) and isinstance(n.value, tree.Call) for n in getter.walk()):
        return None
    moves = Moves(file, getter, set())
    moves.walk(target)
    deed, made = moves.deed, moves.made
    if not isinstance(deed, tree.Call) or not isinstance(made, tree.Call):
        return None
    if made is deed:
        inline = any(draws_itself(file, arg.value) for arg in deed.args[1:])
        return deed if inline else None
    return None if file.values.literal(made.arg(None, "p") or made.arg(0, "p")) == 1 else deed


def _is_told(deed: Expr, leaves: list[tuple[str, Expr]]) -> bool:
    """True where the sample tells whether its image was moved, so that its reader can follow."""
    asked = {
        word
        for above in deed.ancestors()
        if isinstance(above, tree.If | tree.IfExp)
        for word in tree.words_of(above.test)
    }
    return any(isinstance(value, tree.Name) and value.id in asked for _, value in leaves)


def _is_target(leaf: tuple[str, Expr]) -> bool:
    key = leaf[0].lower()
    return _TARGETS.search(key) is not None and _NO_TARGETS.search(key) is None


def _leaves(getter: tree.FunctionDef, value: Expr, depth: int = 3) -> list[tuple[str, Expr]]:
    """The parts of a sample by their keys, also those of a dict that is filled before."""
    if depth and isinstance(value, tree.Sequence):
        return [leaf for item in value.elts for leaf in _leaves(getter, item, depth - 1)]
    if depth and isinstance(value, tree.Dict):
        return _of_dict(getter, value, depth)
    if depth and isinstance(value, tree.Name):
        filled: list[tuple[str, Expr]] = []
        for node in own_nodes(getter):
            match node:
                case tree.Assign(targets=[tree.Name(id=name)], value=tree.Dict() as made):
                    if name == value.id:
                        filled += _of_dict(getter, made, depth)
                case tree.Assign(
                    targets=[
                        tree.Subscript(value=tree.Name(id=name), index=[tree.Constant(value=key)])
                    ],
                    value=given,
                ) if name == value.id and isinstance(key, str):
                    filled.append((key, given))
        if filled:
            return filled
    return [(_named(value), value)]


def _named(value: Expr) -> str:
    """What a part is called: ``mask`` of ``self.transform(mask)``, too."""
    plain = _plain(value)
    if isinstance(plain, tree.Call) and len(plain.args) == 1:
        plain = _plain(plain.args[0].value)
    return tree.last_name(plain)


def _of_dict(getter: tree.FunctionDef, made: tree.Dict, depth: int) -> list[tuple[str, Expr]]:
    found: list[tuple[str, Expr]] = []
    for key, value in zip(made.keys, made.values, strict=True):
        if isinstance(value, tree.Dict | tree.Sequence):
            found += _leaves(getter, value, depth - 1)
        elif isinstance(key, tree.Constant) and isinstance(key.value, str):
            found.append((key.value, value))
    return found


def _plain(expr: Expr) -> Expr:
    """What a conversion is given: ``mask`` of ``torch.from_numpy(mask > 0).long()[None]``."""
    while isinstance(expr, tree.Call | tree.Compare | tree.BinOp | tree.Subscript):
        if isinstance(expr, tree.Subscript):
            if not all(tree.is_none(item) for item in expr.index):
                break
            expr = expr.value
            continue
        if not isinstance(expr, tree.Call):
            expr = expr.left
            continue
        func = expr.func
        if isinstance(func, tree.Attribute) and func.attr in SAME_METHODS:
            expr = func.value
        elif tree.last_name(func) in SAME_FUNCTIONS and expr.positional:
            expr = expr.positional[0]
        else:
            break
    return expr


def _is_row(expr: Expr) -> bool:
    """True for an item of what the data set keeps: ``self.rows[index]``."""
    return isinstance(expr, tree.Subscript) and isinstance(expr.value, tree.Attribute)


@dataclass(slots=True)
class _Stays:
    """The way back from a target: true where all of it is known; ``moved`` is how it moves."""

    file: File
    getter: tree.FunctionDef
    origin: Node | None = None
    moved: set[str] = field(default_factory=set)
    seen: set[Node] = field(default_factory=set)

    def walk(self, expr: Expr) -> bool:
        if expr in self.seen:
            return True
        if len(self.seen) > MAX_STEPS:
            return False
        self.seen.add(expr)
        match expr:
            case tree.Name():
                return self._name(expr)
            case tree.Constant():
                return True
            case tree.Attribute(value=tree.Name(id="self")):
                return self._from(expr)
            case tree.Subscript():
                return self._subscript(expr)
            case tree.Sequence():
                return all(self.walk(item) for item in expr.elts)
            case tree.BinOp(op="+" | "/"):
                return self.walk(expr.left) and self.walk(expr.right)
            case tree.Compare(left=left, comparators=[tree.Constant()]):
                return self.walk(left)
            case tree.Call():
                return self._call(expr)
            case _:
                return False

    def _from(self, expr: Expr) -> bool:
        """What is read for this sample; one of a stock of masks fits any image."""
        self.origin = self.origin or expr
        return not draws(self.file, expr, self.getter) and not any(
            isinstance(node, tree.BinOp) and node.op == "%" for node in expr.walk()
        )

    def _name(self, name: tree.Name) -> bool:
        given = given_to(self.file, name)
        if given is None or self._is_changed(name):
            return False
        return all(self.walk(v) if not p or _is_row(v) else self._is_load(v) for v, p in given)

    def _is_changed(self, name: tree.Name) -> bool:
        """True where an item of what is named is set, or something that may change it gets it."""
        for node in own_nodes(self.getter):
            match node:
                case tree.Subscript(value=tree.Name(id=base)) if base == name.id:
                    statement = node.parent
                    if isinstance(statement, tree.AugAssign) and statement.target is node:
                        return True
                    if isinstance(statement, tree.Assign) and node in statement.targets:
                        return True
                case tree.Attribute(value=tree.Name(id=base), attr=attr) if base == name.id:
                    called = isinstance(node.parent, tree.Call) and node.parent.func is node
                    if called and (attr.endswith("_") or attr in {"append", "extend", "update"}):
                        return True
                case tree.Arg(value=tree.Name(id=base)) if base == name.id:
                    call = node.parent
                    if isinstance(call, tree.Call) and isinstance(call.parent, tree.ExprStmt):
                        return self.file.names.qualified(call.func) != "builtins.print"
        return False

    def _subscript(self, expr: tree.Subscript) -> bool:
        if any(isinstance(item, tree.Slice) and item.step is not None for item in expr.index):
            return False
        base: Expr = expr.value
        while isinstance(base, tree.Subscript | tree.Attribute):
            if isinstance(base, tree.Attribute) and tree.dotted(base) is not None:
                break
            base = base.value
        if isinstance(base, tree.Attribute) and tree.base_of(base) is not None:
            bottom = tree.base_of(base)
            return self._from(expr) if bottom is not None and bottom.id == "self" else False
        return self.walk(expr.value)

    def _call(self, call: tree.Call) -> bool:
        func = call.func
        if self._is_load(call):
            return self._from(call)
        if self._is_converter(func) and call.positional:
            return self.walk(call.positional[0])
        short = tree.last_name(func)
        name = self.file.names.qualified(func)
        if name is None and isinstance(func, tree.Attribute) and short in SAME_METHODS:
            return self.walk(func.value)
        if name is None or not call.positional:
            return False
        moved = moves_of(name)
        self.moved |= moved
        return bool(moved or short in SAME_FUNCTIONS) and self.walk(call.positional[0])

    def _is_converter(self, func: Expr) -> bool:
        """True for ``self.to_tensor``, a transform that leaves each pixel where it lies."""
        values = self.file.values.of(func)
        return bool(values) and all(
            isinstance(one, Instance)
            and one.name.startswith("torchvision.transforms.")
            and one.name.rpartition(".")[2] in _CONVERTERS
            for one in values
        )

    def _is_load(self, expr: Expr) -> bool:
        """True for what a library reads from a file."""
        if not isinstance(expr, tree.Call) or not loading.is_load(expr):
            return False
        name = self.file.names.qualified(expr.func)
        return name is not None and not name.startswith(".")
