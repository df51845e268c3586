"""Exact aggregates over real processes: published, contracted, asked by two consumers, refused to them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hefu.envelope import new_id
from hefu_space import harness
from hefu_space.space import Member, Node, Space

from tests.journeys import acts, crash

OFFICE = Member("office", ("Statistics office", "统计局"), ("consumer",))
CITY = Member("city", ("City", "市政府"), ("consumer",))
REGISTER = Member("register", ("Register", "登记处"), ("provider",))
STATISTICS = "dpv:ProvideOfficialStatistics"
PRODUCT = """\
apiVersion: hefu/v1
kind: DataProduct
product: {product}
title: {{en: "Residents", zh: "居民"}}
description: {{en: "Residents of a town.", zh: "某镇居民。"}}
source: residents
columns:
  - {{name: person, type: text, sensitivity: personal}}
  - {{name: age, type: integer, sensitivity: quasi-identifier, bounds: {{lower: 0, upper: 120}}}}
  - {{name: region, type: text, sensitivity: public, categories: [north, south, island]}}
privacy: {{unit: person, max_contribution: 1, lifetime: {{epsilon: 0, releases: 100}}}}
governance: {{security_grade: 2, personal_data: true, important_data: false, legal_basis: law, cross_border: false}}
offers:
  - name: exact
    policy: {{template: official-statistics, recipients: [office, city], min_group: 10, rounding: "5", count: 20,
             columns: [age, region], until: "2099-01-01T00:00:00Z"}}
    budget: {{epsilon: 0, releases: 20}}
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("exact") / "space", {"HEFU_TEST": "1"}, {"quantum_ms": 50, "workers": 1})
    try:
        made.found()
        made.join([REGISTER, OFFICE, CITY])
        yield made
    finally:
        made.stop()


@pytest.mark.timeout(400)  # a space of processes, on a busy machine
def test_figures_are_rounded_and_withheld_and_two_consumers_together_learn_no_more(
    space: Space, tmp_path: Path
) -> None:
    provider, office, city = (space.nodes[each.name] for each in (REGISTER, OFFICE, CITY))
    product = _publish(provider)
    assert office.do("catalog", "show", product)["differential_privacy_guarantee"] is False
    first, second = (acts.agree(provider, each, product, "exact") for each in (office, city))

    def ask(node: Node, agreement: str, query: str) -> harness.Answer:
        words = ("compute", "query", "--exact", query, "--contract", agreement, "--purpose", STATISTICS)
        return node.ask(*words)

    told = ask(office, first.agreement, "SELECT region, COUNT(*) AS n, AVG(age) AS age FROM data GROUP BY region")
    assert told.ok, told.error
    answer = told.document["answer"]
    assert [(region, n) for region, n, _ in answer["rows"]] == [("north", "120"), ("south", "80"), ("island", None)]
    assert {each["mechanism"] for each in answer["mechanisms"]} == {"rounding-without-differential-privacy"}
    assert told.document["charge"] == {"epsilon_nano": 0, "delta_femto": 0, "releases": 1}
    # The other one asks for the total, which would give the four of the island away.
    refused = ask(city, second.agreement, "SELECT COUNT(*) AS n FROM data")
    assert (refused.ok, refused.document["reasons"]) == (False, ["exact.differencing"])
    assert acts.charged(second) == (0, 1)
    # What the first was told the other may have too, and it is the same.
    again = ask(city, second.agreement, "SELECT region, COUNT(*) AS n, AVG(age) AS age FROM data GROUP BY region")
    assert again.document["answer"]["rows"] == answer["rows"]
    _kill_between_history_and_journal(provider, first, ask, city, second)
    # Exact figures come from one snapshot of an edition.
    with (provider.folder / "residents.csv").open("a") as file:
        file.write("new,30,south\n")
    moved = ask(office, first.agreement, "SELECT COUNT(*) AS n FROM data WHERE region = 'south'")
    assert (moved.ok, moved.document["reasons"]) == (False, ["exact.edition"])
    # A regulator who trusts neither verifies all of it.
    regulator = space.join_regulator("regulator")
    assert harness.until(lambda: not acts.unsent(provider), 30)
    report = acts.audit(regulator, tmp_path / "evidence.zip", space.space_file)
    assert report["verified"]


def _kill_between_history_and_journal(
    provider: Node, deal: acts.Deal, ask: Callable[[Node, str, str], harness.Answer], other: Node, others: acts.Deal
) -> None:
    """Nobody got what is in the history then: it is charged, ended, and counts against everybody all the same."""
    before = acts.charged(deal)
    (point,) = crash.EXACT
    provider.process.stop()
    provider.process.start(HEFU_FAULT=f"{point}:1:kill")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, deal.consumer, deal.agreement, "SELECT COUNT(*) AS n FROM data WHERE age <= 60")
        assert provider.process.wait(60) == -9
        provider.process.start()
        assert not asked.result().ok
    assert acts.charged(deal) == (0, before[1] + 1)
    # With those under 60 told, those of 60 are too few to be told apart.
    refused = ask(other, others.agreement, "SELECT COUNT(*) AS n FROM data WHERE age < 60")
    assert (refused.ok, refused.document["reasons"]) == (False, ["exact.differencing"])
    again = ask(deal.consumer, deal.agreement, "SELECT COUNT(*) AS n FROM data WHERE age <= 60")
    assert again.ok, again.error


def _publish(provider: Node) -> str:
    table = provider.folder / "residents.csv"
    regions = ["north"] * 121 + ["south"] * 79 + ["island"] * 4
    rows = [f"p{at},{20 + at % 50},{region}" for at, region in enumerate(regions)]
    table.write_text("\n".join(["person,age,region", *rows, ""]))
    provider.do("source", "add", "residents", str(table))
    product = new_id("prd")
    file = provider.folder / "residents.yaml"
    file.write_text(PRODUCT.format(product=product), "utf-8")
    provider.do("product", "publish", str(file))
    return product
