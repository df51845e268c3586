"""Before a connector serves: its directory and its keys; and then serving until it is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hefu.errors import Malformed
from hefu.space import SpaceFile

from hefu_connector.membership.enrolling import Enrolment, write_notes
from hefu_connector.settings import Home, Settings

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
    write_notes(directory, {"names": dict(plan.names), "roles": sorted(plan.roles)})
    settings.write(home)


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
