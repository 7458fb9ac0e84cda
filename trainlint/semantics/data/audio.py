"""What is known of a sound: signals as librosa loads them, their spectrograms, names of files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Computed, Instance, Part, Value
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_DEPTH = 6
_LOADS = frozenset({"librosa.load", "librosa.core.load"})
# Functions that give a signal of the length's own and of the same kind.
_KEEPS = frozenset(
    f"librosa.effects.{name}"
    for name in "time_stretch pitch_shift harmonic percussive preemphasis deemphasis".split()
) | {"librosa.resample", "librosa.core.resample", "librosa.util.normalize"}


def ends_in(file: File, expr: Expr, ending: str) -> bool:
    """True where the text of a path is seen to end in ``ending``, such as ``.wav``."""
    match expr:
        case tree.Constant(value=str() as text):
            return text.lower().endswith(ending)
        case tree.FormattedString():
            found = re.search(r"([^{}'\"]*)['\"]+$", file.text(expr))
            return found is not None and found[1].lower().endswith(ending)
        case tree.BinOp(op="+" | "/"):
            return ends_in(file, expr.right, ending)
        case tree.BinOp(op="%"):
            return ends_in(file, expr.left, ending)
        case tree.Call(func=tree.Attribute(attr="format", value=tree.Constant() as text)):
            return ends_in(file, text, ending)
        case tree.Call() if expr.positional and not expr.has_star:
            name = file.names.qualified(expr.func)
            joins = {"os.path.join", "builtins.str", "pathlib.Path"}
            return name in joins and ends_in(file, expr.positional[-1], ending)
        case tree.Name():
            return _name_ends_in(file, expr, ending)
        case _:
            return False


def _name_ends_in(file: File, name: tree.Name, ending: str) -> bool:
    bindings, unbound = file.values.definitions(name)
    return not unbound and all(
        binding.kind == "assign"
        and not binding.path
        and binding.value is not None
        and all(not isinstance(n, tree.Name) or n.id != name.id for n in binding.value.walk())
        and ends_in(file, binding.value, ending)
        for binding in bindings
    )


def is_loaded_mono(file: File, expr: Expr) -> bool:
    """True for a one-dimensional float32 signal: from ``librosa.load``, or made of one alike."""
    found = file.values.of(expr)
    return bool(found) and all(_is_signal(file, value, MAX_DEPTH) for value in found)


def _is_signal(file: File, value: Value, depth: int) -> bool:
    if depth == 0:
        return False
    match value:
        case Part(of=Instance() as made, path=(0,)) if made.name in _LOADS:
            mono = made.call.arg(2, "mono")
            kept = mono is None or file.values.literal(mono, made.frame) is True
            return kept and made.call.arg(5, "dtype") is None and not made.call.has_star
        case Part(of=Instance(name="librosa.effects.trim") as made, path=(0,)):
            return _of_signal(file, made, depth)
        case Instance():
            return value.name in _KEEPS and _of_signal(file, value, depth)
        case Computed(expr=tree.Subscript(value=inner, index=[tree.Slice()])):
            return all(_is_signal(file, v, depth - 1) for v in file.values.of(inner, value.frame))
        case _:
            return False


def _of_signal(file: File, made: Instance, depth: int) -> bool:
    given = made.call.arg(0, "S" if made.name.endswith("normalize") else "y")
    return given is not None and all(
        _is_signal(file, value, depth - 1) for value in file.values.of(given, made.frame)
    )


def is_power(file: File, expr: Expr) -> bool:
    """True for a spectrogram that cannot be negative: of mel bands, or ``abs(D) ** 2``."""
    found = file.values.of(expr)
    return bool(found) and all(_is_power(file, value) for value in found)


def _is_power(file: File, value: Value) -> bool:
    match value:
        case Instance(name="librosa.feature.melspectrogram"):
            return not value.call.has_star and value.call.arg(2, "S") is None
        case Computed(expr=tree.BinOp(op="**", left=tree.Call() as left)):
            name = file.names.qualified(left.func)
            return name in {"numpy.abs", "numpy.absolute", "builtins.abs"}
        case _:
            return False
