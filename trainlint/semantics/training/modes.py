"""From ``model.eval()`` to the training pass that it spoils."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import contexts, tree
from trainlint.semantics.flow import ENTRY, EXIT
from trainlint.semantics.kinds import FunctionValue, Instance
from trainlint.semantics.parameters import argument
from trainlint.semantics.training import copies, counting, evaluation, gradients, models, runs
from trainlint.semantics.training.script import BACKWARD, MODE, STEP, Event
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_MAX_CALLERS = 3
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class StuckMode:
    """An ``eval()`` from which a path leads through ``loop`` to a training pass, past no train().

    ``site`` is the place in the loop at which the mode is switched, ``run`` the model in training.
    """

    switch: Event
    site: tree.Node
    loop: tree.Loop
    backward: Event
    run: models.Forward


def stuck(file: File) -> Iterator[StuckMode]:
    """The models of a file that go on training in evaluation mode."""
    for body, events in list(file.script.own_events.items()):
        for event in events:
            if event.kind != MODE or event.training is not False or event.receiver is None:
                continue
            if not _is_for_evaluation(file, body, event) or _is_chosen(file, body, event):
                continue
            found = _Search(file, event).from_switch(body)
            if found is not None:
                yield found


def _is_chosen(file: File, body: Body, switch: Event) -> bool:
    """True where one branch of a test switches to evaluation and the other one to training."""
    assert switch.receiver is not None
    for ancestor in switch.call.ancestors():
        if isinstance(ancestor, tree.FunctionDef):
            return False
        if not isinstance(ancestor, tree.If | tree.IfExp):
            continue
        for event in file.script.own_events.get(body, ()):
            if event.kind != MODE or event.training is False or event.receiver is None:
                continue
            inside = ancestor in event.call.ancestors()
            if inside and models.same(file, event.receiver, switch.receiver):
                return True
    return False


def _is_for_evaluation(file: File, body: Body, switch: Event) -> bool:
    """True when an evaluation follows the switch: else it freezes the model for its training."""
    assert switch.receiver is not None
    events = [e for e in file.script.events(body) if e.kind == BACKWARD]
    statements: list[tree.Stmt] = body.body
    for statement in statements:
        for run in runs.runs(file, statement):
            if run.call.start < switch.call.start:
                continue
            if not models.same(file, run.model, switch.receiver):
                continue
            if contexts.under_no_grad(file, run.call) is True:
                return True
            loop = tree.enclosing_loop(run.call)
            if loop is not None and not any(loop in e.site.ancestors() for e in events):
                return True
    for call in file.calls:
        if call.start < switch.call.start or tree.body_of(call) is not body:
            continue
        if evaluation.is_named(tree.word_of(call.func)) and any(
            models.same(file, arg.value, switch.receiver) for arg in call.args
        ):
            return True
    return False


class _Search:
    """The ways that control can take from one switch."""

    def __init__(self, file: File, switch: Event) -> None:
        assert switch.receiver is not None
        self.file, self.switch, self.model = file, switch, switch.receiver
        self._under_way: set[Body] = set()

    def from_switch(self, body: Body) -> StuckMode | None:
        """The training pass that is reached from the switch, here or in a caller's loop."""
        places: list[tuple[Body, tree.Node, Expr]] = [(body, self.switch.call, self.model)]
        for _ in range(_MAX_CALLERS):
            callers: list[tuple[Body, tree.Node, Expr]] = []
            for owner, site, model in places:
                flow = self.file.flow_in(owner)
                if not flow.holds(site):
                    continue
                start = flow.point(site)
                backward, run, leaves = self._reach(owner, start, _MAX_DEPTH, model)
                loop = tree.enclosing_loop(site)
                if backward is not None and run is not None:
                    if not copies.are_one(self.file, model, run.model):
                        continue
                    loop = self._rounds_of(self._common_loop(owner, site, backward), model)
                    if loop is None or self._is_put_back(owner, loop):
                        continue
                    if counting.is_in_last_round(self.file, site, loop) or self._is_woken(loop):
                        continue
                    if self._reach(owner, start, _MAX_DEPTH, model, loop)[0] is None:
                        continue
                    if self._is_trained({self._home(n) for n in (loop, backward.call, site)}):
                        return StuckMode(self.switch, site, loop, backward, run)
                if leaves and isinstance(owner, tree.FunctionDef):
                    for call, _owner in self.file.values.graph.callers(owner):
                        given = self._given(owner, call, model)
                        callers.append((tree.body_of(call), call, given))
            places = callers
        return None

    def _rounds_of(self, loop: tree.Loop | None, model: Expr) -> tree.Loop | None:
        """The innermost loop from this one on that does not take another model in each round."""
        taken = tree.names_in(model)
        while isinstance(loop, tree.For) and tree.names_in(loop.target) & taken:
            taken, over = tree.names_in(loop.iter), loop.iter
            loop = tree.enclosing_loop(loop)
            for name in over.walk():
                made = self.file.values.definitions(name)[0] if isinstance(name, tree.Name) else []
                if any(loop in [*binding.node.ancestors()] for binding in made):
                    return None
        return loop

    def _is_woken(self, loop: tree.Loop) -> bool:
        """True where a method that another file defines puts the model in training mode."""
        for call in loop.walk():
            if not isinstance(call, tree.Call) or not isinstance(call.func, tree.Attribute):
                continue
            for callee in self.file.values.callees(call):
                function = callee.function if isinstance(callee, FunctionValue) else None
                if not isinstance(function, tree.FunctionDef):
                    continue
                home = self._home(function)
                if home is not self._home(loop) and any(
                    event.kind == MODE and event.training is True and self._concerns(event)
                    for event in home.script.events(function)
                ):
                    return True
        return False

    def _is_put_back(self, body: Body, loop: tree.Loop) -> bool:
        """True where a model takes turns with another one, and is switched back for its own."""
        inside = [e for e in self.file.script.events(body) if loop in e.site.ancestors()]
        turns = {e.call for e in inside if e.kind == BACKWARD}
        return len(turns) > 1 and any(
            event.kind == MODE
            and event.training is True
            and event.receiver is not None
            and models.same(self.file, event.receiver, self.model)
            for event in inside
        )

    def _given(self, function: tree.FunctionDef, call: tree.Call, model: Expr) -> Expr:
        """A model of a function as one of its calls gives it."""
        if not isinstance(model, tree.Name):
            return model
        bindings, _ = self.file.values.definitions(model)
        params = [b.node for b in bindings if isinstance(b.node, tree.Param)]
        return (argument(function, call, params[0]) if len(params) == 1 else None) or model

    def _common_loop(self, body: Body, site: tree.Node, backward: Event) -> tree.Loop | None:
        """The innermost loop around the switch whose rounds run the backward, too."""
        sites = [e.site for e in self.file.script.events(body) if e.call is backward.call]
        loop = tree.enclosing_loop(site)
        while loop is not None:
            if any(loop in other.ancestors() for other in sites):
                return loop
            loop = tree.enclosing_loop(loop)
        return None

    def _reach(
        self, body: Body, start: int, depth: int, model: Expr, within: tree.Loop | None = None
    ) -> tuple[Event | None, models.Forward | None, bool]:
        """The first backward of the model on a way from a point, and whether the end is reached.

        The run that it belongs to lies on that way, too. No way leads past a place that gives the
        model's name a new one, past a switch of the model, or out of the loop that it is to stay
        ``within``; what has run stays as it ran, though.
        """
        flow = self.file.flow_in(body)
        acts = self._acts(body)
        trained = {flow.point(run.call): run for run in self._trained(body) if flow.holds(run.call)}
        renewed = {flow.point(node) for node in copies.renewals(self.file, model, body)}
        seen: set[tuple[int, models.Forward | None]] = set()
        stack: list[tuple[int, models.Forward | None]] = []
        stack.extend((point, None) for point in sorted(flow.after[start], reverse=True))
        leaves = False
        while stack:
            point, run = stack.pop()
            if (point, run) in seen:
                continue
            seen.add((point, run))
            if point == EXIT:
                leaves = True
                continue
            statement = flow.statements[point]
            if within not in (None, statement, *(statement.ancestors() if statement else ())):
                continue
            blocked = point in renewed
            run = trained.get(point, run)
            for act in acts.get(point, ()):
                if isinstance(act, Event):
                    if act.kind == MODE and (run is None or act.training is not False):
                        blocked = True
                        break
                    if act.kind == BACKWARD and run is not None:
                        return act, run, leaves
                elif depth and act not in self._under_way:
                    self._under_way.add(act)
                    backward, inner, through = self._reach(act, ENTRY, depth - 1, self.model)
                    self._under_way.discard(act)
                    if backward is not None:
                        return backward, inner, leaves
                    if not through:
                        blocked = True
                        break
            if not blocked:
                stack.extend((after, run) for after in flow.after[point])
        return None, None, leaves

    def _acts(self, body: Body) -> dict[int, list[Event | tree.FunctionDef]]:
        """What happens at each point: switches of this model, backwards, calls of helpers."""
        flow = self.file.flow_in(body)
        placed: list[tuple[int, int, Event | tree.FunctionDef]] = []
        script = self._home(body).script
        for event in script.own_events.get(body, ()):
            if not flow.holds(event.call) or event.kind not in {MODE, BACKWARD}:
                continue
            if event.kind == MODE and not (self._concerns(event) or self._wakes_part(event)):
                continue
            place = self._loop_over(event) or _decision(event) or event.call
            placed.append((flow.point(place), event.call.start, event))
        sites = {e.site for e in script.events(body) if e.site is not e.call}
        for site in sites:
            if isinstance(site, tree.Call) and flow.holds(site):
                for function in script.called(site):
                    placed.append((flow.point(site), site.start, function))
        found: dict[int, list[Event | tree.FunctionDef]] = {}
        for point, _, act in sorted(placed, key=lambda item: item[:2]):
            found.setdefault(point, []).append(act)
        return found

    def _concerns(self, event: Event) -> bool:
        """True for a switch of this model, and for one to training of what is not known."""
        if event.receiver is None:
            return True
        if models.same(self.file, event.receiver, self.model):
            return True
        known = models.identities(self.file, event.receiver)
        if event.training is False or known:
            return False
        return not isinstance(event.receiver, tree.Name | tree.Attribute) or self._is_element(event)

    def _wakes_part(self, event: Event) -> bool:
        """True for a switch to training of a part of this model, or of what it was made around.

        Whether the rest of the model has a mode that matters is not known then.
        """
        part = event.receiver
        if part is None or event.training is False:
            return False
        taken = [part]
        if isinstance(part, tree.Name):
            taken += [b.value for b in self.file.values.definitions(part)[0] if b.value is not None]
        if any(models.same(self.file, w, self.model) for one in taken for w in models.wholes(one)):
            return True
        return any(
            models.same(self.file, arg.value, part)
            for maker in models.identities(self.file, self.model)
            if isinstance(maker, tree.Call)
            for arg in maker.args
            if isinstance(arg.value, tree.Name | tree.Attribute)
        )

    def _is_element(self, event: Event) -> bool:
        """True for ``for m in models: m.train()`` and ``self.train()``, which may reach it."""
        receiver = event.receiver
        named_self = isinstance(receiver, tree.Name) and receiver.id == "self"
        return named_self or self._loop_over(event) is not None

    def _loop_over(self, event: Event) -> tree.For | None:
        """The loop that takes the models which are switched one by one."""
        if event.kind != MODE or not isinstance(event.receiver, tree.Name):
            return None
        loop = tree.enclosing(event.call, tree.For)
        if loop is None or not isinstance(loop.target, tree.Name):
            return None
        return loop if loop.target.id == event.receiver.id else None

    def _trained(self, body: Body) -> Iterator[models.Forward]:
        """The runs of the model, with gradients, that the backwards of a body belong to.

        Where it is known what a loss is computed by, another run beside it only chooses something.
        """
        home = self._home(body)
        for event in home.script.own_events.get(body, ()):
            if event.kind != BACKWARD:
                continue
            node: tree.Node = tree.enclosing_loop(event.call) or body
            learning = [
                run
                for run in runs.runs(home, node)
                if contexts.under_no_grad(self.file, run.call) is not True
                and models.same(self.file, run.model, self.model)
            ]
            behind = gradients.calls_behind(home, event.receiver) if event.receiver else []
            yield from [run for run in learning if run.call in behind] or learning

    def _is_trained(self, homes: set[File]) -> bool:
        """True when an optimizer has the model's parameters, or it is put in training mode."""
        for event in (e for home in homes for own in home.script.own_events.values() for e in own):
            if event.receiver is None:
                continue
            if event.kind == MODE and event.training and self._concerns(event):
                return True
            if event.kind == STEP and self._is_optimized(event.receiver):
                return True
        return False

    def _home(self, node: tree.Node) -> File:
        return self.file.home(node)

    def _is_optimized(self, optimizer: Expr) -> bool:
        """True when an optimizer has parameters of the model, or of a part of it."""
        return any(
            models.same(self.file, whole, self.model)
            for value in self.file.values.of(optimizer)
            if isinstance(value, Instance)
            for model in models.optimized(self.file, value.call)
            for whole in models.wholes(model)
        )


def _decision(event: Event) -> tree.If | None:
    """The test of which one branch does nothing but switch a model to training mode."""
    match event.call.parent:
        case tree.ExprStmt(parent=tree.If() as test) as statement if event.training:
            return test if [statement] in (test.body, test.orelse) else None
        case _:
            return None


def freezes_parts(file: File, model: Expr) -> Event | None:
    """The ``eval()`` of a part of a model (a frozen backbone, its batch norms), if there is one."""
    for events in file.script.own_events.values():
        for event in events:
            if event.kind != MODE or event.training is not False or event.receiver is None:
                continue
            receiver = event.receiver
            match receiver:
                case tree.Attribute() if receiver.attr != "module":
                    if models.same(file, receiver.value, model):
                        return event
                case _:
                    pass
            if isinstance(receiver, tree.Name):
                found = file.names.find(receiver.id, receiver)
                if found is not None and any(_is_submodule(b.value) for b in found[1]):
                    return event
    return None


def _is_submodule(source: Expr | None) -> bool:
    return source is not None and any(
        isinstance(node, tree.Attribute) and node.attr in {"modules", "children", "named_modules"}
        for node in source.walk()
    )


def head(found: StuckMode) -> tree.Stmt:
    """The statement with which the training pass begins.

    It is the batch loop; where the evaluation stands in that loop itself, its first statement; and
    in a helper without a loop the statement of the forward.
    """
    loop = tree.enclosing_loop(found.backward.call)
    if loop is None:
        block = tree.function_of(found.backward.call)
        below: tree.Node = found.run.call
        while below.parent is not None and below.parent is not block:
            below = below.parent
        assert isinstance(below, tree.Stmt)
        return below
    return loop.body[0] if loop in found.site.ancestors() else loop
