"""What a README tells of the releases that its author ran: install commands and lists of packages.

Only a line that lists nothing but names and releases counts. What is told in sentences is left
out, since it may as well speak of another project; so is what is said not to work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.config.installs import Entry, installed_entries

# Expressions stay text until they are used: starting up must cost nothing.
_BULLET = r"^[\s>]*(?:[-*+•]\s+|\d+[.)]\s*)?"
_MARKUP = r"[*`]|</?(?:br|li|p|b|code)\s*/?>|[\[\]]"
_COMMENT = r"(?:^|\s)#.*|\((?!\s*[<>=~]*\s*v?\d)[^)]*\)"
_NEXT = r"\s*[,;&]\s*|\s+\+\s+|\s+and\s+(?!above|later|newer|higher|up\b)|\s+with\s+"
_RELEASE = r"v?\d+(?:\.\d+)+(?:\.[x*])?(?:\+[a-z]\w*)?"
# Of a line in which one blank at most stands between two words.
_ITEM = (
    r"(?P<name>[A-Za-z][\w.-]*(?: (?!version|v\d)[A-Za-z][\w-]*)?)(?: version\b)? ?[:|]? ?\(? ?"
    r"(?P<op>[=~]=|[<>]=?|=)? ?"
    rf"(?P<releases>{_RELEASE}(?: ?(?:/|\bor\b) ?{_RELEASE})*)"
    r"(?P<newer> ?\+| (?:and|or) (?:above|later|newer|higher|up|greater))? ?\)?[.:]?"
)
_NAME = r"[A-Za-z][\w.-]*"  # alone, in a list of which others have releases
_LEAD = (
    r"^(?:(?:\w+\s+){0,4}tested\s+(?:with|on|under|using|in)|requires?|needs?|(?:pre)?requisites?:"
    r"|requirements?:|dependenc(?:y|ies):|environment:|install)\s+"
)
_ROW = r"\|?([^|\d]+\|[^|]+)\|(?!.*\d\.\d)"  # and then a column of words, none of numbers
_BADGE = r"shields\.io/badge/(?P<told>[^?)\s\"'>]+)-\w+(?:\.svg|\.png)?(?=[?)\s\"'>]|$)"
# No end, where it stands beside a Python: "3.6 (or newer)".
_OPEN = r"[>≥]|\d\+|\b(?:above|later|newer|higher|up|greater|least|min\w*|superior|upwards?)\b"
# What is said not to work, and sections that tell of other releases than the one that was run.
_DENIED = (
    r"n['’]t\b|\b(?:not|never|avoid|errors?|fail\w*|break\w*|broken|in\w*compatible|unsupported)\b"
)
_HEADING = r"#{1,6}(?=[ \t])"
_FENCE = r"\s*(?:```|~~~)"
_OTHER = (
    r"#+[^\n]*\b(?:change ?log|history|release notes|known (?:issues|problems)|unsupported|"
    r"in\w*compatible|not (?:supported|compatible)|migrat\w+|troubleshooting|faq)\b"
)
_LONGEST = 200


def told_entries(text: str) -> Iterator[Entry]:
    """Distribution and specifier of what a README says to install, and of what it lists."""
    first, *hidden = text.split("<!--")
    shown = first + "".join(part.partition("-->")[2] for part in hidden)
    lines = [line for line in _own(shown) if not re.search(_DENIED, line, re.I)]
    yield from installed_entries("\n".join(lines).replace("`", "\n"))
    for line in lines:
        for badge in re.finditer(_BADGE, line) if "shields.io" in line else ():
            yield from _listed(_of_badge(badge["told"]))
        if len(line) <= _LONGEST and re.search(r"\d\.\d", line):
            yield from _listed(line)


def _of_badge(told: str) -> str:
    """What a badge shows: ``python-3.6%20%7C%203.7`` is Python 3.6 or 3.7."""
    spelled = re.sub(r"%([\dA-F]{2})", lambda code: chr(int(code[1], 16)), told, flags=re.I)
    return re.sub(r"[_-]+", " ", spelled).replace("|", " or ").strip()


def _own(text: str) -> Iterator[str]:
    """The lines outside of the sections, with all below them, that tell of other releases."""
    left_out, is_code = 0, False  # the level of the heading of such a section
    for line in text.splitlines():
        is_code ^= re.match(_FENCE, line) is not None
        heading = None if is_code else re.match(_HEADING, line)
        if heading and (not left_out or heading.end() <= left_out):
            left_out = heading.end() if re.match(_OTHER, line, re.I) else 0
        if not left_out:
            yield line


def _listed(line: str) -> list[Entry]:
    """The packages of a line, where it names a release for each and says nothing else."""
    row = re.match(_ROW, line.strip())
    bare = re.sub(_MARKUP, "", re.sub(_BULLET, "", line if row is None else row[1]))
    bare = " ".join(re.sub(_COMMENT, "", bare).strip(" \t|").split())
    bare = re.sub(_LEAD, "", bare, flags=re.I)
    entries: list[Entry] = []
    items = re.split(_NEXT, bare) if bare else []
    for item in items:
        found = re.fullmatch(_ITEM, item, re.I)
        if found is None and re.fullmatch(_NAME, item) and len(items) > 1:
            continue
        if found is None:
            return []
        op = found["op"] or (">=" if found["newer"] else "=")
        name = "-".join(found["name"].split())
        releases = re.findall(r"\d+(?:\.\d+)+", found["releases"])
        if name.lower() != "python" or op != "=" or not re.search(_OPEN, line, re.I):
            entries.append((name, "||".join(f"{op}{release}" for release in releases)))
    return entries
