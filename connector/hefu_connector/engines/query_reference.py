"""The dialect as tables: every form with what it means and what bounds it. The page of the docs is made from these,
and a test asks each example."""

from __future__ import annotations

from hefu_connector.computing import expressions as e
from hefu_connector.computing import finding, groups, predicates
from hefu_connector.computing.computation import LARGEST_PLAN, MOST_AGGREGATES
from hefu_connector.engines import drafting, joining, language
from hefu_connector.engines.dialect.words import REFUSALS

Row = tuple[str, str, str]  # form, meaning, bounds

AGGREGATES: tuple[Row, ...] = (
    ("COUNT(*)", "rows", "K"),
    ("COUNT(income)", "rows whose value is present", "K"),
    ("COUNT(DISTINCT person)", "privacy units; of the unit's own column only", "1 in each of at most K groups"),
    ("SUM(income * 12)", "exact sum of a number, in its steps", "K · the largest magnitude"),
    ("AVG(income - age)", "mean of the present values, from a sum of distances from the middle and a count",
     "K · half the range, and K"),
    ("VARIANCE(age)", "variance of a sample, from sums of distances and of their squares and a count",
     "K · half the range, K · half the largest square, and K"),
    ("STDDEV(age)", "its root; the same three measures", "as VARIANCE"),
    ("QUANTILE(age, 0.9)", "the least of at most 100 even steps with that share of the values up to it", "K"),
    ("MEDIAN(age)", "QUANTILE(age, 0.5)", "K"),
    ("MODE(ROUND(age, -1))", "the most frequent value of a number with at most 100", "K"),
    ("MODE(region)", "the most frequent of the declared categories, at most 50, of a column without bounds: chosen by "
     "report noisy max, without an interval, and also where there are no rows", "K"),
    ("HISTOGRAM(age, 10)", "counts by bin: even bins, given edges, or without either the declared categories; "
     "aggregates beside it are told by bin", "K"),
    ("SUM(income) FILTER (WHERE age > 17)", "of the rows where the condition is true; with every aggregate but "
     "COUNT(DISTINCT …) and HISTOGRAM", "as without"),
)  # fmt: skip
NUMBERS: tuple[Row, ...] = (
    ("age", "the column, moved into its declared bounds and rounded to its granularity", "the declared bounds"),
    ("age + income", "sum; also -", "sums of the ends; the largest common step"),
    ("age * income", "product", "the extreme products of ends, of a square not below 0; the product of the steps"),
    ("income / 4", "division by a constant whose quotient is a decimal that ends", "exact"),
    ("ROUND(income / age, 2)", "quotient, halves away from zero; absent where the divisor is 0",
     "the extreme quotients; the declared step"),
    ("FLOOR(age / 10)", "the whole number below; a divisor must never be negative", "the ends' floors"),
    ("CEIL(income)", "the whole number above", "the ends'"),
    ("ROUND(income, -1)", "rounded to so many digits, halves away from zero", "the ends, rounded"),
    ("ABS(income)", "without its sign", "0 or the nearer end, to the farther"),
    ("CLAMP(income, 0, 99.5)", "moved between two constants", "the constants, or narrower"),
    ("GREATEST(age, income)", "the larger; LEAST the smaller; absent where either is", "the larger ends; the smaller"),
    ("COALESCE(income, 0)", "the column, or another number where it is absent", "around both"),
    ("CASE WHEN age > 64 THEN income ELSE 0 END", "the number of the first condition that is true; IF(c, a, b) too",
     "around all branches"),
    ("WIDTH_BUCKET(income, 0, 100, 5)", "0 below, 1 to n, n + 1 from the upper bound on", "0 to n + 1, or narrower"),
    ("MONTH(day)", "also YEAR, QUARTER, DAY, HOUR (of timestamps, UTC), ISODOW; or EXTRACT(month FROM day)",
     "1–12; years 1–9999, quarters 1–4, days 1–31, hours 0–23, ISODOW 1–7"),
)  # fmt: skip
CONDITIONS: tuple[Row, ...] = (
    ("age >= 18", "a column as it stands with a constant: = <> < <= > >=", "none: a filter decides on one row"),
    ("region IN ('north', 'south')", "also BETWEEN, IS NULL, IS NOT NULL, NOT, AND, OR", "none"),
    ("income / 4 > age", "two computed numbers, exactly, in their common step", "their columns need bounds"),
)
KEYS: tuple[Row, ...] = (
    ("region", "a column with declared categories: each of them, and no other", "declared"),
    ("BIN(income, 50)", "bins from multiple to multiple of a width", "as many as the number's bounds hold"),
    ("FLOOR(age / 25) * 25", "any number of few values: each step between its bounds", "as many as there are steps"),
    ("CASE WHEN age < 18 THEN 'young' ELSE 'grown' END", "the labels; without ELSE other rows are left out",
     "the labels of the query"),
)  # fmt: skip
SETS: tuple[Row, ...] = (
    ("GROUPING SETS ((region), (active, grade), ())", "each grouping for itself, of the same rows, in one release",
     "the groups of each; what one unit moves is added over the sets"),
    ("ROLLUP (region, grade)", "by both, by the first, and all together", "as GROUPING SETS"),
    ("CUBE (region, grade)", "by every choice of them, up to six", "as GROUPING SETS"),
)  # fmt: skip
LIMITS: tuple[tuple[str, object], ...] = (
    ("characters of a query", language.LONGEST_QUERY),
    ("levels of brackets and operators", language.DEEPEST),
    ("bytes of a plan", LARGEST_PLAN),
    ("aggregates", MOST_AGGREGATES),
    ("group keys together", groups.MOST_TOGETHER),
    ("grouping sets; keys in all of them", f"{groups.MOST_SETS}; {groups.MOST_KEYS}"),
    ("groups of an answer", drafting.MOST_CELLS),
    ("unknown groups of an answer", drafting.MOST_FOUND),
    ("bytes of an unknown group's name", finding.LONGEST),
    ("labels of a CASE", groups.MOST_LABELS),
    ("comparisons in a condition", predicates.MOST_TERMS),
    ("parts of an expression", e.MOST_NODES),
    ("levels of an expression", e.DEEPEST),
    ("steps of any number on the way", "less than 2^53"),
    ("product of both K in a join", joining.MOST_PAIRS),
    ("candidates of a quantile or mode", drafting.MOST_CANDIDATES),
)

_INTRO = """# The query language

Generated from `connector/hefu_connector/engines/query_reference.py` by `make docs`.

    hefu compute query --contract NAME --epsilon 0.5 "SELECT region, BIN(age, 10) AS decade, COUNT(*) AS n,
      AVG(income / 12), MEDIAN(age) FROM data WHERE age >= 18 GROUP BY region, decade"

The consumer's side reads the SQL into a typed plan, by the positive lists below; only the plan is signed and sent. The
provider checks it against its own schema and makes its own statement from it. Everything else is refused with the word
and the reason, before data is touched, and costs nothing.

**K** is the provider's `max_contribution`: rows of one privacy unit that an answer reads at most, drawn anew for each
answer from those that pass the filter and fall into a group. Bounds, granularities, categories and K are the signed
schema's; nothing in a query can widen them. What one unit can move, with the proofs:
`connector/hefu_connector/engines/sensitivities.py`.

## What values mean

- In arithmetic a column is moved into its bounds and rounded to its granularity. In a comparison with a constant it
  stands as it is.
- Absent, not finite and unreadable values are absent: they add nothing, are not counted as present, and make what is
  computed from them absent. A divisor of 0 gives absent. A condition with an absent value is unknown, and not true.
- Numbers are whole numbers of steps throughout, bounded on any data before it is read, so that nothing overflows, and
  are the same on every engine. What could leave 2^53 steps is refused: round it coarser, or clamp it.
- Which groups an answer has follows from schema and query, never from data; absent ones are answered with noise. The
  one exception are unknown groups, below, which cost a δ.
- An answer's ± is its 95 % interval. Those of means, variances, standard deviations, quantiles and modes are
  conservative: all their parts are off by their worst at once.
- A quantile is read from noised counts. One quantile of a number, near its middle and with enough steps, of a product
  that says how many rows it has, without a condition or a join and with rows enough beside the noise, is chosen by
  report noisy max of ranks with a quarter of its loss (`noisy-quantile` among the mechanisms); counts have the rest and
  give its interval. Which it is follows from description and query alone: `benchmarks/quantiles.py` has measured both.
"""

_UNKNOWN = """## Unknown groups

`GROUP BY city` where nobody declared the cities: offer a δ beside the loss (`--epsilon 0.5 --delta 1e-6`), and the
groups are found in the data. Text, integer and date columns without declared categories; beside declared keys, not in
grouping sets, and not by the column of the privacy unit.

- A group is told if its noised number of privacy units reaches a threshold, which the answer names beside its
  mechanism. A group of one unit is never told. Groups that a minimum group would withhold are not told either.
- The threshold follows from δ, K and the noise: at ε = 1, δ = 10⁻⁶ and K = 1 it is 16 units for one count. A smaller K,
  a larger ε and fewer aggregates find smaller groups.
- Rows without a value fall into no group. Values that are empty, longer than the limit below, or not printable are left
  out. Of more groups than an answer holds, those with the most units by their noised counts are told.
- The size of a release and its receipt say how many groups there may be, never how many there are.
- The interval of the count that decides holds over all groups: of a group near the threshold it is known that its noise
  was not low. All other answers have noise of their own, drawn afterwards.
- Answers of several providers are not put together by unknown groups, and no `--target-error` is searched for.
- LIMIT: where a column has millions of values in which at least two units have rows, a worker ends at its limits of
  memory or time, and with it the question: charged, failed and without an answer. That there are so many is told by it.
"""
_JOINS = """## Joins

    hefu compute query --contract AGR-A --joined AGR-B --epsilon 0.5 "SELECT region, ward, SUM(cost) AS cost
      FROM data JOIN \"prd-b\" USING (person) GROUP BY region, ward"

A second product of the same provider may be joined, on the privacy unit of both, where both call it by one name and
type. Rows of units that one product lacks are left out. A column that both have under one name cannot be used, but for
the unit. Each product stands under a contract of its own, whose permission must name the key (`hefu:joinKey`); each
contract judges its own product's columns, and each contract and each asset is charged in full.

Rows of a unit are bounded in each table by its own K, after the conditions that compare columns of this table alone
with constants; their pairs, after the whole filter, by the larger of both. The product of both K is
limited. Exact aggregates and deliveries are not joined, and unknown groups are not found in a join. Why so:
`docs/decisions/2026-11-22-a-join-stands-under-two-contracts.md`.
"""


def page() -> str:
    """The page of the docs."""
    lines = [_INTRO]
    for title, head, rows in (
        ("Aggregates", "one privacy unit moves it by", AGGREGATES),
        ("Numbers of a row", "bounds and step", NUMBERS),
        ("Conditions", "what bounds it", CONDITIONS),
        ("Group keys", "groups", KEYS),
        ("Several groupings", "groups", SETS),
    ):
        lines += [f"## {title}", "", f"| form | meaning | {head} |", "|---|---|---|"]
        lines += [f"| `{form}` | {meaning} | {bounds} |" for form, meaning, bounds in rows]
        lines.append("")
    lines += [
        "A key is named by its alias, or written out in GROUP BY once more. With several groupings a row of the answer"
    ]
    lines += ["has no label under a key that is not of its grouping.", "", _UNKNOWN]
    lines += [*_JOINS.splitlines(), ""]
    lines += ["## Refused, and what to write", "", "| word | reason |", "|---|---|"]
    lines += [f"| `{name}` | {why} |" for name, why in REFUSALS.items()]
    lines.append(
        "| subqueries, `HAVING`, `ORDER BY`, `LIMIT`, `UNION` | a query reads one data product once, or joins two |"
    )
    lines += ["", "## Limits", "", "| what | at most |", "|---|---|"]
    lines += [f"| {name} | {most} |" for name, most in LIMITS]
    return "\n".join([*lines, ""])
