"""Words for full-text search in Chinese and English, made here so that every database finds the same.

A run of Chinese (or Japanese, Korean) letters becomes overlapping pairs, and its last letter alone; everything else
becomes lower-case words of letters and digits without accents. A query's run of two or more such letters is a phrase
of pairs, a single one a prefix, a word of two or more letters a prefix. All parts must be there.

Source: measurements in the project's notes on catalog search; FTS5's own ``trigram`` finds no two-letter word.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LONGEST_QUERY = 200  # letters

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U000323af"
_PARTS = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IDEOGRAPH = re.compile(rf"[{_CJK}]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand one after another; each of letters and digits only.

    Attributes:
        prefix: the (one) word may go on.
    """

    words: tuple[str, ...]
    prefix: bool = False


def index(text: str) -> str:
    """The words of a text, separated by spaces, in order."""
    words: list[str] = []
    for part in _PARTS.findall(_plain(text)):
        if _IDEOGRAPH.match(part):
            words += [*_pairs(part), part[-1]]
        else:
            words.append(part)
    return " ".join(words)


def phrases(query: str) -> tuple[Phrase, ...]:
    """What a person looks for, all of it; empty where there is no word in the query."""
    return tuple(_phrase(part) for part in _PARTS.findall(_plain(query[:LONGEST_QUERY])))


def _phrase(part: str) -> Phrase:
    if not _IDEOGRAPH.match(part):
        return Phrase((part,), prefix=len(part) > 1)
    return Phrase(tuple(_pairs(part))) if len(part) > 1 else Phrase((part,), prefix=True)


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    bare = unicodedata.normalize("NFC", "".join(letter for letter in folded if not unicodedata.combining(letter)))
    # The ranges of ideographs have places that no letter is assigned to yet.
    return "".join(letter if letter.isalnum() else " " for letter in bare)
