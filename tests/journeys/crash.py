"""kill -9 between any two steps of a release, and what must be true after the restart (promise A-b)."""

from __future__ import annotations

from pathlib import Path

from hefu.envelope import Statement
from hefu.errors import HefuError
from hefu.v1 import computation_pb2
from hefu_space import harness
from hefu_space.space import Space

from tests.journeys import acts
from tests.journeys.acts import Deal

State = computation_pb2.Computation
EPSILON = 100_000_000
# Points of a release in the provider's connector, in their order, and whether the charge is durable at each.
CONNECTOR = {
    "computation.admitted": False,
    "ledger.before_commit": False,
    "ledger.reserved": True,
    "spool.written": True,
    "worker.returned": True,
    "guard.passed": True,
    "journal.before_commit": True,
    "journal.closed": True,
    "release.sent": True,
    "flush.sent": True,
}
# Points in the broker that a connector's journal passes.
BROKER = (
    "broker.before_commit", "broker.committed", "log.before_commit", "log.committed", "log.signed", "log.written",
    "log.kept",
)  # fmt: skip
# How often a broker passes a point before it is killed there.
_BROKER_PASSINGS = 6
# Points that no release of its own passes; tests/chaos kills there, and tests/broker where witnesses are asked.
ELSEWHERE = {
    "store.before_commit", "store.committed", "certificate.written", "broker.call", "broker.answer",
    "broker.heard", "peer.call", "peer.answer", "peer.heard", "call.taken", "call.answered", "lease.before_commit",
    "lease.committed", "relay.told", "relay.asked", "relay.incoming", "negotiation.kept",
    "log.proposed", "report.written",
}  # fmt: skip
# Points of exact answers alone; tests/journeys/test_exact.py kills there.
EXACT = {"disclosures.kept"}
SHORT = ("ledger.reserved", "journal.before_commit", "journal.closed", "log.committed")


def kill_and_check(space: Space, regulator: Path, deal: Deal, bundle: Path, point: str) -> None:
    """Kill the process that passes a point while a release is made; restart; check what must hold."""
    in_connector = point in CONNECTOR
    victim = deal.provider.process if in_connector else space.broker
    victim.stop()
    # A broker passes its points while it starts, too; some passings later it is at work.
    victim.start(HEFU_FAULT=f"{point}:{1 if in_connector else _BROKER_PASSINGS}:kill")
    asked: list[tuple[Statement, list[bytes]]] = []
    with acts.caller(deal.consumer, deal.provider) as caller:

        def dead() -> bool:
            if victim.alive and (not asked or not in_connector):
                request = caller.request(deal)
                asked.append((request, _try(caller, request)))
            return not victim.alive

        assert harness.until(dead, 60), f"{point} was never passed"
    assert victim.wait() == -9
    victim.start()
    for request, before in asked:
        _check(deal, request, before)
    _check_sum(deal, [request for request, _ in asked], durable=CONNECTOR.get(point, True))
    # Both sides and the log agree, the chain has no gap, and work goes on.
    assert harness.until(lambda: not acts.unsent(deal.provider), 30), f"journal not flushed after {victim.name} fell"
    assert acts.audit(regulator, bundle, space.space_file)["verified"]
    assert acts.query(deal).computation.state == State.STATE_RELEASED


def _try(caller: acts.Caller, request: Statement) -> list[bytes]:
    """Ask and fetch, as far as the crash lets it happen; the parts that came whole."""
    id_ = str(request.body["computation"])
    try:
        caller.send(request.to_bytes())
        caller.end(id_)
        return caller.fetch(id_)
    except (HefuError, ValueError):
        return []


def _check(deal: Deal, request: Statement, before: list[bytes]) -> None:
    """The same request again is the same computation, with the same bytes."""
    id_ = str(request.body["computation"])
    with acts.caller(deal.consumer, deal.provider) as caller:
        acts.patiently(lambda: caller.send(request.to_bytes()), "peer.unreachable")
        end = caller.end(id_)
        assert caller.send(request.to_bytes()).receipt == end.receipt
        parts = caller.fetch(id_) if end.state == State.STATE_RELEASED else []
        assert not before or parts == before, "the stored bytes answer a repeated request"
        assert not parts or caller.fetch(id_) == parts


def _check_sum(deal: Deal, requests: list[Statement], *, durable: bool) -> None:
    """Charged is at least what was released, and nothing is charged twice."""
    with acts.caller(deal.consumer, deal.provider) as caller:
        states = [caller.see(str(each.body["computation"])).state for each in requests]
    released = states.count(State.STATE_RELEASED)
    epsilon, releases = acts.charged(deal)
    assert epsilon == releases * EPSILON
    assert released <= releases <= len(requests)
    assert not durable or releases == len(requests)
