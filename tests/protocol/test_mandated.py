"""Orders, openings and filing in a log: what regulators may, what must be obeyed, and what has to be filed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical
from hefu.checking import mandated, verify
from hefu.checking.checks import PUBLISHED, Facts, Findings
from hefu.checking.events import EVENTS
from hefu.checking.heads import HEAD
from hefu.envelope import draft
from hefu.errors import Malformed
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import AGREEMENT as AGREEMENT_TYPE
from hefu.evidence.record import FINALIZED, TERMINATED, Record
from hefu.membership import mandate
from hefu.membership.charter import CHARTERED, Charter
from hefu.membership.mandate import LIFTED, OPENED, SUSPENDED, Access, Lift, Order
from hefu.statements import delivery, doings, filing, notices, receipt
from hefu.statements.receipt import Receipt
from hefu_policies.states.negotiation import Move

from tests.protocol.small_log import AGREEMENT, BROKER, CONSUMER, PRODUCT, PROVIDER, START, SmallLog, public, signer

REGULATOR, LATE = "overseer", timedelta(minutes=11)  # beyond the contract's offline window of ten


@pytest.fixture
def log() -> SmallLog:
    made = SmallLog()
    made.signers[REGULATOR] = signer(REGULATOR)
    made.tell()
    made.certify(REGULATOR, "regulator")
    made.say(CHARTERED, Charter(1, regulators=(REGULATOR,)).body(), "root")
    return made


def facts(log: SmallLog) -> Facts:
    record = Record(log.space, public(log.signers["root"]))
    for index, each in enumerate(log.entries):
        record.add(BundleEntry.whole(index, each))
    assert record.faults == []
    return Facts.of(record)


def orders(log: SmallLog) -> Findings:
    return mandated.check_orders(facts(log))


def order(log: SmallLog, scope: str = "contract", subject: str = AGREEMENT, by: str = REGULATOR) -> str:
    return log.say(SUSPENDED, Order(scope, subject, "a complaint", "Article 1").body(), by).digest()


@pytest.mark.parametrize(
    ("scope", "subject"),
    [("contract", AGREEMENT), ("product", PRODUCT), ("participant", PROVIDER), ("participant", CONSUMER)],
)
def test_a_release_against_an_order_is_found_once_nobody_can_have_missed_it(
    log: SmallLog, scope: str, subject: str
) -> None:
    made = order(log, scope, subject)
    log.release("cmp-soon")  # the order may not have been seen yet
    assert orders(log).faults == []
    log.at += LATE
    log.release("cmp-late")
    (fault,) = orders(log).faults
    assert "against the order of entry" in fault
    log.say(LIFTED, Lift(made, "settled").body(), REGULATOR)
    log.release("cmp-after")
    assert len(orders(log).faults) == 1


def test_an_order_against_another_contract_stops_nothing(log: SmallLog) -> None:
    order(log, "contract", "agr-other")
    log.at += LATE
    log.release("cmp-late")
    assert orders(log).faults == []


def test_an_order_ends_with_its_time_and_with_its_regulators_place(log: SmallLog) -> None:
    until = log.at + LATE
    log.say(
        SUSPENDED, Order("contract", AGREEMENT, "a while", "Article 1", until.replace(microsecond=0)).body(), REGULATOR
    )
    order(log, "product", PRODUCT)
    log.say(CHARTERED, Charter(2).body(), "root")
    log.at += 2 * LATE
    log.release("cmp-late")
    assert orders(log).faults == []


def test_what_a_broker_logs_for_nobody_with_a_mandate_is_found(log: SmallLog) -> None:
    made = order(log)
    order(log, by=BROKER)
    log.say(OPENED, Access(AGREEMENT, (made,), "curious", "none").body(), PROVIDER)
    log.say(LIFTED, Lift(made, "by the broker").body(), BROKER)
    log.say(LIFTED, Lift(canonical.digest(b"x"), "of nothing").body(), REGULATOR)
    assert len(orders(log).faults) == 4
    log.at += LATE
    log.release("cmp-late")  # the forged lift lifted nothing
    assert len(orders(log).faults) == 5


def test_a_receipt_under_a_filed_agreement_files_and_an_agreement_is_filed_for_the_charters(log: SmallLog) -> None:
    keys = {REGULATOR: filing.public(X25519PrivateKey.generate())}
    log.say(CHARTERED, Charter(2, regulators=(REGULATOR,), filing=keys).body(), "root")
    assert mandated.check_filing(facts(log)).faults == []  # agreements of before are what they were
    log.at += LATE
    log.agree(id_="agr-unfiled")
    (fault,) = mandated.check_filing(facts(log)).faults
    assert "is not filed" in fault
    holders = keys | {name: filing.public(X25519PrivateKey.generate()) for name in (PROVIDER, CONSUMER)}
    body = log.agreement.body | {"agreement": "agr-filed", "filing": filing.draw("agr-filed", holders).body()}
    log.agreement = log.say("agreement", body, PROVIDER, PROVIDER, CONSUMER)
    log.finalize()
    made: Receipt = log.receipt("cmp-filed")
    log.journalled("computation.sealed", replace(made, filed=canonical.digest(b"sealed")))
    assert len(mandated.check_filing(facts(log)).faults) == 1
    log.release("cmp-not-filed")
    assert "files nothing" in mandated.check_filing(facts(log)).faults[1]


def test_what_runs_is_told_by_digests_and_changes_with_the_settings() -> None:
    one = doings.running("broker", ("hefu", "hefu_policies"), {}, {"address": "a"})
    assert one == doings.running("broker", ("hefu", "hefu_policies"), {}, {"address": "a"})
    assert one.settings != doings.running("broker", ("hefu",), {}, {"address": "b"}).settings
    assert len({*one.packages.values()}) == 2
    said = draft(doings.RUNNING, one.body(), space="demo", issuer=BROKER, at=START)
    assert doings.Running.of(said) == one
    done = doings.Administered("invited", "hospital-a")
    said = draft(doings.ADMINISTERED, done.body(), space="demo", issuer=BROKER, at=START)
    assert doings.Administered.of(said) == done
    with pytest.raises(ValueError, match="something else"):
        doings.Administered("something else")
    with pytest.raises(Malformed):
        doings.Administered.of(
            draft(doings.ADMINISTERED, done.body() | {"action": "x"}, space="demo", issuer=BROKER, at=START)
        )


def test_every_type_that_somebody_reads_stands_in_the_table() -> None:
    known = {
        *(f"negotiation.{each.value}" for each in Move), *notices.READERS, *delivery.READERS, *mandate.READERS,
        receipt.SEALED, receipt.REFUSED, receipt.FAILED, PUBLISHED, AGREEMENT_TYPE, FINALIZED, TERMINATED, HEAD,
    }  # fmt: skip
    listed = [each.type for each in EVENTS]
    assert known <= {*listed}
    assert len({*listed}) == len(listed)
    assert {each.check for each in EVENTS} <= {*verify._TITLES}
