"""A connector's journal says now and then how far it has come, what the log took, and what it saw of the log.

`journal.head` is an entry of the journal, handed in like every other, so its own place anchors all before it in the
log. It names the leaf of every statement that the broker said it took outside of the journal (publications, rounds of a
negotiation, notices, terminations): a broker that took one and left it out is found by whoever reads the log. And it
names the newest checkpoint that its signer had verified: a log that shows others another history contradicts it.

What the broker refused stands in no head, so a refusal leaves no gap; what it took just before a crash may stand in
none either. LIMIT: that one is then missed by the parties' copies only (`hefu.checking.reconcile`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hefu.canonical import Json, Object
from hefu.checking import operating
from hefu.checking.checks import Facts, Findings
from hefu.envelope import Statement
from hefu.errors import HefuError
from hefu.evidence.record import Logged
from hefu.identity import STATUS
from hefu.members import digest, exactly, listed, many, reading, text, whole
from hefu.statements.receipt import Link
from hefu.tlog import tree
from hefu.tlog.checkpoint import Checkpoint

HEAD = "journal.head"
MOST_TAKEN = 100  # leaves in one head, so that it stays far below what the log takes
_SHA256 = "sha256:"


@dataclass(frozen=True, slots=True)
class Head:
    """The body of `journal.head`.

    Attributes:
        journal: its own place; everything before it is anchored by it.
        taken: leaf hashes of statements that the broker took since the head before.
        seen: size and root of the newest checkpoint of the log that was verified; None before the first.
        standing: number of the newest status list that was verified, and the digest of whom it names; None before one.
    """

    journal: Link
    taken: tuple[bytes, ...] = ()
    seen: tuple[int, bytes] | None = None
    standing: tuple[int, str] | None = None

    def body(self) -> Object:
        """``{journal, taken}``; ``seen`` as ``{size, root}`` and ``standing`` as ``{sequence, entries}`` if known."""
        body: Object = {"journal": self.journal.body(), "taken": listed(_SHA256 + each.hex() for each in self.taken)}
        if self.seen is not None:
            body["seen"] = {"size": self.seen[0], "root": _SHA256 + self.seen[1].hex()}
        if self.standing is not None:
            body["standing"] = {"sequence": self.standing[0], "entries": self.standing[1]}
        return body

    @classmethod
    def of(cls, statement: Statement) -> Head:
        """Read a `journal.head`; its signature is the caller's to verify.

        Raises:
            Malformed: another type, or a member missing, unknown or of a wrong form.
        """
        body = statement.expect(HEAD).body
        with reading(HEAD):
            exactly(body, "journal", "taken", *{"seen", "standing"} & body.keys())
            shown = _seen(body["seen"]) if "seen" in body else None
            standing = _standing(body["standing"]) if "standing" in body else None
            return cls(Link.of(body["journal"]), many(body["taken"], _hash), shown, standing)


def seen(head: Checkpoint) -> tuple[int, bytes] | None:
    """What a head says of a verified checkpoint; nothing of an empty log."""
    return (head.size, head.root) if head.size else None


def check_heads(facts: Facts) -> Findings:
    """What the broker took stands in the log before the head that says so, and each checkpoint seen is of this tree.

    Leaves are compared, so that nothing need be readable: a swallowed statement is found in any bundle.
    """
    findings = Findings()
    heads = [*_read(facts, findings)]
    findings.seen = len(heads)
    wanted, first = {leaf for _, head in heads for leaf in head.taken}, dict[bytes, int]()
    for index, leaf in enumerate(facts.record.leaves):
        if leaf in wanted:
            first.setdefault(leaf, index)
    read = tree.reader(facts.record.leaves) if heads else None
    for logged, head in heads:
        lacking = [leaf for leaf in head.taken if first.get(leaf, logged.index) >= logged.index]
        findings.faults += [_lacking(logged, leaf) for leaf in lacking]
        if head.seen is not None and read is not None:
            findings.faults += _seen_faults(logged, head.seen, read)
        for fault in _standing_faults(facts, logged, head):
            facts.missing(findings, fault)  # a list that is hidden here may have named them
    return findings


def _read(facts: Facts, findings: Findings) -> Iterator[tuple[Logged, Head]]:
    for logged in facts.record.of(HEAD):
        try:
            yield logged, Head.of(logged.statement)
        except HefuError as fault:
            findings.faults.append(f"entry {logged.index}: {fault.public()}")


def _lacking(logged: Logged, leaf: bytes) -> str:
    name, issuer = leaf.hex()[:16], logged.statement.issuer
    return f"entry {logged.index}: the broker took the statement {name} of {issuer}, which the log lacks before it"


def _seen_faults(logged: Logged, shown: tuple[int, bytes], read: tree.ReadHash) -> list[str]:
    size, root = shown
    issuer = logged.statement.issuer
    if size > logged.index:
        return [f"entry {logged.index}: {issuer} saw {size} entries before this one: some were cut off"]
    if tree.root_of(size, read) != root:
        return [f"entry {logged.index}: {issuer} saw another history of the first {size} entries"]
    return []


def _standing_faults(facts: Facts, logged: Logged, head: Head) -> list[str]:
    """A list that only repeats the one before is signed anew and not logged, so it must name the same."""
    if head.standing is None:
        return []
    sequence, named = head.standing
    lists = [each for each in facts.record.of(STATUS) if each.index < logged.index and _number(each) <= sequence]
    if lists and operating.names(lists[-1].statement) != named:
        issuer = logged.statement.issuer
        return [f"entry {logged.index}: {issuer} was shown a status list {sequence} that names others than the log's"]
    return []


def _number(logged: Logged) -> int:
    sequence = logged.statement.body.get("sequence")
    return sequence if isinstance(sequence, int) else 0


def _standing(value: Json) -> tuple[int, str]:
    body = exactly(value, "sequence", "entries")
    return whole(body["sequence"]), digest(body["entries"])


def _hash(value: Json) -> bytes:
    return bytes.fromhex(digest(value).removeprefix(_SHA256))


def _seen(value: Json) -> tuple[int, bytes]:
    body = exactly(value, "size", "root")
    size = whole(body["size"])
    if not size:
        raise ValueError
    return size, _hash(text(body["root"]))
