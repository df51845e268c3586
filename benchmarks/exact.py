"""How long an exact answer takes a worker beside what was told before: ``python benchmarks/exact.py --told 1000``.

Random counts and sums over ranges of ages, by region or not, of generated people. The history is made without asking;
what a worker finds out about it once is timed for itself, then the answers beside it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from hefu.canonical import Object
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.computing.predicates import All, Between, Compare, Literal
from hefu_connector.engines.exact import counting as exact_counting
from hefu_connector.engines.exact.engine import Exact
from hefu_connector.ports import Prepared
from hefu_policies.budget import NO_LOSS, Budget
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource

REGIONS = ("north", "south", "east")
COLUMNS = (
    Column("person", "integer"),
    Column("region", "text", categories=REGIONS),
    Column("grade", "integer", categories=("1", "2")),
    Column("age", "integer", bounds=Bounds(Decimal(0), Decimal(100), Decimal(1))),
    Column("income", "decimal", bounds=Bounds(Decimal(-50), Decimal(200), Decimal("0.25"))),
)
PEOPLE = Resource("res-people", COLUMNS, Privacy("person", 1, Budget.of_text("0", releases=10_000)))
SEED = random.Random(5)


def main() -> None:
    """Print seconds, of the clock and of processors, for the first answer and for some after it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--told", type=int, default=1_000)
    parser.add_argument("--answers", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = _people(Path(folder) / "people.parquet", asked.rows)
        history: list[Any] = [_kept(each, range(each.cells)) for each in (_question() for _ in range(asked.told))]
        standing: Any = ""
        for number in range(asked.answers + 1):
            began, busy, prepared = time.perf_counter(), time.process_time(), _question()
            found: Object = {"behind": True}
            while found == {"behind": True}:
                parameters = {**prepared.parameters, "history": history, "standing": standing}
                found = dict(exact_counting.run(parameters, path, "parquet", {}))
                standing = found.pop("standing")
            told = "told" in found
            clock, used = time.perf_counter() - began, time.process_time() - busy
            print(f"{'first' if not number else 'after'}: {clock:.2f} s, {used:.2f} s of processors, told: {told}")
            history += [_kept(prepared, found["told"])] if told else []


def _people(path: Path, rows: int) -> Path:
    table = {
        "person": list(range(rows)),
        "region": SEED.choices(REGIONS, k=rows),
        "grade": SEED.choices((1, 2), k=rows),
        "age": [SEED.randrange(100) for _ in range(rows)],
        "income": [SEED.randrange(-200, 800) / 4 for _ in range(rows)],
    }
    pa.parquet.write_table(pa.table(table), path)
    return path


def _question() -> Prepared:
    low, high = sorted(SEED.randrange(100) for _ in range(2))
    ages = Between("age", Literal("integer", str(low)), Literal("integer", str(high)))
    grade = Compare("grade", "=", Literal("integer", str(SEED.choice((1, 2)))))
    where = All((ages, grade)) if SEED.random() < 0.5 else ages
    figures = (Aggregate("count", "n"), Aggregate("sum", "total", "income"))[: SEED.choice((1, 2))]
    plan = ExactPlan(Plan("prd-people", figures, NO_LOSS, where, SEED.choice(((), ("region",)))))
    return Exact().prepare(plan.body(), PEOPLE, 10, Decimal(5))


def _kept(prepared: Prepared, told: Any) -> Object:
    return {"question": prepared.parameters["question"], "group": 10, "told": [*told], "dominated": {}}


if __name__ == "__main__":
    main()
