"""Draws ``docs/run.svg``, the picture of a report in the README, from a run that really happens.

    python scripts/run_picture.py

The program is one of those that the tests train: a sampler fills each batch from one class, so that
a contrastive loss cannot learn. rich draws what a terminal would show. The seconds that the watch
took are those of the machine that this runs on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "tests/runtime/programs"
PROGRAM = "contrastive_one_class.py"
PICTURE = ROOT / "docs/run.svg"
COLUMNS = 104
MARK = re.compile(r"  # expect: .*")  # of the tests
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # fetched from elsewhere


def main() -> int:
    """Run, draw and write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = (PROGRAMS / PROGRAM).read_text(encoding="utf-8")
        (folder / "train.py").write_text(MARK.sub("", text), encoding="utf-8")
        for beside in ("_data.py", "_contrastive.py"):
            shutil.copy(PROGRAMS / beside, folder / beside)
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "FORCE_COLOR": "1"}
        env |= {"COLUMNS": str(COLUMNS), "TRAINLINT_CACHE_DIR": f"{name}/cache"}
        env |= {"OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": f"{name}/config"}
        env.pop("NO_COLOR", None)
        command = [sys.executable, "-m", "trainlint", "run", "train.py"]
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, encoding="utf-8", check=True
        )
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text("$ trainlint run train.py", style="bold"))
    console.print(Text.from_ansi(done.stderr.rstrip("\n")), soft_wrap=True)
    picture = FONT.sub("", console.export_svg(title="trainlint run"))
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
