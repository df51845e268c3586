"""This connector's transport certificate: bound to the participant by its own signature, renewed before it runs out.

The broker issues certificates and nothing more; a certificate opens a door only once the participant has signed that
it is its own (`transport.bound`). The new one is bound before it is used, and replaces the old one in one rename.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hefu import canonical
from hefu.errors import Malformed, Unavailable, Untrusted
from hefu.identity import Binding
from hefu.keeping.keys import write_private
from hefu.membership.enrolment import KeyRing, bind
from hefu.running import faults
from hefu.space import SpaceFile
from hefu.times import Clock, write_time
from hefu.wire import transport

from hefu_connector.brokerage import Registry
from hefu_connector.shelves import Mark, Marks

log = logging.getLogger("hefu.renewal")

BOUND = "bound"  # mark, and with / and the key its name; number: end of the certificate, text: what was bound
_PUBLIC = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_RENEW_AFTER = 2 / 3  # of a certificate's life


class TransportIdentity:
    """The transport key and certificate as they are now. Safe to use from many threads.

    Args:
        path: the certificate file (PEM); the key is in the ring's folder.
        endpoint: ``host:port`` where other connectors reach this one; empty where nobody may dial in.
        reissue: a certificate (DER) for the same key when the present one has run out, and with it every call.

    Attributes:
        bound: set once the space knows that the certificate is this participant's; before, no call would be taken.
    """

    def __init__(
        self,
        ring: KeyRing,
        path: Path,
        space: SpaceFile,
        endpoint: str,
        marks: Marks,
        clock: Clock,
        reissue: Callable[[], bytes],
    ) -> None:
        self._ring = ring
        self._path = path
        self._space = space
        self._endpoint = endpoint
        self._marks = marks
        self._clock = clock
        self._reissue = reissue
        self._lock = threading.Lock()
        self._key = ring.transport_pem()
        self._certificate = _read(path)
        _check_key(self._certificate, ring)
        self._home = canonical.digest(ring.transport().public_key().public_bytes(*_PUBLIC))
        self.bound = threading.Event()
        # Each replica of a connector has a transport key of its own. The plain name is that of version 0.1.0.
        for name in (self._mark, BOUND):
            held = marks.find(name)
            if held is not None and held.text == f"{self.fingerprint} {endpoint}":
                self.bound.set()

    def credentials(self) -> tuple[bytes, bytes]:
        """(private key PEM, certificate PEM), as gRPC asks for them at every handshake."""
        with self._lock:
            return self._key, self._certificate

    @property
    def home(self) -> str:
        """A name of this process's transport key, the same over renewals and restarts."""
        return self._home

    @property
    def _mark(self) -> str:
        return f"{BOUND}/{self._home}"

    @property
    def fingerprint(self) -> str:
        """``sha256:`` of the present certificate."""
        return transport.fingerprint(self.credentials()[1])

    def valid_until(self) -> str:
        """The end of the present certificate, RFC 3339."""
        return write_time(x509.load_pem_x509_certificate(self.credentials()[1]).not_valid_after_utc)

    def keep_valid(self, registry: Registry) -> None:
        """Renew the certificate if two thirds of its life are over, and bind it if that is still to be done.

        Raises:
            Unavailable: the broker is away.
            Untrusted: the broker issued a certificate for another key.
        """
        certificate = x509.load_pem_x509_certificate(self.credentials()[1])
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        if self._clock.now() < certificate.not_valid_before_utc + life * _RENEW_AFTER:
            self._bind(registry, certificate.public_bytes(Encoding.DER))
            return
        expired = self._clock.now() >= certificate.not_valid_after_utc
        issued = self._reissue() if expired else registry.renew(self._ring.csr())
        pem = transport.to_pem(issued)
        _check_key(pem, self._ring)
        if expired:  # under the old one there is no call by which the new one could be bound
            self._replace(pem)
        self._bind(registry, issued)
        self._replace(pem)
        log.info("the transport certificate is renewed until %s", self.valid_until())

    def _bind(self, registry: Registry, certificate: bytes) -> None:
        statement = bind(self._ring, self._space, certificate, self._endpoint, self._clock)
        binding = Binding.of(statement)
        mark = Mark(self._mark, int(binding.not_after.timestamp()), f"{binding.fingerprint} {binding.endpoint}")
        if self._marks.find(self._mark) != mark:
            registry.bind(statement)
            self._marks.advance(mark)
        self.bound.set()

    def _replace(self, pem: bytes) -> None:
        beside = self._path.with_suffix(".new")
        try:
            beside.unlink(missing_ok=True)
            write_private(beside, pem)
            faults.point("certificate.written")
            os.replace(beside, self._path)
        except OSError as fault:
            why = fault.strerror or "it cannot be written"
            raise Unavailable("store.unavailable", why=why, detail=str(fault)) from None
        with self._lock:
            self._certificate = pem


def _read(path: Path) -> bytes:
    try:
        pem = path.read_bytes()
        x509.load_pem_x509_certificate(pem)
    except OSError as fault:
        raise Malformed("key.unreadable", path=str(path), why=fault.strerror or "no such file") from None
    except ValueError:
        raise Malformed("key.unreadable", path=str(path), why="not a certificate") from None
    return pem


def _check_key(pem: bytes, ring: KeyRing) -> None:
    certified = x509.load_pem_x509_certificate(pem).public_key().public_bytes(*_PUBLIC)
    if certified != ring.transport().public_key().public_bytes(*_PUBLIC):
        raise Untrusted("transport.other_key", connector=ring.connector)
