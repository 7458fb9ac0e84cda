"""What a value that is saved is to the loader of plain weights, which refuses all but its own list.

``torch.load(weights_only=True)`` builds tensors, numbers, texts and the built-in containers, and no
object of any other class. How NumPy's and scikit-learn's functions answer was measured on their
releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.changes import taken_out
from trainlint.semantics.kinds import (
    ClassValue,
    Computed,
    Display,
    Frame,
    FunctionValue,
    Instance,
    Literal,
    Method,
    Object,
    Part,
    Value,
)
from trainlint.semantics.parameters import argument
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 5
_OPERANDS = 12

SCALAR, INTEGER, ARRAY, NAMESPACE, PATH, OTHER = (
    "float",
    "integer",
    "array",
    "namespace",
    "path",
    "other",
)

# Reductions give a scalar, or an array along an axis; of integers most give integers.
_FLOATS = frozenset(
    "mean median std var average nanmean nanmedian nanstd percentile quantile trapz trapezoid "
    "float64 float32 float16 double".split()
)
_INTEGERS = frozenset(
    "argmax argmin count_nonzero int64 int32 int16 int8 uint8 searchsorted".split()
)
_REDUCTIONS = frozenset("max min amax amin sum prod nanmax nanmin nansum ptp bool_".split())
_ARRAYS = frozenset(
    "array asarray zeros ones full empty arange linspace concatenate stack vstack hstack eye "
    "column_stack bincount histogram argsort unique cumsum corrcoef cov loadtxt genfromtxt".split()
)
# Functions of each element: of a tensor they give a tensor.
_ELEMENTWISE = frozenset(
    "sqrt exp log log10 log2 abs absolute round floor ceil square power maximum minimum".split()
)
_ARRAY_METHODS = frozenset("astype reshape copy ravel flatten transpose squeeze clip".split())
_SCALAR_METHODS = frozenset("mean std var max min sum prod argmax argmin".split())

# The first release of scikit-learn that gives Python floats.
_SCORES = {
    "f1_score": (1, 6),
    "precision_score": (1, 6),
    "recall_score": (1, 6),
    "precision_recall_fscore_support": (1, 6),
    "mean_squared_error": (1, 6),
    "root_mean_squared_error": (1, 6),
    "mean_absolute_error": (1, 6),
    "r2_score": (1, 5),
    "explained_variance_score": (1, 5),
    "balanced_accuracy_score": (1, 7),
    "cohen_kappa_score": (1, 7),
    "matthews_corrcoef": (1, 7),
    "jaccard_score": (1, 7),
    "roc_auc_score": (1, 7),
    "average_precision_score": (1, 7),
    "brier_score_loss": (1, 7),
    "median_absolute_error": (1, 7),
    "max_error": (1, 7),
    "auc": (1, 7),
}
_PARTED = "precision_recall_fscore_support"

_REFUSED = {
    "argparse.Namespace": (NAMESPACE, "an `argparse.Namespace`"),
    "types.SimpleNamespace": (OTHER, "a `SimpleNamespace`"),
    "collections.defaultdict": (OTHER, "a `defaultdict`"),
    "collections.deque": (OTHER, "a `deque`"),
    "decimal.Decimal": (OTHER, "a `Decimal`"),
    "uuid.uuid4": (OTHER, "a `UUID`"),
    "builtins.frozenset": (OTHER, "a `frozenset`"),
    "builtins.range": (OTHER, "a `range`"),
    "numpy.random.get_state": (OTHER, "the state of NumPy's generator (an array)"),
    "numpy.random.default_rng": (OTHER, "a generator of NumPy"),
    "numpy.random.RandomState": (OTHER, "a generator of NumPy"),
    "pandas.DataFrame": (OTHER, "a `DataFrame`"),
    "pandas.Series": (OTHER, "a `Series`"),
    "pandas.read_csv": (OTHER, "a `DataFrame`"),
    "omegaconf.OmegaConf.load": (OTHER, "a config of OmegaConf"),
    "omegaconf.OmegaConf.create": (OTHER, "a config of OmegaConf"),
    "omegaconf.OmegaConf.merge": (OTHER, "a config of OmegaConf"),
    "easydict.EasyDict": (OTHER, "an `EasyDict`"),
    "yacs.config.CfgNode": (OTHER, "a `CfgNode`"),
}
_PATHS = frozenset(
    f"pathlib.{name}" for name in ("Path", "PosixPath", "PurePath", "Path.cwd", "Path.home")
)
_PATH_METHODS = frozenset("resolve absolute expanduser with_suffix with_name joinpath".split())
_TIMES = re.compile(
    r"datetime\.(datetime(\.(now|utcnow|today|fromtimestamp|strptime|combine))?|date(\.today)?"
    r"|timedelta)$"
)
Answer = tuple[str, str, tuple[int, ...] | None]  # kind, words, and the release that ends it
_NUMBERS = frozenset({"builtins.float", "builtins.int", "builtins.len", "builtins.abs"})
_TENSORS = frozenset({"Parameter", "Buffer", "UninitializedParameter"})
_OWN_PICKLING = ("__reduce__", "__reduce_ex__", "__new__")


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """A value in what is saved that is not on the list.

    ``item`` is the expression that stands in the saved container (or is saved itself), ``key`` its
    key, ``value`` what makes it so; ``until`` is the release of scikit-learn that ends it.
    """

    item: Expr
    key: str | None
    value: tree.Node
    kind: str
    what: str
    until: tuple[int, ...] | None = None
    nested: bool = False  # it stands in a container that is the item


def refused(file: File, saved: Expr) -> list[Refused]:
    """What the loader refuses in a saved expression, one for each of its items."""
    gone = taken_out(saved) if isinstance(saved, tree.Name) else set()
    found: dict[Expr, Refused] = {}
    for one in _Search(file).within(saved, None, None, _DEPTH):
        if one.key not in gone:
            found.setdefault(one.item, one)
    return list(found.values())


def kinds(file: File, item: Expr) -> set[str | None]:
    """The kinds of all that an item can be: ``number`` of Python, one of ``Refused``, or None."""
    search = _Search(file)
    return {search.kind(value) for value in file.values.of(item)}


class _Search:
    def __init__(self, file: File) -> None:
        self.file = file
        self.seen: set[tuple[Expr, Frame | None]] = set()
        self.under_way: set[tuple[Expr, Frame | None]] = set()

    def within(
        self, expr: Expr, frame: Frame | None, key: str | None, depth: int, item: Expr | None = None
    ) -> Iterator[Refused]:
        """What is refused of an expression and, where it is a container, of its items.

        The items of a container inside the saved one count as that one's.
        """
        if depth < 0 or (expr, frame) in self.seen:
            return
        self.seen.add((expr, frame))
        holds = False
        for value in self.file.values.of(expr, frame):
            if isinstance(value, Display):
                holds = True
                yield from self._items(value, key, depth, item)
                continue
            found = self._of(value)
            if found is not None:
                kind, what, until = found
                nested = item is not None and item is not expr
                yield Refused(item or expr, key, value.node, kind, what, until, nested)
        for holder, at in self._holders(expr, frame) if holds else ():
            yield from self._changed(holder, at, key, depth, item)

    def _items(
        self, display: Display, key: str | None, depth: int, item: Expr | None
    ) -> Iterator[Refused]:
        expr = display.expr
        match expr:
            case tree.Dict():
                for name, value in zip(expr.keys, expr.values, strict=True):
                    known = self.file.values.literal(name, display.frame) if name else None
                    label = key or (known if isinstance(known, str) else None)
                    inner = item if item is not None else value if name is not None else None
                    yield from self.within(value, display.frame, label, depth - 1, inner)
            case tree.Sequence():
                for value in expr.elts:
                    yield from self.within(value, display.frame, key, depth - 1, item)
            case tree.Comprehension():
                yield from self.within(expr.elt, display.frame, key, depth - 1, item or expr)
            case _:
                pass

    # Containers that grow

    def _holders(
        self, expr: Expr, frame: Frame | None
    ) -> Iterator[tuple[tree.Name | tree.Attribute, Frame | None]]:
        """The names under which a container is changed: its own, and that of its callers."""
        if isinstance(expr, tree.Attribute):
            yield expr, frame
        if not isinstance(expr, tree.Name):
            return
        yield expr, frame
        for binding in self.file.values.definitions(expr)[0]:
            param = binding.node
            function = param.parent if isinstance(param, tree.Param) else None
            if not isinstance(param, tree.Param) or not isinstance(function, tree.FunctionDef):
                continue
            for call, _owner in self.file.values.graph.callers(function):
                given = argument(function, call, param)
                if isinstance(given, tree.Name) and given is not expr:
                    yield given, None

    def _changed(
        self,
        holder: tree.Name | tree.Attribute,
        frame: Frame | None,
        key: str | None,
        depth: int,
        item: Expr | None,
    ) -> Iterator[Refused]:
        changes = self.file.splits.backward.changes
        cls = tree.class_of(holder)
        if isinstance(holder, tree.Name):
            known = changes.before(holder)
        else:
            known = list(changes.of_attribute(holder.attr, cls)) if cls is not None else []
        for change in known:
            inner: Expr | None = item
            label = key
            if item is None and isinstance(change.statement, tree.Assign):
                inner = change.statement.value
            if key is None and isinstance(change.key, str):
                label = change.key
            collects = isinstance(change.statement, tree.ExprStmt)
            for value in change.values:
                at = inner or (holder if collects else value)
                if isinstance(value, tree.Dict):  # update({...})
                    at = item or value
                    shown = Display(value, frame, (), value)
                    yield from self._items(shown, key, depth, item)
                    continue
                yield from self.within(value, frame, label, depth - 1, at)

    # One value

    def kind(self, value: Value) -> str | None:
        match value:
            case Literal() if isinstance(value.value, int | float):
                return "number"
            case Instance() if value.name in _NUMBERS:
                return "number"
            case Instance() if value.name == "sklearn.metrics.accuracy_score":
                return "number"
            case _:
                found = self._of(value)
                return found[0] if found is not None else None

    def _of(self, value: Value) -> Answer | None:
        match value:
            case Instance():
                return self._made(value)
            case Part():
                return self._part(value)
            case Method():
                return self._method(value)
            case Computed():
                return self._computed(value)
            case Object():
                return self._object(value)
            case FunctionValue() if isinstance(value.function, tree.FunctionDef):
                return OTHER, f"the function `{value.function.name}`", None
            case ClassValue():
                return OTHER, f"the class `{value.cls.name}`", None
            case _:
                return None

    def _made(self, value: Instance) -> Answer | None:
        name, call = value.name, value.call
        if name in _REFUSED:
            return *_REFUSED[name], None
        if name in _PATHS:
            return PATH, "a `Path`", None
        if _TIMES.match(name):
            return OTHER, "an object of `datetime`", None
        library, _, short = name.rpartition(".")
        if library == "numpy":
            return self._numpy(short, value)
        if library == "sklearn.metrics":
            until = _SCORES.get(short)
            listed = self.file.values.literal(call.arg(None, "average"))
            if until is None or short == _PARTED or (listed is None and "average" in short):
                return None
            return None if self._is_newer(until) else (SCALAR, "a NumPy scalar", until)
        if library == "torch.nn" and short[:1].isupper() and short not in _TENSORS:
            return OTHER, f"a whole `nn.{short}`", None
        if name.startswith("torchvision.models.") and short[:1].islower() and short != "get_weight":
            return OTHER, f"the whole model of `{short}`", None
        if name.startswith("torch.optim.") and short[:1].isupper():
            return OTHER, f"the whole `{short}`", None
        if name.startswith("sklearn.") and short[:1].isupper():
            return OTHER, f"a `{short}` of scikit-learn", None
        if name.startswith("transformers.") and name.endswith(".from_pretrained"):
            return OTHER, f"a `{library.rpartition('.')[2]}` of transformers", None
        return self._builtin(value)

    def _builtin(self, value: Instance) -> Answer | None:
        call = value.call
        if value.name in {"builtins.max", "builtins.min"} and len(call.positional) > 1:
            given = call.positional
        elif value.name == "builtins.round" and len(call.args) == 2:
            given = call.positional[:1]
        elif value.name in {"builtins.list", "builtins.tuple"} and len(call.args) == 1:
            found = self._operand(call.args[0].value, value.frame)
            listed = found is not None and found[0] == ARRAY
            return (ARRAY, "a list of NumPy scalars", None) if listed else None
        else:
            return None
        for expr in given:
            found = self._operand(expr, value.frame)
            if found is not None and found[0] in {SCALAR, INTEGER}:
                return found
        return None

    def _is_newer(self, release: tuple[int, ...]) -> bool:
        return self.file.target("sklearn").wholly_from(release)

    def _numpy(self, short: str, value: Instance) -> Answer | None:
        call = value.call
        whole = call.arg(None, "axis") is None and call.arg(None, "keepdims") is None
        whole = whole and (len(call.positional) <= 1 or short in {"percentile", "quantile"})
        if short in _ARRAYS or (short in _FLOATS | _INTEGERS | _REDUCTIONS and not whole):
            return ARRAY, "a NumPy array", None
        if short in _FLOATS:
            listed = short in {"percentile", "quantile"} and not isinstance(
                self.file.values.literal(call.arg(1, "q"), value.frame), int | float
            )
            if listed:
                return ARRAY, "a NumPy array", None
            return (SCALAR if self._is_float(call) else INTEGER), "a NumPy scalar", None
        if short in _INTEGERS:
            return INTEGER, "a NumPy scalar", None
        if short in _REDUCTIONS:
            return ARRAY, "a NumPy scalar", None  # of which type, its argument says
        if short in _ELEMENTWISE and call.positional:
            found = self._operand(call.positional[0], value.frame)
            if found is not None and found[0] in {SCALAR, INTEGER, ARRAY}:
                return found
            number = self._is_number(call.positional[0], value.frame)
            return (SCALAR, "a NumPy scalar", None) if number else None
        return None

    def _is_float(self, call: tree.Call) -> bool:
        """True where no ``dtype`` asks for anything but floats."""
        asked = call.arg(None, "dtype")
        return asked is None or tree.last_name(asked).startswith("float")

    def _operand(self, expr: Expr, frame: Frame | None) -> Answer | None:
        """What an operand can be that is refused."""
        if (expr, frame) in self.under_way or len(self.under_way) > _OPERANDS:
            return None
        self.under_way.add((expr, frame))
        try:
            found = (self._of(value) for value in self.file.values.of(expr, frame))
            return next((one for one in found if one is not None), None)
        finally:
            self.under_way.discard((expr, frame))

    def _part(self, value: Part) -> Answer | None:
        whole, path = value.of, value.path
        match whole:
            case Method(name="parse_known_args") if path == (0,):
                return self._namespace(whole)
            case Instance() if whole.name == f"sklearn.metrics.{_PARTED}" and len(path) == 1:
                until = _SCORES[_PARTED]
                average = self.file.values.literal(whole.call.arg(None, "average"))
                if not isinstance(average, str) or path[0] not in (0, 1, 2):
                    return None
                return None if self._is_newer(until) else (SCALAR, "a NumPy scalar", until)
            case _ if path in ((".parent",), (".absolute",)):
                found = self._of(whole)
                return found if found is not None and found[0] == PATH else None
            case _:
                return None

    def _namespace(self, method: Method) -> Answer | None:
        made = self.file.values.of(method.receiver, method.frame)
        if any(isinstance(v, Instance) and v.name == "argparse.ArgumentParser" for v in made):
            return NAMESPACE, "an `argparse.Namespace`", None
        return None

    def _method(self, value: Method) -> Answer | None:
        name, call = value.name, value.call
        if name == "parse_args":
            return self._namespace(value)
        if name == "numpy" and len(call.args) <= 1:
            return ARRAY, "a NumPy array", None
        found = self._operand(value.receiver, value.frame)
        if found is None:
            return None
        if found[0] == PATH and name in _PATH_METHODS:
            return found
        if found[0] in {SCALAR, INTEGER, ARRAY} and "NumPy" in found[1]:
            if name in _SCALAR_METHODS and not call.args:
                floats = name in {"mean", "std", "var"}
                return (SCALAR if floats else ARRAY), "a NumPy scalar", found[2]
            if name in _ARRAY_METHODS or name in _SCALAR_METHODS:
                return ARRAY, "a NumPy array", found[2]
        if name in {"fit", "set_params"} and "scikit-learn" in found[1]:
            return found
        return None

    def _computed(self, value: Computed) -> Answer | None:
        expr, frame = value.expr, value.frame
        match expr:
            case tree.BinOp(op="/") if self._is_path(expr.left, frame):
                return PATH, "a `Path`", None
            case tree.BinOp() if expr.op in {"+", "-", "*", "/", "//", "**"}:
                sides = (expr.left, expr.right)
                found = [self._operand(side, frame) for side in sides]
                numeric = [f is not None and f[0] in {SCALAR, INTEGER, ARRAY} for f in found]
                for one, known, other in ((0, numeric[0], 1), (1, numeric[1], 0)):
                    if known and (numeric[other] or self._is_number(sides[other], frame)):
                        kind = found[one]
                        assert kind is not None
                        divided = expr.op == "/" and kind[0] == INTEGER
                        return (SCALAR, kind[1], kind[2]) if divided else kind
                return None
            case tree.UnaryOp(op="-"):
                return self._operand(expr.operand, frame)
            case tree.Subscript():
                found_ = self._operand(expr.value, frame)
                plain = found_ is not None and found_[1] == "a NumPy array"
                return (ARRAY, "a value of a NumPy array", None) if plain else None
            case _:
                return None

    def _is_path(self, expr: Expr, frame: Frame | None) -> bool:
        found = self._operand(expr, frame)
        return found is not None and found[0] == PATH

    def _is_number(self, expr: Expr, frame: Frame | None) -> bool:
        if (expr, frame) in self.under_way:
            return False
        self.under_way.add((expr, frame))
        try:
            return {self.kind(value) for value in self.file.values.of(expr, frame)} == {"number"}
        finally:
            self.under_way.discard((expr, frame))

    def _object(self, value: Object) -> Answer | None:
        graph = self.file.values.graph
        bases = graph.bases(value.cls)
        if any(base is not None and _builds_plain(base) for base in bases):
            return None
        if any(graph.method(value.cls, name) is not None for name in _OWN_PICKLING):
            return None
        name = value.cls.name
        if graph.is_module(value.cls):
            return OTHER, f"the whole model `{name}`", None
        return OTHER, f"an object of the class `{name}`", None


def _builds_plain(base: str) -> bool:
    """True for bases whose objects are no objects of the class, or have a way of their own."""
    short = base.rpartition(".")[2]
    return short in {"TypedDict", "Tensor", "Parameter", "Storage", "type"}
