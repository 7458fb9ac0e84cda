"""Handlers that say what they catch, or hand it on."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, handlers

RULE = Rule("ERR1", "named-handlers", Severity.INFO, needs=any_of("except"))


@RULE.verify
def named(file: File) -> Iterator[Finding]:
    for handler in handlers.handlers(file):
        if handlers.raises(handler):
            yield Finding(handler.node, "this handler raises again")
        elif not handler.broad and handler.node.type is not None:
            caught = file.text(handler.node.type)
            yield Finding(handler.node, f"this handler catches `{caught}` only")
