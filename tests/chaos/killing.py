"""A log and a journal whose every write kills their process, fails or is torn; then what is left is checked.

``python -m tests.chaos.killing FOLDER sequencer|journal KILLS`` with ``nth.c`` preloaded. Everything is imported once;
each life is a forked child that works on a small log of its own, dies or fails at its nth write, and is followed by one
that works undisturbed. Prints what it counted as JSON; a broken promise ends it with a traceback.

A killed process loses nothing that the system had taken from it: this is not a power cut.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical
from hefu.errors import Conflict, HefuError, Unavailable
from hefu.times import SystemClock
from hefu.tlog import checkpoint, tiles, tree
from hefu.tlog.note import COSIGNATURE, ED25519, Note, VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.tiles import Tile
from hefu.tlog.witness import Request, Witness
from hefu_audit.witnessing.memory import FileMemory
from hefu_broker.bootstrap import LEASE
from hefu_broker.log.latest import Latest
from hefu_broker.log.leadership import Leadership
from hefu_broker.log.sequencer import Sequencer
from hefu_broker.log.witnesses import Witnesses
from hefu_broker.records import Entry, Head, Lease, Outgoing, Pending
from hefu_broker.storage.cosigning import SqlCosigningStore
from hefu_broker.storage.database import Database as BrokerDatabase
from hefu_broker.storage.lease import SqlLeaseStore
from hefu_broker.storage.log import SqlLogStore
from hefu_broker.storage.outbox import SqlOutboxStore
from hefu_connector.membership.continuity import HighWater
from hefu_connector.ports import ComputationState
from hefu_connector.storage import Database, SqlJournal

from tests.contracts.stories import NOW, assert_whole, charge, entry, run

KILL, FAIL, FULL, TORN = 1, 2, 3, 4
KINDS = (KILL, TORN, FAIL, KILL, TORN, FULL, KILL)  # and 7 has no factor in common with the eight lives of a log
STRIDE = 7919
LOG = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey("killed.example/log", ED25519, LOG.public_key().public_bytes_raw())
OWN = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
OWN_KEY = VerifierKey("witness.example", COSIGNATURE, OWN.public_key().public_bytes_raw())
POLICY = WitnessPolicy.parse(f"witness w {OWN_KEY}\nquorum w\n")
CLOCK = SystemClock()
ROUNDS = 2
_BROKEN = ("log.behind", "log.inconsistent", "log.latest_missing", "witness.refused", "journal.behind")
_SHIM = ctypes.CDLL(None)


@contextmanager
def paused() -> Iterator[None]:
    """What is written meanwhile is the test's own, and is not counted."""
    _SHIM.hefu_pause(1)
    try:
        yield
    finally:
        _SHIM.hefu_pause(0)


def note(folder: Path, name: str, *lines: str) -> None:
    """Remember for the checker."""
    with paused(), (folder / name).open("a") as file:
        file.writelines(f"{each}\n" for each in lines)


def noted(folder: Path, name: str) -> list[str]:
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


# ---------------------------------------------------------------- the sequencer, with a witness


class Jumbled(SqlOutboxStore):
    """One half of a planted bug: what waits comes in another order when more waits."""

    def pending(self, most: int) -> list[Pending]:
        return super().pending(most)[::-1]


class Hasty(SqlLogStore):
    """The other half: the witness is asked before the commit."""

    log: Log | None = None

    def append(
        self, lease: Lease, before: Head, rows: Sequence[int], entries: Sequence[Entry], tiles: Sequence[Tile],
        head: Head,
    ) -> None:  # fmt: skip
        assert self.log is not None
        newest = self.log.memory.newest(KEY.name)
        if newest is not None and (old := checkpoint.verify(newest, KEY).size):
            leaves = [each.leaf_hash for each in (*self.entries(0, 100_000), *entries)]
            proof = tree.consistency_proof(old, head.size, tree.reader(leaves))
            signed = checkpoint.sign(checkpoint.Checkpoint(KEY.name, head.size, head.root), KEY, LOG.sign)
            self.log.witness.add(Request(old, tuple(proof), signed))
        super().append(lease, before, rows, entries, tiles, head)


@dataclass
class Log:
    """A broker's log on a file, and a witness of it on another."""

    folder: Path
    hasty: bool = False

    def __post_init__(self) -> None:
        self.database = BrokerDatabase(self.folder / "broker.db", "demo", "demo-broker")
        self.store = Hasty(self.database) if self.hasty else SqlLogStore(self.database)
        if isinstance(self.store, Hasty):
            self.store.log = self
        self.outbox = Jumbled(self.database) if self.hasty else SqlOutboxStore(self.database)
        self.memory = FileMemory(self.folder / "witness")
        self.witness = Witness({KEY.name: [KEY]}, [(OWN_KEY, OWN.sign)], self.memory, CLOCK.now)
        self.witnesses = Witnesses(KEY, lambda: POLICY, SqlCosigningStore(self.database), self.store, CLOCK)
        self.sequencer = Sequencer(
            self.store, self.outbox, Leadership(SqlLeaseStore(self.database, LEASE), "node"), KEY, LOG.sign,
            Latest(self.folder / "latest", KEY), witnesses=self.witnesses,
        )  # fmt: skip

    def cosign(self) -> None:
        """The witness asks what waits, cosigns it and hands it in."""
        found = self.witnesses.next_for(str(OWN_KEY), self.memory.newest(KEY.name) or "", 0)
        if found.note:
            lines = self.witness.add(Request(found.old, found.proof, found.note))
            note(self.folder, "cosigned", Note.parse(found.note).text.replace("\n", " "))
            self.witnesses.add(found.note.rpartition("\n\n")[0] + "\n\n" + lines)

    def close(self) -> None:
        self.memory.close()
        self.database.close()


def sequence(folder: Path, life: int, *, hasty: bool = False) -> None:
    """One life of the broker: it recovers, takes statements in, and publishes with its witness."""
    log = Log(folder, hasty)
    again(log.sequencer.recover)
    for number in range(ROUNDS):
        statements = [f"statement {life} {number} {each}" for each in range(1 + (life + number) % 3)]
        with suppress(Unavailable):
            log.outbox.queue([Outgoing(each.encode(), "computation.sealed", "hospital-a") for each in statements])
            note(folder, "taken", *statements)
        for step in (log.sequencer.turn, log.cosign, log.sequencer.turn):
            again(step)
        if log.sequencer.is_open:
            size, _ = log.sequencer.newest
            note(folder, "published", str(size))
    log.close()


def again(step: Callable[[], object]) -> None:
    """As the sequencer's thread does: what the disk does not take now is tried once more."""
    try:
        step()
    except Unavailable:
        with suppress(Unavailable):
            step()


def check_log(folder: Path) -> None:
    """No cosigned checkpoint is contradicted, nothing that was taken is lost or doubled."""
    log = Log(folder)
    try:
        head, entries = log.store.head(), log.store.entries(0, 100_000)
        leaves = [tree.leaf_hash(each.outgoing.envelope) for each in entries]
        assert [each.index for each in entries] == [*range(head.size)]
        assert [each.leaf_hash for each in entries] == leaves
        assert (
            tree.root(leaves)
            == head.root
            == tiles.at_once(head.size, partial(tree.root_of, head.size), log.store.tiles)
        )
        said = [each.outgoing.envelope.decode() for each in entries]
        assert len({*said}) == len(said), "a statement is logged twice"
        assert not {*noted(folder, "taken")} - {*said}, "a statement that was taken is lost"
        _check_cosigned(log, leaves)
    finally:
        log.close()


def _check_cosigned(log: Log, leaves: list[bytes]) -> None:
    newest = log.memory.newest(KEY.name)
    assert newest is not None, "nothing was ever cosigned"
    texts = ["\n".join([*each.split(" ")[:3], ""]) for each in noted(log.folder, "cosigned")]
    cosigned = [checkpoint.verify(newest, KEY), *map(checkpoint.Checkpoint.parse, texts)]
    for each in cosigned:
        assert each.size <= len(leaves), f"a witness saw {each.size} entries, the log has {len(leaves)}"
        assert tree.root(leaves[: each.size]) == each.root, f"another history of the first {each.size} entries"
    assert max(map(int, noted(log.folder, "published")), default=0) <= max(each.size for each in cosigned)
    assert log.memory.kept_evidence() == [], "the log asked for two histories"


# ---------------------------------------------------------------- a connector's journal


def journal(folder: Path, life: int) -> None:
    """One life of a connector: it journals ends, tells them, and hands them in."""
    database = Database.at(folder / "connector.db", "demo")
    made, high = SqlJournal(database), HighWater(folder / "high")
    for number in range(ROUNDS):
        id_ = f"cmp-{life}-{number}"
        with suppress(Unavailable, Conflict):
            made.admit(run(id_))
            made.start(id_, charge(), NOW)
            ended = made.close(id_, ComputationState.RELEASED, entry(id_), (b"sealed",), NOW)
            note(folder, "told", canonical.digest(ended.receipt or b""))
            head, digest = made.head()
            with suppress(OSError):
                high.write(head - 1, digest)
            waiting = made.outbox(10)
            note(folder, "handed", *(canonical.digest(each) for each in waiting))
            made.sent([canonical.digest(each) for each in waiting])
    database.close()


def check_journal(folder: Path) -> None:
    """The chain is whole, and what was told or handed in stands in it."""
    database = Database.at(folder / "connector.db", "demo")
    try:
        made = SqlJournal(database)
        length, _ = made.head()
        digests = [made.digest_at(each) for each in range(length)]
        runs = {each.id: each for each in made.runs(10_000)}
        chain = [each.receipt for each in runs.values() if each.receipt is not None]
        ordered = sorted(chain, key=lambda each: digests.index(canonical.digest(each)))
        assert_whole(ordered, made.head())
        assert {*noted(folder, "told"), *noted(folder, "handed")} <= {*digests}
        handed = {*noted(folder, "handed")}
        waiting = {canonical.digest(each) for each in made.outbox(10_000)}
        assert {*digests} <= handed | waiting, "an end is neither handed in nor waits"
        for each in runs.values():
            assert each.state is not ComputationState.RELEASED or (each.charge and made.part(each.id, 0) == b"sealed")
        sequence, digest = HighWater(folder / "high").read()
        assert sequence < 0 or digests[sequence] == digest, "the note of the newest entry lies"
    finally:
        database.close()


# ---------------------------------------------------------------- lives and deaths


@dataclass(frozen=True)
class Play:
    """What is played: a life, and what checks it."""

    live: Callable[[Path, int], None]
    check: Callable[[Path], None]


PLAYS = {
    "sequencer": Play(sequence, check_log),
    "journal": Play(journal, check_journal),
    "hasty": Play(partial(sequence, hasty=True), check_log),
}


def child(work: Callable[[], None], nth: int, kind: int) -> tuple[int, int]:
    """Work in a forked child; its status, and how many writes it came to."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _SHIM.hefu_arm(nth, kind)
            work()
            code = 0
        except (HefuError, OSError) as fault:  # a process that gives up: the next one must cope
            code = 3 if getattr(fault, "code", "") in _BROKEN else 2
            if code == 3 or nth == 0:
                traceback.print_exc()
        except (AssertionError, ValueError):
            traceback.print_exc()
        finally:
            os.write(writing, str(_SHIM.hefu_passed()).encode())
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        passed = int(pipe.read() or 0)
    _, status = os.waitpid(pid, 0)
    return status, passed


def play(folder: Path, name: str, wanted: int) -> dict[str, int]:
    """Kill and spoil until there were so many kills; on a fresh small log after every eight lives."""
    made, counts = PLAYS[name], Counter({"kills": 0, "torn": 0, "failed": 0, "checked": 0})
    template = folder / "template"
    template.mkdir(parents=True)
    assert child(lambda: made.live(template, 0), 0, 0)[0] == 0, "an undisturbed life fails"
    status, counts["writes"] = child(lambda: made.live(Path(shutil.copytree(template, folder / "dry")), 1), 0, 0)
    assert status == 0
    turn = 0
    while counts["kills"] + counts["torn"] < wanted:
        where = Path(shutil.copytree(template, folder / f"log-{turn}"))
        for life in range(turn * 8, turn * 8 + 8):
            _once(made, where, life, counts)
        shutil.rmtree(where)
        turn += 1
    return counts


def _once(made: Play, where: Path, life: int, counts: Counter[str]) -> None:
    """One life that is spoilt, and one after it that is not and is checked."""
    nth, kind = 1 + life * STRIDE % counts["writes"], KINDS[life % len(KINDS)]
    status, passed = child(lambda: made.live(where, 2 * life + 10), nth, kind)
    died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert died or os.waitstatus_to_exitcode(status) in (0, 2), f"the life of write {nth}, {kind}: {status}"
    if died or (passed >= nth and kind in (FAIL, FULL)):
        counts["torn" if kind == TORN else "kills" if died else "failed"] += 1

    def after() -> None:
        made.live(where, 2 * life + 11)
        made.check(where)

    status, _ = child(after, 0, 0)
    assert status == 0, f"after write {nth}, {kind}: {status}"
    counts["checked"] += 1


if __name__ == "__main__":
    print(json.dumps(play(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
