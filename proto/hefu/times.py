"""Time as Hefu writes it: UTC, whole seconds, RFC 3339 with ``Z``; and the clock as a port."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from hefu.errors import Malformed

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_READ = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)
_FARTHEST = 10 * 365 * 86400.0  # seconds that a test may move the clock
_moved: Path | None = None


class Clock(Protocol):
    """Where the time comes from. Tests set it; nothing else may ask the system."""

    def now(self) -> datetime:
        """The present instant, with UTC as its zone. May be called from any thread."""
        ...


class SystemClock:
    """The clock of the machine; in a test installation moved by as many seconds as a file says."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC) if _moved is None else datetime.now(UTC) + _offset(_moved)


def move_by(path: str) -> None:
    """From now on move the clock of this process by the seconds that a file holds, read at every look.

    Called by `hefu.running.faults.arm` alone, which knows whether this is a test. TLS goes on by the machine's own
    clock.

    Raises:
        Malformed: the file is not there or holds no number.
    """
    global _moved  # noqa: PLW0603 - one process, one clock
    try:
        float(Path(path).read_text("ascii"))
    except (OSError, ValueError):
        raise Malformed("fault.clock", path=path[:200]) from None
    _moved = Path(path)


def _offset(path: Path) -> timedelta:
    try:
        seconds = float(path.read_text("ascii"))
    except (OSError, ValueError):  # it is being written anew
        return timedelta(0)
    return timedelta(seconds=max(-_FARTHEST, min(seconds, _FARTHEST)))


def write_time(instant: datetime) -> str:
    """An instant as ``2026-11-21T10:00:00Z``; fractions of a second are cut."""
    return instant.astimezone(UTC).strftime(_FORM)


def read_time(text: str) -> datetime:
    """The instant of a text as `write_time` makes it.

    Raises:
        Malformed: any other form, so that one instant has one spelling.
    """
    found = _READ.fullmatch(text)
    try:
        if found is not None:
            year, month, day, hour, minute, second = map(int, found.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # the 31st of February
        pass
    raise Malformed("json.malformed", where="time", why="write 2026-11-21T10:00:00Z")
