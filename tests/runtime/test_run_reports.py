"""Reports on a run: every form tells the same, and what others wrote stays text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from trainlint.commands.run_static import suspicions  # noqa: E402
from trainlint.diagnostics import Confidence, Diagnostic, Location, Related, Severity  # noqa: E402
from trainlint.runtime.history import BUCKETS, Curve  # noqa: E402
from trainlint.runtime.report import figures  # noqa: E402
from trainlint.runtime.report.terminal import sparkline  # noqa: E402
from trainlint.runtime.report.verdicts import crashed, judged  # noqa: E402
from trainlint.runtime.session import Config, Session  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "a<img src=x onerror=alert(1)>$x_2$&.py"
TRAIN = """
import torch
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(320, 8)
loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16, shuffle=True)


def model():
    kind = type("Net<script>alert(2)</script>", (torch.nn.Sequential,), {})
    return kind(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))


def sums_up():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(2):
        for a, b in loader:
            loss = torch.nn.functional.cross_entropy(net(a), b)
            loss.backward()
            optimizer.step()


def clears():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(2):
        for a, b in loader:
            loss = torch.nn.functional.cross_entropy(net(a), b)
            loss.backward()
            optimizer.step()
            for parameter in net.parameters():
                parameter.grad.detach_().zero_()


sums_up()
clears()
"""


def line_of(text: str, words: str, nth: int = 0) -> int:
    rows = text.strip("\n").splitlines() if text.startswith("\n") else text.splitlines()
    return [i for i, row in enumerate(rows, start=1) if words in row][nth]


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1",
        "TRAINLINT_CACHE_DIR": str(folder / "cache"), "XDG_CONFIG_HOME": str(folder / "config"),
    }  # fmt: skip


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainlint", "run", *words], cwd=folder, timeout=120, check=False,
        env={**environment(folder), **more}, capture_output=True, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run with a report in every form, and what it said on standard error."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / NAME).write_text(TRAIN.lstrip("\n"))
    forms = ("json", "md", "html", "sarif")
    words = [word for form in forms for word in ("--report", f"report.{form}")]
    # As many steps as are needed for a verdict, however slow the machine is.
    done = run(folder, "--budget", "100%", *words, NAME)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_one_suspicion_is_confirmed_and_the_other_disproved(reported: tuple[Path, str]) -> None:
    data = json.loads((reported[0] / "report.json").read_text())
    assert data["failures"] == []
    found = [d for d in data["diagnostics"] if d["code"] == "LOP001"]
    text = TRAIN.lstrip("\n")
    assert [d["line"] for d in found] == [line_of(text, "backward()", n) for n in (0, 1)]
    first, second = found
    assert first["evidence"]["run"]["verdict"] == "confirmed"
    assert first["evidence"]["run"]["step"] == first["evidence"]["step"] == 4
    assert first["fix"] is not None
    assert first["suppressed"] is None
    assert second["evidence"]["run"]["verdict"] == "disproved"
    assert second["suppressed"] == "run"
    assert data["summary"]["confirmed"] == data["summary"]["disproved"] == 1
    assert data["run"]["files_checked"] == 1


def test_the_terminal_is_told_shortly_and_plainly(reported: tuple[Path, str]) -> None:
    err = reported[1]
    assert "\x1b" not in err
    assert "the run confirms it" in err
    assert "disproved[LOP001]" in err
    assert "1 suspicion disproved." in err
    assert len(err.splitlines()) < 45


def test_sarif_holds_both_kinds_with_what_the_run_says(reported: tuple[Path, str]) -> None:
    (log,) = json.loads((reported[0] / "report.sarif").read_text())["runs"]
    kinds = {r["properties"]["run"]["verdict"]: r["suppressions"] for r in log["results"]}
    assert kinds["confirmed"] == []
    assert kinds["disproved"][0]["kind"] == "external"
    rule = next(rule for rule in log["tool"]["driver"]["rules"] if rule["id"] == "LOP001")
    assert "## What it does" in rule["help"]["markdown"]


def test_markdown_holds_no_markup_of_others(reported: tuple[Path, str]) -> None:
    text = (reported[0] / "report.md").read_text(encoding="utf-8")
    assert "<" not in text.replace("\\<", "")
    assert "Suspected by the linter, disproved by this run" in text


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def test_the_page_is_whole_and_runs_nothing(reported: tuple[Path, str]) -> None:
    page = parsed(reported[0] / "report.html")
    assert not {"script", "img", "iframe", "link", "object", "a"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    outside = [
        value
        for name, value in page.attributes
        if name in ("src", "href", "xlink:href") and not value.startswith("#")
    ]
    assert outside == []
    assert page.tags.count("svg") == 5  # loss, norm, rate, batches, cost
    assert len(page.ids) == len(set(page.ids))
    text = " ".join(page.text)
    for words in (
        NAME, "confirmed", "disproved", "Gradient norm", "class 1", "2.weight", "float32",
        "16 x 2", "share of the time", "Addmm",
    ):  # fmt: skip
        assert words in text, words
    names = {value for name, value in page.attributes if name == "http-equiv"}
    assert names == {"Content-Security-Policy"}


def browser() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.mark.skipif(browser() is None, reason="there is no browser here to open the page in")
def test_a_browser_shows_the_page_without_a_network(
    reported: tuple[Path, str], tmp_path: Path
) -> None:
    command = [
        browser() or "", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path}", "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=2000", "--dump-dom", (reported[0] / "report.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    page = Page()
    page.feed(done.stdout)
    assert page.tags.count("svg") == 5
    assert not {"script", "img"} & set(page.tags)
    assert "Content Security Policy" not in done.stderr
    assert NAME in " ".join(page.text)


def test_the_linter_is_not_asked_where_that_is_not_wanted(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    done = run(tmp_path, "--no-static", "--steps", "6", "--report", "report.json", "train.py")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["run"]["files_checked"] is None
    assert all(d["evidence"]["seen"] == "at run time" for d in data["diagnostics"])


def test_a_file_that_was_edited_meanwhile_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(TRAIN)
    static = suspicions([str(path)], time.time() - 3600, pedantic=False)
    assert (static.files, static.findings) == (0, [])
    assert len(static.left_out) == 1


AUTOCAST = '''
import torch
from torch import nn

# What autocast for CUDA does, on a machine without it: an error from inside of torch.
REFUSAL = """
def refuses(*args, **kwargs):
    raise RuntimeError(
        "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast."
    )
"""
names = {}
exec(compile(REFUSAL, torch.__file__, "exec"), names)
nn.functional.binary_cross_entropy = names["refuses"]
model = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())
criterion = nn.BCELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    if step < 2:
        model(torch.randn(4, 8)).sum().backward()
    else:
        with torch.autocast("cuda"):
            loss = criterion(model(torch.randn(4, 8)), torch.ones(4, 1))
        loss.backward()
    optimizer.step()
'''


def test_a_crash_under_autocast_names_the_sigmoid(tmp_path: Path) -> None:
    text = textwrap.dedent(AUTOCAST).lstrip("\n")
    (tmp_path / "train.py").write_text(text)
    done = run(tmp_path, "--report", "report.json", "train.py")
    assert done.returncode == 1
    data = json.loads((tmp_path / "report.json").read_text())
    (found,) = [d for d in data["diagnostics"] if d["code"] == "AMP001"]
    assert found["line"] == line_of(text, "criterion(model")
    assert found["evidence"]["run"]["verdict"] == "confirmed"
    sigmoid = next(r for r in found["related"] if "sigmoid" in r["message"])
    assert sigmoid["line"] == line_of(text, "nn.Sigmoid()")
    assert "AMP001 at train.py" in done.stderr
    assert data["run"]["crash_place"]["line"] == found["line"]


def test_scalars_are_there_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "train.py").write_text(TRAIN)
    done = run(tmp_path, "--no-static", "--budget", "100%", "--tensorboard", "board", "train.py")
    assert done.returncode == 0, done.stderr
    program = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]).Reload()
print(*sorted(events.Tags()["scalars"]), events.Scalars("trainlint/loss/optimizer1")[0].step)
"""
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "board")]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "trainlint/gradient_norm/optimizer2" in out
    assert out[-1] == "1"


def test_colour_comes_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    done = run(tmp_path, "--no-static", "--steps", "6", "train.py", FORCE_COLOR="1", NO_COLOR="")
    assert "\x1b[1;31merror[LOP001]" in done.stderr


# Verdicts


def diagnostic(code: str, path: Path, line: int, related: int = 0, **more: Any) -> Diagnostic:
    where = Location(str(path), None, line, 1, line, 5)
    others = [Related(Location(str(path), None, related, 1, related, 5), "here")] if related else []
    return Diagnostic(
        code, code.lower(), Severity.WARNING, Confidence.LOW, where, "it is so", "", tuple(others),
        **more,
    )  # fmt: skip


def seen(code: str, path: Path, line: int, *confirms: str) -> Diagnostic:
    evidence = {"seen": "at run time", "step": 3, "confirms": list(confirms)}
    return diagnostic(code, path, line, evidence=evidence)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text("def one():\n    a = 1\n    b = 2\n\n\ndef other():\n    c = 3\n    d = 4\n")
    return path


def test_a_finding_confirms_in_its_function_and_nowhere_else(source: Path) -> None:
    static = [diagnostic("OPT001", source, 2), diagnostic("OPT001", source, 7)]
    found = judged(static, [seen("RUN011", source, 3, "OPT001")], [])
    assert [(d.code, d.evidence.get("run", {}).get("verdict")) for d in found] == [
        ("OPT001", "confirmed"), ("RUN011", None), ("OPT001", None),
    ]  # fmt: skip
    assert found[0].confidence is Confidence.HIGH


def test_what_was_seen_right_disproves_on_its_own_line_only(source: Path) -> None:
    static = [diagnostic("LEK003", source, 2), diagnostic("LEK003", source, 7, related=8)]
    cleared = [diagnostic("LEK003", source, 8), diagnostic("LEK003", source, 3)]
    first, second = judged(static, [], cleared)
    assert first.suppressed is None
    assert second.suppressed == "run"


def test_what_one_rank_saw_wrong_no_other_disproves(source: Path) -> None:
    static = [diagnostic("LOP001", source, 2)]
    right = [diagnostic("LOP001", source, 2)]
    (found,) = judged(static, [seen("LOP001", source, 2)], right)
    assert found.suppressed is None
    assert found.evidence["run"]["verdict"] == "confirmed"


def test_a_crash_that_the_linter_did_not_foresee_is_explained_at_its_own_place(
    source: Path,
) -> None:
    crash = "RuntimeError: binary_cross_entropy and BCELoss are unsafe to autocast"
    (found,) = crashed(crash, (str(source), 3), 5, [])
    assert (found.code, found.location.line, found.evidence["step"]) == ("AMP001", 3, 5)
    assert list(crashed("ValueError: no", (str(source), 3), 5, [])) == []


@pytest.mark.parametrize("shared", [0, 1])
def test_sets_that_share_no_sample_clear_the_suspicion_that_they_do(shared: int) -> None:
    from torch.utils.data import DataLoader, Subset, TensorDataset

    x = torch.randn(60, 20, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x[:, 0] > 0).long())
    session = Session(Config(grace=60.0))
    session.start()
    try:
        loader = DataLoader(Subset(data, range(40 + shared)), batch_size=10)
        held_out = DataLoader(Subset(data, range(40, 60)), batch_size=10)
        model = torch.nn.Linear(20, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            for a, b in loader:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(a), b).backward()
                optimizer.step()
            with torch.no_grad():
                assert [len(model(a)) for a, _ in held_out] == [10, 10]
    finally:
        session.stop()
    cleared = {one.code: one for one in session.cleared}
    assert ("LEK003" in cleared, "LEK006" in cleared) == (not shared, not shared)
    if not shared:
        assert cleared["LEK003"].evidence == {"trained": 40, "evaluated": 20, "passes": 2}


# Curves and tables


def test_a_curve_stays_small_and_keeps_its_extremes() -> None:
    curve = Curve()
    for step in range(1, 10_001):
        curve.add(step, 100.0 if step == 7777 else 1.0)
    curve.add(10_001, float("nan"))
    data = curve.to_json()
    assert BUCKETS / 2 <= len(data["steps"]) <= BUCKETS
    assert max(data["greatest"]) == 100.0
    assert sum(data["mean"]) > len(data["mean"])
    assert data["not_finite"] == [10_001]


def test_a_picture_is_one_whole_element_with_its_alarms(source: Path) -> None:
    curve = {"steps": [1, 2, 3], "mean": [1e-3, 1.0, 500.0], "not_finite": [2]}
    text = figures.curves(
        [("$x_2$ <b>&", curve), ("other", curve)], "loss", [seen("RUN001", source, 2)], key="k"
    )
    tree = ElementTree.fromstring(text)
    words = "".join(tree.itertext())
    assert "$x_2$ <b>&" in words
    assert "RUN001" in words
    assert "mathdefault" not in words
    assert figures.curves([], "loss", key="k") == ""


def test_a_sparkline_follows_its_values() -> None:
    assert sparkline([3.0, 2.0, 1.0, 0.0]) == "█▆▃▁"
    assert sparkline([1.0, 1.0]) == "▁▁"


def test_shapes_and_kinds_of_numbers_come_from_the_graph_of_a_loss() -> None:
    session = Session(Config(grace=60.0, tables=True))
    session.start()
    try:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.GELU(), torch.nn.Linear(5, 2))
        model[0].requires_grad_(False)
        optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = model(torch.randn(7, 6))
            torch.nn.functional.mse_loss(out.float(), torch.zeros(7, 2)).backward()
            optimizer.step()
    finally:
        session.stop()
    assert session.troubles == []
    data = session.history.to_json()
    (graph,) = data["operations"]
    linear = next(one for one in graph["operations"] if one["parameters"])
    assert (linear["shape"], linear["dtype"]) == ([7, 2], "bfloat16")
    assert sorted(linear["parameters"]) == ["2.bias", "2.weight"]
    rows = {row["name"]: row for row in data["parameters"]}
    assert (rows["0.weight"]["trainable"], rows["0.weight"]["optimizer"]) == (False, None)
    assert (rows["2.weight"]["gradient"], rows["2.weight"]["shape"]) == (True, [2, 5])
