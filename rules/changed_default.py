"""An argument is left out whose default differs between releases of the target.

## What it does
Finds calls that leave out a parameter whose default was changed in a release that lies inside the
target range, where nearly every such call computes or does something else since: `KMeans(8)`
(`n_init`: one run in place of ten), `AdaBoostClassifier()` (`algorithm`), `TSNE()` (`init`,
`learning_rate`), `Trainer()` of Lightning (every GPU since 2.0), and `pd.get_dummies(table)` in a
project that uses torch (numbers before pandas 2.0, booleans since).

It is silent where the target lies on one side of the release (that of a library which is named
nowhere is the one release that is installed), where the argument is given, or what it decides
behind the call (`set_params`, a grid that lists it, `astype`), and where nothing is named or
installed and the release is older than two years. Changes that matter for some data or some
checkpoints only, which no code tells, are left out: `dtype` of transformers' `from_pretrained`
(5.0), `numeric_only` of `table.corr()` (pandas 2.0), `dual` of `LinearSVC` (scikit-learn 1.5).

## Why is this bad?
The same script gives other numbers on another machine, and nothing says so.

## Example
```python
from sklearn.ensemble import AdaBoostClassifier

model = AdaBoostClassifier(n_estimators=200)
```

## Use instead
```python
import sklearn
from packaging.version import Version
from sklearn.ensemble import AdaBoostClassifier

if Version(sklearn.__version__) >= Version("1.6"):
    model = AdaBoostClassifier(n_estimators=200)
else:
    model = AdaBoostClassifier(n_estimators=200, algorithm="SAMME")
```

## Fix safety
There is no fix: which of the two is meant, only the author knows.

## Since
0.1.0

## References
- `rules/migrations/by_hand.json`, with a source for each row, held against the releases by
  `scripts/check_tables.py`
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from trainlint.api import File, Finding, Rule, Severity, any_of, changed, migrations

_FOLDER = Path(__file__).with_name("migrations")
_WORDS = any_of(*json.loads((_FOLDER / "words.json").read_text(encoding="utf-8"))["defaults"])
RULE = Rule(
    "API003",
    "changed-default",
    Severity.INFO,
    needs=_WORDS,
    here=_WORDS,
    ordered=False,
)
TABLES = migrations.Tables(lambda name: (_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@RULE.check
def check(file: File) -> Iterator[Finding]:
    libraries = TABLES.among(changed.imported_packages(file))
    for use in changed.left_out(file, libraries):
        change, version = use.change, use.library.short(use.change.since or ())
        message = (
            f"`{change.parameter}` is left out: it is `{change.was}` before "
            f"{use.library.title} {version}, and `{change.now}` since"
        )
        note = f"; {change.note}" if change.note else ""
        yield Finding(use.node, message + note, target=f"{use.library.title} >= {version}")
