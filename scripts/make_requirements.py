"""Makes the table of what releases require of each other and of Python, from their own metadata.

    python scripts/make_requirements.py --output trainlint/config/needs.py
    python scripts/make_requirements.py --output trainlint/config/needs.py --check 30

A row is a span of releases that ask the same (`Requires-Dist`) of one of the other libraries; what
holds only for an extra is left out, and what differs by Python is widened. The Pythons are
those of `Requires-Python`, or of the tags where a release has wheels for single Pythons only.
What no metadata says stands in `trainlint/config/told_needs.py`.
"""

from __future__ import annotations

import argparse
import email
import random
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version
from pip._internal.exceptions import PipError
from pip._internal.network.lazy_wheel import LazyZipOverHTTP
from tables.registry import CHUNK, Registry, _published, _registry
from tables.releases import Artifact, Wanted, pick_artifacts, plain, pythons

from trainlint.config.targets import library_name

TRIES = 3
# Distribution, the oldest release that is looked at, and the libraries that it is asked about.
ASKED = {
    "lightning": ("2.0", "torch numpy torchmetrics"),
    "librosa": ("0.8", "numpy scipy scikit-learn"),
    "numba": ("0.50", "numpy"),
    "numpy": ("1.13", ""),
    "opencv-python": ("3.4", ""),
    "pandas": ("1.0", "numpy"),
    "pillow": ("5.0", ""),
    "pytorch-lightning": ("1.0", "torch numpy torchmetrics"),
    "scikit-learn": ("0.21", "numpy scipy"),
    "scipy": ("1.4", "numpy"),
    "tensorflow": ("1.0", "numpy"),
    "timm": ("0.4", "torch"),
    "torch": ("0.3", ""),
    "torchaudio": ("0.8", "torch"),
    "torchmetrics": ("0.2", "torch numpy"),
    "torchtext": ("0.9", "torch"),
    "torchvision": ("0.9", "torch numpy"),
    "transformers": ("4.0", "numpy tokenizers huggingface-hub"),
    "mmdet": ("2.10", "mmcv"),
    "mmpose": ("0.20", "mmcv"),
    "mmsegmentation": ("0.15", "mmcv"),
    "mmpretrain": ("1.0", "mmcv"),
}
HEAD = '''"""What releases require of each other and of Python, as their metadata say.

Made by a script: `{command}`.

A row is a span of releases of a library: the first of them, the last, the release behind it (`-`
where the last is the newest that was read), and what they all ask of something else.
"""

ROWS = """\
{rows}
"""
'''


@dataclass(frozen=True, slots=True)
class Row:
    """The releases of a library that ask the same of another one, or of Python."""

    library: str
    first: str
    last: str
    until: str
    needs: str
    allowed: str

    def __str__(self) -> str:
        told = (self.library, self.first, self.last, self.until, self.needs, self.allowed)
        return " ".join(told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--check", type=int, default=0, metavar="N", help="check N random rows")
    options = parser.parse_args(arguments)
    if options.check:
        return _check(options.output, options.check)
    rows: list[Row] = []
    with _registry() as registry:
        for distribution in ASKED:
            print(distribution, file=sys.stderr, flush=True)
            rows += _spans(library_name(distribution), list(_required(registry, distribution)))
    command = f"python scripts/make_requirements.py --output {options.output.as_posix()}"
    text = HEAD.format(command=command, rows="\n".join(map(str, rows)))
    options.output.write_text(text, encoding="utf-8")
    return 0


def _check(path: Path, count: int) -> int:
    """Ask the metadata of both ends of random rows again."""
    told = path.read_text(encoding="utf-8").split('"""')[3].strip().splitlines()
    rows = [Row(*line.split(" ", 5)) for line in told]
    names = {library_name(name): name for name in ASKED}
    faults = 0
    with _registry() as registry:
        for row in random.Random(0).sample(rows, min(count, len(rows))):
            for artifact in _artifacts(registry, names[row.library]):
                if str(artifact.version) in (row.first, row.last):
                    said = dict(_of(registry, artifact, names[row.library])).get(row.needs)
                    if said != row.allowed:
                        faults += 1
                        print(row, "but", artifact.version, "says", said)
    print(f"{min(count, len(rows))} rows checked, {faults} faults")
    return 1 if faults else 0


def _artifacts(registry: Registry, distribution: str) -> list[Artifact]:
    """Return one file of each release, with the Pythons that its files are for."""
    since = Version(ASKED[distribution][0])
    published = _published(registry, distribution)
    files: dict[Version, list[Artifact]] = {}
    for item in published:
        files.setdefault(item.version, []).append(item)
    wheels = [item for item in published if item.filename.endswith(".whl")]
    picked = pick_artifacts(wheels or published, Wanted(distribution, distribution, since))
    return [replace(item, python=pythons(files[item.version])) for item in picked]


def _required(registry: Registry, distribution: str) -> Iterator[tuple[str, dict[str, str]]]:
    def read(artifact: Artifact) -> tuple[str, dict[str, str]] | None:
        for _ in range(TRIES):
            try:
                return str(artifact.version), dict(_of(registry, artifact, distribution))
            except (OSError, ValueError, PipError, zipfile.BadZipFile) as error:
                trouble = error
        print(f"{artifact.filename}: {trouble}", file=sys.stderr)
        return None

    with ThreadPoolExecutor(6) as pool:
        yield from filter(None, pool.map(read, _artifacts(registry, distribution)))


def _of(registry: Registry, artifact: Artifact, distribution: str) -> Iterator[tuple[str, str]]:
    """Yield what a release requires of Python and of the libraries that it is asked about."""
    if artifact.python:
        yield "python", artifact.python
    asked = {library_name(name) for name in ASKED[distribution][1].split()}
    if not asked:
        return
    message = email.message_from_string(_metadata(registry, artifact))
    held: dict[str, list[str]] = {}
    for text in message.get_all("Requires-Dist", []):
        try:  # older metadata say `>=1.8.*`
            requirement = Requirement(re.sub(r"(>=[ \d.]+)\.\*", r"\1", text))
        except InvalidRequirement:
            continue
        name = library_name(requirement.name)
        if name in asked and "extra" not in str(requirement.marker or ""):
            held.setdefault(name, []).append(plain(requirement.specifier))
    for name, specifiers in held.items():
        if all(specifiers) and name != "mmcv":
            yield name, " || ".join(sorted(set(specifiers)))
    if "mmcv" in asked:
        yield from _asserted(_member(registry, artifact, rf"{distribution[:6]}\w*/__init__.py"))


def _asserted(text: str) -> Iterator[tuple[str, str]]:
    """Yield the releases of mmcv that a package of the family takes when it is imported."""
    low = re.search(r"mmcv_minimum_version = '([\d.]+)", text) or re.search(
        r"MMCV_MIN = '([\d.]+)", text
    )
    high = re.search(r"mmcv_maximum_version = '([\d.]+)", text) or re.search(
        r"MMCV_MAX = '([\d.]+)", text
    )
    if low is None or high is None:
        return
    is_open = re.search(r"mmcv_version\s*<\s*(?:digit_version\()?(?:mmcv_max|mmcv_maximum)", text)
    yield "mmcv", f">={low[1]},{'<' if is_open else '<='}{high[1]}"


def _member(registry: Registry, artifact: Artifact, pattern: str) -> str:
    """Return the text of one file of a wheel."""
    with (
        LazyZipOverHTTP(artifact.location, registry.network, CHUNK) as file,
        zipfile.ZipFile(cast(IO[bytes], file)) as archive,
    ):
        names = [name for name in archive.namelist() if re.fullmatch(pattern, name)]
        return archive.read(names[0]).decode("utf-8", "replace") if names else ""


def _metadata(registry: Registry, artifact: Artifact) -> str:
    if artifact.filename.endswith(".whl"):
        return _member(registry, artifact, r"[^/]+\.dist-info/METADATA")
    content = registry.network.get(artifact.location).content
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        for member in archive:
            if re.fullmatch(r"[^/]+/PKG-INFO", member.name):
                held = archive.extractfile(member)
                return held.read().decode("utf-8", "replace") if held is not None else ""
    return ""


def _spans(library: str, found: Sequence[tuple[str, dict[str, str]]]) -> Iterator[Row]:
    """Yield the spans of releases that ask the same of another library."""
    for needs in sorted({name for _, held in found for name in held}):
        span: list[str] = []
        said = ""
        for version, held in [*found, ("", {})]:
            now = held.get(needs, "")
            if span and (now != said or not version):
                yield Row(library, span[0], span[-1], version or "-", needs, said)
                span = []
            if now and version:
                span.append(version)
                said = now


if __name__ == "__main__":
    sys.exit(main())
