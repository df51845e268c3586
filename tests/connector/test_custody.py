"""What a recipient may do with a delivery: decided at each use, journalled first, deleted in time, and proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hefu.envelope import Statement, draft
from hefu.errors import HefuError, NotFound, Refused, Unauthenticated, Unavailable, Untrusted
from hefu.statements.delivery import DELETED, DENIED, USED, Deleted, Denied, Kept, Used
from hefu.statements.receipt import Link
from hefu_connector.computing.custody import Custody
from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.computing.ends import Scribe
from hefu_connector.computing.handover import Handover
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.ports import FINAL
from hefu_connector.shelves import OwnRequest
from hefu_connector.storage import Database, SqlDeliveries, SqlHanded, SqlJournal, SqlRequests
from hefu_policies.library import template
from hefu_policies.words.terms import DOWNLOAD, READ
from sqlalchemy import text

from tests.connector.world import CONSUMER, PROVIDER, SPACE, START, Space

PURPOSE = "dpv:ScientificResearch"
MASKED: dict[str, Any] = {
    "columns": ["patient", "age", "region"], "rows": 20, "count": 9, "until": "2027-11-21T00:00:00Z", "keep": "PT1H",
}  # fmt: skip


@dataclass
class Wire:
    """The way to the provider's connector, which may be away."""

    handover: Handover
    away: bool = False

    def report_deletion(self, provider: str, proof: Statement) -> None:
        assert provider == PROVIDER
        if self.away:
            raise Unavailable("peer.unreachable", peer=provider)
        self.handover.confirm(proof, CONSUMER)


@dataclass
class Stage:
    """Both connectors' stores, and one delivery that is here."""

    folder: Path
    policy: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space = Space(self.folder, policy=template("delivery-masked", MASKED | self.policy))
        self.theirs = Database.at(self.folder / "provider.db", SPACE)
        self.ours = Database.at(self.folder / "consumer.db", SPACE)
        self.space.journal = SqlJournal(self.theirs)  # type: ignore[assignment]
        self.space.enforcement.close()
        self.space.enforcement = self.space.build()
        self.requests, self.deliveries = SqlRequests(self.ours), SqlDeliveries(self.ours)
        self.journal, self.handed = SqlJournal(self.ours), SqlHanded(self.theirs)
        space = self.space
        self.handover = Handover(space.trust, space.journal.find, self.handed, space.clock)
        self.wire = Wire(self.handover)
        self.custody = self.build()
        self.name = self.deliver()

    def build(self) -> Custody:
        space = self.space
        scribe = Scribe(CONSUMER, "pharma-b-main", SPACE, space.signers[CONSUMER], space.clock, 0)
        return Custody(
            scribe, space.trust, space.contracts, self.requests, self.requests, self.deliveries,
            space.sealing[CONSUMER], self.wire,
        )  # fmt: skip

    def deliver(self) -> str:
        asked = DeliveryPlan("prd-admissions", ("patient", "age", "region"), "masked", 20).body()
        statement = self.space.request(plan=asked)
        name = ComputationRequest.of(statement).computation
        now = self.space.clock.now()
        self.requests.keep(OwnRequest(name, PROVIDER, ("agr-one",), statement.to_bytes(), now, now))
        run = self.space.enforcement.create(statement, CONSUMER)
        while run.state not in FINAL:
            run = self.space.enforcement.wait(run.id, CONSUMER, 10)
        assert run.receipt is not None
        self.requests.receive(name, run.state, run.receipt, run.parts, now, START + timedelta(hours=1))
        for index in range(run.parts):
            self.requests.add(name, index, self.space.enforcement.part(name, CONSUMER, index))
        return name

    def said(self) -> list[Statement]:
        """This participant's journal so far, each entry verified."""
        found = [Statement.parse(each) for each in self.journal.outbox(100)]
        for each in found:
            each.verify(self.space.directory.keys, CONSUMER)
        return found

    def proof(self, signer: str = CONSUMER, issuer: str = CONSUMER, **changes: Any) -> Statement:
        kept = self.custody.find(self.name).kept
        body = Deleted(kept, "asked", 1, 0, Link(0, "", "pharma-b-main")).body() | changes
        made = draft(DELETED, body, space=SPACE, issuer=issuer, at=self.space.clock.now())
        return made.sign(self.space.signers[signer], self.space.clock.now())


Make = Callable[..., Stage]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Stage] = []

    def one(**policy: Any) -> Stage:
        made.append(Stage(tmp_path, policy))
        return made[0]

    yield one
    for each in made:
        each.space.enforcement.close()
        each.ours.close()
        each.theirs.close()


def test_a_use_is_journalled_before_it_is_seen_and_names_its_clause_and_its_user_as_a_commitment(make: Make) -> None:
    stage = make()
    rows = stage.custody.use(stage.name, READ, PURPOSE, "li")
    assert len(rows.rows) == 20
    (statement,) = stage.said()
    used = Used.of(statement)
    assert (used.kept.delivery, used.action, used.clause) == (stage.name, READ, "urn:rule:read")
    assert (used.facts["purpose"], used.facts["count"]) == (PURPOSE, 1)
    assert str(used.commitments["user"]).startswith("hmac-sha256:")
    assert '"li"' not in statement.to_bytes().decode()


@pytest.mark.parametrize(
    ("action", "purpose"),
    [(READ, "dpv:Marketing"), (READ, "dpv:Unheard"), (DOWNLOAD, PURPOSE), ("odrl:distribute", PURPOSE)],
)
def test_what_the_contract_does_not_permit_is_refused_and_the_refusal_is_journalled(
    make: Make, action: str, purpose: str
) -> None:
    stage = make()
    with pytest.raises(Refused):
        stage.custody.use(stage.name, action, purpose, "li")
    (statement,) = stage.said()
    denied = Denied.of(statement)
    assert (denied.action, bool(denied.reasons)) == (action, True)
    assert stage.custody.find(stage.name).delivery.uses == 0


def test_it_may_leave_only_where_the_contract_says_so(make: Make) -> None:
    stage = make(export=True)
    assert stage.custody.use(stage.name, DOWNLOAD, PURPOSE, "li").rows
    assert Used.of(stage.said()[0]).clause == "urn:rule:export"


def test_nothing_is_used_where_it_cannot_be_journalled(make: Make) -> None:
    stage = make()
    with stage.ours.writing() as connection:
        connection.execute(text("DROP TABLE outbox"))
    with pytest.raises(Unavailable):
        stage.custody.use(stage.name, READ, PURPOSE, "li")
    assert stage.custody.find(stage.name).delivery.uses == 0


def test_its_time_is_over_at_once_also_before_the_loop_comes_by(make: Make) -> None:
    stage = make()
    stage.space.clock.move(3600)
    with pytest.raises(Refused, match="had to be deleted"):
        stage.custody.use(stage.name, READ, PURPOSE, "li")
    stage.custody.sweep()
    gone = stage.deliveries.find(stage.name)
    assert gone is not None
    assert gone.cause == "retention"
    assert not stage.requests.parts(stage.name)
    with pytest.raises(NotFound, match="deleted"):
        stage.custody.use(stage.name, READ, PURPOSE, "li")
    assert [each.type for each in stage.said()] == [DENIED, DELETED]


def test_a_clock_that_is_set_back_keeps_nothing_alive(make: Make) -> None:
    stage = make()
    stage.space.clock.move(-7200)  # the newest status list was signed after the delivery was due
    stage.space.trust.age = -(7200.0 + 3700)
    with pytest.raises(Refused, match="had to be deleted"):
        stage.custody.use(stage.name, READ, PURPOSE, "li")


def test_nothing_is_used_by_a_participant_that_lost_its_standing_or_knows_nothing_new(make: Make) -> None:
    stage = make()
    stage.space.trust.age = 3700  # older than the contract's offline window
    with pytest.raises(Refused):
        stage.custody.use(stage.name, READ, PURPOSE, "li")
    stage.space.trust.age = 1
    stage.space.revoke(CONSUMER)
    with pytest.raises(Unauthenticated):
        stage.custody.use(stage.name, READ, PURPOSE, "li")


def test_a_contract_that_ends_takes_its_deliveries_with_it(make: Make) -> None:
    stage = make()
    ended = draft("agreement.terminated", {"agreement": "agr-one"}, space=SPACE, issuer=PROVIDER, at=START)
    stage.space.contracts.terminate("agr-one", ended)
    with pytest.raises(Refused, match="ended"):
        stage.custody.use(stage.name, READ, PURPOSE, "li")
    stage.custody.sweep()
    gone = stage.deliveries.find(stage.name)
    assert gone is not None
    assert gone.cause == "agreement_ended"


def test_what_cannot_be_verified_any_more_is_deleted_when_it_is_due_all_the_same(make: Make) -> None:
    stage = make()
    stage.space.contracts.held.clear()
    stage.custody.sweep()
    kept = stage.deliveries.find(stage.name)
    assert kept is not None
    assert kept.proof is None
    stage.space.clock.move(2 * 3600)
    stage.custody.sweep()
    gone = stage.deliveries.find(stage.name)
    assert gone is not None
    assert gone.proof is not None
    assert Deleted.of(Statement.parse(gone.proof)).kept.agreements == ("agr-one",)
    assert not stage.requests.parts(stage.name)


def test_a_part_that_was_altered_on_disk_is_not_opened_and_counts_as_no_use(make: Make) -> None:
    stage = make()
    with stage.ours.writing() as connection:
        connection.execute(text("UPDATE received SET sealed = zeroblob(length(sealed))"))
    with pytest.raises(Untrusted):
        stage.custody.use(stage.name, READ, PURPOSE, "li")
    assert stage.custody.find(stage.name).delivery.uses == 0


def test_a_provider_that_is_away_has_its_proof_once_it_is_back_and_drops_its_own_parts(make: Make) -> None:
    stage = make()
    stage.custody.delete(stage.name)
    stage.wire.away = True
    with pytest.raises(Unavailable):
        stage.custody.report()
    stage.wire.away = False
    stage.custody.report()
    stage.custody.report()
    handed = stage.handed.find(stage.name)
    assert handed is not None
    assert handed.proof == stage.said()[0].to_bytes()
    with pytest.raises(NotFound):
        stage.space.enforcement.part(stage.name, CONSUMER, 0)


def test_only_the_recipients_own_word_about_its_own_delivery_is_a_proof(make: Make) -> None:
    stage = make()
    other = Kept("cmp-" + "a" * 26, ("agr-one",), "sha256:" + "0" * 64).body()
    wrong: list[tuple[Statement, str, type[HefuError]]] = [
        (stage.proof(), PROVIDER, Unauthenticated),  # another caller
        (stage.proof(signer=PROVIDER), CONSUMER, Untrusted),  # another key
        (stage.proof(signer="broker", issuer="broker"), "broker", NotFound),  # not its delivery
        (stage.proof(**other), CONSUMER, NotFound),
        (stage.proof(receipt="sha256:" + "0" * 64), CONSUMER, Untrusted),  # another receipt
    ]
    for proof, caller, kind in wrong:
        with pytest.raises(kind):
            stage.handover.confirm(proof, caller)
    handed = stage.handed.find(stage.name)
    assert handed is not None
    assert handed.proof is None
    assert stage.space.enforcement.part(stage.name, CONSUMER, 0)
    stage.handover.confirm(stage.proof(), CONSUMER)


def test_the_provider_drops_what_is_due_whatever_it_hears(make: Make) -> None:
    stage = make()
    stage.space.clock.move(3600)
    stage.handover.sweep()
    with pytest.raises(NotFound):
        stage.space.journal.part(stage.name, 0)


def test_uses_are_counted_where_a_contract_limits_them(make: Make) -> None:
    stage = make()
    for number in (1, 2, 3):
        stage.custody.use(stage.name, READ, PURPOSE, "li")
        assert Used.of(stage.said()[-1]).facts["count"] == number
    assert [each.type for each in stage.said()] == [USED] * 3
