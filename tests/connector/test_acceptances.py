"""A consumer that accepts by itself: what it takes, what waits for a person and why, and never one too many."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hefu.__main__ import main
from hefu.canonical import Object
from hefu_connector.contracting.acceptances import EVERY, AcceptanceBook
from hefu_policies.bargaining.acceptance import Acceptable
from hefu_policies.states.negotiation import State

from tests.connector.small_space import PURPOSE
from tests.connector.test_negotiating_terms import Pair, Sides, epsilon, sides, types
from tests.connector.test_opening_offers import heard, pair, propose

__all__ = ["pair", "sides"]


@pytest.fixture(autouse=True)
def _no_limits(pair: Pair) -> Iterator[None]:
    yield
    for each in (EVERY, pair.product):
        pair.consumer.consumer.acceptances.remove(each)
    pair.limit({"epsilon": ""})


def accepts(pair: Pair, product: str = EVERY, contracts: int = 5, **limits: object) -> None:
    pair.consumer.consumer.acceptances.set(product, Acceptable(contracts, **limits))  # type: ignore[arg-type]


def lacking(pair: Pair, negotiation: str) -> list[tuple[str, str]]:
    heard(pair, negotiation)
    shown = pair.consumer.desk.overview.contract(negotiation)
    assert shown.table is not None
    return [(each.code.value, each.about) for each in shown.table.lacking]


def test_a_counter_offer_inside_the_limits_is_accepted_without_anybody(pair: Pair) -> None:
    pair.limit({"epsilon": "2"})
    accepts(pair, computations=("hefu:dpQuery",), least={"epsilon": "1.5"})
    asked = pair.ask({"epsilon": "9"})
    assert epsilon(pair.contract(asked)) == Decimal(2)
    rounds = pair.consumer.desk.tables.history(asked)
    assert [(each.move.value, each.user) for each in rounds[:3]] == [
        ("requested", "rui"), ("offered", ""), ("accepted", ""),
    ]  # fmt: skip
    told = b"".join(each.to_bytes() for each in pair.state(asked).messages)
    assert b"1.5" not in told


def test_one_outside_waits_and_the_queue_says_why(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.limit({"epsilon": "2"})
    accepts(pair, least={"epsilon": "2.5"})
    asked = pair.ask({"epsilon": "9"})
    pair.until(asked, State.OFFERED)
    assert lacking(pair, asked) == [("least", "epsilon")]
    for language, said in (("en", "epsilon is too narrow"), ("zh", "epsilon 过窄")):
        where = ["--dir", str(pair.space.folder / "pharma-b"), "--lang", language]
        assert main(["contract", "queue", *where]) == 0
        assert said in capsys.readouterr().out
    pair.consumer.consumer.accept(asked, "rui")
    assert epsilon(pair.contract(asked)) == Decimal(2)


def test_an_offer_that_was_not_asked_for_is_accepted_only_from_whom_and_for_what_is_named(pair: Pair) -> None:
    accepts(pair)
    made = propose(pair, {})
    assert lacking(pair, made) == [("provider", "hospital-a"), ("purpose", "")]
    accepts(pair, contracts=1, providers=("hospital-a",), purpose=PURPOSE)
    agreed = pair.contract(propose(pair, {"epsilon": "0.75"}))
    assert (epsilon(agreed), pair.consumer.desk.overview.contract(agreed.agreement.id).purpose) == (
        Decimal("0.75"), PURPOSE,
    )  # fmt: skip
    third = propose(pair, {})
    assert lacking(pair, third) == [("contracts", "")]
    assert pair.state(third).state is State.OFFERED


def test_a_fine_that_only_follows_an_infringement_is_a_price_too(pair: Pair) -> None:
    accepts(pair, providers=("hospital-a",), purpose=PURPOSE, prices={"CNY": Decimal(499)})
    assert lacking(pair, propose(pair, {}, "off-fined")) == [("price", "500 CNY")]
    accepts(pair, providers=("hospital-a",), purpose=PURPOSE, prices={"CNY": Decimal(500)})
    assert pair.contract(propose(pair, {}, "off-fined"))


def test_limits_for_one_product_come_before_those_for_all(pair: Pair) -> None:
    accepts(pair, providers=("hospital-a",), purpose=PURPOSE)
    accepts(pair, pair.product, computations=("hefu:psi",), providers=("hospital-a",), purpose=PURPOSE)
    assert lacking(pair, propose(pair, {})) == [("computation", "hefu:psi")]
    pair.consumer.consumer.acceptances.remove(pair.product)
    assert pair.contract(propose(pair, {}))


def test_many_at_once_never_take_one_place_too_many(pair: Pair) -> None:
    marks = pair.consumer.consumer._marks
    book = AcceptanceBook(marks)
    book.set(EVERY, Acceptable(3))
    taken: list[str] = []
    start = threading.Barrier(8)

    def run(number: int) -> None:
        other = AcceptanceBook(marks)  # as in another replica
        start.wait()
        for each in (f"neg-{number % 4}", f"neg-{number % 4 + 4}"):
            if other.take("prd-x", each):
                taken.append(each)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({*taken}) == 3
    limits = book.of(EVERY)
    assert limits is not None
    assert limits[1] == 3
    assert all(book.take("prd-x", each) for each in taken)  # the same again takes no other


def test_what_was_accepted_by_itself_and_not_sent_goes_out_once(sides: Sides) -> None:
    accepts(sides.pair, providers=("hospital-a",), purpose=PURPOSE, contracts=1)
    made = sides.provider.propose(sides.pair.product, "off-research", "pharma-b", {}, "", "wang")
    advance, sent = sides.broker.advance, []

    def failing(message: object) -> object:
        sent.append(message)
        raise OSError

    sides.broker.advance = failing  # type: ignore[method-assign,assignment]
    with pytest.raises(OSError):
        sides.consumer.react(made)
    sides.broker.advance = advance  # type: ignore[method-assign]
    sides.consumer.react(made)
    sides.consumer.react(sides.broker.negotiation(made.id))
    assert types(sides.broker) == ["offered", "accepted"]
    assert sides.broker.sent[-1] == sent[0]


def test_limits_are_shown_set_and_taken_away_by_commands(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str, code: int = 0) -> Object:
        assert main(["contract", "limits", *words, "--dir", str(pair.space.folder / "pharma-b"), "--json"]) == code
        told = capsys.readouterr()
        return json.loads(told.out or told.err)  # type: ignore[no-any-return]

    assert run()["contracts"] == 0
    made = run(
        "--contracts", "4", "--price", "CNY=12.50", "--duty", "odrl:inform", "--computation", "hefu:dpQuery",
        "--least", "epsilon=0.5", "--from", "hospital-a", "--purpose", PURPOSE,
    )  # fmt: skip
    assert made == run()
    assert (made["contracts"], made["prices"], made["delivery"]) == (4, {"CNY": "12.50"}, False)
    assert run("--product", pair.product)["contracts"] == 0
    assert run("--price", "CNY=1", code=2)["error"] == "contract.value"
    assert run()["contracts"] == 4
    assert main(["contract", "limits", "--lang", "zh", "--dir", str(pair.space.folder / "pharma-b")]) == 0
    assert "CNY 12.50" in capsys.readouterr().out
    assert run("--off")["contracts"] == 0
