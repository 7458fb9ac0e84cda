"""Every rule on its fixtures, by the one harness."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainlint.registry import shipped
from trainlint.rule import Rule
from trainlint.testing import verify

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.mark.parametrize("rule", shipped().rules, ids=lambda rule: f"{rule.code}-{rule.name}")
def test_a_rule_finds_its_marks_is_silent_elsewhere_and_its_fixes_hold(rule: Rule) -> None:
    verify(rule, FIXTURES / rule.name)
