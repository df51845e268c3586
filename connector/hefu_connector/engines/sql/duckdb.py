"""The words of DuckDB, which runs in a worker. No expression here can fail on a value."""

from __future__ import annotations

from collections.abc import Sequence

from hefu_connector.engines.shape import Key
from hefu_connector.engines.sql.words import Binder, Valued, Words

PHYSICAL = {
    "integer": "BIGINT",
    "decimal": "DOUBLE",
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def quote(name: str) -> str:
    """An identifier as DuckDB reads it literally."""
    return '"' + name.replace('"', '""') + '"'


def declared(table: str, kind: str) -> str:
    """The table of a key's declared values with their positions, each value once whatever its spelling."""
    return (
        f"CREATE TEMP TABLE {quote(table)} AS SELECT TRY_CAST(value AS {PHYSICAL[kind]}) AS value, "  # noqa: S608
        f"min(position) AS position FROM {quote(table + '_texts')} GROUP BY 1 HAVING value IS NOT NULL"
    )


def table_of(index: int) -> str:
    """The name of the table of declared values of the key at a place."""
    return f"key{index}"


def typed(name: str, kind: str) -> str:
    """A quoted column as a value of its declared type; NULL where it is none."""
    cast = f"TRY_CAST({name} AS {PHYSICAL[kind]})"
    if kind in ("integer", "text", "boolean"):
        return cast
    return f"CASE WHEN isfinite({cast}) THEN {cast} END"


def unit_of(name: str, kind: str) -> str:
    """The privacy unit of a row, or NULL where two units could be taken for one: together they would have one bound.

    A text that was not readable has U+FFFD in it, whatever it was; a number that is no integer would be rounded.
    """
    cast = typed(name, kind)
    if kind == "text":
        return f"CASE WHEN NOT contains({cast}, chr(65533)) THEN {cast} END"
    return f"CASE WHEN TRY_CAST({name} AS DOUBLE) = {cast} THEN {cast} END" if kind == "integer" else cast


def _declared(index: int, key: Key, kind: str, binder: Binder) -> str:
    del key, kind, binder  # a table that was made before
    return quote(table_of(index))


def _histogram(value: str, bins: int) -> str:
    del bins
    return f"histogram({value})"


def _order(values: Sequence[Valued], salt: str) -> str:
    return f"hash({', '.join(value for value, _ in values)}, {salt})"


WORDS = Words(
    types=PHYSICAL,
    parameter="CAST(${name} AS {type})",
    quote=quote,
    typed=lambda name, kind: typed(quote(name), kind),
    unit=lambda name, kind: unit_of(quote(name), kind),
    rounded=lambda value, step, grid: f"round({value} / {step})",
    divided="{left} // {right}",
    part="CAST(date_part('{part}', {column}) AS BIGINT)",
    flag="CAST({condition} AS BIGINT)",
    declared=_declared,
    total="coalesce(sum({value}), 0)",
    histogram=_histogram,
    order=_order,
)
