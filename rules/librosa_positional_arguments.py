"""Arguments are passed by position to a librosa function that takes them by keyword only.

## What it does
Finds calls of librosa functions with more arguments by position than librosa 0.10 takes. Which
ones those are differs from function to function, and is read from a table made from the releases:
`librosa.stft(y)` and `librosa.effects.trim(y)` keep their one position, `librosa.filters.mel` and
the feature functions keep none.

## Why is this bad?
librosa 0.9.1 warns and librosa 0.10 raises a TypeError, often only after the data set was read.
(0.9.0 refused them, too; 0.9.1 took that back once more.) Where the target range ends below 0.10,
the call still works (but on 0.9.0 alone): that is reported as info.

## Example
```python
import librosa

y, sr = librosa.load("speech.wav", 22050)
mel = librosa.feature.melspectrogram(y, sr, n_mels=80)
```

## Use instead
```python
import librosa

y, sr = librosa.load("speech.wav", sr=22050)
mel = librosa.feature.melspectrogram(y=y, sr=sr, n_mels=80)
```

## Fix safety
The fix writes the name of each such argument before it, and is safe: the call means the same on
every release. There is no fix where releases of the target range do not agree on the name that a
position has (their order changed, or the parameter was renamed within the range), where more
arguments are given than there are parameters, and where a name is given twice. Arguments passed by
`*args` are not looked at.

## Since
0.1.0

## References
- librosa changelog, v0.10.0: "Most function arguments are now keyword-only"
- `rules/librosa.json`, made by `scripts/make_tables.py` from the releases
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from trainlint.api import (
    File,
    Finding,
    Fix,
    Range,
    Rule,
    Safety,
    Severity,
    Unfixable,
    Version,
    any_of,
    releases,
    rewrite,
    signatures,
    tree,
)

RULE = Rule(
    "AUD001",
    "librosa-positional-arguments",
    Severity.ERROR,
    needs=any_of("librosa"),
    fix=Safety.SAFE,
    ordered=False,
)
LIBRARY = "librosa"
_REFUSING: Version = (0, 9, 0)  # as 0.10 does, which the next two took back
_WARNING: tuple[Version, ...] = ((0, 9, 1), (0, 9, 2))
_COUNTS = {0: "no argument", 1: "only one argument"}


@lru_cache(maxsize=1)
def table() -> signatures.Table:
    """The signatures of librosa, release by release."""
    return signatures.Table.parse(
        Path(__file__).with_name("librosa.json").read_text(encoding="utf-8")
    )


@RULE.check
def check(file: File) -> Iterator[Finding]:
    target = file.target(LIBRARY)
    for call in file.calls_to(table().__contains__):
        name = file.names.qualified(call.func)
        row = table().get(name)
        surplus = _surplus(call, row) if row is not None else []
        if row is None or row.keyword_only is None or not surplus:
            continue
        if row.removed is not None and target.overlaps_from(row.removed):
            continue  # AUD002 speaks of it
        if releases.is_for_some_releases(file, call, LIBRARY, {name or ""}):
            continue
        severity = Severity.WARNING
        if target.wholly_from(row.keyword_only) or _is_only(target, _REFUSING):
            severity = Severity.ERROR
        elif target.wholly_below(row.keyword_only):
            severity = Severity.INFO
        fixes, why = _fixes(file, row, surplus)
        yield Finding(
            call,
            _message(file, call, row, surplus, severity) + (f"; no fix: {why}" if why else ""),
            fixes=fixes,
            severity=severity,
            target="librosa >= 0.10",
        )


@RULE.verify
def by_keyword(file: File) -> Iterator[Finding]:
    for call in file.calls_to(table().__contains__):
        row = table().get(file.names.qualified(call.func))
        if row is None or row.keyword_only is None or row.removed is not None or call.has_star:
            continue
        if not _surplus(call, row):
            yield Finding(call, "librosa from 0.10 on takes these arguments as they are given")


def _surplus(call: tree.Call, row: signatures.Row) -> list[tree.Arg]:
    """The arguments by position beyond those that are still taken."""
    given = []
    for arg in call.args:
        if arg.star == "*":
            return []
        if arg.keyword is None and not arg.star:
            given.append(arg)
    return given[row.positions :] if not row.star else []


def _message(
    file: File, call: tree.Call, row: signatures.Row, surplus: list[tree.Arg], severity: Severity
) -> str:
    counted = _COUNTS.get(row.positions, f"only {row.positions} arguments")
    passed = ", ".join(f"`{' '.join(file.text(arg.value).split())}`" for arg in surplus)
    match severity:
        case Severity.INFO:
            then = _still_taken(file.target(LIBRARY))
        case Severity.WARNING:
            then = "which raises a TypeError there"
        case _:
            then = "which raises a TypeError here"
            if file.target(LIBRARY).wholly_below(row.keyword_only or _REFUSING):
                then = "and in 0.9.0, which raises a TypeError here"
    return (
        f"`{file.text(call.func)}` takes {counted} by position since librosa 0.10, {then}: "
        f"{passed} must be passed by keyword"
    )


def _still_taken(target: Range) -> str:
    """What the releases of a target below 0.10 do with more arguments by position."""
    warned = [v for v in _WARNING if _is_in(target, v)]
    but = " but 0.9.0" if _is_in(target, _REFUSING) else ""
    then = f"the releases of the target range{but} still take more"
    if warned and target.wholly_from(_REFUSING):
        return f"{then}, with a FutureWarning"
    if warned:
        then += f", {' and '.join('.'.join(map(str, v)) for v in warned)} with a FutureWarning"
    return then


def _is_in(target: Range, release: Version) -> bool:
    return target.narrow(Range(release, release)) is not None


def _is_only(target: Range, release: Version) -> bool:
    *before, last = release
    return target.wholly_from(release) and target.wholly_below((*before, last + 1))


def _fixes(file: File, row: signatures.Row, surplus: list[tree.Arg]) -> tuple[tuple[Fix, ...], str]:
    """The fix that names the arguments, or why there is none."""
    target = file.target(LIBRARY)
    names: dict[tree.Arg, str] = {}
    guessed = False
    for position, arg in enumerate(surplus, row.positions):
        if position >= len(row.parameters):
            return (), f"the function has only {len(row.parameters)} parameters"
        known = row.name_at(position, target)
        spelling = row.spelling(known, target) if known is not None else None
        if spelling is None:
            text = " ".join(file.text(arg.value).split())
            return (), f"releases of the target range differ in what they call `{text}`"
        names[arg] = spelling.name
        guessed = guessed or spelling.guessed
    try:
        edits = rewrite.name_arguments(file, names)
    except Unfixable as error:
        return (), str(error)
    safety = Safety.SHOWN if guessed else Safety.SAFE
    return (Fix("Pass the arguments by keyword", edits, safety),), ""
