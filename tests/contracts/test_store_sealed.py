"""PostgreSQL under a key: whoever reads its files, its dumps or its tables learns no statement, answer or place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from hefu.errors import Conflict, Malformed, Untrusted
from hefu_connector.ports import ComputationState
from hefu_connector.shelves import Mark, OwnRequest, ProductState, SourceRecord
from hefu_connector.storage import Database, SqlJournal, SqlMarks, SqlProducts, SqlRequests, SqlSources
from hefu_connector.storage.models import METADATA
from hefu_connector.storage.sealing import Blinded, Sealed, SealedText
from sqlalchemy import LargeBinary

from tests.contracts.conftest import KEY
from tests.contracts.halves import Halves
from tests.contracts.stories import NOW, charge, entry, run

VISITS = SourceRecord("visits", "res-a", "file:///srv/visits.csv", "csv", {"delimiter": ";"})
WORDS = (b"request of", b"payload", b"srv/visits", b"delimiter", b"sealed part", b"a mark's text", b"an answer")


@pytest.fixture
def keyed(postgresql_url: str) -> Iterator[Callable[..., Database]]:
    found: list[Database] = []

    def open_one(key: bytes | None) -> Database:
        found.append(Database(postgresql_url, "demo", key))
        return found[-1]

    yield open_one
    for each in found:
        each.close()


def fill(database: Database) -> None:
    SqlSources(database).add(VISITS)
    SqlMarks(database).advance(Mark("mark", 1, "a mark's text"))
    SqlProducts(database).keep(Halves().published(), ProductState.DRAFTED)
    journal = SqlJournal(database)
    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(), NOW)
    journal.close("cmp-1", ComputationState.RELEASED, entry("cmp-1"), [b"sealed part"], NOW)
    requests = SqlRequests(database)
    requests.keep(OwnRequest("cmp-2", "hospital-a", ("agr-a",), b'{"payload":{"plan":"request of"}}', NOW, NOW))


def check(database: Database) -> None:
    assert SqlSources(database).find(uri=VISITS.uri) == VISITS
    mark = SqlMarks(database).find("mark")
    assert mark is not None
    assert mark.text == "a mark's text"
    journal = SqlJournal(database)
    assert journal.part("cmp-1", 0) == b"sealed part"
    found = journal.find("cmp-1")
    assert found is not None
    assert found.envelope == run("cmp-1").envelope
    with pytest.raises(Conflict, match="one budget for life"):
        SqlSources(database).add(SourceRecord("b", "res-b", VISITS.uri, "csv"))


def dump(url: str) -> bytes:
    """Every value of every table, as whoever has the server's disk reads it."""
    whole = b""
    with psycopg.connect(url) as connection:
        for table in METADATA.tables:
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            whole += b"".join(v if isinstance(v, bytes) else str(v).encode() for row in rows for v in row)
    return whole


def readable(url: str) -> set[bytes]:
    whole = dump(url)
    return {word for word in WORDS if word in whole}


def test_nothing_that_is_said_can_be_read_in_the_tables(keyed: Callable[..., Database], postgresql_url: str) -> None:
    database = keyed(KEY)
    fill(database)
    check(database)
    assert readable(postgresql_url) == set()


def test_an_open_store_is_sealed_by_its_first_key_and_by_no_other(
    keyed: Callable[..., Database], postgresql_url: str
) -> None:
    fill(keyed(None))
    assert readable(postgresql_url) >= {b"payload", b"srv/visits", b"sealed part"}
    database = keyed(KEY)
    assert readable(postgresql_url) == set()
    check(database)
    check(keyed(KEY))
    with pytest.raises(Conflict, match="another store key"):
        keyed(KEY[::-1])
    with pytest.raises(Malformed, match="under a secret"):
        keyed(None)


def test_a_value_that_was_moved_or_altered_is_refused(keyed: Callable[..., Database]) -> None:
    database = keyed(KEY)
    fill(database)
    parts, sources = METADATA.tables["parts"], METADATA.tables["sources"]
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE parts SET sealed = (SELECT envelope FROM journal LIMIT 1)")
        connection.exec_driver_sql("UPDATE sources SET uri = 'file:///etc/passwd'")
    assert (parts.c.sealed.type.about, sources.c.uri.type.about) == ("parts.sealed", "sources.uri")
    with pytest.raises(Untrusted):
        SqlJournal(database).part("cmp-1", 0)
    with pytest.raises(Untrusted):
        SqlSources(database).find(name="visits")


def test_every_column_of_bytes_is_sealed_and_names_itself() -> None:
    columns = [column for table in METADATA.tables.values() for column in table.c]
    assert [str(each) for each in columns if isinstance(each.type, LargeBinary)] == []
    kinds = [each for each in columns if isinstance(each.type, Sealed | SealedText)]
    assert [str(each) for each in kinds if each.type.about != f"{each.table.name}.{each.name}"] == []
    assert len(kinds) > 15
    assert isinstance(METADATA.tables["places"].c.uri.type, Blinded)
