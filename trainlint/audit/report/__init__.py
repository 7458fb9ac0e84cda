"""The reports on an audit: one module a format, imported only when it is asked for."""

from __future__ import annotations

from trainlint.audit.result import Audit


def render(audit: Audit, fmt: str, *, color: bool = False) -> str:
    """The audit in text, markdown, html or json.

    Raises:
        ValueError: there is no such format.
    """
    match fmt:
        case "text":
            from trainlint.audit.report import text

            return text.render(audit, color=color)
        case "markdown":
            from trainlint.audit.report import markdown

            return markdown.render(audit)
        case "html":
            from trainlint.audit.report import html

            return html.render(audit)
        case "json":
            from trainlint.audit.report import machine

            return machine.render(audit)
        case _:
            raise ValueError(f"there is no format {fmt!r}")
