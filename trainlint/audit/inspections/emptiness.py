"""Places that reckon with nothing: an empty list, a count of zero."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, tree

RULE = Rule(
    "EDGE1", "emptiness", Severity.INFO, needs=any_of("max", "if not", "len", "zero_division")
)
_LEAVES = (tree.Raise, tree.Return, tree.Continue, tree.Break)


@RULE.verify
def divisors(file: File) -> Iterator[Finding]:
    for division in file.all(tree.BinOp):
        if division.op not in ("/", "//") or not isinstance(division.right, tree.Call):
            continue
        call = division.right
        if file.names.qualified(call.func) == "builtins.max":
            least = [file.values.literal(arg) for arg in call.positional]
            if any(isinstance(one, (int, float)) and one > 0 for one in least):
                yield Finding(division, "`max` keeps a divisor above zero")
    for call in file.calls:
        if call.arg(None, "zero_division") is not None:
            yield Finding(call, "`zero_division` says what a class without samples scores")


@RULE.verify
def empty(file: File) -> Iterator[Finding]:
    for branch in file.all(tree.If):
        what = _asked(file, branch.test)
        if what is not None and isinstance(branch.body[-1], _LEAVES):
            yield Finding(branch, f"an empty `{file.text(what)}` is handled here")


def _asked(file: File, test: tree.Expr) -> tree.Expr | None:
    """What a test finds empty: ``not labels``, ``len(labels) == 0``."""
    match test:
        case tree.UnaryOp(op="not", operand=tree.Name() | tree.Attribute() as what):
            return what if file.text(what) in file.once(_collections) else None
        case tree.Compare(ops=[op], left=tree.Call() as call, comparators=[bound]):
            is_length = file.names.qualified(call.func) == "builtins.len" and call.positional
            is_none = (op, file.values.literal(bound)) in {("==", 0), ("<", 1)}
            return call.positional[0] if is_length and is_none else None
        case _:
            return None


def _collections(file: File) -> frozenset[str]:
    """What the file makes a list, or asks for its length."""
    lengths = (file.text(arg) for call in file.calls_to("builtins.len") for arg in call.positional)
    made = (
        file.text(target)
        for assign in file.all(tree.Assign)
        for target, value in _pairs(assign)
        if isinstance(value, tree.Sequence | tree.Comprehension)
    )
    return frozenset((*lengths, *made))


def _pairs(assign: tree.Assign) -> Iterator[tuple[tree.Expr, tree.Expr]]:
    """The targets of an assignment with what each gets: ``a, b = [], []``."""
    for target in assign.targets:
        yield target, assign.value
        if isinstance(target, tree.Sequence) and isinstance(assign.value, tree.Sequence):
            yield from zip(target.elts, assign.value.elts, strict=False)
