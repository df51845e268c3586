"""The charter: the root's word, in versions; and which roles count under it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Malformed, Untrusted
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import Record
from hefu.keeping.keys import FileSigner
from hefu.membership.charter import CHARTERED, Charter
from hefu.membership.directory import Directory
from hefu.space import SpaceFile
from hefu.statements.filing import FilingKey
from hefu.tlog.note import COSIGNATURE, VerifierKey

from tests.protocol.small_log import BROKER, START, public, signer

ROOT = signer("root")
WITNESS = VerifierKey("regulator-a.example", COSIGNATURE, signer("regulator-a").public)


def said(charter: Charter, by: FileSigner = ROOT, space: str = "demo") -> Statement:
    return draft(CHARTERED, charter.body(), space=space, issuer="root", at=START).sign(by, START)


def test_the_root_charters_and_nobody_else() -> None:
    directory = Directory("demo", public(ROOT))
    for other in (said(Charter(1), by=signer(BROKER)), said(Charter(1), space="other")):
        with pytest.raises(Untrusted):
            directory.adopt(other)
    assert directory.charter is None
    directory.adopt(said(Charter(2)))
    assert directory.adopt(said(Charter(1))) == Charter(2)
    with pytest.raises(Untrusted):
        directory.adopt(said(Charter(2, regulators=("overseer",))))


def test_what_is_not_allowed_does_not_count() -> None:
    charter = Charter(1, roles=frozenset({"provider", "regulator"}), regulators=("overseer",))
    assert charter.honours("overseer", frozenset({"regulator", "consumer"})) == {"regulator"}
    assert charter.honours("hospital-a", frozenset({"regulator", "provider"})) == {"provider"}
    assert charter.honours("broker", frozenset({"operator"})) == {"operator"}


def test_a_charter_reads_as_it_was_written_and_nothing_else_does() -> None:
    whole = Charter(3, {"zh": "医疗空间"}, frozenset({"provider"}), ("open-statistics",), ("overseer",))
    assert Charter.of(said(whole)) == whole
    for changes in ({"roles": ["operator"]}, {"roles": []}, {"version": 0}, {"version": True}, {"more": 1}):
        body = whole.body() | changes
        with pytest.raises(Malformed):
            Charter.of(draft(CHARTERED, body, space="demo", issuer="root", at=START))


def test_a_charter_pins_the_witnesses_as_a_strict_text() -> None:
    plain = Charter(1)
    assert "witnesses" not in plain.body()  # charters of before keep their bytes
    assert plain.policy is None
    assert Charter(1, witnesses="quorum none\n").policy is None
    pinned = Charter(2, witnesses=f"witness regulator-a {WITNESS}\nquorum regulator-a\n")
    assert Charter.of(said(pinned)) == pinned
    assert pinned.policy is not None
    assert pinned.policy.missing(()) == ["regulator-a"]
    for bad in ("", "quorum nobody\n", f"witness a {WITNESS}\n", 3):
        with pytest.raises(Malformed):
            Charter.of(said_body(pinned.body() | {"witnesses": bad}))


def said_body(body: Object) -> Statement:
    return draft(CHARTERED, body, space="demo", issuer="root", at=START)


def test_filing_keys_are_regulators_each_its_own_and_absent_where_there_are_none() -> None:
    assert "filing" not in Charter(1).body()
    key, other = (FilingKey(bytes([number]) * 32) for number in (1, 2))
    whole = Charter(1, regulators=("overseer", "bureau"), filing={"overseer": key})
    assert Charter.of(said(whole)).filing == {"overseer": FilingKey.parse(str(key))}
    later = replace(whole, filing={"overseer": FilingKey(b"x" * 1216, "HPKE-MLKEM768-X25519")})
    assert Charter.of(said(later)) == later  # a suite of tomorrow changes no format
    for wrong in ({"hospital-a": key}, {"overseer": other, "bureau": other}):
        with pytest.raises(Malformed):
            replace(whole, filing=wrong)
    for form in ({}, {"overseer": str(key)}, {"overseer": key.body() | {"value": "AA"}}):
        with pytest.raises(Malformed):
            Charter.of(draft(CHARTERED, whole.body() | {"filing": form}, space="demo", issuer="root", at=START))


def test_charters_in_a_log_grow_and_are_the_roots() -> None:
    space = SpaceFile("demo", public(ROOT), BROKER, "a:1", "a:2", "", "example.org/demo", "")
    record = Record(space, public(ROOT))
    told = [said(Charter(1)), said(Charter(2), by=signer(BROKER)), said(Charter(1)), said(Charter(3))]
    for index, each in enumerate(told):
        record.add(BundleEntry.whole(index, each.to_bytes()))
    assert [each.index for each in record.of(CHARTERED)] == [0, 3]
    assert len(record.faults) == 2
