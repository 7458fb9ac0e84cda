"""Writes the generated parts of the documentation, or with ``--check`` tells which are stale.

They are what the program itself says: the README's example is run, and the audit of ``docs``; the
tables and ``docs/rules.md`` come from the rules. In a text, a generated part stands between two
marks::

    <!-- made by scripts/make_docs.py: rules -->
    <!-- end of rules -->
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the checkout that this script stands in, installed or not

from trainlint.registry import shipped  # noqa: E402
from trainlint.rule import Rule  # noqa: E402

CHECK = "trainlint check examples --select AMP001"
FIX = "trainlint fix examples --select AMP001"
AUDITED = "fixtures/projects/voice-classifier/bad/train.py"
AUDIT = f"trainlint audit {AUDITED} --output-format markdown"
FAMILIES = {
    "ACC": "Gradient accumulation",
    "AMP": "Mixed precision",
    "API": "Removed and deprecated API",
    "AUD": "Audio",
    "CKP": "Checkpoints",
    "DAT": "Data sets",
    "DDP": "Distributed training",
    "DEV": "Devices and machines",
    "ENV": "Environments",
    "ERR": "Hidden failures",
    "LEK": "Leakage between splits",
    "LOP": "The training and evaluation loop",
    "LOS": "Losses",
    "MET": "Metrics",
    "OPT": "Optimizers and schedules",
    "REP": "Reproducibility",
    "SUP": "Suppressions",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="bring all generated parts up to date")
    mode.add_argument("--check", action="store_true", help="exit with 1 if one is stale")
    args = parser.parse_args(argv)
    old = stale()
    for path, text in old.items():
        if args.write:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'written' if args.write else 'stale'}")
    return 1 if old and args.check else 0


def stale() -> dict[Path, str]:
    """The files whose generated parts are not what they should be, with the text to be."""
    wanted = {path: make() for path, make in WHOLE.items()}
    for path, parts in PARTS.items():
        text = path.read_text(encoding="utf-8")
        for name, make in parts.items():
            text = replaced(text, name, make())
        wanted[path] = text
    return {path: text for path, text in wanted.items() if _current(path) != text}


def _current(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def replaced(text: str, name: str, part: str) -> str:
    """The text with another part between the marks of that name.

    Raises:
        ValueError: the text has no such marks.
    """
    begin, end = f"<!-- made by scripts/make_docs.py: {name} -->\n", f"<!-- end of {name} -->"
    head, mark, rest = text.partition(begin)
    _, other, tail = rest.partition(end)
    if not mark or not other:
        raise ValueError(f"there are no marks of the part {name!r}")
    return f"{head}{begin}{part}{end}{tail}"


def example() -> str:
    """The findings of one rule in the shipped example, and its fix, as a terminal shows them."""
    return (
        f"```console\n$ {CHECK}\n{output(CHECK, 1)}```\n\n```diff\n$ {FIX}\n{output(FIX, 1)}```\n"
    )


def output(command: str, code: int) -> str:
    """What a command prints here, in a checkout that nobody has configured.

    Raises:
        RuntimeError: it ends with another exit code than that.
    """
    words = [sys.executable, "-m", *shlex.split(command)]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "NO_COLOR": "1"}
        env |= {"TRAINLINT_CACHE_DIR": folder, "XDG_CONFIG_HOME": folder}
        run = subprocess.run(
            words, cwd=ROOT, env=env, check=False, capture_output=True, encoding="utf-8"
        )
    if run.returncode != code:
        raise RuntimeError(f"{command}: exit code {run.returncode}: {run.stderr}")
    return run.stdout


def table() -> str:
    """All rules, one a line, each with its place in ``docs/rules.md``."""
    lines = ["| code | name | severity | fix | what it finds |", "|---|---|---|---|---|"]
    for rule in shipped().rules:
        name = f"[{rule.name}](docs/rules.md#{rule.name})"
        summary = rule.summary.replace("|", r"\|")
        fix = "" if rule.fix is None else str(rule.fix)
        lines.append(f"| {rule.code} | {name} | {rule.severity} | {fix} | {summary} |")
    return "\n".join(lines) + "\n"


def rules_page() -> str:
    """The documentation of all rules."""
    parts = [
        "# Rules\n\n<!-- made by scripts/make_docs.py from the rules; a change here is lost -->\n\n"
        "`trainlint explain CODE` shows the same in a terminal.\n"
    ]
    family = ""
    for rule in shipped().rules:
        if rule.family != family:
            family = rule.family
            parts.append(f"\n# {FAMILIES[family]} ({family})\n")
        parts.append(section(rule))
    return "".join(parts)


def section(rule: Rule) -> str:
    """One rule; its heading is its name, at which the reports' links aim."""
    fix = f"its best fix is **{rule.fix}**" if rule.fix is not None else "it has no fix"
    head = f"\n## {rule.name}\n\n**{rule.code}**, severity **{rule.severity}**; {fix}.\n\n"
    options = "".join(f"- `{name}` (default `{value!r}`)\n" for name, value in rule.options.items())
    body = demoted(rule.documentation)
    return f"{head}{body}\n" + (f"\n### Options\n{options}" if options else "")


def demoted(markdown: str) -> str:
    """The text with its headings one level lower; what stands in code blocks stays."""
    lines, in_code = [], False
    for line in markdown.splitlines():
        in_code ^= line.startswith("```")
        lines.append(f"#{line}" if line.startswith("#") and not in_code else line)
    return "\n".join(lines)


def facts() -> str:
    """The modules and packages of ``semantics``, each with the first sentence of its docstring."""
    folder = ROOT / "trainlint/semantics"
    modules = {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}
    packages = {f"{path.parent.name}/": path for path in folder.glob("*/__init__.py")}
    lines = ["| module | what it knows |", "|---|---|"]
    for name, path in sorted((modules | packages).items()):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        sentence = re.split(r"\n\n", doc)[0].replace("\n", " ").replace("|", r"\|")
        lines.append(f"| `{name}` | {sentence} |")
    return "\n".join(lines) + "\n"


def audit_page() -> str:
    """The audit of a script that was audited many times before."""
    return (
        "# An audit\n\n<!-- made by scripts/make_docs.py; a change here is lost -->\n\n"
        "What `trainlint audit` says of a script that its author had audited by hand, under the "
        "same\ntwelve headings, and found to be perfect: a voice classifier, written anew in\n"
        f"[fixtures]({AUDITED.replace('fixtures', '../fixtures', 1)}).\n\n"
        f"```console\n$ {AUDIT}\n```\n\n{demoted(output(AUDIT, 1))}"
    )


WHOLE: dict[Path, Callable[[], str]] = {
    ROOT / "docs/rules.md": rules_page,
    ROOT / "docs/audit.md": audit_page,
}
PARTS: dict[Path, dict[str, Callable[[], str]]] = {
    ROOT / "README.md": {"example": example, "rules": table},
    ROOT / ".github/CONTRIBUTING.md": {"facts": facts},
}


if __name__ == "__main__":
    sys.exit(main())
