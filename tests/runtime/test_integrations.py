"""The callbacks, called as the trainers call them; stand-ins take the place of the libraries."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from trainlint.runtime.integrations import (  # noqa: E402
    lightning_callback,
    transformers_callback,
    watch_accelerator,
)
from trainlint.runtime.session import Session  # noqa: E402


class Callback:
    """The base class of either library, which has every hook."""

    def on_train_start(self, *args: Any) -> None: ...


class Wrapped:
    """An optimizer as accelerate hands it out."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.param_groups = optimizer.param_groups


@pytest.fixture
def parts() -> Any:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(torch.randn(64, 4), torch.arange(64) % 2), batch_size=8)
    yield SimpleNamespace(model=model, optimizer=optimizer, loader=loader)
    assert Session.current is None


def fit(parts: Any, *, bad: bool = False) -> None:
    for x, y in parts.loader:
        loss = nn.functional.cross_entropy(parts.model(x), y)
        parts.optimizer.zero_grad()
        (loss * float("nan") if bad else loss).backward()
        parts.optimizer.step()


def codes(findings: Any) -> list[str]:
    return [one.code for one in findings]


def test_importing_the_callbacks_imports_none_of_the_libraries() -> None:
    code = (
        "import sys, trainlint.runtime.integrations as i, trainlint.runtime.integrations.watching;"
        "i.lightning_callback; i.transformers_callback; i.watch_accelerator;"
        "print({'torch', 'lightning', 'transformers', 'accelerate'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"


def test_lightning_is_watched_from_fit_to_its_end_and_its_loggers_get_counts(
    parts: Any, caplog: pytest.LogCaptureFixture
) -> None:
    logged: list[Any] = []
    logger = SimpleNamespace(log_metrics=lambda numbers, step: logged.append((numbers, step)))
    trainer = SimpleNamespace(
        optimizers=[Wrapped(parts.optimizer)], loggers=[logger], global_step=8
    )
    callback = lightning_callback(Callback, verbose=False)
    assert isinstance(callback, Callback)
    callback.on_fit_start(trainer, parts.model)
    with caplog.at_level(logging.WARNING, logger="trainlint.runtime"):
        fit(parts, bad=True)
    callback.on_train_epoch_end(trainer, parts.model)
    callback.teardown(trainer, parts.model, "fit")
    assert "RUN001" in codes(callback.findings)
    assert logged[0][0]["trainlint/RUN001"] == 1
    assert logged[0][1] == 8
    assert "RUN001 the loss is not a number" in caplog.text


def test_lightning_that_ends_in_an_error_ends_the_watch_once(parts: Any) -> None:
    callback = lightning_callback(Callback, verbose=False)
    trainer = SimpleNamespace()
    callback.on_fit_start(trainer, parts.model)
    callback.on_fit_start(trainer, parts.model)
    fit(parts)
    callback.on_exception(trainer, parts.model, RuntimeError("x"))
    callback.teardown(trainer, parts.model)
    assert "RUN001" not in codes(callback.findings)


def test_the_trainer_of_hugging_face_gets_counts_beside_its_log(parts: Any) -> None:
    callback = transformers_callback(Callback, verbose=False)
    given = {"model": parts.model, "optimizer": Wrapped(parts.optimizer),
             "train_dataloader": parts.loader}  # fmt: skip
    callback.on_train_begin(None, None, None, **given)
    fit(parts, bad=True)
    logs = {"loss": 0.7}
    callback.on_log(None, None, None, logs=logs)
    callback.on_train_end(None, None, None)
    assert logs["trainlint/RUN001"] == 1
    assert "RUN001" in codes(callback.findings)


def test_accelerate_is_watched_through_its_wrappers(parts: Any) -> None:
    accelerator = SimpleNamespace(
        is_main_process=False,
        unwrap_model=lambda model: model.module,
        _models=[SimpleNamespace(module=parts.model)],
        _optimizers=[Wrapped(Wrapped(parts.optimizer))],
        _dataloaders=[SimpleNamespace(base_dataloader=parts.loader)],
    )
    with watch_accelerator(accelerator, verbose=True) as w:
        fit(parts)
        record = Session.current.record  # type: ignore[union-attr]
        assert list(record.models()) == [parts.model]
        assert parts.model.weight in record.held
    assert "RUN001" not in codes(w.findings)


def test_a_library_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="lightning"):
        lightning_callback()
    with pytest.raises(ImportError):
        transformers_callback()
