"""The data types of torch by their own names, whatever a program calls them."""

from __future__ import annotations

CASTS = {
    "float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16",
    "long": "int64", "int": "int32", "short": "int16", "bool": "bool", "byte": "uint8",
}  # fmt: skip
"""What the methods of a tensor turn it into."""


def canonical(name: str) -> str:
    """``float32`` for ``torch.float`` and ``torch.float32``."""
    short = name.rpartition(".")[2]
    return CASTS.get(short, short)
