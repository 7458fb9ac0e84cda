"""A path that only one machine has is written into the code.

## What it does
Finds absolute paths in somebody's home directory (`/home/anna/...`, `/Users/anna/...`,
`C:\\Users\\anna\\...`), on a drive (`D:/data`) or on a mounted disk (`/mnt/disk1/...`,
`/media/...`, `/Volumes/...`) that stand in code as literals or as defaults. Paths that containers
and hosted notebooks agree on (`/workspace`, `/kaggle/input`, `/home/jovyan`), examples in messages
and help texts, addresses of a web application, and choices by what is there or by the machine (`if
os.path.exists(...)`, `ROOTS[socket.gethostname()]`, a list of which a function returns the first
path that is there) are left out, and so are tests and settings that are only printed. All paths of
one directory are one finding.

## Why is this bad?
On every other machine the script ends with `FileNotFoundError`, or writes where nobody looks. It
cannot be run by others, in a container, or on the next machine of the same person.

## Example
```python
import pandas as pd

train = pd.read_csv("/home/anna/kaggle/train.csv")
```

## Use instead
```python
import argparse

import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
args = parser.parse_args()
train = pd.read_csv(f"{args.data}/train.csv")
```

## Fix safety
There is no fix: where the data is on another machine is for a person to say.

## Since
0.1.0

## References
- The Twelve-Factor App, "Config"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, Step, any_of, machine, tree

_DRIVES = [f"{letter}:{slash}" for letter in "CDEFGHXYZcdefg" for slash in "/\\"]

RULE = Rule(
    "DEV002",
    "machine-specific-path",
    Severity.INFO,
    needs=any_of("/home/", "/Users/", "/mnt/", "/media/", "/Volumes/", *_DRIVES),
    ordered=False,
)
_SHOWN = 4


@RULE.check
def check(file: File) -> Iterator[Finding]:
    name = file.path.replace("\\", "/").rpartition("/")[2]
    if name.startswith(("test_", "conftest")):
        return
    roots: dict[str, list[tree.Expr]] = {}
    for node in machine.own_paths(file):
        roots.setdefault(machine.root(machine.text(file, node) or ""), []).append(node)
    for first, *others in roots.values():
        path = f"`{machine.text(file, first)}` is there on one machine only"
        if machine.is_default(first):
            text = f"{path}, and is the default: everybody else has to know that and give another"
        else:
            text = (
                f"{path}: everywhere else this code does not find it, and an argument or a setting "
                "could say where it is"
            )
        yield Finding(
            first,
            text,
            trail=tuple(Step(node, "and this is of the same place") for node in others[:_SHOWN]),
        )
