"""Before a connector serves: its directory and its keys; and then serving until it is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hefu.errors import Conflict, Malformed
from hefu.keeping import secret
from hefu.keeping.hardening import keep_memory_private
from hefu.keeping.keys import write_private
from hefu.keeping.unlocking import FILE as VAULT
from hefu.keeping.unlocking import Lock
from hefu.membership.invitation import Invitation
from hefu.running import backup, logs, telemetry
from hefu.space import SpaceFile

from hefu_connector.membership.enrolling import Enrolment, write_notes
from hefu_connector.settings import Home, Settings

DEFAULT_LISTEN = "127.0.0.1:7410"
RELAYED_LISTEN = "127.0.0.1:0"  # nobody is told the port


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new connector is to be.

    Attributes:
        names: the participant's, by language.
        listen: ``host:port``; port 0 is drawn once, since others are told the address. None: a provider is reached
            through the space's relay if it has one and else at the usual address; nobody reaches a mere consumer.
        secret: what everything is encrypted under, as in `Settings`; a file that is not there is drawn, and by default
            one outside of the directory.
        beside: the directory of this participant's connector in another space, whose store and secret the new one
            shares: sources, and one lifetime total for each asset.
    """

    participant: str
    connector: str
    names: Mapping[str, str]
    roles: frozenset[str]
    listen: str | None = None
    endpoint: str = ""
    secret: str = ""
    beside: Path | None = None


def init(directory: Path, space: Path | SpaceFile, plan: Plan) -> Settings:
    """Make a connector's directory: space file, settings, keys, notes for the enrolment; returns the settings.

    Raises:
        Malformed: there is a connector already, or a name, role or address is not well formed.
        Conflict: the store of `beside` cannot be shared: it is another participant's, or of this very space.
    """
    home = Home(directory)
    if home.settings.exists() or home.keys.exists():
        raise Malformed("command.initialised", directory=str(directory))
    pinned = SpaceFile.read(space) if isinstance(space, Path) else space
    listen, endpoint = _ways_in(plan, pinned)
    settings = Settings(
        participant=plan.participant,
        connector=plan.connector,
        listen=listen,
        endpoint=endpoint,
    )
    shared = _shared(plan, pinned)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    if shared is None:
        settings = replace(settings, secret=Lock(directory, home.keys, plan.secret).found().setting)
    else:
        settings = replace(settings, database=shared.database, secret=shared.setting)
        shared.copy_vault(home)
    settings.ring(home).make()
    pinned.write(home.space)
    write_notes(directory, {"names": dict(plan.names), "roles": sorted(plan.roles)})
    settings.write(home)
    return settings


def join(directory: Path, invitation: Invitation, plan: Plan) -> Enrolment:
    """Make a connector's directory as an invitation says, and ask to be certified; goes on where it was interrupted.

    Raises:
        Malformed: the directory holds a connector of somebody else or of another space, or nobody could reach this
            provider.
        Unauthenticated: the invitation was used already, or is too old.
        Unavailable: the broker cannot be reached.
    """
    home = Home(directory)
    if not home.settings.exists():
        if plan.listen is None and "provider" in plan.roles and not invitation.space.relay:
            raise Malformed("command.no_way_in")
        init(directory, invitation.space, plan)
    elif (Settings.read(home).participant, SpaceFile.read(home.space)) != (plan.participant, invitation.space):
        raise Malformed("command.initialised", directory=str(directory))
    enrolment = Enrolment(directory)
    if not enrolment.submitted:
        enrolment.submit(invitation.token)
    return enrolment


def serve(directory: Path, ready: Callable[[str, int], None], http: str | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        ready: called with the endpoint and the port of `hefu.running.health` (0 for none) once everything serves.
        http: ``host:port`` of the health port, in place of the settings'.

    Raises:
        Malformed: the connector is not enrolled yet.
        Conflict: it was restored from a copy and not confirmed, or its store is older than what it signed.
    """
    keep_memory_private()
    if not Enrolment(directory).finished:
        raise Malformed("command.not_enrolled", directory=str(directory))
    home = Home(directory.absolute())
    settings = Settings.read(home)
    # A store that was put back with another's directory is not served through this one before it was confirmed there.
    for each in {home, settings.keeper(home)}:
        backup.check(each.directory, "connector")
    from hefu_connector.bootstrap import build

    logs.configure(settings.logs)
    telemetry.start("hefu-connector", settings.connector)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    connector = build(directory)
    connector.when_given_up(stop.set)
    try:
        connector.start(http)
        ready(connector.settings.endpoint, connector.http)
        stop.wait()
        if connector.fault is not None:
            raise connector.fault
    finally:
        connector.stop()
        telemetry.stop()


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a connector takes over from the one beside which it is made."""

    database: str
    setting: str
    vault: bytes | None

    def copy_vault(self, home: Home) -> None:
        # The store's key is in it: both directories open the one store, under the one secret.
        if self.vault is not None:
            home.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(home.keys / VAULT, self.vault)


def _shared(plan: Plan, space: SpaceFile) -> _Shared | None:
    if plan.beside is None:
        return None
    beside = Home(plan.beside.absolute())
    other = Settings.read(beside)
    if other.participant != plan.participant:
        raise Conflict("command.beside_other", directory=str(plan.beside), participant=other.participant)
    if SpaceFile.read(beside.space).space == space.space:
        raise Conflict("command.beside_same", directory=str(plan.beside), space=space.space)
    if plan.secret:
        raise Malformed("request.malformed", why="beside another connector, its secret is used: leave --secret out")
    lock = other.lock(beside)
    setting = other.kept_under
    if lock.open() is None and setting:  # it must be the right secret now, not at the first start
        raise Malformed("replica.clear", directory=str(plan.beside))
    if setting.startswith(secret.FILE):
        setting = f"{secret.FILE}{(beside.directory / setting.removeprefix(secret.FILE)).absolute()}"
    vault = lock.file.read_bytes() if lock.file.exists() else None
    return _Shared(other.store(beside), setting, vault)


def _ways_in(plan: Plan, space: SpaceFile) -> tuple[str, str]:
    """Where to listen, and the address that others are told."""
    listen = plan.listen
    if listen is None:
        if "provider" not in plan.roles:
            return "", plan.endpoint
        if space.relay:
            return RELAYED_LISTEN, plan.endpoint
        listen = DEFAULT_LISTEN
    host, colon, port = listen.rpartition(":")
    if colon and port == "0":
        listen = f"{host}:{_free_port(host)}"
    return listen, plan.endpoint or listen


def _free_port(host: str) -> int:
    try:
        with socket.create_server((host, 0)) as probe:
            return int(probe.getsockname()[1])
    except OSError:
        raise Malformed("settings.value", name="listen", expected="host:port of this machine") from None
