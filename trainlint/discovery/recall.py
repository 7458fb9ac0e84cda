"""The whole answer of an earlier run, given again while nothing that it stood on has changed.

What an answer stands on is a list of files and folders with their status; looking at all of it
costs less than importing what would compute the answer. This module is imported before any other,
so it imports next to nothing, and whatever it cannot make sense of is no answer.
"""

from __future__ import annotations

import json
import os
import sys
import time

from trainlint.discovery.localmodules import LocalModules
from trainlint.storage.checked import SLACK_NS, blake2b, read_checked, write_checked
from trainlint.storage.enginekey import MEMO_SUFFIX, engine_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

SECONDS = "31415926.535"  # stands in a remembered text for the seconds of the run that repeats it

_KIND = b"trainlint-answer 1"
_LARGEST = 4 << 20
_VARIABLES = (
    "APPDATA CI_PROJECT_DIR COLUMNS FORCE_COLOR GITHUB_STEP_SUMMARY GITHUB_WORKSPACE HOME"
    " LOCALAPPDATA NO_COLOR TERM USERPROFILE XDG_CONFIG_HOME"
).split()
_STEERING = frozenset((".git", ".gitignore", "pyproject.toml", "setup.cfg", "trainlint.toml"))
_STEERING_STARTS = ("requirements", "environment")
_NEVER = frozenset(("-", "--no-cache", "--output-file", "--stdin-filename"))


class Answer:
    """What a run wrote and returned."""

    __slots__ = ("code", "err", "out")

    def __init__(self, out: str, err: str, code: int) -> None:
        self.out, self.err, self.code = out, err, code


class Grounds:
    """What an answer stands on."""

    def __init__(self) -> None:
        self.extra: list[str] = []  # of the engine key
        self.files: list[str] = []  # whose status counts, also that they are missing
        self.walked: list[str] = []  # folders all names in which count
        self.near: list[str] = []  # folders whose settings and requirements count
        self.local = LocalModules()


def recall(argv: Sequence[str]) -> Answer | None:
    """The answer to this command line, if it is known and still right."""
    started = time.perf_counter()
    folder = _folder(argv)
    if folder is None:
        return None
    try:
        body = read_checked(_memo(folder, argv), _KIND)
        if body is None:
            return None
        grounds, out, err, code = json.loads(body)
        if not _stand(grounds, folder):
            return None
    except (OSError, ValueError, TypeError, LookupError):
        return None
    seconds = f"{time.perf_counter() - started:.3f}"
    return Answer(out.replace(SECONDS, seconds), err, code)


def remember(argv: Sequence[str], answer: Answer, grounds: Grounds, started_ns: int) -> None:
    """Keep the answer, unless something that it stands on was written while it was found."""
    folder = _folder(argv)
    if folder is None or len(answer.out) > _LARGEST:
        return
    try:
        described = _describe(grounds, folder, started_ns - SLACK_NS)
        if described is not None:
            body = json.dumps([described, answer.out, answer.err, answer.code])
            write_checked(_memo(folder, argv), _KIND, body.encode("ascii"))
    except (OSError, ValueError, TypeError):
        return


def _folder(argv: Sequence[str]) -> str | None:
    """The cache folder that the command line means; None where nothing is to be remembered."""
    if argv[:1] != ["check"] or any(word.partition("=")[0] in _NEVER for word in argv):
        return None
    directory = None
    for number, word in enumerate(argv):
        if word.startswith("--cache-dir="):
            directory = word.partition("=")[2]
        elif word == "--cache-dir":
            directory = argv[number + 1] if number + 1 < len(argv) else None
    if directory is None:
        from trainlint.storage.cache import default_directory

        try:
            directory = default_directory()
        except (ValueError, ImportError):
            return None
    folder = os.path.join(directory, "results")
    return folder if os.path.isdir(folder) else None


def _memo(folder: str, argv: Sequence[str]) -> str:
    """Where the answer would be, for this command line in these surroundings."""
    streams: list[object] = []
    for stream in (sys.stdout, sys.stderr):
        terminal = stream.isatty()
        columns = os.get_terminal_size(stream.fileno()).columns if terminal else 0
        streams += [terminal, columns, str(getattr(stream, "encoding", ""))]
    environment = [os.environ.get(name) for name in _VARIABLES]
    surroundings = [list(argv), os.getcwd(), streams, environment, sys.path]
    name = blake2b(json.dumps(surroundings).encode(), digest_size=12).hexdigest()
    return os.path.join(folder, f"answer-{name}{MEMO_SUFFIX}")


def _describe(grounds: Grounds, folder: str, settled: int) -> dict[str, Any] | None:
    files = [(path, _status(path)) for path in dict.fromkeys(grounds.files)]
    walked = [(path, _folder_status(path)) for path in dict.fromkeys(grounds.walked)]
    near = {place for path in grounds.near for place in _upwards(path)}
    stamps = path_stamps()
    times = [status[1:3] for _, status in files if status]
    times += [status for _, status in walked]
    times += [[mtime] for _, mtime in stamps]
    folders = []
    for place in sorted(near):
        state = _state(place, None)
        times += [row[2:4] for row in state if row[1:]]
        mtime = os.stat(place).st_mtime_ns
        folders.append([place, mtime if mtime < settled else 0, state])
    if any(stamp >= settled for pair in times for stamp in pair if isinstance(stamp, int)):
        return None
    local = grounds.local
    return {
        "engine": engine_key(folder, grounds.extra),
        "extra": grounds.extra,
        "files": files,
        "walked": walked,
        "near": folders,
        "path": [list(stamp) for stamp in stamps],
        "roots": [[*place, list(found)] for place, found in local.known_roots.items()],
        "local": [[place, asked] for place, asked in local.asked.items()],
    }


def _stand(grounds: dict[str, Any], folder: str) -> bool:
    if any(_status(path) != status for path, status in grounds["files"]):
        return False
    if any(_folder_status(path) != status for path, status in grounds["walked"]):
        return False
    if [list(stamp) for stamp in path_stamps()] != grounds["path"]:
        return False
    for place, mtime, state in grounds["near"]:
        unchanged = mtime and os.stat(place).st_mtime_ns == mtime
        names = [row[0] for row in state] if unchanged else None
        if _state(place, names) != state:
            return False
    local = LocalModules()
    if any(list(local.roots(at, root)) != roots for at, root, roots in grounds["roots"]):
        return False
    for place, asked in grounds["local"]:
        if any(local.holds(place, name) != there for name, there in asked.items()):
            return False
    return bool(engine_key(folder, grounds["extra"]) == grounds["engine"])


def path_stamps() -> list[tuple[str, int]]:
    """The folders that may hold distributions, with their modification times.

    The working directory is none of them, though Python may put it first.
    """
    here = os.getcwd()
    stamps = []
    for entry in dict.fromkeys(sys.path):
        if entry and os.path.abspath(entry) != here:
            try:
                stamps.append((entry, os.stat(entry).st_mtime_ns))
            except OSError:
                continue
    return stamps


def _status(path: str) -> list[int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _folder_status(path: str) -> list[int]:
    status = os.stat(path)
    return [status.st_mtime_ns, status.st_ctime_ns]


def _upwards(folder: str) -> Iterable[str]:
    while True:
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def _state(folder: str, names: list[str] | None) -> list[list[Any]]:
    """Name and status of each entry of a folder that steers what is checked in it.

    Of a repository's own folder only the ignore file counts, since the rest changes all the time.
    """
    if names is None:
        names = sorted(
            name
            for name in os.listdir(folder)
            if name in _STEERING or name.startswith(_STEERING_STARTS)
        )
    state: list[list[Any]] = []
    for name in names:
        path = os.path.join(folder, name)
        if name == ".git" and os.path.isdir(path):
            state.append([name, *(_status(os.path.join(path, "info", "exclude")) or ())])
        elif name.startswith("requirements") and os.path.isdir(path):
            texts = sorted(entry for entry in os.listdir(path) if entry.endswith(".txt"))
            state.append([name])
            state += [
                [f"{name}/{text}", *(_status(os.path.join(path, text)) or ())] for text in texts
            ]
        elif "/" not in name:
            state.append([name, *(_status(path) or ())])
    return state
