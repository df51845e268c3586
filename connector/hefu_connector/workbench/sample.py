"""A synthetic sample: rows that were drawn from noised counts and belong to nobody, to write and try questions on.

It has the columns of the product's schema, with values inside the declared categories and bounds. It is marked
synthetic wherever it goes: in print, in a column of its own in every table and file, and in their metadata.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from secrets import SystemRandom
from typing import TYPE_CHECKING, Any

from hefu.errors import Language, Malformed
from hefu.terminal.commands import language
from hefu_policies.goods.resource import NUMERIC, Column, Resource

from hefu_connector.workbench import foreign, frames, synthesis, tables
from hefu_connector.workbench.foreign import Cell
from hefu_connector.workbench.marginals import COUNT, Attribute, Marginals, Value
from hefu_connector.workbench.synthesis import Measured

if TYPE_CHECKING:
    from hefu_connector.workbench.answer import Answer

MARK = "synthetic"  # the column that every table of it has
FORMS = ("parquet", "arrow", "csv")
_ABOUT = "hefu.sample"  # the metadata's name
_SHOWN = 10  # rows
_DRAW = SystemRandom()


@dataclass(frozen=True, slots=True, repr=False)
class Sample:
    """Synthetic rows of one resource.

    Attributes:
        kinds: column name to declared type, as the schema has them.
        columns: the values of each; None where absent. Of a column about which nothing was asked all are absent.
        data_rows: how many rows the data has, as far as the noised counts tell.
        pairs: of columns whose counts were asked together; others are drawn as if they had nothing to do with each
            other but through these.
        left_out: columns about which nothing was asked.
        receipt: of the release that it was made from.
    """

    product: str
    resource: str
    kinds: Mapping[str, str]
    columns: Mapping[str, tuple[Cell, ...]]
    data_rows: int
    pairs: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    receipt: str

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`, with the mark and what it was made from in its metadata."""
        arrow = frames.package("pyarrow")
        types = dict(zip(foreign.KINDS, _arrow_types(arrow), strict=True))
        fields = [arrow.field(self._mark(), arrow.bool_())]
        arrays = [arrow.array([True] * len(self), arrow.bool_())]
        for name, kind in self.kinds.items():
            type_ = types[kind] if kind != "decimal" else _decimal(arrow, self.columns[name])
            fields.append(arrow.field(name, type_))
            arrays.append(arrow.array(self.columns[name], type_))
        told = {"hefu.synthetic": "true", _ABOUT: json.dumps(self.about())}
        return arrow.Table.from_arrays(arrays, schema=arrow.schema(fields, metadata=told))

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`; decimals become floats; ``attrs`` say that it is synthetic."""
        pandas = frames.package("pandas")
        frame = pandas.DataFrame({self._mark(): True} | {name: self._plain(name) for name in self.kinds})
        frame.attrs.update({"hefu.synthetic": True, **self.about()})
        return frame

    def to_polars(self) -> Any:
        """A `polars.DataFrame`; decimals become floats."""
        polars = frames.package("polars")
        return polars.DataFrame(
            {self._mark(): [True] * len(self)} | {name: self._plain(name) for name in self.kinds}, strict=False
        )

    def write(self, path: str | os.PathLike[str], form: str = "") -> None:
        """Write a new file: ``parquet``, ``arrow`` (IPC) or ``csv``; by default what its name ends with.

        Only Parquet and Arrow can be read again, to try questions on. Raises Malformed as `Answer.write`.
        """
        frames.save({"csv": self._csv, "arrow": self._ipc, "parquet": self._parquet}, path, form)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Sample:
        """A sample that `write` wrote as Parquet or Arrow, read by a worker; raises Malformed where it is none."""
        place = Path(path)
        about, columns = foreign.read(place)
        rows = {len(each) for each in columns.values()}
        try:
            pairs = [each.texts() for each in about["pairs"].items()]
            if rows in (set(), {0}) or len(rows) > 1 or any(len(each) != 2 for each in pairs):
                raise Malformed("sample.file", path=str(place))
            return cls(
                about["product"].text(), about["resource"].text(),
                {name: str(kind) for name, kind in about["kinds"].object().items()}, columns,
                about["data_rows"].integer(1), tuple((low, high) for low, high in pairs),
                about["left_out"].texts(), about["receipt"].text(),
            )  # fmt: skip
        except Malformed:
            raise Malformed("sample.file", path=str(place)) from None

    def __repr__(self) -> str:
        return "\n".join([*tables.lines([*self.kinds], self.shown()), *self.notes(language())])

    def _repr_html_(self) -> str:
        return tables.html([*self.kinds], self.shown(), self.notes(language()))

    def shown(self) -> list[list[str | None]]:
        """The first rows as people read them."""
        rows = zip(*(self.columns[name][:_SHOWN] for name in self.kinds), strict=True)
        return [["" if cell is None else _word(cell) for cell in row] for row in rows]

    def notes(self, lang: Language) -> list[str]:
        """What it is, and what it is not."""
        pairs, lost = ", ".join(f"{low} × {high}" for low, high in self.pairs) or "-", ", ".join(self.left_out)
        if lang == "zh":
            return [
                f"合成数据：由 {self.product} 的加噪计数生成的 {len(self)} 行，不对应任何真实个体。",
                f"数据约有 {self.data_rows} 行。共同计数的列：{pairs}；除此之外，列间关联均不反映真实数据。",
                *([f"未涉及的列（值为空）：{lost}。"] if lost else []),
            ]
        return [
            f"SYNTHETIC: {len(self)} rows drawn from noised counts of {self.product}; none is anybody's.",
            f"The data has about {self.data_rows} rows. Counted together: {pairs}; nothing else hangs together here.",
            *([f"Nothing was asked about these, which are absent: {lost}."] if lost else []),
        ]

    def about(self) -> dict[str, Any]:
        """What it was made from."""
        return {
            "product": self.product, "resource": self.resource, "kinds": dict(self.kinds),
            "data_rows": self.data_rows, "pairs": [[*each] for each in self.pairs],
            "left_out": [*self.left_out], "receipt": self.receipt,
        }  # fmt: skip

    def _mark(self) -> str:
        name = MARK
        while name in self.kinds:
            name += "_"
        return name

    def _plain(self, name: str) -> list[Any]:
        return [float(each) if isinstance(each, Decimal) else each for each in self.columns[name]]

    def _csv(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([self._mark(), *self.kinds])
        for row in zip(*(self.columns[name] for name in self.kinds), strict=True):
            writer.writerow(["true", *("" if cell is None else frames.harmless(_word(cell)) for cell in row)])
        return text.getvalue().encode()

    def _ipc(self) -> bytes:
        return frames.ipc(self.to_arrow())

    def _parquet(self) -> bytes:
        return frames.parquet(self.to_arrow())


def draw(answer: Answer, counted: Marginals, resource: Resource, rows: int) -> Sample:
    """Rows from the released counts of a question that `Marginals.plan` made; free, since nothing is asked.

    Raises:
        NotFound: what draws them is not installed.
    """
    measured = _measured(answer, counted)
    total = _total(measured)
    drawn = synthesis.draw([each.size for each in counted.attributes], measured, total, rows)
    found = {
        each.column.name: tuple(_cell(each, each.values[group]) for group in groups)
        for each, groups in zip(counted.attributes, drawn, strict=True)
    }
    names = [each.column.name for each in counted.attributes]
    columns = {each.name: found.get(each.name) or _nobody(each, resource, rows) for each in resource.schema}
    unit = resource.privacy.unit
    return Sample(
        product=answer.sources[0].product,
        resource=resource.id,
        kinds={each.name: each.type for each in resource.schema},
        columns=columns,
        data_rows=total,
        pairs=tuple((names[each[0]], names[each[1]]) for each in counted.sets if len(each) == 2),
        left_out=tuple(each for each in counted.left_out if each != unit),
        receipt=answer.sources[0].receipt,
    )


def _measured(answer: Answer, counted: Marginals) -> list[Measured]:
    """The counts of each grouping set. One that was withheld was small, and stands as none."""
    (noise,) = [each for each in answer.noise if each.column == COUNT]
    gaussian = "gaussian" in noise.mechanism.lower()
    deviation = float(noise.scale) * (1.0 if gaussian else 2**0.5)
    values = [0 if each is None else int(each) for each in answer.values(COUNT)]
    found, start = [], 0
    for places in counted.sets:
        size = 1
        for place in places:
            size *= counted.attributes[place].size
        found.append(Measured(places, tuple(values[start : start + size]), deviation))
        start += size
    if start != len(values):
        raise Malformed("question.differ", word="the counts", why="they are of another question")
    return found


def _total(measured: Sequence[Measured]) -> int:
    """How many rows there are: the sums of all marginals, each weighted by how little noise it has."""
    weights = [Fraction(1, len(each.values)) for each in measured]
    whole = sum((sum(each.values) * weight for each, weight in zip(measured, weights, strict=True)), Fraction(0))
    return max(1, round(whole / sum(weights)))


def _cell(attribute: Attribute, value: Value) -> Cell:
    """One value of a group: of a bin any of its steps, as likely as each other."""
    column = attribute.column
    if value is None:
        return None
    if isinstance(value, str):
        return _typed(column, value)
    assert column.bounds is not None  # noqa: S101 - bins are of columns that have them
    found = _DRAW.randrange(*value) * column.bounds.granularity
    return int(found) if column.type == "integer" else found


def _typed(column: Column, text: str) -> Cell:
    if column.type == "boolean":
        return text == "true"
    if column.type == "date":
        return dt.date.fromisoformat(text)
    return text if column.type not in NUMERIC else int(text)


def _nobody(column: Column, resource: Resource, rows: int) -> tuple[Cell, ...]:
    """A column about which nothing was asked: absent; each row a unit of its own that is nobody's."""
    if column.name != resource.privacy.unit:
        return (None,) * rows
    return tuple(f"synthetic-{row}" if column.type == "text" else row for row in range(1, rows + 1))


def _arrow_types(arrow: Any) -> list[Any]:
    return [arrow.string(), arrow.int64(), None, arrow.bool_(), arrow.date32(), arrow.timestamp("us")]


def _decimal(arrow: Any, values: Sequence[Cell]) -> Any:
    scale = 0
    for each in values:
        exponent = each.as_tuple().exponent if isinstance(each, Decimal) else 0
        scale = max(scale, -exponent if isinstance(exponent, int) else 0)
    return arrow.decimal128(38, scale)


def _word(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return format(cell, "f") if isinstance(cell, Decimal) else str(cell)
