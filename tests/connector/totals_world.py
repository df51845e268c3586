"""A run of a joint total in one process, with real masks and ciphertexts: what tests of it share."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.canonical import Json, Object
from hefu_connector.computing import blobs
from hefu_connector.computing.computation import Plan
from hefu_connector.computing.suites import TOTALS
from hefu_connector.computing.total_plan import TotalPlan
from hefu_connector.engines.homomorphic import keys, totalling, totals_opening
from hefu_connector.engines.masks import OwnKey
from hefu_connector.engines.totals import Totals, propose
from hefu_connector.ports import Answer, Prepared
from hefu_connector.session import Party, Session
from hefu_policies.goods.resource import Fact, Resource

from tests.connector.engine_world import resource

ENGINE = Totals()
DECLARED = (Fact("rows", "100"),)


def people(rows: str = "100", **changes: Any) -> Resource:
    """The tests' own schema, with its rows declared."""
    return replace(resource(**changes), facts=(Fact("rows", rows),))


def session(count: int, honest: int, key: bytes = b"") -> Session:
    parties = tuple(Party(f"party-{at:02}", f"agr-{at}", f"cmp-{at}") for at in range(count))
    digest = canonical.digest(key)
    return Session("ses-" + "a" * 26, parties, "party-00", honest, digest, TOTALS.name, TOTALS.digest(), "asker")


def plans(asked: Plan, of: Sequence[Resource], honest: int, key: bytes = b"") -> list[TotalPlan]:
    """Of every party, as its consumer proposes them."""
    each = [replace(asked, product=f"prd-{at}") for at in range(len(of))]
    noise, question = propose(each, of, honest)
    return [TotalPlan(session(len(of), honest, key), one, noise, question) for one in each]


@dataclass(frozen=True)
class Run:
    """What came of it: every party's blob before the sum, the sum, the consumer's keys, the plans prepared."""

    blobs: list[bytes]
    total: bytes
    context: Any
    prepared: list[Prepared]
    folder: Path

    def opened(self, blob: bytes) -> Object:
        """What the consumer's worker says of a blob."""
        (self.folder / "blob").write_bytes(blob)
        (self.folder / "secret").write_bytes(keys.secret(self.context))
        beside: list[Json] = [{"path": str(self.folder / "secret"), "form": "ciphertexts", "layout": {}}]
        asked = {"suite": TOTALS.name, **Object_of(self.prepared[0].parameters["open"])}
        return totals_opening.make(asked, self.folder / "blob", "ciphertexts", {"beside": beside}, io.BytesIO())

    def answer(self) -> Answer:
        return ENGINE.combine(self.opened(self.total), self.prepared)


def Object_of(value: Json) -> Object:
    assert isinstance(value, dict)
    return value


def run(
    asked: Sequence[TotalPlan], of: Sequence[Resource], tables: Sequence[Path], folder: Path, context: Any = None
) -> Run:  # fmt: skip
    """All parties, one after the other; the first adds up."""
    context = context or keys.make(TOTALS)
    prepared = [ENGINE.prepare(plan.body(), one, None) for plan, one in zip(asked, of, strict=True)]
    own = {name: OwnKey() for name in asked[0].session.names}
    (folder / "public").write_bytes(keys.public(context))
    made: list[bytes] = []
    for at, name in reversed([*enumerate(own)]):
        secrets = {
            other: key.secret(own[name].public, b"transcript").hex() for other, key in own.items() if other != name
        }
        beside = [folder / "public"]
        if at == 0:
            (folder / "others").write_bytes(blobs.encode(made[::-1]))
            beside.append(folder / "others")
        made.append(part(prepared[at], tables[at], {"me": name, "secrets": secrets, "sums": at == 0}, beside))
    return Run(made[:-1], made[-1], context, prepared, folder)


def part(prepared: Prepared, table: Path, said: Mapping[str, Any], beside: Sequence[Path]) -> bytes:
    """One party's blob, as its worker makes it."""
    sink = io.BytesIO()
    layout: Object = {"beside": [{"path": str(each), "form": "ciphertexts", "layout": {}} for each in beside]}
    output = totalling.make({**prepared.parameters, "session": dict(said)}, table, "parquet", layout, sink)
    ENGINE.read(output, prepared)
    return sink.getvalue()
