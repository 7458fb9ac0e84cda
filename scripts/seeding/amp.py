"""Mixed precision: old names, missing devices, clipping and stepping past the scaler."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator
from .program import Change, Fault, Program, dotted, keyword

CUDA = ('"cuda"', "'cuda'")


def regions(program: Program) -> list[ast.Call]:
    """The autocasts that name CUDA as their device."""
    return [c for c in program.calls("autocast") if c.args and program.source(c.args[0]) in CUDA]


def scalers(program: Program) -> list[ast.Call]:
    return [c for c in program.calls("GradScaler") if c.args and program.source(c.args[0]) in CUDA]


def without_device(program: Program, call: ast.Call) -> str:
    parts = [*call.args[1:], *call.keywords]
    return ", ".join(program.source(part) for part in parts)


def _old(call: ast.Call, program: Program, callee: str, *more: Change) -> Fault:
    text = f"{callee}({without_device(program, call)})"
    return Fault((*more, program.replaced(call, text)), at=program.start(call))


@operator("AMP004", "dotted-autocast")
def dotted_autocast(program: Program) -> Iterator[Fault]:
    for call in regions(program):
        yield _old(call, program, "torch.cuda.amp.autocast")


@operator("AMP004", "dotted-scaler")
def dotted_scaler(program: Program) -> Iterator[Fault]:
    for call in scalers(program):
        yield _old(call, program, "torch.cuda.amp.GradScaler")


@operator("AMP004", "autocast-from-import")
def autocast_from_import(program: Program) -> Iterator[Fault]:
    for call in regions(program)[:1]:
        line = program.imported("from torch.cuda.amp import autocast as half_precision")
        yield _old(call, program, "half_precision", line)


@operator("AMP004", "scaler-from-submodule")
def scaler_from_submodule(program: Program) -> Iterator[Fault]:
    for call in scalers(program)[:1]:
        line = program.imported("from torch.cuda.amp.grad_scaler import GradScaler as OldScaler")
        yield _old(call, program, "OldScaler", line)


@operator("AMP004", "module-alias")
def module_alias(program: Program) -> Iterator[Fault]:
    for call in regions(program)[:1]:
        line = program.imported("from torch.cuda import amp as cuda_amp")
        yield _old(call, program, "cuda_amp.autocast", line)


@operator("AMP004", "import-in-function")
def import_in_function(program: Program) -> Iterator[Fault]:
    for call in scalers(program)[:1]:
        line = program.before(call, "from torch.cuda.amp import GradScaler as LocalScaler")
        yield _old(call, program, "LocalScaler", line)


@operator("AMP004", "decorated-forward")
def decorated_forward(program: Program) -> Iterator[Fault]:
    if not regions(program):
        return
    for owner in program.classes("Module")[:1]:
        forward = program.method(owner, "forward")
        if forward is not None:
            line = program.before(forward, "@torch.cuda.amp.autocast()")
            yield Fault((line,), mark="@torch.cuda.amp.autocast()")


@operator("AMP005", "torch-autocast")
def torch_autocast(program: Program) -> Iterator[Fault]:
    for call in regions(program):
        yield _old(call, program, "torch.autocast")


@operator("AMP005", "amp-autocast")
def amp_autocast(program: Program) -> Iterator[Fault]:
    for call in regions(program):
        yield _old(call, program, "torch.amp.autocast")


@operator("AMP005", "from-import")
def without_device_from_import(program: Program) -> Iterator[Fault]:
    for call in regions(program)[:1]:
        line = program.imported("from torch.amp import autocast as mixed")
        yield _old(call, program, "mixed", line)


@operator("AMP005", "flag-by-position")
def flag_by_position(program: Program) -> Iterator[Fault]:
    for call in regions(program)[:1]:
        enabled = keyword(call, "enabled")
        flag = program.source(enabled.value) if enabled is not None else "True"
        change = program.replaced(call, f"torch.autocast({flag})")
        if flag == "True":
            yield Fault((change,), at=program.start(call))


def unscalings(program: Program) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    """The unscaling statements, each with the clip behind it."""
    for call in program.calls("unscale_"):
        statement = program.statement(call)
        block = program.body_of(statement)
        clip = next(s for s in block if "clip_grad" in program.source(s))
        yield statement, clip


@operator("AMP006", "unscale-dropped")
def unscale_dropped(program: Program) -> Iterator[Fault]:
    for unscale, clip in unscalings(program):
        yield Fault((program.deleted(unscale),), at=program.start(clip))


@operator("AMP006", "unscale-behind-clip")
def unscale_behind_clip(program: Program) -> Iterator[Fault]:
    for unscale, clip in unscalings(program):
        moved = program.after(clip, program.source(unscale))
        yield Fault((program.deleted(unscale), moved), at=program.start(clip))


@operator("AMP006", "other-clip")
def other_clip(program: Program) -> Iterator[Fault]:
    for unscale, clip in unscalings(program):
        name = program.source(clip)
        other = (
            name.replace("clip_grad_norm_", "clip_grad_value_")
            if "norm_" in name
            else name.replace("clip_grad_value_", "clip_grad_norm_")
        )
        changes = (program.deleted(unscale), program.replaced(clip, other))
        yield Fault(changes, at=program.start(clip))


@operator("AMP006", "clip-in-a-helper")
def clip_in_a_helper(program: Program) -> Iterator[Fault]:
    for unscale, clip in unscalings(program):
        function = program.enclosing(clip, ast.FunctionDef)
        owner = program.enclosing(clip, ast.ClassDef)
        if not isinstance(function, ast.FunctionDef):
            continue
        text = program.source(clip)
        if owner is not None:
            head, call = "def limit(self):", "self.limit()"
        else:
            head, call = "def limit(model):", "limit(model)"
        helper = program.before(function, head, f"    {text}", "")
        changes = (helper, program.deleted(unscale), program.replaced(clip, call))
        yield Fault(changes, mark=text)


@operator("AMP006", "clip-added")
def clip_added(program: Program) -> Iterator[Fault]:
    for unscale, clip in unscalings(program):
        step = next(c for c in program.calls("step") if "scaler" in dotted(c.func))
        model = "self.model" if "self." in program.source(step) else "model"
        text = f"torch.nn.utils.clip_grad_norm_({model}.parameters(), 3.0)"
        changes = (program.deleted(unscale), program.deleted(clip), program.before(step, text))
        yield Fault(changes, mark=text)


def scaled_steps(program: Program) -> Iterator[tuple[ast.Call, str, ast.stmt]]:
    """The steps of scalers, the optimizer of each and the update behind it."""
    for call in program.calls("step"):
        if "scaler" in dotted(call.func) and call.args:
            block = program.body_of(call)
            update = next(s for s in block if "scaler.update()" in program.source(s))
            yield call, program.source(call.args[0]), update


@operator("AMP008", "plain-step")
def plain_step(program: Program) -> Iterator[Fault]:
    for call, optimizer, _ in scaled_steps(program):
        yield Fault((program.replaced(call, f"{optimizer}.step()"),), at=program.start(call))


@operator("AMP008", "plain-step-without-update")
def plain_step_without_update(program: Program) -> Iterator[Fault]:
    for call, optimizer, update in scaled_steps(program):
        changes = (program.replaced(call, f"{optimizer}.step()"), program.deleted(update))
        yield Fault(changes, at=program.start(call))


@operator("AMP008", "plain-step-without-clip")
def plain_step_without_clip(program: Program) -> Iterator[Fault]:
    for (unscale, clip), (call, optimizer, update) in zip(
        unscalings(program), scaled_steps(program), strict=False
    ):
        gone = tuple(program.deleted(s) for s in (unscale, clip, update))
        step = program.replaced(call, f"{optimizer}.step()")
        yield Fault((*gone, step), at=program.start(call))
