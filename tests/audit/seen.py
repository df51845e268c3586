"""A statement that names a checkpoint its signer had seen."""

from __future__ import annotations

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note

from tests.protocol.small_log import AGREEMENT, CONSUMER, PROVIDER, SmallLog


def say_seen(log: SmallLog, note: str) -> Statement:
    """The provider refuses something, and says which checkpoint it knew."""
    head = Checkpoint.parse(Note.parse(note).text)
    previous = canonical.digest(log.journal[-1])
    body: Object = {
        "computation": "cmp-seen", "request": "sha256:" + "0" * 64, "consumer": CONSUMER, "agreements": [AGREEMENT],
        "code": "policy.denied", "reasons": [],
        "journal": {"connector": PROVIDER, "sequence": len(log.journal), "previous": previous},
    }  # fmt: skip
    statement = draft("computation.refused", body, space="demo", issuer=PROVIDER, at=log.at, seen=head)
    statement = statement.sign(log.signers[PROVIDER], log.at)
    log.entries.append(statement.to_bytes())
    log.journal.append(log.entries[-1])
    return statement
