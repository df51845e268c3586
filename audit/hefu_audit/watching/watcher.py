"""One look at a log and the next: each verifies what is new since the last, by the log's proof and by its entries.

Steps of a look:
1. The newest checkpoint is signed by the pinned key, and extends the last one by the log's own proof; if not, both
   stay as evidence (`hefu_audit.desk`).
2. Where the charter pins witnesses, their quorum stands behind it.
3. The entries that are new are fetched, kept, and each is verified as `hefu.evidence.record` says; together with
   those before they give the signed root.
4. What must be true of all entries together is checked again where there are new ones
   (`hefu.checking.verify.check_all`), and the rules are applied.
5. What was found is kept durably before anybody is told, and told until it was heard.

Entries are kept in one file, so that a watch that is started again goes on where it was. LIMIT: it verifies them all
once more then, and step 4 looks at all of them: minutes for a million entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hefu.checking import verify
from hefu.checking.checks import Facts
from hefu.errors import HefuError, Unavailable, Untrusted
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import Record
from hefu.membership.charter import CHARTERED, Charter
from hefu.space import SpaceFile
from hefu.times import Clock
from hefu.tlog import checkpoint, tree
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.policy import WitnessPolicy

from hefu_audit import desk
from hefu_audit.ports import LogReader, Memory
from hefu_audit.watching.rules import Alert, Known, Rules, judge


class Kept(Protocol):
    """What a watch keeps between its looks and over restarts; durable when a method returns."""

    def entries(self) -> Sequence[BundleEntry]:
        """Every entry that was verified, in order."""
        ...

    def add(self, entries: Sequence[BundleEntry], size: int, at: datetime) -> None:
        """Keep entries, and when the log was known to have this size."""
        ...

    def marks(self) -> Sequence[tuple[int, datetime]]:
        """Sizes, with the time at which each was known first, in order."""
        ...

    def tell(self, alerts: Sequence[Alert], at: datetime) -> Sequence[Alert]:
        """Keep alerts that are to be told; those whose key was kept before are left out. Returns the new ones."""
        ...


class Watcher:
    """Follows one log. One thread.

    Args:
        memory: the checkpoints of this watch, not those of the auditor's visits.
    """

    def __init__(self, space: SpaceFile, memory: Memory, kept: Kept, rules: Rules, clock: Clock) -> None:
        self._memory = memory
        self._kept = kept
        self._rules = rules
        self._clock = clock
        self._key = VerifierKey.parse(space.log_key)
        self._record = Record(space, space.root)
        self._stack: list[tuple[int, bytes]] = []  # complete subtrees of what is taken in: (height, hash)
        self._checked = -1
        for each in kept.entries():
            self._record.add(each)
            _grow(self._stack, each.leaf_hash)

    @property
    def size(self) -> int:
        """How many entries were verified."""
        return len(self._record.leaves)

    def away(self) -> Sequence[Alert]:
        """What is new though the log cannot be reached: that it is silent."""
        return self._kept.tell(self._judged(), self._clock.now())

    def look(self, log: LogReader) -> Sequence[Alert]:
        """Look once; the alerts that are new.

        Raises:
            Unavailable: the log cannot be reached (see `away`).
        """
        try:
            found = self._verified(log)
        except Unavailable:
            raise
        except HefuError as fault:
            found = [_broken(fault)]
        return self._kept.tell([*found, *self._judged()], self._clock.now())

    def _verified(self, log: LogReader) -> list[Alert]:
        note = log.checkpoint()
        head = checkpoint.verify(note, self._key)  # 1
        last = self._memory.last()
        if last is not None:
            desk.check_extends(log, self._memory, (last, checkpoint.verify(last, self._key)), (note, head))
        now = self._clock.now()
        fresh = self._fetch(log, head.size)  # 3
        stack = [*self._stack]
        for each in fresh:
            _grow(stack, each.leaf_hash)
        if _root(stack) != head.root:  # before any of it is taken in
            raise Untrusted("audit.root", size=head.size)
        for each in fresh:
            self._record.add(each)
        self._stack = stack
        alerts, at = self._quorum(note, now)  # 2, under the charter as it is by now
        if head.size > (self._kept.marks() or [(-1, now)])[-1][0]:
            self._kept.add(fresh, head.size, at)
        self._memory.keep(note, head)
        return alerts

    def _quorum(self, note: str, now: datetime) -> tuple[list[Alert], datetime]:
        """What is wrong with the cosignatures, and the time that they or else this clock give."""
        charters = [*self._record.of(CHARTERED)]
        text = Charter.of(charters[-1].statement).witnesses if charters else ""
        if not text:
            return [], now
        try:
            cosigned = WitnessPolicy.parse(text).verify(Note.parse(note))
        except HefuError as fault:
            return [_broken(fault)], now
        return [], min((each.time for each in cosigned.values()), default=now)

    def _fetch(self, log: LogReader, size: int) -> list[BundleEntry]:
        fresh: list[BundleEntry] = []
        while (index := self.size + len(fresh)) < size:
            page = log.entries(index)[: size - index]
            if not page:
                raise Untrusted("audit.withheld", size=size, index=index)
            if [each.index for each in page] != [*range(index, index + len(page))]:
                raise Untrusted("audit.order", expected=index, found=page[0].index)
            fresh += page
        return fresh

    def _judged(self) -> list[Alert]:
        facts = Facts.of(self._record)
        alerts = judge(facts, Known(self._kept.marks(), self._clock.now()), self._rules)
        if self._checked != self.size:  # 4
            alerts += [_fault(name, each) for name, found in verify.check_all(facts) for each in found.faults]
            self._checked = self.size
        if self._record.hidden:
            alerts.append(_hidden(self._record.hidden))
        return alerts


def _grow(stack: list[tuple[int, bytes]], leaf: bytes) -> None:
    """One leaf more on the complete subtrees of a tree."""
    height, computed = 0, leaf
    while stack and stack[-1][0] == height:
        computed = tree.node_hash(stack.pop()[1], computed)
        height += 1
    stack.append((height, computed))


def _root(stack: Sequence[tuple[int, bytes]]) -> bytes:
    if not stack:
        return tree.EMPTY_ROOT
    computed = stack[-1][1]
    for _, each in reversed(stack[:-1]):
        computed = tree.node_hash(each, computed)
    return computed


def _broken(fault: HefuError) -> Alert:
    size = fault.parameters.get("size", "")
    return Alert(fault.code, 1, f"log/{fault.code}/{size}", fault.public(), fault.public("zh"))


def _fault(name: str, fault: str) -> Alert:
    said = verify.plain(fault)
    return Alert(name, 2, f"check/{name}/{said}", f"{name}: {said}", f"{name}：{said}")


def _hidden(number: int) -> Alert:
    return Alert(
        "hidden", 2, f"hidden/{number}",
        f"The contents of {number} entries are withheld from this auditor, so what they say is not checked.",
        f"有 {number} 个条目的内容未向本审计方提供，其所述未经检查。",
    )  # fmt: skip
