"""The tables of changes: how they are made, what they say, and that nothing in them was made up."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from trainlint.config.targets import NEWEST, Range
from trainlint.semantics.migrations import Library, Tables
from trainlint.triage import any_of, mentioned

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "rules" / "migrations"
sys.path.insert(0, str(ROOT / "scripts"))

import make_tables  # noqa: E402
from make_tables import take_shot  # noqa: E402
from tables.additions import additions, moved_modules  # noqa: E402
from tables.releases import Release  # noqa: E402
from tables.words import tables_in, write_words  # noqa: E402

OLD = {
    "tune/__init__.py": "from ._load import load, old_load\nfrom .model import Net\n",
    "tune/_load.py": "def load(path, sr=22050): pass\ndef old_load(path): pass\n",
    "tune/model.py": (
        "import warnings\n"
        "class Base:\n"
        "    def fit(self, data, loops=1): pass\n"
        "    def names(self): pass\n"
        "class Net(Base):\n"
        "    def __init__(self, width, gpus=None, depth=1): pass\n"
        "SMOOTH = 1\n"
    ),
    "tune/legacy.py": "def solve(a): pass\ndef _own(a): pass\n",
}
MIDDLE = {
    **OLD,
    "tune/_load.py": (
        "import warnings\n"
        "def load(path, *, sr=22050): pass\n"
        "def old_load(path):\n"
        "    warnings.warn('`old_load` is deprecated, use `load` instead', FutureWarning)\n"
    ),
    "tune/model.py": (
        "import warnings\n"
        "class Base:\n"
        "    def fit(self, data, loops=None, epochs=1):\n"
        "        if loops is not None:\n"
        "            warnings.warn('`loops` was renamed to `epochs`', FutureWarning)\n"
        "    def names(self): pass\n"
        "class Net(Base):\n"
        "    def __init__(self, width, gpus='deprecated', depth=1): pass\n"
        "SMOOTH = 1\n"
    ),
    "tune/legacy.py": "def solve(a):\n    raise RuntimeError('solve was removed, use tune.load')\n",
}
NEW = {
    "tune/__init__.py": "from ._load import load\nfrom .model import Net\n",
    "tune/_load.py": "def load(path, *, sr=22050): pass\n",
    "tune/model.py": (
        "class Base:\n"
        "    def fit(self, data, epochs=1): pass\n"
        "class Net(Base):\n"
        "    def __init__(self, width, depth=1): pass\n"
    ),
}


def wheel(folder: Path, version: str, sources: dict[str, str]) -> Path:
    path = folder / f"tune-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in sources.items():
            archive.writestr(name, text)
    return path


def made(folder: Path, *releases: dict[str, str]) -> dict[str, dict[str, Any]]:
    paths = [wheel(folder, f"{at}.0", sources) for at, sources in enumerate(releases, 1)]
    output = folder / "tune.json"
    assert make_tables.main(["tune", *map(str, paths), "--changes", "--output", str(output)]) == 0
    table = json.loads(output.read_text())
    rows = {name: row for row in table["rows"] for name in row["names"]}
    return {**rows, "": table["modules"]}


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return made(tmp_path, OLD, MIDDLE, NEW)


def test_a_function_that_warned_and_went(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["tune.old_load"] == {
        "names": ["tune.old_load"],
        "removed": "3.0",
        "deprecated": "2.0",
        "says": "its releases point to `load`",
    }


def test_an_argument_that_became_keyword_only(rows: dict[str, dict[str, Any]]) -> None:
    row = rows["tune.load"]
    assert (row["keyword_only"], row["positions"], row["parameters"]) == ("2.0", 1, ["path", "sr"])


def test_parameters_of_classes_and_inherited_methods(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["tune.Net"]["gone"] == [
        {"name": "gpus", "removed": "3.0", "position": 1, "deprecated": "2.0"}
    ]
    renamed = {"old": "loops", "new": "epochs", "since": "2.0", "removed": "3.0"}
    assert rows["tune.Net.fit"]["renamed"] == [renamed]
    assert rows["tune.Net.names"]["removed"] == "3.0"


def test_a_module_that_went_says_it_for_its_names(rows: dict[str, dict[str, Any]]) -> None:
    assert rows[""] == {"tune.legacy": "3.0"}
    assert not [name for name in rows if name.startswith("tune.legacy")]
    assert rows["tune.model.SMOOTH"]["removed"] == "3.0"


def test_a_function_that_only_raises_is_gone(tmp_path: Path) -> None:
    rows = made(tmp_path, OLD, MIDDLE)
    assert rows["tune.legacy.solve"]["removed"] == "2.0"
    assert "tune.legacy._own" not in rows


@pytest.mark.parametrize(
    "module",
    [
        "from ._C import load, old_load\nfrom .model import Net\n",
        "def __getattr__(name):\n    return getattr(_load, name)\nfrom .model import Net\n",
        "from .native import *\nfrom .model import Net\n",
        "import sys\nfor name in ('load', 'old_load'):\n    globals()[name] = 1\nNet = 1\n",
    ],
)
def test_what_only_the_running_package_tells_is_not_gone(tmp_path: Path, module: str) -> None:
    rows = made(tmp_path, OLD, {**OLD, "tune/__init__.py": module})
    assert not [name for name, row in rows.items() if name.startswith("tune.") and "removed" in row]


def test_what_a_metaclass_defines_is_a_member_of_its_classes(tmp_path: Path) -> None:
    meta = "class _Meta(type):\n    @property\n    def DEFAULT(cls): return 1\n"
    before = {"tune/__init__.py": "class Device:\n    DEFAULT = None\n    FIRST = None\n"}
    after = {"tune/__init__.py": meta + "class Device(metaclass=_Meta): pass\n"}
    rows = made(tmp_path, before, after)
    assert "tune.Device.DEFAULT" not in rows
    assert rows["tune.Device.FIRST"]["removed"] == "2.0"


def test_a_metaclass_of_elsewhere_may_define_anything(tmp_path: Path) -> None:
    before = {"tune/__init__.py": "class Device:\n    FIRST = None\n"}
    after = {"tune/__init__.py": "import kit\nclass Device(metaclass=kit.Meta): pass\n"}
    assert "tune.Device.FIRST" not in made(tmp_path, before, after)


def test_the_check_denies_that_a_member_went_into_the_metaclass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = "class _Meta(type):\n    @property\n    def DEFAULT(cls): return 1\n"
    before = {"tune/__init__.py": "class Device:\n    DEFAULT = None\n    FIRST = None\n"}
    made(tmp_path, before, {"tune/__init__.py": meta + "class Device(metaclass=_Meta): pass\n"})
    output = tmp_path / "tune.json"
    output.write_text(output.read_text().replace("Device.FIRST", "Device.DEFAULT"))
    (tmp_path / "by_hand.json").write_text('{"libraries": {}}')
    paths = [str(path) for path in sorted(tmp_path.glob("*.whl"))]
    given = ["tune", *paths, "--changes", "--output", str(output), "--check", "99"]
    assert make_tables.main(given) == 1
    assert "tune.Device.DEFAULT removed 2.0: is still there in 2.0" in capsys.readouterr().out


def test_the_check_finds_a_row_that_no_release_bears_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path, OLD, MIDDLE, NEW)
    output = tmp_path / "tune.json"
    (tmp_path / "by_hand.json").write_text('{"libraries": {}}')
    paths = [str(path) for path in sorted(tmp_path.glob("*.whl"))]
    given = ["tune", *paths, "--changes", "--output", str(output), "--check", "99"]
    assert make_tables.main(given) == 0
    assert "0 false" in capsys.readouterr().out
    output.write_text(output.read_text().replace('"tune.old_load"', '"tune.load"'))
    assert make_tables.main(given) == 1
    assert "tune.load removed 3.0: is still there in 3.0" in capsys.readouterr().out


def test_defaults_that_changed_but_for_those_that_ask_for_a_warning(tmp_path: Path) -> None:
    def release(default: str) -> dict[str, str]:
        return {"tune/__init__.py": f"def fit(x, folds={default}, seed=None, scale=1): pass\n"}

    rows = made(tmp_path, release("3"), release("'warn'"), release("5"))
    changed = {"name": "folds", "was": "3", "now": "5", "since": "3.0"}
    assert rows["tune.fit"]["defaults"] == [changed]


def test_names_that_came_and_modules_that_moved(tmp_path: Path) -> None:
    before = {
        "tune/__init__.py": "from .layers.norm import Norm\n",
        "tune/layers/__init__.py": "",
        "tune/layers/norm.py": "class Norm:\n    def __init__(self, width): pass\n",
    }
    after = {
        "tune/__init__.py": "from .norms import Norm\nfrom .more import scale\n",
        "tune/norms.py": "class Norm:\n    def __init__(self, width, bias=True): pass\n",
        "tune/more.py": "def scale(x): pass\n",
    }
    shots = [take_shot(Release(f"{at}.0", s), wide=True) for at, s in enumerate((before, after), 1)]
    used = ["tune.scale", "tune.Norm(bias)", "tune.Norm(width)", "tune.more", "tune.nothing"]
    came = ["tune.Norm(bias)", "tune.more", "tune.scale"]
    assert additions(shots, used) == {"2.0": came}
    assert moved_modules(shots, ["tune.layers.norm"]) == {"tune.layers.norm": "tune"}


# The tables that are shipped


def shipped() -> Tables:
    return Tables(lambda name: (FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def library(package: str) -> Library:
    return shipped().among([package])[package]


def test_every_row_by_hand_has_a_source_and_its_library_a_target() -> None:
    written = json.loads((FOLDER / "by_hand.json").read_text(encoding="utf-8"))["libraries"]
    for name, held in written.items():
        assert {*held["targets"].values()} <= {*NEWEST}, name
        assert all(row["source"].startswith("https://") for row in held["rows"])
    assert len(tables_in(FOLDER)) == len(written)


def test_tables_are_small_and_know_their_releases() -> None:
    for name in tables_in(FOLDER):
        path = FOLDER / f"{name}.json"
        table = json.loads(path.read_text(encoding="utf-8"))
        assert path.stat().st_size < 100_000, name
        assert table["releases"] == sorted(table["releases"], key=Version)
        for row in table["rows"]:
            told = {row[key] for key in ("removed", "deprecated", "keyword_only") if key in row}
            told |= {item["removed"] for item in row.get("gone", ())}
            assert told <= {*table["releases"]}
            assert not [n for n in row["names"] if "._" in n]


def test_nothing_takes_its_own_place() -> None:
    for library in shipped().all().values():
        held = (library.parameters, library.families, library.defaults)
        parameters = [change for each in held for told in each.values() for change in told]
        assert not [name for name, change in library.names.items() if change.instead == name]
        assert not [each for each in parameters if each.instead == (each.parameter or each.name)]


def test_the_trigger_words_are_those_of_the_tables(tmp_path: Path) -> None:
    for path in FOLDER.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_words(tmp_path)
    assert (tmp_path / "words.json").read_text() == (FOLDER / "words.json").read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"import numpy as np\nx.astype(np.float)", True),
        (b"import numpy as np\nfloat(x); y.float(); np.float32(1)", False),
        (b"from PIL import Image\nx.resize(s, Image.ANTIALIAS)", True),
        (b"from PIL import Image\nx.resize(s, Image.LANCZOS)", False),
        (b"import pandas as pd\ndf = pd.DataFrame(p)\nrows.append(df)", False),
        (b"import pandas as pd\ndf = pd.read_csv(p)\ndf = df.append(row)", True),
        (b"import torch\nmodel = torch.nn.Linear(1, 2)\nloss.backward()", False),
    ],
)
def test_a_file_without_the_words_is_not_parsed(text: bytes, expected: bool) -> None:
    words = json.loads((FOLDER / "words.json").read_text(encoding="utf-8"))["removed"]
    needs = any_of(*words)
    assert needs.met(mentioned(text, [needs])) is expected


def test_what_other_rules_speak_of_is_left_out() -> None:
    torch = library("torch")
    names = {*torch.names, *torch.parameters, *torch.surpluses, *torch.modules}
    assert not [n for n in names if n.startswith(("torch.cuda.amp", "torch.cpu.amp", "librosa"))]
    assert "torch.load" not in torch.parameters


def test_a_name_that_came_back_is_gone_only_between() -> None:
    change = library("numpy").names["numpy.bool"]
    assert change.is_removed(Range.parse("1.20..1.25"))
    assert not change.is_removed(Range.parse(">=2.0"))
    assert change.is_deprecated(Range.parse("==1.22.0"))


def test_what_came_with_a_release_is_known_by_the_way_it_is_written() -> None:
    added = library("torchvision").added
    assert added["torchvision.transforms.v2"] == (0, 15, 1)
    assert library("transformers").added["transformers.TrainingArguments(eval_strategy)"] == (
        4,
        41,
        0,
    )


def test_the_names_of_a_module_that_moved_have_a_place() -> None:
    change = library("sklearn").change("sklearn.ensemble.forest.RandomForestClassifier")
    assert change is not None
    assert (change.instead, change.same) == ("sklearn.ensemble.RandomForestClassifier", True)
