"""A broker that holds the log's real key and lies, beside everybody who looks at its log.

The log is real: a broker and two connectors made it over TLS. What is made up is only what the broker does with it
afterwards; everybody who looks does so with the code that looks in earnest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical
from hefu.canonical import Object
from hefu.checking.reconcile import Held, View, reconcile, view_of
from hefu.checking.verify import Pins, Report, verify
from hefu.envelope import Statement, draft
from hefu.errors import HefuError, Malformed, NotFound
from hefu.evidence.bundle import BundleEntry, open_bundle, write_bundle
from hefu.keeping.keys import FileSigner
from hefu.space import SpaceFile
from hefu.times import SystemClock
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import COSIGNATURE, ED25519, Note, VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.proof import LogProof
from hefu.tlog.witness import NotCosigned, Request, Witness
from hefu_audit import desk
from hefu_audit.home import Home
from hefu_broker.bootstrap import Server
from hefu_broker.storage.log import SqlLogStore
from hefu_connector.contracting import negotiating
from hefu_connector.membership.log_history import LogHistory
from hefu_connector.running import Connector
from hefu_connector.storage.database import Database
from hefu_connector.storage.marks import SqlMarks
from hefu_connector.storage.models import JOURNAL, REQUESTS
from sqlalchemy import select

from tests.protocol.test_tlog_witness import Kept


@dataclass
class Liar:
    """The log as its operator shows it now: `hefu_audit.ports.LogReader` and `hefu_connector.brokerage.Log`.

    Attributes:
        entries: what it signs.
        served: what it serves instead, where that is something else.
        hidden: indices of which it gives the hash alone.
        signed: a note that it serves instead of signing what it has.
    """

    space: SpaceFile
    key: Ed25519PrivateKey
    operator: FileSigner
    entries: list[bytes]
    served: list[bytes] | None = None
    hidden: frozenset[int] = frozenset()
    signed: str = ""

    def other(self, **changes: object) -> Liar:
        """The same broker, showing something else."""
        members: dict[str, object] = {
            "space": self.space, "key": self.key, "operator": self.operator, "entries": [*self.entries],
        }  # fmt: skip
        return Liar(**(members | changes))  # type: ignore[arg-type]

    def says(self, type_: str, body: Object, at: datetime | None = None) -> bytes:
        """A statement under the operator's own key, logged as well."""
        at = at or SystemClock().now()
        made = draft(type_, body, space=self.space.space, issuer=self.space.broker, at=at).sign(self.operator, at)
        self.entries.append(made.to_bytes())
        return self.entries[-1]

    def find(self, *types: str) -> int:
        """The index of the last entry of a type."""
        return max(n for n, each in enumerate(self.entries) if Statement.parse(each).type in types)

    def statement(self, index: int) -> Statement:
        return Statement.parse(self.entries[index])

    # ------------------------------------------------------------ the log, as it is served

    def checkpoint(self, size: int | None = None) -> str:
        leaves = self.leaves[:size]
        key = VerifierKey.parse(self.space.log_key)
        return self.signed or checkpoint.sign(Checkpoint(key.name, len(leaves), tree.root(leaves)), key, self.key.sign)

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        if not 0 < old <= new <= len(self.entries):
            raise Malformed("log.sizes", size=len(self.entries))
        return tree.consistency_proof(old, new, tree.reader(self.leaves[:new]))

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        if leaf_hash not in self.leaves:
            raise NotFound("log.absent")
        index, size = self.leaves.index(leaf_hash), len(self.leaves)
        return LogProof(index, tuple(tree.inclusion_proof(index, size, tree.reader(self.leaves))), self.checkpoint())

    def append(self, envelopes: Sequence[bytes]) -> int:
        return len(envelopes)

    def newest(self) -> Statement | None:
        return None

    def lines(self) -> list[BundleEntry]:
        whole = [BundleEntry.whole(index, each) for index, each in enumerate(self.served or self.entries)]
        return [BundleEntry(e.index, e.leaf_hash, None) if e.index in self.hidden else e for e in whole]

    def page(self, first: int) -> Sequence[BundleEntry]:
        return self.lines()[first : first + 16]

    @property
    def leaves(self) -> list[bytes]:
        return [tree.leaf_hash(each) for each in self.entries]


@dataclass
class Reader:
    """`hefu_audit.ports.LogReader` over what the liar serves."""

    liar: Liar

    def checkpoint(self) -> str:
        return self.liar.checkpoint()

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        return self.liar.consistency(old, new)

    def entries(self, first: int) -> Sequence[BundleEntry]:
        return self.liar.page(first)


@dataclass
class Onlookers:
    """Everybody who has seen the honest log and looks again, and one who was never there.

    Attributes:
        copies: what the parties of the contract hold of it themselves.
    """

    folder: Path
    honest: Liar
    agreement: str
    copies: tuple[View, ...]
    memory: Kept = field(default_factory=Kept)

    def __post_init__(self) -> None:
        space = self.honest.space
        self.key = VerifierKey.parse(space.log_key)
        self.home = Home.make(self.folder / "auditor", space, "regulator-r", "regulator-r")
        assert desk.visit(space, Reader(self.honest), self.home, self.folder / "first.zip").report.holds
        self.database = Database.at(self.folder / "onlooker.db", space.space)
        self.marks = SqlMarks(self.database)
        LogHistory(self.honest, self.marks, self.key).check(self.honest.checkpoint())
        own = Ed25519PrivateKey.generate()
        self.witness_key = VerifierKey("witness.example", COSIGNATURE, own.public_key().public_bytes_raw())
        self.witness = Witness(
            {self.key.name: [self.key]}, [(self.witness_key, own.sign)], self.memory, SystemClock().now
        )
        self.cosigned = self.witness.add(Request(0, (), self.honest.checkpoint()))

    def anybody(self, liar: Liar, earlier: str | None = None) -> Report:
        """A newcomer with the pinned keys; or one who kept a checkpoint."""
        space, path = self.honest.space, self.folder / "bundle.zip"
        write_bundle(path, space, liar.checkpoint(), liar.lines())
        with open_bundle(path) as bundle:
            return verify(bundle, Pins(space.root, self.key, earlier, space))

    def auditor(self, liar: Liar) -> list[str]:
        """An auditor at its next visit."""
        try:
            return desk.visit(liar.space, Reader(liar), self.home, self.folder / "next.zip").report.failed()
        except HefuError as fault:
            return [fault.code]

    def connector(self, liar: Liar) -> list[str]:
        """A connector that is shown a checkpoint."""
        try:
            LogHistory(liar, self.marks, self.key).check(liar.checkpoint())
        except HefuError as fault:
            return [fault.code]
        return []

    def asked(self, liar: Liar, note: str) -> list[str]:
        """A witness that is asked to cosign."""
        head, old = Checkpoint.parse(Note.parse(note).text), len(self.honest.entries)
        proof = tuple(liar.consistency(old, head.size)) if old < head.size else ()
        try:
            self.witness.add(Request(min(old, head.size), proof, note))
        except NotCosigned as refused:
            return [refused.refusal.name.lower()]
        return []

    def policy(self, note: str) -> list[str]:
        """Anybody who has pinned the witness."""
        text = f"log {self.honest.space.log_key}\nwitness w {self.witness_key}\nquorum w\n"
        try:
            WitnessPolicy.parse(text).verify(Note.parse(note))
        except HefuError as fault:
            return [fault.code]
        return []

    def parties(self, liar: Liar) -> list[str]:
        """Provider and consumer, who compare what they hold with what the log shows."""
        record = self.anybody(liar).record
        views = (*self.copies, view_of(record, liar.space.broker, self.copies[0].taken))
        return [
            each.kind for each in reconcile(self.agreement, views, self.anybody(self.honest).record.key).differences
        ]

    def close(self) -> None:
        self.database.close()


def logged(server: Server) -> list[bytes]:
    """Every entry of a broker's log, in order."""
    return [each.outgoing.envelope for each in SqlLogStore(server.rooms.database).entries(0, 10_000)]


def kept_by(connector: Connector, agreement: str, taken: datetime) -> View:
    """What a connector holds of a contract itself: its papers, messages, journal, and the receipts it was sent."""
    marks = connector.agreements._marks
    assert isinstance(marks, SqlMarks)
    held = connector.agreements.load(agreement)
    found = [held.statement.to_bytes(), held.countersignature.to_bytes(), held.description_statement.to_bytes()]
    tables = connector.desk.tables
    progress = negotiating.find(tables._negotiations, agreement)
    tables._keep(negotiating.read(progress, tables._trust, tables._author.space), progress)
    for mark in marks.all("rounds/"):
        if mark.text.startswith("["):
            texts = canonical.decode(mark.text.encode())
            assert isinstance(texts, list)
            found += [str(each).encode() for each in texts]
    with marks._database.reading() as connection:
        found += connection.execute(select(JOURNAL.c.envelope)).scalars()
        found += [each for each in connection.execute(select(REQUESTS.c.receipt)).scalars() if each]
    return View(connector.settings.participant, tuple(map(Held, found)), taken)


STRANGER = Ed25519PrivateKey.generate()


def stranger_key(origin: str) -> VerifierKey:
    """A key of the log's name that nobody pinned."""
    return VerifierKey(origin, ED25519, STRANGER.public_key().public_bytes_raw())
