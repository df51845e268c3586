"""Filing: what the log only commits to, kept under a key of the contract that the space's regulators can open.

At signing, the provider that draws an agreement up draws a *filing key* for it and wraps it to every regulator of the
charter and to every party (HPKE, RFC 9180, base mode). The wrapped keys stand in the agreement that all parties sign,
so nobody can take them away later. Under the filing key each end of a computation has its *openings* sealed: salts and
values of its commitments, what was asked, how it was decided. Who keeps those hands them over on a mandate only
(`hefu.membership.mandate`). Erasure destroys the sealed openings; what remains in the log are keys to nothing.

A suite's id stands beside everything that was made with it, so that another suite needs no other format.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed, Untrusted
from hefu.identity import check_name, read_bytes, write_bytes
from hefu.members import digest, exactly, mapping, reading, text

# RFC 9180 sections 7.1 to 7.3: KEM 0x0020, KDF 0x0001, AEAD 0x0002.
HPKE_X25519 = "HPKE-X25519-SHA256-AES256GCM"
AES_GCM = "AES-256-GCM"
_SUITES: Mapping[str, Suite] = {HPKE_X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)}
_KEY = 32  # bytes of a filing key, and of an X25519 public key
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{2,63}\Z")


@dataclass(frozen=True, slots=True)
class FilingKey:
    """A public key to which filing keys are wrapped; its suite is fixed here and never by a message.

    A suite that is not known here can be read and carried, and nothing can be wrapped to it.
    """

    value: bytes
    suite: str = HPKE_X25519

    def __post_init__(self) -> None:
        if not _WORD.match(self.suite) or not self.value or (self.suite == HPKE_X25519 and len(self.value) != _KEY):
            raise Malformed("request.malformed", why="a filing key is 32 bytes of X25519 in base64url")

    def __str__(self) -> str:
        return write_bytes(self.value) if self.suite == HPKE_X25519 else f"{self.suite}:{write_bytes(self.value)}"

    @classmethod
    def parse(cls, written: str) -> FilingKey:
        """Read what ``str`` wrote: base64url of an X25519 key, or ``SUITE:`` and base64url of another one.

        Raises:
            Malformed: it is neither.
        """
        suite, colon, value = written.rpartition(":")
        return cls(read_bytes(value), suite if colon else HPKE_X25519)

    def body(self) -> Object:
        """``{suite, value}``."""
        return {"suite": self.suite, "value": write_bytes(self.value)}

    @classmethod
    def of(cls, value: Json) -> FilingKey:
        """Read what `body` wrote; raises inside `hefu.members.reading`."""
        found = exactly(value, "suite", "value")
        return cls(read_bytes(text(found["value"])), text(found["suite"]))


def public(key: X25519PrivateKey) -> FilingKey:
    """The public half of a regulator's filing key."""
    return FilingKey(key.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A filing key, encrypted for one holder; its suite stands beside it."""

    suite: str
    value: bytes

    def body(self) -> Object:
        """``{suite, value}``."""
        return {"suite": self.suite, "value": write_bytes(self.value)}

    @classmethod
    def of(cls, value: Json) -> Wrapped:
        """Read what `body` wrote; raises inside `hefu.members.reading`."""
        found = exactly(value, "suite", "value")
        if not _WORD.match(text(found["suite"])):
            raise ValueError
        return cls(text(found["suite"]), read_bytes(text(found["value"])))


@dataclass(frozen=True, slots=True)
class Filing:
    """What an agreement says of its filing key; the parties sign it.

    Attributes:
        key: commits to the key (`commit_key`), so that nobody can say afterwards that another one was meant.
        wrapped: the key, by participant: regulators that the charter names, and the parties.
        cipher: under which openings are sealed with it.
    """

    key: str
    wrapped: Mapping[str, Wrapped]
    cipher: str = AES_GCM

    def body(self) -> Object:
        """``{key, cipher, wrapped}``."""
        wrapped: Object = {name: each.body() for name, each in self.wrapped.items()}
        return {"key": self.key, "cipher": self.cipher, "wrapped": wrapped}

    @classmethod
    def of(cls, value: Json) -> Filing:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        with reading("filing"):
            found = exactly(value, "key", "cipher", "wrapped")
            wrapped = {check_name(name): Wrapped.of(each) for name, each in mapping(found["wrapped"]).items()}
            if not wrapped or not _WORD.match(text(found["cipher"])):
                raise ValueError
            return cls(digest(found["key"]), wrapped, text(found["cipher"]))


def draw(agreement: str, holders: Mapping[str, FilingKey]) -> Filing:
    """A new filing key for an agreement, wrapped to all who may hold it; the key itself is kept nowhere else.

    Args:
        holders: regulators of the charter and the parties, by participant.

    Raises:
        Untrusted: one of their keys is none to which anything can be wrapped.
    """
    key = secrets.token_bytes(_KEY)
    wrapped = {name: _wrap(key, agreement, name, each) for name, each in holders.items()}
    return Filing(commit_key(key, agreement), wrapped)


def commit_key(key: bytes, agreement: str) -> str:
    """The digest that binds a filing key to its agreement: it is random, so that nothing is learned from this."""
    return canonical.digest(canonical.encode({"use": "hefu filing key", "agreement": agreement, "key": key.hex()}))


def unwrap(filing: Filing, agreement: str, name: str, private: X25519PrivateKey) -> bytes:
    """The filing key of an agreement, for one of its holders.

    Raises:
        Untrusted: it is not wrapped for this holder, not to its key, or not the key that the parties signed for.
    """
    wrapped = filing.wrapped.get(name)
    suite = _SUITES.get(wrapped.suite) if wrapped else None
    if wrapped is None or suite is None:
        raise Untrusted("filing.broken", agreement=agreement, where="holder")
    try:
        key = suite.decrypt(wrapped.value, private, _info(agreement, name))
    except (InvalidTag, ValueError, TypeError) as fault:
        raise Untrusted("filing.broken", agreement=agreement, where="wrapped", detail=type(fault).__name__) from None
    if not hmac.compare_digest(commit_key(key, agreement), filing.key):
        raise Untrusted("filing.broken", agreement=agreement, where="key")
    return key


def _wrap(key: bytes, agreement: str, name: str, to: FilingKey) -> Wrapped:
    suite = _SUITES.get(to.suite)
    try:
        if suite is None:
            raise ValueError(to.suite)
        value = suite.encrypt(key, X25519PublicKey.from_public_bytes(to.value), _info(agreement, name))
    except ValueError as fault:
        raise Untrusted("filing.broken", agreement=agreement, where=f"key of {name}", detail=str(fault)) from None
    return Wrapped(to.suite, value)


def _info(agreement: str, name: str) -> bytes:
    return canonical.encode({"use": "hefu filing key", "agreement": agreement, "for": name})
