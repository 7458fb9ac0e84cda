"""Handlers of exceptions: what they catch, what they do about it, and what was tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.data import loading
from trainlint.semantics.guards import EXITS
from trainlint.semantics.training import evaluation
from trainlint.semantics.training.script import BACKWARD, STEP, ZERO_GRAD
from trainlint.semantics.tree import Body

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_ALL = frozenset({"builtins.Exception", "builtins.BaseException"})
_REPORTS = re.compile(
    r"print|log(ger|ging)?($|_)|^log|warn|write|exception|^error|^debug|^info|critical|flush|"
    r"set_postfix|set_description|format_exc|traceback|echo|^handleError$|excepthook",
    re.I,
)
# What shows the exception itself, with where it came from.
_TRACEBACKS = re.compile(r"^(exception|(print|format)_exc(eption)?|handleError|excepthook)$")
_INTERRUPTS = frozenset({"builtins.KeyboardInterrupt", "builtins.SystemExit"})
# What a handler may do beside reporting and still leave everybody in the dark.
_TIDIES = frozenset({"empty_cache", "collect", "zero_grad", "ipc_collect", "synchronize"})
_LEAVES = EXITS | {"os.abort", "os.kill"}
# What removes something, or ends it, that is no longer needed.
_CLEANS_UP = re.compile(
    r"^(unlink|rmtree|rmdir|close|terminate|kill|release|shutdown|quit|cleanup|destroy\w*|"
    r"disconnect|deregister|unregister|empty_cache)$"
)
_REMOVALS = frozenset({"os.remove", "os.unlink", "os.rmdir", "os.removedirs", "shutil.rmtree"})
_SCORES = re.compile(
    r"(^|_)(loss(es)?|criterion|acc(uracy)?|metrics?|scores?|labels?|targets?|truths?|gts?|correct"
    r"|auc|iou|dice|true|actual|annotations?)(_|\d|$)|^yb?\d?$|^ys$|^y_?(true|batch|test|val|gt)",
    re.I,
)
_CATCHES_INTERRUPTS = re.compile(r"KeyboardInterrupt|SystemExit|exc_info|GeneratorExit")


@dataclass(frozen=True, slots=True)
class Handler:
    """An ``except`` clause; ``broad`` means that it catches every ``Exception``."""

    node: tree.Handler
    tried: tree.Try
    broad: bool

    @property
    def bare(self) -> bool:
        return self.node.type is None


@dataclass(frozen=True, slots=True)
class Swallowed:
    """A handler after which training or evaluation goes on as if nothing had happened.

    ``act`` is the backward, step or forward that it covers, ``kind`` which of these it is, ``loop``
    the loop that goes on; ``keeps`` tells that the gradients of a half-done step stay.
    """

    handler: Handler
    act: tree.Node
    kind: str
    loop: tree.Loop
    keeps: bool = False


def handlers(file: File) -> Iterator[Handler]:
    """The handlers of a file, in source order."""
    for tried in file.all(tree.Try):
        for node in tried.handlers:
            yield Handler(node, tried, _catches_all(file, node.type))


def beside(file: File, handler: Handler) -> list[Handler]:
    """The other handlers of the same ``try``."""
    return [
        Handler(node, handler.tried, _catches_all(file, node.type))
        for node in handler.tried.handlers
        if node is not handler.node
    ]


def _catches_all(file: File, caught: tree.Expr | None) -> bool:
    match caught:
        case None:
            return True
        case tree.Sequence():
            return any(_catches_all(file, item) for item in caught.elts)
        case _:
            return file.names.qualified(caught) in _ALL


def raises(handler: Handler) -> bool:
    """True when some path through a handler raises again."""
    return any(isinstance(node, tree.Raise) for node in _nodes(handler))


def leaves(file: File, handler: Handler) -> bool:
    """True when a handler ends the program."""
    return any(
        isinstance(node, tree.Call) and file.names.qualified(node.func) in _LEAVES
        for node in _nodes(handler)
    )


def means_interrupts(file: File, handler: Handler) -> bool:
    """True when a bare handler is there for ``KeyboardInterrupt`` and its like, too."""
    text = file.source.text[handler.node.start : handler.node.end]
    return _CATCHES_INTERRUPTS.search(text) is not None


def is_silent(handler: Handler) -> bool:
    """True when a handler passes, continues, prints and tidies up, and nothing else."""
    return all(_is_silent(statement) for statement in handler.node.body)


def _is_silent(statement: tree.Stmt) -> bool:
    match statement:
        case tree.Pass() | tree.Continue() | tree.Delete() | tree.Import() | tree.ImportFrom():
            return True
        case tree.ExprStmt(value=tree.Constant()):
            return True
        case tree.ExprStmt(value=tree.Call() as call):
            name = tree.word_of(call.func)
            return _REPORTS.search(name) is not None or name in _TIDIES
        case tree.If():
            return all(_is_silent(s) for s in (*statement.body, *statement.orelse))
        case tree.With():
            return all(_is_silent(s) for s in statement.body)
        case _:
            return False


def reports(handler: Handler) -> bool:
    """True when a handler prints, logs or warns."""
    return any(
        isinstance(node, tree.Call) and _REPORTS.search(tree.word_of(node.func)) is not None
        for node in _nodes(handler)
    )


def reports_the_rest(file: File, handler: Handler) -> bool:
    """True where the clauses above raise interrupts again, and all else is shown with its trace."""
    if not _raised_before(file, handler).issuperset(_INTERRUPTS):
        return False
    return any(
        isinstance(node, tree.Call)
        and (_TRACEBACKS.match(tree.word_of(node.func)) or _is_given_the_error(file, node))
        for node in _nodes(handler)
    )


def _is_given_the_error(file: File, call: tree.Call) -> bool:
    """``logger.error("...", exc_info=True)``."""
    given = call.arg(None, "exc_info")
    return given is not None and file.values.literal(given) not in (False, None)


def is_best_effort(file: File, handler: Handler) -> bool:
    """True for one act of cleaning up that may as well fail: nothing is made of its outcome."""
    if not is_silent(handler):
        return False
    tried = handler.tried.body
    while len(tried) == 1 and isinstance(tried[0], tree.If) and not tried[0].orelse:
        tried = tried[0].body
    match tried:
        case [tree.Delete()]:
            return True
        case [tree.ExprStmt(value=tree.Call(func=func))]:
            name = file.names.qualified(func)
            return name in _REMOVALS or _CLEANS_UP.search(tree.word_of(func)) is not None
        case _:
            return False


def is_fallback_import(handler: Handler) -> bool:
    """True where only imports are tried, and the handler ends in an import from elsewhere.

    What else went wrong comes up again in that import.
    """
    return (
        all(isinstance(s, tree.Import | tree.ImportFrom) for s in handler.tried.body)
        and bool(handler.node.body)
        and isinstance(handler.node.body[-1], tree.Import | tree.ImportFrom)
    )


def caught_before(file: File, handler: Handler) -> frozenset[str]:
    """The names of what the clauses above a handler catch."""
    return frozenset(name for node in _above(handler) for name in _caught(file, node))


def _raised_before(file: File, handler: Handler) -> frozenset[str]:
    """The names of what the clauses above a handler raise again in the end."""
    return frozenset(
        name
        for node in _above(handler)
        if isinstance(node.body[-1], tree.Raise)
        for name in _caught(file, node)
    )


def _above(handler: Handler) -> list[tree.Handler]:
    clauses = handler.tried.handlers
    return clauses[: clauses.index(handler.node)]


def _caught(file: File, node: tree.Handler) -> Iterator[str]:
    types = node.type.elts if isinstance(node.type, tree.Sequence) else [node.type]
    yield from (file.names.qualified(t) or "" for t in types if t is not None)


def _nodes(handler: Handler) -> Iterator[tree.Node]:
    stack: list[tree.Node] = list(reversed(handler.node.body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, tree.FunctionDef | tree.ClassDef | tree.Lambda):
            node.push(stack)


# Training


def swallowed(file: File) -> list[Swallowed]:
    """The broad, silent handlers around the acts of a training or evaluation loop."""
    passes: list[evaluation.EvaluationPass] | None = None
    found = []
    for handler in handlers(file):
        if not handler.broad or raises(handler) or leaves(file, handler) or not is_silent(handler):
            continue
        trained = _trained(file, handler)
        if trained is None:
            if passes is None:
                passes = evaluation.passes(file)
            trained = _evaluated(file, handler, passes)
        if trained is not None:
            found.append(trained)
    return found


def _trained(file: File, handler: Handler) -> Swallowed | None:
    """The backward or step that is tried once for each round of a loop around it."""
    tried = handler.tried
    body: Body = tree.body_of(tried)
    events = file.script.events(body)
    if not {BACKWARD, STEP} <= {event.kind for event in events} or _gives_up(tried):
        return None
    for event in events:
        if event.kind not in {BACKWARD, STEP} or not _tried(file, event.site, handler):
            continue
        loop = _loop_around(file, handler)
        if loop is None or tree.enclosing_loop(event.site) is not tree.enclosing_loop(tried):
            continue
        if not _starts_afresh(file, loop):
            keeps = not _clears_first(file, body, handler, event.site)
            return Swallowed(handler, event.site, event.kind, loop, keeps)
    return None


def _clears_first(file: File, body: Body, handler: Handler, act: tree.Node) -> bool:
    """True when each round clears the gradients before the act, or the handler does."""
    loop = tree.enclosing_loop(handler.tried)
    for event in file.script.events(body):
        if event.kind != ZERO_GRAD:
            continue
        if handler.node in event.site.ancestors() or event.site is act:
            return True
        early = event.site.start < act.start and tree.enclosing_loop(event.site) is loop
        if early and tree.enclosing(event.site, tree.If) is None:
            return True
    return False


def _gives_up(tried: tree.Try) -> bool:
    """True when success leaves the loop: it tries again after a failure, and no more than that."""
    return any(isinstance(s, tree.Break | tree.Return) for s in (*tried.body, *tried.orelse))


def _loop_around(file: File, handler: Handler) -> tree.Loop | None:
    """The loop that goes on after a handler: around it, or around a call of its function."""
    loop = tree.enclosing_loop(handler.tried)
    if loop is not None:
        return loop
    function = tree.function_of(handler.tried)
    if function is None or _ends_in_value(handler):
        return None
    for call, _owner in file.values.graph.callers(function):
        loop = tree.enclosing_loop(call)
        if loop is not None:
            return loop
    return None


def _ends_in_value(handler: Handler) -> bool:
    """True when what follows a handler in its function may tell the caller of the failure."""
    block = tree.block_of(handler.tried)
    after = block[block.index(handler.tried) + 1 :]
    return any(isinstance(statement, tree.Return | tree.Raise) for statement in after)


def _starts_afresh(file: File, loop: tree.Loop) -> bool:
    """True when each round makes its own optimizer: a sweep, whose next run starts afresh."""
    reached: set[tree.FunctionDef] = set()
    nodes = [call for statement in loop.body for call in tree.within(statement, tree.Call)]
    while nodes:
        node = nodes.pop()
        if _makes_optimizer(file, node):
            return True
        for value in file.values.callees(node):
            function = getattr(value, "function", None)
            if isinstance(function, tree.FunctionDef) and function not in reached:
                reached.add(function)
                nodes.extend(own(function, tree.Call))
    return False


def _makes_optimizer(file: File, call: tree.Call) -> bool:
    name = file.names.qualified(call.func) or ""
    return name.startswith("torch.optim.") and "lr_scheduler" not in name


def _tried(file: File, node: tree.Node, handler: Handler) -> bool:
    """True for what raises into a handler, and not into that of an inner ``try``."""
    below = node
    for ancestor in node.ancestors():
        inside = isinstance(ancestor, tree.Try) and any(below is s for s in ancestor.body)
        if ancestor is handler.tried:
            return inside
        if inside and any(_catches_all(file, h.type) for h in getattr(ancestor, "handlers", ())):
            return False
        if isinstance(ancestor, tree.FunctionDef | tree.Lambda | tree.ClassDef):
            return False
        below = ancestor
    return False


def _evaluated(
    file: File, handler: Handler, passes: list[evaluation.EvaluationPass]
) -> Swallowed | None:
    """The forward that is tried for each batch of an evaluation pass."""
    loop = tree.enclosing_loop(handler.tried)
    for found in passes:
        if found.loop is not loop or any(map(loading.is_load, loading.calls(handler.tried.body))):
            continue
        if not _is_scored(found.loop):
            continue
        for run in found.runs:
            if _tried(file, run.call, handler):
                return Swallowed(handler, run.call, "forward", found.loop)
    return None


def _is_scored(loop: tree.Node) -> bool:
    """True when a loop has labels or a score, and does not only write predictions down."""
    for node in loop.walk():
        match node:
            case tree.Compare(ops=["=="], comparators=[other]):
                if not isinstance(other, tree.Constant):
                    return True
                continue
            case tree.Name(id=word) | tree.Attribute(attr=word):
                pass
            case tree.Constant(value=str() as word) if isinstance(node.parent, tree.Subscript):
                pass
            case _:
                continue
        if _SCORES.search(word):
            return True
    return False
