"""Joint totals in the workers that connectors use: confined, one computation each, and gone when they read rubbish."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.errors import Unavailable
from hefu_connector import bootstrap
from hefu_connector.computing import blobs
from hefu_connector.computing.computation import Aggregate
from hefu_connector.computing.suites import TOTALS
from hefu_connector.engines.masks import OwnKey
from hefu_connector.engines.noise import sharing
from hefu_connector.ports import Prepared, Table
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.budget import PrivacyLoss
from hefu_policies.words.terms import HE_INFERENCE, MPC_EVALUATE

from tests.connector import engine_world as world
from tests.connector.totals_world import ENGINE, people, plans

pytest.importorskip("tenseal")
from hefu_connector.engines.homomorphic import keys

ASKED = world.plan(Aggregate("count", "n"), Aggregate("sum", "years", "age"), loss=PrivacyLoss(0, 0, 10**14))


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    made = Pool(spool, Limits(ready=1))
    yield made
    made.close()


def kept(spool: Path, name: str, data: bytes, form: str = "ciphertexts", beside: Sequence[Table] = ()) -> Table:
    path = spool / name
    path.write_bytes(data)
    return Table(path, form, canonical.digest(data), len(data), beside=tuple(beside))


def ask(pool: Pool, engine: str, parameters: Any, table: Table) -> tuple[Any, bytes]:
    made = bytearray()
    output = pool.make(engine, parameters, table, made.extend, job=f"cmp-{engine}", deadline=120)
    return output, bytes(made)


def test_three_parties_and_the_consumer_each_in_a_worker(pool: Pool, tmp_path: Path) -> None:
    spool, context = tmp_path / "spool", keys.make(TOTALS)
    of = [people()] * 3
    asked = plans(ASKED, of, 2)
    prepared: list[Prepared] = [ENGINE.prepare(each.body(), people(), None) for each in asked]
    own = {name: OwnKey() for name in asked[0].session.names}
    public = kept(spool, "public", keys.public(context))
    told: list[bytes] = []
    for at, name in reversed([*enumerate(own)]):
        rows = [{"person": f"p{each}", "age": 10 * at + each} for each in range(5)]
        table = world.write(tmp_path / f"{at}.parquet", rows).read_bytes()
        said = {other: key.secret(own[name].public, b"t").hex() for other, key in own.items() if other != name}
        others = [kept(spool, "others", blobs.encode(told))] if at == 0 else []
        output, blob = ask(
            pool, "total", {**prepared[at].parameters, "session": {"me": name, "secrets": said, "sums": at == 0}},
            kept(spool, f"table-{at}", table, "parquet", [public, *others]),
        )  # fmt: skip
        assert ENGINE.read(output, prepared[at]).rows_read == 5
        told.append(blob)
    secret = kept(spool, "secret", keys.secret(context))
    opening = {"suite": TOTALS.name, **dict(prepared[0].parameters["open"])}  # type: ignore[arg-type]
    output, nothing = ask(pool, "total-open", opening, kept(spool, "sum", told[-1], beside=[secret]))
    assert nothing == b""
    ((count, years),) = ENGINE.combine(output, prepared).rows
    for value, truth, share in zip((count, years), (15, 180), asked[0].noise, strict=True):
        assert abs(int(value or 0) - truth) <= sharing.tail(share, 3, 2)


def test_a_key_of_another_form_ends_that_worker_and_nothing_else(pool: Pool, tmp_path: Path) -> None:
    prepared = ENGINE.prepare(plans(ASKED, [people()] * 3, 2)[0].body(), people(), None)
    said = {"me": "party-00", "secrets": {"party-01": "11" * 32, "party-02": "22" * 32}, "sums": False}
    table = world.write(tmp_path / "people.parquet", [{"person": "p", "age": 3}]).read_bytes()
    wrong = kept(tmp_path / "spool", "wrong", keys.secret(keys.make(TOTALS)))
    with pytest.raises(Unavailable) as refused:
        ask(pool, "total", {**prepared.parameters, "session": said}, kept(
            tmp_path / "spool", "table", table, "parquet", [wrong]))  # fmt: skip
    assert refused.value.code == "worker.failed"
    assert pool.hello()["hello"] == 1


def test_a_connector_without_the_library_offers_nothing_that_it_would_charge_and_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {HE_INFERENCE, MPC_EVALUATE} < set(bootstrap._engines())
    monkeypatch.setitem(sys.modules, "tenseal", None)
    assert {HE_INFERENCE, MPC_EVALUATE}.isdisjoint(bootstrap._engines())
