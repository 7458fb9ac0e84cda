"""What says of itself what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.api import File, Finding, Rule, Severity, any_of, tree

RULE = Rule("DOC1", "documented", Severity.INFO, needs=any_of("def", "class"))


@RULE.verify
def documented(file: File) -> Iterator[Finding]:
    body = file.module.body
    if body and _is_text(body[0]):
        yield Finding(body[0], "the file says what it is for")
    named: list[tree.FunctionDef | tree.ClassDef] = [*file.all(tree.FunctionDef)]
    named += file.all(tree.ClassDef)
    public = sorted((n for n in named if not n.name.startswith("_")), key=lambda n: n.start)
    told = [node for node in public if node.body and _is_text(node.body[0])]
    if told:
        yield Finding(told[0], f"{_share(told, public)} functions and classes say what they do")
    functions = [n for n in public if isinstance(n, tree.FunctionDef)]
    typed = [function for function in functions if _is_typed(function)]
    if typed:
        yield Finding(typed[0], f"{_share(typed, functions)} functions say the types they take")


def _share(some: Sequence[tree.Node], every: Sequence[tree.Node]) -> str:
    return f"{len(some)} of {len(every)}"


def _is_text(statement: tree.Stmt) -> bool:
    value = statement.value if isinstance(statement, tree.ExprStmt) else None
    return isinstance(value, tree.Constant) and isinstance(value.value, str)


def _is_typed(function: tree.FunctionDef) -> bool:
    own = [param for param in function.params if param.name not in ("self", "cls")]
    return bool(own) and all(param.annotation is not None for param in own)
