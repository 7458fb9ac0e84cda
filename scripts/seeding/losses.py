"""Activations in front of losses that apply or forbid them (AMP001, AMP002, AMP003, LOS001)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator
from .program import Change, Fault, Program, dotted, keyword

BINARY = ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits")
CLASSES = ("CrossEntropyLoss", "cross_entropy")


@dataclass(frozen=True, slots=True)
class Activation:
    """How a sigmoid or softmax is written as a call, as a method and as a layer."""

    call: str
    method: str
    layer: str


SIGMOID = Activation("torch.sigmoid({})", "{}.sigmoid()", "nn.Sigmoid()")
SOFTMAX = Activation("torch.softmax({}, dim=1)", "{}.softmax(dim=1)", "nn.Softmax(dim=1)")
LOG_SOFTMAX = Activation(
    "torch.log_softmax({}, dim=1)", "{}.log_softmax(1)", "nn.LogSoftmax(dim=1)"
)
SHAPES = ("argument", "method", "statement", "forward", "layer")


def evaluations(program: Program, names: tuple[str, str]) -> list[ast.Call]:
    """The calls that evaluate a loss of a kind: of the function, or of an object of the class."""
    made = program.calls(names[0])
    objects = set()
    for call in made:
        statement = program.statement(call)
        if isinstance(statement, ast.Assign) and statement.value is call:
            objects.add(dotted(statement.targets[0]).rpartition(".")[2])
    return [
        call
        for call in program.calls(names[1], *objects)
        if dotted(call.func).rpartition(".")[2] in {names[1], *objects} and call.args
    ]


def under_autocast(program: Program, call: ast.Call, deep: bool = True) -> bool:
    """Whether a call stands in an autocast block, or in a function that is called in one."""
    for node in program.above(call):
        if isinstance(node, ast.With) and any(
            "autocast" in program.source(item) or program.source(item) == "context"
            for item in (i.context_expr for i in node.items)
        ):
            return True
    function = program.enclosing(call, ast.FunctionDef)
    if not deep or not isinstance(function, ast.FunctionDef):
        return False
    return any(under_autocast(program, c, False) for c in program.calls(function.name))


def activated(
    program: Program, shape: str, activation: Activation, loss: ast.Call, losses: list[ast.Call]
) -> list[Change] | None:
    """The changes that put an activation before a loss; None where the shape does not fit."""
    if shape == "argument":
        return [_wrapped(program, each.args[0], activation.call) for each in losses]
    if shape == "method":
        if not all(isinstance(each.args[0], ast.Name | ast.Call) for each in losses):
            return None
        return [_wrapped(program, each.args[0], activation.method) for each in losses]
    if shape == "statement":
        changes = []
        for each in losses:
            changes.append(program.replaced(each.args[0], "outcome"))
            value = activation.call.format(program.source(each.args[0]))
            changes.append(program.before(each, f"outcome = {value}"))
        statements = [program.statement(each) for each in losses]
        simple = (ast.Assign, ast.AugAssign, ast.Expr)
        fit = all(isinstance(s, simple) for s in statements) and len({*statements}) == len(losses)
        return changes if fit else None
    output = output_of(program, loss)
    if output is None:
        return None
    if shape == "forward":
        return [_wrapped(program, output, activation.call)] if not _is_layer(output) else None
    return _as_layer(program, output, activation.layer)


def _wrapped(program: Program, node: ast.expr, form: str) -> Change:
    return program.replaced(node, form.format(program.source(node)))


def output_of(program: Program, loss: ast.Call) -> ast.expr | None:
    """What ``forward`` of the model returns as the first argument of a loss, or a network's end."""
    argument: ast.AST = loss.args[0]
    index = 0
    names = [node.id for node in ast.walk(argument) if isinstance(node, ast.Name)]
    if _is_product(program, loss, names):
        return None
    for assign in program.all(ast.Assign):
        target = assign.targets[0]
        if isinstance(target, ast.Tuple):
            elements = [dotted(e) for e in target.elts]
            if any(name in elements for name in names) and "model" in program.source(assign.value):
                index = next(i for i, e in enumerate(elements) if e in names)
    classes = program.classes("Module")
    called = {
        dotted(node.func).rpartition(".")[2]
        for node in ast.walk(argument)
        if isinstance(node, ast.Call)
    }
    if len(classes) > 1:
        classes = [c for c in classes if c.name.lower() in called]
    if not classes:
        return _end_of_sequence(program)
    forward = program.method(classes[0], "forward")
    returned = [node for node in ast.walk(forward) if isinstance(node, ast.Return)]  # type: ignore[arg-type]
    value = returned[-1].value
    return value.elts[index] if isinstance(value, ast.Tuple) else value


def _is_product(program: Program, loss: ast.Call, names: list[str]) -> bool:
    """Whether the argument holds products of features with each other, which no network returns."""
    function = program.enclosing(loss, ast.FunctionDef) or program.tree
    return any(
        dotted(assign.targets[0]) in names and " @ " in program.source(assign.value)
        for assign in program.all(ast.Assign, function)
    )


def _is_layer(output: ast.expr) -> bool:
    return isinstance(output, ast.Call) and dotted(output.func).startswith("nn.")


def _end_of_sequence(program: Program) -> ast.expr | None:
    """The last layer of the network that a function of the program returns."""
    for call in program.calls("nn.Sequential"):
        if isinstance(program.statement(call), ast.Return):
            return call.args[-1]
    return None


def _as_layer(program: Program, output: ast.expr, layer: str) -> list[Change] | None:
    """The activation as a module behind the layer that makes the output."""
    if _is_layer(output):  # the last of a sequence
        return [program.replaced(output, f"{program.source(output)}, {layer}")]
    owner = program.enclosing(output, ast.ClassDef)
    used = [dotted(c.func) for c in ast.walk(output) if isinstance(c, ast.Call)]  # outermost first
    if isinstance(output, ast.Name):  # the return of a name that was assigned before
        function = program.enclosing(output, ast.FunctionDef)
        for assign in program.all(ast.Assign, function):
            if dotted(assign.targets[0]) == output.id and isinstance(assign.value, ast.Call):
                used = [dotted(assign.value.func)]
    built = {
        dotted(assign.targets[0]): assign.value
        for assign in program.all(ast.Assign, owner)
        if isinstance(assign.value, ast.Call)
    }
    made = next((built[name] for name in used if name.startswith("self.") and name in built), None)
    if made is None:
        return None
    if dotted(made.func) == "nn.Sequential":
        last = made.args[-1]
        return [program.replaced(last, f"{program.source(last)}, {layer}")]
    return [program.replaced(made, f"nn.Sequential({program.source(made)}, {layer})")]


def on_probabilities(program: Program, losses: list[ast.Call]) -> list[Change]:
    """The criterion of some evaluations replaced by its form on probabilities."""
    changes = []
    for loss in losses:
        if dotted(loss.func).endswith(BINARY[1]):
            name = program.source(loss.func).replace(BINARY[1], "binary_cross_entropy")
            changes.append(program.replaced(loss.func, name))
    for made in program.calls(BINARY[0]):
        name = program.source(made.func).replace(BINARY[0], "BCELoss")
        changes.append(program.replaced(made, f"{name}()"))
    return changes


def _bce(program: Program, shape: str, probabilities: bool) -> Iterator[tuple[Fault, ast.Call]]:
    losses = evaluations(program, BINARY)
    for loss in losses[:1]:
        changes = activated(program, shape, SIGMOID, loss, losses)
        if changes is None:
            continue
        if probabilities:
            changes += on_probabilities(program, losses)
        yield Fault(tuple(changes), at=program.start(loss)), loss


def _register(shape: str) -> None:
    @operator("AMP001", f"sigmoid-as-{shape}")
    def in_the_region(program: Program) -> Iterator[Fault]:
        for fault, loss in _bce(program, shape, True):
            if under_autocast(program, loss):
                yield fault

    def in_a_new_region(program: Program) -> Iterator[Fault]:
        for fault, loss in _bce(program, shape, True):
            block = _block_of(program, loss)
            if under_autocast(program, loss) or block is None:
                continue
            inner = [c for c in fault.changes if _inside(program, c, block)]
            outer = [c for c in fault.changes if c not in inner]
            text = _applied(program, block, inner)
            indent = program.indent(block)
            new = f'{indent}with torch.autocast("cuda"):\n{indent}    {text}\n'
            change = Change(program.line_start(block), program.line_end(block), new)
            if inner or block.lineno <= loss.lineno <= (block.end_lineno or 0):
                yield Fault((*outer, change), mark=text)
            else:
                yield Fault((*outer, change), at=program.start(loss))

    if shape != "statement":  # a region holds the statement of the loss alone
        operator("AMP001", f"region-around-sigmoid-as-{shape}")(in_a_new_region)

    @operator("AMP002", f"sigmoid-as-{shape}")
    def outside(program: Program) -> Iterator[Fault]:
        for fault, loss in _bce(program, shape, True):
            if not under_autocast(program, loss):
                yield fault

    @operator("AMP003", f"sigmoid-as-{shape}")
    def before_logits(program: Program) -> Iterator[Fault]:
        for fault, _ in _bce(program, shape, False):
            yield fault

    for activation, name in ((SOFTMAX, "softmax"), (LOG_SOFTMAX, "log-softmax")):
        _register_softmax(shape, activation, name)


def _register_softmax(shape: str, activation: Activation, name: str) -> None:
    @operator("LOS001", f"{name}-as-{shape}")
    def before_cross_entropy(program: Program) -> Iterator[Fault]:
        for loss in evaluations(program, CLASSES)[:1]:
            if isinstance(loss.args[0], ast.Name) and not _is_classes(loss):
                continue
            changes = activated(program, shape, activation, loss, [loss])
            if changes is not None:
                yield Fault(tuple(changes), at=program.start(loss))


def _is_classes(loss: ast.Call) -> bool:
    return keyword(loss, "weight") is None


def _block_of(program: Program, loss: ast.Call) -> ast.stmt | None:
    """The one-line statement that evaluates the loss, here or in the training loop that calls."""
    statement = program.statement(loss)
    function = program.enclosing(loss, ast.FunctionDef)
    if isinstance(statement, ast.Return) and isinstance(function, ast.FunctionDef):
        statement = program.statement(program.calls(function.name)[0])
    return statement if statement.lineno == statement.end_lineno else None


def _inside(program: Program, change: Change, block: ast.stmt) -> bool:
    return program.start(block) <= change.start and change.end <= program.end(block)


def _applied(program: Program, block: ast.stmt, changes: list[Change]) -> str:
    text, base = program.source(block), program.start(block)
    for change in sorted(changes, key=lambda c: -c.start):
        text = text[: change.start - base] + change.text + text[change.end - base :]
    return text


for _shape in SHAPES:
    _register(_shape)
