"""A joint total over real connectors, workers and ciphertexts; and what a consumer that carries something else gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, Refused, Unavailable, Untrusted
from hefu.keeping import keys
from hefu.statements.receipt import Failure, Receipt
from hefu_connector.computing import guard
from hefu_connector.computing.totals import Stage, Step, Totals
from hefu_connector.ports import ComputationState

from tests.connector.metered_space import GRIDS, PURPOSE, Group, open_group, truth
from tests.connector.small_space import eventually

AGGREGATOR = "grid-north"


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    made = open_group(tmp_path_factory.mktemp("group"))
    yield made
    made.space.close()


@dataclass
class Carrying:
    """What the consumer carries, but for one thing that it does otherwise."""

    real: Any
    changed: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.changed.get(name) or getattr(self.real, name)


def cheating(group: Group, **changes: Any) -> Totals:
    """The consumer's side, with some of its tools changed."""
    tools = group.totals._tools
    return Totals(replace(tools, **{name: Carrying(getattr(tools, name), how) for name, how in changes.items()}))


def own(group: Group, computation: str) -> Any:
    return group.consumer.asking.outcome(computation).own


def state(group: Group, computation: str) -> ComputationState:
    """How it ended, once it has."""
    *_, last = group.consumer.asking.follow(computation)
    assert last.state is not None
    return last.state


def latest(group: Group) -> dict[str, str]:
    """Each provider's part of the last run."""
    found: dict[str, str] = {}
    for each in group.consumer.asking.all(50):
        found.setdefault(each.peer, each.id)
    return found


def code(group: Group, name: str) -> str:
    statement = Statement.parse(own(group, latest(group)[name]).receipt)
    return Failure.of(statement).code


def test_a_total_is_the_truth_within_its_interval_and_nobody_can_read_a_part(group: Group) -> None:
    before = [group.charged(name) for name in GRIDS]
    steps, total = group.total()
    assert {each.stage for each in steps} == {*Stage}
    told = {row[0]: Decimal(row[1] or 0) for row in total.answer.rows}
    widths = {
        row[0]: Decimal(width[1] or 0) for row, width in zip(total.answer.rows, total.answer.half_widths, strict=True)
    }
    off = {kind: abs(told[str(kind)] - kwh) for kind, kwh in truth().items()}
    assert all(0 < widths[kind] < 5000 and off[kind] <= 3 * widths[kind] for kind in off)  # 5.9 standard deviations
    assert any(off.values())
    assert all(after != earlier for earlier, after in zip(before, map(group.charged, GRIDS), strict=True))
    private = group.consumer.asking._private
    for name, computation in zip(GRIDS, total.computations, strict=True):
        made = Receipt.of(Statement.parse(own(group, computation).receipt))
        assert (made.engine, made.output.kind, made.facts["minParties"]) == ("total", "EncryptedResult", 3)
        sealed = group.totals._tools.releases.parts(computation)[0]
        info = guard.info(computation, made.agreements[0].agreement, 0)
        if name == AGGREGATOR:
            assert keys.unseal(sealed, private, info)
        else:
            with pytest.raises(Untrusted):  # it goes through the consumer's hands, and is not for its eyes
                keys.unseal(sealed, private, info)


def swapped(parts: Sequence[bytes]) -> list[bytes]:
    return [bytes([parts[0][0] ^ 1]) + parts[0][1:], *parts[1:]]


@pytest.mark.parametrize("how", ["altered", "another run's"])
def test_what_is_carried_to_the_aggregator_is_what_each_party_sealed_for_this_run_or_all_fails(
    group: Group, how: str
) -> None:
    real = group.totals._tools.releases
    earlier = latest(group)
    before = {name: group.charged(name) for name in GRIDS}

    def parts(computation: str) -> Sequence[bytes]:
        if own(group, computation).peer == AGGREGATOR:
            return real.parts(computation)
        if how == "altered":
            return swapped(real.parts(computation))
        return real.parts(earlier[own(group, computation).peer])

    with pytest.raises(Conflict) as caught:
        group.total(cheating(group, releases={"parts": parts}))
    assert caught.value.reasons == ("session.part",)
    assert code(group, AGGREGATOR) == "session.part"
    assert {state(group, latest(group)[name]) for name in GRIDS} == {
        ComputationState.RELEASED, ComputationState.FAILED
    }  # fmt: skip
    assert all(group.charged(name) != before[name] for name in GRIDS)


def test_a_run_that_is_left_ends_charged_at_every_party(group: Group) -> None:
    """The consumer drops out, and so does a party, at each point: nobody goes on, and nobody is paid back."""
    for stage in (Stage.JOINING, Stage.COMPUTING):
        before = {name: group.charged(name) for name in GRIDS}
        run = group.totals.total(group.wish())
        for step in run:
            if isinstance(step, Step) and step.stage is stage and step.done:
                break
        run.close()  # type: ignore[attr-defined]
        assert state(group, latest(group)[AGGREGATOR]) is ComputationState.CANCELLED
        assert all(group.charged(name) != before[name] for name in GRIDS)


def test_where_a_party_cannot_be_joined_the_others_are_not_left_to_wait(group: Group) -> None:
    def join(provider: str, computation: str) -> Statement:
        if provider == "grid-west":
            raise Unavailable("peer.unreachable", peer=provider)
        return group.totals._tools.peers.join(provider, computation)

    with pytest.raises(Unavailable):
        group.total(cheating(group, peers={"join": join}))
    assert {state(group, each) for each in latest(group).values()} == {ComputationState.CANCELLED}


def test_an_aggregator_that_gets_nothing_or_another_upload_tells_nothing(group: Group) -> None:
    peers = group.totals._tools.peers

    def carry_on(provider: str, computation: str, words: Sequence[Statement], carried: str) -> Any:
        return peers.carry_on(provider, computation, words, carried and "sha256:" + "0" * 64)

    with pytest.raises(Conflict) as caught:
        group.total(cheating(group, peers={"carry_on": carry_on}))
    assert caught.value.reasons == ("inputs.missing",)


def test_too_few_or_doubled_providers_and_other_contracts_are_refused_before_anything_is_charged(group: Group) -> None:
    before = [group.charged(name) for name in GRIDS]
    first, second, third = group.agreements
    for agreements in ((first, second), (first, second, second), (first, second, third, "agr-none")):
        with pytest.raises(HefuError):
            group.total(agreements=agreements)
    for changes in ({"aggregator": "energy-group"}, {"aggregator": "nobody"}, {"honest": 4}):
        with pytest.raises(Malformed):
            group.total(**changes)
    with pytest.raises(Refused):  # the contracts want that one may pool what it sees with the consumer
        group.total(honest=3)
    assert [group.charged(name) for name in GRIDS] == before


def test_one_agreement_of_all_providers_is_enough(group: Group) -> None:
    further = [(f"prd-{name}", "off-totals") for name in GRIDS[1:]]
    asked = group.consumer.consumer.request("prd-grid-east", "off-totals", PURPOSE, "rui", {}, further)

    def agreed() -> str:
        sides = [group.consumer, *map(group.grid, GRIDS)]
        every = ([each.agreement for each in side.agreements.all()] for side in sides)
        held = [{each.id for each in mine if each.negotiation == asked.id} for mine in every]
        return next(iter(set.intersection(*held)), "")

    _, total = group.total(agreements=(eventually(agreed),))
    assert [own(group, each).peer for each in total.computations] == [*GRIDS]
