"""Millions of groups that nobody declared: a worker's limits end in a refusal, and the connector serves the next."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hefu.errors import Unavailable
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.groups import Unknown
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Table
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.resource import Column

from tests.connector.engine_world import resource

MEMORY = 768 << 20  # of a worker; a connector gives 2 GiB
CITIES = 2_000_000
# Two persons in each city, so that no city is left out before the worker sees it.
MAKE = "COPY (SELECT 'p' || i AS person, 'city ' || (i % $groups) AS city FROM range(2 * $groups) t(i)) TO "


def table(path: Path, groups: int) -> Table:
    duckdb.execute(f"{MAKE} '{path}' (FORMAT parquet)", {"groups": groups})
    return Table(path, "parquet", "sha256:" + "0" * 64, path.stat().st_size)


@pytest.mark.timeout(300)
def test_more_groups_than_a_worker_holds_are_refused_and_the_next_question_is_answered(tmp_path: Path) -> None:
    asked = Plan("prd-people", (Aggregate("count", "n"),), PrivacyLoss(10**9, 10**9), None, (Unknown("city"),))
    of = resource(columns=(Column("person", "text"), Column("city", "text")))
    prepared = Statistics().prepare(asked.body(), of, None)
    many, few = table(tmp_path / "many", CITIES), table(tmp_path / "few", 10)
    with Pool(tmp_path, Limits(ready=1, memory=MEMORY)) as pool:
        with pytest.raises(Unavailable) as fault:
            pool.run("statistics", prepared.parameters, many, job="many", deadline=120)
        # One word, whatever became too much: memory or time.
        assert fault.value.code in ("worker.failed", "worker.deadline")
        assert "city" not in fault.value.public() + fault.value.detail
        output = pool.run("statistics", prepared.parameters, few, job="few", deadline=120)
        assert Statistics().read(output, prepared).rows == ()  # two persons are too few to be told
        assert not pool.failing
