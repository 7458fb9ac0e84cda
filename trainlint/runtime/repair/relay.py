"""The checks whose alarms can be repaired: the same as the watch has, armed again after each."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Protocol

from trainlint.runtime.check import HANDLERS, Check, build
from trainlint.runtime.events import End, Event, Loss, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.repair.errors import CODES
from trainlint.runtime.session import Session


class Listener(Protocol):
    """Who is told what the checks find."""

    def alarmed(self, finding: Finding, event: Event) -> None:
        """A check found something."""

    def stepped(self, step: Step) -> None:
        """An optimizer stepped; its checks have been asked."""


class Relay:
    """Stands in a session in the place of those checks."""

    code = "repair"
    name = "repair"

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._off: set[str] = set()
        self._checks: dict[str, Check[Any]] = {}
        self._listeners: list[weakref.ref[Listener]] = []
        self.arm(session)
        for handler in HANDLERS:
            setattr(self, handler, self._hand)

    def arm(self, session: Session) -> None:
        """Begin anew: a check that has spoken may speak again."""
        self._checks = {
            check.code: check
            for check in build(session.record, session.config.options)
            if check.code in CODES and check.code not in self._off
        }

    def add(self, listener: Listener) -> None:
        """One more that is told."""
        self._listeners = [one for one in self._listeners if one() is not None]
        self._listeners.append(weakref.ref(listener))

    def not_finite(self, loss: Loss) -> None:
        """A loss was not finite, and no step follows."""
        check, session = self._checks.get("RUN001"), self._session()
        if check is not None and session is not None:
            for finding in check.on_end(End(pending=(loss,))):
                session.found(finding)

    def _hand(self, event: Event) -> Iterator[Finding]:
        listeners = [one for ref in self._listeners if (one := ref()) is not None]
        for code, check in list(self._checks.items()):
            try:
                for finding in getattr(check, event.handler)(event):
                    for listener in listeners:
                        listener.alarmed(finding, event)
                    yield finding
            except Exception as error:
                self._off.add(code)
                self._checks.pop(code, None)
                session = self._session()
                if session is not None:
                    session.trouble(f"the check {code} {check.name}", error)
        if isinstance(event, Step):
            for listener in listeners:
                listener.stepped(event)


_relays: weakref.WeakKeyDictionary[Session, Relay] = weakref.WeakKeyDictionary()
_users: weakref.WeakKeyDictionary[Session, int] = weakref.WeakKeyDictionary()


def join(config: Any) -> tuple[Session, Relay, bool]:
    """The session that runs, or a new one; its relay; and whether wrappers own it."""
    session = Session.current
    if session is None:
        session = Session(config)
        session.start()
        _users[session] = 0
    relay = _relays.get(session)
    if relay is None:
        relay = _relays[session] = Relay(session)
        session.hand_over(CODES, relay)
    if session in _users:
        _users[session] += 1
    return session, relay, session in _users


def leave(session: Session) -> None:
    """One user less; the last one ends a session that wrappers began."""
    _users[session] -= 1
    if not _users[session]:
        session.stop()
