"""Handlers that say what they catch, or hand it on."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, handlers, tree

RULE = Rule("ERR1", "named-handlers", Severity.INFO, needs=any_of("except"))
_ALL = frozenset({"builtins.Exception", "builtins.BaseException"})


@RULE.verify
def named(file: File) -> Iterator[Finding]:
    broad = {handler.node for handler in handlers.handlers(file)}
    for handler in file.all(tree.Handler):
        if any(isinstance(node, tree.Raise) for node in handler.walk()):
            yield Finding(handler, "this handler raises again")
        elif handler.type is not None and handler not in broad and not _is_broad(file, handler):
            yield Finding(handler, f"this handler catches `{file.text(handler.type)}` only")


def _is_broad(file: File, handler: tree.Handler) -> bool:
    caught = handler.type
    kinds = caught.elts if isinstance(caught, tree.Sequence) else [caught]
    return any(kind is None or file.names.qualified(kind) in _ALL for kind in kinds)
