"""Before a connector serves: its directory, its keys, its enrolment; and then serving until it is told to stop."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hefu import enrolment, transport
from hefu.errors import Malformed
from hefu.keys import write_private
from hefu.space import SpaceFile
from hefu.times import Clock, SystemClock, write_time

from hefu_connector.settings import Home, Settings

_NOTES = "enrolment.json"
_POLL_SECONDS = 1.0
DEFAULT_LISTEN = "127.0.0.1:7410"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new connector is to be.

    Attributes:
        names: the participant's, by language.
        listen: ``host:port``; port 0 is drawn once, since others are told the address. None takes the usual one for a
            provider, and nobody may dial in to a mere consumer.
    """

    participant: str
    connector: str
    names: Mapping[str, str]
    roles: frozenset[str]
    listen: str | None = None
    endpoint: str = ""
    passphrase_file: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """An enrolment that waits for the holder of the root key: since when, until when (empty: for ever)."""

    since: str
    until: str = ""


def init(directory: Path, space: Path, plan: Plan) -> None:
    """Make a connector's directory: space file, settings, keys, notes for the enrolment.

    Raises:
        Malformed: there is a connector already, or a name, role or address is not well formed.
    """
    home = Home(directory)
    if home.settings.exists() or home.keys.exists():
        raise Malformed("command.initialised", directory=str(directory))
    pinned = SpaceFile.read(space)
    listen = _listen(plan)
    settings = Settings(
        participant=plan.participant,
        connector=plan.connector,
        listen=listen,
        endpoint=plan.endpoint or listen,
        passphrase_file=str(Path(plan.passphrase_file).absolute()) if plan.passphrase_file else "",
    )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    settings.ring(home).make()
    pinned.write(home.space)
    _write_notes(directory, {"names": dict(plan.names), "roles": sorted(plan.roles)})
    settings.write(home)


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
        asked = enrolment.request(
            self._ring, self._space, {str(k): str(v) for k, v in names.items()}, frozenset(map(str, roles)), self._clock
        )
        name = enrolment.submit(self._space, token, asked, self._ring.csr())
        _write_notes(self._home.directory, {**notes, "name": name, "since": write_time(self._clock.now())})

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

    def wait(self, every: float = _POLL_SECONDS) -> None:
        """Ask again and again until it has come; raises as `poll`."""
        pause = threading.Event()
        while not self.poll():
            pause.wait(every)


def serve(directory: Path, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        ready: called with the endpoint once everything serves.

    Raises:
        Malformed: the connector is not enrolled yet.
    """
    if not Enrolment(directory).finished:
        raise Malformed("command.not_enrolled", directory=str(directory))
    from hefu_connector.bootstrap import build

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    connector = build(directory)
    try:
        connector.start()
        ready(connector.settings.endpoint)
        stop.wait()
    finally:
        connector.stop()


def _listen(plan: Plan) -> str:
    if plan.listen is None:
        return DEFAULT_LISTEN if "provider" in plan.roles else ""
    host, colon, port = plan.listen.rpartition(":")
    if colon and port == "0":
        return f"{host}:{_free_port(host)}"
    return plan.listen


def _free_port(host: str) -> int:
    try:
        with socket.create_server((host, 0)) as probe:
            return int(probe.getsockname()[1])
    except OSError:
        raise Malformed("settings.value", name="listen", expected="host:port of this machine") from None


def _read_notes(directory: Path) -> dict[str, object]:
    try:
        notes = json.loads((directory / _NOTES).read_text("utf-8"))
    except (OSError, ValueError):
        _refuse_notes(directory)
    if not isinstance(notes, dict):
        _refuse_notes(directory)
    return notes


def _write_notes(directory: Path, notes: Mapping[str, object]) -> None:
    fresh = directory / f"{_NOTES}.new"
    fresh.unlink(missing_ok=True)
    write_private(fresh, json.dumps(notes, ensure_ascii=False, indent=2).encode())
    fresh.replace(directory / _NOTES)


def _refuse_notes(directory: Path) -> NoReturn:
    raise Malformed("settings.unreadable", path=str(directory / _NOTES), why="it does not hold an enrolment's notes")
