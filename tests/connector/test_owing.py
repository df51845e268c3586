"""Duties under an agreement: before a use, after it, always; in whose word, until when, and what follows."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import HefuError, NotFound, Refused
from hefu.statements import receipt
from hefu.statements.notices import DEVIATED, Deviated, Fulfilled
from hefu.tlog.note import ED25519, VerifierKey
from hefu.tlog.proof import LogProof
from hefu_connector.afterwards import DutyState
from hefu_connector.brokerage import Progress
from hefu_connector.computing.asking import Asking
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.contracts import Pins
from hefu_connector.contracting.notices import Notices
from hefu_connector.contracting.owing import Owing, subject_of
from hefu_connector.desk.aftermath import Aftermath, Stand
from hefu_connector.peering import Computed
from hefu_connector.ports import FINAL, Account, ComputationState, Run
from hefu_connector.shelves import OwnRequest
from hefu_connector.storage import Database, SqlMarks, SqlRequests
from hefu_connector.storage.afterwards import SqlDuties, SqlNotices
from hefu_policies.budget import Charge, PrivacyLoss
from hefu_policies.library import template
from hefu_policies.states.negotiation import State

from tests.connector.world import CONSUMER, PROVIDER, SPACE, Space

AGREEMENT = "agr-one"
APPROVAL: Object = {"@id": "urn:d:approve", "action": "hefu:obtainApproval"}
AFTER: Object = {"leftOperand": "odrl:event", "operator": "gt", "rightOperand": {"@id": "odrl:policyUsage"}}
IN_A_DAY: Object = {
    "leftOperand": "odrl:delayPeriod", "operator": "lteq", "rightOperand": {"@value": "P1D", "@type": "xsd:duration"},
}  # fmt: skip
PENALTY: Object = {"@id": "urn:d:pay", "action": "odrl:compensate"}
INFORM: Object = {
    "@id": "urn:d:inform", "action": "odrl:inform", "constraint": [AFTER, IN_A_DAY], "consequence": [PENALTY],
}  # fmt: skip
ATTEST: Object = {
    "@id": "urn:d:attest",
    "action": "hefu:attest",
    "constraint": [
        {"leftOperand": "hefu:deadline", "operator": "lteq",
         "rightOperand": {"@value": "2026-11-23T00:00:00Z", "@type": "xsd:dateTime"}},
    ],
}  # fmt: skip


class Broker:
    """`brokerage.Notices`, `Negotiations` and `Log` of a broker that passes on whatever it gets."""

    def __init__(self) -> None:
        self.notices: list[Statement] = []

    def record(self, notice: Statement) -> Progress:
        if notice not in self.notices:
            self.notices.append(notice)
        return self.progress()

    def after(self, agreement: str, number: int) -> Sequence[Statement]:
        return self.notices[number:]

    def progress(self) -> Progress:
        return Progress("neg-one", State.FINALIZED, CONSUMER, PROVIDER, (), notices=len(self.notices))

    def negotiation(self, name: str) -> Progress:
        return self.progress()

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        raise NotFound("log.absent")


class Books:
    """Both sides' notices and the provider's books, over a world with a real enforcement point."""

    def __init__(
        self, folder: Path, duties: list[Object], obligations: list[Object], terms: Object | None = None
    ) -> None:
        self.space = Space(folder, policy=terms or policy(duties, obligations))
        self.database = Database.at(folder / "connector.db", SPACE)
        self.other = Database.at(folder / "other.db", SPACE)
        self.broker = Broker()
        self.provider = self.side(PROVIDER, self.database)
        self.consumer = self.side(CONSUMER, self.other)
        self.owing = Owing(
            PROVIDER, SqlDuties(self.database), self.space.contracts, self.provider, self.space.journal.find,
            lambda _: None, self.space.clock,
        )  # fmt: skip
        self.provider.when_heard(self.owing.heard)
        self.space.owing = self.owing
        self.space.enforcement = self.space.build()
        self.owing.begin(self.space.contract)

    def side(self, name: str, database: Database) -> Notices:
        space, broker = self.space, self.broker
        author = Author(name, f"{name}-main", SPACE, space.signers[name], space.clock)
        pins = Pins(SPACE, "broker", VerifierKey("demo/log", ED25519, bytes(32)))
        marks: Any = SqlMarks(database)
        there: Any = broker
        return Notices(author, space.trust, pins, space.contracts, there, there, there, marks, SqlNotices(database))

    def tell(self) -> None:
        """What each side said reaches the other."""
        for _ in range(2):
            for side in (self.provider, self.consumer):
                side.catch_up()
                side.settle(self.broker.progress(), self.space.contract)

    def says(self, side: Notices, duty: str, subject: str = "") -> None:
        side.fulfilled(self.space.contract, duty, subject, "")
        self.tell()

    def ask(self, epsilon: str = "0.01") -> Run:
        run = self.space.enforcement.create(self.space.request(epsilon), CONSUMER)
        while run.state not in FINAL:
            run = self.space.enforcement.wait(run.id, CONSUMER, 5)
        return run

    def subject(self, epsilon: str = "0.01") -> str:
        return subject_of(self.space.plan(epsilon), "dpv:ScientificResearch")

    def states(self) -> dict[tuple[str, str], DutyState]:
        return {(each.duty, each.subject): each.state for each in self.owing.of(AGREEMENT)}

    def alarms(self) -> list[Deviated]:
        return [Deviated.of(each) for each in self.consumer.of(AGREEMENT, DEVIATED)]

    def desk(self, name: str) -> Aftermath:
        """What people of one side look at."""
        held: Any = self.space.contracts
        journal = self.space.journal

        def asked() -> list[OwnRequest]:
            return [
                OwnRequest(each.id, PROVIDER, each.agreements, each.envelope, each.created, each.updated, each.state,
                           receipt=each.receipt, parts=each.parts)
                for each in journal.runs(100)
            ]  # fmt: skip

        def envelope(computation: str) -> bytes | None:
            found = journal.find(computation)
            return found.envelope if found is not None else None

        side = self.provider if name == PROVIDER else self.consumer
        return Aftermath(name, held, side, self.owing, asked, envelope)

    def close(self) -> None:
        self.space.enforcement.close()
        self.database.close()
        self.other.close()


def policy(duties: list[Object], obligations: list[Object]) -> Object:
    made: Any = copy.deepcopy(
        template(
            "research-statistics",
            {
                "purpose": "dpv:ScientificResearch", "epsilon": "0.5", "min_group": 5, "columns": ["age", "region"],
                "until": "2027-11-21T00:00:00Z", "count": 200, "budget": "1",
            },
        )
    )  # fmt: skip
    made["permission"][0]["duty"] += duties
    return {**made, **({"obligation": [*obligations]} if obligations else {})}


@pytest.fixture
def books(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    duties, obligations = request.param
    made = Books(tmp_path, duties, obligations)
    yield made
    made.close()


approved = pytest.mark.parametrize("books", [([APPROVAL], [])], indirect=True)
informed = pytest.mark.parametrize("books", [([INFORM], [])], indirect=True)
attested = pytest.mark.parametrize("books", [([], [ATTEST])], indirect=True)


def code(run: Run) -> str:
    assert run.receipt is not None
    return receipt.Refusal.of(Statement.parse(run.receipt)).code


@approved
def test_a_computation_waits_for_its_approval_which_serves_it_once(books: Books) -> None:
    refused = books.ask()
    assert (refused.state, code(refused)) == (ComputationState.REFUSED, "contract.duties")
    (waits,) = books.owing.of(AGREEMENT)
    assert (waits.duty, waits.subject, waits.computation) == ("urn:d:approve", books.subject(), refused.id)
    assert books.space.ledger.charged(refused.id) is None
    books.says(books.provider, "urn:d:approve", books.subject())
    assert books.ask("0.02").state is ComputationState.REFUSED  # another plan was not approved
    assert books.ask().state is ComputationState.RELEASED
    assert code(books.ask()) == "contract.duties"
    books.says(books.provider, "urn:d:approve", books.subject())
    assert books.ask().state is ComputationState.RELEASED


@approved
def test_an_approval_for_the_whole_agreement_serves_all(books: Books) -> None:
    books.says(books.provider, "urn:d:approve")
    assert [books.ask(each).state for each in ("0.01", "0.01", "0.02")] == [ComputationState.RELEASED] * 3


@approved
def test_a_consumer_does_not_approve_itself(books: Books) -> None:
    books.says(books.consumer, "urn:d:approve")
    books.says(books.consumer, "urn:d:approve", books.subject())
    assert code(books.ask()) == "contract.duties"


@approved
def test_of_many_requests_at_once_one_has_the_approval(books: Books) -> None:
    books.says(books.provider, "urn:d:approve", books.subject())
    outcomes: list[Run] = []
    threads = [threading.Thread(target=lambda: outcomes.append(books.ask())) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.state for each in outcomes].count(ComputationState.RELEASED) == 1
    assert {code(each) for each in outcomes if each.state is ComputationState.REFUSED} == {"contract.duties"}


@approved
def test_an_approval_is_not_lost_where_the_asset_has_nothing_left(books: Books) -> None:
    books.says(books.provider, "urn:d:approve", books.subject("0.4"))
    resource = books.space.contract.description.resources[0]
    asset = Account(f"asset/{resource.id}", resource.privacy.lifetime)
    books.space.ledger.reserve("cmp-of-another-contract", (asset,), Charge(PrivacyLoss.of_text("9.7")))
    assert code(books.ask("0.4")) == "budget.exhausted"  # the decision point knows the contract; the ledger, the asset
    (kept,) = [each for each in books.owing.of(AGREEMENT) if each.subject == books.subject("0.4")]
    assert (kept.state, kept.used) == (DutyState.FULFILLED, "")


@approved
def test_a_decision_made_before_the_approval_was_used_up_is_not_carried_out_after(books: Books) -> None:
    contract, subject = books.space.contract, books.subject()
    clause = str(books.owing.demands(contract)[-1].clause)
    books.says(books.provider, "urn:d:approve", subject)
    seen = books.owing.standing(contract, subject).performed
    assert seen == {"urn:d:approve"}
    assert books.ask().state is ComputationState.RELEASED
    assert books.ask().state is ComputationState.REFUSED  # and waits for the next approval
    with pytest.raises(Refused):
        books.owing.admit(contract, clause, seen, subject, "cmp-decided-too-early")


@informed
def test_what_is_owed_after_a_use_blocks_nothing_until_its_deadline(books: Books) -> None:
    run = books.ask()
    assert run.state is ComputationState.RELEASED
    assert books.states() == {("urn:d:inform", run.id): DutyState.PENDING}
    books.owing.step()
    assert books.states() == {("urn:d:inform", run.id): DutyState.ACTIVE}
    other = books.ask("0.02")
    books.says(books.consumer, "urn:d:inform", run.id)
    books.says(books.consumer, "urn:d:inform", other.id)
    books.space.clock.move(90_000)
    books.owing.step()
    assert set(books.states().values()) == {DutyState.FULFILLED}
    assert books.alarms() == []


@informed
def test_a_violated_duty_alarms_both_sides_and_blocks_until_it_and_its_consequence_are_performed(books: Books) -> None:
    run = books.ask()
    books.owing.step()
    books.space.clock.move(86_401)
    # Nobody looked yet: what is over its time blocks all the same.
    assert books.ask("0.02").state is ComputationState.REFUSED
    books.owing.step()
    books.tell()
    (alarm,) = books.alarms()
    assert (alarm.code, alarm.about, alarm.duty, alarm.subject) == ("duty.violated", CONSUMER, "urn:d:inform", run.id)
    assert [Deviated.of(each) for each in books.provider.of(AGREEMENT, DEVIATED)] == [alarm]
    assert books.states()["urn:d:pay", run.id] is DutyState.ACTIVE
    books.owing.step()
    assert len(books.broker.notices) == 1  # told once
    books.says(books.consumer, "urn:d:inform", run.id)
    assert books.ask("0.02").state is ComputationState.REFUSED  # the consequence is still owed
    books.says(books.consumer, "urn:d:pay", run.id)
    assert books.ask("0.02").state is ComputationState.REFUSED  # it is the provider who says that it was paid
    books.says(books.provider, "urn:d:pay", run.id)
    assert books.ask("0.02").state is ComputationState.RELEASED


@informed
def test_a_performance_for_what_owes_nothing_counts_for_nothing(books: Books) -> None:
    books.says(books.consumer, "urn:d:inform", "cmp-of-tomorrow")
    books.says(books.consumer, "urn:d:inform")
    books.says(books.consumer, "urn:d:unknown")
    assert books.states() == {}
    run = books.ask()
    books.owing.step()
    assert books.states() == {("urn:d:inform", run.id): DutyState.ACTIVE}


@informed
def test_where_nothing_was_released_nothing_is_owed(books: Books) -> None:
    now = books.space.clock.now()
    books.owing.release(books.space.contract, ["urn:d:inform"], "cmp-that-never-was", None)
    books.owing.step()
    assert books.states() == {("urn:d:inform", "cmp-that-never-was"): DutyState.VOID}
    assert books.space.clock.now() == now


@informed
def test_a_delivery_whose_deletion_is_not_proven_raises_an_alarm(books: Books) -> None:
    run = books.ask()
    due = books.space.clock.now() + timedelta(hours=1)
    books.owing.release(books.space.contract, [], run.id, due)
    books.owing.step()
    books.space.clock.move(3600 + 3600 - 1)  # the recipient may be cut off for the contract's offline window
    books.owing.step()
    assert books.alarms() == []
    books.space.clock.move(1)
    books.owing.step()
    books.tell()
    assert [each.code for each in books.alarms()] == ["delivery.unproven"]


@attested
def test_an_obligation_is_owed_from_the_beginning_and_violated_at_its_deadline(books: Books) -> None:
    assert books.states() == {("urn:d:attest", ""): DutyState.ACTIVE}
    assert books.ask().state is ComputationState.RELEASED
    books.space.clock.move(2 * 86_400)
    books.owing.step()
    assert books.ask().state is ComputationState.REFUSED
    books.says(books.consumer, "urn:d:attest")
    assert books.states() == {("urn:d:attest", ""): DutyState.FULFILLED}
    assert books.ask().state is ComputationState.RELEASED


@approved
def test_both_sides_see_what_waits_for_approval_and_a_person_gives_it_by_its_computation(books: Books) -> None:
    (dormant,) = [each for each in books.desk(CONSUMER).duties() if each.action == "hefu:obtainApproval"]
    assert (dormant.stand, dormant.on, dormant.word, dormant.when) == (Stand.DORMANT, PROVIDER, PROVIDER, "before")
    refused = books.ask()
    for who in (PROVIDER, CONSUMER):
        seen = [each for each in books.desk(who).duties(AGREEMENT) if each.stand is Stand.OWED]
        assert [(each.id, each.subject, each.computation) for each in seen] == [
            ("urn:d:approve", books.subject(), refused.id)
        ]
        assert [each.on for each in books.desk(who).waiting()] == ["you" if who == PROVIDER else PROVIDER]
    with pytest.raises(Refused, match="for hospital-a to say"):
        books.desk(CONSUMER).fulfil(AGREEMENT, "urn:d:approve", refused.id, "", "rui")
    done = books.desk(PROVIDER).fulfil(AGREEMENT, "hefu:obtainApproval", refused.id, "case 17", "li")
    assert (done.stand, done.subject) == (Stand.FULFILLED, books.subject())
    books.tell()
    assert [each.stand for each in books.desk(CONSUMER).duties() if each.subject] == [Stand.FULFILLED]
    assert books.ask().state is ComputationState.RELEASED


@informed
def test_a_consumer_sees_what_it_owes_and_what_follows_once_it_is_late(books: Books) -> None:
    run = books.ask()
    (owed,) = [each for each in books.desk(CONSUMER).duties() if each.stand is Stand.OWED]
    assert (owed.id, owed.subject, owed.when, owed.word) == ("urn:d:inform", run.id, "after", CONSUMER)
    assert owed.due is not None
    books.owing.step()
    books.space.clock.move(86_401)
    books.owing.step()
    books.tell()
    stands = {each.id: each.stand for each in books.desk(CONSUMER).duties() if each.subject}
    assert stands == {"urn:d:inform": Stand.VIOLATED, "urn:d:pay": Stand.OWED}
    assert [each.code for each in books.desk(CONSUMER).alarms()] == ["duty.violated"]


class Liar:
    """A provider that answers with a signed receipt of another computation."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def create(self, provider: str, request: Statement) -> Computed:
        assert self.run.receipt is not None
        return Computed(str(request.body["computation"]), self.run.state, Statement.parse(self.run.receipt), 1)


@approved
def test_a_signed_receipt_that_is_not_as_agreed_raises_an_alarm_and_a_forged_one_accuses_nobody(books: Books) -> None:
    space, heard = books.space, []
    author = Author(CONSUMER, "pharma-b-main", SPACE, space.signers[CONSUMER], space.clock)
    requests: Any = SqlRequests(books.other)
    there: Any = Liar(books.ask())
    held: Any = space.contracts
    asking = Asking(author, space.trust, held, there, requests, requests, space.sealing[CONSUMER], lambda _: PROVIDER)
    asking.when_differs(lambda contract, computation, fault: heard.append((contract.agreement.id, computation)))
    with pytest.raises(HefuError):
        asking.ask(space.plan("0.02"), AGREEMENT, "dpv:ScientificResearch", "rui")
    (own,) = requests.all(10)
    assert heard == [(AGREEMENT, own.id)]
    thief = Statement.parse(there.run.receipt)
    forged = replace(thief, signatures=(), payload=thief.payload).sign(space.signers[CONSUMER], space.clock.now())
    there.run = replace(there.run, receipt=forged.to_bytes())
    with pytest.raises(HefuError):
        asking.ask(space.plan("0.03"), AGREEMENT, "dpv:ScientificResearch", "rui")
    assert len(heard) == 1


@attested
def test_a_forged_word_is_not_heard(books: Books) -> None:
    held = books.space.contract
    body = Fulfilled(AGREEMENT, held.statement.digest(), "urn:d:attest").body()
    author = Author(CONSUMER, "x", SPACE, books.space.signers[PROVIDER], books.space.clock)
    books.broker.notices.append(author.say("agreement.fulfilled", body))
    other = Fulfilled(AGREEMENT, held.description_statement.digest(), "urn:d:attest").body()
    author = Author(CONSUMER, "x", SPACE, books.space.signers[CONSUMER], books.space.clock)
    books.broker.notices.append(author.say("agreement.fulfilled", other))
    books.tell()
    assert books.states() == {("urn:d:attest", ""): DutyState.ACTIVE}
    with pytest.raises(HefuError):
        books.provider.fulfilled(held, "urn:d:attest" * 50, "", "")
