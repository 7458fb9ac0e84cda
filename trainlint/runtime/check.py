"""What every runtime check is: a small class with a code, options, and a method for each event."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from trainlint.diagnostics import Confidence, Severity
from trainlint.runtime.events import (
    Batch,
    End,
    Evaluation,
    Forward,
    Graph,
    ModeSwitch,
    Overwrite,
    Pass,
    Save,
    Schedule,
    Similarity,
    Step,
    Tail,
)
from trainlint.runtime.findings import DOCUMENTATION_URL, Cleared, Finding
from trainlint.runtime.places import Place
from trainlint.runtime.record import Record

Options = TypeVar("Options")
HANDLERS = (
    "on_step on_batch on_pass on_graph on_similarity on_forward on_mode on_schedule on_overwrite "
    "on_evaluation on_tail on_save on_end"
).split()


class OptionError(ValueError):
    """An option that no check has, or a value that it cannot take."""


class Check(Generic[Options]):
    """One criterion. What it keeps in mind is its own; what all may know is in ``run``.

    A check is handed events in their order, also of steps that happened a little while ago. It
    yields findings; of one subject at one place only the gravest is kept. Its docstring, else that
    of its module, is its documentation.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity] = Severity.WARNING
    confirms: ClassVar[tuple[str, ...]] = ()  # codes of static rules that suspect the same
    defaults: Options

    def __init__(self, run: Record, options: Options) -> None:
        self.run = run
        self.options = options

    def on_step(self, step: Step) -> Iterable[Finding]:
        """An optimizer stepped."""
        return ()

    def on_batch(self, batch: Batch) -> Iterable[Finding]:
        """A loader handed out a batch."""
        return ()

    def on_pass(self, ended: Pass) -> Iterable[Finding]:
        """A loader was read to its end."""
        return ()

    def on_graph(self, graph: Graph) -> Iterable[Finding]:
        """The graph of a loss was looked at."""
        return ()

    def on_similarity(self, similarity: Similarity) -> Iterable[Finding]:
        """The similarities inside of a contrastive loss were looked at."""
        return ()

    def on_forward(self, forward: Forward) -> Iterable[Finding]:
        """A model was run in what looks like an evaluation."""
        return ()

    def on_mode(self, switch: ModeSwitch) -> Iterable[Finding]:
        """A model went to another mode."""
        return ()

    def on_schedule(self, schedule: Schedule) -> Iterable[Finding]:
        """A scheduler was made."""
        return ()

    def on_overwrite(self, overwrite: Overwrite) -> Iterable[Finding]:
        """A scheduler replaced a rate that it did not set."""
        return ()

    def on_evaluation(self, evaluation: Evaluation) -> Iterable[Finding]:
        """A loss or a metric was computed without gradients."""
        return ()

    def on_tail(self, tail: Tail) -> Iterable[Finding]:
        """Gradients that were there at the end of an epoch were cleared unused."""
        return ()

    def on_save(self, save: Save) -> Iterable[Finding]:
        """Something was saved."""
        return ()

    def on_end(self, end: End) -> Iterable[Finding]:
        """The run is over."""
        return ()

    def cleared(self) -> Iterable[Cleared]:
        """Suspicions of ``confirms`` that the run disproves; asked at the end.

        Only what was watched long enough and seen right; what is not known is not cleared.
        """
        return ()

    def notes(self) -> Any:
        """What the processes of a distributed run compare afterwards, in plain JSON types."""
        return None

    def across(self, ranks: Mapping[int, Any]) -> Iterable[Finding]:
        """The findings in the notes of several ranks, side by side, once the run is over."""
        return ()

    def finding(
        self,
        message: str,
        place: Place | None,
        *,
        step: int | None = None,
        severity: Severity | None = None,
        confidence: Confidence = Confidence.HIGH,
        evidence: Mapping[str, Any] | None = None,
        related: Iterable[tuple[Place | None, str]] = (),
        subject: str = "",
    ) -> Finding:
        """A finding of this check, now or at that step."""
        numbers = dict(evidence or {})
        if self.confirms:
            numbers["confirms"] = list(self.confirms)
        return Finding(
            self.code,
            self.name,
            self.severity if severity is None else severity,
            confidence,
            message,
            place,
            self.run.steps if step is None else step,
            self.run.epoch,
            numbers,
            tuple((where, words) for where, words in related if where is not None),
            subject,
        )


@lru_cache(maxsize=1)
def shipped() -> tuple[type[Check[Any]], ...]:
    """All checks there are, found by walking their package; there is no list to keep."""
    from trainlint.runtime import checks

    found: dict[str, type[Check[Any]]] = {}
    names = {entry for folder in checks.__path__ for entry in os.listdir(folder)}
    for stem in sorted(name[:-3] for name in names if name.endswith(".py")):
        if stem == "__init__":
            continue
        module = importlib.import_module(f"{checks.__name__}.{stem}")
        for value in vars(module).values():
            if not (inspect.isclass(value) and issubclass(value, Check)) or "code" not in vars(
                value
            ):
                continue
            if value.code in found and found[value.code] is not value:
                raise RuntimeError(f"{module.__name__}: {value.code} exists already")
            found[value.code] = value
    return tuple(found[code] for code in sorted(found))


def build(run: Record, changes: Mapping[str, Mapping[str, Any]] | None = None) -> list[Check[Any]]:
    """Every check, with options that differ from their defaults by code or name.

    Raises:
        OptionError: there is no such check or option.
    """
    known = shipped()
    names = {key for check in known for key in (check.code, check.name)}
    for key in changes or {}:
        if key not in names:
            raise OptionError(f"there is no runtime check {key!r}")
    return [
        check(run, _options(check, {**_of(changes, check.name), **_of(changes, check.code)}))
        for check in known
    ]


def _of(changes: Mapping[str, Mapping[str, Any]] | None, key: str) -> Mapping[str, Any]:
    return (changes or {}).get(key, {})


def _options(check: type[Check[Any]], changes: Mapping[str, Any]) -> Any:
    defaults = check.defaults
    kinds = {field.name: type(getattr(defaults, field.name)) for field in fields(defaults)}
    converted = {}
    for name, value in changes.items():
        if name not in kinds:
            raise OptionError(f"{check.code} has no option {name!r}; it has {', '.join(kinds)}")
        try:
            converted[name] = kinds[name](value)
        except (TypeError, ValueError):
            raise OptionError(
                f"{check.code}.{name}: {value!r} is no {kinds[name].__name__}"
            ) from None
    return replace(defaults, **converted)


def documentation(check: type[Check[Any]]) -> str:
    """What `trainlint explain` shows of a check."""
    own = vars(check).get("__doc__") or ""
    if "\n## " not in inspect.cleandoc(own):
        own = inspect.getmodule(check).__doc__ or ""
    return inspect.cleandoc(own)


def options_of(check: type[Check[Any]]) -> dict[str, Any]:
    """The options of a check and their defaults."""
    return asdict(check.defaults)


def url_of(check: type[Check[Any]]) -> str:
    """Where its documentation stands."""
    return f"{DOCUMENTATION_URL}#{check.name}"


def overridden(check: Check[Any]) -> Iterator[str]:
    """The events that a check looks at."""
    for handler in HANDLERS:
        if getattr(type(check), handler) is not getattr(Check, handler):
            yield handler
