"""Following a log: one visit brings an auditor's copy from the last verified checkpoint to the newest.

Steps of a visit:
1. The newest checkpoint is signed by the pinned key of the pinned log.
2. It extends the one this auditor verified last, and the copy's own; if not, both notes are kept as evidence.
3. Only entries that are not in the copy are fetched. Each is read from its exact bytes and verified by the rules of
   `hefu.evidence.record`, under the keys that the entries before it certified.
4. What was released, refused or used is held against its agreement (`hefu.checking.checks`, and the policy decided
   again), each with the entries it refers to.
5. The entries give the signed root, else nothing of them is kept.
6. Copy and checkpoint become one transaction; then the checkpoint is remembered.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hefu import identity
from hefu.checking.checks import Ended, end_of
from hefu.errors import HefuError, Untrusted
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import Logged, Record
from hefu.identity import write_bytes
from hefu.membership.charter import CHARTERED, Charter
from hefu.space import SpaceFile
from hefu.times import Clock, write_time
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.policy import WitnessPolicy

from hefu_audit import desk, judging
from hefu_audit.columns import Named, rows, seconds
from hefu_audit.index import Index
from hefu_audit.ports import LogReader, Memory

_PAGE = 8192  # entries verified together
_LATE = 300  # seconds
_ENTRY = re.compile(r"entry (\d+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Followed:
    """What a visit brought: entries before and after, entries that may not be read, and how many faults there are."""

    before: int
    head: Checkpoint
    hidden: int
    faults: int


def follow(space: SpaceFile, log: LogReader, memory: Memory, index: Index, clock: Clock) -> Followed:
    """Bring the copy up to the newest checkpoint.

    Raises:
        Untrusted: the checkpoint is not the log's, the log is no extension of what it was, or its entries give another
            root; evidence is kept, and the copy is as it was.
        Unavailable: the log cannot be reached, or serves fewer entries than it signed.
    """
    key, last = VerifierKey.parse(space.log_key), memory.last()
    note = log.checkpoint()
    head = checkpoint.verify(note, key)  # 1
    remembered = (last, checkpoint.verify(last, key)) if last is not None else None
    for earlier in filter(None, (remembered, index.head)):
        desk.check_extends(log, memory, earlier, (note, head))  # 2
    before = index.size
    with index.writing():
        copy = _Copy(index, space)
        for page in _pages(desk.read_entries(log, head.size, before)):
            copy.add(page)  # 3, 4
        if index.root(head.size) != head.root:  # 5
            where = memory.evidence(f"root-{head.size}.json", {"checkpoint": note, "root": index.root(head.size).hex()})
            raise Untrusted("log.inconsistent", size=head.size, reasons=[f"the evidence is kept in {where}"])
        index.keep_head(note, head, clock.now(), copy.record.hidden)  # 6
    memory.keep(note, head)
    return Followed(before, head, index.hidden, int(index.one("SELECT COUNT(*) FROM fault")))


def quorum(index: Index) -> tuple[str, tuple[tuple[str, datetime], ...]]:
    """Who witnessed the newest checkpoint: ``none`` (the space has no witness policy), ``met`` or why not; and when."""
    newest = index.rows("SELECT idx FROM entry WHERE type = ? ORDER BY idx DESC LIMIT 1", CHARTERED)
    text = Charter.of(index.statement(newest[0][0])).witnesses if newest else ""
    head = index.head
    if not text or head is None:
        return "none", ()
    note, policy = Note.parse(head[0]), WitnessPolicy.parse(text)
    try:
        found = policy.cosigners(note)
        times = tuple((name, each.time) for name, each in sorted(found.items()))
        if policy.met_by(found):
            return "met", times
        return "missing: " + ", ".join(policy.missing(found)), times
    except HefuError as fault:
        return fault.public(), ()


class _Copy:
    """The entries of a visit on their way into the copy."""

    def __init__(self, index: Index, space: SpaceFile) -> None:
        self.index = index
        self.record = Record(space, space.root)
        size = index.size
        self._next = size
        # The complete subtrees at the right edge: one for each bit of the size.
        self._edge = {level: index.read(level, (size >> level) - 1) for level in range(64) if size >> level & 1}
        for number in _identity(index):
            self.record.add(BundleEntry.whole(number, index.envelope(number)))
        self.record.hidden = index.hidden
        self._newest = int(index.one("SELECT MAX(time) FROM entry") or 0)
        self._held = judging.Kept()
        self._clear()

    def add(self, page: Sequence[BundleEntry]) -> None:
        """Verify entries in log order, and keep them with their index rows."""
        found: list[Named] = []
        for entry in page:
            found += self._grow(entry.leaf_hash)
            self.record.add(entry)
        good = {each.index: each for each in self._once()}
        for number, text in map(_split, self.record.faults):
            found.append(("fault", (number, "statements", text)))
        for entry in page:
            if entry.envelope is not None:
                found.append(("body", (entry.index, entry.envelope)))
        ends: dict[int, Ended] = {}
        for logged in good.values():
            found += self._late(logged)
            try:
                end = end_of(logged.statement)
                found += [*rows(logged, end, self._resources)]
            except HefuError as fault:
                found.append(("fault", (logged.index, "forms", fault.public())))
                continue
            if end is not None:
                ends[logged.index] = end
        self.index.take((self._entry(each, good.get(each.index)) for each in page), found)
        judged = judging.judge(self.index, self.record, [*good.values()], ends, self._held)
        links = [row for table, row in found if table == "journal"]
        self.index.take((), [*judged, *self._seen([*good]), *judging.judge_links(self.index, links)])
        self._clear()

    def _once(self) -> Iterator[Logged]:
        known = self.index.known(each.statement.id for each in self.record.logged)
        for logged in self.record.logged:
            if logged.statement.id not in known:
                yield logged
            else:
                self.record.faults.append(f"entry {logged.index}: a statement of this id stands in the log already")

    def _entry(self, entry: BundleEntry, logged: Logged | None) -> tuple[object, ...]:
        if logged is None:
            return entry.index, entry.leaf_hash, *(None,) * 8
        statement, actor = logged.statement, logged.statement.actor or {}
        who = actor.get("user") or actor.get("program") or ""
        return (
            entry.index, entry.leaf_hash, statement.id, statement.type, seconds(statement.time),
            statement.issuer, ",".join(self.record.signers(statement)), statement.digest(), logged.envelope,
            who if isinstance(who, str) else "",
        )  # fmt: skip

    def _resources(self, agreement: str, provider: str) -> tuple[str, ...]:
        found = self.index.rows(
            "SELECT DISTINCT a.name FROM about a JOIN agreement g ON g.idx = a.idx"
            " WHERE g.id = ? AND g.provider = ? AND a.kind = 'resource'",
            agreement,
            provider,
        )
        return tuple(each[0] for each in found)

    def _late(self, logged: Logged) -> Iterator[Named]:
        claimed = seconds(logged.statement.time)
        if claimed < self._newest - _LATE:
            yield "late", (logged.index, self._newest)
        self._newest = max(self._newest, claimed)

    def _grow(self, leaf: bytes) -> Iterator[Named]:
        level, place, computed = 0, self._next, leaf
        self._next += 1
        while place & 1:
            computed = tree.node_hash(self._edge[level], computed)
            level, place = level + 1, place >> 1
            yield "node", (level, place, computed)
        self._edge[level] = computed

    def _seen(self, good: Sequence[int]) -> Iterator[Named]:
        """Whether the checkpoints that signers say they had seen are this log's; those of other logs are not judged."""
        if not good:
            return
        found = self.index.rows("SELECT idx, size, root FROM seen WHERE idx BETWEEN ? AND ?", good[0], good[-1])
        for number, size, root in found:
            if not 0 < size <= number or root not in _spelt(self.index.root(size)):
                yield "fault", (number, "gossip", f"saw another log of {size} entries, or one of the future")

    def _clear(self) -> None:
        self.record.leaves.clear()
        self.record.logged.clear()
        self.record.faults.clear()


def _identity(index: Index) -> list[int]:
    """The entries from which the keys and standings so far follow."""
    found = index.rows("SELECT idx FROM entry WHERE type IN (?, ?)", identity.CERTIFIED, CHARTERED)
    newest = index.rows("SELECT MAX(idx) FROM entry WHERE type = ?", identity.STATUS)
    return sorted({each[0] for each in (*found, *newest) if each[0] is not None})


def _pages(entries: Iterator[BundleEntry]) -> Iterator[list[BundleEntry]]:
    page: list[BundleEntry] = []
    for entry in entries:
        page.append(entry)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _split(fault: str) -> tuple[int, str]:
    match = _ENTRY.fullmatch(fault)
    return (int(match[1]), match[2]) if match else (0, fault)


def _spelt(root: bytes) -> tuple[str, ...]:
    return root.hex(), base64.b64encode(root).decode(), write_bytes(root)


def at(second: int) -> str:
    """A time of the tables as statements write it."""
    return write_time(datetime.fromtimestamp(second, tz=UTC))
