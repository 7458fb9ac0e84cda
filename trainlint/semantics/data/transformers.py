"""What learns from the data that it is fitted on: scalers, imputers, selectors, samplers, models.

A transformer is known by the call that makes it, so that the places that fit it and those that
apply it can be brought together. Encoders that only number the values that occur (labels, ordinals,
one-hot) are told apart: they learn nothing that a test part could give away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.kinds import Frame, Instance, Method, Object, Value
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

LIBRARIES = frozenset(
    "sklearn cuml category_encoders umap openTSNE imblearn sklearnex dask_ml boruta".split()
)
SCALER, IMPUTER, PROJECTION, SELECTOR, VECTORIZER, ENCODER, EMBEDDING, OWN, COMPOSED = (
    "scaler",
    "imputer",
    "projection",
    "selector",
    "vectorizer",
    "encoder",
    "embedding",  # has no `transform`
    "own",
    "composed",
)
CODES = "codes"  # numbers the values that occur
_KINDS: dict[str, tuple[str, str]] = {
    "StandardScaler": (SCALER, "mean and standard deviation"),
    "MinMaxScaler": (SCALER, "minimum and maximum"),
    "MaxAbsScaler": (SCALER, "largest absolute value"),
    "RobustScaler": (SCALER, "median and quartiles"),
    "QuantileTransformer": (SCALER, "quantiles"),
    "PowerTransformer": (SCALER, "power parameters"),
    "KBinsDiscretizer": (SCALER, "bin edges"),
    "SplineTransformer": (SCALER, "knots"),
    "SimpleImputer": (IMPUTER, "fill values"),
    "Imputer": (IMPUTER, "fill values"),
    "KNNImputer": (IMPUTER, "neighbours"),
    "IterativeImputer": (IMPUTER, "regressions"),
    "PCA": (PROJECTION, "components"),
    "IncrementalPCA": (PROJECTION, "components"),
    "KernelPCA": (PROJECTION, "components"),
    "SparsePCA": (PROJECTION, "components"),
    "MiniBatchSparsePCA": (PROJECTION, "components"),
    "TruncatedSVD": (PROJECTION, "components"),
    "FastICA": (PROJECTION, "components"),
    "NMF": (PROJECTION, "components"),
    "FactorAnalysis": (PROJECTION, "factors"),
    "DictionaryLearning": (PROJECTION, "dictionary"),
    "LatentDirichletAllocation": (PROJECTION, "topics"),
    "LinearDiscriminantAnalysis": (PROJECTION, "class means (taken from the labels, too)"),
    "UMAP": (PROJECTION, "embedding"),
    "Isomap": (PROJECTION, "embedding"),
    "LocallyLinearEmbedding": (PROJECTION, "embedding"),
    "TSNE": (EMBEDDING, "embedding"),
    "MDS": (EMBEDDING, "embedding"),
    "SpectralEmbedding": (EMBEDDING, "embedding"),
    "SelectKBest": (SELECTOR, "scores of the features (taken from the labels, too)"),
    "SelectPercentile": (SELECTOR, "scores of the features (taken from the labels, too)"),
    "SelectFpr": (SELECTOR, "scores of the features (taken from the labels, too)"),
    "SelectFdr": (SELECTOR, "scores of the features (taken from the labels, too)"),
    "SelectFwe": (SELECTOR, "scores of the features (taken from the labels, too)"),
    "GenericUnivariateSelect": (SELECTOR, "scores of the features (taken from the labels, too)"),
    "SelectFromModel": (SELECTOR, "importances of the features (taken from the labels, too)"),
    "RFE": (SELECTOR, "ranking of the features (taken from the labels, too)"),
    "RFECV": (SELECTOR, "ranking of the features (taken from the labels, too)"),
    "SequentialFeatureSelector": (SELECTOR, "choice of the features (taken from the labels, too)"),
    "BorutaPy": (SELECTOR, "choice of the features (taken from the labels, too)"),
    "VarianceThreshold": (SELECTOR, "variances"),
    "CountVectorizer": (VECTORIZER, "vocabulary"),
    "TfidfVectorizer": (VECTORIZER, "vocabulary and document frequencies"),
    "TfidfTransformer": (VECTORIZER, "document frequencies"),
    "TargetEncoder": (ENCODER, "means of the target"),
    "LeaveOneOutEncoder": (ENCODER, "means of the target"),
    "CatBoostEncoder": (ENCODER, "means of the target"),
    "JamesSteinEncoder": (ENCODER, "means of the target"),
    "MEstimateEncoder": (ENCODER, "means of the target"),
    "WOEEncoder": (ENCODER, "weights of evidence of the target"),
    "GLMMEncoder": (ENCODER, "means of the target"),
    "LabelEncoder": (CODES, "codes"),
    "OrdinalEncoder": (CODES, "codes"),
    "OneHotEncoder": (CODES, "columns"),
    "LabelBinarizer": (CODES, "columns"),
    "MultiLabelBinarizer": (CODES, "columns"),
}
# What leaves the rows of each column in their order.
_ORDERED = frozenset(
    "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler QuantileTransformer PowerTransformer "
    "scale minmax_scale maxabs_scale robust_scale quantile_transform power_transform zscore".split()
)
_COMPOSING = frozenset(
    {
        "sklearn.pipeline.Pipeline",
        "sklearn.pipeline.make_pipeline",
        "sklearn.pipeline.FeatureUnion",
        "sklearn.pipeline.make_union",
        "sklearn.compose.ColumnTransformer",
        "sklearn.compose.make_column_transformer",
        "imblearn.pipeline.Pipeline",
        "imblearn.pipeline.make_pipeline",
    }
)
_FUNCTIONS = {
    "sklearn.preprocessing.scale": (SCALER, "mean and standard deviation"),
    "sklearn.preprocessing.minmax_scale": (SCALER, "minimum and maximum"),
    "sklearn.preprocessing.maxabs_scale": (SCALER, "largest absolute value"),
    "sklearn.preprocessing.robust_scale": (SCALER, "median and quartiles"),
    "sklearn.preprocessing.quantile_transform": (SCALER, "quantiles"),
    "sklearn.preprocessing.power_transform": (SCALER, "power parameters"),
    "scipy.stats.zscore": (SCALER, "mean and standard deviation"),
}
OVERSAMPLERS = frozenset(
    "SMOTE SMOTENC SMOTEN ADASYN BorderlineSMOTE KMeansSMOTE SVMSMOTE RandomOverSampler SMOTEENN "
    "SMOTETomek".split()
)
SAMPLERS = OVERSAMPLERS | frozenset(
    "RandomUnderSampler NearMiss TomekLinks EditedNearestNeighbours ClusterCentroids "
    "NeighbourhoodCleaningRule InstanceHardnessThreshold".split()
)
STATISTICS = frozenset(
    "mean std var median quantile percentile nanmean nanstd nanmedian average".split()
)
FITS = frozenset({"fit", "fit_transform", "partial_fit"})
RESAMPLES = frozenset({"fit_resample", "fit_sample"})
_RETURNS_SELF = FITS - {"fit_transform"} | {"set_params", "set_output"}


@dataclass(frozen=True, slots=True)
class Transformer:
    """An object by the call that makes it; ``learns`` is what its ``fit`` takes from the data."""

    made: tree.Node
    name: str
    kind: str
    learns: str
    parts: tuple[Transformer, ...] = ()

    @property
    def leaks(self) -> bool:
        return self.kind != CODES

    @property
    def ordered(self) -> bool:
        """True where each column only gets another scale: what is larger stays larger."""
        if self.parts:
            return all(part.ordered or not part.leaks for part in self.parts)
        return self.kind == SCALER and self.name in _ORDERED

    @property
    def supervised(self) -> bool:
        """True where the labels of the rows are learned from, too."""
        if self.parts:
            return any(part.supervised for part in self.parts)
        return self.kind == ENCODER or "from the labels" in self.learns


class Transformers:
    """The transformers of one file, and where each is fitted."""

    def __init__(self, file: File) -> None:
        self.file = file
        self._learns: dict[tree.ClassDef, str | None] = {}

    def of(self, expr: Expr, frame: Frame | None = None) -> list[Transformer]:
        """What an expression can be, when it is a transformer."""
        found: list[Transformer] = []
        for value in self.file.values.of(expr, frame):
            found.extend(self._of(value))
        return found

    def _of(self, value: Value, depth: int = 4) -> Iterator[Transformer]:
        match value:
            case Instance():
                transformer = self._instance(value, depth)
                if transformer is not None:
                    yield transformer
            case Method() if value.name in _RETURNS_SELF and depth:
                for inner in self.file.values.of(value.receiver, value.frame):
                    yield from self._of(inner, depth - 1)
            case Object() if (learned := self._learned(value.cls)) is not None:
                yield Transformer(value.node, value.cls.name, OWN, learned)
            case _:
                pass

    def _instance(self, value: Instance, depth: int) -> Transformer | None:
        root, _, _ = value.name.partition(".")
        short = value.name.rpartition(".")[2]
        if root in LIBRARIES and short in _KINDS:
            kind, learns = _KINDS[short]
            if short in {"SimpleImputer", "Imputer"} and self._constant_fill(value):
                return Transformer(value.call, short, CODES, "columns")
            if short == "Imputer" and self._along_rows(value):
                return None
            return Transformer(value.call, short, kind, learns)
        if value.name in _COMPOSING and depth:
            parts = list(self._parts(value, depth))
            leaking = [part for part in parts if part.leaks]
            if leaking:
                first = leaking[0]
                learns = f"{first.learns} of its `{first.name}`"
                return Transformer(value.call, short, COMPOSED, learns, tuple(leaking))
            if parts:
                return Transformer(value.call, short, CODES, "codes")
        return None

    def _constant_fill(self, value: Instance) -> bool:
        strategy = self.file.values.literal(value.call.arg(None, "strategy"), value.frame)
        return bool(strategy == "constant")

    def _along_rows(self, value: Instance) -> bool:
        """Each row is filled from its own values, so that nothing is learned."""
        return bool(self.file.values.literal(value.call.arg(None, "axis"), value.frame) == 1)

    def _parts(self, value: Instance, depth: int) -> Iterator[Transformer]:
        """The transformers among the steps of a pipeline or column transformer."""
        seen: set[Expr] = set()
        for arg in value.call.args:
            yield from self._inside(arg.value, value.frame, depth - 1, seen)

    def _inside(
        self, expr: Expr, frame: Frame | None, depth: int, seen: set[Expr]
    ) -> Iterator[Transformer]:
        if expr in seen or depth < 0:
            return
        seen.add(expr)
        if isinstance(expr, tree.Sequence):
            for item in expr.elts:
                yield from self._inside(item, frame, depth, seen)
            return
        if not isinstance(expr, tree.Name | tree.Call | tree.Attribute):
            return
        for value in self.file.values.of(expr, frame):
            yield from self._of(value, depth)
            display = getattr(value, "expr", None)
            if isinstance(display, tree.Sequence):
                yield from self._inside(display, value.frame, depth, seen)

    def _learned(self, cls: tree.ClassDef) -> str | None:
        """What the ``fit`` of a class of the file learns; None when it is no transformer."""
        if cls not in self._learns:
            self._learns[cls] = None  # a ``fit_transform`` may call the ``fit`` of its own object
            self._learns[cls] = self._learned_by(cls)
        return self._learns[cls]

    def _learned_by(self, cls: tree.ClassDef) -> str | None:
        graph = self.file.values.graph
        if graph.is_module(cls) or graph.method(cls, "transform") is None:
            return None
        for name in ("fit", "fit_transform"):
            method = graph.method(cls, name)
            if method is None:
                continue
            for node in own(method, tree.Call):
                if isinstance(node.func, tree.Attribute):
                    attr = node.func.attr
                    if attr in STATISTICS:
                        return f"`{attr}` of what it is fitted on"
                    if attr in FITS and any(t.leaks for t in self.of(node.func.value)):
                        inner = self.of(node.func.value)[0]
                        return f"{inner.learns} of its `{inner.name}`"
        return None

    # Calls

    def function(self, name: str) -> tuple[str, str] | None:
        """Kind and learned statistics of a function that fits and transforms at once."""
        return _FUNCTIONS.get(name)

    def sampler(self, expr: Expr, frame: Frame | None = None) -> tuple[str, tree.Node] | None:
        """The name of the sampler that an expression is, and the call that makes it."""
        for value in self.file.values.of(expr, frame):
            if isinstance(value, Instance) and value.name.startswith("imblearn."):
                short = value.name.rpartition(".")[2]
                if short in SAMPLERS:
                    return short, value.call
                if value.name in _COMPOSING:
                    inside = [n for n in value.call.walk() if isinstance(n, tree.Call)]
                    for call in inside[1:]:
                        found = self.sampler(call, value.frame)
                        if found is not None and found[0] in OVERSAMPLERS:
                            return found
        return None

    @cached_property
    def fits(self) -> dict[tree.Node, list[tree.Call]]:
        """The calls that fit a transformer, by the call that makes it."""
        found: dict[tree.Node, list[tree.Call]] = {}
        for call in self.file.calls:
            func = call.func
            if isinstance(func, tree.Attribute) and func.attr in FITS and call.args:
                for transformer in self.of(func.value):
                    found.setdefault(transformer.made, []).append(call)
        return found
