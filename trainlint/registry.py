"""All rules there are, found by walking the package of rules; there is no list to keep."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import ModuleType

from trainlint.rule import Rule
from trainlint.triage import NEVER


class RegistryError(Exception):
    """Two rules claim one code or name, or a pack cannot be imported."""


@dataclass(frozen=True)
class Registry:
    """Rules by code, in the order of their codes."""

    rules: tuple[Rule, ...]

    @cached_property
    def by_code(self) -> dict[str, Rule]:
        return {rule.code: rule for rule in self.rules}

    @cached_property
    def names(self) -> frozenset[str]:
        """Everything that selects a rule: codes and names."""
        return frozenset(self.by_code) | frozenset(rule.name for rule in self.rules)

    def find(self, code_or_name: str) -> Rule | None:
        """The rule of that code (in any case) or name."""
        wanted = code_or_name.strip()
        for rule in self.rules:
            if wanted.upper() == rule.code or wanted.lower() == rule.name:
                return rule
        return None


@lru_cache(maxsize=1)
def shipped() -> Registry:
    """The rules that come with trainlint."""
    package = importlib.import_module("trainlint.rules")
    return registry_of(_walk(package))


def registry_of(modules: Iterable[ModuleType]) -> Registry:
    """The rules that are constants of these modules.

    Raises:
        RegistryError: two of them share a code or a name.
    """
    found: dict[str, Rule] = {}
    names: dict[str, Rule] = {}
    for module in modules:
        for value in vars(module).values():
            if not issubclass(type(value), Rule) or found.get(value.code) is value:
                continue
            if value.code in found or value.name in names:
                raise RegistryError(f"{module.__name__}: {value.code} {value.name} exists already")
            found[value.code] = names[value.name] = value
    return Registry(tuple(found[code] for code in sorted(found)))


def with_packs(registry: Registry, modules: Iterable[ModuleType]) -> Registry:
    """The registry and the rules of other people's modules.

    Raises:
        RegistryError: a pack claims a code or name that exists.
    """
    more = registry_of(modules)
    for rule in more.rules:
        if rule.code in registry.by_code or rule.name in registry.names:
            raise RegistryError(f"{rule.code} {rule.name} exists already")
    rules = sorted((*registry.rules, *more.rules), key=lambda rule: rule.code)
    return Registry(tuple(rules))


def verifying(registry: Registry) -> Registry:
    """The rules and the inspections of audits, as rules that find what is right.

    A rule that verifies nothing keeps its code and name, so that settings may still name it.
    """
    inspections = registry_of(_walk(importlib.import_module("trainlint.audit.inspections")))
    every = (*registry.rules, *inspections.rules)
    return Registry(tuple(_verifying(rule) for rule in every))


def _verifying(rule: Rule) -> Rule:
    if rule.verifies:
        return replace(rule, checks=rule.verifies)
    return replace(rule, needs=NEVER, here=None)


def _walk(package: ModuleType) -> Iterator[ModuleType]:
    names = {entry for folder in package.__path__ for entry in os.listdir(folder)}
    for name in sorted(name.removesuffix(".py") for name in names if name.endswith(".py")):
        if name != "__init__":
            yield importlib.import_module(f"{package.__name__}.{name}")
