"""What the log's checkpoints mean to a connector where the charter pins witnesses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hefu.errors import Unavailable
from hefu.tlog import tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.proof import LogProof
from hefu.tlog.witness import Request
from hefu_connector.membership.log_history import LogHistory
from hefu_connector.storage import Database
from hefu_connector.storage.marks import SqlMarks

from tests.cosigning import Cosigner, policy
from tests.protocol.test_tlog_witness import LEAVES, LOG_KEY, note

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Shown:
    """A log in memory, as a broker shows it: `brokerage.Log` as far as it is asked."""

    def __init__(self) -> None:
        self.note = note(3)

    def checkpoint(self) -> str:
        return self.note

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        return tree.consistency_proof(old, new, tree.reader(LEAVES[:new]))

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        raise NotImplementedError

    append = newest = inclusion  # type: ignore[assignment]  # nobody asks


def head(size: int) -> Checkpoint:
    return Checkpoint(LOG_KEY.name, size, tree.root(LEAVES[:size]))


@pytest.fixture
def marks(tmp_path: Path) -> SqlMarks:
    return SqlMarks(Database.at(tmp_path / "connector.db", "demo"))


def test_a_checkpoint_counts_with_the_quorum_only_and_only_then_is_it_seen(
    marks: SqlMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hefu_connector.membership.log_history._REMEMBERED", 0.0)
    log, one, two = Shown(), *(Cosigner(name, LOG_KEY, lambda: AT) for name in ("regulator-a", "grid-north"))
    pinned = WitnessPolicy.parse(policy(2, one, two))
    history = LogHistory(log, marks, LOG_KEY, lambda: pinned)  # type: ignore[arg-type]  # as far as it is asked
    lines = [each.cosigned(Request(0, (), log.note)).rpartition("\n\n")[2] for each in (one, two)]
    for bad in (log.note, log.note + lines[0], log.note + lines[0] + lines[0]):
        assert not history.counts(bad)
        log.note = bad
        history.look()
        assert history.seen() is None
    log.note = note(3) + "".join(lines)
    history.look()
    assert history.seen() == head(3)
    assert history.rests_since(AT + timedelta(seconds=1))
    assert not history.rests_since(AT)
    log.note = note(5)
    history.look()
    assert history.seen() == head(3)
    assert LogHistory(log, marks, LOG_KEY).counts(log.note)  # type: ignore[arg-type]  # without a policy, as before


def test_nothing_counts_while_the_charter_is_not_known(marks: SqlMarks) -> None:
    def unknown() -> WitnessPolicy | None:
        raise Unavailable("charter.unknown", version=1)

    history = LogHistory(Shown(), marks, LOG_KEY, unknown)  # type: ignore[arg-type]  # as far as it is asked
    with pytest.raises(Unavailable):
        history.counts(note(3))
