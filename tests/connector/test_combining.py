"""Answers of several providers put together: as if one had held all rows, but for noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hefu.errors import Malformed
from hefu_connector.computing.computation import Plan
from hefu_connector.engines import language
from hefu_connector.engines.shape import Shape
from hefu_connector.workbench import combining
from hefu_connector.workbench.answer import Answer
from hefu_connector.workbench.frames import Noise
from hefu_policies.goods.resource import Resource

from tests.connector.engine_world import HUGE, Row, description, prepare, resource, run, write

HOSPITALS = ("prd-a", "prd-b", "prd-c")
PEOPLE: Resource = resource(contribution=2)
SQL = (
    "SELECT region, COUNT(*) AS n, AVG(age) AS m, VARIANCE(age) AS v, STDDEV(income / 2) AS d FROM data "
    "WHERE age < 90 GROUP BY region"
)
UNKNOWN: Any = None  # a contract: nothing is sent here


def asked(product: str) -> combining.Asked:
    return combining.Asked(UNKNOWN, replace(description(PEOPLE), product=product))


def without_least_group(each: combining.Asked) -> combining.Asked:
    def kept(body: Any) -> Any:
        if isinstance(body, list):
            return [kept(item) for item in body if "minGroup" not in str(item) or not is_constraint(item)]
        return {name: kept(value) for name, value in body.items()} if isinstance(body, dict) else body

    offers = tuple(replace(offer, policy=kept(offer.policy)) for offer in each.description.offers)
    return replace(each, description=replace(each.description, offers=offers))


def is_constraint(item: Any) -> bool:
    return isinstance(item, dict) and "leftOperand" in item


def rows(hospital: int) -> list[Row]:
    return [
        {"person": f"{hospital}-{index}", "region": "north" if index % 3 else "south",
         "age": 10 * hospital + index % 70, "income": None if index % 5 == 0 else index * 1.25}
        for index in range(40 + hospital)
    ]  # fmt: skip


def answered(plan: Plan, path: Path, minimum: int | None = None) -> Answer:
    prepared = prepare(replace(plan, loss=HUGE), PEOPLE, minimum)
    values = run(prepared, path)
    noise = tuple(Noise(each.column, each.mechanism, each.scale, each.half_width) for each in prepared.mechanisms)
    return Answer(prepared.headings, values.rows, values.half_widths, prepared.keys, noise, ())


def test_moments_of_all_providers_are_those_of_all_rows(tmp_path: Path) -> None:
    several = combining.prepare([asked(each) for each in HOSPITALS], SQL, ("1", "0", ""))
    tables = [write(tmp_path / f"{place}.parquet", rows(place)) for place in range(3)]
    whole = several.combine([answered(plan, table) for plan, table in zip(several.plans, tables, strict=True)])
    everybody = write(tmp_path / "all.parquet", [row for place in range(3) for row in rows(place)])
    alone = answered(language.parse(SQL, description(PEOPLE), HUGE), everybody)
    assert whole.headings == alone.headings
    for heading in ("n", "m", "v", "d"):
        for here, there in zip(whole.values(heading), alone.values(heading), strict=True):
            near = pytest.approx(float(here or 0), abs=0.01)  # squares are so large that a little noise is left
            assert (here is None) == (there is None)
            assert float(there or 0) == near, heading
    assert whole.rows[2] == ("east", "0", None, None, None)


def test_squares_cost_no_more_than_where_one_provider_is_asked() -> None:
    """Distances from the middle, squared, less the middle of what a square can be: half of the sensitivity."""
    several = combining.prepare(
        [asked(each) for each in HOSPITALS[:2]], "SELECT VARIANCE(age) FROM data", ("1", "0", "")
    )
    alone = prepare(language.parse("SELECT VARIANCE(age) FROM data", description(PEOPLE), HUGE), PEOPLE)
    here, there = (
        sorted(each.sensitivity.l1 for each in Shape.of(made.parameters["shape"]).measures)
        for made in (prepare(several.plans[0], PEOPLE), alone)
    )
    assert here == there


def test_what_one_provider_withholds_is_withheld(tmp_path: Path) -> None:
    several = combining.prepare([asked(each) for each in HOSPITALS[:2]], SQL, ("1", "0", ""))
    tables = [write(tmp_path / f"{place}.parquet", rows(place)) for place in range(2)]
    answers = [
        answered(plan, table, least) for plan, table, least in zip(several.plans, tables, (None, 20), strict=True)
    ]
    whole = several.combine(answers)
    assert answers[0].rows[1][1] == "14"
    assert answers[1].rows[1][1] is None
    assert whole.rows[1] == ("south", None, None, None, None)
    assert whole.rows[0][1] == "53"


def test_quantiles_of_all_providers_are_those_of_all_rows(tmp_path: Path) -> None:
    sql = "SELECT region, MEDIAN(age) AS m, QUANTILE(age, 0.9) AS q FROM data WHERE age < 90 GROUP BY region"
    several = combining.prepare([without_least_group(asked(each)) for each in HOSPITALS], sql, ("1", "0", ""))
    tables = [write(tmp_path / f"{place}.parquet", rows(place)) for place in range(3)]
    whole = several.combine([answered(plan, table) for plan, table in zip(several.plans, tables, strict=True)])
    everybody = write(tmp_path / "all.parquet", [row for place in range(3) for row in rows(place)])
    alone = answered(language.parse(sql, description(PEOPLE), HUGE), everybody)
    assert whole.headings == alone.headings
    for here, there in zip(whole.rows, alone.rows, strict=True):
        assert here[0] == there[0]
        # One provider's candidates are 100 of the 101 ages, here each age is one.
        assert all((a is None) == (b is None) for a, b in zip(here, there, strict=True))
        assert all(abs(int(a) - int(b)) <= 1 for a, b in zip(here[1:], there[1:], strict=True) if a and b)


@pytest.mark.parametrize("sql", ["MEDIAN(age), COUNT(*)", "MEDIAN(age), MEDIAN(income)", "MODE(ROUND(age, -1))"])
def test_what_cannot_be_put_together_is_refused(sql: str) -> None:
    with pytest.raises(Malformed):
        combining.prepare([asked(each) for each in HOSPITALS[:2]], f"SELECT {sql} FROM data", ("1", "0", ""))


def test_a_least_group_would_withhold_the_bins_of_a_quantile() -> None:
    with pytest.raises(Malformed, match="small groups"):
        combining.prepare([asked(each) for each in HOSPITALS[:2]], "SELECT MEDIAN(age) FROM data", ("1", "0", ""))


@pytest.mark.parametrize(
    ("number", "least", "most"),
    [("GREATEST(age, 50)", 50, 100), ("LEAST(age, 50)", 0, 50), ("GREATEST(age, 20, LEAST(age, 30))", 20, 100),
     ("(age - 50) * (age - 50)", 0, 2500), ("(age - 10) * (10 - age)", -8100, 900)],
)  # fmt: skip
def test_bounds_are_as_narrow_as_they_can_be_told(number: str, least: int, most: int) -> None:
    asked_ = language.parse(f"SELECT SUM({number}) AS s FROM data", description(PEOPLE), HUGE)
    shape = Shape.of(prepare(asked_, PEOPLE).parameters["shape"])
    (measure,) = shape.measures
    assert measure.number is not None
    found = shape.lowered(measure.number)
    assert (found.least * found.step, found.most * found.step) == (least, most)
