"""Devices that are chosen by what the machine has."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, tree

RULE = Rule("PORT1", "chosen-devices", Severity.INFO, needs=any_of("is_available", "accelerator"))
_ASKS = frozenset(
    f"torch.{place}.is_available"
    for place in ("cuda", "backends.mps", "mps", "xpu", "accelerator", "npu")
)


@RULE.verify
def chosen(file: File) -> Iterator[Finding]:
    for call in file.calls_to(_ASKS.__contains__):
        above = next((n for n in call.ancestors() if isinstance(n, tree.IfExp | tree.If)), None)
        if above is None or call not in above.test.walk():
            continue
        asked = file.text(call.func).removesuffix(".is_available")
        if isinstance(above, tree.IfExp):
            yield Finding(above, f"the device is chosen by whether there is `{asked}`")
        else:
            yield Finding(call, f"what needs `{asked}` runs only where it is there")
