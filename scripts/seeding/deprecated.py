"""What libraries still take and call deprecated (API002)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program, dotted, keyword


def _first_module(program: Program) -> ast.FunctionDef | None:
    """The ``__init__`` of the first network, where it has a linear layer by a name."""
    for owner in program.classes("Module"):
        method = program.method(owner, "__init__")
        if method is not None:
            return method
    return None


def _register_initial(hand: int, name: str, call: str) -> None:
    @operator("API002", f"old-{name}")
    def old_initialisation(program: Program) -> Iterator[Fault]:
        method = _first_module(program)
        if method is None or not program.falls_to(hand, 2):
            return
        for assign in program.all(ast.Assign, method):
            layer = program.source(assign.targets[0])
            if dotted(getattr(assign.value, "func", assign)) == "nn.Linear":
                line = call.format(layer=layer)
                yield Fault((program.after(assign, line),), mark=line)
                return


_register_initial(0, "xavier", "nn.init.xavier_uniform({layer}.weight)")
_register_initial(1, "constant", "nn.init.constant({layer}.bias, 0.0)")


@operator("API002", "size-average")
def size_average(program: Program) -> Iterator[Fault]:
    for call in program.calls("CrossEntropyLoss", "BCEWithLogitsLoss", "SmoothL1Loss", "MSELoss"):
        if not call.args and not call.keywords:
            change = program.replaced(call, f"{dotted(call.func)}(size_average=True)")
            yield Fault((change,), at=program.start(call))


@operator("API002", "reduce-of-a-function")
def reduce_of_a_function(program: Program) -> Iterator[Fault]:
    for call in program.calls("cross_entropy", "nll_loss", "binary_cross_entropy_with_logits"):
        if len(call.args) == 2 and not call.keywords:
            text = program.source(call)[:-1] + ", reduce=True)"
            yield Fault((program.replaced(call, text),), at=program.start(call))
            return


@operator("API002", "pretrained")
def pretrained(program: Program) -> Iterator[Fault]:
    for call in program.calls("resnet18", "resnet50", "efficientnet_b0", "fasterrcnn_resnet50_fpn"):
        weights = keyword(call, "weights")
        if weights is not None:
            value = program.source(weights.value) != "None"
            change = program.replaced(weights, f"pretrained={value}")
            yield Fault((change,), at=program.start(call))


@operator("API002", "old-clipping")
def old_clipping(program: Program) -> Iterator[Fault]:
    for call in program.calls("utils.clip_grad_norm_"):
        change = program.replaced(call.func, dotted(call.func).removesuffix("_"))
        yield Fault((change,), at=program.start(call))


@operator("API002", "softmax-without-dimension")
def implicit_dimension(program: Program) -> Iterator[Fault]:
    for call in program.calls("F.softmax", "F.log_softmax", "functional.softmax"):
        dim = keyword(call, "dim")
        if dim is not None:
            change = program.replaced(call, f"{dotted(call.func)}({program.source(call.args[0])})")
            yield Fault((change,), at=program.start(call))


@operator("API002", "epoch-for-a-schedule")
def epoch_for_a_schedule(program: Program) -> Iterator[Fault]:
    for call in program.calls("scheduler.step", "schedule_g.step"):
        loop = program.enclosing(call, ast.For)
        if not call.args and isinstance(loop, ast.For) and program.source(loop.target) == "epoch":
            change = program.replaced(call, f"{dotted(call.func)}(epoch + 1)")
            yield Fault((change,), at=program.start(call))


written(
    "API002",
    "checkpoint-without-its-kind",
    "checkpoint(layer, states, mask)",
    ("checkpoint(layer, states, mask, use_reentrant=False)", "checkpoint(layer, states, mask)"),
)
written(
    "API002",
    "old-weight-norm",
    "",
    (
        "from torch.nn.utils.parametrizations import weight_norm",
        "from torch.nn.utils import weight_norm",
    ),
)
written(
    "API002",
    "upsample",
    "F.upsample(",
    (
        "return self.up(self.down(images))",
        "return F.upsample(self.up(self.down(images)), scale_factor=1)",
    ),
)
written(
    "API002",
    "old-default-type",
    "torch.set_default_tensor_type",
    (
        'def main(path="houses.csv"):\n',
        'def main(path="houses.csv"):\n    torch.set_default_tensor_type(torch.FloatTensor)\n',
    ),
)
written(
    "API002",
    "range-of-torch",
    "torch.range(",
    ("torch.arange(len(seen), device=seen.device)", "torch.range(0, len(seen) - 1).long()"),
)
