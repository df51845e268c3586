"""Worker side of looking at a source for a product's draft: names, types and how many rows; no value leaves.

Types are judged by every value, not by a sample: a column is an integer only where each present text reads as one.
Bounds, categories, units and who may know what are decisions of the provider and are not guessed from data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies.reading import Place

from hefu_connector.computing import served_model
from hefu_connector.computing.model import Model
from hefu_connector.computing.served_model import Told
from hefu_connector.engines import Moved
from hefu_connector.engines.counting import connect
from hefu_connector.engines.sql.duckdb import quote
from hefu_connector.engines.sql.statement import SOURCE
from hefu_connector.engines.tables import arrow_type, attach, open_table

MOST_COLUMNS = 1000
# Tried in this order; a text that reads as a number but is written unlike one, such as 007, is a text.
_TESTS = {
    "boolean": "lower({c}) IN ('true', 'false')",
    "integer": "regexp_full_match({c}, '-?(0|[1-9][0-9]*)') AND TRY_CAST({c} AS BIGINT) IS NOT NULL",
    "decimal": "regexp_full_match({c}, '-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?|-?(nan|inf|NaN)')",
    "date": "regexp_full_match({c}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') AND TRY_CAST({c} AS DATE) IS NOT NULL",
    "timestamp": "regexp_full_match({c}, '[0-9]{{4}}-.*[0-9:].*') AND TRY_CAST({c} AS TIMESTAMP) IS NOT NULL",
}


def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
    """``rows``, and for each column ``name``, ``type`` and ``nullable``; of a model what may be told of it.

    Raises:
        Moved: the file cannot be read as its form.
    """
    if form == served_model.FORM:
        return _model(path)
    opened = open_table(path, form, layout)
    names = list(opened.fields)
    if not 1 <= len(names) <= MOST_COLUMNS:
        raise Moved
    kinds = {name: arrow_type(found) for name, found in opened.fields.items()}
    connection = connect(opened.native)
    attach(connection, opened, names, SOURCE)
    questions = ["count(*)"]
    for name in names:
        column = quote(name)
        questions.append(f"count({column})")
        if kinds[name] == "text":
            questions += [f"count(*) FILTER (WHERE {test.format(c=column)})" for test in _TESTS.values()]
    rows, *counts = connection.execute(f"SELECT {', '.join(questions)} FROM {SOURCE}").fetchone()  # noqa: S608
    connection.close()
    opened.close()
    columns: list[Json] = [_column(name, kinds[name], rows, counts) for name in names]
    return {"rows": int(rows), "columns": columns}


def _model(path: Path) -> Object:
    """Of a model's file, all but weights; or what is wrong with it, where that says nothing of them."""
    if path.stat().st_size > served_model.LARGEST_FILE:
        raise Moved
    data = path.read_bytes()
    try:
        model = Model.of(Place(canonical.decode(data), "model"))
        if canonical.encode(model.body()) != data:  # a number in another spelling would have another digest
            raise Malformed("model.file")
    except Malformed as fault:
        return {"fault": fault.code, "parameters": dict(fault.parameters)}
    told = Told.of_model(model)
    columns: list[Json] = [{"name": each.name, "type": each.type, "nullable": False} for each in told.columns]
    return {"rows": 0, "columns": columns, "model": told.body()}


def _column(name: str, kind: str, rows: int, counts: list[Any]) -> Object:
    """Takes its numbers from the front of ``counts``."""
    present = counts.pop(0)
    if kind == "text":
        reads = [each for each in _TESTS if counts.pop(0) == present and present]
        kind = reads[0] if reads else "text"
    return {"name": name, "type": kind, "nullable": present < rows}
