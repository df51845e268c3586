"""The checkpoint that waits for witnesses, and their cosignatures, in the broker's database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete
from sqlmodel import col, select

from hefu_broker.storage.database import Database
from hefu_broker.storage.models import CandidateRow, CosignatureRow


class SqlCosigningStore:
    """`hefu_broker.ports.CosigningStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def candidate(self) -> str | None:
        """See the port."""
        with self._database.reading() as session:
            row = session.get(CandidateRow, self._database.space)
            return row.note if row else None

    def propose(self, size: int, note: str) -> None:
        """See the port."""
        with self._database.writing() as session:
            row = session.get(CandidateRow, self._database.space)
            if row is None:
                session.add(CandidateRow(space_id=self._database.space, size=size, note=note))
            elif row.size < size:
                row.size, row.note = size, note

    def cosign(self, size: int, witness: str, line: str) -> None:
        """See the port."""
        with self._database.writing() as session:
            session.merge(CosignatureRow(space_id=self._database.space, size=size, witness=witness, line=line))

    def cosignatures(self, size: int) -> Mapping[str, str]:
        """See the port."""
        wanted = select(CosignatureRow.witness, CosignatureRow.line).where(
            CosignatureRow.space_id == self._database.space, CosignatureRow.size == size
        )
        with self._database.reading() as session:
            return dict(session.exec(wanted).all())

    def forget(self, below: int) -> None:
        """See the port."""
        old = delete(CosignatureRow).where(
            col(CosignatureRow.space_id) == self._database.space, col(CosignatureRow.size) < below
        )
        with self._database.writing() as session:
            session.execute(old)
