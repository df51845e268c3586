"""A join stands under two contracts: what either refuses is refused, and both are charged or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Untrusted
from hefu.statements import receipt
from hefu.statements.receipt import Receipt
from hefu_connector.computing import answers
from hefu_connector.computing.computation import Aggregate, Join, Plan
from hefu_connector.ports import FINAL, Account, ComputationState, Contract, Run, Turn
from hefu_policies.budget import NOTHING, Budget, Charge, PrivacyLoss
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.library import template
from hefu_policies.proving.receipts import again

from tests.connector.world import CONSUMER, PROVIDER, SPACE, START, Space

ONE = Charge(PrivacyLoss(500_000_000))
VISITS = "patient,ward,cost\n" + "".join(f"p{i % 400},{'xy'[i % 2]},{i % 50}\n" for i in range(900))


def policy(keys: list[str], columns: list[str], **changes: object) -> Object:
    values: dict[str, object] = {
        "purpose": "dpv:ScientificResearch", "epsilon": "0.5", "min_group": 20, "columns": columns,
        "until": "2027-11-21T00:00:00Z", "count": 200, "budget": "1", "join_keys": keys,
    }  # fmt: skip
    return template("research-statistics", values | changes)  # type: ignore[arg-type]


def visits(keys: list[str], budget: str = "1", columns: list[str] | None = None) -> Description:
    schema = (
        Column("patient", "text"),
        Column("ward", "text", categories=("x", "y")),
        Column("cost", "integer", bounds=Bounds(Decimal(0), Decimal(50), Decimal(1))),
    )
    resource = Resource("res-visits", schema, Privacy("patient", 3, Budget.of_text("10", releases=10_000)))
    offer = Offer("off-research", policy(keys, columns or ["ward", "cost"]), Budget.of_text(budget, releases=100))
    return Description("prd-visits", 1, {"en": "Visits"}, (resource,), (offer,), personal_data=True)


class Joining(Space):
    """Two products of one provider, and a contract on each."""

    def __init__(
        self, folder: Path, first: tuple[str, ...] = ("patient",), second: tuple[str, ...] = ("patient",),
        budget: str = "1", columns: list[str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(folder, policy=policy([*first], ["age", "region"]))
        self.files["res-visits"] = folder / "visits.csv"
        self.files["res-visits"].write_text(VISITS)
        self.other = self.agree("", 0, "", "agr-two", visits([*second], budget, columns))
        self.enforcement.close()
        self.enforcement = self.build()

    def joining(self, agreements: tuple[str, ...] = ("agr-one", "agr-two"), **changes: object) -> Statement:
        first, *joined = agreements
        return self.request(plan=question(**changes), agreement=first, joined=tuple(joined))

    def charged(self) -> list[Charge]:
        """Of both assets and both agreements."""
        names = ("asset/res-admissions", "asset/res-visits", "agreement/agr-one", "agreement/agr-two")
        return [self.ledger.balance(Account(each, Budget.of_text("1", releases=1))).charged for each in names]


def question(**changes: object) -> Object:
    members: dict[str, object] = {
        "product": "prd-admissions",
        "aggregates": (Aggregate("count", "n"), Aggregate("sum", "cost", "cost")),
        "loss": PrivacyLoss.of_text("0.5"),
        "group_by": ("region", "ward"),
        "join": Join("prd-visits", "patient"),
    }
    return Plan(**(members | changes)).body()  # type: ignore[arg-type]


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Joining]:
    made = Joining(tmp_path)
    yield made
    made.workers.gate.set()
    made.enforcement.close()


def ask(space: Space, statement: Statement) -> Run:
    run = space.enforcement.create(statement, CONSUMER)
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    return run


def refused(run: Run) -> str:
    assert run.state is ComputationState.REFUSED
    assert run.receipt is not None
    return receipt.Refusal.of(Statement.parse(run.receipt)).code


def told(run: Run) -> Receipt:
    assert run.state is ComputationState.RELEASED
    assert run.receipt is not None
    return Receipt.of(Statement.parse(run.receipt))


def test_a_join_is_charged_to_both_contracts_and_one_receipt_stands_under_both(space: Joining) -> None:
    run = ask(space, space.joining())
    made = told(run)
    assert space.charged() == [ONE] * 4
    assert [each.agreement for each in made.agreements] == ["agr-one", "agr-two"]
    (joined,) = made.joined
    assert (made.product, made.resource) == ("prd-admissions", "res-admissions")
    assert (joined.product, joined.resource) == ("prd-visits", "res-visits")
    assert joined.snapshot != made.snapshot
    assert (made.facts["column"], joined.facts["column"]) == (["region"], ["cost", "ward"])
    assert made.facts["joinKey"] == joined.facts["joinKey"] == ["patient"]
    for contract in (space.contract, space.other):  # each party of either contract can decide it again
        (decision,) = again(made, contract.statement)
        assert decision.permits


def test_what_a_provider_tells_of_a_join_is_held_against_both_contracts(space: Joining) -> None:
    statement = space.joining()
    run = ask(space, statement)
    assert run.receipt is not None
    said, made = Statement.parse(run.receipt), told(run)
    both: tuple[Contract, ...] = (space.other,)
    answers.check_end(said, run.state, statement, space.contract, space.trust, both)
    wrong = [
        replace(made, joined=()),
        replace(made, agreements=made.agreements[:1], joined=()),
        replace(made, joined=(replace(made.joined[0], resource="res-admissions"),)),
        replace(made, joined=(replace(made.joined[0], description=made.description),)),
    ]
    for each in wrong:
        forged = draft(receipt.SEALED, each.body(), space=SPACE, issuer=PROVIDER, at=START)
        forged = forged.sign(space.signers[PROVIDER], START)
        with pytest.raises(Untrusted):
            answers.check_end(forged, run.state, statement, space.contract, space.trust, both)


@pytest.mark.parametrize(("first", "second"), [((), ("patient",)), (("patient",), ()), (("patient",), ("age",))])
def test_a_contract_that_does_not_name_the_key_is_not_joined_and_nothing_is_charged(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    space = Joining(tmp_path, first, second)
    code = refused(ask(space, space.joining()))
    assert code == ("contract.join" if "age" not in second else "policy.refused")
    assert space.charged() == [NOTHING] * 4
    assert ask(space, space.request()).state is ComputationState.RELEASED  # alone it is asked as before
    space.enforcement.close()


def test_a_column_that_the_second_contract_does_not_permit_is_refused(tmp_path: Path) -> None:
    space = Joining(tmp_path, columns=["ward"])
    assert refused(ask(space, space.joining())) == "policy.refused"
    assert space.charged() == [NOTHING] * 4
    space.enforcement.close()


@pytest.mark.parametrize("which", ["agr-one", "agr-two"])
def test_a_contract_that_ended_or_is_suspended_stops_the_join_before_and_while_it_runs(
    space: Joining, which: str
) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.joining(), CONSUMER)
    assert space.workers.started.wait(10)
    space.contracts.turn(which, Turn(draft("agreement.suspended", {}, space=SPACE, issuer=PROVIDER, at=START)))
    space.enforcement.watch()
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    assert run.state is ComputationState.FAILED
    assert run.receipt is not None
    failure = receipt.Failure.of(Statement.parse(run.receipt))
    assert failure.code == "contract.suspended"
    assert [failure.asset(each) for each in failure.agreements] == ["res-admissions", "res-visits"]
    assert space.charged() == [ONE] * 4
    assert refused(ask(space, space.joining())) == "contract.suspended"
    space.contracts.terminate(which, draft("agreement.terminated", {}, space=SPACE, issuer=CONSUMER, at=START))
    assert refused(ask(space, space.joining())) == "contract.ended"
    assert space.charged() == [ONE] * 4


def test_whoever_ends_either_contract_stops_what_runs(space: Joining) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.joining(), CONSUMER)
    assert space.workers.started.wait(10)
    space.enforcement.end_agreement("agr-two")
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    assert run.state is ComputationState.FAILED


@pytest.mark.parametrize("short", ["agreement/agr-two", "asset/res-visits", "asset/res-admissions"])
def test_where_either_contract_or_asset_is_short_nothing_is_charged_to_any(space: Joining, short: str) -> None:
    contract = space.other if "agr" in short else None
    limit = contract.agreement.budget if contract else Budget.of_text("10", releases=10_000)
    space.ledger.reserve("cmp-before", [Account(short, limit)], Charge(replace(limit.loss), 0))
    before = space.charged()
    assert refused(ask(space, space.joining())) == ("policy.refused" if contract else "budget.exhausted")
    assert space.charged() == before


def test_joins_and_questions_at_once_never_overspend_either_contract(space: Joining) -> None:
    alone = question(product="prd-visits", join=None, group_by=("ward",))
    statements = [space.joining() for _ in range(6)] + [space.request() for _ in range(5)]
    statements += [space.request(plan=alone, agreement="agr-two") for _ in range(5)]
    runs: list[Run] = []
    threads = [threading.Thread(target=lambda each=each: runs.append(ask(space, each))) for each in statements]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = [told(run) for run in runs if run.state is ComputationState.RELEASED]
    for at, name in ((2, "agr-one"), (3, "agr-two")):
        under = [each for each in ends if name in {one.agreement for one in each.agreements}]
        assert space.charged()[at] == Charge(PrivacyLoss(500_000_000 * len(under)), len(under))
        assert len(under) == 2
    assert len(runs) == 16


@pytest.mark.parametrize(
    "agreements", [("agr-one",), ("agr-two", "agr-one"), ("agr-one", "agr-two", "agr-three"), ("agr-one", "agr-three")]
)
def test_a_join_names_exactly_one_contract_a_product_in_their_order(
    space: Joining, agreements: tuple[str, ...]
) -> None:
    space.agree("1", 100, "10", "agr-three")
    assert refused(ask(space, space.joining(agreements))) == "contract.joined"
    assert space.charged() == [NOTHING] * 4


def test_a_question_without_a_join_cannot_charge_a_second_contract(space: Joining) -> None:
    statement = space.request(agreement="agr-one", joined=("agr-two",))
    assert refused(ask(space, statement)) == "request.malformed"


def test_a_contract_of_somebody_else_cannot_be_joined(space: Joining) -> None:
    agreement = space.other.agreement
    parties = tuple(
        replace(each, participant="broker") if each.role == "consumer" else each for each in agreement.parties
    )
    space.contracts.keep(replace(space.other, agreement=replace(agreement, id="agr-theirs", parties=parties)))
    assert refused(ask(space, space.joining(("agr-one", "agr-theirs")))) == "resource.not_found"
    assert space.charged() == [NOTHING] * 4


def test_the_snapshot_of_the_joined_product_is_held_to_its_own_contract(space: Joining) -> None:
    digest = canonical.digest(VISITS.encode())
    for rule, state in ((f"pinned:{digest}", ComputationState.RELEASED), (f"pinned:{digest[:-1]}0", None)):
        agreement = replace(space.other.agreement, snapshot_rule=rule)
        space.contracts.held["agr-two"] = replace(space.other, agreement=agreement)
        run = ask(space, space.joining())
        assert run.state is (state or ComputationState.FAILED)
        if state:
            assert told(run).joined[0].snapshot == digest


def test_a_request_with_a_join_is_answered_again_without_a_new_charge(space: Joining) -> None:
    statement = space.joining()
    first, second = ask(space, statement), ask(space, statement)
    assert first.receipt == second.receipt
    assert space.charged() == [ONE] * 4


def test_deliveries_are_never_joined(space: Joining) -> None:
    plan = {**question(), "operation": "hefu:deliver"}
    assert refused(ask(space, space.request(plan=plan, joined=("agr-two",)))).startswith("contract.")
    assert space.charged() == [NOTHING] * 4
