"""Reports of a space to a higher node, on a schedule: how long the log is, what is in it by type, who takes part.

A report is a signed statement, ``space.reported``. It is written to the folder ``reports`` first, sent until the higher
node acknowledges it, and its acknowledgement is kept beside it. It holds counts, names and a checkpoint: with that the
higher node holds the log to what it was, as a witness does, and nothing that a contract keeps confidential.
"""

from __future__ import annotations

import logging
import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hefu.canonical import Json, Object
from hefu.envelope import Signer, draft
from hefu.errors import HefuError, Unavailable
from hefu.membership.directory import Directory
from hefu.running import faults
from hefu.times import Clock, write_time

log = logging.getLogger("hefu.broker")
REPORTED = "space.reported"
LOOK_SECONDS = 60.0
_RECEIPT, _FORM = ".receipt", "%Y%m%dT%H%M%SZ"
_LARGEST_RECEIPT = 64 << 10  # bytes
_SECONDS = 20.0

Counts = Callable[[int], Mapping[str, int]]  # entries below a size, by the type of their statement


class Reporting:
    """The reports of one space. One thread calls.

    Args:
        folder: the space's; reports stand in ``reports`` below it.
        place: a folder, in which the higher node leaves ``<report>.receipt``, or a URL that answers with a receipt.
        newest: size and note of the newest published checkpoint; raises Unavailable where there is none.
        leads: whether this process writes the log: one reports for all.
    """

    def __init__(
        self,
        folder: Path,
        place: str,
        every: timedelta,
        directory: Directory,
        signer: tuple[str, Signer],
        newest: Callable[[], tuple[int, str]],
        counts: Counts,
        clock: Clock,
        leads: Callable[[], bool],
    ) -> None:
        self._folder = folder / "reports"
        self._place = place
        self._every = every
        self._directory = directory
        self._operator, self._signer = signer
        self._newest = newest
        self._counts = counts
        self._clock = clock
        self._leads = leads

    def step(self) -> int:
        """Make a report if one is due, and send all that are not acknowledged; returns how many now are."""
        if not self._place or not self._leads():
            return 0
        made = sorted(self._folder.glob("*.json"))
        if not made or self._clock.now() - _time_of(made[-1]) >= self._every:
            made.append(self._make())
        return sum(1 for each in self._open(made) if self._send(each))

    def _make(self) -> Path:
        now = self._clock.now().replace(microsecond=0)
        size, note = self._newest()
        body: Object = {
            "checkpoint": note,
            "entries": size,
            "types": {**dict(sorted(self._counts(size).items()))},
            "members": [*self._members()],
            "standings": [*self._standings()],
        }
        made = draft(REPORTED, body, space=self._directory.space, issuer=self._operator, at=now)
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{now.astimezone(UTC).strftime(_FORM)}-{size}.json"
        _put(path, made.sign(self._signer, now).to_bytes())
        return path

    def _members(self) -> Iterator[Json]:
        for each in self._directory.participants():
            yield {"participant": each.id, "roles": [*sorted(self._directory.roles(each.id))]}

    def _standings(self) -> Iterator[Json]:
        status = self._directory.status
        for each in status.standings if status else ():
            yield {"subject": each.subject, "state": each.state, "since": write_time(each.since)}

    def _open(self, made: list[Path]) -> Iterator[Path]:
        return (each for each in made if not each.with_suffix(_RECEIPT).exists())

    def _send(self, report: Path) -> bool:
        try:
            receipt = _post(self._place, report) if self._place.startswith("https://") else _lay(self._place, report)
        except HefuError as fault:
            log.warning("the report %s is sent again: %s", report.name, fault.public())
            return False
        if not receipt:
            return False
        _put(report.with_suffix(_RECEIPT), receipt)
        return True


def _time_of(report: Path) -> datetime:
    return datetime.strptime(report.name.partition("-")[0], _FORM).replace(tzinfo=UTC)


def _lay(place: str, report: Path) -> bytes:
    """Lay a report into a folder; the receipt that is there by now, if one is."""
    laid = Path(place) / report.name
    try:
        if not laid.exists():
            _put(laid, report.read_bytes())
        receipt = laid.with_suffix(_RECEIPT)
        return receipt.read_bytes()[:_LARGEST_RECEIPT] if receipt.exists() else b""
    except OSError as fault:
        raise Unavailable("report.away", detail=type(fault).__name__) from None


def _post(url: str, report: Path) -> bytes:
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(url, report.read_bytes(), headers, method="POST")  # noqa: S310 - https only
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            receipt: bytes = answer.read(_LARGEST_RECEIPT)
    except (OSError, ValueError) as fault:
        raise Unavailable("report.away", detail=type(fault).__name__) from None
    if not receipt:
        raise Unavailable("report.away", detail="an empty receipt")
    return receipt


def _put(path: Path, data: bytes) -> None:
    """A file that is there whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    faults.point("report.written")
    fresh.replace(path)
