"""What the shim needs of torch is asked for first; what is not there is said, and left alone."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trainlint.runtime import hooks, watch  # noqa: E402
from trainlint.runtime.interfaces import COMMON, INSTRUMENTS, lacking  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
HOOKS = Path(hooks.__file__).parent


def trained(watched: bool = False) -> tuple[list[Any], list[str], list[str]]:
    """The weights after some steps without `zero_grad`; what was found, and what was said."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    w = watch(model, optimizer, budget=1.0)
    if watched:
        w.__enter__()
    try:
        for _ in range(8):
            x, y = torch.randn(6, 4), torch.arange(6) % 3
            torch.nn.functional.cross_entropy(model.train()(x), y).backward()
            optimizer.step()
    finally:
        if watched:
            w.__exit__(None, None, None)
    report = w.report()
    return (
        [p.detach().clone() for p in model.parameters()],
        [d.code for d in report.diagnostics],
        [failure.message for failure in report.failures],
    )


def test_the_installed_torch_has_all_that_is_needed() -> None:
    assert list(lacking(COMMON)) == []
    assert [one for some in INSTRUMENTS.values() for one in lacking(some.needs)] == []


def test_each_instrument_asks_for_what_it_replaces() -> None:
    stems = {path.stem for path in HOOKS.glob("*.py")} - {"__init__", "patching"}
    assert stems == INSTRUMENTS.keys()
    for stem in stems:
        asked = {need.name.rpartition(".")[2] for need in INSTRUMENTS[stem].needs}
        tree = ast.parse((HOOKS / f"{stem}.py").read_text(encoding="utf-8"))
        replaced = {
            node.args[1].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "patch"
            and isinstance(node.args[1], ast.Constant)
        }
        assert replaced <= asked, stem


def without_a_hook(patch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("torch.optim.optimizer")
    patch.delattr(module, "register_optimizer_step_pre_hook")


def with_another_signature(patch: pytest.MonkeyPatch) -> None:
    original = torch.nn.Module.train
    patch.setattr(torch.nn.Module, "train", lambda self, on=True: original(self, on))


def with_another_field(patch: pytest.MonkeyPatch) -> None:
    class Iterator:
        def __init__(self, loader: Any) -> None:
            self.count = 0

    kind = torch.utils.data.dataloader._BaseDataLoaderIter
    patch.setattr(kind, "__init__", Iterator.__init__)


def without_the_common(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(torch, "_foreach_norm")


@pytest.mark.parametrize(
    ("change", "found", "said"),
    [
        (
            without_a_hook,
            [],
            "no `torch.optim.optimizer.register_optimizer_step_pre_hook(hook)`; not watched: "
            "steps of optimizers",
        ),
        (
            with_another_signature,
            ["LOP001"],
            "no `torch.nn.Module.train(self, mode)`; not watched: training and evaluation mode",
        ),
        (
            with_another_field,
            ["LOP001"],
            "no `torch.utils.data.dataloader._BaseDataLoaderIter.__init__(self, loader)`; "
            "not watched: batches of data loaders",
        ),
        (
            without_the_common,
            [],
            "no `torch._foreach_norm`; not watched: anything",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line_and_the_run_is_what_it_would_be(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    found: list[str],
    said: str,
) -> None:
    change(monkeypatch)
    alone, _, _ = trained()
    weights, codes, messages = trained(watched=True)
    assert all(map(torch.equal, weights, alone))
    assert codes == found
    assert messages == [f"torch {torch.__version__} has {said}"]


def test_without_torch_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from trainlint.runtime import watch\n"
        "with watch() as w: pass\n"
        "print([failure.message for failure in w.report().failures])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = "torch cannot be imported: pip install 'trainlint[runtime]'; not watched: anything"
    assert done.stdout == f"{[said]}\n"


def test_where_a_saved_tensor_does_not_say_whether_it_is_packed_the_first_hook_ends_the_guess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainlint.runtime.contrast import Contrast
    from trainlint.runtime.hooks import saved_tensors

    monkeypatch.setattr(saved_tensors, "tells", lambda: False)
    seen: list[int] = []
    monkeypatch.setattr("trainlint.runtime.contrast._search", lambda node: seen.append(1))
    with watch(budget=1.0) as w:
        contrast: Contrast = w._session.contrast
        weight = torch.nn.Parameter(torch.ones(2))
        (weight * 2).sum().backward()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            loss = (weight * 2).sum()
        loss.backward()
    assert (contrast.has_to_guess, contrast.packs, len(seen)) == (True, True, 1)
    assert w.report().failures == []


def test_the_texts_of_a_release_are_read_against_the_same_table(tmp_path: Path) -> None:
    wheel = tmp_path / "torch-0.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "torch/__init__.py", "from torch.serialization import save\nfrom torch import nn\n"
        )
        archive.writestr("torch/serialization.py", "def save(obj, f, protocol=2): ...\n")
        archive.writestr("torch/nn/__init__.py", "from torch.nn.modules import *\n")
        archive.writestr(
            "torch/nn/modules/__init__.py",
            "class Module:\n    def load_state_dict(self, other): ...\n",
        )
    command = [sys.executable, str(ROOT / "scripts/torch_interfaces.py"), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert "torch.save(obj, f): there" in lines
    assert "torch.nn.Module.load_state_dict(self, state_dict): in another form" in lines
    assert "torch.autograd.backward(tensors): missing" in lines
