"""The SQL surface under any text: a plan or a plain refusal, and in a plan nothing but the words of the dialect."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hefu.errors import HefuError, Malformed
from hefu_connector.computing import expressions as e
from hefu_connector.computing.computation import FUNCTIONS, Plan
from hefu_connector.computing.groups import MOST_KEYS
from hefu_connector.engines import language
from hefu_connector.engines import query_reference as reference
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.sql.duckdb import WORDS as DUCKDB
from hefu_connector.engines.sql.statement import aggregate
from hefu_policies.reading import Place

from tests.connector.engine_world import COLUMNS, SMALL, description, prepare, resource
from tests.deep import examples

PEOPLE = resource(contribution=3)
DESCRIPTION = description(PEOPLE)
ASKED = [
    *(f"SELECT {form} FROM data" for form, _, _ in reference.AGGREGATES),
    *(f"SELECT SUM({form}) FROM data" for form, _, _ in reference.NUMBERS),
    *(f"SELECT COUNT(*) FROM data WHERE {form}" for form, _, _ in reference.CONDITIONS),
    *(f"SELECT {form} AS k, COUNT(*) AS n FROM data GROUP BY {form}" for form, _, _ in reference.KEYS),
    *(f"SELECT COUNT(*) AS n FROM data GROUP BY {form}" for form, _, _ in reference.SETS),
    *(f"SELECT region, COUNT(*) FILTER (WHERE {a[0]}) FROM data WHERE {b[0]} GROUP BY region"
      for a in reference.CONDITIONS for b in reference.CONDITIONS),
]  # fmt: skip
PLAIN = [
    *[
        "(",
        ")",
        ",",
        "*",
        "+",
        "-",
        "/",
        "%",
        "//",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        ".",
        ";",
        ":",
        "::",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "$1",
        "?",
        "@",
        "#",
        "--",
        "/*",
        "*/",
        "||",
        "->",
        "^",
        "&",
        "|",
        "~",
        "!",
    ],
    *[
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "BY",
        "HAVING",
        "ORDER",
        "LIMIT",
        "AS",
        "AND",
        "OR",
        "NOT",
        "IN",
        "IS",
        "NULL",
        "BETWEEN",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
    ],
    *[
        "FILTER",
        "DISTINCT",
        "UNION",
        "ALL",
        "JOIN",
        "ON",
        "USING",
        "LATERAL",
        "OVER",
        "PARTITION",
        "ROWS",
        "WINDOW",
        "WITH",
        "RECURSIVE",
        "VALUES",
        "TABLE",
        "EXISTS",
    ],
    *[
        "INTERVAL",
        "CAST",
        "TRY_CAST",
        "EXTRACT",
        "COLLATE",
        "ESCAPE",
        "LIKE",
        "ILIKE",
        "SIMILAR",
        "GLOB",
        "PIVOT",
        "UNPIVOT",
        "SAMPLE",
        "ATTACH",
        "COPY",
    ],
    *[
        "DATE",
        "TIMESTAMP",
        "TRUE",
        "FALSE",
        "0",
        "1",
        "2.5",
        "-3",
        "1e5",
        "1e400",
        "0x1F",
        "'x'",
        "'2026-01-01'",
        "99999999999999999999",
        "data",
        "other",
        "src",
    ],
    *["'/etc/passwd'", '"prd-people"', "BIN", "CLAMP", "HISTOGRAM", "nothing", "名", "𝟙", "\\", "\x00", "\u202e"],
    *(each.name for each in COLUMNS),
]
TOKEN = re.compile(r"\w+|'[^']*'|\"[^\"]*\"|[^\w\s]")
CALLED = {
    "cast", "try_cast", "isfinite", "round", "least", "greatest", "coalesce", "abs", "nullif", "date_part", "hash",
    "row_number", "over", "sum", "count", "histogram", "contains", "chr", "in", "and", "or", "not", "as", "when",
    "then", "else", "where", "by", "sets", "from",
}  # fmt: skip
WORDS = {
    "version", "product", "aggregates", "filter", "group_by", "loss", "resource", "function", "alias", "column", "bins",
    "edges", "number", "quantile", "compare", "operator", "value", "in", "values", "is_null", "between", "low", "high",
    "relation", "left", "right", "not", "and", "or", "labels", "whens", "when", "label", "otherwise", "width", "then",
    "epsilon_nano", "delta_femto", "rho_nano", "case", "round", "item", "digits", "clamp", "lower", "upper", "part",
    *e.OPERATORS, *e.FUNCTIONS, "integer", "decimal", "text", "boolean", "date", "timestamp",
    "sets",
}  # fmt: skip


def engine_functions() -> list[str]:
    """Everything that can be called in DuckDB: files, settings, systems, and all the rest."""
    with duckdb.connect() as connection:
        found = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions() ORDER BY 1").fetchall()
    return [name for (name,) in found]


def texts(chance: random.Random, functions: list[str]) -> Iterator[str]:
    """Queries that were right once, changed; calls of the engine; and words in any order."""
    while True:
        tokens = TOKEN.findall(chance.choice(ASKED))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(tokens) + 1)
            change = chance.randrange(6)
            piece = TOKEN.findall(chance.choice(ASKED))
            first = chance.randrange(len(piece))
            if change == 0:
                tokens[at : at + chance.randrange(3)] = [chance.choice(PLAIN)]
            elif change == 1:
                tokens[at : at + chance.randrange(4)] = piece[first : first + chance.randrange(8)]
            elif change == 2:
                tokens[at:at] = [chance.choice(functions), "(", *piece[first : first + 3], ")"]
            elif change == 3 and at < len(tokens) and tokens[at].isalpha():
                tokens[at] = chance.choice(functions)
            elif change == 4:
                tokens[at:at] = ["("] * chance.randrange(5)
            else:
                del tokens[at : at + chance.randrange(3)]
        yield " ".join(tokens)
        if chance.randrange(5) == 0:
            yield " ".join(chance.choice([*PLAIN, chance.choice(functions)]) for _ in range(chance.randrange(20)))


def names(body: Any) -> Iterator[str]:
    """Every member of a JSON tree."""
    if isinstance(body, dict):
        yield from body
        for each in body.values():
            yield from names(each)
    elif isinstance(body, list):
        for each in body:
            yield from names(each)


def check(text: str) -> bool:
    """Whether a text became a plan. Nothing but a plain refusal may happen else, here and at the provider."""
    try:
        found = language.parse(text, DESCRIPTION, SMALL)
    except Malformed as refused:
        return not refused.public()
    body = found.body()
    assert Plan.of(body) == found
    assert set(names(body)) <= WORDS, text
    assert {each.function for each in found.aggregates} <= {*FUNCTIONS}
    try:
        prepared = prepare(found, PEOPLE, 2)
    except HefuError as refused:
        said = refused
    else:
        said = None
    if said is not None:
        assert said.code.startswith("plan."), text
        assert said.public()
        return True
    statement, values = aggregate(Shape.of(prepared.parameters["shape"]), 7, DUCKDB)
    assert {each.lower() for each in re.findall(r"(\w+) ?\(", statement)} <= CALLED, text
    # Names of columns stand in quotes; every constant is the name of a parameter.
    assert {*re.findall(r'"([^"]*)"', statement)} <= {
        *(each.name for each in COLUMNS),
        *(f"key{n}" for n in range(MOST_KEYS)),
    }
    assert set(re.findall(r"'([^']*)'", statement)) <= {*e.PARTS, "isodow"}
    assert {*re.findall(r"\$(\w+)", statement)} == {*values}
    return True


@pytest.mark.deep
def test_any_text_becomes_a_plan_of_listed_words_or_a_plain_refusal() -> None:
    functions = engine_functions()
    assert len(functions) > 300
    plans, source = 0, texts(random.Random(20261122), functions)
    for _ in range(examples(2_000, 100_000)):
        plans += check(next(source))
    assert plans > 100


@pytest.mark.parametrize("text", ASKED)
def test_every_form_of_the_page_is_answered(text: str) -> None:
    assert prepare(language.parse(text, DESCRIPTION, SMALL), PEOPLE, 2).cells >= 1


def test_no_function_of_the_engine_can_be_called_unless_it_is_listed() -> None:
    listed = {
        "sum", "avg", "count", "variance", "var_samp", "stddev", "stddev_samp", "median", "mode", "histogram", "abs",
        "round", "floor", "ceil", "ceiling", "greatest", "least", "coalesce", "year", "month", "day", "hour",
        "quarter", "isodow", "dayofmonth", "mean", "if", "+", "-", "*", "/", "quantile", "quantile_disc", "@", "bin",
    }  # fmt: skip
    understood = set()
    for name in engine_functions():
        for text in (f"SELECT {name}(age) FROM data", f"SELECT SUM({name}(age)) FROM data"):
            try:
                language.parse(text, DESCRIPTION, SMALL)
                understood.add(name)
            except Malformed:
                pass
    assert understood <= listed
    assert {"sum", "abs", "year"} <= understood


def test_a_plan_that_was_not_made_by_the_language_is_read_as_strictly() -> None:
    with pytest.raises(Malformed):
        e.read_expression(Place({"read_csv": {"column": "age"}}, "x"))
    deep: Any = {"column": "age"}
    for _ in range(5000):
        deep = {"negate": deep}
    with pytest.raises(Malformed):
        e.read_expression(Place(deep, "x"))
