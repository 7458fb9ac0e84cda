"""Which releases of torch and librosa go with those of their companions, and with Python."""

from __future__ import annotations

from collections.abc import Mapping

from trainlint.config.targets import Range, Version, parse_version

# The torch that the published wheels of a series require (`Requires-Dist`), which is also what the
# compatibility tables of pytorch/vision (README.md), pytorch/audio (docs/source/installation.rst)
# and pytorch/text (README.rst) say. Left out are the releases before and after, which go with any
# torch or with any newer one.
_COMPANIONS: Mapping[str, Mapping[str, str]] = {
    "torchaudio": {
        "0.4": "1.4",
        "0.5": "1.5",
        "0.6": "1.6",
        "0.7": "1.7",
        "0.8": "1.8",
        "0.9": "1.9",
        "0.10": "1.10",
        "0.11": "1.11",
        "0.12": "1.12",
        "0.13": "1.13",
        "2.0": "2.0",
        "2.1": "2.1",
        "2.2": "2.2",
        "2.3": "2.3",
        "2.4": "2.4",
        "2.5": "2.5",
        "2.6": "2.6",
        "2.7": "2.7",
        "2.8": "2.8",
        "2.9": "2.9",
    },
    "torchtext": {
        "0.9": "1.8",
        "0.10": "1.9",
        "0.11": "1.10",
        "0.12": "1.11",
        "0.13": "1.12",
        "0.14": "1.13",
        "0.15": "2.0",
        "0.16": "2.1",
        "0.17": "2.2",
    },
    "torchvision": {
        "0.4": "1.2..1.3",
        "0.5": "1.4",
        "0.6": "1.5",
        "0.7": "1.6",
        "0.8": "1.7",
        "0.9": "1.8",
        "0.10": "1.9",
        "0.11": "1.10",
        "0.12": "1.11",
        "0.13": "1.12",
        "0.14": "1.13",
        "0.15": "2.0",
        "0.16": "2.1",
        "0.17": "2.2",
        "0.18": "2.3",
        "0.19": "2.4",
        "0.20": "2.5",
        "0.21": "2.6",
        "0.22": "2.7",
        "0.23": "2.8",
        "0.24": "2.9",
        "0.25": "2.10",
        "0.26": "2.11",
        "0.27": "2.12",
        "0.28": "2.13",
    },
}
# The last torch with a wheel for a Python, by the tags of the wheels.
_LAST_FOR_PYTHON: Mapping[str, str] = {
    "2.7": "1.4.0",
    "3.5": "1.5.1",
    "3.6": "1.10.2",
    "3.7": "1.13.1",
    "3.8": "2.4.1",
    "3.9": "2.8.0",
}
# The oldest of what a release of librosa runs with (`Requires-Dist`, `Requires-Python`).
_NEEDS_OF_LIBROSA: Mapping[str, Mapping[str, str]] = {
    "0.9": {},
    "0.10": {"numpy": "1.20.3", "python": "3.7"},
    "0.11": {"numpy": "1.22.3", "python": "3.8", "scipy": "1.6.0"},
    "1.0": {"numpy": "2.1.0", "python": "3.12", "scipy": "1.15.0", "sklearn": "1.6.0"},
}


def torch_beside(ranges: Mapping[str, Range]) -> Range | None:
    """The releases of torch that go with the companions among the libraries; None for any.

    Companions that no torch goes with together are not known to be used together.
    """
    found: Range | None = None
    for library in _COMPANIONS:
        bound = _beside(library, ranges[library]) if library in ranges else None
        if found is None or bound is None:
            found = found or bound
        else:
            found = found.narrow(bound) or found.widen(bound)
    return found if found is not None and found.known else None


def torch_for_python(python: Range) -> Range | None:
    """The releases of torch that exist for some of these Pythons; None for any."""
    series = [parse_version(text) for text in _LAST_FOR_PYTHON]
    fitting = _fitting(python, series)
    if fitting is None:
        return None
    last = parse_version(_LAST_FOR_PYTHON[".".join(map(str, fitting))])
    return Range(None, last)


def librosa_beside(ranges: Mapping[str, Range]) -> Range | None:
    """The releases of librosa that run with some of these libraries; None for any."""
    fitting = [
        release
        for release, needs in _NEEDS_OF_LIBROSA.items()
        if all(
            ranges[library].overlaps_from(parse_version(oldest))
            for library, oldest in needs.items()
            if library in ranges
        )
    ]
    newest = fitting[-1]
    return None if newest == list(_NEEDS_OF_LIBROSA)[-1] else Range(None, parse_version(newest))


def _beside(library: str, wanted: Range) -> Range | None:
    table = {parse_version(key): Range.parse(text) for key, text in _COMPANIONS[library].items()}
    low: Version | None = None
    if wanted.low is not None and wanted.low[:2] >= min(table):
        low = table[max(series for series in table if series <= wanted.low[:2])].low
    last = _fitting(wanted, list(table))
    high = table[last].high if last is not None else None
    return Range(low, high) if low is not None or high is not None else None


def _fitting(wanted: Range, series: list[Version]) -> Version | None:
    """The newest of the series in a range; None where it reaches out of them at the upper end."""
    *before, last = series[-1]
    if wanted.overlaps_from((*before, last + 1)):
        return None
    return max((each for each in series if wanted.overlaps_from(each)), default=None)
