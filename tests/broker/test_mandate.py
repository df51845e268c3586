"""A regulator's mandate at the broker: orders act at once and stay, what is outside is denied in the log, and nothing
that is filed is handed over before the log shows who opens it."""

from __future__ import annotations

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import HefuError, Malformed, NotFound, Refused, Unauthenticated, Untrusted
from hefu.membership.mandate import LIFTED, OPENED, SUSPENDED, Access, Lift, Order
from hefu.statements.filing import FilingKey
from hefu.statements.receipt import REFUSED, Link, Refusal
from hefu.tlog import tree
from hefu_broker.records import FiledEnd

from tests.broker.test_charters import set_charter
from tests.broker.world import Deal, Person, World, description, publish

SEALED = b"sealed under a key that the broker does not have"


@pytest.fixture
def overseer(world: World) -> Person:
    found, _ = world.person("overseer", "regulator"), world.person("bureau", "regulator")
    set_charter(world, regulators=("overseer",))
    return found


def order(by: Person, scope: str, subject: str) -> Statement:
    return Statement.parse(by.says(SUSPENDED, Order(scope, subject, "a complaint", "Article 1").body()))


def lift(by: Person, of: Statement) -> bytes:
    return by.says(LIFTED, Lift(of.digest(), "settled").body())


def types(world: World, reader: Person) -> list[str]:
    world.sequenced()
    found, _ = world.rooms.log.entries(reader.caller, 0, 1000)
    return [Statement.parse(each.envelope).type for each in found if each.envelope]


def test_a_product_under_order_is_shown_to_nobody_but_its_own_until_it_is_lifted(
    world: World, overseer: Person
) -> None:
    provider, consumer = world.person("hospital-a", "provider"), world.person("pharma-b", "consumer")
    product = publish(world, provider, description())
    made = order(overseer, "product", "prd-diabetes")
    world.rooms.orders.record(overseer.caller, made.to_bytes())
    for _ in range(2):
        with pytest.raises(NotFound):
            world.rooms.catalog.product(consumer.caller, "prd-diabetes")
        assert not world.rooms.catalog.search(consumer.caller, "", "", 10, "")[0].cards
        assert world.rooms.catalog.product(provider.caller, "prd-diabetes").digest == product.digest()
        with pytest.raises(NotFound):
            Deal(world, provider, consumer, product).reach("REQUESTED")
        world.reopen()  # and after a restart
    world.rooms.orders.record(overseer.caller, lift(overseer, made))
    assert world.rooms.catalog.product(consumer.caller, "prd-diabetes")
    assert [each for each in types(world, consumer) if each.startswith("order.")] == [SUSPENDED, LIFTED]


def test_a_participant_under_order_is_nobody_here(world: World, overseer: Person) -> None:
    provider = world.person("hospital-a", "provider")
    made = order(overseer, "participant", "hospital-a")
    world.rooms.orders.record(overseer.caller, made.to_bytes())
    with pytest.raises(Unauthenticated) as refused:
        world.rooms.registry.member(provider.caller)
    assert refused.value.code == "order.suspended"
    world.rooms.orders.record(overseer.caller, lift(overseer, made))
    assert world.rooms.registry.member(provider.caller)
    with pytest.raises(Refused):
        world.rooms.orders.record(overseer.caller, order(overseer, "participant", "broker").to_bytes())


def test_who_is_not_in_the_charter_orders_nothing_and_that_is_logged(world: World, overseer: Person) -> None:
    outside = world.person("bureau", "regulator")
    for person in (outside, world.person("hospital-a", "provider")):
        with pytest.raises(Refused) as refused:
            world.rooms.orders.record(person.caller, order(person, "contract", "agr-1").to_bytes())
        assert refused.value.code == "order.mandate"
    assert world.rooms.orders.page(0) == (0, [])
    assert types(world, overseer).count("order.denied") == 2


def test_nobody_gives_an_order_in_anothers_name(world: World, overseer: Person) -> None:
    provider = world.person("hospital-a", "provider")
    body = Order("product", "prd-diabetes", "no reason", "none").body()
    for data in (provider.says(SUSPENDED, body, issuer="overseer"), order(overseer, "product", "prd").to_bytes()):
        with pytest.raises((Refused, Untrusted)):
            world.rooms.orders.record(provider.caller, data)
    # A row that somebody wrote into the database by hand.
    forged = provider.says(SUSPENDED, body, issuer="overseer")
    world.tamper(
        "INSERT INTO regulator_order (space_id, number, digest, statement) VALUES (:s, 1, 'x', :e)",
        s=world.space.space, e=forged,
    )  # fmt: skip
    with pytest.raises(HefuError):
        world.reopen()


def test_only_its_own_regulator_lifts_an_order_and_its_end_is_final(world: World, overseer: Person) -> None:
    bureau = world.person("bureau", "regulator")
    set_charter(world, regulators=("overseer", "bureau"))
    made = order(overseer, "product", "prd-diabetes")
    record = world.rooms.orders.record
    record(overseer.caller, made.to_bytes())
    for other in (lift(bureau, made), bureau.says(LIFTED, Lift(canonical.digest(b"x"), "none").body())):
        with pytest.raises(Refused):
            record(bureau.caller, other)
    done = lift(overseer, made)
    for data in (done, done, made.to_bytes()):  # the old order again is no new one
        record(overseer.caller, data)
    assert world.rooms.orders.page(0)[0] == 2
    assert world.rooms.registry.directory.orders(world.clock.now()) == []
    with pytest.raises(Malformed):
        record(overseer.caller, overseer.says(OPENED, Access("agr-1", (made.digest(),), "r", "b").body()))


# ------------------------------------------------------------ openings


def end(deal: Deal, filed: bytes = SEALED) -> FiledEnd:
    """A refusal in the provider's journal that files something, handed in."""
    named = Refusal(
        "cmp-1", canonical.digest(b"asked"), deal.consumer.id, (deal.agreement_id,), "no", ("why",),
        Link(0, "", deal.provider.ring.connector), canonical.digest(filed),
    )  # fmt: skip
    data = deal.provider.says(REFUSED, named.body())
    deal.world.rooms.log.append(deal.provider.caller, [data])
    return FiledEnd(canonical.digest(data), filed)


def access(by: Person, deal: Deal, *ends: str) -> bytes:
    return by.says(OPENED, Access(deal.agreement_id, ends, "a complaint", "Article 1").body())


def test_only_the_bytes_that_a_logged_end_names_are_kept_and_only_its_own(world: World, deal: Deal) -> None:
    deal.reach("FINALIZED")
    filed, file = end(deal), world.rooms.openings.file
    assert file(deal.provider.caller, [FiledEnd(filed.end, b"garbage")]) == 0
    assert file(deal.provider.caller, [FiledEnd(canonical.digest(b"no end"), SEALED)]) == 0
    assert file(deal.consumer.caller, [filed]) == 0
    assert [file(deal.provider.caller, [filed]) for _ in range(2)] == [1, 1]


def test_nothing_is_handed_over_before_a_published_checkpoint_holds_the_regulators_word(
    world: World, deal: Deal, overseer: Person
) -> None:
    deal.reach("FINALIZED")
    world.sequenced()
    filed = end(deal)
    world.rooms.openings.file(deal.provider.caller, [filed])
    said = access(overseer, deal, filed.end)
    leaf, opened = tree.leaf_hash(said), world.rooms.openings.opened
    with pytest.raises(NotFound):
        opened(overseer.caller, leaf)  # never said
    for _ in range(2):
        world.rooms.openings.access(overseer.caller, said)
    with pytest.raises(NotFound):
        opened(overseer.caller, leaf)  # said, and not in the log
    world.sequenced()
    assert opened(overseer.caller, leaf) == [filed]
    with pytest.raises(Refused):
        opened(deal.consumer.caller, leaf)
    (told,) = world.rooms.notices.page(deal.consumer.caller, deal.agreement_id, 0)
    assert told.to_bytes() == said
    set_charter(world, regulators=())
    with pytest.raises(Refused):
        opened(overseer.caller, leaf)


def test_an_access_opens_what_it_names_under_its_agreement_and_nothing_else(
    world: World, deal: Deal, overseer: Person
) -> None:
    deal.reach("FINALIZED")
    filed = end(deal)
    world.rooms.openings.file(deal.provider.caller, [filed])
    other = Deal(world, deal.provider, deal.consumer, deal.product)
    other.reach("FINALIZED")
    for deal_, ends in ((other, (filed.end,)), (deal, (canonical.digest(b"another"),))):
        said = access(overseer, deal_, *ends)
        world.rooms.openings.access(overseer.caller, said)
        world.sequenced()
        assert world.rooms.openings.opened(overseer.caller, tree.leaf_hash(said)) == []
    body: Object = Access("agr-of-nobody-at-all", (filed.end,), "r", "b").body()
    with pytest.raises(NotFound):
        world.rooms.openings.access(overseer.caller, overseer.says(OPENED, body))
    with pytest.raises(Refused):
        world.rooms.openings.access(deal.consumer.caller, access(deal.consumer, deal, filed.end))
    assert "order.denied" in types(world, overseer)


def test_what_is_erased_is_gone_and_only_its_owner_erases(world: World, deal: Deal, overseer: Person) -> None:
    deal.reach("FINALIZED")
    filed = end(deal)
    world.rooms.openings.file(deal.provider.caller, [filed])
    said = access(overseer, deal, filed.end)
    world.rooms.openings.access(overseer.caller, said)
    world.sequenced()
    assert world.rooms.openings.erase(deal.consumer.caller, [filed.end]) == 0
    assert world.rooms.openings.erase(deal.provider.caller, [filed.end]) == 1
    assert world.rooms.openings.opened(overseer.caller, tree.leaf_hash(said)) == []


def test_an_agreement_that_is_not_filed_for_the_charters_regulators_is_not_taken(
    world: World, deal: Deal, overseer: Person
) -> None:
    set_charter(world, regulators=("overseer",), filing={"overseer": FilingKey(b"\x09" + bytes(31))})
    with pytest.raises(Untrusted) as refused:
        deal.reach("AGREED")
    assert refused.value.parameters["where"] == "filing"
