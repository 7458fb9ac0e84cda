"""The accumulation fixes: which micro-batches each update is made of, before and after."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

K = 4
Update = dict[int, float]

# The gradient of the j-th batch is the j-th unit vector, so that a step shows what it is made of.
HEAD = """
import torch
from torch import nn

model = nn.Linear(BATCHES, 1, bias=False)
nn.init.zeros_(model.weight)
loader = [(row.unsqueeze(0), None) for row in torch.eye(BATCHES)]
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)


def criterion(out, target):
    return out.sum()

"""

LAST_BATCH = {
    "a modulo": """
logged = []
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / K
        loss.backward()
        if (i + 1) % K == 0:
            optimizer.step()
            optimizer.zero_grad()
        logged.append(loss.item() * K)
""",
    "an index from zero": """
for epoch in range(2):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader):
        (criterion(model(x), y) / K).backward()
        if i % K == 0:
            optimizer.step()
            optimizer.zero_grad()
""",
    "a flag": """
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
        accumulating = (i + 1) % K
        loss = criterion(model(x), y)
        loss /= K
        loss.backward()
        if not accumulating:
            optimizer.step()
            optimizer.zero_grad()
""",
}
BEHIND_THE_LOOP = {
    "a counter": """
for epoch in range(2):
    seen = 0
    for x, y in loader:
        loss = criterion(model(x), y) / K
        loss.backward()
        seen += 1
        if seen % K == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 100.0)
            optimizer.step()
            optimizer.zero_grad()
""",
    "a counter from one, counted late": """
for epoch in range(2):
    idx = 1
    for x, y in loader:
        (criterion(model(x), y) / K).backward()
        if idx % K == 0:
            optimizer.step()
            optimizer.zero_grad()
        idx += 1
""",
    "a counter that is reset": """
for epoch in range(2):
    pending = 0
    for x, y in loader:
        (criterion(model(x), y) / K).backward()
        pending += 1
        if pending == K:
            optimizer.step()
            optimizer.zero_grad()
            pending = 0
""",
    "an index from one": """
for epoch in range(2):
    for i, (x, y) in enumerate(iter(loader), 1):
        (criterion(model(x), y) / K).backward()
        if i % K == 0:
            optimizer.step()
            optimizer.zero_grad()
""",
    "an early continue": """
def source():
    yield from loader


for epoch in range(2):
    for i, (x, y) in enumerate(source()):
        (criterion(model(x), y) / K).backward()
        if (i + 1) % K:
            continue
        optimizer.step()
        optimizer.zero_grad()
""",
    "iterations of an epoch": """
for epoch in range(2):
    batches = iter(loader)
    for i in range(BATCHES):
        x, y = next(batches)
        (criterion(model(x), y) / K).backward()
        if (i + 1) % K == 0:
            optimizer.step()
            optimizer.zero_grad()
""",
}
SKIPPING = """
def source():
    yield from loader


scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
for epoch in range(2):
    for i, (x, y) in enumerate(source()):
        if i in BROKEN:
            continue
        loss = criterion(model(x), y) / K
        scaler.scale(loss).backward()
        if (i + 1) % K == 0:
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
"""
ONE_CYCLE = """
from torch.optim.lr_scheduler import OneCycleLR

epochs = 3
schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=len(loader) // K * epochs)
for epoch in range(epochs):
    for i, (x, y) in enumerate(loader):
        (criterion(model(x), y) / K).backward()
        if (i + 1) % K == 0:
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
"""
EMPTY = """
def source():
    yield from loader[:0]


for i, (x, y) in enumerate(source()):
    (criterion(model(x), y) / K).backward()
    if (i + 1) % K == 0:
        optimizer.step()
        optimizer.zero_grad()
"""


CLEARED = """
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        (criterion(model(x), y) / K).backward()
        if (i + 1) % K == 0 or i == len(loader) - 1:
            optimizer.step()
"""
FROM_ZERO = """
batches = iter(loader)
for step in range(BATCHES):
    x, y = next(batches)
    (criterion(model(x), y) / K).backward()
    if step % K == 0:
        optimizer.step()
        optimizer.zero_grad()
"""
UNSCALED = """
torch.manual_seed(1)
model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
loader = [(torch.randn(5, 6), torch.randint(3, (5,))) for _ in range(BATCHES)]
start = {name: value.clone() for name, value in model.state_dict().items()}
logged = []
for i, (x, y) in enumerate(loader):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    logged.append(loss.item())
    if (i + 1) % BATCHES == 0:
        gradients = [p.grad.clone() for p in model.parameters()]
        optimizer.step()
        optimizer.zero_grad()
model.load_state_dict(start)
x, y = (torch.cat(part) for part in zip(*loader))
nn.functional.cross_entropy(model(x), y).backward()
whole = [p.grad for p in model.parameters()]
"""


def run(program: str, batches: int, **names: Any) -> tuple[list[Update], dict[str, Any]]:
    """The updates of a program over so many batches, and the names it leaves behind."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    updates: list[Update] = []

    def record(optimizer: Any, args: Any, kwargs: Any) -> None:
        (weight,) = optimizer.param_groups[0]["params"]
        if weight.grad is not None:
            grad = weight.grad.flatten().tolist()
            updates.append({j: round(g, 4) for j, g in enumerate(grad) if g})
        else:
            updates.append({})

    namespace = {"BATCHES": batches, **names}
    handle = register_optimizer_step_pre_hook(record)
    torch.manual_seed(0)
    try:
        exec(compile(HEAD + program, "program.py", "exec"), namespace)
    finally:
        handle.remove()
    return updates, namespace


def windows(batches: int, k: int, *, sized: bool = True) -> list[Update]:
    """The updates of one pass as they should be; the tail divided by its size, or by k."""
    found = []
    for start in range(0, batches, k):
        members = range(start, min(start + k, batches))
        weight = round(1 / (len(members) if sized else k), 4)
        found.append(dict.fromkeys(members, weight))
    return found


def run_freely(program: str) -> dict[str, Any]:
    """The names that a program leaves behind whose batches are its own."""
    names: dict[str, Any] = {"BATCHES": K, "K": K}
    exec(compile(HEAD + program, "program.py", "exec"), names)
    return names


def fixed(code: str, program: str) -> str:
    """The program after a rule's fix, without the head that all programs share."""
    rule = shipped().by_code[code]
    text = fix_text(rule, HEAD + program, Safety.UNSAFE)
    assert text != HEAD + program
    assert not check_text(rule, text)
    return text.removeprefix(HEAD)


@pytest.mark.parametrize("shape", LAST_BATCH)
@pytest.mark.parametrize("batches", [3, 5, 8, 10])
def test_the_last_batch_ends_a_window_of_its_real_size(shape: str, batches: int) -> None:
    updates, _ = run(fixed("ACC001", LAST_BATCH[shape]), batches, K=K)
    assert updates == windows(batches, K) * 2
    assert len(updates) == 2 * math.ceil(batches / K)


@pytest.mark.parametrize("shape", BEHIND_THE_LOOP)
@pytest.mark.parametrize("batches", [3, 5, 8, 10])
def test_what_is_left_over_is_applied_behind_the_loop(shape: str, batches: int) -> None:
    updates, _ = run(fixed("ACC001", BEHIND_THE_LOOP[shape]), batches, K=K)
    assert updates == windows(batches, K, sized=False) * 2


@pytest.mark.parametrize("program", [LAST_BATCH["a modulo"], *BEHIND_THE_LOOP.values()])
def test_before_the_fix_the_tail_leaks_into_the_next_epoch(program: str) -> None:
    updates, _ = run(program, 10, K=K)
    assert len(updates) == 2 * (10 // K)
    assert {8, 9} <= set(updates[2])


def test_a_zero_grad_at_the_head_discards_the_tail_before_the_fix() -> None:
    updates, _ = run(LAST_BATCH["an index from zero"], 8, K=K)
    assert updates == [{0: 0.25}, dict.fromkeys(range(1, 5), 0.25)] * 2


def test_what_is_logged_of_the_loss_stays_as_it_is() -> None:
    program = LAST_BATCH["a modulo"].replace("range(2)", "range(1)")
    _, before = run(program, 10, K=K)
    _, after = run(fixed("ACC001", program), 10, K=K)
    assert before["logged"] == after["logged"]


def test_whole_windows_are_the_same_bit_for_bit() -> None:
    program = LAST_BATCH["a modulo"].replace("range(2)", "range(1)")
    _, before = run(program, 8, K=3)
    _, after = run(fixed("ACC001", program), 8, K=3)
    assert torch.equal(before["model"].weight[0, :6], after["model"].weight[0, :6])
    assert not torch.equal(before["model"].weight, after["model"].weight)


@pytest.mark.parametrize("broken", [{9}, {8, 9}, {7}, {1}, set(range(10)), {3, 7}])
def test_skipped_batches_neither_lose_a_gradient_nor_step_without_one(broken: set[int]) -> None:
    updates, _ = run(fixed("ACC001", SKIPPING), 10, K=K, BROKEN=broken)
    applied = sorted(j for update in updates for j in update)
    assert applied == sorted([j for j in range(10) if j not in broken] * 2)
    assert all(updates)


def test_a_flush_by_the_index_alone_would_crash_the_scaler() -> None:
    flush = "    if (i + 1) % K != 0:\n        scaler.step(optimizer)\n        scaler.update()\n"
    with pytest.raises(AssertionError, match="No inf checks"):
        run(SKIPPING + flush, 10, K=K, BROKEN={8, 9})


def test_a_schedule_sized_by_the_floor_grows_with_the_steps() -> None:
    updates, names = run(fixed("ACC001", ONE_CYCLE), 10, K=K)
    assert len(updates) == 9
    assert names["schedule"].total_steps == 9


def test_without_the_schedule_the_extra_step_raises() -> None:
    naive = ONE_CYCLE.replace("% K == 0:", "% K == 0 or i + 1 == len(loader):")
    run(ONE_CYCLE, 10, K=K)
    with pytest.raises(ValueError, match="Tried to step 7 times"):
        run(naive, 10, K=K)


def test_a_loop_over_nothing_still_ends_normally() -> None:
    run(EMPTY, 10, K=K)
    updates, _ = run(fixed("ACC001", EMPTY), 10, K=K)
    assert updates == []


def test_undivided_losses_add_up_to_k_times_the_gradient_of_the_big_batch() -> None:
    names = run_freely(UNSCALED)
    for gradient, expected in zip(names["gradients"], names["whole"], strict=True):
        torch.testing.assert_close(gradient, K * expected)


def test_divided_losses_give_the_gradient_of_the_big_batch() -> None:
    names = run_freely(fixed("ACC002", UNSCALED))
    for gradient, expected in zip(names["gradients"], names["whole"], strict=True):
        torch.testing.assert_close(gradient, expected)
    assert names["logged"] == run_freely(UNSCALED)["logged"]


def test_cleared_windows_hold_one_batch_and_k_after_the_fix() -> None:
    updates, _ = run(CLEARED, 8, K=K)
    assert updates == [{3: 0.25}, {7: 0.25}] * 2
    updates, _ = run(fixed("ACC004", CLEARED), 8, K=K)
    assert updates == windows(8, K) * 2


def test_the_first_window_has_k_micro_batches_after_the_fix() -> None:
    updates, _ = run(FROM_ZERO, 8, K=K)
    assert updates == [{0: 0.25}, dict.fromkeys(range(1, 5), 0.25)]
    updates, _ = run(fixed("ACC005", FROM_ZERO), 8, K=K)
    assert updates == windows(8, K)
