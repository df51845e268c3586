"""Plans: what they say, how they are written, and what no plan may be."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hefu import canonical
from hefu.errors import Malformed
from hefu_connector.computing import predicates as p
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_policies.budget import PrivacyLoss
from hypothesis import given
from hypothesis import strategies as st

from tests.connector.engine_world import plan

NAMES = st.sampled_from(["age", "region", "income", "day"])
LITERALS = st.one_of(
    st.integers(-(2**63) + 1, 2**63 - 1).map(lambda n: p.Literal("integer", str(n))),
    st.decimals(-(10**6), 10**6, places=3).map(lambda d: p.Literal("decimal", f"{d:f}")),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
    .filter(lambda text: __import__("unicodedata").is_normalized("NFC", text))
    .map(lambda t: p.Literal("text", t)),
    st.booleans().map(lambda b: p.Literal("boolean", str(b).lower())),
    st.dates().map(lambda d: p.Literal("date", d.isoformat())),
)
TERMS = st.one_of(
    st.builds(p.Compare, NAMES, st.sampled_from(p.OPERATORS), LITERALS),
    st.builds(p.In, NAMES, st.lists(LITERALS, min_size=1, max_size=3).map(tuple)),
    st.builds(p.IsNull, NAMES),
    st.builds(p.Between, NAMES, LITERALS, LITERALS),
)
FILTERS = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(p.Not, inner),
        st.builds(p.All, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(p.Any, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
WHOLE = plan(
    Aggregate("count", "n"),
    Aggregate("mean", "m", "income"),
    where=p.All((p.Compare("age", ">", p.Literal("integer", "17")), p.Not(p.IsNull("day")))),
    by=("region",),
)


@given(FILTERS)
def test_a_plan_reads_back_as_it_was_written(tree: p.Predicate) -> None:
    asked = plan(Aggregate("histogram", "h", "age", edges=(Decimal(0), Decimal("2.5"))), where=tree, by=("region",))
    data = canonical.encode(asked.body())
    again = Plan.of(canonical.decode(data))
    assert again == asked
    assert canonical.encode(again.body()) == data


def test_the_lineage_of_a_plan_has_every_column_it_touches() -> None:
    assert WHOLE.columns() == {"age", "day", "income", "region"}
    assert WHOLE.headings() == ("region", "n", "m")


def _changed(path: tuple[str | int, ...], value: Any) -> Any:
    body: Any = copy.deepcopy(WHOLE.body())
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("version",), True),
        (("extra",), 1),
        (("aggregates",), []),
        (("aggregates",), [{"function": "count", "alias": f"n{index}"} for index in range(17)]),
        (("aggregates", 0, "function"), "median"),
        (("aggregates", 0, "alias"), 'n"; DROP'),
        (("aggregates", 0, "alias"), "m"),
        (("aggregates", 1, "column"), ""),
        (("aggregates", 1, "bins"), 5),
        (("group_by",), ["a", "b", "c", "d", "e"]),
        (("group_by",), ["region", "region"]),
        (("group_by",), ["region; --"]),
        (("loss", "epsilon_nano"), -1),
        (("loss", "epsilon_nano"), "1"),
        (("loss", "epsilon_nano"), True),
        (("filter",), {"raw": "1=1"}),
        (("filter",), {"and": [{"is_null": {"column": "age"}}]}),
        (("filter", "and", 0, "compare", "operator"), "= 1 OR 1 ="),
        (("filter", "and", 0, "compare", "value"), {"integer": "1e5"}),
        (("filter", "and", 0, "compare", "value"), {"decimal": "NaN"}),
        (("filter", "and", 0, "compare", "value"), {"date": "2026-02-30"}),
        (("filter", "and", 0, "compare", "value"), {"text": "x" * 201}),
        (("filter", "and", 0, "compare", "value"), {"text": "a\x00b"}),
        (("filter", "and", 0, "compare", "value"), {"integer": "1", "text": "1"}),
        (("filter", "and", 0, "compare", "value"), 17),
        (("filter",), {"in": {"column": "age", "values": []}}),
        (("filter",), {"in": {"column": "age", "values": [{"integer": str(n)} for n in range(101)]}}),
    ],
)
def test_a_plan_of_another_form_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(Malformed):
        Plan.of(_changed(path, value))


def test_a_filter_that_is_too_deep_or_too_wide_is_refused() -> None:
    leaf = p.IsNull("age")
    deep: p.Predicate = leaf
    for _ in range(p.DEEPEST + 1):
        deep = p.Not(deep)
    wide = p.All(tuple([p.Any((leaf, leaf))] * 51))
    for tree in (deep, wide):
        with pytest.raises(Malformed):
            plan(where=tree)
        with pytest.raises(Malformed):
            Plan.of({**WHOLE.body(), "filter": tree.body()})


def test_a_very_deep_tree_is_refused_before_it_is_walked() -> None:
    tree: Any = {"is_null": {"column": "age"}}
    for _ in range(5000):
        tree = {"not": tree}
    with pytest.raises(Malformed):
        Plan.of({**WHOLE.body(), "filter": tree})


def test_there_is_one_histogram_and_in_the_first_version_it_stands_alone() -> None:
    beside = plan(Aggregate("histogram", "h", "age", bins=2), Aggregate("count", "n"))
    assert beside.body()["version"] == 2
    with pytest.raises(Malformed, match="first version"):
        Plan.of({**beside.body(), "version": 1})
    with pytest.raises(Malformed):
        plan(Aggregate("histogram", "h", "age", bins=2), Aggregate("histogram", "i", "age", bins=2))
    with pytest.raises(Malformed):
        Aggregate("histogram", "h", "age", bins=2, edges=(Decimal(1), Decimal(2)))
    with pytest.raises(Malformed):
        Aggregate("histogram", "h", "age", edges=(Decimal(2), Decimal(1)))


def test_a_loss_is_read_in_whole_units() -> None:
    assert Plan.of(WHOLE.body()).loss == PrivacyLoss(10**15)
