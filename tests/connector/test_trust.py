"""Who may act, as a connector verified it itself: looked up, kept, refused; and its certificate, renewed in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import identity
from hefu.envelope import PublicKey, Statement, draft
from hefu.errors import Conflict, HefuError, NotFound, Unauthenticated, Unavailable, Untrusted
from hefu.identity import Participant, Standing, StatusList
from hefu.keeping.keys import FileSigner
from hefu.membership import enrolment
from hefu.membership.charter import CHARTERED, Charter
from hefu.membership.enrolment import KeyRing
from hefu.space import SpaceFile
from hefu.wire import transport
from hefu_broker.membership.authority import Authority
from hefu_connector.brokerage import Member
from hefu_connector.membership.renewal import TransportIdentity
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.shelves import Mark
from hefu_connector.storage.database import Database
from hefu_connector.storage.marks import SqlMarks

START = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
LIFE = timedelta(hours=24)


@dataclass
class SetClock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def move(self, **step: float) -> None:
        self.at += timedelta(**step)


@dataclass
class MemoryRegistry:
    """`brokerage.Registry` over what tests put in; `away` makes it unreachable."""

    authority: Authority
    clock: SetClock
    known: dict[str, Member] = field(default_factory=dict)
    lists: list[Statement] = field(default_factory=list)
    bound: list[Statement] = field(default_factory=list)
    away: bool = False
    asked: int = 0
    issue_for: bytes | None = None

    def renew(self, csr: bytes) -> bytes:
        self._reach()
        public = x509.load_der_x509_csr(self.issue_for or csr).public_key()
        return self.authority.issue(public, "hospital-a", "hospital-a-c1", self.clock.now()).der  # type: ignore[arg-type]

    def bind(self, binding: Statement) -> None:
        self._reach()
        self.bound.append(binding)

    def member(self, participant: str) -> Member:
        self._reach()
        if participant not in self.known:
            raise NotFound("resource.not_found", what="participant", name=participant)
        return self.known[participant]

    def members(self, after: int = 0) -> tuple[int, Sequence[Member]]:
        self._reach()
        return 0, list(self.known.values())

    def status(self, *, logged: bool = False) -> Statement:
        self._reach()
        return self.lists[-1]

    def _reach(self) -> None:
        self.asked += 1
        if self.away:
            raise Unavailable("peer.unreachable", peer="the broker")


@dataclass
class Setting:
    """A space's root, its registry, and one connector's trust over a database that survives a restart."""

    folder: Path
    clock: SetClock
    root: FileSigner
    space: SpaceFile
    registry: MemoryRegistry
    marks: SqlMarks
    trust: SpaceTrust
    rings: dict[str, KeyRing] = field(default_factory=dict)

    def restart(self) -> SpaceTrust:
        self.trust = SpaceTrust(self.space, self.registry, self.marks, self.clock)
        self.trust.load()
        return self.trust

    def ring(self, name: str) -> KeyRing:
        if name not in self.rings:
            self.rings[name] = KeyRing(name, f"{name}-c1", self.folder / f"keys-{name}")
            self.rings[name].make()
        return self.rings[name]

    def certified(self, name: str, *roles: str, root: FileSigner | None = None) -> Statement:
        signer, now = self.ring(name).signer(), self.clock.now()
        person = Participant(
            id=name,
            names={"en": name},
            roles=frozenset(roles or {"provider"}),
            signing=(PublicKey(signer.key, name, signer.public),),
            sealing=self.ring(name).sealing().public_key().public_bytes_raw(),
            not_before=now - timedelta(days=1),
            not_after=now + timedelta(days=365),
        )
        made = draft(identity.CERTIFIED, person.body(), space="demo", issuer=identity.ROOT, at=now)
        return made.sign(root or self.root, now)

    def certificate(self, name: str) -> bytes:
        ring = self.ring(name)
        issued = self.registry.authority.issue(ring.transport().public_key(), name, ring.connector, self.clock.now())
        return issued.der

    def join(self, name: str, *roles: str) -> str:
        """Make a participant known to the registry; returns its certificate's fingerprint."""
        ring = self.ring(name)
        bound = enrolment.bind(ring, self.space, self.certificate(name), f"{name}.test:7410", self.clock)
        self.registry.known[name] = Member(self.certified(name, *roles), (bound,))
        return identity.Binding.of(bound).fingerprint

    def announce(self, sequence: int, *standings: Standing, signer: str = "broker") -> Statement:
        """A status list, signed now."""
        at = self.clock.now()
        body = StatusList(sequence, at, standings).body()
        made = draft(identity.STATUS, body, space="demo", issuer=signer, at=at).sign(self.ring(signer).signer(), at)
        self.registry.lists.append(made)
        return made


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    clock, private = SetClock(), Ed25519PrivateKey.generate()
    root = FileSigner(identity.ROOT, private)
    authority = Authority.found("demo", START, LIFE)
    space = SpaceFile(
        space="demo",
        root=PublicKey(root.key, identity.ROOT, root.public),
        broker="broker",
        address="broker.test:1",
        enrolment="broker.test:2",
        transport_ca=authority.pem.decode(),
        log_origin="example.org/demo",
        log_key="unused",
    )
    database = Database.at(tmp_path / "connector.db", "demo")
    marks, registry = SqlMarks(database), MemoryRegistry(authority, clock)
    made = Setting(tmp_path, clock, root, space, registry, marks, SpaceTrust(space, registry, marks, clock))
    made.join("broker", "operator")
    made.announce(1)
    made.trust.refresh_members()
    made.trust.refresh_status()
    yield made
    database.close()


def suspended(subject: str) -> Standing:
    return Standing(subject, "suspended", START, "a test")


def test_a_caller_that_is_new_in_the_space_is_looked_up_and_then_known(setting: Setting) -> None:
    mark = setting.join("pharma-b", "consumer")
    assert setting.trust.authenticate(mark).participant == "pharma-b"
    asked = setting.registry.asked
    assert setting.trust.authenticate(mark).connector == "pharma-b-c1"
    assert setting.registry.asked == asked


def test_a_certificate_that_nobody_bound_is_refused(setting: Setting) -> None:
    setting.join("pharma-b", "consumer")
    with pytest.raises(Unauthenticated):
        setting.trust.authenticate("sha256:" + "0" * 64)


def test_a_stranger_who_calls_on_and_on_cannot_make_us_flood_the_broker(setting: Setting) -> None:
    asked = setting.registry.asked
    for _ in range(100):
        with pytest.raises(Unauthenticated):
            setting.trust.authenticate("sha256:" + "0" * 64)
    assert setting.registry.asked - asked <= 8
    setting.clock.move(seconds=10)
    mark = setting.join("pharma-b", "consumer")
    assert setting.trust.authenticate(mark).participant == "pharma-b"


def test_a_participant_that_the_root_did_not_certify_is_not_admitted(setting: Setting) -> None:
    imposter = FileSigner(identity.ROOT, Ed25519PrivateKey.generate())
    setting.registry.known["mallory"] = Member(setting.certified("mallory", root=imposter))
    mark = setting.join("pharma-b", "consumer")
    setting.trust.refresh_members()
    with pytest.raises(Unauthenticated):
        setting.trust.check("mallory")
    assert setting.trust.authenticate(mark).participant == "pharma-b"


def test_a_binding_signed_by_somebody_else_opens_nothing(setting: Setting) -> None:
    setting.join("pharma-b", "consumer")
    ring = setting.ring("mallory")
    setting.registry.known["mallory"] = Member(setting.certified("mallory"))
    at, certificate = setting.clock.now(), setting.certificate("mallory")
    body = identity.Binding("pharma-b", "pharma-b-c1", certificate, "mallory.test:1", at + LIFE).body()
    forged = draft(identity.BOUND, body, space="demo", issuer="pharma-b", at=at).sign(ring.signer(), at)
    known = setting.registry.known["pharma-b"]
    setting.registry.known["pharma-b"] = Member(known.certification, (*known.bindings, forged))
    setting.trust.refresh_members()
    assert setting.trust.endpoint("pharma-b").endpoint == "pharma-b.test:7410"
    with pytest.raises(Unauthenticated):
        setting.trust.authenticate(identity.Binding.of(forged).fingerprint)


def test_after_a_restart_with_the_broker_away_participants_and_bindings_are_known(setting: Setting) -> None:
    mark = setting.join("pharma-b", "consumer")
    setting.trust.refresh_members()
    setting.registry.away = True
    again = setting.restart()
    assert again.authenticate(mark).participant == "pharma-b"
    assert again.endpoint("pharma-b").endpoint == "pharma-b.test:7410"
    assert again.sealing("pharma-b") == setting.ring("pharma-b").sealing().public_key().public_bytes_raw()
    assert again.check("pharma-b").age == 0


def test_the_age_of_the_status_list_grows_while_the_broker_is_away(setting: Setting) -> None:
    setting.registry.away = True
    setting.clock.move(minutes=7)
    with pytest.raises(Unavailable):
        setting.trust.refresh_status()
    assert setting.trust.check("broker").age == 7 * 60
    assert setting.restart().check("broker").age == 7 * 60


def test_without_any_status_list_the_age_is_infinite(setting: Setting) -> None:
    assert SpaceTrust(setting.space, setting.registry, setting.marks, setting.clock).age() == float("inf")


def test_a_suspension_acts_at_first_sight_and_after_a_restart(setting: Setting) -> None:
    mark = setting.join("pharma-b", "consumer")
    setting.trust.authenticate(mark)
    setting.announce(2, suspended("pharma-b"))
    setting.trust.refresh_status()
    setting.registry.away = True
    for trust in (setting.trust, setting.restart()):
        with pytest.raises(Unauthenticated) as caught:
            trust.authenticate(mark)
        assert caught.value.code == "identity.revoked"
        with pytest.raises(Unauthenticated):
            trust.endpoint("pharma-b")


def test_a_revoked_key_or_certificate_is_refused_though_its_participant_is_not(setting: Setting) -> None:
    mark = setting.join("pharma-b", "consumer")
    setting.trust.authenticate(mark)
    setting.announce(2, Standing(mark, "revoked", START, "lost"))
    setting.trust.refresh_status()
    setting.trust.check("pharma-b")
    with pytest.raises(Unauthenticated):
        setting.trust.authenticate(mark)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_status_list_older_than_one_seen_is_refused(setting: Setting, restarted: bool) -> None:
    setting.announce(5, suspended("pharma-b"))
    setting.trust.refresh_status()
    setting.announce(4)
    trust = setting.restart() if restarted else setting.trust
    with pytest.raises(Untrusted) as caught:
        trust.refresh_status()
    assert caught.value.code == "status.rollback"


def test_a_status_list_of_somebody_who_is_not_the_operator_is_refused(setting: Setting) -> None:
    setting.join("pharma-b", "consumer")
    setting.announce(9, suspended("broker"), signer="pharma-b")
    with pytest.raises(Untrusted):
        setting.trust.refresh_status()
    setting.trust.check("broker")


def test_what_was_kept_and_then_altered_is_not_taken_up_again(setting: Setting) -> None:
    setting.join("pharma-b", "consumer")
    setting.trust.refresh_members()
    kept = setting.marks.find("participant/pharma-b")
    assert kept is not None
    altered = kept.text.replace('"roles":["consumer"]', '"roles":["operator"]')
    assert altered != kept.text
    setting.marks.advance(Mark(kept.name, kept.number, altered))
    with pytest.raises(Untrusted):
        setting.restart()


def test_a_statement_of_another_space_is_not_verified(setting: Setting) -> None:
    at = setting.clock.now()
    foreign = draft("agreement", {}, space="other", issuer="broker", at=at).sign(setting.ring("broker").signer(), at)
    with pytest.raises(Untrusted) as caught:
        setting.trust.verify(foreign)
    assert caught.value.code == "space.other"


# ---------------------------------------------------------------- the connector's own certificate


def own_identity(setting: Setting, endpoint: str = "hospital-a.test:7410") -> TransportIdentity:
    path = setting.folder / "transport.pem"
    if not path.exists():
        path.write_bytes(transport.to_pem(setting.certificate("hospital-a")))

    def reissue() -> bytes:
        return setting.certificate("hospital-a")

    ring = setting.ring("hospital-a")
    return TransportIdentity(ring, path, setting.space, endpoint, setting.marks, setting.clock, reissue)


def test_a_certificate_that_has_run_out_is_issued_anew_without_a_call_under_the_old_one(setting: Setting) -> None:
    own = own_identity(setting)
    own.keep_valid(setting.registry)
    before = own.fingerprint
    setting.clock.move(hours=24 * 7)
    own.keep_valid(setting.registry)
    assert own.fingerprint != before
    assert identity.Binding.of(setting.registry.bound[-1]).fingerprint == own.fingerprint


def test_the_first_certificate_is_bound_once_and_that_is_remembered(setting: Setting) -> None:
    own = own_identity(setting)
    assert not own.bound.is_set()
    own.keep_valid(setting.registry)
    own.keep_valid(setting.registry)
    assert len(setting.registry.bound) == 1
    assert own.bound.is_set()
    setting.registry.away = True
    assert own_identity(setting).bound.is_set()
    assert not own_identity(setting, "elsewhere.test:1").bound.is_set()


def test_after_two_thirds_of_its_life_a_certificate_is_renewed_and_bound_before_it_is_used(setting: Setting) -> None:
    own = own_identity(setting)
    own.keep_valid(setting.registry)
    before = own.fingerprint
    setting.clock.move(hours=15.9)
    own.keep_valid(setting.registry)
    assert own.fingerprint == before
    setting.clock.move(hours=0.2)
    own.keep_valid(setting.registry)
    assert own.fingerprint != before
    assert identity.Binding.of(setting.registry.bound[-1]).fingerprint == own.fingerprint
    assert own_identity(setting).fingerprint == own.fingerprint, "it does not survive a restart"
    assert (setting.folder / "transport.pem").stat().st_mode & 0o777 == 0o600


def test_while_the_broker_is_away_the_old_certificate_stays_in_use(setting: Setting) -> None:
    own = own_identity(setting)
    own.keep_valid(setting.registry)
    before = own.credentials()
    setting.clock.move(hours=20)
    setting.registry.away = True
    with pytest.raises(Unavailable):
        own.keep_valid(setting.registry)
    assert own.credentials() == before


def test_a_certificate_that_the_broker_issued_for_another_key_is_not_taken(setting: Setting) -> None:
    own = own_identity(setting)
    own.keep_valid(setting.registry)
    before = own.fingerprint
    setting.clock.move(hours=20)
    setting.registry.issue_for = setting.ring("mallory").csr()
    with pytest.raises(Untrusted):
        own.keep_valid(setting.registry)
    assert own.fingerprint == before
    assert len(setting.registry.bound) == 1


def test_a_private_key_that_others_can_read_stops_the_start(setting: Setting) -> None:
    (setting.ring("hospital-a").folder / "transport.key").chmod(0o644)
    with pytest.raises(HefuError) as caught:
        own_identity(setting)
    assert caught.value.code == "key.loose_file"


def test_marks_never_go_back(setting: Setting) -> None:
    with pytest.raises(Conflict):
        setting.marks.advance(Mark("status", 0, ""))


# ---------------------------------------------------------------- the charter


def chartered(setting: Setting, charter: Charter, root: FileSigner | None = None) -> Statement:
    at = setting.clock.now()
    made = draft(CHARTERED, charter.body(), space="demo", issuer=identity.ROOT, at=at)
    return made.sign(root or setting.root, at)


def test_the_newest_charter_of_the_root_counts_and_outlives_a_restart(setting: Setting) -> None:
    setting.join("overseer", "regulator", "consumer")
    setting.trust.refresh_members()
    assert setting.trust.roles("overseer") == {"regulator", "consumer"}
    first, second = (chartered(setting, Charter(number, templates=("open-statistics",))) for number in (1, 2))
    for each in (second, first, None):
        setting.trust.adopt(each)
    for trust in (setting.trust, setting.restart()):
        found = trust.charter()
        assert found is not None
        assert found.version == 2
        assert trust.roles("overseer") == {"consumer"}  # the charter names it not among the regulators
    forged = chartered(setting, Charter(3), root=setting.ring("overseer").signer())
    with pytest.raises(Untrusted):
        setting.trust.adopt(forged)
    with pytest.raises(Untrusted):
        setting.trust.adopt(chartered(setting, Charter(2, roles=frozenset({"consumer"}))))


def test_a_pinned_charter_that_the_broker_withholds_stops_the_connector(setting: Setting) -> None:
    space = replace(setting.space, charter="2")
    trust = SpaceTrust(space, setting.registry, setting.marks, setting.clock)
    trust.adopt(None)
    for newest in (None, chartered(setting, Charter(1))):
        trust.adopt(newest)
        with pytest.raises(Unavailable):
            trust.charter()
    trust.adopt(chartered(setting, Charter(3)))
    assert trust.charter() == Charter(3)


def test_a_full_disk_between_a_certification_and_the_list_under_it_does_not_stop_the_next_start(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.clock.move(hours=1)
    setting.rings["broker"] = KeyRing("broker", "broker-c1", setting.folder / "keys-broker-2")  # its next signing key
    setting.rings["broker"].make()
    setting.registry.known["broker"] = Member(setting.certified("broker", "operator"), ())
    setting.announce(2)

    def full(mark: Mark) -> None:
        raise Unavailable("store.unavailable", why="No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(setting.marks, "advance", full)
        with pytest.raises(Unavailable):
            setting.trust.refresh_members()
    with pytest.raises(Untrusted):  # what is not kept is not used
        setting.trust.refresh_status()
    assert setting.restart().age() > 3000  # the list of before still holds, and is old
    setting.trust.refresh_members()
    setting.trust.refresh_status()
    assert setting.restart().age() < 10
