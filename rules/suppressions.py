"""Comments that silence findings and have lost their purpose, or never had one."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Unfixable,
    any_of,
    rewrite,
)

_COMMENTS = any_of("trainlint:", "noqa", "NOQA", "NoQA", "Noqa")

UNUSED = Rule(
    "SUP001",
    "unused-suppression",
    Severity.INFO,
    needs=_COMMENTS,
    fix=Safety.SAFE,
    ordered=False,
)
UNKNOWN = Rule(
    "SUP002",
    "unknown-code-in-suppression",
    Severity.WARNING,
    needs=_COMMENTS,
    ordered=False,
)


@UNUSED.check
def unused(file: File) -> Iterator[Finding]:
    """A suppression silences nothing.

    ## What it does
    Finds `# trainlint: ignore[...]`, `# trainlint: ignore-file[...]` and `# noqa` with trainlint's
    codes where none of the named rules has anything to say. It speaks only of rules that were
    selected and ran; codes of other tools are left alone.

    ## Why is this bad?
    The comment claims a fault that is not there (any more), and would silence the next real one.

    ## Example
    ```python
    try:
        width = int("3")
    except ValueError:  # trainlint: ignore[ERR001] -- the setting may be missing
        width = 0
    ```

    ## Use instead
    ```python
    try:
        width = int("3")
    except ValueError:
        width = 0
    ```

    ## Fix safety
    The fix removes the entry, and the comment with its last one; other tools' codes and other text
    in the comment stay. It is safe: comments compute nothing.

    ## Since
    0.1.0

    ## References
    - ruff, unused-noqa (RUF100), which does the same for its own codes
    """
    for fault in file.unused_suppressions:
        entries = ", ".join(fault.entries)
        message = (
            f"This suppression of {entries} silences nothing"
            if entries
            else "This suppression silences nothing"
        )
        fixes: tuple[Fix, ...] = ()
        try:
            edits = rewrite.remove_spans(file, fault.removal)
            fixes = (Fix("Remove the suppression", edits, Safety.SAFE),)
        except Unfixable as error:
            message += f" (no fix is offered: {error.reason})"
        yield Finding(file.module, message, fixes=fixes, span=(fault.start, fault.end))


@UNKNOWN.check
def unknown(file: File) -> Iterator[Finding]:
    """A suppression names a rule that does not exist.

    ## What it does
    Finds entries of `# trainlint: ignore[...]` and `ignore-file[...]` that are neither a code nor a
    name nor a family of a rule. Codes under `# noqa` belong to other tools and are left alone.

    ## Why is this bad?
    A misspelt code silences nothing: the finding that it was meant for comes back, or, where there
    is none yet, everybody believes that it is taken care of.

    ## Example
    ```python
    total = 1 + 1  # trainlint: ignore[NOPE999]
    ```

    ## Use instead
    ```python
    total = 1 + 1
    ```

    ## Fix safety
    There is no fix: which rule was meant is not known.

    ## Since
    0.1.0

    ## References
    - `trainlint rules` lists the codes and names that exist
    """
    for fault in file.unknown_suppressions:
        entry = fault.entries[0] if fault.entries else ""
        yield Finding(
            file.module,
            f"No rule has the code or name `{entry}`: this entry silences nothing",
            span=(fault.start, fault.end),
        )
