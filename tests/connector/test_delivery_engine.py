"""What a delivery does to rows: pseudonyms, bands, samples and groups, over real files, and what the guard stops."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hefu.canonical import Object
from hefu.errors import Malformed, Refused, Untrusted
from hefu_connector.computing import guard, rows
from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.engines import Moved, delivering
from hefu_connector.engines.delivery import Delivery
from hefu_connector.ports import Prepared, Values
from hefu_policies.budget import Budget
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hypothesis import given, settings
from hypothesis import strategies as st

KEY, OTHER = "11" * 32, "22" * 32
COLUMNS = (
    Column("patient", "text", sensitivity="personal"),
    Column("name", "text", sensitivity="identifier"),
    Column("age", "integer", sensitivity="quasi-identifier", bounds=Bounds(Decimal(0), Decimal(100), Decimal(1))),
    Column("region", "text", sensitivity="quasi-identifier", categories=("north", "south")),
    Column("born", "date", sensitivity="quasi-identifier"),
    Column("diagnosis", "text", sensitivity="sensitive"),
    Column("ward", "text", sensitivity="public"),
    Column("cost", "decimal", sensitivity="internal"),
    Column("free", "text", sensitivity="quasi-identifier"),
)
NAMES = tuple(each.name for each in COLUMNS)
ENGINE = Delivery()


def resource(unit: str = "patient") -> Resource:
    return Resource("res-1", COLUMNS, Privacy(unit, 1 if unit == "row" else 3, Budget.of_text("1", releases=9)))


def table(folder: Path, count: int = 60) -> Path:
    path = folder / "t.csv"
    lines = [
        f"p{i % (count // 2)},N{i},{i % 80},{'north' if i % 3 else 'south'},19{50 + i % 9}-0{1 + i % 9}-11,"
        f"d{i % 4},w{i % 2},{i}.50,x{i}"
        for i in range(count)
    ]
    path.write_text(",".join(NAMES) + "\n" + "\n".join(lines) + "\n")
    return path


def prepare(processing: str, columns: tuple[str, ...] = NAMES, unit: str = "patient", **plan: object) -> Prepared:
    group = plan.pop("group", 3)
    share = plan.pop("share", Decimal("0.5") if processing == "sampled" else None)
    asked = DeliveryPlan("prd-1", columns, processing, int(str(plan.pop("rows", 1000))), share=share)  # type: ignore[arg-type]
    assert DeliveryPlan.of(asked.body()) == asked
    return ENGINE.prepare(asked.body(), resource(unit), int(str(group)))


def deliver(prepared: Prepared, path: Path, key: str = KEY) -> Values:
    output = delivering.run({**prepared.parameters, "key": key}, path, "csv", {})
    values = ENGINE.read(output, prepared)
    guard.check(values, prepared)
    return values


def column(prepared: Prepared, values: Values, name: str) -> list[str | None]:
    return [row[prepared.headings.index(name)] for row in values.rows]


def test_raw_is_the_table_and_nothing_else(tmp_path: Path) -> None:
    prepared = prepare("raw")
    values = deliver(prepared, table(tmp_path))
    assert prepared.headings == NAMES
    assert len(values.rows) == 60
    assert ("p5", "N5", "5", "north", "1955-06-11", "d1", "w1", "5.5", "x5") in values.rows


def test_masked_names_nobody_and_keeps_rows_of_one_person_together(tmp_path: Path) -> None:
    prepared = prepare("masked")
    values = deliver(prepared, table(tmp_path))
    text = repr(values.rows)
    assert not any(f"'{word}{i}'" in text for i in range(60) for word in ("p", "N", "d", "x"))
    assert sorted(Counter(column(prepared, values, "patient")).values()) == [2] * 30
    assert len(set(column(prepared, values, "name"))) == 60
    assert set(column(prepared, values, "age")) <= {f"[{low},{low + 10})" for low in range(0, 90, 10)}
    assert set(column(prepared, values, "born")) <= {f"19{50 + i}-0{1 + i}" for i in range(9)}
    assert set(column(prepared, values, "diagnosis")) == set(column(prepared, values, "free")) == {None}
    assert set(column(prepared, values, "ward")) == {"w0", "w1"}


def test_pseudonyms_are_the_same_under_one_agreement_and_unlinkable_over_two(tmp_path: Path) -> None:
    prepared, path = prepare("masked", ("patient",)), table(tmp_path)
    first, again, other = (set(deliver(prepared, path, key).rows) for key in (KEY, KEY, OTHER))
    assert first == again
    assert first.isdisjoint(other)


@pytest.mark.parametrize("unit", ["patient", "row"])
@pytest.mark.parametrize("share", ["0.1", "0.34", "1"])
def test_a_sample_is_at_most_the_share_and_the_same_however_often_it_is_asked(
    tmp_path: Path, unit: str, share: str
) -> None:
    path, chosen = table(tmp_path, 200), Decimal(share)
    one = prepare("sampled", ("patient", "name", "ward"), unit, share=chosen)
    two = prepare("sampled", ("patient", "name", "cost"), unit, share=chosen)
    first, second = deliver(one, path), deliver(two, path)
    people = 100 if unit == "patient" else 200
    assert first.units is not None
    taken, total = first.units
    assert (total, taken <= chosen * total) == (people, True)
    assert column(one, first, "name") == column(two, second, "name")  # other columns, the same rows
    assert share != "1" or len(first.rows) == 200
    assert "'p1'" not in repr(first.rows)


def test_a_sample_of_a_table_that_grew_is_drawn_by_the_same_mark(tmp_path: Path) -> None:
    prepared = prepare("sampled", ("name",), "row", share=Decimal("0.3"))
    path = table(tmp_path, 100)
    before = set(deliver(prepared, path).rows)
    with path.open("a") as file:
        file.writelines(f"q{i},M{i},9,north,1950-01-11,d,w,1,x\n" for i in range(100))
    after = set(deliver(prepared, path).rows)
    assert before <= after


@pytest.mark.parametrize("group", [2, 5, 12])
def test_anonymised_rows_single_nobody_out_and_name_nobody(tmp_path: Path, group: int) -> None:
    prepared = prepare("anonymised", ("patient", "name", "age", "region", "born", "diagnosis"), group=group)
    values = deliver(prepared, table(tmp_path, 400))
    assert prepared.headings == ("age", "region", "born", "diagnosis")
    classes = Counter(row[:3] for row in values.rows)
    assert values.rows
    assert min(classes.values()) >= group
    assert {row[3] for row in values.rows} == {"d0", "d1", "d2", "d3"}


def test_rows_of_one_person_are_no_group(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(NAMES) + "\n" + "p1,N,30,north,1950-01-11,d,w,1,x\n" * 50)
    assert deliver(prepare("anonymised", ("age", "diagnosis"), group=2), path).rows == ()


@pytest.mark.parametrize("processing", ["raw", "masked", "anonymised"])
def test_no_more_rows_than_asked_and_the_same_ones_again(tmp_path: Path, processing: str) -> None:
    prepared, path = prepare(processing, ("name", "ward"), rows=7), table(tmp_path)
    first = deliver(prepared, path)
    assert len(first.rows) <= 7
    assert first.rows == deliver(prepared, path).rows


def test_odd_values_are_absent_and_decide_nothing_about_other_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    odd = [
        "p1,N,old,north,never,d,w,inf,x",
        f"p2,N,1,west,2020-02-30,{'y' * 40_000},w,1e300,x",
        "p3,N,2,north,,e\u0301,w,,x",
    ]
    path.write_text(",".join(NAMES) + "\n" + "\n".join(odd) + "\n")
    prepared = prepare("raw", ("patient", "age", "born", "diagnosis", "cost"))
    found = {row[0]: row[1:] for row in deliver(prepared, path).rows}
    assert found["p1"] == (None, None, "d", None)
    assert found["p2"] == ("1", None, None, "1" + "0" * 300)
    assert found["p3"] == ("2", None, "\u00e9", None)
    assert len(deliver(prepare("masked"), path).rows) == 3


def test_a_file_is_delivered_whole_and_only_where_the_resource_is_one(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(range(256)) * 10)
    asked = DeliveryPlan("prd-1", ("file",), "raw", 1, "File").body()
    file = Resource("res-1", (Column("file", "text"),), Privacy("row", 1, Budget.of_text("1", releases=9)))
    prepared = ENGINE.prepare(asked, file, None)
    values = ENGINE.read(delivering.run({**prepared.parameters, "key": KEY}, path, "file", {}), prepared)
    guard.check(values, prepared)
    assert base64.b64decode(values.rows[0][0] or "") == path.read_bytes()
    with pytest.raises(Moved):  # a table may hold columns that nobody described
        delivering.run({**prepared.parameters, "key": KEY}, path, "csv", {})
    with pytest.raises(Refused, match="no file"):
        ENGINE.prepare(asked, resource(), None)


def test_what_cannot_be_delivered_is_refused_before_data_is_touched() -> None:
    with pytest.raises(Refused, match="name persons"):
        prepare("anonymised", ("patient", "name"))
    with pytest.raises(Refused, match="smallest group"):
        ENGINE.prepare(DeliveryPlan("prd-1", ("age",), "anonymised", 5).body(), resource(), None)
    with pytest.raises(Malformed, match="salary"):
        prepare("raw", ("salary",))
    for wrong in (
        {"rows": 0}, {"rows": 10**6}, {"processing": "plain"}, {"share": "0.5"}, {"filter": None}, {"columns": []},
        {"columns": ["age", "age"]}, {"form": "File", "processing": "masked", "rows": 1}, {"version": 2},
    ):  # fmt: skip
        with pytest.raises(Malformed):
            DeliveryPlan.of(DeliveryPlan("prd-1", ("age",), "raw", 5).body() | wrong)  # type: ignore[arg-type]


BAD: list[Object] = [
    {"rows": [["x"]]},  # a pseudonym that is none
    {"rows": [["psn-" + "a" * 26, "extra"]]},
    {"rows": [["psn-" + "a" * 26]] * 8},  # more than announced
]


@pytest.mark.parametrize("bad", BAD)
def test_the_guard_stops_what_was_not_announced(bad: Object) -> None:
    prepared = prepare("masked", ("patient",), rows=7)
    values = ENGINE.read({"counts": None, "units": None, "rows_read": 1} | bad, prepared)
    with pytest.raises(Untrusted):
        guard.check(values, prepared)


def test_the_guard_counts_groups_and_shares_itself(tmp_path: Path) -> None:
    prepared = prepare("anonymised", ("age", "region", "diagnosis"), group=5)
    values = deliver(prepared, table(tmp_path, 400))
    assert values.group_counts is not None
    lying = replace(values, rows=values.rows[:1], group_counts=(5,))  # one row cannot stand for five persons
    for wrong in (
        lying,
        replace(values, group_counts=None),
        replace(values, group_counts=(4, *values.group_counts[1:])),
    ):
        with pytest.raises(Untrusted):
            guard.check(wrong, prepared)
    sample = prepare("sampled", ("ward",), share=Decimal("0.1"))
    drawn = deliver(sample, table(tmp_path, 400))
    for units in ((21, 200), (1, 0), None):
        with pytest.raises(Untrusted):
            guard.check(replace(drawn, units=units), sample)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.integers(0, 12)), max_size=60),
    st.integers(2, 6),
)
def test_any_table_is_k_anonymous_afterwards(found: list[tuple[int, str, int]], group: int) -> None:
    from hefu_connector.engines import anonymity, treatments

    fields = [treatments.Field.of(each, treatments.Treatment.GENERALISE) for each in (COLUMNS[2], COLUMNS[8])]
    units = [str(unit) for _, _, unit in found]
    columns = [[str(age) for age, _, _ in found], [text for _, text, _ in found]]
    shown, counts = anonymity.generalise(columns, [treatments.ladder(each) for each in fields], units, group)
    kept = [
        (row, unit) for row, unit, count in zip(zip(*shown, strict=True), units, counts, strict=True) if count >= group
    ]
    for row, _ in kept:
        assert len({unit for other, unit in kept if other == row}) >= group


def test_a_delivery_reads_back_as_it_was_sealed() -> None:
    told = rows.Rows("masked", ("a", "b"), ("text", "integer"), (("x", None), ("y", "2")))
    data = rows.payload("cmp-1", told, {"user": {}})
    assert rows.read(data, "cmp-1") == (told, {"user": {}})
    with pytest.raises(Untrusted):
        rows.read(data, "cmp-2")
