"""An auditor's verified copy: made while verifying, entry by entry, and never of a log that is not the one it knew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hefu import canonical
from hefu.checking.verify import Pins, verify
from hefu.errors import Unavailable, Untrusted
from hefu.evidence.bundle import open_bundle, write_bundle
from hefu.statements.receipt import Link
from hefu.tlog import tree
from hefu_audit.index import FILE, Index

from tests.audit.asked import Told, copied, home_of
from tests.audit.conftest import ServedLog
from tests.protocol.small_log import PROVIDER, Spent


@pytest.fixture
def small() -> Told:
    log = Told()
    log.tell()
    return log


def faults(index: Index) -> list[tuple[int, str]]:
    return [(each[0], each[1]) for each in index.rows("SELECT idx, rule FROM fault ORDER BY idx")]


def test_a_copy_grows_by_what_is_new_and_gives_the_signed_root(small: Told, tmp_path: Path) -> None:
    home = home_of(small, tmp_path)
    index, first = copied(small, home)
    assert (first.before, first.faults, index.size) == (0, 0, len(small.entries))
    index.__exit__()
    small.release("cmp-five")
    small.say("status.list", {"sequence": 1, "entries": []}, "broker")
    asked: list[int] = []

    class Watched(ServedLog):
        def entries(self, first: int):  # type: ignore[no-untyped-def]
            asked.append(first)
            return super().entries(first)

    from hefu.times import SystemClock
    from hefu_audit.following import follow

    index = Index(home.directory, small.space)
    second = follow(small.space, Watched(small, page=100), home, index, SystemClock())
    assert (second.before, asked[0], second.faults) == (first.head.size, first.head.size, 0)
    leaves = [tree.leaf_hash(each) for each in small.entries]
    for size in range(1, len(leaves) + 1):
        assert index.root(size) == tree.root(leaves[:size])
        assert tree.inclusion_proof(size - 1, size, index.read) == tree.inclusion_proof(
            size - 1, size, tree.reader(leaves)
        )


def test_the_copy_makes_the_same_bundle_as_a_visit_that_fetched_everything(small: Told, tmp_path: Path) -> None:
    home = home_of(small, tmp_path)
    index, _ = copied(small, home)
    assert index.head is not None
    write_bundle(tmp_path / "b.zip", small.space, index.head[0], index.entries())
    with open_bundle(tmp_path / "b.zip") as bundle:
        assert verify(bundle, Pins(small.space.root, small.log_key)).holds


def test_a_log_that_was_rewritten_leaves_the_copy_as_it_was_and_evidence(small: Told, tmp_path: Path) -> None:
    home = home_of(small, tmp_path)
    index, before = copied(small, home)
    index.__exit__()
    small.entries[5], small.entries[6] = small.entries[6], small.entries[5]
    small.release("cmp-five")
    with pytest.raises(Untrusted):
        copied(small, home)
    assert Index(home.directory, small.space).size == before.head.size
    assert [*(home.directory / "evidence").iterdir()]


def test_entries_that_do_not_give_the_signed_root_are_not_kept(small: Told, tmp_path: Path) -> None:
    from hefu.times import SystemClock
    from hefu_audit.following import follow

    home = home_of(small, tmp_path)

    class Other(ServedLog):
        def entries(self, first: int):  # type: ignore[no-untyped-def]
            page = [*super().entries(first)]
            return [replace(each, leaf_hash=bytes(32)) if each.index == 4 else each for each in page]

    index = Index(home.directory, small.space)
    with pytest.raises(Untrusted) as caught:
        follow(small.space, Other(small, page=100), home, index, SystemClock())
    assert caught.value.code == "log.inconsistent"
    assert (index.size, index.head, home.last()) == (0, None, None)

    class Short(ServedLog):
        def entries(self, first: int):  # type: ignore[no-untyped-def]
            return super().entries(first) if first < 3 else []

    with pytest.raises(Unavailable):
        follow(small.space, Short(small, page=2), home, index, SystemClock())
    assert index.size == 0


def test_faults_are_named_while_verifying_and_over_visits(small: Told, tmp_path: Path) -> None:
    home = home_of(small, tmp_path)
    index, _ = copied(small, home)
    index.__exit__()
    again = len(small.entries)
    small.entries.append(small.entries[7])  # said twice, over two visits
    small.journalled("computation.sealed", replace(small.receipt("cmp-x"), resource="res-other"))
    small.journalled("computation.sealed", replace(small.receipt("cmp-y"), facts={}))
    small.say("computation.failed", {"odd": 1}, PROVIDER)
    index, made = copied(small, home)
    found = faults(index)
    assert {(again, "statements"), (again + 1, "receipts"), (again + 2, "policies"), (again + 3, "forms")} <= {*found}
    assert made.faults == len(found)


def test_a_journal_that_is_no_chain_is_found_wherever_the_visits_part(small: Told, tmp_path: Path) -> None:
    home = home_of(small, tmp_path)
    at = len(small.journal)
    small.journalled("computation.sealed", small.receipt("cmp-a"))
    small.journalled("computation.sealed", small.receipt("cmp-c"), Link(at + 2, canonical.digest(b"other"), PROVIDER))
    copied(small, home)[0].__exit__()
    other, again, behind = len(small.entries) - 1, len(small.entries), len(small.entries) + 1
    small.journalled(
        "computation.sealed", small.receipt("cmp-b"), Link(at, canonical.digest(small.journal[at - 1]), PROVIDER)
    )
    small.journalled(
        "computation.sealed", small.receipt("cmp-d"), Link(at + 1, canonical.digest(small.journal[at]), PROVIDER)
    )
    index, _ = copied(small, home)
    found = index.rows("SELECT idx, text FROM fault WHERE rule = 'journal' ORDER BY idx")
    assert [each[0] for each in found] == [other, again]
    assert "follow" in found[0][1]
    assert "used before" in found[1][1]
    assert behind == index.size - 1


def test_a_statement_under_a_key_of_an_earlier_visit_verifies(small: Told, tmp_path: Path) -> None:
    home = home_of(small, tmp_path)
    copied(small, home)[0].__exit__()
    small.publish(Spent(1_000_000_000, 0, 5), version=2)
    small.agree(id_="agr-two")
    small.finalize()
    small.release("cmp-later")
    index, made = copied(small, home)
    assert made.faults == 0, index.rows("SELECT * FROM fault")


def test_a_copy_that_is_none_or_of_another_space_is_made_anew(small: Told, tmp_path: Path) -> None:
    home = home_of(small, tmp_path)
    copied(small, home)[0].__exit__()
    other = replace(small.space, broker="other")
    assert Index(home.directory, other).size == 0
    (home.directory / FILE).write_bytes(b"junk" * 2000)
    for end in ("-wal", "-shm"):
        (home.directory / (FILE + end)).unlink(missing_ok=True)
    index, made = copied(small, home)
    assert (index.size, made.before) == (len(small.entries), 0)
    assert (home.directory / FILE).stat().st_mode & 0o077 == 0
