"""A regulator asks its questions of a real space's log, files a report, and takes one contract home as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hefu.v1 import computation_pb2
from hefu_audit.questions.table import QUESTIONS
from hefu_space import harness
from hefu_space.space import Space

from tests.journeys import acts
from tests.journeys.acts import Deal

RELEASED = computation_pb2.Computation.STATE_RELEASED


@pytest.mark.timeout(400)
def test_the_questions_are_answered_on_a_real_log_and_a_contract_goes_home_as_one_file(
    space: Space, regulator: Path, deal: Deal, tmp_path: Path
) -> None:
    made = acts.query(deal)
    assert made.computation.state == RELEASED
    assert harness.until(lambda: not acts.unsent(deal.provider), 20)
    here = ("--dir", str(regulator))
    fetched = harness.run(("audit", "fetch", *here))
    assert fetched.ok, fetched.error or fetched.document

    (asset,) = [each.id for each in deal.description.resources]
    # One process for all: the subjects are those of what was released last, which is ours.
    asked = harness.run(("audit", "all", *here))
    assert asked.ok, [(each["question"], each["findings"]) for each in asked.document["answers"] if each["findings"]]
    answers: dict[str, Any] = {each["question"]: each for each in asked.document["answers"]}
    assert {*answers} == {each.name for each in QUESTIONS if each.answer is not None}
    assert answers["history"]["parameters"] == {"agreement": deal.agreement}
    assert {each["checkpoint"]["root"] for each in answers.values()} == {answers["whole"]["checkpoint"]["root"]}
    kinds = [row[3] for row in answers["history"]["rows"]]
    assert kinds[0] == "product.published"
    assert {"negotiation.requested", "agreement", "agreement.finalized", "computation.sealed"} <= {*kinds}
    assert any(row[0] == deal.agreement for row in answers["budget"]["rows"])
    assert answers["usage"]["of"] >= 1
    assert answers["in-force"]["policies"] == [answers["in-force"]["parameters"]["policy"]]
    assert answers["lineage"]["parameters"]["computation"] == made.computation.name.rpartition("/")[2]

    report = tmp_path / "budget.html"
    assert harness.run(("audit", "budget", asset, "--report", str(report), *here)).ok
    assert harness.run(("audit", "report", "verify", str(report), "--space", str(space.space_file))).ok
    bundle = tmp_path / "contract.zip"
    taken = harness.run(("audit", "bundle", deal.agreement, "--out", str(bundle), *here))
    assert taken.ok, taken.error or taken.document
    verified = harness.run(("verify", str(bundle), "--space", str(space.space_file)))
    assert verified.ok, verified.document
    checks = {each["name"]: each["seen"] for each in verified.document["checks"]}
    assert checks["inclusion"] > 5
    assert checks["receipts"] >= 1
