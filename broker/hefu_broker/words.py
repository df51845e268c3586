"""Words for full-text search in Chinese and English, made here so that every database finds the same.

A run of Chinese (or Japanese, Korean) letters becomes overlapping pairs, and its last letter alone; everything else
becomes lower-case words of letters and digits without accents. A query's run of two or more such letters is a phrase
of pairs, a single one a prefix, a word of two or more letters a prefix. All parts must be there.

Source: measurements in the project's notes on catalog search; FTS5's own ``trigram`` finds no two-letter word.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_QUERY = 200  # letters

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U000323af"
_PARTS = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IDEOGRAPH = re.compile(rf"[{_CJK}]")


def index(text: str) -> str:
    """The words of a text, separated by spaces, in order."""
    words: list[str] = []
    for part in _PARTS.findall(_plain(text)):
        if _IDEOGRAPH.match(part):
            words += [*_pairs(part), part[-1]]
        else:
            words.append(part)
    return " ".join(words)


def match(query: str) -> str:
    """The FTS5 expression of what a person typed; empty where there is no word in it."""
    parts = _PARTS.findall(_plain(query[:LONGEST_QUERY]))
    # Nothing but letters and digits stands inside the quotes, so no query can be more than words.
    return " AND ".join(_expression(part) for part in parts)


def _expression(part: str) -> str:
    if not _IDEOGRAPH.match(part):
        return f'"{part}"*' if len(part) > 1 else f'"{part}"'
    return f'"{" ".join(_pairs(part))}"' if len(part) > 1 else f'"{part}"*'


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in folded if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", bare)
