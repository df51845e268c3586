"""What a contract does not allow is refused by the provider's own connector: with a reason, uncharged, journalled."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unauthenticated, Untrusted
from hefu.v1 import computation_pb2
from hefu_space.products import Product
from hefu_space.space import Node

from tests.journeys import acts
from tests.journeys.acts import Caller, Deal
from tests.journeys.conftest import FEW

State = computation_pb2.Computation


def test_a_column_outside_the_contract_is_refused_by_its_clause(deal: Deal) -> None:
    found = acts.query(deal, 'SELECT AVG(fractal_dimension) AS mean FROM "{product}"')
    assert found.computation.state == State.STATE_REFUSED
    assert any("column" in reason for reason in found.reasons)
    assert acts.charged(deal) == (0, 0)
    assert Statement.parse(found.computation.receipt.envelope).type == "computation.refused"


def test_a_filter_over_a_column_outside_the_contract_is_refused_too(deal: Deal) -> None:
    found = acts.query(deal, 'SELECT COUNT(*) AS n FROM "{product}" WHERE fractal_dimension > 0.06')
    assert found.computation.state == State.STATE_REFUSED
    assert acts.charged(deal) == (0, 0)


@pytest.mark.parametrize("query", ['SELECT * FROM "{product}"', 'SELECT radius FROM "{product}"'])
def test_rows_cannot_even_be_said_in_the_query_language(deal: Deal, query: str) -> None:
    with pytest.raises(Malformed) as caught:
        deal.plan(query)
    assert caught.value.code == "query.refused"


def _refusal(caller: Caller, request: Statement) -> str:
    """How a request that must not be answered was turned down: the kind of an error, or ``refused`` with a receipt."""
    try:
        found = caller.send(request.to_bytes())
    except HefuError as fault:
        return fault.kind
    end = caller.end(found.name.removeprefix("computations/"))
    return "refused" if end.state == State.STATE_REFUSED else "answered"


def _with(plan: Object, **changes: Any) -> Object:
    return {**copy.deepcopy(plan), **changes}


def _forged(plan: Object) -> dict[str, Object]:
    """Plans that no honest client can write, sent with a good signature."""
    loss = {"epsilon_nano": 100_000_000, "delta_femto": 0}
    return {
        "rows": _with(plan, aggregates=[{"function": "rows", "alias": "n"}]),
        "no aggregate": _with(plan, aggregates=[]),
        "epsilon 0": _with(plan, loss={**loss, "epsilon_nano": 0}),
        "epsilon below 0": _with(plan, loss={**loss, "epsilon_nano": -1}),
        "epsilon not a number": _with(plan, loss={**loss, "epsilon_nano": "NaN"}),
        "epsilon infinite": _with(plan, loss={**loss, "epsilon_nano": "Infinity"}),
        "delta below 0": _with(plan, loss={**loss, "delta_femto": -1}),
        "a bound of the consumer's own": _with(plan, bounds={"radius": ["0", "1"]}),
        "a contribution of the consumer's own": _with(plan, max_contribution=1),
        "text for an engine": _with(plan, sql="SELECT * FROM data"),
    }


def test_forged_plans_are_refused_and_cost_nothing(deal: Deal, consumer: Node, provider: Node) -> None:
    before = acts.charged(deal)
    with acts.caller(consumer, provider) as caller:
        for name, plan in _forged(deal.plan()).items():
            assert _refusal(caller, caller.request(deal, plan)) in {"refused", "malformed"}, name
    assert acts.charged(deal) == before


def test_more_than_one_release_may_cost_is_refused(deal: Deal) -> None:
    found = acts.query(deal, epsilon="1.000000001")
    assert found.computation.state == State.STATE_REFUSED
    assert acts.charged(deal) == (0, 0)


def test_of_sixty_four_requests_at_once_exactly_the_granted_number_is_released(
    few: Deal, consumer: Node, provider: Node
) -> None:
    with acts.caller(consumer, provider) as caller:
        envelopes = [caller.request(few).to_bytes() for _ in range(64)]

        def ask(envelope: bytes) -> computation_pb2.Computation:
            # Overload is shed with a clear status; the same bytes again are the same request.
            found = acts.patiently(lambda: caller.send(envelope), "peer.overloaded")
            return caller.end(found.name.removeprefix("computations/"))

        with ThreadPoolExecutor(16) as pool:
            ends = [each.state for each in pool.map(ask, envelopes)]
    assert ends.count(State.STATE_RELEASED) == FEW
    assert ends.count(State.STATE_REFUSED) == 64 - FEW
    assert acts.charged(few) == (FEW * 100_000_000, FEW)


def test_a_repeated_request_gets_the_same_bytes_and_costs_nothing_more(
    deal: Deal, consumer: Node, provider: Node
) -> None:
    with acts.caller(consumer, provider) as caller:
        request = caller.request(deal)
        id_ = str(request.body["computation"])
        caller.send(request.to_bytes())
        first, parts = caller.end(id_), caller.fetch(id_)
        spent = acts.charged(deal)
        for _ in range(3):
            assert caller.send(request.to_bytes()).receipt == first.receipt
            assert caller.fetch(id_) == parts
    assert parts
    assert spent == acts.charged(deal) == (100_000_000, 1)


def test_the_same_key_with_another_question_is_a_conflict(deal: Deal, consumer: Node, provider: Node) -> None:
    with acts.caller(consumer, provider) as caller:
        request = caller.request(deal)
        id_ = str(request.body["computation"])
        caller.send(request.to_bytes())
        caller.end(id_)
        with pytest.raises(Conflict):
            caller.send(caller.request(deal, computation=id_).to_bytes())
    assert acts.charged(deal) == (100_000_000, 1)


def test_an_altered_signature_or_payload_is_refused(deal: Deal, consumer: Node, provider: Node) -> None:
    with acts.caller(consumer, provider) as caller:
        good, other = caller.request(deal), caller.request(deal)
        mixed = replace(other, signatures=good.signatures).to_bytes()
        cut = replace(good, signatures=()).to_bytes()
        envelope = good.to_bytes()
        flipped = [envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :] for at in range(0, len(envelope), 40)]
        for altered in (mixed, cut, *flipped):
            with pytest.raises((Untrusted, Malformed, Unauthenticated)):
                caller.send(altered)
    assert acts.charged(deal) == (0, 0)


def test_somebody_elses_contract_opens_nothing(deal: Deal, rival: Node, provider: Node) -> None:
    with acts.caller(rival, provider) as caller:
        assert _refusal(caller, caller.request(deal)) in {"refused", "not_found", "untrusted", "unauthenticated"}
    assert acts.charged(deal) == (0, 0)


def test_somebody_elses_request_is_not_taken_from_another(
    deal: Deal, consumer: Node, rival: Node, provider: Node
) -> None:
    with acts.caller(consumer, provider) as owner, acts.caller(rival, provider) as thief:
        request = owner.request(deal)
        with pytest.raises((Unauthenticated, Untrusted)):
            thief.send(request.to_bytes())
        owner.send(request.to_bytes())
        owner.end(str(request.body["computation"]))
        with pytest.raises(NotFound):
            thief.see(str(request.body["computation"]))
        with pytest.raises(NotFound):
            thief.fetch(str(request.body["computation"]))


def test_an_ended_contract_answers_no_more(deal: Deal, product: Product) -> None:
    assert acts.query(deal).computation.state == State.STATE_RELEASED
    deal.provider.do("contract", "terminate", deal.agreement, "--reason", "the study is over")
    with acts.caller(deal.consumer, deal.provider) as caller:
        assert _refusal(caller, caller.request(deal)) == "refused"
    assert acts.charged(deal) == (100_000_000, 1)
