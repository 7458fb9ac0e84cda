"""What is known of samples, of names that loaders are given, and of the disk."""

from __future__ import annotations

import copy
import math
import random
import runpy
import sys
from collections import Counter, namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset  # noqa: E402

from trainlint.runtime import watch  # noqa: E402
from trainlint.runtime.chance import chi_square_tail  # noqa: E402
from trainlint.runtime.check import Check  # noqa: E402
from trainlint.runtime.claims import claim  # noqa: E402
from trainlint.runtime.events import Batch, Step  # noqa: E402
from trainlint.runtime.loaders import told_labels  # noqa: E402
from trainlint.runtime.mixes import clustering, difference  # noqa: E402
from trainlint.runtime.places import Place  # noqa: E402
from trainlint.runtime.sample_sets import marks_of, overlap, sample_set  # noqa: E402
from trainlint.runtime.session import Config, Session  # noqa: E402

from .test_programs import PROGRAMS, watched  # noqa: E402


def test_the_story_of_a_sampler_that_fills_batches_from_one_class_is_told_within_fifty_steps() -> (
    None
):
    messages = "\n".join(watched(PROGRAMS / "welding_report.py").messages)
    told = next(line for line in messages.splitlines() if "RUN007" in line)
    wanted = ["3.434", "log(32 - 1)", "`OneClassABatch` fills each batch from one class"]
    assert [words for words in wanted if words not in told] == []
    assert int(told.split("(step ")[1].split(",")[0]) <= 50
    assert watched(PROGRAMS / "welding_report_fixed.py").messages == []


@pytest.mark.parametrize("freedom", [1, 2, 9, 50.5, 450])
def test_the_tail_of_chi_square_is_that_of_scipy(freedom: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    for part in (0.01, 0.5, 1.0, 1.5, 3.0, 10.0):
        wanted = float(stats.chi2.sf(part * freedom, freedom))
        assert chi_square_tail(part * freedom, freedom) == pytest.approx(
            wanted, rel=1e-6, abs=1e-280
        )


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_shuffled_batches_are_no_clusters_however_rare_a_class_is(classes: int) -> None:
    draw = random.Random(0)
    weights = [1 / (1 + label) for label in range(classes)]
    least = 1.0
    for _ in range(40):
        counts = [Counter(draw.choices(range(classes), weights, k=32)) for _ in range(50)]
        mix: Counter[int] = Counter()
        for count in counts:
            mix.update(count)
        least = min(least, clustering(counts, mix, 0.5)[0])
    assert least > 1e-4


def test_batches_of_two_classes_out_of_ten_are_clusters() -> None:
    draw = random.Random(0)
    counts = [Counter(draw.choices(draw.sample(range(10), 2), k=32)) for _ in range(50)]
    mix: Counter[int] = Counter()
    for count in counts:
        mix.update(count)
    chance, share = clustering(counts, mix, 0.5)
    assert chance < 1e-100
    assert 0.3 < share < 0.6


def rows_of(program: str) -> list[tuple[Counter[int], Counter[int]]]:
    """Of each fifty batches of a loader that trained: their classes, and those of the data set."""
    found: dict[int, tuple[Counter[int], list[Counter[int]]]] = {}

    class Noted(Check[Any]):
        code = name = "TST003"
        defaults = None

        def on_step(self, step: Step) -> Iterator[Any]:
            for batch in step.batches:
                if batch.loader.number not in found:
                    data = batch.samples.base()
                    found[batch.loader.number] = (told_labels(data, range(len(data))), [])
                found[batch.loader.number][1].append(Counter(batch.labels))
            yield from ()

    session = Session(Config(budget=1.0))
    session._handlers["on_step"] = [Noted(session.record, None)]
    session.start()
    sys.path.insert(0, str(PROGRAMS))
    try:
        runpy.run_path(str(PROGRAMS / f"{program}.py"))
    finally:
        session.stop()
        sys.path.remove(str(PROGRAMS))
    return [
        (sum(batches[start : start + 50], Counter()), data)
        for data, batches in found.values()
        for start in range(0, len(batches) - 49, 50)
    ]


@pytest.mark.parametrize(("size", "classes"), [(32, 23), (64, 46), (128, 92)])
def test_batches_that_leave_one_anchor_in_four_alone_are_hardly_ever_accused(
    size: int, classes: int
) -> None:
    assert (1 - 1 / classes) ** (size - 1) == pytest.approx(0.25, abs=0.01)
    draw, draws, hits = random.Random(0), 4000, 0
    for _ in range(draws):
        labels = Counter(draw.choices(range(classes), k=size))
        hits += 2 * sum(count == 1 for count in labels.values()) >= size
    looks = 60  # of a run, at most; three running
    assert looks * (hits / draws) ** 3 < 1e-6


@pytest.mark.parametrize(
    "program",
    ["healthy_slow_drift", "healthy_easy_first", "healthy_tasks_in_turn", "healthy_relabelled"],
)
def test_fifty_batches_may_differ_from_the_data_set_for_a_good_reason(program: str) -> None:
    """The bare criterion, fifty batches against the data set with p < 1e-6, accuses them."""
    assert min(difference(mix, data) for mix, data in rows_of(program)) < 1e-6
    assert watched(PROGRAMS / f"{program}.py").messages == []


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_shuffled_batches_have_the_classes_of_the_data_however_rare_one_is(classes: int) -> None:
    draw = random.Random(1)
    weights = [1 / (1 + label) for label in range(classes)]
    data = Counter(draw.choices(range(classes), weights, k=20_000))
    samples, least = list(data.elements()), 1.0
    for _ in range(400):
        least = min(least, difference(Counter(draw.sample(samples, 800)), data))
    assert least > 1e-4


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("val_loader = DataLoader(data)", "validation"),
        ("self.testLoader = DataLoader(data)", "test"),
        ("loader = DataLoader(test_set, batch_size=4)", "test"),
        ('loaders["dev"] = DataLoader(data)', "validation"),
        ('loaders = {"x": 1, "test": DataLoader(data)}', "test"),
        ("return DataLoader(self.valid_data)", "validation"),
        ("train_eval_loader = DataLoader(data)", "training"),
        ("for x in DataLoader(test_data):\n        pass", "test"),
        ("a, b_test = DataLoader(x), DataLoader(y)", None),
        ("train_loader, test_loader = make()", None),
        ("latest = DataLoader(data)", None),
        ("contest_loader = evaluate(DataLoader(data))", None),
    ],
)
def test_a_name_says_what_a_loader_holds(tmp_path: Path, line: str, wanted: str | None) -> None:
    path = tmp_path / "program.py"
    path.write_text(f"def make_loader(self):\n    {line}\n")
    assert claim([Place(str(path), 2, "make_loader")]) == wanted


def test_the_line_that_asked_a_function_for_a_loader_names_it(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("def make(data):\n    return DataLoader(data)\n\nheld_test = make(data)\n")
    trail = [Place(str(path), 2, "make"), Place(str(path), 4, "<module>")]
    assert claim(trail) == "test"


class Numbered(Dataset[Any]):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        return torch.full((2,), float(index)), index % 3


@pytest.mark.parametrize("workers", [0, 2])
def test_each_batch_knows_the_indices_of_its_samples(workers: int) -> None:
    seen: list[Batch] = []
    with watch() as w:
        w._session.tell = lambda event: seen.append(event) if isinstance(event, Batch) else None
        part = Subset(Numbered(), list(range(39, 9, -1)))
        loader = DataLoader(
            part, batch_size=4, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
        for count in (2, 100):  # a pass that is left early, and a whole one
            for number, (x, _) in enumerate(loader):
                if number == count:
                    break
                assert seen[-1].indices == tuple(int(value) for value in x[:, 0])
    assert len(seen) == 3 + 8


def consumed(*tensors: Any) -> Any:
    data = TensorDataset(*tensors)
    loader = DataLoader(data, batch_size=16)
    found = sample_set(loader)
    found.base = found.dataset = None
    for number, batch in enumerate(loader, start=1):
        event = Batch(None, number, 16, None, None, False, None, content=batch)  # type: ignore[arg-type]
        found.note(event)
    return found


def test_equal_content_counts_where_it_is_rich_and_no_repetition() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(200, 20), torch.arange(200) % 5
    train = consumed(x[:150], y[:150])
    found = overlap(consumed(x[140:], y[140:]), [train])
    assert found is not None
    assert (found.count, found.of) == (10, 60)
    assert overlap(consumed(x[150:], y[150:]), [train]) is None
    assert overlap(consumed(x[:50], y[:50] + 1), [train]) is None  # another task on them
    few = torch.randint(0, 3, (200, 4)).float()  # rows of few values repeat by themselves
    assert overlap(consumed(few[150:], y[150:]), [consumed(few[:150], y[:150])]) is None
    repeated = x[torch.randint(0, 100, (300,))]
    labels = torch.zeros(300, dtype=torch.int64)
    shared = overlap(
        consumed(repeated[250:], labels[250:]), [consumed(repeated[:250], labels[:250])]
    )
    assert shared is None or shared.share > 3 * consumed(repeated[:250], labels[:250]).repeats


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_marks_differ_where_one_number_does(dtype: Any) -> None:
    x = torch.randn(8, 3, 20, 20).to(dtype)
    other = x.clone()
    other[3, 0, 0, 0] += 1
    first, second = marks_of([x, torch.arange(8)]), marks_of([other, torch.arange(8)])
    assert first is not None
    assert second is not None
    assert [a == b for a, b in zip(first[0], second[0], strict=True)] == [i != 3 for i in range(8)]
    assert marks_of([torch.zeros(4, 30), torch.arange(4)]) == ([None] * 4, False)


def test_a_disk_that_will_not_hold_the_checkpoints_is_said_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**6, 10**6 - 60_000, 60_000))
    with watch() as w:
        model = torch.nn.Linear(40, 40)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40)
        for step in range(12):
            model(torch.randn(4, 40)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            torch.save(model.state_dict(), tmp_path / f"{step}.pt")
    (finding,) = [d for d in w.findings if d.code == "RUN025"]
    assert finding.severity.name == "WARNING"
    assert finding.evidence["end"] == 40
    assert finding.evidence["files"] == 3


def test_a_model_that_is_looked_at_keeps_no_hook_and_its_copies_have_none_that_works() -> None:
    with watch() as w:
        model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.5))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        data = TensorDataset(torch.randn(32, 4), torch.arange(32) % 3)
        for x, y in DataLoader(data, batch_size=16):
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        held_out = DataLoader(TensorDataset(torch.randn(16, 4), torch.arange(16) % 3), batch_size=8)
        with torch.no_grad():
            for number, (x, _) in enumerate(held_out):
                if not number:
                    assert len(model._forward_hooks) == 1
                    copied = copy.deepcopy(model)
                copied(x)
                model(x)
        assert len(model._forward_hooks) == 0
    assert w.report().failures == []
    assert math.isfinite(float(copied(x).detach().sum()))


def test_a_loader_that_watch_is_given_to_validate_is_held_out() -> None:
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = TensorDataset(torch.randn(64, 4), torch.arange(64) % 3)
    one, other = DataLoader(data, batch_size=16, shuffle=True), DataLoader(data, batch_size=16)
    with watch(model, optimizer, loader=one, val_loader=other) as w:
        for x, y in one:
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        for x, _ in other:
            model(x)
    assert [d.code for d in w.findings if d.code.startswith("LEK")] == ["LEK003"]
