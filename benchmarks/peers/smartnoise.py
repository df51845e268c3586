"""The question of `benchmarks/query.py`, answered by SmartNoise SQL over pandas. Runs in an environment of its own."""

import time

import pandas as pd
from serving import Asked, serve
from snsql import Privacy, from_df

DELTA = 1e-9  # it takes none of 0, and needs it for keys that are not declared
QUERY = "SELECT region, COUNT(*) AS n, SUM(amount) AS s, SUM(age) AS a FROM bench.rows GROUP BY region"
HELD: dict[str, pd.DataFrame] = {}


def metadata(asked: Asked) -> dict:
    """As its documentation describes a table."""
    table = {
        "row_privacy": asked.unit == "row",
        "max_ids": 1 if asked.unit == "row" else asked.contribution,
        "sample_max_ids": asked.unit != "row",
        "censor_dims": False,
        "clamp_counts": False,
        "rows": asked.rows,
        "person": {"type": "string", "private_id": asked.unit != "row"},
        "region": {"type": "string"},
        "amount": {"type": "float", "lower": 0.0, "upper": 500.0},
        "age": {"type": "int", "lower": 0, "upper": 100},
    }
    return {"": {"bench": {"rows": table}}}


def answer(asked: Asked) -> dict[str, list[float]]:
    """A count and two sums of each region. The file is read once, before: that is not its work."""
    privacy = Privacy(epsilon=asked.epsilon / 3, delta=DELTA)  # of each column
    reader = from_df(HELD[asked.path], privacy=privacy, metadata=metadata(asked))
    found = reader.execute(QUERY)
    return {str(region): [float(n), float(s), float(a)] for region, n, s, a in found[1:]}


if __name__ == "__main__":
    import sys

    HELD[sys.argv[1]] = pd.read_parquet(sys.argv[1])
    serve(answer, "smartnoise-sql", time.perf_counter)
