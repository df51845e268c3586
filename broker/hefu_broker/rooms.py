"""The broker's rooms together, as the edges (services, commands) are handed them: a set of rooms for each space.

Nothing is shared between two sets but the process, its ports, the database and the transport authority. Who calls
decides the space: a certificate was issued for one, a token invites to one. No request can name another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hefu import canonical
from hefu.errors import NotFound, Unauthenticated
from hefu.identity import Binding
from hefu.running.changes import Changes
from hefu.space import SpaceFile
from hefu.times import Clock

from hefu_broker.dealing.catalog import Catalog
from hefu_broker.dealing.contracts import Contracts
from hefu_broker.dealing.notices import Notices
from hefu_broker.dealing.watching import Watching
from hefu_broker.doings import Doings
from hefu_broker.log.asking import Asking
from hefu_broker.log.entries import AuditLog
from hefu_broker.log.reporting import Reporting
from hefu_broker.log.sequencer import Sequencer
from hefu_broker.log.stamping import Stamping
from hefu_broker.log.witnesses import Witnesses
from hefu_broker.mandate.openings import Openings
from hefu_broker.mandate.orders import Orders
from hefu_broker.membership.authority import Authority
from hefu_broker.membership.charters import Charters
from hefu_broker.membership.enrolment import Enrolments
from hefu_broker.membership.registry import Registry
from hefu_broker.membership.standing import Standings
from hefu_broker.membership.visits import Visits
from hefu_broker.mentions import Mentions
from hefu_broker.ports import SpaceStore
from hefu_broker.settings import Settings
from hefu_broker.storage.database import Database

LONGEST_TOKEN = 200  # characters
_REMEMBERED = 16_384  # certificates whose space need not be looked up


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms of one space, without servers and threads.

    Attributes:
        folder: the space's own; the first space's is the broker's.
        settings: the broker's, with the space's id and log.
    """

    folder: Path
    settings: Settings
    space: SpaceFile
    clock: Clock
    database: Database
    authority: Authority
    registry: Registry
    enrolments: Enrolments
    standings: Standings
    charters: Charters
    catalog: Catalog
    contracts: Contracts
    notices: Notices
    changes: Changes
    watching: Watching
    sequencer: Sequencer
    reporting: Reporting
    stamping: Stamping
    witnesses: Witnesses
    asking: Asking
    log: AuditLog
    visits: Visits
    mentions: Mentions
    orders: Orders
    doings: Doings
    openings: Openings


class Spaces:
    """The spaces of a broker, each with rooms of its own.

    Args:
        first: of the space that the broker was founded with; the broker's own certificate is made there.
        store: knows which space something belongs to.
    """

    def __init__(self, first: Rooms, store: SpaceStore) -> None:
        self.first = first
        self._store = store
        self._lock = threading.Lock()
        self._rooms = {first.space.space: first}
        self._issued: dict[str, str] = {}  # fingerprint -> space

    def __iter__(self) -> Iterator[Rooms]:
        with self._lock:
            return iter([*self._rooms.values()])

    def __contains__(self, space: str) -> bool:
        return space in self._rooms

    def add(self, rooms: Rooms) -> None:
        """Serve one space more."""
        with self._lock:
            self._rooms[rooms.space.space] = rooms

    def space(self, id_: str) -> Rooms:
        """The rooms of a space. Raises NotFound."""
        found = self._rooms.get(id_)
        if found is None:
            raise NotFound("resource.not_found", what="space", name=id_[:64])
        return found

    def authenticate(self, fingerprint: str) -> Binding:
        """Who speaks with a certificate, in the space it was issued for; raises as `Registry.authenticate`."""
        return self._issued_for(fingerprint).registry.authenticate(fingerprint)

    def of(self, caller: Binding) -> Rooms:
        """The rooms of the space that a caller's certificate was issued for."""
        return self._issued_for(caller.fingerprint)

    def member(self, caller: Binding) -> tuple[Rooms, Binding]:
        """The caller's space, and the caller if its participant has bound the certificate there.

        Raises:
            Unauthenticated: as `Registry.member`.
        """
        rooms = self.of(caller)
        return rooms, rooms.registry.member(caller)

    def invited(self, token: str) -> Rooms:
        """The rooms of the space that a one-time token invites to.

        Raises:
            Unauthenticated: there is no such token.
        """
        found = self._store.of_token(canonical.digest(token.encode())) if 0 < len(token) <= LONGEST_TOKEN else None
        if found is None or found not in self:
            raise Unauthenticated("token.refused")
        return self.space(found)

    def enrolling(self, enrolment: str) -> Rooms:
        """The rooms of the space that an enrolment asks to take part in.

        Raises:
            NotFound: there is no such enrolment.
        """
        found = self._store.of_enrolment(enrolment)
        if found is None or found not in self:
            raise NotFound("resource.not_found", what="enrolment", name=enrolment[:64])
        return self.space(found)

    def _issued_for(self, fingerprint: str) -> Rooms:
        space = self._issued.get(fingerprint) or self._store.of_certificate(fingerprint)
        found = self._rooms.get(space or "")
        if space is None or found is None:
            raise Unauthenticated("identity.unknown")
        with self._lock:
            if len(self._issued) >= _REMEMBERED:
                self._issued.pop(next(iter(self._issued)))
            self._issued[fingerprint] = space
        return found
