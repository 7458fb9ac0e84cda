"""A requirement file names releases that cannot be installed, or cannot work, together.

## What it does
Reads `requirements*.txt`, `pyproject.toml`, `setup.cfg`, `setup.py`, `environment.yml` and
`Pipfile` and finds pairs of requirements of which every release that the one allows refuses all
that the other allows: torchvision or torchaudio beside another torch than theirs, torch below 2.3
or pandas 2.2.1 beside NumPy 2, Lightning beside a torch that it no longer takes, transformers
beside other tokenizers, mmdet beside another mmcv. What releases require of each other is read
from their own metadata; what that does not say stands in a small table with a source each.

In a Python file it finds what no release has yet that the project allows: `torch.nn.RMSNorm` with
`torch==2.2`, `np.trapezoid` with `numpy<2`, `eval_strategy=` with `transformers==4.30`,
`weights=` with torchvision below 0.13. What these releases have no longer is `removed-api`.

It is silent where some release of the one goes with some release of the other, where a library is
named more than once (for several machines), where a release is not in the table, and where a
version test, a feature test or an `except` selects the code. Where a wheel names one release, what
conda installs may stand beside any release of the same series, as its recipes have it.

## Why is this bad?
pip refuses to install the file, or takes long to find that out. Where the metadata does not tell,
the program stops later: torch 2.2 beside NumPy 2 fails with "Numpy is not available" at the first
`tensor.numpy()`.

## Example
```python
from setuptools import setup

setup(name="detector", install_requires=["torch==2.1.0", "torchvision==0.15.2"])
```

## Use instead
```python
from setuptools import setup

setup(name="detector", install_requires=["torch==2.1.0", "torchvision==0.16.0"])
```

## Fix safety
There is no fix: which of the two is meant, only the author knows.

## Since
0.1.0

## References
- `rules/migrations/*.json`, made by `scripts/make_tables.py` from the releases
- `trainlint/config/needs.py`, made by `scripts/make_requirements.py` from the metadata of the
  releases, and `trainlint/config/told_needs.py`, with a source for each row
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    additions,
    any_of,
    changed,
    conflicts,
    migrations,
    together,
)

# A release is named: torch==1.8, "numpy>=2", torch = "^1.8", - pytorch=1.8
_NAMED = r"[-\w]*(?:\[[^\]\r\n]*\])?['\"]?[ \t]*(?:==?|~=|<=?|\^|>=?)[ \t]*['\"{]?[^\r\n#]{0,12}?\d"
_LIBRARIES = (
    "accelerate|datasets|diffusers|lightning|pytorch_lightning|numba|numpy|pandas|scikit|scipy|"
    "sentence|tensorflow|timm|torch|pytorch|torchaudio|torchmetrics|torchtext|torchvision|"
    "transformers|xformers|mmdet|mmpose|mmsegmentation|mmpretrain"
)

_FOLDER = Path(__file__).with_name("migrations")
RULE = Rule(
    "ENV001",
    "conflicting-requirements",
    Severity.ERROR,
    needs=any_of(
        together(_LIBRARIES, behind=_NAMED),
        together("install_requires|setup", _LIBRARIES),
        *json.loads((_FOLDER / "words.json").read_text(encoding="utf-8"))["added"],
    ),
)
TABLES = migrations.Tables(lambda name: (_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def table() -> conflicts.Requirements:
    """What releases require of each other."""
    return conflicts.Requirements.of()


@RULE.check
def check(file: File) -> Iterator[Finding]:
    requirements = conflicts.stated(file)
    for found in conflicts.conflicts(requirements, table()) if requirements else ():
        line = file.source.position(found.other.start)[1]
        yield Finding(
            file.module,
            f"`{found.one.text}` takes {found.other.library} {found.span.told} only, and "
            f"`{found.other.text}` in line {line} allows none of these: they do not work together",
            span=(found.one.start, found.one.end),
        )


@RULE.check
def check_code(file: File) -> Iterator[Finding]:
    libraries = TABLES.among(changed.imported_packages(file))
    for use in additions.too_new(file, libraries) if libraries else ():
        target = changed.target_of(file, use.library, use.package)
        title, since = use.library.title, use.library.short(use.change.since or ())
        what, then = use.name, "this raises an AttributeError"
        if use.change.parameter:
            what, then = f"{use.change.parameter}=", "this call raises a TypeError"
        elif use.is_import:
            then = "this import fails"
        message = f"`{what}` came with {title} {since}, and this project asks for {target}: {then}"
        yield Finding(use.node, message, target=f"{title} < {since}")
