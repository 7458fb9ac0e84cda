"""A bare `except:` catches everything, Ctrl-C and `sys.exit()` too.

## What it does
Finds `except:` without an exception type that does not raise again. Around a forward, backward or
step whose errors it swallows, `swallowed-training-error` speaks instead.

## Why is this bad?
A bare `except:` also catches `KeyboardInterrupt`, `SystemExit` and `GeneratorExit`: the run cannot
be stopped, and a typo in the block above looks like the failure that was expected. Around one act
of cleaning up whose outcome nobody needs (`os.remove`, `close`) with `pass` it is reported as info;
so it is where only imports are tried and the handler ends in an import (of something else, or after
it has installed what was missing), which fails in turn if something else was wrong. It is silent
where clauses above raise `KeyboardInterrupt` and `SystemExit` again, and the handler shows all else
with its traceback (`logger.exception`, `traceback.print_exc`).

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
        if handlers.reports_the_rest(file, handler):
            continue
        fixes, why = _fix(file, handler)
        harmless = handlers.is_best_effort(file, handler) or handlers.is_fallback_import(handler)
        yield Finding(
            handler.node,
            _message(file, handler) + why,
            fixes=fixes,
            severity=Severity.INFO if harmless else None,
        )


def _message(file: File, handler: handlers.Handler) -> str:
    before = handlers.caught_before(file, handler)
    unseen = "" if handlers.reports(handler) else " unseen"
    also = {"KeyboardInterrupt": "Ctrl-C", "SystemExit": "`sys.exit()`"}
    left = {name: what for name, what in also.items() if f"builtins.{name}" not in before}
    if not left:
        return f"`except:` catches everything: a plain typo ends here{unseen}"
    plain = "" if "builtins.Exception" in before else ", as does a plain typo"
    ends = "ends" if len(left) == 1 else "end"
    return (
        f"`except:` catches everything, also {' and '.join(left)}: {' and '.join(left.values())} "
        f"{ends} here{unseen}{plain}"
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
