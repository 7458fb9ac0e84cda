"""Reads what the runtime shim needs of torch against the texts of releases; none is imported.

    pip download --no-deps --only-binary=:all: --python-version 3.11 \
        --platform macosx_11_0_arm64 torch==2.4.0
    python scripts/torch_interfaces.py torch-2.4.0-*.whl

The table is ``trainlint/runtime/interfaces.py``; the exit code is 1 if something is not there.
"""

from __future__ import annotations

import argparse
import ast
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
STUBS = ("torch._C", "torch._C._VariableFunctions")


class Release:
    """The texts of one wheel."""

    def __init__(self, wheel: Path) -> None:
        self._archive = zipfile.ZipFile(wheel)
        self._names = set(self._archive.namelist())

    @cache  # noqa: B019
    def tree(self, module: str) -> ast.Module | None:
        """The text of a module, or of the stub of a compiled one."""
        stem = module.replace(".", "/")
        for name in (f"{stem}.py", f"{stem}/__init__.py", f"{stem}.pyi", f"{stem}/__init__.pyi"):
            if name in self._names:
                return ast.parse(self._archive.read(name))
        return None

    def find(self, name: str) -> Definition | None:
        """What a dotted name below torch is defined as."""
        words = name.split(".")
        for depth in range(len(words) - 1, 0, -1):
            module = ".".join(words[:depth])
            if self.tree(module) is not None:
                return self._member(module, words[depth:])
        return None

    def _member(self, module: str, words: list[str]) -> Definition | None:
        found = self._defined(module, words[0], frozenset())
        for word in words[1:]:
            if not isinstance(found, ast.ClassDef):
                return None
            inside = list(_definitions(found.body, word))
            if not inside:
                found = self._inherited(module, found, word)
                continue
            found = inside[-1]
        return found

    def _inherited(self, module: str, kind: ast.ClassDef, word: str) -> Definition | None:
        for base in kind.bases:
            if isinstance(base, ast.Name):
                found = self._member(module, [base.id, word])
                if found is not None:
                    return found
        return None

    def _defined(self, module: str, word: str, seen: frozenset[str]) -> Definition | None:
        """Its definition in a module, through all that the module imports."""
        tree = self.tree(module)
        if tree is None or module in seen:
            return None
        own = list(_definitions(tree.body, word))
        if own:
            return own[-1]
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            source = _source(node, module, self._is_package(module))
            for alias in node.names:
                if (alias.asname or alias.name) == word or alias.name == "*":
                    wanted = word if alias.name == "*" else alias.name
                    found = self._defined(source, wanted, seen | {module})
                    if found is not None:
                        return found
        if module == "torch":  # whose functions are put there one by one
            for stub in STUBS:
                found = self._defined(stub, word, seen | {module})
                if found is not None:
                    return found
        return None

    def _is_package(self, module: str) -> bool:
        stem = module.replace(".", "/")
        return f"{stem}/__init__.py" in self._names or f"{stem}/__init__.pyi" in self._names


def _source(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    words = module.split(".")
    words = words[: len(words) - node.level + is_package]
    return ".".join([*words, *filter(None, [node.module])])


def _definitions(body: list[ast.stmt], word: str) -> Iterator[Definition]:
    """What a body defines by this name, under conditions too."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name == word:
                yield node
            case ast.Assign(targets=[ast.Name(id=name)]) if name == word:
                yield node
            case ast.AnnAssign(target=ast.Name(id=name)) if name == word:
                yield node
            case ast.If() | ast.Try():
                handlers = [one for h in getattr(node, "handlers", []) for one in h.body]
                yield from _definitions([*node.body, *handlers, *node.orelse], word)


def parameters(node: ast.FunctionDef) -> Iterator[str]:
    """The names of the parameters; the last one is ``*`` where it takes any number."""
    yield from (one.arg for one in (*node.args.posonlyargs, *node.args.args))
    if node.args.vararg is not None:
        yield "*"


def mentions(node: ast.FunctionDef) -> set[str]:
    """The names that a function's text is made of."""
    found: set[str] = set()
    for one in ast.walk(node):
        match one:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.FunctionDef(name=name):
                found.add(name)
            case ast.arg(arg=name):
                found.add(name)
    return found


def judged(release: Release, name: str, takes: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Whether a release has it: ``there``, ``in another form`` or ``missing``."""
    node = release.find(name)
    if node is None:
        return "missing"
    if isinstance(node, ast.FunctionDef):
        given = list(parameters(node))
        wanted = takes[: given.index("*")] if "*" in given else takes
        fits = tuple(given[: len(wanted)]) == wanted
        if not fits or not set(names) <= mentions(node):
            return "in another form"
    return "there"


def main() -> int:
    """Judge each wheel; 1 if something is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="+", type=Path)
    from trainlint.runtime.interfaces import COMMON, INSTRUMENTS

    code = 0
    for wheel in parser.parse_args().wheel:
        release = Release(wheel)
        print(wheel.name)
        for need in dict.fromkeys([*COMMON, *(n for i in INSTRUMENTS.values() for n in i.needs)]):
            verdict = judged(release, need.name, need.takes, need.mentions)
            code |= verdict != "there"
            print(f"{need}: {verdict}")
    return code


if __name__ == "__main__":
    sys.exit(main())
