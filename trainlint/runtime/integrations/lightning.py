"""A callback for Lightning: `Trainer(callbacks=[lightning_callback()])`."""

from __future__ import annotations

import importlib
from typing import Any

from trainlint.runtime.integrations.watching import TrainerWatch


def lightning_callback(base: type[Any] | None = None, **options: Any) -> Any:
    """A callback that watches `fit`, and logs how often each check spoke at the end of an epoch.

    ``options`` are those of `watch`. The class of Lightning is looked for in `lightning` and
    `pytorch_lightning`, unless ``base`` gives it.

    Raises:
        ImportError: neither is installed.
    """
    kind: Any = base if base is not None else _base()

    class TrainlintCallback(kind):  # type: ignore[misc]
        """Watches a fit of Lightning."""

        def __init__(self) -> None:
            super().__init__()
            self.watching = TrainerWatch(**options)

        @property
        def findings(self) -> Any:
            """What was found so far."""
            return self.watching.findings

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            """Optimizers exist, no batch was drawn."""
            self.watching.begin(pl_module, getattr(trainer, "optimizers", None))

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Hand the counts to the trainer's own loggers."""
            for log in getattr(trainer, "loggers", None) or ():
                counts = self.watching.counts()
                if counts:
                    log.log_metrics(counts, step=getattr(trainer, "global_step", None))

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            """It ends in an error."""
            self.watching.end(exception)

        def teardown(self, trainer: Any, pl_module: Any, stage: str | None = None) -> None:
            """It ends."""
            self.watching.end()

    return TrainlintCallback()


def _base() -> type[Any]:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        try:
            found: type[Any] = importlib.import_module(name).Callback
        except ImportError:
            continue
        return found
    raise ImportError("neither lightning nor pytorch_lightning is installed")
