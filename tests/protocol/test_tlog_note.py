"""Notes, checkpoints, cosignatures and offline proofs: published vectors, then what they do not cover."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.tlog import checkpoint, cosignature, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import COSIGNATURE, ED25519, Note, VerifierKey
from hefu.tlog.proof import LogProof
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.counts import count

Vectors = Callable[[str], Any]
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("log.demo.hefu", ED25519, PRIVATE.public_key().public_bytes_raw())
WITNESS = VerifierKey("witness.demo", COSIGNATURE, PRIVATE.public_key().public_bytes_raw())
LEAVES = [tree.leaf_hash(bytes([number])) for number in range(5)]
HEAD = Checkpoint(KEY.name, 5, tree.root(LEAVES))
NOTE = checkpoint.sign(HEAD, KEY, PRIVATE.sign)


# ---------------------------------------------------------------- keys and notes


def test_published_keys_are_read_and_written_the_same(vectors: Vectors) -> None:
    keys = vectors("signed-note/keys.json")
    for text in keys["valid_vkeys"]:
        assert str(VerifierKey.parse(text)) == text
    for text in keys["invalid_vkeys"]:
        with pytest.raises(Malformed):
            VerifierKey.parse(text)


def test_a_key_whose_hash_breaks_the_formula_is_refused(vectors: Vectors) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(vectors("signed-note/mldsa44-cosigner.vkey").strip())


@pytest.mark.parametrize("change", [str.upper, lambda each: "0" * 8, lambda each: each[:7], lambda each: ""])
def test_a_key_with_another_hash_than_its_own_is_refused(change: Callable[[str], str]) -> None:
    name, hash_, encoded = str(KEY).split("+", 2)
    with pytest.raises(Malformed):
        VerifierKey.parse(f"{name}+{change(hash_)}+{encoded}")


def test_a_published_note_is_signed_to_the_same_bytes(vectors: Vectors) -> None:
    import base64

    given_ = vectors("signed-note/keys.json")["sign"]
    raw = base64.b64decode(given_["skey"].split("+", 4)[4])
    private = Ed25519PrivateKey.from_private_bytes(raw[1:])
    key = VerifierKey(given_["skey"].split("+")[2], ED25519, private.public_key().public_bytes_raw())
    assert str(Note(given_["text"]).sign(key, private.sign)) == given_["note"]


def test_every_published_note_is_judged_as_published(vectors: Vectors) -> None:
    cases = vectors("signed-note/notes.json")
    for case in cases:
        keys = [VerifierKey.parse(each) for each in case["vkeys"]]
        if not case["ok"]:
            with pytest.raises((Malformed, Untrusted)):
                Note.parse(case["note"]).verify(keys)
            continue
        note = Note.parse(case["note"])
        verified = [key.name for key in note.verify(keys)]
        assert str(note) == case["note"]
        assert verified == case["verified"]
        assert [each.name for each in note.signatures if each.name not in verified] == case["unverified"]
    count("signed notes", len(cases), 15)


def test_a_bad_signature_of_a_known_key_spoils_a_note_with_a_good_one() -> None:
    other = Ed25519PrivateKey.generate()
    second = VerifierKey("second", ED25519, other.public_key().public_bytes_raw())
    note = Note("text\n").sign(KEY, PRIVATE.sign).add(second, bytes(64))
    assert note.verify([KEY]) == [KEY]
    with pytest.raises(Untrusted):
        note.verify([KEY, second])


@given(st.text(max_size=200))
def test_no_text_makes_the_parsers_fail_in_another_way(text: str) -> None:
    for parse in (Note.parse, Checkpoint.parse, LogProof.parse, VerifierKey.parse):
        with contextlib.suppress(HefuError):
            assert str(parse(text)) == text


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_no_flipped_bit_of_a_signed_checkpoint_goes_unnoticed(place: int, bit: int) -> None:
    data = bytearray(NOTE.encode())
    data[place] ^= 1 << bit
    with pytest.raises((HefuError, UnicodeDecodeError)):
        checkpoint.verify(data.decode(), KEY)


# ---------------------------------------------------------------- checkpoints


def test_published_checkpoints_are_judged_as_published_but_stricter(vectors: Vectors) -> None:
    # Upstream does not look at the root's length and accepts extension lines; a Hefu log writes neither.
    cases = vectors("checkpoint/parse.json")
    for case in cases:
        with pytest.raises(Malformed):
            Checkpoint.parse(case["text"])
        lines = case["text"].split("\n")
        if case["ok"]:
            lines[2] = str(HEAD).split("\n")[2]
            assert str(Checkpoint.parse("\n".join([*lines[:3], ""]))).startswith(lines[0])
    count("checkpoints (or stricter)", len(cases), len(cases))


def test_extension_lines_are_refused() -> None:
    assert Checkpoint.parse(str(HEAD)) == HEAD
    with pytest.raises(Malformed):
        Checkpoint.parse(str(HEAD) + "more\n")


@pytest.mark.parametrize("size", ["+5", "05", "-0", "5 ", "٥", "9223372036854775808", ""])
def test_a_size_has_one_spelling(size: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(str(HEAD).replace("\n5\n", f"\n{size}\n"))


def test_a_signed_checkpoint_is_read_back() -> None:
    assert checkpoint.verify(NOTE, KEY) == HEAD


def test_a_checkpoint_of_another_log_is_refused_though_its_signature_holds() -> None:
    text = str(Checkpoint("other.log", 5, HEAD.root))
    note = str(Note(text).sign(KEY, PRIVATE.sign))
    with pytest.raises(Untrusted) as caught:
        checkpoint.verify(note, KEY)
    assert caught.value.code == "log.origin"
    with pytest.raises(Untrusted):
        checkpoint.sign(Checkpoint("other.log", 5, HEAD.root), KEY, PRIVATE.sign)


def test_an_empty_log_has_one_root() -> None:
    assert Checkpoint("log", 0, tree.EMPTY_ROOT).size == 0
    with pytest.raises(Malformed):
        Checkpoint("log", 0, HEAD.root)


# ---------------------------------------------------------------- cosignatures


def test_published_cosignatures_hold_and_tell_their_time(vectors: Vectors) -> None:
    cases = vectors("cosignature/ed25519-v1.json")
    for case in cases:
        note, key = Note.parse(case["checkpoint"]), VerifierKey.parse(case["vkey"])
        assert cosignature.verify(note, key).time == datetime.fromtimestamp(case["timestamp"], tz=UTC)
        other = Note(note.text.replace("\n300\n", "\n301\n"), note.signatures)
        with pytest.raises(Untrusted):
            cosignature.verify(other, key)
    count("Ed25519 cosignatures", len(cases), 3)


def test_a_cosignature_binds_its_time_and_is_no_plain_signature() -> None:
    at = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    note = cosignature.cosign(Note.parse(NOTE), WITNESS, PRIVATE.sign, at)
    assert cosignature.verify(Note.parse(str(note)), WITNESS).time == at
    assert checkpoint.verify(str(note), KEY) == HEAD
    value = note.by(WITNESS)[0]
    later = Note(note.text).add(WITNESS, (int.from_bytes(value[:8], "big") + 1).to_bytes(8, "big") + value[8:])
    for bad in (later, Note(note.text).add(WITNESS, value[8:]), Note.parse(NOTE)):
        with pytest.raises(Untrusted):
            cosignature.verify(bad, WITNESS)
    with pytest.raises(Malformed):
        cosignature.verify(note, KEY)


# ---------------------------------------------------------------- offline proofs


def test_published_proof_texts_are_judged_as_published(vectors: Vectors) -> None:
    cases = vectors("tlog-proof/parse.json")
    for case in cases["valid"]:
        proof = LogProof.parse(case["text"])
        assert (proof.index, list(proof.hashes), proof.extra) == (case["index"], case["hashes"], case["extra"])
        assert str(proof) == case["text"]
    for case in cases["invalid"]:
        with pytest.raises(Malformed):
            LogProof.parse(case["text"])
    whole = len(cases["valid"]) + len(cases["invalid"])
    count("offline proofs (tlog-proof)", whole, whole)


def test_an_offline_proof_leads_from_a_leaf_to_the_signed_checkpoint() -> None:
    path = tuple(tree.inclusion_proof(3, 5, tree.reader(LEAVES)))
    text = str(LogProof(3, path, NOTE, b"anything"))
    proof = LogProof.parse(text)
    assert proof.verify(LEAVES[3], KEY) == HEAD
    assert proof.extra == b"anything"
    with pytest.raises(Untrusted):
        proof.verify(LEAVES[2], KEY)
    with pytest.raises(Untrusted):
        LogProof.parse(text.replace("index 3", "index 2")).verify(LEAVES[3], KEY)
