"""Names that moved: their imports, what is read through them, and what must stay."""

from __future__ import annotations

import pytest

from trainlint import edits
from trainlint.edits import Safety
from trainlint.rewrite import Moves, Unfixable, together
from trainlint.semantics import lower
from trainlint.semantics.facts import File, Surroundings
from trainlint.semantics.references import references
from trainlint.testing import project_of
from trainlint.text.source import decode

NEW = {"lib.old.ops.f": "lib.ops.f", "lib.old.ops.g": "lib.ops.g"}


def moves_of(text: str, imported: frozenset[str] = frozenset()) -> Moves:
    source = decode("a.py", text.encode())
    taken = "".join(f"from a import {name}\n" for name in sorted(imported))
    project = project_of({"a.py": text, "other.py": taken})
    file = File(source, lower.parse(source.code), Surroundings({}, {}, project=project))
    return Moves(file, references(file, NEW), NEW)


def moved(text: str) -> str:
    """The text after all groups of moves."""
    moves = moves_of(text)
    found = []
    stale = list(moves.stale())
    for group in moves.groups(lambda _: Safety.SAFE):
        gone = [moves.drop(alias) for alias, needed in stale if set(needed) <= set(group)]
        respelled = [moves.respell(reference) for reference in group]
        found.append(together(*respelled, moves.imports(group), *gone))
    return edits.apply(text, together(*found))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from lib.old.ops import f\nf()\n", "from lib.ops import f\nf()\n"),
        ("from lib.old.ops import f as h\nh()\n", "from lib.ops import f as h\nh()\n"),
        ("from lib.old.ops import f, g\nf()\n", "from lib.ops import f\nf()\n"),
        (
            "from lib.old.ops import f, k\nf(), k\n",
            "from lib.old.ops import k\nfrom lib.ops import f\nf(), k\n",
        ),
        ("import lib\nlib.old.ops.f()\n", "import lib\nlib.ops.f()\n"),
        ("import lib as l\nl.old.ops.f()\n", "import lib as l\nl.ops.f()\n"),
        ("import lib.old.ops\nlib.old.ops.f()\n", "import lib\nlib.ops.f()\n"),
        ("import lib\nimport lib.old.ops\nlib.old.ops.f()\n", "import lib\nlib.ops.f()\n"),
        (
            "import lib.old.ops\nlib.old.ops.f(), lib.old.ops.k\n",
            "import lib.old.ops\nlib.ops.f(), lib.old.ops.k\n",
        ),
        ("import lib.old.ops as o\no.f()\n", "import lib.ops as o\no.f()\n"),
        ("import lib\nh = lib.old.ops.f\nh()\n", "import lib\nh = lib.ops.f\nh()\n"),
    ],
)
def test_uses_and_imports_move_together(before: str, after: str) -> None:
    assert moved(before) == after


def test_a_module_moves_where_only_moved_names_are_read_from_it() -> None:
    before = "from lib.old import ops\nops.f(), ops.g\n"
    assert moved(before) == before.replace("lib.old", "lib")


def test_a_module_from_which_more_is_read_stays_and_its_uses_are_spelled_out() -> None:
    before = "import lib\nfrom lib.old import ops as o\no.f(), o.k\n"
    after = "import lib\nfrom lib.old import ops as o\nfrom lib.ops import f\nf(), o.k\n"
    assert moved(before) == after


def test_an_unused_name_that_is_marked_as_wanted_stays() -> None:
    before = "from lib.old.ops import f, g  # noqa: F401\nf()\n"
    assert "from lib.old.ops import g  # noqa: F401\n" in moved(before)


@pytest.mark.parametrize(
    ("text", "imported", "reason"),
    [
        ("from lib.old.ops import f\n__all__ = ['f']\nf()\n", frozenset(), "__all__"),
        ("from lib.old.ops import f\nf()\n", frozenset({"f"}), "another file"),
        ("from lib.old.ops import f\nf()\n", frozenset({"*"}), "another file"),
        ("from lib.old.ops import *\nf()\n", frozenset(), "star import"),
        (
            "if x:\n    from lib.old.ops import f\nelse:\n    f = x\nf()\n",
            frozenset(),
            "something else",
        ),
    ],
)
def test_a_name_that_others_may_take_is_not_moved(
    text: str, imported: frozenset[str], reason: str
) -> None:
    moves = moves_of(text, imported)
    (reference,) = moves.references
    with pytest.raises(Unfixable, match=reason):
        moves.spell(reference)


def test_names_of_one_import_change_together_only_where_they_end_alike() -> None:
    moves = moves_of("from lib.old.ops import f, g\nf()\ng()\n")
    first, second = moves.references
    assert len(moves.groups(lambda _: Safety.SAFE)) == 1
    assert len(moves.groups({first: Safety.SAFE, second: Safety.UNSAFE}.get)) == 2
    assert len(moves.groups({first: Safety.SAFE, second: None}.get)) == 2


def test_two_bindings_of_one_name_move_as_one() -> None:
    text = "if x:\n    from lib.old.ops import f\nelse:\n    from lib.old.ops import f\nf()\n"
    assert moved(text) == text.replace("lib.old.ops", "lib.ops")
