"""What each inspection verifies, and the near misses of which it claims nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trainlint.registry import shipped, verifying
from trainlint.testing import check_text

INSPECTIONS = {r.code: r for r in verifying(shipped()).rules[len(shipped().rules) :]}
LOADER = "from torch.utils.data import DataLoader\nDataLoader(data, {})\n"
SPLIT = "from sklearn.model_selection import train_test_split\ntrain_test_split(x, {})\n"
PARTS = "from torch.utils.data import random_split\nrandom_split(data, {})\n"

CLAIMED = [
    ("EDGE1", "m = total / max(1, n)\n", ["`max` keeps a divisor above zero"]),
    ("EDGE1", "m = total / max(0, n)\n", []),
    ("EDGE1", "m = total / min(1, n)\n", []),
    ("EDGE1", "m = total * max(1, n)\n", []),
    ("EDGE1", "f1(y, p, zero_division=0)\n", ["`zero_division` says"]),
    ("EDGE1", "f1(y, p, average=0)  # zero_division\n", []),
    ("EDGE1", "x = []\nif not x:\n    raise ValueError\n", ["an empty `x`"]),
    ("EDGE1", "x, y = [], 0\nif not x:\n    raise ValueError\n", ["an empty `x`"]),
    ("EDGE1", "x = read()\nif not x:\n    raise ValueError\n", []),
    ("EDGE1", "x = []\nif not x:\n    print(x)\n", []),
    ("EDGE1", "if len(x) == 0:\n    raise ValueError\n", ["an empty `x`"]),
    ("EDGE1", "if len(x) < 1:\n    raise ValueError\n", ["an empty `x`"]),
    ("EDGE1", "if len(x) == 1:\n    raise ValueError\n", []),
    ("EDGE1", "if len(x) < 2:\n    raise ValueError\n", []),
    ("EDGE1", "if len() == 0:\n    raise ValueError\n", []),
    ("EDGE1", "if size(x) == 0:  # len\n    raise ValueError\n", []),
    ("MATH2", SPLIT.format("test_size=0.2"), ["into 80 % and 20 % of what it is given"]),
    ("MATH2", SPLIT.format("train_size=0.7"), ["into 70 % and 30 % of what it is given"]),
    ("MATH2", SPLIT.format("test_size=0.2, stratify=y"), ["alike in their classes"]),
    ("MATH2", SPLIT.format("test_size=0.2, stratify=None"), ["of what it is given"]),
    ("MATH2", SPLIT.format("test_size=0.2, train_size=0.5"), ["into 50 % and 20 %"]),
    ("MATH2", SPLIT.format("test_size=0.8, train_size=0.5"), []),
    ("MATH2", SPLIT.format("random_state=0"), []),
    ("MATH2", SPLIT.format("test_size=20"), []),
    ("MATH2", PARTS.format("[0.9, 0.1]"), ["into 90 %, 10 %, which is all"]),
    ("MATH2", PARTS.format("[0.9, 0.2]"), []),
    ("MATH2", PARTS.format("[0.5, n, 0.5]"), []),
    ("MATH2", PARTS.format("[900, 100]"), []),
    (
        "PORT1",
        "import torch\nd = 0 if torch.cuda.is_available() else 1\n",
        ["is chosen by"],
    ),
    ("PORT1", "import torch\nif torch.cuda.is_available():\n    go()\n", ["runs only where it is"]),
    ("PORT1", "import torch\nif loud:\n    print(torch.cuda.is_available())\n", []),
    ("PORT1", "import torch\nprint(torch.cuda.is_available())\n", []),
    ("RANDOM1", "import torch\ntorch.manual_seed(1)\n", ["torch is seeded"]),
    ("RANDOM1", "import numpy as np\nnp.random.seed(None)\n", []),
    ("RANDOM1", "import numpy as np\nnp.random.seed()\n", []),
    ("RANDOM1", "split(x, random_state=3)\n", ["the same in every run"]),
    ("RANDOM1", "split(x, random_state=None)\n", []),
    (
        "RANDOM1",
        "import torch\ntorch.backends.cudnn.deterministic = True\n",
        ["deterministic algorithms only"],
    ),
    ("RANDOM1", "import torch\ntorch.backends.cudnn.deterministic = False\n", []),
    ("RANDOM1", "import torch\ntorch.use_deterministic_algorithms(True)\n", ["torch raises"]),
    ("RANDOM1", "import torch\ntorch.use_deterministic_algorithms(False)\n", []),
    ("RANDOM1", LOADER.format("worker_init_fn=seed"), ["each worker is seeded"]),
    ("RANDOM1", LOADER.format("worker_init_fn=None)  # (seed"), []),
    ("RANDOM1", LOADER.format("generator=g)  # (seed"), ["a generator of its own"]),
    ("RANDOM1", LOADER.format("generator=None)  # (seed"), []),
    ("PERF1", LOADER.format("num_workers=4"), ["made in 4 processes"]),
    ("PERF1", LOADER.format("num_workers=n"), ["made in `n` processes"]),
    ("PERF1", LOADER.format("num_workers=0"), []),
    ("PERF1", LOADER.format("num_workers=0, pin_memory=True"), ["batches are pinned"]),
    ("PERF1", LOADER.format("num_workers=0, pin_memory=False"), []),
    ("PERF1", "x = x.to(device, non_blocking=True)\n", ["does not wait"]),
    ("PERF1", "x = x.to(device, non_blocking=False)\n", []),
    ("PERF1", "import torch\ntorch.backends.cudnn.benchmark = True\n", ["tries its algorithms"]),
    ("PERF1", "import torch\ntorch.backends.cudnn.benchmark = False\n", []),
    ("ERR1", "try:\n    f()\nexcept OSError:\n    x = 0\n", ["catches `OSError` only"]),
    ("ERR1", "try:\n    f()\nexcept Exception:\n    pass\n", []),
    ("ERR1", "try:\n    f()\nexcept (OSError, Exception):\n    pass\n", []),
    ("ERR1", "try:\n    f()\nexcept:\n    raise\n", ["raises again"]),
    ("LOG1", "for x in y:\n    print(loss)\n", ["`print` tells"]),
    ("LOG1", "print(loss)\nfor x in y:\n    pass\n", []),
    ("LOG1", "for x in y:\n    print('hello')\n", []),
    ("LOG1", "for x in y:\n    logger.info(loss)\n", ["a logger tells"]),
    ("LOG1", "for x in y:\n    table.info(loss)  # log\n", []),
    ("LOG1", "import wandb\nfor x in y:\n    wandb.log(loss)\n", ["Weights & Biases tells"]),
    ("LOG1", "import wandb\nfor x in y:\n    wandb.watch(loss)  # log\n", []),
    ("DOC1", '"""A file."""\n\ndef f(x: int):\n    "It does."\n', ["the file", "1 of 1", "types"]),
    ("DOC1", "def f(x):\n    1\n\ndef _g(x: int):\n    'Hidden.'\n", []),
    ("DOC1", "class A:\n    'It is.'\n    def f(self):\n        pass\n", ["1 of 2"]),
]


@pytest.mark.parametrize(("code", "text", "said"), CLAIMED)
def test_an_inspection_claims_what_holds_and_nothing_of_a_near_miss(
    code: str, text: str, said: list[str]
) -> None:
    inspection = INSPECTIONS[code]
    claims = check_text(replace(inspection, checks=inspection.verifies), text)
    assert len(claims) == len(said), [claim.message for claim in claims]
    for claim, words in zip(sorted(claims, key=lambda c: c.location.line), said, strict=True):
        assert words in claim.message
