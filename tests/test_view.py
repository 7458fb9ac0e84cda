"""A project seen from one of its files: imports, callers, contexts, and what results depend on."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

from trainlint.check import check_source
from trainlint.diagnostics import Confidence
from trainlint.project.graph import Graph
from trainlint.project.imports import Import, added_to_path, code, imports
from trainlint.registry import shipped
from trainlint.run import Checked, Options, check
from trainlint.semantics.facts import Surroundings
from trainlint.testing import Memory, project_of
from trainlint.text.source import decode
from trainlint.work import parsing

MODEL = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 1)

        def forward(self, x):
            return torch.sigmoid(self.head(x))

    def unrelated():
        return 1
"""
TRAINER = """
    import torch
    from torch import nn

    class Trainer:
        def __init__(self, model):
            self.model = model
            self.criterion = nn.BCELoss()

        def step(self, x, y):
            with torch.autocast("cuda"):
                out = self.model(x)
                loss = self.criterion(out, y)
            loss.backward()
"""
MAIN = """
    from model import Net
    from trainer import Trainer

    def main(x, y):
        Trainer(Net()).step(x, y)
"""


PLAIN_TRAINER = TRAINER.replace('with torch.autocast("cuda")', "if True")


def texts(**files: str) -> dict[str, str]:
    return {
        name.replace("__", "/").replace("/init/", "/__init__") + ".py": textwrap.dedent(text)
        for name, text in files.items()
    }


def codes(project: dict[str, str], path: str) -> list[str]:
    """What all rules find in one file of a project in memory."""
    around = Surroundings({}, {}, project=project_of(project))
    source = decode(path, project[path].encode())
    outcome = check_source(source, shipped().rules, around)
    assert not outcome.failures
    return [d.code for d in outcome.diagnostics]


def trail(project: dict[str, str], path: str) -> list[str]:
    around = Surroundings({}, {}, project=project_of(project))
    source = decode(path, project[path].encode())
    outcome = check_source(source, shipped().rules, around)
    return [place.location.path for d in outcome.diagnostics for place in d.related]


# Imports


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import a.b as c, d", [Import(0, "a.b", ()), Import(0, "d", ())]),
        ("from . import (a,  # first\n  b as c)", [Import(1, "", ("a", "b"))]),
        ("from ..m import *", [Import(2, "m", ("*",))]),
        ("from a import b; x = 1", [Import(0, "a", ("b",))]),
        ("import a, \\\n    b", [Import(0, "a", ()), Import(0, "b", ())]),
        ('   "from a import b\\n",', [Import(0, "a", ("b",))]),
        ("    from a import b as c, d", [Import(0, "a", ("b", "d"))]),
        ("important = from_here", []),
    ],
)
def test_imports_are_read_without_a_parse(line, found):
    assert list(imports(line.encode())) == found


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("a = 1  # one\n\n# two\nb = 2\n", "a = 1\nb = 2"),
        ("a = '#1'  # 'one'\n", "a = '#1'"),
        (r'a = "\"#1"  # "one"' + "\n", r'a = "\"#1"'),
        ('"""It\'s\n# no comment\n"""  # one\n', '"""It\'s\n# no comment\n"""'),
        ("'''a\"\"\"#b'''#c\nd\n", "'''a\"\"\"#b'''\nd"),
        ("a  # don't\nb = 'x'  # it's\n", "a\nb = 'x'"),
        ("# one\ra = 1\r", "\ra = 1"),
    ],
)
def test_comments_and_blank_lines_are_no_code(text, bare):
    assert code(text.encode()).decode() == bare


def test_folders_added_to_the_path_are_read():
    text = b"sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'src'))\n"
    assert added_to_path(text) == ("src",)


@pytest.mark.parametrize(
    ("files", "importer", "level", "dotted", "place"),
    [
        (["a.py", "b.py"], "a.py", 0, "b", "b.py"),
        (["pkg/__init__.py", "pkg/a.py", "pkg/b.py"], "pkg/a.py", 1, "b", "pkg/b.py"),
        (["pkg/__init__.py", "main.py"], "main.py", 0, "pkg", "pkg/__init__.py"),
        (["pkg/a.py", "main.py"], "main.py", 0, "pkg.a", "pkg/a.py"),  # a namespace package
        (
            ["src/pkg/__init__.py", "scripts/run.py"],
            "scripts/run.py",
            0,
            "pkg",
            "src/pkg/__init__.py",
        ),
        (["models/net.py", "scripts/run.py"], "scripts/run.py", 0, "models.net", "models/net.py"),
        (["a/utils.py", "utils.py", "a/run.py"], "a/run.py", 0, "utils", "a/utils.py"),
        (["run.py"], "run.py", 0, "torch", None),
        (["nets/torch.py"], "nets/torch.py", 0, "torch", None),
        (["nets/torch.py", "nets/run.py"], "nets/run.py", 0, "torch", "nets/torch.py"),
        (["p/utils.py", "utils.py", "p/q/run.py"], "p/q/run.py", 0, "utils", None),  # which one?
    ],
)
def test_an_import_means_the_file_that_python_would_find(files, importer, level, dotted, place):
    graph = Graph(Memory(dict.fromkeys(files, "")))
    assert graph.find(importer, level, dotted) == place


# Values across files


def test_a_model_handed_over_in_a_third_file_is_followed():
    project = texts(model=MODEL, trainer=TRAINER, main=MAIN)
    assert codes(project, "trainer.py") == ["AMP001"]
    assert set(trail(project, "trainer.py")) == {"model.py", "trainer.py"}


@pytest.mark.parametrize(
    "main",
    [
        "import model\nfrom trainer import Trainer\nTrainer(model.Net())\n",
        "from model import *\nfrom trainer import Trainer\nTrainer(Net())\n",
        "from model import Net as Model\nimport trainer as t\nt.Trainer(model=Model())\n",
        "from model import Net\nfrom trainer import Trainer\nmake = {'net': Net}\n"
        "Trainer(make['net']())\n",
        "import model, trainer\nargs = {'model': model.Net()}\ntrainer.Trainer(args['model'])\n",
    ],
)
def test_every_style_of_import_and_call_leads_to_the_model(main):
    project = texts(model=MODEL, trainer=PLAIN_TRAINER, main="")
    project["main.py"] = main
    assert codes(project, "trainer.py") == ["AMP002"]


def test_a_name_is_handed_on_by_a_package():
    project = texts(nets__a=MODEL, trainer=PLAIN_TRAINER)
    project["nets/__init__.py"] = "from .a import Net\n"
    project["main.py"] = "from nets import Net\nfrom trainer import Trainer\nTrainer(Net())\n"
    assert codes(project, "trainer.py") == ["AMP002"]


def test_imports_in_a_circle_end():
    project = {
        "a.py": "from b import x\n\ndef f():\n    return x\n",
        "b.py": "from a import f, x\n",
        "c.py": "from a import x\nimport torch\nloss = torch.nn.BCELoss()(x, x)\n",
    }
    assert codes(project, "c.py") == []


def test_a_model_that_a_registry_picks_is_unknown():
    project = texts(model=MODEL, trainer=PLAIN_TRAINER)
    project["main.py"] = (
        "import model\nfrom trainer import Trainer\n\n"
        "def main(name):\n    Trainer(getattr(model, name)())\n"
    )
    assert codes(project, "trainer.py") == []


def test_a_mock_elsewhere_silences_nothing_and_keeps_the_fix_back():
    project = texts(model=MODEL, trainer=TRAINER, main=MAIN)
    project["test_trainer.py"] = (
        "from unittest.mock import Mock\nfrom trainer import Trainer\n\n"
        "def test_step():\n    Trainer(Mock()).step(1, 2)\n"
    )
    around = Surroundings({}, {}, project=project_of(project))
    source = decode("trainer.py", project["trainer.py"].encode())
    found = check_source(source, shipped().rules, around).diagnostics
    assert [d.code for d in found] == ["AMP001"]
    assert all(len({e.location.path for e in fix.edits}) == 1 for fix in found[0].fixes)


def test_two_modules_of_one_name_are_told_apart():
    other = MODEL.replace("torch.sigmoid(self.head(x))", "self.head(x)")
    project = texts(trainer=PLAIN_TRAINER)
    project["one/model.py"] = textwrap.dedent(MODEL)
    project["two/model.py"] = textwrap.dedent(other)
    project["two/main.py"] = "from model import Net\nfrom trainer import Trainer\nTrainer(Net())\n"
    assert codes(project, "trainer.py") == ["LOS003"]
    project["one/main.py"] = project.pop("two/main.py")
    assert codes(project, "trainer.py") == ["AMP002"]


# What a result depends on


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".git").mkdir()
    for path, text in texts(model=MODEL, trainer=TRAINER, main=MAIN).items():
        (folder / path).write_text(text)
    (folder / "other").mkdir()
    (folder / "other" / "alone.py").write_text("try:\n    pass\nexcept Exception:\n    pass\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def run(root: Path, *paths: str) -> Checked:
    return check(paths or (".",), Options(cache_dir=str(root.parent / "cache"), jobs=1))


def looked_into(checked: Checked) -> list[str]:
    return sorted(item.path for item in checked.items if not item.cached)


def found(checked: Checked) -> list[tuple[str, str]]:
    return [(d.location.path, d.code) for d in checked.report.shown() if d.code.startswith("AMP")]


def write(path: Path, text: str) -> None:
    """Write, with a time that differs from that of the last run."""
    import os

    path.write_text(text)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 10_000_000_000))


def settle(root: Path) -> None:
    for path in root.rglob("*.py"):
        write(path, path.read_text())


def test_an_unchanged_project_is_not_looked_into_again(root):
    settle(root)
    assert found(run(root)) == [("trainer.py", "AMP001")]
    again = run(root)
    assert looked_into(again) == []
    assert found(again) == [("trainer.py", "AMP001")]


def test_an_edited_model_changes_what_is_said_of_its_trainer(root):
    settle(root)
    run(root)
    without = (root / "model.py").read_text().replace("torch.sigmoid(self.head(x))", "self.head(x)")
    write(root / "model.py", without)
    again = run(root)
    assert "trainer.py" in looked_into(again)
    assert found(again) == [("trainer.py", "AMP001")]
    places = [p for d in again.report.diagnostics if d.code == "AMP001" for p in d.related]
    assert "model.py" not in {place.location.path for place in places}


def test_an_edit_elsewhere_leaves_the_results_of_a_component_alone(root):
    settle(root)
    run(root)
    write(root / "other" / "alone.py", "value = 1\n")
    assert looked_into(run(root)) == ["other/alone.py"]


def test_a_comment_elsewhere_leaves_results_alone_that_name_no_place_there(root):
    settle(root)
    run(root)
    write(root / "model.py", "# the network\n\n" + (root / "model.py").read_text())
    again = run(root)
    assert looked_into(again) == ["model.py", "trainer.py"]
    places = [p.location for d in again.report.diagnostics if d.code == "AMP001" for p in d.related]
    lines = (root / "model.py").read_text().splitlines()
    assert ["sigmoid" in lines[p.line - 1] for p in places if p.path == "model.py"][:1] == [True]


def test_a_tree_that_is_checked_out_again_is_not_looked_into_again(root, monkeypatch):
    settle(root)
    before = found(run(root))
    copy = root.parent / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    monkeypatch.chdir(copy)
    again = run(copy)
    assert (looked_into(again), found(again)) == ([], before)


def test_what_was_found_while_a_file_changed_is_not_kept(root, monkeypatch):
    parse = parsing.parse

    def meanwhile(*given):
        parse(*given)
        write(root / "model.py", (root / "model.py").read_text() + "\nlater = 1\n")

    settle(root)
    with monkeypatch.context() as patch:
        patch.setattr(parsing, "parse", meanwhile)
        run(root)
    assert looked_into(run(root)) == ["main.py", "model.py", "other/alone.py", "trainer.py"]


@pytest.mark.parametrize("change", ["new", "gone", "renamed"])
def test_callers_that_come_and_go_change_results(root, change):
    (root / "trainer.py").write_text(
        (root / "trainer.py").read_text().replace('with torch.autocast("cuda")', "if True")
    )
    main = (root / "main.py").read_text()
    if change == "new":
        (root / "main.py").unlink()
    settle(root)
    before = found(run(root))
    assert before == ([] if change == "new" else [("trainer.py", "AMP002")])
    if change == "new":
        write(root / "main.py", main)
    elif change == "gone":
        (root / "main.py").unlink()
    else:
        write(
            root / "main.py",
            main.replace("import Trainer", "import Trainer as T").replace("Trainer(N", "T(N"),
        )
    after = found(run(root))
    assert after == ([] if change == "gone" else [("trainer.py", "AMP002")])


def test_a_module_that_comes_to_shadow_an_import_changes_results(root):
    settle(root)
    (root / "app").mkdir()
    write(root / "app" / "main.py", (root / "main.py").read_text())
    (root / "main.py").unlink()
    trainer = (root / "trainer.py").read_text().replace('with torch.autocast("cuda")', "if True")
    write(root / "trainer.py", trainer)
    assert found(run(root)) == [("trainer.py", "AMP002")]
    write(root / "app" / "model.py", "class Net:\n    def __call__(self, x):\n        return x\n")
    assert found(run(root)) == []


def test_a_file_that_is_called_like_a_library_imports_the_library(root):
    (root / "nets").mkdir()
    (root / "model.py").rename(root / "nets" / "torch.py")
    for name in ("main.py", "trainer.py"):
        text = (root / name).read_text().replace("from model import", "from nets.torch import")
        (root / name).write_text(text)
    settle(root)
    checked = run(root)
    assert found(checked) == [("trainer.py", "AMP001")]
    places = [p for d in checked.report.diagnostics if d.code == "AMP001" for p in d.related]
    assert "nets/torch.py" in {place.location.path for place in places}


def test_one_named_file_is_seen_in_its_project(root):
    assert found(run(root, "trainer.py")) == [("trainer.py", "AMP001")]


def test_a_finding_with_a_place_in_the_named_file_is_reported(root):
    assert found(run(root, "model.py")) == [("trainer.py", "AMP001")]
    assert found(run(root, "other/alone.py")) == []


def test_triage_changes_no_result(root):
    """What the words let through is all that a run without them finds."""
    words = {(d.location.path, d.code, d.location.line) for d in run(root).report.diagnostics}
    everything = set()
    project = {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*.py")}
    for path, text in project.items():
        around = Surroundings({}, {}, project=project_of(project))
        outcome = check_source(decode(path, text.encode()), shipped().rules, around)
        everything |= {(path, d.code, d.location.line) for d in outcome.diagnostics}
    assert words == everything


@pytest.mark.parametrize(("importers", "safety"), [(5, "unsafe"), (60, "shown")])
def test_a_group_fix_is_only_shown_where_too_many_files_would_have_to_be_read(importers, safety):
    trainer = TRAINER.replace('autocast("cuda")', 'autocast("cuda", enabled=flag)')
    project = texts(model=MODEL, trainer=trainer.replace("x, y)", "x, y, flag=1)", 1), main=MAIN)
    for number in range(importers):
        project[f"use{number}.py"] = "from model import Net\nfrom trainer import Trainer\n"
    around = Surroundings({}, {}, project=project_of(project))
    source = decode("trainer.py", project["trainer.py"].encode())
    outcome = check_source(source, shipped().rules, around)
    fixes = [d.fixes[0] for d in outcome.diagnostics if d.code == "AMP001"]
    assert [fix.safety for fix in fixes] == [safety]


SAVES = """
    import numpy as np
    import torch

    def keep(model, losses):
        torch.save({"model": model.state_dict(), "loss": np.mean(losses)}, "best.pt")
"""
READS = """
    import torch
    {}

    best = torch.load("best.pt")
    print(best["model"], best["loss"])
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("from nets.wide import Wide", Confidence.HIGH),
        ("from nets.deep import Deep", Confidence.LOW),  # nets has no such module
        ("from spaces.deep import Deep", Confidence.HIGH),  # an installed package may hide it
        ("from torch.deep import Deep", Confidence.HIGH),
        ("from .deep import Deep", Confidence.HIGH),
    ],
)
def test_a_reader_that_cannot_be_imported_is_less_sure(line: str, wanted: Confidence) -> None:
    project = texts(
        keeper=SAVES,
        reader=READS.format(line),
        nets__wide="class Wide: ...",
        spaces__wide="class Wide: ...",
    )
    project["nets/__init__.py"] = ""
    around = Surroundings({}, {}, project=project_of(project))
    source = decode("keeper.py", project["keeper.py"].encode())
    rules = [rule for rule in shipped().rules if rule.code == "CKP003"]
    [found] = check_source(source, rules, around).diagnostics
    assert found.confidence == wanted
