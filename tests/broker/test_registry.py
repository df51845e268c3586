"""Tokens, enrolment, certification, transport certificates and standing."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical, identity
from hefu.envelope import Statement
from hefu.errors import Conflict, Malformed, NotFound, Refused, Unauthenticated, Untrusted
from hefu.identity import Binding, StatusList
from hefu.keeping import keys
from hefu.keeping.keys import FileSigner
from hefu_broker.founding import read_root, sign_as_root
from hefu_broker.records import EnrolmentState
from hefu_broker.storage.models import ParticipantRow
from sqlmodel import select

from tests.broker.world import BOTH, Person, World

KINDS = BOTH

NAME = "hospital-n"


def invite(world: World, *roles: str) -> str:
    return world.rooms.enrolments.invite(NAME, frozenset(roles or ("provider",)))


def enroll(world: World, token: str, *roles: str, **changes: object) -> str:
    asked = world.asked(NAME, *(roles or ("provider",)), **changes)
    return world.rooms.enrolments.enroll(token, asked.to_bytes(), world.ring(NAME).csr()).id


def test_an_enrolled_and_certified_participant_may_act(world: World) -> None:
    person = world.person(NAME, "provider")
    assert world.rooms.registry.member(person.caller).participant == NAME
    assert world.rooms.registry.directory.participant(NAME).roles == {"provider"}


def test_a_second_use_of_a_token_is_refused(world: World) -> None:
    token = invite(world)
    enroll(world, token)
    world.clock.move(seconds=1)  # so that the second request is another statement
    with pytest.raises(Unauthenticated) as caught:
        enroll(world, token)
    assert caught.value.code == "token.refused"


def test_the_very_same_request_again_gives_the_same_enrolment(world: World) -> None:
    token, asked, csr = invite(world), world.asked(NAME, "provider").to_bytes(), world.ring(NAME).csr()
    first = world.rooms.enrolments.enroll(token, asked, csr)
    assert world.rooms.enrolments.enroll(token, asked, csr) == first
    with pytest.raises(Unauthenticated):
        world.rooms.enrolments.enroll(token, asked, world.ring("somebody-else").csr())
    # Also for who heard of the answer's loss only after the token ran out and the root had certified.
    world.certify(first.id)
    world.clock.move(hours=25)
    again = world.rooms.enrolments.enroll(token, asked, csr)
    assert (again.id, again.state) == (first.id, EnrolmentState.CERTIFIED)


def test_an_expired_token_is_refused(world: World) -> None:
    token = invite(world)
    world.clock.move(hours=25)
    with pytest.raises(Unauthenticated):
        enroll(world, token)


def test_an_unknown_token_is_refused(world: World) -> None:
    invite(world)
    with pytest.raises(Unauthenticated):
        enroll(world, "guessed")


def test_the_token_itself_is_not_in_the_database(world: World) -> None:
    token = invite(world)
    with world.rooms.database.engine.connect() as connection:
        held = str(connection.exec_driver_sql("SELECT * FROM token").all())
    assert canonical.digest(token.encode()) in held
    assert token not in held


def test_a_token_does_not_serve_another_name(world: World) -> None:
    token = world.rooms.enrolments.invite("somebody-else", frozenset({"provider"}))
    with pytest.raises(Refused) as caught:
        enroll(world, token)
    assert caught.value.code == "token.other"


def test_a_token_does_not_give_more_roles_than_it_has(world: World) -> None:
    with pytest.raises(Refused):
        enroll(world, invite(world, "consumer"), "consumer", "regulator")


def test_a_request_with_an_altered_signature_is_refused(world: World) -> None:
    data = bytearray(world.asked(NAME, "provider").to_bytes())
    at = data.index(b'"signature":"') + 20
    data[at] = ord("A") if data[at] != ord("A") else ord("B")
    with pytest.raises((Untrusted, Malformed)):
        world.rooms.enrolments.enroll(invite(world), bytes(data), world.ring(NAME).csr())


def test_a_request_with_the_key_of_another_is_refused(world: World) -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    key = {"key": keys.key_id(NAME, other), "suite": "Ed25519", "use": "sign", "value": identity.write_bytes(other)}
    with pytest.raises(Untrusted):
        enroll(world, invite(world), keys=[key])


def test_a_key_id_that_is_not_the_keys_is_refused(world: World) -> None:
    signer = world.ring(NAME).signer()
    key = {"key": "root#0000", "suite": "Ed25519", "use": "sign", "value": identity.write_bytes(signer.public)}
    with pytest.raises(Malformed):
        enroll(world, invite(world), keys=[key])


def test_a_signing_request_with_a_broken_signature_is_refused(world: World) -> None:
    csr = bytearray(world.ring(NAME).csr())
    csr[-1] ^= 1
    with pytest.raises((Untrusted, Malformed)):
        world.rooms.enrolments.enroll(invite(world), world.asked(NAME, "provider").to_bytes(), bytes(csr))


def test_nothing_but_the_key_of_a_signing_request_is_used(world: World) -> None:
    # The signing request names another connector; the certificate names the one of the caller.
    person = world.person(NAME, "provider")
    other = world.ring("insurer-n").csr()
    issued = world.rooms.registry.renew(person.caller, other)
    certificate = x509.load_der_x509_certificate(issued.der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hospital-n-conn.hefu"]
    assert issued.participant == NAME


def test_a_certificate_lives_a_day(world: World) -> None:
    issued = world.rooms.registry.renew(world.person(NAME, "provider").caller, world.ring(NAME).csr())
    assert (issued.not_after - world.clock.now()).total_seconds() == 24 * 3600


def test_a_connector_name_that_is_taken_is_refused(world: World) -> None:
    world.person("insurer-n", "consumer")
    with pytest.raises(Conflict) as caught:
        enroll(world, invite(world), connector="insurer-n-conn")
    assert caught.value.code == "connector.taken"


def test_the_brokers_own_name_is_taken(world: World) -> None:
    with pytest.raises(Conflict):
        enroll(world, invite(world), connector="broker")


def test_a_statement_that_the_root_did_not_sign_certifies_nobody(world: World) -> None:
    id_ = enroll(world, invite(world))
    forger = FileSigner("root", Ed25519PrivateKey.generate())
    signed = sign_as_root(world.rooms.enrolments.draft(id_), forger, world.clock)
    with pytest.raises(Untrusted):
        world.rooms.enrolments.certify(id_, signed.to_bytes())
    assert world.rooms.enrolments.enrolment(id_).state is EnrolmentState.PENDING


def test_a_certification_of_other_keys_than_requested_is_refused(world: World) -> None:
    id_ = enroll(world, invite(world))
    token = world.rooms.enrolments.invite("insurer-n", frozenset({"consumer"}))
    other = world.rooms.enrolments.enroll(
        token, world.asked("insurer-n", "consumer").to_bytes(), world.ring("insurer-n").csr()
    )
    signed = sign_as_root(world.rooms.enrolments.draft(other.id), read_root(world.root), world.clock)
    with pytest.raises(Untrusted) as caught:
        world.rooms.enrolments.certify(id_, signed.to_bytes())
    assert caught.value.code == "certification.differs"
    with pytest.raises(NotFound):  # and it did not slip into memory either
        world.rooms.registry.directory.participant("insurer-n")


def test_a_rejected_enrolment_is_certified_never(world: World) -> None:
    id_ = enroll(world, invite(world))
    world.rooms.enrolments.reject(id_)
    with pytest.raises(Conflict):
        world.certify(id_)


def test_a_name_is_certified_once(world: World) -> None:
    world.person(NAME, "provider")
    with pytest.raises(Conflict):
        invite(world)


def test_a_certificate_that_is_not_bound_opens_nothing_but_binding(world: World) -> None:
    person = world.person(NAME, "provider")
    issued = world.rooms.registry.renew(person.caller, world.ring(NAME).csr())
    unbound = world.rooms.registry.authenticate(issued.fingerprint)
    with pytest.raises(Unauthenticated):
        world.rooms.registry.member(unbound)


def test_a_certificate_of_another_cannot_be_bound(world: World, consumer: Person) -> None:
    person = world.person(NAME, "provider")
    stolen = Binding(NAME, "hospital-n-conn", consumer.caller.certificate, "evil:1", consumer.caller.not_after)
    with pytest.raises(Untrusted) as caught:
        world.rooms.registry.bind(person.caller, person.says(identity.BOUND, stolen.body()))
    assert caught.value.code == "certificate.foreign"


def test_nobody_binds_for_another(world: World, consumer: Person) -> None:
    person = world.person(NAME, "provider")
    data = person.says(identity.BOUND, person.caller.body())
    with pytest.raises(Refused):
        world.rooms.registry.bind(consumer.caller, data)


def test_an_expired_certificate_is_refused(world: World) -> None:
    person = world.person(NAME, "provider")
    world.clock.move(hours=25)
    with pytest.raises(Unauthenticated):
        world.rooms.registry.authenticate(person.caller.fingerprint)


def test_a_suspended_participant_is_refused_until_it_is_reinstated(world: World) -> None:
    person = world.person(NAME, "provider")
    world.rooms.standings.suspend(NAME, "under investigation")
    with pytest.raises(Unauthenticated) as caught:
        world.rooms.registry.authenticate(person.caller.fingerprint)
    assert caught.value.parameters["state"] == "suspended"
    world.rooms.standings.reinstate(NAME)
    assert world.rooms.registry.authenticate(person.caller.fingerprint).participant == NAME


def test_a_revocation_is_for_ever(world: World) -> None:
    world.person(NAME, "provider")
    world.rooms.standings.suspend(NAME, "first")
    world.rooms.standings.revoke(NAME, "then")
    for again in (
        lambda: world.rooms.standings.revoke(NAME, "again"),
        lambda: world.rooms.standings.suspend(NAME, "again"),
        lambda: world.rooms.standings.reinstate(NAME),
    ):
        with pytest.raises(Conflict):
            again()


def test_a_revoked_key_signs_nothing_more(world: World) -> None:
    person = world.person(NAME, "provider")
    world.rooms.standings.revoke(person.ring.signer().key, "lost")
    with pytest.raises(Unauthenticated):
        world.rooms.log.append(person.caller, [person.says("computation.refused", {})])


def test_only_what_is_known_is_suspended(world: World) -> None:
    with pytest.raises(NotFound):
        world.rooms.standings.suspend("nobody", "no reason")
    with pytest.raises(Refused):
        world.rooms.standings.revoke("broker", "itself")


def test_each_status_list_is_newer_and_only_changes_are_logged(world: World) -> None:
    world.person(NAME, "provider")
    standings = world.rooms.standings
    first = StatusList.of(standings.refresh()).sequence
    world.sequenced()
    before = world.rooms.sequencer.newest[0]
    assert StatusList.of(standings.refresh()).sequence == first + 1
    world.sequenced()
    assert world.rooms.sequencer.newest[0] == before
    changed = standings.suspend(NAME, "why")
    assert StatusList.of(changed).sequence == first + 2
    world.sequenced()
    assert world.rooms.sequencer.newest[0] == before + 1


def test_the_registry_is_the_same_after_a_restart(world: World) -> None:
    person = world.person(NAME, "provider")
    world.rooms.standings.suspend(NAME, "why")
    status = world.rooms.standings.newest()
    rooms = world.reopen()
    assert rooms.standings.newest() == status
    with pytest.raises(Unauthenticated):
        rooms.registry.authenticate(person.caller.fingerprint)


def test_a_certification_edited_in_the_database_stops_the_start(world: World) -> None:
    world.person(NAME, "provider")
    with world.rooms.database.reading() as session:
        row = session.exec(select(ParticipantRow.certification).where(ParticipantRow.id == NAME)).one()
    forged = row.replace(b'"provider"', b'"operator"')
    assert Statement.parse(forged).body["roles"] == ["operator"]
    world.tamper("UPDATE participant SET certification = :forged WHERE id = :id", forged=forged, id=NAME)
    with pytest.raises(Untrusted):
        world.reopen()


def test_who_asks_after_a_revision_is_told_of_what_changed_since(world: World) -> None:
    registry = world.rooms.registry
    revision, everybody = registry.changes(0)
    assert {"broker", "hospital-a", "insurer-b", "regulator-r"} <= {*everybody}
    assert registry.changes(revision) == (revision, [])
    world.person("bank-c", "consumer")
    newer, changed = registry.changes(revision)
    assert newer > revision
    assert changed == ["bank-c"]
    world.rooms.standings.refresh()  # nobody's standing changed
    newest, changed = registry.changes(newer)
    assert newest > newer
    assert changed == []
    world.rooms.standings.suspend("bank-c", "why")  # its bindings are listed no more, and later again
    assert "hospital-a" in registry.changes(newest)[1]
    reached, everybody = registry.changes(newest + 1000)  # of a registry that is no more
    assert reached < newest + 1000
    assert "bank-c" in everybody
