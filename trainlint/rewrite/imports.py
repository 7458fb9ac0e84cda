"""Edits of imports: bring a name in, take one out, rename one, and tell whether one is used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places, statements
from trainlint.rewrite.places import Change, Unfixable
from trainlint.semantics import tokens, tree
from trainlint.semantics.names import Binding, canonical
from trainlint.semantics.tree import Alias, Node, Stmt

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Modules that their package imports by itself, so that `import torch` is enough to reach them.
_REACHED = {
    "torch": frozenset(
        "amp autograd cuda cuda.amp cpu cpu.amp distributed nn nn.functional nn.init nn.utils "
        "optim optim.lr_scheduler random utils utils.data".split()
    ),
    "numpy": frozenset("linalg random".split()),
    "librosa": frozenset(
        "beat core decompose effects feature filters onset segment sequence util".split()
    ),
}


def add_import(
    file: File, module: str, name: str | None = None, *, at: Node
) -> tuple[tuple[Edit, ...], str]:
    """The edits, if any are needed, after which the returned text means a name at a place.

    Without ``name`` the text means the module. An import that is visible there is used again.

    Raises:
        Unfixable: the names are taken, or the project imports the package only conditionally.
    """
    file = file.home(at)
    target = canonical(f"{module}.{name}" if name else module)
    known = _known(file, module, target, at)
    if known is not None:
        return (), known
    _refuse_conditional(file, module)
    package = module.partition(".")[0]
    styles = [(package, package, f"import {module}", f"{module}.{name}" if name else module)]
    if name is not None:
        styles.append((name, target, f"from {module} import {name}", name))
        if "." in module:
            styles.reverse()
    for bound, qualified, line, text in styles:
        if not _is_taken(file, bound, qualified, at):
            return _insert_import(file, line, at), text
    raise Unfixable(f"the name {styles[0][0]} is taken")


def remove_import_name(file: File, alias: Alias) -> tuple[Edit, ...]:
    """Take one name out of its import; the statement goes with its last name."""
    return remove_import_names(file, [alias])


def remove_import_names(file: File, aliases: Iterable[Alias]) -> tuple[Edit, ...]:
    """Take names of one import out of it; a name on a line of its own takes its comment along."""
    gone = list(aliases)
    if not gone:
        return ()
    stmt, names = _statement(gone[0])
    indices = {names.index(alias) for alias in gone}
    if len(indices) == len(names):
        return statements.delete(file, stmt)
    spans = [(item.start, item.end) for item in names]
    return places.make(file, *places.removals(file.source.text, spans, indices))


def replace_import_name(
    file: File, alias: Alias, name: str, asname: str | None = None
) -> tuple[Edit, ...]:
    """Write another name in the place of one in an import's list."""
    if places.has_comment(file.source.text, alias.start, alias.end):
        raise Unfixable("a comment would be lost")
    return places.make(file, (alias.start, alias.end, _spelled(name, asname)))


def rename_import(
    file: File, aliases: Alias | Iterable[Alias], module: str, name: str | None = None
) -> tuple[Edit, ...]:
    """Import names of one statement from another module, and bind what they bind now.

    ``name`` is the new name of a single one. The names that are not mentioned stay where they are;
    the others then get a statement of their own behind it. In ``import a.b as c`` the module
    itself is renamed.
    """
    moved = [aliases] if isinstance(aliases, Alias) else list(aliases)
    if not moved:
        return ()
    if name is not None and len(moved) > 1:
        raise ValueError("one name for several")
    stmt, names = _statement(moved[0])
    text = file.source.text
    changes: list[Change] = []
    if isinstance(stmt, tree.Import):
        for alias in moved:
            kept = alias.asname is not None or module.partition(".")[0] == alias.bound
            if not kept and "." in alias.name:
                raise Unfixable(f"{alias.bound} would not be bound any more")
            end = alias.start + len(alias.name)
            if text[alias.start : end] != alias.name:
                raise Unfixable("blanks stand inside the module's name")
            changes.append((alias.start, end, module if kept else f"{module} as {alias.bound}"))
        return places.make(file, *changes)
    if len(moved) == len(names):
        changes.append((stmt.module_start, stmt.module_end, module))
        if name is not None:
            new = _spelled(name, moved[0].bound)
            changes.append((moved[0].start, moved[0].end, new))
        return places.make(file, *changes)
    edits = remove_import_names(file, moved)
    if any("#" in text[edit.start : edit.end] for edit in edits):
        raise Unfixable("a comment would be lost")
    pieces = [text[a.start : a.end] for a in moved]
    new = ", ".join(pieces if name is None else [_spelled(name, moved[0].bound)])
    line = f"from {module} import {new}"
    return places.together(edits, statements.insert_after(file, stmt, [line]))


def unused_after(file: File, alias: Alias, removed: Iterable[Node] = ()) -> bool:
    """Whether nothing in the file reads what an import binds once some nodes are gone.

    An export counts as a reading: ``__all__``, ``import x as x``, every import of a package's
    ``__init__.py``. What other files import from this one is not known here.
    """
    if alias.asname == alias.name or file.path.endswith("__init__.py"):
        return False
    bound, gone = alias.bound, set(removed)
    stmt, _ = _statement(alias)
    found = file.names.find(bound, stmt)
    if found is None:
        return False
    scope, bindings = found
    shared = any(b.node is not alias and _same_block(b.node, stmt) for b in bindings)
    chain = alias.name if isinstance(stmt, tree.Import) and not alias.asname else ""
    for node in file.all(tree.Name):
        if node.id != bound or node in gone or any(above in gone for above in node.ancestors()):
            continue
        seen = file.names.find(bound, node)
        if seen is None or seen[0] is not scope:
            continue
        if not (shared and chain) or _chain(node).startswith(f"{chain}."):
            return False
    word = re.compile(rf"\b{re.escape(bound)}\b")
    return not any(word.search(text) for text in _names_in_strings(file))


# Bringing a name in


def _insert_import(file: File, line: str, at: Node) -> tuple[Edit, ...]:
    """Behind the last top-level import above a place, in its cell; else behind the docstring."""
    block, top = file.module.body, _top(at)
    low, _ = places.cell(file, top.start)
    above = [stmt for stmt in block[: block.index(top) + 1] if stmt.start >= low]
    for stmt in reversed(above):
        if isinstance(stmt, tree.Import | tree.ImportFrom):
            return statements.insert_after(file, stmt, [line])
    first = above[0]
    if statements.is_docstring(first):
        return statements.insert_after(file, first, ["", line])
    apart = isinstance(first, tree.FunctionDef | tree.ClassDef)
    return statements.insert_before(file, first, [line, "", ""] if apart else [line])


def _top(at: Node) -> Stmt:
    """The statement of the module in which a node stands."""
    for node in (at, *at.ancestors()):
        if isinstance(node.parent, tree.Module) and isinstance(node, Stmt):
            return node
    raise Unfixable("the place is no statement")


def _refuse_conditional(file: File, module: str) -> None:
    """A package that is optional here stays so."""
    package = module.partition(".")[0]
    if package in file.surroundings.local_modules:
        raise Unfixable(f"{package} is a module of the project")
    optional = False
    for alias in file.all(Alias):
        stmt, _ = _statement(alias)
        source = alias.name if isinstance(stmt, tree.Import) else "." * stmt.level + stmt.module
        if source.partition(".")[0] != package:
            continue
        if isinstance(stmt.parent, tree.Module):
            return
        optional = optional or tree.function_of(stmt) is None
    if optional:
        raise Unfixable(f"{package} is imported conditionally")


def _is_taken(file: File, bound: str, qualified: str, at: Node) -> bool:
    """Whether a new module-level name would not be what ``at`` sees, or change other readers."""
    found = file.names.find(bound, at)
    if found is not None:
        return any(binding.qualified != qualified for binding in found[1])
    if any(stmt.star and stmt.start > _top(at).start for stmt in file.all(tree.ImportFrom)):
        return True
    bindings = file.names.inner(file.module).bindings
    readers = (node for node in file.all(tree.Name) if node.id == bound)
    return bound in bindings or any(file.names.find(bound, node) is None for node in readers)


# Reading what is there


def _statement(alias: Alias) -> tuple[tree.Import | tree.ImportFrom, list[Alias]]:
    stmt = alias.parent
    assert isinstance(stmt, tree.Import | tree.ImportFrom)
    return stmt, stmt.names


def _imports(file: File) -> Iterator[tuple[Alias, tree.Import | tree.ImportFrom, Binding]]:
    """Every imported name with its statement and the binding that it makes."""
    for alias in file.all(Alias):
        stmt, _ = _statement(alias)
        found = file.names.find(alias.bound, stmt)
        for binding in found[1] if found else ():
            if binding.node is alias:
                yield alias, stmt, binding


def _known(file: File, module: str, target: str, at: Node) -> str | None:
    """The shortest text that means ``target`` by the imports visible at a place."""
    used = tree.names_in(at)
    found: list[str] = []
    for alias, stmt, binding in _imports(file):
        known, seen = binding.qualified or "", file.names.find(alias.bound, at)
        if seen is None or binding not in seen[1] or not f"{target}.".startswith(f"{known}."):
            continue
        if any(other.qualified != known for other in seen[1]):
            continue
        if alias.bound not in used and not _is_run_before(stmt, at):
            continue
        whole = isinstance(stmt, tree.Import) and not alias.asname
        loaded = whole and f"{alias.name}.".startswith(f"{module}.")
        if loaded or known in {target, canonical(module)} or _is_reached(module):
            found.append(alias.bound + target[len(known) :])
    return min(found, key=lambda text: (len(text), text), default=None)


def _is_reached(module: str) -> bool:
    package, _, rest = module.partition(".")
    return rest in _REACHED.get(package, ())


def _is_run_before(stmt: Stmt, at: Node) -> bool:
    """Whether the block of a statement has passed it when a node is evaluated."""
    block = tree.block_of(stmt)
    for node in (at, *at.ancestors()):
        if node.parent is stmt.parent and isinstance(node, Stmt) and node in block:
            return block.index(stmt) < block.index(node)
    return False


def _same_block(node: Node, stmt: Stmt) -> bool:
    other = tree.statement_of(node)
    return isinstance(other, tree.Import) and other.parent is stmt.parent


def _spelled(name: str, asname: str | None) -> str:
    return f"{name} as {asname}" if asname and asname != name else name


def _chain(name: tree.Name) -> str:
    """The longest dotted text that begins with a name, and a dot."""
    node: tree.Expr = name
    while isinstance(node.parent, tree.Attribute):
        node = node.parent
    return f"{tree.dotted(node)}."


def _names_in_strings(file: File) -> Iterator[str]:
    """The strings that may name something: ``__all__``, annotations, comments on types."""
    for node in file.all(tree.Constant):
        if not isinstance(node.value, str):
            continue
        below: Node = node
        for above in node.ancestors():
            annotation = getattr(above, "annotation", None) or getattr(above, "returns", None)
            if annotation is below:
                yield node.value
            if isinstance(above, Stmt):
                if re.search(r"\b__all__\b", file.source.text[above.start : node.start]):
                    yield node.value
                break
            below = above
    for _, comment in tokens.comments(file.source.code):
        if comment.lstrip("# ").startswith("type:"):
            yield comment
