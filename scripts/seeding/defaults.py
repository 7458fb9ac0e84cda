"""What is left out of a call and means something else on another release (API003)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator
from .program import Fault, Program

_BASELINES = {
    "boosting": "from sklearn.ensemble import AdaBoostClassifier as Boosted\nbaseline = Boosted()",
    "trees": "from sklearn import ensemble\nbaseline = ensemble.AdaBoostClassifier(n_estimators=9)",
    "steps": "import sklearn.ensemble\nsteps = [('m', sklearn.ensemble.AdaBoostClassifier())]",
}


def _register(name: str, text: str) -> None:
    @operator("API003", f"baseline-{name}")
    def baseline(program: Program) -> Iterator[Fault]:
        """Behind the imports of a program that works with scikit-learn."""
        imports = [
            node
            for node in program.tree.body
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn")
        ]
        for node in imports[-1:]:
            yield Fault((program.after(node, text),), mark=text.splitlines()[-1])


for _name, _text in _BASELINES.items():
    _register(_name, _text)
