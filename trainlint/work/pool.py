"""Checks files in other processes, and survives what a file does to them.

A worker that dies or hangs over a file is replaced and the file is named; the files behind it go
to the next worker. ``concurrent.futures`` gives up a whole pool for one dead worker and knows no
deadline.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from trainlint.diagnostics import Failure
from trainlint.work.results import SCANNED, Result
from trainlint.work.worker import COLLECT_AFTER, Briefing, Job, do, warm_up

LARGE = 64 << 10  # bytes: smaller files stay beside their neighbours, which they may import
CHUNK = 256 << 10  # bytes of source that a worker is given at once, at the most
START_DEADLINE = 60.0
_TURN = 0.2  # seconds between two looks at the clock


class PoolBroken(Exception):
    """Workers cannot be started here."""


def deadline_of(size: int) -> float:
    """The seconds that a file of so many bytes may take; a hundred times what it should."""
    return 20.0 + size / 10_000


def forks() -> bool:
    """True where a worker is made cheaply, as a copy of this process."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1  # a fork copies no other thread
    except OSError:
        return False


@dataclass(slots=True, eq=False)
class _Worker:
    process: Any
    connection: Connection
    share: deque[Job]
    queue: deque[Job] = field(default_factory=deque)
    ready: bool = False
    since: float = field(default_factory=time.monotonic)

    def late(self, limit: Callable[[int], float]) -> bool:
        allowed = limit(self.queue[0].size) if self.ready and self.queue else START_DEADLINE
        return bool(self.queue or not self.ready) and time.monotonic() - self.since > allowed


def run_pool(
    jobs: Sequence[Job],
    briefing: Briefing,
    workers: int,
    *,
    limit: Callable[[int], float] = deadline_of,
) -> Iterator[tuple[Job, Result]]:
    """The result of each job, as they come; each worker has a share, the largest files first.

    Raises:
        PoolBroken: no worker can be started; jobs without a result are left.
    """
    fair = sum(job.size for job in jobs) // (4 * workers)
    shares = _divide(jobs, min(workers, len(jobs)))
    pool = _Pool(briefing, limit, shares, min(CHUNK, fair))
    try:
        for share in shares:
            pool.start(share)
        while any(pool.shares) or any(worker.queue for worker in pool.workers):
            yield from pool.turn()
    finally:
        pool.stop()


def _divide(jobs: Sequence[Job], number: int) -> list[deque[Job]]:
    """Shares of neighbours, about equal in size, so that few modules are opened in two workers."""
    total = sum(job.size for job in jobs)
    shares: list[list[Job]] = [[] for _ in range(number)]
    before = 0
    for job in jobs:
        shares[min(before * number // max(total, 1), number - 1)].append(job)
        before += job.size
    return [deque(sorted(share, key=lambda job: -max(job.size - LARGE, 0))) for share in shares]


@dataclass(slots=True)
class _Pool:
    briefing: Briefing
    limit: Callable[[int], float]
    shares: list[deque[Job]]
    chunk: int
    workers: list[_Worker] = field(default_factory=list)
    suspects: set[int] = field(default_factory=set)  # jobs over which one worker died already
    failed_starts: int = 0

    def start(self, share: deque[Job]) -> None:
        context: Any = multiprocessing.get_context("fork" if forks() else "spawn")
        ours, theirs = context.Pipe()
        inherited: list[Connection] = []
        if context.get_start_method() == "fork":
            warm_up(self.briefing)
            inherited = [ours, *(worker.connection for worker in self.workers)]
        args = (theirs, self.briefing, inherited)
        process = context.Process(target=_serve, args=args, daemon=True)
        try:
            process.start()
        except OSError as error:
            ours.close()
            raise PoolBroken(str(error)) from None
        finally:
            theirs.close()
        self.workers.append(_Worker(process, ours, share))

    def turn(self) -> Iterator[tuple[Job, Result]]:
        """Hand out work, and wait for a message, a death or a deadline."""
        for worker in self.workers:
            if worker.ready and not worker.queue:
                self.feed(worker)
        connections = [worker.connection for worker in self.workers]
        heard = set(wait(connections, timeout=_TURN))
        for worker in list(self.workers):
            if worker.connection in heard:
                yield from self.hear(worker)
            elif worker.late(self.limit):
                yield from self.give_up(worker)

    def feed(self, worker: _Worker) -> None:
        size = 0
        share = worker.share or self.longest()
        while share and (size == 0 or size + share[0].size <= self.chunk):
            job = share.popleft()
            size += job.size
            worker.queue.append(job)
            if job.number in self.suspects:
                break
        worker.since = time.monotonic()
        if worker.queue:
            with suppress(OSError):  # a dead worker is noticed when it is listened to
                worker.connection.send(list(worker.queue))

    def longest(self) -> deque[Job]:
        """The share with the most work left: whoever has none of its own helps there."""
        return max(self.shares, key=lambda share: sum(job.size for job in share))

    def hear(self, worker: _Worker) -> Iterator[tuple[Job, Result]]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            yield from self.bury(worker)
            return
        worker.since = time.monotonic()
        if message is None:
            worker.ready = True
            self.failed_starts = 0
            return
        job = worker.queue.popleft()
        yield job, Result.from_bytes(message)

    def bury(self, worker: _Worker) -> Iterator[tuple[Job, Result]]:
        """A worker died. Its file gets a second chance, since someone else may have killed it."""
        how = self.remove(worker)
        if not worker.ready:
            self.failed_starts += 1
            if self.failed_starts > 2:
                raise PoolBroken(f"workers end at their start ({how})")
        elif worker.queue:
            job = worker.queue[0]
            if job.number in self.suspects:
                worker.queue.popleft()
                yield job, _lost(job, f"the process that read it died ({how})")
            self.suspects.add(job.number)
        worker.share.extendleft(reversed(worker.queue))
        self.start(worker.share)

    def give_up(self, worker: _Worker) -> Iterator[tuple[Job, Result]]:
        worker.process.kill()
        self.remove(worker)
        if not worker.ready:
            raise PoolBroken("a worker does not start")
        job = worker.queue.popleft()
        seconds = self.limit(job.size)
        yield job, _lost(job, f"gave up after {seconds:.0f} seconds")
        worker.share.extendleft(reversed(worker.queue))
        self.start(worker.share)

    def remove(self, worker: _Worker) -> str:
        self.workers.remove(worker)
        worker.connection.close()
        worker.process.join(5)
        code = worker.process.exitcode
        worker.process.close() if code is not None else worker.process.kill()
        if code is not None and code < 0:
            with suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit code {code}"

    def stop(self) -> None:
        for worker in self.workers:
            if worker.queue or not worker.ready:
                worker.process.kill()
            worker.connection.close()
        for worker in self.workers:
            worker.process.join(2)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()


def _lost(job: Job, reason: str) -> Result:
    return Result(SCANNED, failures=[Failure(job.path, "parse", reason)])


def _serve(connection: Connection, briefing: Briefing, inherited: list[Connection]) -> None:
    """The life of a worker: it ends when the other side is gone.

    A fork inherits the other side too, and would keep it open.
    """
    for other in inherited:
        other.close()
    with suppress(ValueError, AttributeError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked to stop, and stops us
    warm_up(briefing)
    gc.freeze()
    gc.disable()  # trees are circles: they are collected a few at a time, between two files
    size = 0
    with suppress(EOFError, OSError):
        connection.send(None)
        while True:
            for job in connection.recv():
                connection.send(do(job, briefing).to_bytes())
                size += job.size
                if size > COLLECT_AFTER:
                    gc.collect()
                    size = 0
