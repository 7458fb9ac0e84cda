"""Checkpoints that cannot be read again, and models that are replaced (CKP003, ERR004)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator, written
from .program import Change, Fault, Program, dotted

# What is put beside the weights, and the import that it needs.
BESIDE = {
    "mean": ("np.mean([0.4, 0.5])", "import numpy as np"),
    "array": ("np.zeros((5, 2))", "import numpy as np"),
    "generator": ("np.random.get_state()", "import numpy as np"),
    "namespace": ("argparse.Namespace(rate=0.1)", "import argparse"),
    "path": ('pathlib.Path("runs") / "first"', "import pathlib"),
    "date": ("datetime.datetime.now()", "import datetime"),
    "duration": ("datetime.timedelta(hours=1)", "import datetime"),
    "defaultdict": ("defaultdict(list)", "from collections import defaultdict"),
    "deque": ("deque([0.5], maxlen=10)", "from collections import deque"),
    "optimizer": ("optimizer", ""),
    "scheduler": ("scheduler", ""),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A state that is saved and loaded again: both calls, and the one that takes what is loaded."""

    save: ast.Call
    state: ast.expr
    load: ast.Call
    taken: ast.Call


def _kept(program: Program) -> Iterator[Kept]:
    for taken in program.calls("load_state_dict"):
        loads = program.calls("torch.load", within=taken)
        for save in program.calls("torch.save"):
            for load in loads:
                same = program.source(save.args[1]) == program.source(load.args[0])
                if same and program.source(save.args[0]).endswith("model.state_dict()"):
                    yield Kept(save, save.args[0], load, taken)


def _register_beside(name: str) -> None:
    value, line = BESIDE[name]

    @operator("CKP003", f"{name}-beside-the-weights")
    def beside(program: Program) -> Iterator[Fault]:
        for kept in _kept(program):
            if not line and not program.has(f"{value} = "):
                continue
            state = program.source(kept.state)
            whole = f'{{"model": {state}, "{name}": {value}}}'
            load = program.source(kept.load)
            changes = [
                program.replaced(kept.state, whole),
                program.replaced(kept.load, f'{load}["model"]'),
            ]
            if line and not program.has(line):
                changes.append(program.imported(line))
            yield Fault(tuple(changes), mark=whole)


for _name in BESIDE:
    _register_beside(_name)


@operator("CKP003", "whole-model")
def whole_model(program: Program) -> Iterator[Fault]:
    for kept in _kept(program):
        model = program.source(kept.state).removesuffix(".state_dict()")
        changes = (
            program.replaced(kept.state, model),
            program.replaced(kept.taken, f"{model} = {program.source(kept.load)}"),
        )
        yield Fault(changes, at=program.start(kept.save))


@operator("CKP003", "generator-in-the-state")
def generator_in_the_state(program: Program) -> Iterator[Fault]:
    """In a state that is a dict already, and that another function reads by its keys."""
    for place in program.all(ast.Dict):
        saved = program.statement(place)
        read = program.calls("torch.load")
        if "state_dict()" not in program.source(place) or not program.has("np.") or not read:
            continue
        last = place.values[-1]
        change = Change(program.end(last), program.end(last), ', "numpy": np.random.get_state()')
        saves = [c for c in program.calls("torch.save") if saved.lineno <= c.lineno]
        yield Fault((change,), at=program.start(saves[0]))


written(
    "CKP003",
    "arguments-in-the-state",
    "torch.save(checkpoint",
    ('"best": best,\n            }', '"best": best,\n                "args": args,\n            }'),
)
written(
    "CKP003",
    "arguments-in-the-state",
    "torch.save(state",
    ('"score": score}', '"score": score, "args": args}'),
)
written(
    "CKP003",
    "folder-in-the-state",
    "torch.save(state",
    (
        '"epoch": epoch,\n        }\n        torch.save(state, self.folder / "last.pt")',
        '"epoch": epoch,\n            "folder": self.folder,\n        }\n'
        '        torch.save(state, self.folder / "last.pt")',
    ),
)
written(
    "CKP003",
    "folder-in-the-state",
    "torch.save(state",
    ('"curve": self.curve}', '"curve": self.curve, "folder": self.folder}'),
)
written(
    "CKP003",
    "score-of-numpy",
    "torch.save(state",
    ("return float(np.mean(hits))", "return np.mean(hits)"),
)
written(
    "CKP003",
    "score-of-numpy",
    "torch.save(state",
    ("return float(np.mean(losses)), float(agreed)", "return np.mean(losses), agreed"),
)


# Models that are replaced

HANDLERS = {
    "print": ("except Exception as error:", 'print("no weights:", error)'),
    "pass": ("except Exception:", "pass"),
    "errors": ("except (RuntimeError, KeyError) as error:", 'print(f"starting anew: {error}")'),
    "bare": ("except:", 'print("weights could not be loaded")'),
    "warning": ("except Exception as error:", 'warnings.warn(f"weights ignored: {error}")'),
}


def _loaded(program: Program) -> Iterator[list[ast.stmt]]:
    """The statements that read weights and give them to a model."""
    for call in program.calls("load_state_dict"):
        if "optimizer" in dotted(call.func) or not call.args:
            continue
        statement = program.statement(call)
        if program.calls("torch.load", within=call):
            yield [statement]
            continue
        block = program.body_of(statement)
        before = block[block.index(statement) - 1]
        name = program.source(call.args[0]).partition("[")[0]
        made = isinstance(before, ast.Assign) and dotted(before.targets[0]) == name
        if made and program.calls("torch.load", within=before):
            yield [before, statement]


def _register_load(name: str) -> None:
    head, action = HANDLERS[name]

    @operator("ERR004", f"failed-load-{name}")
    def failed_load(program: Program) -> Iterator[Fault]:
        for statements in _loaded(program):
            changes = [program.wrapped(statements, "try:", f"{head}\n    {action}")]
            if "warnings" in action:
                changes.append(program.imported("import warnings"))
            yield Fault(tuple(changes), mark=head)


for _name in HANDLERS:
    _register_load(_name)

_MAKES = (
    "AutoModel.from_pretrained(name)",
    'models.efficientnet_b0(weights="DEFAULT")',
    "AutoModelForSequenceClassification.from_pretrained(NAME, num_labels=2).to(device)",
    "models.resnet18(weights=None, num_classes=size)",
)
_OTHERS = {
    "untrained": (
        "AutoModel.from_config(AutoConfig.for_model('bert'))",
        "models.efficientnet_b0(weights=None)",
        "AutoModelForSequenceClassification.from_config(CONFIG).to(device)",
        "",
    ),
    "smaller": (
        'AutoModel.from_pretrained("prajjwal1/bert-tiny")',
        'models.mobilenet_v3_small(weights="DEFAULT")',
        'AutoModelForSequenceClassification.from_pretrained("bert-mini").to(device)',
        "nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, size))",
    ),
}


def _register_other(kind: str) -> None:
    @operator("ERR004", f"{kind}-model-in-the-handler")
    def in_the_handler(program: Program) -> Iterator[Fault]:
        for text, other in zip(_MAKES, _OTHERS[kind], strict=True):
            for assign in program.all(ast.Assign):
                if program.source(assign.value) != text or not other:
                    continue
                target = program.source(assign.targets[0])
                head = 'except Exception as error:\n    print("falling back", error)'
                tail = f"{head}\n    {target} = {other}"
                changes = [program.wrapped([assign], "try:", tail)]
                if "Config.for" in other:
                    changes.append(program.imported("from transformers import AutoConfig"))
                if "CONFIG" in other:
                    line = "from project import CONFIG"
                    changes.append(program.imported(line))
                yield Fault(tuple(changes), mark=f"{target} = {other}")


for _kind in _OTHERS:
    _register_other(_kind)


@operator("ERR004", "model-for-a-missing-library")
def missing_library(program: Program) -> Iterator[Fault]:
    """A branch on whether an import worked."""
    lines = ("try:", "    import timm", "except ImportError:", "    timm = None", "")
    for made in _MAKES:
        for assign in program.all(ast.Assign):
            if program.source(assign.value) != made or "models." not in made:
                continue
            target = program.source(assign.targets[0])
            indent = " " * assign.col_offset
            text = (
                f"if timm is None:\n{indent}    {target} = {made}\n{indent}else:\n"
                f'{indent}    {target} = timm.create_model("convnext_tiny")'
            )
            changes = (program.imported(*lines), program.replaced(assign, text))
            yield Fault(changes, mark=f"{target} = {made}")


@operator("ERR004", "handler-returns-another-network")
def returned_by_the_handler(program: Program) -> Iterator[Fault]:
    """A function that builds and loads a network, and gives an untrained one where that fails."""
    for function in program.all(ast.FunctionDef):
        loads = program.calls("torch.load", within=function)
        builds = function.name.startswith(("get_", "build_", "make_")) and loads
        if builds and isinstance(function.body[-1], ast.Return):
            other = "return models.resnet18(num_classes=10)"
            head = "except Exception:"
            change = program.wrapped(function.body, "try:", f"{head}\n    {other}")
            yield Fault((change,), mark=other, wide=True)
