"""The Merkle tree: published vectors, a recursive reference, and proofs of which every bit counts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import pytest
from hefu.errors import Malformed, Untrusted
from hefu.tlog import tiles, tree
from hefu.tlog.tiles import Place, Tile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.counts import count

Vectors = Callable[[str], Any]


def reference(leaves: Sequence[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 writes it, with recursion."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + reference(leaves[:split]) + reference(leaves[split:])).digest()


LEAVES = [tree.leaf_hash(str(number).encode()) for number in range(1500)]


class Store:
    """Tiles in memory, as a log's store keeps them."""

    def __init__(self, *batches: int) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.size = self.readings = 0
        self.root = tree.EMPTY_ROOT
        self.changed: list[tuple[Tile, ...]] = []
        for batch in batches:
            self.append(LEAVES[self.size : self.size + batch])

    def append(self, leaves: Sequence[bytes]) -> None:
        edge = tiles.held(self.tiles(tiles.edge(self.size)))
        appended = tiles.append(self.size, leaves, edge)
        self.rows.update({(each.level, each.index): each.hashes for each in appended.tiles})
        self.size, self.root = appended.size, appended.root
        self.changed.append(appended.tiles)

    def read(self, level: int, index: int, width: int) -> bytes:
        return self.rows[level, index]

    def tiles(self, places: Collection[Place]) -> dict[Place, bytes]:
        self.readings += 1
        return {each: self.rows[each] for each in places}


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _root(text: str | None) -> bytes:
    """Some vectors write words ("don't care") where any root would do; ours have 32 bytes always."""
    data = _bytes(text)
    return data if len(data) in (0, 32) else hashlib.sha256(data).digest()


def _all(texts: list[str] | None) -> list[bytes]:
    return [_bytes(each) for each in texts or []]


# ---------------------------------------------------------------- vectors


def test_the_published_roots_of_certificate_transparency_come_out(vectors: Vectors) -> None:
    published = vectors("rfc6962-proofs/ct-classic.json")
    leaves = [tree.leaf_hash(bytes.fromhex(each)) for each in published["leaves_hex"]]
    for size, expected in enumerate(published["roots_hex"], 1):
        assert tree.root(leaves[:size]).hex() == expected
    assert tree.root([]).hex() == published["empty_root_hex"]
    assert tree.leaf_hash(b"L123456").hex() == published["leaf_L123456"]
    assert tree.node_hash(b"N123", b"N456").hex() == published["node_N123_N456"]
    count("Certificate Transparency roots", len(published["roots_hex"]), len(published["roots_hex"]))


def test_every_published_inclusion_proof_is_judged_as_published(vectors: Vectors) -> None:
    cases = vectors("rfc6962-proofs/inclusion.json")
    for case in cases:
        arguments = (
            _bytes(case["leafHash"]), case["leafIdx"], case["treeSize"], _all(case["proof"]), _bytes(case["root"])
        )  # fmt: skip
        if case["wantErr"]:
            with pytest.raises(Untrusted):
                tree.verify_inclusion(*arguments)
        else:
            tree.verify_inclusion(*arguments)
    count("RFC 6962 inclusion proofs", len(cases), 98)


def test_every_published_consistency_proof_is_judged_as_published(vectors: Vectors) -> None:
    cases = vectors("rfc6962-proofs/consistency.json")
    for case in cases:
        arguments = (
            case["size1"], case["size2"], _root(case["root1"]), _root(case["root2"]), _all(case["proof"])
        )  # fmt: skip
        if case["wantErr"]:
            with pytest.raises(Untrusted):
                tree.verify_consistency(*arguments)
        else:
            tree.verify_consistency(*arguments)
    count("RFC 6962 consistency proofs", len(cases), 98)


# ---------------------------------------------------------------- against the reference


def test_the_root_equals_the_recursive_reference_for_every_small_size() -> None:
    for size in range(300):
        assert tree.root(LEAVES[:size]) == reference(LEAVES[:size])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=5))
def test_the_tile_tree_equals_the_recursive_reference_however_it_was_appended(batches: list[int]) -> None:
    store = Store(*batches)
    assert store.root == reference(LEAVES[: store.size])
    assert store.rows == Store(store.size).rows


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_proofs_made_from_tiles_hold_for_every_older_size(data: st.DataObject) -> None:
    stored = data.draw(st.integers(1, 1400))
    store = Store(stored)
    size = data.draw(st.integers(1, stored))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    read = tiles.hashes(size, store.read)
    root = tree.root_of(size, read)
    assert root == reference(LEAVES[:size])
    tree.verify_inclusion(LEAVES[index], index, size, tree.inclusion_proof(index, size, read), root)
    proof = tree.consistency_proof(old, size, read)
    tree.verify_consistency(old, size, reference(LEAVES[:old]), root, proof)
    in_memory = tree.reader(LEAVES[:size])
    assert proof == tree.consistency_proof(old, size, in_memory)
    for work in (partial(tree.inclusion_proof, index, size), partial(tree.consistency_proof, old, size)):
        store.readings = 0
        assert tiles.at_once(size, work, store.tiles) == work(in_memory)
        assert store.readings == 1


def _flips(proof: list[bytes]) -> list[list[bytes]]:
    flipped = []
    for place, each in enumerate(proof):
        for bit in range(len(each) * 8):
            changed = bytes(b ^ (1 << bit % 8) if at == bit // 8 else b for at, b in enumerate(each))
            flipped.append([*proof[:place], changed, *proof[place + 1 :]])
    return flipped


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_every_flipped_bit_of_a_proof_is_rejected(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    read = tree.reader(LEAVES[:size])
    root, old_root = tree.root(LEAVES[:size]), tree.root(LEAVES[:old])
    inclusion, consistency = tree.inclusion_proof(index, size, read), tree.consistency_proof(old, size, read)
    for bad in [*_flips(inclusion), inclusion[:-1], [*inclusion, root]]:
        with pytest.raises(Untrusted):
            tree.verify_inclusion(LEAVES[index], index, size, bad, root)
    for bad in [*_flips(consistency), consistency[:-1], [*consistency, root]]:
        with pytest.raises(Untrusted):
            tree.verify_consistency(old, size, old_root, root, bad)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_proof_holds_for_no_other_index_leaf_or_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 200))
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    read, root = tree.reader(LEAVES[:size]), tree.root(LEAVES[:size])
    proof = tree.inclusion_proof(index, size, read)
    for leaf, place, top in (
        (LEAVES[index], other, root),
        (LEAVES[other], index, root),
        (LEAVES[index], index, root[::-1]),
    ):
        with pytest.raises(Untrusted):
            tree.verify_inclusion(leaf, place, size, proof, top)


def test_hashes_of_a_wrong_length_are_rejected_before_they_are_hashed() -> None:
    with pytest.raises(Untrusted):
        tree.verify_inclusion(LEAVES[0], 0, 2, [b"short"], tree.root(LEAVES[:2]))
    with pytest.raises(Untrusted):
        tree.verify_inclusion(b"", 0, 1, [], b"")


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 4)])
def test_no_inclusion_proof_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        tree.inclusion_proof(index, size, tree.reader(LEAVES[:4]))


@pytest.mark.parametrize(("old", "new"), [(0, 4), (5, 4)])
def test_no_consistency_proof_is_made_from_nothing_or_backwards(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no consistency proof"):
        tree.consistency_proof(old, new, tree.reader(LEAVES[:4]))


# ---------------------------------------------------------------- tiles


def test_appending_changes_only_the_right_edge() -> None:
    store = Store(700, 1)
    assert [(each.level, each.index, each.width) for each in store.changed[1]] == [(0, 2, 189)]
    store = Store(767, 1)
    assert [(each.level, each.index, each.width) for each in store.changed[1]] == [(0, 2, 256), (1, 0, 3)]


def test_appending_nothing_changes_nothing() -> None:
    store = Store(300, 0)
    assert store.changed[1] == ()
    assert store.root == reference(LEAVES[:300])
    assert Store(0).root == tree.EMPTY_ROOT


def test_a_tile_shorter_than_its_tree_is_noticed() -> None:
    store = Store(300)
    store.rows[0, 1] = store.rows[0, 1][:-32]
    with pytest.raises(Untrusted):
        store.append(LEAVES[300:301])
    with pytest.raises(Untrusted):
        tree.root_of(300, tiles.hashes(300, store.read))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ((0, 0, 256), "tile/0/000"),
        ((0, 1234067, 256), "tile/0/x001/x234/067"),
        ((3, 999, 7), "tile/3/999.p/7"),
        ((1, 1000, 255), "tile/1/x001/000.p/255"),
    ],
)
def test_a_tile_has_one_name(place: tuple[int, int, int], name: str) -> None:
    assert tiles.path(*place) == name
    assert tiles.parse_path(name) == place


@pytest.mark.parametrize(
    "name",
    ["tile/0/0", "tile/0/x000/001", "tile/00/000", "tile/64/000", "tile/0/000.p/0", "tile/0/000.p/256",
     "tile/0/000.p/07", "tile/0/001/x234", "tile/0/000/", "/tile/0/000", "tile/0/000\n", "tile/-1/000", "tile/٠/000"],
)  # fmt: skip
def test_any_other_name_of_a_tile_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        tiles.parse_path(name)
