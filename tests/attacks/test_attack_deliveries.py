"""Attacks on deliveries: asking otherwise, and joining what came, gives no more than one delivery may give."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from hefu_connector.engines import delivering
from hefu_connector.ports import Values
from hefu_policies.library import template
from hefu_policies.odrl import load

from tests.connector.test_delivery_engine import ENGINE, KEY, NAMES, deliver, prepare

QUASI = ("age", "region", "born", "free")


def people(folder: Path, count: int = 240) -> Path:
    """A table in which everybody has a cost of their own: by it rows of two deliveries can be joined."""
    path = folder / "people.csv"
    lines = (
        f"p{i},N{i},{(i * 7) % 90},{'north' if i % 2 else 'south'},19{50 + i % 40}-0{1 + i % 9}-11,d{i % 3},w,{i}.25,"
        f"x{i % 2}"
        for i in range(count)
    )
    path.write_text(",".join(NAMES) + "\n" + "\n".join(lines) + "\n")
    return path


def joined(found: list[tuple[tuple[str, ...], Values]]) -> list[tuple[str | None, ...]]:
    """What the deliveries tell together of each cost."""
    known: dict[str | None, dict[str, str | None]] = {}
    for headings, values in found:
        for row in values.rows:
            said = dict(zip(headings, row, strict=True))
            known.setdefault(said["cost"], {}).update(said)
    return [tuple(each.get(name, "") for name in QUASI) for each in known.values() if {*QUASI} <= {*each}]


def test_anonymised_deliveries_of_other_columns_cannot_be_joined_to_smaller_groups(tmp_path: Path) -> None:
    path, found = people(tmp_path), []
    for asked in (*((each,) for each in QUASI), *combinations(QUASI, 2)):
        prepared = prepare("anonymised", (*asked, "cost"), group=5)
        found.append((prepared.headings, deliver(prepared, path)))
    rows = joined(found)
    assert len(rows) > 100
    assert min(Counter(rows).values()) >= 5


def test_anonymised_deliveries_of_a_row_more_show_the_same_rows(tmp_path: Path) -> None:
    path, shown = people(tmp_path), set()
    for most in range(30, 240, 30):
        shown |= {*deliver(prepare("anonymised", (*QUASI, "cost"), group=5, rows=most), path).rows}
    whole = {*deliver(prepare("anonymised", (*QUASI, "cost"), group=5), path).rows}
    assert shown <= whole
    assert len(shown) > 20


@pytest.mark.parametrize("processing", ["raw", "masked"])
def test_rows_below_the_limit_are_the_same_ones_whatever_columns_are_asked(tmp_path: Path, processing: str) -> None:
    path = people(tmp_path)
    first, second = (
        deliver(prepare(processing, columns, unit="row", rows=40), path)
        for columns in (("cost",), ("diagnosis", "age", "cost"))
    )
    assert {row[0] for row in first.rows} == {row[-1] for row in second.rows}


def test_only_what_the_agreement_lets_be_asked_is_generalised_together(tmp_path: Path) -> None:
    path = people(tmp_path)
    values = {"columns": ["age", "cost"], "rows": 200, "count": 2, "until": "2027-11-21T00:00:00Z", "keep": "PT1H"}
    policy = load(template("delivery-anonymised", values))
    rows, columns = policy.reach("hefu:deliver")
    assert (rows, columns) == (200, frozenset({"age", "cost"}))
    assert policy.reach("hefu:dpQuery") == (None, None)
    prepared = prepare("anonymised", ("age", "cost"), group=2)
    reach = {"rows": rows, "columns": sorted(columns or ())}
    told = delivering.run({**prepared.parameters, "key": KEY, "reach": reach}, path, "csv", {})
    narrow, wide = ENGINE.read(told, prepared), deliver(prepared, path)
    assert len(narrow.rows) > 190
    assert len({row[0] for row in narrow.rows}) > len({row[0] for row in wide.rows})


def test_a_time_with_a_fraction_does_not_stop_an_anonymised_delivery() -> None:
    from hefu_connector.engines.treatments import Field, ladder
    from hefu_policies.goods.processing import Treatment

    day = ladder(Field("at", "timestamp", Treatment.GENERALISE))[0]
    assert day("1999-12-31T23:59:59.123456") == day("1999-12-31T23:59:59") == "1999-12-31"
