"""The watch inside of one process of a program: begins with torch, ends with the process."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from trainlint.runtime.launch.orders import Orders, received
from trainlint.runtime.launch.pulse import Pulse

if TYPE_CHECKING:
    from trainlint.diagnostics import Diagnostic
    from trainlint.runtime.launch.spool import Spool
    from trainlint.runtime.places import Place
    from trainlint.runtime.session import Session

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Watched:
    """One process of the program."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.session: Session | None = None
        self.spool: Spool | None = None
        self.pulse: Pulse | None = None
        self.crash: str | None = None
        self.crash_place: Place | None = None
        self.cwd = os.getcwd()

    def torch_is_there(self) -> None:
        """Instrument torch; an error of ours is ours alone."""
        try:
            self._start()
        except Exception as error:
            sys.stderr.write(f"trainlint: this process is not watched: {error}\n")

    def _start(self) -> None:
        import atexit

        from trainlint.runtime.launch.spool import Spool
        from trainlint.runtime.session import Config, Session

        orders = self.orders
        self.spool = Spool(orders.folder)
        rank = os.environ.get("RANK", "")
        self.spool.write("torch", {"rank": int(rank) if rank.isdigit() else None})
        session = Session(
            Config(
                budget=orders.budget,
                steps=orders.steps,
                options=orders.options,
                tables=orders.tables,
            )
        )
        session.places.cwd = self.cwd
        session.heard.append(self._found)
        session.ending.append(self._ending)
        self.pulse = Pulse(session, self.spool, orders)
        session.pulses.append(self.pulse.beat)
        session.start()
        if orders.tensorboard is not None:
            session.scalars = self.pulse.scalars
        self.session = session
        atexit.register(self.end)
        processes = sys.modules.get("multiprocessing.util")
        if processes is not None:  # whose forked children leave without atexit
            processes.register_after_fork(self, Watched.ends_with_process)

    def ends_with_process(self) -> None:
        """A process that `multiprocessing` forked has begun."""
        from multiprocessing.util import Finalize

        Finalize(self, self.end, exitpriority=0)

    def _found(self, finding: Diagnostic) -> None:
        if self.spool is not None:
            self.spool.write("finding", finding.to_json())
        if self.spool is not None and self.session is not None:
            self.spool.write("summary", self.session.summary())

    def _ending(self, firmly: bool) -> None:
        """The smoke run is over; a thread or a program that swallows exits is ended firmly."""
        if not firmly and threading.current_thread() is threading.main_thread():
            return
        self.end()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(0)

    def end(self) -> None:
        """Conclude and write what is left to say."""
        session, spool = self.session, self.spool
        if session is None or spool is None:
            return
        self.session = None
        session.stop(self.crash, self.crash_place)
        if self.pulse is not None:
            self.pulse.last()
        failures = [failure.to_json() for failure in session.troubles]
        place = self.crash_place
        spool.write(
            "end",
            {
                "crash": self.crash,
                "place": None if place is None else [place.path, place.line],
                "failures": failures,
            },
        )

    def crashed(self, kind: type[BaseException], error: BaseException) -> None:
        """The program ends in an error that nothing caught."""
        self.crash = f"{kind.__name__}: {error}"[:2000]
        if self.session is not None:
            self.crash_place = self.session.places.of_traceback(error.__traceback__)

    def forked(self) -> None:
        """A child without a run of its own so far; what it has of its parent's is not its own."""
        session = self.session
        if session is None:
            return
        session.abandon()
        self.session = self.spool = None
        self.torch_is_there()


def begin() -> None:
    """Watch this process if it has orders."""
    orders = received()
    if orders is None:
        return
    from trainlint.runtime.launch.torch_import import when_imported

    watched = Watched(orders)
    when_imported(watched.torch_is_there)
    _hide_own_frames(watched)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=watched.forked)


def _hide_own_frames(watched: Watched) -> None:
    """Tracebacks show what they would show without the watch."""
    before, in_threads = sys.excepthook, threading.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        watched.crashed(kind, error)
        strip(error)
        before(kind, error, error.__traceback__)

    def thread_hook(args: Any) -> None:
        if args.exc_value is not None:
            strip(args.exc_value)
        in_threads(args)

    sys.excepthook = excepthook
    threading.excepthook = thread_hook


def strip(error: BaseException) -> None:
    """Take the frames of the watch out of an error's traceback, and of those before it."""
    seen: set[int] = set()
    stack: list[BaseException | None] = [error]
    while stack:
        one = stack.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _without(one.__traceback__)
        stack += [one.__cause__, one.__context__]


def _without(trace: TracebackType | None) -> TracebackType | None:
    kept = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_HERE):
            kept.append(trace)
        trace = trace.tb_next
    following = None
    for one in reversed(kept):
        one.tb_next = following
        following = one
    return following
