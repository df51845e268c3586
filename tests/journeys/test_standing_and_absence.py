"""Suspension acts within its bound; the broker's absence stops nothing that is agreed; a crash costs nobody privacy."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hefu.errors import Unauthenticated, Unavailable
from hefu.v1 import computation_pb2
from hefu_space import harness
from hefu_space.space import Node, Space

from tests.journeys import acts, crash
from tests.journeys.acts import Deal

State = computation_pb2.Computation
BOUND = 60  # seconds: promise T-b


def test_a_suspended_consumer_is_refused_within_the_bound_and_let_in_again(
    space: Space, provider: Node, rival: Node, product: object
) -> None:
    deal = acts.agree(provider, rival, str(getattr(product, "id", "")), "research")
    assert acts.query(deal).computation.state == State.STATE_RELEASED
    spent = acts.charged(deal)
    with acts.caller(rival, provider) as caller:
        space.operator.standing(lambda standings: standings.suspend(rival.name, "a test"))
        started = time.monotonic()
        try:
            assert harness.until(lambda: not _may_ask(caller, deal), BOUND)
            assert time.monotonic() - started < BOUND
        finally:
            space.operator.standing(lambda standings: standings.reinstate(rival.name))
        assert harness.until(lambda: _may_ask(caller, deal), BOUND)
    assert acts.charged(deal) >= spent


def test_a_suspension_ends_what_its_consumer_has_running(
    space: Space, provider: Node, rival: Node, product: object, restored: Callable[..., None]
) -> None:
    deal = acts.agree(provider, rival, str(getattr(product, "id", "")), "research")
    # A computation that hangs for two seconds after its worker returned gives the suspension something to end.
    provider.process.stop()
    provider.process.start(HEFU_FAULT="worker.returned:1:delay")
    with acts.caller(rival, provider) as caller:
        request = caller.request(deal)
        assert caller.send(request.to_bytes()).state != State.STATE_RELEASED
        space.operator.standing(lambda standings: standings.suspend(rival.name, "a test"))
        try:
            id_ = str(request.body["computation"])
            assert harness.until(lambda: _state_at(provider, id_) in {"failed", "released"}, BOUND)
            assert harness.until(lambda: not _may_see(caller, id_), BOUND)
            with pytest.raises(Unauthenticated):
                caller.fetch(id_)
        finally:
            space.operator.standing(lambda standings: standings.reinstate(rival.name))
    assert acts.charged(deal) == (100_000_000, 1)


def test_with_the_broker_down_contracted_work_goes_on_and_reconciles_afterwards(
    space: Space, regulator: Path, deal: Deal, tmp_path: Path, restored: Callable[..., None]
) -> None:
    space.broker.stop()
    for _ in range(2):
        assert acts.query(deal).computation.state == State.STATE_RELEASED
    assert acts.unsent(deal.provider)
    space.broker.start()
    assert harness.until(lambda: not acts.unsent(deal.provider), 30)
    assert acts.audit(regulator, tmp_path / "evidence.zip", space.space_file)["verified"]
    assert acts.charged(deal) == (200_000_000, 2)


@pytest.mark.parametrize("point", crash.SHORT)
def test_a_kill_at_any_step_of_a_release_leaves_it_charged_and_whole(
    space: Space, regulator: Path, deal: Deal, tmp_path: Path, point: str, restored: Callable[..., None]
) -> None:
    crash.kill_and_check(space, regulator, deal, tmp_path / "evidence.zip", point)


def _may_ask(caller: acts.Caller, deal: Deal) -> bool:
    """Whether a computation is released; a refusal for want of standing is the only other way this may go."""
    try:
        found = caller.send(caller.request(deal).to_bytes())
        return caller.end(found.name.removeprefix("computations/")).state == State.STATE_RELEASED
    except (Unauthenticated, Unavailable):
        return False


def _may_see(caller: acts.Caller, computation: str) -> bool:
    """Whether the caller is still heard, asked in a way that charges nothing."""
    try:
        caller.see(computation)
    except (Unauthenticated, Unavailable):
        return False
    return True


def _state_at(provider: Node, computation: str) -> str:
    released = provider.do("release", "list")["releases"]
    return next((str(each["state"]) for each in released if each["computation"] == computation), "")
