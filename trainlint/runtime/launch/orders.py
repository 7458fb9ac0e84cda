"""What the launching process tells the processes of the program, through the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

VARIABLE = "TRAINLINT_RUN"
STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")


@dataclass(frozen=True, slots=True)
class Orders:
    """How to watch, and the folder that each process leaves its report in."""

    folder: str
    budget: float = 0.01
    steps: int | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tables: bool = False
    tensorboard: str | None = None  # a folder

    def environment(self, before: Mapping[str, str]) -> dict[str, str]:
        """The environment in which every Python of the program begins with the start-up module."""
        import trainlint

        home = os.path.dirname(os.path.abspath(trainlint.__file__ or ""))
        paths = [STARTUP, *filter(None, [before.get("PYTHONPATH")])]
        orders = json.dumps({**asdict(self), "home": home})
        return {**before, VARIABLE: orders, "PYTHONPATH": os.pathsep.join(paths)}


def received() -> Orders | None:
    """The orders of this process, if it has any."""
    try:
        data = json.loads(os.environ[VARIABLE])
        data.pop("home", None)
        return Orders(**data)
    except (KeyError, ValueError, TypeError):
        return None
