"""How the learning rate goes, worked out over its epochs."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, rates

RULE = Rule("MATH3", "rates", Severity.INFO, needs=any_of("LR", "lr"))


@RULE.verify
def courses(file: File) -> Iterator[Finding]:
    for course in rates.courses(file):
        last = course.first + len(course.values) - 1
        said = f"{course.what} over {course.unit}s {course.first} to {last}"
        if course.unit == "step" and course.base is None:
            said = f"{said}, as shares of the rate that the optimizer starts with"
        series = {"unit": course.unit, "first": course.first, "values": list(course.values)}
        yield Finding(course.node, said, evidence={"series": series})
