"""Time as Hefu writes it: UTC, whole seconds, RFC 3339 with ``Z``; and the clock as a port."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from hefu.errors import Malformed

_FORM = "%Y-%m-%dT%H:%M:%SZ"


class Clock(Protocol):
    """Where the time comes from. Tests set it; nothing else may ask the system."""

    def now(self) -> datetime:
        """The present instant, with UTC as its zone. May be called from any thread."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


def write_time(instant: datetime) -> str:
    """An instant as ``2026-11-21T10:00:00Z``; fractions of a second are cut."""
    return instant.astimezone(UTC).strftime(_FORM)


def read_time(text: str) -> datetime:
    """The instant of a text as `write_time` makes it.

    Raises:
        Malformed: any other form, so that one instant has one spelling.
    """
    try:
        return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed("json.malformed", where="time", why="write 2026-11-21T10:00:00Z") from None
