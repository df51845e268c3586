"""Subtrees of a log's tree: whole trees over an aligned interval of its leaves, and proofs about them.

What a cosigner signs with ML-DSA-44 names a subtree; a checkpoint is the one that starts at 0. An auditor who holds a
subtree's hash needs its entries only, and shows with one proof that they stand in the log.

Source: draft-ietf-plants-merkle-tree-certs, section "Subtrees"; C2SP tlog-cosignature v1.1, type 0x06.
"""

from __future__ import annotations

from collections.abc import Sequence

from hefu.errors import Untrusted
from hefu.tlog import tree
from hefu.tlog.tree import EMPTY_ROOT, ReadHash, node_hash


def is_valid(start: int, end: int) -> bool:
    """Whether the leaves from `start` until before `end` form a subtree; so does no leaf, wherever it stands."""
    return 0 <= start <= end and start % _ceiling(end - start) == 0


def root(start: int, end: int, read: ReadHash) -> bytes:
    """The hash of a subtree."""
    _expect(start, end)
    return tree.range_hash(start, end, read) if start < end else EMPTY_ROOT


def inclusion_proof(index: int, start: int, end: int, read: ReadHash) -> list[bytes]:
    """The hashes that lead from a leaf of the log to the hash of a subtree, leaf first."""
    _expect(start, end)
    if not start <= index < end:
        raise ValueError(f"leaf {index} is not in [{start}, {end})")
    return tree.path(index, start, end, read)


def consistency_proof(start: int, end: int, size: int, read: ReadHash) -> list[bytes]:
    """The hashes that show a subtree to be part of the tree of `size` leaves: SUBTREE_PROOF of the draft."""
    _expect(start, end)
    if end > size:
        raise ValueError(f"[{start}, {end}) is not in a tree of {size}")
    if start == end:
        return []
    found, low, high, first, known = [], 0, size, start, True
    while (first, end) != (low, high):
        split = low + tree.split(high - low)
        if end <= split:
            found.append(tree.range_hash(split, high, read))
            high = split
            continue
        found.append(tree.range_hash(low, split, read))
        if first < split:  # the subtree reaches over the split: its own hash is in the tree no more
            first, known = split, False
        low = split
    if not known:
        found.append(tree.range_hash(low, high, read))
    return found[::-1]


def covering(start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two subtrees beside each other that hold an interval of leaves, and few before it."""
    if not 0 <= start <= end:
        raise ValueError(f"[{start}, {end}) is no interval")
    if end - start <= 1:
        return (start, end), (end, end)
    last = end - 1
    mask = (1 << ((start ^ last).bit_length() - 1)) - 1
    middle = last & ~mask
    left = (~start & mask).bit_length()
    return (start >> left << left, middle), (middle, end)


def verify_inclusion(leaf: bytes, index: int, start: int, end: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Check that a leaf of the log stands in a subtree with this hash.

    Raises:
        Untrusted: it is no subtree, or the proof does not lead to its hash.
    """
    if not is_valid(start, end):
        raise Untrusted("log.proof", kind="inclusion")
    tree.verify_inclusion(leaf, index - start, end - start, proof, expected)


def verify_consistency(
    start: int, end: int, size: int, subtree: bytes, expected_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a subtree with this hash is part of the tree of `size` leaves with this root.

    The empty subtree is part of every tree: it says nothing about its root.

    Raises:
        Untrusted: the proof does not connect the two hashes.
    """
    # The steps are numbered as in "Verifying a Subtree Consistency Proof".
    tree.check_hashes("consistency", subtree, expected_root, *proof)
    if not is_valid(start, end) or end > size:  # 1
        raise Untrusted("log.proof", kind="consistency")
    if start == end:  # 2
        holds = not proof and subtree == EMPTY_ROOT
    else:
        holds = _connects(start, end, size, subtree, expected_root, proof)
    if not holds:
        raise Untrusted("log.proof", kind="consistency")


def _connects(start: int, end: int, size: int, subtree: bytes, expected_root: bytes, proof: Sequence[bytes]) -> bool:
    fn, sn, tn = start, end - 1, size - 1  # 3
    shift = _shift(fn, sn, edge=sn == tn)  # 4, 5
    fn, sn, tn = fn >> shift, sn >> shift, tn >> shift
    steps = list(proof) if fn != sn else [subtree, *proof]  # 6
    if not steps:  # 7.1
        return False
    fr = sr = steps.pop(0)  # 7.2
    for each in steps:  # 8
        if tn == 0:  # 8.1
            return False
        if sn & 1 or sn == tn:  # 8.2
            fr = node_hash(each, fr) if fn < sn else fr
            sr = node_hash(each, sr)
            while not sn & 1:
                fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
        else:  # 8.3
            sr = node_hash(sr, each)
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1  # 8.4
    return tn == 0 and fr == subtree and sr == expected_root  # 9


def _shift(fn: int, sn: int, *, edge: bool) -> int:
    """How many levels lie below the first hash of a proof: all of a subtree at the tree's edge, else its full part."""
    found = 0
    while fn >> found != sn >> found and (edge or (sn >> found) & 1):
        found += 1
    return found


def _ceiling(size: int) -> int:
    """The smallest power of two that is not below a size; 1 for none."""
    return 1 << max(size - 1, 0).bit_length()


def _expect(start: int, end: int) -> None:
    if not is_valid(start, end):
        raise ValueError(f"[{start}, {end}) is no subtree")
