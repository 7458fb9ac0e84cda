"""Which files are found below a path, and which settings and targets hold for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainlint.config import companions
from trainlint.config.settings import Settings, SettingsError
from trainlint.diagnostics import Failure
from trainlint.discovery.discover import (
    Discovery,
    File,
    SettingsFinder,
    TargetFinder,
    discover,
    is_generated,
    is_vendored,
    requirement_files,
)
from trainlint.discovery.gitignore import IgnoreFile

posix_only = pytest.mark.skipif(os.name == "nt", reason="needs the files of a POSIX system")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository that is the working directory, and a user without settings."""
    user = tmp_path / "user" / "trainlint.toml"
    monkeypatch.setattr("trainlint.discovery.project_files.user_settings_file", lambda: str(user))
    root = tmp_path / "project"
    (root / ".git" / "info").mkdir(parents=True)
    monkeypatch.chdir(root)
    return root


def _make(*names: str, text: str = "x = 1\n") -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _discover(*paths: str, force_exclude: bool = False, writing: bool = False) -> Discovery:
    return discover(
        paths or (".",),
        force_exclude=force_exclude,
        settings_for=SettingsFinder(),
        writing=writing,
    )


def _found(*paths: str, force_exclude: bool = False) -> list[str]:
    discovery = _discover(*paths, force_exclude=force_exclude)
    assert discovery.failures == []
    return [file.reported for file in discovery.files]


def _only(discovery: Discovery) -> File:
    (file,) = discovery.files
    return file


def test_scripts_and_notebooks_are_found_in_order() -> None:
    _make("b.py", "a.py", "src/z.ipynb", "src/deep/m.py", "c.pyi", "d.txt", "pyproject")
    assert _found() == ["a.py", "b.py", "src/deep/m.py", "src/z.ipynb"]


def test_a_file_says_where_it_is_and_how_it_was_reached(project: Path) -> None:
    _make("src/a.py", "b.py")
    walked, named = _discover("src", "b.py").files[::-1]
    assert (walked.path, walked.reported) == (str(project / "src" / "a.py"), "src/a.py")
    assert (walked.named, named.named) == (False, True)
    status = Path("src/a.py").stat()
    stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    assert (walked.size, walked.stamp) == (status.st_size, stamp)


def test_paths_are_relative_to_the_working_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make("src/a.py", "lib/b.py")
    monkeypatch.chdir(project / "src")
    assert _found("..", str(project / "src")) == ["../lib/b.py", "a.py"]


def test_folders_that_tools_fill_are_left_out() -> None:
    _make(
        *(
            f"{name}/a.py"
            for name in (
                ".git",
                ".venv",
                "venv",
                "node_modules",
                "__pycache__",
                "build",
                "dist",
                ".tox",
                ".mypy_cache",
                ".ipynb_checkpoints",
                "lib/site-packages",
                "wandb/run-1/files/code",
            )
        ),
        "src/a.py",
    )
    assert _found() == ["src/a.py"]


def test_an_environment_of_any_name_is_left_out() -> None:
    _make("my-env/pyvenv.cfg", "my-env/a.py", "conda/conda-meta/history", "conda/a.py", "b.py")
    assert _found() == ["b.py"]
    assert _found("my-env") == ["my-env/a.py"]


def test_a_default_name_above_the_project_does_not_matter(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project.parent / "build" / "site-packages"
    root.mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "a.py").write_text("")
    monkeypatch.chdir(root)
    assert not _only(_discover(".", force_exclude=True)).excluded


def test_what_is_named_is_checked_though_it_is_left_out() -> None:
    _make("build/a.py", "build/build/b.py", "skip/c.py", "skip/d.py", "notes.txt", "x.pyi")
    _make("trainlint.toml", text='exclude = ["skip"]\n')
    assert _found("build", "skip/c.py") == ["build/a.py", "skip/c.py"]
    assert _found("skip") == ["skip/c.py", "skip/d.py"]
    assert _found("notes.txt", "x.pyi") == ["notes.txt"]
    assert all(file.excluded for file in _discover("build", "skip/c.py", "skip").files)
    assert not _only(_discover("notes.txt")).excluded


def test_force_exclude_holds_for_what_is_named() -> None:
    _make("build/a.py", "skip/c.py", "keep.py")
    _make("trainlint.toml", text='exclude = ["skip"]\n')
    assert _found("build", "build/a.py", "skip", "skip/c.py", "keep.py", force_exclude=True) == [
        "keep.py"
    ]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("old", {"a.py", "src/gen_x.py", "src/deep/a.py"}),
        ("src/old", {"a.py", "old/a.py", "src/gen_x.py", "src/deep/a.py"}),
        ("./src/old/", {"a.py", "old/a.py", "src/gen_x.py", "src/deep/a.py"}),
        ("gen_*.py", {"a.py", "old/a.py", "src/old/a.py", "src/deep/a.py"}),
        ("/a.py", {"old/a.py", "src/gen_x.py", "src/old/a.py", "src/deep/a.py"}),
        ("src/**/a.py", {"a.py", "old/a.py", "src/gen_x.py"}),
        ("**/old/**", {"a.py", "src/gen_x.py", "src/deep/a.py"}),
        ("src/*", {"a.py", "old/a.py"}),
        ("src/gen_[!ab].p?", {"a.py", "old/a.py", "src/old/a.py", "src/deep/a.py"}),
    ],
)
def test_exclude_patterns_count_from_the_settings_folder(pattern: str, left: set[str]) -> None:
    _make("a.py", "old/a.py", "src/old/a.py", "src/gen_x.py", "src/deep/a.py")
    _make("trainlint.toml", text=f"exclude = ['{pattern}']\n")
    assert set(_found()) == left


def test_gitignore_files_hold_at_every_level() -> None:
    _make("a.py", "data/a.py", "src/a.py", "src/tmp_1.py", "src/keep/tmp_2.py", "src/keep/b.py")
    _make(".gitignore", text="# c\n\ndata/\ntmp_*.py\n")
    _make("src/keep/.gitignore", text="!tmp_2.py\nb.py\n")
    assert _found() == ["a.py", "src/a.py", "src/keep/tmp_2.py"]
    assert _found("src/keep") == ["src/keep/tmp_2.py"]


def test_the_repositorys_own_exclude_file_holds() -> None:
    _make("a.py", "local/b.py", ".git/info/exclude", text="local\n")
    assert _found() == ["a.py"]


def test_a_worktree_uses_the_exclude_file_of_its_repository(project: Path) -> None:
    _make(".git/info/exclude", text="local.py\n")
    _make(".git/worktrees/w/commondir", text="../..\n")
    tree = project.parent / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {project / '.git' / 'worktrees' / 'w'}\n")
    (tree / "local.py").write_text("")
    (tree / "a.py").write_text("")
    assert _found(str(tree)) == ["../tree/a.py"]


def test_an_ignored_folder_that_is_named_is_walked_but_never_written() -> None:
    _make("out/a.py", "out/deep/b.py", "out/deep/c.py", "out/d.py")
    _make(".gitignore", text="out/\n")
    _make("out/deep/.gitignore", text="c.py\n")
    discovery = _discover("out", "out/d.py", writing=True)
    assert [file.reported for file in discovery.files] == ["out/a.py", "out/d.py", "out/deep/b.py"]
    assert all(file.excluded for file in discovery.files)


def test_broken_ignore_patterns_are_passed_over() -> None:
    _make("a.py", "b.py", ".gitignore", text="!\n//\n[z-a]\nb.py\n")
    assert "a.py" in _found()
    assert "b.py" not in _found()


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
def test_ignore_files_mean_what_git_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q"], check=True, env=clean)
    names = ("a.py", "b.py", "out/a.py", "out/b.py", "out/keep/a.py", "x y.py", "#h.py", "c1.py")
    for folder in ("", "src/", "src/deep/", "doc/src/", "src/out/"):
        _make(*(folder + name for name in names))
    _make(".gitignore", text="/b.py\nout/*\n!out/keep\nsrc/**/b.py\n\\#h.py\nx\\ y.py\nc[0-9].py\n")
    _make("src/.gitignore", text="*\n!*/\n!a.py\n!/c1.py\n")
    _make("src/deep/.gitignore", text="a.py   \n!b.py\n")
    listed = subprocess.run(
        ["git", "-c", "core.quotePath=false", "ls-files", "-o", "--exclude-standard", "*.py"],
        check=True,
        capture_output=True,
        text=True,
        env=clean,
    ).stdout.splitlines()
    assert _found() == sorted(listed)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a.py", "a.py d/a.py a.py/", "ba.py a.pyc"),
        ("out/", "out/ d/out/", "out d/out"),
        ("/out", "out out/", "d/out"),
        ("d/out", "d/out d/out/", "e/d/out out"),
        ("*.py[cod]", "a.pyc d/.pyo", "a.py a.pyx"),
        ("d/*", "d/a d/b/", "d/ d/b/c"),
        ("d/**", "d/a d/b/c", "d/"),
        ("**/gen", "gen d/gen d/e/gen/", "agen"),
        ("d/**/x", "d/x d/e/x d/e/f/x", "dx d/ex"),
        ("d/a**b", "d/ab d/axb", "d/a/b"),
        ("**", "a d/a d/", ""),
        ("?.py", "a.py d/b.py", ".py ab.py"),
        ("[!a-c]x", "dx", "ax bx"),
        ("[^a]x", "bx", "ax"),
        ("[]a]x", "]x ax", "bx"),
        ("[a-]x", "-x ax", "bx"),
        ("[[:digit:]a]x", "1x ax", "bx"),
        ("[[:nonsense:]]x", "", "ax :x"),
        ("[\\]]x", "]x", "\\x"),
        ("[z-a]x", "", "ax zx bx"),
        ("[ab", "", "a [ab"),
        ("\\#a", "#a", "a"),
        ("\\!a", "!a", "a"),
        ("a\\ ", "a\\x20", "a"),
        ("a  ", "a", "a\\x20"),
        ("a\\", "", "a a\\"),
        ("a.b|c(d", "a.b|c(d", "axb c"),
        ("/", "", "a a/"),
        ("# a", "", "a"),
    ],
)
def test_a_pattern_of_an_ignore_file_matches_as_in_git(pattern: str, yes: str, no: str) -> None:
    file = IgnoreFile.parse(f"{pattern}\nnothing-else\n")
    assert file is not None
    for path in yes.split():
        assert file.verdict(path.replace("\\x20", " ")) is True, path
    for path in no.split():
        assert file.verdict(path.replace("\\x20", " ")) is None, path


def test_the_last_pattern_that_matches_decides() -> None:
    file = IgnoreFile.parse("*\n!*/\n!*.py\nb.py\n!/d/b.py\n")
    assert file is not None
    paths = ("a", "d/", "a.py", "b.py", "d/b.py", "d/e/b.py", "d/a.txt")
    kept = [path for path in paths if file.verdict(path) is False]
    assert kept == ["d/", "a.py", "d/b.py"]


@posix_only
def test_a_symlink_loop_ends() -> None:
    _make("src/a.py")
    os.symlink("..", "src/up")
    os.symlink("self", "src/self")
    os.symlink("loop.py", "src/loop.py")
    discovery = _discover()
    assert [file.reported for file in discovery.files] == ["src/a.py"]
    (failure,) = discovery.failures
    assert (failure.path, failure.stage) == ("src/loop.py", "read")


@posix_only
def test_each_real_file_and_folder_is_visited_once_under_its_own_name() -> None:
    _make("z/a.py", "z/deep/b.py")
    os.symlink("z", "a_link")
    os.symlink("z/deep/b.py", "b_link.py")
    assert _found() == ["z/a.py", "z/deep/b.py"]
    assert _found("a_link", "z/a.py") == ["a_link/deep/b.py", "z/a.py"]


@posix_only
def test_a_link_is_followed_only_inside_the_project(project: Path) -> None:
    outside = project.parent / "outside"
    outside.mkdir()
    (outside / "a.py").write_text("")
    _make("common/b.py", "src/c.py", "out/d.py", ".venv/e.py")
    _make(".gitignore", text="out/\n")
    os.symlink(outside, "src/data")
    os.symlink("../common", "src/common")
    os.symlink("../out", "src/latest")
    os.symlink("../.venv", "src/env")
    assert _found("src") == ["src/c.py", "src/common/b.py"]


@posix_only
def test_a_broken_link_is_one_line() -> None:
    os.symlink("nowhere", "a.py")
    os.symlink("me@host.123", ".#b.py")  # an editor's lock
    assert _discover().failures == [Failure("a.py", "read", "a broken symbolic link")]


@posix_only
def test_what_is_no_regular_file_is_one_line() -> None:
    os.mkfifo("pipe.py")
    _make("a.py")
    discovery = _discover(".", "pipe.py", os.devnull)
    assert [file.reported for file in discovery.files] == ["a.py"]
    assert {(f.path, f.message, f.named) for f in discovery.failures} == {
        ("pipe.py", "not a regular file", True),
        (os.path.relpath(os.devnull), "not a regular file", True),
    }


def test_a_folder_that_cannot_be_read_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _make("a.py", "closed/b.py", "open/c.py")
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if os.path.basename(path) == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    discovery = _discover()
    assert [file.reported for file in discovery.files] == ["a.py", "open/c.py"]
    assert discovery.failures == [Failure("closed", "read", "Permission denied")]
    assert _discover("closed").failures[0].named


def test_a_folder_named_like_a_script_is_a_folder() -> None:
    _make("x.py/a.py", "x.py/y.ipynb/b.py")
    assert _found() == ["x.py/a.py", "x.py/y.ipynb/b.py"]
    assert _found("x.py") == ["x.py/a.py", "x.py/y.ipynb/b.py"]


@pytest.mark.parametrize("path", ["missing.py", "missing", "a.py/b.py", "nul\0.py"])
def test_a_named_path_that_does_not_exist_is_a_failure_of_a_named_path(path: str) -> None:
    _make("a.py")
    discovery = _discover("a.py", path)
    assert [file.reported for file in discovery.files] == ["a.py"]
    (failure,) = discovery.failures
    assert (failure.path, failure.stage, failure.named) == (path, "read", True)
    assert "\n" not in failure.message


def test_a_path_given_twice_is_checked_once() -> None:
    _make("src/a.py")
    discovery = _discover("src", "src/a.py", "./src/../src/a.py", ".")
    assert _only(discovery).named


def test_a_large_file_is_one_line_and_not_read() -> None:
    _make("trainlint.toml", text="max-file-size = 100\n")
    _make("big.py", text="#" * 101)
    _make("fits.py", text="#" * 100)
    discovery = _discover(".", "big.py")
    assert [file.reported for file in discovery.files] == ["fits.py"]
    (failure,) = discovery.failures
    assert failure.message == "101 bytes, more than max-file-size allows (100)"
    assert failure.named


def test_a_notebook_may_be_larger_for_its_pictures() -> None:
    _make("trainlint.toml", text="max-file-size = 100\n")
    _make("a.ipynb", text=" " * 1600)
    _make("b.ipynb", text=" " * 1601)
    discovery = _discover()
    assert [file.reported for file in discovery.files] == ["a.ipynb"]
    assert [failure.path for failure in discovery.failures] == ["b.ipynb"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_found() -> None:
    with open(b"caf\xe9 \n.py", "wb"):
        pass
    file = _only(_discover())
    assert os.fsencode(file.reported) == b"caf\xe9 \n.py"
    assert os.path.exists(file.path)


def test_a_walk_imports_nothing_slow() -> None:
    _make("a.py", "trainlint.toml", ".gitignore", text="")
    command = (
        "import sys; from trainlint.discovery.discover import *;"
        "found = discover(['.', 'a.py'], settings_for=SettingsFinder());"
        "slow = {'pathspec', 'platformdirs', 'libcst', 'rich', 'difflib', 'configparser'};"
        "print(len(found.files), sorted(slow & set(sys.modules)))"
    )
    path = os.pathsep.join([os.path.dirname(os.path.dirname(__file__)), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", command],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout == "1 []\n"


def test_the_nearest_settings_hold(project: Path) -> None:
    _make("pyproject.toml", text='[tool.trainlint]\nselect = ["AMP"]\n')
    _make("inner/pyproject.toml", text="[project]\n")
    _make("inner/deep/trainlint.toml", text='select = ["LEK"]\n')
    _make("inner/deep/pyproject.toml", text='[tool.trainlint]\nselect = ["ERR"]\n')
    _make("a.py", "inner/b.py", "inner/deep/c.py")
    chosen = {file.reported: file.settings.select for file in _discover().files}
    assert chosen == {"a.py": ("AMP",), "inner/b.py": ("AMP",), "inner/deep/c.py": ("LEK",)}
    assert SettingsFinder()(str(project / "inner")).root == str(project)


def test_without_settings_the_users_own_hold_from_the_repositorys_root(project: Path) -> None:
    _make("a.py", "sub/b.py", "nested/.git/HEAD", "nested/c.py")
    user = project.parent / "user"
    user.mkdir()
    (user / "trainlint.toml").write_text('select = ["MET"]\n')
    files = _discover().files
    assert {file.settings.select for file in files} == {("MET",)}
    roots = {file.reported: file.settings.root for file in files}
    nested = str(project / "nested")
    assert roots == {"a.py": str(project), "sub/b.py": str(project), "nested/c.py": nested}


def test_project_settings_keep_their_root_in_a_nested_repository(project: Path) -> None:
    _make("trainlint.toml", text="")
    _make("nested/.git/HEAD", "nested/c.py")
    assert _only(_discover()).settings.root == str(project)


def test_outside_a_repository_the_working_directory_is_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "plain")
    assert SettingsFinder()(str(tmp_path / "plain" / "sub")).root == str(tmp_path / "plain")


def test_wrong_settings_on_the_way_are_an_error_with_file_and_key(project: Path) -> None:
    _make("sub/a.py")
    _make("sub/trainlint.toml", text='selct = ["AMP"]\n')
    with pytest.raises(SettingsError, match="selct") as caught:
        _discover()
    assert caught.value.file == str(project / "sub" / "trainlint.toml")


def test_settings_that_are_not_utf8_are_an_error() -> None:
    Path("trainlint.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(SettingsError, match="not UTF-8"):
        _discover()


def test_settings_may_begin_with_a_byte_order_mark_and_end_lines_with_crlf() -> None:
    Path("trainlint.toml").write_bytes(b'\xef\xbb\xbfselect = ["AMP"]\r\nignore = []\r\n')
    _make("a.py")
    assert _only(_discover()).settings.select == ("AMP",)


def test_requirement_files_of_a_folder_are_read(project: Path) -> None:
    _make("requirements.txt", "requirements-dev.txt", "requirements/base.txt", "setup.cfg")
    _make("environment.yml", "pyproject.toml", "notes.txt", "requirements/x.md")
    Path("requirements_ps.txt").write_bytes("torch==2.1.0\r\n".encode("utf-16"))
    files = requirement_files(str(project))
    assert sorted(files) == [
        "environment.yml",
        "pyproject.toml",
        "requirements-dev.txt",
        "requirements.txt",
        "requirements/base.txt",
        "requirements_ps.txt",
        "setup.cfg",
    ]
    assert files["requirements_ps.txt"].startswith("torch==2.1.0")


def test_targets_come_from_the_nearest_folder_with_requirements(project: Path) -> None:
    _make("requirements.txt", text="torch==2.1.*\n")
    _make("one/requirements.txt", text="torch==1.13.*\n")
    _make("two/pyproject.toml", text="[tool.ruff]\n")
    _make("three/trainlint.toml", text="root = true\n")
    _make("four/.git/HEAD")
    targets = TargetFinder(SettingsFinder())
    found = {name: targets(str(project / name)) for name in ("one/sub", "two", "three", "four")}
    assert {name: str(ranges.get("torch")) for name, ranges in found.items()} == {
        "one/sub": "1.13",
        "two": "2.1",
        "three": "None",
        "four": "None",
    }


_POETRY = '[tool.poetry.dependencies]\nlibrosa = "^0.9.2"\ntorch = "^1.7"\n'


def test_a_folder_that_sets_up_a_machine_leaves_open_what_the_project_above_says(
    project: Path,
) -> None:
    _make("pyproject.toml", text=_POETRY)
    _make("serve/Dockerfile", text="FROM python:3.8.5\nRUN pip install poetry==1.2.1\n")
    _make("cloud/setup_env.sh", text="pip install torch==1.13.1 'librosa>=0.8'\n")
    _make("tool/requirements.txt", text="torch==2.1.0\nlibrosa\n")
    targets = TargetFinder(SettingsFinder())
    found = {
        folder: {name: str(each) for name, each in targets(str(project / folder)).items()}
        for folder in ("serve", "cloud", "tool")
    }
    assert found["serve"]["librosa"] == ">=0.9.2,<0.10"
    assert found["serve"]["torch"] == ">=1.7,<2"
    assert (found["cloud"]["torch"], found["cloud"]["librosa"]) == ("1.13.1", "0.8..0.11.0")
    assert (found["tool"]["torch"], found["tool"]["librosa"]) == ("2.1.0", "..0.11.0")


def test_the_nearest_readme_tells_what_no_requirement_file_asks_for(project: Path) -> None:
    _make("README.md", text="- PyTorch 1.4\n- NumPy 1.19\n- Pillow 7.1\n")
    _make("requirements.txt", text="torch==2.1.*\nnumpy\n")
    _make("own/Readme.rst", text="numpy==1.21.0\ntorch==1.5.0\n")
    _make("own/notes.md", text="numpy==1.16.0\npandas==0.25.0\n")
    targets = TargetFinder(SettingsFinder())
    names = ("torch", "numpy", "pillow", "pandas")
    found = {
        folder: [str(targets(str(project / folder)).get(name)) for name in names]
        for folder in (".", "own/deep")
    }
    assert found == {
        ".": ["2.1", "1.19", "7.1", "..1.4.4"],
        "own/deep": ["2.1", "1.21.0", "7.1", "..2.0.3"],
    }


def test_what_a_readme_installs_bounds_what_the_project_leaves_open(project: Path) -> None:
    _make("README.md", text="    conda create -n own python=3.8\n")
    _make("requirements.txt", text="torch>=1.8\ntransformers\n")
    targets = TargetFinder(SettingsFinder())(str(project))
    found = {name: (str(targets[name]), targets[name].known) for name in ("torch", "transformers")}
    assert found == {"torch": (">=1.8", True), "transformers": ("..4.46.3", False)}


def test_a_project_that_names_no_release_reads_no_table_of_needs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companions, "spans", lambda: pytest.fail("was read"))
    _make("requirements.txt", text="torch>=1.8\nrich\n")
    assert str(TargetFinder(SettingsFinder())(str(project))["torch"]) == ">=1.8"


@pytest.mark.parametrize(
    "head",
    [
        "# @generated by a tool\n",
        "# Generated by the protocol buffer compiler.  DO NOT EDIT!\n",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# Code generated by x. Do not edit.\n",
        '"""This file was auto-generated from y.\nPlease do not modify it."""\n',
        "# DO NOT EDIT: generated file\n",
    ],
)
def test_a_generated_file_says_so_in_its_first_lines(head: str) -> None:
    assert is_generated(head + "x = 1\n")
    assert not is_generated("\n\n\n\n\n" + head)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Predictions are generated by the decoder\n",
        "# Do not edit the seed\n",
        'MARK = "@generated"\n',
        "x = model.generate(do_sample=True)\n",
    ],
)
def test_a_file_that_only_mentions_generating_is_not_generated(text: str) -> None:
    assert not is_generated(text)


def test_vendored_code_is_known_by_its_folder() -> None:
    settings = Settings(root="/project")
    assert is_vendored("/project/third_party/apex/a.py", settings)
    assert is_vendored("src/vendor/a.py", settings)
    assert not is_vendored("/project/src/vendors.py", settings)
    assert not is_vendored("/project/src/a.py", settings)
    assert is_vendored("lib/a.py", Settings(root="/project", vendored=("lib",)))
