"""Who may act, as this connector verified it itself; kept, so that it holds with the broker away and after a restart.

What comes from the broker is believed only as far as it is signed under the pinned root, and what comes from our own
store is verified again at every start. Standing is refreshed every few seconds; a list older than one seen is refused.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from hefu import canonical
from hefu.envelope import PublicKey, Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Unauthenticated, Unavailable, Untrusted
from hefu.identity import Binding, Participant, Standing, StatusList
from hefu.membership.charter import Charter
from hefu.membership.directory import Directory, Resting
from hefu.membership.mandate import LIFTED, Order
from hefu.space import SpaceFile
from hefu.times import Clock, write_time

from hefu_connector import ports
from hefu_connector.brokerage import Member, Registry
from hefu_connector.shelves import STATUS, Mark, Marks

log = logging.getLogger("hefu.trust")

_PARTICIPANT, _BINDING, _CHARTER, _ORDER, _RESTING = "participant/", "binding/", "charter", "order/", "resting/"
AHEAD = timedelta(minutes=5)  # how far the operator's clock may be before ours
_KEEP_STATUS_EVERY = 30  # seconds; a restart believes the list to be at most this much older than it is
# So that a stranger who calls again and again cannot make this connector flood the broker.
_MOST_LOOKUPS, _LOOKUP_WINDOW = 8, 4.0  # look-ups, seconds


class SpaceTrust:
    """`ports.Trust`, and who calls and where to call. Safe to use from many threads.

    Args:
        space: the pinned root.
        registry: the broker's; everything it says is verified.
        marks: where verified statements outlive this process.
    """

    def __init__(self, space: SpaceFile, registry: Registry, marks: Marks, clock: Clock) -> None:
        self._root = space.root
        self._directory = Directory(space.space, space.root)
        self._registry = registry
        self._marks = marks
        self._clock = clock
        self._lock = threading.Lock()
        self._lookups: deque[datetime] = deque()
        self._members_seen = 0  # revision of the broker's registry
        self._status_kept: datetime | None = None
        self._pinned = int(space.charter or "0")

    def load(self) -> None:
        """Take up what was kept before, verified anew.

        Raises:
            Untrusted: what is kept does not verify under the pinned root: the space file or the store was changed.
        """
        for mark in self._marks.all(_PARTICIPANT):
            self._directory.certify(Statement.parse(mark.text.encode()))
        now = self._clock.now()
        for mark in self._marks.all(_BINDING):
            if mark.number < now.timestamp() or not self._still_bound(mark):
                self._marks.remove(mark.name)
        charter = self._marks.find(_CHARTER)
        if charter is not None:
            self._directory.adopt(Statement.parse(charter.text.encode()))
        for mark in sorted(self._marks.all(_ORDER), key=lambda each: each.number):
            with suppress(Refused):  # its regulator is none any more
                self._directory.order(Statement.parse(mark.text.encode()))
        status = self._marks.find(STATUS)
        if status is not None:
            self._take_up(Statement.parse(status.text.encode()))
        for mark in self._marks.all(_RESTING):
            self._directory.rest(Resting(Standing.of(canonical.decode(mark.text.encode())), mark.number))

    def _take_up(self, status: Statement) -> None:
        try:
            self._directory.apply(status)
        except Untrusted as fault:
            if fault.code != "key.unknown":
                raise
            # Its key is not among those kept. Without a list nothing is permitted, and the next one is asked for.
            log.warning("the status list that was kept is left out: %s", fault.public())

    def refresh_status(self) -> None:
        """Ask for the newest status list.

        Raises:
            Unavailable: the broker is away; what is known stays, and its age grows.
            Untrusted: the list is not the operator's, or older than one seen.
        """
        self.apply(self._registry.status())

    def apply(self, statement: Statement) -> None:
        """Take over a status list, wherever it came from, and keep it; raises Untrusted."""
        held = self._directory.status
        if statement.time > self._clock.now() + AHEAD:
            # It would look fresh for as long as nobody can bring a newer one.
            raise Untrusted("statement.early", type=statement.type)
        if not self._knows(statement.issuer):
            self.learn(statement.issuer)
        newest = self._apply(statement)
        kept = self._status_kept
        changed = held is None or held.sequence != newest.sequence
        if changed or kept is None or (newest.time - kept).total_seconds() >= _KEEP_STATUS_EVERY:
            try:
                self._marks.advance(Mark(STATUS, newest.sequence, statement.to_bytes().decode()))
            except Conflict:  # a replica of this connector saw a newer one
                self._take_kept_status()
            self._status_kept = newest.time

    def _take_kept_status(self) -> None:
        kept = self._marks.find(STATUS)
        if kept is not None:
            self._apply(Statement.parse(kept.text.encode()))

    def _apply(self, statement: Statement) -> StatusList:
        """Whom the list reinstates rests until the log shows it (promise T-e), over restarts too."""
        before = self._directory.resting
        newest = self._directory.apply(statement, rests=True)
        for subject, each in self._directory.resting.items():
            if before.get(subject) != each:
                text = canonical.encode(each.standing.body()).decode()
                self._marks.advance(Mark(_RESTING + subject, each.sequence, text))
        return newest

    def resting(self) -> bool:
        """Whether somebody was reinstated and the log was not seen to show it."""
        return bool(self._directory.resting)

    def wake(self, statement: Statement) -> None:
        """Let act again whom a list does not name that the log was seen to show; raises Untrusted."""
        for subject in self._directory.wake(statement):
            self._marks.remove(_RESTING + subject)
            log.warning("%s may act again", subject)

    def refresh_members(self) -> None:
        """Ask for the participants and bindings that are new since the last look; raises Unavailable."""
        revision, members = self._registry.members(self._members_seen)
        refused = [member for member in members if not self._admit(member)]
        if not refused:  # else the same are asked for again
            self._members_seen = revision

    def adopt(self, statement: Statement | None) -> None:
        """Take over and keep the space's charter, if there is a newer one; raises Untrusted."""
        if statement is None:
            return
        version, kept = self._directory.adopt(statement).version, self._marks.find(_CHARTER)
        if kept is None or kept.number < version:
            self._marks.advance(Mark(_CHARTER, version, statement.to_bytes().decode()))

    def order(self, statement: Statement) -> bool:
        """Take over and keep a regulator's order or lift; False where it was known.

        An order narrows rights: any key counts that was ever certified as its regulator's. A lift needs one that may
        act now; that the log shows it is the caller's to see.

        Raises:
            Refused: its issuer regulates nothing here, or it lifts no order of its own.
            Unauthenticated, Untrusted: its signature or its signer does not hold.
        """
        self.verify(statement)
        if statement.type == LIFTED:
            self.check(statement.issuer, *(each.key for each in statement.signatures))
        self._directory.try_order(statement)
        name = _ORDER + statement.digest()
        if self._marks.find(name) is None:  # kept before it acts, an order before its lift
            at = int(statement.type == LIFTED)
            self._marks.advance(Mark(name, at, statement.to_bytes().decode()))
        return self._directory.order(statement)

    def orders(self) -> list[tuple[Statement, Order]]:
        """The orders in force."""
        return self._directory.orders(self._clock.now())

    def charter(self) -> Charter | None:
        """The newest verified charter; None where the space has none.

        Raises:
            Unavailable: the space file says that there is one, and it or a newer one was not seen yet.
        """
        found = self._directory.charter
        if (found.version if found else 0) < self._pinned:
            raise Unavailable("charter.unknown", version=self._pinned)
        return found

    def learn(self, participant: str) -> None:
        """Ask for one participant; raises NotFound, Unavailable, Untrusted."""
        self._admit(self._registry.member(participant))

    def certify(self, statement: Statement) -> Participant:
        """Take over and keep a certification, such as one's own after enrolment; raises Untrusted.

        INVARIANT: it is kept before it is used. What is kept later may be signed by a key that stands in it, and would
        not verify after a start without it.
        """
        participant = Directory(self._directory.space, self._root).certify(statement)
        name, at = _PARTICIPANT + participant.id, int(statement.time.timestamp())
        kept = self._marks.find(name)
        if kept is None or kept.number < at:
            self._marks.advance(Mark(name, at, statement.to_bytes().decode()))
        return self._directory.certify(statement)

    def bind(self, statement: Statement) -> Binding:
        """Take over and keep a binding; raises Untrusted."""
        binding = self._directory.bind(statement)
        name, until = _BINDING + binding.fingerprint, int(binding.not_after.timestamp())
        kept, now = self._marks.find(name), self._clock.now().timestamp()
        if until >= now and (kept is None or Statement.parse(kept.text.encode()).time < statement.time):
            self._marks.advance(Mark(name, until, statement.to_bytes().decode()))
        return binding

    # ------------------------------------------------------------ ports.Trust

    def check(self, participant: str, *subjects: str) -> ports.Standing:
        """As in the port."""
        now = self._clock.now()
        try:
            self._directory.check_active(participant, now, *subjects)
        except Unauthenticated as fault:
            if fault.code != "identity.unknown" or not self._look_up(participant):
                raise
            self._directory.check_active(participant, now, *subjects)
        return ports.Standing(self.age())

    def check_orders(self, *subjects: str) -> None:
        """As in the port."""
        self._directory.check_orders(self._clock.now(), *subjects)

    def sealing(self, participant: str) -> bytes:
        """As in the port."""
        return self.participant(participant).sealing

    def roles(self, participant: str) -> frozenset[str]:
        """As in the port."""
        self.participant(participant)
        return self._directory.roles(participant)

    def attributes(self, participant: str) -> Mapping[str, frozenset[str]]:
        """As in the port."""
        return self.participant(participant).attributes()

    def verify(self, statement: Statement, *parties: str) -> None:
        """As in the port."""
        if statement.space != self._directory.space:
            raise Untrusted("space.other", found=statement.space, expected=self._directory.space)
        try:
            statement.verify(self._directory.keys, *parties)
        except Untrusted as fault:
            looked = [self._look_up(each) for each in parties or (statement.issuer,) if not self._knows(each)]
            if fault.code != "key.unknown" or not any(looked):
                raise
            statement.verify(self._directory.keys, *parties)

    def keys(self, participant: str) -> Sequence[PublicKey]:
        """As in the port."""
        return self._directory.keys_of(participant)

    # ------------------------------------------------------------ who calls, where to call

    def authenticate(self, fingerprint: str) -> Binding:
        """Whose transport certificate it is, if its participant may act now; looks it up once if it is unknown.

        Raises:
            Unauthenticated: not bound, expired, suspended or revoked.
        """
        now = self._clock.now()
        try:
            return self._directory.caller(fingerprint, now)
        except Unauthenticated as fault:
            if fault.code != "identity.unknown" or not self._look_up():
                raise
        return self._directory.caller(fingerprint, now)

    def endpoint(self, participant: str, *, anew: bool = False) -> Binding:
        """The newest verified binding with an address of a participant that may act now.

        Raises:
            NotFound: there is none.
            Unauthenticated: the participant may not act.
        """
        if anew:
            self._look_up(participant)
        self.check(participant)
        now = self._clock.now()
        try:
            found = self._directory.endpoint(participant, now)
        except NotFound:
            if not self._look_up(participant):
                raise
            found = self._directory.endpoint(participant, now)
        self._directory.check_active(participant, now, found.fingerprint)
        return found

    def bindings(self, participant: str, *, anew: bool = False) -> list[Binding]:
        """The verified bindings of a participant that may act now, the newest of each process, with an address or
        without; those that may be used, newest first.

        Raises:
            NotFound: there is none.
            Unauthenticated: the participant may not act.
        """
        if anew:
            self._look_up(participant)
        self.check(participant)
        found = self._bindings(participant)
        if not found and self._look_up(participant):
            found = self._bindings(participant)
        if not found:
            raise NotFound("resource.not_found", what="connector of", name=participant)
        return found

    def participant(self, id_: str) -> Participant:
        """A certified participant, whatever its standing; raises NotFound."""
        try:
            return self._directory.participant(id_)
        except NotFound:
            if not self._look_up(id_):
                raise
            return self._directory.participant(id_)

    def participants(self) -> list[Participant]:
        """All participants known here, by id."""
        return self._directory.participants()

    @property
    def clock(self) -> Clock:
        """The clock that standing is judged by."""
        return self._clock

    def age(self) -> float:
        """Seconds since the newest verified status list was signed; infinite where none was ever seen."""
        status = self._directory.status
        if status is None:
            return float("inf")
        return max(0.0, (self._clock.now() - status.time).total_seconds())

    def status_time(self) -> str:
        """When the newest verified status list was signed, RFC 3339; empty before the first."""
        status = self._directory.status
        return write_time(status.time) if status else ""

    def standing(self, participant: str) -> str:
        """``active``, ``suspended`` or ``revoked``, for people to read."""
        status, resting = self._directory.status, self._directory.resting
        for each in (*(status.standings if status else ()), *(each.standing for each in resting.values())):
            if each.subject == participant:
                return each.state
        return "active"

    def _bindings(self, participant: str) -> list[Binding]:
        now, found = self._clock.now(), []
        for each in self._directory.bindings(participant, now):
            with suppress(Unauthenticated):  # this one certificate may be revoked
                self._directory.check_active(participant, now, each.fingerprint)
                found.append(each)
        return found

    def _still_bound(self, mark: Mark) -> bool:
        """Take up a kept binding; one under a key that was replaced since opens nothing more."""
        try:
            self._directory.bind(Statement.parse(mark.text.encode()))
        except Untrusted as fault:
            log.warning("a kept binding is dropped: %s", fault.public())
            return False
        return True

    def _knows(self, participant: str) -> bool:
        try:
            self._directory.participant(participant)
        except NotFound:
            return False
        return True

    def _look_up(self, participant: str = "") -> bool:
        """Ask the broker for one participant or for all; whether it answered something that verifies."""
        now = self._clock.now()
        with self._lock:
            while self._lookups and (now - self._lookups[0]).total_seconds() > _LOOKUP_WINDOW:
                self._lookups.popleft()
            if len(self._lookups) >= _MOST_LOOKUPS:
                return False
            self._lookups.append(now)
        try:
            if participant:
                self.learn(participant)
            else:
                self.refresh_members()
        except (Unavailable, NotFound, Untrusted, Malformed):
            return False
        return True

    def _admit(self, member: Member) -> bool:
        try:
            self.certify(member.certification)
            for binding in member.bindings:
                self.bind(binding)
        except HefuError as fault:
            if isinstance(fault, Unavailable):
                raise
            # One that does not verify is not admitted; the others are.
            log.warning("a participant shown by the broker is not admitted: %s", fault.code)
            return False
        return True
