"""TOML text as plain data, with the parser that this Python has."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def load_toml(text: str) -> dict[str, Any]:
    """The data of a TOML document.

    Raises:
        ValueError: the text is not TOML; the message is one line and names the place.
    """
    module = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        data: dict[str, Any] = module.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return data
