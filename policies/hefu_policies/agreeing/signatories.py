"""Who signs an agreement, and under which keys: the parties are named in the very bytes that they sign.

A party's keys are named by id, suite and the digest of the whole public key. So a key that is certified later, a
second key with the same short id, or a weaker suite cannot stand in for the one that was agreed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import ED25519, PublicKey, Statement
from hefu.errors import Untrusted

from hefu_policies.reading import Place, check_digest, unique, wrong

PROVIDER, CONSUMER, SERVICE, OTHER = PARTY_ROLES = ("provider", "consumer", "service", "other")
MOST_PARTIES = 12  # an envelope has at most 16 signatures, and a log's entry at most 65,535 bytes

Certified = Callable[[str], Iterable[PublicKey]]  # the keys that were ever certified as a participant's


@dataclass(frozen=True, slots=True)
class PartyKey:
    """A key under which a party may sign: its id, its suite, and the digest of the raw public key."""

    key: str
    digest: str
    suite: str = ED25519

    def __post_init__(self) -> None:
        check_digest(self.digest, "party.keys.digest")
        if self.suite != ED25519:
            wrong("party.keys.suite", ED25519)

    def body(self) -> Object:
        """``{key, suite, digest}``."""
        return {"key": self.key, "suite": self.suite, "digest": self.digest}

    @classmethod
    def named(cls, key: PublicKey) -> PartyKey:
        """How a certified key is named."""
        return cls(key.key, canonical.digest(key.value), key.suite)

    @classmethod
    def of(cls, body: Json, where: str = "party.keys") -> PartyKey:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("key", "suite", "digest"))
        return cls(found["key"].text(), found["digest"].digest(), found["suite"].choice(ED25519))


@dataclass(frozen=True, slots=True)
class Party:
    """A participant in an agreement, in one role, behind one connector.

    Attributes:
        keys: under which it may sign; none in agreements of the first release, where any certified key counts.
    """

    participant: str
    role: str
    connector: str
    keys: tuple[PartyKey, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in PARTY_ROLES:
            wrong("party.role", "one of " + ", ".join(PARTY_ROLES))
        unique((each.key for each in self.keys), "party.keys")

    def body(self) -> Object:
        """``{participant, role, connector}``, and ``keys`` where they are named."""
        keys: Object = {"keys": [each.body() for each in self.keys]} if self.keys else {}
        return {"participant": self.participant, "role": self.role, "connector": self.connector, **keys}

    @classmethod
    def of(cls, body: Json, where: str = "party") -> Party:
        """Read what `body` wrote; raises as `PartyKey.of`."""
        found = Place(body, where).members(("participant", "role", "connector"), ("keys",))
        keys = tuple(PartyKey.of(each.value, each.where) for each in found["keys"].items(1)) if "keys" in found else ()
        return cls(found["participant"].text(), found["role"].choice(*PARTY_ROLES), found["connector"].text(), keys)


def check_signed(parties: Sequence[Party], statement: Statement, certified: Certified, agreement: str) -> None:
    """Check that each party signed once, under a key that the agreement names and the root certified, and nobody else.

    That the signatures themselves hold is `Statement.verify`'s to check.

    Raises:
        Untrusted: a signature is missing, surplus, of another party, or under a key that was not agreed on.
    """
    check_signers(parties, statement, certified, agreement, len(parties))


def check_signers(
    parties: Sequence[Party], statement: Statement, certified: Certified, agreement: str, least: int
) -> None:
    """As `check_signed` while signatures are still missing: at least so many parties signed, each once."""
    owner = {key.key: (party, key) for party in parties for key in certified(party.participant)}
    signed: set[str] = set()
    for signature in statement.signatures:
        party, key = owner.get(signature.key, (None, None))
        if party is None or key is None or party.participant in signed:
            raise Untrusted("contract.broken", agreement=agreement, where="signatures")
        if party.keys and PartyKey.named(key) not in party.keys:
            raise Untrusted("contract.broken", agreement=agreement, where="keys")
        signed.add(party.participant)
    if len(signed) < least:
        raise Untrusted("contract.broken", agreement=agreement, where="signatures")
