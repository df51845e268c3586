"""Who may not act: the numbered status list that the operator signs, anew every few seconds.

Every list has a higher sequence than the one before, so that an old one cannot be served again; its time tells
everybody how fresh their knowledge is. Only lists whose entries changed go to the audit log.
"""

from __future__ import annotations

from collections.abc import Callable

from hefu import identity
from hefu.envelope import Signer, Statement, draft
from hefu.errors import Conflict, NotFound, Refused, Unavailable
from hefu.identity import Standing, StatusList
from hefu.times import Clock

from hefu_broker.membership.registry import Registry
from hefu_broker.ports import LookupStore, RegistryStore
from hefu_broker.records import Outgoing

REVOKED, SUSPENDED = "revoked", "suspended"
_ATTEMPTS = 5  # a command and the server may write at the same time

Change = Callable[[tuple[Standing, ...]], tuple[Standing, ...]]


class Standings:
    """The status list of a space.

    Args:
        operator: the broker's participant id; `signer` holds its key.
        announce: called after a changed list was queued for the log.
    """

    def __init__(
        self,
        operator: str,
        signer: Signer,
        registry: Registry,
        store: RegistryStore,
        lookups: LookupStore,
        clock: Clock,
        announce: Callable[[], None],
    ) -> None:
        self._operator = operator
        self._signer = signer
        self._registry = registry
        self._store = store
        self._lookups = lookups
        self._clock = clock
        self._announce = announce

    def newest(self) -> Statement:
        """The newest signed list.

        Raises:
            Unavailable: none was signed yet.
        """
        data = self._lookups.status()
        if data is None:
            raise Unavailable("status.none")
        return Statement.parse(data)

    def logged(self) -> Statement:
        """The newest list that was handed to the log, where a proof of it can be had; its entries are the newest's."""
        data = self._lookups.logged_status()
        return self._replace(lambda held: held, logged=True) if data is None else Statement.parse(data)

    def refresh(self) -> Statement:
        """The same entries under a new sequence and time."""
        return self._replace(lambda held: held)

    def suspend(self, subject: str, reason: str) -> Statement:
        """Let a participant, key or certificate act no more until it is reinstated. Errors as `revoke`."""
        return self._stand(subject, SUSPENDED, reason)

    def revoke(self, subject: str, reason: str) -> Statement:
        """Let a participant, key or certificate never act again.

        Raises:
            NotFound: there is no such subject in this space.
            Conflict: it is revoked already.
            Refused: the subject is the broker itself.
        """
        return self._stand(subject, REVOKED, reason)

    def reinstate(self, subject: str) -> Statement:
        """Let a suspended subject act again.

        Raises:
            Conflict: it is not suspended.
        """

        def change(held: tuple[Standing, ...]) -> tuple[Standing, ...]:
            if not any(each.subject == subject and each.state == SUSPENDED for each in held):
                raise Conflict("standing.other", subject=subject)
            return tuple(each for each in held if each.subject != subject)

        return self._replace(change)

    def _stand(self, subject: str, state: str, reason: str) -> Statement:
        self._check_subject(subject)
        since = self._clock.now().replace(microsecond=0)

        def change(held: tuple[Standing, ...]) -> tuple[Standing, ...]:
            if any(each.subject == subject and each.state in (REVOKED, state) for each in held):
                raise Conflict("standing.other", subject=subject)
            rest = tuple(each for each in held if each.subject != subject)
            return (*rest, Standing(subject, state, since, reason[:500]))

        return self._replace(change)

    def _check_subject(self, subject: str) -> None:
        directory = self._registry.directory
        if subject in (self._operator, self._signer.key):
            raise Refused("standing.self")
        known = subject in directory.keys or self._lookups.certificate(subject) is not None
        if not known and subject not in {each.id for each in directory.participants()}:
            raise NotFound("resource.not_found", what="participant, key or certificate", name=subject[:80])

    def _replace(self, change: Change, *, logged: bool = False) -> Statement:
        for attempt in range(_ATTEMPTS):
            data = self._lookups.status()
            held = StatusList.of(Statement.parse(data)) if data else None
            before = held.standings if held else ()
            after = change(before)
            now = self._clock.now()
            status = StatusList(held.sequence + 1 if held else 1, now, after)
            made = draft(
                identity.STATUS, status.body(), space=self._registry.directory.space, issuer=self._operator, at=now
            ).sign(self._signer, now)
            changed = logged or after != before or held is None
            try:
                self._store.replace_status(status, Outgoing.of(made), logged=changed)
                break
            except Conflict:
                if attempt + 1 == _ATTEMPTS:
                    raise
        self._registry.reload()
        if changed:
            self._announce()
        return made
