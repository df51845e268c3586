"""A contract is used only if all of it verifies, each time it is taken out (promise: 1, T-a, T-e)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Untrusted
from hefu_connector.contracting.contracts import Papers, Pins, verify_contract
from hefu_connector.ports import Contract, Turn
from hefu_connector.storage import Database, SqlContracts
from hefu_connector.storage.models import AGREEMENTS
from hefu_policies.budget import Budget

from tests.contracts.halves import BROKER, CONSUMER, PROVIDER, STRANGER, Halves, resource


@pytest.fixture(scope="module")
def halves() -> Halves:
    return Halves()


@pytest.fixture
def store(database: Database, halves: Halves) -> SqlContracts:
    return SqlContracts(database, halves.trust, halves.pins)


def verify(halves: Halves, papers: Papers, pins: Pins | None = None) -> Contract:
    return verify_contract(papers, halves.trust, pins or halves.pins)


def test_a_whole_contract_holds(halves: Halves) -> None:
    contract = verify(halves, halves.papers())
    assert contract.agreement.id == "agr-1"
    assert contract.statement.to_bytes() == halves.agreement.to_bytes()
    assert contract.description_statement == halves.description
    assert contract.keys == (halves.signers[PROVIDER].key, halves.signers[CONSUMER].key)
    assert contract.termination is None
    assert Papers.of(contract) == halves.papers()


def issued_by_consumer(halves: Halves) -> Statement:
    return halves.say("agreement", halves.body(), CONSUMER, PROVIDER, CONSUMER)


def somebody_elses_description(halves: Halves) -> Papers:
    other = halves.say("product.published", halves.description.body, STRANGER)
    papers = copy_with(halves, agreement=halves.agreed(description=other.digest()))
    return replace(papers, description=other.to_bytes())


def altered(statement: Statement) -> bytes:
    return statement.to_bytes().replace(b'"epsilon_nano":1', b'"epsilon_nano":9')


Forgery = Callable[[Halves], Papers]
FORGERIES: dict[str, Forgery] = {
    "only the provider signed": lambda h: copy_with(h, agreement=h.agreed(PROVIDER)),
    "only the consumer signed": lambda h: copy_with(h, agreement=h.agreed(CONSUMER)),
    "the consumer issued it": lambda h: copy_with(
        h, agreement=h.say("agreement", h.body(), CONSUMER, PROVIDER, CONSUMER)
    ),
    "of another space": lambda h: copy_with(
        h, agreement=h.say("agreement", h.body(), PROVIDER, PROVIDER, CONSUMER, space="other")
    ),
    "of another log": lambda h: copy_with(h, agreement=h.agreed(log="other/log")),
    "about a resource that was not described": lambda h: copy_with(h, agreement=h.agreed(resources=("res-b",))),
    "about another product": lambda h: copy_with(h, agreement=h.agreed(product="prd-b")),
    "with another privacy unit": lambda h: copy_with(h, agreement=h.agreed(unit="row")),
    "of another negotiation": lambda h: copy_with(h, agreement=h.agreed(negotiation="neg-2")),
    "the broker did not sign": lambda h: copy_with(h, final=h.finalized(signer=STRANGER)),
    "somebody else countersigned": lambda h: copy_with(h, final=h.finalized(issuer=STRANGER)),
    "another agreement was countersigned": lambda h: copy_with(h, final=h.finalized(agreement=h.description.digest())),
    "other signatures were countersigned": lambda h: copy_with(h, final=h.finalized(envelope=h.agreement.digest())),
    "the description is another version": lambda h: h.papers(
        description=h.published(resources=(resource(epsilon="9"),)).to_bytes()
    ),
    "the description is not signed by the provider": lambda h: h.papers(
        description=h.say("product.published", h.description.body, PROVIDER, STRANGER).to_bytes()
    ),
    "the description is somebody else's": somebody_elses_description,
    "the countersignature is not in the log": lambda h: h.papers(proof=str(h.proof(leaf=b"something else")).encode()),
    "the log is another": lambda h: h.papers(proof=str(h.proof(origin="other/log")).encode()),
    "the log's key is another": lambda h: h.papers(proof=str(h.proof(key=Ed25519PrivateKey.generate())).encode()),
    "the place in the log is another": lambda h: h.papers(proof=str(replace(h.proof(), index=2)).encode()),
    "there is no proof": lambda h: h.papers(proof=b""),
    "the proof is no text": lambda h: h.papers(proof=b"\xff\xfe"),
    "halves are swapped": lambda h: h.papers(agreement=h.countersignature.to_bytes()),
    "a byte was altered": lambda h: h.papers(
        agreement=h.agreement.to_bytes().replace(b'"epsilon_nano":1', b'"epsilon_nano":9')
    ),
    "the termination is not of a party": lambda h: h.papers(termination=h.terminated(issuer=STRANGER).to_bytes()),
    "the termination is not signed by its issuer": lambda h: h.papers(
        termination=h.terminated(signer=STRANGER).to_bytes()
    ),
    "the termination is about another agreement": lambda h: h.papers(
        termination=h.terminated(agreement="agr-2").to_bytes()
    ),
    "the termination is about other bytes": lambda h: h.papers(
        termination=h.terminated(digest=h.description.digest()).to_bytes()
    ),
}


def copy_with(halves: Halves, agreement: Statement | None = None, final: Statement | None = None) -> Papers:
    """The papers of a deceiver who controls the broker: whatever was changed is countersigned and logged anew."""
    held, kept = halves.agreement, halves.countersignature
    try:
        if agreement is not None:
            halves.agreement = agreement
            halves.countersignature = halves.finalized()
        if final is not None:
            halves.countersignature = final
        return halves.papers()
    finally:
        halves.agreement, halves.countersignature = held, kept


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_contract_does_not_hold(halves: Halves, what: str) -> None:
    papers = FORGERIES[what](halves)
    assert papers != halves.papers()
    with pytest.raises((Untrusted, Malformed)):
        verify(halves, papers)


def test_a_broker_cannot_grant_what_the_parties_did_not_sign(halves: Halves) -> None:
    wider = halves.agreed(BROKER, budget=Budget.of_text("10", releases=1000))
    with pytest.raises(Untrusted, match="lacks the signature"):
        verify(halves, copy_with(halves, agreement=wider))


def test_a_contract_is_kept_and_loaded_as_exact_bytes(store: SqlContracts, halves: Halves) -> None:
    contract = verify(halves, halves.papers())
    store.keep(contract)
    store.keep(contract)
    assert store.load("agr-1") == contract
    assert list(store.all()) == [contract]


def test_what_is_not_kept_is_not_found(store: SqlContracts, halves: Halves) -> None:
    with pytest.raises(NotFound):
        store.load("agr-1")
    with pytest.raises(NotFound):
        store.terminate("agr-1", halves.terminated())


def test_an_unverified_contract_is_not_kept(store: SqlContracts, halves: Halves) -> None:
    contract = verify(halves, halves.papers())
    with pytest.raises(Untrusted):
        store.keep(replace(contract, proof=str(halves.proof(leaf=b"x")).encode()))
    assert list(store.all()) == []


def test_another_contract_cannot_take_an_id(store: SqlContracts, halves: Halves) -> None:
    store.keep(verify(halves, halves.papers()))
    other = verify(halves, copy_with(halves, agreement=halves.agreed(budget=Budget.of_text("0.5", releases=3))))
    with pytest.raises(Conflict, match="first one stands"):
        store.keep(other)
    assert store.load("agr-1").statement == halves.agreement


def test_the_first_termination_stands(store: SqlContracts, halves: Halves) -> None:
    contract = verify(halves, halves.papers())
    store.keep(contract)
    first = halves.terminated()
    store.terminate("agr-1", first)
    store.terminate("agr-1", halves.terminated(issuer=PROVIDER))
    assert store.load("agr-1").termination == first
    store.keep(contract)
    assert store.load("agr-1").termination == first


def test_a_contract_that_arrives_ended_stays_ended(store: SqlContracts, halves: Halves) -> None:
    running = verify(halves, halves.papers())
    ended = replace(running, termination=halves.terminated())
    store.keep(running)
    store.keep(ended)
    assert store.load("agr-1").termination == ended.termination


@pytest.mark.parametrize("forged", ["issuer", "signer", "digest"])
def test_a_forged_termination_ends_nothing(store: SqlContracts, halves: Halves, forged: str) -> None:
    store.keep(verify(halves, halves.papers()))
    value = halves.description.digest() if forged == "digest" else STRANGER
    with pytest.raises(Untrusted):
        store.terminate("agr-1", halves.terminated(**{forged: value}))
    assert store.load("agr-1").termination is None


def test_a_suspension_acts_at_sight_and_a_resumption_with_its_log_proof(store: SqlContracts, halves: Halves) -> None:
    store.keep(verify(halves, halves.papers()))
    suspended = halves.turned("suspended")
    store.turn("agr-1", Turn(suspended))
    store.turn("agr-1", Turn(suspended))  # the same again changes nothing
    assert store.load("agr-1").suspension == suspended
    resumed = halves.turned("resumed", suspended.digest())
    for proof in (b"", halves.logged(suspended)):
        with pytest.raises((Untrusted, Malformed)):
            store.turn("agr-1", Turn(resumed, proof))
    assert store.load("agr-1").suspension == suspended
    store.turn("agr-1", Turn(resumed, halves.logged(resumed)))
    found = store.load("agr-1")
    assert found.suspension is None
    assert [each.statement for each in found.turns] == [suspended, resumed]
    assert verify(halves, Papers.of(found)) == found


def test_an_old_resumption_lifts_no_newer_suspension(store: SqlContracts, halves: Halves) -> None:
    store.keep(verify(halves, halves.papers()))
    first = halves.turned("suspended")
    resumed = halves.turned("resumed", first.digest())
    again = halves.turned("suspended", resumed.digest(), reason="again")
    for each in (Turn(first), Turn(resumed, halves.logged(resumed)), Turn(again)):
        store.turn("agr-1", each)
    store.turn("agr-1", Turn(resumed, halves.logged(resumed)))  # known already
    with pytest.raises(Conflict, match="suspended or resumed meanwhile"):
        store.turn("agr-1", Turn(halves.turned("resumed", first.digest(), code="x"), halves.logged(resumed)))
    assert store.load("agr-1").suspension == again


TURNS: dict[str, Callable[[Halves], Statement]] = {
    "the consumer's": lambda h: h.turned("suspended", issuer=CONSUMER),
    "a stranger's signature": lambda h: h.turned("suspended", signer=STRANGER),
    "about another agreement": lambda h: h.turned("suspended", agreement="agr-2"),
    "about other bytes": lambda h: h.turned("suspended", digest=h.description.digest()),
    "a resumption of what is not suspended": lambda h: h.turned("resumed"),
    "of another space": lambda h: h.say("agreement.suspended", h.turned("suspended").body, PROVIDER, space="other"),
    "no notice at all": lambda h: h.terminated(PROVIDER),
}


@pytest.mark.parametrize("what", TURNS)
def test_a_forged_suspension_is_not_kept(store: SqlContracts, halves: Halves, what: str) -> None:
    store.keep(verify(halves, halves.papers()))
    with pytest.raises((Untrusted, Malformed)):
        store.turn("agr-1", Turn(TURNS[what](halves), halves.logged(TURNS[what](halves))))
    assert store.load("agr-1").turns == ()


def test_edited_suspensions_open_nothing(store: SqlContracts, database: Database, halves: Halves) -> None:
    store.keep(verify(halves, halves.papers()))
    store.turn("agr-1", Turn(halves.turned("suspended")))
    forged = canonical.encode([{"said": halves.turned("suspended", signer=STRANGER).to_bytes().decode(), "proof": ""}])
    for edited in (forged, b"[]]", b'[{"said":1,"proof":""}]'):
        with database.writing() as connection:
            connection.execute(AGREEMENTS.update().values(turns=edited))
        with pytest.raises((Untrusted, Malformed)):
            store.load("agr-1")


@pytest.mark.parametrize("column", ["agreement", "countersignature", "description", "proof", "termination", "id"])
def test_an_edited_row_opens_nothing(
    store: SqlContracts, database: Database, halves: Halves, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.keep(verify(halves, halves.papers(termination=halves.terminated().to_bytes())))
    assert store.load("agr-1").termination is not None
    edits: dict[str, bytes | str] = {
        "agreement": halves.agreed(budget=Budget.of_text("2", releases=99)).to_bytes(),
        "countersignature": halves.finalized().to_bytes(),
        "description": halves.published(security_grade=2).to_bytes(),
        "proof": str(halves.proof(key=Ed25519PrivateKey.generate())).encode(),
        "termination": halves.terminated(issuer=STRANGER).to_bytes(),
        "id": "agr-2",
    }
    with database.writing() as connection:
        connection.execute(AGREEMENTS.update().values({column: edits[column]}))
    with pytest.raises(Untrusted):
        store.load("agr-2" if column == "id" else "agr-1")
    with caplog.at_level(logging.ERROR):
        assert list(store.all()) == []
    assert len(caplog.records) == 1


def test_a_key_that_is_no_longer_certified_opens_nothing(database: Database, halves: Halves) -> None:
    SqlContracts(database, halves.trust, halves.pins).keep(verify(halves, halves.papers()))
    with pytest.raises(Untrusted):
        SqlContracts(database, Halves().trust, halves.pins).load("agr-1")


@pytest.mark.parametrize("pinned", ["space", "broker"])
def test_what_is_pinned_decides(halves: Halves, pinned: str) -> None:
    with pytest.raises(Untrusted):
        verify(halves, halves.papers(), replace(halves.pins, **{pinned: STRANGER}))  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["agreement", "countersignature", "description", "proof", "termination"])
def test_rubbish_is_refused_without_surprise(halves: Halves, part: str) -> None:
    for rubbish in (b"", b"{}", b"\x00" * 100, b"[" * 5000, b'{"payload":{},"signatures":[]}'):
        with pytest.raises(HefuError) as refusal:
            verify(halves, halves.papers(**{part: rubbish}))
        assert isinstance(refusal.value, Untrusted | Malformed)
