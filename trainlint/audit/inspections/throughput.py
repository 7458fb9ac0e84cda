"""What the program does to keep a GPU busy."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, tree

RULE = Rule(
    "PERF1",
    "throughput",
    Severity.INFO,
    needs=any_of("num_workers", "pin_memory", "non_blocking", "benchmark", "compile"),
)


@RULE.verify
def loaders(file: File) -> Iterator[Finding]:
    for call in file.calls_to("torch.utils.data.DataLoader"):
        number = call.arg(5, "num_workers")
        count = file.values.literal(number) if number is not None else 0
        if number is not None and count != 0:
            said = f"`{file.text(number)}` processes" if count is ... else f"{count} processes"
            yield Finding(call, f"batches are made in {said} beside the training")
        for word, told in (
            ("pin_memory", "batches are pinned, so that they can be copied while the GPU works"),
            ("persistent_workers", "the workers live on between two epochs"),
        ):
            given = call.arg(None, word)
            if given is not None and file.values.literal(given) is True:
                yield Finding(call, told)


@RULE.verify
def settings(file: File) -> Iterator[Finding]:
    for assign in file.all(tree.Assign):
        is_set = file.names.qualified(assign.targets[0]) == "torch.backends.cudnn.benchmark"
        if is_set and file.values.literal(assign.value) is True:
            yield Finding(assign, "cuDNN tries its algorithms out for the shapes that it meets")
    for call in file.calls_to("torch.compile"):
        yield Finding(call, "the model is compiled")
    for call in file.calls:
        given = call.arg(None, "non_blocking")
        if given is not None and file.values.literal(given) is True:
            yield Finding(call, "the copy to the device does not wait")
