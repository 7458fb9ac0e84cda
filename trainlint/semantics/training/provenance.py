"""Who has written a file that a program loads: the same run, another one, or nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import loading
from trainlint.semantics.kinds import FunctionValue, Instance
from trainlint.semantics.training import plain_saves, skipped, titles, written
from trainlint.semantics.training.checkpoints import Restored
from trainlint.semantics.training.script import STEP
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_INPUT = re.compile(r"(^|[\s/])input/")
_TRAINING = re.compile(r"^(fit|train|run|learn)(_|$)|_(fit|train|training)$|^training", re.I)
_OPTIMIZER = re.compile(r"optim", re.I)
_KEEPS = re.compile(r"save(?!fig|txt)|check_?point|ckpt|dump", re.I)
_MOVES = frozenset({"cpu", "cuda", "to"})


def is_tested(file: File, node: Node) -> bool:
    """True in the tests of a project, which work on what they have made."""
    roots = {
        (s.module if isinstance(s := alias.parent, tree.ImportFrom) else alias.name).split(".")[0]
        for alias in file.all(tree.Alias)
    }
    if not roots.isdisjoint({"pytest", "unittest"}):
        return True
    function = tree.function_of(node)
    return (
        function is not None
        and function.name.startswith("test_")
        and any(isinstance(node, tree.Assert) for node in function.walk())
    )


def is_own(file: File, load: tree.Call, restored: Restored) -> bool:
    """True where the run has likely written the file itself.

    Its model was trained before, or the file is made where it is missing, or what is saved in this
    script (without a save of its own: in its project) was moved to the CPU.
    """
    if _is_made_where_missing(file, load):
        return True
    found = saves(file) or [
        call
        for other in file.view.holding(["torch", "save"], file)
        for call in saves(other)
        if titles.STATES.search(file.text(call))
    ]
    saved = [given for call in found if (given := call.arg(0, "obj")) is not None]
    if saved and all(_is_moved(file, given) for given in saved):
        return True
    return is_of_this_run(file, load, restored, by_mode=True)


def is_of_this_run(
    file: File, load: tree.Call, restored: Restored, *, by_mode: bool = False
) -> bool:
    """True where all ways to a load lead through the training, or the save, that made its file.

    A mere ``model.train()`` outside of a loop tells of a training only ``by_mode``.
    """
    if _is_given(file, load):
        return False
    takers: list[Expr | None] = [*receivers(restored)]
    if any(_is_trained_before(file, load, model, by_mode) for model in takers or [None]):
        return True
    return _is_saved_on_the_way(file, load) or _is_later_deed(file, load)


def _is_given(file: File, load: tree.Call) -> bool:
    """True for a file of the folder of inputs, which no run can write to."""
    path = load.arg(0, "f")
    return path is not None and _INPUT.search(" ".join(written.texts(file, path))) is not None


def receivers(restored: Restored) -> list[Expr]:
    """The models and optimizers that take the states."""
    return [c.func.value for c in restored.states if isinstance(c.func, tree.Attribute)]


def is_saved_nowhere(file: File, restored: Restored) -> bool:
    """True for states that no run of the project can have saved.

    That is the state of an optimizer where only others are saved, and weights that go on to be
    trained where nothing is. Weights of a trained model may come from elsewhere.
    """
    writing = file.view.holding(["torch", "save"], file)
    found = [call for one in writing for call in saves(one)]
    if not found and _steps(file) and not any(_keeps_in_its_way(one) for one in writing):
        return True
    takers = receivers(restored)
    if not takers or restored.others or restored.keys:
        return False
    if not all(_OPTIMIZER.search(tree.word_of(taker)) for taker in takers):
        return False
    return bool(found) and not any(_OPTIMIZER.search(file.text(call)) for call in found)


def _steps(file: File) -> bool:
    return any(event.kind == STEP for events in file.script.own_events.values() for event in events)


def _keeps_in_its_way(file: File) -> bool:
    """True where a framework, or something else that is called so, may save the states."""
    return bool(file.script.frameworks) or any(
        _KEEPS.search(tree.word_of(call.func)) is not None for call in file.calls
    )


def saves(file: File) -> list[tree.Call]:
    return file.calls_to("torch.save")


def is_kept_here(file: File, load: tree.Call) -> bool:
    """True where the function that loads a file saves plain states to the same path."""
    path, body = load.arg(0, "f"), tree.body_of(load)
    return path is not None and any(
        writer.plain
        and tree.body_of(writer.save) is body
        and (target := writer.save.arg(1, "f")) is not None
        and written.same_path(file, path, target)
        for writer in plain_saves.writers(file, load)
    )


def is_cache(file: File, load: tree.Call) -> bool:
    """True where a branch loads a file that is there, and the other one makes and saves it."""
    path = load.arg(0, "f")
    return path is not None and any(
        isinstance(choice, tree.If) and _asks_for(file, choice.test, path)
        for choice in _else_saved(file, load)
    )


def _asks_for(file: File, test: Expr, path: Expr) -> bool:
    """True for a test that asks whether there is a file: ``os.path.exists(path)``."""
    for node in test.walk():
        if not isinstance(node, tree.Call) or not loading.is_test(node):
            continue
        asked = node.args[0].value if node.args else getattr(node.func, "value", None)
        if asked is not None and written.same_path(file, asked, path):
            return True
    return False


def _is_made_where_missing(file: File, load: tree.Call) -> bool:
    """True for a cache: one branch loads the file, and the other one saves it."""
    return any(True for _ in _else_saved(file, load))


def _else_saved(file: File, load: tree.Call) -> Iterator[tree.If | tree.Try]:
    """The choices of which one branch loads a file, and another one saves it."""
    path = load.arg(0, "f")
    for above in load.ancestors():
        if isinstance(above, tree.FunctionDef | tree.ClassDef):
            return
        if not isinstance(above, tree.If | tree.Try) or path is None:
            continue
        for save in saves(file):
            target = save.arg(1, "f")
            if target is None or _block(above, save) in {None, _block(above, load)}:
                continue
            if written.same_path(file, path, target):
                yield above
                break


def _block(statement: tree.If | tree.Try, node: tree.Node) -> str | None:
    """The block of a statement in which a node stands; None where it stands outside."""
    above = set(node.ancestors())
    names = ("body", "orelse", "handlers", "finalbody")
    return next((n for n in names if not above.isdisjoint(getattr(statement, n, ()))), None)


def _is_moved(file: File, expr: Expr, depth: int = 2) -> bool:
    """True where what is saved goes to the CPU first: ``{k: v.cpu() ...}``, ``model.cpu()``."""
    if isinstance(expr, tree.Dict):
        moved = [value for value in expr.values if _is_moved(file, value, depth)]
        others = [value for value in expr.values if value not in moved]
        return bool(moved) and not any("state_dict" in file.text(value) for value in others)
    for node in expr.walk():
        if isinstance(node, tree.Attribute) and node.attr == "cpu":
            return True
        if not isinstance(node, tree.Call) or tree.word_of(node.func) != "to" or not node.args:
            continue
        if file.values.literal(node.args[0].value) == "cpu":
            return True
    name = tree.base_of(expr)
    if not depth or name is None:
        return False
    if _was_moved(file, name):
        return True
    bindings, _ = file.values.definitions(name)
    made = [b.value for b in bindings if b.kind == "assign" and b.value is not None]
    return bool(made) and all(_is_moved(file, value, depth - 1) for value in made)


def _was_moved(file: File, name: tree.Name) -> bool:
    """True where the last move of an object in its function was to the CPU: ``net.cpu()``."""
    moves = [
        call
        for call in file.contents.calls_in.get(tree.body_of(name), ())
        if isinstance(call.func, tree.Attribute)
        and call.func.attr in _MOVES
        and call.start < name.start
        and isinstance(call.parent, tree.ExprStmt | tree.Assign)
        and _subject(call) == name.id
    ]
    if not moves:
        return False
    last = max(moves, key=lambda call: call.start)
    given = last.arg(0, "device")
    return tree.word_of(last.func) == "cpu" or (
        given is not None and file.values.literal(given) == "cpu"
    )


def _subject(call: tree.Call) -> str:
    """The name of what a chain of calls works on: ``net`` of ``net.eval().cpu()``."""
    node: Node = call
    while True:
        match node:
            case tree.Call(func=tree.Attribute(value=value)):
                node = value
            case tree.Name():
                return node.id
            case _:
                return ""


def _is_trained_before(file: File, load: tree.Call, model: Expr | None, by_mode: bool) -> bool:
    """True where a training (of the model, if one is known) comes before the load."""

    def trains(home: File, place: Node) -> bool:
        body = tree.body_of(place)
        trained: list[Node] = [
            event.site
            for event in home.script.events(body)
            if event.kind == STEP and event.receiver is not None
        ]
        calls = home.contents.calls_in.get(body, ())
        trained += [c for c in calls if _trains(c, model) and (by_mode or not _is_switch(c))]
        trained += [c for c in calls if c.end <= place.start and _is_stepping_method(home, c)]
        # One behind the load in the same loop is that of what was loaded.
        return any(_comes_first(home, site, place) for site in trained)

    return skipped.on_every_way(file, load, trains)


def _is_stepping_method(file: File, call: tree.Call) -> bool:
    """True for ``trainer.fit()`` of a class of the project, wherever it is, that steps in it."""
    return isinstance(call.func, tree.Attribute) and any(
        event.kind == STEP and event.receiver is not None
        for value in file.values.callees(call)
        if isinstance(value, FunctionValue) and isinstance(value.function, tree.FunctionDef)
        for event in file.script.events(value.function)
    )


def _is_saved_on_the_way(file: File, load: tree.Call) -> bool:
    """True where other files have saved to the same path before."""
    path = load.arg(0, "f")
    if path is None:
        return False
    found = [
        site
        for home in file.view.holding(["torch", "save"], file)
        for save in (saves(home) if home is not file else ())
        if (target := save.arg(1, "f")) is not None and written.same_path(file, path, target)
        for _, site in written.sites_of(home, save)
    ]
    return bool(found) and skipped.on_every_way(
        file, load, lambda home, place: any(_comes_first(home, site, place) for site in found)
    )


def _comes_first(file: File, site: Node, place: Node) -> bool:
    """True where a place of the same body stands before another, and leads to it."""
    body = tree.body_of(place)
    return (
        tree.body_of(site) is body
        and site.start < place.start
        and not _is_optional(file, site, place)
        and written.comes_before(file, body, site, place)
    )


def _is_later_deed(file: File, load: tree.Call) -> bool:
    """True where ``trainer.train()`` stands before each ``trainer.test()``, which loads.

    What such an object is, need not be known: a method of that name is enough.
    """
    method = tree.function_of(load)
    if method is None or tree.class_of(load) is None:
        return False
    found = [
        _follows_training(home, call)
        for home in file.view.holding([method.name], file)
        for call in home.calls
        if isinstance(call.func, tree.Attribute)
        and call.func.attr == method.name
        and home.names.qualified(call.func) is None
        and not _is_of_library(home, call.func.value)
    ]
    return bool(found) and all(found)


def _is_of_library(file: File, expr: Expr) -> bool:
    """True for an object of a class that the project does not define."""
    found = file.values.of(expr)
    return bool(found) and all(isinstance(value, Instance) for value in found)


def _follows_training(file: File, call: tree.Call) -> bool:
    """True where the object of a call has trained before, whenever the call is reached."""
    owner = call.func.value if isinstance(call.func, tree.Attribute) else None
    return isinstance(owner, tree.Name) and any(
        other.start < call.start
        and isinstance(other.func, tree.Attribute)
        and isinstance(other.func.value, tree.Name)
        and other.func.value.id == owner.id
        and _TRAINING.search(other.func.attr) is not None
        and not _is_optional(file, other, call)
        for other in file.contents.calls_in.get(tree.body_of(call), ())
    )


def _is_optional(file: File, site: Node, place: Node) -> bool:
    """True for ``if args.train: ...``, without which the load runs as well."""
    around = {file.text(above.test) for above in place.ancestors() if isinstance(above, tree.If)}
    for above in site.ancestors():
        if isinstance(above, tree.FunctionDef):
            return False
        if not isinstance(above, tree.If) or file.text(above.test) in around:
            continue
        if tree.enclosing_loop(above) is None:
            return True
    return False


def _is_switch(call: tree.Call) -> bool:
    """True for ``model.train()`` outside of a loop, which no training need follow."""
    if not isinstance(call.func, tree.Attribute) or call.func.attr != "train" or call.args:
        return False
    return tree.enclosing_loop(call) is None


def _trains(call: tree.Call, model: Expr | None) -> bool:
    """True for ``train(model, ...)``, ``model.fit(...)``, ``self.train()`` of ``self.model``."""
    if not _TRAINING.search(tree.word_of(call.func)):
        return False
    if model is None:
        return bool(call.args)
    root, owner = tree.word_of(model), getattr(model, "value", None)
    given: list[Expr] = [arg.value for arg in call.args]
    if isinstance(call.func, tree.Attribute):
        given.append(call.func.value)
        if isinstance(owner, tree.Name) and owner.id == "self" == tree.word_of(call.func.value):
            return True
    return any(tree.word_of(expr) == root for expr in given)
