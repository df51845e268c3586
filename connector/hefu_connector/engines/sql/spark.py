"""The words of Spark 4, which counts where the data lives. No expression here can fail on a value, in ANSI mode either.

The session's time zone is UTC. Only columns whose type is the declared one are read (`HOLDS`): texts are not tried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hefu_connector.engines.shape import Key
from hefu_connector.engines.sql.words import Binder, Valued, Words

PHYSICAL = {
    "integer": "BIGINT",
    "decimal": "DOUBLE",
    "text": "STRING",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP_NTZ",
}
# What a declared type may lie in, by the names of Spark's own messages, so that no value can be another one, or none.
_WHOLE = ("byte", "short", "integer", "long")
HOLDS: Mapping[str, Sequence[str]] = {
    "integer": _WHOLE,
    "decimal": (*_WHOLE, "float", "double", "decimal"),
    "text": ("string", "char", "var_char"),
    "boolean": ("boolean",),
    "date": ("date",),
    "timestamp": ("timestamp", "timestamp_ntz", "date"),
}
_DECLARED = {kind: declared for declared, kinds in reversed([*HOLDS.items()]) for kind in kinds}
_UNREADABLE = chr(65533)
_LOW_BITS = 26


def quote(name: str) -> str:
    """An identifier as Spark reads it literally."""
    return "`" + name.replace("`", "``") + "`"


def typed(name: str, kind: str) -> str:
    """A column as a value of its declared type; NULL where it is not finite.

    A text that is not UTF-8 is one with U+FFFD in it, as a worker would read it, and texts are equal only where their
    bytes are, whatever the table says of their collation.
    """
    if kind == "text":
        return f"collate(make_valid_utf8(CAST({quote(name)} AS STRING)), 'UTF8_BINARY')"
    cast = f"try_cast({quote(name)} AS {PHYSICAL[kind]})"
    # In Spark NaN is above infinity.
    return f"CASE WHEN abs({cast}) < double('Infinity') THEN {cast} END" if kind == "decimal" else cast


def unit_of(name: str, kind: str) -> str:
    """The privacy unit of a row, or NULL where two units could be taken for one: together they would have one bound."""
    cast = typed(name, kind)
    return f"CASE WHEN NOT contains({cast}, '{_UNREADABLE}') THEN {cast} END" if kind == "text" else cast


def _declared(index: int, key: Key, kind: str, binder: Binder) -> str:
    """One constant holds all labels, so that a statement does not grow with them."""
    del index
    labels = binder.bind_as(json.dumps(key.labels), "STRING")
    cast = f"try_cast(label AS {PHYSICAL[kind]})"
    return (
        f"(SELECT {cast} AS value, min(place) AS position FROM "  # noqa: S608
        f"(SELECT posexplode(from_json({labels}, 'ARRAY<STRING>')) AS (place, label)) "
        f"WHERE {cast} IS NOT NULL GROUP BY {cast})"
    )


def _histogram(value: str, bins: int) -> str:
    return f"array({', '.join(f'count_if({value} = {index})' for index in range(bins))})"


def _order(values: Sequence[Valued], salt: str) -> str:
    # The salt stands first: what collides under one salt does not under another.
    return f"xxhash64({salt}, {', '.join(value for value, _ in values)})"


WORDS = Words(
    types=PHYSICAL,
    parameter="CAST(:{name} AS {type})",
    quote=quote,
    typed=typed,
    unit=unit_of,
    rounded=lambda value, step, grid: f"round({value} / {step})",
    divided="{left} div {right}",
    part="CAST(date_part(replace('{part}', 'isodow', 'dow_iso'), {column}) AS BIGINT)",
    flag="CAST(({condition}) AS BIGINT)",
    declared=_declared,
    # A sum of 64 bits could overflow: the upper bits and the lower ones of numbers within ±2^53 cannot, in 2^36 rows.
    total=(
        f"coalesce(CAST(sum(shiftright({{value}}, {_LOW_BITS})) AS DECIMAL(28, 0)) * {1 << _LOW_BITS}"
        f" + sum({{value}} & {(1 << _LOW_BITS) - 1}), 0)"
    ),
    histogram=_histogram,
    order=_order,
    qualifies=False,
)


def declared_type(kind: str) -> str:
    """The declared type that a type of Spark fits best; empty where none does."""
    return _DECLARED.get(kind, "")
