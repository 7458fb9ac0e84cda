from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import platformdirs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainlint.storage import enginekey, index, prune, session
from trainlint.storage.cache import Cache, Session, content_digest, default_directory
from trainlint.storage.enginekey import engine_key

REPOSITORY = Path(__file__).parent.parent
DRIVER = Path(__file__).with_name("killed.py")
DAY = 86400


class Project:
    """A few files, and the cache that is to know them."""

    def __init__(self, folder: Path, texts: dict[str, str]) -> None:
        self.root = folder / "project"
        self.directory = folder / "cache"
        self.root.mkdir()
        for name, text in texts.items():
            self.write(name, text)

    @property
    def folder(self) -> Path:
        return self.directory / "results"

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def session(self, settings_key: str = "settings") -> Session:
        return Cache.open(self.directory).session(self.root, settings_key)

    def store(self, *names: str) -> None:
        with self.session() as opened:
            for name in names or sorted(path.name for path in self.root.iterdir()):
                put(opened, self.root, name)


def put(opened: Session, root: Path, name: str) -> None:
    status = (root / name).stat()
    data = (root / name).read_bytes()
    opened.store(name, status, content_digest(data), name, result(data))


def result(data: bytes) -> bytes:
    return b'{"result of": "' + data + b'"}'


def by_status(opened: Session, root: Path, name: str) -> bytes | None:
    return opened.lookup(name, (root / name).stat())


def by_content(opened: Session, root: Path, name: str) -> bytes | None:
    return opened.lookup_content(content_digest((root / name).read_bytes()), name)


@contextmanager
def ten_seconds_later() -> Iterator[None]:
    """All files are older than the runs that look at them."""
    real = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.time, "time_ns", lambda: real() + 10_000_000_000)
        yield


@pytest.fixture
def later() -> Iterator[None]:
    with ten_seconds_later():
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"a.py": "a = 1\n", "b.py": "b = 1\n", "c.ipynb": "{}"})


# --- what is found


@pytest.mark.usefixtures("later")
def test_an_unchanged_file_is_found_by_its_status(project: Project) -> None:
    project.store()
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")
        status = (project.root / "a.py").stat()
        assert opened.digest("a.py", status) == content_digest(b"a = 1\n")
        assert by_status(opened, project.root, "c.ipynb") == result(b"{}")


@pytest.mark.usefixtures("later")
def test_an_edited_file_is_a_miss_until_it_is_edited_back(project: Project) -> None:
    project.store()
    project.write("a.py", "a = 2\n")
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert by_content(opened, project.root, "a.py") is None
        put(opened, project.root, "a.py")
    project.write("a.py", "a = 1\n")
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert by_content(opened, project.root, "a.py") == result(b"a = 1\n")


@pytest.mark.usefixtures("later")
def test_a_run_over_some_files_keeps_what_is_known_of_the_others(project: Project) -> None:
    project.store("a.py")
    project.store("b.py")
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")
        assert by_status(opened, project.root, "b.py") == result(b"b = 1\n")


@pytest.mark.usefixtures("later")
def test_other_settings_roles_and_engines_are_misses(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.store()
    digest = content_digest(b"a = 1\n")
    with project.session("others") as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert opened.lookup_content(digest, "a.py") is None
    with project.session() as opened:
        assert opened.lookup_content(digest, "another role") is None
        assert opened.lookup_content(digest, "a.py") == result(b"a = 1\n")
    monkeypatch.setattr(Cache, "engine_key", lambda self, extra=(): "another engine")
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert opened.lookup_content(digest, "a.py") is None


@pytest.mark.usefixtures("later")
def test_a_moved_tree_is_found_by_content_and_then_by_status(
    project: Project, tmp_path: Path
) -> None:
    project.store()
    moved = tmp_path / "moved"
    shutil.copytree(project.root, moved)
    cache = Cache.open(project.directory)
    with cache.session(moved, "settings") as opened:
        for name in ("a.py", "b.py"):
            assert by_status(opened, moved, name) is None
            assert by_content(opened, moved, name) == result((moved / name).read_bytes())
            put(opened, moved, name)
    shutil.rmtree(project.root)
    with cache.session(moved, "settings") as opened:
        assert by_status(opened, moved, "a.py") == result(b"a = 1\n")


@pytest.mark.usefixtures("later")
def test_results_that_are_known_are_not_stored_again(project: Project) -> None:
    project.store()
    (pack,) = project.folder.glob("*.pack")
    size = pack.stat().st_size
    project.store()
    assert pack.stat().st_size == size


@pytest.mark.usefixtures("later")
def test_a_large_run_is_written_in_portions(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_FLUSH_AT", 30)
    opened = project.session()
    for name in ("a.py", "b.py", "c.ipynb"):
        put(opened, project.root, name)
    assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")
    opened.close()
    with project.session() as again:
        assert by_status(again, project.root, "c.ipynb") == result(b"{}")


@pytest.mark.usefixtures("later")
def test_names_that_are_no_text_are_names(project: Project) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    project.write(name, "x")
    project.store()
    with project.session() as opened:
        assert by_status(opened, project.root, name) == result(b"x")


def test_a_cache_that_is_off_knows_nothing(project: Project) -> None:
    cache = Cache.off()
    with cache.session(project.root, "settings") as opened:
        put(opened, project.root, "a.py")
    with cache.session(project.root, "settings") as opened:
        assert by_content(opened, project.root, "a.py") is None
    assert cache.trouble == "switched off"
    assert cache.clear() == 0


# --- time stamps


def rewrite_keeping_the_stamps(path: Path, text: str) -> None:
    before = path.stat()
    with path.open("r+", encoding="utf-8") as file:
        file.write(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )


def test_a_file_written_just_before_the_run_is_verified_by_content(project: Project) -> None:
    project.store()
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert by_content(opened, project.root, "a.py") == result(b"a = 1\n")


def test_a_second_write_within_one_tick_is_never_mistaken_for_the_first(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "fields", coarse)  # a clock that ticks once in the whole test
    monkeypatch.setattr(session, "fields", coarse)
    project.store()
    rewrite_keeping_the_stamps(project.root / "a.py", "a = 2\n")
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert by_content(opened, project.root, "a.py") is None


def coarse(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, 0, status.st_ino]


def test_verifying_by_content_settles_a_file(project: Project) -> None:
    project.store()
    with ten_seconds_later():
        with project.session() as opened:
            assert by_status(opened, project.root, "a.py") is None
            put(opened, project.root, "a.py")
        with project.session() as opened:
            assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")


@pytest.mark.usefixtures("later")
def test_a_file_whose_stamps_were_set_back_is_verified_by_content(project: Project) -> None:
    project.store()
    rewrite_keeping_the_stamps(project.root / "a.py", "a = 2\n")
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None


@pytest.mark.usefixtures("later")
def test_a_file_from_the_future_is_always_verified_by_content(project: Project) -> None:
    path = project.root / "a.py"
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    project.store()
    project.store()
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert by_content(opened, project.root, "a.py") == result(b"a = 1\n")


@pytest.mark.usefixtures("later")
def test_a_file_replaced_by_another_of_the_same_size_and_time_is_a_miss(project: Project) -> None:
    project.store()
    path = project.root / "a.py"
    before = path.stat()
    twin = project.root / "twin"
    twin.write_text("a = 9\n", encoding="utf-8")
    os.utime(twin, ns=(before.st_atime_ns, before.st_mtime_ns))
    twin.replace(path)
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None


# --- damage


TEXTS = {f"{number}.py": f"text of {number}\n" * (number + 1) for number in range(5)}


@pytest.fixture(scope="module")
def filled() -> Iterator[Project]:
    with TemporaryDirectory() as folder:
        project = Project(Path(folder), TEXTS)
        with ten_seconds_later():
            project.store()
        yield project


def flipped(data: bytes, position: int, mask: int) -> bytes:
    at = position % len(data)
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


damages = st.one_of(
    st.builds(
        lambda position, mask: lambda data: flipped(data, position, mask),
        st.integers(0, 10**6),
        st.integers(1, 255),
    ),
    st.builds(lambda size: lambda data: data[: size % len(data)], st.integers(0, 10**6)),
    st.builds(lambda other: lambda data: other, st.binary(max_size=200)),
    st.builds(lambda more: lambda data: data + more, st.binary(min_size=1, max_size=200)),
)


@settings(max_examples=150)
@example([(1, lambda data: flipped(data, 0, 1)), (1, lambda data: data[:75])])
@given(st.lists(st.tuples(st.integers(0, 2), damages), min_size=1, max_size=4))
def test_damaged_entries_are_misses_and_are_stored_anew(
    filled: Project, harm: list[tuple[int, Callable[[bytes], bytes]]]
) -> None:
    with TemporaryDirectory() as copy, ten_seconds_later():
        directory = Path(copy) / "cache"
        shutil.copytree(filled.directory, directory)
        victims = [
            path
            for suffix in ("*.index", "*.pack", "*.memo")
            for path in (directory / "results").glob(suffix)
        ]
        for which, damage in harm:
            victim = victims[which % len(victims)]
            victim.write_bytes(damage(victim.read_bytes() or b"\0"))
        cache = Cache.open(directory)
        with cache.session(filled.root, "settings") as opened:
            for name, text in TEXTS.items():
                right = (None, result(text.encode()))
                assert by_status(opened, filled.root, name) in right
                assert by_content(opened, filled.root, name) in right
                known = opened.digest(name, (filled.root / name).stat())
                assert known in (None, content_digest(text.encode()))
                put(opened, filled.root, name)
        with cache.session(filled.root, "settings") as opened:
            for name, text in TEXTS.items():
                assert by_status(opened, filled.root, name) == result(text.encode())
        assert cache.trouble == ""


@pytest.mark.usefixtures("later")
def test_a_result_under_the_wrong_key_is_a_miss(project: Project) -> None:
    project.write("b.py", "b = 2\n")
    project.store()
    (pack,) = project.folder.glob("*.pack")
    data = pack.read_bytes()
    records = {text: data.index(result(text)) for text in (b"a = 1\n", b"b = 2\n")}
    length = len(result(b"a = 1\n"))
    first, second = (slice(at - 48, at + length) for at in records.values())
    swapped = bytearray(data)
    swapped[first], swapped[second] = data[second], data[first]
    pack.write_bytes(swapped)
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None
        assert by_status(opened, project.root, "b.py") is None


@pytest.mark.usefixtures("later")
def test_an_index_that_names_a_file_elsewhere_is_no_index(project: Project, tmp_path: Path) -> None:
    project.store()
    (path,) = project.folder.glob("*.index")
    known = index.read(str(path))
    assert known is not None
    known.pack = "../../victim"
    index.write(str(path), known)
    assert index.read(str(path)) is None


@pytest.mark.usefixtures("later")
def test_an_index_of_another_schema_is_a_miss(project: Project) -> None:
    project.store()
    (path,) = project.folder.glob("*.index")
    path.write_bytes(path.read_bytes().replace(b"trainlint-index 1", b"trainlint-index 2"))
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") is None


@pytest.mark.parametrize("harm", ["cut short", "half a record behind"])
def test_behind_a_damaged_end_of_a_pack_results_can_be_found_again(
    project: Project, tmp_path: Path, harm: str
) -> None:
    project.write("a.py", "a = 1\n" * 50)
    project.store("a.py")
    (pack,) = project.folder.glob("*.pack")
    whole = pack.read_bytes()
    pack.write_bytes(whole[:20] if harm == "cut short" else whole + whole[:-20])
    for name in ("b.py", "c.ipynb"):
        project.store(name)
    with Cache.open(project.directory).session(tmp_path, "settings") as other:
        assert by_content(other, project.root, "b.py") == result(b"b = 1\n")
        assert by_content(other, project.root, "c.ipynb") == result(b"{}")


# --- folders that are of no use


def test_the_folder_is_private_and_marked_as_a_cache(project: Project) -> None:
    project.store()
    assert stat.S_IMODE(project.folder.stat().st_mode) == 0o700
    assert (project.folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d17")
    assert (project.folder / ".gitignore").read_text(encoding="utf-8") == "*\n"
    project.folder.chmod(0o755)
    Cache.open(project.directory)
    assert stat.S_IMODE(project.folder.stat().st_mode) == 0o700


def test_a_folder_of_another_user_is_left_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.store()
    before = sorted(os.listdir(project.folder))
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    cache = Cache.open(project.directory)
    assert "belongs to another user" in cache.trouble
    with cache.session(project.root, "settings") as opened:
        assert by_content(opened, project.root, "a.py") is None
        put(opened, project.root, "a.py")
    assert cache.clear() == 0
    assert sorted(os.listdir(project.folder)) == before


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "results").symlink_to(elsewhere)
    assert "not a directory" in Cache.open(tmp_path / "cache").trouble
    assert list(elsewhere.iterdir()) == []


def test_a_place_where_no_folder_can_be_made_turns_the_cache_off(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache.open(tmp_path / "file" / "cache")
    assert cache.trouble
    with cache.session(tmp_path, "settings") as opened:
        assert opened.lookup_content("00", "") is None


@pytest.mark.usefixtures("later")
def test_a_cache_that_cannot_be_written_can_still_be_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.store("a.py")
    real = os.open

    def read_only(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system", path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    cache = Cache.open(project.directory)
    with cache.session(project.root, "settings") as opened:
        assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")
        put(opened, project.root, "b.py")
    assert "Read-only file system" in cache.trouble
    with cache.session(project.root, "settings") as opened:
        assert by_status(opened, project.root, "b.py") is None


def test_a_full_disk_costs_results_and_nothing_else(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.store("a.py")
    real = os.write

    def full(fd: int, data: bytes) -> int:
        real(fd, bytes(data)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        project.store("b.py")
    project.store("c.ipynb")
    with project.session() as opened:
        assert by_content(opened, project.root, "a.py") == result(b"a = 1\n")
        assert by_content(opened, project.root, "b.py") is None
        assert by_content(opened, project.root, "c.ipynb") == result(b"{}")


def test_the_users_folder_is_the_one_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINLINT_CACHE_DIR", raising=False)
    assert default_directory() == platformdirs.user_cache_dir("trainlint")
    monkeypatch.setenv("XDG_CACHE_HOME", os.path.abspath("elsewhere"))
    assert default_directory() == platformdirs.user_cache_dir("trainlint")


def test_the_folder_can_be_chosen_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "mine"))
    assert Cache.open().folder == str(tmp_path / "mine" / "results")


# --- clearing and pruning


def test_clear_removes_what_is_ours_and_nothing_else(project: Project) -> None:
    project.store()
    foreign = project.folder / "thesis.txt"
    foreign.write_bytes(b"precious")
    beside = project.directory / "notes.index"
    beside.write_bytes(b"precious too")
    cache = Cache.open(project.directory)
    assert cache.clear() >= 2
    assert os.listdir(project.folder) == ["thesis.txt"]
    assert beside.exists()
    foreign.unlink()
    cache.clear()
    assert not project.folder.exists()
    assert cache.trouble == ""


def test_a_cleared_cache_is_filled_again(project: Project) -> None:
    project.store()
    Cache.open(project.directory).clear()
    project.store()
    with project.session() as opened:
        assert by_content(opened, project.root, "a.py") == result(b"a = 1\n")


def age(folder: Path, days: float) -> None:
    for path in folder.iterdir():
        stamp = path.stat().st_mtime - days * DAY
        os.utime(path, (stamp, stamp))


def test_projects_unused_for_a_month_are_removed_by_the_next_run(
    project: Project, tmp_path: Path
) -> None:
    project.store()
    old = set(os.listdir(project.folder))
    age(project.folder, 31)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.py").write_text("new", encoding="utf-8")
    with Cache.open(project.directory).session(other, "settings") as opened:
        put(opened, other, "a.py")
    left = set(os.listdir(project.folder))
    assert not any(name.endswith((".index", ".pack")) for name in left & old)
    assert sum(name.endswith(".pack") for name in left) == 1


def test_pruning_happens_at_most_once_a_day(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.store("a.py")
    runs: list[str] = []
    monkeypatch.setattr(prune, "prune", runs.append)
    project.store("b.py")
    assert runs == []
    age(project.folder, 1.1)
    project.store("c.ipynb")
    assert len(runs) == 1


@pytest.mark.usefixtures("later")
def test_use_keeps_a_project_from_being_pruned(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.store()
    today = session._today()
    for day in (today + 20, today + 40):
        age(project.folder, 20)
        monkeypatch.setattr(session, "_today", lambda day=day: day)
        with project.session() as opened:
            assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")
        assert by_status(opened, project.root, "b.py") is None, "not looked at for 40 days"


def test_the_least_recently_used_projects_go_when_the_cache_grows_too_large(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "LARGEST", 30_000)
    cache = Cache.open(project.directory)
    roots = [tmp_path / f"root{number}" for number in range(4)]
    for root in roots:
        age(project.folder, 2)
        root.mkdir()
        (root / "a.py").write_text(f"{root.name}\n" * 1200, encoding="utf-8")
        with cache.session(root, "settings") as opened:
            put(opened, root, "a.py")
    results = [path for path in project.folder.iterdir() if path.suffix != ".memo"]
    assert sum(path.stat().st_size for path in results) < 30_000
    with cache.session(tmp_path, "settings") as opened:
        found = [by_content(opened, root, "a.py") is not None for root in roots]
    assert found[0] is False
    assert found[-1] is True


@pytest.mark.usefixtures("later")
def test_a_bloated_pack_is_copied_without_what_nobody_uses(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_BLOATED", 20_000)
    for number in range(40):
        project.write("b.py", f"b = {number}\n" * 200)
        project.store("a.py", "b.py")
    packs = list(project.folder.glob("*.pack"))
    assert sum(pack.stat().st_size for pack in packs) < 25_000
    with project.session() as opened:
        assert by_status(opened, project.root, "a.py") == result(b"a = 1\n")
        assert by_status(opened, project.root, "b.py") == result(b"b = 39\n" * 200)


@pytest.mark.usefixtures("later")
def test_a_run_that_began_before_a_pack_was_copied_loses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.store()
    early = project.session()
    monkeypatch.setattr(index, "is_bloated", lambda known, daily: True)
    project.write("b.py", "b = 2\n")
    project.store("b.py")
    monkeypatch.undo()
    assert by_status(early, project.root, "a.py") in (None, result(b"a = 1\n"))
    put(early, project.root, "c.ipynb")
    early.close()
    with project.session() as opened:
        for name, text in (("a.py", b"a = 1\n"), ("b.py", b"b = 2\n"), ("c.ipynb", b"{}")):
            assert by_content(opened, project.root, name) == result(text)


# --- two runs at once, killed runs


def _fill(root: Path, directory: Path, names: list[str], barrier: object) -> None:
    cache = Cache.open(directory)
    barrier.wait()  # type: ignore[attr-defined]
    for start in range(0, len(names), 10):
        with cache.session(root, "settings") as opened:
            for name in names[start : start + 10]:
                put(opened, root, name)
    assert cache.trouble == ""


def test_two_processes_that_write_at_once_keep_the_results_of_both(tmp_path: Path) -> None:
    names = [f"{number}.py" for number in range(120)]
    project = Project(tmp_path, {name: f"text of {name}\n" for name in names})
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [
        context.Process(target=_fill, args=(project.root, project.directory, part, barrier))
        for part in (names[:70], names[50:])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    with project.session() as opened:
        for name in names:
            assert by_content(opened, project.root, name) == result(f"text of {name}\n".encode())
    (known,) = project.folder.glob("*.index")
    rows = index.read(str(known))
    assert rows is not None
    assert set(rows.rows) == set(names)


def test_a_run_killed_at_any_call_loses_its_own_results_at_most(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, DRIVER, "fill", tmp_path], check=True, env=environment)
    states = list(tmp_path.iterdir())
    assert len(states) > 10
    found = set()
    for state in states:
        cache = Cache.open(state / "cache")
        with cache.session(state, "settings") as opened:
            for path in state.glob("*.py"):
                second = path.read_bytes()
                first = second.replace(b"second", b"first")
                assert opened.lookup_content(content_digest(first), "") == first * 2
                payload = opened.lookup_content(content_digest(second), "")
                assert payload in (None, second * 2)
                found.add(payload is None)
                opened.store(path.name, path.stat(), content_digest(second), "", second * 2)
        with cache.session(state, "settings") as opened:
            for path in state.glob("*.py"):
                second = path.read_bytes()
                assert opened.lookup_content(content_digest(second), "") == second * 2
        assert cache.trouble == ""
        cache.clear()
        assert not (state / "cache" / "results").exists()
    assert found == {False, True}


def test_a_held_lock_costs_results_and_nothing_else(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_WAIT", 0.03)
    project.store("a.py")
    cache = Cache.open(project.directory)
    with session.hold(str(project.folder / prune.LOCK), 0):
        with cache.session(project.root, "settings") as opened:
            put(opened, project.root, "b.py")
        assert "Busy" in cache.trouble
    with cache.session(project.root, "settings") as opened:
        assert by_content(opened, project.root, "a.py") == result(b"a = 1\n")
        assert by_content(opened, project.root, "b.py") is None


# --- the key of the engine


@pytest.fixture
def engine(tmp_path: Path) -> SimpleNamespace:
    """A package with a rule, older than any slack, and a folder to remember its key in."""
    package = tmp_path / "package"
    (package / "rules").mkdir(parents=True)
    for name in ("check.py", "rules/amp.py", "rules/table.json"):
        path = package / name
        path.write_text("1\n", encoding="utf-8")
        os.utime(path, (1_600_000_000, 1_600_000_000))
    memory = tmp_path / "memory"
    memory.mkdir()
    return SimpleNamespace(
        package=package,
        memory=memory,
        key=lambda *extra: engine_key(str(memory), extra, str(package)),
    )


@pytest.mark.parametrize("name", ["check.py", "rules/amp.py", "rules/table.json"])
def test_every_source_and_table_is_in_the_key(engine: SimpleNamespace, name: str) -> None:
    before = engine.key()
    (engine.package / name).write_text("2\n", encoding="utf-8")
    assert engine.key() != before
    (engine.package / name).write_text("1\n", encoding="utf-8")
    assert engine.key() == before


def test_a_new_rule_and_a_pack_are_in_the_key(engine: SimpleNamespace, tmp_path: Path) -> None:
    before = engine.key()
    pack = tmp_path / "pack.py"
    pack.write_text("rule\n", encoding="utf-8")
    assert engine.key(str(pack)) != before
    (engine.package / "rules" / "los.py").write_text("1\n", encoding="utf-8")
    assert engine.key() != before


def test_compiled_files_and_the_place_of_the_package_are_not_in_the_key(
    engine: SimpleNamespace, tmp_path: Path
) -> None:
    before = engine.key()
    (engine.package / "__pycache__").mkdir()
    (engine.package / "__pycache__" / "check.cpython-311.pyc").write_bytes(b"1")
    assert engine.key() == before
    moved = tmp_path / "elsewhere"
    shutil.copytree(engine.package, moved)
    assert engine_key(str(engine.memory), (), str(moved)) == before


def test_a_remembered_key_is_not_computed_again(
    engine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engine.key()
    monkeypatch.setattr(enginekey, "_hash", lambda versions, files: "computed")
    assert engine.key() == before
    os.utime(engine.package / "check.py")
    assert engine.key() == "computed"


def test_the_key_of_sources_written_just_now_is_not_remembered(engine: SimpleNamespace) -> None:
    path = engine.package / "check.py"
    path.write_text("3\n", encoding="utf-8")
    before = engine.key()
    rewrite_keeping_the_stamps(path, "4\n")
    assert engine.key() != before


def test_the_versions_of_python_and_libcst_are_in_the_key(
    engine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {engine.key()}
    monkeypatch.setattr(enginekey, "_libcst_version", lambda: "another")
    keys.add(engine.key())
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    keys.add(engine.key())
    assert len(keys) == 3


def test_the_version_of_libcst_is_read_without_its_import() -> None:
    program = (
        "import sys; from trainlint.storage.enginekey import _libcst_version\n"
        "text = _libcst_version(); assert 'libcst' not in sys.modules\n"
        "from importlib.metadata import version; assert version('libcst') in text, text"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_a_warm_run_imports_nothing_heavy(project: Project) -> None:
    project.store()
    program = (
        "import sys; from trainlint.storage.cache import Cache\n"
        "session = Cache.open(sys.argv[1]).session(sys.argv[2], 'settings')\n"
        "session.lookup('a.py', __import__('os').stat(sys.argv[2] + '/a.py')); session.close()\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-c", program, project.directory, project.root]
    command[3] = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n" + program
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    heavy = {"libcst", "rich", "platformdirs", "hashlib", "dataclasses", "inspect", "tempfile"}
    assert "trainlint.storage.session" in loaded
    assert not loaded & heavy
