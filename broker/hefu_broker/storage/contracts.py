"""Contract negotiations and agreements in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound, Refused
from hefu.times import read_time, write_time
from hefu_policies.agreeing.contract import Agreement, ContractRequest
from hefu_policies.states.lifecycle import AgreementState
from hefu_policies.states.negotiation import State
from sqlalchemy import func, insert
from sqlmodel import Session, and_, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from hefu_broker.records import Outgoing, Talk
from hefu_broker.storage import kept
from hefu_broker.storage.counter import REVISION, next_of
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import (
    MESSAGES,
    AgreementRow,
    EndorserRow,
    EntryRow,
    MessageRow,
    NegotiationRow,
    NoticeRow,
    PartyRow,
)
from hefu_broker.storage.outbox import queue

_SUSPENDED = AgreementState.SUSPENDED.value


class SqlTalkStore:
    """`hefu_broker.ports.TalkStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, talk: Talk, expected: int | None, outgoing: Sequence[Outgoing], most: int = 0) -> Talk:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            row = session.get(NegotiationRow, (space, talk.id))
            if (row.revision if row else None) != expected:
                raise Conflict("negotiation.moved", negotiation=talk.id)
            new = row is None
            row = row or _new_row(talk, space)
            if row.agreement_id is None:
                _claim_agreement(session, talk, space)
            row.revision = next_of(session, space, REVISION)
            # After this one process writes negotiations at a time, and what is counted cannot grow meanwhile.
            if new and most and _unanswered(session, talk, space) >= most:
                raise Refused("negotiation.unanswered", consumer=talk.consumer, most=most)
            _fill(row, talk)
            session.add(row)
            session.flush()
            if new:
                session.add_all(
                    EndorserRow(space_id=space, negotiation=talk.id, participant=each) for each in talk.endorsers
                )
            _add_messages(session, talk, space)
            if talk.state is State.FINALIZED:
                _keep_agreement(session, talk, space)
            queue(session, space, outgoing)
            return replace(talk, revision=row.revision, index=row.proof_index)

    def talk(self, id_: str) -> Talk:
        """See the port."""
        with self._database.reading() as session:
            wanted = _all(self._database.space).where(or_(NegotiationRow.id == id_, NegotiationRow.agreement_id == id_))
            row = session.exec(wanted).first()
            if row is None:
                raise NotFound("resource.not_found", what="negotiation", name=id_[:64])
            return _talk(session, row)

    def page(self, party: str | None, before: int | None, size: int) -> list[Talk]:
        """See the port."""
        wanted = _all(self._database.space, party)
        if before is not None:
            wanted = wanted.where(col(NegotiationRow.revision) < before)
        with self._database.reading() as session:
            rows = session.exec(wanted.order_by(col(NegotiationRow.revision).desc()).limit(size))
            return [_talk(session, row) for row in rows]

    def changes(self, party: str | None, after: int, size: int) -> list[Talk]:
        """See the port."""
        wanted = _all(self._database.space, party).where(col(NegotiationRow.revision) > after)
        with self._database.reading() as session:
            rows = session.exec(wanted.order_by(col(NegotiationRow.revision)).limit(size))
            return [_talk(session, row) for row in rows]

    def settle(self, size: int) -> int:
        """See the port."""
        space = self._database.space
        wanted = (
            select(NegotiationRow, EntryRow.index)
            .join(
                EntryRow,
                and_(
                    col(EntryRow.space_id) == NegotiationRow.space_id,
                    col(EntryRow.digest) == NegotiationRow.countersignature_digest,
                ),
            )
            .where(NegotiationRow.space_id == space, col(NegotiationRow.proof_index).is_(None), EntryRow.index < size)
        )
        with self._database.reading() as session:
            if session.exec(wanted.limit(1)).first() is None:
                return 0
        with self._database.writing() as session:
            found = session.exec(wanted.order_by(col(EntryRow.index))).all()
            for row, index in found:
                row.proof_index, row.revision = index, next_of(session, space, REVISION)
                session.flush()
            return len(found)


def _unanswered(session: Session, talk: Talk, space: str) -> int:
    """How many offers of its provider wait for its consumer's answer."""
    wanted = select(func.count()).where(
        NegotiationRow.space_id == space,
        NegotiationRow.provider == talk.provider,
        NegotiationRow.consumer == talk.consumer,
        NegotiationRow.state == State.OFFERED.value,
    )
    return session.exec(wanted).one()


class SqlNoticeStore:
    """`hefu_broker.ports.NoticeStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, talk: Talk, expected: int, notice: Outgoing) -> Talk:
        """See the port."""
        space, agreement = self._database.space, str(talk.agreement.body["agreement"]) if talk.agreement else ""
        said = kept.statement(notice.envelope)
        with self._database.writing() as session:
            row, agreed = session.get(NegotiationRow, (space, talk.id)), session.get(AgreementRow, (space, agreement))
            if row is None or agreed is None or row.revision != expected:
                raise Conflict("negotiation.moved", negotiation=talk.id)
            row.revision, row.updated = next_of(session, space, REVISION), write_time(talk.updated)
            agreed.notices, agreed.turn = talk.notices, talk.turn
            if agreed.termination is None:
                agreed.state = talk.standing.value
            session.add(
                NoticeRow(
                    space_id=space, agreement=agreement, number=talk.notices, digest=said.digest(), type=said.type,
                    issuer=said.issuer, statement=notice.envelope,
                )
            )  # fmt: skip
            queue(session, space, [notice])
            session.flush()
            return replace(talk, revision=row.revision, index=row.proof_index)

    def knows(self, agreement: str, digest: str) -> bool:
        """See the port."""
        wanted = self._of(agreement).where(NoticeRow.digest == digest)
        with self._database.reading() as session:
            return session.exec(wanted).first() is not None

    def given(self, agreement: str, issuer: str) -> int:
        """See the port."""
        mine = NoticeRow.space_id == self._database.space, NoticeRow.agreement == agreement, NoticeRow.issuer == issuer
        with self._database.reading() as session:
            return session.exec(select(func.count()).select_from(NoticeRow).where(*mine)).one()

    def page(self, agreement: str, after: int, most: int) -> list[Statement]:
        """See the port."""
        wanted = self._of(agreement).where(NoticeRow.number > after).order_by(col(NoticeRow.number)).limit(most)
        with self._database.reading() as session:
            return [kept.statement(each) for each in session.exec(wanted)]

    def _of(self, agreement: str) -> SelectOfScalar[bytes]:
        mine = NoticeRow.space_id == self._database.space, NoticeRow.agreement == agreement
        return select(NoticeRow.statement).where(*mine)


def _all(space: str, party: str | None = None) -> SelectOfScalar[NegotiationRow]:
    wanted = select(NegotiationRow).where(NegotiationRow.space_id == space)
    if party is not None:
        endorsed = (
            select(EndorserRow.negotiation)
            .where(EndorserRow.space_id == space, EndorserRow.participant == party)
            .scalar_subquery()
        )
        wanted = wanted.where(
            or_(
                NegotiationRow.provider == party, NegotiationRow.consumer == party, col(NegotiationRow.id).in_(endorsed)
            )
        )
    return wanted


def _new_row(talk: Talk, space: str) -> NegotiationRow:
    return NegotiationRow(
        id=talk.id,
        space_id=space,
        provider=talk.provider,
        consumer=talk.consumer,
        product=talk.product,
        description=talk.description,
        offer=talk.offer,
        state=talk.state.value,
        revision=0,
        updated="",
    )


def _fill(row: NegotiationRow, talk: Talk) -> None:
    row.state, row.updated = talk.state.value, write_time(talk.updated)
    if talk.agreement is not None:
        row.agreement, row.agreement_id = talk.agreement.to_bytes(), str(talk.agreement.body["agreement"])
    if talk.countersignature is not None:
        row.countersignature = talk.countersignature.to_bytes()
        row.countersignature_digest = Outgoing.of(talk.countersignature).digest


def _claim_agreement(session: Session, talk: Talk, space: str) -> None:
    if talk.agreement is None:
        return
    taken = select(NegotiationRow.id).where(
        NegotiationRow.space_id == space,
        NegotiationRow.agreement_id == str(talk.agreement.body["agreement"]),
        NegotiationRow.id != talk.id,
    )
    if session.exec(taken).first() is not None:
        raise Conflict("agreement.taken")


def _add_messages(session: Session, talk: Talk, space: str) -> None:
    known = select(func.count()).where(MessageRow.space_id == space, MessageRow.negotiation == talk.id)
    held = session.exec(known).one()
    fresh = [
        {
            "space_id": space,
            "negotiation": talk.id,
            "position": position,
            "digest": message.digest(),
            "type": message.type,
            "issuer": message.issuer,
            "statement": message.to_bytes(),
        }
        for position, message in enumerate(talk.messages[held:], held)
    ]
    if fresh:
        session.connection().execute(insert(MESSAGES), fresh)


def _keep_agreement(session: Session, talk: Talk, space: str) -> None:
    if talk.agreement is None:
        return
    agreed = Agreement.of(talk.agreement.body)
    row = session.get(AgreementRow, (space, agreed.id))
    if row is None:
        signed = {each.key.partition("#")[0]: write_time(each.time) for each in talk.agreement.signatures}
        session.add(
            AgreementRow(
                id=agreed.id,
                space_id=space,
                negotiation=talk.id,
                digest=talk.agreement.digest(),
                envelope=talk.agreement.to_bytes(),
                state=AgreementState.ACTIVE,
                not_before=write_time(agreed.not_before),
                not_after=write_time(agreed.not_after),
            )
        )
        session.flush()
        for each in agreed.parties:
            at = signed.get(each.participant, "")
            session.add(
                PartyRow(
                    space_id=space,
                    agreement=agreed.id,
                    participant=each.participant,
                    role=each.role,
                    connector=each.connector,
                    signed=at,
                )
            )
    elif talk.termination is not None:
        row.state, row.termination = AgreementState.ENDED, talk.termination.to_bytes()


def _talk(session: Session, row: NegotiationRow) -> Talk:
    found = session.exec(
        select(MessageRow.statement)
        .where(MessageRow.space_id == row.space_id, MessageRow.negotiation == row.id)
        .order_by(col(MessageRow.position))
    )
    messages = tuple(kept.statement(each) for each in found)
    request = _joint(messages)
    wanted = select(AgreementRow).where(AgreementRow.space_id == row.space_id, AgreementRow.negotiation == row.id)
    agreed = session.exec(wanted).first() if row.state == State.FINALIZED.value else None
    ended = agreed.termination if agreed else None
    return Talk(
        id=row.id,
        consumer=row.consumer,
        provider=row.provider,
        product=row.product,
        description=row.description,
        offer=row.offer,
        state=State(row.state),
        messages=messages,
        updated=read_time(row.updated),
        agreement=kept.statement(row.agreement) if row.agreement else None,
        countersignature=kept.statement(row.countersignature) if row.countersignature else None,
        termination=kept.statement(ended) if ended else None,
        index=row.proof_index,
        revision=row.revision,
        notices=agreed.notices if agreed else 0,
        standing=AgreementState.SUSPENDED if agreed and agreed.state == _SUSPENDED else AgreementState.ACTIVE,
        turn=agreed.turn if agreed else "",
        further=request.further if request else (),
        service=request.service if request else "",
    )


def _joint(messages: Sequence[Statement]) -> ContractRequest | None:
    """The request for an agreement of more than two parties; None for every other, which is not read for that."""
    if messages and {"further", "service"} & {*messages[0].body}:
        return ContractRequest.of(messages[0].body)
    return None
