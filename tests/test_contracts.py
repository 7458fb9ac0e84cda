"""What the project promises of itself: its rules, fixtures, documentation and packages."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from trainlint import __version__, triage
from trainlint.api import Safety
from trainlint.commands import arguments
from trainlint.commands.arguments import COMMANDS, FORMATS
from trainlint.config.setting_values import KEYS
from trainlint.config.settings import parse_settings
from trainlint.config.toml import load_toml
from trainlint.diagnostics import Diagnostic, Report, Severity
from trainlint.registry import shipped
from trainlint.rule import DOCUMENTATION_URL, HEADINGS, Rule
from trainlint.runtime.check import shipped as runtime_checks
from trainlint.testing import check_text
from trainlint.text.source import decode
from trainlint.work import worker
from trainlint.work.results import Result
from trainlint.work.rulebook import Sources

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
RULES = shipped().rules
SHARED_FOLDERS = {"projects", "notebooks"}  # fixtures that belong to no single rule

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.code}-{rule.name}")


# Codes, names and fixtures


def test_codes_and_names_are_well_formed_and_of_a_known_family() -> None:
    families = make_docs().FAMILIES
    for rule in RULES:
        assert re.fullmatch(r"[A-Z]{3}\d{3}", rule.code)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name), rule.name
        assert rule.family in families, f"{rule.code}: give its family a title in make_docs.py"


def test_codes_and_names_are_unique() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_every_rule_has_fixtures_and_every_folder_of_fixtures_a_rule() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}
    assert folders - SHARED_FOLDERS == {rule.name for rule in RULES}


def test_every_file_among_the_fixtures_is_one_that_the_harness_reads() -> None:
    for path in rule_fixtures():
        stem, *middle = path.name.removesuffix(".py").split(".")
        kind = stem.partition("_")[0]
        assert kind in ("bad", "good"), path
        assert middle in ([], ["fixed"], ["safe"]), path
        if middle:
            assert kind == "bad", path
            assert path.with_name(f"{stem}.py").exists(), f"{path} belongs to no fixture"


def rule_fixtures() -> list[Path]:
    return sorted(path for rule in RULES for path in (FIXTURES / rule.name).glob("*"))


# Documentation


@each_rule
def test_a_rule_documents_itself_under_all_headings(rule: Rule) -> None:
    headings = tuple(re.findall(r"^## (.*)$", rule.documentation, re.M))
    assert headings == HEADINGS
    for heading in HEADINGS:
        assert section(rule, heading), f"nothing stands under {heading!r}"
    assert rule.summary.endswith(".")
    assert len(rule.summary) < 110, "the first sentence is the line in the table of rules"
    since = re.match(r"\d+\.\d+\.\d+$", section(rule, "Since"))
    assert since, "the release that brought the rule"
    if rule.fix is None:
        assert re.search(r"\bno fix|not? .*fix|by hand|none", section(rule, "Fix safety"), re.I)


@each_rule
def test_a_rule_fires_on_its_example_and_not_on_the_cure(rule: Rule) -> None:
    for example in code_blocks(section(rule, "Example")):
        assert check_text(rule, example), f"{rule.code} is silent on its own example:\n{example}"
    for cure in code_blocks(section(rule, "Use instead")):
        found = [diagnostic.message for diagnostic in check_text(rule, cure)]
        assert not found, f"{rule.code} speaks about what it recommends: {found}\n{cure}"


@each_rule
def test_an_example_has_one_fault_that_is_shown_and_the_cure_has_none(rule: Rule) -> None:
    is_info = rule.severity is Severity.INFO
    for example in code_blocks(section(rule, "Example")):
        told = Report(looked_into(example), pedantic=is_info).shown()
        codes = {d.code for d in told if d.code == rule.code or d.severity > Severity.INFO}
        assert codes == {rule.code}, f"a reader who tries it is told {codes or 'nothing'}"
    for cure in code_blocks(section(rule, "Use instead")):
        assert not Report(looked_into(cure)).shown()


def looked_into(text: str) -> list[Diagnostic]:
    """What a check of this one file finds, by all rules whose words stand in it."""
    data = text.encode()
    words = triage.mentioned(data, [rule.needs for rule in RULES])
    result = look_into(data, Path("train.py"), words)
    assert result.failures == []
    return result.diagnostics


def section(rule: Rule, heading: str) -> str:
    _, _, rest = rule.documentation.partition(f"## {heading}\n")
    return re.split(r"^## ", rest, maxsplit=1, flags=re.M)[0].strip()


def code_blocks(text: str) -> list[str]:
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert blocks, f"there is no example in:\n{text}"
    return blocks


@lru_cache
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts/make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documentation_is_current() -> None:
    stale = [str(path.relative_to(ROOT)) for path in make_docs().stale()]
    assert not stale, "run `python scripts/make_docs.py --write`"


@each_rule
def test_a_report_links_to_the_documentation_of_its_rule(rule: Rule) -> None:
    assert rule.url == f"{DOCUMENTATION_URL}#{rule.name}"
    page = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    assert page.count(f"\n## {rule.name}\n") == 1


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_opens_with_two_commands_for_a_fresh_machine() -> None:
    commands = re.findall(r"^```sh\n(.*?)^```$", readme(), re.M | re.S)
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
    assert "trainlint check examples" in commands[0]
    assert "pytest" in commands[1]


def test_the_readme_names_every_command_format_and_setting() -> None:
    text = readme()
    assert [name for name in COMMANDS if f"`trainlint {name}" not in text] == []
    assert [name for name in FORMATS if name not in text] == []
    toml = re.search(r"^```toml\n(.*?)^```$", text, re.M | re.S)
    assert toml is not None
    assert parse_settings(toml[1], "/project/pyproject.toml") is not None
    assert [key for key in KEYS if not re.search(rf"^(\[.*\.)?{key}\b", toml[1], re.M)] == []


def test_the_readme_shows_the_hooks_and_inputs_that_exist() -> None:
    hooks = {hook["id"] for hook in load_yaml(".pre-commit-hooks.yaml")}
    inputs = set(load_yaml("action.yml")["inputs"])
    shown = [yaml.safe_load(b) for b in re.findall(r"^```yaml\n(.*?)^```$", readme(), re.M | re.S)]
    repository = shown[0]["repos"][0]
    assert {hook["id"] for hook in repository["hooks"]} == hooks
    assert repository["rev"] == f"v{__version__}"
    step = shown[1][1]
    assert step["uses"].endswith(f"@v{__version__}")
    assert set(step["with"]) <= inputs
    assert [name for name in inputs - set(step["with"]) if f"`{name}`" not in readme()] == []


def test_the_hooks_are_ones_that_pre_commit_takes_and_trainlint_understands() -> None:
    pre_commit = Path(sys.executable).with_name("pre-commit")
    command = [str(pre_commit), "validate-manifest", ".pre-commit-hooks.yaml"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for hook in load_yaml(".pre-commit-hooks.yaml"):
        program, *words = shlex.split(hook["entry"])
        assert program == "trainlint"
        assert arguments.parse([*words, "a.py", "b.ipynb"]).force_exclude
        assert hook["require_serial"]
        assert hook["types_or"] == ["python", "jupyter"]


PAGES = ["README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md"]
PAGES += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_inside_the_repository_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", prose):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def headings(page: Path) -> set[str]:
    """The anchors of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_text_names_the_same_oldest_python() -> None:
    project = load_toml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = project["project"]["requires-python"].removeprefix(">=")
    listed = [
        c.rpartition(" ")[2] for c in project["project"]["classifiers"] if "Python :: 3." in c
    ]
    assert listed[0] == oldest == project["tool"]["mypy"]["python_version"]
    assert project["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    for page in ("README.md", "action.yml", ".ci/run"):
        told = re.findall(r"(\d\.\d+)\s+or\s+newer", (ROOT / page).read_text(encoding="utf-8"))
        assert set(told) == {oldest}, page


def test_the_changelog_knows_the_present_version() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert __version__ in headings[0]


def load_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


# Triage


@each_rule
def test_the_words_that_a_rule_needs_stand_in_all_that_it_finds(rule: Rule) -> None:
    for path in (FIXTURES / rule.name).glob("bad*.py"):
        if path.suffixes == [".py"]:
            words = triage.mentioned(path.read_bytes(), [rule.needs])
            assert rule.needs.met(words), path


def all_fixtures() -> list[Path]:
    return sorted((*FIXTURES.rglob("*.py"), *FIXTURES.rglob("*.ipynb")))


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in all_fixtures()}), ids=lambda p: p.name
)
def test_triage_changes_no_result(folder: Path) -> None:
    needs = [rule.needs for rule in RULES]
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".py", ".ipynb")):
        data = path.read_bytes()
        words = triage.mentioned(data, needs)
        with_triage = Result()
        if any(need.met(words) for need in needs):
            with_triage = look_into(data, path, words)
        without = look_into(data, path, None)
        assert with_triage.diagnostics == without.diagnostics, path
        assert with_triage.failures == without.failures == [], path


def look_into(data: bytes, path: Path, words: frozenset[bytes] | None) -> Result:
    orders = worker.Orders(Sources(), tuple(rule.code for rule in RULES), {}, {}, {})
    return worker.check(decode(path.name, data), orders, frozenset(), words)


def test_a_word_inside_a_longer_one_is_found() -> None:
    needs = triage.all_of("load", triage.any_of("torch", "torchvision"))
    assert needs.met(triage.mentioned(b"torchvision.load_all()", [needs]))


# The network


def test_a_check_opens_no_socket_and_imports_no_torch() -> None:
    program = """
import sys

def refuse(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(refuse)
from trainlint.cli import main
for command in (["check"], ["fix", "--unsafe"]):
    code = main([*command, "--no-cache", "--jobs=1", "examples", "fixtures/projects"])
    assert code == 1, code
loaded = {"torch", "numpy", "sklearn", "librosa"} & set(sys.modules)
assert not loaded, loaded
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


# What is shipped


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def build(target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


def test_the_wheel_holds_the_package_and_its_rules_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "trainlint",
        f"trainlint-{__version__}.dist-info",
    }
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "trainlint").rglob("*.py")}
    below = (ROOT / "rules").rglob("*.*")
    shown = [path.relative_to(ROOT) for path in below if path.suffix in {".py", ".json"}]
    rules = {f"trainlint/{path.as_posix()}" for path in shown}
    tables = {name for name in rules if name.endswith(".json")}
    assert tables, "the tables are among the rules"
    shipped_files = {name for name in names if name.startswith("trainlint/")}
    assert shipped_files == sources | rules | {"trainlint/py.typed"}


def test_the_wheel_works_apart_from_its_checkout(wheel: Path, tmp_path: Path) -> None:
    """Beside a folder that is called ``rules``, too."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "work/rules").mkdir(parents=True)
    (tmp_path / "work/rules/__init__.py").write_text("raise RuntimeError('not this one')\n")
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from trainlint.cli import main
sys.exit(main(["rules"]))
"""
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "site")],
        cwd=tmp_path / "work",
        check=True,
        capture_output=True,
        text=True,
    )
    codes = [line.split()[0] for line in run.stdout.splitlines()]
    rules = [rule.code for rule in RULES]
    checks = [check.code for check in runtime_checks() if check.code not in rules]
    assert codes == [*rules, *checks]


def test_the_source_distribution_holds_what_a_wheel_is_made_of(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}
    assert tops - {"PKG-INFO", ".gitignore"} == {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "rules",
        "trainlint",
    }


def test_every_safety_is_explained_in_the_readme() -> None:
    assert all(f"`{safety}`" in readme() for safety in Safety)
