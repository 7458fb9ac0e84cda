"""AMP004's fix gives the same weights and losses; a changed import alone would not."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from trainlint.rules.deprecated_cuda_amp import RULE

from trainlint.check import check_source
from trainlint.edits import Safety
from trainlint.fixing import fix_sources
from trainlint.semantics.facts import Surroundings
from trainlint.testing import check_text, fix_text
from trainlint.text.source import decode

torch = pytest.importorskip("torch")

CUDA_FORMS = """
import torch
import torch.nn.functional as F
from torch.cuda.amp import GradScaler, autocast, custom_bwd, custom_fwd


class Double(torch.autograd.Function):
    @staticmethod
    @custom_fwd(cast_inputs=torch.float32)
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    @custom_bwd
    def backward(ctx, grad):
        return 2 * grad


@autocast()
def predict(model, x):
    return Double.apply(model(x))


def main():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = GradScaler(2.0**10, growth_interval=2)
    losses = []
    for _ in range(5):
        x, y = torch.randn(8, 4), torch.randint(3, (8,))
        with autocast(True, torch.float16):
            loss = F.cross_entropy(predict(model, x), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.detach())
    return [*model.parameters(), *losses]
"""

CPU_FORMS = """
import torch
import torch.nn.functional as F
from torch.cpu import amp


def main():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = amp.GradScaler(2.0**4, 2.0, 0.5, 2)
    seen = []
    for _ in range(5):
        x, y = torch.randn(8, 4), torch.randint(3, (8,))
        with torch.enable_grad(), torch.cpu.amp.autocast(True):
            logits = model(x)
            loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        seen += [logits, loss, torch.tensor(scaler.get_scale())]
    return [*model.parameters(), *seen]
"""

NESTED = """
import torch


def main():
    with torch.autocast("cuda", dtype=torch.bfloat16):
        with torch.cuda.amp.autocast():
            return torch.get_autocast_dtype("cuda")
"""

TESTED_FOR = """
from torch.cpu.amp import GradScaler


def main():
    scaler = GradScaler(init_scale=2.0)
    return isinstance(scaler, GradScaler)
"""


def run(program: str) -> tuple[Any, list[str]]:
    """What ``main()`` returns, and the deprecations that it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        namespace: dict[str, Any] = {"__name__": "program"}
        exec(compile(program, "program.py", "exec"), namespace)
        result = namespace["main"]()
    return result, [str(w.message) for w in caught if w.category is FutureWarning]


def same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(
        a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("program", [CUDA_FORMS, CPU_FORMS], ids=["cuda", "cpu"])
def test_the_safe_fix_leaves_weights_and_losses_and_ends_the_warnings(program: str) -> None:
    before, warned = run(program)
    after, still_warned = run(fix_text(RULE, program, Safety.SAFE))
    assert warned
    assert not still_warned
    assert same(before, after)


def test_on_the_cpu_autocast_and_scaler_are_really_on() -> None:
    result, _ = run(CPU_FORMS)
    assert result[4].dtype is torch.bfloat16
    assert [r.item() for r in result[6::3]] == [16, 32, 32, 64, 64]


def test_a_changed_import_alone_loses_the_scale_without_a_word() -> None:
    program = (
        "from torch.cpu.amp import GradScaler\n\n\n"
        "def main():\n    return GradScaler(2.0**4).get_scale()\n"
    )
    assert run(program)[0] == 2.0**4
    assert run(program.replace("torch.cpu.amp", "torch.amp"))[0] == 2.0**16
    assert run(fix_text(RULE, program, Safety.SAFE))[0] == 2.0**4


def test_a_flag_by_position_without_a_device_raises() -> None:
    program = (
        "import torch\nfrom torch.cpu.amp import autocast\n\n\n"
        "def main():\n    with autocast(False):\n        return torch.eye(2) @ torch.eye(2)\n"
    )
    with pytest.raises(ValueError, match="device_type"):
        run(program.replace("torch.cpu.amp", "torch.amp"))
    assert same([run(program)[0]], [run(fix_text(RULE, program, Safety.SAFE))[0]])


def test_inside_a_region_of_another_dtype_the_old_default_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_: True)
    naive = NESTED.replace("torch.cuda.amp.autocast()", 'torch.autocast("cuda")')
    assert run(NESTED)[0] is torch.float16
    assert run(naive)[0] is torch.bfloat16
    assert run(fix_text(RULE, NESTED, Safety.SAFE))[0] is torch.float16


def test_a_class_that_is_tested_for_changes_together_with_the_test() -> None:
    assert fix_text(RULE, TESTED_FOR, Safety.SAFE) == TESTED_FOR
    after = fix_text(RULE, TESTED_FOR, Safety.UNSAFE)
    assert "torch.cpu" not in after
    assert run(TESTED_FOR)[0] is run(after)[0] is True


@pytest.mark.parametrize("program", [CUDA_FORMS, CPU_FORMS], ids=["cuda", "cpu"])
def test_the_fix_of_each_finding_alone_leaves_a_program_that_runs_the_same(program: str) -> None:
    before, _ = run(program)
    for diagnostic in check_text(RULE, program):
        source = decode("fixture.py", program.encode())
        only = diagnostic.location
        fixed = fix_sources(
            {source.path: source},
            lambda given, _: check_source(given, [RULE], Surroundings({}, {})),
            Safety.SAFE,
            shown=lambda d, only=only: d.location == only,
        )
        text = fixed.sources[source.path].text
        assert text != program
        assert same(before, run(text)[0])
