"""The tables behind a statement as the types that are declared; two of them bounded by unit and joined on it.

What the bounds and the join keep of the guarantee is proved in `hefu_connector.engines.joining`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hefu_connector.computing import predicates
from hefu_connector.engines.shape import Joined, Shape
from hefu_connector.engines.sql.writer import Writer

BESIDE = "beside"  # the name of the table that is joined


def typed_columns(shape: Shape, writer: Writer) -> Iterator[str]:
    """The fields of a row: every column as its declared type."""
    for name, kind in shape.columns.items():
        read = writer.words.unit if name == shape.unit else writer.words.typed
        yield f"{read(name, kind)} AS {writer.column(name)}"


def joined(shape: Shape, joined: Joined, writer: Writer, salt: int, source: str) -> str:
    """The stages up to ``typed``: both tables, each unit's rows in each bounded, and their pairs."""
    unit = shape.unit or ""
    theirs = joined.columns | {unit}
    ours = frozenset(shape.columns) - theirs | {unit}
    return (
        f"{_side('ours', source, shape, ours, joined.first, writer, salt)}, "  # noqa: S608
        f"{_side('theirs', BESIDE, shape, theirs, joined.second, writer, salt)}, "
        f"typed AS (SELECT * FROM ours JOIN theirs USING ({writer.column(unit)}))"
    )


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


def _side(
    name: str, source: str, shape: Shape, has: frozenset[str], most: int, writer: Writer, salt: int
) -> str:  # fmt: skip
    columns = {each: kind for each, kind in shape.columns.items() if each in has}
    unit, row = writer.column(shape.unit or ""), [*map(writer.column, columns)]
    tests = [f"{unit} IS NOT NULL", *(writer.condition(each) for each in predicates.alone(shape.filter, has))]
    fields = ", ".join(typed_columns(replace(shape, columns=columns), writer))
    order = [writer.words.order(row, writer.binder.bind(salt, "integer")), *row]
    rows = f"SELECT * FROM {name}_typed WHERE {' AND '.join(tests)}"  # noqa: S608
    kept = first(rows, unit, order, writer.binder.bind(most, "integer"), writer)
    return f"{name}_typed AS (SELECT {fields} FROM {source}), {name} AS ({kept})"  # noqa: S608
