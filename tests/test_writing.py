from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from trainlint.storage import journal, locks, writing
from trainlint.storage.checked import content_digest
from trainlint.storage.locks import Busy, hold
from trainlint.storage.writing import (
    Change,
    ChangedMeanwhile,
    WriteError,
    WriteFailed,
    WriteRefused,
    recover,
    write_group,
)

DRIVER = Path(__file__).with_name("killed.py")
REPOSITORY = Path(__file__).parent.parent
CALLS = ("open", "write", "fsync", "replace", "unlink", "close", "fchmod")


class Tree:
    """Three files in two folders, and what they are to become."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.journal = folder / "journal"
        (self.root / "sub").mkdir(parents=True)
        self.old = {"a.py": b"a = 1\n", "sub/b.py": b"b = 1\r\n", "sub/c.py": b"c = 1"}
        self.new = {name: text + b"# more\n" for name, text in self.old.items()}
        for name, text in self.old.items():
            (self.root / name).write_bytes(text)

    def changes(self) -> list[Change]:
        return [Change(self.root / n, self.old[n], self.new[n]) for n in self.old]

    def write(self) -> None:
        write_group(self.changes(), root=self.root, journal_dir=self.journal)

    def texts(self) -> dict[str, bytes]:
        return contents(self.root)

    def litter(self) -> list[str]:
        extra = sorted(set(self.texts()) - set(self.old))
        return extra + (os.listdir(self.journal) if self.journal.exists() else [])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def at_call(
    monkeypatch: pytest.MonkeyPatch, at: int, action: Callable[[], None], calls: tuple[str, ...]
) -> list[str]:
    """Run ``action`` once, before the ``at``-th of the calls; the names of the calls made."""
    made: list[str] = []

    def patched(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            made.append(name)
            if len(made) == at + 1:
                action()
            return real(*args, **kwargs)

        return call

    for name in calls:
        if hasattr(os, name):
            monkeypatch.setattr(os, name, patched(name, getattr(os, name)))
    return made


# --- what is written


def test_a_group_is_written_and_nothing_else_is_left(tree: Tree) -> None:
    tree.write()
    assert tree.texts() == tree.new
    assert tree.litter() == []


def test_the_mode_of_a_file_is_kept(tree: Tree) -> None:
    (tree.root / "a.py").chmod(0o751)
    tree.write()
    assert stat.S_IMODE((tree.root / "a.py").stat().st_mode) == 0o751


def test_a_link_inside_the_root_is_written_through(tree: Tree) -> None:
    link = tree.root / "link.py"
    link.symlink_to("sub/b.py")
    write_group(
        [Change(link, tree.old["sub/b.py"], b"b = 2\n")], root=tree.root, journal_dir=tree.journal
    )
    assert link.is_symlink()
    assert (tree.root / "sub/b.py").read_bytes() == b"b = 2\n"


def test_a_root_reached_through_a_link_is_the_root(tree: Tree, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(tree.root)
    write_group(
        [Change(alias / "a.py", tree.old["a.py"], b"a = 2\n")],
        root=alias,
        journal_dir=tree.journal,
    )
    assert (tree.root / "a.py").read_bytes() == b"a = 2\n"


def test_a_change_that_changes_nothing_leaves_the_file_itself_in_place(tree: Tree) -> None:
    path = tree.root / "a.py"
    inode = path.stat().st_ino
    same = Change(path, tree.old["a.py"], tree.old["a.py"])
    write_group([same], root=tree.root, journal_dir=tree.journal)
    assert path.stat().st_ino == inode


def test_a_file_name_that_is_no_text_survives_the_journal(tree: Tree) -> None:
    path = tree.root / os.fsdecode(b"caf\xe9\n.py")
    path.write_bytes(b"x")
    write_group([Change(path, b"x", b"y")], root=tree.root, journal_dir=tree.journal)
    assert path.read_bytes() == b"y"


# --- what is refused


def test_a_file_that_changed_on_disk_is_named_and_nothing_is_written(tree: Tree) -> None:
    (tree.root / "sub/c.py").write_bytes(b"edited")
    with pytest.raises(ChangedMeanwhile, match=r"c\.py: changed on disk meanwhile") as caught:
        tree.write()
    assert caught.value.path == tree.root / "sub/c.py"
    assert tree.texts() == {**tree.old, "sub/c.py": b"edited"}
    assert tree.litter() == []


def test_a_file_that_is_gone_has_changed(tree: Tree) -> None:
    (tree.root / "sub/c.py").unlink()
    with pytest.raises(ChangedMeanwhile):
        tree.write()
    assert (tree.root / "a.py").read_bytes() == tree.old["a.py"]


def test_a_file_saved_between_two_renames_is_kept_and_the_others_are_restored(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def replace(source: str, target: str) -> None:
        real(source, target)
        if target.endswith("a.py"):
            (tree.root / "sub/c.py").write_bytes(b"edited")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(WriteError, match=r"c\.py: changed on disk meanwhile"):
        tree.write()
    assert tree.texts() == {**tree.old, "sub/c.py": b"edited"}
    assert tree.litter() == []


def a_link_to_outside(tree: Tree, path: Path) -> None:
    outside = tree.root.parent / "outside.py"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def a_second_hard_link(tree: Tree, path: Path) -> None:
    os.link(path, tree.root.parent / "twin.py")


def a_read_only_file(tree: Tree, path: Path) -> None:
    path.chmod(0o444)


def a_read_only_directory(tree: Tree, path: Path) -> None:
    path.parent.chmod(0o555)


def a_directory(tree: Tree, path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link_to_itself(tree: Tree, path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (a_link_to_outside, "leads outside of"),
        (a_second_hard_link, "has 2 hard links"),
        (a_read_only_file, "read-only"),
        (a_read_only_directory, "in a read-only directory"),
        (a_directory, "not a regular file"),
        (a_link_to_itself, "not a regular file"),
    ],
)
def test_a_file_that_is_not_ours_to_write_is_refused_in_one_line(
    tree: Tree, make: Callable[[Tree, Path], None], reason: str
) -> None:
    path = tree.root / "sub/b.py"
    make(tree, path)
    try:
        with pytest.raises(WriteRefused, match=reason) as caught:
            tree.write()
    finally:
        path.parent.chmod(0o755)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert (tree.root / "a.py").read_bytes() == tree.old["a.py"]
    assert tree.litter() == []


def test_a_path_outside_of_the_root_is_refused(tree: Tree, tmp_path: Path) -> None:
    path = tmp_path / "tree-neighbour.py"
    path.write_bytes(b"x")
    with pytest.raises(WriteRefused, match="lies outside of"):
        write_group([Change(path, b"x", b"y")], root=tree.root, journal_dir=tree.journal)
    assert path.read_bytes() == b"x"


def test_a_file_named_twice_is_refused(tree: Tree) -> None:
    (tree.root / "link.py").symlink_to("a.py")
    twice = [
        Change(tree.root / name, tree.old["a.py"], text)
        for name, text in (("a.py", b"1"), ("link.py", b"2"))
    ]
    with pytest.raises(WriteRefused, match="named twice"):
        write_group(twice, root=tree.root, journal_dir=tree.journal)
    assert tree.texts()["a.py"] == tree.old["a.py"]


# --- what fails on the way


def test_a_full_disk_at_any_write_leaves_nothing_behind(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_on_a_full_disk(tree: Tree, at: int) -> str:
        with monkeypatch.context() as patch:
            made = at_call(patch, at, full, ("write", "fsync"))
            try:
                tree.write()
            except WriteFailed as error:
                return error.reason
        return "" if len(made) > at else "never full"

    for at in range(1000):
        tree = Tree(tree.root.parent / str(at))
        reason = write_on_a_full_disk(tree, at)
        if reason == "never full":
            break
        assert tree.litter() == []
        if reason:
            assert tree.texts() == tree.old
            assert reason == os.strerror(errno.ENOSPC)
        else:  # a folder that cannot be flushed is no failure
            assert tree.texts() == tree.new
    assert at > 10


def test_a_short_write_is_continued(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    tree.write()
    assert tree.texts() == tree.new


@pytest.mark.parametrize("held", ["a.py", "b.py", "c.py"])
def test_a_file_held_open_by_another_program_restores_the_others(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    real = os.replace

    def replace(source: str, target: str) -> None:
        if target.endswith(held):
            raise PermissionError(errno.EACCES, "held open by another program")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(WriteFailed, match="held open by another program") as caught:
        tree.write()
    assert caught.value.path.name == held
    assert tree.texts() == tree.old
    assert tree.litter() == []


def test_what_cannot_be_restored_at_once_is_restored_by_the_next_recovery(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def replace(source: str, target: str) -> None:
        if target.endswith("c.py") or source.endswith(".old"):
            raise PermissionError(errno.EACCES, "held open")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(WriteFailed, match=r"a\.py: cannot be restored"):
            tree.write()
    assert tree.texts()["a.py"] == tree.new["a.py"]
    assert [line.partition(":")[0] for line in recover(tree.journal)] == [
        "undid an interrupted write"
    ]
    assert tree.texts() == tree.old
    assert tree.litter() == []


def test_an_interrupt_at_any_call_leaves_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    for at in range(1000):
        tree = Tree(tmp_path / str(at))
        with monkeypatch.context() as patch:
            made = at_call(patch, at, lambda: signal.raise_signal(signal.SIGINT), CALLS)
            try:
                tree.write()
            except KeyboardInterrupt:
                pass
            else:
                assert len(made) <= at, "an interrupt was swallowed"
        if len(made) <= at:
            break
        begun = made[: at + 1].count("replace") > 1  # behind the one of the journal itself
        assert tree.texts() == (tree.new if begun else tree.old)
        outcomes.append(begun)
        assert tree.litter() == []
    assert set(outcomes) == {False, True}


def test_an_interrupt_handler_of_the_program_is_put_back(tree: Tree) -> None:
    before = signal.getsignal(signal.SIGINT)
    tree.write()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_group_can_be_written_from_another_thread(tree: Tree) -> None:
    thread = threading.Thread(target=tree.write)
    thread.start()
    thread.join()
    assert tree.texts() == tree.new


# --- killed runs


def killed(action: str, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, DRIVER, action, folder], check=True, env=environment)


def recovered(folder: Path) -> str:
    """Which of both texts all files of a killed run hold after its recovery."""
    lines = recover(folder / "journal")
    assert all(line.startswith(("undid", "finished")) for line in lines)
    assert recover(folder / "journal") == []
    assert os.listdir(folder / "journal") == [] if (folder / "journal").exists() else True
    texts = contents(folder / "tree")
    group = GROUP_TEXTS
    for outcome, expected in group.items():
        if texts == expected:
            modes = {stat.S_IMODE((folder / "tree" / name).stat().st_mode) for name in texts}
            assert modes == {0o640}
            return outcome
    raise AssertionError(f"{folder}: neither all old nor all new: {texts}")


OLD_TEXTS = {"a.py": b"old a\n", "sub/b.py": b"old b\r\n", "sub/c.ipynb": b"{}\n"}
GROUP_TEXTS = {
    "old": OLD_TEXTS,
    "new": {n: t.replace(b"old", b"new") + b"more\n" * 3 for n, t in OLD_TEXTS.items()},
}


def states(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: int(path.name))


def test_a_run_killed_at_any_call_is_finished_or_undone_by_the_next(tmp_path: Path) -> None:
    killed("write", tmp_path)
    outcomes = [recovered(state) for state in states(tmp_path)]
    assert len(outcomes) > 40
    assert set(outcomes) == {"old", "new"}
    assert outcomes == sorted(outcomes, reverse=True), "undone up to the commit, finished after"


def test_a_recovery_killed_at_any_call_is_recovered_in_turn(tmp_path: Path) -> None:
    killed("recover", tmp_path)
    outcomes = [
        recovered(state) for folder in sorted(tmp_path.glob("after-*")) for state in states(folder)
    ]
    assert len(outcomes) > 100
    assert set(outcomes) == {"old", "new"}


def committed_and_killed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state behind the first rename, as of a process that died there."""

    class Death(BaseException):
        pass

    real = os.replace

    def replace(source: str, target: str) -> None:
        real(source, target)
        if target.endswith("a.py"):
            raise Death

    def die(_: journal.Journal) -> list[str]:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        patch.setattr(journal, "undo", die)
        with pytest.raises(Death):
            tree.write()
    assert tree.texts()["a.py"] == tree.new["a.py"]
    assert tree.texts()["sub/c.py"] == tree.old["sub/c.py"]


def test_recovery_tells_what_it_finished(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    committed_and_killed(tree, monkeypatch)
    (line,) = recover(tree.journal)
    assert line.startswith("finished an interrupted write: ")
    assert all(name in line for name in ("a.py", "b.py", "c.py"))
    assert tree.texts() == tree.new
    assert tree.litter() == []


def test_the_next_write_settles_what_a_killed_one_left(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed_and_killed(tree, monkeypatch)
    write_group(
        [Change(tree.root / "a.py", tree.new["a.py"], b"a = 3\n")],
        root=tree.root,
        journal_dir=tree.journal,
    )
    assert tree.texts() == {**tree.new, "a.py": b"a = 3\n"}
    assert tree.litter() == []


def test_recovery_never_touches_a_file_that_someone_edited_since(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed_and_killed(tree, monkeypatch)
    (tree.root / "sub/c.py").write_bytes(b"edited")
    undone, left = recover(tree.journal)
    assert undone.startswith("undid an interrupted write")
    assert left.endswith("c.py: changed meanwhile, left as it is")
    assert tree.texts() == {**tree.old, "sub/c.py": b"edited"}
    assert tree.litter() == []


def test_a_temporary_that_was_damaged_is_never_moved_into_place(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed_and_killed(tree, monkeypatch)
    (damaged, *_) = (tree.root / "sub").glob("*.new")
    damaged.write_bytes(b"")
    (line,) = recover(tree.journal)
    assert line.startswith("undid an interrupted write")
    assert tree.texts() == tree.old
    assert tree.litter() == []


def test_recovery_never_writes_through_a_link_put_in_the_place_of_a_target(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed_and_killed(tree, monkeypatch)
    victim = tree.root.parent / "victim"
    victim.write_bytes(tree.old["sub/c.py"])
    (tree.root / "sub/c.py").unlink()
    (tree.root / "sub/c.py").symlink_to(victim)
    recover(tree.journal)
    assert (tree.root / "sub/c.py").is_symlink()
    assert victim.read_bytes() == tree.old["sub/c.py"]


def test_a_damaged_journal_is_set_aside_and_told_once(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed_and_killed(tree, monkeypatch)
    (path,) = tree.journal.glob("*.json")
    path.write_bytes(path.read_bytes().replace(b"a.py", b"x.py", 1))
    (line,) = recover(tree.journal)
    assert line.endswith("a damaged journal, set aside")
    assert recover(tree.journal) == []


def test_a_forged_journal_cannot_remove_files_of_other_names(tree: Tree) -> None:
    victim = tree.root.parent / "victim"
    victim.write_bytes(b"precious")
    tree.journal.mkdir()
    rows = [[str(tree.root / "a.py"), str(victim), str(victim), "0", "1"]]
    forged = {
        "format": "trainlint-journal",
        "version": 1,
        "checksum": content_digest(json.dumps(rows).encode()),
        "entries": rows,
    }
    (tree.journal / "00.committed.json").write_text(json.dumps(forged), encoding="ascii")
    (line,) = recover(tree.journal)
    assert "damaged" in line
    assert victim.read_bytes() == b"precious"


def test_recovery_without_a_journal_makes_nothing(tmp_path: Path) -> None:
    assert recover(tmp_path / "none") == []
    assert list(tmp_path.iterdir()) == []


# --- two runs at once


def test_the_second_of_two_holders_waits_and_then_gives_up(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with hold(path, 0), pytest.raises(Busy), hold(path, 0.05):
        pass
    assert not os.path.exists(path)
    with hold(path, 0):
        pass


def test_a_lock_file_that_was_removed_while_it_was_taken_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "lock")
    real = locks._lock
    tries: list[int] = []

    def lock_what_its_holder_just_removed(fd: int) -> None:
        real(fd)
        if not tries:
            os.unlink(path)
        tries.append(fd)

    monkeypatch.setattr(locks, "_lock", lock_what_its_holder_just_removed)
    with hold(path, 1):
        assert os.path.exists(path)
    assert len(tries) == 2


def test_a_lock_left_by_a_dead_process_is_taken_over(tree: Tree) -> None:
    tree.journal.mkdir()
    program = (
        "import os, sys; from trainlint.storage.locks import hold\n"
        "with hold(sys.argv[1], 0): os._exit(0)"
    )
    lock = str(tree.journal / "lock")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", program, lock], check=True, env=environment)
    assert os.path.exists(lock)
    tree.write()
    assert tree.texts() == tree.new
    assert tree.litter() == []


def test_a_write_beside_a_living_one_is_refused_in_one_line(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LOCK_WAIT", 0.05)
    tree.journal.mkdir()
    with (
        hold(str(tree.journal / "lock"), 0),
        pytest.raises(WriteRefused, match="another trainlint is writing"),
    ):
        tree.write()
    assert tree.texts() == tree.old


def _compete(root: Path, journal_dir: Path, mark: int, barrier: object, queue: object) -> None:
    wins = 0
    barrier.wait()  # type: ignore[attr-defined]
    for round_ in range(20):
        files = [root / f"{round_}-{index}.py" for index in range(3)]
        group = [Change(file, b"old", b"%d" % mark) for file in files]
        try:
            write_group(group, root=root, journal_dir=journal_dir)
            wins += 1
        except ChangedMeanwhile:
            pass
    queue.put(wins)  # type: ignore[attr-defined]


def test_two_processes_that_write_the_same_files_never_mix(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for round_ in range(20):
        for index in range(3):
            (root / f"{round_}-{index}.py").write_bytes(b"old")
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_compete, args=(root, tmp_path / "journal", mark, barrier, queue))
        for mark in (1, 2)
    ]
    for process in processes:
        process.start()
    wins = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(wins) == 20
    for round_ in range(20):
        texts = {(root / f"{round_}-{index}.py").read_bytes() for index in range(3)}
        assert texts in ({b"1"}, {b"2"})
    assert os.listdir(tmp_path / "journal") == []


def test_a_file_system_without_locks_is_told(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(fd: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_lock", no_locks)
    with pytest.raises(WriteFailed, match="No locks available"):
        tree.write()
    assert tree.texts() == tree.old


def test_the_errors_have_one_base() -> None:
    for error in (ChangedMeanwhile, WriteRefused, WriteFailed):
        assert issubclass(error, writing.WriteError)
