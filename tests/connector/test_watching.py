"""What is watched while a computation runs, and what is counted: nothing goes on that may not, nothing is released that
was not decided in each of its phases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.keeping import keys
from hefu.statements import receipt
from hefu_connector.background import Loop
from hefu_connector.bootstrap import WATCH
from hefu_connector.computing import guard
from hefu_connector.computing.admission import Admitted
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.ports import FINAL, ComputationState, Run
from hefu_policies.proving import replay
from hefu_policies.reading import Place

from tests.connector.test_facts import literal, policy
from tests.connector.world import CONSUMER, PROVIDER, SPACE, Space

HOUR = ("odrl:elapsedTime", "lteq", literal("PT1H", "duration"))
Open = Callable[..., Space]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    found: list[Space] = []

    def make(*constraints: tuple[str, str, canonical.Json] | tuple[str, str, canonical.Json, str]) -> Space:
        found.append(Space(tmp_path, budget="50", lifetime="100", policy=policy(*constraints)))
        return found[-1]

    yield make
    for each in found:
        each.workers.gate.set()
        each.enforcement.close()


def until_over(space: Space, run: Run) -> Run:
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    return run


def ask(space: Space) -> Run:
    return until_over(space, space.enforcement.create(space.request(), CONSUMER))


def code(run: Run) -> str:
    assert run.receipt is not None
    return receipt.Failure.of(Statement.parse(run.receipt)).code


def let_an_hour_pass(space: Space) -> None:
    space.clock.move(3601)


def end_the_contract(space: Space) -> None:
    made = draft("agreement.terminated", {"agreement": "agr-one"}, space=SPACE, issuer=PROVIDER, at=space.clock.now())
    space.contracts.terminate("agr-one", made)


def revoke(space: Space) -> None:
    space.revoke(CONSUMER)


@pytest.mark.parametrize(
    ("happens", "why"),
    [(let_an_hour_pass, "policy.lapsed"), (end_the_contract, "contract.ended"), (revoke, "identity.revoked")],
)
def test_running_work_is_stopped_within_a_second_of_what_forbids_it(
    opened: Open, happens: Callable[[Space], None], why: str
) -> None:
    space = opened(HOUR)
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(10)
    watch = Loop("watch", space.enforcement.watch, WATCH)
    watch.start()
    happens(space)
    since = time.monotonic()
    run = until_over(space, run)
    took = time.monotonic() - since
    watch.end()
    assert (run.state, run.parts, code(run)) == (ComputationState.FAILED, 0, why)
    assert took <= 1.0
    assert space.ledger.charged(run.id) is not None


def test_work_goes_on_while_what_is_watched_holds(opened: Open) -> None:
    space = opened(HOUR)
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    for _ in range(3):
        space.enforcement.watch()
    space.clock.move(3599)
    space.enforcement.watch()
    space.workers.gate.set()
    assert until_over(space, run).state is ComputationState.RELEASED


class NeverLooks(Enforcement):
    """A connector that forgot to look while it computes: "it was permitted when it began"."""

    def _look(self, admitted: Admitted) -> None:
        self._check_standing(admitted)


def test_nothing_is_released_that_was_not_decided_in_each_of_its_phases(opened: Open) -> None:
    space = opened(HOUR)
    space.enforcement.close()
    space.enforcement = NeverLooks(space.enforcement._world)
    run = ask(space)
    assert (run.state, run.parts, code(run)) == (ComputationState.FAILED, 0, "policy.undecided")


def records(space: Space, run: Run) -> list[Object]:
    document = Place(canonical.decode_object(space.journal.decisions(run.id)), "record")
    found = document.members(("version", "computation", "nonce", "looks", "decisions"))
    assert found["computation"].text() == run.id
    return [each.object() for each in found["decisions"].items()]


def test_every_phase_can_be_decided_again_from_the_owners_record_and_the_receipt_commits_to_it(opened: Open) -> None:
    space = opened(HOUR)
    run = ask(space)
    found = records(space, run)
    contract = space.contract.agreement.strategies[0].policy
    assert [each["phase"] for each in found] == ["admission", "monitor", "release"]
    assert all(replay.replay(contract, each).permits for each in found)
    data = keys.unseal(
        space.enforcement.part(run.id, CONSUMER, 0), space.sealing[CONSUMER], guard.info(run.id, "agr-one", 0)
    )
    _, openings = guard.read(data, run.id)
    opening = Place(openings["decisions"], "opening").members(("salt", "value"))
    assert opening["value"].text() == canonical.digest(space.journal.decisions(run.id))


def test_a_refusal_leaves_its_owner_the_whole_decision(opened: Open) -> None:
    space = opened(("hefu:minParties", "gteq", literal("2", "integer")))
    run = ask(space)
    assert run.state is ComputationState.REFUSED
    (denied,) = records(space, run)
    assert denied["effect"] == "default_deny"
    assert not replay.replay(space.contract.agreement.strategies[0].policy, denied).permits


def test_of_64_requests_at_once_exactly_one_keeps_its_distance_from_all_others(opened: Open) -> None:
    space = opened(("odrl:timeInterval", "gteq", literal("PT1H", "duration")))
    statements = [space.request() for _ in range(64)]
    states: list[ComputationState] = []

    def one(statement: Statement) -> None:
        states.append(until_over(space, space.enforcement.create(statement, CONSUMER)).state)

    threads = [threading.Thread(target=one, args=(each,)) for each in statements]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert states.count(ComputationState.RELEASED) == 1
    assert states.count(ComputationState.REFUSED) == 63
    space.clock.move(3600)
    assert [ask(space).state, ask(space).state] == [ComputationState.RELEASED, ComputationState.REFUSED]


def test_a_window_lets_so_many_through_and_a_clock_set_back_opens_none_again(opened: Open) -> None:
    space = opened(("hefu:frequency", "lteq", literal("2", "integer"), "urn:hefu:per:PT1H"))
    assert [ask(space).state.value for _ in range(3)] == ["released", "released", "refused"]
    space.clock.move(3600)
    assert ask(space).state is ComputationState.RELEASED
    space.clock.move(-1800)
    assert ask(space).state is ComputationState.REFUSED
    assert space.ledger.taken("frequency@PT1H/agr-one").amount == 1


def test_what_is_owed_is_added_up_with_the_charge_and_a_refusal_owes_nothing(opened: Open) -> None:
    space = opened(("odrl:payAmount", "eq", literal("5.5", "decimal"), "urn:iso:std:iso:4217:CNY"))
    assert [ask(space).state.value for _ in range(2)] == ["released", "released"]
    refused = space.enforcement.create(space.request(purpose="dpv:CommercialPurpose"), CONSUMER)
    assert until_over(space, refused).state is ComputationState.REFUSED
    assert space.ledger.taken("payAmount@CNY/agr-one").amount == 1100


def test_metered_time_is_taken_at_most_and_what_was_not_used_comes_back(opened: Open) -> None:
    space = opened(("odrl:meteredTime", "lteq", literal("PT30S", "duration")))
    taken = lambda: space.ledger.taken("meteredTime/agr-one").amount  # noqa: E731
    space.workers.gate.clear()
    first = space.enforcement.create(space.request(), CONSUMER)
    second = space.enforcement.create(space.request(), CONSUMER)
    assert taken() == 30_000  # 20 s, as long as anything may run, and what is left
    assert ask(space).state is ComputationState.REFUSED
    assert space.workers.started.wait(10)
    space.clock.move(2)
    space.workers.gate.set()
    assert {until_over(space, each).state for each in (first, second)} == {ComputationState.RELEASED}
    space.enforcement.close()
    assert 2_000 <= taken() <= 4_000


def test_time_that_is_used_up_refuses(opened: Open) -> None:
    space = opened(("odrl:meteredTime", "lteq", literal("PT5S", "duration")))
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(10)
    space.clock.move(timedelta(seconds=60).total_seconds())
    space.workers.gate.set()
    assert until_over(space, run).state is ComputationState.RELEASED
    space.enforcement.close()
    assert space.ledger.taken("meteredTime/agr-one").amount == 5_000  # never more than was taken
