"""Two tables joined on the privacy unit: true where nothing is bounded, and bounded in what one unit moves."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hefu.canonical import Object
from hefu.errors import HefuError, Malformed, Refused
from hefu_connector.computing.computation import Join, Plan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.engines import counting, language, laying
from hefu_connector.engines.laid import Laid
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Prepared
from hefu_policies.budget import NO_LOSS, ZCDP, Budget, PrivacyLoss
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connector import engine_world as world
from tests.connector.engine_world import HUGE, Row, resource
from tests.connector.test_layouts import Written
from tests.deep import examples

WARDS = pa.schema([("person", pa.string()), ("ward", pa.string()), ("cost", pa.int64()), ("age", pa.int64())])
UNITS = ("a", "b", "c", "d")
QUERY = (
    "SELECT region, ward, COUNT(*) AS n, SUM(cost + income) AS s, COUNT(DISTINCT person) AS u "
    'FROM data JOIN "prd-wards" USING (person) WHERE cost > 5 AND income < 150 GROUP BY region, ward'
)


def wards(contribution: int = 3, unit: str = "person", kind: str = "text", **privacy: Any) -> Resource:
    columns = (
        Column("person", kind),
        Column("ward", "text", categories=("x", "y")),
        Column("cost", "integer", bounds=Bounds(Decimal(0), Decimal(100), Decimal(1))),
        Column("age", "integer"),
    )
    lifetime = privacy.get("lifetime", Budget(PrivacyLoss(10**15), 1000))
    return Resource("res-wards", columns, Privacy(unit, contribution, lifetime))


def asked(text: str = QUERY, loss: PrivacyLoss = HUGE) -> Plan:
    return language.parse(text, world.description(), loss)


def prepare(first: int = 2, second: int = 3, text: str = QUERY, minimum: int | None = None) -> Prepared:
    return Statistics().prepare(asked(text).body(), resource(contribution=first), minimum, beside=wards(second))


def beside(path: Path, form: str = "parquet", layout: Object | None = None) -> Object:
    return {"beside": [{"path": str(path), "form": form, "layout": layout or {}}]}


def exact(prepared: Prepared, people: Path, visits: Path) -> list[list[int]]:
    """The true whole numbers before noise: for tests of sensitivity only."""
    return counting._exact_of(Shape.of(prepared.parameters["shape"]), people, "parquet", beside(visits))[0]


def tables(folder: Path, people: list[Row], visits: list[Row]) -> tuple[Path, Path]:
    return world.write(folder / "people.parquet", people), world.write(folder / "wards.parquet", visits, WARDS)


def lay(path: Path, of: Resource) -> tuple[Path, Object]:
    laid, sink = Laid.describe(of), Written()
    laying.make({"laid": laid.body(), "mend": False}, path, "parquet", {}, sink)
    out = path.with_suffix(".laid")
    out.write_bytes(sink.data)
    return out, {"laid": laid.body()}


PEOPLE: list[Row] = [
    {"person": f"p{i}", "region": ("north", "south", "east")[i % 3], "income": float(i % 200)} for i in range(90)
] + [{"person": None, "region": "north", "income": 1.0}]
VISITS: list[Row] = [
    {"person": f"p{i % 120}", "ward": "xyz"[i % 3], "cost": i % 40} for i in range(360)
] + [{"person": None, "ward": "x", "cost": 9}]  # fmt: skip


def test_where_no_bound_is_met_a_join_is_what_a_database_says(tmp_path: Path) -> None:
    prepared = prepare(1, 3)
    people, visits = tables(tmp_path, PEOPLE, VISITS)
    values = Statistics().read(counting.run(prepared.parameters, people, "parquet", beside(visits)), prepared)
    frame = pd.DataFrame(PEOPLE).dropna(subset="person").merge(pd.DataFrame(VISITS), on="person")
    frame = frame[(frame.cost > 5) & (frame.income < 150)]
    for region, ward, count, total, units in values.rows:
        group = frame[(frame.region == region) & (frame.ward == ward)]
        assert (int(str(count)), int(str(units))) == (len(group), group.person.nunique())
        assert Decimal(str(total)) == Decimal(str((group.cost + group.income).sum()))
    assert sum(int(str(row[2])) for row in values.rows) > 50
    assert prepared.joins == {"person"}


def test_laid_out_tables_are_joined_on_the_units_value_and_not_on_their_numbers(tmp_path: Path) -> None:
    prepared = prepare(1, 3)
    paths = tables(tmp_path, PEOPLE, VISITS[::-1])
    plain = exact(prepared, *paths)
    (people, of_people), (visits, of_visits) = (
        lay(path, of) for path, of in zip(paths, (resource(contribution=1), wards()), strict=True)
    )
    shape = Shape.of(prepared.parameters["shape"])
    assert counting._exact_of(shape, people, "laid", of_people | beside(visits, "laid", of_visits))[0] == plain
    assert counting._exact_of(shape, people, "laid", of_people | beside(paths[1]))[0] == plain


def rows_of(ward: bool) -> st.SearchStrategy[list[Row]]:
    unit = st.sampled_from((*UNITS, None))
    if ward:
        row = st.fixed_dictionaries({"person": unit, "ward": st.sampled_from(("x", "y", "z")),
                                     "cost": st.sampled_from((0, 6, 50, 100, 900, None))})  # fmt: skip
    else:
        row = st.fixed_dictionaries({"person": unit, "region": st.sampled_from(("north", "south", "west")),
                                     "income": st.sampled_from((-90.0, 0.0, 149.75, 900.0, None))})  # fmt: skip
    return st.lists(row, max_size=14)


@pytest.mark.deep
@settings(max_examples=examples(10, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows_of(False), rows_of(True), st.integers(1, 3), st.integers(1, 3), st.sampled_from((
    QUERY, 'SELECT COUNT(*) AS n, SUM(cost) AS s FROM data JOIN "prd-wards" USING (person)',
    'SELECT ward, SUM(income * cost) AS s FROM data JOIN "prd-wards" USING (person) GROUP BY ward',
)))  # fmt: skip
def test_removing_a_unit_from_one_table_or_from_both_moves_nothing_more_than_its_sensitivity(
    people: list[Row], visits: list[Row], first: int, second: int, text: str
) -> None:
    prepared = prepare(first, second, text, 1)
    measures = Shape.of(prepared.parameters["shape"]).measures
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hefu_connector.engines.counting.secrets.randbits", lambda _: 12345)
        whole = exact(prepared, *tables(Path(folder), people, visits))
        for unit in UNITS[:2]:
            fewer = [[r for r in rows if r["person"] != unit] for rows in (people, visits)]
            for left, right in ((fewer[0], visits), (people, fewer[1]), (fewer[0], fewer[1])):
                less = exact(prepared, *tables(Path(folder), left, right))
                for before, after, measure in zip(whole, less, measures, strict=True):
                    moved = [abs(x - y) for x, y in zip(before, after, strict=True)]
                    assert sum(moved) <= measure.sensitivity.l1, measure.kind
                    assert max(moved) <= measure.sensitivity.linf
                    assert sum(map(bool, moved)) <= measure.sensitivity.l0


def test_the_sensitivity_of_a_join_is_reached_so_that_a_smaller_one_would_be_caught(tmp_path: Path) -> None:
    people: list[Row] = [{"person": "a", "region": "north", "income": 1.0}] * 2
    visits: list[Row] = [{"person": "a", "ward": "x", "cost": 100}] * 9
    prepared = prepare(2, 3, 'SELECT COUNT(*) AS n, SUM(cost) AS s FROM data JOIN "prd-wards" USING (person)')
    count, total = exact(prepared, *tables(tmp_path, people, visits))[:2]
    measures = Shape.of(prepared.parameters["shape"]).measures
    assert prepared.max_contribution == 3  # the larger of the two; six pairs were there
    assert (count, total) == ([measures[0].sensitivity.l1], [measures[1].sensitivity.l1]) == ([3], [300])


def test_a_unit_with_many_rows_in_both_tables_is_bounded_before_they_are_joined(tmp_path: Path) -> None:
    people: list[Row] = [{"person": "a", "region": "north", "income": float(i % 100)} for i in range(3000)]
    visits: list[Row] = [{"person": "a", "ward": "x", "cost": i % 90 + 6} for i in range(30_000)]
    assert sum(exact(prepare(), *tables(tmp_path, people, visits))[0]) == 3  # 90 million pairs if it were not


def test_a_condition_on_one_table_is_applied_before_that_tables_bound(tmp_path: Path) -> None:
    people: list[Row] = [{"person": "a", "region": "north", "income": 1.0}]
    visits: list[Row] = [{"person": "a", "ward": "x", "cost": cost} for cost in (0, 1, 2, 3, 4, 50)]
    assert sum(exact(prepare(1, 1), *tables(tmp_path, people, visits))[0]) == 1


LESS = Budget(PrivacyLoss(0, 0, 10**9), 1000, ZCDP)


@pytest.mark.parametrize(
    ("text", "first", "second", "code"),
    [
        (QUERY, resource(), wards(kind="integer"), "plan.join_type"),
        (QUERY, resource(), wards(unit="row", contribution=1), "plan.join_key"),
        (QUERY, resource("row"), wards(), "plan.join_key"),
        (QUERY.replace("(person)", "(age)"), resource(), wards(), "plan.join_key"),
        (QUERY, resource(), resource(), "plan.join_self"),
        (QUERY, resource(contribution=101), wards(100), "plan.join_bounds"),
        (QUERY, resource(), wards(lifetime=LESS), "plan.join_currency"),
        (QUERY.replace("cost > 5", "age > 5"), resource(), wards(), "plan.join_column"),
        (QUERY, resource(), None, "resource.not_found"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_its_reason(
    text: str, first: Resource, second: Resource | None, code: str
) -> None:
    with pytest.raises(HefuError) as caught:
        Statistics().prepare(asked(text).body(), first, None, beside=second)
    assert caught.value.code == code


def test_exact_aggregates_are_never_joined() -> None:
    plan = asked(loss=NO_LOSS)
    with pytest.raises(Refused) as caught:
        ExactPlan(plan)
    assert caught.value.code == "plan.join_exact"
    body = {name: value for name, value in plan.body().items() if name != "loss"}
    with pytest.raises(Refused):
        ExactPlan.of({**body, "version": 1, "operation": "hefu:aggregateQuery"})


@pytest.mark.parametrize(
    "join",
    [
        'LEFT JOIN "prd-wards" USING (person)', 'FULL OUTER JOIN "prd-wards" USING (person)', ', "prd-wards"',
        'JOIN "prd-wards" ON data.person = "prd-wards".person', 'NATURAL JOIN "prd-wards"', 'CROSS JOIN "prd-wards"',
        'JOIN "prd-wards" USING (person, age)', 'SEMI JOIN "prd-wards" USING (person)', 'JOIN "prd-wards"',
        'JOIN "prd-wards" USING (person) JOIN "prd-c" USING (person)', "JOIN (SELECT 1) x USING (person)",
        'ASOF JOIN "prd-wards" USING (person)', 'JOIN a.b."prd-wards" USING (person)',
        'POSITIONAL JOIN "prd-wards"', 'JOIN "prd-wards" AS w USING (person)',
    ],
)  # fmt: skip
def test_only_an_inner_join_on_one_column_by_its_name_is_understood(join: str) -> None:
    with pytest.raises(Malformed) as caught:
        asked(f"SELECT COUNT(*) AS n FROM data {join}")
    assert caught.value.code == "query.refused"


def test_a_plan_with_a_join_is_read_as_it_was_written_and_others_are_written_as_before() -> None:
    plan = asked(QUERY.replace('"prd-wards"', '"prd-wards"."res-wards"'))
    assert plan.join == Join("prd-wards", "person", "res-wards")
    assert Plan.of(plan.body()) == plan
    assert "join" not in asked("SELECT COUNT(*) AS n FROM data").body()
    assert "joined" not in Shape.of(world.prepare(world.plan()).parameters["shape"]).body()


def test_groups_that_nobody_declared_are_not_found_in_a_join() -> None:
    text = 'SELECT day, COUNT(*) AS n FROM data JOIN "prd-wards" USING (person) GROUP BY day'
    plan = asked(text, PrivacyLoss(10**9, 10**9)).body()
    with pytest.raises(Refused) as caught:
        Statistics().prepare(plan, resource(), None, beside=wards())
    assert caught.value.code == "plan.join_unknown"


def test_quantiles_modes_and_several_groupings_are_asked_of_a_join_as_of_one_table(tmp_path: Path) -> None:
    people, visits = tables(tmp_path, PEOPLE, VISITS)
    frame = pd.DataFrame(PEOPLE).dropna(subset="person").merge(pd.DataFrame(VISITS), on="person")

    def rows(text: str) -> tuple[tuple[str | None, ...], ...]:
        prepared = prepare(1, 3, text)
        return Statistics().read(counting.run(prepared.parameters, people, "parquet", beside(visits)), prepared).rows

    ((median,),) = rows('SELECT MEDIAN(cost) AS m FROM data JOIN "prd-wards" USING (person)')
    assert abs(int(str(median)) - frame.cost.median()) <= 1
    sets = 'SELECT region, ward, COUNT(*) AS n FROM data JOIN "prd-wards" USING (person) '
    found = {row[:2]: row[2] for row in rows(sets + "GROUP BY GROUPING SETS ((region), (ward))")}
    assert found["north", None] == str(len(frame[frame.region == "north"]))
    assert found[None, "x"] == str(len(frame[frame.ward == "x"]))
