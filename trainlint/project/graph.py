"""What the files of a project have to do with each other: imports and words, read without a parse.

Nothing here reads the disk: the texts are asked for through ``Texts``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Protocol

from trainlint.digests import framed
from trainlint.project.imports import Import, Sketch, identifiers, sketched
from trainlint.project.places import Places

Edges = Mapping[str, Iterable[str]]

MAX_ASKED = 40  # modules that one question is put to


class Texts(Protocol):
    """The files of a project. Paths are as in reports, ``root`` is the folder of the project."""

    @property
    def root(self) -> str: ...

    @property
    def paths(self) -> Sequence[str]: ...

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, None where it cannot be read."""

    def local(self, words: Iterable[str], path: str) -> frozenset[str]:
        """Those of the words that are top-level modules of the project for the file at a path."""


class _Replaced:
    """Texts of which some are others than on the disk."""

    def __init__(self, texts: Texts, replaced: Mapping[str, bytes]) -> None:
        self.texts, self.replaced = texts, replaced
        self.root, self.paths = texts.root, texts.paths

    def read(self, path: str) -> bytes | None:
        found = self.replaced.get(path)
        return self.texts.read(path) if found is None else found

    def local(self, words: Iterable[str], path: str) -> frozenset[str]:
        return self.texts.local(words, path)


class Graph:
    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.places = Places(texts.paths, texts.root)
        self._asked: dict[tuple[frozenset[str], str], tuple[list[str], bool]] = {}
        self._taken: dict[tuple[frozenset[str], str], tuple[list[str], bool]] = {}
        self._reachable: dict[str, list[str]] = {}
        self._held: dict[bytes, frozenset[str]] = {}
        self._sketches: dict[str, Sketch] = {}
        self._holders: dict[bytes, set[str]] = {}  # the files with a word, of those sketched
        self._base: Graph | None = None
        self._new: frozenset[str] = frozenset()

    def replaced(self, texts: Mapping[str, bytes]) -> Graph:
        """The same project, in which some files have other texts."""
        other = Graph(_Replaced(self.texts, texts))
        other._base, other._new = self, frozenset(texts)
        other.places = self.places
        other._sketches = {path: sketched(data)[0] for path, data in texts.items()}
        if all(new[:2] == self._sketch(path)[:2] for path, new in other._sketches.items()):
            other._graph, other._importers = self._graph, self._importers
            other._reachable = self._reachable
        return other

    def look_around(self) -> None:
        """Read all files now, for every process that is made of this one."""
        _ = self._by_word, self._importers

    # Questions

    def find(self, path: str, level: int, dotted: str) -> str | None:
        return self.places.find(path, level, dotted, () if level else self._added(path))

    def inside(self, place: str, name: str) -> str | None:
        return self.places.inside(place, name)

    def defines(self, place: str, name: str) -> bool:
        if place.endswith("/"):
            return False
        known = self._sketch(place)
        return name.encode() in known.defined and all(name not in i.names for i in known.imports)

    def mentions(self, place: str, words: Iterable[str]) -> bool:
        return any(self._mentions(place, word) for word in words)

    def takers(self, names: frozenset[str], path: str) -> tuple[list[str], bool]:
        key = (names, path)
        if key not in self._taken:
            found = list(dict.fromkeys(user for name in names for user in self._takers(name, path)))
            self._taken[key] = found[:MAX_ASKED], len(found) <= MAX_ASKED
        return self._taken[key]

    def _takers(self, name: str, path: str) -> list[str]:
        found: dict[str, None] = {}
        asked, left = {path}, [path]
        for place in left:
            for user, names in self._importers.get(place, {}).items():
                if name in names or ("*" in names and self._mentions(user, name)):
                    found[user] = None
                    if user not in asked:
                        asked.add(user)
                        left.append(user)
                elif "*" in names and user.endswith("__init__.py") and user not in asked:
                    asked.add(user)  # hands on what it does not name
                    left.append(user)
        return [user for user in found if self._mentions(user, name)]

    def _mentions(self, path: str, word: str) -> bool:
        return path in self._new or path in self._by_word.get(word, ())

    def mentioning(self, words: frozenset[str], path: str) -> tuple[list[str], bool]:
        key = (words, path)
        if key not in self._asked:
            with_words = self._new.union(*(self._by_word.get(word, ()) for word in words))
            found = [p for p in self._connected(path) if p in with_words] if with_words else []
            self._asked[key] = found[:MAX_ASKED], len(found) <= MAX_ASKED
        return self._asked[key]

    def holding(self, words: frozenset[str], path: str) -> list[str]:
        known = [self._by_word.get(word, set()) for word in words]
        found = set.intersection(*known) | self._new if known else set()
        near = [p for p in self._connected(path) if p in found]
        others = (found & frozenset().union(*self.units(path))).difference(near, [path])
        rest = sorted(others, key=lambda p: (_apart(_folder(path), _folder(p)), p))
        return [*near, *rest][:MAX_ASKED]

    def connected(self, path: str) -> tuple[list[str], bool]:
        found = self._connected(path)
        return found[:MAX_ASKED], len(found) <= MAX_ASKED

    def importers(self, path: str) -> dict[str, frozenset[str]]:
        return self._importers.get(path, {})

    def words_around(self, words: Iterable[bytes], path: str) -> frozenset[bytes]:
        """Those of the words that stand, perhaps as parts of others, in files that one can meet."""
        around = (*self._connected(path), *self._in_folder(path))
        return frozenset(word for word in words if not self._holding_part(word).isdisjoint(around))

    def near(self, path: str) -> list[str]:
        """Files that may have something to do with one, the nearest first; not all of them."""
        found = dict.fromkeys(self._connected(path))
        for used in self._graph.get(path, ()):
            found.update(dict.fromkeys(self._connected(used)))
        found.pop(path, None)
        return list(found)[:MAX_ASKED]

    def units(self, path: str) -> tuple[frozenset[str], frozenset[str]]:
        """All files on which an answer about one can depend: its group, and its folder."""
        return self.group(path), self._in_folder(path)

    def group(self, path: str) -> frozenset[str]:
        """All files that imports connect with one, in whatever direction."""
        return self._components.get(path, frozenset([path]))

    @cached_property
    def ranks(self) -> dict[str, int]:
        """The files numbered so that those which have to do with each other stand together."""
        order: dict[str, None] = {}
        for path in self.texts.paths:
            _reach(path, self._beside, order)
        return {path: rank for rank, path in enumerate(order)}

    def marks(self, path: str) -> tuple[bytes, bytes]:
        """What tells the code of a file, and its whole text, from what they were.

        The modules that it imports are a part of both.
        """
        sketch, targets = self._sketch(path), sorted(self._graph.get(path, ()))
        return framed(path, sketch.digest, *targets, ""), framed(path, sketch.exact, *targets, "")

    # What they are answered from

    @cached_property
    def _components(self) -> dict[str, frozenset[str]]:
        """The files that imports connect, in whatever direction."""
        group = {path: {path} for path in self.texts.paths}
        for path, taken in self._graph.items():
            for target in (*taken, *self._unfound(path)):
                one, other = group[path], group.get(target)
                if other is not None and one is not other:
                    small, large = sorted((one, other), key=len)
                    large |= small
                    group.update(dict.fromkeys(small, large))
        known = {id(some): frozenset(some) for some in group.values()}
        return {path: known[id(some)] for path, some in group.items()}

    def _unfound(self, path: str) -> Iterator[str]:
        """Modules that a file may import from a folder that it adds to ``sys.path`` unseen."""
        for each in self._imports(path):
            if each.level or self.find(path, 0, each.module) is not None:
                continue
            place = self.places.alone(each.module)
            if place is not None and place.endswith(".py"):
                yield place

    def _in_folder(self, path: str) -> frozenset[str]:
        return self._by_folder.get(_folder(path), frozenset())

    @cached_property
    def _by_folder(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for path in self.texts.paths:
            found.setdefault(_folder(path), set()).add(path)
        return {folder: frozenset(paths) for folder, paths in found.items()}

    def words(self, path: str) -> list[str]:
        """The first words of the modules that a file imports."""
        found = (each.module.partition(".")[0] for each in self._imports(path) if not each.level)
        return sorted(set(found) - {""})

    def _added(self, path: str) -> tuple[str, ...]:
        """The folders that a file adds to those in which imports begin."""
        return self._sketch(path).added

    def _imports(self, path: str) -> list[Import]:
        return self._sketch(path).imports

    def _sketch(self, path: str) -> Sketch:
        if self._base is not None and path not in self._new:
            return self._base._sketch(path)
        if path not in self._sketches:
            self._sketches[path], code = sketched(self.texts.read(path) or b"")
            for word in identifiers(code):
                self._holders.setdefault(word, set()).add(path)
        return self._sketches[path]

    @cached_property
    def _by_word(self) -> dict[str, set[str]]:
        """The files by the words in them."""
        if self._base is not None:
            return self._base._by_word
        for path in self.texts.paths:
            self._sketch(path)
        return {word.decode("utf-8", "replace"): at for word, at in self._holders.items()}

    def _holding_part(self, part: bytes) -> frozenset[str]:
        """The files in which some word has this part; all of them for what is no part of a word."""
        if part not in self._held:
            text = part.decode("utf-8", "replace")
            if text.isidentifier():
                words = _lines_with(text, self._vocabulary)
                self._held[part] = self._new.union(*(self._by_word[word] for word in words))
            else:
                self._held[part] = frozenset(self.texts.paths)
        return self._held[part]

    @cached_property
    def _vocabulary(self) -> str:
        """All words, a line each."""
        return "\n" + "\n".join(self._by_word) + "\n"

    @cached_property
    def _graph(self) -> dict[str, dict[str, frozenset[str]]]:
        """Which modules a file imports, each with the names it takes."""
        graph: dict[str, dict[str, frozenset[str]]] = {}
        for path in self.texts.paths:
            taken: dict[str, frozenset[str]] = {}
            for each in self._imports(path):
                for place, names in self._targets(path, each):
                    taken[place] = taken.get(place, frozenset()) | names
            taken.pop(path, None)
            graph[path] = taken
        return graph

    def _targets(self, path: str, each: Import) -> Iterator[tuple[str, frozenset[str]]]:
        place = self.find(path, each.level, each.module)
        if place is None:
            return
        left = []
        for name in each.names:
            sub = self.inside(place, name) if name != "*" else None
            if sub is not None and not sub.endswith("/"):
                yield sub, frozenset(["*"])
            else:
                left.append(name)
        if not place.endswith("/") and (left or not each.names):
            yield place, frozenset(left or ["*"])

    @cached_property
    def _importers(self) -> dict[str, dict[str, frozenset[str]]]:
        found: dict[str, dict[str, frozenset[str]]] = {}
        for path, taken in self._graph.items():
            for target, names in taken.items():
                found.setdefault(target, {})[path] = names
        return found

    @cached_property
    def _beside(self) -> dict[str, list[str]]:
        """The files that a file imports or is imported by."""
        return {
            path: sorted({*taken, *self._importers.get(path, ())})
            for path, taken in self._graph.items()
        }

    def _connected(self, path: str) -> list[str]:
        """All files that objects of one can get to, the nearest first.

        They go up to those that import it, and from each of them down into what that imports.
        """
        if path not in self._reachable:
            found: dict[str, None] = {}
            for user in _closure(path, self._importers):
                _reach(user, self._graph, found)
            del found[path]
            self._reachable[path] = list(found)
        return self._reachable[path]


def _lines_with(part: str, text: str) -> Iterator[str]:
    at = text.find(part)
    while at >= 0:
        end = text.index("\n", at)
        yield text[text.rindex("\n", 0, at) + 1 : end]
        at = text.find(part, end)


@lru_cache(1 << 14)
def _folder(path: str) -> str:
    return posixpath.dirname(path)


@lru_cache(1 << 14)
def _apart(here: str, there: str) -> int:
    """How many steps it is from one folder to another."""
    one, other = here.split("/"), there.split("/")
    shared = len(posixpath.commonprefix([one, other]))
    return len(one) + len(other) - 2 * shared


def _closure(start: str, edges: Edges) -> list[str]:
    """What can be reached, the nearest first."""
    found: dict[str, None] = {}
    _reach(start, edges, found)
    return list(found)


def _reach(start: str, edges: Edges, found: dict[str, None]) -> None:
    """Add what can be reached; what was found before is not looked behind again."""
    if start in found:
        return
    found[start] = None
    order = [start]
    for path in order:
        for target in edges.get(path, ()):
            if target not in found:
                found[target] = None
                order.append(target)
