"""Signatures that others published: W3C's eddsa-jcs-2022, and ML-DSA-44 made from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from hefu import canonical
from hefu.tlog.note import ED25519, MLDSA_COSIGNATURE, VerifierKey

from tests.policies.counts import count

Vectors = Callable[[str], Any]
_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
W3C = "w3c-eddsa-jcs-2022"


def _base58(text: str) -> bytes:
    number = 0
    for letter in text.removeprefix("z"):
        number = number * 58 + _LETTERS.index(letter)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _canonical(value: Any) -> bytes:
    """Our canonical form where the document is inside our profile, else the independent one of the tests."""
    independent = rfc8785.dumps(value)
    assert canonical.encode(value) == independent
    return independent


def test_the_steps_of_eddsa_jcs_2022_come_out_as_published(vectors: Vectors) -> None:
    def text(name: str) -> str:
        return str(vectors(f"{W3C}/{name}")).strip()

    document, options = vectors(f"{W3C}/unsigned.json"), vectors(f"{W3C}/proofConfigJCS.json")
    pair = vectors(f"{W3C}/keyPair.json")
    private = Ed25519PrivateKey.from_private_bytes(_base58(pair["privateKeyMultibase"])[2:])
    signed = vectors(f"{W3C}/signedJCS.json")
    proof, form = _canonical(options), _canonical(document)
    together = hashlib.sha256(proof).digest() + hashlib.sha256(form).digest()
    made = private.sign(together)
    found = [
        form.decode() == text("canonDocJCS.txt"),
        hashlib.sha256(form).hexdigest() == text("docHashJCS.txt"),
        proof.decode() == text("proofCanonJCS.txt"),
        hashlib.sha256(proof).hexdigest() == text("proofHashJCS.txt"),
        together.hex() == text("combinedHashJCS.txt"),
        made.hex() == text("sigHexJCS.txt"),
        made == _base58(text("sigBTC58JCS.txt")) == _base58(signed["proof"]["proofValue"]),
        private.public_key().public_bytes_raw() == _base58(pair["publicKeyMultibase"])[2:],
    ]
    assert all(found), found
    count("W3C eddsa-jcs-2022 steps", sum(found), len(found))


def test_the_published_credential_holds_under_our_verifier_and_no_altered_one(vectors: Vectors) -> None:
    signed = vectors(f"{W3C}/signedJCS.json")
    value = _base58(signed["proof"].pop("proofValue"))
    key = VerifierKey("issuer", ED25519, _base58(vectors(f"{W3C}/keyPair.json")["publicKeyMultibase"])[2:])
    options = signed.pop("proof")

    def message(document: Any) -> bytes:
        return hashlib.sha256(_canonical(options)).digest() + hashlib.sha256(_canonical(document)).digest()

    assert key.holds(message(signed), value)
    assert not key.holds(message({**signed, "name": "another"}), value)


def _signing(vectors: Vectors) -> Iterator[tuple[Any, Any]]:
    for group in vectors("wycheproof/mldsa_44_sign_seed_test.json")["testGroups"]:
        yield from ((group, case) for case in group["tests"])


def _verifies(public: MLDSA44PublicKey, case: Any, signature: bytes) -> bool:
    try:
        if "msg" in case:
            context = bytes.fromhex(case["ctx"]) if "ctx" in case else None
            public.verify(signature, bytes.fromhex(case["msg"]), context)
        else:
            public.verify_mu(signature, bytes.fromhex(case["mu"]))
    except InvalidSignature:
        return False
    return True


def _sign(private: MLDSA44PrivateKey, case: Any) -> bytes:
    if "msg" not in case:
        return private.sign_mu(bytes.fromhex(case["mu"]))
    return private.sign(bytes.fromhex(case["msg"]), bytes.fromhex(case["ctx"]) if "ctx" in case else None)


def test_every_published_ml_dsa_44_seed_signs_as_published(vectors: Vectors) -> None:
    """The library signs hedged, so bytes differ: the published signature and a new one hold under the seed's key."""
    right = of = 0
    for group, case in _signing(vectors):
        of += 1
        try:
            private = MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(group["privateSeed"]))
            new = _sign(private, case)
        except ValueError:
            assert case["result"] == "invalid", case["tcId"]
            right += 1
            continue
        public = private.public_key()
        assert public.public_bytes_raw().hex() == group["publicKey"], case["tcId"]
        assert _verifies(public, case, bytes.fromhex(case["sig"])), case["tcId"]
        assert _verifies(public, case, new), case["tcId"]
        if "msg" in case and "ctx" not in case:  # as a cosigner's key, which has no context
            key = VerifierKey("witness", MLDSA_COSIGNATURE, public.public_bytes_raw())
            assert key.holds(bytes.fromhex(case["msg"]), new)
        right += case["result"] == "valid"
    assert right == of == 86
    count("Wycheproof ML-DSA-44 signing", right, of)


def test_the_published_pairs_of_keys_belong_together(vectors: Vectors) -> None:
    chain = vectors(f"{W3C}/proof-set-chain/multiKeyPairs.json")
    for pair in chain.values():
        private = Ed25519PrivateKey.from_private_bytes(_base58(pair["privateKeyMultibase"])[2:])
        assert private.public_key().public_bytes_raw() == _base58(pair["publicKeyMultibase"])[2:]
