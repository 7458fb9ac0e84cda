"""The last window of an accumulation, and schedules that count its batches (ACC003, ACC006)."""

from __future__ import annotations

from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program, keyword


def _whole(name: str, *edits: tuple[str, str]) -> None:
    """A shape that divides the last window by the length of a full one."""
    written("ACC003", name, "", *edits)


_HELD = "held = min(accumulate, len(loader) - i + i % accumulate)"
_whole("whole-window-in-a-name", (_HELD, "held = accumulate"))
_whole("divided-by-the-setting", (f"        {_HELD}\n", ""), ("loss / held", "loss / accumulate"))
_whole("times-a-share", (_HELD, "share = 1 / accumulate"), ("loss / held", "loss * share"))
_whole(
    "divided-in-the-region",
    (f"        {_HELD}\n", ""),
    (
        "loss = criterion(model(images), labels)",
        "loss = criterion(model(images), labels) / accumulate",
    ),
    ("loss / held", "loss"),
)
_whole(
    "whole-window-in-a-helper",
    ("return min(ACCUMULATE, batches - index + index % ACCUMULATE)", "return ACCUMULATE"),
)
_whole(
    "divided-by-the-setting",
    ("(loss / window_size(index, len(loader))).backward()", "(loss / ACCUMULATE).backward()"),
)
_whole(
    "times-a-share",
    (
        "(loss / window_size(index, len(loader))).backward()",
        "(loss * (1.0 / ACCUMULATE)).backward()",
    ),
)
_whole(
    "divided-in-place",
    (
        "(loss / window_size(index, len(loader))).backward()",
        "part = loss.clone()\n        part /= ACCUMULATE\n        part.backward()",
    ),
)
_whole(
    "gradient-of-a-share",
    (
        "(loss / window_size(index, len(loader))).backward()",
        "loss.backward(torch.tensor(1 / ACCUMULATE, device=device))",
    ),
)
_whole(
    "whole-window-in-a-method",
    (
        "        first = index - index % self.window\n"
        "        return min(self.window, len(self.loader) - first)\n",
        "        return self.window\n",
    ),
)
_whole("divided-by-the-setting", ("loss / self.held(index)", "loss / self.window"))
_whole("divided-by-a-function", ("loss / self.held(index)", "torch.div(loss, self.window)"))
_whole(
    "rest-behind-the-loop",
    ("loss / self.held(index)", "loss / self.window"),
    (
        "            if (index + 1) % self.window == 0 or index + 1 == len(self.loader):\n"
        "                self.update()\n",
        "            if (index + 1) % self.window == 0:\n                self.update()\n"
        "        if len(self.loader) % self.window:\n            self.update()\n",
    ),
)
_whole(
    "rest-behind-the-loop",
    ("(loss / window_size(index, len(loader))).backward()", "(loss / ACCUMULATE).backward()"),
    ("== 0 or index + 1 == len(loader):", "== 0:"),
    (
        "    return (total / max(rows, 1)).item()",
        "    if (index + 1) % ACCUMULATE:\n        optimizer.step()\n        scheduler.step()\n"
        "        optimizer.zero_grad()\n    return (total / max(rows, 1)).item()",
    ),
)


# Schedules that count micro-batches

_SIZES = (
    ("-(-len(train_loader) // ACCUMULATE) * epochs", "len(train_loader) * epochs"),
    ("-(-len(train_loader) // ACCUMULATE) * EPOCHS", "len(train_loader) * EPOCHS"),
    ("-(-len(loader) // ACCUMULATE) * EPOCHS", "len(loader) * EPOCHS"),
    ("math.ceil(len(loader) / args.accumulate)", "len(loader)"),
    ("epochs * ((len(loader) + window - 1) // window)", "epochs * len(loader)"),
    ("windows = len(train_loader) // ACCUMULATE", "windows = len(train_loader)"),
)


@operator("ACC006", "sized-in-batches")
def sized_in_batches(program: Program) -> Iterator[Fault]:
    for old, new in _SIZES:
        changes = program.edited((old, new))
        if changes and not new.startswith("windows"):
            yield Fault(changes, anywhere=True)


@operator("ACC006", "sized-by-the-samples")
def sized_by_the_samples(program: Program) -> Iterator[Fault]:
    """The number of batches as that of the samples through the size of a batch."""
    for old, new in _SIZES:
        for loader in ("train_loader", "loader"):
            made = [c for c in program.calls("DataLoader") if keyword(c, "batch_size")]
            size = keyword(made[0], "batch_size") if made else None
            if size is None or f"len({loader})" not in new or new.startswith("windows"):
                continue
            rows = f"len({loader}.dataset) // {program.source(size.value)}"
            if "batch_size" in rows and not program.has("args.batch_size"):
                continue
            changes = program.edited((old, new.replace(f"len({loader})", f"({rows})")))
            if changes and f"({loader}" not in new.replace(f"len({loader})", ""):
                yield Fault(changes, anywhere=True)


def _counted(name: str, *edits: tuple[str, str]) -> None:
    written("ACC006", name, "", *edits)


_counted("batches-in-an-epoch", ("steps_per_epoch=windows", "steps_per_epoch=len(train_loader)"))
_counted(
    "restarts-each-pass",
    (
        "CosineAnnealingLR(optimizer, T_max=args.epochs * updates)",
        "CosineAnnealingWarmRestarts(optimizer, T_0=len(loader))",
    ),
)
_counted(
    "batches-in-an-epoch",
    ("total_steps=self.total_updates", "epochs=epochs, steps_per_epoch=len(loader)"),
)
_counted(
    "sized-by-a-helper",
    ("    updates = -(-len(train_loader) // ACCUMULATE) * epochs\n", ""),
    ("total_iters=updates", "total_iters=count_steps(train_loader, epochs)"),
    (
        "def main(root",
        "def count_steps(loader, epochs):\n    return len(loader) * epochs\n\n\ndef main(root",
    ),
)
_counted(
    "sized-by-a-helper",
    ("    updates = -(-len(loader) // ACCUMULATE) * EPOCHS\n", ""),
    ("num_training_steps=updates", "num_training_steps=all_steps(loader)"),
    (
        "def main(folder",
        "def all_steps(loader):\n    return EPOCHS * len(loader)\n\n\ndef main(folder",
    ),
)
