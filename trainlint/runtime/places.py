"""Where in the user's own code something was called."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from types import TracebackType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FOREIGN_PARTS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_GENERATED = ("<frozen ", "<__", "<eval_with_key>", "<attrs ", "<torch")
_TORCH_PARTS = (f"{os.sep}torch{os.sep}", f"{os.sep}trainlint{os.sep}")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a program; ``path`` is as the interpreter knows it, made absolute."""

    path: str
    line: int
    function: str


class Places:
    """Finds the innermost frame that belongs to the user; what it learns of a file it keeps."""

    def __init__(self) -> None:
        self.cwd = os.getcwd()
        paths = sysconfig.get_paths()
        self._libraries = tuple(
            os.path.realpath(paths[key]) + os.sep for key in ("stdlib", "platstdlib")
        )
        self._own: dict[str, bool] = {}
        self._torch: dict[str, bool] = {}
        self._places: dict[tuple[object, int], Place] = {}

    def here(self) -> Place | None:
        """The line of the user's code that is running now."""
        frame = sys._getframe(1)
        fallback = None
        own, torch = self._own, self._torch
        while frame is not None:
            code = frame.f_code
            name = code.co_filename
            is_own = own.get(name)
            if is_own is None:
                is_own = own[name] = self._is_own(name)
            if is_own:
                return self._place(code, frame.f_lineno)
            if fallback is None:
                is_torch = torch.get(name)
                if is_torch is None:
                    is_torch = torch[name] = any(part in name for part in _TORCH_PARTS)
                if not is_torch:
                    fallback = frame
            frame = frame.f_back  # type: ignore[assignment]
        if fallback is None or fallback.f_code.co_filename.startswith("<"):
            return None
        return self._place(fallback.f_code, fallback.f_lineno)

    def of_traceback(self, trace: TracebackType | None) -> Place | None:
        """The innermost line of the user's code that an error went through."""
        found = None
        while trace is not None:
            code = trace.tb_frame.f_code
            if self._is_own(code.co_filename):
                found = self._place(code, trace.tb_lineno)
            trace = trace.tb_next
        return found

    def is_own(self, path: str) -> bool:
        """Whether a file belongs to the program and not to a library."""
        return self._is_own(path)

    def trail(self, most: int = 6) -> tuple[Place, ...]:
        """The lines of the user's code that led here, the innermost first."""
        found: list[Place] = []
        frame = sys._getframe(1)
        while frame is not None and len(found) < most:
            name = frame.f_code.co_filename
            if self._own.setdefault(name, self._is_own(name)):
                found.append(self._place(frame.f_code, frame.f_lineno))
            frame = frame.f_back  # type: ignore[assignment]
        return tuple(found)

    def _place(self, code: object, line: int) -> Place:
        place = self._places.get((code, line))
        if place is None:
            path: str = code.co_filename  # type: ignore[attr-defined]
            if not path.startswith("<"):
                path = os.path.normpath(os.path.join(self.cwd, path))
            function: str = code.co_name  # type: ignore[attr-defined]
            place = self._places[(code, line)] = Place(path, line, function)
        return place

    def _is_own(self, name: str) -> bool:
        if name.startswith("<"):
            return not name.startswith(_GENERATED)
        path = os.path.realpath(os.path.join(self.cwd, name))
        if any(part in path for part in _FOREIGN_PARTS):
            return False
        return not path.startswith((_PACKAGE, *self._libraries))
