"""The question of `benchmarks/query.py`, answered by Tumult Analytics on local Spark, in an environment of its own."""

import os
import sys
import time

from pyspark.sql import SparkSession
from serving import Asked, serve
from tmlt.analytics import (
    AddMaxRows,
    AddRowsWithID,
    KeySet,
    MaxRowsPerID,
    PureDPBudget,
    QueryBuilder,
    Session,
)

os.environ["PYSPARK_PYTHON"] = sys.executable  # of Spark's own workers
SPARK = (
    SparkSession.builder.master("local[2]")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "4g")
    .getOrCreate()
)


def answer(asked: Asked) -> dict[str, list[float]]:
    """A count and two sums of each region, each with a third of the loss."""
    person = asked.unit == "person"
    table = SPARK.read.parquet(asked.path)
    if not person:
        table = table.drop("person")
    session = Session.from_dataframe(
        PureDPBudget(asked.epsilon),
        "rows",
        table,
        protected_change=AddRowsWithID("person") if person else AddMaxRows(1),
    )
    keys = KeySet.from_dict({"region": [f"r{index}" for index in range(50)]})
    query = QueryBuilder("rows")
    if person:
        query = query.enforce(MaxRowsPerID(asked.contribution))
    found: dict[str, list[float]] = {}
    for asking, name in (
        (query.groupby(keys).count(name="v"), "n"),
        (query.groupby(keys).sum("amount", low=0.0, high=500.0, name="v"), "s"),
        (query.groupby(keys).sum("age", low=0, high=100, name="v"), "a"),
    ):
        del name
        for row in session.evaluate(asking, PureDPBudget(asked.epsilon / 3)).collect():
            found.setdefault(row["region"], []).append(float(row["v"]))
    return found


if __name__ == "__main__":
    serve(answer, "tmlt-analytics", time.perf_counter)
