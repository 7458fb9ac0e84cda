"""Places that no run of a project gets to, by what its calls and settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import guards, outcome
from trainlint.semantics.kinds import Frame
from trainlint.semantics.training import amounts, switches

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def is_skipped(file: File, node: tree.Node) -> bool:
    """True where no call and no setting of the project lets a function get to a place.

    Either every call hands over what keeps it from there, or the project sets what is asked for
    (``config.resume``, ``pretrained=False``) to False wherever it sets it, or nothing in it has a
    use for the function.
    """
    home = file.home(node)
    if switches.is_dead_branch(home, node) or _is_unused(home, node):
        return True
    outcomes = [reached for _, reached in _outcomes(home, node)]
    if outcomes and all(reached is False for reached in outcomes):
        return True
    if True in outcomes:
        return False
    return any(guard.outcome and _is_off(home, guard.test) for guard in guards(node))


def _is_unused(file: File, node: tree.Node) -> bool:
    """True in a function that is named nowhere in an application but where it is imported.

    A module in a package may have users elsewhere, and one that nothing imports users of its own.
    """
    function = next((f for f in node.ancestors() if isinstance(f, tree.FunctionDef)), None)
    if function is None or not isinstance(function.parent, tree.Module) or function.decorators:
        return False
    view, name = file.view, function.name
    if not view.is_imported(file) or view.is_packaged(file) or not view.sees_all(file, [name]):
        return False
    return not any(_names(other, name) for other in view.mentioning([name], file))


def _names(file: File, name: str) -> bool:
    """True where something in a file is called so, or a text says it."""
    return (
        any(each.id == name for each in file.all(tree.Name))
        or any(each.attr == name for each in file.all(tree.Attribute))
        or any(each.value == name for each in file.all(tree.Constant))
    )


def calls_to(file: File, node: tree.Node) -> list[tree.Call]:
    """The known calls of a function that can lead to a place in it."""
    return [call for call, reached in _outcomes(file.home(node), node) if reached is not False]


def on_every_way(file: File, node: tree.Node, passes: Callable[[File, tree.Node], bool]) -> bool:
    """True where each known way to a place passes something, in whichever body is on it."""
    todo, seen = [node], set[tree.Node]()
    while todo:
        site = todo.pop()
        home = file.home(site)
        if passes(home, site):
            continue
        function = tree.function_of(site)
        calls = calls_to(home, site)
        if function is None or not calls:
            return False
        if function not in seen:
            seen.add(function)
            todo.extend(calls)
    return True


def _outcomes(file: File, node: tree.Node) -> list[tuple[tree.Call, bool | None]]:
    """The calls of a function, each with whether a place is reached in it, None where unknown."""
    function = tree.function_of(node)
    if function is None:
        return []
    params = {param.name for param in function.params}
    asking = [
        guard
        for guard in guards(node)
        if any(isinstance(part, tree.Name) and part.id in params for part in guard.test.walk())
    ]
    found: list[tuple[tree.Call, bool | None]] = []
    for call, owner in file.values.graph.callers(function):
        frame = Frame(function, call, None, owner, 1)
        given = [(guard, outcome(file.view, guard.test, frame)) for guard in asking]
        if any(known is (not guard.outcome) for guard, known in given):
            found.append((call, False))
        else:
            surely = bool(given) and all(known is guard.outcome for guard, known in given)
            found.append((call, True if surely else None))
    return found


def _is_off(file: File, test: tree.Expr) -> bool:
    """True for a setting, or a parameter, that is False wherever the project sets it."""
    match test:
        case tree.Attribute():
            return amounts.is_off(file, tree.dotted(test) or "")
        case tree.Name():
            bindings, _ = file.values.definitions(test)
            given = bool(bindings) and all(isinstance(b.node, tree.Param) for b in bindings)
            return given and amounts.is_off(file, f".{test.id}")
        case _:
            return False
