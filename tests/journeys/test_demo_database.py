"""The demo's PostgreSQL: a connector's role counts the table it was given, and may do nothing else."""

from __future__ import annotations

import psycopg
import pytest
from hefu_connector.engines import cells
from hefu_connector.engines.shape import Shape
from hefu_connector.sources.database import DatabaseSource, spell
from hefu_connector.sources.postgres import PostgresSource
from hefu_space import data, postgresql, products, questions
from hefu_space.demo import PROVIDERS

from tests.connector import engine_world as world


def test_a_reader_counts_the_departures_in_place_and_can_change_nothing() -> None:
    assert postgresql.installed()
    product = products.flight_products(data.airports(), PROVIDERS)[0].named("prd-people")
    server = postgresql.Server()
    try:
        url = server.load(product)
        assert spell(url)[1] == "postgresql"
        source = PostgresSource(DatabaseSource(url, product.source))
        carrier = world.Column("carrier", "text", categories=tuple(sorted({*product.extract.column("carrier")})))
        of = world.resource("aircraft", 10_000, (world.Column("aircraft", "text"), carrier))
        source.check(of)
        asked = world.prepare(world.plan(by=("carrier",)), of).parameters
        with source.open([], asked) as table:
            ((*counts,),) = cells.read(Shape.of(asked["shape"]), table.path)
        truth = data.Truth([product.extract], [])
        known = {str(name): count for name, count in truth.ask(questions.carrier_question().truth)}
        truth.close()
        assert dict(zip(carrier.categories or (), counts, strict=True)) == known
        with psycopg.connect(url) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("DELETE FROM departures")
    finally:
        server.stop()
