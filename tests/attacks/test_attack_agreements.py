"""Attacks on the signed agreement: by whoever has the broker, the log and the wire, and by parties with two meanings.

Promise 1 and T-a: every part is verified, over the very bytes that are then used, before every use. The deceiver here
countersigns and logs whatever it likes, so only the parties' own signatures and words stand in its way.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.keeping.keys import FileSigner
from hefu_connector.contracting.contracts import Papers, verify_contract
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.agreeing.signatories import PartyKey, check_signed

from tests.contracts.halves import BROKER, CONSUMER, NOW, PROVIDER, SPACE, STRANGER, Halves

Body = dict[str, Any]


@pytest.fixture(scope="module")
def halves() -> Halves:
    return Halves()


def deceive(halves: Halves, agreement: Statement) -> Papers:
    """Papers in which the broker and the log vouch for this agreement."""
    held, kept = halves.agreement, halves.countersignature
    try:
        halves.agreement = agreement
        halves.countersignature = halves.finalized()
        return halves.papers()
    finally:
        halves.agreement, halves.countersignature = held, kept


def signed(halves: Halves, body: Body, *signers: str, space: str = SPACE, type_: str = "agreement") -> Statement:
    return halves.say(type_, body, PROVIDER, *(signers or (PROVIDER, CONSUMER)), space=space)


def test_what_both_parties_mean_holds(halves: Halves) -> None:
    contract = verify_contract(halves.papers(), halves.trust, halves.pins)
    assert all(each.keys for each in contract.agreement.parties)


# ---------------------------------------------------------------- bytes: one meaning has one spelling


def _members(data: bytes) -> Body:
    made = json.loads(data)
    assert isinstance(made, dict)
    return made


def _written(outer: Any, **how: Any) -> bytes:
    options: Any = {"separators": (",", ":"), "sort_keys": True, "ensure_ascii": False} | how
    return json.dumps(outer, **options).encode()


def _twice(data: bytes) -> bytes:
    return data.replace(b'"budget":', b'"budget":{"currency":"epsilon-delta"},"budget":', 1)


def _wrapped(data: bytes) -> bytes:
    """The true envelope is carried along, and another payload stands where readers look."""
    outer = _members(data)
    return _written(
        {"payload": outer["payload"] | {"issuer": CONSUMER}, "signatures": outer["signatures"], "was": outer}
    )


def _nested(data: bytes) -> bytes:
    return _written({"payload": _members(data), "signatures": _members(data)["signatures"]})


def _unsigned_member(data: bytes) -> bytes:
    outer = _members(data)
    return _written(outer | {"note": "by the way"})


def _unsigned_in_signature(data: bytes) -> bytes:
    outer = _members(data)
    outer["signatures"][0]["header"] = {"alg": "none"}
    return _written(outer)


def _body(change: Callable[[Body], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        outer = _members(data)
        change(outer["payload"]["body"])
        return _written(outer)

    return changed


def _alg(word: str) -> Callable[[bytes], bytes]:
    """The protected header names another suite; its signature is what it was."""

    def changed(data: bytes) -> bytes:
        import base64

        outer = _members(data)
        entry = outer["signatures"][0]
        header = json.loads(base64.urlsafe_b64decode(entry["protected"] + "=="))
        header["alg"] = word
        entry["protected"] = base64.urlsafe_b64encode(_written(header)).rstrip(b"=").decode()
        return _written(outer)

    return changed


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "a key stands twice": _twice,
    "a second payload is wrapped around the first": _wrapped,
    "an envelope in an envelope": _nested,
    "an unsigned member beside the payload": _unsigned_member,
    "an unsigned member beside a signature": _unsigned_in_signature,
    "an unsigned member in the body": _body(lambda body: body.update(note="x")),
    "a number as a float": lambda data: data.replace(b'"offline_share_percent":10', b'"offline_share_percent":10.0'),
    "a number with an exponent": lambda data: data.replace(
        b'"offline_share_percent":10', b'"offline_share_percent":1e1'
    ),
    "a number with a leading zero": lambda data: data.replace(
        b'"offline_share_percent":10', b'"offline_share_percent":010'
    ),
    "a number as a text": _body(lambda body: body.update(offline_share_percent="10")),
    "a number as true": _body(lambda body: body.update(offline_share_percent=True)),
    "a number of 2^53": _body(lambda body: body.update(offline_window_seconds=2**53)),
    "letters as escapes": lambda data: data.replace(b'"offer":"off-a"', b'"offer":"\\u006fff-a"'),
    "letters in another Unicode form": _body(
        lambda body: body.update(extensions={"note": unicodedata.normalize("NFD", "é")})
    ),
    "a lone surrogate": lambda data: data.replace(b'"extensions":{}', b'"extensions":{"n":"\\ud800"}'),
    "white space": lambda data: data.replace(b'"offer":', b'"offer": '),
    "keys in another order": lambda data: _written(_members(data), sort_keys=False)[:-1] + b" }",
    "parties in another order": _body(lambda body: body["parties"].reverse()),
    "columns in another order": _body(
        lambda body: [
            each["rightOperand"].reverse()
            for each in body["strategies"][0]["policy"]["permission"][0]["constraint"]
            if each["leftOperand"] == "hefu:column"
        ]
    ),
    "one strategy more": _body(lambda body: body["strategies"].append(body["strategies"][0] | {"strategy": "str-2"})),
    "no constraint left": _body(lambda body: body["strategies"][0]["policy"]["permission"][0]["constraint"].clear()),
    "a larger budget": _body(lambda body: body["budget"].update(epsilon_nano=9 * 10**9)),
    "a key less": _body(lambda body: body["parties"][0].pop("keys")),
    "a suite that is none": _body(lambda body: body["parties"][0]["keys"][0].update(suite="none")),
    "a longer validity": _body(lambda body: body.update(not_after="2036-11-21T10:00:00Z")),
    "the suite none in a header": _alg("none"),
    "the suite HS256 in a header": _alg("HS256"),
    "the older name of the suite in a header": _alg("EdDSA"),
    "nothing after the payload": lambda data: data[: data.index(b',"signatures"')] + b"}",
    "no signatures": lambda data: data[: data.index(b',"signatures"')] + b',"signatures":[]}',
    "a tail": lambda data: data + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("what", SPELLINGS)
def test_t_a_an_agreement_spelt_otherwise_is_not_used(halves: Halves, what: str) -> None:
    data = halves.agreement.to_bytes()
    changed = SPELLINGS[what](data)
    assert changed != data
    with pytest.raises((Malformed, Untrusted)):
        verify_contract(halves.papers(agreement=changed), halves.trust, halves.pins)
    try:
        statement = Statement.parse(changed)
    except Malformed:
        return  # no broker could countersign it either
    with pytest.raises((Malformed, Untrusted)):
        verify_contract(deceive(halves, statement), halves.trust, halves.pins)


# ---------------------------------------------------------------- signatures: of their party, over this, under its key


def _moved(halves: Halves) -> Statement:
    """The provider's signature under the consumer's header, and the other way round."""
    first, second = halves.agreement.signatures
    return replace(
        halves.agreement, signatures=(replace(first, value=second.value), replace(second, value=first.value))
    )


def _of_other_bytes(halves: Halves) -> Statement:
    """The consumer signed another agreement of the same parties."""
    other = signed(halves, halves.body(id="agr-2"))
    return replace(halves.agreement, signatures=(halves.agreement.signatures[0], other.signatures[1]))


def _of_another_type(halves: Halves) -> Statement:
    """The consumer signed the same body as a statement of another type."""
    other = signed(halves, halves.agreement.body, CONSUMER, type_="agreement.draft")
    return replace(halves.agreement, signatures=(halves.agreement.signatures[0], other.signatures[0]))


def _surplus(halves: Halves) -> Statement:
    return halves.agreement.sign(halves.signers[STRANGER], NOW)


def _by_the_broker(halves: Halves) -> Statement:
    return signed(halves, halves.agreement.body, PROVIDER, BROKER)


def _provider_alone_with_two_keys(halves: Halves) -> Statement:
    """A participant's two keys are one party."""
    own = Halves()
    second = FileSigner(PROVIDER, Ed25519PrivateKey.generate())
    own.certify(PROVIDER, own.signers[PROVIDER], second)
    made = draft("agreement", own.body(), space=SPACE, issuer=PROVIDER, at=NOW).sign(own.signers[PROVIDER], NOW)
    halves.__dict__.update(own.__dict__)
    return made.sign(second, NOW)


SIGNATURES: dict[str, Callable[[Halves], Statement]] = {
    "moved between the parties": _moved,
    "of other bytes": _of_other_bytes,
    "of another type": _of_another_type,
    "one too many": _surplus,
    "of the broker in place of a party": _by_the_broker,
    "of one party twice": _provider_alone_with_two_keys,
    "of another space": lambda h: signed(h, h.agreement.body, space="other"),
}


@pytest.mark.parametrize("what", SIGNATURES)
def test_t_a_a_signature_that_is_not_the_partys_own_opens_nothing(what: str) -> None:
    halves = Halves()
    papers = deceive(halves, SIGNATURES[what](halves))
    with pytest.raises((Malformed, Untrusted)):
        verify_contract(papers, halves.trust, halves.pins)


def test_t_a_a_key_certified_after_the_agreement_was_drawn_up_does_not_sign_it(halves: Halves) -> None:
    """Whoever gets the root to certify a key of its own in a party's name signs nothing that named other keys."""
    body, stolen = halves.body(), FileSigner(CONSUMER, Ed25519PrivateKey.generate())
    halves.certify(CONSUMER, stolen)
    made = draft("agreement", body, space=SPACE, issuer=PROVIDER, at=NOW)
    made = made.sign(halves.signers[PROVIDER], NOW).sign(stolen, NOW)
    with pytest.raises(Untrusted, match="keys"):
        verify_contract(deceive(halves, made), halves.trust, halves.pins)


def test_t_a_a_replaced_key_does_not_end_an_agreement_that_named_it(halves: Halves) -> None:
    fresh = Halves()
    papers = fresh.papers()
    fresh.certify(CONSUMER, FileSigner(CONSUMER, Ed25519PrivateKey.generate()))
    assert verify_contract(papers, fresh.trust, fresh.pins).keys == tuple(
        fresh.signers[each].key for each in (PROVIDER, CONSUMER)
    )


def test_t_a_a_key_with_the_same_id_and_another_value_is_another_key(halves: Halves) -> None:
    """An id has 64 bits of a digest; the agreement names the whole digest."""
    agreement = Agreement.of(halves.agreement.body)
    twin = FileSigner(PROVIDER, Ed25519PrivateKey.generate())
    true = halves.trust.keys(PROVIDER)[0]

    def certified(participant: str) -> list[Any]:
        found = halves.trust.keys(participant)
        return [replace(true, value=twin.public)] if participant == PROVIDER else found

    check_signed(agreement.parties, halves.agreement, halves.trust.keys, agreement.id)
    with pytest.raises(Untrusted, match="keys"):
        check_signed(agreement.parties, halves.agreement, certified, agreement.id)


# ---------------------------------------------------------------- words: an agreement that contradicts itself


def _policy(**changes: Any) -> Callable[[Body], object]:
    return lambda body: body["strategies"][0]["policy"].update(changes)


CONTRADICTIONS: dict[str, Callable[[Body], object]] = {
    "a policy over another product": _policy(target="urn:hefu:product:prd-b"),
    "a policy for another consumer": _policy(assignee="urn:hefu:participant:somebody"),
    "a policy of another provider": _policy(assigner="urn:hefu:participant:pharma-b"),
    "a policy of another time": _policy(timestamp="2020-01-01T00:00:00Z"),
    "a policy under another id": _policy(**{"@id": "urn:hefu:strategy:other"}),
    "a policy that is an offer": _policy(**{"@type": "Offer"}),
    "a policy that cannot be read": _policy(conflict="permit"),
    "more computations than the policy permits": lambda body: body.update(
        computations=["hefu:deliver", "hefu:dpQuery"]
    ),
    "programs that no policy names": lambda body: body.update(
        programs=[{"kind": "program", "digest": "sha256:" + "0" * 64}]
    ),
    "contexts that the policy does not have": lambda body: body.update(
        contexts=[{"context": "https://example.org/", "digest": "sha256:" + "0" * 64}]
    ),
    "data kept longer than the agreement lasts": lambda body: body.update(delete_by="2036-01-01T00:00:00Z"),
    "an unknown member": lambda body: body.update(note="by the way"),
    "a party of no known role": lambda body: body["parties"][0].update(role="owner"),
    "two consumers": lambda body: body["parties"].append(body["parties"][1] | {"participant": STRANGER}),
    "an empty list of further providers": lambda body: body.update(further=[]),
    "a further provider that is no party": lambda body: body.update(
        further=[{name: body[name] for name in (
            "offer", "product", "description", "resources", "snapshot_rule", "computations", "offline_window_seconds",
            "offline_share_percent", "budget", "privacy",
        )} | {"provider": STRANGER}]
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_promise_1_an_agreement_that_contradicts_itself_is_used_by_nobody(halves: Halves, what: str) -> None:
    fresh = Halves()
    body = canonical.decode_object(canonical.encode(fresh.body()))
    CONTRADICTIONS[what](body)
    with pytest.raises((Malformed, Untrusted)):
        verify_contract(deceive(fresh, signed(fresh, body)), fresh.trust, fresh.pins)


def test_members_that_came_later_are_absent_where_they_are_empty(halves: Halves) -> None:
    """So the bytes of older agreements stay what was signed."""
    made = Agreement.of(halves.body())
    parties = tuple(replace(each, keys=()) for each in made.parties)
    plain = replace(made, parties=parties, contexts=())
    assert not {"further", "programs", "contexts", "delete_by"} & {*plain.body()}
    assert all("keys" not in each for each in _parties(plain.body()))
    assert Agreement.of(plain.body()) == plain


def test_a_named_key_is_read_back_and_no_other_suite_is_taken() -> None:
    key = PartyKey("a#1", canonical.digest(b"x"))
    assert PartyKey.of(key.body()) == key
    with pytest.raises(HefuError):
        PartyKey.of(key.body() | {"suite": "RSA"})


def _parties(body: Object) -> list[Body]:
    rows = body["parties"]
    assert isinstance(rows, list)
    return [each for each in rows if isinstance(each, dict)]
