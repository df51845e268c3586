"""The question of `benchmarks/query.py`, answered by OpenDP's own Polars context. Runs in an environment of its own."""

import time

import opendp.prelude as dp
import polars as pl
from serving import Asked, serve

dp.enable_features("contrib")


def answer(asked: Asked) -> dict[str, list[float]]:
    """A count and two sums of each region."""
    person = asked.unit == "person"
    unit = dp.unit_of(contributions=1, identifier=pl.col("person")) if person else dp.unit_of(contributions=1)
    context = dp.Context.compositor(
        data=pl.scan_parquet(asked.path),
        privacy_unit=unit,
        privacy_loss=dp.loss_of(epsilon=asked.epsilon),
        split_evenly_over=1,
        margins=[dp.polars.Margin(max_length=asked.rows)],
    )
    query = context.query()
    if person:
        query = query.truncate_per_group(asked.contribution)
    regions = pl.LazyFrame({"region": [f"r{index}" for index in range(50)]})
    found = (
        query.group_by("region")
        .agg(
            dp.len().alias("n"),
            pl.col("amount").fill_null(0.0).fill_nan(0.0).dp.sum((0.0, 500.0)).alias("s"),
            pl.col("age").fill_null(0).dp.sum((0, 100)).alias("a"),
        )
        .with_keys(regions)
        .release()
        .collect()
    )
    return {region: [n, s, a] for region, n, s, a in found.select("region", "n", "s", "a").iter_rows()}


if __name__ == "__main__":
    serve(answer, "opendp", time.perf_counter)
