"""Starts of pieces of what may be too short (DAT003)."""

from __future__ import annotations

from .operators import written

_STARTS = {
    "numpy": "np.random.randint(0, len({rows}) - {length})",
    "generator": "np.random.default_rng().integers(len({rows}) - {length})",
    "python": "random.randint(0, len({rows}) - {length})",
    "python-range": "random.randrange(len({rows}) - {length})",
    "torch": "torch.randint(0, len({rows}) - {length}, (1,)).item()",
}
_WAVE = (
    "        if len(wave) < LENGTH:\n            wave = np.pad(wave, (0, LENGTH - len(wave)))\n"
    "        start = self.generator.integers(0, len(wave) - LENGTH + 1)\n"
)
_TOKENS = (
    "        if len(tokens) <= CONTEXT:\n"
    "            tokens = np.pad(tokens, (0, CONTEXT + 1 - len(tokens)))\n"
    "        begin = random.randint(0, len(tokens) - CONTEXT - 1)\n"
)
_SERIES = "        return series[:WINDOW], series[WINDOW]\n"


def _register_start(kind: str) -> None:
    draw = _STARTS[kind]
    needed = "import random\n" if "random." in draw.replace("np.random", "") else ""
    wave = draw.format(rows="wave", length="LENGTH")
    tokens = draw.format(rows="tokens", length="CONTEXT")
    series = draw.format(rows="series", length="WINDOW")
    first = "import numpy as np\nimport soundfile\n"
    written(
        "DAT003",
        f"start-by-{kind}",
        f"start = {wave}",
        (_WAVE, f"        start = {wave}\n"),
        (first, needed + first),
    )
    written(
        "DAT003", f"start-by-{kind}", f"begin = {tokens}", (_TOKENS, f"        begin = {tokens}\n")
    )
    if kind != "generator":
        head = "import copy\nfrom pathlib import Path\n"
        lines = (
            f"        at = {series}\n        return series[at : at + WINDOW], series[at + WINDOW]\n"
        )
        written(
            "DAT003", f"start-by-{kind}", f"at = {series}", (_SERIES, lines), (head, needed + head)
        )


for _kind in _STARTS:
    _register_start(_kind)

written(
    "DAT003",
    "start-of-a-shape",
    "top = self.rng.integers(0, height - SIZE)",
    (
        "        if height <= SIZE or width <= SIZE:\n"
        "            scale = (SIZE + 1) / min(height, width)\n"
        "            image = cv2.resize(image, None, fx=scale, fy=scale)\n"
        "            points = points * scale\n            height, width = image.shape\n",
        "",
    ),
    ("top = self.rng.integers(0, height - SIZE + 1)", "top = self.rng.integers(0, height - SIZE)"),
)
written(
    "DAT003",
    "start-by-a-helper",
    "return np.random.randint(0, len(rows) - length)",
    (_WAVE, "        start = piece(wave, LENGTH)\n"),
    (
        "class Speakers(Dataset):",
        "def piece(rows, length):\n    return np.random.randint(0, len(rows) - length)\n\n\n"
        "class Speakers(Dataset):",
    ),
)
