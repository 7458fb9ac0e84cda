"""Which statements end a run that has no GPU."""

from __future__ import annotations

import pytest

from trainlint.semantics.training.refusals import refuses
from trainlint.testing import file_of

COUNT = "torch.cuda.device_count()"
HERE = "torch.cuda.is_available()"


def _refuses(statement: str) -> bool:
    file = file_of(f"import sys\nimport torch\n{statement}\n")
    return refuses(file, file.module.body[-1])


@pytest.mark.parametrize(
    "test",
    [
        HERE,
        COUNT,
        f"{COUNT} > 0",
        f"{COUNT} >= 1",
        f"{COUNT} != 0",
        f"min({COUNT}, 4) > 1",
        f"{HERE} and args.amp",
        f"not not {HERE}",
    ],
)
def test_an_assertion_that_holds_with_a_gpu_only_refuses_a_machine_without(test: str) -> None:
    assert _refuses(f"assert {test}")


@pytest.mark.parametrize(
    "test",
    [
        "args.cuda",
        "not args.cpu",
        "args.workers() > 0",
        f"{HERE} or args.cpu",
        f"not {HERE}",
        f"torch.backends.mps.{HERE.rpartition('.')[2]}",
        f"max({COUNT}, 1)",
        "min(args.gpus, 4)",
        f"{COUNT} > -1",
        f"{COUNT} >= 0",
        f"{COUNT} != 1",
        f"{COUNT} > args.gpu",
        f"{COUNT} < 9",
    ],
)
def test_an_assertion_that_may_hold_without_a_gpu_refuses_nothing(test: str) -> None:
    assert not _refuses(f"assert {test}")


@pytest.mark.parametrize(
    "test",
    [
        f"not {HERE}",
        f"not {COUNT}",
        f"{COUNT} < 1",
        f"{COUNT} <= 0",
        f"{COUNT} == 0",
        f"not {HERE} or args.amp",
    ],
)
@pytest.mark.parametrize("end", ["raise SystemExit", "sys.exit('no GPU')"])
def test_a_test_that_ends_a_run_without_a_gpu_refuses_it(test: str, end: str) -> None:
    assert _refuses(f"if {test}:\n    print('no GPU')\n    {end}")
    assert not _refuses(f"if {test}:\n    print('no GPU')")
    assert not _refuses(f"if {test}:\n    device = 'cpu'")


@pytest.mark.parametrize(
    "test",
    [
        HERE,
        "args.cpu",
        "not args.cuda",
        f"not {HERE} and args.amp",
        f"{COUNT} < 0",
        f"{COUNT} <= -1",
        f"{COUNT} == 1",
        f"{COUNT} < args.gpu",
        "args.workers() == 0",
    ],
)
def test_a_test_that_a_run_without_a_gpu_may_pass_refuses_nothing(test: str) -> None:
    assert not _refuses(f"if {test}:\n    raise SystemExit")
