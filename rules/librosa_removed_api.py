"""A librosa function or argument is used that newer releases no longer have.

## What it does
Finds uses of functions, modules and keyword arguments of librosa that a release of the target
range no longer has, or has under another name: `output.write_wav` (gone in 0.8),
`display.waveplot` (0.9), `logamplitude` (0.6), `feature.rmse` (0.7), `beat.tempo` (1.0),
`get_duration(filename=)` (now `path`) and all others that the table of the releases knows.

## Why is this bad?
The call raises an AttributeError or a TypeError, often at the end of a run, when the generated
audio is written. A renamed argument warns first and fails later.

## Example
```python
import librosa

wave, sr = librosa.load("speech.wav", sr=22050)
librosa.output.write_wav("copy.wav", wave, sr)
seconds = librosa.get_duration(filename="copy.wav")
```

## Use instead
```python
import librosa
import soundfile

wave, sr = librosa.load("speech.wav", sr=22050)
soundfile.write("copy.wav", wave, sr, subtype="FLOAT")
seconds = librosa.get_duration(path="copy.wav")
```

## Fix safety
There is a fix where one call does the same on the whole target range: the replacement must exist in
its oldest release (if that is unknown: have come two years before the newest known one, else the
fix is only shown), every argument must have a counterpart, and none may hide behind `*` or `**`. A
function that was imported by name changes with its import and all its uses, or not at all.

It is safe for functions that only moved, for `beat.tempo`, for `feature.rmse` of a signal
(`pad_mode="reflect"` keeps its frames as they were; there is no fix for `S=`, whose scale changed),
and for renamed arguments. It is safe for `output.write_wav` where the file's name is seen to end in
`.wav` and the signal to be one-dimensional float32, as `librosa.load` gives it, and for
`logamplitude` where its input is seen to be a power spectrogram; unsafe elsewhere. There is none
for `write_wav(norm=True)`, which soundfile does not know. `display.waveplot` becomes `waveshow`,
which draws the same signal in another way: safe where the target has only releases without
`waveplot`, else unsafe, and none where its result is used.

## Since
0.1.0

## References
- librosa changelog
- `rules/librosa.json`, made by `scripts/make_tables.py` from the releases, and
  `rules/librosa_replacements.json`, with a source for each row
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from trainlint.api import (
    Edit,
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
    references,
    releases,
    rewrite,
    signatures,
    tree,
)

RULE = Rule(
    "AUD002",
    "librosa-removed-api",
    Severity.ERROR,
    needs=any_of("librosa"),
    fix=Safety.SAFE,
    ordered=False,
)
LIBRARY = "librosa"
_SOUNDFILE = ("file", "data", "samplerate")


@lru_cache(maxsize=1)
def table() -> signatures.Table:
    """The signatures of librosa, release by release."""
    return signatures.Table.parse(_text("librosa.json"))


@lru_cache(maxsize=1)
def replacements() -> dict[str, signatures.Replacement]:
    """What stands in the place of a function that is gone."""
    return signatures.replacements(_text("librosa_replacements.json"))


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


@RULE.check
def check(file: File) -> Iterator[Finding]:
    target = file.target(LIBRARY)
    gone = {name for name, row in table().rows.items() if _is_gone(row, target)}
    used = [
        use
        for use in references.references(file, gone)
        if not releases.is_for_some_releases(file, use.expr, LIBRARY, _instead(use.name))
    ]
    for use in used:
        row = table().rows[use.name]
        fixes, why = _offer(lambda use=use: _replace(file, use, used))  # type: ignore[misc]
        yield Finding(
            _call(use) or use.expr,
            _told(file.text(use.expr), use.name, row, target, why),
            fixes=fixes,
            severity=_severity(row.removed, target),
            target=_from(row.removed if _passes(row.removed, target) else row.deprecated),
        )
    yield from _imports(file, target, gone, used)
    for call in file.calls_to(lambda name: name in table() and name not in gone):
        name = file.names.qualified(call.func) or ""
        if not releases.is_for_some_releases(file, call, LIBRARY, {name}):
            yield from _arguments(file, call, table().rows[name])


def _passes(version: Version | None, target: Range) -> bool:
    return version is not None and target.overlaps_from(version)


def _is_gone(row: signatures.Row, target: Range) -> bool:
    """Gone in the range, or known there under another name already."""
    moved = row.replacement is not None and _passes(row.deprecated, target)
    return moved or _passes(row.removed, target)


def _severity(removed: Version | None, target: Range) -> Severity:
    return Severity.ERROR if _passes(removed, target) else Severity.WARNING


def _from(version: Version | None) -> str | None:
    return None if version is None else f"librosa >= {_dotted(version)}"


def _dotted(version: Version) -> str:
    shown = version[:-1] if version[-1:] == (0,) and len(version) > 2 else version
    return ".".join(map(str, shown))


def _told(text: str, name: str, row: signatures.Row, target: Range, why: str) -> str:
    known = _replacement(name, row)
    if row.removed is not None and _passes(row.removed, target):
        what = f"`{text}` is gone since librosa {_dotted(row.removed)}"
    else:
        assert row.deprecated is not None
        what = f"`{text}` has another name since librosa {_dotted(row.deprecated)}, and warns"
    instead = f"; its place takes `{known.name}`" if known is not None else ""
    return f"{what}{instead}" + (f" (no fix here: {why})" if why else "")


# Functions


def _replacement(name: str, row: signatures.Row) -> signatures.Replacement | None:
    known = replacements().get(name)
    if known is None and row.replacement is not None:
        moved = table().get(row.replacement)
        since = moved.added if moved is not None else None
        known = signatures.Replacement(row.replacement, since)
    return known


def _instead(name: str) -> set[str]:
    known = _replacement(name, table().rows[name])
    return set() if known is None else {known.name}


def _offer(make: Callable[[], Fix]) -> tuple[tuple[Fix, ...], str]:
    try:
        return (make(),), ""
    except Unfixable as error:
        return (), error.reason


def _call(use: references.Reference) -> tree.Call | None:
    call = use.expr.parent
    return call if isinstance(call, tree.Call) and call.func is use.expr else None


def _replace(file: File, use: references.Reference, used: list[references.Reference]) -> Fix:
    """The replacement of one use, or of all uses of a name that an import brought."""
    row, target = table().rows[use.name], file.target(LIBRARY)
    known = _replacement(use.name, row)
    if known is None or known.none:
        raise Unfixable(known.none if known is not None else "no call does the same")
    has = signatures.reaches_back(LIBRARY, known.since, target)
    if has is False:
        raise Unfixable(f"`{known.name}` is not in the oldest release of the target range")
    if not use.certain or len({binding.qualified for binding in use.bindings}) != 1:
        raise Unfixable(f"`{use.root.id}` can mean something else")
    alias = use.bindings[0].node
    brought = use.bindings[0].qualified or ""
    if not isinstance(alias, tree.Alias) or brought == LIBRARY:
        group, edits = [use], []
    elif brought == use.name or brought in table().removed_modules():
        group = [other for other in used if other.bindings == use.bindings]
        if references.handed_on(file, use.bindings[0]) is not None or not rewrite.unused_after(
            file, alias, [other.expr for other in group]
        ):
            raise Unfixable(f"`{use.root.id}` is used in other ways, too")
        edits = [rewrite.remove_import_name(file, alias)]
    else:
        group, edits = [use], []
    safety, notes = Safety.SHOWN if has is None else Safety.SAFE, []
    for other in group:
        call = _call(other)
        if call is None:
            raise Unfixable("it is not called here")
        one, note, changed = _rewritten(file, other, call)
        safety = min(safety, one)
        notes.append(note)
        edits.append(changed)
    title = f"Call `{known.name}` instead"
    note = "; ".join(dict.fromkeys(filter(None, notes)))
    return Fix(title, rewrite.together(*edits), safety, note)


def _rewritten(
    file: File, use: references.Reference, call: tree.Call
) -> tuple[Safety, str, tuple[Edit, ...]]:
    """The edits of one call, how far they can be trusted, and why not farther."""
    row, target = table().rows[use.name], file.target(LIBRARY)
    known = _replacement(use.name, row)
    assert known is not None
    given = signatures.bound(call, row, target)
    if given is None:
        raise Unfixable("which argument is which is not known in all releases")
    add = dict(known.add)
    doubt = rewrite.stand_in_doubt(file, call, known.name, given, add)
    new = table().get(known.name)
    order = new.parameters[: new.positions] if new is not None else _SOUNDFILE
    names, dropped = _passed(file, given, known)
    edits = rewrite.together(
        rewrite.rename_function(file, use.expr, known.name),
        rewrite.pass_arguments(file, call, names, order, dropped, add),
    )
    return Safety.UNSAFE if doubt else Safety.SAFE, doubt, edits


def _passed(
    file: File, given: Mapping[str, tree.Arg], known: signatures.Replacement
) -> tuple[dict[tree.Arg, str], list[tree.Arg]]:
    """The arguments by the new function's names, and those that it does not need."""
    names: dict[tree.Arg, str] = {}
    dropped = []
    for old, arg in given.items():
        name = old if known.arguments is None else known.arguments.get(old)
        if old in known.constants:
            if file.values.literal(arg.value) != known.constants[old]:
                raise Unfixable(f"`{known.name}` does not do what `{old}` asks for")
            dropped.append(arg)
        elif name is None:
            raise Unfixable(_unlike(old, known))
        else:
            names[arg] = name
    return names, dropped


def _unlike(old: str, known: signatures.Replacement) -> str:
    """Why an argument cannot be handed on, by what the releases of the new function take."""
    new = table().get(known.name)
    for rename in new.renamed if new is not None else ():
        if rename.old == old:
            gone = f" and is refused since {_dotted(rename.removed)}" if rename.removed else ""
            since = _dotted(rename.since)
            return f"`{old}` of `{known.name}` is called `{rename.new}` since {since}{gone}"
    if new is not None and old in new.parameters:
        return f"`{old}` does not mean the same to `{known.name}`"
    return f"`{known.name}` has nothing like `{old}`"


# Imports and arguments


def _imports(
    file: File, target: Range, gone: set[str], used: list[references.Reference]
) -> Iterator[Finding]:
    """Imports of what is gone, where no use of it says so already."""
    modules = {
        name: version
        for name, version in table().removed_modules().items()
        if target.overlaps_from(version)
    }
    roots = {binding.node for use in used for binding in use.bindings}
    for alias in file.all(tree.Alias):
        statement = alias.parent
        if releases.is_for_some_releases(file, alias, LIBRARY):
            continue
        if isinstance(statement, tree.Import):
            name = alias.name
            told = name in modules and (alias.asname is None or alias not in roots)
        elif isinstance(statement, tree.ImportFrom) and statement.level == 0:
            name = f"{statement.module}.{alias.name}"
            told = (name in gone or name in modules) and alias not in roots
        else:
            continue
        if not told or LIBRARY in file.surroundings.local_modules:
            continue
        removed = modules.get(name) or table().rows[name].removed
        if removed is None or not target.overlaps_from(removed):
            continue
        fixes, why = _offer(lambda alias=alias: _unimport(file, alias))  # type: ignore[misc]
        yield Finding(
            alias,
            f"`{name}` is gone since librosa {_dotted(removed)}, so that this import fails"
            + (f" (no fix here: {why})" if why else ""),
            fixes=fixes,
            target=_from(removed),
        )


def _unimport(file: File, alias: tree.Alias) -> Fix:
    if isinstance(alias.parent, tree.Import) and alias.asname is None:
        edits = rewrite.replace_import_name(file, alias, LIBRARY)
        return Fix("Import librosa itself", edits, Safety.SAFE)
    found = file.names.find(alias.bound, alias)
    handed = found is not None and any(references.handed_on(file, b) for b in found[1])
    if handed or not rewrite.unused_after(file, alias):
        raise Unfixable(f"`{alias.bound}` is used")
    return Fix("Remove the unused import", rewrite.remove_import_name(file, alias), Safety.SAFE)


def _arguments(file: File, call: tree.Call, row: signatures.Row) -> Iterator[Finding]:
    """Keyword arguments with another name, or none, in releases of the range."""
    target = file.target(LIBRARY)
    function = file.text(call.func)
    for arg in call.args:
        for rename in row.renamed:
            if arg.keyword == rename.old and target.overlaps_from(rename.since):
                fixes, why = _offer(
                    lambda arg=arg, rename=rename: _respell(file, arg, rename)  # type: ignore[misc]
                )
                end = rename.removed
                refused = f", and is refused since {_dotted(end)}" if end is not None else ""
                yield Finding(
                    arg,
                    f"`{rename.old}` of `{function}` is called `{rename.new}` since librosa "
                    f"{_dotted(rename.since)}{refused}" + (f" (no fix here: {why})" if why else ""),
                    fixes=fixes,
                    severity=_severity(end, target),
                    target=_from(end if _passes(end, target) else rename.since),
                )
        for gone in row.gone:
            if arg.keyword == gone.name and target.overlaps_from(gone.removed):
                yield Finding(
                    arg,
                    f"`{function}` has no `{gone.name}` since librosa {_dotted(gone.removed)}, and "
                    "nothing takes its place",
                    target=_from(gone.removed),
                )


def _respell(file: File, arg: tree.Arg, rename: signatures.Rename) -> Fix:
    spelling = signatures.available(LIBRARY, rename, file.target(LIBRARY))
    if spelling is None or spelling.name == rename.old:
        raise Unfixable(f"`{rename.new}` is not in the oldest release of the target range")
    edits = rewrite.rename_keyword(file, arg, rename.new)
    safety = Safety.SHOWN if spelling.guessed else Safety.SAFE
    return Fix(f"Call the argument `{rename.new}`", edits, safety)
