"""Signature tables answer for a whole target range, or say that they cannot."""

from __future__ import annotations

import json

import pytest

from trainlint.config.targets import Range, Version, settled
from trainlint.registry import shipped
from trainlint.semantics.signatures import (
    Rename,
    Row,
    Spelling,
    Table,
    available,
    reaches_back,
    replacements,
)
from trainlint.testing import check_text

TABLE = json.dumps(
    {
        "library": "librosa",
        "releases": ["0.6.0", "0.6.1", "0.7.0", "0.9.0", "0.10.0", "1.0.0"],
        "rows": [
            {
                "names": ["lib.mix", "lib.core.mix"],
                "parameters": ["y", "sr", "window", "path"],
                "positions": 1,
                "keyword_only": "0.10.0",
                "other_orders": {"0.6.0..0.6.1": ["y", "sr", "power"]},
                "renamed": [
                    {
                        "old": "path",
                        "new": "file",
                        "since": "0.9.0",
                        "by": "release",
                        "removed": "1.0.0",
                    }
                ],
            },
            {"names": ["lib.old.a"], "parameters": [], "positions": 0, "removed": "0.7.0"},
            {"names": ["lib.old.b"], "parameters": ["x"], "positions": 1, "removed": "0.9.0"},
        ],
    }
)


@pytest.fixture(name="row")
def _row() -> Row:
    row = Table.parse(TABLE).get("lib.core.mix")
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("0.7..1.0", "window"),
        ("0.6.1..1.0", None),
        (">=0.6", None),
        ("<1.0", None),
        ("0.6..0.6.1", None),
    ],
)
def test_a_position_has_a_name_only_where_all_releases_agree(
    row: Row, target: str, name: str | None
) -> None:
    assert row.name_at(2, Range.parse(target)) == name
    assert row.name_at(1, Range.parse(target)) == "sr"
    assert row.name_at(9, Range.parse(target)) is None


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("0.9..1.0", "file"),
        ("0.7..0.9", "path"),
        ("0.6..0.8", "path"),
        ("0.7..1.0", None),
        ("<=1.0", "file"),
    ],
)
def test_a_renamed_parameter_is_spelled_as_the_whole_range_knows_it(
    row: Row, target: str, name: str | None
) -> None:
    spelling = row.spelling("path", Range.parse(target))
    assert (spelling.name if spelling is not None else None) == name


def test_a_new_name_is_a_guess_where_the_oldest_release_is_unknown_and_it_is_young() -> None:
    young = Rename("seed", "rng", (0, 11), (1, 0))
    assert available("librosa", young, Range(None, (1, 0), known=False)) == Spelling("rng", True)
    old = Rename("seed", "rng", (0, 9), (1, 0))
    assert available("librosa", old, Range(None, (1, 0), known=False)) == Spelling("rng")


@pytest.mark.parametrize(
    ("since", "target", "expected"),
    [
        ((0, 10), ">=0.10", True),
        ((0, 10), ">=0.9", False),
        ((0, 10), "<1.0", True),
        ((0, 11), "<1.0", None),
        (None, ">=0.4", True),
    ],
)
def test_what_a_range_has_depends_on_its_oldest_release(
    since: Version | None, target: str, expected: bool | None
) -> None:
    assert reaches_back("librosa", since, Range.parse(target)) is expected


def test_a_release_is_settled_two_years_before_the_newest_one() -> None:
    assert settled("librosa", (0, 10, 2))
    assert not settled("librosa", (0, 11))
    assert not settled("no-such-library", (0, 1))


def test_a_module_is_gone_with_the_last_of_its_names() -> None:
    assert Table.parse(TABLE).removed_modules() == {"lib.old": (0, 9, 0)}


def test_replacements_carry_source_text_and_a_reason_where_there_is_none() -> None:
    text = json.dumps(
        {
            "rows": [
                {
                    "names": ["lib.write"],
                    "replacement": "sf.write",
                    "since": "0.7.0",
                    "fix": True,
                    "arguments": {"path": "file"},
                    "add": {"subtype": "FLOAT"},
                    "needs": [],
                },
                {
                    "names": ["lib.dct"],
                    "replacement": "scipy.dct",
                    "since": "0.7.0",
                    "fix": False,
                    "needs": ["none: it transforms"],
                },
                {"names": ["lib.get"], "parameter": "filename"},
            ]
        }
    )
    found = replacements(text)
    assert found["lib.write"].add == {"subtype": '"FLOAT"'}
    assert found["lib.dct"].none == "it transforms"
    assert set(found) == {"lib.write", "lib.dct"}


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        (
            "x_axis='time'",
            "`x_axis` of `librosa.display.waveshow` is called `axis` since 0.10 "
            "and is refused since 1.0",
        ),
        ("max_points=100", "`max_points` does not mean the same to `librosa.display.waveshow`"),
        ("max_sr=100", "`librosa.display.waveshow` has nothing like `max_sr`"),
    ],
)
def test_an_argument_without_a_counterpart_is_told_as_the_table_knows_it(
    argument: str, why: str
) -> None:
    code = f"import librosa.display\n\nlibrosa.display.waveplot(wave, {argument})\n"
    [found] = check_text(shipped().by_code["AUD002"], code)
    assert f"(no fix here: {why})" in found.message
