"""Two products of one provider asked as one, over real connectors, workers and contracts, by Python and by command."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import hefu
import pytest
from hefu.__main__ import main
from hefu.envelope import Statement
from hefu.errors import Malformed, Refused
from hefu.statements.receipt import Receipt
from hefu_connector.shelves import SourceRecord
from hefu_policies.budget import Budget
from hefu_policies.goods.product import Description
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.library import template

from tests.connector.backends import InPlace
from tests.connector.small_space import PURPOSE, Space, agree, description, eventually, offer, write_table
from tests.postgresql import PostgreSQL

SQL = "SELECT region, ward, COUNT(*) AS n, SUM(cost) AS cost FROM data GROUP BY region, ward"


def offering(columns: list[str]) -> Any:
    policy = template("research-statistics", {
        "purpose": PURPOSE, "epsilon": "2", "min_group": 1, "columns": columns, "until": "2036-01-01T00:00:00Z",
        "count": 50, "budget": "5", "join_keys": ["patient"],
    })  # fmt: skip
    return offer(policy=policy)


def stays(resource: str, product: str = "prd-stays") -> Description:
    columns = (
        Column("patient", "text"),
        Column("ward", "text", categories=("x", "y")),
        Column("cost", "integer", bounds=Bounds(Decimal(0), Decimal(10), Decimal(1))),
    )
    asset = Resource(resource, columns, Privacy("patient", 2, Budget.of_text("20", releases=100)))
    return Description(product, 1, {"en": "Stays", "zh": "住院"}, (asset,), (offering(["ward", "cost"]),))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("town")).open()
    try:
        provider = made.member("hospital-a", "provider", quantum_ms=0)
        made.member("pharma", "consumer")
        data = made.folder / "data"
        data.mkdir()
        wards = data / "stays.csv"
        wards.write_text("patient,ward,cost\n" + "".join(f"p{i % 800},{'xy'[i % 2]},{i % 10}\n" for i in range(1600)))
        book = provider.desk.book
        people = book.add(SourceRecord("visits", "", str(write_table(data)), "csv")).resource
        beds = book.add(SourceRecord("stays", "", str(wards), "csv")).resource
        first = description(people, "prd-visits", offers=(offering(["age", "region"]),))
        for each in (first, stays(beds)):
            eventually(lambda each=each: provider.provider.publish(each))  # type: ignore[misc]
        for name in ("prd-visits", "prd-stays"):
            agree(provider, made.connectors["pharma"], name)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def ids(town: Space) -> dict[str, str]:
    """The agreement on each product."""
    held = town.connectors["pharma"].agreements.all()
    return {each.agreement.product: each.agreement.id for each in held}


@pytest.fixture(scope="module")
def space(town: Space) -> Any:
    return hefu.connect(town.folder / "pharma")


def test_two_products_are_asked_as_one_and_one_receipt_stands_under_both_contracts(
    town: Space, ids: dict[str, str], space: Any
) -> None:
    both = space.product("prd-visits").join("prd-stays")
    estimate = both.estimate(SQL, epsilon=2)
    assert (estimate.epsilon, estimate.cells) == (2, 4)
    answer = both.query(SQL, epsilon=2)
    # 400 people in visits and each has one stay of 1 of 2 wards twice; north are three of four.
    truth = {("north", "x"): 200, ("north", "y"): 400, ("south", "x"): 200, ("south", "y"): 0}
    for region, ward, n, ends in zip(
        answer.values("region"), answer.values("ward"), answer.values("n"), answer.intervals("n"), strict=True
    ):
        # A group of nobody is mostly withheld, as its noised count says.
        assert n is None or abs(n - truth[region, ward]) <= 5 * (ends[1] - n)
    left = {each.products[0]: each.epsilon_left for each in space.contracts()}
    assert left == {"prd-visits": 3, "prd-stays": 3}
    (run,) = town.connectors["hospital-a"].desk.overview.releases(1)
    assert run.run.receipt is not None
    made = Receipt.of(Statement.parse(run.run.receipt))
    assert [each.agreement for each in made.agreements] == [ids["prd-visits"], ids["prd-stays"]]


def test_a_command_asks_a_join_and_the_owner_decides_it_again(
    town: Space, ids: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(town.folder / "pharma")
    sql = 'SELECT ward, COUNT(*) AS n FROM data JOIN "prd-stays" USING (patient) GROUP BY ward'
    words = ["compute", "query", sql, "--contract", ids["prd-visits"], "--epsilon", "1", "--dir", folder]
    assert main([*words, "--joined", ids["prd-stays"]]) == 0
    assert "ward" in capsys.readouterr().out
    assert main(words) == 2  # which second contract?
    assert "--joined" in capsys.readouterr().err
    assert main([*words[:2], "SELECT COUNT(*) AS n FROM data", *words[3:], "--joined", ids["prd-stays"]]) == 2
    (left,) = town.connectors["hospital-a"].desk.overview.releases(1)
    assert main(["policy", "replay", left.run.id, "--dir", str(town.folder / "hospital-a")]) == 0


def test_a_laid_out_table_is_joined_with_one_that_is_not(town: Space, space: Any) -> None:
    assert main(["source", "refresh", "stays", "--dir", str(town.folder / "hospital-a")]) == 0
    answer = space.product("prd-visits").join("prd-stays").query("SELECT COUNT(*) AS n FROM data", epsilon=1)
    assert abs(answer.values("n")[0] - 800) <= 60


def test_two_tables_of_one_database_are_joined_where_they_lie(
    town: Space, space: Any, postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    database, provider = InPlace(postgresql.database()), town.connectors["hospital-a"]
    people = database.table("patient text, age integer, region text", [(f"p{i}", i, "north") for i in range(300)])
    beds = database.table("patient text, ward text, cost integer", [(f"p{i % 200}", "x", 1) for i in range(400)])
    made = [
        provider.desk.book.add(SourceRecord(name, "", database.url, "", {"table": table, "in_place": "yes"})).resource
        for name, table in (("people", people), ("beds", beds))
    ]
    first = description(made[0], "prd-people", offers=(offering(["age", "region"]),))
    for each in (first, stays(made[1], "prd-beds")):
        eventually(lambda each=each: provider.provider.publish(each))  # type: ignore[misc]
        agree(provider, town.connectors["pharma"], each.product)
    with caplog.at_level("INFO", "hefu.sources"):
        answer = space.product("prd-people").join("prd-beds").query(SQL, epsilon=2)
    assert abs(answer.values("n")[0] - 400) <= 60
    assert len([each for each in caplog.messages if each.startswith("counted in place")]) == 2


def test_what_cannot_be_joined_is_refused_before_anything_is_asked(space: Any) -> None:
    both = space.product("prd-visits").join("prd-stays")
    with pytest.raises(Malformed):
        both.query('SELECT COUNT(*) AS n FROM data JOIN "prd-other" USING (patient)', epsilon=1)
    with pytest.raises(Refused):
        space.product("prd-visits").join("prd-visits").query("SELECT COUNT(*) AS n FROM data", epsilon=1)
