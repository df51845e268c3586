"""Who is who: each rule of the directory, and the statements it is fed with."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hefu import identity
from hefu.envelope import Statement, draft
from hefu.errors import HefuError, Malformed, NotFound, Unauthenticated, Untrusted
from hefu.identity import Binding, Participant, Standing, StatusList
from hefu.keeping.keys import FileSigner
from hefu.membership.directory import Directory

from tests.protocol.small_log import BROKER, PROVIDER, START, public, signer

ROOT, OPERATOR, CLINIC = signer("root"), signer(BROKER), signer(PROVIDER)
LATER = START + timedelta(days=30)


def participant(name: str, *keys: FileSigner, role: str = "provider", until: datetime = LATER) -> Participant:
    signing = tuple(public(each) for each in keys)
    return Participant(name, {"en": name, "zh": "诊所"}, frozenset({role}), signing, bytes(32), START, until)


def certified(one: Participant, by: FileSigner = ROOT, at: datetime = START, space: str = "demo") -> Statement:
    return draft(identity.CERTIFIED, one.body(), space=space, issuer="root", at=at).sign(by, at)


def binding(certificate: bytes = b"der", endpoint: str = "localhost:1", until: datetime = LATER) -> Binding:
    return Binding(PROVIDER, PROVIDER, certificate, endpoint, until)


def bound(one: Binding, by: FileSigner = CLINIC) -> Statement:
    return draft(identity.BOUND, one.body(), space="demo", issuer=one.participant, at=START).sign(by, START)


def status(sequence: int, *subjects: str, by: FileSigner = OPERATOR) -> Statement:
    standings = tuple(Standing(each, "revoked", START, "lost key") for each in subjects)
    body = StatusList(sequence, START, standings).body()
    return draft(identity.STATUS, body, space="demo", issuer=by.participant, at=START).sign(by, START)


@pytest.fixture
def directory() -> Directory:
    made = Directory("demo", public(ROOT))
    made.certify(certified(participant(BROKER, OPERATOR, role="operator")))
    made.certify(certified(participant(PROVIDER, CLINIC)))
    return made


# ---------------------------------------------------------------- rules 1 to 3


def test_the_root_certifies_and_nobody_else(directory: Directory) -> None:
    assert directory.participant(PROVIDER).signing == (public(CLINIC),)
    for stranger in (CLINIC, FileSigner("root", signer("x").private)):
        with pytest.raises(Untrusted):
            directory.certify(certified(participant("lab-b", signer("lab-b")), by=stranger))
    with pytest.raises(NotFound):
        directory.participant("lab-b")


def test_a_statement_of_another_space_is_refused(directory: Directory) -> None:
    with pytest.raises(Untrusted) as caught:
        directory.certify(certified(participant("lab-b"), space="other"))
    assert caught.value.code == "space.other"


def test_a_key_that_a_newer_certification_leaves_out_verifies_the_past_and_signs_nothing_more(
    directory: Directory,
) -> None:
    newer = signer(PROVIDER)
    directory.certify(certified(participant(PROVIDER, newer), at=START + timedelta(hours=1)))
    directory.certify(certified(participant(PROVIDER, CLINIC), at=START))  # older: changes nothing
    now = START + timedelta(hours=2)
    directory.check_active(PROVIDER, now, newer.key)
    assert CLINIC.key in directory.keys
    with pytest.raises(Unauthenticated):
        directory.check_active(PROVIDER, now, CLINIC.key)
    with pytest.raises(Untrusted):
        directory.bind(bound(binding(), by=CLINIC))


def test_the_root_key_is_no_participants_key(directory: Directory) -> None:
    assert ROOT.key not in directory.keys
    with pytest.raises(Untrusted):
        directory.bind(bound(binding(), by=ROOT))


# ---------------------------------------------------------------- rule 4


def test_a_certificate_is_bound_by_the_participant_it_speaks_for(directory: Directory) -> None:
    one = directory.bind(bound(binding()))
    assert directory.caller(one.fingerprint, START) == one
    assert directory.endpoint(PROVIDER, START) == one


def test_a_certificate_bound_by_another_participant_is_refused(directory: Directory) -> None:
    with pytest.raises(Untrusted):
        directory.bind(bound(binding(), by=OPERATOR))
    with pytest.raises(Unauthenticated):
        directory.caller(binding().fingerprint, START)


def test_a_certificate_nobody_bound_or_that_expired_opens_nothing(directory: Directory) -> None:
    one = directory.bind(bound(binding(until=START + timedelta(hours=1))))
    for fingerprint, at in (("sha256:00", START), (one.fingerprint, START + timedelta(hours=2))):
        with pytest.raises(Unauthenticated):
            directory.caller(fingerprint, at)


def test_the_longest_valid_binding_with_an_endpoint_is_dialled(directory: Directory) -> None:
    directory.bind(bound(binding(b"one", until=START + timedelta(hours=1))))
    newest = directory.bind(bound(binding(b"two", until=START + timedelta(hours=2))))
    directory.bind(bound(binding(b"three", "")))
    assert directory.endpoint(PROVIDER, START) == newest
    with pytest.raises(NotFound):
        directory.endpoint(PROVIDER, START + timedelta(hours=3))


# ---------------------------------------------------------------- rules 5 and 6


def test_only_an_operator_revokes(directory: Directory) -> None:
    with pytest.raises(Untrusted):
        directory.apply(status(1, BROKER, by=CLINIC))
    directory.check_active(BROKER, START)


def test_revocation_acts_on_participant_key_and_certificate(directory: Directory) -> None:
    one = directory.bind(bound(binding()))
    directory.apply(status(1, CLINIC.key))
    directory.check_active(PROVIDER, START)
    with pytest.raises(Unauthenticated):
        directory.check_active(PROVIDER, START, CLINIC.key)
    for sequence, subjects in enumerate(((one.fingerprint,), (one.fingerprint, PROVIDER)), 2):
        directory.apply(status(sequence, CLINIC.key, *subjects))
        with pytest.raises(Unauthenticated) as caught:
            directory.caller(one.fingerprint, START)
        assert caught.value.code == "identity.revoked"


def test_a_status_list_is_never_rolled_back(directory: Directory) -> None:
    directory.apply(status(5, PROVIDER))
    with pytest.raises(Untrusted) as caught:
        directory.apply(status(4))
    assert caught.value.code == "status.rollback"
    assert directory.status is not None
    assert directory.status.sequence == 5


def test_a_participant_acts_within_its_validity_only(directory: Directory) -> None:
    for at in (START - timedelta(seconds=1), LATER + timedelta(seconds=1)):
        with pytest.raises(Unauthenticated):
            directory.check_active(PROVIDER, at)
    with pytest.raises(Unauthenticated):
        directory.check_active("lab-b", START)


# ---------------------------------------------------------------- the statements themselves


def test_certification_binding_and_status_come_back_as_written() -> None:
    one = participant(PROVIDER, CLINIC)
    assert Participant.of(certified(one)) == one
    assert Binding.of(bound(binding())) == binding()
    assert StatusList.of(status(7, PROVIDER)).standings[0].subject == PROVIDER


def test_every_missing_member_of_a_body_is_malformed() -> None:
    for body, type_, read in (
        (participant(PROVIDER, CLINIC).body(), identity.CERTIFIED, Participant.of),
        (binding().body(), identity.BOUND, Binding.of),
        (StatusList(1, START).body(), identity.STATUS, StatusList.of),
    ):
        for member in body:
            without = {name: value for name, value in body.items() if name != member}
            with pytest.raises(Malformed):
                read(draft(type_, without, space="demo", issuer=PROVIDER, at=START))


def test_a_binding_whose_fingerprint_is_of_another_certificate_is_malformed() -> None:
    body = {**binding().body(), "fingerprint": binding(b"other").fingerprint}
    with pytest.raises(Malformed):
        Binding.of(draft(identity.BOUND, body, space="demo", issuer=PROVIDER, at=START))


@pytest.mark.parametrize(
    "name", ["ab", "Clinic", "1clinic", "clinic--a", "clinic-", "-clinic", "a" * 41, "诊所a", "a b c", "abc\n"]
)
def test_a_name_has_one_plain_form(name: str) -> None:
    with pytest.raises(Malformed):
        identity.check_name(name)


@pytest.mark.parametrize("text", ["AA=", "A", "AB", "+w", "A A", "诊"])
def test_bytes_have_one_spelling(text: str) -> None:
    with pytest.raises(HefuError):
        identity.read_bytes(text)
    assert identity.read_bytes(identity.write_bytes(b"\xfb\xff")) == b"\xfb\xff"
