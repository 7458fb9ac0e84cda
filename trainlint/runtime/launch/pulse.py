"""What a process writes down while it trains and at its end, beside its findings."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from trainlint.runtime.findings import cleared_diagnostic

if TYPE_CHECKING:
    from trainlint.runtime.launch.orders import Orders
    from trainlint.runtime.launch.spool import Spool
    from trainlint.runtime.places import Places
    from trainlint.runtime.session import Session

FIRST, LONGEST = 5.0, 60.0  # seconds between two looks at the course of the run
MOST_FILES = 300


class Pulse:
    """Keeps what is known of a process on the disk, so that a killed one has its report."""

    def __init__(self, session: Session, spool: Spool, orders: Orders) -> None:
        self._session = session
        self._spool = spool
        # The interpreter takes the name away before the process ends.
        self._main = getattr(sys.modules.get("__main__"), "__file__", None)
        self._pause = FIRST
        self._next = time.monotonic() + FIRST
        self.scalars = None
        if orders.tensorboard is not None:
            from trainlint.runtime.launch.scalars import Scalars

            self.scalars = Scalars(orders.tensorboard)

    def beat(self) -> None:
        """Called every few seconds of training."""
        with self._session.own("the pulse"):
            self._spool.write("summary", self._session.summary())
            if time.monotonic() < self._next:
                return
            self._course()
            self._pause = min(2 * self._pause, LONGEST)
            self._next = time.monotonic() + self._pause

    def last(self) -> None:
        """The process ends: nothing is left out."""
        session, spool = self._session, self._spool
        try:
            self._course()
            for one in session.cleared:
                spool.write("cleared", cleared_diagnostic(one, session.places.cwd).to_json())
            if self.scalars is not None:
                self.scalars.close()
        except Exception as error:
            session.trouble("the course of the run", error)
        spool.write("summary", session.summary())

    def _course(self) -> None:
        session, spool = self._session, self._spool
        spool.replace("history", session.history.to_json())
        notes = {check.code: found for check in session.checks if (found := check.notes())}
        spool.replace("notes", notes)
        spool.replace("files", own_files(session.places, self._main))
        if self.scalars is not None:
            self.scalars.flush()
            if self.scalars.trouble:
                spool.replace("tensorboard", self.scalars.trouble)


def own_files(places: Places, main: str | None) -> list[str]:
    """The files of the program itself that were imported, below the folder it runs in."""
    cwd = places.cwd
    folders = [os.path.realpath(cwd) + os.sep]
    names = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    if main:
        folders.append(os.path.dirname(os.path.realpath(os.path.join(cwd, main))) + os.sep)
        names.insert(0, main)
    found: dict[str, None] = {}
    for name in names:
        if not isinstance(name, str) or not name.endswith(".py"):
            continue
        path = os.path.realpath(os.path.join(cwd, name))
        if path.startswith(tuple(folders)) and places.is_own(path) and os.path.isfile(path):
            found[path] = None
    return list(found)[:MOST_FILES]
