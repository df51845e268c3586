"""This connector's journal in the broker's log, and the log's checkpoint in the journal: `journal.head`, now and then.

Every statement that the broker says it took outside of the journal is noted durably, named by the next head, and looked
for in the log until a proof shows it. What does not come there is said loudly: a broker that takes a statement and
swallows it is found here within minutes, and by every auditor from the head.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from hefu.canonical import Object
from hefu.checking import operating
from hefu.checking.heads import HEAD, MOST_TAKEN, Head, seen
from hefu.envelope import Signer, Statement, draft, new_id
from hefu.errors import NotFound, Untrusted
from hefu.statements.receipt import Link
from hefu.times import Clock
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.tree import leaf_hash

from hefu_connector.brokerage import Log
from hefu_connector.membership.log_history import CHECKPOINT, LogHistory, Policy, nobody
from hefu_connector.ports import Entry
from hefu_connector.shelves import STATUS, Mark, Marks

log = logging.getLogger("hefu.anchoring")

TAKEN, SOUGHT, LAST = "taken/", "sought/", "anchored"
PATIENCE = timedelta(minutes=5)  # from a head until all it names must be in the log


class Author(Protocol):
    """Whose journal it is, and who signs it."""

    @property
    def participant(self) -> str:
        """Its id."""
        ...

    @property
    def connector(self) -> str:
        """The connector whose journal it is."""
        ...

    @property
    def space(self) -> str:
        """The space that its statements name."""
        ...

    @property
    def signer(self) -> Signer:
        """Its signing key."""
        ...

    @property
    def clock(self) -> Clock:
        """The present time."""
        ...


class Chain(Protocol):
    """The journal as far as a head needs it."""

    def anchor(self, entry: Entry) -> Statement:
        """Write the next entry of the chain, durably, and queue it for the log."""
        ...


class Taken:
    """Notes what the broker took. Safe to use from many threads."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def note(self, statement: Statement) -> None:
        """The broker answered that it took this statement."""
        self._marks.advance(Mark(TAKEN + leaf_hash(statement.to_bytes()).hex(), 1))


class Anchoring:
    """Writes heads and looks for what they name. One thread.

    Args:
        every: between two heads.
        key: the log's pinned key.
        written: called after a head was written, so that it is sent.
        policy: the witnesses whose quorum must stand behind a proof.
    """

    def __init__(
        self, author: Author, chain: Chain, marks: Marks, log_: Log, key: VerifierKey, every: timedelta,
        written: Callable[[], None], policy: Policy = nobody,
    ) -> None:  # fmt: skip
        self._author = author
        self._chain = chain
        self._marks = marks
        self._every = every
        self._written = written
        self._history = LogHistory(log_, marks, key, policy)

    def step(self) -> None:
        """Write a head if one is due, and look for what earlier ones named.

        Raises:
            Untrusted: the broker took a statement that does not come into the log.
            Unavailable: the broker is away.
        """
        now = self._author.clock.now()
        last = self._marks.find(LAST)
        if last is None:  # the first is due an interval after the first start
            self._marks.advance(Mark(LAST, int(now.timestamp())))
        elif now.timestamp() - last.number >= self._every.total_seconds():
            self.write(now)
        self.seek(now)

    def write(self, now: datetime) -> None:
        """Write heads until everything that was taken is named; at least one."""
        taken = [each.name.removeprefix(TAKEN) for each in self._marks.all(TAKEN)]
        for start in range(0, max(len(taken), 1), MOST_TAKEN):
            named = taken[start : start + MOST_TAKEN]
            head = self._chain.anchor(self._entry(tuple(map(bytes.fromhex, named)), now))
            for leaf in (*named, leaf_hash(head.to_bytes()).hex()):
                self._marks.advance(Mark(SOUGHT + leaf, int(now.timestamp())))
            for leaf in named:
                self._marks.remove(TAKEN + leaf)
        self._marks.advance(Mark(LAST, int(now.timestamp())))
        self._written()

    def seek(self, now: datetime) -> None:
        """Strike off what the log proves; raises as `step`."""
        missing = []
        for mark in self._marks.all(SOUGHT):
            leaf = bytes.fromhex(mark.name.removeprefix(SOUGHT))
            try:
                proof = self._history.proof(leaf)
            except NotFound:
                if now.timestamp() - mark.number > PATIENCE.total_seconds():
                    missing.append(mark.name.removeprefix(SOUGHT))
                continue
            if proof is not None:
                self._marks.remove(mark.name)
        if missing and not self._history.rests_since(now - PATIENCE):
            log.critical("the broker took %d statements that are not in the log: %s", len(missing), missing[0])
            raise Untrusted("log.swallowed", count=len(missing), leaf=missing[0])

    def _entry(self, taken: tuple[bytes, ...], now: datetime) -> Entry:
        kept, author = self._marks.find(CHECKPOINT), self._author
        known = None if kept is None else seen(Checkpoint.parse(Note.parse(kept.text).text))
        shown = self._marks.find(STATUS)
        standing = None if shown is None else (shown.number, operating.names(Statement.parse(shown.text.encode())))

        def sign(sequence: int, previous: str) -> Statement:
            body: Object = Head(Link(sequence, previous, author.connector), taken, known, standing).body()
            made = draft(HEAD, body, space=author.space, issuer=author.participant, at=now, id_=new_id("stm"))
            return made.sign(author.signer, now)

        return Entry(sign, now)
