"""A regulator's order at the enforcement point: what runs is stopped at the next look, and all else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical
from hefu.envelope import Statement, draft
from hefu.errors import HefuError, Refused, Unauthenticated, Untrusted
from hefu.identity import ROOT
from hefu.keeping.keys import FileSigner
from hefu.membership.charter import CHARTERED, Charter
from hefu.membership.mandate import LIFTED, SUSPENDED, Lift, Order
from hefu.statements import filing, openings
from hefu.statements.filing import Filing
from hefu_connector.contracting.filer import Filer
from hefu_connector.ports import ComputationState
from hefu_policies.agreeing.agreement import Agreement

from tests.connector.test_enforcement import ask, ended, spent
from tests.connector.world import CONSUMER, PROVIDER, SPACE, START, Space

OVERSEER = "overseer"
SUBJECTS = [
    ("contract", "agr-one"),
    ("product", "prd-admissions"),
    ("participant", PROVIDER),
    ("participant", CONSUMER),
]


@pytest.fixture
def space(tmp_path: Path) -> Space:
    made = Space(tmp_path)
    made.signers[OVERSEER] = FileSigner(OVERSEER, Ed25519PrivateKey.generate())
    made.sealing[OVERSEER] = X25519PrivateKey.generate()
    made._certify(OVERSEER, "regulator")
    charter = Charter(1, regulators=(OVERSEER,)).body()
    signed = draft(CHARTERED, charter, space=SPACE, issuer=ROOT, at=START).sign(made.root, START)
    made.directory.adopt(signed)
    return made


def say(space: Space, body: Order | Lift, by: str = OVERSEER, signer: str = OVERSEER) -> Statement:
    type_ = SUSPENDED if isinstance(body, Order) else LIFTED
    made = draft(type_, body.body(), space=SPACE, issuer=by, at=space.clock.now())
    return made.sign(space.signers[signer], space.clock.now())


@pytest.mark.parametrize(("scope", "subject"), SUBJECTS)
def test_what_runs_is_stopped_and_what_comes_is_refused_until_the_order_is_lifted(
    space: Space, scope: str, subject: str
) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    assert space.workers.started.wait(5)
    order = say(space, Order(scope, subject, "a complaint", "Article 1"))
    assert space.trust.directory.order(order)
    space.enforcement.watch()
    stopped = ended(space, run.id)
    assert (stopped.state, spent(space).releases) == (ComputationState.FAILED, 1)
    assert stopped.receipt is not None
    assert Statement.parse(stopped.receipt).body["code"] == "order.suspended"
    if subject == CONSUMER:
        with pytest.raises(Unauthenticated):
            space.enforcement.create(space.request(), CONSUMER)
    else:
        refused = ask(space, space.request())
        assert refused.receipt is not None
        assert Statement.parse(refused.receipt).body["code"] == "order.suspended"
    space.directory.order(say(space, Lift(order.digest(), "settled")))
    assert ended(space, ask(space, space.request()).id).state is ComputationState.RELEASED


def test_a_release_that_waits_is_not_handed_out_under_an_order(space: Space) -> None:
    run = ended(space, ask(space, space.request()).id)
    assert space.enforcement.part(run.id, CONSUMER, 0)
    space.directory.order(say(space, Order("contract", "agr-one", "a complaint", "Article 1")))
    with pytest.raises(Refused):
        space.enforcement.part(run.id, CONSUMER, 0)


def test_nobody_else_orders_anything(space: Space) -> None:
    order = Order("contract", "agr-one", "no reason", "none")
    forged = (
        say(space, order, signer="broker"),  # the broker in the regulator's name
        say(space, order, by="broker", signer="broker"),
        say(space, order, by=CONSUMER, signer=CONSUMER),
    )
    for each in forged:
        with pytest.raises(HefuError):
            space.directory.order(each)
    assert ended(space, ask(space, space.request()).id).state is ComputationState.RELEASED


# ------------------------------------------------------------ filing before the signature


def chartered(space: Space) -> tuple[Charter, X25519PrivateKey]:
    key = X25519PrivateKey.generate()
    return Charter(2, regulators=(OVERSEER,), filing={OVERSEER: filing.public(key)}), key


def filer(space: Space, name: str, charter: Charter | None) -> Filer:
    return Filer(name, space.trust, lambda: charter, space.sealing[name])


def filed(space: Space, made: Filing | None) -> Agreement:
    return Agreement.of(space.contract.agreement.body() | ({"filing": made.body()} if made else {}))


def test_who_signs_sees_that_the_charters_regulators_can_open_and_that_the_key_is_in_it(space: Space) -> None:
    charter, key = chartered(space)
    made = filer(space, PROVIDER, charter).draw("agr-one", (PROVIDER, CONSUMER))
    assert made is not None
    filer(space, CONSUMER, charter).check(filed(space, made))
    assert filing.unwrap(made, "agr-one", OVERSEER, key) == filer(space, CONSUMER, charter).key(filed(space, made))
    assert filer(space, PROVIDER, Charter(1)).draw("agr-one", (PROVIDER, CONSUMER)) is None
    other = filing.draw("agr-one", {name: filing.public(X25519PrivateKey.generate()) for name in made.wrapped})
    without = {name: each for name, each in made.wrapped.items() if name != OVERSEER}
    for wrong, by in (
        (None, charter),  # nothing is filed
        (Filing(made.key, without), charter),  # not for the regulator
        (made, Charter(1)),  # for somebody whom the charter does not name
        (other, charter),  # the broker's own keys in the place of all
        (Filing(canonical.digest(b"x"), made.wrapped), charter),  # another key than is in it
    ):
        with pytest.raises(Untrusted):
            filer(space, CONSUMER, by).check(filed(space, wrong))


def test_every_end_files_what_it_was_asked(space: Space) -> None:
    key = b"k" * 32
    space.enforcement = space.build(filing=lambda _: key)
    run = ended(space, ask(space, space.request()).id)
    refused = ask(space, space.request("3"))
    for each in (run, refused):
        assert each.receipt is not None
        end = openings.read_end(Statement.parse(each.receipt))
        sealed = space.journal.filed(each.id)
        opened = openings.unseal(key, "agr-one", each.id, sealed)
        assert openings.faults(end, sealed, opened) == []
        assert opened.request == each.envelope
