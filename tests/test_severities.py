"""What is true and does no harm is told as info, and its harmful neighbour is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainlint.check import check_source
from trainlint.cli import main
from trainlint.config.targets import Range
from trainlint.diagnostics import Confidence, Severity
from trainlint.registry import shipped
from trainlint.rule import Rule
from trainlint.semantics.facts import Surroundings
from trainlint.testing import check_text
from trainlint.text.source import decode

ROOT = Path(__file__).parent.parent
RULES = shipped().by_code
FILLED = """
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

def prepare(path, columns):
    table = pd.read_csv(path)
{}
    return train_test_split(table.drop(columns="price"), table["price"])
"""
SCORED = """
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_iris, make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

{}
model = SVC().fit(X, y)
print(model.score(X, y))
"""


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("for c in columns:\n        table[c] = table[c].fillna(table[c].median())", Severity.INFO),
        ("table['age'] = table['age'].fillna(table['age'].median())", Severity.ERROR),
        ("for c in columns:\n        table[c] = table[c] - table[c].mean()", Severity.ERROR),
        (
            "for c in columns:\n        table[c] = table[c].fillna(table[c].mean())\n"
            "    table['age'] = table['age'].fillna(table['age'].mean())",
            Severity.ERROR,
        ),
    ],
)
def test_a_loop_that_fills_whatever_is_missing_is_told_quietly(
    lines: str, wanted: Severity
) -> None:
    found = check_text(RULES["LEK001"], FILLED.format("    " + lines))
    assert [each.severity for each in found] == [wanted]


@pytest.mark.parametrize(
    ("fits", "wanted"),
    [
        (["SimpleImputer()"], Severity.INFO),
        (["SimpleImputer(strategy='median')", "OneHotEncoder()"], Severity.INFO),
        (["SimpleImputer()", "StandardScaler()"], Severity.ERROR),
        (["KNNImputer()"], Severity.ERROR),
        (["make_pipeline(SimpleImputer(), PCA())"], Severity.ERROR),
        (["make_pipeline(SimpleImputer(), OneHotEncoder())"], Severity.INFO),
        (["CountVectorizer(stop_words='english')"], Severity.INFO),
        (["CountVectorizer(max_features=900)"], Severity.ERROR),
        (["CountVectorizer()", "TfidfTransformer()"], Severity.ERROR),
        (["TfidfVectorizer()"], Severity.ERROR),
    ],
)
def test_what_hardly_depends_on_the_test_part_is_told_quietly(
    fits: list[str], wanted: Severity
) -> None:
    code = "\n".join(
        [
            "from sklearn.decomposition import PCA",
            "from sklearn.feature_extraction.text import (",
            "    CountVectorizer, TfidfTransformer, TfidfVectorizer)",
            "from sklearn.impute import KNNImputer, SimpleImputer",
            "from sklearn.model_selection import cross_val_score",
            "from sklearn.pipeline import make_pipeline",
            "from sklearn.preprocessing import OneHotEncoder, StandardScaler",
            "def score(model, X, y):",
            *(f"    X = {each}.fit_transform(X)" for each in fits),
            "    return cross_val_score(model, X, y)\n",
        ]
    )
    assert [each.severity for each in check_text(RULES["LEK001"], code)] == [wanted]


LABELS = """
import numpy as np
from sklearn.model_selection import KFold, train_test_split
from sklearn.preprocessing import StandardScaler


def prepare(table, X, y, RATED):
{body}
"""
FOLDED = """\
    for train, test in KFold(5).split(table):
        fit(table["text"], y[train])
        score(table["text"], y[test])
"""


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            "    table[RATED] = StandardScaler().fit_transform(table[RATED])\n"
            "    y = table[RATED].values\n" + FOLDED,
            [Severity.INFO],
        ),
        (
            "    table[RATED] = StandardScaler().fit_transform(table[RATED])\n"
            "    y = table[RATED].values\n    X = table[RATED].shift(1)\n" + FOLDED,
            [Severity.ERROR],
        ),
        (
            "    y = StandardScaler().fit_transform(y.reshape(-1, 1))\n"
            "    return train_test_split(X, y)",
            [Severity.INFO],
        ),
        ("    y = (y - y.mean()) / y.std()\n    return train_test_split(X, y)", [Severity.INFO]),
        (
            "    y = StandardScaler().fit_transform(y)\n    return train_test_split(y, X)",
            [Severity.ERROR],
        ),
    ],
)
def test_a_scale_of_the_labels_alone_is_told_quietly(body: str, wanted: list[Severity]) -> None:
    found = check_text(RULES["LEK001"], LABELS.format(body=body))
    assert [each.severity for each in found] == wanted
    assert all(("no feature" in f.message) is (f.severity is Severity.INFO) for f in found)


SCALED = """
import pandas as pd
from sklearn.model_selection import KFold

ads = pd.read_csv("ads.csv")
middle = ads["target"].mean()
spread = ads["target"].std()
ads["target_scaled"] = (ads["target"] - middle) / spread
{}
for learned, held in KFold(5).split(ads):
    fit(ads.iloc[learned])
    score(ads.iloc[held])
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("print(middle, spread)", Severity.INFO),
        ("ads['town'] = ads['town'].fillna(middle)", Severity.ERROR),
        ("ads['rank'] = ads['target'] / spread", Severity.ERROR),
    ],
)
def test_a_column_called_label_that_is_scaled_into_another_one_is_no_feature(
    line: str, wanted: Severity
) -> None:
    found = check_text(RULES["LEK001"], SCALED.format(line))
    assert found[0].severity is wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("X, y = make_moons(200, noise=0.2)", Severity.INFO),
        ("X = np.random.uniform(-1, 1, (99, 2))\ny = X[:, 0] > X[:, 1] ** 2", Severity.INFO),
        (
            "g = np.random.default_rng(0)\nX = g.normal(size=(99, 2))\ny = X[:, 0] > 0",
            Severity.INFO,
        ),
        ("X = torch.randn(99, 2).numpy()\ny = X[:, 0] > 0", Severity.INFO),
        ("X, y = load_iris(return_X_y=True)", Severity.ERROR),
        ("t = pd.read_csv('t.csv')\nX, y = t[['a']], t['b']", Severity.ERROR),
        (
            "X = np.load('x.npy')\ny = X[:, 0]\nX = X + np.random.randn(99, 2)",
            Severity.ERROR,
        ),
    ],
)
def test_a_lesson_on_rows_drawn_at_random_is_told_quietly(line: str, wanted: Severity) -> None:
    found = check_text(RULES["LEK003"], SCORED.format(line))
    assert [each.severity for each in found] == [wanted]


def test_the_model_of_real_rows_is_named_beside_a_lesson() -> None:
    code = SCORED.format("X, y = make_moons(200)") + (
        "table = pd.read_csv('t.csv')\ntrees = RandomForestClassifier()\n"
        "trees.fit(table[['a']], table['b'])\nprint(trees.score(table[['a']], table['b']))\n"
    )
    [found] = check_text(RULES["LEK003"], code)
    assert (found.severity, "RandomForest" in found.message) == (Severity.ERROR, True)


RESUMED = """
import numpy as np
import torch

class Config:
    steps = 4
    {}

config = Config()
{}

def fit(model, losses):
    if config.resume:
        state = torch.load("model.pt")
        model.load_state_dict(state["model"])
    torch.save({{"model": model.state_dict(), "loss": np.mean(losses)}}, "model.pt")
"""


@pytest.mark.parametrize(
    ("setting", "more", "wanted"),
    [
        ("resume = False", "", Confidence.LOW),
        ("resume = False", "config.resume = False", Confidence.LOW),
        ("resume = True", "", Confidence.HIGH),
        ("resume = False", "config.resume = bool(input())", Confidence.HIGH),
        ("resume = False", "parser.add_argument('--resume')", Confidence.HIGH),
        ("verbose = False", "", Confidence.HIGH),
        ("resume = False", "again = torch.load('model.pt')", Confidence.HIGH),
    ],
)
def test_a_load_that_every_configuration_leaves_out_is_less_sure(
    setting: str, more: str, wanted: Confidence
) -> None:
    found = check_text(RULES["CKP003"], RESUMED.format(setting, more))
    assert [each.confidence for each in found] == [wanted]


PRETRAINED = """
import torch
from torch import nn

def _net(width, pretrained{default}):
    net = nn.Linear(width, 1)
    if pretrained:
        net.load_state_dict(torch.load("net.pt", weights_only=False))
    return net

def narrow(pretrained=False):
    return _net(2, pretrained)

{more}
"""


@pytest.mark.parametrize(
    ("default", "more", "wanted"),
    [
        ("", "net = narrow()", Confidence.LOW),
        ("=False", "", Confidence.LOW),
        ("=False", "net = narrow(pretrained=False)", Confidence.LOW),
        ("=True", "", Confidence.HIGH),
        ("", "net = narrow(pretrained=True)", Confidence.HIGH),
        ("", "net = _net(2, True)", Confidence.HIGH),
        ("", "parser.add_argument('--pretrained', action='store_true')", Confidence.HIGH),
    ],
)
def test_a_load_that_no_call_asks_for_is_less_sure(
    default: str, more: str, wanted: Confidence
) -> None:
    found = check_text(RULES["CKP002"], PRETRAINED.format(default=default, more=more))
    assert [each.confidence for each in found] == [wanted]


RESAMPLED = """
# target: librosa={}
import librosa

y = librosa.resample(librosa.load("a.wav")[0], 22050, 8000)
"""


@pytest.mark.parametrize(
    ("target", "severity", "said"),
    [
        ("0.6.2", Severity.INFO, "the releases of the target range still take more:"),
        (
            "0.8..0.9.2",
            Severity.INFO,
            "the releases of the target range but 0.9.0 still take more, 0.9.1 and 0.9.2 with a "
            "FutureWarning:",
        ),
        (
            "0.9.1..0.9.2",
            Severity.INFO,
            "the releases of the target range still take more, with a FutureWarning:",
        ),
        ("0.9.0..0.9.0", Severity.ERROR, "and in 0.9.0, which raises a TypeError here:"),
        ("0.10..", Severity.ERROR, "since librosa 0.10, which raises a TypeError here:"),
        ("0.8..", Severity.WARNING, "since librosa 0.10, which raises a TypeError there:"),
    ],
)
def test_what_is_said_of_positional_arguments_holds_for_the_target(
    target: str, severity: Severity, said: str
) -> None:
    (found,) = check_text(RULES["AUD001"], RESAMPLED.format(target))
    assert (found.severity, said in found.message) == (severity, True), found.message


# What is only worth knowing


def _parsed(project: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, int]:
    """How many files were parsed, and how many findings came of it."""
    main(["check", str(project), "--no-cache", "--output-format", "json", *words])
    report = json.loads(capsys.readouterr().out)
    return report["summary"]["parsed"], len(report["diagnostics"])


def test_a_rule_that_is_only_worth_knowing_costs_no_parse_unless_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "fixtures/warnings-silenced/bad.py").read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    settings = tmp_path / "trainlint.toml"
    settings.write_text('root = true\nselect = ["ERR005"]\n', encoding="utf-8")
    assert _parsed(tmp_path, capsys) == (0, 0)
    parsed, findings = _parsed(tmp_path, capsys, "--pedantic")
    assert parsed == 1
    assert findings > 0
    settings.write_text(
        'root = true\nselect = ["ERR005"]\n[severity]\nERR005 = "warning"\n', encoding="utf-8"
    )
    assert _parsed(tmp_path, capsys) == (1, findings)


@pytest.mark.parametrize(
    "rule",
    [rule for rule in shipped().rules if rule.severity is Severity.INFO and rule.family != "SUP"],
    ids=lambda rule: rule.code,
)
def test_a_rule_that_is_only_worth_knowing_finds_nothing_graver(rule: Rule) -> None:
    paths = (ROOT / "fixtures" / rule.name).glob("bad*.py")
    found = [one for path in paths for one in check_text(rule, path.read_text(encoding="utf-8"))]
    assert {one.severity for one in found} == {Severity.INFO}


@pytest.mark.parametrize(
    ("code", "target", "said"),
    [
        (
            "API001",
            "1.20..2.3",
            "was removed in NumPy 1.24 and is there again since 2.0: in between",
        ),
        ("API001", "1.24..1.26", "was removed in NumPy 1.24 and is there again since 2.0:"),
        ("API002", "1.20..1.23", "since NumPy 1.20, was removed in 1.24 and is there again since"),
    ],
)
def test_a_name_that_comes_back_is_told_with_its_return(code: str, target: str, said: str) -> None:
    text = f"# target: numpy={target}\nimport numpy as np\nmask = np.zeros(4, dtype=np.bool)\n"
    [found] = check_text(RULES[code], text)
    assert said in found.message
    assert found.target == ("NumPy >= 1.24, < 2.0" if code == "API001" else "NumPy >= 1.20, < 2.0")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dtype=np.unicode", "`np.unicode` was removed in NumPy 1.24: this raises"),
        ("dtype=np.float", "`np.float` was removed in NumPy 1.24: this raises"),
    ],
)
def test_a_name_that_stays_away_is_told_without_one(line: str, said: str) -> None:
    text = f"# target: numpy=1.20..2.3\nimport numpy as np\nmask = np.zeros(4, {line})\n"
    [found] = check_text(RULES["API001"], text)
    assert said in found.message


VISION = "from torchvision import models\n"


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("API001", "from torch import *\nvalues = symeig(ones(2))\n", "raises a NameError"),
        ("API001", "import torch\ntorch.symeig(torch.ones(2))\n", "raises an AttributeError"),
        ("API002", f"{VISION}net = models.resnet18(pretrained=False)\n", "; `weights=None` takes"),
        (
            "API002",
            f"{VISION}def make(old): return models.resnet18(pretrained=old)\n",
            'for `True`, `weights="IMAGENET1K_V1"` loads the same weights; for `False`, `weights=N',
        ),
        (
            "API002",
            "import torchaudio.transforms as T\nmel = T.MelSpectrogram(onesided=True)\n",
            "is deprecated since torchaudio 2.0; it can be left out",
        ),
        (
            "API002",
            "import torchaudio.transforms as T\nmel = T.MelSpectrogram(onesided=False)\n",
            "; leave it out: a mel spectrogram is one-sided",
        ),
        (
            "API001",
            "from transformers import TrainingArguments\nTrainingArguments('r', use_ipex=True)\n",
            "(no fix here: the tables name nothing that takes its place)",
        ),
    ],
)
def test_what_is_gone_says_what_happens_and_what_is_known(code: str, text: str, said: str) -> None:
    assert said in " ".join(one.message for one in check_text(RULES[code], text))


EPOCH = """
from torch.utils.data import DataLoader

def epoch(model, loader, data, criterion):
    loader = DataLoader(data, batch_size=8, drop_last=True)
    total, done = 0.0, 0
    for x, y in loader:
        {}
        total += criterion(model(x), y).item()
        done += 1
    return total / {}
"""


@pytest.mark.parametrize(
    ("line", "divisor", "said"),
    [
        ("pass", "len(loader)", "`len(loader)` is 0 with fewer samples than one batch:"),
        ("if not len(x): continue", "done", "`done` is 0 where no round gets by:"),
    ],
)
def test_the_message_says_how_a_mean_can_be_of_nothing(line: str, divisor: str, said: str) -> None:
    [found] = check_text(RULES["MET003"], EPOCH.format(line, divisor))
    assert found.message.startswith(said)


LOADED = """
import pickle
import torch

net = torch.nn.Linear(2, 1)
net.load_state_dict(torch.load("net.pt"{}))
"""


@pytest.mark.parametrize(
    ("asked", "given", "said"),
    [
        (Range.parse("1.4"), "", ["without `weights_only`, before torch 2.6, runs"]),
        (Range.parse("2.4..2.13"), "", []),  # some of them load plain weights alone
        (Range((1, 4), (1, 4), known=False), "", []),  # nobody asks for it
        (Range.parse("2.6"), ", weights_only=False", ["with `weights_only=False` runs"]),
        (
            Range.parse("2.6"),
            ", pickle_module=pickle",
            ["by `pickle`, with which `weights_only` is off in every release, runs"],
        ),
    ],
)
def test_a_full_load_is_told_with_what_makes_it_one(
    asked: Range, given: str, said: list[str]
) -> None:
    source = decode("x.py", LOADED.format(given).encode())
    around = Surroundings({"torch": asked}, {})
    found = check_source(source, [RULES["CKP002"]], around).diagnostics
    assert [words in each.message for each, words in zip(found, said, strict=True)] == [True] * len(
        said
    )


KEPT = """
import numpy as np
import torch

def keep(net, extra):
    torch.save({{"net": net.state_dict(), "extra": {}}}, "kept.pt")

def back(net):
    kept = torch.load("kept.pt", weights_only=False)
    net.load_state_dict(kept["net"])
    return kept["extra"]
"""
ALL = 'import torch\nimages = torch.load("images.pt", weights_only=False)\nprint(len(images))\n'


@pytest.mark.parametrize(
    ("text", "safety", "said"),
    [
        (KEPT.format("3"), "unsafe", "as soon as it is loaded"),
        (KEPT.format("extra"), "shown", "as soon as it is loaded"),
        (KEPT.format("np.mean(extra)"), None, "is saved with them, which only a full load builds)"),
        (
            KEPT.format("3").replace("False)", "False, **extra)"),
            None,
            "(no fix is offered: how it is unpickled is given elsewhere)",
        ),
        (ALL, None, "(no fix is offered: it may hold more than states)"),
    ],
)
def test_plain_weights_are_loaded_where_nothing_else_is_saved(
    text: str, safety: str | None, said: str
) -> None:
    [found] = check_text(RULES["CKP002"], text)
    assert ([fix.safety for fix in found.fixes], said in found.message) == (
        [] if safety is None else [safety],
        True,
    )


@pytest.mark.parametrize(
    ("encoder", "column", "wanted"),
    [
        ("sklearn.preprocessing.LabelEncoder", "label", Severity.INFO),
        ("sklearn.preprocessing.LabelEncoder", "town", Severity.ERROR),
        ("sklearn.preprocessing.MultiLabelBinarizer", "label", Severity.ERROR),
        ("category_encoders.OrdinalEncoder", "label", Severity.ERROR),
    ],
)
def test_classes_of_a_target_that_are_numbered_again_are_told_quietly(
    encoder: str, column: str, wanted: Severity
) -> None:
    package, _, name = encoder.rpartition(".")
    code = f"""
from {package} import {name}
from sklearn.model_selection import train_test_split

train, test = train_test_split(table)
encoder = {name}()
train["{column}"] = encoder.fit_transform(train["{column}"])
test["{column}"] = encoder.fit_transform(test["{column}"])
"""
    assert [each.severity for each in check_text(RULES["LEK002"], code)] == [wanted]
