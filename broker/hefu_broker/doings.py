"""What this broker runs and what its administrators did, in the log of each space, under the operator's key."""

from __future__ import annotations

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Signer, Statement, draft
from hefu.errors import Malformed
from hefu.statements import doings
from hefu.statements.doings import RUNNING, Administered, Running
from hefu.times import Clock
from hefu_policies.odrl import contexts
from hefu_policies.words.terms import CONTEXTS

from hefu_broker.ports import Announce, EntryStore, OutboxStore
from hefu_broker.records import Outgoing

_PACKAGES = ("hefu", "hefu_policies", "hefu_broker")
_LOOKED = 512  # of the operator's newest statements


class Doings:
    """States what is done here.

    Args:
        operator: the broker's participant id; `signer` holds its key.
        settings: as they are now, without anything secret.
        announce: called after something was queued for the log.
    """

    def __init__(
        self, space: str, operator: str, signer: Signer, settings: Object, outbox: OutboxStore, entries: EntryStore,
        clock: Clock, announce: Announce,
    ) -> None:  # fmt: skip
        self._space = space
        self._operator = operator
        self._signer = signer
        self._settings = settings
        self._outbox = outbox
        self._entries = entries
        self._clock = clock
        self._announce = announce

    def note(self, action: str, subject: str = "", what: Object | None = None) -> None:
        """State an act of an administrator.

        Args:
            action: one of `hefu.statements.doings.ACTIONS`.
            what: it was changed to; its digest is told.
        """
        done = Administered(action, subject, canonical.digest(canonical.encode(what) if what else b""))
        self._say(doings.ADMINISTERED, done.body())

    def started(self) -> None:
        """State what runs, if something of it is another than it was."""
        tables = {each: contexts.digest(each) for each in CONTEXTS}
        now = doings.running("broker", _PACKAGES, tables, self._settings)
        if now != self._before():
            self._say(RUNNING, now.body())

    def _before(self) -> Running | None:
        for data in self._entries.newest_of(self._operator, 0, _LOOKED):
            statement = Statement.parse(data)
            if statement.type == RUNNING:
                try:
                    return Running.of(statement)
                except Malformed:  # of a later version
                    return None
        return None

    def _say(self, type_: str, body: Object) -> None:
        at = self._clock.now()
        made = draft(type_, body, space=self._space, issuer=self._operator, at=at).sign(self._signer, at)
        self._outbox.queue([Outgoing.of(made)])
        self._announce()
