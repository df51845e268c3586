"""Gossip: what each signer saw of the log when it signed, held against the log as it is now.

A statement may name the newest checkpoint that its signer had verified (`seen`). So the log carries with it what it
showed to whom: a log that showed one history to some and another to others accuses itself.
"""

from __future__ import annotations

from hefu.checking.checks import Facts, Findings
from hefu.tlog import tree
from hefu.tlog.checkpoint import Checkpoint


def check_seen(facts: Facts) -> Findings:
    """Every `seen` is a checkpoint of this log, of entries that stood before the statement."""
    record, findings = facts.record, Findings()
    told = [(each.index, each.statement.seen) for each in record.logged if each.statement.seen is not None]
    if record.logged and record.logged[-1].index >= len(record.leaves):
        return Findings(unchecked=len(told))  # an excerpt: the leaves before are not here
    read = tree.reader(record.leaves) if told else None
    roots: dict[int, bytes] = {}
    for index, seen in told:
        findings.seen += 1
        if seen.size > index:
            findings.faults.append(f"entry {index}: its signer saw {seen.size} entries, more than stood before it")
        elif read is not None:
            if seen.size not in roots:
                roots[seen.size] = tree.root_of(seen.size, read)
            fault = _differs(seen, record.space.log_origin, roots[seen.size])
            if fault:
                findings.faults.append(f"entry {index}: {fault}")
    return findings


def _differs(seen: Checkpoint, origin: str, root: bytes) -> str:
    if seen.origin != origin:
        return f"its signer saw the log {seen.origin}, this is {origin}"
    return "" if seen.root == root else f"its signer saw another history of the first {seen.size} entries"
