"""The plan of a joint total is read as it was written, and in no other way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hefu import canonical
from hefu.errors import Malformed
from hefu_connector.computing.computation import Aggregate
from hefu_connector.computing.plans import operation, read_plan
from hefu_connector.computing.suites import LINEAR, TOTALS
from hefu_connector.computing.total_plan import TotalPlan
from hefu_connector.session import Party, Session
from hefu_policies.words.terms import MPC_EVALUATE

from tests.connector.engine_world import SMALL, plan

ZERO = canonical.digest(b"")
PARTIES = tuple(Party(f"party-{at}", f"agr-{at}", f"cmp-{at}") for at in range(3))
SESSION = Session("ses-" + "a" * 26, PARTIES, "party-0", 2, ZERO, TOTALS.name, TOTALS.digest(), "asker")
ASKED = plan(Aggregate("count", "n"), Aggregate("sum", "s", "age"), loss=SMALL, by=("region",))


def made() -> TotalPlan:
    return TotalPlan(SESSION, ASKED, (1000, 2000), ZERO)


def test_it_reads_as_it_was_written() -> None:
    for each in (made(), replace(made(), query=replace(ASKED, resource="res-1"))):
        assert operation(each.body()) == MPC_EVALUATE
        assert read_plan(each.body()) == each
        assert TotalPlan.of(each.body()).body() == each.body()


@pytest.mark.parametrize(
    "change",
    [{"product": "prd-other"}, {"resource": "res-1"}, {"noise": [1]}, {"noise": [1, 0]}, {"noise": ["1", "2"]},
     {"question": "none"}, {"more": 1}, {"version": 2}, {"operation": "hefu:dpQuery"}],
)  # fmt: skip
def test_another_form_is_refused(change: dict[str, canonical.Json]) -> None:
    with pytest.raises(Malformed):
        TotalPlan.of({**made().body(), **change})


def test_another_suite_and_questions_without_a_total_are_refused() -> None:
    with pytest.raises(Malformed):
        replace(made(), session=replace(SESSION, suite=LINEAR.name))
    for wrong in (Aggregate("mean", "m", "age"), Aggregate("histogram", "h", "age", bins=3)):
        with pytest.raises(Malformed):
            replace(made(), query=replace(ASKED, aggregates=(wrong,)), noise=(1000,))


def test_masks_are_made_for_one_question_one_noise_and_one_run() -> None:
    other = replace(SESSION, honest=3)
    changed = (replace(made(), noise=(1000, 2001)), replace(made(), question="sha256:" + "1" * 64))
    for each in (*changed, replace(made(), session=other)):
        assert each.masking() != made().masking()
    assert replace(made(), query=replace(ASKED, product="prd-other")).masking() == made().masking()
