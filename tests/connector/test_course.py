"""What a computation was decided on: no release without every constraint decided in each of its phases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hefu.errors import Refused
from hefu_connector.computing.course import Course
from hefu_policies import odrl
from hefu_policies.deciding.decision import Decision, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.words.terms import Kind, Phase

from tests.policies.policies import agreement, typed

UNTIL: Any = {
    "@id": "urn:c:until", "leftOperand": "odrl:dateTime", "operator": "lt",
    "rightOperand": typed("2027-01-01T00:00:00Z", Kind.TIME),
}  # fmt: skip
CONTRACT = compile_policy(odrl.load(agreement([{"@id": "urn:r:1", "action": "hefu:dpQuery", "constraint": [UNTIL]}])))
RUNNING = (Phase.ADMISSION, Phase.MONITOR, Phase.RELEASE)


def _decided(phase: Phase) -> Decision:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    return decide(CONTRACT, Request("hefu:dpQuery", "prd-1", "pharma-b"), {"dateTime": now}, phase)


def _course(*phases: Phase) -> Course:
    course = Course()
    for each in phases:
        course.note(_decided(each))
    return course


def test_what_was_decided_in_every_phase_may_leave() -> None:
    _course(*RUNNING).check_coverage("urn:r:1")


@pytest.mark.parametrize("skipped", RUNNING)
def test_a_phase_that_was_skipped_stops_the_release(skipped: Phase) -> None:
    with pytest.raises(Refused) as caught:
        _course(*(each for each in RUNNING if each is not skipped)).check_coverage("urn:r:1")
    assert caught.value.code == "policy.undecided"


def test_a_release_under_a_clause_that_nobody_decided_on_is_stopped() -> None:
    with pytest.raises(Refused, match="urn:r:other"):
        _course(*RUNNING).check_coverage("urn:r:other")
    with pytest.raises(Refused):
        Course().check_coverage("urn:r:1")
