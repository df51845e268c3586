"""Founding a space: the offline root, the broker's keys and certification, the transport authority, the space file.

The root's key comes into a folder of its own, which belongs on a machine that is never connected. The broker works
without it; it is needed to certify participants only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import identity, keys
from hefu.enrolment import KeyRing
from hefu.envelope import PublicKey, Statement, draft
from hefu.errors import Malformed
from hefu.identity import Participant
from hefu.keys import FileSigner
from hefu.space import SpaceFile
from hefu.times import Clock
from hefu.tlog import note
from hefu.tlog.note import VerifierKey

from hefu_broker.authority import Authority
from hefu_broker.settings import FILE, Settings

BROKER = "broker"
ROOT_KEY = "root.key"
_OPERATOR_LIFE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be founded.

    Attributes:
        folder: the broker's; new or empty. ``root`` is the offline root's.
        address: ``host:port`` to listen on, and the one participants are told unless `public_address` is given.
        passphrase: protects the root's key, if given.
    """

    folder: Path
    root: Path
    space: str
    address: str
    enrolment: str
    log_origin: str
    public_address: str = ""
    public_enrolment: str = ""
    relay: str = ""
    public_relay: str = ""
    names_en: str = "Broker"
    names_zh: str = "运营平台"
    passphrase: bytes | None = None


def found(plan: Plan, clock: Clock) -> tuple[Settings, SpaceFile]:
    """Make everything a broker needs in its folder, and the root in its own.

    Raises:
        Malformed: there is a broker already, or a name is not well formed. Keys are never overwritten.
    """
    if (plan.folder / FILE).exists():
        raise Malformed("broker.founded", path=str(plan.folder))
    settings = Settings(
        space=plan.space,
        broker=BROKER,
        node=f"{plan.space}-{BROKER}"[:40],
        address=plan.address,
        enrolment=plan.enrolment,
        log_origin=plan.log_origin,
        relay=plan.relay,
    )
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.folder.chmod(0o700)  # it may have been there before
    root = _make_root(plan)
    ring = ring_of(plan.folder)
    ring.make()
    authority = Authority.found(plan.space, clock.now(), settings.certificate_life)
    keys.write_key(plan.folder / "keys" / "authority.key", authority.key)
    log_key = Ed25519PrivateKey.generate()
    keys.write_key(plan.folder / "keys" / "log.key", log_key)
    certification = _certify_broker(ring, root, plan, clock)
    (plan.folder / "operator.json").write_bytes(certification.to_bytes())
    space = SpaceFile(
        space=plan.space,
        root=PublicKey(root.key, identity.ROOT, root.public),
        broker=BROKER,
        address=plan.public_address or plan.address,
        enrolment=plan.public_enrolment or plan.enrolment,
        transport_ca=authority.pem.decode(),
        log_origin=plan.log_origin,
        log_key=str(VerifierKey(plan.log_origin, note.ED25519, log_key.public_key().public_bytes_raw())),
        relay=plan.public_relay or plan.relay,
    )
    space.write(plan.folder / "space.json")
    settings.write(plan.folder)  # last: a folder with settings is complete
    return settings, space


def ring_of(folder: Path) -> KeyRing:
    """The broker's own keys."""
    return KeyRing(BROKER, BROKER, folder / "keys")


def read_root(folder: Path, passphrase: bytes | None = None) -> FileSigner:
    """The offline root's key; raises as `hefu.keys.read_key`."""
    return keys.read_signer(folder / ROOT_KEY, identity.ROOT, passphrase)


def sign_as_root(statement: Statement, root: FileSigner, clock: Clock) -> Statement:
    """A drafted certification with the root's signature."""
    return statement.expect(identity.CERTIFIED).sign(root, clock.now())


def _make_root(plan: Plan) -> FileSigner:
    plan.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.root.chmod(0o700)
    private = Ed25519PrivateKey.generate()
    keys.write_key(plan.root / ROOT_KEY, private, plan.passphrase)
    return FileSigner(identity.ROOT, private)


def _certify_broker(ring: KeyRing, root: FileSigner, plan: Plan, clock: Clock) -> Statement:
    signer, now = ring.signer(), clock.now()
    operator = Participant(
        id=BROKER,
        names={"en": plan.names_en, "zh": plan.names_zh},
        roles=frozenset({"operator"}),
        signing=(PublicKey(signer.key, BROKER, signer.public),),
        sealing=ring.sealing().public_key().public_bytes_raw(),
        not_before=now,
        not_after=now + _OPERATOR_LIFE,
    )
    made = draft(identity.CERTIFIED, operator.body(), space=plan.space, issuer=identity.ROOT, at=now)
    return made.sign(root, now)
