"""The footprint of an energy group over real processes: its grids' metered consumption is added up, and no grid's part
is ever told; the group multiplies the total by its own emission factors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import hefu
import pytest
from hefu_connector.workbench import totals
from hefu_space import harness
from hefu_space.space import Member, Node, Space

from tests.connector.metered_space import CLASSES, GRIDS, GROUP, MOST, RHO, SQL, truth, write
from tests.journeys import acts
from tests.journeys.acts import Deal

pytest.importorskip("tenseal")
FACTORS = {"coal": Decimal("0.82"), "gas": Decimal("0.49"), "wind": Decimal("0.011")}  # kg of CO2 a kWh
PRODUCT = """\
apiVersion: hefu/v1
kind: DataProduct
product: prd-{name}
title: {{en: "Metered consumption", zh: "计量用电"}}
description: {{en: "One row a meter: what it drew last month.", zh: "每行为一只电表上月用电量。"}}
source: meters
columns:
  - {{name: meter, type: text, sensitivity: personal}}
  - {{name: class, type: text, categories: [coal, gas, wind]}}
  - {{name: kwh, type: integer, unit: kW.h, bounds: {{lower: 0, upper: {most}, granularity: 1}}}}
privacy: {{unit: meter, max_contribution: 1, exclusive: true, lifetime: {{rho: 5, releases: 50}}}}
facts:
  - {{name: rows, value: "300"}}
governance: {{security_grade: 2, personal_data: true, important_data: false, legal_basis: law, cross_border: false}}
offers:
  - name: totals
    policy: {{template: rho-joint-totals, purpose: "{purpose}", parties: [{parties}], least_parties: 3, colluding: 1,
             bits: 128, rho: "0.5", budget: "5", columns: [class, kwh], count: 50, until: "2099-01-01T00:00:00Z"}}
    budget: {{rho: 5, releases: 50}}
"""


@dataclass(frozen=True)
class Town:
    space: Space
    deals: tuple[Deal, ...]
    regulator: Path
    factors: Path

    @property
    def group(self) -> Node:
        return self.space.nodes[GROUP]

    def contracts(self) -> list[str]:
        return [word for each in self.deals for word in ("--contract", each.agreement)]

    def total(self, *words: str) -> harness.Answer:
        asked = ("compute", "total", SQL, *self.contracts(), "--rho", RHO, "--aggregator", "grid-north")
        return self.group.ask(*asked, *words)

    def charged(self) -> list[tuple[int, int]]:
        return [acts.charged(each) for each in self.deals]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("footprint")
    space = Space(folder / "space", {"HEFU_TEST": "1"}, {"quantum_ms": 50, "workers": 1})
    members = [Member(name, (name, name), ("provider",)) for name in GRIDS]
    try:
        space.found()
        space.join([*members, Member(GROUP, ("Energy group", "能源集团"), ("consumer",))])
        deals = tuple(_offer(space, at, name) for at, name in enumerate(GRIDS))
        factors = folder / "factors.csv"
        factors.write_text("class,kg\n" + "".join(f"{name},{each}\n" for name, each in FACTORS.items()))
        yield Town(space, deals, space.join_regulator("regulator"), factors)
    finally:
        space.stop()


def _offer(space: Space, at: int, name: str) -> Deal:
    node = space.nodes[name]
    node.do("source", "add", "meters", str(write(node.folder, at)))
    file = node.folder / "meters.yaml"
    parties = ", ".join((*GRIDS, GROUP))
    file.write_text(PRODUCT.format(name=name, most=MOST, parties=parties, purpose=acts.PURPOSE), "utf-8")
    node.do("product", "publish", str(file))
    return acts.agree(node, space.nodes[GROUP], f"prd-{name}", "totals")


@pytest.mark.timeout(400)  # a space of processes, on a busy machine
def test_the_footprint_of_a_group_is_told_and_no_grids_part_of_it(town: Town, tmp_path: Path) -> None:
    told = town.total("--factors", str(town.factors))
    assert told.ok, told.error
    document = told.document
    widths = {
        row[0]: Decimal(each[1])
        for row, each in zip(document["total"]["rows"], document["total"]["half_widths"], strict=True)
    }
    found = {row[0]: Decimal(row[1]) for row in document["total"]["rows"]}
    true = truth()
    assert {*found} == {*CLASSES}
    # Six standard deviations: one in a hundred million runs is off.
    assert all(abs(found[kind] - true[kind]) <= 3 * widths[kind] for kind in CLASSES)
    assert any(found[kind] != true[kind] for kind in CLASSES)
    footprint = sum((FACTORS[kind] * true[kind] for kind in CLASSES), Decimal(0))
    weighed = document["weighed"]
    assert abs(Decimal(weighed["total"]) - footprint) <= 3 * Decimal(weighed["half_width"])
    assert [each["provider"] for each in document["computations"]] == [*GRIDS]
    assert [count for _, count in town.charged()] == [1, 1, 1]

    again = hefu.connect(town.group.folder).total(
        SQL, contracts=[each.agreement for each in town.deals], rho=RHO, purpose=acts.PURPOSE
    )
    assert len(again.sources) == 3
    assert totals.weighed(again, FACTORS).half_width > 0
    for name in GRIDS:
        assert harness.until(lambda name=name: not acts.unsent(town.space.nodes[name]), 20)
    report = acts.audit(town.regulator, tmp_path / "evidence.zip", town.space.space_file)
    checks = {each["name"]: each["seen"] for each in report["checks"]}
    assert report["verified"]
    assert checks["receipts"] >= 6  # of every grid, twice


@pytest.mark.timeout(400)
def test_a_grid_that_dies_in_the_midst_ends_the_run_and_all_stay_charged(town: Town) -> None:
    before = town.charged()
    west = town.space.nodes["grid-west"]
    west.process.stop()
    west.process.start(HEFU_FAULT="worker.returned:1:kill")
    answers: list[harness.Answer] = []
    asking = threading.Thread(target=lambda: answers.append(town.total()))
    asking.start()
    assert west.process.wait(60) == -9
    west.process.start()
    asking.join(120)
    (answer,) = answers
    assert not answer.ok
    assert "total" not in (answer.document or {})
    assert [count for _, count in town.charged()] == [count + 1 for _, count in before]
    assert town.total().ok  # and the next one is told
