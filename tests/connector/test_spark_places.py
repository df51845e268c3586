"""Where a Spark server is, and what stands in its one spelling; no server is needed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hefu.errors import Malformed, Unavailable
from hefu_connector.engines.shape import Joined, Key, Shape
from hefu_connector.sources.in_place import counted
from hefu_connector.sources.spark import SparkSource, server_of, spell
from hefu_connector.sources.spark_connect import Server

from tests.connector.engine_world import plan, prepare

TABLE = "spark_catalog.clinic.visits"


def test_one_table_has_one_spelling() -> None:
    one = spell("sc://Spark.example", TABLE)
    assert one == spell("sc://spark.example:15002/", TABLE) == spell(one, TABLE) == f"sc://spark.example:15002#{TABLE}"
    assert spell("sc://[::1]", TABLE) == f"sc://[::1]:15002#{TABLE}"


@pytest.mark.parametrize(
    ("uri", "tls", "server"),
    [
        ("sc://spark.example:15002#a.b.c", "", Server("spark.example", 15002, True)),
        ("sc://spark.example:15002#a.b.c", "off", Server("spark.example", 15002, False)),
        ("sc://localhost:1#a.b.c", "", Server("localhost", 1, False)),
        ("sc://127.0.0.2:1#a.b.c", "", Server("127.0.0.2", 1, False)),
        ("sc://[::1]:1#a.b.c", "on", Server("::1", 1, True)),
        ("sc://127.0.0.1.example:1#a.b.c", "", Server("127.0.0.1.example", 1, True)),
    ],
)
def test_another_machine_is_spoken_to_under_tls_unless_the_provider_says_otherwise(
    uri: str, tls: str, server: Server
) -> None:
    assert server_of(uri, tls) == (server, "a.b.c")


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("sc://spark.example/;token=secret", TABLE),
        ("sc://spark.example:15002/;use_ssl=true;user_id=alice", TABLE),
        ("sc://alice:secret@spark.example", TABLE),
        ("sc://spark.example?token=secret", TABLE),
        ("sc://spark.example:99999", TABLE),
        ("sc://", TABLE),
        ("sc://spark.example", "visits"),
        ("sc://spark.example", "clinic.visits"),
        ("sc://spark.example", "a.b.`c"),
        ("sc://spark.example", "a..c"),
    ],
)
def test_a_place_that_says_more_or_less_is_refused(uri: str, table: str) -> None:
    with pytest.raises(Malformed) as caught:
        spell(uri, table)
    assert "secret" not in repr(caught.value)


def test_a_server_that_is_not_there_is_told_as_moved() -> None:
    source = SparkSource(Server("127.0.0.1", 1, False), TABLE, seconds=2)
    with pytest.raises(Unavailable) as caught:
        source.types()
    assert caught.value.code == "source.moved"


def test_what_is_joined_or_has_undeclared_groups_is_copied_and_several_groupings_are_counted() -> None:
    asked = prepare(plan(by=("region",))).parameters
    shape = Shape.of(asked["shape"])
    assert counted(asked) == shape
    several = replace(shape, sets=((0,), ()))
    assert counted({**asked, "shape": several.body()}) == several
    others = (
        replace(shape, joined=Joined(frozenset({"age"}), 2, 2)),
        replace(shape, keys=(Key((), "region", unknown=True),)),
    )
    assert [counted({**asked, "shape": each.body()}) for each in others] == [None, None]
    assert counted(None) is None
