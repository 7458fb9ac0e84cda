"""Scores and means over parts, empty and unequal ones (MET002, MET003, MET004, MET006)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Change, Fault, Program, dotted, keyword

PARTS = ("grouped_diagnosis.py", "batch_scores.py")
SCORES = ("f1_score", "recall_score", "precision_recall_fscore_support", "classification_report")


def _labelled(program: Program) -> Iterator[tuple[ast.Call, ast.keyword]]:
    """The scores of folds, groups and batches that name their classes."""
    for call in program.calls(*SCORES) if program.name in PARTS else ():
        labels = keyword(call, "labels")
        if labels is not None:
            yield call, labels


def _without(program: Program, call: ast.Call, labels: ast.keyword, name: str = "") -> Change:
    parts = [*call.args, *(k for k in call.keywords if k is not labels)]
    text = ", ".join(program.source(part) for part in parts)
    return program.replaced(call, f"{name or dotted(call.func)}({text})")


@operator("MET002", "labels-dropped")
def labels_dropped(program: Program) -> Iterator[Fault]:
    for call, labels in _labelled(program):
        yield Fault((_without(program, call, labels),), at=program.start(call))


@operator("MET002", "labels-none")
def labels_none(program: Program) -> Iterator[Fault]:
    for call, labels in _labelled(program):
        yield Fault((program.replaced(labels.value, "None"),), at=program.start(call))


@operator("MET002", "imported-score")
def imported_score(program: Program) -> Iterator[Fault]:
    for call, labels in _labelled(program):
        name = dotted(call.func)
        line = program.imported(f"from sklearn.metrics import {name} as rate")
        yield Fault((line, _without(program, call, labels, "rate")), at=program.start(call))


@operator("MET002", "other-score")
def other_score(program: Program) -> Iterator[Fault]:
    for call, labels in _labelled(program):
        if dotted(call.func) == "f1_score":
            line = program.imported("from sklearn import metrics")
            change = _without(program, call, labels, "metrics.jaccard_score")
            yield Fault((line, change), at=program.start(call))


# Counts that may be zero


def _unguarded(name: str, mark: str, *edits: tuple[str, str]) -> None:
    written("MET003", name, mark, *edits)


_unguarded(
    "guard-dropped", "return total / used", ("    if used == 0:\n        return math.nan\n", "")
)
_unguarded(
    "guard-dropped",
    "return total / used",
    ('    if used == 0:\n        raise ValueError("no batch with a box")\n', ""),
)
_unguarded(
    "choice-dropped",
    "return total / count",
    ("return total / count if count else 0.0", "return total / count"),
)
_unguarded("bound-dropped", "losses / count", ("losses / max(count, 1)", "losses / count"))
_unguarded(
    "guard-behind-the-division",
    "mean = total / used",
    (
        "    if used == 0:\n        return math.nan\n    return total / used\n",
        "    mean = total / used\n    if used == 0:\n        return math.nan\n    return mean\n",
    ),
)


def _summed(program: Program) -> Iterator[tuple[ast.Expr, ast.Return]]:
    """The losses that a loop collects in a list, and the return of their mean."""
    for statement in program.all(ast.Expr):
        owner = program.enclosing(statement, ast.FunctionDef)
        if program.source(statement) != "losses.append(loss.item())" or owner is None:
            continue
        for returned in program.all(ast.Return, owner):
            if program.source(returned) == "return sum(losses) / len(losses)":
                yield statement, returned


@operator("MET003", "list-filled-under-a-test")
def list_under_a_test(program: Program) -> Iterator[Fault]:
    for statement, returned in _summed(program):
        change = program.wrapped([statement], "if torch.isfinite(loss):")
        yield Fault((change,), at=program.start(returned))


@operator("MET003", "list-filled-where-no-error-occurs")
def list_without_errors(program: Program) -> Iterator[Fault]:
    for statement, returned in _summed(program):
        block = program.body_of(statement)
        loss = next((s for s in block if program.source(s).startswith("loss = ")), None)
        if loss is not None:
            tail = 'except RuntimeError as error:\n    print("skipped", error)\n    continue'
            yield Fault((program.wrapped([loss], "try:", tail),), at=program.start(returned))


def _means(program: Program) -> Iterator[tuple[ast.AugAssign, ast.Return, str, ast.stmt]]:
    """Sums of ``loss.item()``, the return of their mean, its divisor and the loss."""
    for added in program.all(ast.AugAssign):
        owner = program.enclosing(added, ast.FunctionDef)
        if program.source(added.value) != "loss.item()" or owner is None:
            continue
        target = program.source(added.target)
        block = program.body_of(added)
        losses = [s for s in block[: block.index(added)] if program.source(s).startswith("loss = ")]
        for returned in program.all(ast.Return, owner):
            if program.source(returned) == f"return {target} / len(loader)" and losses:
                yield added, returned, target, losses[-1]


@operator("MET003", "counted-under-a-test")
def counted_under_a_test(program: Program) -> Iterator[Fault]:
    for added, returned, target, _ in _means(program):
        loop = program.enclosing(added, ast.For)
        assert isinstance(loop, ast.For)
        text = program.source(added)
        changes = (
            program.before(loop, "used = 0"),
            program.replaced(
                added, f"if loss.item() < 1e4:\n            {text}\n            used += 1"
            ),
            program.replaced(returned, f"return {target} / used"),
        )
        if len(program.indent(added)) == 8:
            yield Fault(changes, mark=f"return {target} / used")


# Batches of another size


def _weighted(program: Program) -> Iterator[tuple[ast.AugAssign, ast.BinOp]]:
    """The losses that are added up with the number of their samples."""
    for added in program.all(ast.AugAssign):
        value = added.value
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
            sizes = ("len(", "size(", "numel(")
            counted = any(size in program.source(value.right) for size in sizes)
            if counted and program.source(value.left).endswith(".item()"):
                yield added, value


@operator("MET004", "weight-dropped")
def weight_dropped(program: Program) -> Iterator[Fault]:
    for added, value in _weighted(program):
        for divided in _divisions(program, added):
            changes = (
                program.replaced(value, program.source(value.left)),
                program.replaced(divided.right, "len(loader)"),
            )
            if _named_loader(program, added) == "loader":
                yield Fault(changes, anywhere=True)


@operator("MET004", "batches-counted")
def batches_counted(program: Program) -> Iterator[Fault]:
    for added, value in _weighted(program):
        for divided in _divisions(program, added):
            loop = program.enclosing(added, ast.For)
            assert isinstance(loop, ast.For)
            changes = (
                program.before(loop, "batches = 0"),
                program.replaced(value, program.source(value.left)),
                program.after(added, "batches += 1"),
                program.replaced(divided.right, "batches"),
            )
            yield Fault(changes, anywhere=True)


@operator("MET004", "means-collected")
def means_collected(program: Program) -> Iterator[Fault]:
    for added, value in _weighted(program):
        for divided in _divisions(program, added):
            loop = program.enclosing(added, ast.For)
            assert isinstance(loop, ast.For)
            changes = (
                program.before(loop, "means = []"),
                program.replaced(added, f"means.append({program.source(value.left)})"),
                program.replaced(divided, "sum(means) / len(means)"),
            )
            yield Fault(changes, anywhere=True)


@operator("MET004", "sum-made-a-mean")
def sum_made_a_mean(program: Program) -> Iterator[Fault]:
    for call in program.calls("cross_entropy", "nll_loss", "l1_loss"):
        reduction = keyword(call, "reduction")
        statement = program.statement(call)
        if reduction is None or not isinstance(statement, ast.AugAssign):
            continue
        start = program.text.rindex(",", 0, program.start(reduction))
        if program.calls("known.any") or program.enclosing(call, ast.If):
            continue
        for divided in _divisions(program, statement):
            changes = (
                Change(start, program.end(reduction), ""),
                program.replaced(divided.right, "len(loader)"),
            )
            yield Fault(changes, anywhere=True)


def _divisions(program: Program, added: ast.AugAssign) -> list[ast.BinOp]:
    """The first division of a sum behind the loop that makes it."""
    owner = program.enclosing(added, ast.FunctionDef)
    target = program.source(added.target)
    found = [
        d
        for d in (program.all(ast.BinOp, owner) if owner else [])
        if isinstance(d.op, ast.Div)
        and program.source(d.left) == target
        and d.lineno > added.lineno
    ]
    return found[:1]


def _named_loader(program: Program, node: ast.AST) -> str:
    loop = program.enclosing(node, ast.For)
    names = (
        [n.id for n in ast.walk(loop.iter) if isinstance(n, ast.Name)]
        if isinstance(loop, ast.For)
        else []
    )
    return next((n for n in names if n != "enumerate"), "")


# Batches that are left out


def _register_skip(name: str, test: str) -> None:
    @operator("MET006", name)
    def skipped(program: Program) -> Iterator[Fault]:
        for _, returned, _, loss in _means(program):
            lines = (f"if {test}:", "    continue")
            yield Fault((program.after(loss, *lines),), at=program.start(returned), wide=True)


_register_skip("infinite-loss-skipped", "not torch.isfinite(loss)")
_register_skip("nan-skipped", "torch.isnan(loss)")


@operator("MET006", "failed-batch-skipped")
def failed_batch(program: Program) -> Iterator[Fault]:
    for _, returned, _, loss in _means(program):
        tail = 'except RuntimeError as error:\n    print("batch skipped:", error)\n    continue'
        yield Fault((program.wrapped([loss], "try:", tail),), at=program.start(returned), wide=True)


@operator("MET006", "failed-batch-passed")
def failed_batch_passed(program: Program) -> Iterator[Fault]:
    """All of the round stands in the try, and its handler goes on."""
    for added, returned, _, loss in _means(program):
        block = program.body_of(added)
        held = block[block.index(loss) : block.index(added) + 1]
        tail = 'except (RuntimeError, ValueError):\n    print("a batch failed")'
        yield Fault((program.wrapped(held, "try:", tail),), at=program.start(returned), wide=True)


written(
    "MET006",
    "divided-by-all-batches",
    "return total / len(loader)",
    (
        "    if used == 0:\n        return math.nan\n    return total / used\n",
        "    return total / len(loader)\n",
    ),
)
written(
    "MET006",
    "divided-by-all-batches",
    "return total / len(loader)",
    (
        '    if used == 0:\n        raise ValueError("no batch with a box")\n'
        "    return total / used\n",
        "    return total / len(loader)\n",
    ),
)
written(
    "MET006",
    "counted-at-the-head",
    "return total / used",
    (
        "        loss = F.cross_entropy(model(songs.to(device)), birds.to(device))\n",
        "        used += 1\n"
        "        loss = F.cross_entropy(model(songs.to(device)), birds.to(device))\n",
    ),
    ("        total += loss.item()\n        used += 1\n", "        total += loss.item()\n"),
)
written(
    "MET006",
    "divided-by-all-samples",
    "return total / len(loader.dataset)",
    (
        "        total += loss.item() * len(images)\n    return total / len(loader.dataset)",
        "        if loss.isnan():\n            continue\n"
        "        total += loss.item() * len(images)\n"
        "    return total / len(loader.dataset)",
    ),
    wide=True,
)
