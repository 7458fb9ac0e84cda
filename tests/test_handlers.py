"""What the rules on handlers say, and how loudly, follows what the handler does."""

from __future__ import annotations

import pytest

from trainlint.diagnostics import Severity
from trainlint.registry import shipped
from trainlint.testing import check_text

RULES = shipped().by_code


@pytest.mark.parametrize(
    ("tried", "handler", "wanted"),
    [
        ("os.remove(path)", "pass", Severity.INFO),
        ("stream.close()", "pass", Severity.INFO),
        ("del model, batch", "pass", Severity.INFO),
        ("if path.exists(): path.unlink()", "pass", Severity.INFO),
        ("shutil.rmtree(path)", "print('was not there')", Severity.INFO),
        ("os.remove(path)", "failed = True", Severity.WARNING),
        ("os.remove(path); save(model)", "pass", Severity.WARNING),
        ("shutil.copy(path, target)", "pass", Severity.WARNING),
        ("rows.remove(row)", "pass", Severity.WARNING),
        ("model.load()", "pass", Severity.WARNING),
    ],
)
def test_one_act_of_cleaning_up_may_fail(tried: str, handler: str, wanted: Severity) -> None:
    code = f"import os, shutil\n\ntry:\n    {tried}\nexcept:\n    {handler}\n"
    assert [found.severity for found in check_text(RULES["ERR001"], code)] == [wanted]


@pytest.mark.parametrize(
    ("tried", "handler", "wanted"),
    [
        ("import tomllib", "import tomli as tomllib", Severity.INFO),
        ("from yaml import CLoader as Loader", "from yaml import Loader", Severity.INFO),
        ("import rich", "install('rich'); import rich", Severity.INFO),
        ("import tomllib", "tomllib = None", Severity.WARNING),
        ("import rich", "import sys; install('rich')", Severity.WARNING),
        ("import tomllib", "pass", Severity.WARNING),
        ("import tomllib; settings = read(tomllib)", "import tomli as tomllib", Severity.WARNING),
    ],
)
def test_an_import_that_another_import_stands_in_for_is_told_quietly(
    tried: str, handler: str, wanted: Severity
) -> None:
    code = f"try:\n    {tried}\nexcept:\n    {handler}\n"
    assert [found.severity for found in check_text(RULES["ERR001"], code)] == [wanted]


@pytest.mark.parametrize(
    ("clauses", "said"),
    [
        ("except:\n    pass", "KeyboardInterrupt and SystemExit: Ctrl-C and `sys.exit()` end here"),
        ("except:\n    pass", "unseen"),
        (
            "except KeyboardInterrupt:\n    raise\nexcept:\n    pass",
            "also SystemExit: `sys.exit()` ends here unseen, as does a plain typo",
        ),
        (
            "except (SystemExit, KeyboardInterrupt):\n    raise\nexcept:\n    pass",
            "a plain typo ends here unseen",
        ),
    ],
)
def test_a_bare_except_is_said_to_catch_what_reaches_it(clauses: str, said: str) -> None:
    [found] = check_text(RULES["ERR001"], f"try:\n    fit()\n{clauses}\n")
    assert said in found.message


@pytest.mark.parametrize(
    ("loop", "act", "wanted"),
    [
        ("x, y", "rows.append((model(x), y))", 1),
        ("x, y_true", "keep(model(x), y_true)", 1),
        ("batch", "total += criterion(model(batch[0]), batch[1])", 1),
        ("batch", "found.append((model(batch['x']), batch['label']))", 1),
        ("x, names", "rows.append((names, model(x)))", 0),
        ("x, names", "y_pred = model(x); y_pos = 0; write(names, y_pred, y_pos)", 0),
    ],
)
def test_a_loop_without_labels_measures_nothing(loop: str, act: str, wanted: int) -> None:
    code = (
        "import torch\n\nmodel.eval()\nwith torch.no_grad():\n"
        f"    for {loop} in loader:\n        try:\n            {act}\n"
        "        except Exception:\n            continue\n"
    )
    assert len(check_text(RULES["ERR002"], code)) == wanted


@pytest.mark.parametrize("code", ["ERR001", "ERR002"])
def test_what_a_handler_prints_is_not_called_unseen(code: str) -> None:
    program = (
        "for x, y in loader:\n    try:\n        {act}\n"
        "    except{caught}:\n        print('failed')\n"
    )
    act = "criterion(model(x), y).backward(); optimizer.step()" if code == "ERR002" else "look(x)"
    caught = " Exception" if code == "ERR002" else ""
    [found] = check_text(RULES[code], program.format(act=act, caught=caught))
    assert "unseen" not in found.message


def test_what_logging_shows_of_a_failed_record_is_not_called_unseen() -> None:
    program = (
        "import logging\n\nclass Bar(logging.Handler):\n    def emit(self, record):\n"
        "        try:\n            draw(self.format(record))\n"
        "        except:\n            {}(record)\n"
    )
    [found] = check_text(RULES["ERR001"], program.format("self.handleError"))
    assert "unseen" not in found.message
    [found] = check_text(RULES["ERR001"], program.format("self.forget"))
    assert "unseen" in found.message


@pytest.mark.parametrize(
    ("target", "wanted", "error"),
    [
        ("librosa=0.9.2", Severity.INFO, False),
        ("librosa=0.8..0.11", Severity.WARNING, True),
        ("librosa=0.10..0.11", Severity.ERROR, True),
    ],
)
def test_positions_fail_only_where_the_target_has_a_release_that_refuses_them(
    target: str, wanted: Severity, error: bool
) -> None:
    code = f"# target: {target}\nimport librosa\n\nlibrosa.load(path, 16000)\n"
    [found] = check_text(RULES["AUD001"], code)
    assert found.severity is wanted
    assert ("TypeError" in found.message) is error
