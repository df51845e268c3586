"""Promise A-b for a join: kill -9 at each step of its release leaves it charged under both contracts, or under none."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.envelope import Statement
from hefu.running import faults
from hefu.statements import receipt
from hefu_connector.computing import ends
from hefu_connector.ports import ComputationState
from hefu_connector.storage.database import Database
from hefu_connector.storage.journal import SqlJournal
from hefu_connector.storage.ledger import SqlLedger
from hefu_policies.budget import NOTHING, Charge, PrivacyLoss

from tests.connector.test_join_enforcement import ONE, Joining, ask, told
from tests.connector.world import SPACE
from tests.journeys import crash

# Of a joined release, in their order: which passing of which point. Two tables are put into the spool.
STEPS = [
    ("spool.written", 2),
    *((point, 1) for point in crash.CONNECTOR if point not in ("release.sent", "flush.sent")),
]
_PATIENCE = 60  # seconds, after which a process that was not killed ends itself


class Kept(Joining):
    """Its ledger and journal are on a disk, opened by each process for itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "connector.db"
        self.enforcement.close()

    def open(self) -> Database:
        database = Database.at(self.path, SPACE)
        self.ledger, self.journal = SqlLedger(database), SqlJournal(database)  # type: ignore[assignment]
        self.enforcement = self.build()
        return database


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    Database.at(made.path, SPACE).close()
    yield made
    made.enforcement.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("point", "passing"), STEPS)
def test_a_join_killed_there_is_charged_under_both_contracts_or_under_none(
    space: Kept, point: str, passing: int
) -> None:
    statement = space.joining()
    _killed(space, statement, f"{point}:{passing}:kill")
    database = space.open()
    durable = crash.CONNECTOR[point]
    assert space.charged() == [ONE if durable else NOTHING] * 4
    ended = int(point != "journal.closed")
    assert space.enforcement.recover() == ended
    assert space.enforcement.recover() == 0
    # The same request again is told the same end, and nothing is charged for that.
    run = ask(space, statement)
    assert run.receipt is not None
    if ended:
        assert (run.state, run.parts) == (ComputationState.FAILED, 0)
        failure = receipt.Failure.of(Statement.parse(run.receipt))
        assert failure.code == "computation.interrupted"
        assert failure.agreements == ("agr-one", "agr-two")
        assert failure.charge == ends.spent(ONE if durable else NOTHING)
    else:
        assert [each.agreement for each in told(run).agreements] == ["agr-one", "agr-two"]
        assert space.journal.part(run.id, 0)
    assert space.charged() == [ONE if durable else NOTHING] * 4
    # Work goes on, and is charged to both.
    told(ask(space, space.joining()))
    twice = Charge(PrivacyLoss(2 * ONE.loss.epsilon_nano), 2 * ONE.releases)
    assert space.charged() == [twice if durable else ONE] * 4
    space.enforcement.close()
    database.close()


def _killed(space: Kept, statement: Statement, fault: str) -> None:
    """Ask in a process of its own, which is killed on the way."""
    child = os.fork()
    if not child:
        try:
            signal.alarm(_PATIENCE)
            os.environ.update(HEFU_TEST="1", HEFU_FAULT=fault)
            faults.arm(test=True)
            space.open()
            ask(space, statement)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
