"""A joint total of 1,000 cells over 3, 10 and 50 providers: seconds, bytes, and the error beside separate answers.

    python benchmarks/totals.py

In one process, one provider after the other: engines, masks and ciphertexts are those of the connectors; contracts,
transport and the start of workers are not in it. Of k providers h = ⌈2k/3⌉ are counted on. Each cell is a sum of
metered consumption, each provider has meters of its own, and every meter may lose the same ρ either way.
"""

from __future__ import annotations

import argparse
import io
import math
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from hefu import canonical
from hefu.canonical import Object
from hefu_connector.computing import blobs
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.suites import TOTALS
from hefu_connector.computing.total_plan import TotalPlan
from hefu_connector.engines import counting
from hefu_connector.engines.homomorphic import keys, totalling, totals_opening
from hefu_connector.engines.masks import OwnKey
from hefu_connector.engines.statistics import Statistics
from hefu_connector.engines.totals import Totals, propose
from hefu_connector.ports import Prepared
from hefu_connector.session import Party, Session
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.resource import Bounds, Column, Fact, Privacy, Resource
from measure import Page

CELLS, ROWS, RHO = 1000, 20_000, "0.02"
PARTIES = (3, 10, 50)
CLASSES = tuple(f"class-{each:04}" for each in range(CELLS))
METERS = Resource(
    "res-meters",
    (
        Column("meter", "integer"),
        Column("class", "text", categories=CLASSES),
        Column("kwh", "integer", bounds=Bounds(Decimal(0), Decimal(2000), Decimal(1))),
    ),
    Privacy("meter", 1, Budget(PrivacyLoss(0, 0, 10**12), 10**6, "zcdp"), exclusive=True),
    (Fact("rows", str(ROWS)),),
)
ASKED = Plan("prd-meters", (Aggregate("sum", "kwh", "kwh"),), PrivacyLoss.of_rho(RHO), None, ("class",))


@dataclass
class Told:
    """One run: processor seconds of each phase, and what came of it."""

    worker: list[float]
    adding: float
    opening: float
    sent: int
    values: list[float]


def main() -> None:
    """Measure and write the page."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--parties", type=int, nargs="*", default=PARTIES)
    parties = reader.parse_args().parties
    page = Page("totals", f"Joint totals of {CELLS:,} cells, {ROWS:,} rows a provider, ρ = {RHO}")
    page.say(
        "In one process: engines, masks and ciphertexts; no contracts, transport or start of workers. Seconds are of a "
        "processor, as others used the machine too.",
        "",
    )
    headings = (
        "providers (counted on)", "a provider's worker, median", "the adder's", "opening", "bytes of each answer",
        "error of a cell, joint", "answered apart, added up", "times less", "√h",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        tables = [_table(Path(folder) / f"{each}.parquet", each) for each in range(max(parties))]
        page.table(headings, [_row(tables[:count], Path(folder)) for count in parties])
    page.say("The error is the root of the mean square over all cells, against the exact total.")
    page.write()


def _row(tables: Sequence[tuple[Path, list[int]]], folder: Path) -> tuple[str, ...]:
    count, paths = len(tables), [path for path, _ in tables]
    honest = math.ceil(2 * count / 3)
    truth = [sum(numbers) for numbers in zip(*(numbers for _, numbers in tables), strict=True)]
    told = _joint(paths, honest, folder)
    joint, apart = _error(told.values, truth), _error(_separate(paths), truth)
    return (
        f"{count} ({honest})", f"{statistics.median(told.worker):.2f} s", f"{told.adding:.2f} s",
        f"{told.opening:.2f} s", f"{told.sent:,}", f"{joint:,.0f}", f"{apart:,.0f}", f"{apart / joint:.2f}",
        f"{math.sqrt(honest):.2f}",
    )  # fmt: skip


def _joint(paths: Sequence[Path], honest: int, folder: Path) -> Told:
    context = keys.make(TOTALS)
    public = keys.public(context)
    (folder / "public").write_bytes(public)
    (folder / "secret").write_bytes(keys.secret(context))
    names = [f"party-{each:02}" for each in range(len(paths))]
    parties = tuple(Party(name, f"agr-{name}", f"cmp-{name}") for name in names)
    key = canonical.digest(public)
    session = Session("ses-" + "a" * 26, parties, names[0], honest, key, TOTALS.name, TOTALS.digest(), "asker")
    noise, question = propose([ASKED] * len(paths), [METERS] * len(paths), honest)
    plan = TotalPlan(session, ASKED, noise, question)
    prepared, own = Totals().prepare(plan.body(), METERS, None), {name: OwnKey() for name in names}
    made, seconds = [], []
    for at in reversed(range(len(paths))):
        secrets = {
            name: each.secret(own[names[at]].public, b"t").hex() for name, each in own.items() if name != names[at]
        }
        (folder / "others").write_bytes(blobs.encode(made))
        beside = [folder / "public", *([folder / "others"] if at == 0 else [])]
        started = time.process_time()
        made.append(_part(prepared, paths[at], {"me": names[at], "secrets": secrets, "sums": at == 0}, beside))
        seconds.append(time.process_time() - started)
    (folder / "total").write_bytes(made[-1])
    started = time.process_time()
    opened = totals_opening.make(
        {"suite": TOTALS.name, **_object(prepared.parameters["open"])}, folder / "total", "ciphertexts",
        {"beside": [_named(folder / "secret")]}, io.BytesIO(),
    )  # fmt: skip
    answer = Totals().combine(opened, [prepared] * len(paths))
    opening = time.process_time() - started
    return Told(seconds[:-1], seconds[-1], opening, len(made[0]), [float(row[1] or "nan") for row in answer.rows])


def _part(prepared: Prepared, table: Path, said: Object, beside: Sequence[Path]) -> bytes:
    sink = io.BytesIO()
    layout: Object = {"beside": [_named(each) for each in beside]}
    totalling.make({**prepared.parameters, "session": said}, table, "parquet", layout, sink)
    return sink.getvalue()


def _named(path: Path) -> Object:
    return {"path": str(path), "form": "ciphertexts", "layout": {}}


def _object(value: Any) -> Object:
    return dict(value)


def _separate(paths: Sequence[Path]) -> list[float]:
    """The same question answered by each for itself, at the same price, and added up."""
    prepared, found = Statistics().prepare(ASKED.body(), METERS, None), [0.0] * CELLS
    for path in paths:
        values = Statistics().read(counting.run(prepared.parameters, path, "parquet", {}), prepared)
        found = [old + float(row[1] or "nan") for old, row in zip(found, values.rows, strict=True)]
    return found


def _error(found: Sequence[float], truth: Sequence[int]) -> float:
    return math.sqrt(statistics.fmean((each - wanted) ** 2 for each, wanted in zip(found, truth, strict=True)))


def _table(path: Path, seed: int) -> tuple[Path, list[int]]:
    """A provider's meters, and the exact sum of each class."""
    drawn, sums = random.Random(seed), [0] * CELLS
    places = [drawn.randrange(CELLS) for _ in range(ROWS)]
    values = [min(2000, int(drawn.lognormvariate(5, 1))) for _ in range(ROWS)]
    for place, value in zip(places, values, strict=True):
        sums[place] += value
    rows = {"meter": range(ROWS), "class": [CLASSES[each] for each in places], "kwh": values}
    pyarrow.parquet.write_table(pa.table({name: list(each) for name, each in rows.items()}), path)
    return path, sums


if __name__ == "__main__":
    main()
