"""A connector's copy, and what a restored one must prove before it serves: that it forgets no charge.

The ledger of a restored connector lacks what was charged since the copy, and its journal what was released. The
broker's log has every receipt that left this connector while the broker could be reached, and it is asked whether any
stands there that the restored journal has not. LIMIT: a release whose receipt had not reached the log yet is not found
this way; confirm only where the broker was reachable when the old store was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError
from hefu.keeping import secret
from hefu.running import backup
from hefu.space import SpaceFile
from hefu.v1 import audit_pb2, audit_pb2_grpc
from hefu.wire import transport

from hefu_connector.clients.broker import Link
from hefu_connector.settings import Home, Settings
from hefu_connector.storage.database import Database
from hefu_connector.storage.journal import SqlJournal

TOWER = "connector"


def plan(home: Home) -> backup.Plan:
    """What a copy of a connector's directory holds.

    Raises:
        Malformed, Untrusted: settings or secret cannot be read.
    """
    settings = Settings.read(home)
    opened = settings.lock(home).open()
    kept = settings.kept_under
    return backup.Plan(
        tower=TOWER,
        settings=home.settings.name,
        databases=() if settings.database else (home.database.name,),
        key=opened.derive("database") if opened else None,
        secret=home.directory / kept.removeprefix(secret.FILE) if kept.startswith(secret.FILE) else None,
        elsewhere=bool(settings.database),
    )


def confirm(directory: Path) -> int:
    """Hold a restored journal against the broker's log, and take the mark away.

    Returns:
        How many entries the journal has.

    Raises:
        Unavailable: the broker cannot be asked.
        Conflict: the log has an entry of this connector that the journal has not.
    """
    home = Home(directory)
    settings, space = Settings.read(home), SpaceFile.read(home.space)
    opened = settings.lock(home).open()
    database = Database(settings.store(home), space.space, opened.derive("database") if opened else None)
    try:
        following, _ = SqlJournal(database).head()
    finally:
        database.close()
    newest = max((found for found in _logged(home, settings, space)), default=-1)
    if newest >= following:
        raise Conflict("backup.behind", found=following, expected=newest + 1)
    backup.confirm(directory)
    return following


def _logged(home: Home, settings: Settings, space: SpaceFile) -> Iterator[int]:
    """Places in this connector's journal of everything that the log has of it."""
    key, certificate = settings.ring(home).transport_pem(), home.certificate.read_bytes()
    link = Link(space, lambda: (key, certificate), settings.broker_timeout_seconds)
    try:
        stub, first, size = audit_pb2_grpc.LogServiceStub(link.channel()), 0, 1
        while first < size:
            request = audit_pb2.ListEntriesRequest(first_index=first, page_size=1000)
            page = transport.invoke(stub.ListEntries, request, peer="the broker", timeout=link.timeout)
            if not page.entries:
                return
            first, size = page.entries[-1].index + 1, page.tree_size
            yield from (place for each in page.entries if (place := _place(each.envelope, settings)) >= 0)
    finally:
        link.close()


def _place(envelope: bytes, settings: Settings) -> int:
    """Where a statement stands in this connector's journal; -1 for everything else."""
    if not envelope:
        return -1
    try:
        statement = Statement.parse(envelope)
    except HefuError:
        return -1
    place = statement.body.get("journal")
    if statement.issuer != settings.participant or not isinstance(place, dict):
        return -1
    sequence = place.get("sequence")
    return sequence if place.get("connector") == settings.connector and isinstance(sequence, int) else -1
