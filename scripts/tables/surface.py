"""Finds every dotted name under which a release's callables can be reached.

A user writes `librosa.load` or `librosa.core.load` for what `librosa/core/audio.py` defines, so a
table needs all the names: re-exports, star imports and lazily attached stubs are followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tables.notices import Notice
from tables.signatures import Definition, Import, Module, Signature, is_lazy, read_module

MAX_HOPS = 12
# Bases of other packages that add no method which a release could have meant to keep.
PLAIN_BASES = frozenset(
    "object ABC abc.ABC Generic Protocol Enum enum.Enum str int dict Module nn.Module "
    "torch.nn.Module torch.nn.modules.Module Dataset Sampler NamedTuple Exception "
    "type ABCMeta abc.ABCMeta EnumMeta enum.EnumMeta".split()
)
INTERNAL = frozenset({"testing", "tests", "test", "conftest", "experimental", "prototype"})


class Surface:
    """The modules of one release and the names they give to each other."""

    def __init__(self, sources: dict[str, str], *, wide: bool = False) -> None:
        self.wide = wide
        self.modules = dict(_read_all(sources, wide=wide))
        self.packages = {name for name in self.modules if _is_package(name, sources)}
        # Names that a private module puts into others when the package is imported.
        self.put = {
            name
            for module in self.modules.values()
            if module.sets_others
            for name in module.definitions
        }

    def unparsed(self) -> list[str]:
        """Return the modules whose text no parser takes."""
        return sorted(module.name for module in self.modules.values() if not module.parsed)

    def public(self) -> dict[str, Definition]:
        """Return the callables by public dotted name."""
        found: dict[str, Definition] = {}
        for module in self.modules.values():
            if any(part.startswith("_") for part in module.name.split(".")):
                continue
            if self.wide and not INTERNAL.isdisjoint(module.name.split(".")):
                continue
            for name in sorted(self._names(module)):
                definition = self.resolve(module.name, name)
                if definition is not None:
                    found[f"{module.name}.{name}"] = definition
                    for member, held in self.members(definition).items():
                        found[f"{module.name}.{name}.{member}"] = held
            for name, says in module.retired.items():
                found[f"{module.name}.{name}"] = Definition(
                    f"{module.name}.{name}", None, Notice(says=says, dead=True)
                )
        return found

    def members(self, definition: Definition) -> dict[str, Definition]:
        """Return the public methods of a class, those of its bases and its metaclass too."""
        if not self.wide or not definition.is_class:
            return {}
        found: dict[str, Definition] = {}
        for cls in reversed(self._lineage(definition)[0]):
            found |= cls.members
        return found

    def may_have(self, dotted: str) -> bool:
        """Return whether a name can be there although nothing was found of it.

        It is bound by what no text tells (an extension module, names that come at run time), or
        its class has a base that is not of this release.
        """
        owner, _, name = dotted.rpartition(".")
        module = self.modules.get(owner)
        if name in self.put:
            return True
        if module is not None:
            if name in module.retired:
                return False
            submodule = self.modules.get(dotted)
            unknown = module.open_ended or any(
                star.module not in self.modules for star in module.stars
            )
            bound = {*module.definitions, *module.aliases, *module.imports, *module.mentioned}
            stars = (self.may_have(f"{star.module}.{name}") for star in module.stars)
            return submodule is not None or unknown or name in bound or any(stars)
        above, _, last = owner.rpartition(".")
        cls = self.resolve(above, last) if above else None
        if cls is None:
            return bool(above) and self.may_have(owner)
        classes, open_ended = self._lineage(cls)
        return open_ended or any(name in each.members for each in classes)

    def _lineage(self, cls: Definition, hops: int = 0) -> tuple[list[Definition], bool]:
        """Return a class, its bases and its metaclass, and whether some of them are not known."""
        found, open_ended = [cls], hops > MAX_HOPS
        module = self.modules.get(cls.origin.rpartition(".")[0])
        above = (*cls.bases, *([cls.metaclass] if cls.metaclass else []))
        for text in above if hops <= MAX_HOPS else ():
            plain = text.partition("[")[0]
            base = self._resolve_dotted(module, plain, 0) if module is not None else None
            if base is not None and base.origin != cls.origin:
                classes, unknown = self._lineage(base, hops + 1)
                found += classes
                open_ended = open_ended or unknown
            elif plain not in PLAIN_BASES:
                open_ended = True
        return found, open_ended

    def resolve(self, module_name: str, name: str, hops: int = 0) -> Definition | None:
        """Return what `name` means in a module, None where it is no callable of the release."""
        module = self.modules.get(module_name)
        if module is None or hops > MAX_HOPS:
            return None
        if name in module.definitions:
            found = module.definitions[name]
            return (
                self._with_fields(found) if found.fields else self._with_maker(module, found, hops)
            )
        if name in module.aliases:
            alias = module.aliases[name]
            definition = self._resolve_dotted(module, alias.target, hops + 1)
            if definition is None or alias.notice is None:
                return definition
            return replace(definition, notice=alias.notice)
        if name in module.imports:
            origin = module.imports[name]
            return self.resolve(origin.module, origin.name, hops + 1)
        starred = self._resolve_star(module, name, hops)
        if starred is None and name in module.constants:
            return Definition(f"{module.name}.{name}", None)
        return starred

    def _names(self, module: Module) -> set[str]:
        """Return the names that users may take from a module.

        A package offers all it binds; a plain module what it defines or lists in `__all__`, as
        what it imports for its own needs belongs to others.
        """
        names = {*module.definitions, *module.aliases, *(module.exported or ())}
        if self.wide:
            names |= module.constants
        if self.wide and module.exported is not None and module.name not in self.packages:
            names = {*module.exported}
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

    def _with_fields(self, cls: Definition) -> Definition:
        """Give a data class the fields of its bases before its own."""
        made = [each.signature for each in reversed(self._lineage(cls)[0]) if each.fields]
        known = [each for each in made if each is not None]
        names = dict.fromkeys(name for each in known for name in each.positional)
        going = dict.fromkeys(name for each in known for name in each.deprecated)
        defaults = {name: text for each in known for name, text in each.defaults.items()}
        made_of = Signature(tuple(names), deprecated=tuple(going), defaults=defaults)
        return replace(cls, signature=made_of)

    def _with_maker(self, module: Module, definition: Definition, hops: int) -> Definition:
        """Give a class without an `__init__` of its own that of its first known base."""
        if definition.signature is not None:
            return definition
        for base in definition.bases:
            found = self._resolve_dotted(module, base, hops + 1)
            if found is not None and found.signature is not None:
                return replace(definition, signature=found.signature)
        return definition


def _read_all(sources: dict[str, str], *, wide: bool) -> Iterator[tuple[str, Module]]:
    for path, text in sorted(sources.items()):
        if path.endswith(".py"):
            name = _dotted(path)
            stub = sources.get(path + "i")
            chosen = stub if stub is not None and is_lazy(text) else text
            yield name, read_module(name, chosen, package=path.endswith("/__init__.py"), wide=wide)


def _is_package(name: str, sources: dict[str, str]) -> bool:
    return name.replace(".", "/") + "/__init__.py" in sources


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
