"""Losses that get what they ask for: logits where they apply the activation themselves."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, losses, settled, tensors

RULE = Rule("MATH1", "loss-inputs", Severity.INFO, needs=losses.WORDS, here=losses.WORDS)
_TAKE_LOGITS = losses.BCE_WITH_LOGITS | losses.CROSS_ENTROPY
_TAKE = {
    tensors.SIGMOID: losses.BCE,
    tensors.LOG_SOFTMAX: losses.NLL,
}


@RULE.verify
def fed_right(file: File) -> Iterator[Finding]:
    for evaluation in losses.loss_evaluations(file, _TAKE_LOGITS):
        origins = settled.logits(file, evaluation)
        if origins and settled.certain(file, evaluation, origins):
            name = evaluation.name.rpartition(".")[2]
            layer = file.text(origins[0].applied)
            yield Finding(evaluation.call, f"`{name}` gets logits, the raw output of `{layer}`")
    for kind, names in _TAKE.items():
        for evaluation in losses.loss_evaluations(file, names):
            if settled.activations(file, evaluation, {kind}):
                name = evaluation.name.rpartition(".")[2]
                yield Finding(evaluation.call, f"`{name}` gets the output of a {kind}, as it asks")
