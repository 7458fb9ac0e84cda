"""Where a file refers to names of a library, and through which of its bindings."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.names import SCOPES, Binding, canonical
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """One expression that means (or, if not ``certain``, can mean) ``name``.

    ``bindings`` are those that give its first word, ``root``, a meaning there; none where that
    comes from a star import.
    """

    expr: tree.Name | tree.Attribute
    name: str
    root: tree.Name
    bindings: tuple[Binding, ...]
    certain: bool


def references(file: File, wanted: Container[str]) -> list[Reference]:
    """The places that read one of the names (or, as an attribute, set it), in source order."""
    found = list(_of_star(file, wanted))
    exprs = {
        expr: None for name, named in file.once(_named).items() if name in wanted for expr in named
    }
    for expr in exprs:
        if isinstance(expr, tree.Name) and is_bound_by(expr):
            continue
        reference = _resolve(file, expr, wanted)
        if reference is not None:
            found.append(reference)
    return sorted(found, key=lambda reference: reference.expr.start)


def _named(file: File) -> dict[str | None, list[tree.Name | tree.Attribute]]:
    """What stands for each qualified name; most names stand in many places."""
    found: dict[str | None, list[tree.Name | tree.Attribute]] = {}
    for expr in _on_imports(file):
        for name in file.names.candidates(expr):
            found.setdefault(name, []).append(expr)
    return found


def _on_imports(file: File) -> list[tree.Name | tree.Attribute]:
    """The names that an import or another name can have given its meaning, and what is on them.

    Nothing is asked of the others, which are most of the names in a program.
    """
    given = {
        name
        for kind in SCOPES
        for node in file.all(kind)
        for name, bindings in file.names.inner(node).bindings.items()  # type: ignore[arg-type]
        if any(binding.kind == "import" or _is_alias(binding) for binding in bindings)
    }
    found: list[tree.Name | tree.Attribute] = []
    for name in file.all(tree.Name):
        if name.id in given:
            found.append(name)
            above = name.parent
            while isinstance(above, tree.Attribute):
                found.append(above)
                above = above.parent
    return found


def _is_alias(binding: Binding) -> bool:
    return (
        binding.kind == "assign"
        and not binding.path
        and isinstance(binding.value, tree.Name | tree.Attribute)
    )


def is_bound_by(expr: Expr) -> bool:
    """Whether an expression is a target that is bound or deleted, and is not read."""
    below: tree.Node = expr
    node = expr.parent
    while isinstance(node, tree.Sequence | tree.Starred):
        below, node = node, node.parent
    if isinstance(node, tree.Assign):
        return any(target is below for target in node.targets)
    return node is not None and getattr(node, "target", None) is below


def is_bound_at(node: tree.Node, statement: tree.Node) -> bool:
    """Whether the node of a binding is a statement, or stands in it: ``:=``."""
    return node is statement or (
        isinstance(node, tree.NamedExpr) and tree.statement_of(node) is statement
    )


def handed_on(file: File, binding: Binding) -> str | None:
    """How a name reaches other files (``__all__`` names it), None where nothing says that."""
    scope = file.names.inner(file.module)
    if binding not in scope.bindings.get(binding.name, ()):
        return None
    name = binding.name
    if name in exported_names(file):
        return f"`__all__` names `{name}`"
    if isinstance(binding.node, tree.Alias) and binding.node.asname == binding.node.name:
        return f"`as {name}` hands it on"
    if file.view.is_imported(file, name):
        return f"another file imports `{name}` from this one"
    return None


def calls_of(file: File, expr: Expr) -> list[tree.Call] | None:
    """The calls of what an expression gives, None where there can be others.

    They are known where it is called at once, or where the one name that it is assigned to (also
    as an alternative: ``a if x else b``) is only called.
    """
    below: tree.Node = expr
    node = expr.parent
    while isinstance(node, tree.IfExp) and below is not node.test:
        below, node = node, node.parent
    if isinstance(node, tree.Call) and node.func is below:
        return [node]
    if not isinstance(node, tree.Assign) or len(node.targets) != 1:
        return None
    target = node.targets[0]
    found = file.names.find(target.id, target) if isinstance(target, tree.Name) else None
    if found is None or isinstance(found[0].node, tree.ClassDef):
        return None
    if any(binding.value is not node.value or handed_on(file, binding) for binding in found[1]):
        return None
    calls = []
    for name in file.all(tree.Name):
        if name.id != found[1][0].name or name is target:
            continue
        seen = file.names.find(name.id, name)
        if seen is None or seen[0] is not found[0]:
            continue
        if not isinstance(name.parent, tree.Call) or name.parent.func is not name:
            return None
        calls.append(name.parent)
    return calls


def is_annotation(expr: Expr) -> bool:
    """Whether an expression stands in the annotation of a parameter, a variable or a result."""
    below: tree.Node = expr
    for above in expr.ancestors():
        if below in (getattr(above, "annotation", None), getattr(above, "returns", None)):
            return True
        if not isinstance(above, Expr):
            return False
        below = above
    return False


def is_type_test(file: File, expr: Expr) -> bool:
    """Whether a class is named in ``isinstance`` or ``issubclass``, alone or in a tuple."""
    node = expr.parent.parent if isinstance(expr.parent, tree.Sequence) else expr.parent
    call = node.parent if isinstance(node, tree.Arg) else None
    tests = {"builtins.isinstance", "builtins.issubclass"}
    return isinstance(call, tree.Call) and file.names.qualified(call.func) in tests


def base_constructions(file: File, cls: tree.ClassDef) -> list[tree.Call] | None:
    """The calls ``super().__init__(...)`` by which a class makes its only base.

    None where others decide what the base gets: the class has no constructor of its own, several
    bases, or another way to call them.
    """
    init = cls.method("__init__")
    if init is None or len(cls.bases) > 1:
        return None
    calls = [
        node
        for node in init.walk()
        if isinstance(node, tree.Call)
        and isinstance(node.func, tree.Attribute)
        and node.func.attr == "__init__"
    ]
    plain = all(file.text(call.func) == "super().__init__" for call in calls)
    return calls if calls and plain else None


def replaced_names(file: File) -> Iterator[tuple[str, tree.Call]]:
    """The qualified names that calls such as ``mock.patch`` and ``setattr`` replace."""
    for call in file.calls:
        func = tree.dotted(call.func) or ""
        if func.rpartition(".")[2] not in {"patch", "object", "setattr", "delattr"}:
            continue
        given = [arg.value for arg in call.args[:2]]
        owner = file.names.qualified(given[0]) if given else None
        for item in given:
            if isinstance(item, tree.Constant) and isinstance(item.value, str):
                yield canonical(f"{owner}.{item.value}" if owner else item.value), call


def exported_names(file: File) -> frozenset[str]:
    """The names in ``__all__``, however it is put together."""
    found = set()
    for node in file.all(tree.Constant):
        if not isinstance(node.value, str):
            continue
        statement = tree.statement_of(node)
        if isinstance(statement.parent, tree.Module) and any(
            isinstance(part, tree.Name) and part.id == "__all__" for part in statement.walk()
        ):
            found.add(node.value)
    return frozenset(found)


def _of_star(file: File, wanted: Container[str]) -> Iterator[Reference]:
    """The names that nothing binds but the file's only star import."""
    stars = [statement for statement in file.all(tree.ImportFrom) if statement.star]
    if len(stars) != 1 or stars[0].level:
        return
    for name in file.all(tree.Name):
        meant = canonical(f"{stars[0].module}.{name.id}")
        if meant in wanted and file.names.find(name.id, name) is None:
            yield Reference(name, meant, name, (), certain=True)


def _resolve(
    file: File, expr: tree.Name | tree.Attribute, wanted: Container[str]
) -> Reference | None:
    root, rest = _split(expr)
    found = file.names.find(root.id, root)
    if found is None:
        return None
    bindings = [binding for binding in found[1] if not _is_nothing(binding)]
    if len(bindings) > 1:
        reaching, _ = file.values.definitions(root)
        bindings = [binding for binding in reaching if not _is_nothing(binding)]
    names = {
        None if known is None else canonical(f"{known}{rest}")
        for binding in bindings
        for known in _meanings(file, binding)
    }
    meant = [name for name in names if name is not None and name in wanted]
    if not meant:
        return None
    return Reference(expr, min(meant), root, tuple(bindings), len(names) == 1)


def _split(expr: tree.Name | tree.Attribute) -> tuple[tree.Name, str]:
    rest = ""
    inner: Expr = expr
    while isinstance(inner, tree.Attribute):
        rest = f".{inner.attr}{rest}"
        inner = inner.value
    assert isinstance(inner, tree.Name)
    return inner, rest


def _meanings(file: File, binding: Binding) -> Iterator[str | None]:
    match binding:
        case Binding(kind="import"):
            yield binding.qualified
        case Binding(value=tree.Name() | tree.Attribute() as value) if _is_alias(binding):
            yield from file.names.candidates(value)
        case _:
            yield None


def _is_nothing(binding: Binding) -> bool:
    """``torch = None`` behind an ``except ImportError``, and ``del``: no meaning of their own."""
    if binding.kind == "delete":
        return True
    return binding.kind == "assign" and tree.is_none(binding.value)
