"""Checkpoints heap up.

## What it does
Follows the checkpoints (files with the parameters of a model that is known, or the state of an
optimizer) that one line of the program writes. Reports `files` of them under different names of
which none was removed or overwritten (CKP004 seen happening), and gravely where the disk will not
hold them: where the growth per step, up to the end of the run, comes to more than `part` of what is
free. The end is that of a scheduler that knows it; where none does, as many files again must fit.
Caches of features and files that are rotated are silent.

## Why is this bad?
The run ends when the disk is full, usually in the middle of writing a checkpoint.

## Example
```python
torch.save(model.state_dict(), f"checkpoints/epoch_{epoch}.pt")
```

## Use instead
```python
torch.save(model.state_dict(), "checkpoints/last.pt")
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, Saving and loading models
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Save
from trainlint.runtime.findings import Finding
from trainlint.runtime.places import Place

LEAST = 3  # files from which a growth can be read


@dataclass(frozen=True, slots=True)
class Options:
    files: int = 20
    part: float = 0.8  # of the free disk


@dataclass(slots=True)
class _Files:
    sizes: dict[str, int] = field(default_factory=dict)
    first_step: int = 0
    removed: bool = False
    told: set[str] = field(default_factory=set)


class CheckpointGrowth(Check[Options]):
    code = "RUN025"
    name = "checkpoint-growth"
    severity = Severity.INFO
    confirms = ("CKP004",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._files: dict[Place | None, _Files] = {}

    def on_save(self, save: Save) -> Iterator[Finding]:
        if not save.is_checkpoint or save.path is None or not save.size:
            return
        files = self._files.setdefault(save.place, _Files(first_step=self.run.steps))
        path = os.path.abspath(save.path)
        if path in files.sizes:
            files.removed = True  # overwritten: names come again
        files.sizes[path] = save.size
        if files.removed or len(files.sizes) < LEAST:
            return
        if not all(os.path.exists(one) for one in files.sizes):
            files.removed = True
            return
        yield from self._disk(files, save, os.path.dirname(path))
        if len(files.sizes) >= self.options.files and "files" not in files.told:
            files.told.add("files")
            written = sum(files.sizes.values())
            yield self.finding(
                f"{len(files.sizes)} checkpoints were written here and none was removed: "
                f"{_bytes(written)} so far",
                save.place,
                evidence={"files": len(files.sizes), "bytes": written},
                subject="files",
            )

    def _disk(self, files: _Files, save: Save, folder: str) -> Iterator[Finding]:
        if "disk" in files.told:
            return
        written, count = sum(files.sizes.values()), len(files.sizes)
        free = shutil.disk_usage(folder).free
        end, now = self._end(), self.run.steps
        if end is not None and now > files.first_step:
            growth = (written - save.size) / (now - files.first_step) if save.size else 0.0
            needed, until = growth * max(0, end - now), f"until step {end}"
        else:
            needed, until = float(written), "for as many files again"
        if needed <= self.options.part * free:
            return
        files.told.add("disk")
        yield self.finding(
            f"the checkpoints written here will fill the disk: {_bytes(written)} in {count} files "
            f"so far, {_bytes(needed)} more {until}, and {_bytes(free)} are free",
            save.place,
            severity=Severity.WARNING,
            evidence={
                "files": count,
                "bytes": written,
                "projected_bytes": int(needed),
                "free_bytes": free,
                "end": end,
            },
            subject="disk",
        )

    def _end(self) -> int | None:
        """The last step, by the schedulers that know how often they are to be stepped."""
        known = [
            s.planned * max(1, round(self.run.steps / s.steps))
            for s in self.run.schedules
            if s.planned and s.steps
        ]
        return max(known, default=None)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
