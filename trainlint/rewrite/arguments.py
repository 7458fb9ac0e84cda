"""Edits of the arguments of a call: add, name, set, put first, remove, replace them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.places import Change, Unfixable
from trainlint.rewrite.precedence import Precedence, are_arguments, in_parentheses, spelled
from trainlint.semantics import tree
from trainlint.semantics.tree import Arg, Call

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def add_argument(file: File, call: Call, keyword: str, text: str) -> tuple[Edit, ...]:
    """Give a call one more keyword argument, behind the last one."""
    return add_arguments(file, call, {keyword: text})


def add_arguments(file: File, call: Call, added: Mapping[str, str]) -> tuple[Edit, ...]:
    """Give a call more keyword arguments, in the given order, behind the last one."""
    file = file.home(call)
    _refuse(call)
    _refuse_unknown_keys(call)
    for keyword in added:
        if any(arg.keyword == keyword for arg in call.args):
            raise Unfixable(f"the call has {keyword}= already")
    new = [f"{keyword}={_value(text)}" for keyword, text in added.items()]
    if not new:
        return ()
    if not call.args:
        return places.make(file, _into_empty(file, call, new))
    text, last = file.source.text, call.args[-1]
    opening, closing = _generator_parentheses(call)
    changes: list[Change] = [(last.start, last.start, opening)]
    comma = places.comma_after(text, last.end)
    if comma is not None and places.line_end(text, last.end) < comma:
        comma = None  # on a later line, where it stays
    if places.starts_line(text, last.start):
        blanks = places.indentation(text, last.start)
        newline = places.newline(file, last.end)
        lines = f",{newline}{blanks}".join(new)
        tail = comma or last.end
        end = places.line_end(text, tail)
        rest = text[tail:end].strip(" \t\f")
        if not rest.startswith("#"):
            changes.append((last.end, last.end, f"{closing},{newline}{blanks}{lines}"))
        elif comma is not None:
            changes.append((end, end, f"{newline}{blanks}{lines},"))
        elif places.comma_after(text, last.end) is None:
            changes.append((last.end, last.end, f"{closing},"))
            changes.append((end, end, f"{newline}{blanks}{lines}"))
        else:
            changes.append((last.end, last.end, f", {', '.join(new)}"))
    else:
        changes.append((last.end, last.end, f"{closing}, {', '.join(new)}"))
    return places.make(file, *changes)


def insert_argument_first(file: File, call: Call, text: str) -> tuple[Edit, ...]:
    """Put a positional argument before all others."""
    file = file.home(call)
    _refuse(call)
    _refuse_unknown_keys(call)
    new = _value(text)
    if not call.args:
        return places.make(file, _into_empty(file, call, [new]))
    first = call.args[0]
    opening, closing = _generator_parentheses(call)
    joint = ", "
    if places.starts_line(file.source.text, first.start):
        blanks = places.indentation(file.source.text, first.start)
        joint = f",{places.newline(file, first.start)}{blanks}"
    return places.make(
        file,
        (first.start, first.start, f"{new}{joint}{opening}"),
        (first.end, first.end, closing),
    )


def shift_arguments(
    file: File,
    call: Call,
    text: str,
    positions: Sequence[str],
    first: int = 0,
    added: Mapping[str, str] | None = None,
) -> tuple[Edit, ...]:
    """Put a positional argument before those from ``first`` on, which get keywords for it.

    ``positions`` are the names of what they mean now, ``added`` are more keyword arguments.

    Raises:
        Unfixable: a starred argument hides some, or there are more than positions.
    """
    file = file.home(call)
    more = dict(added or {})
    if call.has_star:
        raise Unfixable("`*` or `**` hides the arguments")
    given = [arg for arg in call.args[first:] if arg.keyword is None]
    if len(given) > len(positions):
        raise Unfixable("the call has too many arguments")
    named = name_arguments(file, dict(zip(given, positions, strict=False)))
    if not call.args and more:
        rest = ", ".join(f"{keyword}={_value(value)}" for keyword, value in more.items())
        return replace_arguments(file, call, f"{_value(text)}, {rest}")
    if first:
        at = call.args[first - 1].value.outer[1]
        shifted = places.make(file, (at, at, f", {_value(text)}"))
    else:
        shifted = insert_argument_first(file, call, text)
    return places.together(shifted, named, add_arguments(file, call, more))


def name_arguments(file: File, names: Mapping[Arg, str]) -> tuple[Edit, ...]:
    """Give positional arguments of one call their keywords.

    Raises:
        Unfixable: one that stays positional would follow, or the position is not known.
    """
    changes: list[Change] = []
    for arg, keyword in names.items():
        call = arg.parent
        if not isinstance(call, Call):
            raise Unfixable("the argument does not belong to a call")
        _refuse(call)
        if arg.star or arg.keyword is not None:
            raise Unfixable("the argument is not positional")
        at = call.args.index(arg)
        if any(item.star for item in call.args[:at]):
            raise Unfixable("a starred argument stands before")
        if any(item.keyword == keyword for item in call.args):
            raise Unfixable(f"the call has {keyword}= already")
        for item in call.args[at:]:
            if item not in names and (item.star == "*" or not (item.star or item.keyword)):
                raise Unfixable("a positional argument follows")
        loose = spelled(file.text(arg.value))[0] < Precedence.TERNARY
        opening, closing = ("(", ")") if loose and not in_parentheses(arg.value) else ("", "")
        changes.append((arg.start, arg.start, f"{keyword}={opening}"))
        changes.append((arg.end, arg.end, closing))
    if len(set(names.values())) != len(names):
        raise Unfixable("two arguments would have one name")
    return places.make(file, *changes)


def rename_keyword(file: File, arg: Arg, keyword: str) -> tuple[Edit, ...]:
    """Give an argument that has a keyword another one."""
    file = file.home(arg)
    call, old = arg.parent, arg.keyword
    if not isinstance(call, Call) or old is None:
        raise Unfixable("the argument has no keyword")
    _refuse(call)
    if any(item.keyword == keyword for item in call.args):
        raise Unfixable(f"the call has {keyword}= already")
    if any(item.star == "**" for item in call.args):
        raise Unfixable("the call's ** argument may hold it already")
    return places.make(file, (arg.start, arg.start + len(old), keyword))


def respell_arguments(
    file: File,
    call: Call,
    names: Mapping[Arg, str],
    dropped: Iterable[Arg] = (),
    added: Mapping[str, str] | None = None,
) -> tuple[Edit, ...]:
    """Pass arguments as another function takes them: under other names, some left out, some more.

    An argument that is not mentioned stays as it is.
    """
    file = file.home(call)
    gone, more = set(dropped), dict(added or {})
    if gone:
        pieces = [_spelled(file, arg, names.get(arg)) for arg in call.args if arg not in gone]
        pieces += [f"{name}={_value(text)}" for name, text in more.items()]
        return replace_arguments(file, call, ", ".join(pieces))
    bare = {arg: name for arg, name in names.items() if arg.keyword is None}
    edits = [name_arguments(file, bare), add_arguments(file, call, more)]
    edits += [rename_keyword(file, arg, name) for arg, name in names.items() if arg.keyword]
    return places.together(*edits)


def _spelled(file: File, arg: Arg, name: str | None) -> str:
    keyword = name or arg.keyword
    return f"{keyword}={file.text(arg.value)}" if keyword else file.source.text[arg.start : arg.end]


def set_argument(
    file: File, call: Call, keyword: str, text: str, position: int | None = None
) -> tuple[Edit, ...]:
    """Give an argument a value, whether it is written already (by keyword or position) or not."""
    file = file.home(call)
    for index, arg in enumerate(call.args):
        if arg.keyword == keyword:
            return replace(file, arg.value, text)
        if arg.star and position is not None and index <= position:
            raise Unfixable("a starred argument may hold it")
        if index == position and arg.keyword is None:
            return replace(file, arg.value, text)
    return add_argument(file, call, keyword, text)


def remove_argument(file: File, call: Call, arg: Arg) -> tuple[Edit, ...]:
    """Take an argument out of a call, with its comma."""
    return remove_arguments(file, call, [arg])


def remove_arguments(file: File, call: Call, args: Iterable[Arg]) -> tuple[Edit, ...]:
    """Take arguments out of a call; one on lines of its own goes with the comment behind it."""
    file = file.home(call)
    _refuse(call)
    text = file.source.text
    gone = {call.args.index(arg) for arg in args}
    if len(gone) < len(call.args):
        spans = [(arg.start, arg.end) for arg in call.args]
        return places.make(file, *places.removals(text, spans, gone))
    if not gone:
        return ()
    start, end = call.args[0].start, call.args[-1].end
    opening, closing = _inside(file, call)
    if not (places.has_comment(text, opening, start) or places.has_comment(text, end, closing)):
        return places.make(file, (opening, closing, ""))
    comma = places.comma_after(text, end)
    if comma is not None and not places.has_comment(text, end, comma):
        return places.make(file, (start, comma, ""))
    if comma is not None:
        return places.make(file, (start, end, ""), (comma - 1, comma, ""))
    return places.make(file, (start, end, ""))


def replace_arguments(file: File, call: Call, text: str) -> tuple[Edit, ...]:
    """Put other arguments, written out, in place of all those of a call."""
    file = file.home(call)
    _refuse(call)
    if not are_arguments(text):
        raise Unfixable(f"{text!r} are no arguments")
    old = file.source.text
    start, end = _inside(file, call)
    if places.has_comment(old, start, end):
        raise Unfixable("a comment would be lost")
    if call.args and text:
        start, end = call.args[0].start, call.args[-1].end
        end = places.comma_after(old, end) or end
    return places.make(file, (start, end, text))


def _refuse(call: Call) -> None:
    if any(isinstance(node, tree.FormattedString) for node in call.ancestors()):
        raise Unfixable("the call stands inside a string")


def _refuse_unknown_keys(call: Call) -> None:
    if any(arg.star == "**" for arg in call.args):
        raise Unfixable("the call's ** argument may hold it already")


def _value(text: str) -> str:
    return f"({text})" if spelled(text)[0] < Precedence.TERNARY else text


def _inside(file: File, call: Call) -> tuple[int, int]:
    """The span between the parentheses of a call."""
    return places.skip(file.source.text, call.func.outer[1]) + 1, call.end - 1


def _into_empty(file: File, call: Call, new: Sequence[str]) -> Change:
    text = file.source.text
    opening, closing = _inside(file, call)
    if not places.has_comment(text, opening, closing):
        return opening, closing, ", ".join(new)
    at = places.line_start(text, closing)
    blanks = text[at:closing] + places.unit(file, call)
    return at, at, f"{blanks}{', '.join(new)}{places.newline(file, opening)}"


def _generator_parentheses(call: Call) -> tuple[str, str]:
    """What a generator that is the only argument needs when it is that no longer."""
    value = call.args[0].value
    bare = isinstance(value, tree.Comprehension) and value.kind == "generator"
    return ("(", ")") if bare and not in_parentheses(value) else ("", "")
