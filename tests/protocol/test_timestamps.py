"""Time stamps: the published responses, a real authority of our own, and a bundle that holds some."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hefu.checking import verify
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.evidence import bundle, timestamps
from hefu.evidence.timestamps import Stamp
from hefu.tlog import checkpoint
from hefu.tlog.note import Note, VerifierKey

from tests.policies.counts import count
from tests.protocol.conftest import SHARED
from tests.protocol.local_authority import LocalAuthority
from tests.protocol.small_log import SmallLog

PUBLISHED = SHARED / "vectors" / "tlog" / "rfc3161"
# What each published response is over, and whether it holds under its own chain.
CASES = {
    "test_tsa/response.tsr": (b"hello", True),
    "test_tsa/response-injected-certs.tsr": (b"hello", True),  # strangers travel along; the signer is the pinned one
    "test_tsa/other_response.tsr": (b"hello", False),
    "sigstage/response-sha256.tsr": (b"hello", True),
    "sigstage/response-sha384.tsr": (b"hello", True),
    "sigstage/response-sha512.tsr": (b"hello", True),
    "sigstage/response-no-embedded-cert.tsr": (b"hello", True),
    "sigstage/response-invalid-signature.tsr": (b"hello", False),
}


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published vectors are not here (set HEFU_SHARED)")
def test_published_responses_are_judged_as_published_and_never_over_another_message() -> None:
    for name, (message, good) in CASES.items():
        pinned = timestamps.certificates(PUBLISHED / name.partition("/")[0] / "ts_chain.pem")
        response = (PUBLISHED / name).read_bytes()
        try:
            timestamps.verify(response, message, pinned)
            held = True
        except Untrusted:
            held = False
        assert held == good, name
        with pytest.raises(Untrusted):
            timestamps.verify(response, b"another", pinned)
        with pytest.raises(Untrusted):
            timestamps.verify(response, message, pinned, nonce=1)
    count("RFC 3161 responses", len(CASES), len(CASES))


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    return LocalAuthority(tmp_path / "authority")


def test_a_fresh_stamp_answers_its_own_request_and_no_other_authority_vouches_for_it(
    authority: LocalAuthority, tmp_path: Path
) -> None:
    asked = timestamps.ask(b"text")
    response = authority.stamp(asked.request)
    at = timestamps.verify(response, b"text", [authority.root], asked.nonce)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
    other = LocalAuthority(tmp_path / "other")
    for pinned, nonce in (([authority.root], asked.nonce + 1), ([other.root], asked.nonce)):
        with pytest.raises(Untrusted):
            timestamps.verify(response, b"text", pinned, nonce)


def test_no_bit_of_what_a_response_signs_can_be_changed(authority: LocalAuthority) -> None:
    asked = timestamps.ask(b"text")
    response = authority.stamp(asked.request)
    good = timestamps.verify(response, b"text", [authority.root], asked.nonce)
    for place in range(0, len(response), 37):
        changed = response[:place] + bytes([response[place] ^ 1]) + response[place + 1 :]
        try:  # what is not signed (a certificate that travels along, a text) may differ, and says nothing else
            assert timestamps.verify(changed, b"text", [authority.root], asked.nonce) == good
        except HefuError:
            continue


def test_what_is_no_response_is_malformed_and_a_chain_needs_a_root(tmp_path: Path) -> None:
    for data in (b"", b"\x30\x00", b"x" * 100, bytes(timestamps.LARGEST_RESPONSE + 1)):
        with pytest.raises(HefuError):
            timestamps.verify(data, b"text", [])
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(Malformed):
        timestamps.certificates(tmp_path / "empty.pem")


Stamped = Callable[[bytes], Stamp]


@pytest.fixture
def stamped(small: SmallLog, authority: LocalAuthority, tmp_path: Path) -> Stamped:
    """Stamps a text as the checkpoint of the small log's whole size."""
    key = VerifierKey.parse(small.space.log_key)
    size = checkpoint.verify(small.checkpoint(), key).size
    return lambda text: Stamp(size, authority.stamp(timestamps.ask(text).request))


def _report(small: SmallLog, path: Path, stamp: Stamp, pinned: tuple[x509.Certificate, ...]) -> verify.Report:
    shown = [bundle.BundleEntry.whole(at, each) for at, each in enumerate(small.entries)]
    bundle.write_bundle(path, small.space, small.checkpoint(), shown, [stamp])
    with bundle.open_bundle(path) as opened:
        return verify.verify(opened, verify.Pins(authorities=pinned))


def test_a_bundle_is_checked_for_its_stamps_and_says_where_it_could_not(
    small: SmallLog, authority: LocalAuthority, stamped: Stamped, tmp_path: Path
) -> None:
    text = Note.parse(small.checkpoint()).text.encode()
    good, wrong = stamped(text), stamped(text.replace(b"\n", b"x\n", 1))
    held = _report(small, tmp_path / "a.zip", good, (authority.root,))
    assert held.holds
    assert [each.seen for each in held.results if each.name == "timestamps"] == [1]
    assert _report(small, tmp_path / "b.zip", wrong, (authority.root,)).failed() == ["timestamps"]
    ahead = Stamp(good.size + 1, good.response)
    assert _report(small, tmp_path / "c.zip", ahead, (authority.root,)).failed() == ["timestamps"]
    unpinned = _report(small, tmp_path / "d.zip", good, ())
    assert unpinned.holds
    assert [each.unchecked for each in unpinned.results if each.name == "timestamps"] == [1]
    assert any("--authority" in english for english, _ in unpinned.limits)
