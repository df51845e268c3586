"""No record of a CSV file reaches into another, whatever quotes and line ends it holds."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pyarrow.csv
import pytest
from hefu_connector.engines import lines
from hefu_connector.engines.lines import OneLineRecords
from hypothesis import given
from hypothesis import strategies as st

CELLS = st.text(st.sampled_from('ab",;\r\n\té'), max_size=6)


def formed(data: bytes, size: int = -1) -> bytes:
    found = OneLineRecords(io.BytesIO(data), ",")
    return b"".join(iter(lambda: found.read(size), b""))


def rows(data: bytes) -> list[tuple[str, ...]]:
    text = pa.PythonFile(OneLineRecords(io.BytesIO(data), ","), mode="r")
    options = pa.csv.ParseOptions(newlines_in_values=False, invalid_row_handler=lambda _: "skip")
    found = pa.csv.read_csv(
        text,
        parse_options=options,
        read_options=pa.csv.ReadOptions(column_names=["a", "b"]),
        convert_options=pa.csv.ConvertOptions(column_types={"a": pa.string(), "b": pa.string()}),
    )
    return [tuple(row.values()) for row in found.to_pylist()]


def test_a_stray_quote_costs_its_own_line_only() -> None:
    good = b"".join(b"%d,x\n" % number for number in range(1000))
    assert rows(good + b'7,"never closed\n' + good) == rows(good + good)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=4), st.binary(max_size=12).map(lambda one: one.replace(b"\n", b"")))
def test_whatever_one_line_holds_the_others_are_read_the_same(others: list[tuple[str, str]], odd: bytes) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(others)
    text = "".join(line for line in written.getvalue().splitlines(keepends=True)).encode()
    before = formed(text)
    assert formed(text + odd + b"\n" + text).startswith(before)
    assert formed(text + odd + b"\n" + text).endswith(before)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_a_well_formed_line_says_what_it_said(table: list[tuple[str, str]]) -> None:
    plain = [row for row in table if not any("\n" in cell or "\r" in cell for cell in row)]
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(plain)
    again = list(csv.reader(io.StringIO(formed(written.getvalue().encode()).decode())))
    assert again == [list(row) for row in plain]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_small_reads_give_the_same_bytes(size: int) -> None:
    data = b'a,b\r\n"x ""y""",1\nbroken",2\n"open,3\nlast,4'
    assert formed(data, size) == formed(data) == b'a,b\n"x ""y""",1\n"broken""",2\nlast,4\n'


def test_a_line_that_is_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    monkeypatch.setattr(lines, "_CHUNK", 16)
    assert formed(b"a,1\n" + b"x" * 500 + b"\nb,2\n") == b"a,1\nb,2\n"
