"""The tables behind a statement as the types that are declared; two of them bounded by unit and joined on it.

What the bounds and the join keep of the guarantee is proved in `hefu_connector.engines.joining`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hefu_connector.computing import predicates
from hefu_connector.engines.shape import Joined, Shape
from hefu_connector.engines.sql.words import Valued, Words
from hefu_connector.engines.sql.writer import Writer

BESIDE = "beside"  # the name of the table that is joined


@dataclass(frozen=True, slots=True)
class Side:
    """One of two tables: what stands behind FROM, and the engine's words for what its columns lie in."""

    source: str
    words: Words


def typed_columns(shape: Shape, writer: Writer, words: Words) -> Iterator[str]:
    """The fields of a row: every column as its declared type."""
    for name, kind in shape.columns.items():
        read = words.unit if name == shape.unit else words.typed
        yield f"{read(name, kind)} AS {writer.column(name)}"


def joined(shape: Shape, joined: Joined, writer: Writer, salt: int, first: Side, second: Side) -> str:
    """The stages up to ``typed``: both tables, each unit's rows in each bounded, and their pairs."""
    ours, theirs = columns_of(shape, joined)
    every, unit = ", ".join(map(writer.column, shape.columns)), writer.column(shape.unit or "")
    return (
        f"{_side('ours', first, replace(shape, columns=ours), joined.first, writer, salt)}, "  # noqa: S608
        f"{_side('theirs', second, replace(shape, columns=theirs), joined.second, writer, salt)}, "
        f"typed AS (SELECT {every} FROM ours JOIN theirs USING ({unit}))"
    )


def columns_of(shape: Shape, joined: Joined) -> tuple[dict[str, str], dict[str, str]]:
    """The columns that are read of either table, with their types; the unit is in both."""
    second = {name: kind for name, kind in shape.columns.items() if name in joined.columns or name == shape.unit}
    first = {name: kind for name, kind in shape.columns.items() if name not in second or name == shape.unit}
    return first, second


def order(values: Sequence[Valued], salt: int, writer: Writer) -> list[str]:
    """What rows are sorted by, so that they stand in a secret order that hangs on what stands in them alone."""
    names = [value for value, _ in values]
    return [writer.words.order(values, writer.binder.bind(salt, "integer")), *names]


def first(rows: str, unit: str, values: list[str], most: str, writer: Writer) -> str:
    """So many rows of each unit: by an order that hangs on what stands in them and a salt alone.

    Args:
        rows: a SELECT without an end.
        values: what the order is made of, first the salted; rows that tie are equal in all that is read of them, so it
            does not matter which of them is taken.
    """
    number = f"row_number() OVER (PARTITION BY {unit} ORDER BY {', '.join(values)})"
    if writer.words.qualifies:
        return f"{rows} QUALIFY {number} <= {most}"
    head, _, rest = rows.partition("*")
    return f"SELECT * FROM ({head}*, {number} AS place{rest}) AS numbered WHERE place <= {most}"  # noqa: S608


def _side(name: str, side: Side, shape: Shape, most: int, writer: Writer, salt: int) -> str:
    unit, has = writer.column(shape.unit or ""), frozenset(shape.columns)
    row = [(writer.column(each), kind) for each, kind in shape.columns.items()]
    tests = [f"{unit} IS NOT NULL", *(writer.condition(each) for each in predicates.alone(shape.filter, has))]
    fields = ", ".join(typed_columns(shape, writer, side.words))
    rows = f"SELECT * FROM {name}_typed WHERE {' AND '.join(tests)}"  # noqa: S608
    kept = first(rows, unit, order(row, salt, writer), writer.binder.bind(most, "integer"), writer)
    typed = f"{name}_typed AS (SELECT {fields} FROM {side.source}{side.words.once})"  # noqa: S608
    return f"{typed}, {name} AS ({kept})"
