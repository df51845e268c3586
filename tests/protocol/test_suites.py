"""A second suite fits behind the port without a change of format, and is not enabled: ML-DSA-44 for statements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hefu import suites
from hefu.envelope import PublicKey, Statement, draft
from hefu.errors import Malformed, Untrusted
from hefu.identity import CERTIFIED, ROOT, Participant
from hefu.keeping.keys import FileSigner, key_id

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class LatticeSigner:
    """What a module that signs in another suite must do, and no more."""

    participant: str
    private: MLDSA44PrivateKey
    suite: str = suites.MLDSA44

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def key(self) -> str:
        return key_id(self.participant, self.public)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


LATTICE = LatticeSigner("lab-b", MLDSA44PrivateKey.from_seed_bytes(bytes(32)))
CURVE = FileSigner("hospital-a", Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEYS = {
    LATTICE.key: PublicKey(LATTICE.key, "lab-b", LATTICE.public, suites.MLDSA44),
    CURVE.key: PublicKey(CURVE.key, "hospital-a", CURVE.public),
}


def test_a_statement_carries_signatures_of_two_suites_in_the_same_form() -> None:
    made = draft("x", {"a": 1}, space="demo", issuer="lab-b", at=AT).sign(LATTICE, AT).sign(CURVE, AT)
    read = Statement.parse(made.to_bytes())
    assert read == made
    assert [each.suite for each in read.signatures] == [suites.MLDSA44, suites.ED25519]
    read.verify(KEYS, "lab-b", "hospital-a")


@pytest.mark.parametrize("place", [0, 1])
def test_no_altered_signature_of_any_suite_holds(place: int) -> None:
    made = draft("x", {"a": 1}, space="demo", issuer="lab-b", at=AT).sign(LATTICE, AT).sign(CURVE, AT)
    one = made.signatures[place]
    bad = replace(one, value=bytes([one.value[0] ^ 1]) + one.value[1:])
    spoiled = replace(made, signatures=(*made.signatures[:place], bad, *made.signatures[place + 1 :]))
    with pytest.raises(Untrusted):
        Statement.parse(spoiled.to_bytes()).verify(KEYS, "lab-b", "hospital-a")


def test_a_message_cannot_choose_another_suite_than_its_keys_record() -> None:
    claimed = draft("x", {}, space="demo", issuer="lab-b", at=AT).sign(replace(LATTICE, suite=suites.ED25519), AT)
    with pytest.raises(Untrusted):
        Statement.parse(claimed.to_bytes()).verify(KEYS)
    plain = draft("x", {}, space="demo", issuer="hospital-a", at=AT).sign(CURVE, AT)
    as_other = KEYS | {CURVE.key: PublicKey(CURVE.key, "hospital-a", CURVE.public, suites.MLDSA44)}
    with pytest.raises(Untrusted):
        Statement.parse(plain.to_bytes()).verify(as_other)


def test_a_header_with_an_unknown_suite_is_no_statement_of_ours() -> None:
    made = draft("x", {}, space="demo", issuer="lab-b", at=AT).sign(replace(LATTICE, suite="none"), AT)
    with pytest.raises(Malformed):
        Statement.parse(made.to_bytes())


def test_a_participant_cannot_be_certified_for_a_suite_that_is_not_enabled() -> None:
    one = Participant(
        "lab-b", {"en": "Lab"}, frozenset({"consumer"}), (KEYS[LATTICE.key],), bytes(32), AT, AT + timedelta(days=1)
    )
    with pytest.raises(Malformed):
        Participant.of(draft(CERTIFIED, one.body(), space="demo", issuer=ROOT, at=AT))
    allowed = replace(one, signing=(PublicKey(key_id("lab-b", CURVE.public), "lab-b", CURVE.public),))
    assert Participant.of(draft(CERTIFIED, allowed.body(), space="demo", issuer=ROOT, at=AT)) == allowed


def test_every_known_suite_refuses_what_cannot_be_read() -> None:
    for suite in suites.KNOWN.values():
        assert not suite.holds(b"", b"m", bytes(64))
        assert not suite.holds(bytes(suite.key_size), b"m", b"")
    assert set(suites.KNOWN) >= suites.ENABLED
