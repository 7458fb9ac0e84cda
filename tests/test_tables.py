"""The table maker on tiny releases, and what is known for sure about the tables it made."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import make_tables  # noqa: E402
from packaging.version import Version  # noqa: E402
from tables.archives import read_archive, read_zip, write_partial  # noqa: E402
from tables.releases import (  # noqa: E402
    Artifact,
    Wanted,
    artifact_of,
    open_releases,
    pick_artifacts,
    pythons,
)
from tables.signatures import read_module  # noqa: E402
from tables.surface import Surface  # noqa: E402

OLD = {
    "tune/__init__.py": "from .core import *\nfrom . import filters\n",
    "tune/core/__init__.py": "from .audio import *\n",
    "tune/core/audio.py": (
        "def load(path, sr=22050, mono=True): pass\n"
        "def logamp(S, ref_power=1.0): pass\n"
        "def duration(y=None, filename=None): pass\n"
        "def frame(y, size): pass\n"
        "def kept(a, b): pass\n"
    ),
    "tune/filters.py": "def mel(sr, n_fft, n_mels=128): pass\ndef _hidden(a): pass\n",
    "tune/output.py": "import numpy as np\ndef write(path, y): pass\n",
}
MIDDLE = {
    **OLD,
    "tune/core/audio.py": (
        "from .util import deprecate_positional_args, deprecated, moved, rename_kw\n"
        "@deprecate_positional_args\n"
        "def load(path, *, fast=False, sr=22050, mono=True): pass\n"
        "def amp(S, ref=1.0): pass\n"
        "logamp = moved('tune.logamp', '2.0', '3.0')(amp)\n"
        "def duration(*, y=None, path=None, filename=Deprecated()):\n"
        "    path = rename_kw(old_name='filename', old_value=filename, new_name='path')\n"
        "def frame(x, size): pass\n"
        "def kept(a, b): pass\n"
    ),
    "tune/filters.py": (
        "@deprecate_positional_args\ndef mel(*, sr, n_fft, n_mels=128): pass\n"
        "def _hidden(a): pass\n"
    ),
    "tune/output.py": (
        "from .util import deprecated\n@deprecated('2.0', '3.0')\n"
        "def write(path, y):\n"
        '    """Write.\n\n    .. warning:: Going in 3.0.\n'
        '        Use `disk.write`.\n\n    More.\n    """\n'
    ),
}
NEW = {
    "tune/__init__.py": "import lazy_loader as lazy\n"
    "__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)\n",
    "tune/__init__.pyi": "from . import core, filters\nfrom .core import load as load, amp\n"
    "from .core import duration, frame, kept\n",
    "tune/core/__init__.py": "from .audio import *\n",
    "tune/core/audio.py": (
        "type Sound = list[float]\n"
        "def load(path, *, fast=False, sr=22050, mono=True): pass\n"
        "def amp[T](S: T, ref=1.0) -> T: pass\n"
        "def duration(*, y=None, path=None): pass\n"
        "def frame(x, size): pass\n"
        "def kept(a, b): pass\n"
    ),
    "tune/filters.py": "def mel(*, sr, n_fft, n_mels=128): pass\n",
}


def wheel(folder: Path, version: str, sources: dict[str, str]) -> Path:
    path = folder / f"tune-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in sources.items():
            archive.writestr(name, text)
        archive.writestr(f"tune-{version}.dist-info/METADATA", "Name: tune\n")
    return path


def sdist(folder: Path, version: str, sources: dict[str, str], prefix: str = "") -> Path:
    path = folder / f"tune-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {**sources, "setup.py": "raise SystemExit"}.items():
            data = text.encode()
            member = tarfile.TarInfo(f"tune-{version}/{prefix}{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def by_name(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: row for row in table["rows"] for name in row["names"]}


@pytest.fixture
def archives(tmp_path: Path) -> list[Path]:
    return [
        sdist(tmp_path, "1.0", OLD),
        wheel(tmp_path, "2.0", MIDDLE),
        wheel(tmp_path, "3.0", NEW),
    ]


@pytest.fixture
def table(archives: list[Path], tmp_path: Path) -> dict[str, dict[str, Any]]:
    output = tmp_path / "tune.json"
    assert make_tables.main(["tune", *map(str, archives), "--output", str(output)]) == 0
    return by_name(json.loads(output.read_text()))


def test_reexports_and_stubs_share_one_row(table: dict[str, dict[str, Any]]) -> None:
    assert table["tune.load"]["names"] == ["tune.load", "tune.core.load", "tune.core.audio.load"]


def test_keyword_only_change(table: dict[str, dict[str, Any]]) -> None:
    assert table["tune.filters.mel"] == {
        "names": ["tune.filters.mel"],
        "parameters": ["sr", "n_fft", "n_mels"],
        "positions": 0,
        "as_of": "1.0",
        "keyword_only": "3.0",
    }


def test_order_comes_from_before_the_tolerant_release(table: dict[str, dict[str, Any]]) -> None:
    row = table["tune.load"]
    assert row["parameters"] == ["path", "sr", "mono"]
    assert row["positions"] == 1
    assert row["other_orders"] == {"2.0": ["path", "fast", "sr", "mono"]}


def test_rename_told_by_the_release(table: dict[str, dict[str, Any]]) -> None:
    row = table["tune.duration"]
    assert row["keyword_only"] == "2.0"
    assert row["renamed"] == [
        {"old": "filename", "new": "path", "since": "2.0", "by": "release", "removed": "3.0"}
    ]


def test_rename_told_by_the_position(table: dict[str, dict[str, Any]]) -> None:
    renamed = {"old": "y", "new": "x", "since": "2.0", "by": "position", "removed": "2.0"}
    assert table["tune.frame"]["renamed"] == [renamed]


def test_moved_function_names_its_successor(table: dict[str, dict[str, Any]]) -> None:
    row = table["tune.logamp"]
    assert (row["deprecated"], row["removed"]) == ("2.0", "3.0")
    assert row["replacement"] == "tune.amp"


def test_removed_function_with_what_its_warning_points_to(table: dict[str, dict[str, Any]]) -> None:
    row = table["tune.output.write"]
    assert (row["deprecated"], row["removed"]) == ("2.0", "3.0")
    assert row["says"] == "its releases point to `disk.write`"
    assert "replacement" not in row


def test_nothing_is_said_where_nothing_changed(table: dict[str, dict[str, Any]]) -> None:
    assert {*table["tune.kept"]} == {"names", "parameters", "positions"}
    assert not [name for name in table if "_hidden" in name or ".np" in name]


def test_an_early_refusal_goes_into_the_header(tmp_path: Path) -> None:
    bare = {"tune/__init__.py": "def load(path, *, sr): pass\n"}
    soft = {"tune/__init__.py": "@deprecate_positional_args\ndef load(path, *, sr): pass\n"}
    paths = [
        wheel(tmp_path, "1.0", {"tune/__init__.py": "def load(path, sr): pass\n"}),
        wheel(tmp_path, "1.1", bare),
        wheel(tmp_path, "1.2", soft),
        wheel(tmp_path, "2.0", bare),
    ]
    output = tmp_path / "tune.json"
    make_tables.main(["tune", *map(str, paths), "--output", str(output)])
    written = json.loads(output.read_text())
    assert written["refused_early"] == ["1.1"]
    assert by_name(written)["tune.load"]["keyword_only"] == "2.0"


def test_an_unparsable_module_is_unknown_not_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {**OLD, "tune/filters.py": "def mel(sr,\n"}
    paths = [wheel(tmp_path, "1.0", OLD), wheel(tmp_path, "2.0", broken)]
    output = tmp_path / "tune.json"
    assert make_tables.main(["tune", *map(str, paths), "--output", str(output)]) == 0
    assert "removed" not in by_name(json.loads(output.read_text()))["tune.filters.mel"]
    assert "2.0: not parsed: tune.filters" in capsys.readouterr().err


def test_class_takes_the_constructor_of_its_base() -> None:
    text = (
        "class Base:\n def __init__(self, a, verbose='deprecated'): pass\nclass Sub(Base): pass\n"
    )
    public = Surface({"m.py": text}).public()
    signature = public["m.Sub"].signature
    assert signature is not None
    assert signature.positional == ("a", "verbose")
    assert signature.deprecated == ("verbose",)


def test_static_all_limits_a_star_import() -> None:
    sources = {
        "p/__init__.py": "from .m import *\n",
        "p/m.py": "__all__ = ['a']\ndef a(): pass\ndef b(): pass\n",
    }
    assert {*Surface(sources).public()} == {"p.a", "p.m.a", "p.m.b"}


def test_import_circles_end() -> None:
    sources = {
        "p/__init__.py": "from .a import x\n",
        "p/a.py": "from .b import x\n__all__ = ['x']\n",
        "p/b.py": "from .a import x\n",
    }
    assert Surface(sources).public() == {}


def test_newer_syntax_than_the_host_parses() -> None:
    module = read_module(
        "m", "type A = int\nclass C[T]:\n def __init__(self, x): pass\n", package=False
    )
    assert module.parsed
    assert [*module.definitions] == ["C"]


def test_releases_are_picked_and_ordered(tmp_path: Path) -> None:
    names = [
        "tune-1.10.tar.gz",
        "tune-1.9.tar.gz",
        "tune-1.9-py3-none-any.whl",
        "tune-2.0rc1.tar.gz",
    ]
    found = [artifact for name in (*names, "notes.txt") if (artifact := artifact_of(name))]
    wanted = Wanted("tune", "tune", since=Version("1.0"))
    assert [item.filename for item in pick_artifacts(found, wanted)] == [names[2], names[0]]


def test_sources_under_src_and_of_one_module_only(tmp_path: Path) -> None:
    path = sdist(tmp_path, "1.0", OLD, prefix="src/")
    assert {*read_archive(path, "tune")} == {*OLD}
    assert {*read_archive(path, "tune/core")} == {n for n in OLD if n.startswith("tune/core/")}
    assert {*read_archive(path, "tune/filters")} == {"tune/filters.py"}
    releases = [*open_releases(Wanted("tune", "tune"), [path])]
    assert [release.version for release in releases] == ["1.0"]


def test_partial_wheels_are_kept_as_zip(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "partial.zip"
    write_partial(path, OLD)
    with path.open("rb") as file:
        assert read_zip(file, "tune") == OLD


def test_check_finds_a_row_that_no_release_supports(
    archives: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tune.json"
    given = ["tune", *map(str, archives), "--output", str(output)]
    make_tables.main(given)
    assert make_tables.main([*given, "--check", "99"]) == 0
    text = output.read_text()
    output.write_text(text.replace('["sr", "n_fft", "n_mels"]', '["n_fft", "sr", "n_mels"]'))
    assert make_tables.main([*given, "--check", "99"]) == 1
    output.write_text(text.replace('"replacement": "tune.amp"', '"replacement": "tune.gain"'))
    assert make_tables.main([*given, "--check", "99"]) == 1
    assert "tune.gain is not in 3.0" in capsys.readouterr().out


def test_no_release_is_an_error(tmp_path: Path) -> None:
    path = sdist(tmp_path, "1.0", OLD)
    output = tmp_path / "x.json"
    assert make_tables.main(["tune", str(path), "--from", "2", "--output", str(output)]) == 2
    assert not output.exists()


def committed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "rules" / name).read_text(encoding="utf-8"))
    return found


COMMITTED = ["librosa", "lr_schedulers", "torch_amp", "torch_cuda_amp", "torch_cpu_amp"]


@pytest.mark.parametrize("name", [f"{name}.json" for name in COMMITTED])
def test_committed_tables_are_sorted_and_sound(name: str) -> None:
    written = committed(name)
    rows, releases = written["rows"], written["releases"]
    firsts = [row["names"][0] for row in rows]
    keys = [(first.rpartition(".")[2], first.count("."), first) for first in firsts]
    assert keys == sorted(keys)
    names = [name for row in rows for name in row["names"]]
    assert len(names) == len(set(names))
    assert releases == sorted(releases, key=Version)
    for row in rows:
        assert 0 <= row["positions"] <= len(row["parameters"])
        told = {row[key] for key in ("as_of", "keyword_only", "added", "removed") if key in row}
        told |= {item["removed"] for item in (*row.get("gone", ()),)}
        assert told <= {*releases}


@pytest.mark.parametrize(
    ("name", "parameters", "positions"),
    [
        ("librosa.filters.mel", ["sr", "n_fft", "n_mels", "fmin", "fmax"], 0),
        ("librosa.feature.melspectrogram", ["y", "sr", "S", "n_fft"], 0),
        ("librosa.feature.mfcc", ["y", "sr", "S", "n_mfcc"], 0),
        ("librosa.load", ["path", "sr", "mono"], 1),
        ("librosa.core.load", ["path", "sr", "mono"], 1),
        ("librosa.effects.trim", ["y", "top_db"], 1),
        ("librosa.effects.pitch_shift", ["y", "sr", "n_steps"], 1),
        ("librosa.effects.time_stretch", ["y", "rate"], 1),
        ("librosa.feature.delta", ["data", "width"], 1),
        ("librosa.feature.zero_crossing_rate", ["y", "frame_length"], 1),
        ("librosa.power_to_db", ["S", "ref"], 1),
        ("librosa.stft", ["y", "n_fft"], 1),
        ("librosa.resample", ["y", "orig_sr", "target_sr"], 1),
        ("librosa.util.pad_center", ["data", "size"], 1),
    ],
)
def test_librosa_positions(name: str, parameters: list[str], positions: int) -> None:
    row = by_name(committed("librosa.json"))[name]
    assert row["parameters"][: len(parameters)] == parameters
    assert row["positions"] == positions
    assert row["keyword_only"] == "0.10.0"


@pytest.mark.parametrize(
    ("name", "removed", "replacement"),
    [
        ("librosa.output.write_wav", "0.8.0", None),
        ("librosa.display.waveplot", "0.9.0", None),
        ("librosa.logamplitude", "0.6.0", "librosa.power_to_db"),
        ("librosa.feature.rmse", "0.7.0", "librosa.feature.rms"),
        ("librosa.beat.tempo", "1.0.0", "librosa.feature.tempo"),
    ],
)
def test_librosa_removals(name: str, removed: str, replacement: str | None) -> None:
    row = by_name(committed("librosa.json"))[name]
    assert row["removed"] == removed
    assert row.get("replacement") == replacement


def test_the_relaxed_release_is_in_the_header() -> None:
    assert committed("librosa.json")["refused_early"] == ["0.9.0"]


def test_replacements_by_hand_agree_with_the_table() -> None:
    table = by_name(committed("librosa.json"))
    for row in committed("librosa_replacements.json")["rows"]:
        assert row["needs"]
        assert row["source"]
        assert row["fix"] is bool(row.get("arguments"))
        for name in row["names"]:
            told = table[name]
            if "parameter" in row:
                items = {item["name"]: item for item in told.get("gone", ())}
                items |= {item["old"]: item for item in told.get("renamed", ())}
                assert items[row["parameter"]]["removed"] == row["removed"]
            else:
                assert told["removed"] == row["removed"]
        successor = row["replacement"] or ""
        if successor.startswith("librosa."):
            assert "removed" not in table[successor]
            assert Version(table[successor].get("added", "0.4.0")) <= Version(row["since"])


@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "StepLR", "OneCycleLR", "LambdaLR"])
def test_scheduler_verbose_is_gone(name: str) -> None:
    row = by_name(committed("lr_schedulers.json"))[f"torch.optim.lr_scheduler.{name}"]
    gone = {item["name"]: item for item in row["gone"]}["verbose"]
    assert (gone["deprecated"], gone["removed"]) == ("2.2.0", "2.7.0")
    assert gone["position"] == len(row["parameters"])


@pytest.mark.parametrize(
    ("files", "asked", "expected"),
    [
        (["tune-1.0-cp39-cp39-any.whl", "tune-1.0-cp310-cp310-any.whl"], ">=3.8.0", ">=3.9,<3.11"),
        (["tune-1.0-cp39-cp39-any.whl", "tune-1.0.tar.gz"], ">=3.8.0", ">=3.8"),
        (["tune-1.0-cp310-cp310-any.whl"], ">=3.10,<3.13", ">=3.10,<3.13"),
        (["tune-1.0-py3-none-any.whl"], "!=3.0.*,>=2.7", ">=2.7"),
        (["tune-1.0-cp36-cp36m-any.whl"], "", ">=3.6,<3.7"),
        (["tune-1.0-cp36-abi3-any.whl"], "", ">=3.6"),
        (["tune-1.0.tar.gz"], "", ""),
    ],
)
def test_the_pythons_of_a_release(files: list[str], asked: str, expected: str) -> None:
    found = [Artifact(Version("1.0"), name, python=asked) for name in files]
    assert pythons(found) == expected
