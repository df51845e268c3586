"""What every shelf of keys for encrypted scores must do: the first key stands, the last computation answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hefu_connector.shelves import ScoreKey
from hefu_connector.storage import Database, SqlScores

KEY = ScoreKey("ckks-linear", b"public", b"secret")


def test_of_keys_that_are_made_at_once_the_first_stand_for_good(database: Database) -> None:
    shelf = SqlScores(database)
    assert shelf.key("agr-a", KEY.suite) is None

    def one(number: int) -> ScoreKey:
        return shelf.keep("agr-a", ScoreKey(KEY.suite, b"public %d" % number, b"secret %d" % number))

    with ThreadPoolExecutor(4) as threads:
        found = {*threads.map(one, range(4))}
    assert found == {shelf.key("agr-a", KEY.suite)}
    assert shelf.key("agr-b", KEY.suite) is None
    assert shelf.key("agr-a", "ckks-curved") is None


def test_the_last_computation_that_was_asked_for_records_answers_them(database: Database) -> None:
    shelf = SqlScores(database)
    shelf.ask("agr-a", "sha256:1", "cmp-1")
    shelf.ask("agr-a", "sha256:2", "cmp-2")
    shelf.ask("agr-a", "sha256:1", "cmp-3")
    assert [shelf.asked("agr-a", f"sha256:{each}") for each in (1, 2, 3)] == ["cmp-3", "cmp-2", ""]
    assert shelf.asked("agr-b", "sha256:1") == ""


def test_another_space_of_the_store_sees_none_of_it(url: str, opened: Callable[..., Database]) -> None:
    first, other = SqlScores(opened(url, "demo")), SqlScores(opened(url, "other"))
    first.keep("agr-a", KEY)
    first.ask("agr-a", "sha256:1", "cmp-1")
    assert (other.key("agr-a", KEY.suite), other.asked("agr-a", "sha256:1")) == (None, "")
