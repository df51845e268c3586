"""Values of a column that nobody declared, as far as they may become groups: their form and their length.

The worker leaves out what does not fit, and the guard holds every found group to it once more, so that what leaves is
printable text of a bounded size, whatever the data is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hefu import canonical

TYPES = ("text", "integer", "date")
LONGEST = 64  # bytes of a value
_ESCAPED = 2 * LONGEST + len('""')  # of a text in JSON, if each of its bytes is written as two
# Control characters, separators of lines, halves of pairs, and what undecodable bytes became.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufffd-\\uffff]")
_FORMS: Mapping[str, re.Pattern[str]] = {
    "integer": re.compile(r"(?:0|-?[1-9][0-9]{0,18})\Z"),
    "date": re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\Z"),
}


def fits(text: str, kind: str) -> bool:
    """Whether a value of a column of this type may be a group."""
    if kind in _FORMS:
        return _FORMS[kind].match(text) is not None
    # Characters first: half of a surrogate pair has no bytes.
    return kind == "text" and bool(text) and not _UNPRINTABLE.search(text) and len(text.encode()) <= LONGEST


def widest(kind: str, labels: tuple[str, ...] = ()) -> int:
    """The bytes that a key's value takes as JSON at most: of a type's values, or of declared ones."""
    return max((len(canonical.encode(each)) for each in labels), default=_ESCAPED) if not kind else _ESCAPED
