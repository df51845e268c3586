"""What exact answers told of each asset, in the connector's database."""

from __future__ import annotations

from collections.abc import Sequence

from hefu import canonical
from hefu.errors import Conflict
from sqlalchemy import select

from hefu_connector.ports import Disclosed
from hefu_connector.storage.database import Database, insert_new
from hefu_connector.storage.models import DISCLOSURES

_LARGEST = 16 << 20  # bytes of one entry


class SqlDisclosures:
    """`ports.Disclosures` in the connector's database; an asset has one history for all spaces of this store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, resource: str) -> Sequence[Disclosed]:
        """As in the port."""
        query = select(DISCLOSURES).where(DISCLOSURES.c.resource == resource).order_by(DISCLOSURES.c.place)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Disclosed(row["edition"], row["snapshot"], canonical.decode_object(row["body"], _LARGEST)) for row in rows
        ]

    def add(self, resource: str, place: int, disclosed: Disclosed) -> None:
        """As in the port."""
        values = {"edition": disclosed.edition, "snapshot": disclosed.snapshot}
        body = canonical.encode(disclosed.body)
        with self._database.writing() as connection:
            done = insert_new(connection, DISCLOSURES, resource=resource, place=place, body=body, **values)
        if not done:
            raise Conflict("exact.overtaken")
