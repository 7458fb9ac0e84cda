"""Imports go one way, and what lies between the two ends touches nothing outside of itself.

Only what is imported when the program runs counts: imports for types alone may point anywhere.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "trainlint"

# From the bottom to the top: a module imports from its own layer and from those before it.
LAYERS: dict[str, str] = {
    "words": "__init__ diagnostics edits lazily digests",
    "text": "text text.*",
    "settings": "triage config config.*",
    "semantics": "semantics semantics.*",
    "project": "project project.*",
    "rule": "rule rewrite rewrite.*",
    "api": "api rules",
    "registry": "registry suppress baseline",
    "check": "check",
    "fixing": "fixing",
    "reports": "reports reports.* diffs",
    "audit": "audit audit.*",
    "files": "discovery discovery.* storage storage.*",
    "work": "work work.*",
    "run": "run repair",
    "commands": "commands commands.*",
    "cli": "cli __main__ testing scaffold",
}
ISLANDS = ("runtime", "runtime.*")  # may use words and reports; only the command line knows them
ENDS = ("files", "work", "run", "commands", "cli")

# What the core may import beside itself and libcst, each of which does no more than compute.
PURE = frozenset(
    "__future__ ast base64 bisect builtins codecs collections configparser contextlib copy "
    "dataclasses difflib "
    "enum fractions functools hashlib heapq html io itertools json keyword math operator os "
    "pathlib.PurePath posixpath re string symtable sys textwrap time token tokenize tomli tomllib "
    "types typing unicodedata urllib.parse warnings xml.sax.saxutils xml.etree.ElementTree "
    "libcst rich".split()
)
# Exceptions, each with what makes it harmless.
ALLOWED = {
    "registry": {"importlib", "os.listdir"},  # finds the rules, which are code
    "lazily": {"importlib.util", "os.listdir"},  # finds the modules of facts
    "rule": {"inspect"},  # cleans docstrings
    "digests": {"_blake2"},  # what hashlib takes it from, without OpenSSL
    "config.toml": {"importlib"},  # has another name on Python 3.10
}
# Of os only what computes with paths.
PATH_WORDS = frozenset("path sep altsep fspath PathLike".split())
PATH_FUNCTIONS = frozenset(
    "abspath basename commonpath dirname isabs join normcase normpath relpath split "
    "splitext".split()
)
OUTSIDE = frozenset("open print input exec eval breakpoint __import__".split())


@dataclass(frozen=True, slots=True)
class Module:
    name: str  # without "trainlint."
    tree: ast.Module

    @property
    def layer(self) -> int:
        """The number of its layer, from the bottom; -1 where it stands in none."""
        for number, patterns in enumerate(LAYERS.values()):
            if any(fnmatchcase(self.name, pattern) for pattern in patterns.split()):
                return number
        return -1

    @property
    def is_island(self) -> bool:
        return any(fnmatchcase(self.name, pattern) for pattern in ISLANDS)


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)


@lru_cache
def modules() -> dict[str, Module]:
    paths = sorted(PACKAGE.rglob("*.py"))
    found = [Module(_name(p), ast.parse(p.read_text(encoding="utf-8"))) for p in paths]
    return {module.name: module for module in found}


@lru_cache
def core() -> tuple[Module, ...]:
    ends = {number for number, layer in enumerate(LAYERS) if layer in ENDS}
    return tuple(m for m in modules().values() if not m.is_island and m.layer not in ends)


def rule_files() -> list[Path]:
    return sorted((ROOT / "rules").glob("*.py"))


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Module and name of each import that happens when the program runs; the name may be empty."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for other in node.orelse:
                    yield from imported(other)
            case ast.Import():
                yield from ((alias.name, "") for alias in node.names)
            case ast.ImportFrom():
                assert node.level == 0, "imports are absolute"
                yield from ((node.module or "", alias.name) for alias in node.names)
            case _:
                yield from imported(node)


def own_imports(module: Module) -> set[str]:
    """The modules of trainlint that a module imports, also inside of functions."""
    found = set()
    for path, name in imported(module.tree):
        if path.partition(".")[0] == "trainlint":
            inner = path.removeprefix("trainlint").removeprefix(".")
            whole = f"{inner}.{name}".strip(".")
            found.add(whole if whole in modules() else inner or "__init__")
    return found - {module.name}


def test_every_module_stands_in_a_layer() -> None:
    assert [m.name for m in modules().values() if m.layer < 0 and not m.is_island] == []


def test_imports_go_one_way() -> None:
    wrong = []
    for module in modules().values():
        for name in own_imports(module):
            other = modules()[name]
            if module.is_island:
                layer = list(LAYERS)[0 if other.is_island else other.layer]
                allowed = layer in ("words", "reports")
            elif other.is_island:
                allowed = module.layer >= list(LAYERS).index("commands")
            else:
                allowed = other.layer <= module.layer
            if not allowed:
                wrong.append(f"{module.name} imports {name}")
    assert not wrong


def test_no_two_modules_import_each_other_except_inside_one_package() -> None:
    """Inside a package a circle may close through an import in a function."""
    graph = {
        module.name: {
            name
            for name in own_imports(module)
            if name.partition(".")[0] != module.name.partition(".")[0]
        }
        for module in modules().values()
    }
    packages: dict[str, set[str]] = {}
    for module_name, names in graph.items():
        found = packages.setdefault(module_name.partition(".")[0], set())
        found |= {name.partition(".")[0] for name in names}
    while packages:  # take away what imports nothing that is left
        free = {name for name, needs in packages.items() if not needs & packages.keys()}
        assert free, f"a circle among {sorted(packages)}"
        packages = {name: needs for name, needs in packages.items() if name not in free}


@pytest.mark.parametrize("path", rule_files(), ids=lambda path: path.stem)
def test_a_rule_sees_the_api_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not (ROOT / "rules/__init__.py").exists()
    for module, name in imported(tree):
        top = module.partition(".")[0]
        if top == "trainlint":
            assert module == "trainlint.api", f"imports {module}"
        elif module == "pathlib":  # for the table beside it
            assert name == "Path"
        elif top != "libcst":
            assert top in PURE, f"imports {module}"
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is(node, "Path")]
    assert all(ast.unparse(call) == "Path(__file__)" for call in tables)
    assert not list(_outside(tree))


def test_an_inspection_sees_the_api_only() -> None:
    inspections = [m for m in modules().values() if m.name.startswith("audit.inspections.")]
    assert {name for module in inspections for name in own_imports(module)} == {"api"}


@pytest.mark.parametrize("module", core(), ids=lambda module: module.name)
def test_the_core_only_computes(module: Module) -> None:
    allowed = ALLOWED.get(module.name, set())
    if module.name != "rules":  # which points at the folder of a checkout
        for path, name in imported(module.tree):
            names = {path.partition(".")[0], path, f"{path}.{name}"}
            assert names & (PURE | allowed | {"trainlint"}), f"imports {path}"
    assert not list(_outside(module.tree))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "os":
                word = f"os.{node.attr}"
                assert node.attr in PATH_WORDS or word in allowed, f"uses {word}"
            assert (node.value.id, node.attr) not in {("sys", "stdout"), ("sys", "stdin")}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os.path":
            assert node.attr in PATH_FUNCTIONS, f"uses os.path.{node.attr}"


def _outside(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (word for word in OUTSIDE if _is(node, word))


def _is(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


def test_nothing_but_the_runtime_imports_torch() -> None:
    trees = {module.name: module.tree for module in modules().values() if not module.is_island}
    trees |= {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in rule_files()}
    heavy = {"torch", "numpy", "sklearn", "librosa"}
    wrong = [
        f"{name} imports {path}"
        for name, tree in trees.items()
        for path, _ in imported(tree)
        if path.partition(".")[0] in heavy
    ]
    assert not wrong


def test_the_names_of_this_test_are_those_of_the_standard_library() -> None:
    third_party = {"libcst", "rich", "tomli"}
    tops = {name.partition(".")[0] for name in PURE} - third_party
    assert not tops - sys.stdlib_module_names - {"tomllib"}


def test_every_module_is_documented_in_a_sentence() -> None:
    for module in modules().values():
        doc = ast.get_docstring(module.tree) or ""
        first = doc.partition("\n\n")[0]
        assert first.endswith((".", ":")), f"{module.name}: {first!r}"
