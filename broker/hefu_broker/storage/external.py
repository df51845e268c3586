"""External ids as rows, for whatever has them: participants, products, contracts, processes."""

from __future__ import annotations

from collections.abc import Iterable

from hefu.canonical import Object
from sqlmodel import Session, select

from hefu_broker.storage.models import ExternalIdRow


def add_external_ids(session: Session, space: str, kind: str, subject: str, rows: Iterable[Object]) -> None:
    """Keep ``{scheme, value, issuer, status}`` rows of a subject; those kept already change nothing."""
    for each in rows:
        scheme, value = str(each.get("scheme", "")), str(each.get("value", ""))
        known = select(ExternalIdRow).where(
            ExternalIdRow.space_id == space,
            ExternalIdRow.subject_kind == kind,
            ExternalIdRow.subject == subject,
            ExternalIdRow.scheme == scheme,
            ExternalIdRow.value == value,
        )
        if session.exec(known).first() is None:
            session.add(
                ExternalIdRow(
                    space_id=space,
                    subject_kind=kind,
                    subject=subject,
                    scheme=scheme,
                    value=value,
                    issuer=str(each.get("issuer", "")),
                    status=str(each.get("status", "")),
                )
            )
            session.flush()
