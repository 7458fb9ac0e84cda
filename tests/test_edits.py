from __future__ import annotations

import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trainlint.edits import Conflict, Edit, Safety, apply, overlaps

TEXT = st.text("ab\n", max_size=12)


@st.composite
def edits_of(draw: st.DrawFn, text: str, most: int = 4) -> list[Edit]:
    places = st.integers(0, len(text))
    ranges = draw(st.lists(st.tuples(places, places), max_size=most))
    texts = st.text("xy", max_size=2)
    return [Edit("a.py", min(pair), max(pair), draw(texts)) for pair in ranges]


@st.composite
def text_and_edits(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    text = draw(TEXT)
    return text, draw(edits_of(text))


def applied_from_the_back(text: str, edits: list[Edit]) -> str:
    """What edits mean: each one alone, the last place first, so that no offset moves."""
    for edit in sorted(set(edits), key=lambda e: (e.start, e.end), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


@given(text_and_edits())
def test_edits_mean_what_they_mean_one_by_one_or_conflict(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    distinct = list(set(edits))
    in_conflict = any(
        overlaps(left, right)
        for index, left in enumerate(distinct)
        for right in distinct[index + 1 :]
    )
    if in_conflict:
        with pytest.raises(Conflict):
            apply(text, edits)
    else:
        assert apply(text, edits) == applied_from_the_back(text, edits)


@given(text_and_edits(), st.randoms())
def test_the_order_in_which_edits_are_given_does_not_matter(
    case: tuple[str, list[Edit]], random: st.random_module
) -> None:
    text, edits = case
    shuffled = list(edits)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    try:
        expected = apply(text, edits)
    except Conflict:
        with pytest.raises(Conflict):
            apply(text, shuffled)
    else:
        assert apply(text, shuffled) == expected


@given(text_and_edits())
def test_overlap_is_symmetric(case: tuple[str, list[Edit]]) -> None:
    _, edits = case
    for left in edits:
        for right in edits:
            assert overlaps(left, right) == overlaps(right, left)


@given(text_and_edits())
def test_text_outside_of_the_edits_stays(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    assume(edits)
    try:
        result = apply(text, edits)
    except Conflict:
        return
    first, last = min(edit.start for edit in edits), max(edit.end for edit in edits)
    assert result.startswith(text[:first])
    assert result.endswith(text[last:])


def test_equal_edits_count_once() -> None:
    edit = Edit("a.py", 1, 2, "x")
    assert apply("abc", [edit, edit]) == "axc"


def test_two_insertions_at_one_place_conflict() -> None:
    first, second = Edit("a.py", 1, 1, "x"), Edit("a.py", 1, 1, "y")
    assert overlaps(first, second)
    with pytest.raises(Conflict):
        apply("abc", [first, second])


@pytest.mark.parametrize("place", [1, 3])
def test_an_insertion_at_the_border_of_a_replacement_does_not_conflict(place: int) -> None:
    replacement, insertion = Edit("a.py", 1, 3, "-"), Edit("a.py", place, place, "+")
    assert not overlaps(replacement, insertion)
    assert apply("abcd", [replacement, insertion]) == ("a+-d" if place == 1 else "a-+d")


def test_an_insertion_inside_a_replacement_conflicts() -> None:
    with pytest.raises(Conflict):
        apply("abcd", [Edit("a.py", 1, 3, "-"), Edit("a.py", 2, 2, "+")])


def test_edits_of_different_files_do_not_overlap() -> None:
    assert not overlaps(Edit("a.py", 0, 5, ""), Edit("b.py", 0, 5, ""))


@pytest.mark.parametrize(("start", "end"), [(-1, 0), (2, 1), (0, 4), (4, 4)])
def test_an_edit_outside_of_the_text_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        apply("abc", [Edit("a.py", start, end, "x")])


def test_a_conflict_names_both_edits_and_survives_a_process_border() -> None:
    first, second = Edit("a.py", 0, 2, "x"), Edit("a.py", 1, 3, "y")
    with pytest.raises(Conflict) as caught:
        apply("abc", [second, first])
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.first, copy.second) == (first, second)


def test_safety_is_ordered_and_printed_as_a_word() -> None:
    assert Safety.SHOWN < Safety.UNSAFE < Safety.SAFE
    assert str(Safety.UNSAFE) == "unsafe"
