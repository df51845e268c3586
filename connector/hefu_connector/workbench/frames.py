"""An answer as a table for Arrow, pandas, polars and files: the same columns everywhere.

Group keys are texts. Each value ``x`` stands on its grid, as a whole number or an exact decimal, followed by ``x_low``
and ``x_high``, the ends of its 95 % interval; ``withheld`` marks the rows of which a value is not told. Schema and
fields carry the rest as metadata under ``hefu.…``: mechanism, scale of the noise, provider, charge, receipt.
The Arrow table is made here, from strict JSON that was verified before: no connector ever parses a peer's Arrow.
"""

from __future__ import annotations

import csv
import importlib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from hefu.errors import Malformed, NotFound

CONFIDENCE = 0.95
FORMS = ("arrow", "csv", "parquet")
SYNTHETIC = ", tried on a synthetic sample"  # behind the mechanism of an answer that is about no data
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_EXACT = Context(prec=100)
_LARGEST = 2**63
_CHOSEN = "report-noisy-max"  # how the mechanisms begin by which a label is chosen
_DIGITS = 38  # of a decimal of 128 bits; one of 256 has 76, and a released cell at most 60


@dataclass(frozen=True, slots=True)
class Noise:
    """How a column was made private.

    Attributes:
        scale: of the noise, in the column's unit.
        half_width: of the 95 % interval; empty where it differs from cell to cell.
    """

    column: str
    mechanism: str
    scale: str
    half_width: str


class Told(Protocol):
    """What an answer tells, as far as a table needs it (`hefu_connector.workbench.answer.Answer`)."""

    @property
    def headings(self) -> tuple[str, ...]:
        """Group keys first."""

    @property
    def rows(self) -> tuple[tuple[str | None, ...], ...]:
        """Decimal texts."""

    @property
    def half_widths(self) -> tuple[tuple[str | None, ...], ...]:
        """As rows."""

    @property
    def keys(self) -> int:
        """How many headings are keys."""

    @property
    def noise(self) -> tuple[Noise, ...]:
        """One or more a noised column."""

    @property
    def sources(self) -> Sequence[Any]:
        """`Sealed`, one a provider."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        kind: text, integer, decimal or boolean.
        about: its metadata.
    """

    name: str
    kind: str
    values: list[Any]
    about: dict[str, str] = field(default_factory=dict)


def interval(value: str | None, half_width: str | None) -> tuple[Decimal, Decimal] | None:
    """The ends of a cell's interval."""
    if value is None or half_width is None:
        return None
    middle, off = Decimal(value), Decimal(half_width)
    return _EXACT.subtract(middle, off), _EXACT.add(middle, off)


def is_label(answer: Told, heading: str) -> bool:
    """Whether a column tells labels that were chosen, and no numbers."""
    return any(each.column == heading and each.mechanism.startswith(_CHOSEN) for each in answer.noise)


def columns(answer: Told) -> list[Column]:
    """The table's columns, in order."""
    taken = set(answer.headings)
    found: list[Column] = []
    for at, heading in enumerate(answer.headings):
        cells = [row[at] for row in answer.rows]
        if at < answer.keys:
            found.append(Column(heading, "text", cells, {"hefu.role": "key"}))
        else:
            found.extend(_measure(answer, at, heading, cells, taken))
    hidden = [any(cell is None for cell in row[answer.keys :]) for row in answer.rows]
    found.append(Column(_free("withheld", taken), "boolean", hidden, {"hefu.role": "withheld"}))
    return found


def guaranteed(answer: Told) -> bool:
    """Whether an answer is differentially private."""
    from hefu_connector.computing.exact import WITHOUT_PRIVACY

    return bool(answer.noise) and all(each.mechanism != WITHOUT_PRIVACY for each in answer.noise)


def synthetic(answer: Told) -> bool:
    """Whether an answer is about a synthetic sample, and so about no data."""
    return any(SYNTHETIC in each.mechanism for each in answer.noise)


def about(answer: Told) -> dict[str, str]:
    """What the whole table's metadata say; several providers are separated by spaces."""
    told = {"hefu.confidence": str(CONFIDENCE)} if guaranteed(answer) else {}
    if synthetic(answer):
        told["hefu.synthetic"] = "true"
    told["hefu.guarantee"] = "differential privacy" if guaranteed(answer) else "no differential privacy guarantee"
    for name in ("epsilon", "delta", "rho"):
        told[f"hefu.{name}"] = " ".join(format(getattr(each.charge, name), "f") for each in answer.sources)
    for name in ("computation", "provider", "agreement", "product", "receipt"):
        told[f"hefu.{name}"] = " ".join(getattr(each, name) for each in answer.sources)
    return told


def to_arrow(answer: Told) -> Any:
    """A `pyarrow.Table`; raises NotFound where pyarrow is not installed."""
    arrow = package("pyarrow")
    found = columns(answer)
    fields = [arrow.field(each.name, _arrow_type(arrow, each), metadata=each.about) for each in found]
    arrays = [arrow.array(each.values, field.type) for each, field in zip(found, fields, strict=True)]
    return arrow.Table.from_arrays(arrays, schema=arrow.schema(fields, metadata=about(answer)))


def to_pandas(answer: Told) -> Any:
    """A `pandas.DataFrame`; decimals become floats; raises NotFound where pandas is not installed."""
    pandas = package("pandas")
    kinds = {"text": "string", "integer": "Int64", "decimal": "float64", "boolean": "bool"}
    made = {each.name: pandas.Series(_plain(each), dtype=kinds[each.kind]) for each in columns(answer)}
    frame = pandas.DataFrame(made)
    frame.attrs.update(about(answer))
    return frame


def to_polars(answer: Told) -> Any:
    """A `polars.DataFrame`; decimals become floats; raises NotFound where polars is not installed."""
    polars = package("polars")
    kinds = {"text": polars.String, "integer": polars.Int64, "decimal": polars.Float64, "boolean": polars.Boolean}
    found = columns(answer)
    schema = {each.name: kinds[each.kind] for each in found}
    return polars.DataFrame({each.name: _plain(each) for each in found}, schema=schema)


def write(answer: Told, path: str | os.PathLike[str], form: str = "") -> None:
    """Write a new file; raises as `save`."""
    save({name: partial(make, answer) for name, make in _BYTES.items()}, path, form)


def save(forms: Mapping[str, Callable[[], bytes]], path: str | os.PathLike[str], form: str = "") -> None:
    """Write a new file; what is there already is never overwritten.

    Args:
        forms: what makes its bytes in each form.
        form: by default what the file's name ends with.

    Raises:
        Malformed: no such form, or the file cannot be made.
    """
    place = Path(path)
    chosen = form or place.suffix.lstrip(".").lower()
    if chosen not in forms:
        raise Malformed("question.form", form=chosen[:20], forms=", ".join(forms))
    data = forms[chosen]()
    try:
        with place.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise Malformed("command.exists", path=str(place)) from None
    except OSError as fault:
        raise Malformed("command.file", path=str(place), why=fault.strerror or "not writable") from None


def _measure(answer: Told, at: int, heading: str, cells: list[str | None], taken: set[str]) -> Iterator[Column]:
    noise = [each for each in answer.noise if each.column == heading]
    told = {"hefu.role": "value"}
    if noise:
        told["hefu.mechanism"] = " ".join(each.mechanism for each in noise)
        told["hefu.scale"] = " ".join(each.scale for each in noise)
    if is_label(answer, heading):
        yield Column(heading, "text", cells, told)
        return
    yield _numbers(heading, [None if each is None else Decimal(each) for each in cells], told)
    widths = [row[at] for row in answer.half_widths]
    if not noise and not any(widths):
        return
    ends = [interval(value, width) for value, width in zip(cells, widths, strict=True)]
    for index, end in enumerate(("low", "high")):
        name = _free(f"{heading}_{end}", taken)
        values = [None if each is None else each[index] for each in ends]
        yield _numbers(name, values, {"hefu.role": end, "hefu.of": heading})


def _numbers(name: str, values: list[Decimal | None], told: dict[str, str]) -> Column:
    """Whole numbers where all are whole, and exact decimals otherwise: both follow from noised values alone."""
    known = [each for each in values if each is not None]
    whole = all(each == each.to_integral_value() and abs(each) < _LARGEST for each in known)
    if whole:
        return Column(name, "integer", [None if each is None else int(each) for each in values], told)
    return Column(name, "decimal", values, told)


def _arrow_type(arrow: Any, column: Column) -> Any:
    if column.kind != "decimal":
        return {"text": arrow.string(), "integer": arrow.int64(), "boolean": arrow.bool_()}[column.kind]
    parts = [each.as_tuple() for each in column.values if each is not None]
    scale = max((-each.exponent for each in parts), default=0)
    whole = max((len(each.digits) + each.exponent for each in parts), default=1)
    fits = max(scale, 0) + max(whole, 1) <= _DIGITS
    return arrow.decimal128(_DIGITS, max(scale, 0)) if fits else arrow.decimal256(2 * _DIGITS, max(scale, 0))


def _plain(column: Column) -> list[Any]:
    if column.kind != "decimal":
        return column.values
    return [None if each is None else float(each) for each in column.values]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _csv(answer: Told) -> bytes:
    found = columns(answer)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([each.name for each in found])
    for row in zip(*(each.values for each in found), strict=True):
        writer.writerow([format(cell, "f") if isinstance(cell, Decimal) else _word(cell) for cell in row])
    return text.getvalue().encode()


def _word(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return harmless(cell) if isinstance(cell, str) else str(cell)


def harmless(text: str) -> str:
    """A stranger's text in a CSV, so that no spreadsheet takes it for a formula: such a one gets an apostrophe first.

    Source: OWASP, "CSV Injection". Parquet and Arrow carry texts as they are.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.match(text) else text


def ipc(table: Any) -> bytes:
    """An Arrow table as an IPC file."""
    arrow = package("pyarrow")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def parquet(table: Any) -> bytes:
    """An Arrow table as a Parquet file."""
    sink = package("pyarrow").BufferOutputStream()
    package("pyarrow.parquet").write_table(table, sink)
    return bytes(sink.getvalue())


_BYTES: Mapping[str, Callable[[Told], bytes]] = {
    "arrow": lambda answer: ipc(to_arrow(answer)),
    "csv": _csv,
    "parquet": lambda answer: parquet(to_arrow(answer)),
}


def package(name: str) -> Any:
    """A package of whoever analyses; none of them is needed to ask."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise NotFound("question.package", package=name) from None
