"""Suspended and resumed, over the real broker: at once where it narrows, with the log's proof where it widens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.errors import Conflict, NotFound, Refused
from hefu.statements.notices import DEVIATED, RESUMED, SUSPENDED
from hefu.tlog.tree import leaf_hash
from hefu_connector.contracting.notices import Notices
from hefu_connector.ports import ComputationState
from hefu_connector.running import Connector

from tests.connector.small_space import PURPOSE, Space, agree, eventually, plan, provide


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    folder: Path = tmp_path_factory.mktemp("space")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        space.member("pharma-b", "consumer")
        provide(provider, folder)
        yield space
    finally:
        space.close()


@pytest.fixture(scope="module")
def agreement(space: Space) -> str:
    return agree(side(space, "hospital-a"), side(space, "pharma-b"), "prd-visits")


def side(space: Space, name: str) -> Connector:
    return space.connectors[name]


def notices(connector: Connector) -> Notices:
    return connector.desk.aftermath.notices


def suspended(space: Space, agreement: str) -> list[bool]:
    return [side(space, each).agreements.load(agreement).suspension is not None for each in ("hospital-a", "pharma-b")]


def compute(space: Space, agreement: str) -> ComputationState | None:
    return side(space, "pharma-b").asking.compute(plan("prd-visits", "0.1"), agreement, PURPOSE, "rui").own.state


def test_a_suspension_acts_at_once_and_a_resumption_when_the_log_shows_it(space: Space, agreement: str) -> None:
    provider, consumer = side(space, "hospital-a"), side(space, "pharma-b")
    assert compute(space, agreement) is ComputationState.RELEASED
    notices(provider).suspend(agreement, SUSPENDED, "a complaint is looked into", "li")
    assert suspended(space, agreement)[0]
    with pytest.raises(Conflict):
        notices(provider).suspend(agreement, SUSPENDED, "again")
    eventually(lambda: all(suspended(space, agreement)))
    with pytest.raises(Refused, match="suspended agreement"):
        compute(space, agreement)
    assert [each.code for each in consumer.desk.aftermath.alarms(agreement)] == [SUSPENDED]
    notices(provider).resume(agreement, RESUMED, "nothing was found", "li")
    eventually(lambda: not any(suspended(space, agreement)))
    assert compute(space, agreement) is ComputationState.RELEASED
    turns = [each.statement for each in consumer.agreements.load(agreement).turns]
    assert [each.type for each in turns] == [SUSPENDED, RESUMED]
    assert space.server is not None
    log = space.server.rooms.log
    assert all(log.proof(leaf_hash(each.to_bytes())) for each in turns)


def test_only_the_provider_suspends(space: Space, agreement: str) -> None:
    with pytest.raises(Refused, match="Only its providers"):
        notices(side(space, "pharma-b")).suspend(agreement, SUSPENDED, "I would")
    with pytest.raises(NotFound):
        notices(side(space, "hospital-a")).suspend("agr-of-nobody-at-all", SUSPENDED, "what")


def test_an_alarm_reaches_both_sides_and_the_log(space: Space, agreement: str) -> None:
    provider, consumer = side(space, "hospital-a"), side(space, "pharma-b")
    held = consumer.agreements.load(agreement)
    said = notices(consumer).deviated(held, "receipt.differs", "hospital-a", reason="a test of the bell")
    heard = eventually(lambda: notices(provider).of(agreement, DEVIATED))
    assert heard == [said]
    found = provider.desk.aftermath.alarms(agreement)[0]
    assert (found.code, found.issuer, found.about) == ("receipt.differs", "pharma-b", "hospital-a")
    assert space.server is not None
    log = space.server.rooms.log
    assert eventually(lambda: log.proof(leaf_hash(said.to_bytes())))


def test_without_the_broker_a_suspension_acts_and_a_resumption_waits(space: Space, agreement: str) -> None:
    provider = side(space, "hospital-a")
    space.stop_broker()
    notices(provider).suspend(agreement, SUSPENDED, "the broker is away")
    assert suspended(space, agreement) == [True, False]
    assert compute(space, agreement) is ComputationState.REFUSED
    notices(provider).resume(agreement, RESUMED, "and back")
    assert suspended(space, agreement)[0]
    for name in ("hospital-a", "pharma-b"):
        space.stop(name)
        space.start(name)
    assert suspended(space, agreement) == [True, False]
    space.start_broker()
    eventually(lambda: len(side(space, "pharma-b").agreements.load(agreement).turns) == 4)
    eventually(lambda: not any(suspended(space, agreement)))
    assert compute(space, agreement) is ComputationState.RELEASED
    eventually(lambda: notices(side(space, "hospital-a")).pending() == 0)


def test_a_suspended_agreement_may_end_and_stays_ended(space: Space, agreement: str) -> None:
    provider, consumer = side(space, "hospital-a"), side(space, "pharma-b")
    notices(provider).suspend(agreement, SUSPENDED, "for the last time")
    eventually(lambda: all(suspended(space, agreement)))
    consumer.agreements.terminate(agreement, "agreement.ended", "enough")
    eventually(lambda: provider.agreements.load(agreement).termination)
    with pytest.raises(Conflict):
        notices(provider).resume(agreement, RESUMED, "too late")
    assert provider.desk.aftermath.alarms(agreement)[0].code == "agreement.terminated"
