"""Worker side of trying a question: a file that a stranger may have made, as texts. Nobody else reads its bytes."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from hefu.canonical import Json, Object

from hefu_connector.engines import Moved

ABOUT = "hefu.sample"  # the name in the file's metadata


def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
    """``about``, as its metadata has it, and ``columns``: of each that is named there its cells as texts.

    Args:
        form: ``parquet`` or ``arrow``.

    Raises:
        Moved: the file is no sample.
    """
    try:
        if form == "arrow":
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
        else:
            table = pa.parquet.read_table(path)
        about = json.loads((table.schema.metadata or {})[ABOUT.encode()])
        columns: Object = {name: [_text(each) for each in table.column(name).to_pylist()] for name in about["kinds"]}
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError):
        raise Moved from None
    return {"about": about, "columns": columns}


def _text(cell: object) -> Json:
    if cell is None:
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, Decimal):
        return format(cell, "f")
    return cell.isoformat() if isinstance(cell, dt.date) else str(cell)  # a datetime is a date
