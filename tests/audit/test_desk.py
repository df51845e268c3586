"""Visits to a log: what is verified is remembered, and a log with two histories leaves evidence."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hefu.checking.verify import Pins, verify
from hefu.errors import Conflict, Malformed, Unavailable, Untrusted
from hefu.evidence.bundle import BundleEntry, open_bundle
from hefu.statements.receipt import Spent
from hefu.tlog import checkpoint
from hefu.tlog.checkpoint import Checkpoint
from hefu_audit import desk, story
from hefu_audit.home import Home
from hefu_audit.ports import LogReader

from tests.audit.conftest import ServedLog
from tests.protocol.small_log import AGREEMENT, BROKER, CONSUMER, PROVIDER, SmallLog, signer


def test_a_visit_writes_a_bundle_that_anybody_can_verify(
    log: LogReader, home: Home, small: SmallLog, tmp_path: Path
) -> None:
    visit = desk.visit(small.space, log, home, tmp_path / "b.zip")
    assert visit.report.holds, visit.report.document()
    assert (visit.before, visit.manifest.size) == (0, len(small.entries))
    with open_bundle(tmp_path / "b.zip") as bundle:
        assert verify(bundle, Pins(small.space.root, small.log_key)).holds


def test_a_grown_log_is_checked_against_the_last_visit_and_remembered(
    log: LogReader, home: Home, small: SmallLog, tmp_path: Path
) -> None:
    first = desk.visit(small.space, log, home, tmp_path / "b.zip")
    small.release("cmp-five")
    second = desk.visit(small.space, log, Home(home.directory), tmp_path / "b.zip")
    assert second.before == first.manifest.size
    assert [each.name for each in second.report.results if each.name == "earlier"]
    assert checkpoint.verify(str(home.last()), small.log_key).size == len(small.entries)


def test_a_visit_to_a_log_that_did_not_grow_holds(log: LogReader, home: Home, small: SmallLog, tmp_path: Path) -> None:
    for _ in range(2):
        assert desk.visit(small.space, log, home, tmp_path / "b.zip").report.holds


@pytest.mark.parametrize("attack", ["rewrite", "truncate", "same size"])
def test_a_log_with_two_histories_is_refused_and_the_evidence_convicts_it(
    log: LogReader, home: Home, small: SmallLog, tmp_path: Path, attack: str
) -> None:
    desk.visit(small.space, log, home, tmp_path / "b.zip")
    remembered = home.last()
    if attack == "truncate":
        del small.entries[-1]
    else:
        small.entries[5], small.entries[6] = small.entries[6], small.entries[5]
        if attack == "rewrite":
            small.release("cmp-five")
    with pytest.raises(Untrusted) as caught:
        desk.visit(small.space, log, home, tmp_path / "second.zip")
    assert caught.value.code == "log.inconsistent"
    (kept,) = (home.directory / "evidence").iterdir()
    assert str(kept) in caught.value.reasons[0]
    document = json.loads(kept.read_text())
    # Both notes are signed by the log itself, and no proof connects them: it convicts itself.
    earlier, later = (checkpoint.verify(document[name], small.log_key) for name in ("earlier", "later"))
    proof = [base64.b64decode(each) for each in document["consistency"]]
    assert not desk.extends(earlier, later, proof)
    assert home.last() == remembered
    assert not (tmp_path / "second.zip").exists()


def test_the_same_evidence_is_kept_once(log: LogReader, home: Home, small: SmallLog, tmp_path: Path) -> None:
    desk.visit(small.space, log, home, tmp_path / "b.zip")
    del small.entries[-1]
    for _ in range(2):
        with pytest.raises(Untrusted):
            desk.visit(small.space, log, home, tmp_path / "b.zip")
    assert len(list((home.directory / "evidence").iterdir())) == 1


def test_a_checkpoint_of_another_key_is_refused(log: LogReader, home: Home, small: SmallLog, tmp_path: Path) -> None:
    small.log_signer = signer("log.demo.hefu")
    with pytest.raises(Untrusted) as caught:
        desk.visit(small.space, log, home, tmp_path / "b.zip")
    assert caught.value.code == "log.signature"
    assert home.last() is None


class Changed(ServedLog):
    """Signs one list of entries and serves another."""

    def __init__(self, small: SmallLog, entries: list[BundleEntry]) -> None:
        super().__init__(small)
        self.served = entries

    def entries(self, first: int) -> list[BundleEntry]:
        return self.served[first : first + 4]


def test_a_log_that_serves_other_entries_than_it_signed_is_not_remembered(
    home: Home, small: SmallLog, tmp_path: Path
) -> None:
    entries = list(ServedLog(small, page=100).entries(0))
    entries[4] = BundleEntry.whole(4, entries[5].envelope or b"")
    visit = desk.visit(small.space, Changed(small, entries), home, tmp_path / "b.zip")
    assert "tree" in visit.report.failed()
    assert home.last() is None


def test_a_log_that_withholds_or_reorders_entries_is_named(home: Home, small: SmallLog, tmp_path: Path) -> None:
    entries = list(ServedLog(small, page=100).entries(0))
    with pytest.raises(Unavailable) as withheld:
        desk.visit(small.space, Changed(small, entries[:7]), home, tmp_path / "b.zip")
    assert withheld.value.code == "audit.withheld"
    with pytest.raises(Untrusted) as reordered:
        desk.visit(small.space, Changed(small, entries[::-1]), home, tmp_path / "b.zip")
    assert reordered.value.code == "audit.order"


def test_a_log_that_grows_during_the_visit_is_read_to_its_signed_size(
    home: Home, small: SmallLog, tmp_path: Path
) -> None:
    signed = small.checkpoint()

    class Growing(ServedLog):
        def checkpoint(self) -> str:
            small.release("cmp-five")
            return signed

    visit = desk.visit(small.space, Growing(small), home, tmp_path / "b.zip")
    assert visit.report.holds
    assert visit.manifest.size == len(small.entries) - 1


def test_an_overspent_contract_is_reported_and_the_log_remembered_all_the_same(
    log: LogReader, home: Home, small: SmallLog, tmp_path: Path
) -> None:
    small.release("cmp-five", 900_000_000)
    visit = desk.visit(small.space, log, home, tmp_path / "b.zip")
    assert visit.report.failed() == ["budgets"]
    assert home.last() is not None


def test_entries_hidden_from_the_auditor_stand_as_hashes(
    served: ServedLog, log: LogReader, home: Home, small: SmallLog, tmp_path: Path
) -> None:
    served.hide = frozenset({9})
    visit = desk.visit(small.space, log, home, tmp_path / "b.zip")
    assert visit.report.holds
    assert visit.manifest.readable == visit.manifest.size - 1


# ---------------------------------------------------------------- the directory


def test_a_directory_is_made_once_with_private_keys(home: Home, small: SmallLog) -> None:
    with pytest.raises(Conflict):
        Home.make(home.directory, small.space, "regulator-a", "regulator-a")
    assert home.space() == small.space
    assert home.ring().signer().participant == "regulator-a"
    assert (home.directory / "keys" / "signing.key").stat().st_mode & 0o077 == 0


def test_a_directory_without_an_auditor_or_a_certificate_says_what_to_do(home: Home, tmp_path: Path) -> None:
    with pytest.raises(Malformed) as absent:
        Home(tmp_path / "nowhere").ring()
    with pytest.raises(Malformed) as early:
        home.credentials()
    assert (absent.value.code, early.value.code) == ("audit.absent", "audit.not_enrolled")


def test_a_smaller_checkpoint_never_replaces_a_larger(home: Home, small: SmallLog) -> None:
    note = small.checkpoint()
    home.keep(note, checkpoint.verify(note, small.log_key))
    smaller = small.checkpoint(3)
    with pytest.raises(Conflict):
        home.keep(smaller, checkpoint.verify(smaller, small.log_key))
    assert home.last() == note


def test_everything_extends_the_empty_log_and_nothing_another_log() -> None:
    from hefu.tlog.tree import EMPTY_ROOT

    empty, one = Checkpoint("log", 0, EMPTY_ROOT), Checkpoint("log", 1, bytes(32))
    assert desk.extends(empty, one, ())
    assert not desk.extends(one, empty, ())
    assert not desk.extends(empty, Checkpoint("other", 1, bytes(32)), ())


# ---------------------------------------------------------------- the story of a contract


def test_the_story_of_a_contract_has_every_step_its_signers_and_the_budget(
    log: LogReader, home: Home, small: SmallLog, tmp_path: Path
) -> None:
    small.terminate()
    small.agree(id_="agr-two")
    report = desk.visit(small.space, log, home, tmp_path / "b.zip").report
    told = story.tell(report.record, AGREEMENT)
    assert [each.type for each in told.steps] == [
        "product.published", "agreement", "agreement.finalized", "computation.sealed", "computation.refused",
        "computation.failed", "computation.sealed", "agreement.terminated",
    ]  # fmt: skip
    assert told.steps[1].signers == (PROVIDER, CONSUMER)
    assert told.steps[2].signers == (BROKER,)
    assert [each.spent.epsilon_nano for each in told.steps if each.spent] == [100_000_000, 150_000_000, 250_000_000]
    assert told.spent == Spent(250_000_000, 0, 3)
    assert json.loads(json.dumps(told.document()))["steps"][3]["note"].startswith("cmp-one")
