"""Full-text search over the words of `hefu_broker.words`, which each database keeps in its own way.

SQLite has them in a contentless FTS5 table, PostgreSQL in a ``tsvector`` that is written here word by word: its own
parser never sees a text. Both find the same products; a match in the title counts most, in the description least.

LIMIT: PostgreSQL knows places up to 16,383 and 256 of them a word: a phrase far down a very long description may be
found by SQLite only.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Float, Integer, Subquery, TextClause, text
from sqlmodel import Session

from hefu_broker.words import Phrase

_SQLITE_ADD = text(
    "INSERT INTO product_text(rowid, title, keywords, description) VALUES (:row, :title, :keywords, :words)"
)
_SQLITE_FIND = text(
    "SELECT rowid AS version, bm25(product_text, 8.0, 4.0, 1.0) AS rank"
    " FROM product_text WHERE product_text MATCH :sought"
)
_POSTGRESQL_ADD = text("INSERT INTO product_text(version, words) VALUES (:row, CAST(:vector AS tsvector))")
_POSTGRESQL_FIND = text(
    "SELECT version, -ts_rank(CAST('{0, 0.125, 0.5, 1}' AS real[]), words, sought) AS rank"
    " FROM product_text, CAST(:sought AS tsquery) AS sought WHERE words @@ sought"
)
_WEIGHTS = "ABC"  # of title, keywords and description
_LAST_PLACE = 16_383
_LONGEST_WORD = 500  # letters; a lexeme has at most 2,046 bytes


def keep(session: Session, version: int, words: tuple[str, str, str]) -> None:
    """Keep the words of title, keywords and description of a description version."""
    if _is_sqlite(session):
        title, keywords, description = words
        session.execute(_SQLITE_ADD, {"row": version, "title": title, "keywords": keywords, "words": description})
    else:
        session.execute(_POSTGRESQL_ADD, {"row": version, "vector": _vector(words)})


def matches(session: Session, phrases: Iterable[Phrase]) -> Subquery:
    """Rows ``version`` and ``rank`` of the description versions in which all phrases are; the lowest rank fits best."""
    if _is_sqlite(session):
        return _found(_SQLITE_FIND, " AND ".join(map(_fts5, phrases)))
    return _found(_POSTGRESQL_FIND, " & ".join(map(_tsquery, phrases)))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _found(query: TextClause, sought: str) -> Subquery:
    return query.bindparams(sought=sought).columns(version=Integer, rank=Float).subquery()


# Nothing but letters and digits stands inside the quotes below, so no query and no text can be more than words.


def _fts5(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.words)}"' + ("*" if phrase.prefix else "")


def _tsquery(phrase: Phrase) -> str:
    words = [f"'{each[:_LONGEST_WORD]}'" for each in phrase.words]
    return f"({' <-> '.join(words)})" if len(words) > 1 else words[0] + (":*" if phrase.prefix else "")


def _vector(texts: tuple[str, str, str]) -> str:
    made: list[str] = []
    place = 0
    for weight, words in zip(_WEIGHTS, texts, strict=True):
        for word in words.split():
            place += 1
            made.append(f"'{word[:_LONGEST_WORD]}':{min(place, _LAST_PLACE)}{weight}")
        place += 1  # no phrase reaches from one text into the next
    return " ".join(made)
