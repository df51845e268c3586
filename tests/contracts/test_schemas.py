"""What a test's new database gets is what the migrations make, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from hefu_broker.storage import database as broker
from hefu_connector.storage import database as connector
from sqlalchemy import Connection


def _everything(connection: Connection) -> list[tuple[object, ...]]:
    names = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name")
    tables = [tuple(each) for each in names]
    rows = [
        (each[1], *row)
        for each in tables
        if each[0] == "table"
        for row in connection.exec_driver_sql(f'SELECT * FROM "{each[1]}"')
    ]
    return [*tables, *rows]


@pytest.mark.parametrize("tower", ["broker", "connector"])
def test_the_remembered_schema_is_what_the_migrations_make(tower: str, tmp_path: Path) -> None:
    migrated, remembered = (
        broker.Database(tmp_path / f"{number}.db", "demo", "node-one")
        if tower == "broker"
        else connector.Database.at(tmp_path / f"{number}.db", "demo")
        for number in (1, 2)
    )
    found = []
    for each in (migrated, remembered):
        with each.engine.connect() as connection:
            found.append(_everything(connection))
        each.close()
    assert found[0] == found[1]
    assert len(found[0]) > 10
