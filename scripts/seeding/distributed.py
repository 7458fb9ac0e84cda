"""Several processes: samplers without epochs, models past their wrapper (DDP001-003)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Change, Fault, Program, dotted, keyword


def _told(program: Program) -> Iterator[tuple[ast.Call, ast.stmt]]:
    """The calls that tell a sampler the epoch."""
    for call in program.calls("set_epoch"):
        yield call, program.statement(call)


@operator("DDP001", "epoch-not-told")
def not_told(program: Program) -> Iterator[Fault]:
    for _, statement in _told(program):
        yield Fault((program.deleted(statement),), anywhere=True)


@operator("DDP001", "told-once-before-the-epochs")
def told_once(program: Program) -> Iterator[Fault]:
    for _, statement in _told(program):
        loop = program.enclosing(statement, ast.For)
        if isinstance(loop, ast.For):
            text = program.source(statement).replace("(epoch)", "(0)")
            yield Fault((program.before(loop, text), program.deleted(statement)), anywhere=True)


@operator("DDP001", "always-the-same-epoch")
def same_epoch(program: Program) -> Iterator[Fault]:
    for call, _ in _told(program):
        yield Fault((program.replaced(call.args[0], "0"),), anywhere=True)


@operator("DDP001", "told-on-one-rank")
def told_on_one_rank(program: Program) -> Iterator[Fault]:
    for _, statement in _told(program):
        rank = next(r for r in ("self.rank", "local_rank", "rank") if program.has(r))
        yield Fault((program.wrapped([statement], f"if {rank} == 0:"),), anywhere=True)


@operator("DDP001", "not-called")
def not_called(program: Program) -> Iterator[Fault]:
    for call, _ in _told(program):
        yield Fault((program.replaced(call, dotted(call.func)),), anywhere=True)


written(
    "DDP001",
    "other-sampler-told",
    "",
    ("train_sampler.set_epoch(epoch)", "val_sampler.set_epoch(epoch)"),
)
written(
    "DDP001",
    "epoch-not-told-to-a-new-loader",
    "",
    (
        "self.loader.sampler.set_epoch(epoch)",
        "self.loader = DataLoader(self.loader.dataset, "
        "batch_size=128, sampler=self.loader.sampler)",
    ),
)


# Passes that the wrapper does not see

_PASSES = ("model(blended)", "self.model(tokens)", "ddp(inputs)")
_MODELS = {"model(blended)": "model", "self.model(tokens)": "self.model", "ddp(inputs)": "ddp"}


def _passed(program: Program) -> Iterator[tuple[str, str, str]]:
    """The pass of training: its text, its model and its input."""
    for text in _PASSES:
        if program.text.count(text) == 1:
            model = _MODELS[text]
            yield text, model, text[len(model) + 1 : -1]


@operator("DDP002", "inner-module")
def inner_module(program: Program) -> Iterator[Fault]:
    for text, model, batch in _passed(program):
        new = f"{model}.module({batch})"
        yield Fault(program.edited((text, new)), mark=new)


@operator("DDP002", "forward-of-the-inner-module")
def inner_forward(program: Program) -> Iterator[Fault]:
    for text, model, batch in _passed(program):
        new = f"{model}.module.forward({batch})"
        yield Fault(program.edited((text, new)), mark=new)


@operator("DDP002", "inner-module-under-a-name")
def inner_under_a_name(program: Program) -> Iterator[Fault]:
    for text, model, batch in _passed(program):
        at = program.text.index(text)
        call = next(c for c in program.all(ast.Call) if program.start(c) == at)
        loop = program.enclosing(call, ast.For) or program.statement(call)
        line = program.before(program.statement(loop), f"inner = {model}.module")
        yield Fault((line, program.replaced(call, f"inner({batch})")), mark=f"inner({batch})")


@operator("DDP002", "inner-module-by-getattr")
def inner_by_getattr(program: Program) -> Iterator[Fault]:
    """The wrapper is taken off where there is one."""
    for text, model, batch in _passed(program):
        new = f'getattr({model}, "module", {model})({batch})'
        yield Fault(program.edited((text, new)), mark=new)


written(
    "DDP002",
    "parts-of-the-inner-module",
    "self.model.module.out(",
    ("self.model(tokens)", "self.model.module.out(self.model.module.encode(tokens))"),
)
written(
    "DDP002",
    "parts-of-the-inner-module",
    "model.module.head(",
    ("model(blended)", "model.module.head(model.module.features(blended).mean((2, 3)))"),
)
written("DDP002", "wrapped-network", "network(inputs)", ("ddp(inputs)", "network(inputs)"))
written(
    "DDP002",
    "inner-module-given-to-the-function",
    "",
    (
        "train_epoch(model, train_loader, optimizer, scheduler, scaler, device)",
        "train_epoch(model.module, train_loader, optimizer, scheduler, scaler, device)",
    ),
)


# Loaders that every process reads whole


def _sampled(program: Program) -> Iterator[tuple[ast.Call, ast.keyword, list[Change]]]:
    """The training loaders with a sampler for each rank; what told the sampler the epoch goes."""
    for call in program.calls("DataLoader"):
        sampler = keyword(call, "sampler")
        if sampler is None or not program.has("set_epoch") or "val" in program.source(sampler):
            continue
        gone = [program.deleted(statement) for _, statement in _told(program)]
        yield call, sampler, gone


@operator("DDP003", "shuffled-for-all")
def shuffled_for_all(program: Program) -> Iterator[Fault]:
    for _, sampler, gone in _sampled(program):
        yield Fault((program.replaced(sampler, "shuffle=True"), *gone), anywhere=True)


@operator("DDP003", "no-sampler")
def no_sampler(program: Program) -> Iterator[Fault]:
    for _, sampler, gone in _sampled(program):
        start = program.text.rindex(",", 0, program.start(sampler))
        yield Fault((Change(start, program.end(sampler), ""), *gone), anywhere=True)


@operator("DDP003", "sampler-of-one-process")
def sampler_of_one_process(program: Program) -> Iterator[Fault]:
    for call, sampler, gone in _sampled(program):
        line = program.imported("from torch.utils.data import RandomSampler")
        text = f"sampler=RandomSampler({program.source(call.args[0])})"
        yield Fault((line, program.replaced(sampler, text), *gone), anywhere=True)


@operator("DDP003", "sampler-not-used")
def sampler_not_used(program: Program) -> Iterator[Fault]:
    """It is made and told the epochs, and no loader has it."""
    for _, sampler, _ in _sampled(program):
        if isinstance(sampler.value, ast.Name):
            yield Fault((program.replaced(sampler, "shuffle=True"),), anywhere=True)


@operator("DDP003", "loader-of-a-helper")
def loader_of_a_helper(program: Program) -> Iterator[Fault]:
    for call, _, gone in _sampled(program):
        name = dotted(call.func)
        if program.has("train_set") and name == "DataLoader":
            helper = program.defined(
                "def batches(rows):", "    return DataLoader(rows, 64, shuffle=True)"
            )
            text = f"batches({program.source(call.args[0])})"
            yield Fault((helper, program.replaced(call, text), *gone), anywhere=True)
