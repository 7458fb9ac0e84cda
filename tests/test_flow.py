"""The control flow of one body: what can follow what."""

from __future__ import annotations

import textwrap

from trainlint.semantics import lower, tree
from trainlint.semantics.flow import ENTRY, EXIT, Flow


class Body:
    """A program whose statements are found by the name that they call."""

    def __init__(self, code: str) -> None:
        self.module = lower.parse(textwrap.dedent(code))
        self.flow = Flow(self.module)

    def at(self, name: str) -> int:
        calls = self.module.kinds[tree.Call]
        return self.flow.point(next(c for c in calls if tree.dotted(c.func) == name))

    def follows(self, first: str, second: str, *avoiding: str) -> bool:
        avoided = [self.at(name) for name in avoiding]
        return self.flow.reaches(self.at(first), [self.at(second)], avoided)


def test_statements_follow_each_other_and_not_backwards() -> None:
    body = Body("a()\nb()\n")
    assert body.follows("a", "b")
    assert not body.follows("b", "a")


def test_both_branches_meet_again_and_exclude_each_other() -> None:
    body = Body("if x:\n    a()\nelse:\n    b()\nc()\n")
    assert body.follows("a", "c")
    assert body.follows("b", "c")
    assert not body.follows("a", "b")
    assert not body.flow.always_before(body.at("c"), [body.at("a")])
    assert body.flow.always_before(body.at("c"), [body.at("a"), body.at("b")])


def test_a_loop_comes_back_and_may_not_run_at_all() -> None:
    body = Body("for i in x:\n    a()\n    b()\nc()\n")
    assert body.follows("b", "a")
    assert not body.flow.always_before(body.at("c"), [body.at("a")])


def test_an_endless_loop_is_left_by_break_only() -> None:
    body = Body("while True:\n    a()\n    if x:\n        break\n    b()\nc()\n")
    assert body.flow.always_before(body.at("c"), [body.at("a")])
    assert not body.follows("b", "c", "a")
    left = Body("while True:\n    a()\nc()\n")
    assert not left.follows("a", "c")


def test_continue_skips_the_rest_of_the_round() -> None:
    body = Body("for i in x:\n    a()\n    if i:\n        continue\n    b()\n")
    assert body.follows("a", "a", "b")


def test_return_ends_the_body() -> None:
    body = Body("a()\n")
    function = Body("def f():\n    a()\n    return b()\n    c()\n").module.body[0]
    assert isinstance(function, tree.FunctionDef)
    flow = Flow(function)
    assert flow.after[flow.point(function.body[1])] == {EXIT}
    assert not flow.reaches(ENTRY, [flow.point(function.body[2])])
    assert body.flow.reaches(ENTRY, [EXIT])


def test_any_statement_of_a_try_may_lead_to_its_handler() -> None:
    body = Body("try:\n    a()\n    b()\nexcept E:\n    c()\nelse:\n    d()\nfinally:\n    e()\n")
    assert body.follows("a", "c", "b")
    assert body.follows("c", "e")
    assert not body.follows("c", "d")
    assert body.flow.always_before(body.at("d"), [body.at("b")])


def test_the_last_of_some_points_before_a_place() -> None:
    body = Body("a()\nif x:\n    b()\nc()\n")
    last, unmet = body.flow.last(body.at("c"), [body.at("a"), body.at("b")])
    assert last == {body.at("a"), body.at("b")}
    assert not unmet
    last, unmet = body.flow.last(body.at("c"), [body.at("b")])
    assert last == {body.at("b")}
    assert unmet


def test_nothing_follows_a_call_that_ends_the_program() -> None:
    body = Body("if x:\n    a()\n    sys.exit(0)\nb()\n")
    assert not body.follows("a", "b")
    assert body.flow.reaches(body.at("a"), [EXIT])


def test_the_end_of_the_program_is_caught_by_a_handler_around_it() -> None:
    body = Body("try:\n    a()\n    exit()\nexcept SystemExit:\n    b()\nc()\n")
    assert body.follows("a", "b")
    assert body.follows("a", "c")
