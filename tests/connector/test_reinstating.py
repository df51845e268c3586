"""Who was reinstated acts again once the log shows it, and not on the word of a broker that signs lists."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hefu.envelope import Statement
from hefu.errors import NotFound, Unauthenticated
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.proof import LogProof
from hefu.tlog.witness import Request
from hefu_connector.membership.reinstating import Reinstating

from tests.connector.test_trust import Setting, setting, suspended
from tests.cosigning import Cosigner, policy
from tests.protocol.test_tlog_witness import LOG, LOG_KEY

__all__ = ["setting"]  # the fixture
WHO = "pharma-b"


class Written:
    """A log in memory with real proofs: `brokerage.Log` as far as it is asked."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.witness: Cosigner | None = None
        self.line = ""

    def write(self, statement: Statement) -> None:
        self.leaves.append(tree.leaf_hash(statement.to_bytes()))

    def checkpoint(self) -> str:
        size = len(self.leaves)
        note = checkpoint.sign(Checkpoint(LOG_KEY.name, size, tree.root(self.leaves)), LOG_KEY, LOG.sign)
        if self.witness is not None and not self.line:
            self.line = self.witness.cosigned(Request(0, (), note)).rpartition("\n\n")[2]
        return note + self.line

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        return tree.consistency_proof(old, new, tree.reader(self.leaves[:new]))

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        if leaf_hash not in self.leaves:
            raise NotFound("resource.not_found", what="entry", name=leaf_hash.hex())
        at, size = self.leaves.index(leaf_hash), len(self.leaves)
        path = tree.inclusion_proof(at, size, tree.reader(self.leaves))
        return LogProof(at, tuple(path), self.checkpoint())


@pytest.fixture
def log() -> Written:
    return Written()


def reinstating(setting: Setting, log: Written, pinned: WitnessPolicy | None = None) -> Reinstating:
    return Reinstating(setting.trust, setting.registry, log, setting.marks, LOG_KEY, lambda: pinned)  # type: ignore[arg-type]


def may_act(setting: Setting) -> bool:
    try:
        setting.trust.check(WHO)
    except Unauthenticated:
        return False
    return True


def suspend_and_reinstate(setting: Setting, log: Written) -> Statement:
    """Suspended in a list that the log shows, then reinstated in one that it does not; the latter."""
    setting.join(WHO, "consumer")
    log.write(setting.registry.lists[-1])
    log.write(setting.announce(2, suspended(WHO)))
    setting.trust.refresh_status()
    assert not may_act(setting)
    back = setting.announce(3)
    setting.trust.refresh_status()
    return back


@pytest.mark.parametrize("restarted", [False, True])
def test_who_is_reinstated_rests_until_the_log_shows_it(setting: Setting, log: Written, restarted: bool) -> None:
    back = suspend_and_reinstate(setting, log)
    if restarted:
        setting.restart()
    looking = reinstating(setting, log)
    looking.step()
    assert not may_act(setting)
    assert setting.trust.standing(WHO) == "suspended"
    setting.announce(4)  # lists are signed anew every few seconds; that changes nothing
    setting.trust.refresh_status()
    assert not may_act(setting)
    log.write(back)
    setting.registry.lists.append(back)
    looking.step()
    assert may_act(setting)
    setting.restart()
    assert may_act(setting)


def test_an_earlier_list_of_the_log_reinstates_nobody(setting: Setting, log: Written) -> None:
    suspend_and_reinstate(setting, log)
    earlier = setting.registry.lists[0]
    setting.registry.lists.append(earlier)  # of before the suspension, and in the log
    reinstating(setting, log).step()
    assert not may_act(setting)


def test_a_list_that_names_another_wakes_who_is_not_in_it(setting: Setting, log: Written) -> None:
    suspend_and_reinstate(setting, log)
    later = setting.announce(4, suspended("clinic-x"))
    log.write(later)
    reinstating(setting, log).step()
    assert may_act(setting)


def test_the_proof_counts_with_the_witnesses_only(setting: Setting, log: Written) -> None:
    one = Cosigner("regulator-a", LOG_KEY, setting.clock.now)
    back = suspend_and_reinstate(setting, log)
    log.write(back)
    looking = reinstating(setting, log, WitnessPolicy.parse(policy(1, one)))
    looking.step()
    assert not may_act(setting)
    log.witness = one
    looking.step()
    assert may_act(setting)


def test_who_is_suspended_again_meanwhile_stays_suspended(setting: Setting, log: Written) -> None:
    back = suspend_and_reinstate(setting, log)
    log.write(back)
    setting.announce(4, suspended(WHO))
    setting.trust.refresh_status()
    setting.registry.lists.append(back)
    reinstating(setting, log).step()
    assert not may_act(setting)
    setting.announce(5)
    setting.trust.refresh_status()
    setting.registry.lists.append(back)  # list 3 is older than the second suspension
    reinstating(setting, log).step()
    assert not may_act(setting)
