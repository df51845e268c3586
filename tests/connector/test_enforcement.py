"""The only door to the data: what it lets through, in which order, and what it leaves behind when it does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hefu import canonical
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unauthenticated, Unavailable, Untrusted
from hefu.identity import read_bytes
from hefu.keeping import keys
from hefu.statements import receipt
from hefu_connector.computing import guard
from hefu_connector.ports import FINAL, Account, ComputationState, Run, Turn
from hefu_policies.budget import NOTHING, Budget, Charge, PrivacyLoss

from tests.connector.world import CONSUMER, PROVIDER, SPACE, Space


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    made = Space(tmp_path)
    yield made
    made.workers.gate.set()
    made.enforcement.close()


def ask(space: Space, statement: Statement) -> Run:
    run = space.enforcement.create(statement, CONSUMER)
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    return run


def spent(space: Space) -> Charge:
    agreement = space.contract.agreement
    return space.ledger.balance(Account(f"agreement/{agreement.id}", agreement.budget)).charged


def reasons(run: Run) -> tuple[str, ...]:
    assert run.receipt is not None
    return receipt.Refusal.of(Statement.parse(run.receipt)).reasons


def test_a_permitted_request_is_answered_with_a_receipt_that_names_clause_charge_and_parts(space: Space) -> None:
    statement = space.request()
    run = ask(space, statement)
    assert run.state is ComputationState.RELEASED
    assert run.receipt is not None
    signed = Statement.parse(run.receipt)
    signed.verify(space.directory.keys, PROVIDER)
    told = receipt.Receipt.of(signed)
    part = space.enforcement.part(run.id, CONSUMER, 0)
    data = keys.unseal(part, space.sealing[CONSUMER], guard.info(run.id, "agr-one", 0))
    answer, openings = guard.read(data, run.id)
    assert told.request == statement.digest()
    assert told.charge == receipt.Spent(500_000_000, 0, 1)
    assert told.agreements[0].clause
    assert told.parts[0].digest == canonical.digest(part)
    assert [row[0] for row in answer.rows] == ["north", "south"]
    opening = openings["user"]
    assert isinstance(opening, dict)
    receipt.check_opening(told.commitments["user"], "user", "li", read_bytes(str(opening["salt"])))


def test_the_receipt_names_the_user_only_as_a_commitment(space: Space) -> None:
    run = ask(space, space.request())
    assert run.receipt is not None
    assert receipt.Receipt.of(Statement.parse(run.receipt)).commitments["user"].startswith("hmac-sha256:")


def test_the_same_request_again_gives_the_same_bytes_and_no_new_charge(space: Space) -> None:
    statement = space.request()
    first = ask(space, statement)
    again = ask(space, statement)
    assert again.receipt == first.receipt
    assert space.enforcement.part(first.id, CONSUMER, 0) == space.enforcement.part(again.id, CONSUMER, 0)
    assert spent(space) == Charge(PrivacyLoss(500_000_000))


def test_another_request_under_the_same_id_is_a_conflict(space: Space) -> None:
    first = space.request()
    ask(space, first)
    with pytest.raises(Conflict):
        space.enforcement.create(space.request(computation=str(first.body["computation"])), CONSUMER)


@pytest.mark.parametrize(("budget", "count"), [("1", 200), ("9", 2)], ids=["budget", "clause"])
def test_a_budget_or_clause_for_two_lets_exactly_two_of_many_concurrent_requests_through(
    tmp_path: Path, budget: str, count: int
) -> None:
    space = Space(tmp_path, budget=budget, count=count)
    statements = [space.request() for _ in range(16)]
    runs: list[Run] = []
    lock = threading.Lock()

    def one(statement: Statement) -> None:
        run = ask(space, statement)
        with lock:
            runs.append(run)

    threads = [threading.Thread(target=one, args=(each,)) for each in statements]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(run.state is ComputationState.RELEASED for run in runs) == 2
    assert sum(run.state is ComputationState.REFUSED for run in runs) == 14
    assert spent(space) == Charge(PrivacyLoss(1_000_000_000), 2)
    space.enforcement.close()


def test_the_asset_total_holds_over_two_agreements(tmp_path: Path) -> None:
    space = Space(tmp_path, budget="1", lifetime="1")
    space.agree("1", 100, "1", agreement="agr-two")
    states = [ask(space, space.request(agreement=name)).state for name in ("agr-one", "agr-two", "agr-one", "agr-two")]
    assert states.count(ComputationState.RELEASED) == 2
    space.enforcement.close()


def test_a_lowered_lifetime_total_holds_for_older_agreements_too(space: Space) -> None:
    space.ledger.reserve("cmp-before", [Account("asset/res-admissions", Budget.of_text("0.7", releases=9))], NOTHING)
    states = [ask(space, space.request()).state for _ in range(2)]
    assert states == [ComputationState.RELEASED, ComputationState.REFUSED]


@pytest.mark.parametrize(
    ("epsilon", "purpose", "word"),
    [
        ("0.6", "dpv:ScientificResearch", "ε"),
        ("0.5", "dpv:CommercialPurpose", "purpose"),
        ("0.5", "dpv:NoSuchPurpose", "purpose"),
    ],
)
def test_a_request_outside_the_contract_is_refused_with_the_clause_and_costs_nothing(
    space: Space, epsilon: str, purpose: str, word: str
) -> None:
    run = ask(space, space.request(epsilon, purpose=purpose))
    assert run.state is ComputationState.REFUSED
    assert any(word in reason for reason in reasons(run))
    assert spent(space).releases == 0


def test_a_column_outside_the_contract_is_refused_even_if_the_schema_has_it(space: Space) -> None:
    run = ask(space, space.request(plan=space.plan("0.5", column="weight")))
    assert run.state is ComputationState.REFUSED
    assert any("column" in reason for reason in reasons(run))


@pytest.mark.parametrize("nano", [0, -1, "NaN", "Infinity", 0.5, None, True])
def test_an_epsilon_that_is_no_positive_number_is_refused(space: Space, nano: object) -> None:
    plan = dict(space.plan("0.5"))
    plan["loss"] = {"epsilon_nano": nano, "delta_femto": 0}
    try:
        run = ask(space, space.request(plan=plan))  # type: ignore[arg-type]
    except Malformed:  # not even a statement can be made of a float
        return
    assert run.state is ComputationState.REFUSED
    assert spent(space).releases == 0


def test_a_refusal_is_journalled_like_a_release(space: Space) -> None:
    ask(space, space.request("0.6"))
    ask(space, space.request())
    entries = [Statement.parse(each) for each in space.journal.outbox(10)]
    assert [each.type for each in entries] == [receipt.REFUSED, receipt.SEALED]
    links = [receipt.journal_of(each) for each in entries]
    assert links[1] == receipt.Link(1, canonical.digest(entries[0].to_bytes()), "hospital-a-main")


def test_a_request_signed_by_somebody_else_is_not_believed(space: Space) -> None:
    with pytest.raises(Untrusted):
        space.enforcement.create(space.request(signer=PROVIDER), CONSUMER)


def test_a_request_from_another_connection_is_not_believed(space: Space) -> None:
    with pytest.raises(Unauthenticated):
        space.enforcement.create(space.request(), PROVIDER)


def test_an_altered_request_is_not_believed(space: Space) -> None:
    good, other = space.request(), space.request("0.4")
    with pytest.raises(Untrusted):
        space.enforcement.create(replace(other, signatures=good.signatures), CONSUMER)


def test_a_revoked_consumer_is_refused_and_its_stored_release_stays_closed(space: Space) -> None:
    run = ask(space, space.request())
    space.revoke(CONSUMER)
    with pytest.raises(Unauthenticated):
        space.enforcement.create(space.request(), CONSUMER)
    with pytest.raises(Unauthenticated):
        space.enforcement.part(run.id, CONSUMER, 0)


def test_running_work_of_a_revoked_consumer_is_stopped_and_stays_charged(space: Space) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    space.revoke(CONSUMER)
    space.enforcement.sweep()
    run = ended(space, run.id)
    assert run.state is ComputationState.FAILED
    assert spent(space).releases == 1


def ended(space: Space, computation: str) -> Run:
    run = space.enforcement.view(computation, CONSUMER)
    while run.state not in FINAL:
        run = space.enforcement.wait(computation, CONSUMER, 5)
    return run


def test_running_work_ends_with_its_agreement(space: Space) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    body = {"agreement": "agr-one"}
    end = draft("agreement.terminated", body, space=SPACE, issuer=PROVIDER, at=space.clock.now())  # type: ignore[arg-type]
    space.contracts.terminate("agr-one", end)
    space.enforcement.end_agreement("agr-one")
    assert ended(space, run.id).state is ComputationState.FAILED
    assert ask(space, space.request()).state is ComputationState.REFUSED


def test_a_suspension_stops_running_work_which_stays_charged_and_a_resumption_lets_new_work_in(space: Space) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    turns = [draft(f"agreement.{word}", {"reason": "a check"}, space=SPACE, issuer=PROVIDER, at=space.clock.now())
             for word in ("suspended", "resumed")]  # fmt: skip
    space.contracts.turn("agr-one", Turn(turns[0]))
    space.enforcement.suspend_agreement("agr-one")
    stopped = ended(space, run.id)
    assert (stopped.state, spent(space).releases) == (ComputationState.FAILED, 1)
    assert stopped.receipt is not None
    assert Statement.parse(stopped.receipt).body["code"] == "contract.suspended"
    refused = ask(space, space.request())
    assert refused.receipt is not None
    assert Statement.parse(refused.receipt).body["code"] == "contract.suspended"
    space.contracts.turn("agr-one", Turn(turns[1], b"as verified elsewhere"))
    assert ended(space, ask(space, space.request()).id).state is ComputationState.RELEASED


def test_work_that_a_suspension_did_not_reach_is_stopped_by_the_next_look(space: Space) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    halt = draft("agreement.suspended", {"reason": "a check"}, space=SPACE, issuer=PROVIDER, at=space.clock.now())
    space.contracts.turn("agr-one", Turn(halt))
    space.enforcement.sweep()
    assert ended(space, run.id).state is ComputationState.FAILED


def test_a_cancelled_computation_stays_charged_and_releases_nothing(space: Space) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    space.enforcement.cancel(run.id, CONSUMER)
    assert ended(space, run.id).state is ComputationState.CANCELLED
    assert spent(space).releases == 1
    with pytest.raises(NotFound):
        space.enforcement.part(run.id, CONSUMER, 0)


def test_a_worker_that_dies_leaves_a_charge_and_a_failure_in_the_journal(space: Space) -> None:
    space.workers.dies = True
    run = ask(space, space.request())
    assert run.state is ComputationState.FAILED
    assert run.receipt is not None
    assert receipt.Failure.of(Statement.parse(run.receipt)).charge == receipt.Spent(500_000_000, 0, 1)
    assert spent(space).releases == 1


def test_after_a_crash_what_was_charged_is_reported_charged_and_what_was_not_is_not(space: Space) -> None:
    space.workers.gate.clear()
    charged = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    uncharged = replace(charged, id=str(space.request().body["computation"]), state=ComputationState.RESERVED)
    space.journal.admit(replace(uncharged, charge=None))
    fresh = space.build()
    assert fresh.recover() == 2
    runs = [space.journal.find(each) for each in (charged.id, uncharged.id)]
    told = [receipt.Failure.of(Statement.parse(run.receipt)).charge.releases for run in runs if run and run.receipt]
    assert told == [1, 0]
    space.workers.gate.set()
    space.enforcement.close()
    assert (kept := space.journal.find(charged.id)) is not None
    assert kept.state is ComputationState.FAILED
    fresh.close()


def test_what_could_not_be_journalled_is_ended_once_it_can_be_and_stays_charged(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Run:
        raise Unavailable("storage.busy")

    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    with monkeypatch.context() as patch:
        patch.setattr(space.journal, "close", full)
        space.workers.gate.set()
        space.enforcement.close()  # waits for the thread that cannot write its end
        assert space.enforcement.view(run.id, CONSUMER).state is ComputationState.RUNNING
    space.enforcement.sweep()
    assert space.enforcement.view(run.id, CONSUMER).state is ComputationState.FAILED
    assert spent(space).releases == 1
    with pytest.raises(NotFound):
        space.enforcement.part(run.id, CONSUMER, 0)


def test_a_computation_is_unknown_to_everybody_but_its_consumer(space: Space) -> None:
    run = ask(space, space.request())
    with pytest.raises(NotFound):
        space.enforcement.view(run.id, "somebody")
    with pytest.raises(NotFound):
        space.enforcement.part(run.id, PROVIDER, 0)


def test_an_agreement_of_somebody_else_is_unknown(space: Space) -> None:
    space.contracts.held["agr-one"] = replace(
        space.contract,
        agreement=replace(
            space.contract.agreement,
            parties=tuple(
                replace(each, participant="somebody") if each.role == "consumer" else each
                for each in space.contract.agreement.parties
            ),
        ),
    )
    run = ask(space, space.request())
    assert run.state is ComputationState.REFUSED
    assert receipt.Refusal.of(Statement.parse(run.receipt or b"")).code == "resource.not_found"


def test_an_agreement_that_is_over_opens_nothing(space: Space) -> None:
    space.clock.move(3 * 365 * 86400)
    with pytest.raises(HefuError):
        space.enforcement.create(space.request(), CONSUMER)


def test_with_a_stale_status_list_only_the_offline_window_and_its_share_permit_work(space: Space) -> None:
    space.trust.age = 600.0
    assert ask(space, space.request()).state is ComputationState.RELEASED
    over = ask(space, space.request())
    assert over.state is ComputationState.REFUSED  # half of the budget of 1 is all that may be spent offline
    space.trust.age = 3601.0
    stale = ask(space, space.request("0.1"))
    assert receipt.Refusal.of(Statement.parse(stale.receipt or b"")).code == "status.stale"
    space.trust.age = 1.0
    assert ask(space, space.request()).state is ComputationState.RELEASED


def test_a_pinned_snapshot_that_has_changed_is_not_computed_on(space: Space) -> None:
    pinned = replace(space.contract.agreement, snapshot_rule="pinned:sha256:" + "0" * 64)
    space.contracts.held["agr-one"] = replace(space.contract, agreement=pinned)
    run = ask(space, space.request())
    assert run.state is ComputationState.FAILED
    assert receipt.Failure.of(Statement.parse(run.receipt or b"")).code == "contract.snapshot"


def test_no_data_value_stands_in_receipt_refusal_or_failure(space: Space) -> None:
    space.file.write_text("patient,age,region\nSECRETPATIENT,not-a-number,north\n")
    ask(space, space.request())
    space.file.write_text("other,columns\nSECRETPATIENT,1\n")
    ask(space, space.request())
    assert all(b"SECRETPATIENT" not in each for each in space.journal.outbox(10))
