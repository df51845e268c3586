"""The desk: one visit to a log, from the checkpoint of the last visit to a verified bundle.

Steps of a visit:
1. The newest checkpoint is signed by the pinned key of the pinned log.
2. It extends the one this auditor verified last, by the log's own consistency proof. If it does not, both signed
   notes are kept as evidence: together they prove that the log has two histories.
3. All entries up to its size are fetched; those this auditor may not read stand as hashes.
4. The bundle is verified offline, as anybody can do it again, the last checkpoint among its checks.
5. Only if the entries give the signed root is the checkpoint remembered.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hefu import canonical
from hefu.checking.verify import Pins, Report, verify
from hefu.errors import HefuError, Unavailable, Untrusted
from hefu.evidence.bundle import MOST_STAMPS, BundleEntry, Manifest, open_bundle, write_bundle
from hefu.evidence.timestamps import Stamp
from hefu.space import SpaceFile
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import VerifierKey

from hefu_audit.ports import LogReader, Memory

# Without these nothing that follows means anything, and the checkpoint is not remembered.
_FOUNDATION = {"bundle", "trust", "checkpoint", "witnesses", "tree", "earlier"}


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visit brought: the bundle's manifest, the report of its verification, the size at the last visit."""

    manifest: Manifest
    report: Report
    before: int


def visit(
    space: SpaceFile, log: LogReader, memory: Memory, out: Path, stamps: Callable[[], Sequence[Stamp]] = tuple
) -> Visit:
    """Visit the log and write a verified bundle.

    Args:
        stamps: what gives the time stamps that the log keeps.

    Raises:
        Untrusted: the checkpoint is not the log's, or the log is not an extension of what it was; evidence is kept.
        Unavailable: the log cannot be reached, or serves fewer entries than it signed.
    """
    key, last = VerifierKey.parse(space.log_key), memory.last()
    note = log.checkpoint()
    head = checkpoint.verify(note, key)  # 1
    earlier = checkpoint.verify(last, key) if last is not None else None
    if last is not None and earlier is not None:
        check_extends(log, memory, (last, earlier), (note, head))  # 2
    manifest = write_bundle(out, space, note, read_entries(log, head.size), stamps_up_to(stamps(), head.size))  # 3
    with open_bundle(out) as bundle:
        report = verify(bundle, Pins(space.root, key, last, space))  # 4
    if not _FOUNDATION.intersection(report.failed()):
        memory.keep(note, head)  # 5
    return Visit(manifest, report, earlier.size if earlier else 0)


def extends(earlier: Checkpoint, later: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether one checkpoint provably extends another. Everything extends the empty log."""
    if earlier.origin != later.origin or earlier.size > later.size:
        return False
    if earlier.size == 0:
        return True
    try:
        tree.verify_consistency(earlier.size, later.size, earlier.root, later.root, proof)
    except Untrusted:
        return False
    return True


def check_extends(log: LogReader, memory: Memory, before: tuple[str, Checkpoint], now: tuple[str, Checkpoint]) -> None:
    """Refuse a log that is no extension of what it was, and keep both its notes as evidence. Raises Untrusted."""
    (last, earlier), (note, head) = before, now
    proof = _proof(log, earlier.size, head.size)
    if extends(earlier, head, proof):
        return
    name = f"{earlier.size}-{head.size}-{canonical.digest((last + note).encode())[7:19]}.json"
    where = memory.evidence(
        name, {"earlier": last, "later": note, "consistency": [base64.b64encode(each).decode() for each in proof]}
    )
    raise Untrusted("log.inconsistent", size=earlier.size, reasons=[f"the evidence is kept in {where}"])


def _proof(log: LogReader, old: int, new: int) -> Sequence[bytes]:
    """The log's proof; none where it gives none. A log that cannot be reached is not thereby at fault."""
    if not 0 < old < new:
        return ()
    try:
        return log.consistency(old, new)
    except Unavailable:
        raise
    except HefuError:
        return ()


def stamps_up_to(stamps: Sequence[Stamp], size: int) -> list[Stamp]:
    """The newest of them that are over a tree of at most this size, as many as a bundle takes."""
    return [each for each in stamps if each.size <= size][-MOST_STAMPS:]


def read_entries(log: LogReader, size: int, first: int = 0) -> Iterator[BundleEntry]:
    """All entries from one on, in order; each entry's hash is of the bytes that came, never of what the log says.

    Raises:
        Untrusted: they come in another order.
        Unavailable: the log serves fewer than it signed.
    """
    index = first
    while index < size:
        page = log.entries(index)
        for entry in page[: size - index]:
            if entry.index != index:
                raise Untrusted("audit.order", expected=index, found=entry.index)
            yield entry
            index += 1
        if not page:
            raise Unavailable("audit.withheld", size=size, index=index)
