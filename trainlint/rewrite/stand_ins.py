"""What must hold for the replacements of librosa's functions to do the same.

Each need looks at one call and its arguments by the old names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from trainlint.edits import Unfixable
from trainlint.semantics import tree
from trainlint.semantics.data import audio
from trainlint.semantics.kinds import Symbol

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Need = Callable[["File", tree.Call, Mapping[str, tree.Arg], dict[str, str]], str]


def stand_in_doubt(
    file: File, call: tree.Call, name: str, given: Mapping[str, tree.Arg], add: dict[str, str]
) -> str:
    """What is in doubt about calling ``name`` instead; an empty text where nothing is.

    Arguments that the new call needs besides are put into ``add``.

    Raises:
        Unfixable: it does not do the same here.
    """
    need = _NEEDS.get(name)
    return need(file, call, given, add) if need is not None else ""


def _written_wave(
    file: File, call: tree.Call, given: Mapping[str, tree.Arg], add: dict[str, str]
) -> str:
    if not {"path", "y", "sr"} <= set(given):
        raise Unfixable("the file, the signal or the rate is not given")
    doubts = []
    if not audio.ends_in(file, given["path"].value, ".wav"):
        doubts.append("soundfile takes the format from the file's ending, write_wav wrote WAV")
    if not audio.is_loaded_mono(file, given["y"].value):
        doubts.append(
            "the signal must be one-dimensional (soundfile takes (frames, channels)) and float32 "
            "(with float64, write_wav wrote subtype DOUBLE)"
        )
    return "; ".join(doubts)


def _decibels(
    file: File, call: tree.Call, given: Mapping[str, tree.Arg], add: dict[str, str]
) -> str:
    if {"ref", "ref_power"} <= set(given):
        raise Unfixable("both ref and ref_power are given")
    reference = given.get("ref") or given.get("ref_power")
    known = reference is None or _is_reference(file, reference.value)
    if known and "S" in given and audio.is_power(file, given["S"].value):
        return ""
    return "logamplitude took the absolute value of its input first"


def _is_reference(file: File, expr: tree.Expr) -> bool:
    """True for a number, and for the functions that take the axes with which librosa calls them."""
    value = file.values.only(expr)
    if isinstance(value, Symbol):
        return value.name in {"numpy.max", "numpy.amax", "numpy.median", "numpy.mean"}
    literal = file.values.literal(expr)
    return isinstance(literal, int | float) and not isinstance(literal, bool)


def _loudness(
    file: File, call: tree.Call, given: Mapping[str, tree.Arg], add: dict[str, str]
) -> str:
    if "S" in given:
        raise Unfixable("rms has another scale for a spectrogram than rmse had")
    if "pad_mode" not in given:
        add["pad_mode"] = '"reflect"'  # the default until 0.9
    return ""


def _drawn(file: File, call: tree.Call, given: Mapping[str, tree.Arg], add: dict[str, str]) -> str:
    if not isinstance(call.parent, tree.ExprStmt):
        raise Unfixable("the result is used: waveplot returned a collection, waveshow an object")
    if file.target("librosa").wholly_from((0, 9)):
        return ""  # every run would stop here
    return "waveshow draws the same signal, but not the same picture"


_NEEDS: dict[str, Need] = {
    "soundfile.write": _written_wave,
    "librosa.power_to_db": _decibels,
    "librosa.feature.rms": _loudness,
    "librosa.display.waveshow": _drawn,
}
