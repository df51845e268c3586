"""What every history of exact answers must do: keep all in order, for everybody, and give a place once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hefu.errors import Conflict
from hefu_connector.ports import Disclosed, Disclosures
from hefu_connector.storage import Database, SqlDisclosures
from hefu_space.simulator.accounts import MemoryDisclosures

FIRST = Disclosed("2026", "sha256:" + "0" * 64, {"told": [1, 2]})
SECOND = Disclosed("2027", "sha256:" + "1" * 64, {"told": []})


@pytest.fixture
def disclosures(store: Database | None) -> Disclosures:
    return MemoryDisclosures() if store is None else SqlDisclosures(store)


def test_answers_are_kept_in_their_order_by_asset(disclosures: Disclosures) -> None:
    disclosures.add("res-a", 0, FIRST)
    disclosures.add("res-a", 1, SECOND)
    disclosures.add("res-b", 0, SECOND)
    assert [*disclosures.of("res-a")] == [FIRST, SECOND]
    assert [*disclosures.of("res-b")] == [SECOND]
    assert [*disclosures.of("res-c")] == []


def test_a_place_is_taken_once_whoever_races_for_it(disclosures: Disclosures) -> None:
    def one(_: int) -> str:
        try:
            disclosures.add("res-a", 0, FIRST)
        except Conflict as conflict:
            return conflict.code
        return "kept"

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(one, range(8))) == [*["exact.overtaken"] * 7, "kept"]
    assert [*disclosures.of("res-a")] == [FIRST]


def test_an_asset_has_one_history_in_all_spaces_of_a_store(url: str, opened: Callable[..., Database]) -> None:
    SqlDisclosures(opened(url, "demo")).add("res-a", 0, FIRST)
    assert [*SqlDisclosures(opened(url, "other")).of("res-a")] == [FIRST]
