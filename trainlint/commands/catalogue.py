"""The commands `rules`, `explain` and `cache`: what there is, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trainlint.commands import console
from trainlint.commands.arguments import UsageError
from trainlint.config.setting_values import nearest
from trainlint.discovery.installed import installed
from trainlint.reports.neutral import shown
from trainlint.storage.cache import Cache
from trainlint.work.rulebook import Card, Rulebook, Sources, open_rulebook

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Run one of the three commands."""
    match args.command:
        case "rules":
            return _rules(args)
        case "explain":
            return _explain(args)
        case _:
            return _clear_cache(args)


def _rulebook() -> Rulebook:
    cache = Cache.open()
    return open_rulebook(cache, Sources(installed(cache.folder).packs))


def runtime_cards() -> Iterator[Card]:
    """The checks of a running program, as far as no rule of the linter has their code."""
    from trainlint.registry import shipped as rules
    from trainlint.runtime.check import documentation, options_of, shipped, url_of
    from trainlint.triage import all_of

    of_linter = {rule.code for rule in rules().rules}
    for check in shipped():
        if check.code not in of_linter:
            text = documentation(check)
            yield Card(
                check.code,
                check.name,
                check.severity,
                fix="",
                needs=all_of(),
                here=None,
                options=options_of(check),
                summary=text.partition("\n\n")[0].replace("\n", " "),
                documentation=text,
                url=url_of(check),
            )


def _rules(args: argparse.Namespace) -> int:
    cards = [*_rulebook().cards, *runtime_cards()]
    match args.output_format:
        case "json":
            console.emit(json.dumps([_to_json(card) for card in cards], indent=2) + "\n")
        case "markdown":
            console.emit(markdown_table(cards))
        case _ if console.wants_color(args.color):
            _print_table(cards)
        case _:
            console.emit(_plain_table(cards))
    return 0


def _explain(args: argparse.Namespace) -> int:
    """Print one rule's documentation.

    Raises:
        UsageError: there is no such rule.
    """
    rulebook = _rulebook()
    of_runs = list(runtime_cards())
    named = (c for c in of_runs if args.rule.strip().lower() in (c.code.lower(), c.name))
    card = rulebook.find(args.rule) or next(named, None)
    if card is None:
        word = args.rule.upper() if args.rule[-1:].isdigit() else args.rule.lower()
        known = rulebook.known | {word for c in of_runs for word in (c.code, c.name)}
        raise UsageError(f"there is no rule {args.rule!r}{nearest(word, known)}")
    match args.output_format:
        case "json":
            data = {**_to_json(card), "documentation": card.documentation}
            console.emit(json.dumps(data, indent=2) + "\n")
        case "markdown":
            console.emit(_page(card))
        case _ if console.wants_color(args.color):
            _print_page(card)
        case _:
            console.emit(_page(card))
    return 0


def _clear_cache(args: argparse.Namespace) -> int:
    from pathlib import Path

    cache = Cache.open(Path(args.cache_dir) if args.cache_dir else None)
    removed = cache.clear()
    if cache.trouble:
        raise UsageError(f"the cache cannot be cleared: {cache.trouble}")
    console.emit(f"Removed {removed} {'file' if removed == 1 else 'files'} of the cache.\n")
    return 0


def markdown_table(cards: Sequence[Card]) -> str:
    """All rules as a Markdown table, as the README has it."""
    lines = ["| code | name | severity | fix | what it finds |", "|---|---|---|---|---|"]
    for card in cards:
        summary = card.summary.replace("|", r"\|")
        cells = (card.code, f"[{card.name}]({card.url})", str(card.severity), card.fix, summary)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _to_json(card: Card) -> dict[str, Any]:
    return {
        "code": card.code,
        "name": card.name,
        "severity": str(card.severity),
        "fix": card.fix or None,
        "summary": card.summary,
        "options": dict(card.options),
        "url": card.url,
    }


def _plain_table(cards: Sequence[Card]) -> str:
    rows = [(c.code, c.name, str(c.severity), c.fix or "-", shown(c.summary)) for c in cards]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)) + "\n"
        for row in rows
    )


def _page(card: Card) -> str:
    fix = f"its best fix is {card.fix}" if card.fix else "no fix"
    head = f"# {card.code} {card.name}\n\nSeverity {card.severity}; {fix}.\n"
    options = "".join(
        f"- `{name}` (default: `{value!r}`)\n" for name, value in card.options.items()
    )
    tail = f"\n## Options\n{options}" if options else ""
    return f"{head}\n{card.documentation}\n{tail}"


_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_FIX_STYLES = {"safe": "green", "unsafe": "yellow", "shown": "dim", "": "dim"}


def _print_table(cards: Sequence[Card]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in ("code", "name", "severity", "fix"):
        table.add_column(name, no_wrap=True)
    table.add_column("what it finds", min_width=20)
    for card in cards:
        severity = str(card.severity)
        table.add_row(
            Text(card.code, "bold"),
            Text(card.name),
            Text(severity, _STYLES[severity]),
            Text(card.fix or "-", _FIX_STYLES.get(card.fix, "")),
            Text(card.summary),
        )
    _print(table)


def _print_page(card: Card) -> None:
    from rich.markdown import Markdown

    _print(Markdown(_page(card), code_theme="ansi_dark"))


def _print(renderable: Any) -> None:
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(
        file=out,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        width=console.width() or 100,
    ).print(renderable)
    console.emit(out.getvalue())
