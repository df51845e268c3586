"""The words of PostgreSQL, which counts where the data lies. No expression here can fail on a value.

PostgreSQL has no cast that gives NULL, so a column is read only where its type holds every value of the declared one.
Its own arithmetic raises errors that others do not, and rounds halves to even: both are mended here. Names of functions
are those of ``pg_catalog``; whoever runs a statement takes every other schema out of the search path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hefu_connector.computing.steps import Grid
from hefu_connector.engines.shape import Key
from hefu_connector.engines.sql.words import Binder, Value, Valued, Words

PHYSICAL = {
    "integer": "BIGINT",
    "decimal": "DOUBLE PRECISION",
    "text": "TEXT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
WHOLE, SINGLE, DOUBLE, NUMERIC = "whole", "single", "double", "numeric"
FIXED = "fixed"  # a numeric of few digits
MOST_DIGITS = 90
TEXT, ENUM, BOOLEAN, DATE, TIMESTAMP, ZONED = "text", "enum", "boolean", "date", "timestamp", "zoned"
# What a declared type may lie in, so that no value of it can be another one, or none.
HOLDERS: Mapping[str, frozenset[str]] = {
    "integer": frozenset({WHOLE}),
    "decimal": frozenset({WHOLE, SINGLE, DOUBLE, NUMERIC, FIXED}),
    "text": frozenset({TEXT, ENUM}),
    "boolean": frozenset({BOOLEAN}),
    "date": frozenset({DATE}),
    "timestamp": frozenset({TIMESTAMP, ZONED, DATE}),
}
_HALF = "0.49999999999999994"
_TINY, _SMALL, _LARGE = "1e-290", "1e-99", "1e100"
_DAYS = "DATE '0001-01-01' AND DATE '9999-12-31'"
_MOMENTS = "TIMESTAMP '0001-01-01 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59.999999'"


def quote(name: str) -> str:
    """An identifier as PostgreSQL reads it literally, in a statement that has parameters."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def words(found: Mapping[str, str]) -> Words:
    """PostgreSQL's words for a table.

    Args:
        found: column name to what it lies in, one of `HOLDERS`.
    """

    def typed(name: str, kind: str) -> str:
        return _READ[kind, found[name]](quote(name))

    def unit(name: str, kind: str) -> str:
        read = typed(name, kind)
        return f"CASE WHEN strpos({read}, chr(65533)) = 0 THEN {read} END" if kind == "text" else read

    return Words(
        types=PHYSICAL,
        parameter="CAST(%({name})s AS {type})",
        quote=quote,
        typed=typed,
        unit=unit,
        rounded=_rounded,
        divided="{left} / {right}",
        part="CAST(date_part('{part}', {column}) AS BIGINT)",
        flag="CASE WHEN {condition} THEN 1 ELSE 0 END",
        declared=_declared,
        total="coalesce(sum({value}), 0)",
        histogram=_histogram,
        order=_order,
        qualifies=False,
        fence=" OFFSET 0",  # else a stage is written into each place that uses it
        once=" OFFSET 0" if {SINGLE, NUMERIC, FIXED} & {*found.values()} else "",  # they take long; others, in parallel
    )


def _rounded(value: str, step: str, grid: Grid) -> str:
    """The whole part of a quotient to which the last double below a half was added, away from zero.

    PostgreSQL's own round() takes halves to the even side. The sum is below the next whole number exactly where the
    quotient is below the half: what they differ by is lost in the sum only where it must be.
    Source: LLVM 20, LegalizeDAG, the expansion of FROUND by FTRUNC.
    """
    half = f"CAST('{_HALF}' AS DOUBLE PRECISION)"
    if grid.lower < 0:
        half = f"CASE WHEN {value} < 0 THEN -{half} ELSE {half} END"
    found = f"trunc({value} / {step} + {half})"
    if grid.granularity <= 1:
        return found
    # A quotient that is too small for a double is an error in PostgreSQL.
    return f"CASE WHEN abs({value}) < CAST('{_TINY}' AS DOUBLE PRECISION) THEN 0 ELSE {found} END"


def _finite(double: str) -> str:
    # NaN is above everything else.
    ends = [f"CAST('{sign}Infinity' AS DOUBLE PRECISION)" for sign in ("-", "")]
    return f"CASE WHEN {double} > {ends[0]} AND {double} < {ends[1]} THEN {double} END"


def _numeric(name: str) -> str:
    # What is beyond these is an error as a double; the same ones count as absent where a table is copied.
    small, large, double = f"CAST('{_SMALL}' AS NUMERIC)", f"CAST('{_LARGE}' AS NUMERIC)", _double(name)
    return (
        f"CASE WHEN {name} >= {small} AND {name} < {large} THEN {double} "
        f"WHEN {name} <= -{small} AND {name} > -{large} THEN {double} WHEN {name} = 0 THEN 0 END"
    )


def _fixed(name: str) -> str:
    # NaN is above everything else, and nothing else is beyond.
    return f"CASE WHEN {name} < CAST('{_LARGE}' AS NUMERIC) THEN {_double(name)} END"


def _double(name: str) -> str:
    return f"CAST({name} AS DOUBLE PRECISION)"


def _single(name: str) -> str:
    # The number that people wrote: the nearest double of its shortest decimal.
    return _finite(f"CAST(CAST({name} AS TEXT) AS DOUBLE PRECISION)")


def _text(name: str) -> str:
    return f'CAST({name} AS TEXT) COLLATE "C"'  # letter by letter, whatever the order of the database


def _zoned(name: str) -> str:
    utc = f"timezone('UTC', {name})"
    return f"CASE WHEN {utc} BETWEEN {_MOMENTS} THEN {utc} END"


_READ: Mapping[tuple[str, str], Callable[[str], str]] = {
    ("integer", WHOLE): "CAST({0} AS BIGINT)".format,
    ("decimal", WHOLE): _double,
    ("decimal", FIXED): _fixed,
    ("decimal", SINGLE): _single,
    ("decimal", DOUBLE): _finite,
    ("decimal", NUMERIC): _numeric,
    ("text", TEXT): _text,
    ("text", ENUM): _text,
    ("boolean", BOOLEAN): "{0}".format,
    ("date", DATE): f"CASE WHEN {{0}} BETWEEN {_DAYS} THEN {{0}} END".format,
    ("timestamp", DATE): f"CASE WHEN {{0}} BETWEEN {_DAYS} THEN CAST({{0}} AS TIMESTAMP) END".format,
    ("timestamp", TIMESTAMP): f"CASE WHEN {{0}} BETWEEN {_MOMENTS} THEN {{0}} END".format,
    ("timestamp", ZONED): _zoned,
}


def _declared(index: int, key: Key, kind: str, binder: Binder) -> str:
    """Labels stand in one spelling each; those that no value of the type can be have no row."""
    del index
    able = [(label, place) for place, label in enumerate(key.labels) if _is_able(label, kind)]
    values: Value = [int(label) for label, _ in able] if kind == "integer" else [label for label, _ in able]
    texts = binder.bind_as(values, f"{PHYSICAL[kind]}[]")
    places = binder.bind_as([place for _, place in able], "BIGINT[]")
    return f"(SELECT * FROM unnest({texts}, {places}) AS labels(value, position))"  # noqa: S608


def _is_able(label: str, kind: str) -> bool:
    return -(2**63) <= int(label) < 2**63 if kind == "integer" else "\x00" not in label


def _histogram(value: str, bins: int) -> str:
    return f"ARRAY[{', '.join(f'count(*) FILTER (WHERE {value} = {place})' for place in range(bins))}]"


def _order(values: Sequence[Valued], salt: str) -> str:
    # Rows with an absent value and with -1, or an empty text, share a hash; the values, which come next, part them.
    made = salt
    for value, kind in values:
        if kind == "integer":
            made = f"hashint8extended(CAST(coalesce({value}, -1) AS BIGINT), {made})"
        else:  # one hash for all other types: of what they are written as
            made = f"hashtextextended(coalesce({_text(value)}, ''), {made})"
    return made
