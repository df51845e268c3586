"""Statements: every signature is over the exact bytes, and nothing else than a signed statement is accepted."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hefu import canonical
from hefu.envelope import PublicKey, Statement, draft, new_id
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.keeping.keys import FileSigner
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.counts import count

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CLINIC = FileSigner("clinic-a", Ed25519PrivateKey.from_private_bytes(b"a" * 32))
LAB = FileSigner("lab-b", Ed25519PrivateKey.from_private_bytes(b"b" * 32))
KEYS = {each.key: PublicKey(each.key, each.participant, each.public) for each in (CLINIC, LAB)}
PLAIN = draft("agreement", {"budget": 7}, space="demo", issuer="clinic-a", at=AT, id_="stm-one")
SIGNED = PLAIN.sign(CLINIC, AT)
BOTH = SIGNED.sign(LAB, AT + timedelta(seconds=5))


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _outer(statement: Statement) -> dict[str, Any]:
    return dict(json.loads(statement.to_bytes()))


def test_a_statement_comes_back_from_its_bytes_with_all_signatures() -> None:
    read = Statement.parse(BOTH.to_bytes())
    assert read == BOTH
    assert [each.time for each in read.signatures] == [AT, AT + timedelta(seconds=5)]
    read.verify(KEYS, "clinic-a", "lab-b")


def test_a_signature_is_a_detached_jws_that_other_software_verifies() -> None:
    # RFC 7515 and 7797 by hand, from the bytes alone: nothing of hefu.envelope is used here.
    outer = json.loads(SIGNED.to_bytes())
    payload = json.dumps(outer["payload"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    (entry,) = outer["signatures"]
    header = json.loads(_unb64(entry["protected"]))
    assert header == {
        "alg": "Ed25519", "b64": False, "crit": ["b64"], "iat": int(AT.timestamp()), "kid": CLINIC.key,
        "typ": "hefu-agreement+json",
    }  # fmt: skip
    key = Ed25519PublicKey.from_public_bytes(CLINIC.public)
    key.verify(_unb64(entry["signature"]), entry["protected"].encode() + b"." + payload)
    with pytest.raises(InvalidSignature):
        key.verify(_unb64(entry["signature"]), entry["protected"].encode() + b"." + payload + b" ")


def test_the_digest_names_what_was_said_whoever_signed() -> None:
    assert PLAIN.digest() == SIGNED.digest() == BOTH.digest() == canonical.digest(PLAIN.payload)


@given(st.integers(0, len(BOTH.to_bytes()) - 1), st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(place: int, bit: int) -> None:
    data = bytearray(BOTH.to_bytes())
    data[place] ^= 1 << bit
    with pytest.raises(HefuError):
        Statement.parse(bytes(data)).verify(KEYS, "clinic-a", "lab-b")


@pytest.mark.parametrize("change", [{"budget": 8}, {}, {"budget": 7, "more": 1}])
def test_a_changed_body_breaks_every_signature(change: dict[str, Any]) -> None:
    outer = _outer(BOTH)
    outer["payload"]["body"] = change
    with pytest.raises(Untrusted) as caught:
        Statement.parse(canonical.encode(outer)).verify(KEYS)
    assert caught.value.code == "signature.invalid"


@pytest.mark.parametrize("member", ["type", "id", "space", "issuer", "time"])
def test_a_changed_envelope_member_breaks_the_signature_or_the_form(member: str) -> None:
    outer = _outer(SIGNED)
    outer["payload"][member] = "2027-01-01T00:00:00Z" if member == "time" else "lab-b"
    with pytest.raises(HefuError):
        Statement.parse(canonical.encode(outer)).verify(KEYS)


def test_a_signature_of_an_unknown_key_makes_it_untrusted_even_beside_good_ones() -> None:
    stranger = FileSigner("stranger", Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    with pytest.raises(Untrusted) as caught:
        BOTH.sign(stranger, AT).verify(KEYS, "clinic-a", "lab-b")
    assert caught.value.code == "key.unknown"


def test_a_key_with_the_right_id_and_wrong_value_verifies_nothing() -> None:
    wrong = {CLINIC.key: PublicKey(CLINIC.key, "clinic-a", LAB.public)}
    with pytest.raises(Untrusted) as caught:
        SIGNED.verify(wrong)
    assert caught.value.code == "signature.invalid"


def test_the_suite_is_fixed_by_the_registered_key_and_not_by_the_message() -> None:
    other = {CLINIC.key: PublicKey(CLINIC.key, "clinic-a", CLINIC.public, "SM2")}
    with pytest.raises(Untrusted):
        SIGNED.verify(other)


def test_a_missing_signature_of_a_party_is_named() -> None:
    for statement, parties in ((SIGNED, ("clinic-a", "lab-b")), (PLAIN, ())):
        with pytest.raises(Untrusted) as caught:
            statement.verify(KEYS, *parties)
        assert caught.value.code == "signature.missing"
    with pytest.raises(Untrusted):
        PLAIN.sign(LAB, AT).verify(KEYS)  # signed, but not by its issuer


def test_a_key_that_signed_twice_is_malformed() -> None:
    with pytest.raises(Malformed):
        Statement.parse(SIGNED.sign(CLINIC, AT + timedelta(seconds=1)).to_bytes())


def test_a_signature_for_one_type_is_none_for_another() -> None:
    outer = _outer(SIGNED)
    outer["payload"]["type"] = "negotiation.agreed"
    with pytest.raises(Malformed):
        Statement.parse(canonical.encode(outer))


def test_a_statement_of_a_foreign_type_is_not_taken_for_another() -> None:
    assert SIGNED.expect("agreement") is SIGNED
    with pytest.raises(Malformed):
        SIGNED.expect("product.published")


HEADERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no algorithm": lambda h: {**h, "alg": "none"},
    "the older name of the algorithm": lambda h: {**h, "alg": "EdDSA"},
    "a MAC": lambda h: {**h, "alg": "HS256"},
    "an encoded payload": lambda h: {**h, "b64": True},
    "nothing critical": lambda h: {**h, "crit": []},
    "more that is critical": lambda h: {**h, "crit": ["b64", "exp"]},
    "a key inside the message": lambda h: {**h, "jwk": {"kty": "OKP"}},
    "an address of a key": lambda h: {**h, "jku": "https://example.org"},
    "no key id": lambda h: {name: value for name, value in h.items() if name != "kid"},
    "no time": lambda h: {name: value for name, value in h.items() if name != "iat"},
    "a time that is true": lambda h: {**h, "iat": True},
    "a time far off": lambda h: {**h, "iat": 2**40},
    "a negative time": lambda h: {**h, "iat": -1},
    "another media type": lambda h: {**h, "typ": "JWT"},
    "a list": lambda h: [h],
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_has_one_form_even_if_it_is_properly_signed(name: str) -> None:
    header = json.loads(_unb64(SIGNED.signatures[0].protected))
    protected = _b64(json.dumps(HEADERS[name](header), sort_keys=True, separators=(",", ":")).encode())
    value = CLINIC.sign(protected.encode() + b"." + PLAIN.payload)
    outer = {"payload": json.loads(PLAIN.payload), "signatures": [{"protected": protected, "signature": _b64(value)}]}
    with pytest.raises(Malformed):
        Statement.parse(canonical.encode(outer))


OUTERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no signatures member": lambda o: {"payload": o["payload"]},
    "a member more": lambda o: {**o, "more": 1},
    "a payload that is text": lambda o: {**o, "payload": "x"},
    "signatures that are no list": lambda o: {**o, "signatures": {}},
    "seventeen signatures": lambda o: {**o, "signatures": o["signatures"] * 17},
    "a signature with a member more": lambda o: {**o, "signatures": [{**o["signatures"][0], "header": {}}]},
    "padding": lambda o: {
        **o,
        "signatures": [{**o["signatures"][0], "signature": o["signatures"][0]["signature"] + "=="}],
    },
    "another alphabet": lambda o: {**o, "signatures": [{**o["signatures"][0], "signature": "+/+/"}]},
    "an unknown payload member": lambda o: {**o, "payload": {**o["payload"], "more": 1}},
    "no space": lambda o: {**o, "payload": {k: v for k, v in o["payload"].items() if k != "space"}},
    "version 2": lambda o: {**o, "payload": {**o["payload"], "version": 2}},
    "version true": lambda o: {**o, "payload": {**o["payload"], "version": True}},
    "a body that is a list": lambda o: {**o, "payload": {**o["payload"], "body": []}},
    "an empty id": lambda o: {**o, "payload": {**o["payload"], "id": ""}},
    "a long id": lambda o: {**o, "payload": {**o["payload"], "id": "x" * 129}},
    "a time with a fraction": lambda o: {**o, "payload": {**o["payload"], "time": "2026-11-21T08:00:00.0Z"}},
    "an actor that is text": lambda o: {**o, "payload": {**o["payload"], "actor": "x"}},
}


@pytest.mark.parametrize("name", OUTERS)
def test_another_form_of_envelope_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        Statement.parse(canonical.encode(OUTERS[name](_outer(SIGNED))))


def test_an_envelope_that_is_not_canonical_or_too_large_is_malformed() -> None:
    with pytest.raises(Malformed):
        Statement.parse(json.dumps(_outer(SIGNED)).encode())
    with pytest.raises(Malformed):
        Statement.parse(draft("x", {"a": "b" * 300_000}, space="demo", issuer="clinic-a", at=AT).to_bytes())


def test_an_actor_is_signed_along() -> None:
    acted = draft("x", {}, space="demo", issuer="lab-b", at=AT, actor={"kind": "person", "user": "u1"}).sign(LAB, AT)
    read = Statement.parse(acted.to_bytes())
    read.verify(KEYS)
    assert read.actor == {"kind": "person", "user": "u1"}


def test_published_ed25519_vectors_are_judged_as_published_by_the_library(vectors: Callable[[str], Any]) -> None:
    judged = 0
    for group in vectors("wycheproof/ed25519_test.json")["testGroups"]:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            try:
                key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                assert case["result"] == "valid", case["tcId"]
            except InvalidSignature:
                assert case["result"] == "invalid", case["tcId"]
            judged += 1
    count("Wycheproof Ed25519", judged, 151)


def test_ids_are_random_and_say_of_what() -> None:
    found = {new_id("cmp") for _ in range(100)}
    assert len(found) == 100
    assert all(each.startswith("cmp-") and len(each) == 30 for each in found)
