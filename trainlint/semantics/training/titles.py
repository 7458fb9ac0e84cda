"""What the names around a load say of the file: its path, and who takes it or hands it on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Literal
from trainlint.semantics.training import written
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

STATES = re.compile(
    r"check_?point|ckpt|weights?(_|\b)|state_?dict|(?<!no_)resume|pretrained|(^|[\W_])model([\W_]|$)"
    r"|\.ckpt\b",
    re.I,
)
# A hash at the end of the name: published weights, which lie on the CPU.
_PUBLISHED = re.compile(r"-[0-9a-f]{8}\.(pth?|bin)$")
_HOPS = 5  # names between a path and the address that the file comes from


def says_states(file: File, load: tree.Call) -> bool:
    """True where a name says that the file holds a model, or the states of one."""
    return any(map(STATES.search, _titles(file, load)))


def is_published(file: File, load: tree.Call) -> bool:
    """True for weights whose file name ends in its hash, as those of the model zoos do."""
    path = load.arg(0, "f")
    return path is not None and any(map(_PUBLISHED.search, _texts(file, path)))


def is_pretrained(file: File, load: tree.Call) -> bool:
    """True for a path that is called so: weights of a part of a model, mostly by others."""
    path = load.arg(0, "f")
    return path is not None and "pretrain" in file.text(path).lower()


def _titles(file: File, load: tree.Call) -> Iterator[str]:
    """The names and texts of the path, and of what takes the file or only hands it on."""
    path = load.arg(0, "f")
    if path is not None:
        yield from _texts(file, path)
        yield from _words(path)
        yield from _words(written.spelled(file, path))
    function = tree.function_of(load)
    for above in load.ancestors():
        match above:
            case tree.Call(func=func):
                yield tree.last_name(func)
            case tree.Assign(targets=targets):
                for target in targets:
                    yield from _words(target)
            case tree.Return(value=value) if value is load and function is not None:
                yield function.name
            case _:
                pass
        if isinstance(above, tree.Stmt):
            return


def _words(expr: Expr) -> Iterator[str]:
    """The last words of the names in an expression."""
    for node in expr.walk():
        if isinstance(node, tree.Name | tree.Attribute) and not isinstance(
            node.parent, tree.Attribute
        ):
            yield tree.word_of(node)


def _texts(file: File, path: Expr) -> Iterator[str]:
    """The texts that a path, or the address that it is made of, can end in."""
    seen, level = set[Expr](), [path]
    for _ in range(_HOPS):
        names: list[tree.Name] = []
        for expr in level:
            for value in file.values.of(expr):
                if isinstance(value, Literal) and isinstance(value.value, str):
                    yield value.value
            for node in expr.walk():
                if isinstance(node, tree.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, tree.Name):
                    names.append(node)
        seen.update(level)
        bindings = [binding for name in names for binding in file.values.definitions(name)[0]]
        made = [binding.value for binding in bindings if binding.kind == "assign"]
        level = [expr for expr in dict.fromkeys(made) if expr is not None and expr not in seen]
