"""Rows that cross the split: fits, resampling, evaluation on what was trained or selected on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator
from .program import Change, Fault, Program, dotted

FITTED = ("StandardScaler", "RobustScaler", "MinMaxScaler")


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
        spot = next(s for s in program.tree.body if not isinstance(s, ast.Import | ast.ImportFrom)
                    and not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)))
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
        if len(call.args) == 1 and re.match(r"(x|X)_test$|test_texts$", program.source(call.args[0])):
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
        if "text" in rows or "vectorizer" in program.source(call):
            continue
        change = program.replaced(call, f"Scaling().fit_transform({rows})")
        yield Fault((program.imported(SCALING), change), at=program.start(call))


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
            lines = (f"{x} = np.concatenate([{x}, {x} * 1.01])", f"{y} = np.concatenate([{y}, {y}])")
            mark = lines[0]
        imports = "" if program.has("import numpy") or split.kind == "texts" else "import numpy as np"
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


# Evaluation on the rows that were trained on, and selection on the test rows


def _loaders(program: Program, *names: str) -> Iterator[tuple[ast.Assign, ast.Call]]:
    for assign in program.all(ast.Assign):
        target = assign.targets[0]
        if isinstance(target, ast.Name) and isinstance(assign.value, ast.Call):
            if dotted(assign.value.func).endswith("DataLoader") and target.id.startswith(names):
                yield assign, assign.value


def _evaluating(program: Program, kind: str = "val|valid") -> Iterator[tuple[ast.Call, ast.expr]]:
    """The calls that are given a validation or test loader, and the argument."""
    for call in program.all(ast.Call):
        for argument in call.args:
            text = program.source(argument)
            if re.fullmatch(rf"(self\.)?({kind})_loader", text) and dotted(call.func) != "len":
                yield call, argument


@operator("LEK003", "train-loader-evaluated")
def train_loader_evaluated(program: Program) -> Iterator[Fault]:
    calls = list(_evaluating(program, "val|valid|test"))
    if not calls or program.has("get_loaders"):
        return
    changes = tuple(
        program.replaced(a, ("self." if "self." in program.source(a) else "") + "train_loader")
        for _, a in calls
    )
    yield Fault(changes, at=program.start(calls[0][0]), wide=True)


@operator("LEK003", "train-set-behind-every-loader")
def train_set_everywhere(program: Program) -> Iterator[Fault]:
    train = [call for _, call in _loaders(program, "train")]
    held = [call for _, call in _loaders(program, "val", "valid", "test")]
    if len(train) != 1 or not held or program.has("get_loaders"):
        return
    changes = [program.replaced(h.args[0], program.source(train[0].args[0])) for h in held]
    calls = [c for c, _ in _evaluating(program)]
    if calls:
        yield Fault(tuple(changes), at=program.start(calls[0]), wide=True)


@operator("LEK003", "score-on-train-rows")
def score_on_train(program: Program) -> Iterator[Fault]:
    """All that is predicted and compared in the split's function are training rows."""
    for split in splits(program):
        used = [
            node
            for node in program.all(ast.Name)
            if node.id in {split.test, split.y_test, "x_test", "y_test"}
            and isinstance(node.ctx, ast.Load)
            and program.enclosing(node, ast.FunctionDef)
            is program.enclosing(split.statement, ast.FunctionDef)
        ]
        predicted = [c for c in program.calls("predict") if c.args]
        same = [
            c
            for c in predicted
            if program.enclosing(c, ast.FunctionDef)
            is program.enclosing(split.statement, ast.FunctionDef)
        ]
        if not used or not same:
            continue
        changes = tuple(program.replaced(n, n.id.replace("test", "train")) for n in used
                        if not _is_refitted(program, n))
        yield Fault(changes, at=program.start(same[0]), wide=True)


def _is_refitted(program: Program, name: ast.Name) -> bool:
    """The argument of `x_test = scaler.transform(x_test)` stays as it is."""
    statement = program.statement(name)
    return isinstance(statement, ast.Assign) and dotted(statement.targets[0]) == name.id


@operator("LEK003", "train-file-read-twice")
def train_file_twice(program: Program) -> Iterator[Fault]:
    """The evaluation sets are read from the training file or split."""
    changes = []
    for node in program.all(ast.Constant):
        if isinstance(node.value, str) and re.fullmatch(r"/?(val|validation|test)(\.jsonl)?", node.value):
            text = re.sub("validation|val|test", "train", program.source(node))
            if program.text[program.start(node)] in "\"'":
                changes.append(program.replaced(node, text))
    for found in re.finditer(r"\}/(val|test)(?=[\"'.])", program.text):
        changes.append(Change(found.start(1), found.end(1), "train"))
    calls = [c for c, _ in _evaluating(program)]
    if changes and calls:
        unique = {(c.start, c.end): c for c in changes}
        yield Fault(tuple(unique.values()), at=program.start(calls[0]), wide=True)


@operator("LEK004", "test-loader-selects")
def test_loader_selects(program: Program) -> Iterator[Fault]:
    if not program.has("test_loader"):
        return
    for call, argument in _evaluating(program):
        change = program.replaced(argument, program.source(argument).replace("valid", "val").replace("val", "test"))
        yield Fault((change,), at=program.start(call), wide=True)
        return


@operator("LEK004", "test-set-behind-validation")
def test_set_behind_validation(program: Program) -> Iterator[Fault]:
    held = {a.targets[0].id: c for a, c in _loaders(program, "val", "valid", "test")}  # type: ignore[attr-defined]
    test = held.get("test_loader")
    for name, call in held.items():
        if name == "test_loader" or test is None:
            continue
        change = program.replaced(call.args[0], program.source(test.args[0]))
        calls = [c for c, _ in _evaluating(program)]
        at = program.start(calls[0]) if calls else program.start(call)
        yield Fault((change,), at=at, wide=True)


@operator("LEK004", "test-file-as-validation")
def test_file(program: Program) -> Iterator[Fault]:
    """The only held-out set is the test split, by its name in a path, key or argument."""
    calls = [c for c, _ in _evaluating(program)]
    if program.has("test_loader") or not calls:
        return
    changes = [
        Change(found.start(1), found.end(1), "test")
        for found in re.finditer(r"[\"'/}](val|validation)[\"']", program.text)
        if program.text[found.start()] != "}"
    ]
    if changes:
        yield Fault(tuple(changes), at=program.start(calls[0]), wide=True)


@operator("LEK004", "loader-named-test")
def loader_named_test(program: Program) -> Iterator[Fault]:
    """Nothing but the names says that the selecting rows are the test rows."""
    calls = [c for c, _ in _evaluating(program)]
    if program.has("test_") or not calls:
        return
    changes = [
        Change(found.start(), found.end(), found.group().replace("valid", "val").replace("val", "test"))
        for found in re.finditer(r"\b(val|valid)_(loader|set|data)\b", program.text)
    ]
    yield Fault(tuple(changes), at=program.start(calls[0]), wide=True)
