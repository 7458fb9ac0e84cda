"""Counts the errors and warnings in repositories whose authors know what they do.

    python scripts/noise.py NAME=FOLDER... [--write docs/noise.md]

At most one finding in 1,000 lines is the bound, and each of them must be defensible to the
maintainers; what is to be said for each stands beside the table in the document.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from trainlint.diagnostics import Severity  # noqa: E402
from trainlint.run import Options, check  # noqa: E402

BEGIN, END = "<!-- made by scripts/noise.py -->\n", "<!-- end -->"
BOUND = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, or write it; 1 where a repository is above the bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folders", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a document with the marks")
    args = parser.parse_args(argv)
    rows = [row(*folder.split("=", 1)) for folder in args.folders]
    table = "".join(f"{line}\n" for line in lines(rows))
    if args.write is None:
        print(table, end="")
    else:
        text = args.write.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        args.write.write_text(head + BEGIN + table + END + rest.partition(END)[2], encoding="utf-8")
    return int(any(1000 * sum(found.values()) > BOUND * size for _, size, found in rows))


def row(name: str, folder: str) -> tuple[str, int, Counter[str]]:
    """The lines of the scripts in a folder, and what is shown there, by rule."""
    report = check(["."], Options(cached=False), cwd=folder).report
    found = Counter(d.code for d in report.shown() if d.severity >= Severity.WARNING)
    size = sum(
        path.read_bytes().count(b"\n") for path in Path(folder).rglob("*.py") if path.is_file()
    )
    return name, size, found


def lines(rows: Sequence[tuple[str, int, Counter[str]]]) -> Iterator[str]:
    yield "| repository | lines | errors and warnings | in 1,000 lines | rules |"
    yield "|---|---|---|---|---|"
    for name, size, found in rows:
        number = sum(found.values())
        codes = ", ".join(f"{code} {count}" for code, count in sorted(found.items()))
        share = 1000 * number / max(size, 1)
        yield f"| {name} | {size:,} | {number} | {share:.2f} | {codes or 'none'} |"


if __name__ == "__main__":
    sys.exit(main())
