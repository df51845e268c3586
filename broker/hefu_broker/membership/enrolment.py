"""Becoming a participant: a one-time token, proof that the keys are held, and the offline root's signature.

The broker admits nobody by itself. It keeps a request until a `participant.certified` statement of the root is handed
in that says exactly what was requested.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta

from hefu import canonical, identity, suites
from hefu.canonical import Json, Object
from hefu.envelope import PublicKey, Statement, draft, new_id
from hefu.errors import Conflict, Malformed, Refused, Unauthenticated, Untrusted
from hefu.identity import Participant
from hefu.keeping.keys import key_id
from hefu.membership.directory import Directory
from hefu.times import Clock, write_time

from hefu_broker.membership.authority import requested_key
from hefu_broker.membership.trust import AHEAD, members
from hefu_broker.ports import EnrolmentStore, LookupStore, RegistryStore
from hefu_broker.records import EVERYBODY, Enrolment, EnrolmentState, Outgoing, Token

REQUESTED = "enrollment.requested"
TOKEN_LIFE = timedelta(hours=24)
MEMBERSHIP_LIFE = timedelta(days=365)
LARGEST_REQUEST = 16 * 1024  # bytes
_TOKEN_BYTES = 32
_RESERVED = {identity.ROOT, "system"}


class Enrolments:
    """Tokens, requests and their certification.

    Args:
        root: the pinned root key.
        changed: called after a participant was certified and kept.
    """

    def __init__(
        self,
        directory: Directory,
        root: PublicKey,
        store: EnrolmentStore,
        registry: RegistryStore,
        lookups: LookupStore,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._root = root
        self._store = store
        self._registry = registry
        self._lookups = lookups
        self._clock = clock
        self._changed = changed

    def invite(self, participant: str, roles: frozenset[str], life: timedelta = TOKEN_LIFE) -> str:
        """A new one-time token for a name and at most these roles; only its digest is kept.

        Raises:
            Malformed: the name or a role is not well formed.
            Refused: the space's charter does not allow it a role.
            Conflict: the name is certified already.
        """
        identity.check_name(participant)
        if not roles or roles - {*identity.ROLES}:
            raise Malformed("request.malformed", why=f"roles are some of {', '.join(identity.ROLES)}")
        self._check_charter(participant, roles)
        self._check_free(participant)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        while token.startswith("-"):  # a command line would take it for an option
            token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._store.issue(Token(_digest(token), participant, roles, self._clock.now() + life))
        return token

    def enroll(self, token: str, data: bytes, csr: bytes) -> Enrolment:
        """Take a self-signed request; it then waits for the root.

        The very same request under the token that it used has the answer that it had, however late it comes again:
        whoever sends it did not hear that answer.

        Raises:
            Unauthenticated: the token is unknown, used or expired.
            Untrusted: the request or the signing request is not signed by the keys in it.
            Refused: the token is for another name or other roles.
            Conflict: the name of the participant or connector is taken.
        """
        if len(data) > LARGEST_REQUEST:
            raise Malformed("request.too_large", limit=LARGEST_REQUEST)
        if not token or len(token) > 200:
            raise Unauthenticated("token.refused")
        known = self._lookups.opened(_digest(token))
        if known is not None and (known.request, known.csr) == (data, csr):
            return known
        asked = self._read(Statement.parse(data))
        requested_key(csr)
        connector = identity.check_name(str(asked.body["connector"]), "The connector's name")
        participant = asked.issuer
        self._check_free(participant)
        if connector in self._directory_names() or self._lookups.holder(connector) not in (None, participant):
            raise Conflict("connector.taken", connector=connector)
        roles = frozenset(map(str, _texts(asked.body["roles"])))
        now = self._clock.now()
        return self._store.open(
            Enrolment(new_id("enr"), participant, connector, roles, data, csr, now), _digest(token), now
        )

    def enrolment(self, id_: str) -> Enrolment:
        """One enrolment, for whoever knows its id. Raises NotFound."""
        return self._store.enrolment(id_)

    def pending(self) -> list[Enrolment]:
        """Requests that wait for the root, oldest first."""
        return self._store.enrolments(EnrolmentState.PENDING)

    def draft(self, id_: str, life: timedelta = MEMBERSHIP_LIFE) -> Statement:
        """The `participant.certified` statement that the root's holder is asked to sign. Raises NotFound."""
        found = self._store.enrolment(id_)
        self._check_charter(found.participant, found.roles)
        asked, now = Statement.parse(found.request).body, self._clock.now()
        body: Object = {name: asked[name] for name in ("participant", "names", "keys", "sealing", "external_ids")}
        body |= {"roles": [*sorted(found.roles)], "not_before": write_time(now), "not_after": write_time(now + life)}
        return draft(identity.CERTIFIED, body, space=self._directory.space, issuer=identity.ROOT, at=now)

    def certify(self, id_: str, data: bytes) -> Participant:
        """Admit a participant by the root's statement.

        Raises:
            Untrusted: not the root's, or it says something else than was requested.
            Conflict: the enrolment is closed.
        """
        found, statement = self._store.enrolment(id_), Statement.parse(data)
        asked = Statement.parse(found.request).body
        if found.state is not EnrolmentState.PENDING:
            raise Conflict("enrolment.closed", state=found.state)
        # Not in the directory that is in use: nothing may show there before it is kept.
        participant = Directory(self._directory.space, self._root).certify(statement)
        same = all(statement.body[name] == asked[name] for name in ("participant", "names", "keys", "sealing"))
        if not same or participant.roles != found.roles:
            raise Untrusted("certification.differs", participant=found.participant)
        self._check_charter(participant.id, participant.roles)
        self._registry.certify(participant, Outgoing.of(statement, EVERYBODY), id_)
        self._changed()
        return participant

    def reject(self, id_: str) -> None:
        """Close a request for good. Raises Conflict where it is not pending."""
        self._store.reject(id_)

    def _read(self, asked: Statement) -> Statement:
        """Steps: form; space; names; then the proof of possession under the one key that the request itself holds."""
        asked.expect(REQUESTED)
        body = members(asked.body, "participant", "names", "roles", "keys", "sealing", "connector", "external_ids")
        if asked.space != self._directory.space:
            raise Untrusted("space.other", found=asked.space[:64], expected=self._directory.space)
        if abs(asked.time - self._clock.now()) > AHEAD:
            raise Untrusted("statement.early", type=REQUESTED)
        participant = identity.check_name(str(body["participant"]))
        if asked.issuer != participant or participant in _RESERVED:
            raise Malformed("identity.malformed", what="The name of the participant")
        _check_certifiable(asked, self._clock)
        key = _only_key(body["keys"], participant)
        asked.verify({key.key: key})
        return asked

    def _check_charter(self, participant: str, roles: frozenset[str]) -> None:
        charter = self._directory.charter
        for role in sorted(roles - charter.honours(participant, roles) if charter else ()):
            raise Refused("charter.role", participant=participant, role=role)

    def _check_free(self, participant: str) -> None:
        if participant in self._directory_names():
            raise Conflict("participant.taken", participant=participant)

    def _directory_names(self) -> set[str]:
        return {each.id for each in self._directory.participants()}


def _check_certifiable(asked: Statement, clock: Clock) -> None:
    """The request must be readable as the certification that would follow from it."""
    body = {name: value for name, value in asked.body.items() if name != "connector"}
    body |= {"not_before": write_time(clock.now()), "not_after": write_time(clock.now())}
    Participant.of(draft(identity.CERTIFIED, body, space=asked.space, issuer=identity.ROOT, at=asked.time))


def _only_key(keys: Json, participant: str) -> PublicKey:
    rows = keys if isinstance(keys, list) else []
    row = rows[0] if len(rows) == 1 and isinstance(rows[0], dict) else {}
    suite = row.get("suite")
    if set(row) != {"key", "suite", "use", "value"} or row["use"] != "sign" or suite not in suites.ENABLED:
        raise Malformed("statement.malformed", why="exactly one signing key of an enabled suite is needed")
    public = identity.read_bytes(str(row["value"]), suites.KNOWN[str(suite)].key_size)
    if row["key"] != key_id(participant, public):
        raise Malformed("statement.malformed", why="the key's id is not that of its bytes")
    return PublicKey(str(row["key"]), participant, public, str(suite))


def _texts(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _digest(token: str) -> str:
    return canonical.digest(token.encode())
