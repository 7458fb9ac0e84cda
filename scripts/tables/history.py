"""Compares the surfaces of consecutive releases and says what became of each callable.

A statement is made only where two releases differ; what a release hides (a module that no parser
takes) counts as unknown, never as gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tables.notices import pointed_to
from tables.signatures import Definition, Signature
from tables.surface import Surface

# Defaults by which a release sees that a parameter was not given.
WAITING = frozenset(
    "'warn' 'deprecated' no_default lib.no_default lib.NoDefault np._NoValue _NoValue DEPRECATED "
    "Deprecated() _deprecated NOT_GIVEN".split()
)


@dataclass(frozen=True, slots=True)
class Shot:
    """The public callables of one release; names under `hidden` modules are unknown.

    `surface`, where it is given, is asked for names that only the running package would tell.
    """

    version: str
    public: Mapping[str, Definition]
    hidden: tuple[str, ...] = ()
    surface: Surface | None = None

    def hides(self, name: str) -> bool:
        """Return whether the release may hold the name in a module that could not be read."""
        if any(name == module or name.startswith(module + ".") for module in self.hidden):
            return True
        return self.surface is not None and self.surface.may_have(name)


@dataclass(frozen=True, slots=True)
class Gone:
    """A parameter that a release no longer has; `kwargs` if `**kwargs` still takes the name."""

    name: str
    removed: str
    position: int | None = None
    deprecated: str | None = None
    kwargs: bool = False


@dataclass(frozen=True, slots=True)
class Renamed:
    """A parameter with a new name, told by the release or by its position."""

    old: str
    new: str
    since: str
    by: str
    removed: str | None = None


@dataclass(frozen=True, slots=True)
class Default:
    """What a parameter is where a call leaves it out, before and since a release."""

    name: str
    old: str
    new: str
    since: str


@dataclass(frozen=True, slots=True)
class Row:
    """What the releases say about one callable."""

    name: str
    origin: str
    parameters: tuple[str, ...]
    positions: int
    star: bool = False
    as_of: str | None = None
    keyword_only: str | None = None
    enforced_early: tuple[str, ...] = ()
    other_orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renamed: tuple[Renamed, ...] = ()
    gone: tuple[Gone, ...] = ()
    going: Mapping[str, str] = field(default_factory=dict)
    added: str | None = None
    deprecated: str | None = None
    removed: str | None = None
    replacement: str | None = None
    says: str = ""
    is_class: bool = False
    defaults: tuple[Default, ...] = ()
    replaced_since: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A callable in one release."""

    version: str
    definition: Definition
    signature: Signature


def compare(shots: Sequence[Shot]) -> list[Row]:
    """Return a row for every callable that any of the releases offers."""
    names = sorted({name for shot in shots for name in shot.public})
    rows = (_row(name, shots) for name in names)
    return [row for row in rows if row.parameters or row.removed or not row.star]


def _row(name: str, shots: Sequence[Shot]) -> Row:
    steps = [_step(shot, name) for shot in shots if name in shot.public]
    last = steps[-1]
    kept = _keyword_only(steps)
    base = last if kept is None else _base(steps, kept)
    parameters = last.signature.names if kept is None else base.signature.order
    told = _told_renames(steps)
    told_names = {item.old for item in told}
    renamed = told + [item for item in _seen_renames(steps) if item.old not in told_names]
    old_names = {item.old for item in renamed}
    dead = _dead(steps)
    removed = _removed(name, last, shots) if dead is None else dead
    instead = _replacement(name, last, shots) if removed or _is_moved(last) else None
    return Row(
        name,
        last.definition.origin,
        parameters=parameters,
        positions=min(len(step.signature.order) for step in (steps[kept:] if kept else [last])),
        star=last.signature.star,
        as_of=base.version if kept else None,
        keyword_only=steps[kept].version if kept else None,
        enforced_early=tuple(_enforced_early(steps[:kept], parameters)) if kept else (),
        other_orders=_other_orders(steps, parameters, renamed),
        renamed=tuple(sorted(renamed, key=lambda item: item.old)),
        gone=tuple(_gone(steps, old_names)),
        going={
            parameter: next(_deprecating(steps, parameter))
            for parameter in sorted({*last.signature.deprecated} - old_names)
        },
        added=_added(name, steps[0], shots),
        deprecated=_deprecated(steps),
        removed=removed,
        replacement=instead,
        says=pointed_to(name, last.definition.notice.says) if last.definition.notice else "",
        is_class=last.definition.is_class,
        defaults=tuple(_defaults(steps)),
        replaced_since=None if instead is None else _first(instead, name, shots),
    )


def _defaults(steps: Sequence[Step]) -> Iterator[Default]:
    """Yield the changes of what a parameter is where it is not given.

    A default that only asks for a warning on the way to the next one is passed over.
    """
    for name in dict.fromkeys(name for step in steps for name in step.signature.defaults):
        known = ""
        for step in steps:
            told = step.signature.defaults.get(name, "")
            if told in WAITING or not told:
                continue
            if known and told != known:
                yield Default(name, known, told, step.version)
            known = told


def _first(instead: str, name: str, shots: Sequence[Shot]) -> str | None:
    """Return the first release with a name, None where all have it that have the other one."""
    if all(instead in shot.public for shot in shots if name in shot.public):
        return None
    return next(shot.version for shot in shots if instead in shot.public)


def _step(shot: Shot, name: str) -> Step:
    definition = shot.public[name]
    anything = Signature(star=True, kwargs=True)
    return Step(shot.version, definition, definition.signature or anything)


def _keyword_only(steps: Sequence[Step]) -> int | None:
    """Return the step from which, for good, fewer parameters are taken by position."""
    found = None
    for at in range(1, len(steps)):
        demoted = _demoted(steps[at - 1].signature, steps[at].signature)
        later = {name for step in steps[at:] for name in step.signature.order}
        if demoted - later and found is None:
            found = at
    return found


def _demoted(before: Signature, after: Signature) -> set[str]:
    return ({*before.order} - {*after.order}) & {*after.keyword}


def _base(steps: Sequence[Step], kept: int) -> Step:
    """Return the last step before the change whose text takes the parameters by position.

    A release that only tolerates positions comes second: it may have slipped in new parameters,
    and the code that passes arguments by position was written for the releases before it.
    """
    demoted = _demoted(steps[kept - 1].signature, steps[kept].signature)
    plain = [step for step in steps[:kept] if demoted & {*step.signature.positional}]
    return plain[-1] if plain else steps[kept - 1]


def _enforced_early(steps: Sequence[Step], parameters: tuple[str, ...]) -> Iterator[str]:
    """Yield the releases that took fewer positions and were followed by ones that took more."""
    for step in steps:
        signature = step.signature
        if not signature.tolerant and {*parameters} & {*signature.keyword}:
            yield step.version


def _other_orders(
    steps: Sequence[Step], parameters: tuple[str, ...], renamed: Sequence[Renamed]
) -> dict[str, tuple[str, ...]]:
    """Return the positions of releases that name one of them otherwise, by range of releases."""
    newer = {item.old: item.new for item in renamed}
    wanted = [newer.get(name, name) for name in parameters]
    ranges: list[tuple[str, str, tuple[str, ...]]] = []
    previous: tuple[str, ...] = ()
    for step in steps:
        order = step.signature.order
        known = [newer.get(name, name) for name in order]
        if any(ours != theirs for ours, theirs in zip(wanted, known, strict=False)):
            start = ranges.pop()[0] if ranges and previous == order else step.version
            ranges.append((start, step.version, order))
        previous = order
    return {first if first == last else f"{first}..{last}": order for first, last, order in ranges}


def _told_renames(steps: Sequence[Step]) -> list[Renamed]:
    """Return the renames that a release states, in the order in which they came."""
    found: dict[str, Renamed] = {}
    for step in steps:
        for item in step.signature.renames:
            held = [
                known
                for known in steps
                if item.old in known.signature.names or item in known.signature.renames
            ]
            if item.old not in found and held:
                end = _next_version(steps, held[-1])
                found[item.old] = Renamed(item.old, item.new, step.version, "release", end)
    return list(found.values())


def _seen_renames(steps: Sequence[Step]) -> list[Renamed]:
    """Return the renames that only the position tells: same place, one name out, one in."""
    found = []
    for before, after in pairwise(steps):
        ours, theirs = before.signature.names, after.signature.names
        if after.signature.star:
            continue
        pair = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), None)
        if pair is not None and pair[0] not in theirs and pair[1] not in ours:
            found.append(Renamed(*pair, after.version, "position", after.version))
    return found


def _gone(steps: Sequence[Step], renamed: set[str]) -> Iterator[Gone]:
    last = steps[-1]
    names = {name for step in steps for name in step.signature.names}
    for name in sorted(names - {*last.signature.names} - renamed):
        held = [step for step in steps if name in step.signature.names]
        end = _next_version(steps, held[-1])
        if end is not None:
            kwargs = next(step for step in steps if step.version == end).signature.kwargs
            order = held[-1].signature.order
            position = order.index(name) if name in order else None
            yield Gone(name, end, position, next(_deprecating(steps, name), None), kwargs)


def _deprecating(steps: Sequence[Step], parameter: str) -> Iterator[str]:
    return (step.version for step in steps if parameter in step.signature.deprecated)


def _next_version(steps: Sequence[Step], step: Step) -> str | None:
    later = steps[steps.index(step) + 1 :]
    return later[0].version if later else None


def _added(name: str, first: Step, shots: Sequence[Shot]) -> str | None:
    earlier = [shot for shot in shots[: _at(shots, first.version)] if not shot.hides(name)]
    return first.version if earlier else None


def _deprecated(steps: Sequence[Step]) -> str | None:
    """Return the release since which the callable is marked without a break."""
    found = None
    for step in steps:
        found = None if step.definition.notice is None else found or step.version
    return found


def _removed(name: str, last: Step, shots: Sequence[Shot]) -> str | None:
    for shot in shots[_at(shots, last.version) + 1 :]:
        if not (shot.hides(name) or shot.hides(last.definition.origin)):
            return shot.version
    return None


def _replacement(name: str, last: Step, shots: Sequence[Shot]) -> str | None:
    """Return another name of the very same callable that the newest release still has."""
    shot = shots[_at(shots, last.version)]
    newest = shots[-1].public
    same = [
        other
        for other, definition in shot.public.items()
        if definition.origin == last.definition.origin
        and other in newest
        and other != name
        and not (definition.notice and definition.notice.moved)
    ]
    owner = name.rpartition(".")[0]
    return min(
        same,
        key=lambda other: (other.rpartition(".")[0] != owner, other.count("."), other),
        default=None,
    )


def _dead(steps: Sequence[Step]) -> str | None:
    """Return the release since which, for good, the callable does nothing but raise."""
    found = None
    for step in steps:
        notice = step.definition.notice
        found = (found or step.version) if notice is not None and notice.dead else None
    return found


def _is_moved(step: Step) -> bool:
    return step.definition.notice is not None and step.definition.notice.moved


def _at(shots: Sequence[Shot], version: str) -> int:
    return next(at for at, shot in enumerate(shots) if shot.version == version)
