"""What a contract files for regulators: the key wrapped to each, openings under it, and garbage that is proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical
from hefu.envelope import Statement, draft
from hefu.errors import Malformed, Refused, Untrusted
from hefu.identity import write_bytes
from hefu.membership.charter import Charter
from hefu.membership.mandate import LIFTED, SUSPENDED, Access, Lift, Order, Orders, subjects
from hefu.statements import filing, openings, receipt
from hefu.statements.filing import Filing, FilingKey
from hefu.statements.openings import Openings
from hefu.statements.receipt import Refusal

from tests.protocol.small_log import BROKER, START, signer

REGULATOR, OTHER = X25519PrivateKey.generate(), X25519PrivateKey.generate()
HOLDERS = {"overseer": filing.public(REGULATOR), "hospital-a": filing.public(OTHER)}
AGREEMENT, COMPUTATION, SALT = "agr-1", "cmp-1", b"s" * 32


def test_each_holder_unwraps_the_key_that_the_parties_signed_for_and_nobody_else() -> None:
    made = Filing.of(canonical.decode(canonical.encode(filing.draw(AGREEMENT, HOLDERS).body()), 1 << 16))
    key = filing.unwrap(made, AGREEMENT, "overseer", REGULATOR)
    assert (
        key
        == filing.unwrap(made, AGREEMENT, "hospital-a", OTHER)
        != filing.unwrap(filing.draw(AGREEMENT, HOLDERS), AGREEMENT, "overseer", REGULATOR)
    )
    for agreement, name, private in (
        ("agr-2", "overseer", REGULATOR), (AGREEMENT, "overseer", OTHER), (AGREEMENT, "bureau", REGULATOR),
    ):  # fmt: skip
        with pytest.raises(Untrusted):
            filing.unwrap(made, agreement, name, private)


def test_a_wrapped_key_that_was_swapped_for_another_is_not_the_one_that_was_signed_for() -> None:
    made, brokers = filing.draw(AGREEMENT, HOLDERS), filing.draw(AGREEMENT, HOLDERS)
    swapped = replace(made, wrapped={**made.wrapped, "overseer": brokers.wrapped["overseer"]})
    with pytest.raises(Untrusted):
        filing.unwrap(swapped, AGREEMENT, "overseer", REGULATOR)


def test_a_suite_of_tomorrow_is_carried_and_nothing_is_wrapped_to_it_today() -> None:
    made = filing.draw(AGREEMENT, HOLDERS)
    later = replace(made.wrapped["overseer"], suite="HPKE-MLKEM768-X25519")
    carried = Filing.of(replace(made, wrapped={**made.wrapped, "bureau": later}).body())
    assert filing.unwrap(carried, AGREEMENT, "overseer", REGULATOR)
    with pytest.raises(Untrusted):
        filing.unwrap(carried, AGREEMENT, "bureau", REGULATOR)
    for key in (FilingKey(b"x" * 40, later.suite), FilingKey(bytes(32))):  # unknown; a point that gives no secret
        with pytest.raises(Untrusted):
            filing.draw(AGREEMENT, {"bureau": key})
    for wrong in ({}, {"overseer": {}}, {"no one": made.wrapped["overseer"].body()}):
        with pytest.raises(Malformed):
            Filing.of(made.body() | {"wrapped": wrong})


ASKED = draft("computation.requested", {"plan": "what was asked"}, space="demo", issuer="lab-b", at=START)


def ended(sealed: bytes) -> Refusal:
    return Refusal(COMPUTATION, ASKED.digest(), "lab-b", (AGREEMENT,), "no", ("why",), filed=canonical.digest(sealed))


def test_openings_are_what_the_end_committed_to_and_garbage_is_found_by_whoever_holds_the_key() -> None:
    key = filing.unwrap(filing.draw(AGREEMENT, HOLDERS), AGREEMENT, "overseer", REGULATOR)
    right = Openings(ASKED.to_bytes(), {"user": ("ann", SALT)})
    sealed = openings.seal(key, AGREEMENT, COMPUTATION, right)
    assert openings.unseal(key, AGREEMENT, COMPUTATION, sealed) == right
    assert openings.faults(ended(sealed), sealed, right) == []
    for where in ("agr-2", COMPUTATION), (AGREEMENT, "cmp-2"):
        with pytest.raises(Untrusted):
            openings.unseal(key, *where, sealed)
    for garbage in (b"", b"x" * 200, sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(Untrusted):
            openings.unseal(key, AGREEMENT, COMPUTATION, garbage)
    other = draft("computation.requested", {"plan": "another"}, space="demo", issuer="lab-b", at=START)
    for wrong, bytes_, words in (
        (replace(right, request=other.to_bytes()), sealed, "another"), (replace(right, request=b"{}"), sealed, "read"),
        (right, sealed + b"x", "bytes"),
    ):  # fmt: skip
        (found,) = openings.faults(ended(sealed), bytes_, wrong)
        assert words in found


def test_evidence_of_garbage_convinces_whoever_reads_it_and_cannot_be_made_up() -> None:
    made = filing.draw(AGREEMENT, HOLDERS)
    key = filing.unwrap(made, AGREEMENT, "overseer", REGULATOR)
    body = {"agreement": AGREEMENT, "filing": made.body()}
    agreed = draft("agreement", body, space="demo", issuer="clinic-a", at=START).to_bytes().decode()

    def evidence(sealed: bytes, filed: bytes, key: bytes = key) -> bool:
        said = draft(receipt.REFUSED, ended(filed).body(), space="demo", issuer="clinic-a", at=START)
        words = {"agreement": agreed, "end": said.to_bytes().decode()}
        return openings.is_garbage({**words, "sealed": write_bytes(sealed), "key": write_bytes(key)})

    right = openings.seal(key, AGREEMENT, COMPUTATION, Openings(ASKED.to_bytes()))
    other = openings.seal(key, AGREEMENT, COMPUTATION, Openings(b"{}"))
    assert evidence(b"garbage" * 9, b"garbage" * 9)
    assert evidence(other, other)
    assert not evidence(right, right)
    assert not evidence(b"garbage", right)  # bytes that were never filed
    assert not evidence(right, right, b"k" * 32)  # a key that nobody signed for


def test_an_end_without_filing_keeps_its_bytes() -> None:
    plain = replace(ended(b""), filed="")
    assert "filed" not in plain.body()
    made = draft(receipt.REFUSED, ended(b"x").body(), space="demo", issuer="clinic-a", at=START)
    assert Refusal.of(made) == ended(b"x")


# ------------------------------------------------------------ orders

CHARTER = Charter(1, regulators=("overseer", "bureau"))
OF = subjects("agr-1", ("prd-1",), "clinic-a")


def said(body: Order | Lift, by: str = "overseer") -> Statement:
    type_ = SUSPENDED if isinstance(body, Order) else LIFTED
    made = draft(type_, body.body(), space="demo", issuer=by, at=START)
    return made.sign(signer(by), START)


@pytest.mark.parametrize(
    ("scope", "subject"), [("contract", "agr-1"), ("product", "prd-1"), ("participant", "clinic-a")]
)
def test_an_order_stands_until_its_own_regulator_lifts_it_and_an_old_lift_ends_no_new_order(
    scope: str, subject: str
) -> None:
    orders, order = Orders(), said(Order(scope, subject, "a complaint", "Article 1"))
    assert Order.of(order).subject == subject
    assert [orders.take(order), orders.take(order)] == [True, False]
    with pytest.raises(Refused):
        orders.check(CHARTER, START, *OF)
    orders.check(CHARTER, START, *subjects("agr-2", ("prd-2",), "clinic-b"))
    lift = Lift(order.digest(), "settled")
    with pytest.raises(Refused):
        orders.take(said(lift, "bureau"))
    assert orders.take(said(lift))
    orders.check(CHARTER, START, *OF)
    assert not orders.take(order)  # shown again, it is over all the same
    orders.check(CHARTER, START, *OF)
    orders.take(said(Order(scope, subject, "another complaint", "Article 1")))
    orders.take(said(lift))  # the old lift again
    with pytest.raises(Refused):
        orders.check(CHARTER, START, *OF)


def test_an_order_ends_with_its_time_and_with_its_regulators_place_in_the_charter() -> None:
    orders = Orders()
    orders.take(said(Order("contract", "agr-1", "for a day", "Article 1", START + timedelta(days=1))))
    with pytest.raises(Refused):
        orders.check(CHARTER, START, *OF)
    for charter, at in ((CHARTER, START + timedelta(days=1)), (Charter(2), START), (None, START)):
        orders.check(charter, at, *OF)


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "space", "subject": "demo", "reason": "r", "basis": "b"},
        {"scope": "contract", "subject": "", "reason": "r", "basis": "b"},
        {"scope": "contract", "subject": "agr-1", "reason": "", "basis": "b"},
        {"scope": "contract", "subject": "agr-1", "reason": "r", "basis": "b", "more": 1},
    ],
)  # fmt: skip
def test_an_order_says_what_it_suspends_why_and_on_what_ground(body: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        Order.of(draft(SUSPENDED, body, space="demo", issuer=BROKER, at=START))


def test_an_access_names_what_is_opened_once_each() -> None:
    access = Access("agr-1", (ASKED.digest(),), "a complaint", "Article 1")
    assert Access.of(draft("audit.opened", access.body(), space="demo", issuer="overseer", at=START)) == access
    for ends in ((), access.ends * 2, ("all",)):
        body = replace(access, ends=ends).body()
        with pytest.raises(Malformed):
            Access.of(draft("audit.opened", body, space="demo", issuer="overseer", at=START))
