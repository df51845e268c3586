"""Sealed openings at the broker: kept for regulators, handed over on a logged word, erased at their owner's.

The broker can open nothing of them. What a regulator opens stands in a published checkpoint before a byte is handed
over, and is told to the agreement's parties like a notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Conflict, Malformed, NotFound, Refused
from hefu.identity import Binding
from hefu.membership.mandate import OPENED, Access, check_mandate
from hefu.running.changes import Changes
from hefu.statements.openings import LARGEST_SEALED

from hefu_broker.log.entries import AuditLog
from hefu_broker.mandate.orders import LARGEST, Denials
from hefu_broker.membership.trust import Trust
from hefu_broker.ports import Announce, EntryStore, FiledStore, NoticeStore, TalkStore
from hefu_broker.records import FiledEnd, Outgoing

MOST_FILED, MOST_ERASED, _TRIES = 64, 256, 8


class Openings:
    """What is filed in one space.

    Args:
        announce: called after something was queued for the log.
        changes: rings after every change of a negotiation.
    """

    def __init__(
        self, trust: Trust, filed: FiledStore, talks: TalkStore, notices: NoticeStore, entries: EntryStore,
        log: AuditLog, denials: Denials, announce: Announce, changes: Changes,
    ) -> None:  # fmt: skip
        self._trust = trust
        self._filed = filed
        self._talks = talks
        self._notices = notices
        self._entries = entries
        self._log = log
        self._denials = denials
        self._announce = announce
        self._changes = changes

    def file(self, caller: Binding, filed: Sequence[FiledEnd]) -> int:
        """Keep sealed openings of the caller's own ends; how many of them are kept.

        An end that is not here yet, or names other bytes, is left out.

        Raises:
            Malformed: too many, or too large.
        """
        if len(filed) > MOST_FILED or any(len(each.sealed) > LARGEST_SEALED for each in filed):
            raise Malformed("request.too_large", limit=LARGEST_SEALED)
        named = self._named(caller.participant, [each.end for each in filed])
        right = [each for each in filed if named.get(each.end) == canonical.digest(each.sealed)]
        self._filed.file(caller.participant, right)
        return len(right)

    def erase(self, caller: Binding, ends: Sequence[str]) -> int:
        """Delete sealed openings of the caller's own ends for good; how many there were."""
        if len(ends) > MOST_ERASED:
            raise Malformed("request.too_large", limit=MOST_ERASED)
        return self._filed.erase(caller.participant, ends)

    def access(self, caller: Binding, data: bytes) -> None:
        """Take a regulator's word that it opens what is filed; to be logged, and told to the agreement's parties.

        Raises:
            Refused: the caller has no mandate; that is logged.
            NotFound: there is no such agreement.
            Malformed, Untrusted, Unauthenticated: a check on the statement failed.
        """
        statement = self._trust.read(data, caller, OPENED, LARGEST)
        access, directory = Access.of(statement), self._trust.directory
        try:
            check_mandate(directory.charter, statement.issuer, directory.roles(statement.issuer))
        except Refused as fault:
            self._denials.note(statement, fault)
            raise
        for _ in range(_TRIES):
            talk = self._talks.talk(access.agreement)
            if talk.agreement is None or talk.agreement.body["agreement"] != access.agreement:
                raise NotFound("resource.not_found", what="agreement", name=access.agreement[:64])
            if self._notices.knows(access.agreement, statement.digest()):
                return
            after = replace(talk, notices=talk.notices + 1, updated=self._trust.clock.now())
            try:
                self._notices.add(after, talk.revision, Outgoing.of(statement, *talk.parties))
            except Conflict:
                continue
            self._announce()
            self._changes.announce()
            return
        raise Conflict("log.moved")

    def opened(self, caller: Binding, leaf_hash: bytes) -> list[FiledEnd]:
        """What an access of the caller names, once the log shows it.

        INVARIANT: nothing is handed over before the access stands in a published checkpoint.

        Raises:
            NotFound: it does not, or not yet.
            Refused: it is somebody else's, or the caller has no mandate any more.
        """
        proof = self._log.proof(leaf_hash)
        (entry,) = self._entries.entries(proof.index, 1)
        statement, directory = Statement.parse(entry.outgoing.envelope), self._trust.directory
        if statement.type != OPENED or statement.issuer != caller.participant:
            raise Refused("order.mandate", regulator=caller.participant)
        check_mandate(directory.charter, caller.participant, directory.roles(caller.participant))
        access = Access.of(statement)
        under = {end for end in access.ends if access.agreement in self._agreements(end)}
        return self._filed.filed([*under])

    def _agreements(self, end: str) -> set[str]:
        found = self._filed.logged([end])
        rows = Statement.parse(found[0]).body.get("agreements") if found else None
        ids = [each.get("agreement") if isinstance(each, dict) else each for each in rows or []]  # type: ignore[union-attr]
        return {each for each in ids if isinstance(each, str)}

    def _named(self, issuer: str, ends: Sequence[str]) -> dict[str, object]:
        """What ends of a participant say they filed, by the digest of their envelopes."""
        kept = [(canonical.digest(each), Statement.parse(each)) for each in self._filed.logged(ends)]
        return {end: each.body.get("filed") for end, each in kept if each.issuer == issuer}
