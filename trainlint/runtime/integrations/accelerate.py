"""For accelerate: `with watch_accelerator(accelerator) as w:` around the training loop."""

from __future__ import annotations

from typing import Any

from trainlint.runtime.integrations.watching import inner
from trainlint.runtime.watching import Watch, watch


def watch_accelerator(accelerator: Any, **options: Any) -> Watch:
    """A watch that knows what the accelerator has prepared, without its wrappers.

    ``options`` are those of `watch`. Each process watches itself; only the first one prints its
    report if ``verbose`` is asked for.
    """
    if not getattr(accelerator, "is_main_process", True):
        options["verbose"] = False
    unwrap = getattr(accelerator, "unwrap_model", lambda model: model)
    models = [unwrap(model) for model in getattr(accelerator, "_models", ())]
    optimizers = [inner(one) for one in getattr(accelerator, "_optimizers", ())]
    prepared = getattr(accelerator, "_dataloaders", ())
    loaders = [getattr(one, "base_dataloader", one) for one in prepared]
    return watch(models, optimizers, loader=loaders, **options)
