"""A second process of the same connector: same participant, keys and store, a transport key and an address of its own.

Made beside a connector that is enrolled, which lends its present certificate to ask the broker for one for the new key.
The new directory may then be moved to another machine, if the store can be reached from there.
"""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from hefu.errors import HefuError, Malformed
from hefu.keeping import keys
from hefu.keeping.keys import write_private
from hefu.space import SpaceFile
from hefu.wire import transport

from hefu_connector.clients.broker import Link, RegistryClient
from hefu_connector.membership.enrolling import Enrolment, write_notes
from hefu_connector.settings import Home, Settings

_TRANSPORT = "transport.key"


def make(of: Path, directory: Path, listen: str | None = None, endpoint: str = "") -> Settings:
    """Make the directory of a replica.

    Args:
        of: the directory of the connector, enrolled.
        listen: ``host:port`` to serve on; None: at a free port of the connector's own host, or through the relay as it.
        endpoint: what others dial, where it is not `listen`.

    Returns:
        The replica's settings.

    Raises:
        Malformed: there is a connector in the directory already, or none that is enrolled at `of`.
        Unauthenticated: the connector's certificate has run out; start it once.
        Unavailable: the broker cannot be reached.
    """
    original, home = Home(of.absolute()), Home(directory.absolute())
    if home.settings.exists() or home.keys.exists():
        raise Malformed("command.initialised", directory=str(directory))
    settings = Settings.read(original)
    if not Enrolment(of).finished:
        raise Malformed("command.not_enrolled", directory=str(of))
    if settings.kept_under and settings.lock(original).open() is None:
        raise Malformed("replica.clear", directory=str(of))
    made = _settings(settings, original, listen, endpoint)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    try:
        _copy(original, home)
        _certify(settings, original, made, home)
    except HefuError:
        shutil.rmtree(home.keys, ignore_errors=True)  # so that the same command may be given again
        raise
    write_notes(directory, {"replica_of": settings.connector})
    made.write(home)
    return made


def _settings(settings: Settings, original: Home, listen: str | None, endpoint: str) -> Settings:
    where = _listen(settings.listen) if listen is None else _drawn(listen)
    reached = endpoint or (where if settings.endpoint or listen is not None else "")
    secret = settings.kept_under
    kind, colon, path = secret.partition(":")
    if kind == "file" and colon:
        secret = f"file:{original.directory / path}"
    return replace(
        settings, listen=where, endpoint=reached, http="", secret=secret, passphrase_file="",
        database=settings.store(original),
    )  # fmt: skip


def _copy(original: Home, home: Home) -> None:
    home.keys.mkdir(mode=0o700)
    for path in original.keys.iterdir():
        if path.is_file() and path.name != _TRANSPORT:
            write_private(home.keys / path.name, path.read_bytes())
    SpaceFile.read(original.space).write(home.space)
    home.certification.unlink(missing_ok=True)
    write_private(home.certification, original.certification.read_bytes())


def _certify(settings: Settings, original: Home, made: Settings, home: Home) -> None:
    ring = made.ring(home)
    keys.write_key(home.keys / _TRANSPORT, ec.generate_private_key(ec.SECP256R1()), ring.passphrase)
    lent = settings.ring(original).transport_pem(), original.certificate.read_bytes()
    link = Link(SpaceFile.read(original.space), lambda: lent, settings.broker_timeout_seconds)
    try:
        certificate = RegistryClient(link).renew(ring.csr())
    finally:
        link.close()
    home.certificate.unlink(missing_ok=True)
    write_private(home.certificate, transport.to_pem(certificate))


def _listen(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    return listen if not colon or port == "0" else _drawn(f"{host}:0")


def _drawn(listen: str) -> str:
    """The address with a port that is free now, where it names port 0."""
    host, colon, port = listen.rpartition(":")
    if not colon or port != "0":
        return listen
    try:
        with socket.create_server((host, 0)) as probe:
            return f"{host}:{probe.getsockname()[1]}"
    except OSError:
        raise Malformed("settings.value", name="listen", expected="host:port of this machine") from None
