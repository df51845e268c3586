"""Becoming a participant: keys are made here and never leave; a one-time token and a signed request go to the broker.

Used by connectors and by the audit tower. The broker keeps the request until the holder of the offline root has
certified its keys; then the new participant verifies that certification under the pinned root key before it uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hefu import identity
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Malformed, Refused, Untrusted
from hefu.identity import Binding, Participant
from hefu.keeping import keys
from hefu.keeping.keys import FileSigner
from hefu.space import SpaceFile
from hefu.times import Clock
from hefu.v1 import common_pb2, registry_pb2, registry_pb2_grpc
from hefu.wire import transport

REQUESTED = "enrollment.requested"
Sent = tuple[Statement, bytes]  # a request, and the signing request that goes with it


@dataclass(frozen=True, slots=True)
class KeyRing:
    """A participant's keys in its own folder: ``keys/{signing,sealing,transport}.key``, mode 0600.

    Attributes:
        passphrase: of the key files, see `hefu.keeping.vault.Vault.passphrase`; None where they lie in the clear.
    """

    participant: str
    connector: str
    folder: Path
    passphrase: bytes | None = field(default=None, repr=False)

    def make(self) -> None:
        """Make the three keys.

        Raises:
            Malformed: there are keys already; they are never overwritten.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys.write_key(self.folder / "signing.key", Ed25519PrivateKey.generate(), self.passphrase)
        keys.write_key(self.folder / "sealing.key", X25519PrivateKey.generate(), self.passphrase)
        keys.write_key(self.folder / "transport.key", ec.generate_private_key(ec.SECP256R1()), self.passphrase)

    def signer(self) -> FileSigner:
        """The signing key; raises as `hefu.keeping.keys.read_key`."""
        return keys.read_signer(self.folder / "signing.key", self.participant, self.passphrase)

    def sealing(self) -> X25519PrivateKey:
        """The key that opens what is sealed for this participant; raises as `hefu.keeping.keys.read_key`."""
        key = keys.read_key(self.folder / "sealing.key", self.passphrase)
        if not isinstance(key, X25519PrivateKey):
            raise Malformed("key.unreadable", path=str(self.folder / "sealing.key"), why="not an X25519 key")
        return key

    def transport(self) -> ec.EllipticCurvePrivateKey:
        """The key of the transport certificate; raises as `hefu.keeping.keys.read_key`."""
        key = keys.read_key(self.folder / "transport.key", self.passphrase)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Malformed("key.unreadable", path=str(self.folder / "transport.key"), why="not a P-256 key")
        return key

    def transport_pem(self) -> bytes:
        """The transport key as gRPC wants it: PEM in the clear, in memory only."""
        return self.transport().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def csr(self) -> bytes:
        """A certificate signing request for the transport key (PKCS#10, DER)."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.connector)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject)
        return request.sign(self.transport(), hashes.SHA256()).public_bytes(Encoding.DER)


def request(
    ring: KeyRing,
    space: SpaceFile,
    names: Mapping[str, str],
    roles: frozenset[str],
    clock: Clock,
    external_ids: tuple[Object, ...] = (),
) -> Statement:
    """The signed request to be certified: proof that the requester holds the key it names.

    Raises:
        Malformed: a name or role is not well formed.
    """
    identity.check_name(ring.participant, "The participant's name")
    identity.check_name(ring.connector, "The connector's name")
    if not roles or roles - set(identity.ROLES):
        raise Malformed("request.malformed", why=f"roles are some of {', '.join(identity.ROLES)}")
    signer = ring.signer()
    body: Object = {
        "participant": ring.participant,
        "names": dict(names),
        "roles": [*sorted(roles)],
        "keys": [
            {"key": signer.key, "suite": signer.suite, "use": "sign", "value": identity.write_bytes(signer.public)}
        ],
        "sealing": {"suite": "X25519", "value": identity.write_bytes(ring.sealing().public_key().public_bytes_raw())},
        "connector": ring.connector,
        "external_ids": [dict(each) for each in external_ids],
    }
    at = clock.now()
    return draft(REQUESTED, body, space=space.space, issuer=ring.participant, at=at).sign(signer, at)


def submit(space: SpaceFile, token: str, asked: Statement, csr: bytes) -> str:
    """Send the request with its one-time token; returns the enrolment's name, which only the requester knows.

    If the answer is lost, the very same request must be sent again: see `submit_again`.

    Raises:
        Unauthenticated: the token is unknown, used or expired.
        Conflict: the participant's name is taken.
        Unavailable: the broker cannot be reached.
    """
    with _enrolment(space) as channel:
        stub = registry_pb2_grpc.EnrollmentServiceStub(channel)
        message = registry_pb2.EnrollRequest(
            token=token, request=common_pb2.Statement(envelope=asked.to_bytes()), csr=csr
        )
        return transport.invoke(stub.Enroll, message, peer="the broker").name


def submit_again(
    space: SpaceFile,
    token: str,
    sent: Sent | None,
    make: Callable[[], Sent],
    keep: Callable[[Sent], None],
) -> str:
    """As `submit`, for who may have sent a request before and lost the answer: a token opens for one request only.

    Args:
        sent: what was kept of an earlier attempt. The broker knows it again, however late.
        make: makes a new one, where there is none, or the broker never had it and it is too old for it by now.
        keep: keeps a new one, before it is sent.
    """
    if sent is not None:
        try:
            return submit(space, token, *sent)
        except Untrusted as fault:
            if fault.code != "statement.early":
                raise
    sent = make()
    keep(sent)
    return submit(space, token, *sent)


def poll(space: SpaceFile, name: str, ring: KeyRing) -> tuple[Statement, bytes] | None:
    """The certification and the first transport certificate (DER), or None while the root's holder is awaited.

    Raises:
        Refused: the enrolment was rejected.
        Untrusted: the certification is not the root's, or is not of this participant's keys.
    """
    with _enrolment(space) as channel:
        stub = registry_pb2_grpc.EnrollmentServiceStub(channel)
        found = transport.invoke(stub.GetEnrollment, registry_pb2.GetEnrollmentRequest(name=name), peer="the broker")
    if found.state == registry_pb2.Enrollment.STATE_REJECTED:
        raise Refused("enrolment.rejected", participant=ring.participant)
    if found.state != registry_pb2.Enrollment.STATE_CERTIFIED:
        return None
    certification = Statement.parse(found.certification.envelope)
    check_certification(certification, space, ring)
    return certification, found.transport_certificate


def check_certification(certification: Statement, space: SpaceFile, ring: KeyRing) -> Participant:
    """Verify that the root certified exactly this participant's keys.

    Raises:
        Untrusted: another space, signer, participant or key.
    """
    from hefu.membership.directory import Directory

    directory = Directory(space.space, space.root)
    participant = directory.certify(certification)
    signer = ring.signer()
    mine = ring.sealing().public_key().public_bytes_raw()
    if participant.id != ring.participant:
        raise Refused("identity.mismatch", found=participant.id, expected=ring.participant)
    if signer.key not in directory.keys or participant.sealing != mine:
        raise Refused("key.unknown", key=signer.key)
    return participant


def bind(ring: KeyRing, space: SpaceFile, certificate: bytes, endpoint: str, clock: Clock) -> Statement:
    """The signed statement that a transport certificate (DER) is this participant's own."""
    parsed = x509.load_der_x509_certificate(certificate)
    binding = Binding(ring.participant, ring.connector, certificate, endpoint, parsed.not_valid_after_utc)
    at = clock.now()
    made = draft(identity.BOUND, binding.body(), space=space.space, issuer=ring.participant, at=at)
    return made.sign(ring.signer(), at)


def _enrolment(space: SpaceFile) -> grpc.Channel:
    return transport.connect(space.enrolment, root_pem=space.transport_ca.encode(), server_name=f"{space.broker}.hefu")
