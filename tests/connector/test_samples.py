"""Synthetic samples: what is counted follows from the schema, rows fit it, a tried query looks like the real one."""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet
import pytest
from hefu.errors import Malformed
from hefu_connector.computing.computation import Plan
from hefu_connector.workbench import questions, synthesis, targeting
from hefu_connector.workbench.answer import Answer, Sealed
from hefu_connector.workbench.frames import Noise
from hefu_connector.workbench.marginals import ABSENT, Marginals, marginals
from hefu_connector.workbench.sample import Sample, draw
from hefu_connector.workbench.sampling import Wish
from hefu_connector.workbench.trying import attempt
from hefu_policies.budget import NO_LOSS
from hefu_policies.goods.resource import Bounds, Column

from tests.connector.engine_world import COLUMNS, HUGE, SMALL, Row, description, prepare, resource, run, write

PEOPLE = resource(contribution=2)
WIDE = Column("pay", "integer", nullable=True, bounds=Bounds(Decimal(0), Decimal(10**6), Decimal(1)))


def people(number: int) -> list[Row]:
    """Who is active is in the north; nothing else hangs together."""
    chance = random.Random(7)
    rows: list[Row] = []
    for index in range(number):
        active = chance.random() < 0.5
        region = "north" if active else chance.choice(["south", "east"])
        income = None if index % 4 == 0 else chance.choice([-70.0, 0.25, 150.0])
        grade = 1 + index % 2
        rows.append({"person": f"p{index}", "region": region, "age": chance.randrange(20, 40), "income": income,
                     "active": active, "grade": grade})  # fmt: skip
    return rows


def answered(counted: Marginals, path: Path, minimum: int | None = None) -> Answer:
    """The answer to the question of a sample, nearly without noise."""
    prepared = prepare(counted.plan("prd-people", "", HUGE), PEOPLE, minimum)
    values = run(prepared, path)
    noise = tuple(Noise(each.column, each.mechanism, each.scale, each.half_width) for each in prepared.mechanisms)
    sealed = Sealed("cmp-1", "hospital", "agr-1", "prd-people", NO_LOSS, "rcp-1")
    return Answer(prepared.headings, values.rows, values.half_widths, prepared.keys, noise, (sealed,))


def test_what_is_counted_follows_from_the_schema() -> None:
    found = marginals(PEOPLE)
    assert [each.column.name for each in found.attributes] == ["region", "age", "income", "active", "grade"]
    assert found.left_out == ("person", "day", "seen")
    pairs = [each for each in found.sets if len(each) == 2]
    assert pairs == [(0, 3), (1, 3), (2, 3), (3, 4)]  # all are joined by pairs with the column of two groups
    assert found.attributes[2].values[0] is None
    assert found.attributes[1].size == 10
    assert marginals(PEOPLE, pairs=[], columns=["age"], bins=3).sets == ((0,),)
    assert marginals(PEOPLE, pairs=[("age", "region"), ("region", "age")]).sets[5:] == ((0, 1),)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish(pairs=[("age", "person")]), "sample.pair"),
        (Wish(pairs=[("age", "age")]), "sample.pair"),
        (Wish(columns=("person",)), "sample.columns"),
        (Wish(columns=("nobody",)), "plan.unknown_column"),
        (Wish(bins=0), "sample.bins"),
        (Wish(bins=10**6), "sample.bins"),
    ],
)
def test_a_wish_that_does_not_fit_is_refused_before_anything_is_asked(wish: Wish, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        wish.marginals(description(PEOPLE))
    assert caught.value.code == code


def test_pairs_that_inference_could_not_hold_are_refused() -> None:
    columns = (COLUMNS[0], *(replace(WIDE, name=f"c{index}") for index in range(6)))
    ring = [(f"c{low}", f"c{high}") for low in range(6) for high in range(low)]
    with pytest.raises(Malformed) as caught:
        marginals(resource(columns=columns), pairs=ring, bins=40)
    assert caught.value.code == "sample.pairs"
    assert len(marginals(resource(columns=columns), pairs=ring[:5], bins=40).sets) == 11


def test_many_columns_are_cut_into_as_many_bins_as_an_answer_holds() -> None:
    wide = resource(columns=(COLUMNS[0], *(replace(WIDE, name=f"c{index}") for index in range(30))))
    found = marginals(wide)
    assert len(found.sets) == 59
    assert 2 < found.attributes[0].size < 10
    assert prepare(found.plan("prd-people", "", SMALL), wide).cells == found.cells


def test_every_row_is_in_one_group_of_each_column_that_may_be_absent(tmp_path: Path) -> None:
    rows = people(60)
    answer = answered(marginals(PEOPLE, pairs=[]), write(tmp_path / "people.parquet", rows))
    counts: dict[str, dict[str, int]] = {}
    for row in answer:
        (name,) = [key for key in answer.headings[:5] if row[key] is not None]
        counts.setdefault(name, {})[str(row[name])] = int(row["n"] or 0)
    assert {sum(each.values()) for each in counts.values()} == {60}
    assert counts["income"][ABSENT] == 15
    assert counts["income"]["[-50,-25)"] == sum(each["income"] == -70.0 for each in rows)


@pytest.mark.timeout(600)
def test_drawn_rows_fit_the_schema_and_keep_what_was_counted_together(tmp_path: Path) -> None:
    counted = marginals(PEOPLE, columns=["region", "age", "income", "active"], bins=4)
    path = write(tmp_path / "people.parquet", people(400))
    sample = draw(answered(counted, path), counted, PEOPLE, 500)
    assert (len(sample), sample.data_rows) == (500, 400)
    assert [*sample.kinds] == [each.name for each in COLUMNS]
    regions, active = sample.columns["region"], sample.columns["active"]
    assert set(regions) <= {"north", "south", "east"}
    assert sum((region == "north") == here for region, here in zip(regions, active, strict=True)) > 480
    assert all(isinstance(each, int) and 0 <= each <= 100 for each in sample.columns["age"])
    incomes = [each for each in sample.columns["income"] if each is not None]
    assert 250 < len(incomes) < 450
    assert all(isinstance(each, Decimal) and -50 <= each <= 200 and not each % Decimal("0.25") for each in incomes)
    assert len(set(sample.columns["person"])) == 500
    assert set(sample.columns["day"]) == {None}
    assert not counted.asked(b'{"version":3}')


def made(number: int = 8) -> Sample:
    """A sample of hand-made rows."""
    columns: dict[str, tuple[object, ...]] = {each.name: (None,) * number for each in COLUMNS}
    columns["person"] = tuple(f"synthetic-{index}" for index in range(number))
    columns["region"] = ("north", "north", "south", *["=HYPERLINK(1)"] * (number - 3))
    columns["age"] = (40,) * number
    columns["income"] = (Decimal("0.25"),) * number
    kinds = {each.name: each.type for each in COLUMNS}
    return Sample("prd-people", "res-people", kinds, columns, 800, (("region", "age"),), ("day",), "rcp-1")  # type: ignore[arg-type]


def test_a_samples_file_is_read_by_a_worker_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = made()
    sample.write(tmp_path / "sample.parquet")
    sample.write(tmp_path / "sample.arrow")
    table = pyarrow.parquet.read_table(tmp_path / "sample.parquet")
    about = {b"hefu.sample": table.schema.metadata[b"hefu.sample"].replace(b'"region": "text"', b'"region": "integer"')}
    pyarrow.parquet.write_table(table.replace_schema_metadata(about), tmp_path / "other.parquet")
    with monkeypatch.context() as patch:
        for module, name in ((pyarrow.parquet, "read_table"), (pyarrow, "memory_map"), (pyarrow.ipc, "open_file")):
            patch.delattr(module, name)
        for form in ("parquet", "arrow"):
            assert Sample.read(tmp_path / f"sample.{form}") == sample
        (tmp_path / "torn.parquet").write_bytes((tmp_path / "sample.parquet").read_bytes()[:-9])
        for name in ("torn.parquet", "other.parquet"):
            with pytest.raises(Malformed) as fault:
                Sample.read(tmp_path / name)
            assert fault.value.code == "sample.file"


def test_a_sample_says_what_it_is_wherever_it_goes(tmp_path: Path) -> None:
    sample = made()
    sample.write(tmp_path / "sample.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "sample.parquet")
    assert table.schema.metadata[b"hefu.synthetic"] == b"true"
    assert set(table.column("synthetic").to_pylist()) == {True}
    assert sample.to_pandas().attrs["hefu.synthetic"] is True
    assert set(sample.to_polars()["synthetic"]) == {True}
    sample.write(tmp_path / "sample.csv")
    with (tmp_path / "sample.csv").open(newline="") as text:
        rows = [*csv.DictReader(text)]
    assert {each["synthetic"] for each in rows} == {"true"}
    assert rows[-1]["region"] == "'=HYPERLINK(1)"  # no spreadsheet takes it for a formula
    assert "SYNTHETIC" in repr(sample)
    assert "SYNTHETIC" in sample._repr_html_()
    pyarrow.parquet.write_table(pyarrow.table({"region": ["north"]}), tmp_path / "other.parquet")
    for name in ("other.parquet", "sample.csv", "nothing.parquet"):
        with pytest.raises(Malformed):
            Sample.read(tmp_path / name)


def tried(sql: str, sample: Sample, loss: object = HUGE) -> Answer:
    plan = questions.plan(sql, description(PEOPLE), "1")
    return attempt(replace(plan, loss=loss), description(PEOPLE), sample)  # type: ignore[arg-type]


def test_a_tried_query_has_the_shape_size_and_noise_of_the_real_one() -> None:
    sql = "SELECT region, COUNT(*) AS n, SUM(age) AS s, AVG(age) AS m FROM data GROUP BY region"
    answer = tried(sql, made())
    assert answer.synthetic
    assert [row[0] for row in answer.rows] == ["north", "south", "east"]
    assert answer.rows[0] == ("north", "200", "8000", "40")  # two of eight rows, and the data has 800
    assert answer.rows[2] == ("east", None, None, None)  # smaller than the least group of the offer
    assert "SYNTHETIC" in repr(answer)
    assert answer.to_arrow().schema.metadata[b"hefu.synthetic"] == b"true"
    noised, (_, group) = tried(sql, made(), SMALL), targeting.offered(description(PEOPLE))
    real = prepare(replace(Plan.of(questions.plan(sql, description(PEOPLE), "1").body()), loss=SMALL), PEOPLE, group)
    assert [each.scale for each in noised.noise] == [each.scale for each in real.mechanisms]
    assert len({tried(sql, made(), SMALL).rows for _ in range(4)}) > 1


def test_a_sample_answers_for_its_own_product_only() -> None:
    with pytest.raises(Malformed) as caught:
        tried("SELECT COUNT(*) FROM data", replace(made(), product="prd-other"))
    assert caught.value.code == "sample.other"
    with pytest.raises(Malformed):
        tried("SELECT MAX(age) FROM data", made())


def test_without_the_library_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Exception, match="mbi") as caught:
        synthesis.check()
    assert getattr(caught.value, "code", "") == "sample.package"
