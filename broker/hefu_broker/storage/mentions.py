"""Which entries name which agreement, in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hefu.statements.receipt import Spent
from sqlalchemy import ColumnElement, func
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from hefu_broker.records import Mention
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import MentionedRow, MentionRow


class SqlMentionStore:
    """`hefu_broker.ports.MentionStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reached(self) -> int:
        """See the port."""
        with self._database.reading() as session:
            return self._reached(session)

    def add(self, start: int, end: int, mentions: Sequence[Mention]) -> int:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            reached = self._reached(session)
            if reached != start:  # another process was faster
                return reached
            session.add_all(
                MentionRow(
                    space_id=space, agreement=each.agreement, index=each.index, type=each.type, issuer=each.issuer,
                    epsilon_nano=each.charge.epsilon_nano, delta_femto=each.charge.delta_femto,
                    releases=each.charge.releases, rho_nano=each.charge.rho_nano,
                )
                for each in mentions
            )  # fmt: skip
            session.merge(MentionedRow(space_id=space, size=end))
        return end

    def of(self, agreement: str, issuers: Collection[str], before: int | None, most: int) -> list[Mention]:
        """See the port."""
        wanted = select(MentionRow).where(*self._about(agreement, issuers))
        if before is not None:
            wanted = wanted.where(MentionRow.index < before)
        with self._database.reading() as session:
            return [_mention(row) for row in session.exec(wanted.order_by(col(MentionRow.index).desc()).limit(most))]

    def charged(self, agreement: str, issuers: Collection[str]) -> dict[str, Spent]:
        """See the port."""
        sums = [func.sum(each) for each in (
            MentionRow.epsilon_nano, MentionRow.delta_femto, MentionRow.releases, MentionRow.rho_nano
        )]  # fmt: skip
        wanted = (
            sql_select(col(MentionRow.issuer), *sums)
            .where(*self._about(agreement, issuers))
            .group_by(MentionRow.issuer)
        )
        with self._database.reading() as session:
            return {row[0]: Spent(*map(int, row[1:])) for row in session.execute(wanted)}

    def _about(self, agreement: str, issuers: Collection[str]) -> tuple[ColumnElement[bool], ...]:
        return (
            col(MentionRow.space_id) == self._database.space,
            col(MentionRow.agreement) == agreement,
            col(MentionRow.issuer).in_(issuers),
        )

    def _reached(self, session: Session) -> int:
        row = session.get(MentionedRow, self._database.space)
        return row.size if row else 0


def _mention(row: MentionRow) -> Mention:
    charge = Spent(row.epsilon_nano, row.delta_femto, row.releases, row.rho_nano)
    return Mention(row.agreement, row.index, row.type, row.issuer, charge)
