"""A callback for the Trainer of Hugging Face: `Trainer(callbacks=[transformers_callback()])`."""

from __future__ import annotations

import importlib
from typing import Any

from trainlint.runtime.integrations.watching import TrainerWatch


def transformers_callback(base: type[Any] | None = None, **options: Any) -> Any:
    """A callback that watches `train`, and adds to each log how often each check spoke.

    ``options`` are those of `watch`. The Trainer's own log replaces a loss that is not a number
    by a running mean; what is found here was read at `backward`.

    Raises:
        ImportError: transformers is not installed, and ``base`` gives no class.
    """
    kind: Any = (
        base if base is not None else importlib.import_module("transformers").TrainerCallback
    )

    class TrainlintCallback(kind):  # type: ignore[misc]
        """Watches a training of the Trainer."""

        def __init__(self) -> None:
            super().__init__()
            self.watching = TrainerWatch(**options)

        @property
        def findings(self) -> Any:
            """What was found so far."""
            return self.watching.findings

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            """Model and optimizer exist, no batch was drawn."""
            self.watching.begin(
                given.get("model"), given.get("optimizer"), given.get("train_dataloader")
            )

        def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            """Put the counts beside what is logged."""
            logs = given.get("logs")
            if isinstance(logs, dict):
                logs.update(self.watching.counts())

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            """It ends."""
            self.watching.end()

    return TrainlintCallback()
