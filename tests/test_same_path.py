"""Which expressions are known to be the path of one file."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import tree
from trainlint.semantics.training.written import same_path
from trainlint.testing import file_of

HEAD = "import os\nfrom elsewhere import find, shuffled\nout, other = find('out'), find('other')\n"


def _same(code: str) -> bool:
    file = file_of(HEAD + textwrap.dedent(code))
    one, also = (c.args[0].value for c in file.calls if tree.dotted(c.func) == "probe")
    found = same_path(file, one, also)
    assert same_path(file, also, one) is found
    return found


@pytest.mark.parametrize(
    ("inside", "outside", "wanted"),
    [
        ("root / 'net.pt'", "out / 'net.pt'", True),
        ("root / 'run' / 'net.pt'", "out / 'run' / 'net.pt'", True),
        ("root + '/net.pt'", "out + '/net.pt'", True),
        ("root % 'net'", "out % 'net'", True),
        ("os.path.join(root, 'net.pt')", "os.path.join(out, 'net.pt')", True),
        ("root / 'net.pt'", "other / 'net.pt'", False),
        ("root / 'net.pt'", "out / 'head.pt'", False),
        ("root / 'net.pt'", "out + 'net.pt'", False),
        ("root / 'run' / 'net.pt'", "out / 'net.pt'", False),
        ("os.path.join(root, 'net.pt')", "os.path.join(out, 'head.pt')", False),
        ("os.path.join(root, 'run', 'net.pt')", "os.path.join(out, 'run')", False),
        ("os.path.join(root, *parts)", "os.path.join(out, *parts)", False),
        ("os.path.join(root, 'net.pt')", "shuffled(out, 'net.pt')", False),
        ("shuffled(root, 'net.pt')", "shuffled(out, 'net.pt')", False),
    ],
)
def test_paths_of_the_same_pieces_are_one_however_a_piece_is_named(
    inside: str, outside: str, wanted: bool
) -> None:
    code = f"def save(root, parts):\n    probe({inside})\n\nsave(out, [])\nprobe({outside})\n"
    assert _same(code) is wanted


def test_names_in_a_text_are_the_same_by_their_binding_or_by_their_value() -> None:
    probe = "    probe(f'{root}/{name}.pt')\n"
    assert _same(f"def save(root, name):\n{probe}{probe}")
    two = f"def save(root, name):\n{probe}def load(root, name):\n{probe}"
    assert not _same(two)
    assert _same(two + "save(out, 'net')\nload(out, 'net')\n")
    assert not _same(two + "save(out, 'net')\nload(out, 'head')\n")
    assert not _same(two + "save(out, 'net')\nload(other, 'net')\n")
