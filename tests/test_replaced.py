"""Which definitions never run, because a later one of the same name takes their place."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.testing import file_of


def _dead(code: str) -> list[bool]:
    """For each call of ``probe`` whether it is dead, in source order."""
    file = file_of(textwrap.dedent(code))
    return [is_dead(c) for c in file.all(tree.Call) if tree.dotted(c.func) == "probe"]


def test_of_two_methods_of_a_name_the_first_never_runs() -> None:
    code = """
        class Trainer:
            def predict(self, loader):
                probe()
            def fit(self):
                self.predict(None)
            def predict(self, loader):
                probe()
    """
    assert _dead(code) == [True, False]


def test_of_two_functions_of_a_name_the_first_never_runs() -> None:
    code = """
        import argparse
        def main():
            probe()
        parser = argparse.ArgumentParser()
        def helper():
            return main()
        async def main():
            probe()
    """
    assert _dead(code) == [True, False]


def test_a_class_is_replaced_with_all_that_it_holds() -> None:
    code = """
        from torch import nn
        class Net(nn.Module):
            def forward(self, x):
                return probe()
        class Net(nn.Module):
            pass
    """
    assert _dead(code) == [True]


@pytest.mark.parametrize(
    "code",
    [
        # a setter, an overload, a function that is registered for a type
        """
        class A:
            @property
            def rate(self): probe()
            @rate.setter
            def rate(self, value): pass
        """,
        """
        class A:
            def rate(self): probe()
            rate = property(rate)
            def rate(self): pass
        """,
        """
        from typing import overload
        @overload
        def f(x: int): probe()
        def f(x): pass
        """,
        """
        @base.register(int)
        def _(x): probe()
        @base.register(str)
        def _(x): pass
        """,
        # a branch takes one of them
        """
        if fast:
            def f(): probe()
        else:
            def f(): pass
        """,
        """
        def f(): probe()
        try:
            import apex
            def f(): pass
        except ImportError:
            pass
        """,
        # it is used before it is replaced
        """
        def f(): probe()
        first = f
        def f(): pass
        """,
        """
        def f(): probe()
        def run(): f()
        run()
        def f(): pass
        """,
        """
        def f(): probe()
        def g(step=f): step()
        def f(): pass
        """,
        """
        class A:
            def f(self): probe()
        class A(A):
            pass
        """,
        """
        class A(Registered):
            def f(self): probe()
        class A(Registered):
            pass
        """,
        # another scope
        """
        class A:
            def f(self): probe()
        class B:
            def f(self): pass
        """,
        """
        def f():
            probe()
        def g():
            def f(): pass
        """,
    ],
)
def test_what_may_be_used_or_kept_is_not_replaced(code: str) -> None:
    assert _dead(code) == [False]


def test_what_follows_a_statement_that_leaves_its_block_never_runs() -> None:
    code = """
        def first(rows):
            for row in rows:
                if row:
                    continue
                    probe()
                probe()
                break
                probe()
            return rows
            with rows:
                probe()
        def second(rows):
            if rows:
                return rows
            probe()
    """
    assert _dead(code) == [True, False, True, True, False]
