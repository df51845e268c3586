"""Windows of the week, as policies write them: ``1-5 08:00/18:00 +08:00``.

Days are those of ISO 8601 (1 is Monday), alone, as ranges or separated by commas; times are local, the end is no more
inside; the offset from UTC is written out, so that no table of time zones is needed and none can change. A window
whose end is not after its begin goes on past midnight and belongs to the day on which it began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_FORM = re.compile(
    r"([1-7](?:-[1-7])?(?:,[1-7](?:-[1-7])?){0,6}) "
    r"([01][0-9]|2[0-3]):([0-5][0-9])/(?:([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)) "
    r"(?:(Z)|([+-])(0[0-9]|1[0-4]):([0-5][0-9]))\Z",
    re.ASCII,
)
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """A window of the week.

    Attributes:
        days: 0 is Monday.
        begin: in local minutes of the day; ``end`` too, which may be 1440, and is at most 1440 after the begin.
        offset: of local time from UTC.
    """

    days: frozenset[int]
    begin: int
    end: int
    offset: timedelta

    def contains(self, instant: datetime) -> bool:
        """Whether an instant in UTC is inside."""
        local = instant + self.offset
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if day in self.days and self.begin <= minute < self.end:
            return True
        return (day - 1) % 7 in self.days and self.begin <= minute + _DAY < self.end


def read_window(text: str) -> Window | None:
    """A window out of its text; None where it is none."""
    found = _FORM.match(text)
    if found is None:
        return None
    days, h, m, end_h, end_m, midnight, _, utc, sign, off_h, off_m = found.groups()
    begin = int(h) * 60 + int(m)
    end = _DAY if midnight else int(end_h) * 60 + int(end_m)
    named = [tuple(map(int, part.split("-"))) for part in days.split(",")]
    if begin == end or any(first > last for first, *rest in named for last in rest):
        return None
    each = {day - 1 for first, *rest in named for day in range(first, (rest or [first])[0] + 1)}
    offset = timedelta() if utc else timedelta(hours=int(off_h), minutes=int(off_m)) * (-1 if sign == "-" else 1)
    return Window(frozenset(each), begin, end if end > begin else end + _DAY, offset)
