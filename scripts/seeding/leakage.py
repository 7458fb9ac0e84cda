"""Rows that cross the split: fits and resampling before it, fits on the test part (LEK001/2/5)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator
from .program import Fault, Program, dotted


@dataclass(frozen=True, slots=True)
class Split:
    """A call of ``train_test_split``: its statement, the names of all rows and of the parts."""

    statement: ast.stmt
    rows: str
    target: str
    kind: str  # frame | array | texts
    train: str
    test: str
    y_train: str
    y_test: str


def splits(program: Program) -> Iterator[Split]:
    for call in program.calls("train_test_split"):
        statement = program.statement(call)
        if not isinstance(statement, ast.Assign):
            continue
        target = statement.targets[0]
        if not isinstance(target, ast.Tuple):
            continue
        train, test, y_train, y_test = (program.source(e) for e in target.elts)
        rows = program.source(call.args[0])
        kind = "texts" if "text" in rows else "array"
        if rows in {"X", "features"} and program.has("read_csv"):
            kind = "frame"
        yield Split(
            statement, rows, program.source(call.args[1]), kind, train, test, y_train, y_test
        )


def _before(
    program: Program, split: Split, lines: tuple[str, ...], imports: str = "", mark: str = ""
) -> Fault:
    changes = [program.before(split.statement, *lines)]
    if imports:
        changes.append(program.imported(imports))
    return Fault(tuple(changes), mark=mark or lines[-1])


def _first_splits(program: Program) -> list[Split]:
    """The splits of rows that are numbers."""
    return [s for s in splits(program) if s.kind != "texts"]


SCALING = "from sklearn.preprocessing import StandardScaler as Scaling"


@operator("LEK001", "fit-transform-before")
def fit_transform_before(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        line = f"{split.rows} = Scaling().fit_transform({split.rows})"
        yield _before(program, split, (line,), SCALING)


@operator("LEK001", "fit-and-transform-before")
def fit_and_transform_before(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        fitted = f"scaling.fit({split.rows})"
        lines = ("scaling = Scaling()", fitted, f"{split.rows} = scaling.transform({split.rows})")
        yield _before(program, split, lines, SCALING, mark=fitted)


@operator("LEK001", "own-mean-and-deviation")
def own_mean(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        rows = split.rows
        line = f"{rows} = ({rows} - {rows}.mean(axis=0)) / {rows}.std(axis=0)"
        yield _before(program, split, (line,))


@operator("LEK001", "fit-in-a-helper")
def fit_in_a_helper(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        spot = next(
            s
            for s in program.tree.body
            if not isinstance(s, ast.Import | ast.ImportFrom)
            and not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        )
        helper = program.before(
            spot, "def scaled(rows):", "    return Scaling().fit_transform(rows)", "", ""
        )
        used = program.before(split.statement, f"{split.rows} = scaled({split.rows})")
        changes = (program.imported(SCALING), helper, used)
        yield Fault(changes, mark="Scaling().fit_transform(rows)")


@operator("LEK001", "components-before")
def components(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        line = f"{split.rows} = Components(n_components=8).fit_transform({split.rows})"
        imports = "from sklearn.decomposition import PCA as Components"
        yield _before(program, split, (line,), imports)


@operator("LEK001", "selection-before")
def selection(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        line = f"{split.rows} = Best(k=5).fit_transform({split.rows}, {split.target})"
        imports = "from sklearn.feature_selection import SelectKBest as Best"
        yield _before(program, split, (line,), imports)


@operator("LEK001", "filled-before")
def filled(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        if split.kind == "frame":
            line = f"{split.rows} = {split.rows}.fillna({split.rows}.median())"
            yield _before(program, split, (line,))


@operator("LEK001", "columns-before")
def columns(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        if split.kind == "frame":
            column = "NUMBERS" if program.has("NUMBERS") else '["tenure"]'
            line = f"{split.rows}[{column}] = Scaling().fit_transform({split.rows}[{column}])"
            yield _before(program, split, (line,), SCALING)


@operator("LEK001", "words-before")
def words(program: Program) -> Iterator[Fault]:
    for split in splits(program):
        if split.kind == "texts":
            line = f"{split.rows} = Words().fit_transform({split.rows})"
            imports = "from sklearn.feature_extraction.text import TfidfVectorizer as Words"
            yield _before(program, split, (line,), imports)


@operator("LEK001", "fit-on-all-rows")
def fit_on_all(program: Program) -> Iterator[Fault]:
    """The fit stays behind the split, but sees the rows from before it."""
    for split in splits(program):
        for call in program.calls("fit", "fit_transform"):
            same = program.enclosing(call, ast.FunctionDef) is program.enclosing(
                split.statement, ast.FunctionDef
            )
            if not same or len(call.args) != 1 or program.source(call.args[0]) != split.train:
                continue
            if program.start(call) < program.start(split.statement):
                continue
            name = dotted(call.func)
            if name.endswith("fit_transform"):
                owner = name.rpartition(".")[0]
                line = program.before(call, f"{owner}.fit({split.rows})")
                new = program.replaced(call, f"{owner}.transform({split.train})")
                yield Fault((line, new), mark=f"{owner}.fit({split.rows})")
            else:
                change = program.replaced(call.args[0], split.rows)
                yield Fault((change,), at=program.start(call))
            break


@operator("LEK001", "fit-before-the-folds")
def before_the_folds(program: Program) -> Iterator[Fault]:
    for loop in program.all(ast.For):
        for call in program.calls("split", within=loop.iter):
            if len(call.args) == 2:
                rows = program.source(call.args[0])
                line = f"{rows} = Scaling().fit_transform({rows})"
                changes = (program.imported(SCALING), program.before(loop, line))
                yield Fault(changes, mark=line)


@operator("LEK001", "statistics-of-all-files")
def statistics_of_all_files(program: Program) -> Iterator[Fault]:
    for assign in program.all(ast.Assign):
        text = program.source(assign)
        if "np.load" in text and "train_names" in text:
            change = program.replaced(assign, text.replace("train_names", "names"))
            yield Fault((change,), at=program.start(assign), wide=True)


def _held_out(program: Program) -> Iterator[tuple[ast.Call, str]]:
    """The transforms of held-out rows, and the rows."""
    for call in program.calls("transform"):
        if len(call.args) == 1 and re.match(
            r"(x|X)_test$|test_texts$", program.source(call.args[0])
        ):
            yield call, program.source(call.args[0])


@operator("LEK002", "fit-transform-on-test")
def fit_transform_on_test(program: Program) -> Iterator[Fault]:
    for call, _ in _held_out(program):
        name = program.source(call.func).replace(".transform", ".fit_transform")
        yield Fault((program.replaced(call.func, name),), at=program.start(call))


@operator("LEK002", "fit-on-test-first")
def fit_on_test(program: Program) -> Iterator[Fault]:
    for call, rows in _held_out(program):
        owner = program.source(call.func).rpartition(".")[0]
        line = f"{owner}.fit({rows})"
        yield Fault((program.before(call, line),), mark=line)


@operator("LEK002", "own-object-for-test")
def own_object(program: Program) -> Iterator[Fault]:
    for call, rows in _held_out(program):
        owner = dotted(call.func).rpartition(".")[0]
        for made in program.all(ast.Assign):
            if dotted(made.targets[0]) == owner and isinstance(made.value, ast.Call):
                builder = made.value
                if isinstance(builder.func, ast.Attribute):  # `Scaler().fit(x_train)`
                    builder = builder.func.value  # type: ignore[assignment]
                change = program.replaced(call, f"{program.source(builder)}.fit_transform({rows})")
                yield Fault((change,), at=program.start(call))
                break


@operator("LEK002", "test-resampled")
def test_resampled(program: Program) -> Iterator[Fault]:
    for call in program.calls("fit_resample"):
        x, y = (program.source(a) for a in call.args)
        test = f"{x}, {y}".replace("train", "test")
        line = f"{test} = Balanced().fit_resample({test})"
        imports = program.imported("from imblearn.over_sampling import SMOTE as Balanced")
        yield Fault((imports, program.after(call, line)), mark=line)


MAKERS = {
    "smote": ("from imblearn.over_sampling import SMOTE as Maker", "Maker().fit_resample"),
    "oversampler": (
        "from imblearn.over_sampling import RandomOverSampler as Maker",
        "Maker(random_state=0).fit_resample",
    ),
}


def _register_maker(name: str) -> None:
    imports, call = MAKERS[name]

    @operator("LEK005", f"{name}-before")
    def made_before(program: Program) -> Iterator[Fault]:
        for split in _first_splits(program):
            both = f"{split.rows}, {split.target}"
            yield _before(program, split, (f"{both} = {call}({both})",), imports)


for _name in MAKERS:
    _register_maker(_name)


@operator("LEK005", "rows-doubled")
def doubled(program: Program) -> Iterator[Fault]:
    for split in splits(program):
        x, y = split.rows, split.target
        if split.kind == "texts":
            lines = (f"{y} = {y} + {y}", f"{x} = {x} + {x}")
            mark = lines[1]
        elif split.kind == "frame":
            lines = (f"{x} = pd.concat([{x}, {x}])", f"{y} = np.concatenate([{y}, {y}])")
            mark = lines[0]
        else:
            lines = (
                f"{x} = np.concatenate([{x}, {x} * 1.01])",
                f"{y} = np.concatenate([{y}, {y}])",
            )
            mark = lines[0]
        imports = (
            "" if program.has("import numpy") or split.kind == "texts" else "import numpy as np"
        )
        yield _before(program, split, lines, imports, mark)


@operator("LEK005", "minority-resampled")
def minority(program: Program) -> Iterator[Fault]:
    for split in _first_splits(program):
        x, y = split.rows, split.target
        line = f"{x}, {y} = repeated({x}, {y}, replace=True, n_samples=5000)"
        yield _before(program, split, (line,), "from sklearn.utils import resample as repeated")


@operator("LEK005", "noisy-copies-of-tensors")
def noisy_copies(program: Program) -> Iterator[Fault]:
    for call in program.calls("random_split"):
        for made in program.calls("TensorDataset"):
            if len(made.args) == 2 and all(isinstance(a, ast.Name) for a in made.args):
                x, y = (program.source(a) for a in made.args)
                line = f"{x} = torch.cat([{x}, {x} + 0.01 * torch.randn_like({x})])"
                both = program.before(made, line, f"{y} = torch.cat([{y}, {y}])")
                yield Fault((both,), mark=line)
        assert call is not None
