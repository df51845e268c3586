"""Deliveries at the provider's only door: what the contract names leaves, as agreed, counted, sealed and for a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import NotFound, Refused
from hefu.identity import read_bytes
from hefu.keeping import keys
from hefu.statements import receipt
from hefu.statements.delivery import Delivered
from hefu_connector.computing import guard, rows
from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.ports import FINAL, Account, ComputationState, Run
from hefu_policies.budget import NO_LOSS, NOTHING, Charge
from hefu_policies.library import template
from hefu_policies.proving import replay

from tests.connector.world import CONSUMER, START, Space

UNTIL = "2027-11-21T00:00:00Z"
COLUMNS = ["patient", "age", "region"]
MASKED: dict[str, Any] = {"columns": COLUMNS, "rows": 50, "count": 3, "until": UNTIL, "keep": "P2D"}
Make = Callable[..., Space]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Space] = []

    def one(name: str = "delivery-masked", **changes: Any) -> Space:
        made.append(Space(tmp_path, policy=template(name, MASKED | changes)))
        return made[0]

    yield one
    for each in made:
        each.workers.gate.set()
        each.enforcement.close()


def plan(processing: str = "masked", columns: tuple[str, ...] = tuple(COLUMNS), **changes: Any) -> Object:
    share = changes.pop("share", None)
    return DeliveryPlan("prd-admissions", columns, processing, changes.pop("rows", 50), share=share).body() | changes


def ask(space: Space, asked: Object, **changes: Any) -> Run:
    run = space.enforcement.create(space.request(plan=asked, **changes), CONSUMER)
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    return run


def spent(space: Space) -> Charge:
    return space.ledger.balance(Account("agreement/agr-one", space.contract.agreement.budget)).charged


def refusal(run: Run) -> str:
    assert run.receipt is not None
    return " ".join(receipt.Refusal.of(Statement.parse(run.receipt)).reasons)


def opened(space: Space, run: Run) -> tuple[receipt.Receipt, rows.Rows, Object]:
    assert run.receipt is not None
    told = receipt.Receipt.of(Statement.parse(run.receipt))
    sealed = [space.enforcement.part(run.id, CONSUMER, index) for index in range(len(told.parts))]
    infos = [guard.info(run.id, "agr-one", index) for index in range(len(sealed))]
    data = b"".join(keys.unseal(part, space.sealing[CONSUMER], info) for part, info in zip(sealed, infos, strict=True))
    return told, *rows.read(data, run.id)


def test_a_delivery_is_sealed_counted_as_one_exact_release_and_its_receipt_says_how_and_until_when(make: Make) -> None:
    space = make()
    run = ask(space, plan())
    told, delivered, openings = opened(space, run)
    assert (told.charge, spent(space)) == (receipt.Spent(0, 0, 1), Charge(NO_LOSS))
    said = Delivered.of(told)
    assert said is not None
    assert (said.processing, said.rows, (said.delete_by - START).days) == ("masked", 50, 2)
    assert (told.output.kind, told.output.cells, told.engine) == ("Rows", 50, "delivery")
    assert len(delivered.rows) == 50
    assert {row[2] for row in delivered.rows} == {"north", "south"}
    assert not any(str(cell).startswith("p") and str(cell)[1:].isdigit() for row in delivered.rows for cell in row)
    opening = openings["content"]
    assert isinstance(opening, dict)
    assert opening["value"] == rows.digest(delivered)
    salt = read_bytes(str(opening["salt"]))
    receipt.check_opening(told.commitments["content"], "content", opening["value"], salt)
    assert replay.read_facts(told.facts)["processing"] == "masked"


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (plan("raw"), "delivered data is processed"),
        (plan("anonymised"), "smallest group"),
        (plan("sampled", share=Decimal("0.1")), "delivered data is processed"),
        (plan(rows=51), "rows"),
        (plan(columns=("age", "weight")), "columns"),
    ],
)
def test_what_the_contract_does_not_name_is_refused_before_anything_is_charged(
    make: Make, asked: Object, word: str
) -> None:
    space = make()
    run = ask(space, asked)
    assert run.state is ComputationState.REFUSED
    assert word in refusal(run)
    assert spent(space) == NOTHING


def test_a_contract_for_deliveries_answers_no_query(make: Make) -> None:
    space = make()
    assert ask(space, space.plan("0.1")).state is ComputationState.REFUSED


def test_a_contract_for_queries_delivers_nothing(tmp_path: Path) -> None:
    space = Space(tmp_path)
    try:
        run = ask(space, plan())
        assert run.state is ComputationState.REFUSED
        assert "hefu:deliver" in refusal(run)
    finally:
        space.enforcement.close()


def test_deliveries_end_when_their_count_is_used_up_also_where_they_race(make: Make) -> None:
    space = make(count=2)
    space.workers.gate.clear()
    runs = [space.enforcement.create(space.request(plan=plan()), CONSUMER) for _ in range(4)]
    space.workers.gate.set()
    ends = []
    for each in runs:
        run = each
        while run.state not in FINAL:
            run = space.enforcement.wait(run.id, CONSUMER, 10)
        ends.append(run.state)
    assert ends.count(ComputationState.RELEASED) == 2
    assert spent(space).releases == 2


@pytest.mark.parametrize("name", ["delivery-sampled", "delivery-anonymised", "delivery-raw"])
def test_every_named_processing_is_delivered_as_it_is_named(make: Make, name: str) -> None:
    extra = {"delivery-sampled": {"share": "0.5"}, "delivery-anonymised": {"min_group": 5}}.get(name, {})
    space = make(name, rows=300, **extra)
    processing = name.removeprefix("delivery-")
    share = Decimal("0.5") if processing == "sampled" else None
    run = ask(space, plan(processing, rows=300, share=share))
    told, delivered, _ = opened(space, run)
    assert delivered.processing == processing == told.facts["processing"]
    if processing == "raw":
        assert ("p7", "27", "north") in delivered.rows
    if processing == "sampled":
        assert 0 < len(delivered.rows) <= 150
    if processing == "anonymised":
        assert (delivered.headings, told.facts["minGroup"]) == (("age", "region"), 5)


def test_too_large_a_share_is_refused(make: Make) -> None:
    space = make("delivery-sampled", share="0.1")
    assert ask(space, plan("sampled", share=Decimal("0.11"))).state is ComputationState.REFUSED


def test_what_is_over_is_not_handed_over_again(make: Make) -> None:
    space = make()
    run = ask(space, plan())
    assert space.enforcement.part(run.id, CONSUMER, 0)
    space.clock.move(2 * 86_400)
    with pytest.raises(Refused, match="had to be deleted"):
        space.enforcement.part(run.id, CONSUMER, 0)


def test_what_another_asks_for_is_not_there(make: Make) -> None:
    space = make()
    run = ask(space, plan())
    with pytest.raises(NotFound):
        space.enforcement.part(run.id, "hospital-a", 0)


def test_a_worker_that_dies_leaves_the_charge_and_delivers_nothing(make: Make) -> None:
    space = make()
    space.workers.dies = True
    run = ask(space, plan())
    assert (run.state, run.parts, spent(space)) == (ComputationState.FAILED, 0, Charge(NO_LOSS))
