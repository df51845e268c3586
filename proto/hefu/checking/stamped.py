"""The check `timestamps` of an evidence bundle: what authorities stamped is the log that the bundle holds."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.x509 import Certificate

from hefu.checking.checks import Findings
from hefu.errors import HefuError
from hefu.evidence import timestamps
from hefu.evidence.bundle import Bundle
from hefu.evidence.record import Record
from hefu.evidence.timestamps import Stamp
from hefu.tlog import tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note


def check(stamps: Sequence[Stamp], authorities: Sequence[Certificate], bundle: Bundle, record: Record) -> Findings:
    """Check time stamps: each is over the text of the checkpoint that the first so many entries give.

    Of one contract's bundle, which lacks the other entries, only those of its own checkpoint can be checked.
    """
    findings = Findings(seen=len(stamps))
    if not authorities or not timestamps.installed():
        findings.unchecked = len(stamps)
        return findings
    for each in stamps:
        if each.size > bundle.manifest.size:
            findings.faults.append(f"a time stamp is of {each.size} entries, the log has {bundle.manifest.size} here")
        elif bundle.excerpt is not None and each.size != bundle.manifest.size:
            findings.unchecked += 1
        else:
            _check_one(each, authorities, _text(each.size, bundle, record), findings)
    return findings


def _check_one(stamp: Stamp, authorities: Sequence[Certificate], text: str, findings: Findings) -> None:
    try:
        timestamps.verify(stamp.response, text.encode(), authorities)
    except HefuError as fault:
        findings.faults.append(f"the time stamp of {stamp.size} entries: {fault.public()}")


def _text(size: int, bundle: Bundle, record: Record) -> str:
    if bundle.excerpt is not None:  # its checkpoint is verified by itself
        return Note.parse(bundle.checkpoint).text
    return str(Checkpoint(bundle.manifest.origin, size, tree.root(record.leaves[:size])))


def limits(stamps: Sequence[Stamp], authorities: Sequence[Certificate]) -> tuple[tuple[str, str], ...]:
    """What is not known of time, in English and Chinese; nothing where the time stamps were checked."""
    if not stamps:
        return (
            (
                "No time stamp is here: when an entry was logged is known from the log and its witnesses alone.",
                "没有任何时间戳机构的时间戳：条目何时记入仅由日志与见证方得知。",
            ),
        )
    if not authorities:
        return (
            (
                f"{len(stamps)} time stamps are not checked: give --authority FILE with the authority's certificates.",
                f"{len(stamps)} 个时间戳未经检查：请用 --authority FILE 给出时间戳机构的证书。",
            ),
        )
    if not timestamps.installed():
        return (
            (
                f"{len(stamps)} time stamps are not checked: install hefu[timestamps].",
                f"{len(stamps)} 个时间戳未经检查：请安装 hefu[timestamps]。",
            ),
        )
    return ()
