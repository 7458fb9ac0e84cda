"""What is kept of a batch, and where it is kept."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, collecting, tree

RULE = Rule("MEMORY1", "kept-of-batches", Severity.INFO, needs=any_of("cpu", "tolist", "item"))
_LEAVES = frozenset({"cpu", "tolist", "numpy"})


@RULE.verify
def off_the_device(file: File) -> Iterator[Finding]:
    for each in collecting.collected(file):
        if tree.enclosing_loop(each.node) is None or each.adds:
            continue
        calls = [node for node in each.value.walk() if isinstance(node, tree.Call)]
        left = [c for c in calls if isinstance(c.func, tree.Attribute) and c.func.attr in _LEAVES]
        if left:
            kept = file.text(each.target)
            yield Finding(each.node, f"what `{kept}` keeps of a batch has left the device")
