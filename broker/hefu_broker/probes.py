"""What the broker's health port shows: whether it can do its work in every space, and how much waits."""

from __future__ import annotations

from collections.abc import Callable

from hefu.errors import Unavailable
from hefu.running.health import Check, Probes

from hefu_broker.rooms import Rooms, Spaces

_STALE = 3  # status lists that may be missed


def of(spaces: Spaces) -> Probes:
    """Checks and gauges of a serving broker: a check fails where it fails in any space."""

    def store() -> str:
        with spaces.first.database.reading() as session:
            session.connection().exec_driver_sql("SELECT 1")
        return ""

    return Probes(
        (
            Check("log", _over(spaces, _log)),
            Check("store", store),
            Check("status", _over(spaces, _status)),
            Check("witnesses", _over(spaces, _witnesses), needed=False),
        ),
        {
            "hefu_log_size": lambda: sum(map(_size, spaces)),
            "hefu_log_unpublished": lambda: sum(map(_unpublished, spaces)),
            "hefu_witnesses_missing": lambda: sum(len(each.witnesses.missing(patient=False)) for each in spaces),
            "hefu_outbox_waiting": lambda: sum(each.sequencer.waiting() for each in spaces),
            "hefu_status_age_seconds": lambda: max(map(_age, spaces)),
        },
    )


def _over(spaces: Spaces, check: Callable[[Rooms], str]) -> Callable[[], str]:
    def run() -> str:
        found = [(rooms.space.space, check(rooms)) for rooms in spaces]
        named = len(found) > 1
        return "; ".join(f"{space}: {why}" if named else why for space, why in found if why)

    return run


def _log(rooms: Rooms) -> str:
    ended = rooms.sequencer.ended
    if ended:
        return f"the sequencer has stopped ({ended}): see the log of this process, and docs/running.md"
    # Where only witnesses are missing the broker is ready: those that ask by themselves must reach it.
    awaited = rooms.sequencer.is_open or rooms.witnesses.missing(patient=False)
    return "" if awaited else "no checkpoint is published yet"


def _witnesses(rooms: Rooms) -> str:
    missing = rooms.witnesses.missing()
    return f"publication waits for the witnesses {', '.join(missing)}: hefu broker charter show" if missing else ""


def _status(rooms: Rooms) -> str:
    late = _age(rooms) > _STALE * rooms.settings.status_seconds
    return f"the newest status list is {_age(rooms):.0f} s old: connectors will refuse work" if late else ""


def _age(rooms: Rooms) -> float:
    return (rooms.clock.now() - rooms.standings.newest().time).total_seconds()


def _unpublished(rooms: Rooms) -> float:
    return rooms.sequencer.committed - _size(rooms)


def _size(rooms: Rooms) -> float:
    try:
        return rooms.sequencer.newest[0]
    except Unavailable:
        return 0
