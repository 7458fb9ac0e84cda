"""Finds every dotted name under which a release's callables can be reached.

A user writes `librosa.load` or `librosa.core.load` for what `librosa/core/audio.py` defines, so a
table needs all the names: re-exports, star imports and lazily attached stubs are followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tables.signatures import Definition, Import, Module, is_lazy, read_module

MAX_HOPS = 12


class Surface:
    """The modules of one release and the names they give to each other."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.modules = dict(_read_all(sources))
        self.packages = {name for name in self.modules if _is_package(name, sources)}

    def unparsed(self) -> list[str]:
        """Return the modules whose text no parser takes."""
        return sorted(module.name for module in self.modules.values() if not module.parsed)

    def public(self) -> dict[str, Definition]:
        """Return the callables by public dotted name."""
        found: dict[str, Definition] = {}
        for module in self.modules.values():
            if any(part.startswith("_") for part in module.name.split(".")):
                continue
            for name in sorted(self._names(module)):
                definition = self.resolve(module.name, name)
                if definition is not None:
                    found[f"{module.name}.{name}"] = definition
        return found

    def resolve(self, module_name: str, name: str, hops: int = 0) -> Definition | None:
        """Return what `name` means in a module, None where it is no callable of the release."""
        module = self.modules.get(module_name)
        if module is None or hops > MAX_HOPS:
            return None
        if name in module.definitions:
            return self._with_maker(module, module.definitions[name], hops)
        if name in module.aliases:
            alias = module.aliases[name]
            definition = self._resolve_dotted(module, alias.target, hops + 1)
            if definition is None or alias.notice is None:
                return definition
            return replace(definition, notice=alias.notice)
        if name in module.imports:
            origin = module.imports[name]
            return self.resolve(origin.module, origin.name, hops + 1)
        return self._resolve_star(module, name, hops)

    def _names(self, module: Module) -> set[str]:
        """Return the names that users may take from a module.

        A package offers all it binds; a plain module what it defines or lists in `__all__`, as
        what it imports for its own needs belongs to others.
        """
        names = {*module.definitions, *module.aliases, *(module.exported or ())}
        if module.name in self.packages:
            names |= {*module.imports}
            for star in module.stars:
                names |= self._starred(star)
        return {name for name in names if not name.startswith("_")}

    def _starred(self, star: Import, hops: int = 0) -> set[str]:
        """Return the names that a star import brings in."""
        module = self.modules.get(star.module)
        if module is None or hops > MAX_HOPS:
            return set()
        if module.exported is not None:
            return set(module.exported)
        names = {*module.definitions, *module.aliases, *module.imports}
        for inner in module.stars:
            names |= self._starred(inner, hops + 1)
        return {name for name in names if not name.startswith("_")}

    def _resolve_star(self, module: Module, name: str, hops: int) -> Definition | None:
        for star in module.stars:
            if name in self._starred(star):
                found = self.resolve(star.module, name, hops + 1)
                if found is not None:
                    return found
        return None

    def _resolve_dotted(self, module: Module, target: str, hops: int) -> Definition | None:
        owner, _, name = target.rpartition(".")
        if not owner:
            return self.resolve(module.name, name, hops)
        origin = module.imports.get(owner)
        if origin is None:
            return None
        return self.resolve(f"{origin.module}.{origin.name}", name, hops)

    def _with_maker(self, module: Module, definition: Definition, hops: int) -> Definition:
        """Give a class without an `__init__` of its own that of its first known base."""
        if definition.signature is not None:
            return definition
        for base in definition.bases:
            found = self._resolve_dotted(module, base, hops + 1)
            if found is not None and found.signature is not None:
                return replace(definition, signature=found.signature)
        return definition


def _read_all(sources: dict[str, str]) -> Iterator[tuple[str, Module]]:
    for path, text in sorted(sources.items()):
        if path.endswith(".py"):
            name = _dotted(path)
            stub = sources.get(path + "i")
            chosen = stub if stub is not None and is_lazy(text) else text
            yield name, read_module(name, chosen, package=path.endswith("/__init__.py"))


def _is_package(name: str, sources: dict[str, str]) -> bool:
    return name.replace(".", "/") + "/__init__.py" in sources


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
