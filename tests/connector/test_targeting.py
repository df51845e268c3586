"""A target error: the least loss that reaches it is picked, or it is said why none does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hefu.errors import Malformed, Refused
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.workbench.targeting import Target, least, offered
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.resource import Fact

from tests.connector.engine_world import description, plan, prepare, resource

COUNT, SUM, MEAN = Aggregate("count", "n"), Aggregate("sum", "s", "income"), Aggregate("mean", "m", "age")
SOURCE = replace(resource(), facts=(Fact("rows", "30000"),))
MOST = PrivacyLoss(10**10)


def widths(asked: Plan, loss: PrivacyLoss) -> dict[str, Decimal]:
    found = prepare(replace(asked, loss=loss)).mechanisms
    return {each.column: Decimal(each.half_width) for each in found if each.half_width}


@pytest.mark.parametrize("most", [MOST, PrivacyLoss(0, 0, 10**10)])
def test_an_absolute_error_is_reached_and_a_tenth_less_would_not_reach_it(most: PrivacyLoss) -> None:
    asked = plan(COUNT, by=("region",))
    found = least(asked, SOURCE, Target.of_text("50"), None, most)
    assert found.currency == most.currency
    assert widths(asked, found)["n"] <= 50
    less = PrivacyLoss(found.epsilon_nano * 9 // 10, 0, found.rho_nano * 8 // 10)
    assert widths(asked, less)["n"] > 50


def test_per_cent_stand_beside_the_declared_rows_of_a_cell_of_average_size() -> None:
    asked = plan(COUNT, SUM, by=("region",))
    found = least(asked, SOURCE, Target.of_text("2%"), None, MOST)
    told = widths(asked, found)
    # 30,000 rows in three groups: 2 % of 10,000 rows, and of 10,000 times the largest income of 200.
    assert told["n"] <= 200
    assert told["s"] <= 200 * 200
    twice = least(asked, SOURCE, Target.of_text("1%"), None, MOST)
    assert 1.9 < twice.epsilon_nano / found.epsilon_nano < 2.1


def test_a_mean_is_aimed_at_by_its_range_and_a_minimum_group_takes_its_share() -> None:
    asked = plan(MEAN, by=("region",))
    found = least(asked, SOURCE, Target.of_text("1%"), None, MOST)
    assert least(asked, SOURCE, Target.of_text("1%"), 20, MOST).epsilon_nano > found.epsilon_nano
    same = least(asked, SOURCE, Target.of_text("1"), None, MOST)  # 1 % of a range of 100 years
    assert same.epsilon_nano == pytest.approx(found.epsilon_nano, rel=0.02)


def test_why_there_is_none_is_said() -> None:
    for source, text, code in (
        (SOURCE, "0.01%", "plan.target_error"),
        (resource(), "2%", "plan.target_rows"),
    ):
        with pytest.raises(Refused) as refusal:
            least(plan(COUNT), source, Target.of_text(text), None, PrivacyLoss(5 * 10**8))
        assert refusal.value.code == code
    with pytest.raises(Malformed):
        Target.of_text("-1%")


def test_the_most_is_what_the_offers_allow_for_one_release() -> None:
    assert offered(description()) == (PrivacyLoss(5 * 10**8), 20)
