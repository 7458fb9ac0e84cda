"""Features of any length go into a contrastive loss that compares them by their products.

## What it does
Finds features that come from a linear or convolutional layer, a batch norm or an activation and go
into a contrastive loss with no L2 normalisation on the way or in the loss. A contrastive loss is
known by what it computes (products of features with each other over a temperature, and then an
exponential, a log-softmax or a cross entropy), in whatever class or function; libraries whose
losses normalise by themselves are left alone.

## Why is this bad?
SupCon, NT-Xent and InfoNCE are defined on the unit sphere: the temperature sets the scale of cosine
similarities. Products of raw features grow with their lengths, by hundreds over a temperature of
0.07, where the softmax is one-hot and `exp` overflows; and the loss can fall by longer features
instead of better ones.

## Example
```python
import torch
from torch import nn

head = nn.Linear(128, 64)


def info_nce(queries, keys, temperature=0.07):
    logits = queries @ keys.T / temperature
    return nn.functional.cross_entropy(logits, torch.arange(len(logits)))


def loss(first, second):
    return info_nce(head(first), head(second))
```

## Use instead
```python
import torch
from torch import nn

head = nn.Linear(128, 64)


def info_nce(queries, keys, temperature=0.07):
    logits = queries @ keys.T / temperature
    return nn.functional.cross_entropy(logits, torch.arange(len(logits)))


def loss(first, second):
    first, second = head(first), head(second)
    return info_nce(nn.functional.normalize(first, dim=-1), nn.functional.normalize(second, dim=-1))
```

## Fix safety
Unsafe: the loss changes, which is the point, and a temperature that was found for raw features may
be too low or too high for cosines. `F.normalize(..., dim=-1)` is put around each argument. Every
value of the argument must be known, the loss must be able to be nothing else, and it must take the
features along the last dimension (no transposing or reshaping inside); otherwise the fix is only
shown, or there is none.

## Since
0.1.0

## References
- Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", section 2.1
- Khosla et al., "Supervised Contrastive Learning", section 3.1
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    all_of,
    any_of,
    contrastive,
    rewrite,
    similarities,
    tree,
)

_NAMES = "InfoNCE info_nce infonce NCELoss nce_loss NTXent NT_Xent nt_xent ntxent".split()
_TEMPERED = "temperature tau .temp _temp scale ontrast ONTRAST SupCon supcon".split()
# Names under which a loss may be imported.
_IMPORTED = (
    "SUPCON Supcon nce_ _nce nceloss nceLoss NCE Nce xent Xent XENT imclr imCLR IMCLR".split()
)
_CLIP = "clip_loss cliploss ClipLoss CLIP".split()
RULE = Rule(
    "LOS004",
    "unnormalized-contrastive-features",
    Severity.WARNING,
    needs=all_of(any_of("torch", "pl_bolts"), any_of(*_TEMPERED, *_NAMES)),
    here=all_of(any_of("torch", "pl_bolts"), any_of(*_TEMPERED, *_NAMES, *_IMPORTED, *_CLIP)),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for evaluation in contrastive.evaluations(file):
        features = " and ".join(f"`{_text(file, arg)}`" for arg in evaluation.features)
        many = len(evaluation.features) > 1
        layer = _layer(file, evaluation)
        loss = _text(file, evaluation.call.func)
        yield Finding(
            evaluation.call,
            f"{features} {'come' if many else 'comes'} from `{layer}` and "
            f"{'go' if many else 'goes'} into the contrastive loss `{loss}` "
            "without L2 normalisation: its products over the temperature grow with the length of "
            "the features, so that the softmax is one-hot or `exp` overflows",
            trail=_trail(evaluation),
            confidence=Confidence.HIGH if evaluation.certain else Confidence.MEDIUM,
            fixes=tuple(_fixes(file, evaluation)),
        )


def _text(file: File, node: tree.Node) -> str:
    return " ".join(file.text(node).split())


def _layer(file: File, evaluation: contrastive.Evaluation) -> str:
    made = evaluation.raw[0].node
    return _text(file, made.func if isinstance(made, tree.Call) else made)


def _trail(evaluation: contrastive.Evaluation) -> tuple[Step, ...]:
    steps = [Step(evaluation.raw[0].node, "the features are made here")]
    if evaluation.contrast is not None:
        similarity = evaluation.contrast.similarity
        steps.append(Step(similarity, "the loss takes their products here"))
    return tuple(steps)


def _fixes(file: File, evaluation: contrastive.Evaluation) -> Iterator[Fix]:
    if not evaluation.certain:
        return
    doubts = ""
    if evaluation.contrast is not None:
        moved = similarities.moves_features(file, evaluation.contrast)
        if moved is not None:
            doubts = f"`{_text(file, moved)}` may give the features another last dimension"
    try:
        edits = rewrite.together(
            *(rewrite.normalize_around(file, arg) for arg in evaluation.features)
        )
    except Unfixable:
        return
    yield Fix(
        "Normalise the features to length 1 before they are compared",
        edits,
        Safety.SHOWN if doubts else Safety.UNSAFE,
        doubts,
    )
