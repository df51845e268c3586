"""Records are checked before any is sent: what is wrong is named by its record and column, and never by its value."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pytest
from hefu.errors import Malformed
from hefu_connector.computing.records import Scored
from hefu_connector.workbench import records
from hefu_policies.budget import Budget
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.goods.served import Served

NAMES = ("age", "income")
PLAIN = {"age": [30, 40, 50], "income": [1.5, 2, 2.5]}


def scored(answer: str = "identity", suite: str = "ckks-linear", width: int = 2) -> Scored:
    columns = [
        Column("age", "integer", "year", bounds=Bounds(Decimal(18), Decimal(99), Decimal(1))),
        Column("income", "decimal", bounds=Bounds(Decimal(-1), Decimal(3), Decimal("0.5"))),
        *(Column(f"f{at}", "decimal", bounds=Bounds(Decimal(0), Decimal(1), Decimal(1))) for at in range(2, width)),
    ]
    model = Served("sha256:" + "0" * 64, answer, Decimal("0.01"), suite, Decimal("0.0075"))
    lifetime = Budget.of_text("0", releases=10)
    return Scored.of(Resource("res-a", tuple(columns), Privacy("row", 1, lifetime), model=model))


def values(found: records.Records) -> list[float]:
    return [each for piece in found.pieces() for each in piece.values]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_csv_may_have_its_columns_in_any_order_and_others_beside_them(tmp_path: Path, between: str) -> None:
    lines = (["id", "income", "age"], ["a", "1.5", "30"], ["b", " 2 ", "40"])
    found = records.of(write(tmp_path / "r.csv", *map(between.join, lines)), NAMES)
    assert values(found) == [30, 1.5, 40, 2]
    assert found.others == ("id",)
    assert [other for piece in found.pieces() for other in piece.others] == [["a"], ["b"]]
    assert records.check(found, scored()) == 2


@pytest.mark.parametrize(
    "make",
    [dict, pandas.DataFrame, polars.DataFrame, pyarrow.table, lambda told: pandas.DataFrame(told).to_dict("records")],
)
def test_a_table_of_any_library_is_read_alike(make: Callable[[Any], Any]) -> None:
    found = records.of(make(PLAIN), NAMES)
    assert values(found) == [30, 1.5, 40, 2, 50, 2.5]
    assert records.check(found, scored()) == 3


@pytest.mark.parametrize(
    ("age", "income", "column"),
    [
        ("17", "1", "age"), ("100", "1", "age"), ("30.5", "1", "age"), ("", "1", "age"), ("thirty", "1", "age"),
        ("30", "", "income"), ("30", "nan", "income"), ("30", "inf", "income"), ("30", "3.01", "income"),
        ("30", "1_0", "income"), ("30", "1,2", "age"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_record_and_column_and_never_by_value(
    tmp_path: Path, age: str, income: str, column: str
) -> None:
    path = write(tmp_path / "r.csv", "age,income", *["30,1"] * 40_000, "", f"{age},{income}", "1,1")
    with pytest.raises(Malformed) as caught:
        records.check(records.of(path, NAMES), scored())
    assert (caught.value.code, caught.value.parameters) == ("score.value", {"row": "40001", "column": column})


def test_a_missing_value_of_a_table_is_named_too() -> None:
    for wrong in (None, math.nan, "x"):
        found = records.of({"age": [30, 40], "income": [1, wrong]}, NAMES)
        with pytest.raises(Malformed) as caught:
            records.check(found, scored())
        assert caught.value.parameters == {"row": "2", "column": "income"}


@pytest.mark.parametrize("headings", ["age", "age,income,income", "Age,income", ""])
def test_a_feature_without_one_column_is_named(tmp_path: Path, headings: str) -> None:
    with pytest.raises(Malformed) as caught:
        records.of(write(tmp_path / "r.csv", headings, "30,1"), NAMES)
    assert caught.value.code == "score.column"


def test_what_is_no_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(b"age,income\n\xff\xfe,1\n")
    with pytest.raises(Malformed, match="UTF-8"):
        values(records.of(tmp_path / "r.csv", NAMES))
    with pytest.raises(Malformed, match="No such file"):
        records.of(tmp_path / "nothing.csv", NAMES)
    with pytest.raises(Malformed, match="one column age"):
        records.of({"income": [1]}, NAMES)
    with pytest.raises(Malformed):
        records.of({"age": [1, 2], "income": [1]}, NAMES)


def test_a_request_takes_whole_blocks_as_many_as_its_ciphertexts_may_weigh() -> None:
    assert scored().each() == 65_536
    assert (scored().each(1), scored().each(10_000), scored().each(1_000_000)) == (4096, 8192, 65_536)
    assert scored(width=200).each() == 4096
    assert scored(width=512).each() == 4096  # one block is the least, whatever it weighs
    assert scored(width=40, suite="ckks-curved", answer="logistic").each() == 16_384
    assert [scored().charge(each) for each in (1, 4096, 4097, 1_000_000)] == [4096, 4096, 8192, 1_003_520]


def test_a_ranking_is_not_divided_and_nothing_is_no_question() -> None:
    scored().check_order(1000, 10)
    scored("ranking").check_order(10, 10)
    for answer, count in (("ranking", 11), ("identity", 0)):
        with pytest.raises(Malformed):
            scored(answer).check_order(count, 10)


def test_values_that_are_no_whole_records_are_refused() -> None:
    assert scored().check(array("d")) == 0
    with pytest.raises(Malformed):
        scored().check(array("d", [30, 1, 30]))
