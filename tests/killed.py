"""Runs an action again and again, each time in a process that is killed one system call later.

``python killed.py ACTION FOLDER`` makes ``FOLDER/0``, ``FOLDER/1``, ... with what the killed runs
left in each; the last one is the run that came through. What recovers is judged by the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from trainlint.storage import writing
from trainlint.storage.cache import Cache, content_digest
from trainlint.storage.writing import Change, write_group

CALLS = ("open", "write", "fsync", "replace", "unlink", "close", "fchmod", "ftruncate", "mkdir")
KILLED = 9
GROUP = {"a.py": b"old a\n", "sub/b.py": b"old b\r\n", "sub/c.ipynb": b"{}\n"}
RECOVERY_AFTER = 5  # every fifth state that a killed write leaves is recovered, and killed again


def arm(at: int) -> None:
    """Kill this process before its ``at``-th call; a write is killed when half of it is done."""
    left = at

    def armed(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal left
            if left == 0:
                if name == "write":
                    descriptor, data = args
                    real(descriptor, bytes(data)[: len(data) // 2])
                os._exit(KILLED)
            left -= 1
            return None if name == "fsync" else real(*args, **kwargs)

        return call

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, armed(name, getattr(os, name)))


def new(before: bytes) -> bytes:
    return before.replace(b"old", b"new") + b"more\n" * 3


def plant(folder: Path) -> None:
    for name, text in GROUP.items():
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        path.chmod(0o640)


def write(folder: Path) -> None:
    tree = folder / "tree"
    group = [Change(tree / name, text, new(text)) for name, text in GROUP.items()]
    write_group(group, root=tree, journal_dir=folder / "journal")


def recover(folder: Path) -> None:
    writing.recover(folder / "journal")


def fill(folder: Path) -> None:
    session = Cache.open(folder / "cache").session(folder, "settings")
    for path in sorted(folder.glob("*.py")):
        text = path.read_bytes()
        session.store(path.name, path.stat(), content_digest(text), "", text * 2)
    session.close()


def run(action: Callable[[Path], None], folder: Path, at: int) -> bool:
    """True when the action came through before its ``at``-th call."""
    if not hasattr(os, "fork"):
        command = [sys.executable, __file__, action.__name__, str(folder), str(at)]
        return subprocess.run(command, check=False).returncode != KILLED
    child = os.fork()
    if child == 0:
        arm(at)
        action(folder)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, KILLED):
        raise SystemExit(f"{folder}: exit status {status}")
    return status == 0


def kill_everywhere(
    action: Callable[[Path], None], folder: Path, plant: Callable[..., None]
) -> int:
    """The number of calls at which the action was killed."""
    at = 0
    while True:
        state = folder / str(at)
        plant(state)
        if run(action, state, at):
            return at
        at += 1


def plant_filled(folder: Path) -> None:
    """A cache that knows one text of each file, and a second text of each."""
    folder.mkdir(parents=True)
    for text in ("first", "second"):
        for index in range(3):
            (folder / f"{index}.py").write_text(f"{text} {index}\n", encoding="utf-8")
        if text == "first":
            fill(folder)


def main(name: str, folder: Path) -> None:
    match name:
        case "write":
            kill_everywhere(write, folder, plant)
        case "fill":
            kill_everywhere(fill, folder, plant_filled)
        case "recover":
            count = kill_everywhere(write, folder / "writes", plant)
            for at in range(0, count, RECOVERY_AFTER):

                def plant_killed(state: Path, at: int = at) -> None:
                    plant(state)
                    run(write, state, at)

                kill_everywhere(recover, folder / f"after-{at}", plant_killed)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        arm(int(sys.argv[3]))
        {"write": write, "recover": recover, "fill": fill}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main(sys.argv[1], Path(sys.argv[2]))
