"""Contexts: under which ``with`` blocks and decorators a place runs, its callers' included."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import contexts, tree
from trainlint.semantics.facts import File
from trainlint.semantics.kinds import Frame
from trainlint.testing import file_of

HEAD = "import torch\nfrom torch import nn\nfrom contextlib import nullcontext\n"


def probe(code: str) -> tuple[File, tree.Call]:
    file = file_of(HEAD + textwrap.dedent(code))
    return file, next(call for call in file.calls if tree.dotted(call.func) == "probe")


def autocasts(code: str) -> list[tuple[str | None, bool | None] | None]:
    """Device and switch of the region on each chain of callers, None where there is none."""
    file, call = probe(code)
    return [
        None
        if region is None
        else (contexts.autocast_device(file, region), contexts.autocast_enabled(file, region))
        for region in contexts.entered(file, call, contexts.is_autocast)
    ]


def no_grad(code: str) -> bool | None:
    return contexts.under_no_grad(*probe(code))


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('torch.autocast("cuda")', ("cuda", True)),
        ('torch.autocast(device_type="cpu")', ("cpu", True)),
        ("torch.cuda.amp.autocast()", ("cuda", True)),
        ("torch.cuda.amp.autocast(False)", ("cuda", False)),
        ("torch.cuda.amp.autocast(enabled=use)", ("cuda", None)),
        ('torch.autocast("cuda", torch.float16, False)', ("cuda", False)),
        ("torch.amp.autocast(device.type)", (None, True)),
        ('torch.autocast("cuda") if use else nullcontext()', ("cuda", None)),
        ("torch.autocast(**options)", (None, None)),
    ],
)
def test_a_region_tells_its_device_and_whether_it_is_on(
    header: str, wanted: tuple[str | None, bool | None]
) -> None:
    assert autocasts(f"with {header}:\n    probe()\n") == [wanted]


def test_a_context_kept_in_a_name_or_an_attribute_is_followed() -> None:
    assert autocasts('ctx = torch.autocast("cuda")\nwith ctx:\n    probe()\n') == [("cuda", True)]
    code = """
    class Trainer:
        def __init__(self):
            self.ctx = torch.autocast("cuda", enabled=False)
        def step(self):
            with self.ctx:
                probe()
    """
    assert autocasts(code) == [("cuda", False)]


def test_the_innermost_region_counts() -> None:
    code = """
    with torch.autocast("cuda"), torch.autocast("cuda", enabled=False):
        probe()
    """
    assert autocasts(code) == [("cuda", False)]


def test_the_header_of_a_region_and_what_follows_it_are_outside() -> None:
    assert autocasts('with torch.autocast(probe("cuda")):\n    pass\n') == [None]
    assert autocasts('with torch.autocast("cuda"):\n    pass\nprobe()\n') == [None]


def test_every_chain_of_callers_has_its_own_region() -> None:
    code = """
    def loss():
        probe()
    def train():
        with torch.autocast("cuda"):
            loss()
    def test():
        loss()
    """
    assert sorted(autocasts(code), key=str) == [("cuda", True), None]


def test_a_model_that_is_called_in_a_region_runs_its_forward_there() -> None:
    code = """
    class Net(nn.Module):
        def forward(self, x):
            return probe(x)
    net = Net()
    with torch.autocast("cuda"):
        net(x)
    """
    assert autocasts(code) == [("cuda", True)]


def test_a_function_that_is_defined_in_a_region_runs_elsewhere() -> None:
    code = """
    with torch.autocast("cuda"):
        def loss():
            probe()
    loss()
    """
    assert autocasts(code) == [None]


def test_functions_that_call_each_other_end() -> None:
    code = """
    def a(n):
        probe()
        b(n)
    def b(n):
        a(n)
    with torch.autocast("cuda"):
        a(3)
    """
    assert ("cuda", True) in autocasts(code)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("with torch.no_grad():\n    probe()\n", True),
        ("@torch.no_grad()\ndef f():\n    probe()\n", True),
        ("@torch.no_grad\ndef f():\n    probe()\n", True),
        ("@torch.inference_mode()\ndef f():\n    probe()\n", True),
        ("probe()\n", False),
        ("def f():\n    probe()\nf()\nwith torch.no_grad():\n    f()\n", None),
        ("def f():\n    probe()\nwith torch.no_grad():\n    f()\n", True),
        ("with no_grad():\n    probe()\n", False),
    ],
)
def test_gradients_are_off_where_every_caller_says_so(code: str, wanted: bool | None) -> None:
    assert no_grad(code) is wanted


def test_the_steps_name_the_calls_from_the_inside_out() -> None:
    file, call = probe(
        """
        def inner():
            probe()
        def outer():
            inner()
        with torch.autocast("cuda"):
            outer()
        """
    )
    (region,) = contexts.entered(file, call, contexts.is_autocast)
    assert region is not None
    assert [step.message for step in region.steps] == [
        "`inner` is called here",
        "`outer` is called here",
    ]


LIGHTNING = """
import lightning.pytorch as pl
class Lit(pl.LightningModule):
    def {method}(self, batch, index):
        return probe(batch)
trainer = pl.Trainer({arguments})
"""


@pytest.mark.parametrize(
    ("method", "arguments", "found"),
    [
        ("training_step", 'precision="16-mixed"', True),
        ("training_step", "precision=16", True),
        ("training_step", "precision=32", False),
        ("training_step", "precision=args.precision", False),
        ("predict_later", 'precision="16-mixed"', False),
    ],
)
def test_a_trainer_in_mixed_precision_runs_the_steps_under_autocast(
    method: str, arguments: str, found: bool
) -> None:
    file, call = probe(LIGHTNING.format(method=method, arguments=arguments))
    assert bool(contexts.framework_autocast(file, call)) is found


def test_a_trainer_of_transformers_switches_its_loss_to_half_precision() -> None:
    code = """
    import transformers
    class Mine(transformers.Trainer):
        def compute_loss(self, model, inputs):
            return probe(inputs)
    arguments = transformers.TrainingArguments("out", {})
    """
    for argument, found in (("fp16=True", 1), ("bf16=True", 1), ("fp16=False", 0)):
        file, call = probe(code.replace("{}", argument))
        assert len(contexts.framework_autocast(file, call)) == found


def test_the_region_of_an_accelerator_is_one_whose_switch_is_not_known() -> None:
    code = """
    import accelerate
    accelerator = accelerate.Accelerator()
    with accelerator.autocast():
        probe()
    """
    assert autocasts(code) == [(None, None)]


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ('with torch.autocast("cuda", dtype=torch.bfloat16):\n    probe()\n', True),
        ('with torch.autocast("cuda", dtype=torch.float16):\n    probe()\n', False),
        ('with torch.autocast("cuda"):\n    probe()\n', False),
        ("torch.set_autocast_dtype('cuda', kind)\nprobe()\n", True),
    ],
)
def test_another_dtype_than_the_default_is_seen(code: str, wanted: bool) -> None:
    file, call = probe(code)
    assert contexts.may_have_other_dtype(file, call, "torch.float16") is wanted


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("stack.enter_context(torch.no_grad())", True),
        ("stack.push(torch.no_grad())", False),
        ("show(torch.no_grad())", False),
        ("stack.enter_context(other(), torch.no_grad())", False),
    ],
)
def test_what_a_stack_enters_holds_for_the_rest_of_its_block(statement: str, wanted: bool) -> None:
    block = "from contextlib import ExitStack\nwith ExitStack() as stack:\n"
    assert no_grad(f"{block}    {statement}\n    probe()\n") is wanted
    assert no_grad(f"{block}    probe()\n    {statement}\n") is False


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("probe(torch.is_autocast_enabled())\n", True),
        ("probe(torch.is_autocast_cpu_enabled())\n", True),
        ("probe(torch.is_grad_enabled())\n", False),
        ("probe(asked)\n", False),
        ("torch.set_autocast_enabled(True)\nprobe(torch.is_autocast_enabled())\n", False),
        ("def f():\n    probe(torch.is_autocast_enabled())\n\nf()\n", True),
        (
            "def f():\n    probe(torch.is_autocast_enabled())\n\n"
            "f()\nwith torch.autocast('cuda'):\n    f()\n",
            False,
        ),
    ],
)
def test_a_test_for_autocast_is_false_where_no_way_leads_through_a_region(
    code: str, wanted: bool
) -> None:
    file, call = probe(code)
    assert contexts.is_never_autocast(file, call.args[0].value) is wanted


def test_a_call_of_its_function_tells_whether_a_region_is_on() -> None:
    file, call = probe(
        """
        def region(on):
            return torch.autocast("cuda", enabled=on)
        def run(use):
            with torch.autocast("cuda", enabled=use):
                probe()
            with region(False):
                again()
        run(True)
        run(False)
        region(True)
        """
    )
    again = next(call for call in file.calls if tree.dotted(call.func) == "again")
    run = tree.function_of(call)
    for switch in (True, False):
        made = next(c for c in file.calls if file.text(c) == f"run({switch})")
        frame = Frame(run, made, None, None, 1)
        (own,) = contexts.entered(file, call, contexts.is_autocast)
        (other,) = contexts.entered(file, again, contexts.is_autocast)
        assert contexts.autocast_enabled(file, own, frame) is switch
        assert contexts.autocast_enabled(file, other, frame) is False
