"""Settings files: what they may hold, what is said about a wrong one, and which rule runs where."""

from __future__ import annotations

import pytest

from trainlint.config.settings import (
    Settings,
    SettingsError,
    file_ignores,
    parse_settings,
    selected,
    severity_of,
    unknown_selectors,
    with_command_line,
)
from trainlint.config.targets import Range
from trainlint.diagnostics import Severity

KNOWN = ("AMP001", "bce-under-autocast", "AMP004", "deprecated-cuda-amp", "LEK003", "hidden-leak")


def _settings(text: str) -> Settings:
    found = parse_settings(text, "/project/trainlint.toml")
    assert found is not None
    return found


def _runs(code: str, text: str, path: str = "train.py", name: str = "some-rule") -> bool:
    settings = _settings(text)
    return selected(code, name, settings, file_ignores(path, settings))


def test_every_key_is_read() -> None:
    settings = _settings(
        """
        root = true
        select = ["AMP", "LEK"]
        extend-select = ["ERR001"]
        ignore = ["AMP004"]
        exclude = ["old/**"]
        vendored = ["lib"]
        rule-paths = ["checks"]
        max-file-size = 5000
        [per-file-ignores]
        "tests/*" = ["ALL"]
        [severity]
        AMP = "warning"
        [targets]
        torch = "2.4..2.13"
        scikit-learn = ">=1.4"
        [options.hidden-leak]
        depth = 3
        """
    )
    assert settings == Settings(
        root="/project",
        file="/project/trainlint.toml",
        ends_search=True,
        select=("AMP", "LEK"),
        extend_select=("ERR001",),
        ignore=("AMP004",),
        per_file_ignores={"tests/*": ("ALL",)},
        exclude=("old/**",),
        vendored=("lib",),
        severity={"AMP": Severity.WARNING},
        targets={"torch": Range.parse("2.4..2.13"), "sklearn": Range.parse(">=1.4")},
        rule_paths=("checks",),
        max_file_size=5000,
        options={"hidden-leak": {"depth": 3}},
    )


def test_an_empty_settings_file_holds_the_defaults() -> None:
    settings = _settings("")
    assert settings.select == ("ALL",)
    assert settings.vendored == ("third_party", "vendor", "external", "site-packages")
    assert settings.max_file_size == 1024 * 1024


def test_pyproject_settings_stand_in_the_tools_table() -> None:
    text = '[project]\nname = "x"\n[tool.trainlint]\nselect = ["AMP"]\n'
    found = parse_settings(text, "/project/pyproject.toml")
    assert found is not None
    assert found.select == ("AMP",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[tool.ruff]\nline-length = 100\n",
        '[project]\ndependencies = ["trainlint"]\n',
        "[tool.ruff]\nbroken = = 1\n",  # not ours to complain about
    ],
)
def test_a_pyproject_without_the_table_gives_no_settings(text: str) -> None:
    assert parse_settings(text, "pyproject.toml") is None


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        ('selct = ["AMP"]', "selct", "unknown key; did you mean 'select'?"),
        ("max_file_size = 1", "max_file_size", "did you mean 'max-file-size'?"),
        ("zzz = 1", "zzz", "unknown key"),
        ('select = "AMP"', "select", "must be a list of strings, not the string 'AMP'"),
        ("ignore = [1]", "ignore", "must be a list of strings"),
        ("root = 1", "root", "must be true or false, not the number 1"),
        ("max-file-size = true", "max-file-size", "must be a number of bytes above 0, not true"),
        ("max-file-size = 0", "max-file-size", "above 0"),
        ("severity = []", "severity", "must be a table, not a list"),
        ('severity = {AMP = "eror"}', "severity", "did you mean 'error'?"),
        ("severity = {AMP = 1}", "severity", "must be error, warning or info"),
        ("targets = {torch = 2.4}", "targets", "'torch': must be a string"),
        ('targets = {torch = "new"}', "targets", "'torch': 'new' is not a version"),
        ('per-file-ignores = {"a" = "AMP"}', "per-file-ignores", "'a': must be a list"),
        ('exclude = ["[z-a]"]', "exclude", "is not a glob pattern"),
        ('exclude = [""]', "exclude", "matches nothing"),
        ("options = {rule = 1}", "options", "'rule': must be a table"),
    ],
)
def test_a_wrong_setting_is_one_line_with_file_and_key(text: str, key: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, "conf/trainlint.toml")
    assert caught.value.file == "conf/trainlint.toml"
    assert caught.value.key == key
    assert part in str(caught.value)
    assert str(caught.value).startswith(f"conf/trainlint.toml: {key}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["select = [", "a = 1\na = 2\n", "x = \x00", "a = " + "[" * 5000])
def test_bad_toml_is_one_line_with_the_file(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, "trainlint.toml")
    assert str(caught.value).startswith("trainlint.toml: not valid TOML: ")
    assert "\n" not in str(caught.value)


def test_a_table_of_the_wrong_kind_in_pyproject_is_named() -> None:
    with pytest.raises(SettingsError, match=r"tool\.trainlint: must be a table"):
        parse_settings("[tool]\ntrainlint = 1\n", "pyproject.toml")


def test_all_rules_run_by_default() -> None:
    assert _runs("AMP001", "")


def test_a_selection_leaves_out_other_families() -> None:
    assert _runs("AMP001", 'select = ["AMP"]')
    assert not _runs("LEK003", 'select = ["AMP"]')


def test_a_rule_is_selected_by_its_name() -> None:
    assert _runs("LEK003", 'select = ["hidden-leak"]', name="hidden-leak")
    assert not _runs("LEK004", 'select = ["hidden-leak"]', name="other-leak")


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ('select = ["AMP"]\nignore = ["AMP001"]', False),
        ('select = ["AMP001"]\nignore = ["AMP"]', True),
        ('select = ["AMP001"]\nignore = ["AMP001"]', False),
        ('select = ["AMP00"]\nignore = ["AMP"]', True),
        ('select = ["LEK"]\nextend-select = ["AMP001"]', True),
        ('ignore = ["ALL"]\nextend-select = ["AMP"]', True),
        ('ignore = ["some-rule"]', False),
    ],
)
def test_the_more_specific_selector_wins(text: str, runs: bool) -> None:
    assert _runs("AMP001", text) is runs


def test_half_a_family_name_selects_nothing() -> None:
    assert not _runs("AMP001", 'select = ["A", "AM"]')


@pytest.mark.parametrize(
    ("path", "runs"),
    [
        ("tests/test_x.py", False),
        ("tests/deep/test_x.py", False),
        ("/project/tests/test_x.py", False),
        ("src/tests/test_x.py", True),
        ("src/train.py", True),
        ("src/legacy.py", False),
        ("deep/src/legacy.py", False),
    ],
)
def test_per_file_ignores_match_from_the_settings_folder(path: str, runs: bool) -> None:
    text = '[per-file-ignores]\n"tests/*" = ["AMP"]\n"legacy.py" = ["AMP001"]\n'
    assert _runs("AMP001", text, path) is runs
    assert _runs("LEK003", text, path)


def test_a_negated_per_file_ignore_holds_everywhere_else() -> None:
    text = '[per-file-ignores]\n"!src/**" = ["ALL"]\n'
    assert _runs("AMP001", text, "src/a/b.py")
    assert not _runs("AMP001", text, "scripts/b.py")


def test_a_selection_on_the_command_line_begins_anew() -> None:
    settings = _settings('select = ["LEK"]\nignore = ["AMP001"]')
    settings = with_command_line(settings, select=("AMP",))
    assert selected("AMP001", "x", settings)
    assert not selected("LEK003", "x", settings)


def test_an_ignore_on_the_command_line_beats_a_narrower_selection_in_the_settings() -> None:
    settings = with_command_line(_settings('select = ["AMP001", "LEK"]'), ignore=("AMP",))
    assert not selected("AMP001", "x", settings)
    assert selected("LEK003", "x", settings)


def test_the_command_line_can_add_to_the_settings() -> None:
    settings = with_command_line(_settings('select = ["LEK"]'), extend_select=("AMP001",))
    assert selected("AMP001", "x", settings)
    assert not selected("AMP004", "x", settings)
    assert selected("LEK003", "x", settings)


def test_unknown_selectors_are_named_with_the_nearest_known_one() -> None:
    settings = _settings(
        'select = ["ALL", "AMP", "AMP0", "XYZ"]\nignore = ["hiden-leak"]\n'
        '[severity]\nAMP04 = "info"\n[per-file-ignores]\na = ["A"]\n[options.AMQ004]\n'
    )
    settings = with_command_line(settings, select=("bce-under-autocas",))
    assert [(e.file, e.key, e.message) for e in unknown_selectors(settings, KNOWN)] == [
        ("/project/trainlint.toml", "select", "no rule is called 'XYZ'"),
        (
            "/project/trainlint.toml",
            "ignore",
            "no rule is called 'hiden-leak'; did you mean 'hidden-leak'?",
        ),
        ("/project/trainlint.toml", "per-file-ignores", "no rule is called 'A'"),
        (
            "/project/trainlint.toml",
            "severity",
            "no rule is called 'AMP04'; did you mean 'AMP004'?",
        ),
        (
            "command line",
            "--select",
            "no rule is called 'bce-under-autocas'; did you mean 'bce-under-autocast'?",
        ),
        (
            "/project/trainlint.toml",
            "options",
            "no rule is called 'AMQ004'; did you mean 'AMP004'?",
        ),
    ]


def test_the_most_specific_severity_holds() -> None:
    settings = _settings('[severity]\nALL = "info"\nAMP = "warning"\nAMP001 = "error"\n')
    assert severity_of("LEK003", "x", settings) is Severity.INFO
    assert severity_of("AMP004", "x", settings) is Severity.WARNING
    assert severity_of("AMP001", "x", settings) is Severity.ERROR
    assert severity_of("AMP001", "x", _settings("")) is None
