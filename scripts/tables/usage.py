"""Counts what training scripts take of the libraries: the names and arguments in a folder of them.

    python scripts/tables/usage.py FOLDER... > scripts/tables/used.txt

A table of all that came with some release would be long; of what nobody uses it need not tell.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = frozenset(
    "PIL lightning numpy pandas pytorch_lightning sklearn timm torch torchaudio torchmetrics "
    "torchvision transformers".split()
)
FEWEST = 2  # projects


def main() -> None:
    """Print what at least two of the projects in the folders use."""
    counts: Counter[str] = Counter()
    projects = [path for folder in sys.argv[1:] for path in sorted(Path(folder).iterdir())]
    for project in projects:
        if project.is_dir():
            counts.update(used_in(project))
    print("\n".join(sorted(name for name, count in counts.items() if count >= FEWEST)))


def used_in(project: Path) -> set[str]:
    """Return the qualified names, and ``name(parameter)``, that the files of a project use."""
    found: set[str] = set()
    for path in project.rglob("*.py"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        found.update(_used(tree))
    return found


def _used(tree: ast.Module) -> Iterator[str]:
    meanings: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    meanings[bound] = alias.name if alias.asname else bound
                    yield from _ours(alias.name)
            case ast.ImportFrom(module=str() as module, names=names, level=0):
                for alias in names:
                    meanings[alias.asname or alias.name] = f"{module}.{alias.name}"
                    yield from _ours(f"{module}.{alias.name}")
            case _:
                pass
    for node in ast.walk(tree):
        match node:
            case ast.Attribute():
                yield from _ours(_qualified(node, meanings))
            case ast.Call(func=func, keywords=keywords):
                for name in _ours(_qualified(func, meanings)):
                    yield from (f"{name}({word.arg})" for word in keywords if word.arg)
            case _:
                pass


def _qualified(node: ast.expr, meanings: dict[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return meanings.get(name, "")
        case ast.Attribute(value=value, attr=attr):
            owner = _qualified(value, meanings)
            return f"{owner}.{attr}" if owner else ""
        case _:
            return ""


def _ours(name: str) -> Iterator[str]:
    if name.partition(".")[0] in LIBRARIES:
        yield name


if __name__ == "__main__":
    main()
