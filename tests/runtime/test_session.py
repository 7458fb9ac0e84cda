"""What a session sees, what it costs, and that it leaves nothing behind."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from trainlint.runtime import watch  # noqa: E402
from trainlint.runtime.check import Check, OptionError, build, documentation, shipped  # noqa: E402
from trainlint.runtime.events import Step  # noqa: E402
from trainlint.runtime.governor import INTERVALS, LOOK, Governor  # noqa: E402
from trainlint.runtime.readings import Readings  # noqa: E402
from trainlint.runtime.record import Record  # noqa: E402
from trainlint.runtime.series import Series, is_falling, spread  # noqa: E402
from trainlint.runtime.session import GONE, Config, Session  # noqa: E402

HEADINGS = ["What it does", "Why is this bad?", "Example", "Use instead", "Fix safety", "Since"]


class Recorder(Check[Any]):
    """Keeps every event."""

    name = "recorder"

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def on_step(self, step: Step) -> Iterator[Any]:
        self.steps.append(step)
        yield from ()


@pytest.fixture
def session() -> Iterator[Session]:
    one = Session(Config(grace=60.0))
    recorder = Recorder()
    recorder.__class__.code = "TST001"
    one._handlers["on_step"] = [recorder]
    one.recorder = recorder  # type: ignore[attr-defined]
    one.start()
    yield one
    one.stop()


def steps_of(session: Session) -> list[Step]:
    return session.recorder.steps  # type: ignore[attr-defined, no-any-return]


def linear(**options: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    return model, torch.optim.SGD(model.parameters(), **{"lr": 0.1, **options})


def total_norm(model: Any) -> float:
    return float(torch.cat([p.grad.reshape(-1) for p in model.parameters()]).norm())


def data(count: int = 48) -> Any:
    return TensorDataset(torch.randn(count, 4), torch.arange(count) % 3)


def test_importing_the_package_does_not_import_torch() -> None:
    code = (
        "import sys, trainlint, trainlint.runtime, trainlint.runtime.check as c, trainlint.cli;"
        "c.shipped(); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_after_a_watch_torch_is_as_it_was() -> None:
    from torch.optim import lr_scheduler, optimizer
    from torch.utils.data import dataloader

    owners = [torch, torch.autograd, torch.nn.Module, torch.nn.functional, DataLoader]
    owners += [dataloader._BaseDataLoaderIter, optimizer.Optimizer, torch.amp.GradScaler]
    owners += [v for v in vars(lr_scheduler).values() if isinstance(v, type)]
    before = [dict(vars(owner)) for owner in owners]
    hooks = len(optimizer._global_optimizer_pre_hooks), len(optimizer._global_optimizer_post_hooks)
    with watch():
        assert vars(torch.autograd)["backward"] is not before[1]["backward"]
    for owner, names in zip(owners, before, strict=True):
        changed = [n for n, value in vars(owner).items() if names.get(n, value) is not value]
        assert changed == [], owner
        assert vars(owner).keys() == names.keys()
    after = len(optimizer._global_optimizer_pre_hooks), len(optimizer._global_optimizer_post_hooks)
    assert hooks == after


def test_a_step_has_its_loss_norms_rate_epoch_and_batch(session: Session) -> None:
    model, optimizer = linear()
    for _ in range(2):
        for x, y in DataLoader(data(), batch_size=16):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            norm = total_norm(model)
            optimizer.step()
            step = steps_of(session)[-1]
            assert step.loss == pytest.approx(loss.item(), abs=0)
            assert step.norm == pytest.approx(norm, rel=1e-5)
    assert [step.epoch for step in steps_of(session)] == [1, 1, 1, 2, 2, 2]
    assert step.rates == (0.1,)
    assert step.losses[0].call is not None
    assert (step.losses[0].call.function, step.losses[0].call.classes) == ("cross_entropy", 3)
    assert [(b.number, b.size, sorted(b.labels or {})) for b in step.batches] == [
        (3, 16, [0, 1, 2])
    ]
    assert step.place is not None
    assert step.place.path == __file__


@pytest.mark.parametrize("divide", [lambda v: v / 4, lambda v: v * 0.25])
def test_accumulation_and_scale_are_undone(session: Session, divide: Any) -> None:
    model, optimizer = linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    losses = []
    for x, y in DataLoader(data(32), batch_size=8):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        losses.append(loss.item())
        scaler.scale(divide(loss)).backward()
    scaler.unscale_(optimizer)
    norm = total_norm(model)
    scaler.step(optimizer)
    (step,) = steps_of(session)
    assert step.scaled
    assert step.loss == pytest.approx(sum(losses) / 4, rel=1e-6)
    assert step.norm == pytest.approx(norm, rel=1e-5)


def test_a_step_that_a_scaler_leaves_out_is_seen(session: Session) -> None:
    model, optimizer = linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    for x, y in DataLoader(data(64), batch_size=16):
        optimizer.zero_grad()
        scaler.scale(1e4 * torch.nn.functional.cross_entropy(model(x), y)).backward()
        scaler.step(optimizer)
        scaler.update()
    assert [step.skipped for step in steps_of(session)] == [True] * 4
    assert [step.number for step in steps_of(session)] == [1, 2, 3, 4]


def test_an_inner_step_is_part_of_the_outer_one(session: Session) -> None:
    class Outer(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    model = torch.nn.Linear(4, 3)
    optimizer = Outer(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 4)).sum().backward()
        optimizer.step()
    assert [step.number for step in steps_of(session)] == [1, 2, 3]


def test_a_step_through_a_wrapper_is_that_of_the_optimizer_inside(session: Session) -> None:
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, optimizer: Any) -> None:
            self.optimizer = optimizer

        @property
        def param_groups(self) -> Any:
            return self.optimizer.param_groups

        def step(self, closure: Any = None) -> Any:
            return self.optimizer.step(closure)

    model, optimizer = linear()
    wrapper = Wrapper(Wrapper(optimizer))
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 4)).sum().backward()
        wrapper.step()
    assert [(s.number, s.optimizer.kind) for s in steps_of(session)] == [
        (1, "SGD"),
        (2, "SGD"),
        (3, "SGD"),
    ]
    assert [one.steps for one in session.record.optimizers.values()] == [3]


def test_steps_inside_of_a_compiled_region_are_said_to_be_unseen() -> None:
    model, optimizer = linear()
    step = torch.compile(optimizer.step, backend="eager")
    with watch(budget=1.0) as w, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(2, 4)).sum().backward()
            step()
    summary = w.summary()
    assert (summary["steps"], list(summary["unobserved"].values())) == (0, [5])
    assert (w.findings, w.report().failures) == ([], [])


def test_a_step_after_one_that_failed_is_a_step_of_its_own(session: Session) -> None:
    model, optimizer = linear()

    def closure() -> Any:
        raise ValueError

    with pytest.raises(ValueError):
        optimizer.step(closure)
    for _ in range(2):
        model(torch.randn(2, 4)).sum().backward()
        optimizer.step()
    assert len(steps_of(session)) == 2


def test_each_optimizer_is_known_by_itself_whatever_id_it_gets(session: Session) -> None:
    seen = set()
    for _ in range(GONE + 6):
        model, optimizer = linear()
        seen.add(id(optimizer))
        for _ in range(2):
            model(torch.randn(2, 4)).sum().backward()
            optimizer.step()
        del model, optimizer
    known = session.record.optimizers
    assert len(seen) < len(known)  # ids were used again
    assert list(known) == list(range(6, GONE + 7))  # of those that are gone, the last ones
    assert [one.steps for one in known.values()] == [2] * (GONE + 1)
    assert all(step.count <= 2 for step in steps_of(session))


def test_optimizers_play_against_each_other_only_where_their_steps_alternate(
    session: Session,
) -> None:
    (model, first), (other, second) = linear(), linear()
    for optimizer in (first, first, second, second, first):
        (model(torch.randn(2, 4)).sum() + other(torch.randn(2, 4)).sum()).backward()
        optimizer.step()
        found = [session.record.is_alone(one) for one in session.record.optimizers.values()]
        if session.record.steps == 2:
            assert found == [True]
        if session.record.steps == 4:
            assert found == [False, True]
    assert found == [False, False]


def test_an_error_in_a_check_is_reported_once_and_the_run_goes_on() -> None:
    class Broken(Recorder):
        code = "TST002"

        def on_step(self, step: Step) -> Iterator[Any]:
            raise ZeroDivisionError("of ours")

    session = Session()
    recorder = Recorder()
    session._handlers["on_step"] = [Broken(), recorder]
    session.start()
    try:
        model, optimizer = linear()
        for _ in range(3):
            model(torch.randn(2, 4)).sum().backward()
            optimizer.step()
    finally:
        session.stop()
    assert len(recorder.steps) == 3
    (failure,) = session.report().failures
    assert failure.message == (
        "the check TST002 recorder failed and was turned off: ZeroDivisionError: of ours"
    )


def test_an_error_in_a_hook_is_reported_once_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with watch() as w:
        monkeypatch.setattr(w._session.windows, "before_backward", lambda tensors: 1 / 0)
        model, optimizer = linear()
        for _ in range(3):
            model(torch.randn(2, 4)).sum().backward()
            optimizer.step()
    (failure,) = w.report().failures
    assert failure.message.startswith("the hook on backward failed and was turned off: ZeroDivis")


def test_a_watch_inside_of_a_watch_joins_it() -> None:
    with watch() as outer:
        with watch() as inner:
            assert inner._session is outer._session
        assert Session.current is outer._session
    assert Session.current is None


def test_nothing_of_the_run_is_kept_alive() -> None:
    import gc
    import weakref

    with watch() as w:
        model, optimizer = linear()
        for x, y in DataLoader(data(), batch_size=16):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        references = [weakref.ref(model), weakref.ref(optimizer)]
        del model, optimizer, x, y
        gc.collect()
        assert w.summary()["steps"] == 3
        assert [reference() for reference in references] == [None, None]


def test_the_governor_holds_its_budget_by_stretching_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0]
    monkeypatch.setattr("time.perf_counter_ns", lambda: clock[0])
    governor = Governor(budget=0.01, grace=0.01)
    governor.begin()
    for _ in range(100_000):
        cost = 90_000 if governor.is_due() else 1_000  # nanoseconds, of a step of 1 ms
        governor.spent += cost
        governor.counts.steps += 1
        clock[0] += 1_000_000 + cost
    assert governor.share <= 0.0105
    assert governor.interval > 1
    assert all(math.gcd(interval, 6) == 1 for interval in INTERVALS)
    assert LOOK < 100


def test_a_reading_never_waits_for_a_device() -> None:
    class Number:
        """A number on a device: asking for its value is what must not happen."""

        dtype, device = torch.float32, torch.device("meta")

    class Copy:
        def __init__(self) -> None:
            self.event, self.host, self.done = self, torch.tensor([3.0]), False

        def query(self) -> bool:
            return self.done

    readings, copies, got = Readings(), [], []
    with pytest.MonkeyPatch.context() as patch:
        from trainlint.runtime import readings as module

        patch.setattr(module, "_Copy", Copy)
        patch.setattr(module, "_start_copy", lambda *_: copies.append(Copy()) or copies[-1])
        readings.take([Number()], lambda values: got.append(("first", values)))
        readings.take([torch.tensor(1.0)], lambda values: got.append(("second", values)))
        assert got == []
        copies[0].done = True
        readings.poll()
    assert got == [("first", [3.0]), ("second", [1.0])]


def test_series_know_trend_spread_and_start() -> None:
    series = Series()
    for value in (10.0, 9.0, math.nan, 11.0, *[0.1] * 10):
        series.add(value)
    assert series.count == 13
    assert series.start == 9.0
    assert series.has_fallen_to(0.05)
    assert is_falling([1 / (n + 1) for n in range(20)])
    assert not is_falling([math.sin(7 * n) for n in range(40)])
    assert spread([2.0, 2.0]) == 0
    assert spread([1.0, 2.0]) == 0.5


def test_every_check_is_documented_under_the_headings_of_rules() -> None:
    for check in shipped():
        text = documentation(check)
        assert [h for h in HEADINGS if f"\n## {h}\n" not in text] == [], check.code


def test_options_are_converted_or_refused() -> None:
    (check,) = [
        c for c in build(Record(), {"constant-loss": {"window": "30"}}) if c.code == "RUN007"
    ]
    assert check.options.window == 30
    for wrong in ({"RUN007": {"windows": 3}}, {"RUN007": {"window": "many"}}, {"RUN999": {}}):
        with pytest.raises(OptionError):
            build(Record(), wrong)


def test_what_traces_scripts_or_transforms_a_loss_works_as_without() -> None:
    import pickle

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.loss = torch.nn.Linear(4, 3), torch.nn.CrossEntropyLoss()

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.loss(self.layer(x), y)

    def plain(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(a, b)

    model, x, y = Model(), torch.randn(5, 4), torch.arange(5) % 3
    function = torch.nn.functional.cross_entropy
    graph = torch.fx.symbolic_trace(plain).code
    with watch() as w, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = model(x, y)
        assert torch.equal(torch.jit.script(model)(x, y), wanted)
        assert torch.equal(torch.jit.trace(model, (x, y))(x, y), wanted)
        assert torch.equal(torch.export.export(model, (x, y)).module()(x, y), wanted)
        loss = torch.func.vmap(lambda a, b: torch.nn.functional.cross_entropy(a[None], b[None]))
        assert loss(torch.randn(5, 3), y).shape == (5,)
        gradients = torch.func.grad(lambda p: torch.func.functional_call(model, p, (x, y)))
        gradients(dict(model.named_parameters()))
        traced = torch.fx.symbolic_trace(plain)
        assert traced.code == graph
        ours = torch.nn.functional.cross_entropy
        assert ours is not function
        assert pickle.loads(pickle.dumps(ours)) is ours
    assert w.report().failures == []


def test_backward_calls_without_a_visible_step_are_said_and_not_heaped_up() -> None:
    with watch() as w:
        weight = torch.nn.Parameter(torch.ones(2))
        for _ in range(1000):
            (weight * 2).sum().backward()
        assert len(w._session.windows._losses) < 300
    assert list(w.summary()["unobserved"].values()) == [1000]


class TwoLayers(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(4, 8), torch.nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.hidden(x).relu())


def compiled_model(model: Any) -> Any:
    return torch.compile(model, backend="aot_eager")


def compiled_in_place(model: Any) -> Any:
    model.compile(backend="aot_eager")
    return model


def compiled_layer(model: Any) -> Any:
    model.hidden = torch.compile(model.hidden, backend="aot_eager")
    return model


@pytest.mark.parametrize("change", [compiled_model, compiled_in_place, compiled_layer])
@pytest.mark.parametrize("clears", [True, False])
def test_training_of_which_only_a_part_is_compiled_is_seen_and_the_rest_is_named(
    change: Any, clears: bool
) -> None:
    with watch(budget=1.0) as w:
        torch.manual_seed(0)
        model = TwoLayers()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        model = change(model)
        for x, y in DataLoader(data(), batch_size=4):
            if clears:
                optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert [d.code for d in w.findings] == ([] if clears else ["LOP001"])
    summary = w.summary()
    assert (summary["steps"], summary["epochs"]) == (12, 1)
    unseen = {"operations and loss functions inside of compiled regions": 1}
    assert summary["unobserved"] == unseen


def test_a_step_that_is_compiled_is_said_to_be_unseen() -> None:
    with warnings.catch_warnings(), watch(budget=1.0) as w:
        warnings.simplefilter("ignore")
        model, optimizer = linear()
        step = torch.compile(optimizer.step, backend="aot_eager")
        for x, y in DataLoader(data(), batch_size=16):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            step()
    assert w.findings == []
    assert w.summary()["unobserved"] == {
        "backward calls whose steps cannot be seen from outside": 3
    }


def test_an_optimizer_in_the_place_of_one_that_is_gone_has_nothing_left_over(
    session: Session,
) -> None:
    places = []
    gc.freeze()  # what is there already need not be looked through thirty times
    for _ in range(30):
        model, optimizer = linear()
        places.append(id(optimizer))
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()
        del model, optimizer
        gc.collect()
    gc.unfreeze()
    assert len(set(places)) < len(places)
    assert [step.leftover for step in steps_of(session)] == [False] * 30


@pytest.fixture
def one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is made gets the id of what was made before, as it may once that is gone."""
    monkeypatch.setattr("trainlint.runtime.session.id", lambda _: 1, raising=False)


@pytest.mark.usefixtures("one_id")
def test_loaders_that_are_made_in_each_epoch_keep_their_records(session: Session) -> None:
    data = TensorDataset(torch.randn(12, 2))
    held_out = TensorDataset(torch.randn(6, 2))
    for _ in range(4):
        for _ in DataLoader(data, batch_size=4):
            pass
        for _ in DataLoader(held_out, batch_size=3):
            pass
    records = list(session.record.loaders.values())
    assert [one.number for one in records] == [1, 2]
    assert [(one.samples, one.passes, one.batches) for one in records] == [(12, 4, 12), (6, 4, 8)]


@pytest.mark.usefixtures("one_id")
def test_no_two_optimizers_have_one_number(session: Session) -> None:
    numbers = []
    for _ in range(3):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        numbers.append(session.optimizer_record(optimizer).number)
        del optimizer
    assert numbers == [1, 2, 3]


def test_records_of_loaders_that_are_gone_are_not_heaped_up(session: Session) -> None:
    for size in range(1, 3 * GONE):
        for _ in DataLoader(TensorDataset(torch.randn(size, 2)), batch_size=size):
            pass
    records = session.record.loaders
    assert GONE <= len(records) <= GONE + 2
    assert max(records) == 3 * GONE - 1
