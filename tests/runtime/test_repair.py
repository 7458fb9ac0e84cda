"""The wrapper: seven errors provoked, noticed and repaired in bounds; nothing else is touched."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from trainlint.runtime import (  # noqa: E402
    ErrorType,
    FixAction,
    SOSATrainingWrapper,
    wrap_training,
)
from trainlint.runtime.repair import checkpoints  # noqa: E402
from trainlint.runtime.repair.memory import is_out_of_memory, shapes_of  # noqa: E402
from trainlint.runtime.repair.snapshots import KEPT, Snapshots  # noqa: E402
from trainlint.runtime.session import Session  # noqa: E402

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


seven = load(HERE / "seven_errors.py")
FAULTY = [one for one in seven.SCENARIOS if one.error is not None]
HEALTHY = [one for one in seven.SCENARIOS if one.error is None]
each_faulty = pytest.mark.parametrize("scenario", FAULTY, ids=lambda one: one.name)
each_healthy = pytest.mark.parametrize("scenario", HEALTHY, ids=lambda one: one.name)


def linear(rate: float = 0.1) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    return model, torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)


def square(model: Any, batch: Any) -> Any:
    return (model(batch) - 1).pow(2).mean()


def batches(count: int) -> list[Any]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(8, 4, generator=generator) for _ in range(count)]


def states(scenario: Any, train: Any) -> dict[str, Any]:
    setting = scenario.make()
    torch.manual_seed(7)
    train(setting)
    return {**setting.model.state_dict(), "random": torch.get_rng_state()}


# The seven errors


def test_all_seven_errors_are_provoked() -> None:
    assert {one.error for one in FAULTY} == {error.value for error in ErrorType}


@each_faulty
def test_an_error_is_noticed_after_it_was_provoked_and_repaired_as_told(scenario: Any) -> None:
    outcome = seven.run(scenario)
    cases = [case for case in outcome.log if case["error"] == scenario.error]
    assert cases, outcome.log
    assert min(case["step"] for case in cases) >= scenario.at - 1
    if scenario.repair in ("undone", "advised"):
        assert not [case for case in cases if case["outcome"] == "kept"]
        assert [case for case in cases if case["outcome"] == scenario.repair]
    else:
        kept = [case["action"] for case in cases if case["outcome"] == "kept"]
        assert scenario.repair in kept or (
            scenario.error == "nan_loss" and kept[-1] == scenario.repair
        )


@pytest.mark.parametrize(
    "name", ["one bad sample", "square root at zero", "recurrence at a high rate"]
)
def test_what_ends_as_not_a_number_without_repair_trains_with_it(name: str) -> None:
    scenario = next(one for one in FAULTY if one.name == name)
    assert not torch.isfinite(torch.tensor(seven.run(scenario, auto_fix=False).losses[-20:])).any()
    repaired = torch.tensor(seven.run(scenario).losses[-20:])
    assert repaired.median() < torch.tensor(seven.run(scenario).losses[:20]).median()


@each_healthy
def test_a_healthy_training_is_left_alone_bit_for_bit(scenario: Any) -> None:
    outcome = seven.run(scenario)
    assert outcome.log == []
    assert_unchanged(scenario, auto_fix=True)


@pytest.mark.parametrize(
    "scenario", [one for one in FAULTY if one.error != "out_of_memory"], ids=lambda one: one.name
)
def test_without_repair_a_faulty_training_is_only_watched(scenario: Any) -> None:
    assert_unchanged(scenario, auto_fix=False)


def assert_unchanged(scenario: Any, auto_fix: bool) -> None:
    steps = min(scenario.steps, 150)

    def wrapped(setting: Any) -> None:
        wrapper = wrap_training(setting.model, setting.optimizer, auto_fix=auto_fix)
        for step in range(steps):
            setting.before_step(step)
            wrapper.training_step(next(setting.batches), setting.forward)
            if setting.schedule is not None:
                setting.schedule.step()
        wrapper.close()

    def plain(setting: Any) -> None:
        for step in range(steps):
            setting.before_step(step)
            setting.forward(setting.model, next(setting.batches)).backward()
            setting.optimizer.step()
            setting.optimizer.zero_grad()
            if setting.schedule is not None:
                setting.schedule.step()

    ours, theirs = states(scenario, wrapped), states(scenario, plain)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(
            tensor.view(-1).view(torch.uint8), theirs[name].view(-1).view(torch.uint8)
        )


# The document's way of using it


def test_the_quick_start_of_the_document_runs_with_only_the_import_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(10, 1)

        def forward(self, x: Any) -> Any:
            return self.layer(x)

    torch.manual_seed(0)
    model = Tiny()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    wrapper = wrap_training(
        model=model, optimizer=optimizer, auto_fix=True, checkpoint_dir="./checkpoints"
    )
    assert isinstance(wrapper, SOSATrainingWrapper)

    def forward(model: Any, batch: Any) -> Any:
        return nn.functional.mse_loss(model(batch["x"]), batch["y"])

    for _ in range(50):
        batch = {"x": torch.randn(8, 10), "y": torch.randn(8, 1)}
        loss = wrapper.training_step(batch, forward)
        print(f"{loss.item():.4f}")
        error = wrapper.monitor.detect_error()
        if error is not None:
            print(wrapper.monitor.diagnose(error), wrapper.monitor.suggest_fix(error).reason)
    stats = wrapper.get_statistics()
    assert stats["global_step"] == stats["total_steps"] == 50
    print(f"{stats['best_loss']:.4f}")
    assert f"{stats['current_lr']:.2e}" == "1.00e-03"
    assert json.loads(json.dumps(stats, allow_nan=False)) == stats
    wrapper.print_report()
    assert "Training report: 50 steps" in capsys.readouterr().out
    again = SOSATrainingWrapper(
        model, optimizer, config=None, checkpoint_dir="./c", auto_fix=True, max_fixes_per_error=3
    )
    assert again.fix_counts == dict.fromkeys(ErrorType, 0)
    wrapper.close()


def test_a_loss_is_taken_from_what_the_model_returns() -> None:
    class Output:
        def __init__(self, loss: Any) -> None:
            self.loss = loss

    for answer in (lambda x: x, lambda x: {"loss": x}, Output):

        class Model(nn.Linear):
            def forward(self, input: Any, answer: Any = answer) -> Any:
                return answer(super().forward(input).mean())

        model = Model(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with wrap_training(model, optimizer) as wrapper:
            wrapper.training_step(torch.ones(2, 4))
            wrapper.training_step({"input": torch.ones(2, 4)})
            assert wrapper.global_step == 2
    model, optimizer = linear()
    with wrap_training(model, optimizer) as wrapper, pytest.raises(ValueError, match="forward_fn"):
        wrapper.training_step(torch.ones(2, 4))


def test_a_repair_can_be_asked_for_and_made_by_the_program() -> None:
    model, optimizer = linear()
    with wrap_training(model, optimizer, auto_fix=False) as wrapper:
        for batch in batches(10):
            wrapper.training_step(batch, square)
        assert wrapper.monitor.detect_error() is None
        wrapper.training_step(batches(1)[0] * float("nan"), square)
        error = wrapper.monitor.detect_error()
        assert error is ErrorType.NAN_LOSS
        assert error.value == "nan_loss"
        fix = wrapper.monitor.suggest_fix(error)
        assert (fix.action_type, fix.parameters) == ("skip_step", {"roll_back": True})
        assert 0.5 < fix.confidence <= 1
        assert "batch" in fix.reason
        lower = FixAction("reduce_lr", {"factor": 0.5}, "by hand", 1.0)
        assert wrapper.monitor.apply_fix(lower)
        assert wrapper.get_statistics()["current_lr"] == pytest.approx(0.05)
        other = torch.optim.SGD(model.parameters(), lr=1.0)
        assert wrapper.monitor.apply_fix(lower, other, model)
        assert other.param_groups[0]["lr"] == 0.5
        assert not wrapper.monitor.apply_fix(FixAction("none", {}, "", 0.0))


# Bounds


def test_a_fault_that_does_not_come_again_is_transient() -> None:
    model, optimizer = linear()
    calls = 0

    def once_bad(model: Any, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        return square(model, batch) * (float("nan") if calls == 5 else 1.0)

    with wrap_training(model, optimizer) as wrapper:
        for batch in batches(10):
            assert torch.isfinite(wrapper.training_step(batch, once_bad))
        stats = wrapper.get_statistics()
    assert calls == 11
    assert (stats["transient_faults"], stats["num_fixes"], stats["steps_left_out"]) == (1, 0, 0)


def test_no_more_repairs_of_an_error_are_made_than_allowed_and_no_bad_step_is_taken() -> None:
    model, optimizer = linear()
    with wrap_training(model, optimizer, max_fixes_per_error=2, verify_steps=5) as wrapper:
        for index, batch in enumerate(batches(80)):
            wrapper.training_step(batch * (float("nan") if index % 10 == 9 else 1.0), square)
        stats = wrapper.get_statistics()
    assert stats["fix_counts"]["nan_loss"] == 2
    assert stats["steps_left_out"] == 8
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_the_schedule_never_sees_a_lowered_rate() -> None:
    model, optimizer = linear(0.4)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    with wrap_training(model, optimizer) as wrapper:
        used: list[float] = []
        optimizer.register_step_pre_hook(lambda o, a, k: used.append(o.param_groups[0]["lr"]))
        wrapper.training_step(batches(1)[0], square)
        wrapper.monitor.apply_fix(FixAction("reduce_lr", {"factor": 0.5}, "", 1.0))
        for batch in batches(3):
            schedule.step()
            wrapper.training_step(batch, square)
    assert used == pytest.approx([0.4, 0.18, 0.162, 0.1458])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2916)


def test_an_undone_roll_back_puts_back_what_was_there_bit_for_bit() -> None:
    model, optimizer = linear()
    kept = Snapshots(model, optimizer)
    for batch in batches(5):
        square(model, batch).backward()
        optimizer.step()
    before = kept.take(5, 1.0)
    assert before is not None
    expected = [p.detach().clone() for p in model.parameters()]
    momentum = [optimizer.state[p]["momentum_buffer"].clone() for p in model.parameters()]
    for batch in batches(5):
        square(model, batch).backward()
        optimizer.step()
    assert not torch.equal(model.weight, expected[0])
    kept.put_back(before)
    for parameter, value, buffer in zip(model.parameters(), expected, momentum, strict=True):
        assert torch.equal(parameter, value)
        assert torch.equal(optimizer.state[parameter]["momentum_buffer"], buffer)


def test_snapshots_are_few_bounded_and_reported() -> None:
    model, optimizer = linear()
    kept = Snapshots(model, optimizer, every=1)
    for step in range(20):
        kept.maybe_take(step, 20.0 - step if step < 5 else 30.0)
    assert len(kept.kept) == KEPT
    assert 4 in [snapshot.step for snapshot in kept.kept], "the best one stays"
    assert kept.statistics()["bytes"] == KEPT * 5 * 4
    small = Snapshots(model, optimizer, limit=10)
    small.maybe_take(0, 1.0)
    assert small.statistics()["count"] == 0
    assert small.statistics()["refused"] == 20


def test_a_snapshot_that_is_not_finite_is_never_put_back() -> None:
    model, optimizer = linear()
    kept = Snapshots(model, optimizer)
    kept.take(1, 1.0)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    kept.take(2, 0.5)
    found, best = kept.find(), kept.find(best=True)
    assert found is not None
    assert best is not None
    assert (found.step, best.step) == (1, 1)


def test_out_of_memory_is_tried_once_more_then_told_with_advice() -> None:
    model, optimizer = linear()
    failures = 1

    def full(model: Any, batch: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return square(model, batch)

    with wrap_training(model, optimizer) as wrapper:
        assert torch.isfinite(wrapper.training_step(batches(1)[0], full))
        assert wrapper.transient_faults == 1
        failures = 2
        with pytest.raises(torch.OutOfMemoryError):
            wrapper.training_step(batches(1)[0], full)
        (*_, case) = wrapper.get_statistics()["log"]
        assert (case["action"], case["outcome"]) == ("reduce_batch", "advised")
        assert "8x4" in case["message"]
        with pytest.raises(RuntimeError, match="shape"):
            wrapper.training_step(torch.ones(2, 3), square)


def test_what_says_that_there_is_no_memory_is_known() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    )
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert shapes_of({"x": torch.ones(2, 3), "y": [torch.ones(())]}) == "2x3, scalar"
    assert shapes_of("text") == "str"


# Checkpoints


def test_a_checkpoint_brings_back_model_optimizer_counts_and_repairs(tmp_path: Path) -> None:
    model, optimizer = linear()
    with SOSATrainingWrapper(model, optimizer, {"batch": 8}, tmp_path / "new/folder") as wrapper:
        for batch in batches(7):
            wrapper.training_step(batch, square)
        wrapper.monitor.apply_fix(FixAction("reduce_lr", {"factor": 0.25}, "", 1.0))
        path = wrapper.save_checkpoint()
        best = wrapper.best_loss
    assert path == tmp_path / "new" / "folder" / "checkpoint_latest.pt"
    assert os.listdir(path.parent) == [path.name], "nothing temporary stays"
    assert torch.load(path, weights_only=True)["config"] == {"batch": 8}
    fresh, other = linear()
    with wrap_training(fresh, other) as again:
        again.load_checkpoint(str(path))
        assert (again.global_step, again.best_loss) == (7, best)
        assert again.get_statistics()["rate_factor"] == 0.25
        assert again.fix_counts[ErrorType.DIVERGENCE] == 1
        assert torch.equal(fresh.weight, model.weight)
        assert other.state_dict()["state"].keys() == optimizer.state_dict()["state"].keys()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.pt"
    checkpoints.write(str(path), {"step": 1})

    def half(content: Any, stream: Any) -> None:
        stream.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="space"):
        checkpoints.write(str(path), {"step": 2})
    assert os.listdir(tmp_path) == ["c.pt"]
    assert checkpoints.read(path) == {"step": 1}


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "was-here"),)

    path = tmp_path / "evil.pt"
    torch.save({"step": Evil()}, path)
    model, optimizer = linear()
    with wrap_training(model, optimizer) as wrapper, pytest.raises(pickle.UnpicklingError):
        wrapper.load_checkpoint(path)
    assert not (tmp_path / "was-here").exists()


def test_any_config_becomes_plain() -> None:
    class Settings:
        def __init__(self) -> None:
            self.rate, self.kind = 0.1, nn.Linear

    assert checkpoints.plain(Settings()) == {"rate": 0.1, "kind": repr(nn.Linear)}
    assert checkpoints.plain((1, {2: None})) == [1, {"2": None}]


def test_the_best_checkpoint_is_written_at_intervals_and_not_at_each_improvement(
    tmp_path: Path,
) -> None:
    model, optimizer = linear(0.01)
    with wrap_training(model, optimizer, checkpoint_dir=tmp_path) as wrapper:
        for batch in batches(20):
            wrapper.training_step(batch, square)
        assert not list(tmp_path.iterdir())
        wrapper._last_write -= 301
        wrapper.training_step(batches(1)[0], square)
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint_best.pt"]
        assert wrapper.best_checkpoint_path == tmp_path / "checkpoint_best.pt"


# The session


def test_a_wrapper_that_is_let_go_takes_its_instruments_out() -> None:
    model, optimizer = linear()
    wrapper = wrap_training(model, optimizer)
    assert Session.current is None, "nothing is watched before the first step"
    wrapper.training_step(batches(1)[0], square)
    assert Session.current is not None
    del wrapper
    gc.collect()
    assert Session.current is None


def test_two_wrappers_share_a_session_and_notice_their_own_errors_only() -> None:
    (a, first), (b, second) = linear(), linear()
    one, two = wrap_training(a, first), wrap_training(b, second)
    for batch in batches(3):
        one.training_step(batch, square)
        two.training_step(batch, square)
    two.training_step(batches(1)[0] * float("nan"), square)
    assert one.get_statistics()["total_errors"] == 0
    assert two.get_statistics()["total_errors"] == 1
    one.close()
    assert Session.current is not None
    two.close()
    assert Session.current is None


def test_a_check_that_fails_is_turned_off_and_training_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainlint.runtime.checks.exploding_gradient import ExplodingGradient

    def broken(self: Any, step: Any) -> Any:
        raise KeyError("inside of a check")

    monkeypatch.setattr(ExplodingGradient, "on_step", broken)
    model, optimizer = linear()
    with wrap_training(model, optimizer) as wrapper:
        for batch in batches(5):
            wrapper.training_step(batch, square)
        (failure,) = wrapper.report().failures
    assert "RUN002" in failure.message
    assert "inside of a check" in failure.message


# More than one process


DISTRIBUTED = """
import json, os, sys
import torch
import torch.distributed as dist
from torch import nn
from trainlint.runtime import wrap_training

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = nn.Linear(4, 1)
is_averaged = sys.argv[2] == "averaged"
wrapped = nn.parallel.DistributedDataParallel(model) if is_averaged else model
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
wrapper = wrap_training(wrapped, optimizer, agree_every=int(sys.argv[3]), verify_steps=8,
                        snapshot_every=5)
generator = torch.Generator().manual_seed(rank)
for step in range(60):
    batch = torch.randn(8, 4, generator=generator)
    if rank == 1 and step == 33:
        batch[0, 0] = float("nan")
    wrapper.training_step(batch, lambda m, b: (m(b) - 1).pow(2).mean())
stats = wrapper.get_statistics()
wrapper.close()
with open(os.path.join(sys.argv[1], f"{rank}.json"), "w") as stream:
    json.dump({"log": stats["log"], "left_out": stats["steps_left_out"],
               "weights": [p.tolist() for p in model.parameters()]}, stream)
dist.barrier()  # nobody leaves while the other one still talks to it
dist.destroy_process_group()
"""


@pytest.mark.parametrize(("kind", "every"), [("averaged", "1"), ("averaged", "10"), ("apart", "1")])
def test_all_ranks_take_the_same_repair_at_the_same_step(
    tmp_path: Path, kind: str, every: str
) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(DISTRIBUTED))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(script), str(tmp_path), kind, every]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert [case["outcome"] for case in first["log"]] == ["kept"]
    told = [{k: c[k] for k in ("error", "action", "parameters", "outcome", "ended")}
            for one in (first, second) for c in one["log"]]  # fmt: skip
    assert told[0] == told[1]
    assert told[0]["action"] == "skip_step"
    assert first["left_out"] == second["left_out"] == 1
    flat = torch.tensor([value for tensor in first["weights"] for value in
                         torch.tensor(tensor).flatten().tolist()])  # fmt: skip
    assert torch.isfinite(flat).all()
    if kind == "averaged":
        assert first["weights"] == second["weights"]
