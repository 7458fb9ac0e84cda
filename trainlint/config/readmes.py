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
_NEXT = r"\s*[,;&]\s*|\s+\+\s+|\s+and\s+(?!above|later|newer|higher|up\b)"
_ITEM = (
    r"(?P<name>[A-Za-z][\w.-]*(?: (?!version|v\d)[A-Za-z][\w-]*)?)\s*(?:[:|]|\bversion\b)?\s*\(?\s*"
    r"(?P<op>[=~]=|[<>]=?|=)?\s*v?(?P<release>\d+(?:\.\d+)+)(?:\.[x*])?"
    r"(?P<newer>\s*\+|\s*(?:and|or)\s+(?:above|later|newer|higher|up|greater))?\s*\)?[.]?"
)
_LEAD = r"^(?:\w+\s+){0,4}tested\s+(?:with|on|under|using|in)\s+"
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
        if len(line) <= _LONGEST and re.search(r"\d\.\d", line):
            yield from _listed(line)


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
    bare = re.sub(_COMMENT, "", re.sub(_MARKUP, "", re.sub(_BULLET, "", line))).strip(" \t|")
    bare = re.sub(_LEAD, "", bare, flags=re.I)
    entries: list[Entry] = []
    for item in re.split(_NEXT, bare) if bare else ():
        found = re.fullmatch(_ITEM, item, re.I)
        if found is None:
            return []
        op = found["op"] or (">=" if found["newer"] else "=")
        name = "-".join(found["name"].split())
        # Nobody means by "Python 3.6" that a newer one will not do.
        if name.lower() != "python" or found["op"] in ("==", "="):
            entries.append((name, f"{op}{found['release']}"))
    return entries
