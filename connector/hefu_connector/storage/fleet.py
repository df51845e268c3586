"""The processes that work on one store: who is at work, who leads, and what one asks of another.

Each process has a row whose number it moves every second. No clock is compared with another: a process is given up when
its number did not move while the observer's own clock ran for `SILENCE`; then its row goes, for everybody at once. What
leads is a row with an epoch, taken over only from a holder whose row is gone.

INVARIANT: whoever lost the lead writes nothing in its name: `fence` is asked inside the writing transaction.
INVARIANT: being given up wrongly (a machine that slept) costs work and never a charge: ends are final in the journal.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from hefu.errors import Unavailable
from sqlalchemy import ColumnElement, Connection, delete, select, update

from hefu_connector.ports import FINAL, ComputationState
from hefu_connector.storage.database import Database, insert_new
from hefu_connector.storage.models import COMPUTATIONS, LEASES, OWNERS

log = logging.getLogger("hefu.fleet")

BEAT, SILENCE = 1.0, 5.0  # seconds between two beats; without one, until a process is given up
_LEAD = "lead"
_OPEN = [each.value for each in ComputationState if each not in FINAL]


class SqlFleet:
    """`ports.Fleet` in the connector's database, for the processes of one space.

    Args:
        me: a name of this run of this process, never used before.
        home: what stays the same over its restarts; two of one home never run at once.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        database: Database,
        me: str,
        home: str,
        clock: Callable[[], float] = time.monotonic,
        silence: float = SILENCE,
    ) -> None:
        self.me = me
        self._database = database
        self._home = home
        self._clock = clock
        self._silence = silence
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, float]] = {}
        self._beaten = clock()
        self._epoch = 0
        self._gone: list[Callable[[], None]] = []

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call after another process was given up, or ended."""
        self._gone.append(call)

    def join(self) -> None:
        """Be at work from now on, and end what earlier runs of this home left; before anything is admitted.

        Raises:
            Unavailable: the store cannot be written.
        """
        with self._database.writing() as connection:
            connection.execute(delete(OWNERS).where(OWNERS.c.home == self._home, OWNERS.c.id != self.me))
            insert_new(connection, OWNERS, id=self.me, space=self._database.space, home=self._home, beat=0)
        self.beat()

    def beat(self) -> None:
        """Say that this process is at work, look at the others, and lead if nobody does.

        Called every `BEAT` seconds by one thread.

        Raises:
            Unavailable: the store cannot be written; the lead is kept for no longer than `silence` then.
        """
        if self._clock() - self._beaten > self._silence:
            self._epoch = 0
        with self._database.noting() as connection:
            moved = update(OWNERS).where(OWNERS.c.id == self.me).values(beat=OWNERS.c.beat + 1)
            if connection.execute(moved).rowcount != 1:  # it was given up meanwhile
                insert_new(connection, OWNERS, id=self.me, space=self._database.space, home=self._home, beat=0)
        self._beaten = self._clock()
        fewer = self._look()
        self._epoch = self._lead()
        if fewer:
            for call in self._gone:
                call()

    def leave(self) -> None:
        """Be at work no longer; the others go on at once, or a little later where the store cannot be written."""
        self._epoch = 0
        try:
            with self._database.writing() as connection:
                connection.execute(delete(OWNERS).where(OWNERS.c.id == self.me))
        except Unavailable as fault:
            log.info("the store was not told of this process's end: %s", fault.detail)

    @property
    def epoch(self) -> int:
        """Of this process's lead; 0 where it does not lead."""
        return self._epoch

    def alive(self, owner: str) -> bool:
        """As in the port."""
        with self._lock:
            known = owner in self._seen
        if known or not owner:
            return known
        # It may have come after the last look.
        with self._database.reading() as connection:
            return connection.execute(select(OWNERS.c.id).where(OWNERS.c.id == owner)).first() is not None

    def stop(self, computation: str, code: str) -> None:
        """As in the port."""
        columns = COMPUTATIONS.c
        runs = columns.space == self._database.space, columns.id == computation, columns.state.in_(_OPEN)
        with self._database.writing() as connection:
            connection.execute(update(COMPUTATIONS).where(*runs, columns.stop == "").values(stop=code))

    def fence(self, connection: Connection) -> None:
        """Check inside a transaction that this process still leads; nobody takes over before it ends.

        Raises:
            Unavailable: it does not.
        """
        held = select(LEASES.c.holder, LEASES.c.epoch).where(*self._mine())
        row = connection.execute(held.with_for_update(read=True)).one_or_none()
        if self._epoch == 0 or row is None or (row.holder, row.epoch) != (self.me, self._epoch):
            self._epoch = 0
            raise Unavailable("fleet.not_leading")

    def _look(self) -> bool:
        """Note who moved, and give up who did not for too long; whether there are fewer than before."""
        others = select(OWNERS.c.id, OWNERS.c.beat).where(OWNERS.c.space == self._database.space)
        with self._database.reading() as connection:
            rows = {row.id: row.beat for row in connection.execute(others)}
        now = self._clock()
        with self._lock:
            before = self._seen
            self._seen = {
                id_: before[id_] if id_ in before and before[id_][0] == beat else (beat, now)
                for id_, beat in rows.items()
            }
            silent = [(id_, beat) for id_, (beat, at) in self._seen.items() if now - at > self._silence]
            silent = [(id_, beat) for id_, beat in silent if id_ != self.me]
        for id_, beat in silent:
            self._give_up(id_, beat)
        return bool(silent) or bool(before.keys() - rows.keys())

    def _give_up(self, owner: str, beat: int) -> None:
        with self._database.writing() as connection:
            still = delete(OWNERS).where(OWNERS.c.id == owner, OWNERS.c.beat == beat)
            ended = connection.execute(still).rowcount == 1
        if ended:
            log.warning("process %s is silent and given up; what it carried out is ended", owner)
            with self._lock:
                self._seen.pop(owner, None)

    def _lead(self) -> int:
        """The epoch of this process's lead, taken over where the holder is gone; 0 where another leads."""
        with self._database.reading() as connection:
            row = connection.execute(select(LEASES.c.holder, LEASES.c.epoch).where(*self._mine())).one_or_none()
        if row is not None and row.holder == self.me:
            return int(row.epoch)
        if row is not None and self.alive(row.holder):
            return 0
        with self._database.writing() as connection:
            if row is None:
                named = {"space": self._database.space, "name": _LEAD}
                taken = insert_new(connection, LEASES, **named, holder=self.me, epoch=1)
                return 1 if taken else 0
            free = update(LEASES).where(*self._mine(), LEASES.c.epoch == row.epoch)
            taken = connection.execute(free.values(holder=self.me, epoch=row.epoch + 1)).rowcount == 1
        return int(row.epoch) + 1 if taken else 0

    def _mine(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return LEASES.c.space == self._database.space, LEASES.c.name == _LEAD
