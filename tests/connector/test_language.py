"""The consumer's SQL: what is understood, and that nothing else is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hefu.errors import Malformed
from hefu_connector.computing import predicates as p
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.engines import language
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.connector.engine_world import SMALL, description, resource
from tests.deep import examples

PEOPLE = description()


def parse(text: str) -> Plan:
    return language.parse(text, PEOPLE, SMALL)


def test_a_whole_query_becomes_a_plan() -> None:
    found = parse(
        "SELECT region, COUNT(*) AS n, count(income), SUM(income), avg(age) AS mean_age FROM data "
        "WHERE age >= 18 AND NOT (region IN ('north', 'south') OR income IS NULL) "
        "AND day BETWEEN DATE '2026-01-01' AND DATE '2026-12-31' AND -0.5 < income "
        "AND seen <> TIMESTAMP '2026-11-21T10:00:00Z' AND active = TRUE GROUP BY region"
    )
    assert found.product == "prd-people"
    assert found.group_by == ("region",)
    assert found.aggregates == (
        Aggregate("count", "n"),
        Aggregate("count", "count_income", "income"),
        Aggregate("sum", "sum_income", "income"),
        Aggregate("mean", "mean_age", "age"),
    )
    assert found.filter == p.All(
        (
            p.Compare("age", ">=", p.Literal("integer", "18")),
            p.Not(
                p.Any((p.In("region", (p.Literal("text", "north"), p.Literal("text", "south"))), p.IsNull("income")))
            ),
            p.Between("day", p.Literal("date", "2026-01-01"), p.Literal("date", "2026-12-31")),
            p.Compare("income", ">", p.Literal("decimal", "-0.5")),
            p.Compare("seen", "!=", p.Literal("timestamp", "2026-11-21T10:00:00Z")),
            p.Compare("active", "=", p.Literal("boolean", "true")),
        )
    )
    assert Plan.of(found.body()) == found


def test_a_histogram_has_categories_bins_or_edges() -> None:
    assert parse("SELECT HISTOGRAM(region) FROM data").aggregates[0].bins is None
    assert parse("SELECT histogram(age, 10) h FROM data").aggregates == (Aggregate("histogram", "h", "age", bins=10),)
    edges = parse("SELECT HISTOGRAM(age, 0, 18.5, 65) FROM data").aggregates[0].edges
    assert edges == (Decimal(0), Decimal("18.5"), Decimal(65))


@pytest.mark.parametrize(
    "name", ["data", '"prd-people"', '"res-people"', 'data."res-people"', '"prd-people"."res-people"']
)
def test_a_product_is_named_in_any_of_its_ways(name: str) -> None:
    assert parse(f"SELECT COUNT(*) FROM {name}").product == "prd-people"


def test_a_product_of_several_resources_is_asked_by_resource() -> None:
    other = resource()
    object.__setattr__(other, "id", "res-other")
    both = description(resource(), other)
    with pytest.raises(Malformed, match="several resources"):
        language.parse("SELECT COUNT(*) FROM data", both, SMALL)
    assert language.parse('SELECT COUNT(*) FROM data."res-other"', both, SMALL).resource == "res-other"


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT * FROM data", "rows never leave"),
        ("SELECT age FROM data", "rows never leave"),
        ("SELECT age, COUNT(*) FROM data GROUP BY region", "rows never leave"),
        ("SELECT region FROM data GROUP BY region", "rows never leave"),
        ("SELECT age + 1 FROM data", "rows never leave"),
        ("SELECT KURTOSIS(age) FROM data", "rows never leave"),
        ("SELECT MAX(age) FROM data", "one person's value"),
        ("SELECT SUM(age % 2) FROM data", "FLOOR"),
        ("SELECT SUM(DISTINCT age) FROM data", "DISTINCT"),
        ("SELECT COUNT(DISTINCT age) FROM data", "DISTINCT"),
        ("SELECT DISTINCT region FROM data", "DISTINCT"),
        ("SELECT COUNT(DISTINCT person) FILTER (WHERE age > 1) FROM data", "FILTER"),
        ("SELECT HISTOGRAM(age, 4) FILTER (WHERE age > 1) FROM data", "FILTER"),
        ("SELECT QUANTILE(age, 1) FROM data", "between 0 and 1"),
        ("SELECT QUANTILE(age) FROM data", "between 0 and 1"),
        ("SELECT VAR_POP(age) FROM data", "VARIANCE"),
        ("SELECT SUM(SQRT(age)) FROM data", "root"),
        ("SELECT SUM(age::DOUBLE) FROM data", "declares"),
        ("SELECT SUM(CLAMP(age, 1)) FROM data", "no function"),
        ("SELECT SUM(shell('ls')) FROM data", "no function"),
        ("SELECT SUM(CASE age WHEN 1 THEN 2 END) FROM data", "CASE WHEN"),
        ("SELECT SUM(EXTRACT(epoch FROM day)) FROM data", "EXTRACT"),
        ("SELECT BIN(age, 10), COUNT(*) FROM data", "GROUP BY"),
        ("SELECT COUNT(*) FROM data WHERE 名 > 1", "no schema"),
        ("SELECT CEIL() FROM data", "rows never leave"),
        ("SELECT SUM(CEIL()) FROM data", "missing"),
        ("SELECT COUNT(*) FROM data GROUP BY BIN(age)", "BIN(x, 10)"),
        ("SELECT SUM(" + "age + " * 500 + "1) FROM data", "levels"),
        ("SELECT SUM(age) OVER () FROM data", "rows never leave"),
        ("SELECT COUNT(*) FROM data, other", "JOIN"),
        ("SELECT COUNT(*) FROM data JOIN other ON TRUE", "JOIN"),
        ("SELECT COUNT(*) FROM (SELECT * FROM data)", "one data product"),
        ("SELECT COUNT(*) FROM read_csv('/etc/passwd')", "one data product"),
        ("SELECT COUNT(*) FROM '/etc/passwd'", "write FROM data"),
        ("SELECT COUNT(*) FROM other", "write FROM data"),
        ("SELECT COUNT(*) FROM data AS d", "ALIAS"),
        ("SELECT COUNT(*) FROM data TABLESAMPLE 10", "SAMPLE"),
        ("SELECT COUNT(*)", "FROM data"),
        ("SELECT COUNT(*) FROM data HAVING COUNT(*) > 1", "HAVING"),
        ("SELECT COUNT(*) FROM data ORDER BY 1", "ORDER"),
        ("SELECT COUNT(*) FROM data LIMIT 1", "LIMIT"),
        ("SELECT COUNT(*) FROM data QUALIFY TRUE", "QUALIFY"),
        ("WITH x AS (SELECT 1) SELECT COUNT(*) FROM data", "WITH"),
        ("SELECT COUNT(*) FROM data UNION SELECT COUNT(*) FROM data", "only SELECT"),
        ("SELECT COUNT(*) FROM data; DROP TABLE data", "exactly one"),
        ("DROP TABLE data", "only SELECT"),
        ("COPY data TO 'x'", "only SELECT"),
        ("", "exactly one"),
        ("SELECT COUNT(*) FROM data WHERE age IN (SELECT 1)", "QUERY"),
        ("SELECT COUNT(*) FROM data WHERE EXISTS (SELECT 1)", "no comparison"),
        ("SELECT COUNT(*) FROM data WHERE age = (SELECT 1)", "stands here"),
        ("SELECT COUNT(*) FROM data WHERE lower(region) = 'x'", "as they are"),
        ("SELECT COUNT(*) FROM data WHERE region LIKE 'n%'", "as they are"),
        ("SELECT COUNT(*) FROM data WHERE active", "= TRUE"),
        ("SELECT COUNT(*) FROM data WHERE income = NULL", "IS NULL"),
        ("SELECT COUNT(*) FROM data WHERE age = 1e99", "too large"),
        ("SELECT COUNT(*) FROM data WHERE day = CURRENT_DATE", "stands here"),
        ("SELECT COUNT(*) FROM data WHERE data.age = 1", "TABLE"),
        ("SELECT region, COUNT(*) FROM data GROUP BY 1", "no place"),
        ("SELECT COUNT(*) FROM data GROUP BY ALL", "ALL"),
        ("SELECT HISTOGRAM(age, 'x') FROM data", "numbers"),
        ("SELECT HISTOGRAM(age, 2.5) FROM data", "whole number"),
        ("SELECT HISTOGRAM() FROM data", "HISTOGRAM"),
        ("SELECT 'x", "not SQL"),
    ],
)
def test_everything_else_is_refused_with_the_word_and_the_reason(query: str, word: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(query)
    assert word.lower() in caught.value.public().lower()


WORDS = """SELECT * , COUNT(*) SUM(age) AVG(age) region FROM data WHERE age > 1 AND OR NOT IN ( ) 'x' IS NULL BETWEEN
GROUP BY HISTOGRAM(age,3) UNION ALL JOIN ; -- /* */ DATE CAST AS :: [1] {a:1} $1 ? @x EXTRACT(year FROM day) ORDER LIMIT
CASE WHEN THEN END x -> y PIVOT LATERAL INTERVAL '1' DAY '2026-01-01' TRUE 1e400 0x1F \" ` SAMPLE USING OVER"""
PIECES = st.sampled_from(sorted(set(WORDS.split())))


@pytest.mark.deep
@settings(max_examples=examples(100, 5000), deadline=None)
@given(st.lists(PIECES, max_size=14).map(" ".join))
@example("SELECT COUNT(*) FROM data WHERE " + "(" * 3000 + "1=1")
@example("SELECT COUNT(*) FROM data WHERE " + "NOT " * 2000 + "age = 1")
def test_any_text_gives_a_plan_or_a_plain_refusal(text: str) -> None:
    try:
        found = parse(text)
    except Malformed:
        return
    assert Plan.of(found.body()) == found
    assert found.product == "prd-people"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_garbage_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)
