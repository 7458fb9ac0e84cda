"""How a training tells what it does."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, all_of, any_of, tree

RULE = Rule(
    "LOG1",
    "told-by",
    Severity.INFO,
    needs=all_of(
        any_of("for", "while"),
        any_of("print", "log", "add_scalar", "tqdm", "report"),
    ),
)
_WRITES = {"add_scalar": "TensorBoard", "add_scalars": "TensorBoard", "log_metric": "MLflow"}
_MEASURES = ("loss", "acc", "score", "f1", "auc", "metric", "iou", "dice", "lr", "epoch")


@RULE.verify
def told(file: File) -> Iterator[Finding]:
    for call in file.calls:
        by = _by(file, call)
        if by is None or tree.enclosing_loop(call) is None:
            continue
        said = file.text(call).lower()
        if any(word in said for word in _MEASURES):
            yield Finding(call, f"{by} tells how the training goes")


def _by(file: File, call: tree.Call) -> str | None:
    name = file.names.qualified(call.func) or ""
    if name == "builtins.print":
        return "`print`"
    if name.startswith("wandb."):
        return "Weights & Biases" if name == "wandb.log" else None
    last = tree.word_of(call.func)
    if last in _WRITES:
        return _WRITES[last]
    if name.startswith("mlflow.log_"):
        return "MLflow"
    if last in ("info", "debug") and isinstance(call.func, tree.Attribute):
        return "a logger" if "log" in file.text(call.func.value).lower() else None
    return None
