"""What a bundle says of witnesses, and what its signers saw: two named checks of the offline verifier."""

from __future__ import annotations

from pathlib import Path

import pytest
from hefu.checking.verify import Pins, Report, verify
from hefu.envelope import Statement, draft
from hefu.errors import Malformed
from hefu.evidence.bundle import open_bundle
from hefu.membership.charter import CHARTERED, Charter
from hefu.tlog import tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.witness import Request

from tests.cosigning import Cosigner, policy
from tests.protocol.small_log import ORIGIN, PROVIDER, START, SmallLog


def report(small: SmallLog, tmp_path: Path, note: str | None = None, witnesses: str = "") -> Report:
    pins = Pins(small.space.root, small.log_key, witnesses=WitnessPolicy.parse(witnesses) if witnesses else None)
    with open_bundle(small.bundle(tmp_path / "bundle.zip", note)) as bundle:
        return verify(bundle, pins)


def cosigner(small: SmallLog, name: str) -> Cosigner:
    return Cosigner(name, small.log_key, lambda: START)


def lines(witness: Cosigner, small: SmallLog) -> str:
    return witness.cosigned(Request(0, (), small.checkpoint())).rpartition("\n\n")[2]


def says(small: SmallLog, seen: Checkpoint | None) -> Statement:
    """The provider says something, and what it saw of the log."""
    body = {"participant": PROVIDER, "reason": "x"}
    made = draft("incident.reported", body, space="demo", issuer=PROVIDER, at=small.at, seen=seen)  # type: ignore[arg-type]  # JSON
    signed = made.sign(small.signers[PROVIDER], small.at)
    small.entries.append(signed.to_bytes())
    return signed


def head(small: SmallLog, size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, tree.root([tree.leaf_hash(each) for each in small.entries[:size]]))


def test_the_quorum_of_the_charter_is_a_check_and_its_absence_a_limit(small: SmallLog, tmp_path: Path) -> None:
    found = report(small, tmp_path)
    assert found.holds
    assert "witnesses" not in [each.name for each in found.results]
    assert any("No witness policy" in en for en, _ in found.limits)
    one, two = cosigner(small, "regulator-a"), cosigner(small, "grid-north")
    small.say(CHARTERED, Charter(1, witnesses=policy(2, one, two)).body(), "root")
    assert report(small, tmp_path).failed() == ["witnesses"]
    note = small.checkpoint() + lines(one, small)
    assert report(small, tmp_path, note).failed() == ["witnesses"]
    whole = note + lines(two, small)
    found = report(small, tmp_path, whole)
    assert found.holds, found.document()
    assert not any("No witness policy" in en for en, _ in found.limits)
    assert report(small, tmp_path, note, witnesses=policy(1, one)).holds
    assert report(small, tmp_path, whole, witnesses=policy(1, cosigner(small, "other"))).failed() == ["witnesses"]


def test_what_signers_saw_must_be_this_logs_history(small: SmallLog, tmp_path: Path) -> None:
    size = len(small.entries)
    assert says(small, None).seen is None
    assert b'"seen"' not in small.entries[-1]  # statements of before keep their bytes
    signed = says(small, head(small, size))
    assert Statement.parse(signed.to_bytes()).seen == head(small, size)
    assert report(small, tmp_path).holds
    other = Checkpoint(ORIGIN, size, tree.leaf_hash(b"another history"))
    for bad in (other, head(small, len(small.entries)), Checkpoint("elsewhere", 1, head(small, 1).root)):
        says(small, bad)
        failed = report(small, tmp_path).failed()
        if bad is other or bad.origin != ORIGIN:
            assert failed == ["gossip"]
        else:
            assert not failed  # all that stood before it may be seen
        small.entries.pop()
    says(small, Checkpoint(ORIGIN, len(small.entries) + 1, bytes(32)))
    assert report(small, tmp_path).failed() == ["gossip"]


def test_a_seen_of_another_form_is_refused(small: SmallLog) -> None:
    good = says(small, head(small, 3)).to_bytes()
    for old, new in ((b'"size":3', b'"size":-1'), (b'"size":3', b'"size":"3"'), (b'"size":3', b'"size":3,"x":1')):
        assert old in good
        with pytest.raises(Malformed):
            Statement.parse(good.replace(old, new))
