"""Receipts: what is written is read back, anything else is malformed, and a commitment opens one way only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Malformed, Untrusted
from hefu.statements.receipt import Failure, Link, Receipt, Refusal, check_opening, commit, journal_of
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.small_log import CONSUMER, PROVIDER, START, SmallLog

SALT = bytes(range(32))


def say(type_: str, body: Object) -> Statement:
    return Statement.parse(draft(type_, body, space="demo", issuer=PROVIDER, at=START).to_bytes())


def ends(small: SmallLog) -> dict[str, Receipt | Refusal | Failure]:
    statements = {each["payload"]["type"]: each for each in map(_decode, small.journal)}
    return {
        "computation.sealed": Receipt.of(
            say("computation.sealed", statements["computation.sealed"]["payload"]["body"])
        ),
        "computation.refused": Refusal.of(
            say("computation.refused", statements["computation.refused"]["payload"]["body"])
        ),
        "computation.failed": Failure.of(
            say("computation.failed", statements["computation.failed"]["payload"]["body"])
        ),
    }


def _decode(data: bytes) -> Any:
    return canonical.decode(data)


READERS = {"computation.sealed": Receipt.of, "computation.refused": Refusal.of, "computation.failed": Failure.of}


def test_every_end_is_read_back_as_it_was_written(small: SmallLog) -> None:
    for type_, end in ends(small).items():
        assert READERS[type_](say(type_, end.body())) == end
        assert end.consumer == CONSUMER


def test_a_missing_unknown_or_wrong_member_is_malformed(small: SmallLog) -> None:
    for type_, end in ends(small).items():
        for member in end.body():
            without = {name: value for name, value in end.body().items() if name != member}
            for body in (without, {**without, member: None}, {**end.body(), "more": 1}):
                with pytest.raises(Malformed):
                    READERS[type_](say(type_, body))


def test_one_type_of_end_is_not_read_as_another(small: SmallLog) -> None:
    found = ends(small)
    with pytest.raises(Malformed):
        Receipt.of(say("computation.refused", found["computation.refused"].body()))


def test_charges_are_whole_and_never_negative(small: SmallLog) -> None:
    body = ends(small)["computation.sealed"].body()
    for bad in (-1, True, "1", None):
        with pytest.raises(Malformed):
            Receipt.of(
                say("computation.sealed", {**body, "charge": {"epsilon_nano": bad, "delta_femto": 0, "releases": 1}})
            )


def test_a_receipt_stands_under_an_agreement(small: SmallLog) -> None:
    with pytest.raises(Malformed):
        replace(small.receipt("cmp-five"), agreements=())


def test_a_receipt_takes_its_place_in_the_journal_when_it_is_signed(small: SmallLog) -> None:
    place = Link(4, canonical.digest(b"before"), "main")
    receipt = small.receipt("cmp-five").linked(place)
    assert journal_of(say("computation.sealed", receipt.body())) == place
    assert journal_of(say("product.published", {})) is None


@pytest.mark.parametrize(("sequence", "previous"), [(0, canonical.digest(b"")), (1, ""), (-1, "")])
def test_only_the_first_journal_entry_has_none_before_it(sequence: int, previous: str) -> None:
    with pytest.raises(Malformed):
        Link(sequence, previous, "main")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(max_codepoint=127)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(JSON, JSON)
def test_a_commitment_opens_to_its_value_only(value: Any, other: Any) -> None:
    made = commit("filter", value, SALT)
    check_opening(made, "filter", value, SALT)
    if canonical.encode(value) != canonical.encode(other):
        with pytest.raises(Untrusted):
            check_opening(made, "filter", other, SALT)


def test_a_commitment_binds_its_name_and_salt() -> None:
    made = commit("filter", "x", SALT)
    for name, salt in (("filter2", SALT), ("filter", SALT[::-1]), ("filter", b"")):
        with pytest.raises(Untrusted):
            check_opening(made, name, "x", salt)


def test_a_receipt_carries_commitments_of_one_form(small: SmallLog) -> None:
    good = replace(small.receipt("cmp-five"), commitments={"filter": commit("filter", "x", SALT)})
    assert Receipt.of(say("computation.sealed", good.body())) == good
    with pytest.raises(Malformed):
        replace(good, commitments={"filter": "plain text"})
