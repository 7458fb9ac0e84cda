"""What becomes of the files that a training loop saves: replaced, removed, or only a few."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data.loading import EXISTS
from trainlint.semantics.guards import guards
from trainlint.semantics.training import amounts, counting, written
from trainlint.semantics.training.loop_saves import COUNTED, LoopSave, loop_saves
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

FEW = 10  # files that nobody minds
_REMOVES = frozenset(
    "os.remove os.unlink os.removedirs os.rmdir shutil.rmtree shutil.move os.replace os.rename "
    "send2trash.send2trash".split()
)
_MOVES = frozenset("os.replace os.rename shutil.move os.renames".split())
_COPIES = frozenset("shutil.copy shutil.copy2 shutil.copyfile shutil.copytree os.link".split())
_TEMPORARY = re.compile(r"te?mp|partial|incomplete", re.I)
# What gives a file that was written its own name, or keeps another one of it elsewhere.
_SETTLES = re.compile(
    r"(^|_)(replace|rename|move|mv|commit|publish|promote|swap|backup|back_up|copy|cp|upload|put|"
    r"push|sync|log_artifact|save_file|finalize)(_|$)",
    re.I,
)
_SHELLS = frozenset("os.system os.popen".split())
_ERASES = re.compile(r"\b(rm|del|unlink|rmdir|mv|prune|find|sync|rsync)\b")
_ERASING = re.compile(
    r"^(rm|rmdir|rm_file|unlink|rmtree|send2trash|delete_objects?|delete_files?)$"
)
_TIDIES = re.compile(
    r"(^|_)(rm|remove|delete|prune|purge|rotate|clean|tidy|trim|evict|limit|retain|keep|drop).*"
    r"(ck?pt|checkpoint|old|file|snapshot|save|weight|model|stale|last|best|epoch|dir|folder)"
    r"|(ck?pt|checkpoint|file|snapshot|save)\w*_(rm|remove|delete|prune|purge|rotat|clean|tidy|trim)",
    re.I,
)


# Files that are written over


def is_replaced_whole(file: File, save: LoopSave) -> bool:
    """True where a save goes to a temporary file, which then takes the place of the other."""
    if _TEMPORARY.search(file.text(save.path)):
        return True
    texts = {file.text(save.path)}
    texts |= {file.text(written.spelled(file, save.path))}
    if any(_TEMPORARY.search(text) for text in texts):
        return True
    return any(_settles(file, call, texts) for call in file.calls)


def _settles(file: File, call: tree.Call, texts: set[str]) -> bool:
    """True where a call moves or copies a file to another name: ``path.replace(final)``, too."""
    name, func = file.names.qualified(call.func), call.func
    if call.args and file.text(call.args[0].value) in texts:
        if name in _MOVES | _COPIES:
            return True
        if (name is None or name.startswith(".")) and _SETTLES.search(tree.last_name(func)):
            return True
    return (
        isinstance(func, tree.Attribute)
        and func.attr in {"replace", "rename", "move", "copy"}
        and len(call.args) == 1
        and file.text(func.value) in texts
    )


def has_older(file: File, save: LoopSave) -> bool:
    """True where the loop saves under a new name, too, or a save happens only once."""
    guarded = [g for node in (save.save, save.place) for g in guards(node)]
    if any(_asks_for_one(guard.test) and guard.outcome for guard in guarded):
        return True
    if any(
        isinstance(node, tree.Call) and tree.last_name(node.func) in EXISTS | {"lexists"}
        for guard in guarded
        for node in guard.test.walk()
    ):
        return True
    return any(
        other.loop is save.loop and other.kind == COUNTED for other in loop_saves(file)
    ) or any(
        isinstance(node, tree.Call) and file.names.qualified(node.func) == "os.chdir"
        for node in save.loop.walk()
    )


# Files that pile up


def removes(file: File) -> bool:
    """True where a file removes or replaces any file, or calls what says that it does."""
    return any(_removes(file, call) for call in file.calls)


def _removes(file: File, call: tree.Call) -> bool:
    name = file.names.qualified(call.func)
    if name in _REMOVES:
        return not (name in _MOVES and _names_what_was_written(file, call))
    if name in _SHELLS or (name or "").startswith("subprocess."):
        texts = (n for arg in call.args for n in arg.value.walk() if isinstance(n, tree.Expr))
        return any(_ERASES.search(file.text(text)) for text in texts)
    last = tree.last_name(call.func)
    return bool(_ERASING.match(last) or _TIDIES.search(last))


def _names_what_was_written(file: File, move: tree.Call) -> bool:
    """True where a temporary file, which is the same in each round, gets its name."""
    paths = (save.arg(1, "f") for save in file.calls_to("torch.save"))
    written_here = {file.text(path) for path in paths if path is not None}
    counted = {file.text(save.path) for save in loop_saves(file) if save.kind == COUNTED}
    source = move.arg(0, "src")
    return source is not None and file.text(source) in written_here - counted


def is_rare(file: File, save: LoopSave) -> bool:
    """True where a loop gets to a save once, or for a few rounds that are known."""
    thinned = 1
    for node in (save.save, save.place):
        for guard in guards(node):
            if not guard.outcome:
                continue
            if _asks_for_one(guard.test):
                return True
            thinned = max(thinned, _every(file, guard.test))
    if _is_temporary(file, save.path):
        return True
    taken = counting.taken(file, save.loop)
    if taken is None or taken.kind != "range" or not isinstance(taken.source, tree.Call):
        return False
    stop = taken.source.positional[-1:] if len(taken.source.args) < 3 else []
    numbers = amounts.amounts(file, stop[0]) if stop else frozenset()
    known = [number for number in numbers if number is not None]
    return len(known) == len(numbers) > 0 and all(number // thinned <= FEW for number in known)


def _is_temporary(file: File, path: Expr) -> bool:
    """True for a path in a folder that goes again by itself."""
    for node in path.walk():
        if isinstance(node, tree.Name):
            if _TEMPORARY.search(node.id):
                return True
            for binding in file.values.definitions(node)[0]:
                made = binding.value
                if isinstance(made, tree.Call) and (
                    file.names.qualified(made.func) or ""
                ).startswith("tempfile."):
                    return True
    return False


def _every(file: File, test: Expr) -> int:
    """``n`` for ``epoch % n == 0``, also beside ``or epoch == last``; 1 where it is not known."""
    match test:
        case tree.Compare(
            ops=["=="], left=tree.BinOp(op="%", right=size), comparators=[tree.Expr()]
        ):
            number = file.values.literal(size)
            return number if isinstance(number, int) and number > 0 else 1
        case tree.UnaryOp(op="not", operand=tree.BinOp(op="%", right=size)):
            number = file.values.literal(size)
            return number if isinstance(number, int) and number > 0 else 1
        case tree.BoolOp(op="and"):
            return max(_every(file, test.left), _every(file, test.right))
        case tree.BoolOp(op="or"):
            sides = [side for side in (test.left, test.right) if not _asks_for_one(side)]
            return min((_every(file, side) for side in sides), default=1)
        case _:
            return 1


def _asks_for_one(test: Expr) -> bool:
    """True for ``epoch == last`` and ``epoch in [10, 20]``, not for ``epoch % 10 == 0``."""
    match test:
        case tree.Compare(ops=["=="], left=left, comparators=[right]):
            sides = [left, right]
            modulo = any(
                isinstance(n, tree.BinOp) and n.op == "%" for side in sides for n in side.walk()
            )
            return not modulo and any(isinstance(side, tree.Name) for side in sides)
        case tree.Compare(ops=["in"], left=tree.Name() | tree.BinOp(), comparators=[listed]):
            return not isinstance(listed, tree.Call)  # those that somebody has chosen
        case tree.BoolOp(op="and"):
            return _asks_for_one(test.left) or _asks_for_one(test.right)
        case _:
            return False
