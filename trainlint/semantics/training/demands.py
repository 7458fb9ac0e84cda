"""Where a file moves things to a GPU, whatever machine it runs on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.edits import Unfixable
from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import Literal
from trainlint.semantics.training import devices
from trainlint.semantics.training.devices import Device

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_CUDA = re.compile(r"cuda(:0)?$")
# What runs on a GPU alone, so that a test for one would help nobody.
_GPU_ONLY = frozenset(
    "apex deepspeed flash_attn triton bitsandbytes vllm cupy cudf cuml tensorrt torch_tensorrt "
    "unsloth numba pycuda".split()
)


@dataclass(frozen=True, slots=True)
class Demand:
    """A place that fails where there is no GPU: ``x.cuda()``, or a device that is written out."""

    call: tree.Call
    literal: tree.Constant | None


def demands(file: File) -> list[Demand]:
    """The places that need a GPU, in source order; none where anything asks whether there is one.

    A device that is a setting, one process for each device, and libraries that run on a GPU alone
    leave nothing to ask.
    """
    if devices.device(file) is not Device.GPU or not _GPU_ONLY.isdisjoint(_imported(file)):
        return []
    found = [one for call in file.calls if (one := _demand(file, call)) is not None]
    alive = [one for one in found if not is_dead(one.call)]
    settings = any(one.literal is not None and _is_setting(one.literal) for one in alive)
    if settings or any(_asks(other) for other in _others(file)):
        return []
    return alive


def _demand(file: File, call: tree.Call) -> Demand | None:
    last = tree.last_name(call.func)
    if last == "cuda":
        return Demand(call, None) if devices.demands(file, call) else None
    given = call.arg(0, "device") if last in {"to", "device"} else call.arg(None, "device")
    value = file.values.only(given) if given is not None else None
    if not isinstance(value, Literal) or not isinstance(value.node, tree.Constant):
        return None
    if not isinstance(value.value, str) or not _CUDA.match(value.value):
        return None
    return Demand(call, value.node)


def _is_setting(literal: tree.Constant) -> bool:
    """Whether a device is only a default, which callers and command lines can replace."""
    parent = literal.parent
    return isinstance(parent, tree.Param) or (
        isinstance(parent, tree.Arg) and parent.keyword == "default"
    )


def _imported(file: File) -> Iterator[str]:
    for alias in file.all(tree.Alias):
        if alias.name == "BitsAndBytesConfig":
            yield "bitsandbytes"
        statement = alias.parent
        module = statement.module if isinstance(statement, tree.ImportFrom) else alias.name
        yield module.partition(".")[0]


def _others(file: File) -> list[File]:
    return file.view.mentioning(devices.QUESTIONS, file)


def _asks(file: File) -> bool:
    return any(node.attr in devices.QUESTIONS for node in file.all(tree.Attribute))


# The one place that names the device


@dataclass(frozen=True, slots=True)
class Named:
    """The name that a file gives its device, and the literal that says which one it is."""

    name: str
    literal: tree.Constant


def named(file: File, found: list[Demand]) -> Named:
    """The device of a file, where one name says it and means the same at every demand.

    Raises:
        Unfixable: there is no such name, or it is not known at one of the places.
    """
    literals = {one.literal for one in found if one.literal is not None}
    if len(literals) != 1:
        raise Unfixable("the file has no one name for its device")
    literal = literals.pop()
    assert literal is not None
    statement = tree.statement_of(literal)
    if not isinstance(statement, tree.Assign) or len(statement.targets) != 1:
        raise Unfixable("the file has no one name for its device")
    target = statement.targets[0]
    if not isinstance(target, tree.Name):
        raise Unfixable("the file has no one name for its device")
    for one in found:
        if one.literal is None and not _means(file, target.id, statement, one.call):
            raise Unfixable(f"`{target.id}` is not known at every `cuda()`")
    return Named(target.id, literal)


def _means(file: File, name: str, statement: tree.Stmt, at: tree.Node) -> bool:
    found = file.names.find(name, at)
    if found is None or [binding.node for binding in found[1]] != [statement]:
        return False
    return tree.body_of(statement) is not tree.body_of(at) or statement.start < at.start


def knows_torch(file: File, at: tree.Node) -> bool:
    """Whether ``torch`` is the name of the library at a place."""
    found = file.names.find("torch", at)
    return found is not None and all(
        binding.kind == "import" and binding.qualified == "torch" for binding in found[1]
    )
