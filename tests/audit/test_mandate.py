"""A regulator's mandate over a real space: what contracts file is opened only after the log knows, orders are obeyed
at once, and neither a broker nor a party gets around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu import canonical
from hefu.__main__ import main
from hefu.canonical import Object
from hefu.errors import HefuError, NotFound, Refused, Unavailable
from hefu.identity import Binding
from hefu.membership.mandate import OPENED, SUSPENDED, Access
from hefu.statements import filing
from hefu.statements.receipt import REFUSED, SEALED
from hefu.times import SystemClock
from hefu.tlog.note import VerifierKey
from hefu.tlog.tree import leaf_hash
from hefu_audit import mandate
from hefu_audit.clients import broker
from hefu_audit.clients.mandate import MandateClient
from hefu_audit.home import Home
from hefu_audit.mandate import Regulator
from hefu_broker.founding import read_root, sign_as_root
from hefu_connector.ports import ComputationState
from hefu_connector.running import Connector
from sqlalchemy import text

from tests.connector.small_space import PURPOSE, Space, agree, eventually, plan, provide

GROUNDS = ("--reason", "a complaint", "--basis", "Article 1")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    folder: Path = tmp_path_factory.mktemp("space")
    space = Space(folder).open()
    try:
        enrol(space)
        provider = space.member("hospital-a", "provider", quantum_ms=20, status_seconds=1)
        space.member("pharma-b", "consumer", status_seconds=1)
        provide(provider, folder)
        yield space
    finally:
        space.close()


def enrol(space: Space) -> None:
    """The regulator joins by its own commands, and the root names its filing key in the charter."""
    assert space.server is not None
    rooms = space.server.rooms
    run(space, "init", "--space", str(space.broker_folder / "space.json"), "--participant", "overseer")
    home = Home(space.folder / "overseer")
    keys = {"overseer": filing.public(home.filing())}
    drafted = rooms.charters.draft({}, frozenset(), None, ("overseer",), filing=keys)
    rooms.charters.adopt(sign_as_root(drafted, read_root(space.folder / "root"), SystemClock()).to_bytes())
    token = rooms.enrolments.invite("overseer", frozenset({"regulator"}))
    run(space, "enroll", "--token", token, code=3)
    (opened,) = rooms.enrolments.pending()
    signed = sign_as_root(rooms.enrolments.draft(opened.id), read_root(space.folder / "root"), SystemClock())
    rooms.enrolments.certify(opened.id, signed.to_bytes())
    run(space, "enroll")


def run(space: Space, *words: str, code: int = 0) -> None:
    command, *rest = words
    below = [command, *([rest.pop(0)] if command == "orders" else [])]
    assert main(["audit", *below, "--dir", str(space.folder / "overseer"), *rest, "--json"]) == code


def told(capsys: pytest.CaptureFixture[str]) -> Object:
    found: Object = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture(scope="module")
def agreement(space: Space) -> str:
    return agree(side(space, "hospital-a"), side(space, "pharma-b"), "prd-visits")


@pytest.fixture
def regulator(space: Space) -> Iterator[tuple[Regulator, MandateClient]]:
    home = Home(space.folder / "overseer")
    pinned, ring = home.space(), home.ring()
    key = VerifierKey.parse(pinned.log_key)
    made = Regulator(ring.participant, pinned.space, ring.signer(), home.filing(), key, SystemClock())
    with broker.connected(home, pinned, SystemClock()) as log:
        yield made, MandateClient(log.channel)


def side(space: Space, name: str) -> Connector:
    return space.connectors[name]


def compute(space: Space, agreement: str, epsilon: str = "0.1") -> tuple[str, ComputationState | None]:
    own = side(space, "pharma-b").asking.compute(plan("prd-visits", epsilon), agreement, PURPOSE, "rui").own
    return own.id, own.state


def test_an_agreement_is_filed_for_its_parties_and_the_regulators_of_the_charter(space: Space, agreement: str) -> None:
    for name in ("hospital-a", "pharma-b"):
        contract = side(space, name).agreements.load(agreement)
        assert contract.agreement.filing is not None
        assert {*contract.agreement.filing.wrapped} == {"hospital-a", "pharma-b", "overseer"}


def test_what_the_log_hides_is_shown_to_the_regulator_after_the_log_knows(
    space: Space, agreement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    released, state = compute(space, agreement)
    assert state is ComputationState.RELEASED
    assert compute(space, agreement, "3")[1] is ComputationState.REFUSED
    assert space.server is not None
    log, store = space.server.rooms.log, space.server.rooms.database

    def count() -> int:
        with store.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM filed")).scalar() or 0)

    eventually(lambda: count() == 2)
    capsys.readouterr()
    run(space, "open", agreement, *GROUNDS)
    found = told(capsys)
    assert [each["type"] for each in found["opened"]] == [SEALED, REFUSED]  # type: ignore[index,union-attr,call-overload]
    assert [each["faults"] for each in found["opened"]] == [[], []]  # type: ignore[index,union-attr,call-overload]
    first, second = found["opened"]  # type: ignore[misc]
    assert first["values"]["user"] == "rui"  # type: ignore[index,call-overload]
    assert second["request"]["plan"]["loss"] != first["request"]["plan"]["loss"]  # type: ignore[index,call-overload]
    # The access stands in the log, before the regulator's next look at it, and both parties see it.
    entries, _ = log.entries(log_reader(space), int(str(found["access"])), 1)
    assert OPENED.encode() in entries[0].envelope
    for name in ("hospital-a", "pharma-b"):
        eventually(lambda name=name: OPENED in [e.code for e in side(space, name).desk.aftermath.alarms(agreement)])
    run(space, "open", released, *GROUNDS)
    assert len(told(capsys)["opened"]) == 1  # type: ignore[arg-type]


def log_reader(space: Space) -> Binding:
    assert space.server is not None
    rooms = space.server.rooms
    (found,) = rooms.registry.bindings("overseer")
    return Binding.of(found)


def test_without_the_logged_word_nothing_is_handed_over_and_nothing_shown(
    space: Space, agreement: str, regulator: tuple[Regulator, MandateClient]
) -> None:
    made, client = regulator
    said = made.says(OPENED, Access(agreement, (canonical.digest(b"x"),), "r", "b").body())
    with pytest.raises(NotFound):
        client.opened(leaf_hash(said.to_bytes()))

    class Withholding(MandateClient):
        """A broker that hands over and keeps the access out of the log."""

        def inclusion(self, leaf_hash: bytes) -> object:  # type: ignore[override]
            raise NotFound("log.absent")

        def opened(self, leaf_hash: bytes) -> dict[str, bytes]:
            raise AssertionError("nothing may be asked for")

    with pytest.raises(Unavailable):
        mandate.prove(made, Withholding.__new__(Withholding), said, pause=lambda _: None)


def test_running_work_ends_within_a_second_of_an_order_and_all_is_refused_until_the_logged_lift(
    space: Space, agreement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provider, consumer = side(space, "hospital-a"), side(space, "pharma-b")
    capsys.readouterr()
    run(space, "orders", "suspend", "contract", agreement, *GROUNDS)
    order = str(told(capsys)["order"])

    eventually(lambda: stands_at(provider, order) and stands_at(consumer, order))
    with pytest.raises(Refused) as refused:
        compute(space, agreement)
    assert refused.value.code == "order.suspended"
    eventually(lambda: SUSPENDED in [each.code for each in consumer.desk.aftermath.alarms(agreement)])
    space.stop("hospital-a")  # after a restart, with the broker away, it is still in force
    space.stop_broker()
    provider = space.start("hospital-a")
    assert stands_at(provider, order)
    space.start_broker()
    assert eventually(lambda: refusal(space, agreement)) == "order.suspended"
    run(space, "orders", "lift", order, "--reason", "settled")
    eventually(lambda: not stands_at(provider, order))
    assert eventually(lambda: compute(space, agreement))[1] is ComputationState.RELEASED
    capsys.readouterr()
    run(space, "orders", "list")
    assert [each["state"] for each in told(capsys)["orders"]] == ["lifted"]  # type: ignore[union-attr,index,call-overload]


def refusal(space: Space, agreement: str) -> str:
    """By which rule a computation is refused; empty while its provider cannot be reached."""
    try:
        compute(space, agreement)
    except Refused as fault:
        return fault.code
    except HefuError:
        return ""
    raise AssertionError("it was computed")


def stands_at(provider: Connector, order: str) -> bool:
    return any(each[0].digest() == order for each in provider.trust.orders())
