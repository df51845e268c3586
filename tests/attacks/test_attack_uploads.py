"""An altered consumer before a real connector: what it uploads over TLS harms its own requests, and nobody else."""

from __future__ import annotations

import random
import threading
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hefu import canonical
from hefu.envelope import Statement, new_id
from hefu.errors import HefuError
from hefu.statements.receipt import Failure, Refusal
from hefu.v1 import computation_pb2, computation_pb2_grpc
from hefu.wire import transport
from hefu_connector.clients.peer import PeerClient
from hefu_connector.computing import blobs
from hefu_connector.computing.model import IDENTITY
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.computing.scoring import Answered, Under
from hefu_connector.ports import ComputationState
from hefu_connector.rpc import peers
from hefu_connector.running import Connector
from hefu_connector.shelves import SourceRecord

from tests.attacks import mutating
from tests.connector.small_space import PURPOSE, Space, agree, eventually, plan, provide
from tests.connector.test_score_enforcement import FEATURES, description, model, policy
from tests.deep import examples

pytest.importorskip("tenseal")
from hefu_connector.engines.homomorphic import keys, scoring

MOST, RISK = 10**9, "dpv:OrganisationRiskManagement"
RECORDS = array("d", [10.0, 20.0, 30.0, 40.0, 50.0, 60.0])  # three


@dataclass
class Stage:
    """A provider with a model and a table, and a consumer of both."""

    space: Space
    under: Under
    table: str

    @property
    def provider(self) -> Connector:
        return self.space.connectors["hospital-a"]

    @property
    def consumer(self) -> Connector:
        return self.space.connectors["pharma-b"]

    def send(self, data: bytes, folder: Path) -> str:
        """Upload bytes and ask for them to be scored; how it ended."""
        scores, computation, file = self.consumer.desk.scoring, new_id("cmp"), folder / new_id("inp")
        file.write_bytes(data)
        digest, pair = canonical.digest(data), scores._keys.of(self.under.agreement, self.under.model.served.suite)
        served, key = self.under.model.served, canonical.digest(pair.public)
        try:
            asked = ScorePlan(self.under.product, served.digest, served.suite, key, 3, digest, len(data))
            scores._uploads.upload("hospital-a", computation, self.under.agreement, digest, len(data), file)
            self.consumer.asking.ask(asked.body(), self.under.agreement, RISK, "rui", computation=computation)
        except HefuError as fault:
            return fault.code
        *_, last = self.consumer.asking.follow(computation)
        own = self.consumer.asking.outcome(computation).own
        if last.state is ComputationState.RELEASED:
            return "released"
        statement = Statement.parse(own.receipt or b"")
        kind = Refusal if last.state is ComputationState.REFUSED else Failure
        return kind.of(statement).code

    def good(self) -> bytes:
        """What an honest consumer uploads."""
        pair = self.consumer.desk.scoring._keys.of(self.under.agreement, self.under.model.served.suite)
        columns = [RECORDS[at :: len(FEATURES)] for at in range(len(FEATURES))]
        block = scoring.encrypt(keys.read_secret(pair.secret), FEATURES, columns)
        return blobs.encode([pair.public, *block])

    def honest(self, values: array[float]) -> bool:
        """Whether an honest request is answered."""
        *_, last = self.consumer.desk.scoring.score(self.under, [values])
        return isinstance(last, Answered) and len(last.steps) == 3


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("uploads")
    space, made = Space(folder).open(), model(IDENTITY)
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        consumer = space.member("pharma-b", "consumer")
        provide(provider, folder)
        file = folder / "model.json"
        file.write_bytes(canonical.encode(made.body()))
        resource = provider.desk.book.add(SourceRecord("risk", "", str(file), "model")).resource
        described = description(made, MOST, policy(made, per_day=MOST, count=MOST))
        asset = replace(described.resources[0], id=resource)
        eventually(lambda: provider.provider.publish(replace(described, resources=(asset,))))
        table = agree(provider, consumer, "prd-visits")
        asked = eventually(lambda: consumer.consumer.request("prd-risk", "off-research", RISK, "rui"))
        held = eventually(
            lambda: [each for each in consumer.agreements.all() if each.agreement.negotiation == asked.id]
        )
        agreement = held[0].agreement.id
        eventually(lambda: provider.agreements.load(agreement))
        under = eventually(lambda: consumer.desk.scoring.under(agreement, "prd-risk", RISK, "rui"))
        yield Stage(space, under, table)
    finally:
        space.close()


@pytest.mark.deep
def test_changed_uploads_over_a_real_connection_harm_their_own_request_alone(stage: Stage, tmp_path: Path) -> None:
    good, drawn, ends = stage.good(), random.Random("over TLS"), Counter[str]()
    assert stage.send(good, tmp_path) == "released"
    for number in range(examples(4, 150)):
        beside: list[bool] = []
        values = array("d", [float(number % 100), *RECORDS[1:]])
        others = threading.Thread(target=lambda v=values, b=beside: b.append(stage.honest(v)))
        others.start()
        ends[stage.send(mutating.changed(good, drawn), tmp_path)] += 1
        others.join()
        assert beside == [True]
    print(dict(ends))
    assert {*ends} <= {"released", "ciphertext.malformed", "score.shape", "worker.failed", "contract.value"}
    own = stage.consumer.asking.ask(plan("prd-visits", "0.1"), stage.table, PURPOSE, "rui")
    *_, last = stage.consumer.asking.follow(own.id)
    assert last.state is ComputationState.RELEASED, "who asks for something else is served as ever"


def test_who_announces_an_upload_and_sends_nothing_holds_its_room_for_a_time_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_UPLOAD_SECONDS", 0.3)
    client, over = stage.consumer.asking._peers, threading.Event()
    assert isinstance(client, PeerClient)
    announced = computation_pb2.InputsAnnounced(
        computation="computations/cmp-slow",
        agreement=stage.under.agreement,
        digest="sha256:" + "0" * 64,
        size=200 << 20,
    )

    def silent() -> Iterator[computation_pb2.UploadInputsRequest]:
        yield computation_pb2.UploadInputsRequest(announced=announced)
        over.wait(30)

    calls = computation_pb2_grpc.ComputationServiceStub(next(client._ways("hospital-a")))
    with pytest.raises(HefuError):
        transport.invoke(calls.UploadInputs, silent(), peer="hospital-a", timeout=60)
    assert not over.is_set(), "the provider ended it, and not the caller"
    over.set()
    eventually(lambda: not stage.provider.enforcement._world.inputs._coming)  # type: ignore[attr-defined]
    assert stage.honest(array("d", [99.0, *RECORDS[1:]]))
