"""A participant in two spaces of one broker: one asset, offered in both, and one lifetime total over both."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unauthenticated
from hefu.statements.receipt import Receipt
from hefu.v1 import computation_pb2, computation_pb2_grpc
from hefu.wire import transport
from hefu_connector import setup
from hefu_connector.ports import ComputationState
from hefu_connector.running import Connector
from hefu_connector.settings import Home, Settings
from hefu_connector.shelves import SourceRecord
from hefu_policies.budget import Budget
from hefu_policies.goods.product import Offer
from hefu_policies.goods.resource import Privacy
from hefu_policies.library import template

from tests.connector.small_space import PURPOSE, Space, agree, description, eventually, plan, write_table

PRODUCT, LIFETIME, EACH, ASKED = "prd-visits", "1", "0.25", 6  # four of them fit, whoever asks where


@dataclass
class Town:
    """The space ``demo`` with hospital-a and pharma-b, and the space ``other`` with hospital-a and bank-c."""

    space: Space
    resource: str

    def connector(self, name: str) -> Connector:
        return self.space.connectors[name]


def terms() -> Offer:
    values = {
        "purpose": PURPOSE, "epsilon": EACH, "min_group": 5, "columns": ["age", "region"],
        "until": "2036-01-01T00:00:00Z", "count": 50, "budget": LIFETIME,
    }  # fmt: skip
    return Offer("off-research", template("research-statistics", values), Budget.of_text(LIFETIME, releases=50))


def publish(provider: Connector, resource: str) -> None:
    whole = description(resource, PRODUCT, offers=(terms(),))
    (asset,) = whole.resources
    asset = replace(asset, privacy=Privacy("patient", 1, Budget.of_text(LIFETIME, releases=50)))
    eventually(lambda: provider.provider.publish(replace(whole, resources=(asset,))))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("two")
    space = Space(folder).open()
    try:
        space.add_space("other")
        first = space.member("hospital-a", "provider", quantum_ms=20)
        second = space.member("hospital-a", "provider", space="other", beside="hospital-a", quantum_ms=20)
        space.member("pharma-b", "consumer")
        space.member("bank-c", "consumer", space="other")
        resource = first.desk.book.add(SourceRecord("visits", "", str(write_table(folder)), "csv")).resource
        assert [each.resource for each in second.desk.book.all()] == [resource]
        for each in (first, second):
            publish(each, resource)
        yield Town(space, resource)
    finally:
        space.close()


def test_the_second_directory_shares_store_and_secret_and_has_its_own_keys(town: Town) -> None:
    here, there = (Home(town.space.folder / each) for each in ("hospital-a", "hospital-a@other"))
    assert Settings.read(there).store(there) == Settings.read(here).store(here)
    assert not there.database.exists()
    assert Settings.read(there).ring(there).signer().public != Settings.read(here).ring(here).signer().public


def test_each_space_has_its_own_catalog_members_and_contracts(town: Town) -> None:
    for consumer, other in (("pharma-b", "bank-c@other"), ("bank-c@other", "pharma-b")):
        who = town.connector(consumer)
        found = who.consumer.search("visits").products
        assert [each.listing.description.space for each in found] == [who.desk.author.space]
        with pytest.raises(NotFound):
            who.trust.participant(town.connector(other).desk.author.participant)


def test_one_lifetime_total_holds_over_both_spaces(town: Town) -> None:
    pairs = [("hospital-a", "pharma-b"), ("hospital-a@other", "bank-c@other")]
    asking = [
        (town.connector(consumer), agree(town.connector(provider), town.connector(consumer), PRODUCT))
        for provider, consumer in pairs
    ]

    def ask(number: int) -> Receipt | None:
        consumer, agreement = asking[number % 2]
        outcome = consumer.asking.compute(plan(PRODUCT, EACH), agreement, PURPOSE, "rui")
        return outcome.end if isinstance(outcome.end, Receipt) else None

    with ThreadPoolExecutor(2 * ASKED) as threads:
        receipts = [each for each in threads.map(ask, range(2 * ASKED)) if each is not None]
    assert len(receipts) == 4
    for name, _ in pairs:
        provider = town.connector(name)
        (asset,) = [each for each, _ in provider.desk.overview.balances() if each.account.name.startswith("asset/")]
        assert asset.charged.loss.epsilon_nano == 10**9
    states = [run.state for name, _ in pairs for run in town.connector(name).enforcement._world.reader.runs(99)]
    assert states.count(ComputationState.RELEASED) == 4
    assert states.count(ComputationState.REFUSED) == 2 * ASKED - 4


def test_a_connector_of_another_space_is_a_stranger(town: Town) -> None:
    """One authority issued both certificates; the provider knows those only that members of its space bound."""
    stranger, provider = town.connector("bank-c@other"), town.connector("hospital-a")
    key, certificate = stranger.asking._peers._credentials()  # type: ignore[attr-defined]
    bound = town.connector("pharma-b").trust.endpoint("hospital-a")
    channel = transport.connect(
        f"127.0.0.1:{provider.port}",
        root_pem=transport.to_pem(bound.certificate),
        certificate_pem=certificate,
        key_pem=key,
        server_name="hospital-a-c1.hefu",
    )
    ask = computation_pb2_grpc.ComputationServiceStub(channel).GetComputation
    try:
        with pytest.raises(Unauthenticated) as refused:
            transport.invoke(ask, computation_pb2.GetComputationRequest(name="computations/cmp-x"), peer="hospital-a")
        assert refused.value.code == "identity.unknown"
    finally:
        channel.close()


def test_a_source_that_is_offered_in_another_space_is_not_forgotten(town: Town) -> None:
    for name in ("hospital-a", "hospital-a@other"):
        with pytest.raises(Conflict):
            town.connector(name).desk.book.remove("visits")


def test_a_store_is_shared_by_one_participant_only_and_once_a_space(town: Town, tmp_path: Path) -> None:
    beside, file = town.space.folder / "hospital-a", town.space.broker_folder / "spaces" / "other" / "space.json"
    plain = setup.Plan("hospital-a", "hospital-a-c2", {"en": "a"}, frozenset({"provider"}), beside=beside)
    faults: list[tuple[setup.Plan, Path, type[HefuError]]] = [
        (plain, town.space.broker_folder / "space.json", Conflict),
        (setup.Plan("bank-c", "bank-c-c1", {"en": "c"}, frozenset({"consumer"}), beside=beside), file, Conflict),
        (setup.Plan("hospital-a", "c-2", {}, frozenset({"provider"}), secret="env:X", beside=beside), file, Malformed),
    ]
    for made, space, fault in faults:
        with pytest.raises(fault):
            setup.init(tmp_path / "new", space, made)
        assert not (tmp_path / "new").exists()
