"""Exact aggregates: what is told, how it is rounded, and what is withheld because of what was told before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.errors import HefuError, Malformed, Refused, Untrusted
from hefu_connector.computing import guard
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.computing.groups import GroupKey
from hefu_connector.computing.predicates import All, Compare, In, IsNull, Literal, Not, Predicate
from hefu_connector.engines.exact import counting as exact_counting
from hefu_connector.engines.exact.engine import Exact
from hefu_connector.engines.isolation import Work, is_safe
from hefu_connector.engines.ranks import Class, Ranks
from hefu_connector.ports import Prepared, Values
from hefu_policies.budget import NO_LOSS, Charge
from hefu_policies.goods.resource import Resource
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connector import engine_world as small

COUNT, TOTAL, MEAN = Aggregate("count", "n"), Aggregate("sum", "total", "income"), Aggregate("mean", "mean", "age")
NORTH = Compare("region", "=", Literal("text", "north"))


def plan(*aggregates: Aggregate, where: Predicate | None = None, by: Sequence[GroupKey] = ()) -> Object:
    return ExactPlan(Plan("prd-people", aggregates or (COUNT,), NO_LOSS, where, tuple(by))).body()


class Town:
    """An asset with its history, as the enforcement point keeps it."""

    def __init__(self, folder: Path, rows: Sequence[small.Row], of: Resource | None = None) -> None:
        self.path = small.write(folder / "people.parquet", rows)
        self.resource = of or small.resource(contribution=1)
        self.history: list[Any] = []
        self.standing: Any = ""
        self.form, self.layout = "parquet", dict[str, Any]()

    def prepare(self, asked: Object, group: int = 5, rounding: str = "0") -> Prepared:
        return Exact().prepare(asked, self.resource, group, Decimal(rounding) or None)

    def run(self, prepared: Prepared) -> Object:
        parameters = {**prepared.parameters, "history": [*self.history], "standing": self.standing}
        found = exact_counting.run(parameters, self.path, self.form, self.layout)
        self.standing = found.pop("standing")
        return self.run(prepared) if found == {"behind": True} else found

    def ask(self, asked: Object, group: int = 5, rounding: str = "0") -> list[tuple[str | None, ...]]:
        prepared = self.prepare(asked, group, rounding)
        values: Values = Exact().read(self.run(prepared), prepared)
        assert prepared.disclosing is not None
        self.history.append({"question": prepared.disclosing.question, "group": prepared.disclosing.group,
                             **(values.told or {})})  # fmt: skip
        return [*guard.check(values, prepared).values.rows]


def people(**groups: int) -> list[small.Row]:
    """So many people of each ``region_active``, every one a unit."""
    found: list[small.Row] = []
    for name, many in groups.items():
        region, active = name.split("_")
        found += [
            {"person": f"{name}{at}", "region": region, "active": active == "yes", "age": 20 + at % 50, "income": 10.0,
             "grade": 1 + at % 2}
            for at in range(many)
        ]  # fmt: skip
    return found


def test_figures_are_exact_and_cells_below_the_minimum_are_withheld_as_are_empty_ones(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=40, south_yes=4))
    assert town.ask(plan(by=["region"])) == [("north", "40"), ("south", None), ("east", None)]


def test_a_price_is_an_exact_release_without_epsilon_and_its_label_stands_in_every_mechanism(tmp_path: Path) -> None:
    prepared = Town(tmp_path, []).prepare(plan(COUNT, MEAN), rounding="10")
    assert prepared.charge == Charge(NO_LOSS, 1)
    assert (prepared.kind, {each.mechanism for each in prepared.mechanisms}) == (
        "Aggregate", {"rounding-without-differential-privacy"}
    )  # fmt: skip


def test_counts_and_sums_are_rounded_to_the_contracts_step_the_same_way_every_time(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=43))
    assert town.ask(plan(COUNT, TOTAL), rounding="10") == [("40", "430")] == town.ask(plan(COUNT, TOTAL), rounding="10")
    again = plan(COUNT, TOTAL, where=Not(Compare("age", "<", Literal("integer", "0"))))
    assert town.ask(again, rounding="10") == [("40", "430")]


def test_a_mean_is_the_quotient_of_two_rounded_figures(tmp_path: Path) -> None:
    rows = people(north_yes=43)
    true = Fraction(sum(each["age"] for each in rows), 43)
    town = Town(tmp_path, rows)
    prepared = town.prepare(plan(MEAN), rounding="10")
    values = Exact().read(town.run(prepared), prepared)
    ((mean,),), ((width,),) = values.rows, values.half_widths
    assert Fraction(mean) == round(true * 43 / 10) * 10 / Fraction(40)
    assert abs(Fraction(mean) - true) <= Fraction(width)


def test_the_total_of_a_table_with_a_withheld_cell_is_withheld_after_it(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=40, south_yes=30, east_yes=2))
    assert town.ask(plan(by=["region"]))[2] == ("east", None)
    with pytest.raises(Refused, match="single out"):
        town.ask(plan())


def test_a_second_cell_is_withheld_where_the_total_is_known_and_stays_so(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=40, south_yes=30, east_yes=2))
    assert town.ask(plan()) == [("72",)]
    first = town.ask(plan(by=["region"]))
    assert first == [("north", "40"), ("south", None), ("east", None)]
    assert town.ask(plan(by=["region"])) == first


@pytest.mark.parametrize("group", [3, 5, 20])
def test_a_filter_that_leaves_out_too_few_is_refused_after_its_total(tmp_path: Path, group: int) -> None:
    rows = people(north_yes=100, north_no=group - 1, south_no=group)
    town = Town(tmp_path, rows)
    town.ask(plan(where=NORTH), group)
    with pytest.raises(Refused, match="single out"):
        town.ask(plan(where=All((NORTH, Compare("active", "=", Literal("boolean", "true"))))), group)
    town.ask(plan(where=In("region", (Literal("text", "north"), Literal("text", "south")))), group)


def test_a_tracker_that_pads_a_small_group_gets_nothing_of_it(tmp_path: Path) -> None:
    """Denning's tracker: count(A or B) + count(A or not B) - count(all) is count(A), however small A is."""
    town = Town(tmp_path, people(north_yes=2, south_yes=50, south_no=50))
    few = Compare("region", "=", Literal("text", "north"))
    b = Compare("grade", "=", Literal("integer", "1"))
    told = 0
    for where in (None, _any(few, b), _any(few, Not(b))):
        try:
            town.ask(plan(where=where))
            told += 1
        except Refused:
            pass
    assert told == 2


def test_the_margins_of_a_table_do_not_give_its_withheld_inside(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=30, north_no=3, south_yes=40, south_no=50, east_yes=60, east_no=70))
    town.ask(plan(by=["region"]))
    town.ask(plan(by=["active"]))
    inside = {(region, active): n for region, active, n in town.ask(plan(by=["region", "active"]))}
    assert inside["north", "false"] is None
    # Its row, its column and the corner opposite: one alone would follow from the margins.
    assert sum(each is None for each in inside.values()) >= 4
    assert inside["east", "false"] or inside["south", "false"]


def test_absent_values_are_no_way_around(tmp_path: Path) -> None:
    """COUNT(*) - COUNT(column) counts who has no value."""
    rows = people(north_yes=40)
    town = Town(tmp_path, [{**each, "income": None} if at < 2 else each for at, each in enumerate(rows)])
    with pytest.raises(Refused, match="single out"):
        town.ask(plan(COUNT, Aggregate("count", "known", "income")))
    assert town.ask(plan()) == [("40",)]
    with pytest.raises(Refused, match="single out"):
        town.ask(plan(TOTAL))
    assert town.ask(plan(where=IsNull("income"))) == [(None,)]


def test_a_sum_that_one_unit_dominates_is_withheld_and_its_neighbour_where_the_total_is_known(tmp_path: Path) -> None:
    rows = people(north_yes=30, south_yes=30, east_yes=30)
    rows[0] = {**rows[0], "income": 200.0}
    rows = [{**each, "income": 0.25} if each["region"] == "north" and at else each for at, each in enumerate(rows)]
    town = Town(tmp_path, rows)
    assert town.ask(plan(TOTAL)) == [(str(Decimal("807.25")),)]
    told = dict(town.ask(plan(TOTAL, by=["region"])))
    assert told["north"] is None
    assert sum(each is None for each in told.values()) == 2
    assert dict(town.ask(plan(by=["region"]))) == {"north": "30", "south": "30", "east": "30"}


def test_a_dominated_sum_that_nobody_asked_for_does_not_follow_from_a_total_and_its_parts(tmp_path: Path) -> None:
    rows = [{**each, "income": 0.25} for each in people(north_yes=30, south_yes=30, east_yes=30)]
    rows[0] = {**rows[0], "income": 200.0}
    rows = [{**each, "income": 10.0} if each["region"] != "north" else each for each in rows]
    others = [Compare("region", "=", Literal("text", name)) for name in ("south", "east")]
    one, two = Town(tmp_path, rows), Town(tmp_path, rows)
    assert one.ask(plan(TOTAL)) == [("807.25",)]
    with pytest.raises(Refused, match="single out"):
        one.ask(plan(TOTAL, where=Not(NORTH)))
    for each in others:
        assert two.ask(plan(TOTAL, where=each)) == [("300",)]
    with pytest.raises(Refused, match="single out"):
        two.ask(plan(TOTAL))


def test_the_units_of_a_group_are_counted_and_not_its_rows(tmp_path: Path) -> None:
    rows = [{"person": f"p{at % 4}", "region": "north", "age": 30} for at in range(100)]
    town = Town(tmp_path, rows, small.resource(contribution=25))
    assert town.ask(plan()) == [(None,)]


def test_answers_under_a_strict_and_a_lax_minimum_are_each_held_to_what_they_promise(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=100, north_no=10))
    town.ask(plan(), group=20)
    assert town.ask(plan(where=Compare("active", "=", Literal("boolean", "true"))), group=5) == [("100",)]
    with pytest.raises(Refused, match="single out"):
        town.ask(plan(where=Compare("active", "=", Literal("boolean", "true"))), group=20)


def test_a_question_without_a_minimum_group_or_of_another_form_is_not_answered(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no smallest group"):
        Exact().prepare(plan(), small.resource(), None)
    for change in (
        {"loss": {"epsilon_nano": 1, "delta_femto": 0}},
        {"version": 2},
        {"version": 3},
        {"operation": "hefu:dpQuery"},
    ):
        with pytest.raises(Malformed):
            Exact().prepare({**plan(), **change}, small.resource(), 5)


def test_a_contract_that_asks_for_groups_of_one_is_held_to_three(tmp_path: Path) -> None:
    assert Town(tmp_path, people(north_yes=2)).ask(plan(), group=1) == [(None,)]


@pytest.mark.parametrize("change", [{"told": [0, 1]}, {"figures": [["41"]]}, {"units": [4]}, {"more": 1}])
def test_what_a_worker_returns_is_not_believed(tmp_path: Path, change: Object) -> None:
    town = Town(tmp_path, people(north_yes=40))
    prepared = town.prepare(plan(), rounding="5")
    output = town.run(prepared)
    try:
        passed = guard.check(Exact().read({**output, **change}, prepared), prepared)
    except Untrusted:
        return
    assert passed.suppressed == 1  # a group below the minimum is blanked, whatever the worker thought of it


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_combination_of_safe_sets_stands_for_a_group_below_the_minimum(data: st.DataObject) -> None:
    """Against all of them: the least support of the row space, by trying every set of atoms."""
    count, least = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 5))
    units = [data.draw(st.frozensets(st.integers(0, 12), min_size=1, max_size=6)) for _ in range(count)]
    sets = data.draw(st.lists(st.frozensets(st.integers(0, count - 1), min_size=1), min_size=1, max_size=5))
    few = {at: each for at, each in enumerate(units) if len(each) < least}
    if is_safe(sets, dict(few), least):
        assert _smallest(sets, units) >= least


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_ranks_by_bits_call_nothing_safe_that_is_not_and_everything_that_single_ranks_do(data: st.DataObject) -> None:
    count, least = data.draw(st.integers(2, 7)), data.draw(st.integers(2, 5))
    units = [data.draw(st.frozensets(st.integers(0, 14), min_size=1, max_size=6)) for _ in range(count)]
    some = st.frozensets(st.integers(0, count - 1), min_size=1)
    old, new = data.draw(st.lists(some, max_size=5)), data.draw(st.lists(some, min_size=1, max_size=4))
    few = {at: each for at, each in enumerate(units) if len(each) < least}
    classes = [
        Class(_bits(at in each for each in old), _bits(at in each for each in new), few.get(at)) for at in range(count)
    ]
    found = Ranks(classes, len(old), least, Work()).holds((1 << len(new)) - 1)
    assert not found or _smallest([*old, *new], units) >= least
    assert found or not is_safe([*old, *new], few, least)


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << at for at, flag in enumerate(flags) if flag)


def _smallest(sets: Sequence[frozenset[int]], units: Sequence[frozenset[int]]) -> int:
    full, found = _rank(sets, range(len(units))), []
    for many in range(1, len(units) + 1):
        for kept in combinations(range(len(units)), many):
            if _rank(sets, [at for at in range(len(units)) if at not in kept]) < full:
                found.append(len(frozenset().union(*(units[at] for at in kept))))
    return min(found)


def _rank(sets: Sequence[frozenset[int]], columns: Sequence[int]) -> int:
    rows, rank = [[Fraction(at in each) for at in columns] for each in sets], 0
    for column in range(len(columns)):
        pivot = next((at for at in range(rank, len(rows)) if rows[at][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for at in range(rank + 1, len(rows)):
            factor = rows[at][column] / rows[rank][column]
            rows[at] = [one - factor * other for one, other in zip(rows[at], rows[rank], strict=True)]
        rank += 1
    return rank


def _any(*items: Predicate) -> Predicate:
    from hefu_connector.computing.predicates import Any as AnyOf

    return AnyOf(items)


def test_refusals_tell_nothing_but_their_reason() -> None:
    assert "minimum" in HefuError.public(Refused("exact.differencing"))
