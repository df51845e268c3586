"""Which space something belongs to: asked before the rooms of a space are."""

from __future__ import annotations

from sqlmodel import select

from hefu_broker.storage.database import Database
from hefu_broker.storage.models import CertificateRow, EnrolmentRow, TokenRow


class SqlSpaceStore:
    """`hefu_broker.ports.SpaceStore` in the broker's database, over all its spaces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_certificate(self, fingerprint: str) -> str | None:
        """See the port."""
        with self._database.reading() as session:
            return session.exec(
                select(CertificateRow.space_id).where(CertificateRow.fingerprint == fingerprint)
            ).first()

    def of_token(self, digest: str) -> str | None:
        """See the port."""
        with self._database.reading() as session:
            return session.exec(select(TokenRow.space_id).where(TokenRow.digest == digest)).first()

    def of_enrolment(self, id_: str) -> str | None:
        """See the port."""
        with self._database.reading() as session:
            return session.exec(select(EnrolmentRow.space_id).where(EnrolmentRow.id == id_)).first()
