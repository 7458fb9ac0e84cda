"""HTML files that need nothing else: no script, no font, no network."""

from __future__ import annotations

from html import escape

from trainlint.reports.neutral import shown

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


def page(title: str, body: str) -> str:
    """A whole file around what stands in ``<main>``, which must be escaped already."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{safe(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n"
        f"{body}</main>\n</body>\n</html>\n"
    )


def safe(value: str) -> str:
    """What somebody else wrote, as text and nothing else."""
    return escape(shown(value))


_CSS = """
:root { color-scheme: light; --ink: #1f2328; --soft: #5c6570; --line: #dfe3e8; --bad: #c22f2f;
  --warn: #a06a00; --info: #3b86a8; --good: #2c7a4b; --code: #f5f6f8; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1.2rem 4rem; }
h1 { font-size: 1.35rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
small, .facts, .place, figcaption { color: var(--soft); font-weight: normal; }
.facts { margin: .2rem 0 0; }
.total { font-weight: 600; }
.finding, .crash { border-left: 4px solid var(--info); padding: .1rem 0 .1rem .9rem;
  margin: 0 0 1.2rem; overflow-wrap: anywhere; }
.finding.error, .crash { border-color: var(--bad); }
.finding.warning { border-color: var(--warn); }
.finding p { margin: .2rem 0; }
.code { font-family: ui-monospace, Menlo, Consolas, monospace; }
.finding.disproved { border-color: var(--good); }
.badge { font-size: .75rem; font-weight: 600; border-radius: .7rem; padding: .05rem .5rem;
  border: 1px solid currentColor; }
.badge.confirmed { color: var(--bad); }
.badge.disproved { color: var(--good); }
.badge.seen { color: var(--soft); }
.failure { color: var(--bad); }
pre { background: var(--code); padding: .5rem .7rem; overflow-x: auto; margin: .4rem 0;
  font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; }
pre i { color: var(--soft); font-style: normal; }
pre .here { background: #fff0c2; }
figure { margin: .6rem 0; }
figure svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 13px; margin: .4rem 0; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; color: var(--soft); }
@media print { main { max-width: none; padding: 0; } .finding, figure { break-inside: avoid; } }
"""
