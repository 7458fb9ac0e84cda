"""When an encoder that is fitted again numbers the classes of a target as it did before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import labels
from trainlint.semantics.data.transformers import Transformer
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# They number the values which occur in sorted order.
_SORTED = frozenset(
    f"sklearn.preprocessing.{name}"
    for name in ("LabelEncoder", "LabelBinarizer", "OrdinalEncoder", "OneHotEncoder")
)
_OF_BOTH_CLASSES = "sklearn.metrics.roc_auc_score"


def are_of_classes(file: File, known: Transformer, fit: tree.Call) -> bool:
    """True for codes of a target: any two parts in which every class occurs get the same ones."""
    made = known.made
    if not isinstance(made, tree.Call) or made.has_star:
        return False
    name = file.home(made).names.qualified(made.func)
    return name in _SORTED and labels.are_called_so(file, fit.args[0].value, fit)


def must_be_both(file: File, fit: tree.Call) -> bool:
    """True where a score is measured on the codes that takes two classes, and no less or more."""
    statement = tree.statement_of(fit)
    for call in file.calls:
        if call.has_star or file.names.qualified(call.func) != _OF_BOTH_CLASSES:
            continue
        true = call.arg(0, "y_true")
        if true is None or call.arg(None, "multi_class") is not None:
            continue
        if any(inner is fit for inner in true.walk()) or _is_set_by(file, true, statement):
            return True
    return False


def _is_set_by(file: File, expr: Expr, statement: tree.Node | None) -> bool:
    if not isinstance(expr, tree.Name):
        return False
    bindings, _ = file.values.definitions(expr)
    return any(tree.statement_of(binding.node) is statement for binding in bindings)
