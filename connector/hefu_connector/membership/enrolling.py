"""Becoming a participant, as a connector does it: the request, the wait for the root's holder, and what came back.

Notes of it stay in the connector's directory. The enrolment's name is known to this connector only; by it the broker
issues a certificate anew for the same key when the old one has run out, say after a week of being switched off.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hefu.envelope import Statement
from hefu.errors import Malformed, Unavailable
from hefu.keeping.keys import write_private
from hefu.membership import enrolment
from hefu.membership.enrolment import Sent
from hefu.space import SpaceFile
from hefu.times import Clock, SystemClock, write_time
from hefu.wire import transport

from hefu_connector.settings import Home, Settings

_NOTES = "enrolment.json"
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pending:
    """An enrolment that waits for the holder of the root key: since when, until when (empty: for ever)."""

    since: str
    until: str = ""


class Enrolment:
    """The enrolment of the connector in a directory; resumed from what is noted there.

    Raises:
        Malformed: there is no connector in the directory.
    """

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        self._home = Home(directory)
        self._clock = clock or SystemClock()
        self._settings = Settings.read(self._home)
        self._space = SpaceFile.read(self._home.space)
        self._ring = self._settings.ring(self._home)

    @property
    def participant(self) -> str:
        """Who asks."""
        return self._settings.participant

    @property
    def finished(self) -> bool:
        """Whether certification and certificate are here."""
        return self._home.certificate.exists() and self._home.certification.exists()

    @property
    def key(self) -> str:
        """The id of the signing key that is to be certified, for people to compare."""
        return self._ring.signer().key

    @property
    def submitted(self) -> bool:
        """Whether the request was sent."""
        return "name" in _read_notes(self._home.directory)

    def submit(self, token: str) -> None:
        """Offer the one-time token with the signed request; a second time only if the first did not arrive.

        Raises:
            Unauthenticated: the token is unknown, used or expired.
            Unavailable: the broker cannot be reached.
        """
        notes = _read_notes(self._home.directory)
        names, roles = notes.get("names"), notes.get("roles")
        if not isinstance(names, dict) or not isinstance(roles, list):
            _refuse_notes(self._home.directory)
        sent = dict(notes)

        def make() -> Sent:
            shown, wanted = {str(k): str(v) for k, v in names.items()}, frozenset(map(str, roles))
            asked = enrolment.request(self._ring, self._space, shown, wanted, self._clock)
            return asked, self._ring.csr()

        def keep(made: Sent) -> None:
            sent.update(request=made[0].to_bytes().decode(), csr=made[1].hex())
            write_notes(self._home.directory, sent)

        name = enrolment.submit_again(self._space, token, _kept(notes), make, keep)
        write_notes(self._home.directory, {**sent, "name": name, "since": write_time(self._clock.now())})

    def waiting(self) -> Pending:
        """Since when it waits.

        Raises:
            Malformed: nothing was submitted yet.
        """
        notes = _read_notes(self._home.directory)
        if "name" not in notes:
            raise Malformed("command.not_enrolled", directory=str(self._home.directory))
        return Pending(str(notes.get("since", "")))

    def poll(self) -> bool:
        """Ask once; keeps certification and certificate if they have come.

        Raises:
            Refused: it was rejected.
            Untrusted: the certification is not the root's, or of other keys.
        """
        self.waiting()
        notes = _read_notes(self._home.directory)
        found = enrolment.poll(self._space, str(notes["name"]), self._ring)
        if found is None:
            return False
        certification, certificate = found
        if not self._home.certification.exists():
            write_private(self._home.certification, certification.to_bytes())
        if not self._home.certificate.exists():
            write_private(self._home.certificate, transport.to_pem(certificate))
        return True

    def reissue(self) -> bytes:
        """A fresh certificate (DER) for the same key, once this participant is certified.

        Raises:
            Unauthenticated: it may act no longer.
            Unavailable: the broker cannot be reached, or nothing is certified yet.
            Malformed: this is a replica, and must be made anew.
        """
        if "replica_of" in _read_notes(self._home.directory):
            raise Malformed("replica.expired", directory=str(self._home.directory))
        self.waiting()
        found = enrolment.poll(self._space, str(_read_notes(self._home.directory)["name"]), self._ring)
        if found is None:
            raise Unavailable("peer.unreachable", peer=self._space.broker)
        return found[1]

    def wait(self, every: float = _POLL_SECONDS) -> None:
        """Ask again and again until it has come, a broker that is away for a while included; raises as `poll`."""
        pause = threading.Event()
        while True:
            with suppress(Unavailable):
                if self.poll():
                    return
            pause.wait(every)


def _kept(notes: Mapping[str, object]) -> Sent | None:
    """The request that was sent before, if one was."""
    if "request" not in notes:
        return None
    return Statement.parse(str(notes["request"]).encode()), bytes.fromhex(str(notes["csr"]))


def _read_notes(directory: Path) -> dict[str, object]:
    try:
        notes = json.loads((directory / _NOTES).read_text("utf-8"))
    except (OSError, ValueError):
        _refuse_notes(directory)
    if not isinstance(notes, dict):
        _refuse_notes(directory)
    return notes


def write_notes(directory: Path, notes: Mapping[str, object]) -> None:
    """Replace the notes of a directory's enrolment in one step; readable by the owner only."""
    fresh = directory / f"{_NOTES}.new"
    fresh.unlink(missing_ok=True)
    write_private(fresh, json.dumps(notes, ensure_ascii=False, indent=2).encode())
    fresh.replace(directory / _NOTES)


def _refuse_notes(directory: Path) -> NoReturn:
    raise Malformed("settings.unreadable", path=str(directory / _NOTES), why="it does not hold an enrolment's notes")
