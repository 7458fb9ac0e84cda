"""Layers that are made anew behind the optimizer (OPT002)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program, dotted

OPTIMIZERS = ("Adam", "AdamW", "SGD", "RMSprop", "Adadelta")
# The last layer of some networks, and another one that fits there.
HEADS = {
    "plain_classifier.py": ("model.head", "nn.Linear(16 * 14 * 14, 10).to(DEVICE)"),
    "audio_training.py": ("model.classifier[2]", "nn.Linear(512, len(WORDS)).to(device)"),
    "argparse_config.py": ("model.fc", "nn.Linear(128, 5).to(device)"),
    "digits_nll.py": ("model.fc", "nn.Linear(16 * 12 * 12, 10).to(device)"),
    "click_rates.py": ("self.model.out", "nn.Linear(64, 1)"),
    "helper_functions.py": ("model[3]", "nn.Linear(32, 1)"),
    "batch_scores.py": ("model.out", "nn.Linear(64, len(BIRDS)).to(device)"),
    "face_landmarks.py": ("model.out", "nn.Linear(32 * 36, 10).to(device)"),
    "exact_trainer.py": ("self.model.layers[1]", "nn.Linear(128, 5)"),
    "crowd_counting.py": ("model.people[1]", "nn.Linear(512, 1).to(device)"),
    "photo_folders.py": ("model.head", "nn.Linear(1280, len(names)).to(device)"),
}


def _built(program: Program) -> Iterator[tuple[ast.stmt, str, str]]:
    """The statement that makes the optimizer, the layer and another one for it."""
    layer, other = HEADS.get(program.name, ("", ""))
    for call in program.calls(*OPTIMIZERS) if layer else ():
        yield program.statement(call), layer, other


@operator("OPT002", "layer-replaced")
def layer_replaced(program: Program) -> Iterator[Fault]:
    for optimizer, layer, other in _built(program):
        yield Fault((program.after(optimizer, f"{layer} = {other}"),), anywhere=True)


@operator("OPT002", "layer-replaced-by-a-helper")
def by_a_helper(program: Program) -> Iterator[Fault]:
    for optimizer, layer, other in _built(program):
        if layer.startswith("self.") or "names" in other:
            continue
        new = other.replace(".to(device)", "").replace(".to(DEVICE)", "")
        helper = program.defined("def new_head(model):", f"    {layer} = {new}")
        call = "new_head(model)"
        if program.tree.body[0] is not None and program.classes("Module"):
            last = program.classes("Module")[-1]
            helper = program.after(last, "", "", "def new_head(model):", f"    {layer} = {new}")
        yield Fault((helper, program.after(optimizer, call)), anywhere=True)


@operator("OPT002", "weights-made-anew")
def weights_anew(program: Program) -> Iterator[Fault]:
    for optimizer, layer, _ in _built(program):
        if program.falls_to(0, 2):
            line = f"{layer}.weight = nn.Parameter(torch.zeros_like({layer}.weight))"
            yield Fault((program.after(optimizer, line),), anywhere=True)


@operator("OPT002", "weights-normed")
def weights_normed(program: Program) -> Iterator[Fault]:
    for optimizer, layer, _ in _built(program):
        if program.falls_to(1, 2):
            line = f"nn.utils.parametrizations.weight_norm({layer})"
            yield Fault((program.after(optimizer, line),), anywhere=True)


@operator("OPT002", "set-by-its-name")
def set_by_its_name(program: Program) -> Iterator[Fault]:
    for optimizer, layer, other in _built(program):
        if "[" not in layer:
            owner, _, name = layer.rpartition(".")
            line = f'setattr({owner}, "{name}", {other})'
            yield Fault((program.after(optimizer, line),), anywhere=True)


@operator("OPT002", "another-model-under-the-name")
def another_model(program: Program) -> Iterator[Fault]:
    """The model is built again once the optimizer has the first one."""
    for optimizer, layer, _ in _built(program):
        block = program.body_of(optimizer)
        models = [
            s
            for s in block[: block.index(optimizer)]
            if isinstance(s, ast.Assign) and dotted(s.targets[0]) == "model"
        ]
        if models and layer.startswith("model"):
            line = program.source(models[0])
            yield Fault((program.after(optimizer, line),), anywhere=True)


@operator("OPT002", "copied-model")
def copied_model(program: Program) -> Iterator[Fault]:
    for optimizer, layer, _ in _built(program):
        if layer.startswith("model") and isinstance(optimizer, ast.Assign):
            line = program.imported("import copy")
            yield Fault(
                (line, program.after(optimizer, "model = copy.deepcopy(model)")), anywhere=True
            )


written(
    "OPT002",
    "vocabulary-grown",
    "",
    (
        "    updates = -(-len(train_loader) // ACCUMULATE) * EPOCHS\n",
        "    model.resize_token_embeddings(30_600)\n"
        "    updates = -(-len(train_loader) // ACCUMULATE) * EPOCHS\n",
    ),
)
written(
    "OPT002",
    "head-of-a-stage",
    "",
    (
        "            for _ in range(4):\n",
        "            if stage == 1:\n"
        "                self.model.head = nn.Linear(768, 1).to(self.device)\n"
        "            for _ in range(4):\n",
    ),
)
