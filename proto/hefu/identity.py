"""Participants and what vouches for them: pure values and statements, no I/O.

The offline root signs a `participant.certified` statement for every participant: roles and public keys. A participant
signs `transport.bound` for each transport certificate its connector uses. The operator signs a numbered
`status.list`. The broker issues transport certificates only; a certificate that no participant bound opens nothing.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hefu import canonical, suites
from hefu.canonical import Json, Object
from hefu.envelope import PublicKey, Statement
from hefu.errors import Malformed
from hefu.keeping.keys import key_id
from hefu.members import exactly, many, mapping, reading, text, whole
from hefu.times import read_time, write_time

ROOT = "root"
CERTIFIED, BOUND, STATUS = "participant.certified", "transport.bound", "status.list"
# Rows of `external_ids` that policies may ask about: by certifying them the root vouches for them, while their status
# is VALID. Claims are written ``Type.claim=value``.
INDUSTRY, JURISDICTION, SECURITY_LEVEL, CREDENTIAL = (
    "hefu:industry", "hefu:jurisdiction", "hefu:securityLevel", "hefu:credential",
)  # fmt: skip
ATTRIBUTES = (INDUSTRY, JURISDICTION, SECURITY_LEVEL, CREDENTIAL)
VALID = "valid"
ROLES = ("provider", "consumer", "service", "regulator", "operator")

_NAME = re.compile(r"[a-z](?:-?[a-z0-9]){2,39}\Z")


def check_name(text: str, what: str = "The name") -> str:
    """A participant's, connector's or space's own id, if it is well formed.

    Raises:
        Malformed: it is not 3 to 40 lower-case letters, digits and single hyphens, a letter first.
    """
    if not _NAME.match(text):
        raise Malformed("identity.malformed", what=what)
    return text


@dataclass(frozen=True, slots=True)
class Participant:
    """A certified participant.

    Attributes:
        signing: its signing keys.
        sealing: its raw X25519 public key; what is sent to it is sealed for this key.
        external_ids: (scheme, value, issuer, status) rows, such as an 18-character subject code.
    """

    id: str
    names: dict[str, str]
    roles: frozenset[str]
    signing: tuple[PublicKey, ...]
    sealing: bytes
    not_before: datetime
    not_after: datetime
    external_ids: tuple[Object, ...] = ()

    def attributes(self) -> dict[str, frozenset[str]]:
        """What policies may ask about, by scheme; nothing that is not `VALID`."""
        rows = [(str(each.get("scheme")), str(each.get("value"))) for each in self.external_ids if _is_valid(each)]
        return {scheme: frozenset(value for of, value in rows if of == scheme) for scheme in {of for of, _ in rows}}

    def body(self) -> Object:
        """The body of the `participant.certified` statement."""
        keys: list[Json] = [
            {"key": each.key, "suite": each.suite, "use": "sign", "value": write_bytes(each.value)}
            for each in self.signing
        ]
        return {
            "participant": self.id,
            "names": dict(self.names),
            "roles": [*sorted(self.roles)],
            "keys": keys,
            "sealing": {"suite": "X25519", "value": write_bytes(self.sealing)},
            "not_before": write_time(self.not_before),
            "not_after": write_time(self.not_after),
            "external_ids": [dict(each) for each in self.external_ids],
        }

    @classmethod
    def of(cls, statement: Statement) -> Participant:
        """Read a `participant.certified` statement; its signature is the caller's to verify.

        Raises:
            Malformed: a member is missing or of a wrong form.
        """
        body = statement.expect(CERTIFIED).body
        with reading(CERTIFIED):
            exactly(body, "participant", "names", "roles", "keys", "sealing", "not_before", "not_after", "external_ids")
            id_, roles = check_name(text(body["participant"])), frozenset(many(body["roles"], text))
            sealing = exactly(body["sealing"], "suite", "value")
            if not roles or roles - set(ROLES) or sealing["suite"] != "X25519":
                raise ValueError
            return cls(
                id=id_,
                names={language: text(name) for language, name in mapping(body["names"]).items()},
                roles=roles,
                signing=many(body["keys"], lambda each: _signing_key(id_, each)),
                sealing=read_bytes(text(sealing["value"]), 32),
                not_before=read_time(text(body["not_before"])),
                not_after=read_time(text(body["not_after"])),
                external_ids=many(body["external_ids"], mapping),
            )


@dataclass(frozen=True, slots=True)
class Binding:
    """A transport certificate that a participant says is its own, and where its connector listens.

    Attributes:
        certificate: the X.509 certificate in DER; a client pins exactly this one.
        endpoint: ``host:port``, or empty where nobody may dial in.
    """

    participant: str
    connector: str
    certificate: bytes
    endpoint: str
    not_after: datetime

    @property
    def fingerprint(self) -> str:
        """``sha256:`` of the certificate: what a call is tied to."""
        return canonical.digest(self.certificate)

    @property
    def key(self) -> str:
        """``sha256:`` of the certificate's public key: the same over renewals, and another in each process."""
        return _public_key(self.certificate) or self.fingerprint

    def body(self) -> Object:
        """The body of the `transport.bound` statement."""
        return {
            "connector": self.connector,
            "certificate": write_bytes(self.certificate),
            "fingerprint": self.fingerprint,
            "endpoint": self.endpoint,
            "not_after": write_time(self.not_after),
        }

    @classmethod
    def of(cls, statement: Statement) -> Binding:
        """Read a `transport.bound` statement; its signature is the caller's to verify."""
        body = statement.expect(BOUND).body
        with reading(BOUND):
            exactly(body, "connector", "certificate", "fingerprint", "endpoint", "not_after")
            binding = cls(
                statement.issuer,
                check_name(text(body["connector"])),
                read_bytes(text(body["certificate"])),
                text(body["endpoint"]),
                read_time(text(body["not_after"])),
            )
            if body["fingerprint"] != binding.fingerprint:
                raise ValueError
        return binding


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry of the status list: who or what is suspended or revoked, since when and why.

    Attributes:
        subject: a participant's id, a key id, or a certificate's fingerprint.
        state: ``suspended`` or ``revoked``.
    """

    subject: str
    state: str
    since: datetime
    reason: str

    def body(self) -> Object:
        """As it stands in a list."""
        return {"subject": self.subject, "state": self.state, "since": write_time(self.since), "reason": self.reason}

    @classmethod
    def of(cls, body: Json) -> Standing:
        """Read what `body` wrote; raises Malformed."""
        with reading(STATUS):
            return _standing(body)


@dataclass(frozen=True, slots=True)
class StatusList:
    """The newest word on who may not act. A list with a lower sequence than one seen is refused."""

    sequence: int
    time: datetime
    standings: tuple[Standing, ...] = field(default=())

    @property
    def revoked(self) -> frozenset[str]:
        """Subjects that may never act again."""
        return frozenset(each.subject for each in self.standings if each.state == "revoked")

    def body(self) -> Object:
        """The body of the `status.list` statement."""
        entries: list[Json] = [each.body() for each in self.standings]
        return {"sequence": self.sequence, "entries": entries}

    @classmethod
    def of(cls, statement: Statement) -> StatusList:
        """Read a `status.list` statement; its signature is the caller's to verify."""
        body = statement.expect(STATUS).body
        with reading(STATUS):
            exactly(body, "sequence", "entries")
            return cls(whole(body["sequence"]), statement.time, many(body["entries"], _standing))


def write_bytes(data: bytes) -> str:
    """Bytes as base64url without padding, the form in all statements."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_bytes(text: str, length: int | None = None) -> bytes:
    """The bytes of base64url text.

    Raises:
        Malformed: another alphabet or another length than asked.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise Malformed("statement.malformed", why="not base64url") from None
    if write_bytes(data) != text or (length is not None and len(data) != length):
        raise Malformed("statement.malformed", why="bytes of a wrong length")
    return data


@lru_cache(4096)
def _public_key(certificate: bytes) -> str:
    try:
        public = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError:
        return ""
    return canonical.digest(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _is_valid(row: Object) -> bool:
    return row.get("scheme") in ATTRIBUTES and row.get("status") == VALID and isinstance(row.get("value"), str)


def _signing_key(participant: str, value: Json) -> PublicKey:
    each = exactly(value, "key", "suite", "use", "value")
    if each["use"] != "sign":
        raise ValueError
    suite = text(each["suite"])
    if suite not in suites.ENABLED:
        raise ValueError
    raw = read_bytes(text(each["value"]), suites.KNOWN[suite].key_size)
    # An id that is the owner's name and the key's digest can be nobody else's.
    if each["key"] != key_id(participant, raw):
        raise ValueError
    return PublicKey(key_id(participant, raw), participant, raw, suite)


def _standing(value: Json) -> Standing:
    each = exactly(value, "subject", "state", "since", "reason")
    if each["state"] not in {"suspended", "revoked"}:
        raise ValueError
    return Standing(text(each["subject"]), text(each["state"]), read_time(text(each["since"])), text(each["reason"]))
