"""Runs over several connectors, at one of their parties: it waits for the others, and goes on with what all signed.

A party's computation is decided and charged like any other. Then it waits, and no thread with it, until its consumer
brings the word of every party: a `session.joined` with a key that is fresh for this run. A word for another run, of
another party, or under a key that the root did not certify changes nothing, and nor does one party too few. Where the
words do not come in time, the computation ends: nothing was revealed, and what was charged stays charged.

The key lives in memory alone: after a crash nobody goes on with it, and the computation fails.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Signer, Statement, draft
from hefu.errors import Conflict, Malformed, NotFound, Unauthenticated, Untrusted
from hefu.identity import read_bytes, write_bytes
from hefu.times import Clock
from hefu_policies.reading import Place

from hefu_connector.computing.admission import Admitted
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.pairs import SIZE, OwnKey
from hefu_connector.ports import Run, Trust
from hefu_connector.session import Party, Session

JOINED = "session.joined"
Go = Callable[[Admitted, Run], None]

_REMEMBERED = 1000  # ends, so that who repeats itself is answered alike


@dataclass(frozen=True, slots=True)
class Joined:
    """The body of `session.joined`: a party takes part in one run, under this key.

    Attributes:
        session: the digest of the run.
        computation: the party's part of it, and `request`: the digest of what it was asked.
        key: a raw X25519 public key.
    """

    session: str
    computation: str
    request: str
    key: bytes

    def body(self) -> Object:
        """As JSON."""
        return {
            "session": self.session,
            "computation": self.computation,
            "request": self.request,
            "key": write_bytes(self.key),
        }

    @classmethod
    def of(cls, statement: Statement) -> Joined:
        """Read a statement's body; its signature is the caller's to verify.

        Raises:
            Malformed: of another type, or a member is missing, unknown or of a wrong form.
        """
        place = Place(statement.expect(JOINED).body, "joined")
        found = place.members(("session", "computation", "request", "key"))
        key = read_bytes(found["key"].text(64), SIZE)
        return cls(found["session"].digest(), found["computation"].text(64), found["request"].digest(), key)


@dataclass(frozen=True, slots=True)
class Met:
    """What all parties of a run signed, as one of them verified it.

    Attributes:
        words: digest of all of it, and of what was carried.
        joined: what each signed.
        secrets: what this party and each other have in common.
        carried: digest of the others' sealed results, which the aggregator adds up; empty elsewhere.
    """

    words: str
    joined: Mapping[str, Joined]
    secrets: Mapping[str, bytes]
    carried: str = ""


@dataclass(slots=True, eq=False)
class _Seat:
    """A computation that takes part in a run: it waits until `met` is set."""

    admitted: Admitted
    run: Run
    session: Session
    own: OwnKey
    word: Statement
    until: datetime
    met: Met | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """Whose computations take part, and what its words are made and judged with."""

    participant: str
    space: str
    signer: Signer
    trust: Trust
    clock: Clock
    seconds: float


class Meeting:
    """The computations of this connector that take part in runs. Any thread may call.

    Args:
        go: carries a computation on.
    """

    def __init__(self, host: Host, go: Go) -> None:
        self._host = host
        self._go = go
        self._lock = threading.Lock()
        self._seats: dict[str, _Seat] = {}
        self._ended: OrderedDict[str, str] = OrderedDict()  # computation -> digest of the words that it went on with

    def take(self, admitted: Admitted, run: Run, session: Session) -> None:
        """Let a computation, decided and charged, wait for the others."""
        own, host, now = OwnKey(), self._host, self._host.clock.now()
        body = Joined(session.digest(), run.id, run.request, own.public).body()
        word = draft(JOINED, body, space=host.space, issuer=host.participant, at=now).sign(host.signer, now)
        seat = _Seat(admitted, run, session, own, word, now + timedelta(seconds=host.seconds))
        with self._lock:
            self._seats[run.id] = seat

    def word(self, computation: str) -> Statement | None:
        """What this party signed for a computation; None where it takes part in no run, or no more."""
        with self._lock:
            seat = self._seats.get(computation)
        return seat.word if seat is not None else None

    def carry_on(self, computation: str, words: Sequence[Statement], carried: str) -> None:
        """Go on with a computation; with the same again nothing changes.

        Args:
            words: what every party signed, this one's too.
            carried: for the aggregator alone, the digest of the others' sealed results.

        Raises:
            Malformed: a party's word is missing, unreadable, or there is one too many.
            Untrusted, Unauthenticated: a word is forged, of another run, or of whoever may not act.
            Conflict: it goes on already with other words, or has ended.
        """
        with self._lock:
            seat, said = self._seats.get(computation), self._ended.get(computation)
        if seat is None:
            if said == _words(words, carried):  # its end may not be told yet, and a repetition tells no more
                return
            raise Conflict("session.closed", computation=computation)
        met = _meet(seat.session, seat.own, seat.word, words, carried, self._host)
        with self._lock:
            if self._seats.get(computation) is not seat or (seat.met is not None and seat.met.words != met.words):
                raise Conflict("session.closed", computation=computation)
            first, seat.met = seat.met is None, seat.met or met
        if first:
            self._go(seat.admitted, seat.run)

    def met(self, computation: str) -> Met | None:
        """What the parties of a computation's run signed; None of one that takes part in none."""
        with self._lock:
            seat = self._seats.get(computation)
        return seat.met if seat is not None else None

    def end(self, computation: str) -> None:
        """Have a computation that waits carried on, so that it ends; whoever calls has said before how."""
        with self._lock:
            seat = self._seats.get(computation)
            waits = seat is not None and seat.met is None
            if waits:
                del self._seats[computation]
        if seat is not None and waits:
            self._go(seat.admitted, seat.run)

    def forget(self, computation: str) -> None:
        """A computation has ended; its key is gone."""
        with self._lock:
            seat = self._seats.pop(computation, None)
            if seat is not None and seat.met is not None:
                self._ended[computation] = seat.met.words
                while len(self._ended) > _REMEMBERED:
                    self._ended.popitem(last=False)

    def overdue(self) -> list[str]:
        """Computations whose other parties did not come in time."""
        now = self._host.clock.now()
        with self._lock:
            return [name for name, seat in self._seats.items() if seat.met is None and now >= seat.until]


def check_seat(session: Session, request: ComputationRequest, consumer: str, participant: str) -> None:
    """Check that a run names this very request as this participant's part of it, before anything is charged.

    Raises:
        Malformed: it does not.
    """
    mine = Party(participant, request.agreements[0], request.computation)
    if mine not in session.parties or len(request.agreements) != 1 or session.consumer != consumer:
        raise Malformed("session.seat", computation=request.computation)


def transcript(session: Session, keys: Mapping[str, bytes]) -> bytes:
    """What all parties must have agreed on for their masks to cancel: the run and every key (32 bytes)."""
    said: Object = {"session": session.digest(), "keys": {name: write_bytes(key) for name, key in keys.items()}}
    return bytes.fromhex(canonical.digest(canonical.encode(said)).removeprefix("sha256:"))


def _meet(
    session: Session, own: OwnKey, word: Statement, words: Sequence[Statement], carried: str, host: Host
) -> Met:  # fmt: skip
    if bool(carried) != (host.participant == session.aggregator):
        raise Malformed("session.carried", party=session.aggregator)
    found = {each.issuer: _verified(each, session, host) for each in words}
    missing = sorted({*session.names} - {*found})
    if missing or len(words) != len(found):
        raise Malformed("session.missing", parties=", ".join(missing) or "-")
    if found[host.participant].key != own.public or _digests(words)[host.participant] != word.digest():
        raise Untrusted("session.differs", party=host.participant)
    keys = {name: each.key for name, each in found.items()}
    if len({*keys.values()}) != len(keys):
        raise Malformed("masks.key")
    base = transcript(session, keys)
    secrets = {each.participant: own.secret(keys[each.participant], base) for each in session.others(host.participant)}
    return Met(_words(words, carried), found, secrets, carried)


def _words(words: Sequence[Statement], carried: str) -> str:
    """The digest of all that was brought to a meeting."""
    said: Object = {"words": {**_digests(words)}, "carried": carried}
    return canonical.digest(canonical.encode(said))


def _verified(word: Statement, session: Session, host: Host) -> Joined:
    """A party's word, if it is that party's and for this run."""
    said, issuer = Joined.of(word), word.issuer
    try:
        party = session.party(issuer)
    except NotFound:
        raise Untrusted("session.differs", party=issuer) from None
    if word.space != host.space:
        raise Unauthenticated("space.other", found=word.space, expected=host.space)
    host.trust.verify(word, issuer)
    host.trust.check(issuer, *(each.key for each in word.signatures))
    if (said.session, said.computation) != (session.digest(), party.computation):
        raise Untrusted("session.differs", party=issuer)
    return said


def _digests(words: Sequence[Statement]) -> dict[str, str]:
    return {each.issuer: each.digest() for each in words}
