"""The one way in for a statement from a peer: everything is hostile until it has passed here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Malformed, Refused, Untrusted
from hefu.identity import Binding, Participant
from hefu.membership.directory import Directory
from hefu.times import Clock

from hefu_broker.membership.verifying import Verified, Verifying

# C2SP tlog-tiles: an entry's length is a uint16.
LARGEST_ENTRY = 65_535  # bytes
AHEAD = timedelta(minutes=5)  # how far a peer's clock may be before ours
OVERSEERS = frozenset({"regulator", "operator"})


class Trust:
    """Verifies statements against the directory, at the present time.

    Args:
        directory: who is who; its space is the only one served.
    """

    def __init__(self, directory: Directory, clock: Clock, verifying: Verifying | None = None) -> None:
        self.directory = directory
        self.clock = clock
        self._verifying = verifying or Verifying()

    def read(self, data: bytes, caller: Binding, type_: str | None = None, limit: int = LARGEST_ENTRY) -> Statement:
        """A statement that its caller issued and signed now, in this space.

        Raises:
            Malformed: too large, not a statement, or of another type.
            Refused: issued by somebody else than the caller.
            Untrusted: of another space, from the future, or a signature does not hold.
            Unauthenticated: the issuer or its key may not act.
        """
        if len(data) > limit:
            raise Malformed("request.too_large", limit=limit)
        statement = Statement.parse(data)
        if type_ is not None:
            statement.expect(type_)
        _check_issuer(statement, caller)
        self.check(statement, caller.participant)
        return statement

    def read_all(self, data: Sequence[bytes], caller: Binding, limit: int = LARGEST_ENTRY) -> list[Verified]:
        """As `read`, of many at once: all of them, or the first one's fault."""
        keys = {each.key: each for each in self.directory.keys_of(caller.participant)}
        found = None
        if all(len(each) <= limit for each in data):
            found = self._verifying.read(data, keys, caller.participant)
        if found is None:  # one does not hold: say which rule it breaks
            return [Verified.of(self.read(each, caller, limit=limit)) for each in data]
        for statement in found:
            _check_issuer(statement, caller)
            self._check_now(statement, caller.participant)
        return found

    def check(self, statement: Statement, *parties: str) -> None:
        """Check that exactly these parties signed, each with one key that may act; raises as `read`."""
        self._check_place(statement)
        statement.verify(self.directory.keys, *parties)
        self._check_now(Verified.of(statement), *parties)

    def _check_place(self, statement: Statement | Verified) -> None:
        now, space = self.clock.now(), self.directory.space
        if statement.space != space:
            raise Untrusted("space.other", found=statement.space[:64], expected=space)
        if statement.time > now + AHEAD:
            raise Untrusted("statement.early", type=statement.type)

    def _check_now(self, statement: Verified, *parties: str) -> None:
        """All but the signatures, which hold."""
        self._check_place(statement)
        now, keys = self.clock.now(), self.directory.keys
        signers = [keys[key].participant for key, _ in statement.signatures]
        if sorted(signers) != sorted(parties):
            raise Untrusted("signature.surplus", type=statement.type)
        for key, at in statement.signatures:
            signer = self.directory.participant(keys[key].participant)
            # A signature dated otherwise would stand in the log for ever as a fault that everybody's verifier finds.
            if not signer.not_before <= at <= now + AHEAD:
                raise Untrusted("statement.early", type=statement.type)
            self.directory.check_active(signer.id, now, key)

    def participant(self, caller: Binding, *roles: str) -> Participant:
        """The caller as it is certified now, if it has one of the roles (any, where none is given).

        Raises:
            Refused: it has none of them.
        """
        found = self.directory.participant(caller.participant)
        if roles and not self.directory.roles(found.id) & {*roles}:
            raise Refused("permission.role", role=" / ".join(roles))
        return found

    def oversees(self, caller: Binding) -> bool:
        """Whether the caller reads everything: a regulator or an operator."""
        return bool(self.directory.roles(caller.participant) & OVERSEERS)


def _check_issuer(statement: Statement | Verified, caller: Binding) -> None:
    if statement.issuer != caller.participant:
        raise Refused("identity.mismatch", found=caller.participant, expected=statement.issuer[:64])


def members(body: Object, *names: str) -> Object:
    """A body that has exactly these members.

    Raises:
        Malformed: one is missing or unknown.
    """
    if set(body) != {*names}:
        raise Malformed("statement.malformed", why=f"the body must have exactly {', '.join(sorted(names))}")
    return body


def text(body: Object, name: str, longest: int = 200) -> str:
    """A member that is a short text, not empty.

    Raises:
        Malformed: it is anything else.
    """
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Malformed("statement.malformed", why=f"{name} must be a text of at most {longest} characters")
    return value
