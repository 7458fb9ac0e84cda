"""Makes the table of what releases require of each other, from their own metadata.

    python scripts/make_requirements.py --output rules/requirements.json
    python scripts/make_requirements.py --output rules/requirements.json --check 30

A row is a span of releases with the same requirement (`Requires-Dist`) on one of
the other libraries, `until` the release behind it (none: the newest is in it); what holds only for
an extra is left out, and what differs by Python is widened.
What no metadata says stands in `rules/requirements_by_hand.json`.
"""

from __future__ import annotations

import argparse
import email
import json
import random
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pip._internal.exceptions import PipError
from pip._internal.network.lazy_wheel import LazyZipOverHTTP
from tables.registry import CHUNK, Registry, _published, _registry
from tables.releases import Artifact, Wanted, pick_artifacts

from trainlint.config.targets import library_name

TRIES = 3
# Distribution, the oldest release that is looked at, and the libraries that it is asked about.
ASKED = {
    "lightning": ("2.0", "torch numpy torchmetrics"),
    "numba": ("0.50", "numpy"),
    "pandas": ("1.0", "numpy"),
    "pytorch-lightning": ("1.5", "torch numpy torchmetrics"),
    "scikit-learn": ("0.22", "numpy scipy"),
    "scipy": ("1.4", "numpy"),
    "tensorflow": ("2.8", "numpy"),
    "timm": ("0.4", "torch"),
    "torchaudio": ("0.8", "torch"),
    "torchmetrics": ("0.9", "torch numpy"),
    "torchtext": ("0.9", "torch"),
    "torchvision": ("0.9", "torch numpy"),
    "transformers": ("4.20", "numpy tokenizers huggingface-hub"),
    "mmdet": ("2.10", "mmcv"),
    "mmpose": ("0.20", "mmcv"),
    "mmsegmentation": ("0.15", "mmcv"),
    "mmpretrain": ("1.0", "mmcv"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--check", type=int, default=0, metavar="N", help="check N random rows")
    options = parser.parse_args(arguments)
    if options.check:
        return _check(options.output, options.check)
    rows: list[dict[str, object]] = []
    newest: dict[str, str] = {}
    with _registry() as registry:
        for distribution in ASKED:
            print(distribution, file=sys.stderr, flush=True)
            found = list(_required(registry, distribution))
            if found:
                newest[library_name(distribution)] = found[-1][0]
                rows += _spans(library_name(distribution), found)
    head = {
        "command": f"python scripts/make_requirements.py --output {options.output.as_posix()}",
        "about": " ".join((__doc__ or "").split("\n\n")[-1].split()),
        "newest": newest,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    body = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    text = "\n".join(["{", *lines, ' "rows": [', body, " ]", "}", ""])
    options.output.write_text(text, encoding="utf-8")
    return 0


def _check(path: Path, count: int) -> int:
    """Ask the metadata of both ends of random rows again."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    names = {library_name(name): name for name in ASKED}
    faults = 0
    with _registry() as registry:
        for row in random.Random(0).sample(rows, min(count, len(rows))):
            wanted = {row["from"], row["to"]}
            for artifact in _artifacts(registry, names[row["library"]]):
                if str(artifact.version) in wanted:
                    said = dict(_of(registry, artifact, names[row["library"]]))
                    if said.get(row["needs"]) != row["in"]:
                        faults += 1
                        print(row, "but", artifact.version, "says", said.get(row["needs"]))
    print(f"{min(count, len(rows))} rows checked, {faults} faults")
    return 1 if faults else 0


def _artifacts(registry: Registry, distribution: str) -> list[Artifact]:
    since = Version(ASKED[distribution][0])
    published = _published(registry, distribution)
    wheels = [item for item in published if item.filename.endswith(".whl")]
    return pick_artifacts(wheels or published, Wanted(distribution, distribution, since))


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
    """Yield what a release requires of the libraries that it is asked about."""
    asked = {library_name(name) for name in ASKED[distribution][1].split()}
    message = email.message_from_string(_metadata(registry, artifact))
    held: dict[str, list[str]] = {}
    for text in message.get_all("Requires-Dist", []):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        name = library_name(requirement.name)
        if name in asked and "extra" not in str(requirement.marker or ""):
            held.setdefault(name, []).append(_plain(requirement.specifier))
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


def _plain(specifier: SpecifierSet) -> str:
    kept = [part for part in specifier if part.operator != "!="]
    return ",".join(sorted(map(str, kept), key=lambda part: (part[0] != ">", part)))


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


def _spans(
    library: str, found: Sequence[tuple[str, dict[str, str]]]
) -> Iterator[dict[str, object]]:
    """Yield the spans of releases that ask the same of another library."""
    for needs in sorted({name for _, held in found for name in held}):
        span: list[str] = []
        said = ""
        for version, held in [*found, ("", {})]:
            now = held.get(needs, "")
            if span and (now != said or not version):
                row: dict[str, object] = {"library": library, "from": span[0], "to": span[-1]}
                row |= {"until": version} if version else {}
                yield {**row, "needs": needs, "in": said}
                span = []
            if now and version:
                span.append(version)
                said = now


if __name__ == "__main__":
    sys.exit(main())
