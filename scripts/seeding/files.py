"""Checkpoints that fill a disk, or that are written over one another (CKP004, CKP006)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program

SHORT = {
    "accumulating_trainer.py",
    "click_rates.py",
    "gan.py",
    "helper_functions.py",
    "multitask_amp.py",
    "notebook_training.py",
    "plain_classifier.py",
    "token_chunks.py",
    "trainer_class.py",
    "transformers_finetune.py",
    "vision_transfer.py",
}


def long_runs(program: Program) -> Iterator[tuple[ast.For, str]]:
    """The loops over more epochs than a few, and the model of each."""
    if program.name in SHORT or program.has("init_process_group"):
        return
    for loop in program.all(ast.For):
        if program.source(loop.target) != "epoch" or program.enclosing(loop, ast.For):
            continue
        names = ("self.model", "model", "encoder", "towers", "student", "session.model")
        for name in names:
            if program.has(f"{name}.state_dict()") or program.has(f" {name} = "):
                yield loop, name
                break


def _kept(hand: int, name: str, save: str, *heads: str) -> None:
    @operator("CKP004", name)
    def each_epoch(program: Program) -> Iterator[Fault]:
        for loop, model in long_runs(program):
            if program.has("os.remove(") or not program.falls_to(hand, 3):
                continue
            indent = "    " * len(heads)
            line = f"{indent}{save.format(model=model)}"
            change = program.after(loop.body[-1], *heads, line)
            yield Fault((change,), mark=line.strip())


_kept(0, "file-of-each-epoch", 'torch.save({model}.state_dict(), f"weights_{{epoch}}.pt")')
_kept(
    1,
    "file-of-every-other-epoch",
    'torch.save({model}.state_dict(), "weights_%03d.pt" % epoch)',
    "if epoch % 2 == 0:",
)
_kept(
    2,
    "name-of-a-format",
    'torch.save({{"model": {model}.state_dict()}}, "runs/epoch-{{}}.pt".format(epoch + 1))',
)
_kept(1, "name-of-a-sum", 'torch.save({model}.state_dict(), "weights_" + str(epoch) + ".pt")')


@operator("CKP004", "saved-by-a-helper")
def by_a_helper(program: Program) -> Iterator[Fault]:
    for loop, model in long_runs(program):
        owner = program.enclosing(loop, ast.FunctionDef)
        if not isinstance(owner, ast.FunctionDef) or model != "model":
            continue
        save = 'torch.save(model.state_dict(), f"snapshots/{epoch:04d}.pt")'
        helper = program.before(owner, "def snapshot(model, epoch):", f"    {save}", "", "")
        change = program.after(loop.body[-1], "snapshot(model, epoch)")
        yield Fault((helper, change), anywhere=True)


written(
    "CKP004",
    "old-files-stay",
    'torch.save(model.state_dict(), f"animals_{epoch}.pt")',
    (
        '        if os.path.exists(f"animals_{epoch - 3}.pt"):\n'
        '            os.remove(f"animals_{epoch - 3}.pt")\n',
        "",
    ),
)
written(
    "CKP004",
    "old-files-stay",
    'torch.save(state, self.folder / f"epoch_{epoch:05d}.pt")',
    (
        '        for old in sorted(self.folder.glob("epoch_*.pt"))[: -self.keep]:\n'
        "            old.unlink()\n",
        "",
    ),
)
written("CKP004", "all-of-lightning", "save_top_k=-1", ("save_top_k=1", "save_top_k=-1"))
written(
    "CKP004",
    "every-epoch-of-lightning",
    "every_n_epochs=1",
    ('monitor="val_loss", save_top_k=1', "every_n_epochs=1, save_top_k=-1"),
)


def _in_place(name: str, mark: str, *edits: tuple[str, str]) -> None:
    written("CKP006", name, mark, *edits)


_REPLACED = 'os.replace(path + ".tmp", path)'
_in_place(
    "no-other-file",
    "torch.save(state, path)",
    ('torch.save(state, path + ".tmp")\n    ' + _REPLACED, "torch.save(state, path)"),
)
_in_place(
    "old-file-removed-first",
    "torch.save(state, path)",
    (
        'torch.save(state, path + ".tmp")\n    ' + _REPLACED,
        "if os.path.exists(path):\n        os.remove(path)\n    torch.save(state, path)",
    ),
)
_in_place(
    "no-other-file",
    'torch.save(state, "training.pt")',
    (
        'torch.save(state, "training.new")\n        os.replace("training.new", "training.pt")',
        'torch.save(state, "training.pt")',
    ),
)
_in_place(
    "into-an-open-file",
    "torch.save(state, file)",
    (
        'torch.save(state, "training.new")\n        os.replace("training.new", "training.pt")',
        'with open("training.pt", "wb") as file:\n            torch.save(state, file)',
    ),
)
_in_place(
    "no-other-file",
    'torch.save(model.state_dict(), "locator.pt")',
    (
        'torch.save(model.state_dict(), "locator.tmp")\n'
        '            os.replace("locator.tmp", "locator.pt")',
        'torch.save(model.state_dict(), "locator.pt")',
    ),
)
_in_place(
    "no-other-file",
    "torch.save(self.model.state_dict(), path)",
    (
        'torch.save(self.model.state_dict(), f"{path}.part")\n'
        '        os.replace(f"{path}.part", path)',
        "torch.save(self.model.state_dict(), path)",
    ),
)
_in_place(
    "no-other-file",
    'torch.save(model.state_dict(), "counter.pt")',
    (
        'torch.save(model.state_dict(), "counter.pt.tmp")\n'
        '            os.replace("counter.pt.tmp", "counter.pt")',
        'torch.save(model.state_dict(), "counter.pt")',
    ),
)
_in_place(
    "no-other-file",
    "torch.save(state, path)",
    (
        '    partial = path + ".partial"\n    torch.save(state, partial)\n'
        "    os.replace(partial, path)",
        "    torch.save(state, path)",
    ),
)


def _last(name: str, save: str) -> None:
    @operator("CKP006", name)
    def last_of_all(program: Program) -> Iterator[Fault]:
        if program.name == "boxes_detection.py" or program.has("os.replace("):
            return
        for loop, model in long_runs(program):
            if any(program.enclosing(c, ast.For) for c in program.calls("torch.save")):
                continue
            line = save.format(model=model)
            yield Fault((program.after(loop.body[-1], line),), mark=line)


_last("last-weights", 'torch.save({model}.state_dict(), "last.pt")')
_last("last-state", 'torch.save({{"epoch": epoch, "model": {model}.state_dict()}}, "runs/last.pt")')


@operator("CKP006", "last-weights-by-a-helper")
def last_by_a_helper(program: Program) -> Iterator[Fault]:
    for loop, model in long_runs(program):
        owner = program.enclosing(loop, ast.FunctionDef)
        saves = [c for c in program.calls("torch.save") if program.enclosing(c, ast.For)]
        if (
            not isinstance(owner, ast.FunctionDef)
            or saves
            or "." in model
            or program.has("os.replace(")
        ):
            continue
        save = f"torch.save({model}.state_dict(), path)"
        helper = program.before(owner, f"def keep({model}, path):", f"    {save}", "", "")
        change = program.after(loop.body[-1], f'keep({model}, "last.pt")')
        yield Fault((helper, change), anywhere=True)
