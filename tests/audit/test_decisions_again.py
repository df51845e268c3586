"""An auditor decides again from what each receipt says it knew, and finds what the contract does not permit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hefu.checking.verify import verify
from hefu.envelope import Statement
from hefu.evidence.bundle import open_bundle
from hefu.statements.delivery import USED, Kept, Used
from hefu.statements.receipt import Link, Released, Spent
from hefu.times import write_time
from hefu_policies.library import template
from hefu_policies.proving.evidence import CHECK
from hefu_policies.proving.replay import write_facts

from tests.protocol.small_log import AGREEMENT, CONSUMER, PROVIDER, SmallLog

COMMITMENT = "hmac-sha256:" + "0" * 64
PURPOSE = "dpv:ScientificResearch"


def faults(log: SmallLog, folder: Path, *also: str) -> tuple[str, ...]:
    """What the check found; no other check fails but those named."""
    with open_bundle(log.bundle(folder / "bundle.zip")) as bundle:
        report = verify(bundle, above=(CHECK,))
    assert {*report.failed()} <= {"policies", *also}, report.document()
    (found,) = [each for each in report.results if each.name == "policies"]
    assert found.seen > 0
    return found.faults


def told(log: SmallLog) -> SmallLog:
    log.tell()
    return log


def release(log: SmallLog, facts: Any = None, **changes: Any) -> None:
    made = log.receipt("cmp-more")
    log.journalled("computation.sealed", replace(made, facts={**made.facts, **(facts or {})}, **changes))


def test_releases_that_their_contract_permits_pass(tmp_path: Path) -> None:
    log = told(SmallLog())
    release(log)
    assert faults(log, tmp_path) == ()


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"purpose": "dpv:Marketing"}, "refused"),
        ({"column": ["age", "name"]}, "refused"),
        ({"minGroup": 4}, "refused"),
        ({"count": 1001}, "refused"),
        ({"operation": "hefu:aggregateQuery"}, "refused"),
        ({"epsilonBudget": "1000.1"}, "refused"),
        ({"recipient": "somebody"}, "another recipient"),
        ({"outputKind": "Histogram"}, "another outputKind"),
        ({"outputRows": 2}, "another outputRows"),
        ({"epsilon": "0.2"}, "another epsilon"),
        ({"dateTime": "2026-11-21T09:30:00Z"}, "another time"),
        ({"hidden": 1}, "hidden"),
    ],
)
def test_a_release_that_its_facts_do_not_permit_is_found(tmp_path: Path, facts: Any, word: str) -> None:
    log = told(SmallLog())
    release(log, facts)
    found = faults(log, tmp_path)
    assert found
    assert any(word in each for each in found), found


def test_a_release_without_facts_is_found(tmp_path: Path) -> None:
    log = told(SmallLog())
    log.journalled("computation.sealed", replace(log.receipt("cmp-more"), facts={}))
    assert any("does not say what was done" in each for each in faults(log, tmp_path))


@pytest.mark.parametrize("member", ["strategy", "clause"])
def test_a_release_under_another_clause_than_permits_it_is_found(tmp_path: Path, member: str) -> None:
    log = told(SmallLog())
    (under,) = log.receipt("cmp-more").agreements
    release(log, agreements=(replace(under, **{member: "urn:other"}),))
    assert len(faults(log, tmp_path)) == 1


def test_a_purpose_that_was_not_asked_for_is_found(tmp_path: Path) -> None:
    log = told(SmallLog())
    asked: Any = {"computation": "cmp-more", "agreements": [AGREEMENT], "purpose": "dpv:AcademicResearch"}
    statement = log.say("computation.requested", asked, CONSUMER)
    release(log, request=statement.digest())
    assert any("another purpose" in each for each in faults(log, tmp_path))


# ---------------------------------------------------------------- deliveries


def delivering(name: str = "delivery-sampled", **terms: Any) -> SmallLog:
    common: Any = {
        "purpose": PURPOSE, "columns": ["age", "region"], "until": "2036-01-01T00:00:00Z", "count": 5, "rows": 10,
        "keep": "P1D",
    }  # fmt: skip
    extra: Any = {"share": "0.1"} if name == "delivery-sampled" else {}
    log = SmallLog(policy=template(name, common | extra | terms))
    for one, role in (("broker", "operator"), (PROVIDER, "provider"), (CONSUMER, "consumer")):
        log.certify(one, role)
    log.publish()
    log.agree()
    log.finalize()
    return log


def deliver(log: SmallLog, **facts: Any) -> Statement:
    due = facts.pop("due", timedelta(days=1))
    known = write_facts({
        "operation": "hefu:deliver", "purpose": PURPOSE, "column": frozenset({"age"}), "epsilon": Decimal(0),
        "delta": Decimal(0), "count": 1, "dateTime": log.at, "outputKind": "Rows", "outputRows": 3,
        "recipient": CONSUMER, "processing": "sampled", "share": Decimal("0.1"),
    })  # fmt: skip
    known |= {"deadline": write_time(log.at + due)} | facts
    rules = log.strategy()["policy"]["permission"]  # type: ignore[index,call-overload]
    clause = next(each["@id"] for each in rules if each["action"] == "hefu:deliver")  # type: ignore[index,call-overload,union-attr]
    made = log.receipt("cmp-d")
    (under,) = made.agreements
    made = replace(
        made, charge=Spent(0, 0, 1), mechanisms=(), engine="delivery", output=Released("Rows", 3, 0), facts=known,
        commitments={"user": COMMITMENT, "content": COMMITMENT}, agreements=(replace(under, clause=str(clause)),),
    )  # fmt: skip
    return log.journalled("computation.sealed", made)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({}, ""),
        ({"share": "0.2"}, "refused"),
        ({"column": ["age", "weight"]}, "refused"),
        ({"purpose": "dpv:Marketing"}, "refused"),
        ({"due": timedelta(days=2)}, "kept longer"),
    ],
)
def test_what_a_delivery_breaks_of_its_contract_is_found(tmp_path: Path, facts: Any, word: str) -> None:
    log = delivering()
    deliver(log, **facts)
    found = faults(log, tmp_path)
    assert bool(found) is bool(word)
    assert all(word in each for each in found), found


def _used(log: SmallLog, sealed: Statement, clause: str, **facts: Any) -> None:
    known = write_facts({
        "purpose": PURPOSE, "column": frozenset({"age"}), "processing": "sampled", "outputKind": "Rows",
        "outputRows": 3, "count": 1, "dateTime": log.at, "recipient": CONSUMER,
    })  # fmt: skip
    kept = Kept("cmp-d", (AGREEMENT,), sealed.digest())
    told = Used(kept, "odrl:read", clause, known | facts, {"user": COMMITMENT})
    log.say(USED, told.linked(Link(0, "", CONSUMER)).body(), CONSUMER)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({}, ""),
        ({"purpose": "dpv:Marketing"}, "refused"),
        ({"dateTime": "2026-11-21T20:00:00Z"}, "another time"),
        ({"clause": "urn:other"}, "urn:other"),
    ],
)
def test_a_use_that_its_facts_do_not_permit_is_found(tmp_path: Path, facts: Any, word: str) -> None:
    log = delivering()
    sealed = deliver(log)
    rules: Any = log.strategy()["policy"]["permission"]  # type: ignore[index,call-overload]
    read = next(each["@id"] for each in rules if each["action"] == "odrl:read")
    _used(log, sealed, facts.pop("clause", read), **facts)
    found = faults(log, tmp_path, "deliveries")
    assert bool(found) is bool(word)
    assert all(word in each for each in found), found


def test_a_contract_that_is_none_is_found_once(tmp_path: Path) -> None:
    log = SmallLog(whole=False)
    log.tell()
    with open_bundle(log.bundle(tmp_path / "bundle.zip")) as bundle:
        report = verify(bundle, above=(CHECK,))
    (found,) = [each for each in report.results if each.name == "policies"]
    assert len(found.faults) == 1
    assert found.unchecked == 2
