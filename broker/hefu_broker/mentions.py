"""Which entries of the log are about which agreement: found once as the log grows; nobody reads all of it again.

It is a finding aid for pages and proves nothing: what is found is verified against the log like everything else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hefu.canonical import Json
from hefu.errors import HefuError
from hefu.statements.receipt import FAILED, NOTHING, SEALED, Spent

from hefu_broker.log.entries import AuditLog
from hefu_broker.ports import EntryStore, MentionStore
from hefu_broker.records import Entry, Mention

BATCH = 500
# What makes and changes an agreement is told from its negotiation.
_ELSEWHERE = ("agreement", "enrollment.", "negotiation.", "participant.", "product.", "space.", "status.", "transport.")
_MOST_NAMED = 64


@dataclass(frozen=True, slots=True)
class Mentions:
    """The entries that name agreements, in one space."""

    store: MentionStore
    entries: EntryStore
    log: AuditLog

    def catch_up(self, batches: int) -> int:
        """Take in what was published since; returns the number of entries that were looked at in all.

        Args:
            batches: how many to read at most, of `BATCH` entries each.
        """
        reached, size = self.store.reached(), self.log.size()
        for _ in range(batches):
            if reached >= size:
                break
            found = self.entries.entries(reached, min(BATCH, size - reached))
            reached = self.store.add(reached, reached + len(found), [each for one in found for each in _named(one)])
        return reached


def _named(entry: Entry) -> list[Mention]:
    said = entry.outgoing
    if said.type.startswith(_ELSEWHERE):
        return []
    body = json.loads(said.envelope)["payload"]["body"]
    charge = _charge(body) if said.type in (SEALED, FAILED) else NOTHING
    return [Mention(each, entry.index, said.type, said.issuer, charge) for each in _agreements(body)]


def _agreements(body: dict[str, Json]) -> list[str]:
    """The agreements that a statement names, each once."""
    named = body.get("agreements")
    found = [*named[:_MOST_NAMED]] if isinstance(named, list) else [body.get("agreement")]
    texts = [each.get("agreement") if isinstance(each, dict) else each for each in found]
    return [*dict.fromkeys(each for each in texts if isinstance(each, str) and each.startswith("agr-"))]


def _charge(body: dict[str, Json]) -> Spent:
    try:
        return Spent.of(body.get("charge"))
    except (HefuError, KeyError, TypeError, ValueError):
        return NOTHING
