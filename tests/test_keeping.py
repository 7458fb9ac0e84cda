"""What CKP007 takes for weights that are kept without a copy: one question to each script."""

from __future__ import annotations

from textwrap import indent

import pytest

from trainlint.registry import shipped
from trainlint.testing import check_text

RULE = next(rule for rule in shipped().rules if rule.code == "CKP007")
HEAD = """
import copy, os, zoo, torch
from torch import nn, distributed as dist
from torch.nn import functional as F

def train(model, loader, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()

def one_step(model, x, y, optimizer):
    F.mse_loss(model(x), y).backward()
    optimizer.step()

def score(model, loader):
    with torch.no_grad():
        return sum(F.mse_loss(model(x), y).item() for x, y in loader)
"""
FIT = """
def fit(model, loader, held, epochs, args):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    best, best_state, kept, waited, mean = float("inf"), None, {{}}, 0, 0.0
    many = epochs > 9
    for epoch in range(epochs):
        train(model, loader, optimizer)
        loss = score(model, held)
{rounds}
{behind}
"""
METHODS = """
class Trainer:
    def __init__(self, model, loader, held):
        self.model, self.loader, self.held = model, loader, held
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.best, self.state, self.keeps = float("inf"), None, len(held) > 0
"""
LOAD, SAVE = "model.load_state_dict(best_state)", 'torch.save(best_state, "best.pt")'


def found(text: str) -> int:
    return len(check_text(RULE, HEAD + text))


def in_rounds(rounds: str, behind: str) -> int:
    """What is found where the lines stand in the rounds of a loop that trains, and behind it."""
    return found(FIT.format(rounds=indent(rounds, " " * 8), behind=indent(behind, " " * 4)))


BEST = "if loss < best:\n    best = loss\n    "
UNDER = BEST + "best_state = model.state_dict()\n"


@pytest.mark.parametrize(
    ("value", "count"),
    [
        pytest.param("model.state_dict()", 1, id="a state is a reference"),
        pytest.param("model.state_dict(copy=True)", 0, id="one that takes other arguments"),
        pytest.param("dict(model.state_dict(), epoch=epoch)", 1, id="a dict with one item more"),
        pytest.param("dict(**model.state_dict())", 1, id="an unpacked one"),
        pytest.param("dict(best=copy.deepcopy(model.state_dict()))", 0, id="a deep copy in a dict"),
        pytest.param("build().state_dict()", 0, id="a state of what a call gives"),
        pytest.param("args.nets[0].body.state_dict()", 0, id="a state of what is indexed"),
        pytest.param("zoo.clones(w=model.state_dict())", 0, id="a function that may copy"),
        pytest.param("{args.key: model.state_dict()}", 0, id="an item under a computed key"),
        pytest.param("zoo.dict(model.state_dict())", 0, id="a copy by a function that is unknown"),
    ],
)
def test_what_is_kept(value: str, count: int) -> None:
    assert in_rounds(f"{BEST}best_state = {value}", LOAD) == count


@pytest.mark.parametrize(
    ("rounds", "behind", "count"),
    [
        pytest.param(
            'kept["w"] = model.state_dict()\n    for k in kept["w"]:\n'
            '        kept["w"][k] = kept["w"][k].clone()',
            'model.load_state_dict(kept["w"])',
            0,
            id="the items of an item are cloned",
        ),
        pytest.param(
            'best_state = {"w": model.state_dict()}\n    best_state["loss"] = loss',
            SAVE,
            1,
            id="an item beside it is set",
        ),
        pytest.param(
            "best_state = model.state_dict()\n"
            "    best_state.update({k: v.clone() for k, v in best_state.items()})",
            SAVE,
            0,
            id="it is updated with clones",
        ),
        pytest.param(
            'best_state = model.state_dict()\n    best_state.pop("bias")',
            SAVE,
            1,
            id="one item is taken out, the others are references",
        ),
        pytest.param(
            'kept["best"] = {"w": model.state_dict()}',
            'model.load_state_dict(kept["best"]["w"])',
            0,
            id="an item of an item is not followed",
        ),
        pytest.param(
            "best_state, *rest = model.state_dict(), loss, epoch", SAVE, 0, id="one of many"
        ),
        pytest.param(
            "best_state = model.state_dict()\n    zoo.meter.update(loss)",
            SAVE,
            1,
            id="something else is updated",
        ),
    ],
)
def test_what_becomes_of_it(rounds: str, behind: str, count: int) -> None:
    assert in_rounds(BEST + rounds, behind) == count


@pytest.mark.parametrize(
    ("rounds", "behind", "count"),
    [
        pytest.param(
            'kept["loss"] = loss\nif loss < best:\n    best = loss\n'
            '    kept["w"] = model.state_dict()',
            'model.load_state_dict(kept["w"])',
            1,
            id="another item is set in each round",
        ),
        pytest.param(
            f'{BEST}kept["w"] = model.state_dict()\n    torch.save(model.state_dict(), "w.pt")',
            'kept["w"] = torch.load("w.pt")\nmodel.load_state_dict(kept["w"])',
            0,
            id="the item is read from a file",
        ),
        pytest.param(
            f"{UNDER}best_state, lr = zoo.of(model, best_state)",
            LOAD,
            0,
            id="each round makes another one of it",
        ),
        pytest.param(
            UNDER,
            "for best_state in zoo.states():\n    model.load_state_dict(best_state)",
            0,
            id="a loop gives the name others",
        ),
        pytest.param(
            f"{UNDER}    model = copy.deepcopy(model)\n"
            "    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
            LOAD,
            0,
            id="training goes on with a copy of the model",
        ),
        pytest.param(
            f"{UNDER}model = zoo.prune(model)",
            LOAD,
            1,
            id="the model goes through a function",
        ),
        pytest.param(
            UNDER,
            'model.load_state_dict(torch.load("best.pt"))\n' + SAVE,
            0,
            id="the best weights are read into the model before it is saved",
        ),
        pytest.param(
            f'{UNDER}if loss > 10:\n    model.load_state_dict(torch.load("first.pt"))',
            LOAD,
            1,
            id="training begins again from other weights",
        ),
        pytest.param(
            UNDER,
            "model = zoo.build()\n" + LOAD,
            1,
            id="a new model gets it, which is none the better",
        ),
        pytest.param(
            f'{BEST}best_state = model.state_dict()\nargs.twin.load_state_dict(torch.load("a.pt"))',
            SAVE,
            1,
            id="another model gets weights",
        ),
        pytest.param(
            f'{BEST}best_state = model.state_dict()\nloss = loss.to("cpu")',
            SAVE,
            1,
            id="something else is moved",
        ),
    ],
)
def test_what_is_kept_anew(rounds: str, behind: str, count: int) -> None:
    assert in_rounds(rounds, behind) == count


@pytest.mark.parametrize(
    ("rounds", "behind", "count"),
    [
        pytest.param(
            UNDER,
            "return model if best_state is None else zoo.of(best_state)",
            0,
            id="it is asked for only",
        ),
        pytest.param(
            UNDER,
            "return 1 if best_state else 0",
            0,
            id="it is asked for by its truth",
        ),
        pytest.param(
            UNDER,
            'return best_state["bias"]',
            1,
            id="one tensor of it is returned",
        ),
        pytest.param(
            f"{BEST}best_model = model",
            "return best_model(held)",
            1,
            id="the best model is run",
        ),
        pytest.param(
            f"{BEST}best_model = model",
            "best_model(held)",
            1,
            id="the best model is run, and that is all",
        ),
        pytest.param(
            f"{BEST}best_model = model",
            "assert best_model is not None",
            0,
            id="the best model is asked for only",
        ),
        pytest.param(
            UNDER,
            "return best_state if best_state is not None else model.state_dict()",
            1,
            id="it is returned where there is one",
        ),
        pytest.param(
            UNDER,
            "return model.state_dict() if best_state is None else best_state",
            1,
            id="it is returned where there is one, the other way round",
        ),
        pytest.param(
            f"{BEST}best_model = model",
            "best_model.eval()",
            1,
            id="a method of the best model is called",
        ),
        pytest.param(
            f"{BEST}best_model = model",
            "return zoo.test(best_model)",
            1,
            id="the best model is tested",
        ),
        pytest.param(
            f"{BEST}best_model = model",
            'best_model.load_state_dict(torch.load("best.pt"))',
            0,
            id="the best model gets weights",
        ),
        pytest.param(
            f"{BEST}best_model_name = args.model",
            "print(best_model_name)",
            0,
            id="the name of the best model",
        ),
        pytest.param(
            f"{BEST}best_model = args.net", "print(best_model)", 0, id="something of another name"
        ),
        pytest.param(
            f"{BEST}last = model", "return last", 0, id="a model that nothing calls the best"
        ),
    ],
)
def test_where_it_is_read(rounds: str, behind: str, count: int) -> None:
    assert in_rounds(rounds, behind) == count


KEEP = "\n    best_state = model.state_dict()"


@pytest.mark.parametrize(
    ("rounds", "count"),
    [
        pytest.param(
            f"if loss < best and not held:\n    if False:{indent(KEEP, '    ')}", 0, id="never"
        ),
        pytest.param(f"if loss < best:\n    best = loss{KEEP}", 1, id="below the best"),
        pytest.param(f"if zoo.improves(model):{KEEP}", 1, id="where a call says so"),
        pytest.param(f"new = loss < best\nif new:{KEEP}", 1, id="by a comparison under a name"),
        pytest.param(
            "length = 0\nwhile zoo.lives(model):\n    length += 1\n"
            f"if length > best:\n    best = length{KEEP}",
            1,
            id="by the length of a round",
        ),
        pytest.param(
            f"improved = False\nif zoo.improves(model):\n    improved = True\nif improved:{KEEP}",
            1,
            id="by a flag that each round sets",
        ),
        pytest.param(
            f"mean += 0.1 * (loss - mean)\nif mean < best:\n    best = mean{KEEP}",
            1,
            id="by a running mean",
        ),
        pytest.param(f"if args.keep:{KEEP}", 0, id="by a setting"),
        pytest.param(f"if many:{KEEP}", 0, id="by a comparison of settings"),
        pytest.param(
            f"waited += 1\nif waited >= 10:{KEEP}\n    waited = 0", 0, id="when a counter is full"
        ),
        pytest.param(f"if args.keep and os.sep:{KEEP}", 0, id="by two settings"),
        pytest.param(f"if epoch % 10 == 0:{KEEP}", 0, id="in every tenth round"),
        pytest.param(f"if epoch > 10:{KEEP}", 0, id="in the later rounds"),
        pytest.param(f"waited += 1\nif waited == 10:{KEEP}\n    waited = 0", 0, id="by a counter"),
        pytest.param(f"if dist.get_rank() == 0:{KEEP}", 0, id="on the first process"),
        pytest.param("best_state = model.state_dict()", 0, id="always"),
    ],
)
def test_the_rounds_in_which_it_is_kept(rounds: str, count: int) -> None:
    assert in_rounds(rounds, SAVE) == count


@pytest.mark.parametrize(
    ("test", "count"),
    [
        *((test, 1) for test in ("loss < best", "loss <= best", "best > loss", "best >= loss")),
        pytest.param("best_state is None", 0, id="the first one is a default"),
    ],
)
def test_the_rounds_in_which_a_model_is_kept(test: str, count: int) -> None:
    rounds = f"if {test}:\n    best_state = best = loss\n    best_model = model"
    assert in_rounds(rounds, "return best_model") == count


def test_a_comparison_around_the_loop_chooses_no_round() -> None:
    text = """
def fit(model, loader, epochs, keeps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if epochs > 3:
        for _ in range(epochs):
            train(model, loader, optimizer)
            if keeps:
                state = model.state_dict()
        torch.save(state, "last.pt")
"""
    assert found(text) == 0


def test_what_is_kept_by_number_and_loaded_back_restores_nothing() -> None:
    assert in_rounds(f"if epoch % 10 == 0:{KEEP}", LOAD) == 1


@pytest.mark.parametrize(
    ("rounds", "behind", "count"),
    [
        pytest.param(
            f"{UNDER}else:\n    model.load_state_dict(best_state)",
            "return model",
            1,
            id="each round that is no better goes back",
        ),
        pytest.param(
            f"{UNDER}if loss > 10:\n    model.load_state_dict(best_state)",
            "return model",
            1,
            id="a round that goes wrong goes back",
        ),
        pytest.param(
            f"{UNDER}if waited > 5:\n    torch.save(best_state, 'now.pt')",
            "return model",
            0,
            id="it is saved now and then while training goes on",
        ),
        pytest.param(
            f"{UNDER}if waited > 5:\n    return best_state", "", 1, id="it is returned in a round"
        ),
        pytest.param(
            f"{UNDER}if loss < best and waited:\n    return best_state",
            "",
            0,
            id="it is returned in a chosen round",
        ),
        pytest.param(
            f"if held:\n{indent(UNDER, '    ')}    if waited > 5:\n        return best_state",
            "",
            1,
            id="a test around both chooses neither",
        ),
        pytest.param(
            f"{UNDER}else:\n    waited += 1\n    if waited > 5:\n        return best_state",
            "",
            1,
            id="it is returned out of patience",
        ),
        pytest.param(
            f"{UNDER}if loss > 10:\n    break",
            LOAD,
            1,
            id="the loop ends where it goes wrong",
        ),
        pytest.param(
            f"{UNDER}    break",
            LOAD,
            0,
            id="the loop ends with it",
        ),
    ],
)
def test_the_way_out_of_the_rounds(rounds: str, behind: str, count: int) -> None:
    assert in_rounds(rounds, behind) == count


@pytest.mark.parametrize(
    ("test", "count"),
    [
        pytest.param("not done", 0, id="a flag ends the loop"),
        pytest.param("not done and zoo.has_time()", 0, id="a flag ends it, or something else"),
        pytest.param("not (done or zoo.is_late())", 0, id="either of two ends it"),
        pytest.param("not done or zoo.goes_on()", 1, id="another one keeps it going"),
        pytest.param("zoo.goes_on()", 1, id="the flag ends nothing"),
        pytest.param("zoo.goes_on() and zoo.has_time()", 1, id="two others end it"),
    ],
)
@pytest.mark.parametrize("more", ["pass", "if done: print(1)", "if not zoo.has_time(): break"])
def test_a_flag_that_ends_the_loop(test: str, count: int, more: str) -> None:
    text = f"""
def fit(model, loader, held):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    done = False
    while {test}:
        train(model, loader, optimizer)
        if score(model, held) < 0.1:
            state = model.state_dict()
            done = True
        {more}
    return state
"""
    assert found(text) == count


@pytest.mark.parametrize(
    ("body", "count"),
    [
        pytest.param(
            """
    before = model.state_dict()
    train(model, loader, optimizer)
    model.load_state_dict(before, assign=True)
""",
            1,
            id="to assign it restores nothing either",
        ),
        pytest.param(
            """
    model = nn.Linear(8, 1)
    best_model = model
    train(model, loader, torch.optim.SGD(model.parameters(), lr=0.1))
    best_model.eval()
""",
            0,
            id="a second name is no state that is loaded back",
        ),
        pytest.param(
            """
    model = nn.Linear(8, 1)
    mean = copy.deepcopy(model)
    before = mean.state_dict()
    train(model, loader, torch.optim.SGD(model.parameters(), lr=0.1))
    mean.load_state_dict(before)
""",
            0,
            id="a copy of what is trained",
        ),
        pytest.param(
            """
    before = model.state_dict()
    train(model, loader, optimizer)
    after = model.state_dict()
    model.load_state_dict({name: (before[name] + after[name]) / 2 for name in after})
""",
            1,
            id="a mean of the states before and after",
        ),
        pytest.param(
            """
    before = model.parts[0].body.state_dict()
    train(model, loader, torch.optim.SGD(model.parts[1].body.parameters(), lr=0.1))
    model.parts[0].body.load_state_dict(before)
""",
            0,
            id="the same part of another one",
        ),
        pytest.param(
            """
    before = model.state_dict()
    train(model, loader, torch.optim.SGD(model.head.parameters(), lr=0.1))
    model.load_state_dict(before)
""",
            1,
            id="a part of the model is trained",
        ),
        pytest.param(
            """
    before = model.state_dict()
    one_step(model, loader, other, opt)
    model.load_state_dict(before)
""",
            1,
            id="a call trains it with an optimizer that is unknown",
        ),
        pytest.param(
            """
    before = model.state_dict()
    F.mse_loss(model(loader), other).backward()
    model.load_state_dict(before)
""",
            0,
            id="there is a backward pass and no step",
        ),
        pytest.param(
            """
    before = model.state_dict()
    opt = loader.make(other.parameters())
    for x, y in loader:
        F.mse_loss(other(model(x)), y).backward()
        opt.step()
    model.load_state_dict(before)
""",
            0,
            id="an optimizer that something makes has the parameters of another one",
        ),
        pytest.param(
            """
    before = model.state_dict()
    other = copy.deepcopy(model)
    train(model, loader, optimizer)
    other.load_state_dict(before)
""",
            0,
            id="a copy of the model gets it",
        ),
        pytest.param(
            """
    for number, part in enumerate(loader):
        if number == 0:
            first = model.state_dict()
        else:
            model.load_state_dict(first)
        train(model, part, optimizer)
""",
            1,
            id="each part begins from the first state",
        ),
        pytest.param(
            """
    for part in loader:
        before = model.state_dict()
        other.load_state_dict(before)
        model.load_state_dict(before)
        train(model, part, optimizer)
""",
            0,
            id="each round keeps another one before it trains",
        ),
        pytest.param(
            """
    before = model.state_dict()
    train(model, loader, optimizer)
    model = zoo.build()
    model.load_state_dict(before)
""",
            0,
            id="a new model gets it",
        ),
        pytest.param(
            """
    before = model.state_dict()
    model.cpu()
    train(model, loader, optimizer)
    model.load_state_dict(before)
""",
            0,
            id="the model is moved away from it",
        ),
        pytest.param(
            """
    before = model.state_dict()
    train(other, loader, torch.optim.SGD(other.parameters(), lr=0.1))
    model.load_state_dict(before)
""",
            0,
            id="another model is trained",
        ),
        pytest.param(
            """
    before = model.state_dict()
    optimizer = zoo.optimizer(model.parameters())
    train(model, loader, optimizer)
    model.load_state_dict(before)
""",
            1,
            id="an optimizer of an unknown library steps",
        ),
        pytest.param(
            """
    before = model.state_dict()
    for x, y in loader:
        F.mse_loss(model(x), y).backward()
        opt.step()
    model.load_state_dict(before)
""",
            1,
            id="the round tells whose the optimizer is",
        ),
        pytest.param(
            """
    before = model.state_dict()
    for x, y in loader:
        F.mse_loss(other(x), y).backward()
        opt.step()
    model.load_state_dict(before)
""",
            0,
            id="the round tells that it is another one's",
        ),
    ],
)
def test_a_state_of_before_some_steps(body: str, count: int) -> None:
    head = "\ndef fit(model, other, loader, opt):\n"
    optimizer = "    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"
    assert found(head + optimizer + body + "    return model\n") == count


@pytest.mark.parametrize(
    ("classes", "model", "count"),
    [
        pytest.param("class Net(nn.Module): pass", "Net()", 1, id="a module"),
        pytest.param(
            "class Net(nn.Module):\n    def state_dict(self):\n        return zoo.clones(self)",
            "Net()",
            0,
            id="a module whose states are clones",
        ),
        pytest.param(
            "class Net(zoo.Averaged): pass", "Net()", 0, id="an object of a class that is unknown"
        ),
        pytest.param("import deepspeed", "nn.Linear(8, 1)", 0, id="a model of an engine"),
        pytest.param("", "nn.Linear(8, 1)", 1, id="a model of the library"),
    ],
)
def test_whose_state_it_is(classes: str, model: str, count: int) -> None:
    text = f"""
{classes}
def fit(loader):
    model = {model}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.state_dict()
    train(model, loader, optimizer)
    model.load_state_dict(before)
"""
    assert found(text) == count


@pytest.mark.parametrize(
    ("methods", "count"),
    [
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            self.round()
        self.model.load_state_dict(self.state)
    def round(self):
        train(self.model, self.loader, self.optimizer)
        loss = score(self.model, self.held)
        if loss < self.best:
            self.best, self.state = loss, self.model.state_dict()
""",
            1,
            id="one call trains and keeps",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            if zoo.improves(self):
                self.round()
        self.model.load_state_dict(self.state)
    def round(self):
        train(self.model, self.loader, self.optimizer)
        self.state = self.model.state_dict()
""",
            0,
            id="whoever trains keeps",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            self.validate()
        self.model.load_state_dict(self.state)
    def validate(self):
        self.compare(score(self.model, self.held))
    def compare(self, loss):
        if loss < self.best:
            self.best = loss
            self.keep()
    def keep(self):
        self.state = self.model.state_dict()
""",
            1,
            id="three calls lead to the place that keeps",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            self.validate(score(self.model, self.held))
        self.restore()
    def validate(self, loss):
        if loss < self.best:
            self.best, self.state = loss, self.model.state_dict()
    def restore(self):
        self.model.load_state_dict(self.state)
""",
            1,
            id="a call leads to the place that reads",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            self.validate(score(self.model, self.held))
        self.model.load_state_dict(self.state)
    def validate(self, loss):
        if loss < self.best:
            self.best, self.state = loss, self.model.state_dict()
            self.detach()
    def detach(self):
        for name, value in self.state.items():
            self.state[name] = value.clone()
""",
            0,
            id="another method clones the items",
        ),
        pytest.param(
            """
    def fit(self):
        best = float("inf")
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            loss = score(self.model, self.held)
            if loss < best:
                best, state = loss, self.model.state_dict()
        self.model.load_state_dict(state)
    def show(self, state):
        for name in state:
            state[name] = state[name].cpu()
""",
            1,
            id="another function clones the items of its own",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            if self.keeps:
                self.state = self.model.state_dict()
        torch.save(self.state, "best.pt")
""",
            0,
            id="a setting of the object",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            self.validate(score(self.model, self.held))
            if self.improved:
                self.state = self.model.state_dict()
        torch.save(self.state, "best.pt")
    def validate(self, loss):
        self.improved = loss < self.best
""",
            1,
            id="a flag of the object that each round sets",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            self.validate(zoo.improves(self))
        torch.save(self.state, "best.pt")
    def validate(self, is_best):
        if is_best:
            self.state = self.model.state_dict()
""",
            1,
            id="a flag that a call is given",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            self.validate()
        torch.save(self.state, "best.pt")
    def validate(self):
        if KEEPS:
            self.state = self.model.state_dict()

KEEPS = os.getenv("KEEPS")
""",
            0,
            id="a setting of the module",
        ),
        pytest.param(
            """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            self.validate(score(self.model, self.held))
    def validate(self, loss):
        if loss > 10:
            self.validate(loss / 10)
        elif loss < self.best:
            self.best, self.state = loss, self.model.state_dict()
""",
            0,
            id="a method that calls itself",
        ),
    ],
)
def test_what_an_object_keeps(methods: str, count: int) -> None:
    assert found(METHODS + methods) == count


@pytest.mark.parametrize(
    "move", sorted(["cpu", "cuda", "to", "half", "float", "double", "to_empty"])
)
def test_a_move_gives_a_model_other_tensors(move: str) -> None:
    rounds = f"{UNDER}model.{move}('cuda')"
    assert in_rounds(rounds, SAVE) == 0


@pytest.mark.parametrize(
    ("rounds", "count"),
    [
        pytest.param("", 1, id="one model"),
        pytest.param(
            "net = nn.Linear(8, 1); optimizer = torch.optim.SGD(net.parameters())",
            0,
            id="a new one in each round",
        ),
        pytest.param("curve[epoch] = epoch", 1, id="an item of something else is set"),
    ],
)
def test_what_a_call_is_given(rounds: str, count: int) -> None:
    text = f"""
class Keeper:
    best, state = float("inf"), None
    def __call__(self, loss, model):
        if loss < self.best:
            self.best, self.state = loss, model.state_dict()

def fit(loader, held):
    net = nn.Linear(8, 1)
    keeper, curve = Keeper(), {{}}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(9):
        {rounds}
        train(net, loader, optimizer)
        keeper(score(net, held), net)
    torch.save(keeper.state, "best.pt")
"""
    assert found(text) == count


def test_another_function_has_a_name_of_its_own() -> None:
    text = FIT.format(
        rounds=indent(UNDER, " " * 8),
        behind='    save(torch.load("best.pt"))\n\ndef save(best_state):\n    ' + SAVE,
    )
    assert found(text) == 0


def test_what_one_call_keeps_under_a_local_name_ends_with_it() -> None:
    text = """
    def fit(self):
        for _ in range(9):
            train(self.model, self.loader, self.optimizer)
            loss = score(self.model, self.held)
            if loss < self.best:
                self.best = loss
                self.save("best.pt")
        self.save("last.pt")
    def save(self, path):
        state = None
        if self.keeps:
            state = {"model": self.model.state_dict()}
        torch.save(state, path)
"""
    assert found(METHODS + text) == 0


@pytest.mark.parametrize(
    ("owner", "read", "count"),
    [
        pytest.param("args", "args.state", 1, id="an attribute of a name"),
        pytest.param("args", "held.state", 0, id="that attribute of another name"),
        pytest.param("args", "args.other", 0, id="another attribute of the name"),
    ],
)
def test_what_is_kept_as_an_attribute(owner: str, read: str, count: int) -> None:
    rounds = f"{BEST}{owner}.state = model.state_dict()"
    assert in_rounds(rounds, f"model.load_state_dict({read})") == count


@pytest.mark.parametrize(
    ("read", "count"),
    [
        pytest.param("keeper.state", 1, id="of the object that keeps it"),
        pytest.param("reader.state", 0, id="of an object of another class"),
        pytest.param("zoo.state", 0, id="of something unknown"),
    ],
)
def test_what_is_read_of_an_object(read: str, count: int) -> None:
    text = f"""
class Keeper:
    best, state = float("inf"), None
    def __call__(self, loss, model):
        if loss < self.best:
            self.best, self.state = loss, model.state_dict()

class Reader:
    def __init__(self):
        self.state = torch.load("first.pt")

def fit(model, loader, held):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    keeper, reader = Keeper(), Reader()
    for _ in range(9):
        train(model, loader, optimizer)
        keeper(score(model, held), model)
    torch.save({read}, "best.pt")
"""
    assert found(text) == count
