"""Enrolments, participants, certificates, bindings and the status list in the database."""

from __future__ import annotations

from datetime import datetime

from hefu.errors import Conflict, NotFound, Refused, Unauthenticated, Untrusted
from hefu.identity import Binding, Participant, StatusList
from hefu.times import read_time, write_time
from sqlmodel import Session, col, select, update

from hefu_broker.records import Certificate, Enrolment, EnrolmentState, Kept, Outgoing, Token
from hefu_broker.storage.counter import REGISTRY, next_of
from hefu_broker.storage.database import Database
from hefu_broker.storage.external import add_external_ids
from hefu_broker.storage.models import (
    BindingRow,
    CertificateRow,
    CounterRow,
    EnrolmentRow,
    MembershipRow,
    ParticipantRow,
    StatusRow,
    TokenRow,
)
from hefu_broker.storage.outbox import queue


class SqlEnrolmentStore:
    """`hefu_broker.ports.EnrolmentStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(self, token: Token) -> None:
        """See the port."""
        with self._database.writing() as session:
            session.add(
                TokenRow(
                    digest=token.digest,
                    space_id=self._database.space,
                    participant=token.participant,
                    roles=_join(token.roles),
                    expires=write_time(token.expires),
                )
            )

    def open(self, enrolment: Enrolment, token: str, at: datetime) -> Enrolment:
        """See the port."""
        with self._database.writing() as session:
            held = session.get(TokenRow, token)
            if held is None or held.space_id != self._database.space:
                raise Unauthenticated("token.refused")
            used = session.exec(select(EnrolmentRow).where(EnrolmentRow.token == token)).first()
            if used is not None:
                if (used.request, used.csr) != (enrolment.request, enrolment.csr):
                    raise Unauthenticated("token.refused")
                return _enrolment(used)
            if read_time(held.expires) < at:
                raise Unauthenticated("token.refused")
            if held.participant != enrolment.participant or not enrolment.roles <= _split(held.roles):
                raise Refused("token.other", participant=held.participant, roles=held.roles.replace(" ", ", "))
            session.add(
                EnrolmentRow(
                    id=enrolment.id,
                    space_id=self._database.space,
                    token=token,
                    participant=enrolment.participant,
                    connector=enrolment.connector,
                    roles=_join(enrolment.roles),
                    request=enrolment.request,
                    csr=enrolment.csr,
                    opened=write_time(enrolment.opened),
                    state=enrolment.state,
                )
            )
            return enrolment

    def enrolment(self, id_: str) -> Enrolment:
        """See the port."""
        with self._database.reading() as session:
            return _enrolment(_open_row(session, id_, self._database.space))

    def enrolments(self, state: EnrolmentState) -> list[Enrolment]:
        """See the port."""
        with self._database.reading() as session:
            wanted = select(EnrolmentRow).where(
                EnrolmentRow.space_id == self._database.space, EnrolmentRow.state == state
            )
            return [_enrolment(row) for row in session.exec(wanted.order_by(EnrolmentRow.opened, EnrolmentRow.id))]

    def reject(self, id_: str) -> None:
        """See the port."""
        with self._database.writing() as session:
            row = _open_row(session, id_, self._database.space)
            if row.state != EnrolmentState.PENDING:
                raise Conflict("enrolment.closed", state=row.state)
            row.state = EnrolmentState.REJECTED


class SqlRegistryStore:
    """`hefu_broker.ports.RegistryStore` and `LookupStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def statements(self, at: datetime, after: int = -1) -> Kept:
        """See the port."""
        space = self._database.space
        certified = select(ParticipantRow.certification).where(
            ParticipantRow.space_id == space, ParticipantRow.revision > after
        )
        bound = select(BindingRow.statement).where(
            BindingRow.space_id == space, BindingRow.not_after >= write_time(at), BindingRow.revision > after
        )
        status = select(StatusRow.statement).where(StatusRow.space_id == space, StatusRow.revision > after)
        with self._database.reading() as session:
            row = session.get(CounterRow, (space, REGISTRY))
            newest = row.value if row else 0
            if newest == after:
                return Kept(newest, ())
            found = (
                *session.exec(certified.order_by(ParticipantRow.certified)),
                *session.exec(bound.order_by(BindingRow.not_after)),
                *session.exec(status),
            )
            return Kept(newest, found)

    def certify(self, participant: Participant, certification: Outgoing, enrolment: str | None) -> None:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            if session.get(ParticipantRow, (space, participant.id)) is not None:
                raise Conflict("participant.taken", participant=participant.id)
            if enrolment is not None:
                row = _open_row(session, enrolment, space)
                if row.state != EnrolmentState.PENDING:
                    raise Conflict("enrolment.closed", state=row.state)
                row.state, row.certification = EnrolmentState.CERTIFIED, certification.envelope
            session.add(
                ParticipantRow(
                    space_id=space,
                    id=participant.id,
                    certified=write_time(participant.not_before),
                    certification=certification.envelope,
                    revision=next_of(session, space, REGISTRY),
                )
            )
            for role in sorted(participant.roles):
                session.add(MembershipRow(space_id=space, participant=participant.id, role=role, state="active"))
            add_external_ids(session, space, "participant", participant.id, participant.external_ids)
            queue(session, space, [certification])

    def issued(self, certificate: Certificate) -> None:
        """See the port."""
        with self._database.writing() as session:
            session.add(
                CertificateRow(
                    fingerprint=certificate.fingerprint,
                    space_id=self._database.space,
                    participant=certificate.participant,
                    connector=certificate.connector,
                    der=certificate.der,
                    not_after=write_time(certificate.not_after),
                )
            )

    def bind(self, binding: Binding, statement: Outgoing) -> Certificate:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            row = session.get(CertificateRow, binding.fingerprint)
            mine = row and (row.space_id, row.participant, row.connector, row.not_after)
            if row is None or mine != (space, binding.participant, binding.connector, write_time(binding.not_after)):
                raise Untrusted("certificate.foreign", participant=binding.participant)
            held = session.get(BindingRow, binding.fingerprint)
            if held is None or held.statement != statement.envelope:
                session.merge(
                    BindingRow(
                        fingerprint=binding.fingerprint,
                        space_id=space,
                        participant=binding.participant,
                        connector=binding.connector,
                        endpoint=binding.endpoint,
                        not_after=write_time(binding.not_after),
                        statement=statement.envelope,
                        revision=next_of(session, space, REGISTRY),
                    )
                )
                queue(session, space, [statement])
            return _certificate(row)

    def replace_status(self, status: StatusList, statement: Outgoing, *, logged: bool) -> None:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            row = session.get(StatusRow, space)
            if (row.sequence if row else 0) != status.sequence - 1:
                raise Conflict("status.changed")
            revision = next_of(session, space, REGISTRY)
            newest = statement.envelope
            changed = newest if logged else row.logged if row else None
            session.merge(
                StatusRow(space_id=space, sequence=status.sequence, statement=newest, revision=revision, logged=changed)
            )
            if logged:
                _set_memberships(session, space, status)
                queue(session, space, [statement])

    def certificate(self, fingerprint: str) -> Certificate | None:
        """See the port."""
        with self._database.reading() as session:
            row = session.get(CertificateRow, fingerprint)
            return _certificate(row) if row and row.space_id == self._database.space else None

    def holder(self, connector: str) -> str | None:
        """See the port."""
        with self._database.reading() as session:
            wanted = select(EnrolmentRow.participant).where(
                EnrolmentRow.space_id == self._database.space,
                EnrolmentRow.connector == connector,
                EnrolmentRow.state != EnrolmentState.REJECTED,
            )
            return session.exec(wanted).first()

    def opened(self, token: str) -> Enrolment | None:
        """See the port."""
        with self._database.reading() as session:
            wanted = select(EnrolmentRow).where(
                EnrolmentRow.space_id == self._database.space, EnrolmentRow.token == token
            )
            row = session.exec(wanted).first()
            return _enrolment(row) if row else None

    def status(self) -> bytes | None:
        """See the port."""
        with self._database.reading() as session:
            row = session.get(StatusRow, self._database.space)
            return row.statement if row else None

    def logged_status(self) -> bytes | None:
        """See the port."""
        with self._database.reading() as session:
            row = session.get(StatusRow, self._database.space)
            return row.logged if row else None


def _set_memberships(session: Session, space: str, status: StatusList) -> None:
    whole = update(MembershipRow).where(col(MembershipRow.space_id) == space)
    session.exec(whole.values(state="active"))
    for each in status.standings:
        session.exec(whole.where(col(MembershipRow.participant) == each.subject).values(state=each.state))


def _open_row(session: Session, id_: str, space: str) -> EnrolmentRow:
    row = session.get(EnrolmentRow, id_)
    if row is None or row.space_id != space:
        raise NotFound("resource.not_found", what="enrolment", name=id_[:64])
    return row


def _enrolment(row: EnrolmentRow) -> Enrolment:
    return Enrolment(
        id=row.id,
        participant=row.participant,
        connector=row.connector,
        roles=_split(row.roles),
        request=row.request,
        csr=row.csr,
        opened=read_time(row.opened),
        state=EnrolmentState(row.state),
        certification=row.certification,
    )


def _certificate(row: CertificateRow) -> Certificate:
    return Certificate(row.fingerprint, row.der, row.participant, row.connector, read_time(row.not_after))


def _join(roles: frozenset[str]) -> str:
    return " ".join(sorted(roles))


def _split(roles: str) -> frozenset[str]:
    return frozenset(roles.split())
