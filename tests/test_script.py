"""The training script in the field's words: events, who they belong to, and their loops."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import tree
from trainlint.semantics.facts import File
from trainlint.semantics.training.script import Event
from trainlint.testing import file_of

HEAD = "import torch\nfrom torch import nn\nfrom torch.cuda.amp import GradScaler\n"


def read(code: str) -> File:
    return file_of(HEAD + textwrap.dedent(code))


def events(code: str) -> list[str]:
    """The events of the module: their kinds, in order."""
    return [event.kind for event in of_module(code)]


def of_module(code: str) -> list[Event]:
    file = read(code)
    return file.script.events(file.module)


def test_the_acts_of_a_training_step_are_found_in_order() -> None:
    code = """
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    """
    assert events(code) == ["zero_grad", "backward", "clip", "step"]


def test_the_acts_of_a_scaled_step_are_found() -> None:
    code = """
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = GradScaler()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    """
    found = of_module(code)
    assert [event.kind for event in found] == ["backward", "unscale", "step", "update"]
    assert [event.scaled for event in found] == [True, True, True, False]


def test_a_scaled_loss_in_a_name_is_still_scaled() -> None:
    code = "scaler = GradScaler()\nscaled = scaler.scale(loss)\nscaled.backward()\n"
    (event,) = of_module(code)
    assert event.scaled
    assert isinstance(event.receiver, tree.Name)
    assert event.receiver.id == "loss"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("torch.optim.AdamW(p).step()", "step"),
        ("optimizer.step()", "step"),
        ("self.opt.step()", "step"),
        ("optimizers[0].step()", "step"),
        ("scheduler.step()", "schedule"),
        ("lr_scheduler.step(val_loss)", "schedule"),
        ("torch.optim.lr_scheduler.StepLR(o, 3).step()", "schedule"),
        ("transformers.get_linear_schedule_with_warmup(o).step()", "schedule"),
        ("env.step(action)", None),
        ("progress.step()", None),
        ("scaler.step()", None),
    ],
)
def test_a_step_belongs_to_what_it_is_called_on(line: str, kind: str | None) -> None:
    assert events(f"import transformers\n{line}\n") == ([] if kind is None else [kind])


def test_a_known_binding_decides_against_the_name() -> None:
    assert events("optimizer = gym.make('CartPole')\noptimizer.step()\n") == ["step"]
    assert events("import tqdm\noptimizer = tqdm.Tqdm()\noptimizer.step()\n") == []
    assert events("class Bar:\n    pass\noptimizer = Bar()\noptimizer.step()\n") == []
    assert events("import torch\nbar = torch.optim.SGD(p)\nbar.step()\n") == ["step"]


def test_a_class_that_derives_from_an_optimizer_is_one() -> None:
    code = "class Mine(torch.optim.Optimizer):\n    pass\nthing = Mine(p)\nthing.step()\n"
    assert events(code) == ["step"]


@pytest.mark.parametrize(
    ("line", "training"),
    [
        ("model.train()", True),
        ("model.train(True)", True),
        ("model.train(mode=False)", False),
        ("model.train(flag)", None),
        ("model.eval()", False),
    ],
)
def test_a_switch_of_the_mode_tells_which(line: str, training: bool | None) -> None:
    (event,) = of_module(line + "\n")
    assert (event.kind, event.training) == ("mode", training)


def test_a_method_of_the_project_called_train_is_no_switch() -> None:
    code = "class Trainer:\n    def train(self):\n        pass\nTrainer().train()\n"
    assert events(code) == []


def test_gradients_that_are_set_to_nothing_are_cleared() -> None:
    assert events("for p in ps:\n    p.grad = None\n") == ["zero_grad"]
    assert events("w.grad.zero_()\n") == ["zero_grad"]
    assert events("w.grad.data.zero_()\n") == ["zero_grad"]
    assert events("w.zero_()\n") == []


@pytest.mark.parametrize(
    ("code", "by"),
    [
        ("import accelerate\na = accelerate.Accelerator()\na.backward(loss)\n", "accelerator"),
        ("fabric.backward(loss)\n", "fabric"),
        ("model_engine.backward(loss)\n", "engine"),
        ("self.manual_backward(loss)\n", "lightning"),
        ("loss.backward()\n", None),
        ("loss.backward(torch.ones(3))\n", None),
    ],
)
def test_a_framework_that_runs_the_backward_is_named(code: str, by: str | None) -> None:
    (event,) = of_module(code)
    assert (event.kind, event.by) == ("backward", by)


def test_what_a_helper_does_happens_where_it_is_called() -> None:
    code = """
    def update(loss):
        loss.backward()
        optimizer.step()
    for x in xs:
        update(f(x))
    """
    found = of_module(code)
    assert [event.kind for event in found] == ["backward", "step"]
    assert len({event.site for event in found}) == 1
    assert all(isinstance(tree.enclosing_loop(event.site), tree.For) for event in found)


def test_helpers_that_call_each_other_end() -> None:
    code = "def a():\n    loss.backward()\n    b()\ndef b():\n    a()\na()\n"
    assert "backward" in events(code)


def test_what_stands_in_a_lambda_does_not_happen_here() -> None:
    code = "def step(loss):\n    loss.backward()\nlater = lambda loss: step(loss)\n"
    assert events(code) == []


def test_a_training_loop_is_the_innermost_loop_around_a_backward() -> None:
    code = """
    for epoch in range(9):
        model.train()
        for x in loader:
            optimizer.zero_grad()
            loss = f(x)
            loss.backward()
            optimizer.step()
        scheduler.step()
    """
    file = read(code)
    (loop,) = file.script.training_loops
    assert isinstance(loop.loop, tree.For)
    assert file.text(loop.loop.iter) == "loader"
    assert [event.kind for event in loop.events] == ["zero_grad", "backward", "step"]
    outer = file.script.epoch_loop(loop.loop)
    assert isinstance(outer, tree.For)
    assert file.text(outer.iter) == "range(9)"


def test_the_epoch_loop_may_stand_around_the_call_of_the_function() -> None:
    code = """
    def epoch(loader):
        for x in loader:
            f(x).backward()
    for n in range(3):
        epoch(loader)
    """
    file = read(code)
    loops = [loop.loop for loop in file.script.training_loops]
    batch = next(
        loop for loop in loops if isinstance(loop, tree.For) and file.text(loop.iter) == "loader"
    )
    outer = file.script.epoch_loop(batch)
    assert isinstance(outer, tree.For)
    assert file.text(outer.iter) == "range(3)"
    assert loops == [batch]


def test_an_evaluation_loop_is_no_training_loop() -> None:
    assert read("for x in loader:\n    f(x)\n").script.training_loops == []


def test_frameworks_are_told_from_their_imports() -> None:
    assert read("import pytorch_lightning as pl\n").script.frameworks == {"lightning"}
    assert read("from accelerate import Accelerator\n").script.frameworks == {"accelerate"}
    assert read("import numpy\n").script.frameworks == frozenset()
