"""Paths that are there on one machine only, written out in code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import FunctionValue
from trainlint.semantics.parameters import argument

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_HOME = re.compile(r"/(?:home|Users)/(?P<user>[^/\s]+)/[^/\s]")
_MOUNT = re.compile(r"/(?:mnt|media|Volumes)/[^/\s]+/[^/\s]")
_DRIVE = re.compile(r"[C-HX-Zc-g]:(?:/|\\\\?)(?P<top>\w[^\\/:*?\"<>|+()\[\]^$]{2,})")
_IN_TEXT = re.compile(r"[\r\n\t;,]|: |\s-")
# Users of containers and hosted notebooks, and names that stand for any user.
_ANYBODY = frozenset(
    "user username users me name ubuntu ec2-user jovyan runner app work sagemaker-user azureuser "
    "vscode docker root shared public default dev admin someone student you".split()
)
_SYSTEM = frozenset({"windows", "program files", "program files (x86)", "programdata", "tmp"})
_PLACEHOLDER = re.compile(
    r"path[\s_/\\-]*to|your|<|xxx|\.\.\.|example|placeholder|foo\b|dummy|mnt/(data|task|input)/?$",
    re.I,
)
_TELLS = re.compile(
    r"^(print|log|info|debug|warning|warn|error|exception|critical|write|echo|startswith|endswith|"
    r"replace|sub|match|search|split|strip|lstrip|removeprefix|exists|isdir|isfile|is_dir|is_file|"
    r"compile|fullmatch|commonpath|append_help|\w*(Error|Exception|Warning))$"
)
_ROUTES = re.compile(r"^(get|post|put|patch|delete|route|url_for|mount|redirect)$")
_EXPLAINS = frozenset({"help", "description", "epilog", "usage", "metavar", "msg", "message"})
_PRESENT = re.compile(r"^(exists|isdir|isfile|is_dir|is_file)$")
_MACHINE = re.compile(r"^(platform|system|gethostname|hostname|getuser|uname)$")
_CHOOSES = re.compile(
    r"^(exists|isdir|isfile|is_dir|is_file|platform|system|node|gethostname|hostname|getenv|environ|"
    r"uname|getuser|name|is_kaggle|colab)$",
    re.I,
)


def own_paths(file: File) -> list[tree.Expr]:
    """The absolute paths of one machine that a file names as literals, in source order.

    Paths that messages, tests of a path and choices between machines name are left out.
    """
    written: list[tree.Expr] = [*file.all(tree.Constant), *file.all(tree.FormattedString)]
    found = [
        node
        for node in written
        if is_own(text(file, node)) and not _is_talk(file, node) and not is_dead(node)
    ]
    return sorted(found, key=lambda node: node.start)


def text(file: File, node: tree.Expr) -> str | None:
    """A path as it is written, None for what is no text or begins with a value."""
    if isinstance(node, tree.Constant):
        return node.value if isinstance(node.value, str) else None
    spelled = file.text(node)
    begin = re.match(r"[a-zA-Z]*(\"\"\"|'''|\"|')", spelled)
    if begin is None or "{" in spelled[begin.end() : begin.end() + 8]:
        return None
    return spelled[begin.end() : -len(begin[1])]


def is_own(text: str | None) -> bool:
    """Whether a text is a path that only one machine, or one person's account, has."""
    if text is None or len(text) > 200 or _IN_TEXT.search(text) or _PLACEHOLDER.search(text):
        return False
    home = _HOME.match(text)
    if home is not None:
        user = home["user"].lower()
        return user not in _ANYBODY and not set("{}$*%@") & set(user)
    drive = _DRIVE.match(text)
    if drive is not None:
        return re.split(r"[\\/]", drive["top"])[0].lower() not in _SYSTEM
    return _MOUNT.match(text) is not None


def root(text: str) -> str:
    """The directory that the paths of one machine have in common: ``/home/anna``."""
    parts = [part for part in re.split(r"[\\/]+", text) if part]
    return "/".join(parts[:2]).lower()


def _is_talk(file: File, node: tree.Expr) -> bool:
    below: tree.Node = node
    for above in node.ancestors():
        match above:
            case tree.FormattedString() | tree.Compare():
                return True
            case tree.Call() if _TELLS.match(tree.last_name(above.func)):
                return True
            case tree.Call() if (
                _ROUTES.match(tree.last_name(above.func)) and below in above.args[:1]
            ):
                return True
            case tree.Dict() | tree.Sequence() if _is_chosen_from(file, above):
                return True
            case tree.Dict() if _is_only_shown(file, above):
                return True
            case tree.Arg(keyword=str(keyword)) if keyword in _EXPLAINS:
                return True
            case tree.IfExp() | tree.If() if _mentions(_CHOOSES, above.test):
                return True
            case tree.ExprStmt() if below is node:
                return True
            case tree.Raise() | tree.Assert() | tree.Try():
                return True
            case _:
                below = above
    return False


def _is_chosen_from(file: File, listed: tree.Expr) -> bool:
    """Whether one of several paths is taken: the first that is there, or that of this machine."""
    named = listed.parent
    reads: list[tree.Expr] = [listed]
    if isinstance(named, tree.Assign) and len(named.targets) == 1:
        name = tree.dotted(named.targets[0])
        reads = [one for one in file.all(tree.Name) if one.id == name]
    return any(_chooses_by(read) or _is_chosen_by_callee(file, read) for read in reads)


def _is_chosen_by_callee(file: File, read: tree.Expr) -> bool:
    """Whether a function is given the paths, and takes the first that is there."""
    call = read.parent.parent if isinstance(read.parent, tree.Arg) else None
    if not isinstance(call, tree.Call):
        return False
    for value in file.values.callees(call):
        function = value.function if isinstance(value, FunctionValue) else None
        for param in function.params if function is not None else ():
            if function is not None and argument(function, call, param) is read:
                names = (node for node in function.walk() if isinstance(node, tree.Name))
                return any(name.id == param.name and _chooses_by(name) for name in names)
    return False


def _is_only_shown(file: File, table: tree.Dict) -> bool:
    """Whether a dict of the module is written to, asked for its keys and printed, and no more."""
    named = table.parent
    if not isinstance(named, tree.Assign) or not isinstance(named.parent, tree.Module):
        return False
    target = named.targets[0]
    if not isinstance(target, tree.Name) or file.view.is_imported(file, target.id):
        return False
    uses = [one for one in file.all(tree.Name) if one.id == target.id and one is not target]
    return bool(uses) and all(map(_shows, uses))


def _shows(use: tree.Name) -> bool:
    match use.parent:
        case tree.Subscript(parent=tree.Assign(targets=targets)) as item:
            return any(item is target for target in targets)
        case tree.Compare(ops=["in" | "not in"], comparators=[asked]):
            return asked is use
        case tree.Arg(parent=tree.Call(func=func)):
            return tree.dotted(func) in {"print", "pprint", "pprint.pprint"}
        case _:
            return False


def _chooses_by(read: tree.Expr) -> bool:
    match read.parent:
        case tree.For(iter=each, body=parts) | tree.Generator(iter=each, ifs=parts):
            return each is read and any(_mentions(_PRESENT, part) for part in parts)
        case tree.Subscript(value=table, index=keys) if table is read:
            return any(_mentions(_MACHINE, key) for key in keys)
        case tree.Attribute(attr="get", parent=tree.Call(args=args)):
            return any(_mentions(_MACHINE, arg) for arg in args)
        case _:
            return False


def _mentions(words: re.Pattern[str], node: tree.Node) -> bool:
    return any(words.match(word) for word in tree.words_of(node))


def is_default(node: tree.Expr) -> bool:
    """Whether a path is only the default of a parameter, an option or a variable."""
    for above in node.ancestors():
        match above:
            case tree.Param() | tree.Arg(keyword="default"):
                return True
            case tree.Call() if tree.last_name(above.func) in {"get", "getenv", "setdefault"}:
                return True
            case tree.Stmt():
                return False
            case _:
                pass
    return False
