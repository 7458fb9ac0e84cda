"""The phase that parses: in this process or in others, where that is faster or safer."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainlint.work import worker
from trainlint.work.worker import Briefing, Job

if TYPE_CHECKING:
    from trainlint.work.terms import Terms
    from trainlint.work.workspace import Item, Run

HEAVY = 100 << 10  # bytes: a file that is not parsed in this process, where nothing could stop it
_PAYS = {"fork": 256 << 10, "spawn": 1 << 20}  # bytes to parse, from which on workers help
_LARGEST_POOL = 16


def parse(run: Run, work: Sequence[Item]) -> None:
    """Give every item its result."""
    table: dict[str, Terms] = {item.terms.key: item.terms for item in work}
    orders, numbers = worker.terms_table(table)
    contexts = {id(item.context): item.context for item in work if item.context is not None}
    places = {key: number for number, key in enumerate(contexts)}
    briefing = Briefing(orders, list(contexts.values()))
    jobs = [_job(number, item, numbers, places) for number, item in enumerate(work)]
    here, there, workers = _divide(jobs, run.options.jobs)
    done = 0
    for some in (here, there):
        some.sort(key=lambda job: _rank(job, briefing))
    if there:
        from trainlint.work.pool import PoolBroken, run_pool

        try:
            for job, result in run_pool(there, briefing, workers):
                work[job.number].result = result
                done += 1
                run.tick(done, len(jobs))
        except PoolBroken:
            here += [job for job in there if work[job.number].result is None]
    _parse_here(run, work, here, briefing, done)


def _parse_here(
    run: Run, work: Sequence[Item], jobs: Sequence[Job], briefing: Briefing, done: int
) -> None:
    # Trees are circles of objects, so the collector would run often and find little.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        size = 0
        for job in jobs:
            run.tick(done, len(work))
            work[job.number].result = worker.do(job, briefing)
            done += 1
            size += job.size
            if size > worker.COLLECT_AFTER:
                gc.collect()
                size = 0
    finally:
        if was_enabled:
            gc.enable()


def _job(number: int, item: Item, numbers: Mapping[str, int], contexts: Mapping[int, int]) -> Job:
    words = item.words if item.terms.can_fire(item.words) else None
    return Job(
        number,
        item.path,
        item.data,
        item.size,
        item.file.path,
        item.digest,
        numbers[item.terms.key],
        item.local,
        words,
        contexts.get(id(item.context)),
    )


def _rank(job: Job, briefing: Briefing) -> tuple[int, int]:
    """Where a job stands among those that open the same modules."""
    if job.context is None:
        return -1, job.number
    return job.context, briefing.contexts[job.context].graph.ranks.get(job.path, -1)


def _divide(jobs: Sequence[Job], wanted: int) -> tuple[list[Job], list[Job], int]:
    """Which jobs are done in this process, which in others, and in how many."""
    workers = min(wanted or _processors(), _LARGEST_POOL) if wanted < 1 else wanted
    heavy = [job for job in jobs if job.size > HEAVY and job.words is not None]
    size = sum(job.size for job in jobs if job.words is not None)
    if workers > 1 and size > _PAYS["spawn"]:
        return [], list(jobs), workers
    if workers > 1 and size > _PAYS["fork"]:
        from trainlint.work.pool import forks

        if forks():
            return [], list(jobs), workers
    # One worker also takes what stands around the heavy files: they open the same modules.
    apart = {job.number for job in heavy}
    around = {job.context for job in heavy if job.context is not None}
    there = [job for job in jobs if job.number in apart or job.context in around]
    here = [job for job in jobs if job.number not in apart and job.context not in around]
    return here, there, 1


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
