"""Suspicions that a run disproves: what it watched long enough and saw right, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from trainlint.runtime.checks.non_finite_loss import NonFiniteLoss  # noqa: E402
from trainlint.runtime.checks.training_in_eval_mode import TrainingInEvalMode  # noqa: E402
from trainlint.runtime.events import Loss, LossCall, ModeSwitch, Step  # noqa: E402
from trainlint.runtime.optimizers import OptimizerRecord  # noqa: E402
from trainlint.runtime.places import Place  # noqa: E402
from trainlint.runtime.record import Record  # noqa: E402
from trainlint.runtime.session import Config, Session  # noqa: E402


@pytest.fixture
def session() -> Iterator[Session]:
    one = Session(Config(grace=60.0, budget=1.0))
    one.start()
    yield one
    one.stop()


def data(count: int, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return TensorDataset(torch.randn(count, 4, generator=generator), torch.arange(count) % 2)


def cleared(session: Session, code: str, function: Callable[..., Any]) -> set[str]:
    """The lines of a function at which the run disproves what is suspected under a code."""
    session.stop()
    assert session.troubles == []
    lines, first = inspect.getsourcelines(function)
    return {
        lines[place.line - first].partition("#")[0].strip()
        for one in session.cleared
        if one.code == code
        for place in one.places
        if place.path == __file__ and first <= place.line < first + len(lines)
    }


def evaluates(is_quiet: bool, without_gradients: bool, is_back: bool) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader, held_out = DataLoader(data(32), batch_size=8), DataLoader(data(16, 1), batch_size=8)
    for _ in range(4):
        if is_back:
            model.train()
        for x, y in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        if is_quiet:
            model.eval()
        for x, _ in held_out:
            with torch.no_grad() if without_gradients else nullcontext():
                model(x)


@pytest.mark.parametrize(
    ("code", "line", "answers"),
    [
        ("LOP002", "for x, _ in held_out:", (False, True, True)),
        ("LOP003", "for x, _ in held_out:", (True, False, True)),
        ("LOP004", "model.eval()", (True, True, False)),
    ],
)
def test_an_evaluation_that_is_seen_right_is_not_suspected(
    session: Session, code: str, line: str, answers: tuple[bool, bool, bool]
) -> None:
    evaluates(True, True, True)
    assert cleared(session, code, evaluates) == {line}
    wrong = Session(Config(grace=60.0, budget=1.0))
    wrong.start()
    evaluates(*answers)
    assert cleared(wrong, code, evaluates) == set()


def accumulates(batches: int, divide: Callable[[int, int], float]) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(data(4 * batches), batch_size=4)
    for _ in range(3):
        optimizer.zero_grad()
        for number, (x, y) in enumerate(loader, start=1):
            loss = functional.cross_entropy(model(x), y) / divide(number, len(loader))
            loss.backward()
            if number % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()


def completes(batches: int, divide: Callable[[int, int], float]) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(data(4 * batches), batch_size=4)
    for _ in range(3):
        for number, (x, y) in enumerate(loader, start=1):
            loss = functional.cross_entropy(model(x), y) / divide(number, len(loader))
            loss.backward()
            if number % 4 == 0 or number == len(loader):
                optimizer.step()
                optimizer.zero_grad()


def by_four(number: int, count: int) -> float:
    return 4.0


def by_window(number: int, count: int) -> float:
    return float(min(4, count - (number - 1) // 4 * 4))


def by_nothing(number: int, count: int) -> float:
    return 1.0


DIVISION = "loss = functional.cross_entropy(model(x), y) / divide(number, len(loader))"


@pytest.mark.parametrize(
    ("train", "batches", "divide", "codes"),
    [
        (accumulates, 8, by_four, {"ACC001", "ACC002", "ACC003"}),
        (accumulates, 10, by_four, {"ACC002"}),  # two batches of each pass are lost
        (completes, 10, by_window, {"ACC001", "ACC002", "ACC003"}),
        (completes, 10, by_four, {"ACC001", "ACC002"}),  # the short window weighs too little
        (completes, 8, by_nothing, {"ACC001"}),
        (completes, 1, by_four, set()),  # nothing is accumulated
    ],
)
def test_accumulation_that_is_seen_right_is_not_suspected(
    session: Session, train: Any, batches: int, divide: Any, codes: set[str]
) -> None:
    train(batches, divide)
    found = {code: cleared(session, code, train) for code in ("ACC001", "ACC002", "ACC003")}
    assert {code for code, lines in found.items() if lines} == codes
    assert found["ACC001"] <= {"loss.backward()", "optimizer.step()"}
    assert found["ACC002"] <= {"loss.backward()", DIVISION}


def test_a_tail_of_one_of_two_optimizers_is_not_known(session: Session) -> None:
    torch.manual_seed(0)
    first, second = torch.nn.Linear(4, 2), torch.nn.Linear(4, 2)
    ours = torch.optim.SGD(first.parameters(), lr=0.1)
    theirs = torch.optim.SGD(second.parameters(), lr=0.1)
    for _ in range(3):
        for number, (x, y) in enumerate(DataLoader(data(40), batch_size=4), start=1):
            functional.cross_entropy(first(x), y).backward()
            functional.cross_entropy(second(x), y).backward()
            ours.step()
            ours.zero_grad()
            if number % 4 == 0:
                theirs.step()
                theirs.zero_grad()
    session.stop()
    assert [one for one in session.cleared if one.code == "ACC001"] == []


def enters_probabilities(count: int) -> None:
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(count):
        optimizer.zero_grad()
        p = torch.sigmoid(model(torch.randn(8, 4)))
        functional.binary_cross_entropy(p, torch.ones(8, 1)).backward()
        optimizer.step()


@pytest.mark.parametrize(("count", "is_cleared"), [(30, True), (10, False)])
def test_what_torch_did_not_refuse_were_no_logits(
    session: Session, count: int, is_cleared: bool
) -> None:
    enters_probabilities(count)
    found = cleared(session, "LOS003", enters_probabilities)
    assert bool(found) is is_cleared
    assert [one for one in session.cleared if one.code == "AMP001"] == []  # says nothing on a CPU


@pytest.mark.parametrize(("is_swapped", "codes"), [(True, []), (False, ["RUN020"])])
def test_a_pass_with_other_weights_is_no_second_pass(
    session: Session, is_swapped: bool, codes: list[str]
) -> None:
    class Restless(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + (0 if is_swapped else torch.rand(len(x), 2))

    torch.manual_seed(0)
    model = Restless(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    held_out = DataLoader(data(16, 1), batch_size=8)
    for x, y in DataLoader(data(32), batch_size=8):
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.eval()
    for _ in range(2):
        with torch.no_grad():
            for x, _ in held_out:
                model(x)
            if is_swapped:
                for parameter in model.parameters():
                    parameter.data.copy_(parameter.data * 2)  # an average takes its place
    session.stop()
    assert (session.troubles, [d.code for d in session.report().diagnostics]) == ([], codes)


def step(number: int, record: OptimizerRecord, *losses: Loss) -> Step:
    return Step(number, number, record, 1, None, (0.1,), losses=losses)


def optimizer_record() -> OptimizerRecord:
    import weakref

    return OptimizerRecord(1, "SGD", weakref.ref(Record), None)


def test_a_loss_that_autocast_refuses_was_not_under_it_on_a_gpu() -> None:
    check, place = NonFiniteLoss(Record(), NonFiniteLoss.defaults), Place("train.py", 3, "f")
    call = LossCall("binary_cross_entropy", 8, 2, None, place, "cuda")
    for number in range(1, 30):
        list(check.on_step(step(number, optimizer_record(), Loss(place, 1.0, call, 0.5))))
    assert [one.code for one in check.cleared()] == ["LOS003", "AMP001"]


def test_steps_whose_numbers_come_late_were_made_before_the_evaluation() -> None:
    run = Record()
    check = TrainingInEvalMode(run, TrainingInEvalMode.defaults)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    record = optimizer_record()
    run.counts.steps = 10
    model.eval()
    list(check.on_mode(ModeSwitch(model, False, None)))
    for number in range(5, 11):  # a GPU is behind
        list(check.on_step(step(number, record)))
    (state,) = check._evals.values()
    assert state.steps == 0
    list(check.on_step(step(11, record)))
    assert state.steps == 1


def compares(is_right: bool) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(data(64), batch_size=4):
        wanted = y.float()[:, None] if is_right else y.float()
        loss = functional.mse_loss(model(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def classifies(end: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(data(64), batch_size=4):
        loss = functional.cross_entropy(end(model(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("is_right", [True, False])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_predictions_and_targets_of_one_shape_are_not_suspected(
    session: Session, is_right: bool
) -> None:
    compares(is_right)
    line = "loss = functional.mse_loss(model(x), wanted)"
    assert cleared(session, "LOS005", compares) == ({line} if is_right else set())
    assert [f.code for f in session.findings.values()] == ([] if is_right else ["RUN028"])


@pytest.mark.parametrize(
    ("end", "is_cleared"),
    [
        (lambda logits: logits, True),
        (lambda logits: logits.view(-1, 2), True),
        (lambda logits: logits.softmax(dim=1), False),
        (lambda logits: 2 * logits.softmax(dim=1), False),  # of which nothing is known
    ],
)
def test_the_output_of_a_layer_is_no_softmax(
    session: Session, end: Callable[[Any], Any], is_cleared: bool
) -> None:
    classifies(end)
    line = "loss = functional.cross_entropy(end(model(x)), y)"
    assert cleared(session, "LOS001", classifies) == ({line} if is_cleared else set())


def plans(steps: int, by_batch: bool) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for _ in range(3):
        for x, y in DataLoader(data(64), batch_size=4):
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            if by_batch:
                schedule.step()
        if not by_batch:
            schedule.step()


@pytest.mark.parametrize(("steps", "by_batch"), [(48, True), (3, False), (48, False), (3, True)])
def test_a_schedule_that_made_the_steps_of_its_plan_is_not_suspected(
    session: Session, steps: int, by_batch: bool
) -> None:
    plans(steps, by_batch)
    is_right = (steps == 48) is by_batch
    found = cleared(session, "OPT005", plans)
    line = "schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)"
    assert found == ({line} if is_right else set())
    confirms = [f.evidence["confirms"] for f in session.findings.values() if f.code == "RUN022"]
    assert confirms == ([] if is_right else [["OPT005"]])
