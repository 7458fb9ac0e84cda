"""The check of one file's bytes: the part of a run that may happen in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from trainlint.config.targets import Range
from trainlint.diagnostics import Failure, Severity
from trainlint.storage.checked import content_digest
from trainlint.work import rulebook as rulebooks
from trainlint.work.context import Context
from trainlint.work.results import COMPILED, PARSED, SCANNED, Result
from trainlint.work.rulebook import Sources
from trainlint.work.terms import Terms

if TYPE_CHECKING:
    from trainlint.project.graph import Graph
    from trainlint.rule import Rule
    from trainlint.text.source import Source

COLLECT_AFTER = 32 << 20  # bytes of source that may have left garbage: few files leave any


@dataclass(frozen=True, slots=True)
class Orders:
    """The terms of files in a form that can be sent to another process."""

    sources: Sources
    codes: tuple[str, ...]
    severities: dict[str, Severity]
    targets: dict[str, Range]
    options: dict[str, dict[str, Any]]
    key: str = ""

    @staticmethod
    def of(terms: Terms) -> Orders:
        return Orders(
            terms.rulebook.sources,
            terms.codes,
            dict(terms.severities),
            dict(terms.targets),
            {rule: dict(given) for rule, given in terms.options.items()},
            terms.key,
        )


@dataclass(frozen=True, slots=True)
class Briefing:
    """What all jobs of a run share: the terms of files, and the projects around them."""

    orders: Sequence[Orders]
    contexts: Sequence[Context] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One file to look into. ``words`` are the trigger words in it; None asks only if it parses.

    ``data`` is None for a large file, of which a project may have many; it is read again from
    ``file``, and must still have the digest.
    """

    number: int
    path: str
    data: bytes | None
    size: int
    file: str
    digest: str
    orders: int
    local: frozenset[str]
    words: frozenset[bytes] | None
    context: int | None = None


def do(job: Job, briefing: Briefing) -> Result:
    """The findings and failures of the file; whatever it holds, this returns."""
    from trainlint.text.source import SourceError, decode

    try:
        source = decode(job.path, _bytes(job))
    except _Gone as error:
        return Result(SCANNED, failures=[Failure(job.path, "read", str(error))])
    except SourceError as error:
        failure = Failure(
            job.path, error.stage, error.message, error.line, error.column, error.cell
        )
        return Result(PARSED, failures=[failure])
    except Exception as error:  # a defect of ours, and still only this file's
        return Result(SCANNED, failures=[_defect(job.path, error)])
    if source.foreign:
        message = f"a notebook of another language ({source.foreign})"
        return Result(PARSED, failures=[Failure(job.path, "parse", message)])
    if job.words is None and _compiles(source):
        return Result(COMPILED)
    context = None if job.context is None else briefing.contexts[job.context]
    orders, words = briefing.orders[job.orders], job.words or frozenset()
    try:
        if context is not None:
            context.enter(job.path)
        return check(source, orders, job.local, words, context)
    except Exception as error:
        return Result(SCANNED, failures=[_defect(job.path, error)])


class _Gone(Exception):
    """The file is not what it was when it was found."""


def _bytes(job: Job) -> bytes:
    if job.data is not None:
        return job.data
    try:
        with open(job.file, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise _Gone(error.strerror or str(error)) from None
    if content_digest(data) != job.digest:
        raise _Gone("changed while it was checked")
    return data


def check(
    source: Source,
    orders: Orders,
    local: frozenset[str],
    words: frozenset[bytes] | None = None,
    context: Context | None = None,
) -> Result:
    """Run the rules on a source; with ``words`` only those that can find theirs among them."""
    from trainlint.check import check_source
    from trainlint.semantics.facts import Surroundings

    found = rulebooks.load(orders.sources)
    graph = context.graph if context is not None else None
    rules = [_of(found.by_code[code], words, graph, source.path) for code in orders.codes]
    surroundings = Surroundings(orders.targets, orders.options, local)
    view = None
    if context is not None and any(rule.here is not None and rule.checks for rule in rules):
        surroundings = replace(surroundings, project=context.modules())
        view = context.view(orders.key, surroundings)
    outcome = check_source(
        source, rules, surroundings, severities=orders.severities, known=found.names, view=view
    )
    return Result(PARSED, outcome.diagnostics, outcome.failures)


def _of(rule: Rule, words: frozenset[bytes] | None, graph: Graph | None, path: str) -> Rule:
    """The rule, or one that counts as checked and has nothing to say."""
    if words is None or rule.needs.met(words):
        return rule
    if rule.here is None or graph is None or not rule.here.met(words):
        return _muted(rule)
    around = graph.words_around(rule.needs.words - words, path)
    return rule if rule.needs.met(words | around) else _muted(rule)


@cache
def _muted(rule: Rule) -> Rule:
    return replace(rule, checks=[])


def _compiles(source: Source) -> bool:
    from trainlint.text import bounds, syntax

    return bounds.refusal(source.code) is None and syntax.complaint(source.code) is None


def _defect(path: str, error: Exception) -> Failure:
    text = " ".join(str(error).split()) or "no message"
    return Failure(path, "rule", f"trainlint itself failed: {type(error).__name__}: {text}")


def warm_up(briefing: Briefing) -> None:
    """Import and read now what the jobs will need, so that forked workers share it."""
    from trainlint import lazily

    for sources in {one.sources for one in briefing.orders}:
        rulebooks.load(sources)
    lazily.load_all()
    for context in briefing.contexts:
        context.graph.look_around()


def terms_table(all_terms: Mapping[str, Terms]) -> tuple[list[Orders], dict[str, int]]:
    """The orders of all terms, and the number of each by the key of its terms."""
    numbers = {key: number for number, key in enumerate(all_terms)}
    return [Orders.of(terms) for terms in all_terms.values()], numbers
