"""A bare `except:` catches everything, Ctrl-C and `sys.exit()` too.

## What it does
Finds `except:` without an exception type that does not raise again. Around a forward, backward or
step whose errors it swallows, `swallowed-training-error` speaks instead.

## Why is this bad?
A bare `except:` also catches `KeyboardInterrupt`, `SystemExit` and `GeneratorExit`: the run cannot
be stopped, a scheduler's signal is lost, and a typo in the block above looks like the failure that
was expected.

## Example
```python
import json


def load_config(path):
    try:
        return json.load(open(path))
    except:
        return {}
```

## Use instead
```python
import json


def load_config(path):
    try:
        return json.load(open(path))
    except Exception:
        return {}
```

## Fix safety
The fix writes `except Exception:`. It is unsafe, since interrupts and exits are no longer caught.
There is none where the handler is there for them (it names `KeyboardInterrupt`, `SystemExit` or
`sys.exc_info`), where another handler already catches `Exception`, or where the name `Exception`
means something else here.

## Since
0.1.0

## References
- PEP 8, Programming Recommendations
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Unfixable,
    all_of,
    handlers,
    rewrite,
)

RULE = Rule("ERR001", "bare-except", Severity.WARNING, needs=all_of("except"), fix=Safety.UNSAFE)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    bare = [handler for handler in handlers.handlers(file) if handler.bare]
    if not bare:
        return
    covered = {swallowed.handler.node for swallowed in handlers.swallowed(file)}
    for handler in bare:
        if handlers.raises(handler) or handlers.leaves(file, handler) or handler.node in covered:
            continue
        fixes, why = _fix(file, handler)
        yield Finding(
            handler.node,
            "`except:` catches everything, also KeyboardInterrupt and SystemExit: Ctrl-C, a "
            f"scheduler's stop and plain typos end here unseen{why}",
            fixes=fixes,
        )


def _fix(file: File, handler: handlers.Handler) -> tuple[tuple[Fix, ...], str]:
    if handlers.means_interrupts(file, handler):
        return (), "; what it means to catch must be named by hand"
    if any(other.broad and not other.bare for other in handlers.beside(file, handler)):
        return (), "; `Exception` has a handler of its own above"
    try:
        edits = rewrite.catch(file, handler.node, "Exception")
    except Unfixable as error:
        return (), f"; {error.reason}"
    return (Fix("Catch `Exception` only", edits, Safety.UNSAFE),), ""
