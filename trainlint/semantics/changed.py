"""Where a file uses what releases of a library changed: names, methods, arguments and overrides."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.config.targets import Range
from trainlint.semantics import kinds, references, releases, tree
from trainlint.semantics.called import called, given
from trainlint.semantics.given_later import is_given_later
from trainlint.semantics.migrations import Change, Library, Surplus, by_position
from trainlint.semantics.names import canonical
from trainlint.semantics.objects import classes_of
from trainlint.semantics.signatures import reaches_back

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


_GATHERS = (tree.Import, tree.ImportFrom, tree.ExprStmt)
_MOST = 3  # arguments by position, behind which none of those stands that are told of


@dataclass(frozen=True, slots=True)
class Use:
    """One place that a change concerns.

    ``node`` is the name, the argument, or the method that is defined; ``call`` is there where an
    argument is concerned or the name is called, ``reference`` where a name is used.
    """

    node: tree.Node
    library: Library
    package: str
    name: str
    change: Change
    call: tree.Call | None = None
    reference: references.Reference | None = None
    is_import: bool = False
    is_override: bool = False
    surplus: Surplus | None = None


def imported_packages(file: File) -> frozenset[str]:
    """The top-level packages that a file imports and that are not of its own project."""
    found = set()
    for alias in file.all(tree.Alias):
        statement = alias.parent
        if isinstance(statement, tree.Import):
            found.add(alias.name.partition(".")[0])
        elif isinstance(statement, tree.ImportFrom) and not statement.level:
            found.add(statement.module.partition(".")[0])
    for statement in file.all(tree.ImportFrom):
        if statement.star and not statement.level:
            found.add(statement.module.partition(".")[0])
    return frozenset(found - file.surroundings.local_modules)


def target_of(file: File, library: Library, package: str) -> Range:
    """The releases that the project must work on."""
    return file.target(library.targets[package])


def uses(file: File, libraries: Mapping[str, Library]) -> list[Use]:
    """The uses of what has changed in some release, in source order; guarded ones are left out.

    ``libraries`` are those that the file imports, by package.
    """
    imports = list(_imports(file, libraries))
    told = {use.node for use in imports}
    found = [
        *imports,
        *(use for use in _names(file, libraries) if not _is_told(use, told)),
        *_arguments(file, libraries),
        *_members(file, libraries),
        *_overrides(file, libraries),
    ]
    own = set(_set_here(file)) if found else ()
    kept = [use for use in found if use.name not in own and not _is_guarded(file, use)]
    return sorted(kept, key=lambda use: use.node.start)


def _set_here(file: File) -> Iterator[str]:
    """The names of a library that the file gives to it: ``pd.DataFrame.append = own``."""
    for expr in file.all(tree.Attribute):
        if references.is_bound_by(expr):
            yield canonical(file.names.qualified(expr) or "")
    for call in file.calls_to("builtins.setattr"):
        if len(call.args) == 3:
            owner, name = (arg.value for arg in call.args[:2])
            yield canonical(f"{file.names.qualified(owner)}.{file.values.literal(name)}")


def _is_told(use: Use, told: set[tree.Node]) -> bool:
    """Whether the import that brings a name is told of already."""
    bindings = use.reference.bindings if use.reference is not None else ()
    return any(binding.node in told for binding in bindings)


def _is_guarded(file: File, use: Use) -> bool:
    instead = {use.change.instead} if "." in use.change.instead else set()
    named = {use.name} if use.change.parameter or use.surplus else set()
    return releases.is_for_some_releases(file, use.node, use.package, instead | named)


class _Changed(Container[str]):
    """The names that have a change."""

    def __init__(self, libraries: Mapping[str, Library]) -> None:
        self.of: dict[str, tuple[str, Library]] = {}
        for package, library in libraries.items():
            self.of[canonical(f"{package}.").partition(".")[0]] = (package, library)

    def find(self, name: str) -> tuple[str, Library, Change] | None:
        package, library = self.of.get(name.partition(".")[0], ("", None))
        change = library.change(name) if library is not None else None
        return None if library is None or change is None else (package, library, change)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None


def _names(file: File, libraries: Mapping[str, Library]) -> Iterator[Use]:
    changed = _Changed(libraries)
    for reference in references.references(file, changed):
        expr = reference.expr
        if isinstance(expr.parent, tree.Attribute) and expr.parent.value is expr:
            longer = file.names.qualified(expr.parent)
            if longer is not None and longer in changed:
                continue
        found = changed.find(reference.name)
        if found is None or not reference.certain or _is_ambiguous(file, reference):
            continue
        if _is_only_noted(file, expr):
            continue
        if any(binding.kind != "import" for binding in reference.bindings):
            continue  # told where the other name got it
        package, library, change = found
        call = expr.parent if isinstance(expr.parent, tree.Call) else None
        called = call if call is not None and call.func is expr else None
        yield Use(expr, library, package, reference.name, change, called, reference)


def _is_only_noted(file: File, expr: tree.Expr) -> bool:
    """True in an annotation that nothing evaluates: under the future import, or of a local name."""
    below: tree.Node = expr
    for above in expr.ancestors():
        noted = below in (getattr(above, "annotation", None), getattr(above, "returns", None))
        if noted and isinstance(above, tree.Param | tree.FunctionDef | tree.AnnAssign):
            local = isinstance(above, tree.AnnAssign) and isinstance(
                tree.body_of(above), tree.FunctionDef
            )
            return local or any(
                node.module == "__future__" and any(a.name == "annotations" for a in node.names)
                for node in file.all(tree.ImportFrom)
            )
        below = above
    return False


def _is_ambiguous(file: File, reference: references.Reference) -> bool:
    """A name that a star import may bring, but that Python has of its own; a name that is set."""
    if not reference.bindings and isinstance(reference.expr, tree.Name):
        return file.names.qualified(reference.expr) is not None or _is_builtin(reference.expr.id)
    return references.is_bound_by(reference.expr)


def _is_builtin(name: str) -> bool:
    import builtins

    return hasattr(builtins, name)


def _imports(file: File, libraries: Mapping[str, Library]) -> Iterator[Use]:
    """The imports of what has changed; one whose name is used is told there."""
    changed = _Changed(libraries)
    for alias in file.all(tree.Alias):
        statement = alias.parent
        if isinstance(statement, tree.Import):
            name = alias.name
        elif isinstance(statement, tree.ImportFrom) and not statement.level:
            name = f"{statement.module}.{alias.name}"
        else:
            continue
        found = changed.find(canonical(name))
        if found is not None:
            package, library, change = found
            yield Use(alias, library, package, canonical(name), change, is_import=True)


def is_idle_import(file: File, use: Use) -> bool:
    """True for a name that is imported and not used, where nothing says that others are to have it.

    What a package imports is for others, and so is an import that a linter is told to leave alone
    (``noqa``), and what a module gathers that does nothing but import.
    """
    alias = use.node
    if not isinstance(alias, tree.Alias) or not isinstance(alias.parent, tree.ImportFrom):
        return False
    name = alias.asname or alias.name
    found = file.names.find(name, alias)
    bindings = [binding for binding in found[1] if binding.node is alias] if found else []
    if any(references.handed_on(file, binding) for binding in bindings):
        return False
    return not (
        file.path.endswith("__init__.py")
        or all(isinstance(each, _GATHERS) for each in file.module.body)
        or "noqa" in file.source.text[alias.start :].partition("\n")[0]
        or any(node.id == name for node in file.all(tree.Name))
        or any(node.value == name for node in file.all(tree.Constant))
    )


def _arguments(file: File, libraries: Mapping[str, Library]) -> Iterator[Use]:
    changed = _Changed(libraries)
    for call in file.calls:
        for name, shift in _callees(file, call, libraries):
            package, library = changed.of.get(name.partition(".")[0], ("", None))
            if library is None:
                continue
            yield from _of_call(file, call, name, shift, package, library)
            break


def left_out(file: File, libraries: Mapping[str, Library]) -> Iterator[Use]:
    """The calls that leave out what means something else on another release of the target."""
    changed = _Changed({name: each for name, each in libraries.items() if each.defaults})
    for call in file.calls if changed.of else ():
        for name, shift in _callees(file, call, libraries):
            package, library = changed.of.get(name.partition(".")[0], ("", None))
            if library is None or shift or call.has_star:
                continue
            target = target_of(file, library, package)
            for change in library.defaults.get(name, ()):
                use = Use(call.func, library, package, name, change, call)
                is_open = _leaves_out(call, change) and _is_among(library, package, change, target)
                is_settled = is_open and is_given_later(file, call, change.parameter)
                is_harmless = change.beside and not _is_met(file, change.beside)
                if is_open and not (is_settled or is_harmless or _is_guarded(file, use)):
                    yield use
            break


def _is_met(file: File, package: str) -> bool:
    """Whether a file, or one that has to do with it, uses a library."""
    others = file.view.holding([package], file)
    return any(package in imported_packages(other) for other in others)


def _leaves_out(call: tree.Call, change: Change) -> bool:
    given = {arg.keyword for arg in call.args}
    positions = sum(arg.keyword is None for arg in call.args)
    if not given.isdisjoint({change.parameter, *change.alone}):
        return False
    return positions <= (_MOST if change.position is None else change.position)


def _is_among(library: Library, package: str, change: Change, target: Range) -> bool:
    """Whether a target has releases before a change, and from it on; nobody's has no old ones."""
    if change.since is None or not target.overlaps_from(change.since):
        return False
    return reaches_back(library.targets[package], change.since, target) is not True


def _of_call(
    file: File, call: tree.Call, name: str, shift: int, package: str, library: Library
) -> Iterator[Use]:
    if name in library.names and library.names[name].removed is not None:
        return
    for change in library.of_call(name):
        place = None if change.position is None else change.position + shift
        arg = given(call, change.parameter, place)
        if change.absent:
            if arg is None and not shift and not call.has_star:
                yield Use(call, library, package, name, change, call)
            continue
        if arg is None or (change.only and written(file, arg.value) not in change.values):
            continue
        if arg.keyword is None and name in library.surpluses:
            continue  # told as an argument too many
        is_family = name not in library.parameters
        if arg.keyword is None and not is_family and not _is_plain(file, call, name, change):
            continue
        if arg.keyword is None and is_family and written(file, arg.value) not in change.values:
            continue  # a helper of the same module may stand there, with other arguments
        yield Use(arg, library, package, name, change, call)
    surplus = library.surpluses.get(name)
    if surplus is not None and not shift:
        plain = [arg for arg in call.args if arg.keyword is None and not arg.star]
        short = name.rpartition(".")[2]
        if (
            len(plain) > surplus.positions
            and not any(arg.star == "*" for arg in call.args)
            and re.search(by_position(short, surplus.positions), file.text(call))
        ):
            change = Change(name, removed=surplus.removed)
            yield Use(call, library, package, name, change, call, surplus=surplus)


def _is_plain(file: File, call: tree.Call, name: str, change: Change) -> bool:
    """Whether the words by which files are chosen find a call that passes by position."""
    short = name.rpartition(".")[2]
    return re.search(by_position(short, change.position or 0), file.text(call)) is not None


def written(file: File, expr: tree.Expr) -> str:
    """A literal as JSON has it, which tells ``1`` from ``True``; empty for anything else."""
    found = file.values.of(expr)
    if len(found) != 1 or not isinstance(found[0], kinds.Literal):
        return ""
    value = found[0].value
    plain = value is None or isinstance(value, bool | int | float | str)
    return json.dumps(value) if plain else ""


def is_needless(file: File, use: Use) -> bool:
    """True if the argument says what holds without it, in all releases."""
    drop = use.change.drop
    return bool(drop) and isinstance(use.node, tree.Arg) and written(file, use.node.value) in drop


def _callees(
    file: File, call: tree.Call, libraries: Mapping[str, Library]
) -> Iterator[tuple[str, int]]:
    """What of a library a call calls, and how many arguments stand before those it takes."""
    found, func = called(file, call), call.func
    if found is not None:
        yield found
    elif isinstance(func, tree.Attribute):
        for library in libraries.values():
            if func.attr in library.members:
                for owner in classes_of(file, func.value, library):
                    yield f"{owner}.{func.attr}", 0


def _members(file: File, libraries: Mapping[str, Library]) -> Iterator[Use]:
    """The methods of a library's objects, where their class is known."""
    wanted: dict[str, list[tuple[str, Library]]] = {}
    for package, library in libraries.items():
        for attr in library.members:
            wanted.setdefault(attr, []).append((package, library))
    for expr in file.all(tree.Attribute) if wanted else ():
        if expr.attr not in wanted or not _is_asked(expr) or file.names.qualified(expr) is not None:
            continue
        for package, library in wanted[expr.attr]:
            change = _member(file, expr, library)
            if change is not None:
                call = expr.parent if isinstance(expr.parent, tree.Call) else None
                called = call if call is not None and call.func is expr else None
                yield Use(expr, library, package, change.name, change, called)


def _is_asked(expr: tree.Attribute) -> bool:
    """Whether a member is called or indexed; a column of a table can have its name, too."""
    match expr.parent:
        case tree.Call(func=func):
            return func is expr
        case tree.Subscript(value=value):
            return value is expr
        case _:
            return False


def _member(file: File, expr: tree.Attribute, library: Library) -> Change | None:
    for owner in classes_of(file, expr.value, library):
        change = library.names.get(f"{owner}.{expr.attr}")
        if change is not None:
            return change
    return None


def _overrides(file: File, libraries: Mapping[str, Library]) -> Iterator[Use]:
    """The methods of a subclass that a release no longer calls, or refuses."""
    for package, library in libraries.items():
        if not library.overrides:
            continue
        for cls in file.all(tree.ClassDef):
            bases = [file.names.qualified(base.value) for base in cls.bases if not base.keyword]
            for base in bases:
                for item in cls.body:
                    name = f"{base}.{item.name}" if isinstance(item, tree.FunctionDef) else ""
                    if name in library.overrides and name in library.names:
                        change = library.names[name]
                        yield Use(item, library, package, name, change, is_override=True)
