"""What a file says of the device that its models run on."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import ends_program, guards, required
from trainlint.semantics.kinds import Display, Instance, Literal, Unknown, Value
from trainlint.semantics.training import switches
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEVICE = re.compile(r"(^|_|\b)(device|gpu|cuda)s?(_|$|\d|\b)", re.I)
_GPU = re.compile(r"^((use|with|has|is)_?)?(gpus?|cuda)(_available|_enabled)?$", re.I)
_CUDA = re.compile(r"cuda(:\d+)?$")
_PROCESSES = re.compile(r"init_process_group|DistributedDataParallel|local_rank", re.I)
_DEPTH = 4
# What raises where there is no GPU.
_OF_A_GPU = frozenset(
    f"torch.cuda.{name}"
    for name in (
        "current_device",
        "get_device_capability",
        "get_device_name",
        "get_device_properties",
        "mem_get_info",
        "set_device",
        "synchronize",
    )
)
# A project without any of these uses no GPU: words for it, and frameworks that find one themselves.
_WORDS = (
    *("cuda", "gpu", "gpus", "device", "accelerator", "Accelerator", "DataParallel", "Trainer"),
    *("accelerate", "lightning", "pytorch_lightning", "fastai", "ignite"),
)
_SPOKEN = re.compile("|".join(_WORDS), re.I)
QUESTIONS = frozenset({"is_available", "device_count", "current_accelerator"})


class Device(Enum):
    """What a file says of where its tensors are."""

    OPEN = "open"  # chosen by what there is or by a setting, or one for each process
    GPU = "gpu"  # it cannot do without a GPU
    UNSAID = "unsaid"


def device(file: File) -> Device:
    """What a file says of the device that it needs."""
    if any(_asks(file, node) for node in file.all(tree.Attribute)) or is_spread(file):
        return Device.OPEN
    found = Device.UNSAID
    for call in file.calls:
        if tree.word_of(call.func) not in {"cuda", "to", "device"}:
            continue
        match _moved_to(file, call):
            case Device.OPEN:
                return Device.OPEN
            case Device.GPU:
                found = Device.GPU
            case _:
                pass
    return found


def is_spoken_of(file: File) -> bool:
    """True where a file or another one of its project has a word for a GPU."""
    if _SPOKEN.search(file.source.text) is not None or device(file) is not Device.UNSAID:
        return True
    return any(file.view.mentions([word], file) for word in _WORDS)


def demands_gpu(file: File) -> bool:
    """True where something is moved to a GPU whatever there is: the file runs nowhere else."""
    return not is_spread(file) and any(demands(file, call) for call in file.calls)


def demands(file: File, call: tree.Call) -> bool:
    """True for a call that fails where there is no GPU, and that nothing keeps from running."""
    name = file.names.qualified(call.func)
    if name is not None and name.startswith("lightning.") and name.endswith(".Trainer"):
        return _trains_on_gpu(file, call) and not _is_guarded(file, call)
    if not isinstance(call.func, tree.Attribute):
        return False
    moves = call.func.attr == "cuda" and name is None and not call.args
    return (moves or name in _OF_A_GPU) and not _is_guarded(file, call)


def fails_without_gpu(file: File, call: tree.Call) -> bool:
    """True for what demands a GPU, and for ``x.to("cuda")``, where nothing else can be meant."""
    if demands(file, call):
        return True
    return tree.word_of(call.func) == "to" and _moved_to(file, call) is Device.GPU


def _trains_on_gpu(file: File, call: tree.Call) -> bool:
    """True for a trainer of Lightning that is given GPUs by literals, also in a dict."""
    for word in ("gpus", "accelerator"):
        given = call.arg(None, word)
        starred = [arg.value for arg in call.args if arg.star == "**"]
        found = file.values.of(given) if given is not None else []
        for expr in starred if given is None else []:
            found = [*found, *file.values.of(expr, None, (word,))]
        if found and all(_is_gpu(value) for value in found):
            return True
    return False


def _is_gpu(value: Value) -> bool:
    match value:
        case Literal(value=bool()):
            return False
        case Literal(value=int() as count):
            return count != 0
        case Literal(value=str() as kind):
            return kind in {"gpu", "cuda"}
        case Display(expr=tree.Sequence() as listed):
            return bool(listed.elts)
        case _:
            return False


def is_first_gpu(file: File, call: tree.Call) -> bool:
    """True for a call that is given the first GPU by its number, whichever process runs it."""
    given = call.arg(0, "device") if tree.word_of(call.func) == "to" else call.arg(None, "device")
    return given is not None and file.values.literal(given) == "cuda:0"


def is_only_with_gpu(node: Node) -> bool:
    """True inside ``if use_cuda: ...``, which a run without a GPU leaves out."""
    return any(
        guard.outcome and any(_says_gpu(part) for part in required(guard.test))
        for guard in guards(node)
    )


def is_only_without_gpu(node: Node) -> bool:
    """True in the ``else`` of ``if torch.cuda.is_available(): ...``, and below its ``not``."""
    return any(_denies_gpu(guard.test, guard.outcome) for guard in guards(node))


def _denies_gpu(test: Expr, outcome: bool) -> bool:
    if isinstance(test, tree.UnaryOp) and test.op == "not":
        return outcome and _says_gpu(test.operand)
    return not outcome and _says_gpu(test)


def _says_gpu(test: Expr) -> bool:
    match test:
        case tree.Call(func=func):
            return tree.word_of(func) == "is_available"
        case tree.Name() | tree.Attribute():
            return _GPU.search(tree.word_of(test)) is not None
        case _:
            return False


def needs_gpu(file: File, names: Collection[str]) -> bool:
    """True where the models of these names go to a GPU whatever there is."""
    found = {
        _moved_to(file, call)
        for call in file.calls
        if isinstance(call.func, tree.Attribute)
        and call.func.attr in {"cuda", "to"}
        and _moved(call) in names
    }
    return found == {Device.GPU} and not is_spread(file)


def is_cpu(file: File) -> bool:
    """True where something is moved in a file, and all of it to the CPU, by what is written."""
    if is_spread(file) or any(_asks(file, node) for node in file.all(tree.Attribute)):
        return False
    moves = [call for call in file.calls if tree.word_of(call.func) in {"cuda", "to"}]
    given = [call.arg(0, "device") for call in moves]
    return bool(given) and all(expr is not None and _is_on_cpu(file, expr) for expr in given)


def _is_on_cpu(file: File, expr: Expr) -> bool:
    found = file.values.of(expr)
    return bool(found) and all(
        (isinstance(value, Literal) and value.value == "cpu")
        or (
            isinstance(value, Instance)
            and value.name == "torch.device"
            and [file.values.literal(arg.value) for arg in value.call.args] == ["cpu"]
        )
        for value in found
    )


def moves_only_copies(file: File) -> bool | None:
    """True where detached copies go to a device, and no model does; None where nothing goes there.

    A module has neither ``detach`` nor ``clone``.
    """
    moves = [
        call
        for call in file.calls
        if isinstance(call.func, tree.Attribute) and call.func.attr in {"cuda", "to"}
    ]
    told = {part for call in moves for part in (call.func, *(arg.value for arg in call.args))}
    others = [
        node
        for node in (*file.all(tree.Name), *file.all(tree.Attribute))
        if _DEVICE.search(tree.word_of(node))
        and node not in told
        and not isinstance(node.parent, tree.Assign)
        and not (file.names.qualified(node) or "").startswith("torch.")
    ]
    moved = [call.func.value for call in moves if isinstance(call.func, tree.Attribute)]
    if others or not all(_is_copy(file, expr) for expr in moved):
        return False
    return True if moved else None


def _is_copy(file: File, expr: Expr, depth: int = _DEPTH) -> bool:
    match expr:
        case tree.Call(func=tree.Attribute(attr="detach" | "clone")):
            return True
        case tree.Name() if depth:
            values = [binding.value for binding in file.values.definitions(expr)[0]]
            return bool(values) and all(v and _is_copy(file, v, depth - 1) for v in values)
        case _:
            return False


def _moved(call: tree.Call) -> str:
    """The name of what a call of ``to`` moves, or of what it gives."""
    assert isinstance(call.func, tree.Attribute)
    node: Node = call
    while isinstance(node.parent, tree.Attribute | tree.Call):
        node = node.parent
    parent = node.parent
    if isinstance(parent, tree.Assign) and parent.value is node and len(parent.targets) == 1:
        return tree.word_of(parent.targets[0])
    subject = call.func.value
    return tree.word_of(subject) if isinstance(subject, tree.Name | tree.Attribute) else ""


def _moved_to(file: File, call: tree.Call) -> Device:
    if tree.word_of(call.func) == "cuda":
        return Device.OPEN if _is_guarded(file, call) else Device.GPU
    given = call.arg(0, "device")
    return _placed(file, given) if given is not None else Device.UNSAID


def _asks(file: File, node: tree.Attribute) -> bool:
    """True for ``torch.cuda.is_available`` and its kin, where a missing GPU ends nothing."""
    name = node.attr
    if name not in QUESTIONS:
        return False
    qualified = file.names.qualified(node) or ""
    if not qualified.startswith("torch."):
        return False
    for above in node.ancestors():
        match above:
            case tree.Assert():
                return False
            case tree.If() if node in above.test.walk():
                ends = ends_program(file, above.body[-1])
                return not ends and not all(_is_setting(file, s) for s in above.body)
            case _:
                pass
    return True


def _is_setting(file: File, statement: tree.Stmt) -> bool:
    """True for seeds and switches of the GPU, which say nothing of where the models go."""
    match statement:
        case tree.ExprStmt(value=tree.Call(func=func)):
            return "seed" in tree.word_of(func)
        case tree.Assign(targets=[target]):
            return (file.names.qualified(target) or "").startswith("torch.backends.")
        case _:
            return False


def is_spread(file: File) -> bool:
    """True for one process on each device: all of them would load to that of the first."""
    return any(
        _PROCESSES.search(text) is not None
        for text in (
            *(node.attr for node in file.all(tree.Attribute)),
            *(node.id for node in file.all(tree.Name)),
        )
    )


def _is_guarded(file: File, node: Node) -> bool:
    """True for ``if use_cuda: model.cuda()``, unless that switch cannot be set to anything else."""
    return any(
        tree.word_of(part) in QUESTIONS or _DEVICE.search(tree.word_of(part)) is not None
        for above in node.ancestors()
        if isinstance(above, tree.If | tree.IfExp) and switches.always(file, above.test) is None
        for part in above.test.walk()
        if isinstance(part, tree.Name | tree.Attribute)
    )


def _placed(file: File, expr: Expr, depth: int = _DEPTH) -> Device:
    """What the argument of ``to`` or ``torch.device`` says."""
    found = set()
    for value in file.values.of(expr):
        match value:
            case Literal(node=node) if switches.is_dead_branch(file, node):
                pass
            case Literal():
                text = value.value
                if isinstance(text, str) and _CUDA.match(text):
                    found.add(Device.OPEN if _is_guarded(file, value.node) else Device.GPU)
                elif isinstance(text, str):
                    found.add(Device.OPEN if text in {"cpu", "mps"} else Device.UNSAID)
            case Instance() if value.name == "torch.device" and value.call.args and depth:
                found.add(_placed(file, value.call.args[0].value, depth - 1))
            case Unknown():
                named = _DEVICE.search(tree.word_of(expr)) or _DEVICE.search(file.text(expr))
                found.add(Device.OPEN if named else Device.UNSAID)
            case _:
                found.add(Device.UNSAID)
    if Device.OPEN in found or found == {Device.GPU, Device.UNSAID}:
        return Device.OPEN
    return Device.GPU if Device.GPU in found else Device.UNSAID
