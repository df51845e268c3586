"""What the broker's health port shows: whether it can do its work, and how much waits."""

from __future__ import annotations

from hefu.errors import Unavailable
from hefu.health import Check, Probes

from hefu_broker.rooms import Rooms

_STALE = 3  # status lists that may be missed


def of(rooms: Rooms) -> Probes:
    """Checks and gauges of a serving broker."""

    def log() -> str:
        ended = rooms.sequencer.ended
        if ended:
            return f"the sequencer has stopped ({ended}): see the log of this process, and docs/running.md"
        return "" if rooms.sequencer.is_open else "no checkpoint is published yet"

    def store() -> str:
        with rooms.database.reading() as session:
            session.connection().exec_driver_sql("SELECT 1")
        return ""

    def age() -> float:
        return (rooms.clock.now() - rooms.standings.newest().time).total_seconds()

    def status() -> str:
        late = age() > _STALE * rooms.settings.status_seconds
        return f"the newest status list is {age():.0f} s old: connectors will refuse work" if late else ""

    def size() -> float:
        try:
            return rooms.sequencer.newest[0]
        except Unavailable:
            return 0

    return Probes(
        (Check("log", log), Check("store", store), Check("status", status)),
        {"hefu_log_size": size, "hefu_outbox_waiting": rooms.sequencer.waiting, "hefu_status_age_seconds": age},
    )
