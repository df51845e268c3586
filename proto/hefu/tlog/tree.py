"""The Merkle tree of RFC 6962: hashes, roots, and proofs made and verified.

A tree is a number of leaves (its size) and a way to read hashes. `ReadHash` answers for *complete* subtrees only:
``read(level, index)`` is the root of the 2^level leaves that start at ``index * 2^level``. Every hash a proof needs
is a combination of those, so no one ever holds all leaves: `hefu.tlog.tiles` reads them from tiles.

Source: RFC 6962 section 2.1 (hashes, making proofs), RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verifying them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from hefu.errors import Untrusted

HASH_SIZE = 32  # bytes
EMPTY_ROOT = hashlib.sha256(b"").digest()

ReadHash = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over all leaf hashes: RFC 6962's MTH, without recursion."""
    return root_of(len(leaf_hashes), reader(leaf_hashes))


def reader(leaf_hashes: Sequence[bytes]) -> ReadHash:
    """Complete subtrees of a tree whose leaf hashes are all in memory."""
    levels = [list(leaf_hashes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return lambda level, index: levels[level][index]


def root_of(size: int, read: ReadHash) -> bytes:
    """The root of the first ``size`` leaves."""
    return range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: ReadHash) -> list[bytes]:
    """The hashes that lead from leaf ``index`` to the root of the tree of ``size`` leaves, leaf first.

    Source: RFC 6962 section 2.1.1, PATH(m, D[n]).
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    return path(index, 0, size, read)


def path(index: int, start: int, end: int, read: ReadHash) -> list[bytes]:
    """The hashes from a leaf to the root over the leaves of an aligned range, leaf first."""
    found = []
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            found.append(range_hash(middle, end, read))
            end = middle
        else:
            found.append(range_hash(start, middle, read))
            start = middle
    return found[::-1]


def consistency_proof(old: int, new: int, read: ReadHash) -> list[bytes]:
    """The hashes that show the first ``old`` of ``new`` leaves to be unchanged.

    Source: RFC 6962 section 2.1.2, PROOF(m, D[n]).
    """
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from {old} to {new}")
    found, start, end = [], 0, new
    while old != end:
        middle = start + split(end - start)
        if old <= middle:
            found.append(range_hash(middle, end, read))
            end = middle
        else:
            found.append(range_hash(start, middle, read))
            start = middle
    if start:
        found.append(range_hash(start, end, read))
    return found[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check that a leaf hash stands at an index of the tree with this size and root.

    Raises:
        Untrusted: the proof does not lead to the root.
    """
    # RFC 9162 section 2.1.3.2; the steps are numbered as there.
    check_hashes("inclusion", leaf, expected_root, *proof)
    if not 0 <= index < size:  # 1
        raise Untrusted("log.proof", kind="inclusion")
    fn, sn, computed = index, size - 1, leaf  # 2, 3
    for step in proof:  # 4
        if sn == 0:  # 4.1
            raise Untrusted("log.proof", kind="inclusion")
        if fn & 1 or fn == sn:  # 4.2
            computed = node_hash(step, computed)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:  # 4.3
            computed = node_hash(computed, step)
        fn, sn = fn >> 1, sn >> 1  # 4.4
    if sn or computed != expected_root:  # 5
        raise Untrusted("log.proof", kind="inclusion")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of size ``old`` is a prefix of the tree of size ``new``.

    A proof from the empty tree is refused: there is nothing to be consistent with. Whoever starts at nothing (a
    witness) says so itself.

    Raises:
        Untrusted: the proof does not connect the two roots.
    """
    # RFC 9162 section 2.1.4.2; the steps are numbered as there.
    check_hashes("consistency", old_root, new_root, *proof)
    if old == new and old > 0:
        holds = not proof and old_root == new_root
    else:
        holds = 0 < old < new and bool(proof) and _connects(old, new, old_root, new_root, proof)  # 1
    if not holds:
        raise Untrusted("log.proof", kind="consistency")


def _connects(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)  # 2
    fn, sn = old - 1, new - 1  # 3
    while fn & 1:  # 4
        fn, sn = fn >> 1, sn >> 1
    fr = sr = steps[0]  # 5
    for step in steps[1:]:  # 6
        if sn == 0:  # 6.1
            return False
        if fn & 1 or fn == sn:  # 6.2
            fr, sr = node_hash(step, fr), node_hash(step, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:  # 6.3
            sr = node_hash(sr, step)
        fn, sn = fn >> 1, sn >> 1  # 6.4
    return fr == old_root and sr == new_root and sn == 0  # 7


def split(size: int) -> int:
    """The largest power of two below a size of at least two."""
    return 1 << ((size - 1).bit_length() - 1)


def range_hash(start: int, end: int, read: ReadHash) -> bytes:
    """MTH(D[start:end]) of a range that the RFC's recursion can reach (its start is aligned to its width)."""
    hashes = [read(level, index) for level, index in _complete(start, end)]
    computed = hashes.pop()
    while hashes:
        computed = node_hash(hashes.pop(), computed)
    return computed


def _complete(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def check_hashes(kind: str, *hashes: bytes) -> None:
    """Check that all have the length of a hash.

    Raises:
        Untrusted: one has not.
    """
    if any(len(each) != HASH_SIZE for each in hashes):
        raise Untrusted("log.proof", kind=kind)
