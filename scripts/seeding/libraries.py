"""Calls of libraries: loads without a device, arguments and functions that are gone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator
from .program import Change, Fault, Program, dotted, keyword

# How many of a call's keywords, in the order in which the seeds write them, were positions once.
POSITIONS = {
    "load": 1,
    "pitch_shift": 2,
    "fix_length": 1,
    "melspectrogram": 2,
    "power_to_db": 1,
    "resample": 2,
    "trim": 1,
    "stft": 2,
    "mfcc": 2,
    "spectral_centroid": 2,
    "rms": 1,
    "amplitude_to_db": 1,
    "beat_track": 2,
    "mel_filters": 3,
    "time_stretch": 1,
    "waveshow": 1,
}
RENAMED = {
    "librosa.display.waveshow": "librosa.display.waveplot",
    "librosa.feature.rms": "librosa.feature.rmse",
    "librosa.beat.beat_track": "librosa.beat.tempo",
}
SCHEDULERS = (
    "ReduceLROnPlateau", "StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "LambdaLR",
    "CosineAnnealingWarmRestarts", "OneCycleLR", "PolynomialLR", "LinearLR", "ConstantLR",
    "SequentialLR", "CyclicLR",
)  # fmt: skip


def foreign_loads(program: Program) -> Iterator[tuple[ast.Call, ast.expr]]:
    """The loads with a device whose file this program does not write, and the device."""
    written = {program.source(c.args[1]) for c in program.calls("torch.save") if len(c.args) > 1}
    for call in program.calls("torch.load"):
        place = keyword(call, "map_location")
        device = place.value if place is not None else next(iter(call.args[1:]), None)
        if device is not None and program.source(call.args[0]) not in written:
            yield call, device


def _rest(program: Program, call: ast.Call) -> str:
    parts = [call.args[0], *(k for k in call.keywords if k.arg != "map_location")]
    return ", ".join(program.source(part) for part in parts)


@operator("CKP001", "place-dropped")
def place_dropped(program: Program) -> Iterator[Fault]:
    for call, _ in foreign_loads(program):
        change = program.replaced(call, f"torch.load({_rest(program, call)})")
        yield Fault((change,), at=program.start(call))


@operator("CKP001", "place-none")
def place_none(program: Program) -> Iterator[Fault]:
    for call, device in foreign_loads(program):
        yield Fault((program.replaced(device, "None"),), at=program.start(call))


@operator("CKP001", "load-imported")
def load_imported(program: Program) -> Iterator[Fault]:
    for call, _ in foreign_loads(program):
        line = program.imported("from torch import load as read_tensors")
        change = program.replaced(call, f"read_tensors({_rest(program, call)})")
        yield Fault((line, change), at=program.start(call))


def _schedulers(program: Program) -> Iterator[ast.Call]:
    for call in program.calls(*SCHEDULERS):
        if call.args:
            yield call


def _with_argument(program: Program, call: ast.Call, text: str) -> Change:
    last = max([*call.args, *call.keywords], key=program.end)
    return Change(program.end(last), program.end(last), f", {text}")


@operator("API001", "verbose-true")
def verbose(program: Program) -> Iterator[Fault]:
    for call in _schedulers(program):
        change = _with_argument(program, call, "verbose=True")
        yield Fault((change,), mark="verbose=True")


@operator("API001", "verbose-false")
def quiet(program: Program) -> Iterator[Fault]:
    for call in _schedulers(program):
        change = _with_argument(program, call, "verbose=False")
        yield Fault((change,), mark="verbose=False")


@operator("API001", "verbose-partial")
def partial(program: Program) -> Iterator[Fault]:
    for call in _schedulers(program):
        if all(k.arg for k in call.keywords) and len(call.args) == 1:
            options = ", ".join(program.source(k) for k in call.keywords)
            made = f"functools.partial({program.source(call.func)}, {options}, verbose=1)"
            change = program.replaced(call, f"{made}({program.source(call.args[0])})")
            yield Fault((program.imported("import functools"), change), mark="verbose=1")


def _librosa(program: Program) -> Iterator[tuple[ast.Call, str]]:
    if not program.has("import librosa"):
        return
    for call in program.all(ast.Call):
        name = dotted(call.func)
        imported = program.has(f"import {name}\n") or f"import {name}," in program.text
        alias = name == "mel_filters" or (name in POSITIONS and (imported or name == "mfcc"))
        if name.startswith("librosa.") or alias or name == "spectral_centroid":
            yield call, name.rpartition(".")[2]


@operator("AUD001", "by-position")
def by_position(program: Program) -> Iterator[Fault]:
    for call, name in _librosa(program):
        keywords = call.keywords[: POSITIONS.get(name, 0)]
        if keywords:
            changes = tuple(program.replaced(k, program.source(k.value)) for k in keywords)
            yield Fault(changes, at=program.start(call))


@operator("AUD002", "old-name")
def old_name(program: Program) -> Iterator[Fault]:
    for call, _ in _librosa(program):
        old = RENAMED.get(dotted(call.func))
        if old is not None:
            change = program.replaced(call.func, old)
            yield Fault((change,), at=program.start(call))


@operator("AUD002", "write-wav")
def write_wav(program: Program) -> Iterator[Fault]:
    for call in program.calls("soundfile.write"):
        arguments = ", ".join(program.source(a) for a in call.args)
        change = program.replaced(call, f"librosa.output.write_wav({arguments})")
        yield Fault((change,), at=program.start(call))


@operator("AUD002", "write-wav-imported")
def write_wav_imported(program: Program) -> Iterator[Fault]:
    for call in program.calls("soundfile.write"):
        arguments = ", ".join(program.source(a) for a in call.args)
        line = program.imported("from librosa.output import write_wav")
        change = program.replaced(call, f"write_wav({arguments})")
        yield Fault((line, change), at=program.start(call))


@operator("AUD002", "renamed-argument")
def renamed_argument(program: Program) -> Iterator[Fault]:
    for call in program.calls("librosa.get_duration"):
        change = program.replaced(call.keywords[0], "filename=path")
        yield Fault((change,), at=program.start(call))


@operator("AUD002", "logamplitude")
def logamplitude(program: Program) -> Iterator[Fault]:
    for call, name in _librosa(program):
        if name in {"power_to_db", "amplitude_to_db"}:
            value = program.source(call.args[0])
            text = f"librosa.logamplitude({value}, ref_power=np.max)"
            yield Fault((program.replaced(call, text),), at=program.start(call))


@operator("AUD002", "example-file")
def example_file(program: Program) -> Iterator[Fault]:
    for call in program.calls("librosa.load"):
        change = program.replaced(call.args[0], "librosa.util.example_audio_file()")
        yield Fault((change,), at=program.start(call))


@operator("AUD002", "imported-under-an-alias")
def imported_under_an_alias(program: Program) -> Iterator[Fault]:
    for call in program.calls("librosa.display.waveshow"):
        line = program.imported("from librosa.display import waveplot as draw")
        change = program.replaced(call.func, "draw")
        yield Fault((line, change), at=program.start(call))
