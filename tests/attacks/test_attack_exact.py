"""Attacks on exact aggregates: by two consumers together, by races, by changes of the data, by another operation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Unavailable
from hefu.keeping import keys
from hefu.statements import receipt
from hefu_connector.computing import guard
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.computing.predicates import Between, Compare, Literal, Predicate
from hefu_connector.ports import FINAL, Account, ComputationState, Run
from hefu_policies.budget import NO_LOSS, Budget, Charge
from hefu_policies.library import template

from tests.connector.world import CONSUMER, Space

PURPOSE = "dpv:ProvideOfficialStatistics"
SOUTH = Compare("region", "=", Literal("text", "south"))
ROWS = "patient,age,region\n" + "".join(f"p{i},{20 + i % 50},{'north' if i % 3 else 'south'}\n" for i in range(300))


def policy(group: int = 10, rounding: str = "5") -> Object:
    values: Object = {
        "recipients": [CONSUMER], "min_group": group, "rounding": rounding, "columns": ["age", "region"], "count": 50,
        "until": "2027-11-21T00:00:00Z",
    }  # fmt: skip
    return template("official-statistics", values)


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    made = Space(tmp_path, policy=policy())
    made.agree("1", 100, "10", agreement="agr-two")
    yield made
    made.enforcement.close()


def asked(where: Predicate | None = None, *, by: tuple[str, ...] = ()) -> Object:
    return ExactPlan(Plan("prd-admissions", (Aggregate("count", "n"),), NO_LOSS, where, by)).body()


def ask(space: Space, plan: Object, agreement: str = "agr-one") -> Run:
    statement = space.request(plan=plan, purpose=PURPOSE, agreement=agreement)
    run = space.enforcement.create(statement, CONSUMER)
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 20)
    return run


def rows(space: Space, run: Run, agreement: str = "agr-one") -> list[tuple[str | None, ...]]:
    assert run.state is ComputationState.RELEASED, end(run)
    part = space.enforcement.part(run.id, CONSUMER, 0)
    sealed = keys.unseal(part, space.sealing[CONSUMER], guard.info(run.id, agreement, 0))
    return [*guard.read(sealed, run.id)[0].rows]


def end(run: Run) -> object:
    assert run.receipt is not None
    signed = Statement.parse(run.receipt)
    if run.state is ComputationState.FAILED:
        return receipt.Failure.of(signed)
    return receipt.Refusal.of(signed) if run.state is ComputationState.REFUSED else receipt.Receipt.of(signed)


def code(run: Run) -> str:
    found = end(run)
    assert isinstance(found, receipt.Failure | receipt.Refusal)
    return found.code


def spent(space: Space, name: str) -> Charge:
    return space.ledger.balance(Account(name, Budget.of_text("1", releases=1))).charged


def ages(most: int) -> Predicate:
    return Between("age", Literal("integer", "20"), Literal("integer", str(most)))


def test_an_exact_answer_is_reserved_sealed_with_its_label_and_counted_without_epsilon(space: Space) -> None:
    run = ask(space, asked(by=("region",)))
    assert rows(space, run) == [("north", "200"), ("south", "100")]
    made = end(run)
    assert isinstance(made, receipt.Receipt)
    assert (made.charge, made.engine, made.output.kind) == (receipt.Spent(0, 0, 1), "exact", "Aggregate")
    assert {each.mechanism for each in made.mechanisms} == {"rounding-without-differential-privacy"}
    assert (made.facts["minGroup"], made.facts["operation"]) == (10, "hefu:aggregateQuery")
    assert "rounding" in made.facts
    assert spent(space, "agreement/agr-one") == spent(space, "asset/res-admissions") == Charge(NO_LOSS, 1)


def test_two_contracts_together_do_not_single_out_a_small_group(space: Space) -> None:
    assert rows(space, ask(space, asked(ages(69)))) == [("300",)]
    refused = ask(space, asked(ages(68)), "agr-two")
    assert (refused.state, code(refused)) == (ComputationState.FAILED, "exact.differencing")
    assert spent(space, "agreement/agr-two") == Charge(NO_LOSS, 1)  # it stays charged: trying costs
    assert rows(space, ask(space, asked(ages(67)), "agr-two"), "agr-two") == [("290",)]  # 12 are left out, of 288


def test_the_same_question_again_says_the_same_and_takes_no_place_in_the_history(space: Space) -> None:
    first, again = (rows(space, ask(space, asked(SOUTH), name), name) for name in ("agr-one", "agr-two"))
    assert first == again == [("100",)]
    assert len(space.disclosures.of("res-admissions")) == 1


def test_of_two_that_race_one_is_held_against_the_other(space: Space) -> None:
    runs: list[Run] = []
    space.workers.gate.clear()
    statements = [space.request(plan=asked(ages(most)), purpose=PURPOSE) for most in (68, 69)]
    for each in statements:
        space.enforcement.create(each, CONSUMER)
    assert space.workers.started.wait(10)
    space.workers.gate.set()
    for each in statements:
        run = space.enforcement.view(str(each.body["computation"]), CONSUMER)
        while run.state not in FINAL:
            run = space.enforcement.wait(run.id, CONSUMER, 20)
        runs.append(run)
    assert sorted(each.state for each in runs) == [ComputationState.FAILED, ComputationState.RELEASED]
    assert {code(each) for each in runs if each.state is ComputationState.FAILED} == {"exact.differencing"}


def test_many_that_race_leave_a_history_without_gaps_and_nobody_waits_for_ever(space: Space) -> None:
    threads = [threading.Thread(target=ask, args=(space, asked(ages(30 + 10 * at)))) for at in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not any(each.is_alive() for each in threads)
    told = space.disclosures.of("res-admissions")
    assert 1 <= len(told) <= 4


def test_a_change_of_the_data_is_not_told_by_the_same_question_asked_again(space: Space) -> None:
    rows(space, ask(space, asked(SOUTH)))
    space.file.write_text(ROWS + "one-more,30,south\n")
    refused = ask(space, asked(SOUTH), "agr-two")
    assert (refused.state, code(refused)) == (ComputationState.FAILED, "exact.edition")


def test_what_was_kept_counts_although_the_journal_could_not_be_written_after_it(space: Space) -> None:
    close, failed = space.journal.close, threading.Event()

    def full(*_: object) -> Run:
        failed.set()
        raise Unavailable("store.unavailable", why="the disk is full")

    space.journal.close = full  # type: ignore[assignment, method-assign]
    space.enforcement.create(space.request(plan=asked(ages(69)), purpose=PURPOSE), CONSUMER)
    assert failed.wait(20)
    space.enforcement.close()
    space.journal.close = close  # type: ignore[method-assign]
    space.enforcement = space.build()
    assert len(space.disclosures.of("res-admissions")) == 1
    assert code(ask(space, asked(ages(68)))) == "exact.differencing"


def test_a_contract_for_private_statistics_gives_nothing_exactly(tmp_path: Path) -> None:
    private = Space(tmp_path)
    refused = ask(private, asked())
    private.enforcement.close()
    assert (refused.state, code(refused)) == (ComputationState.REFUSED, "contract.nothing")


def test_a_contract_for_exact_figures_gives_nothing_private_which_would_cost_what_it_has_not(space: Space) -> None:
    refused = ask(space, space.plan("0.1"))
    assert (refused.state, code(refused)) == (ComputationState.REFUSED, "contract.nothing")


def test_a_plan_that_names_its_own_minimum_or_rounding_is_malformed(space: Space) -> None:
    for more in ({"group": 1}, {"rounding": "0"}, {"history": []}):
        refused = ask(space, {**asked(), **more})
        assert (refused.state, code(refused)) == (ComputationState.REFUSED, "contract.unknown")


def test_a_worker_that_returns_a_small_cell_or_an_unrounded_figure_releases_nothing(space: Space) -> None:
    real = space.workers.run

    def lying(engine: str, parameters: Object, *rest: object, **more: object) -> Object:
        found = real(engine, parameters, *rest, **more)  # type: ignore[arg-type]
        return {**found, "figures": [["203", "100"]]}

    space.workers.run = lying  # type: ignore[method-assign]
    assert code(ask(space, asked(by=("region",)))) == "guard.shape"
