"""Version ranges and the requirement files that they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainlint.cli import main
from trainlint.config import companions, told_needs
from trainlint.config.companions import Need, bounded
from trainlint.config.installs import TOOLKIT, installed_entries
from trainlint.config.requirements import requirement_entries
from trainlint.config.settings import Settings
from trainlint.config.targets import (
    NEWEST,
    Range,
    Version,
    beside_readmes,
    newest,
    parse_target,
    parse_version,
    requirement_ranges,
)
from trainlint.discovery.project_files import TargetFinder, requirement_files
from trainlint.semantics import lower, pins
from trainlint.semantics.facts import File, Surroundings
from trainlint.text.source import decode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.13", (2, 13)),
        (" 2.4.1 ", (2, 4, 1)),
        ("v1.0", (1, 0)),
        ("2.0.0rc1", (2, 0, 0)),
        ("2.1.0.dev20240101", (2, 1, 0)),
        ("1.13.1+cu117", (1, 13, 1)),
        ("1.0.post2", (1, 0)),
    ],
)
def test_a_version_is_its_release_numbers(text: str, expected: Version) -> None:
    assert parse_version(text) == expected


@pytest.mark.parametrize("text", ["", "two", "2.", ".2", "2.x", "2 4", "latest"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        parse_version(text)


# Range, then a release that it holds or passes, then one that every release in it is below.
@pytest.mark.parametrize(
    ("text", "low", "inside", "outside"),
    [
        ("2.4..2.13", (2, 4), (2, 13, 1), (2, 14)),
        ("..2.5", None, (2, 5, 9), (2, 6)),
        ("2.1", (2, 1), (2, 1, 2), (2, 2)),
        (">=2.0,<2.6", (2, 0), (2, 5, 9), (2, 6)),
        (">= 2.0, < 2.6", (2, 0), (2, 5), (2, 6, 0)),
        (">=2.0 <2.6", (2, 0), (2, 5), (2, 6)),
        ("==2.1.*", (2, 1), (2, 1, 7), (2, 2)),
        ("==2.1", (2, 1), (2, 1), (2, 1, 1)),
        ("===2.1.0", (2, 1), (2, 1), (2, 1, 1)),
        ("<=2.6", None, (2, 6), (2, 6, 1)),
        ("~=2.1", (2, 1), (2, 99), (3,)),
        ("~=1.13.1", (1, 13, 1), (1, 13, 9), (1, 14)),
        ("^2.1", (2, 1), (2, 99), (3, 0)),
        ("^0.4.2", (0, 4, 2), (0, 4, 9), (0, 5)),
        ("^0.0.3", (0, 0, 3), (0, 0, 3), (0, 0, 4)),
        ("~2.1", (2, 1), (2, 1, 9), (2, 2)),
        ("~2", (2,), (2, 9), (3,)),
        ("pytorch=2.1", (2, 1), (2, 1, 2), (2, 2)),
        ("pytorch=2.1.0=py3.8_cuda11.8", (2, 1, 0), (2, 1, 0), (2, 1, 1)),
        ("conda-forge::pytorch 1.12.*", (1, 12), (1, 12, 1), (1, 13)),
        ("torch[opt]>=1.7,<2", (1, 7), (1, 13), (2,)),
        (">=2.0,>=2.2,<3,<2.5", (2, 2), (2, 4), (2, 5)),
        (">=2.0,!=2.1,<2.5", (2, 0), (2, 1), (2, 5)),
        (">=1.8,<1.9||==2.1.*", (1, 8), (2, 1), (2, 2)),
        ("==1.13.1+cu117", (1, 13, 1), (1, 13, 1), (1, 13, 2)),
    ],
)
def test_a_specifier_becomes_a_range(
    text: str, low: Version | None, inside: Version, outside: Version
) -> None:
    found = Range.parse(text)
    assert found.known
    assert found.overlaps_from(inside)
    assert not found.wholly_below(inside)
    assert found.wholly_below(outside)
    if low is None:
        assert not found.wholly_from((0,))
    else:
        assert found.wholly_from(low)
        assert not found.wholly_from((*low, 1))


@pytest.mark.parametrize("text", ["*", "any", "", "!=2.1"])
def test_a_specifier_without_a_bound_is_unknown(text: str) -> None:
    assert Range.parse(text) == Range(None, None, known=False)


@pytest.mark.parametrize("text", [">=2.6,<2.4", "2.13..2.4", "2.4...2.6", "torch", ">=x", "2.4..x"])
def test_a_range_that_is_empty_or_unreadable_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Range.parse(text)


def test_an_open_high_end_overlaps_everything() -> None:
    assert Range.parse(">=2.0").overlaps_from((99,))
    assert not Range.parse(">=2.0").wholly_below((99,))


def test_trailing_zeros_make_no_difference() -> None:
    assert Range.parse(">=2.0.0").wholly_from((2,))
    assert Range.parse(">=2").wholly_from((2, 0, 0))
    assert Range.parse("<2.6.0").wholly_below((2, 6))


def test_more_than_a_release_begins_after_it() -> None:
    assert Range.parse(">2.0").wholly_from((2, 0, 1))
    assert not Range.parse(">2.0").wholly_from((2, 1))


def test_widening_takes_the_outer_bounds_of_both() -> None:
    assert Range.parse("2.1").widen(Range.parse(">=1.8,<2")) == Range.parse("1.8..2.1")
    assert Range.parse("<2.6").widen(Range.parse("2.4")) == Range.parse("<2.6")
    assert Range.parse(">=2.0").widen(Range.parse("1.13")) == Range.parse(">=1.13")
    assert Range.parse("<2.6").widen(Range.parse(">=2.0")) == Range(None, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2.4..2.13", "2.4..2.13"),
        ("==2.1.*", "2.1"),
        ("~=2.1", ">=2.1,<3"),
        ("<2.6", "<2.6"),
        ("..2.6", "..2.6"),
        (">=2.0", ">=2.0"),
        ("*", "any"),
    ],
)
def test_a_range_is_shown_as_a_person_would_write_it(text: str, shown: str) -> None:
    assert str(Range.parse(text)) == shown


_versions = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(tuple)


@given(_versions, _versions, st.sampled_from(["{0}..{1}", ">={0},<{1}", "..{1}", "~={0}", "<{1}"]))
def test_a_shown_range_reads_back_as_itself(low: Version, high: Version, form: str) -> None:
    try:
        found = Range.parse(form.format(".".join(map(str, low)), ".".join(map(str, high))))
    except ValueError:
        return  # an empty range
    assert Range.parse(str(found)) == found


@given(_versions, _versions, _versions, _versions, _versions)
def test_a_widened_range_holds_what_either_held(
    a: Version, b: Version, c: Version, d: Version, probe: Version
) -> None:
    left = Range(*sorted((a, b), key=_stripped))
    right = Range(*sorted((c, d), key=_stripped))
    both = left.widen(right)
    assert both.overlaps_from(probe) == (left.overlaps_from(probe) or right.overlaps_from(probe))
    assert both.wholly_from(probe) == (left.wholly_from(probe) and right.wholly_from(probe))


def _stripped(version: Version) -> Version:
    while version and version[-1] == 0:
        version = version[:-1]
    return version


def test_the_newest_release_is_known_of_the_libraries_that_the_tables_know() -> None:
    assert newest("torch") == NEWEST["torch"] == (2, 15)
    assert newest("no-such-library") is None


@pytest.mark.parametrize(
    ("text", "library", "versions"),
    [
        ("torch=2.4..2.13", "torch", "2.4..2.13"),
        ("torch=2.6", "torch", "2.6"),
        ("torch==2.6", "torch", "==2.6"),
        ("torch>=2.4", "torch", ">=2.4"),
        ("scikit-learn=1.4", "sklearn", "1.4"),
        ("pytorch=..2.5", "torch", "..2.5"),
    ],
)
def test_a_target_option_names_library_and_range(text: str, library: str, versions: str) -> None:
    assert parse_target(text) == (library, Range.parse(versions))


@pytest.mark.parametrize("text", ["", "torch", "=2.4", "torch=", "torch=new"])
def test_a_target_option_that_says_too_little_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_target(text)


def _read(name: str, text: str) -> dict[str, str]:
    return {library: str(found) for library, found in requirement_ranges({name: text}).items()}


def asked_for(files: dict[str, str]) -> dict[str, Range]:
    """What files ask for, with all that this means for other libraries."""
    return bounded(requirement_ranges(files))


def test_requirements_txt_is_read_line_by_line() -> None:
    text = """\
# a comment
-r base.txt
--extra-index-url https://download.example.org/whl/cu118
-e .
torch>=2.0,<2.6  # pinned by hand
torchmetrics[image] ~= 0.15.1 ; python_version >= "3.9"
librosa (>=0.9)
numpy==1.26.4 \\
    --hash=sha256:0123 \\
    --hash=sha256:4567
scikit_learn==1.4.*
timm
git+https://example.org/repo.git@main#egg=pytorch-metric
soundfile @ file:///wheels/soundfile.whl
https://example.org/torchaudio-2.1.0.zip
pandas = what is this
opencv-python>=4
"""
    assert _read("requirements-dev.txt", text) == {
        "torch": ">=2.0,<2.6",
        "torchmetrics": ">=0.15.1,<0.16",
        "librosa": ">=0.9",
        "numpy": "1.26.4",
        "sklearn": "1.4",
        "opencv-python": ">=4",
    }


@pytest.mark.parametrize(
    "line",
    [
        "https://example.org/whl/torch-1.9.0%2Bcu111-cp38-cp38-linux_x86_64.whl",
        "torch @ https://example.org/whl/torch-1.9.0%2Bcu111-cp38-cp38-linux_x86_64.whl",
        "./wheels/torch-1.9.0-cp38-cp38-linux_x86_64.whl ; sys_platform == 'linux'",
        "https://example.org/torch-1.9.0-cp38-cp38-win_amd64.whl --hash=sha256:0123",
    ],
)
def test_a_wheel_in_a_list_names_its_release_and_its_python(line: str) -> None:
    assert _read("requirements.txt", f"{line}\n") == {"torch": "1.9.0", "python": "3.8"}


def test_a_wheel_that_poetry_is_given_names_its_release() -> None:
    text = (
        '[tool.poetry.dependencies]\ntorch = {url = "https://a.org/torch-1.9.0-py3-none-any.whl"}'
    )
    assert _read("pyproject.toml", text) == {"torch": "1.9.0"}


def test_a_requirement_that_ends_in_a_backslash_is_still_read() -> None:
    assert _read("requirements.txt", "torch==2.1.0 \\") == {"torch": "2.1.0"}


def test_pyproject_dependencies_and_extras_are_read() -> None:
    text = """\
[project]
dependencies = ["torch>=2.1", "rich"]
[project.optional-dependencies]
audio = ["librosa>=0.9,<0.11"]
[dependency-groups]
dev = ["numpy<2", {include-group = "audio"}]
"""
    expected = {"torch": ">=2.1", "librosa": ">=0.9,<0.11", "numpy": "<2"}
    assert _read("pyproject.toml", text) == expected


def test_poetry_dependencies_are_read_in_all_their_forms() -> None:
    text = """\
[tool.poetry.dependencies]
python = "^3.10"
torch = "^2.1"
numpy = "1.26.4"
torchvision = {version = "~0.16", optional = true}
librosa = [{version = "0.9.*", python = "<3.9"}, {version = "^0.10", python = ">=3.9"}]
own = {path = "../own"}
[tool.poetry.group.dev.dependencies]
scikit-learn = "*"
torchaudio = ">=2.0 <2.3"
"""
    assert _read("pyproject.toml", text) == {
        "torch": "2.1",  # as torchvision wants it
        "numpy": "1.26.4",
        "torchvision": ">=0.16,<0.17",
        "librosa": ">=0.9,<0.11",
        "torchaudio": ">=2.0,<2.3",
        "python": ">=3.10,<4",
    }


def test_setup_cfg_requirements_are_read() -> None:
    text = """\
[metadata]
name = x
[options]
install_requires =
    torch >= 1.8
    numpy; python_version < "3.9"
[options.extras_require]
audio = librosa>=0.8
"""
    assert _read("setup.cfg", text) == {"torch": ">=1.8", "librosa": ">=0.8"}


def test_a_conda_environment_is_read_with_its_pip_list() -> None:
    text = """\
name: train
channels:
  - pytorch=9
  - defaults
dependencies:
  - python=3.10
  - pytorch=2.1  # comment
  - conda-forge::librosa>=0.9
  - 'numpy 1.26.*'
  - pip
  - pip:
    - torchaudio==2.1.0
    - -r requirements.txt
  - scikit-learn=1.3.0=py310_0
variables:
  - torchvision=0.1
"""
    assert _read("environment.yml", text) == {
        "python": "3.10",
        "torch": "2.1",
        "librosa": ">=0.9",
        "numpy": "1.26",
        "torchaudio": "2.1.0",
        "sklearn": "1.3.0",
    }


def test_a_conda_list_without_indentation_is_read() -> None:
    text = "dependencies:\n- pytorch=2.1\n- pip:\n  - librosa==0.10.1\n- numpy=1.26\n"
    expected = {"torch": "2.1", "librosa": "0.10.1", "numpy": "1.26"}
    assert _read("env/environment.yaml", text) == expected


def test_files_that_disagree_widen_the_range() -> None:
    files = {
        "requirements.txt": "torch==2.1.0\n",
        "pyproject.toml": '[project]\ndependencies = ["torch>=1.13,<2"]\n',
    }
    assert str(asked_for(files)["torch"]) == "1.13..2.1.0"


@pytest.mark.parametrize(
    ("line", "torch"),
    [
        ("torchaudio==2.2.2", "2.2"),
        ("torchaudio==0.8.1", "1.8"),
        ("torchvision==0.15.2+cu118", "2.0"),
        ("torchvision~=0.11.2", "1.10"),
        ("torchvision==0.4.1", "1.2..1.3"),
        ("torchvision<0.15", "..1.13"),
        ("torchvision<=0.15.0", "..2.0"),
        ("torchvision>=0.9,<0.16", "1.8..2.0"),
        ("torchvision>=0.16", ">=2.1"),
        ("torchvision>=0.16,<1", ">=2.1"),
        ("torchaudio<1", "..1.13"),
        ("torchtext==0.10.0", "1.9"),
        ("torchtext==0.18.0", ">=2.2"),  # goes with any newer torch
        ("torchaudio==2.11.0", ">=2.9"),
        ("torchvision==0.2.2", "None"),  # goes with any torch
        ("torchvision", "None"),
        ("torchmetrics==0.15.2", "None"),
    ],
)
def test_a_companion_says_which_torch_goes_with_it(line: str, torch: str) -> None:
    assert str(asked_for({"requirements.txt": line}).get("torch")) == torch


@pytest.mark.parametrize(
    ("lines", "torch"),
    [
        ("torch\ntorchaudio==2.2.2", "2.2"),
        ("torch>=2.0\ntorchvision==0.16.0", "2.1"),
        ("torch==2.1.2\ntorchvision==0.16.2", "2.1.2"),
        ("torch==1.13.1\ntorchvision==0.9.1", "1.13.1"),  # what is said of torch itself
        ("torchaudio>=2.0\ntorchvision<0.18", "2.0..2.2"),
        ("torchaudio==2.0.2\ntorchvision==0.16.2", "2.0..2.1"),  # one of both is not used
    ],
)
def test_a_companion_narrows_what_its_file_says_of_torch(lines: str, torch: str) -> None:
    assert _read("requirements.txt", lines)["torch"] == torch


def test_a_companion_of_one_file_does_not_narrow_another_file() -> None:
    files = {"requirements.txt": "torch>=2.0\n", "requirements_old.txt": "torchaudio==0.13.1\n"}
    assert str(asked_for(files)["torch"]) == ">=1.13"


@pytest.mark.parametrize(
    ("name", "text", "torch"),
    [
        ("environment.yml", "dependencies:\n  - python=3.6\n", "..1.10.2"),
        ("environment.yml", "dependencies:\n  - python=3.7.12\n  - pytorch>=1.8\n", "1.8..1.13.1"),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.7,<3.9"\n', "..2.4.1"),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.8,<4"\n', "None"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "~3.8"\n', "..2.4.1"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.8"\n', "None"),
        ("setup.cfg", "[options]\npython_requires = ==3.7.*\n", "..1.13.1"),
        ("setup.py", "setup(python_requires='<=3.9')\n", "..2.8.0"),
        ("Pipfile", '[requires]\npython_version = "3.8"\n', "..2.4.1"),
        ("Dockerfile", "FROM python:3.7-slim\n", "..1.13.1"),
        ("Dockerfile", "FROM python:3.12\n", "None"),
    ],
)
def test_an_old_python_bounds_torch(name: str, text: str, torch: str) -> None:
    assert str(asked_for({name: text}).get("torch")) == torch


def test_the_newest_python_of_all_files_bounds_torch() -> None:
    files = {
        "setup.cfg": "[options]\npython_requires = <3.9\n",
        "environment.yml": "dependencies:\n  - python=3.7\n",
        "requirements.txt": "torch>=1.8\n",
    }
    assert str(asked_for(files)["torch"]) == "1.8..2.4.1"
    files["Dockerfile"] = "FROM python:3.11\n"
    assert str(asked_for(files)["torch"]) == ">=1.8"


def test_a_python_that_contradicts_the_torch_that_is_asked_for_changes_nothing() -> None:
    text = "dependencies:\n  - python=3.6\n  - pytorch==2.1.0\n"
    assert _read("environment.yml", text)["torch"] == "2.1.0"


@pytest.mark.parametrize(
    ("lines", "librosa"),
    [
        ("numpy==1.21.4\n", "..0.10.2"),
        ("numpy<2\nlibrosa\n", "..0.11.0"),
        ("numpy==1.19.5\nlibrosa>=0.8\n", "0.8..0.9.2"),
        ("scikit-learn==1.5.2\n", "..0.11.0"),
        ("numpy>=1.21\nlibrosa>=0.10\n", ">=0.10"),
        ("numpy==1.21.4\nlibrosa==1.0.0\n", "1.0.0"),
    ],
)
def test_what_librosa_runs_with_bounds_it(lines: str, librosa: str) -> None:
    assert str(asked_for({"requirements.txt": lines})["librosa"]) == librosa


def test_an_old_python_bounds_librosa() -> None:
    files = {"requirements.txt": "librosa\n", "Dockerfile": "FROM python:3.10-slim\n"}
    assert str(asked_for(files)["librosa"]) == "..0.11.0"


@pytest.mark.parametrize(
    ("lines", "library", "expected"),
    [
        ("torch==1.13.1\ntorchmetrics\n", "torchmetrics", "..1.5.2"),
        ("torch<2\n", "torchmetrics", "..1.5.2"),
        ("torch==1.13.1\ntorchmetrics>=0.11\n", "torchmetrics", "0.11..1.5.2"),
        ("torch==1.13.1\ntorchmetrics==1.8.0\n", "torchmetrics", "1.8.0"),
        ("torch==1.13.1\ntorchvision>=0.9\n", "torchvision", "0.9..0.14"),
        ("torch==1.3.1\n", "numpy", "..1.21.6"),  # there are wheels up to Python 3.7
        ("torch==1.3.1\n", "sklearn", "..1.0.2"),
        ("torch==0.4.1\n", "pillow", "..9.5.0"),
        ("torch==2.2.2\n", "numpy", "<2"),  # to which it cannot hand tensors
        ("torch==2.3.0\nnumpy>=1.20\n", "numpy", ">=1.20"),
        ("torch>=1.3\n", "numpy", "None"),
        ("tensorflow==1.14.0\n", "pandas", "..1.3.5"),
        ("tensorflow-gpu==1.4.0\n", "numpy", "..1.19.5"),
        ("tensorflow==2.4.1\n", "numpy", "<1.20"),
        ("opencv-python-headless==4.2.0.32\n", "pandas", "..2.0.3"),  # up to Python 3.8
        ("opencv-python==4.5.1.48\n", "pandas", "None"),  # it has an sdist
        ("torch>=1.13.1\n", "torchmetrics", "None"),
        ("torch<3\n", "torchmetrics", "None"),
        ("torch==1.13.1\n", "opencv-python", "None"),
        ("numpy==1.19.5\n", "pandas", "..1.4.4"),
    ],
)
def test_a_library_is_no_newer_than_what_it_needs_allows(
    lines: str, library: str, expected: str
) -> None:
    assert str(asked_for({"requirements.txt": lines}).get(library)) == expected


@pytest.mark.parametrize(
    ("lines", "library", "expected"),
    [
        ("scipy==1.7.3\nnumpy\n", "numpy", "<1.23.0"),
        ("scipy==1.7.3\nnumpy>=1.19\n", "numpy", ">=1.19,<1.23.0"),
        ("scipy==1.7.3\nnumpy==1.24.0\n", "numpy", "1.24.0"),
        ("scipy>=1.7.3\n", "numpy", "None"),
        ("scipy==1.3.0\n", "numpy", "None"),  # older than the table
        ("scipy<1.8\n", "numpy", "<1.23.0"),
        ("pytorch-lightning==1.0.5\n", "torch", "<1.8"),
        ("pytorch-lightning==1.1.0\n", "torch", "None"),
        ("lightning==2.1.0\n", "torch", "None"),  # it allows all that is known
        ("tensorflow==2.12.1\n", "numpy", "..1.24.3"),
        ("tensorflow==2.13.1\n", "numpy", "..2.4.6"),  # it names none: the newest for Python 3.11
        ("tensorflow==2.12.0\n", "pandas", "..2.3.3"),  # the newest with the NumPy of that one
    ],
)
def test_what_a_library_needs_is_no_newer_than_it_allows(
    lines: str, library: str, expected: str
) -> None:
    assert str(asked_for({"requirements.txt": lines}).get(library)) == expected


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ("3.5", {"numpy": "..1.18.5", "pandas": "<1.0.0", "sklearn": "..0.22.2"}),
        ("3.6", {"transformers": "..4.18.0", "numpy": "..1.19.5", "torchmetrics": "..0.8.2"}),
        ("3.7", {"transformers": "..4.30.2", "timm": "..0.9.12", "sklearn": "..1.0.2"}),
        ("3.8.12", {"transformers": "..4.46.3", "torchvision": "..0.19.1", "pandas": "..2.0.3"}),
        ("3.13", {"transformers": "None", "numpy": "None", "pandas": "None"}),
    ],
)
def test_an_old_python_bounds_all_libraries(python: str, expected: dict[str, str]) -> None:
    found = asked_for({"environment.yml": f"dependencies:\n  - python={python}\n"})
    assert {library: str(found.get(library)) for library in expected} == expected


def test_what_is_bound_binds_what_needs_it() -> None:
    found = bounded({"torchvision": Range.parse("==0.14.1"), "torch": Range.parse("==1.13.1")})
    assert (str(found["torchmetrics"]), str(found["torchaudio"])) == ("..1.5.2", "..0.13")
    assert "python" not in bounded({"python": Range.parse("=3.7")})


def test_what_nobody_wrote_down_binds_only_what_nobody_wrote_down() -> None:
    told = Range((3, 8), (3, 8), known=False)
    found = bounded({"python": told, "transformers": Range.parse(">=4.20")})
    assert str(found["transformers"]) == ">=4.20"
    assert (str(found["torch"]), found["torch"].known) == ("..2.4.1", False)


def test_releases_that_ask_for_nothing_end_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        Need("a", "1.0", "1.4", "1.5", "b", ">=1"),
        Need("a", "2.0", "2.1", "-", "b", ">=3"),
        Need("c", "1.0", "1.4", "1.5", "b", ">=1"),
        Need("d", "1.0", "1.4", "1.5", "b", ">=2"),
        Need("d", "2.0", "2.1", "-", "b", ">=3"),
        Need("e", "1.0", "1.4", "1.5", "b", ">=2"),
        Need("f", "1.0", "1.4", "1.5", "b", ">=2"),
        Need("f", "1.5", "2.1", "-", "b", ">=3"),
    ]
    by_name = {name: [row for row in rows if row.library == name] for name in "acdef"}
    monkeypatch.setattr(companions, "spans", lambda: {"b": by_name})
    asked = {"b": Range.parse("<2"), "own": Range.parse("==1")}
    found = {name: str(each) for name, each in bounded(asked).items() if name != "own"}
    # And nothing of c, d and e, of which some release may ask for nothing; f has all since 1.0.
    assert found == {"a": "<2.0", "b": "<2", "f": "<1.0"}


def test_the_table_of_needs_is_sound() -> None:
    assert all("https://" in source for source in told_needs.SOURCES.values())
    rows = companions.read_needs()
    for row in rows:
        first, last = parse_version(row.first), parse_version(row.last)
        assert first <= last, row
        assert row.until == "-" or last <= parse_version(row.until), row
        assert Range.parse(row.allowed).known, row
    for one, other in pairwise(rows):
        if (one.library, one.needs) == (other.library, other.needs):
            assert one.until != "-", one
            assert parse_version(one.until) <= parse_version(other.first), other


def test_a_setup_script_is_read_without_being_run() -> None:
    text = """\
import os
from setuptools import find_packages, setup

needed = ["torch>=1.10,<2", f"own{os.sep}"]
setup(
    name="torch==0.1",
    packages=find_packages(exclude=["librosa==0.1"]),
    install_requires=needed,
    extras_require={"audio": ["librosa==0.9.2"], "all": needed + ["numpy<2"]},
)
"""
    expected = {"torch": ">=1.10,<2", "librosa": "0.9.2", "numpy": "<2"}
    assert _read("setup.py", text) == expected
    assert _read("setup.py", "setup(install_requires=[") == {}


def test_a_pipfile_is_read() -> None:
    text = """\
[packages]
torch = "==1.12.1"
librosa = {version = ">=0.9", extras = ["x"]}
rich = "*"
[dev-packages]
numpy = "1.26.4"
"""
    assert _read("Pipfile", text) == {"torch": "1.12.1", "librosa": ">=0.9", "numpy": "1.26.4"}


def test_the_dependencies_that_uv_is_given_are_read() -> None:
    text = '[tool.uv]\ndev-dependencies = ["numpy<2"]\nconstraint-dependencies = ["torch<2.4"]\n'
    assert _read("pyproject.toml", text) == {"numpy": "<2", "torch": "<2.4"}


@pytest.mark.parametrize(
    ("text", "torch"),
    [
        ("FROM pytorch/pytorch:1.13.1-cuda11.6-cudnn8-runtime AS base\n", "1.13.1"),
        ("from --platform=linux/amd64 docker.io/pytorch/pytorch:2.1.0-cuda12.1\n", "2.1.0"),
        ('ARG TORCH="1.5.1"\nFROM pytorch/pytorch:${TORCH}-cuda10.1-devel\n', "1.5.1"),
        ("ARG PYTHON_VERSION=3.7\nFROM python:$PYTHON_VERSION-slim\n", "..1.13.1"),
        ("ARG TORCH\nFROM pytorch/pytorch:${TORCH}-devel\n", "None"),
        ("FROM tensorflow/tensorflow:1.15.0-gpu-py3\n", "..1.13.1"),
        ("FROM nvcr.io/nvidia/pytorch:22.04-py3\n", "None"),
        ("FROM pytorch/pytorch:latest\n", "None"),
        ("FROM ubuntu:20.04\nRUN pip3 install --no-cache-dir torch==1.10.0+cu113\n", "1.10.0"),
        (
            "RUN apt-get update && \\\n    pip install \\\n    torch==1.9.0 rich && rm -r /x\n",
            "1.9.0",
        ),
        ("# FROM pytorch/pytorch:1.13.1\n# RUN pip install torch==1.9\n", "None"),
    ],
)
def test_a_dockerfile_names_an_image_or_installs(text: str, torch: str) -> None:
    assert str(asked_for({"Dockerfile": text}).get("torch")) == torch
    assert str(asked_for({"gpu.Dockerfile": text}).get("torch")) == torch


@pytest.mark.parametrize(
    ("command", "torch"),
    [
        ("pip install torch==1.13.1 -f https://example.org/torch==9.9", "1.13.1"),
        ("python -m pip install -U 'torch>=2.0,<2.3'", ">=2.0,<2.3"),
        ("pip install \"torch >= 2.0 ; python_version >= '3.9'\"", ">=2.0"),
        ("uv pip install torchaudio==2.2.2", "2.2"),
        ("conda install -y pytorch=1.7 cudatoolkit=10.2 -c pytorch", "1.7"),
        ("conda create -n own python=3.7 && pip install torch", "..1.13.1"),
        ("mamba install 'pytorch::pytorch=2.1.*'", "2.1"),
        ("(pip install torch==2.0.1)", "2.0.1"),
        ("pip install rich; echo torch==1.5.0", "None"),
        ("pip install rich # not torch==1.5.0", "None"),
        ("# pip install torch==1.5.0", "None"),
        ("pip uninstall torch==1.5.0", "None"),
        ("pip install git+https://example.org/x.git@v1.0#egg=torch", "None"),
        ("python train.py --name torch==1.5.0", "None"),
        ("sudo docker pull -q pytorch/pytorch:1.3-cuda10.1", "1.3"),
        ("docker pull nvcr.io/nvidia/pytorch:22.04-py3", "None"),
        ("# docker pull pytorch/pytorch:1.3", "None"),
        ("docker rmi pytorch/pytorch:1.3", "None"),
    ],
)
def test_a_script_that_sets_up_a_machine_installs_what_its_commands_say(
    command: str, torch: str
) -> None:
    assert str(asked_for({"setup_env.sh": command + "\n"}).get("torch")) == torch


@pytest.mark.parametrize(
    ("line", "torch"),
    [
        ("  * PyTorch==0.4.0", "0.4.0"),
        ("- [PyTorch](https://pytorch.org/) 1.4", "1.4"),
        ("2.**PyTorch** 0.4.1<br>", "0.4.1"),
        ("| PyTorch | 1.4 |", "1.4"),
        ("PyTorch version 1.4.x", "1.4"),
        ("- pytorch (>= 1.7)  # with a GPU", ">=1.7"),
        ("- PyTorch 1.8.1 and above", ">=1.8.1"),
        ("- PyTorch: 2.0+", ">=2.0"),
        ("Python 3.6.9, PyTorch 1.2.0 (with CUDA 10) and torchtext 0.2.3", "1.2.0"),
        ("- python 3.6 + torchvision 0.5", "1.4"),
        ("- python 3.6 + numpy 1.16", "..1.10.2"),
        ("First run `pip install torch==1.4.0 rich`, then `python train.py`.", "1.4.0"),
        ("    conda create -n own python=3.6", "..1.10.2"),
        ("- - $ sudo docker pull pytorch/pytorch:0.4_cuda9_cudnn7", "0.4"),
        ("Get it by `docker pull pytorch/pytorch:1.3-cuda10.1`.", "1.3"),
        ("Never `docker pull pytorch/pytorch:1.3-cuda10.1`.", "None"),
        ("The image pytorch/pytorch:1.3-cuda10.1 is small.", "None"),
        ("- Python 3.6", "..1.10.2"),  # which is what the author ran
        ("Python version: 3.7.4", "..1.13.1"),
        ("1. Install Python 3.7.4", "..1.13.1"),
        ("- Python 3.6 or 3.7", "..1.13.1"),
        ("- Python 3.6+", "None"),
        ("- Python 3.6 or higher", "None"),
        ("- Python 3.6 (or newer)", "None"),
        ("- Python >= 3.6", "None"),
        ("| PyTorch | 1.4 | what the models are made of |", "1.4"),
        ("Requires Python 3.8 and PyTorch 1.4.", "1.4"),
        ("Tested on Linux with PyTorch 1.4:", "1.4"),
        ("- numpy, PyTorch 1.4, matplotlib", "1.4"),
        ("- **PyTorch:** **1.4.0+cu92**", "1.4.0"),
        ("![Python](https://img.shields.io/badge/python-3.7-blue.svg)", "..1.13.1"),
        ("![](https://img.shields.io/badge/Python-3.6%20%7C%203.7-blue)", "..1.13.1"),
        ("![](https://img.shields.io/badge/PyTorch-1.4-red?logo=pytorch)", "1.4"),
        ("![](https://img.shields.io/badge/Python-3.7%2B-blue)", "None"),
        ("![](https://img.shields.io/badge/license-1.4-blue)", "None"),
        ("### PyTorch 1.4", "None"),
        ("• PyTorch 1.4", "1.4"),
        ("+ `PyTorch` v1.4", "1.4"),
        ("- PyTorch 1.4.", "1.4"),
        ("- PyTorch ~=1.4", ">=1.4,<2"),
        ("- PyTorch 1.8 or higher", ">=1.8"),
        ("Python 3.6; PyTorch 1.4 & torchvision 0.5", "1.4"),
        ("PyTorch 1.4 and PyTorch Geometric 1.7", "1.4"),
        ("This code was tested with PyTorch 1.4 and Python 3.6.", "1.4"),
        ("- Python==3.6", "..1.10.2"),
        ("- Python=3.6", "..1.10.2"),
        ("- PyTorch 1.4, which is fast", "None"),
        ("- PyTorch 1.4 (not supported)", "None"),
        ("* torch==2.0, incompatible", "None"),
        ("Do not `pip install torch==1.4`.", "None"),
        ("If `pip install torch==2.1` fails, build it.", "None"),
        ("<!--\n- PyTorch 1.4\npip install torch==1.4\n-->", "None"),
        ("## Known issues\n\n- PyTorch 1.4\n\n## More\n\n- PyTorch 1.8", "1.8"),
        ("## Changelog\n\n- PyTorch 1.4", "None"),
        ("## Changelog\n\n### 0.2\n\n- PyTorch 1.4\n\n## More\n\n- PyTorch 1.8", "1.8"),
        ("## FAQ\n\n```\n# build\npip install torch==1.4\n```", "None"),
        ("Tested on PyTorch 1.4", "1.4"),
        ("Please don't `pip install torch==1.4`.", "None"),
        ("- PyTorch 1.4 (unsupported)", "None"),
        ("- PyTorch 2.0 is faster than PyTorch 1.4", "None"),
        ("- PyTorch 1.4 or 1.5", "1.4..1.5"),
        ("- Python 3.6.9 and PyTorch 1.2.0 are what I had", "None"),
        ("- PyTorch-Lightning 1.5", "None"),
        ("- PyTorch 1.4, " + "a" * 200 + " 1.0", "None"),
    ],
)
def test_a_readme_lists_releases_or_says_what_to_install(line: str, torch: str) -> None:
    assert str(asked_for({"README.md": f"# Own\n\n{line}\n"}).get("torch")) == torch


def test_a_readme_may_write_a_name_in_two_words() -> None:
    assert str(asked_for({"README.md": "- scikit learn 0.22\n"})["sklearn"]) == "0.22"


def test_what_a_readme_tells_fills_what_is_asked_for_and_binds_nobody() -> None:
    asked = {"torch": Range.parse(">=1.8"), "numpy": Range((2, 4), (2, 4), known=False)}
    told = {name: Range.parse("==1.4.0") for name in ("torch", "numpy", "sklearn")}
    found = beside_readmes(asked, told)
    assert {name: (str(each), each.known) for name, each in found.items()} == {
        "torch": (">=1.8", True),
        "numpy": ("1.4.0", False),
        "sklearn": ("1.4.0", False),
    }


def test_requirement_files_go_by_many_names(tmp_path: Path) -> None:
    read = (
        "requirements.txt requirements_ngc.txt requirements-dev.txt dev-requirements.txt req.txt "
        "Requirements_cpu.txt requirement.txt requirement-gpu.txt requirement "
        "reqs.txt require.txt requires.txt reqs_gpu.txt environment.yml environment-gpu.yaml "
        "env.yml conda.yaml conda_env.yml "
        "Pipfile setup.cfg setup.py pyproject.toml Dockerfile Dockerfile.gpu gpu.Dockerfile "
        "install.sh setup_env.sh requirements/base.txt requirements.d/base.txt docker/Dockerfile "
        "env/requirements.txt environment/environment.yml "
        "requierments.txt requirments.txt Pipfile.lock poetry.lock uv.lock requirements.lock "
        ".python-version runtime.txt"
    ).split()
    others = (
        "request.txt notes.txt train.sh config.yaml Cargo.lock envelope.yml docker.md required "
        "requirements.md required.txt requirements.d/base.md notes.d/base.txt docker/install.sh"
    ).split()
    for folder in ("requirements", "requirements.d", "notes.d", "docker", "env", "environment"):
        (tmp_path / folder).mkdir()
    for name in (*read, *others):
        (tmp_path / name).write_text("\n")
    assert sorted(requirement_files(str(tmp_path))) == sorted(read)


LOCKED = """\
[[package]]
name = "torch"
version = "2.4.1+cu121"
dependencies = [
    { name = "numpy" },
]

[[package]]
name = "numpy"
version = "1.26.4"

[[package]]
name = "numpy"
version = "2.0.2"
"""
PIPENV = {"default": {"numpy": {"version": "==2.0.2"}, "torch": {"version": "==2.4.1"}, "own": {}}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", LOCKED),
        ("poetry.lock", LOCKED.replace("\n", "\r\n")),
        ("Pipfile.lock", json.dumps(PIPENV)),
        ("requirements.lock", "# by pip-compile\nnumpy==2.0.2\ntorch==2.4.1\n"),
    ],
)
def test_nothing_newer_is_run_than_what_a_lock_file_fixes(name: str, text: str) -> None:
    declared = "[project]\ndependencies = ['torch>=2.1', 'numpy', 'pandas>=1.5']\n"
    found = requirement_ranges({"pyproject.toml": declared, name: text})
    assert {library: str(each) for library, each in found.items()} == {
        "numpy": "..2.0.2",
        "pandas": ">=1.5",
        "torch": "2.1..2.4.1",
    }


def test_a_lock_file_goes_before_a_declaration_that_it_contradicts() -> None:
    files = {"pyproject.toml": "[project]\ndependencies = ['torch>=2.8']\n", "uv.lock": LOCKED}
    assert str(requirement_ranges(files)["torch"]) == "..2.4.1"


@pytest.mark.parametrize("text", ["", "[", "[]", '{"default": [1], "develop": {"torch": 1}}'])
def test_a_lock_file_that_is_none_fixes_nothing(text: str) -> None:
    assert requirement_ranges({"Pipfile.lock": text, "uv.lock": text}) == {}


@pytest.mark.parametrize(
    ("name", "text", "torch"),
    [
        (".python-version", "3.7.9\n", "..1.13.1"),
        (".python-version", "own-env\n", "None"),
        ("runtime.txt", "python-3.7.9", "..1.13.1"),
        ("runtime.txt", "3.7\n1.2\n", "None"),
    ],
)
def test_a_file_that_names_the_python_bounds_torch(name: str, text: str, torch: str) -> None:
    assert str(asked_for({name: text}).get("torch")) == torch


def test_a_dockerfile_in_its_own_folder_is_asked_as_one_above(tmp_path: Path) -> None:
    files = {"docker/Dockerfile": "FROM pytorch/pytorch:1.7.0\n", "src/train.py": ""}
    for name, text in {**files, "setup.py": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    find = TargetFinder(lambda folder: Settings(root=str(tmp_path)))
    assert str(find(str(tmp_path / "src"))["torch"]) == "1.7.0"


@pytest.mark.parametrize(
    ("image", "torch"),
    [
        ("nvidia/rapids:cuda10.2-runtime-ubuntu18.04-py3.7", "..1.13.1"),
        ("own/images:py37", "..1.13.1"),
        ("own/images:1.4-python3.8-slim", "..2.4.1"),
        ("nvcr.io/nvidia/pytorch:21.02-py3", "None"),
        ("own/py3.7:latest", "None"),
        ("own/images:py370", "None"),
    ],
)
def test_an_image_may_name_its_python(image: str, torch: str) -> None:
    assert str(asked_for({"Dockerfile": f"FROM {image}\n"}).get("torch")) == torch


@pytest.mark.parametrize(
    ("line", "torch"),
    [
        ("get_ipython().system('pip install -q torch==1.8.0')", "1.8.0"),
        ("import os\nos.system('pip install torch==1.8.0 > /dev/null')", "1.8.0"),
        ("import os\ndef set_up():\n    os.system('pip install torch==1.8.0')", "any"),
        ("shell.system('pip install torch==1.8.0')", "any"),
        ("print('pip install torch==1.8.0')", "any"),
        ("import os\nos.system(command + ' install torch==1.8.0')", "any"),
    ],
)
def test_a_script_that_was_a_notebook_runs_on_what_it_installs(line: str, torch: str) -> None:
    source = decode("train.py", f"import torch\n{line}\n".encode())
    file = File(source, lower.parse(source.code), Surroundings({}, {}))
    assert str(file.target("torch")) == torch


def _found_in(folder: Path, files: dict[str, str], at: str) -> Mapping[str, Range]:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        data = _kept(content) if name.endswith(".ipynb") else content.encode()
        (folder / name).write_bytes(data)
    return TargetFinder(lambda _: Settings(root=str(folder)))(str(folder / at))


def test_what_a_nested_package_does_not_name_is_as_the_project_above_has_it(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "numpy==1.23.1\ntorch==1.13.1\npandas==1.5.0\n",
        "parts/setup.py": "setup(install_requires=['torch>=2.0', 'pandas'])\n",
        "setup.cfg": "",
    }
    found = _found_in(tmp_path, dict(files), "parts")
    assert (str(found["numpy"]), str(found["torch"])) == ("1.23.1", ">=2.0")
    assert "pandas" not in found or found["pandas"].overlaps_from((2,))


@pytest.mark.parametrize(
    ("files", "numpy"),
    [
        ({"a.ipynb": "3.7.9", "b.ipynb": "3.6.8"}, "..1.21.6"),
        ({"a.ipynb": "3.7.9", "b.ipynb": "none"}, "..1.21.6"),
        ({"a.ipynb": "2.7.6"}, "None"),
        ({"deep/a.ipynb": "3.7.9"}, "None"),
        # What is said of the Python goes before it, and so does what is asked for.
        ({"a.ipynb": "3.7.9", "README.md": "- Python 3.9\n"}, "..2.0.2"),
        ({"a.ipynb": "3.7.9", "requirements.txt": "numpy>=1.24\n"}, ">=1.24"),
    ],
)
def test_a_script_is_as_old_as_the_python_of_the_notebooks_beside_it(
    tmp_path: Path, files: dict[str, str], numpy: str
) -> None:
    assert str(_found_in(tmp_path, {**files, "setup.cfg": ""}, ".").get("numpy")) == numpy


def test_a_frozen_list_without_an_extension_is_read_by_its_lines() -> None:
    frozen = "numpy==1.19.4\ntorch==1.7.0\ntorchvision @ file:///wheels/torchvision.whl\n"
    assert str(asked_for({"requirement": frozen})["torch"]) == "1.7.0"


def test_a_caret_of_poetry_ends_before_the_next_breaking_release() -> None:
    poetry = '[tool.poetry.dependencies]\nlibrosa = "^0.9.2"\ntorch = "~1.12"\n'
    found = requirement_ranges({"pyproject.toml": poetry})
    assert {library: str(found[library]) for library in ("librosa", "torch")} == {
        "librosa": ">=0.9.2,<0.10",
        "torch": ">=1.12,<1.13",
    }


def _target(path: str, text: str, stated: Range | None = None) -> str:
    source = decode(path, text.encode())
    targets = {} if stated is None else {"torch": stated}
    file = File(source, lower.parse(source.code), Surroundings(targets, {}))
    return str(file.target("torch"))


@pytest.mark.parametrize(
    ("test", "torch"),
    [
        ("assert torch.__version__ == '1.5.0'", "1.5.0"),
        ("assert torch.__version__.startswith('1.5.')", "1.5"),
        ("assert version.parse(torch.__version__) < version.parse('2.0')", "<2.0"),
        ("assert Version('1.6') <= Version(torch.__version__), 'too old'", ">=1.6"),
        ("assert torch.__version__ >= '1.6' and torch.__version__ < '1.9'", ">=1.6,<1.9"),
        ("assert not torch.__version__ > '2.3'", "..2.3"),
        ("assert torch.__version__.split('.')[0] == '1'", "1"),
        ("assert int(torch.__version__.split('.')[0]) < 2", "<2"),
        ("assert torch.__version__.split('.')[1] == '4'", "..2.4"),
        ("if torch.__version__ != '1.5.0':\n    raise ImportError('no')", "1.5.0"),
        ("if Version(torch.__version__) >= Version('2.1'):\n    sys.exit('no')", "<2.1"),
        (
            "if torch.__version__ < '1.5' or torch.__version__ > '1.9':\n    raise OSError",
            "1.5..1.9",
        ),
        # What only chooses, or says nothing of a single range.
        ("if torch.__version__ < '1.5':\n    print('old')", "any"),
        ("if torch.__version__ < '1.5':\n    raise OSError\nelse:\n    pass", "any"),
        ("assert torch.__version__ == '1.5' or torch.cuda.is_available()", "any"),
        ("assert torch.__version__ != '1.5'", "any"),
        ("assert numpy.__version__ == '1.5'", "any"),
        ("assert torch.__version__ == wanted", "any"),
        ("def old():\n    assert torch.__version__ == '1.5.0'", "any"),
    ],
)
def test_a_test_of_the_release_that_ends_the_module_bounds_torch(test: str, torch: str) -> None:
    head = "import sys\nimport numpy\nimport torch\nfrom packaging import version\n"
    head += "from packaging.version import Version\n"
    assert _target("train.py", f"{head}{test}\n") == torch


@pytest.mark.parametrize(
    ("cell", "torch"),
    [
        ("!pip install -q torch==1.13.1 torchvision==0.14.1", "1.13.1"),
        ("%pip install torchaudio==2.0.2", "2.0"),
        ("%%bash\npip install \\\n  torch==1.9.0", "1.9.0"),
        ("# !pip install torch==1.5.0", "any"),
        ("print('pip install torch==1.5.0')", "any"),
        ("!pip install torch", "any"),
        ("!conda create -n own python=3.7", "..1.13.1"),
    ],
)
def test_a_notebook_runs_on_the_torch_that_it_installs(cell: str, torch: str) -> None:
    assert _target("train.ipynb", _notebook(cell)) == torch


@pytest.mark.parametrize(
    ("cell", "shown", "expected"),
    [
        ("print(np.__version__)", "1.26.4\n", ("..1.26.4", "any")),
        ("np.__version__", "'1.26.4'", ("..1.26.4", "any")),
        (
            "print(np.__version__, torch.__version__)",
            "1.23.5 2.0.1+cu118\n",
            ("..1.23.5", "..2.0.1"),
        ),
        ("print(f'torch {torch.__version__}')", "torch 1.3.1\n", ("..1.21.6", "..1.3.1")),
        # Which release is whose, nobody can say.
        ("print(np.__version__, sys.version)", "1.26.4 3.11.2 (main)", ("any", "any")),
        ("print(own.__version__)", "1.0.1", ("any", "any")),
        ("print('numpy')", "1.26.4", ("any", "any")),
        ("print(np.__version__)", "", ("any", "any")),
        # What pip said below its command.
        (
            "!pip install torch numpy",
            "Installing ...\nSuccessfully installed numpy-1.21.2 torch-1.9.0+cu111\n",
            ("..1.21.2", "..1.9.0"),
        ),
        (
            "%pip install torchvision",
            "Requirement already satisfied: numpy>=1.17 in /lib (from torchvision) (1.19.5)\n",
            ("..1.19.5", "..2.8.0"),  # torch 2.9 has no build for the Pythons of that NumPy
        ),
        ("!pip install torch", "Successfully installed torch\n", ("any", "any")),
        ("print('x')", "Successfully installed numpy-1.21.2\n", ("any", "any")),
    ],
)
def test_what_nobody_asks_for_is_as_old_as_what_a_notebook_printed_of_it(
    cell: str, shown: str, expected: tuple[str, str]
) -> None:
    book = json.loads(_notebook(cell, "import sys, own, torch\nimport numpy as np"))
    book["cells"][0]["outputs"] = [{"output_type": "stream", "text": [shown]}]
    source = decode("train.ipynb", json.dumps(book).encode())
    file = File(source, lower.parse(source.code), Surroundings({}, {}))
    assert (str(file.target("numpy")), str(file.target("torch"))) == expected
    asked = File(source, lower.parse(source.code), Surroundings({"numpy": Range.parse(">=1")}, {}))
    assert str(asked.target("numpy")) == ">=1"


CHAINER = "import chainer\nimport chainer.functions as F\n"
TENSORFLOW = "import tensorflow as tf\n"


@pytest.mark.parametrize(
    ("text", "stated", "numpy"),
    [
        (CHAINER, None, "<2"),
        ("from chainer import links\n", None, "<2"),
        (CHAINER, Range.parse(">=1.15"), ">=1.15,<2"),
        (CHAINER, Range.parse("==2.0.1"), "2.0.1"),  # somebody must know better
        (CHAINER, Range((2, 4), (2, 4), known=False), "<2"),  # which is only installed here
        ("import theano.tensor as T\n", None, "<1.22"),
        (f"{TENSORFLOW}x = tf.placeholder(tf.float32, [None, 8])\n", None, "<1.19.0"),
        (f"{TENSORFLOW}cell = tf.contrib.rnn.LSTMCell(8)\n", None, "<1.19.0"),
        ("from tensorflow import Session\nwith Session() as session:\n    pass", None, "<1.19.0"),
        # What runs on a newer one, too.
        ("import chainerx_own\n# as in chainer\n", None, "any"),
        ("try:\n    import chainer\nexcept ImportError:\n    chainer = None\n", None, "any"),
        (f"{TENSORFLOW}x = tf.compat.v1.placeholder(tf.float32, [None, 8])\n", None, "any"),
        ("import tensorflow.compat.v1 as tf\nx = tf.placeholder(tf.float32, [8])\n", None, "any"),
        (f"{TENSORFLOW}if tf.__version__ < '2':\n    tf.Session()\n", None, "any"),
        (f"{TENSORFLOW}model = tf.keras.Sequential()\n", None, "any"),
        ("import own as tf\n# no tensorflow\nx = tf.placeholder([8])\n", None, "any"),
    ],
)
def test_what_has_no_newer_releases_holds_back_what_goes_with_it(
    text: str, stated: Range | None, numpy: str
) -> None:
    source = decode("train.py", text.encode())
    targets = {} if stated is None else {"numpy": stated}
    file = File(source, lower.parse(source.code), Surroundings(targets, {}))
    assert str(file.target("numpy")) == numpy


def _kept(python: str, *cells: str) -> bytes:
    """A notebook as it was kept after a run on a release of Python."""
    book = json.loads(_notebook(*cells))
    book["metadata"] = {"language_info": {"name": "python", "version": python}}
    return json.dumps(book).encode()


@pytest.mark.parametrize(
    ("python", "cell", "library", "stated", "expected"),
    [
        ("3.7.9", "import numpy", "numpy", None, "..1.21.6"),
        ("3.8.10 (default) [GCC 9.4.0]", "import torch", "torch", None, "..2.4.1"),
        ("3.13.1", "import numpy", "numpy", None, "any"),
        ("15.1", "import numpy", "numpy", None, "any"),
        # What is asked for stays, here and in the project, and what is told of it is narrowed.
        ("3.7.9", "!pip install numpy==1.24.0", "numpy", None, "1.24.0"),
        ("3.7.9", "import torch\nassert torch.__version__ >= '2.0'", "torch", None, ">=2.0"),
        ("3.7.9", "import numpy", "numpy", Range.parse(">=1.19"), ">=1.19"),
        ("3.7.9", "import numpy", "numpy", Range((1, 19), (1, 24), known=False), "1.19..1.21.6"),
        ("3.7.9", "import numpy", "numpy", Range((2, 1), (2, 1), known=False), "..1.21.6"),
    ],
)
def test_what_nobody_asks_for_is_as_old_as_the_python_of_a_notebook(
    python: str, cell: str, library: str, stated: Range | None, expected: str
) -> None:
    source = decode("train.ipynb", _kept(python, cell))
    targets = {} if stated is None else {library: stated}
    file = File(source, lower.parse(source.code), Surroundings(targets, {}))
    assert str(file.target(library)) == expected


@pytest.mark.parametrize(
    ("python", "found"),
    [("3.7.9", ["API002"]), ("3.8.5", ["API001"]), ("3.12", ["API001"] * 2), ("", ["API001"] * 2)],
)
def test_a_notebook_is_told_of_what_the_newest_releases_for_its_python_lack(
    python: str,
    found: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cell = "import numpy as np\nfrom sklearn.metrics import mean_squared_error\n"
    cell += "x = np.zeros(3, dtype=np.float)\nprint(mean_squared_error(x, x, squared=False))\n"
    (tmp_path / "train.ipynb").write_bytes(_kept(python, cell))
    monkeypatch.chdir(tmp_path)
    main(["check", ".", "--no-cache", "--select", "API", "--output-format", "json", "--pedantic"])
    diagnostics = json.loads(capsys.readouterr().out)["diagnostics"]
    assert [each["code"] for each in diagnostics] == found


@pytest.mark.parametrize(
    ("name", "text", "torch"),
    [
        (
            "README.md",
            "conda install pytorch torchvision cudatoolkit=10.2 -c pytorch\n",
            "..1.12.1",
        ),
        ("install.sh", "conda install -c pytorch 'cudatoolkit=9.2' pytorch>=1.4\n", "1.4..1.7.1"),
        ("install.sh", "conda install pytorch=1.13 cudatoolkit=10.2 -c pytorch\n", "1.13"),
        ("install.sh", "conda install cudatoolkit=10.2 -c pytorch\npip install torch\n", "None"),
        ("install.sh", "conda install pytorch cudatoolkit=11.8 -c conda-forge\n", "None"),
        ("install.sh", "conda install pytorch-lightning cudatoolkit=10.2\n", "None"),
        (
            "environment.yml",
            "dependencies:\n  - cudatoolkit=10.1\n  - pytorch\n",
            "..1.8.1",
        ),
        (
            "environment.yml",
            "channels:\n  - pytorch\ndependencies:\n  - cudatoolkit=10.2\n  - pip:\n    - torch\n",
            "None",
        ),
    ],
)
def test_the_toolkit_of_a_conda_build_bounds_its_torch(name: str, text: str, torch: str) -> None:
    assert str(asked_for({name: text}).get("torch")) == torch


WHEEL = "https://example.org/wheels/"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            f"!pip install {WHEEL}torch_xla-1.8-cp37-cp37m-linux_x86_64.whl",
            {"torch-xla": "1.8.0", "torch": "1.8", "transformers": "..4.30.2"},
        ),
        (
            f"!pip install '{WHEEL}torch-2.0.1%2Bcu118-cp38-cp38-linux_x86_64.whl'",
            {"torch": "2.0.1", "transformers": "..4.46.3"},
        ),
        ("!pip install ./dist/torch-1.9.0-py3-none-any.whl", {"torch": "1.9.0"}),
        (f"!pip install {WHEEL}tool-1.0-cp38-abi3-linux_x86_64.whl", {"transformers": "None"}),
        (f"!pip install {WHEEL}torch_xla-nightly-cp37-cp37m-linux_x86_64.whl", {"torch": "None"}),
        (f"!pip install {WHEEL}own.whl numpy==1.19.5", {"pandas": "..1.4.4", "own": "None"}),
    ],
)
def test_a_wheel_names_a_release_and_a_python(command: str, expected: dict[str, str]) -> None:
    source = decode("train.ipynb", _notebook(command).encode())
    file = File(source, lower.parse(source.code), Surroundings({}, {}))
    found = {library: str(file.once(pins.installed).get(library)) for library in expected}
    assert found == expected


def _notebook(*cells: str) -> str:
    listed = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": c} for c in cells]
    return json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_what_a_file_says_itself_narrows_what_is_stated_and_goes_before_what_is_installed() -> None:
    pinned = "import torch\nassert torch.__version__ < '2.0'\n"
    assert _target("train.py", pinned, Range.parse(">=1.8")) == ">=1.8,<2.0"
    assert _target("train.py", pinned, Range.parse("2.4..2.13")) == "2.4..2.13"
    assert _target("train.py", pinned, Range((2, 13), (2, 13), known=False)) == "<2.0"


def test_a_changed_requirement_changes_a_result_that_was_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "trainlint.toml").write_text("root = true\n")
    (project / "train.py").write_text("import torch\n\nscaler = torch.cuda.amp.GradScaler()\n")
    monkeypatch.chdir(project)
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    for line, code in (("torchaudio==2.2.2", 0), ("torchaudio==2.6.0", 1)) * 2:
        (project / "requirements_gpu.txt").write_text(line + "\n")
        assert main(["check", "--select", "AMP004"]) == code, line
    (project / "requirements_gpu.txt").unlink()
    assert main(["check", "--select", "AMP004"]) == 1
    (project / "Dockerfile").write_text("FROM pytorch/pytorch:1.13.1-cuda11.6\n")
    assert main(["check", "--select", "AMP004"]) == 0
    capsys.readouterr()


@given(_versions, _versions, _versions, _versions, _versions)
def test_a_narrowed_range_holds_what_both_held(
    a: Version, b: Version, c: Version, d: Version, probe: Version
) -> None:
    left = Range(*sorted((a, b), key=_stripped))
    right = Range(*sorted((c, d), key=_stripped))
    both = left.narrow(right)
    if both is not None:
        assert both.overlaps_from(probe) == (
            left.overlaps_from(probe) and right.overlaps_from(probe)
        )
        assert both.wholly_from(probe) == (left.wholly_from(probe) or right.wholly_from(probe))


_NAMES = ["pyproject.toml", "setup.cfg", "environment.yml", "req.txt", "setup.py", "Pipfile"]


@pytest.mark.parametrize("name", [*_NAMES, "Dockerfile", "setup.sh"])
@given(text=st.text(alphabet="torch=<>~^!*.,;[]()-#:\\\"' \n\r0129{}@", max_size=120))
def test_no_text_of_a_requirement_file_is_an_error(name: str, text: str) -> None:
    requirement_ranges({name: text})
    requirement_ranges({name: f"[project]\ndependencies = {text}"})
    requirement_ranges({name: f"dependencies:\n  - {text}"})
    requirement_ranges({name: f"pip install {text}"})
    requirement_ranges({name: f"setup(install_requires={text})"})


@pytest.mark.parametrize(
    "line",
    [
        "-r torch==1.9.0",
        "--find-links https://host/torch-1.9.0-cp38-cp38-linux_x86_64.whl",
        "https://host/torch.zip",
        "torch @ git+https://host/torch@v1.9.0",
        "torch @ ./torch-1.9.0",
    ],
)
def test_an_option_an_address_and_a_folder_name_no_release(line: str) -> None:
    assert list(requirement_entries("requirements.txt", f"numpy==1.23\n{line}\n")) == [
        ("numpy", "==1.23")
    ]


def test_a_command_that_installs_from_an_address_names_no_release() -> None:
    words = "'torch @ git+https://host/torch@v1.9.0' https://host/torchvision.zip"
    assert list(installed_entries(f"pip install numpy==1.23 {words}")) == [("numpy", "==1.23")]


def test_a_toolkit_that_nobody_named_is_not_bound_by_torch() -> None:
    assert TOOLKIT not in bounded({"torch": Range.parse("==1.8.1")})
