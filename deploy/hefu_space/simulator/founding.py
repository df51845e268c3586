"""Who takes part in a simulated space, with keys that the seed draws; and randomness and time as the seed has them."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical, identity
from hefu.envelope import PublicKey, Statement, draft
from hefu.identity import Binding, Participant
from hefu.keeping.keys import FileSigner
from hefu.space import SpaceFile
from hefu.tlog import note
from hefu.tlog.note import VerifierKey

START = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
SPACE, BROKER, ORIGIN = "simulated", "broker", "hefu.example/simulated"
_LIFE = timedelta(days=30)


@contextmanager
def seeded(chance: random.Random) -> Iterator[None]:
    """Let ids, nonces and salts be drawn from the seed: the operating system's randomness is replaced in this process.

    What cryptographic libraries draw inside (the keys of sealed parts) stays random; nothing depends on it.
    """
    with (
        mock.patch.object(secrets, "token_bytes", lambda size=32: chance.randbytes(size or 32)),
        mock.patch.object(secrets, "token_hex", lambda size=32: chance.randbytes(size or 32).hex()),
    ):
        yield


@dataclass
class NodeClock:
    """A node's clock: the virtual time, and how far it stands off."""

    seconds: Callable[[], float]
    off: float = 0.0

    def now(self) -> datetime:
        """As in `hefu.times.Clock`."""
        return START + timedelta(seconds=self.seconds() + self.off)


@dataclass(frozen=True)
class Person:
    """A participant's keys, certification and certificate."""

    name: str
    signer: FileSigner
    sealing: X25519PrivateKey
    certification: Statement
    binding: Binding

    @property
    def connector(self) -> str:
        """The name of its connector."""
        return self.binding.connector


@dataclass
class Founded:
    """A space before anybody runs."""

    chance: random.Random
    people: dict[str, Person] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = FileSigner(identity.ROOT, self._signing())
        self.log = self._signing()
        self.add(BROKER, "operator")

    @property
    def log_key(self) -> VerifierKey:
        """The log's public key."""
        return VerifierKey(ORIGIN, note.ED25519, self.log.public_key().public_bytes_raw())

    @property
    def file(self) -> SpaceFile:
        """What every participant pins."""
        root = PublicKey(self.root.key, identity.ROOT, self.root.public)
        return SpaceFile(SPACE, root, BROKER, "broker:1", "broker:2", "", ORIGIN, str(self.log_key))

    def add(self, name: str, *roles: str) -> Person:
        """Certify somebody."""
        signer, sealing = FileSigner(name, self._signing()), X25519PrivateKey.from_private_bytes(self._bytes())
        participant = Participant(
            id=name,
            names={"en": name},
            roles=frozenset(roles),
            signing=(PublicKey(signer.key, name, signer.public),),
            sealing=sealing.public_key().public_bytes_raw(),
            not_before=START - _LIFE,
            not_after=START + _LIFE,
        )
        certified = draft(identity.CERTIFIED, participant.body(), space=SPACE, issuer=identity.ROOT, at=START - _LIFE)
        certificate = b"certificate of " + name.encode() + self._bytes()
        made = Person(
            name,
            signer,
            sealing,
            certified.sign(self.root, START - _LIFE),
            Binding(name, f"{name}-c1", certificate, f"{name}:1", START + _LIFE),
        )
        self.people[name] = made
        return made

    def _signing(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._bytes())

    def _bytes(self) -> bytes:
        return self.chance.randbytes(32)


def fingerprint(person: Person) -> str:
    """Of the person's certificate."""
    return canonical.digest(person.binding.certificate)
