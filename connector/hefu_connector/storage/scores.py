"""Keys for encrypted scores, and which computation answers which records, in the connector's database."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from hefu_connector.shelves import ScoreKey
from hefu_connector.storage.database import Database, insert_new
from hefu_connector.storage.models import SCORE_KEYS, SCORES


class SqlScores:
    """`shelves.ScoreShelf` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._space = database.space

    def key(self, agreement: str, suite: str) -> ScoreKey | None:
        """As in the port."""
        with self._database.reading() as connection:
            return self._key(connection, agreement, suite)

    def keep(self, agreement: str, key: ScoreKey) -> ScoreKey:
        """As in the port."""
        values = {"suite": key.suite, "public": key.public, "secret": key.secret}
        with self._database.writing() as connection:
            insert_new(connection, SCORE_KEYS, space=self._space, agreement=agreement, **values)
            return self._key(connection, agreement, key.suite) or key

    def asked(self, agreement: str, records: str) -> str:
        """As in the port."""
        columns = SCORES.c
        mine = columns.space == self._space, columns.agreement == agreement, columns.records == records
        with self._database.reading() as connection:
            found: str | None = connection.execute(select(columns.computation).where(*mine)).scalar_one_or_none()
        return found or ""

    def ask(self, agreement: str, records: str, computation: str) -> None:
        """As in the port."""
        columns = SCORES.c
        mine = columns.space == self._space, columns.agreement == agreement, columns.records == records
        values = {"agreement": agreement, "records": records, "computation": computation}
        with self._database.writing() as connection:
            if not insert_new(connection, SCORES, space=self._space, **values):
                connection.execute(update(SCORES).where(*mine).values(computation=computation))

    def _key(self, connection: Connection, agreement: str, suite: str) -> ScoreKey | None:
        columns = SCORE_KEYS.c
        mine = columns.space == self._space, columns.agreement == agreement, columns.suite == suite
        row = connection.execute(select(SCORE_KEYS).where(*mine)).mappings().one_or_none()
        return None if row is None else ScoreKey(row["suite"], row["public"], row["secret"])
