"""A model that cannot be had is replaced by another one, and the program goes on.

## What it does
Finds handlers of exceptions that turn to another model (or to the same one without its trained
weights) where a model cannot be made or loaded, that pass over a failed `load_state_dict`, so that
the model keeps its random weights, and branches that use another model where an import has failed.
It is silent where the handler raises or ends the program, where a setting chooses the fallback,
where the caller learns of the failure (by a result or a flag), where the same weights are asked for
in another way, and on exceptions that are expected (`FileNotFoundError` in a run that resumes).

## Why is this bad?
A typing error in a path, a release of a library that does not fit or a broken download are enough,
and the training or evaluation is one of another model than everybody believes. Its numbers look
like results; a line that was printed at the start is gone from the screen by then.

## Example
```python
import torchvision
from transformers import AutoModel

try:
    backbone = AutoModel.from_pretrained("facebook/dinov2-base")
except Exception as error:
    print("could not load DINOv2:", error)
    backbone = torchvision.models.resnet18()
```

## Use instead
```python
from transformers import AutoModel

backbone = AutoModel.from_pretrained("facebook/dinov2-base")
```

## Fix safety
There is no fix: whether the fallback is wanted is for a person to say. Let the error through, or
make the other model a setting that is written to the log and into the checkpoint.

## Since
0.1.0

## References
- Python documentation, "Errors and Exceptions", on handlers that should be specific
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    fallbacks,
)

RULE = Rule(
    "ERR004",
    "silent-model-fallback",
    Severity.WARNING,
    needs=all_of("try", "except", any_of("torch", "timm", "transformers")),
    here=all_of("try", "except"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in fallbacks.fallbacks(file):
        line = file.line(found.wanted)
        said = " but a message" if found.told else ""
        failed = Step(found.failed.node, "the failure ends here")
        span: tuple[int, int] | None = None
        if found.instead is None:
            node = found.failed.node
            message = (
                f"When the load in line {line} fails, nothing{said} tells of it, and "
                f"`{found.model}` goes on with the weights that it has: random ones, unless others "
                "were loaded before"
            )
            trail = [Step(found.wanted, "this load may fail")]
            span = (node.start, node.start + len("except"))
        else:
            name = " ".join(file.text(found.wanted.func).split())
            message = (
                f"Where `{name}` (line {line}) cannot be had, this other model takes its place, "
                f"and nothing{said} tells of it: what is trained or measured then is not what was "
                "asked for"
            )
            trail = [Step(found.wanted, "this is what was asked for"), failed]
        yield Finding(
            found.instead or found.failed.node,
            message,
            trail=tuple(trail),
            confidence=Confidence.MEDIUM if found.told else Confidence.HIGH,
            span=span,
        )
