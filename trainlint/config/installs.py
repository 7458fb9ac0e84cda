"""What the commands of a shell install: the distributions and specifiers that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator

Entry = tuple[str, str]

# Expressions stay text until they are used: starting up must cost nothing.
_COMMAND = (
    r"\b(?:pip(?:3(?:\.\d+)?)?|conda|mamba|micromamba)(?:[ \t]+-\S+)*[ \t]+"
    r"(?:install|create)[ \t](?P<words>[^\n]*)"
)
# The tag of an image begins with the release; NVIDIA's images, for one, count months instead.
# Many say which Python they hold: ``cuda10.2-py3.7``, ``py38``.
_IMAGE = (
    r"(?im)^(?:[ \t]*FROM|[^#\n]*\bdocker[ \t]+pull)[ \t]+(?:-\S+[ \t]+)*"
    r"(?:docker\.io/)?(?:library/)?"
    r"(?P<image>pytorch/pytorch|tensorflow/tensorflow|python):(?P<release>\d+(?:\.\d+)+)"
)
_PYTHON = (
    r"(?im)^(?:[ \t]*FROM|[^#\n]*\bdocker[ \t]+pull)[ \t]+(?:-\S+[ \t]+)*"
    r"\S+:(?:\S*[-_.])?py(?:thon)?-?3\.?(?P<minor>1\d|[4-9])(?![\d])"
)
_GIVEN = r"(?im)^[ \t]*(?:ARG|ENV)[ \t]+(\w+)[= ][\"']?([\w.-]+)[\"']?[ \t]*$"
_WORD = r"\"[^\"]*\"|'[^']*'|[^\s\"']+"
_DISTRIBUTION = (
    r"(?:[\w./-]+::)?([A-Za-z][\w.-]*)(?:\[[^\]]*\])?(?=[=<>~! ])\s*([=<>~!]?[^;]*)(?:;.*)?"
)
# The CUDA toolkit that stands beside the torch of conda; that of pip brings its own.
TOOLKIT = "pytorch-cudatoolkit"
_CONDAS_TORCH = r"(?<![\w./=:-])(?<!-c )(?<!--channel )(?:[\w./-]+::)?pytorch(?![\w./:-])"
_WHEEL = (
    r"(?:.*/)?(?P<name>[A-Za-z][\w.]*)-(?P<release>\d[\w.+!]*)(?:-\d\w*)?"
    r"-(?P<python>[\w.]+)-(?P<abi>[\w.]+)-[\w.]+\.whl(?:[?#].*)?"
)


def installed_entries(text: str) -> Iterator[Entry]:
    """Distribution and specifier of what the commands in a text install in some version.

    That is also what the images have installed that they pull or build upon.
    """
    for image in re.finditer(_IMAGE, _filled(text)):
        yield image["image"].rpartition("/")[2], f"={image['release']}"
    for image in re.finditer(_PYTHON, _filled(text)):
        yield "python", f"=3.{image['minor']}"
    joined = re.sub(r"\\[ \t]*\r?\n", " ", text)
    for command in re.finditer(_COMMAND, joined):
        if "#" in joined[joined.rfind("\n", 0, command.start()) + 1 : command.start()]:
            continue
        with_torch = re.search(_CONDAS_TORCH, command["words"]) is not None
        for word in re.findall(_WORD, command["words"]):
            is_quoted = word[0] in "\"'"
            if not is_quoted and word[0] in "&|;)#":
                break
            bare, ended = (word[1:-1], False) if is_quoted else _cut(word)
            found = re.fullmatch(_DISTRIBUTION, bare.strip())
            if ".whl" in bare:
                yield from wheel_entries(bare)
            elif found is not None and "://" not in bare:
                entry = found[1], found[2].strip()
                yield beside_condas_torch(entry) if with_torch else entry
            if ended:
                break


def _filled(text: str) -> str:
    """The text of a Dockerfile, with the images named that it spells by its arguments."""
    if not re.search(r"(?m)^FROM[^\n]*\$", text):
        return text
    given = dict(re.findall(_GIVEN, text))
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda m: given.get(m[1] or m[2], m[0]), text)


def beside_condas_torch(entry: Entry) -> Entry:
    """An entry that stands beside the torch of conda, by which its toolkit is told from others."""
    return (TOOLKIT, entry[1]) if entry[0] == "cudatoolkit" else entry


def wheel_entries(address: str) -> Iterator[Entry]:
    """The release that a wheel has in its name, and the Python if it is for one alone."""
    found = re.fullmatch(_WHEEL, address.strip().replace("%2B", "+").replace("%2b", "+"))
    if found is None:
        return
    yield found["name"], f"=={found['release'].partition('+')[0]}"
    python = re.fullmatch(r"cp(\d)(\d+)", found["python"])
    if python is not None and found["abi"] != "abi3":
        yield "python", f"={python[1]}.{python[2]}"


def _cut(word: str) -> tuple[str, bool]:
    """A bare word up to where it ends the command, and whether it does."""
    end = re.search(r"[;&|)]", word)
    return (word[: end.start()], True) if end is not None else (word, False)
