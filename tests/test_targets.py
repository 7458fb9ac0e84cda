"""Version ranges and the requirement files that they come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainlint.config.targets import (
    NEWEST,
    Range,
    Version,
    default_range,
    newest,
    parse_target,
    parse_version,
    requirement_ranges,
)


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


def test_a_library_nobody_speaks_of_has_a_range_up_to_the_newest_release() -> None:
    assert newest("torch") == NEWEST["torch"] == (2, 15)
    assert newest("no-such-library") is None
    assert default_range("torch") == Range(None, (2, 15), known=False)
    assert not default_range("torch").wholly_from((0, 1))


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


def test_requirements_txt_is_read_line_by_line() -> None:
    text = """\
# a comment
-r base.txt
--extra-index-url https://download.example.org/whl/cu118
-e .
torch>=2.0,<2.6  # pinned by hand
torchvision[scipy] ~= 0.15.1 ; python_version >= "3.9"
librosa (>=0.9)
numpy==1.26.4 \\
    --hash=sha256:0123 \\
    --hash=sha256:4567
scikit_learn==1.4.*
timm
git+https://example.org/repo.git@main#egg=pytorch-metric
soundfile @ file:///wheels/soundfile.whl
https://example.org/torchaudio-2.1.0-cp310-none-any.whl
pandas = what is this
opencv-python>=4
"""
    assert _read("requirements-dev.txt", text) == {
        "torch": ">=2.0,<2.6",
        "torchvision": ">=0.15.1,<0.16",
        "librosa": ">=0.9",
        "numpy": "1.26.4",
        "sklearn": "1.4",
        "opencv-python": ">=4",
    }


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
        "torch": ">=2.1,<3",
        "numpy": "1.26.4",
        "torchvision": ">=0.16,<0.17",
        "librosa": ">=0.9,<0.11",
        "torchaudio": ">=2.0,<2.3",
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
    assert str(requirement_ranges(files)["torch"]) == "1.13..2.1.0"


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.cfg", "environment.yml", "req.txt"])
@given(text=st.text(alphabet="torch=<>~^!*.,;[]()-#:\\\"' \n\r0129{}@", max_size=120))
def test_no_text_of_a_requirement_file_is_an_error(name: str, text: str) -> None:
    requirement_ranges({name: text})
    requirement_ranges({name: f"[project]\ndependencies = {text}"})
    requirement_ranges({name: f"dependencies:\n  - {text}"})
