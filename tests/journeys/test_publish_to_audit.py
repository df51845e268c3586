"""From a description to a verified audit, through people's own commands and programs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hefu.envelope import new_id
from hefu.errors import NotFound
from hefu.v1 import catalog_pb2, computation_pb2, control_pb2
from hefu.wire import transport
from hefu_space import harness
from hefu_space.data import Extract
from hefu_space.products import Product
from hefu_space.space import Node, Space

from tests.journeys import acts
from tests.journeys.acts import Deal

RELEASED = computation_pb2.Computation.STATE_RELEASED


def test_a_published_product_is_found_in_both_languages_and_shows_no_row(
    consumer: Node, product: Product, samples: Extract
) -> None:
    for words in ("肿瘤", "tumour samples"):
        with consumer.control() as stub:
            request = catalog_pb2.SearchProductsRequest(query=words)
            found = transport.invoke(stub.SearchProducts, request, peer=consumer.name)
        assert [each.name for each in found.products] == [f"products/{product.id}"]
        envelope = found.products[0].description.envelope
        for row in samples.rows[:50]:
            assert ",".join(row).encode() not in envelope
            assert row[samples.headings.index("area")].encode() not in envelope


def test_an_offer_that_nobody_can_have_any_more_is_shown_to_nobody_else(
    consumer: Node, provider: Node, product: Product
) -> None:
    gone = product.named(new_id("prd"))
    file = provider.folder / "gone.yaml"
    file.write_text(gone.text(datetime(2020, 1, 1, tzinfo=UTC)), "utf-8")
    provider.do("product", "publish", str(file))
    named = catalog_pb2.GetProductRequest(name=f"products/{gone.id}")
    with consumer.control() as stub:
        request = catalog_pb2.SearchProductsRequest(query="肿瘤")
        found = transport.invoke(stub.SearchProducts, request, peer=consumer.name)
        assert ([each.name for each in found.products], found.total_size) == ([f"products/{product.id}"], 1)
        with pytest.raises(NotFound):
            transport.invoke(stub.GetProduct, named, peer=consumer.name)
    with provider.control() as stub:
        assert transport.invoke(stub.GetProduct, named, peer=provider.name).name == named.name


def test_an_estimate_needs_no_agreement_and_charges_nothing(consumer: Node, provider: Node, product: Product) -> None:
    before = acts.balances(provider)
    words = ("compute", "estimate", f'SELECT COUNT(*) AS n FROM "{product.id}"', "--product", product.id)
    found = consumer.do(*words, "--epsilon", "0.5")
    assert found["charge"]["epsilon_nano"] == 500_000_000
    assert Decimal(found["errors"][0]["half_width"]) > 0
    assert acts.balances(provider) == before


def test_an_answer_is_near_the_truth_and_comes_with_error_charge_and_receipt(
    deal: Deal, samples: Extract, tmp_path: Path
) -> None:
    found = acts.query(deal, 'SELECT diagnosis, COUNT(*) AS n FROM "{product}" GROUP BY diagnosis', "1")
    assert found.computation.state == RELEASED
    assert list(found.answer.headings) == ["diagnosis", "n"]
    diagnoses = samples.column("diagnosis")
    for row in found.answer.rows:
        value, width = Decimal(row.cells[1].value), Decimal(row.cells[1].half_width)
        # Laplace noise is beyond five half widths of its 95 % interval in one of three million cells.
        assert abs(value - diagnoses.count(row.cells[0].value)) <= 5 * width
    assert acts.charged(deal) == (1_000_000_000, 1)
    file = tmp_path / "receipt.json"
    deal.consumer.do("compute", "show", found.computation.name.rpartition("/")[2], "--receipt", str(file))
    assert file.read_bytes() == found.computation.receipt.envelope
    assert file.stat().st_mode & 0o077 == 0
    agreement = deal.agreement.rpartition("/")[2]
    assert deal.consumer.do("policy", "replay", str(file), "--agreement", agreement)["same"]
    whole = deal.provider.do("policy", "replay", found.computation.name.rpartition("/")[2])
    assert {each["phase"] for each in whole["decisions"]} >= {"admission", "release"}
    (explained,) = deal.consumer.do("policy", "explain", agreement)["policies"]
    assert not explained["unverified"]
    assert explained["sections"]


def test_a_contract_that_asks_for_a_person_waits_for_one(provider: Node, consumer: Node, product: Product) -> None:
    with consumer.control() as stub:
        request = control_pb2.RequestContractRequest(
            product=f"products/{product.id}", offer="by-hand", purpose=acts.PURPOSE
        )
        made = transport.invoke(stub.RequestContract, request, peer=consumer.name, timeout=30)
    requested = control_pb2.Contract.STATE_REQUESTED
    assert acts.contract(provider, made.name).state == requested
    assert acts.contract(provider, made.name).waiting.on == "you"
    provider.do("contract", "approve", made.name.removeprefix("negotiations/"))
    assert harness.until(lambda: acts.contract(consumer, made.name).state == acts.ACTIVE, 20)


def test_what_happened_verifies_offline_with_the_base_install(
    space: Space, regulator: Path, deal: Deal, tmp_path: Path
) -> None:
    assert acts.query(deal).computation.state == RELEASED
    assert harness.until(lambda: not acts.unsent(deal.provider), 20)
    report = acts.audit(regulator, tmp_path / "evidence.zip", space.space_file)
    assert report["verified"]
    checks = {each["name"]: each for each in report["checks"]}
    assert all(
        checks[name]["seen"] > 0 for name in ("tree", "statements", "agreements", "receipts", "budgets", "journals")
    )


def test_a_changed_byte_of_the_evidence_is_found(space: Space, regulator: Path, deal: Deal, tmp_path: Path) -> None:
    acts.query(deal)
    bundle = tmp_path / "evidence.zip"
    acts.audit(regulator, bundle, space.space_file)
    changed = bytearray(bundle.read_bytes())
    changed[len(changed) // 2] ^= 1
    bundle.write_bytes(bytes(changed))
    assert not harness.run(("verify", str(bundle), "--space", str(space.space_file))).ok
