"""Worker side of deliveries: rows are chosen, treated and put into an order that tells nothing; only that is returned.

The secret of the agreement chooses the sample and the rows below a limit, so that asking again under one agreement
gives the same ones of the same data, and never adds up to more. What is anonymised is one table for each agreement.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hefu.canonical import Json, Object
from hefu_policies.goods.processing import Treatment
from hefu_policies.goods.resource import Bounds
from hefu_policies.reading import Place
from hefu_policies.words.terms import ANONYMISED, FILE, SAMPLED

from hefu_connector.computing.delivery import MOST_ROWS
from hefu_connector.engines import Moved, anonymity, treatments
from hefu_connector.engines.counting import connect
from hefu_connector.engines.sql.duckdb import quote, typed, unit_of
from hefu_connector.engines.sql.statement import SOURCE
from hefu_connector.engines.tables import Opened, attach, open_table, require
from hefu_connector.engines.treatments import Cell, Field

LARGEST_ROWS = 40 << 20  # characters of all cells together
LARGEST_FILE = 32 << 20  # bytes
_BATCH = 10_000
_TYPED = "typed"


def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
    """Select, treat, forget the rest.

    Args:
        parameters: as `Delivery.prepare` made them, and ``key``, the agreement's secret; of the agreement also
            ``reach``: the ``rows`` and ``columns`` that it lets be asked, None for all.
        path, form, layout: the table (`hefu_connector.ports.Table`).

    Returns:
        ``rows``; of anonymised ones ``counts``, the units in each row's class; of a sample ``units``, taken and all;
        ``rows_read``. Or ``too_large``.

    Raises:
        Moved: the file is not what was described.
    """
    if parameters["form"] == FILE:
        return _whole(path, form)
    if form == "file":
        raise Moved
    asked = _Asked(parameters)
    try:
        found, units, read = _select(asked, open_table(path, form, layout))
    except (duckdb.Error, Moved):
        # One value that DuckDB's reader stops at must not decide whether a delivery fails.
        found, units, read = _select(asked, open_table(path, form, layout, mend=True))
    rows, counts = _treat(asked, found)
    if sum(len(cell) for row in rows for cell in row if cell is not None) > LARGEST_ROWS:
        return {"too_large": True}
    order = sorted(range(len(rows)), key=lambda at: [(cell is None, cell or "") for cell in rows[at]])
    told: list[Json] = [[*rows[at]] for at in order]
    return {
        "rows": told,
        "counts": [counts[at] for at in order] if asked.processing == ANONYMISED else None,
        "units": [*units] if units is not None else None,
        "rows_read": read,
    }


class _Asked:
    """The parameters, read once."""

    def __init__(self, parameters: Object) -> None:
        found = Place(parameters, "parameters").members(
            ("form", "columns", "fields", "others", "unit", "rows", "processing", "share", "group", "key"), ("reach",)
        )
        self.columns = {name: each.text() for name, each in _members(found["columns"]).items()}
        self.fields = [_field(each) for each in found["fields"].items(1)]
        self.unit = None if found["unit"].value is None else found["unit"].text()
        self.rows = found["rows"].integer(1)
        self.processing = found["processing"].text()
        self.share = Decimal(found["share"].text(empty=True) or "1")
        self.group = found["group"].integer()
        self.key = bytes.fromhex(found["key"].text())
        self.others: list[Field] = []
        self.selected = self.rows
        if self.processing == ANONYMISED:
            most, names = _reach(found.get("reach"))
            self.others = [each for each in map(_field, found["others"].items()) if names is None or each.name in names]
            self.selected = max(self.rows, min(most, MOST_ROWS))

    @property
    def by_unit(self) -> bool:
        """Whether a row without a unit is left out: nobody's share or group could be counted with it."""
        return self.processing in (SAMPLED, ANONYMISED)


def _select(asked: _Asked, opened: Opened) -> tuple[list[tuple[Cell, ...]], tuple[int, int] | None, int]:
    """The chosen rows as texts, each with its unit in the end; of a sample, how many units were taken of how many."""
    connection = connect(opened.native)
    try:
        require(opened, asked.columns)
        attach(connection, opened, asked.columns, SOURCE)
        # A file is read once; a sample needs it twice.
        held = "TABLE" if asked.processing == SAMPLED else "VIEW"
        connection.execute(f"CREATE TEMP {held} {_TYPED} AS {_typed(asked)}")
        units = _sample(asked, connection) if asked.processing == SAMPLED else None
        wanted = ", ".join(f"c{at}" for at in range(len(asked.fields) + len(asked.others)))
        where = " WHERE unit IN (SELECT unit FROM chosen)" if units is not None else ""
        salt = int.from_bytes(_mark(asked.key, "order", "")[:7])
        found = connection.execute(
            f"SELECT {wanted}, unit FROM {_TYPED}{where} "  # noqa: S608 - generated names only
            f"ORDER BY hash(unit, $salt), hash(content, $salt), content, {wanted}, unit LIMIT $rows",
            {"salt": salt, "rows": asked.selected},
        ).fetchall()
        return found, units, opened.rows()
    finally:
        connection.close()
        opened.close()


def _typed(asked: _Asked) -> str:
    every = enumerate([*asked.fields, *asked.others])
    fields = ", ".join(f"{_spelling(each.name, each.type)} AS c{at}" for at, each in every)
    columns = f"{fields}, {_content(asked)} AS content, {_unit(asked)} AS unit"
    return f"SELECT * FROM (SELECT {columns} FROM {SOURCE})" + (  # noqa: S608
        " WHERE unit IS NOT NULL" if asked.by_unit else ""
    )


def _unit(asked: _Asked) -> str:
    """The privacy unit of a row as text: its column, or where each row is one, all that stands in it and a number."""
    if asked.unit is not None:
        return f"CAST({unit_of(quote(asked.unit), asked.columns[asked.unit])} AS VARCHAR)"
    content = _content(asked)
    return f"{content} || '-' || CAST(row_number() OVER (PARTITION BY {content}) AS VARCHAR)"


def _content(asked: _Asked) -> str:
    # Rows of one unit that are anonymised alike may change places; nothing else may hang on what is asked.
    quasi = {each.name for each in [*asked.fields, *asked.others] if each.treatment is Treatment.GENERALISE}
    held = quasi if asked.unit is not None and asked.processing == ANONYMISED else {*asked.columns}
    texts = [f"coalesce({_spelling(name, kind)}, chr(0))" for name, kind in asked.columns.items() if name in held]
    return f"md5(concat_ws(chr(31), {', '.join(texts)}))" if texts else "''"


def _spelling(name: str, kind: str) -> str:
    return f"CAST({typed(quote(name), kind)} AS VARCHAR)"


def _sample(asked: _Asked, connection: Any) -> tuple[int, int]:
    """Put the units of the sample into ``chosen``: those below a mark for good, and of them no more than the share."""
    limit = int(asked.share * 2**64)
    taken: list[tuple[int, str]] = []
    total = 0
    for unit in _units(connection):
        total += 1
        mark = int.from_bytes(_mark(asked.key, "sample", unit)[:8])
        if mark < limit:
            taken.append((mark, unit))
    taken = sorted(taken)[: int(asked.share * total)]
    connection.register("chosen", pa.table({"unit": pa.array([unit for _, unit in taken], pa.string())}))
    return len(taken), total


def _units(connection: Any) -> Iterator[str]:
    result = connection.execute(f"SELECT DISTINCT unit FROM {_TYPED}")  # noqa: S608
    while batch := result.fetchmany(_BATCH):
        yield from (str(unit) for (unit,) in batch)


def _treat(asked: _Asked, found: Sequence[tuple[Cell, ...]]) -> tuple[list[tuple[Cell, ...]], list[int]]:
    columns: list[list[Cell]] = []
    fields = [*asked.fields, *asked.others]
    for at, field in enumerate(fields):
        treat = treatments.treatment(field, asked.key)
        values = [treatments.spelled(field.type, row[at]) for row in found]
        if field.treatment is not Treatment.GENERALISE:
            values = [None if value is None else treat(value) for value in values]
        columns.append(values)
    if asked.processing != ANONYMISED:
        return list(zip(*columns, strict=True)), []
    return _anonymise(asked, fields, columns, [str(row[-1]) for row in found])


def _anonymise(
    asked: _Asked, fields: list[Field], columns: list[list[Cell]], units: list[str]
) -> tuple[list[tuple[Cell, ...]], list[int]]:
    """Make all that may be asked under the agreement k-anonymous at once, then show what is asked of it.

    INVARIANT: what is delivered is columns and rows of one table that is the same whatever is asked of the same data,
    so that deliveries of other columns, or of a row more, cannot be joined to a smaller group.
    """
    quasi = [at for at, each in enumerate(fields) if each.treatment is Treatment.GENERALISE]
    ladders = [treatments.ladder(fields[at]) for at in quasi]
    order = sorted(range(len(quasi)), key=lambda at: fields[quasi[at]].name)
    quasi, ladders = [quasi[at] for at in order], [ladders[at] for at in order]
    shown, counts = anonymity.generalise([columns[at] for at in quasi], ladders, units, asked.group)
    for at, values in zip(quasi, shown, strict=True):
        columns[at] = values
    kept = [at for at, count in enumerate(counts) if count >= asked.group][: asked.rows]
    classes = [tuple(columns[each][at] for each in quasi) for at in kept]
    counts = anonymity.shared(classes, [units[at] for at in kept])
    rows = list(zip(*columns[: len(asked.fields)], strict=True))
    large = [(rows[at], count) for at, count in zip(kept, counts, strict=True) if count >= asked.group]
    return [row for row, _ in large], [count for _, count in large]


def _whole(path: Path, form: str) -> Object:
    if form != "file":  # a table may hold columns that nobody described
        raise Moved
    if path.stat().st_size > LARGEST_FILE:
        return {"too_large": True}
    text = base64.b64encode(path.read_bytes()).decode()
    return {"rows": [[text]], "counts": None, "units": None, "rows_read": 1}


def _mark(key: bytes, use: str, text: str) -> bytes:
    return hmac.digest(key, use.encode() + b"\x00" + text.encode(), hashlib.sha256)


def _field(place: Place) -> Field:
    found = place.members(("name", "type", "treatment", "bounds", "categories"))
    bounds, categories = found["bounds"], found["categories"]
    return Field(
        found["name"].text(),
        found["type"].text(),
        Treatment(found["treatment"].text()),
        None if bounds.value is None else Bounds.of(bounds.value),
        None if categories.value is None else frozenset(categories.texts()),
    )


def _reach(place: Place | None) -> tuple[int, tuple[str, ...] | None]:
    if place is None:
        return MOST_ROWS, None
    found = place.members(("rows", "columns"))
    most = MOST_ROWS if found["rows"].value is None else found["rows"].integer(1)
    return most, None if found["columns"].value is None else found["columns"].texts()


def _members(place: Place) -> dict[str, Place]:
    return place.members((), place.object())
