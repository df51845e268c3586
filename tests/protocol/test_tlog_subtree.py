"""Subtrees: every published case, the accumulated vectors of the draft, and proofs of which every bit counts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hefu.errors import Untrusted
from hefu.tlog import subtree, tree
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.counts import count

Vectors = Callable[[str], Any]
MOST = 130
LEAVES = [tree.leaf_hash(bytes([number])) for number in range(MOST)]
READ = tree.reader(LEAVES)


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _root(text: str | None) -> bytes:
    """A few files write words where any root would do ("don't care"); ours have 32 bytes always."""
    data = _bytes(text)
    return data if len(data) in (0, 32) else hashlib.sha256(data).digest()


def _all(texts: list[str] | None) -> list[bytes]:
    return [_bytes(each) for each in texts or []]


def _judge(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except Untrusted:
        return False
    return True


def test_every_published_inclusion_in_a_subtree_is_judged_as_published(vectors: Vectors) -> None:
    cases = vectors("rfc6962-proofs/subtreeinclusion.json")
    for case in cases:
        held = _judge(
            subtree.verify_inclusion, _bytes(case["leafHash"]), case["leafIdx"], case["start"], case["end"],
            _all(case["proof"]), _bytes(case["root"]),
        )  # fmt: skip
        assert held != case["wantErr"], case["_path"]
    count("subtree inclusion proofs", len(cases), 204)


def test_every_published_consistency_of_a_subtree_is_judged_as_published(vectors: Vectors) -> None:
    cases = vectors("rfc6962-proofs/subtreeconsistency.json")
    for case in cases:
        held = _judge(
            subtree.verify_consistency, case["start"], case["end"], case["size"], _root(case["root1"]),
            _root(case["root2"]), _all(case["proof"]),
        )  # fmt: skip
        assert held != case["wantErr"], case["_path"]
    count("subtree consistency proofs", len(cases), 118)


def _hex(words: Sequence[object], proof: Sequence[bytes] = ()) -> bytes:
    return (" ".join([*map(str, words), *(each.hex() for each in proof)]) + "\n").encode()


def _subtrees(size: int) -> list[tuple[int, int]]:
    return [(start, size) for start in range(size + 1) if subtree.is_valid(start, size)]


def test_the_accumulated_vectors_of_the_draft_come_out(vectors: Vectors) -> None:
    published = vectors("rfc6962-proofs/accumulated-subtree.json")
    found = {name: hashlib.sha256() for name in ("subtree_hashes", "inclusion", "subtree_consistency",
                                                 "covering_subtrees")}  # fmt: skip
    every = [_subtrees(end) for end in range(MOST + 1)]
    for end in range(MOST + 1):
        for start, _ in every[end]:
            found["subtree_hashes"].update(_hex([f"[{start}, {end})"], [subtree.root(start, end, READ)]))
            for index in range(start, end):
                proof = subtree.inclusion_proof(index, start, end, READ)
                found["inclusion"].update(_hex([index, f"[{start}, {end})"], proof))
        for start in range(end + 1):
            words = (f"[{each[0]}, {each[1]})" for each in subtree.covering(start, end))
            found["covering_subtrees"].update(_hex([*words]))
        for start, stop in (each for group in every[: end + 1] for each in group):
            proof = subtree.consistency_proof(start, stop, end, READ)
            found["subtree_consistency"].update(_hex([f"[{start}, {stop})", end], proof))
    right = sum(each.hexdigest() == published[name] for name, each in found.items())
    assert right == len(found)
    count("accumulated subtree vectors", right, len(found))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_proof_that_is_made_holds_and_no_bit_of_it_can_be_changed(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, MOST))
    end = data.draw(st.integers(1, size))
    start = data.draw(st.sampled_from([first for first, _ in _subtrees(end) if first < end]))
    found, whole = subtree.root(start, end, READ), tree.root(LEAVES[:size])
    proof = subtree.consistency_proof(start, end, size, READ)
    subtree.verify_consistency(start, end, size, found, whole, proof)
    assert found == tree.root(LEAVES[start:end])
    if proof:
        place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        changed = (int.from_bytes(proof[place], "big") ^ (1 << bit)).to_bytes(32, "big")
        for bad in ([*proof[:place], changed, *proof[place + 1 :]], proof[:-1], [*proof, whole]):
            with pytest.raises(Untrusted):
                subtree.verify_consistency(start, end, size, found, whole, bad)


def test_no_leaf_at_all_is_a_subtree_wherever_it_stands_and_an_unaligned_range_is_none() -> None:
    assert subtree.is_valid(5, 5)
    assert subtree.root(5, 5, READ) == tree.EMPTY_ROOT
    subtree.verify_consistency(5, 5, 9, tree.EMPTY_ROOT, tree.root(LEAVES[:9]), [])
    for start, end in ((1, 3), (2, 6), (5, 4), (-1, 0)):
        assert not subtree.is_valid(start, end)
        with pytest.raises(ValueError, match="no subtree"):
            subtree.root(start, end, READ)
        with pytest.raises(Untrusted):
            subtree.verify_consistency(start, end, 9, LEAVES[0], tree.root(LEAVES[:9]), [])
