"""Founding a space: the offline root, the broker's keys and certification, the transport authority, the space file.

The root's key comes into a folder of its own, which belongs on a machine that is never connected. The broker works
without it; it is needed to certify participants only.

The space that a broker is founded with lives in the broker's folder, each further one in ``spaces/<id>`` below it,
with a root, keys, log and certification of its own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import identity
from hefu.envelope import PublicKey, Statement, draft
from hefu.errors import Conflict, Malformed, NotFound
from hefu.identity import Participant
from hefu.keeping import keys
from hefu.keeping.keys import FileSigner
from hefu.keeping.vault import Vault
from hefu.membership.charter import CHARTERED, Charter
from hefu.membership.enrolment import KeyRing
from hefu.space import SpaceFile
from hefu.times import Clock
from hefu.tlog import note
from hefu.tlog.note import VerifierKey

from hefu_broker.membership.authority import Authority
from hefu_broker.settings import FILE, Settings

BROKER = "broker"
ROOT_KEY = "root.key"
SPACE = "space.json"
SPACES = "spaces"
NAMES = {"en": "Broker", "zh": "运营平台"}
_OPERATOR_LIFE = timedelta(days=3650)


class SpacePlan(Protocol):
    """What every space needs to be founded: `Plan` and `Addition` are such."""

    @property
    def root(self) -> Path:
        """The folder of its offline root."""

    @property
    def space(self) -> str:
        """Its id."""

    @property
    def log_origin(self) -> str:
        """The name of its audit log."""

    @property
    def names(self) -> dict[str, str]:
        """What the operator is called there, by language."""

    @property
    def passphrase(self) -> bytes | None:
        """Protects the root's key, if given."""


@dataclass(frozen=True, slots=True)
class Addition:
    """A space to be added to a broker; members as in `SpacePlan`."""

    root: Path
    space: str
    log_origin: str
    names: dict[str, str] = field(default_factory=lambda: dict(NAMES))
    passphrase: bytes | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A broker to be founded, with its first space.

    Attributes:
        folder: the broker's; new or empty. ``root`` is the offline root's.
        address: ``host:port`` to listen on, and the one participants are told unless `public_address` is given.
        passphrase: protects the root's key, if given.
        secret: what the broker's own keys and database are encrypted under, as in `Settings`; a file that is not there
            is drawn, and by default one outside of the folder.
        database, web, web_url, web_plain: as in `Settings`.
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
    names: dict[str, str] = field(default_factory=lambda: dict(NAMES))
    passphrase: bytes | None = None
    secret: str = ""
    database: str = ""
    web: str = ""
    web_url: str = ""
    web_plain: bool = False


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
        database=plan.database,
        web=plan.web,
        web_url=plan.web_url,
        web_plain=plan.web_plain,
    )
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.folder.chmod(0o700)  # it may have been there before
    lock = replace(settings, secret=plan.secret).lock(plan.folder).found()
    settings, opened = replace(settings, secret=lock.setting), lock.open()
    ring = KeyRing(BROKER, BROKER, lock.keys, opened.passphrase if opened else None)
    authority = Authority.found(plan.space, clock.now(), settings.certificate_life)
    space = _make(
        plan.folder,
        plan,
        ring,
        clock,
        address=plan.public_address or plan.address,
        enrolment=plan.public_enrolment or plan.enrolment,
        transport_ca=authority.pem.decode(),
        relay=plan.public_relay or plan.relay,
    )
    keys.write_key(plan.folder / "keys" / "authority.key", authority.key, ring.passphrase)
    settings.write(plan.folder)  # last: a folder with settings is complete
    return settings, space


def add(folder: Path, plan: SpacePlan, clock: Clock) -> SpaceFile:
    """Make a further space in a broker's folder: whole at once, or not at all.

    Raises:
        Conflict: the broker has a space of this name, or a log of this origin.
        Malformed: there is no broker.
    """
    settings, first = Settings.read(folder), SpaceFile.read(folder / SPACE)
    taken = [first, *(SpaceFile.read(folder_of(folder, settings, each) / SPACE) for each in further(folder))]
    if plan.space in {each.space for each in taken} or plan.log_origin in {each.log_origin for each in taken}:
        raise Conflict("space.taken", space=plan.space)
    home = folder_of(folder, settings, plan.space)
    home.parent.mkdir(mode=0o700, exist_ok=True)
    making = home.with_name(f".{plan.space}-{secrets.token_hex(4)}")
    making.mkdir(mode=0o700)
    space = _make(
        making,
        plan,
        ring_of(folder, making),
        clock,
        address=first.address,
        enrolment=first.enrolment,
        transport_ca=first.transport_ca,
        relay=first.relay,
    )
    making.rename(home)
    return space


def further(folder: Path) -> list[str]:
    """The ids of the spaces that were added to a broker, in order."""
    homes = (folder / SPACES).glob("*/" + SPACE)
    return sorted(each.parent.name for each in homes if not each.parent.name.startswith("."))


def homes(folder: Path) -> list[Path]:
    """The folders of all spaces of a broker, the first space's first. Raises Malformed where there is no broker."""
    settings = Settings.read(folder)
    return [folder_of(folder, settings, each) for each in (settings.space, *further(folder))]


def home_of(folder: Path, space: str) -> Path:
    """The folder of one space of a broker; empty names the first.

    Raises:
        NotFound: the broker has no such space.
    """
    settings = Settings.read(folder)
    if space not in ("", settings.space, *further(folder)):
        raise NotFound("resource.not_found", what="space", name=space[:64])
    return folder_of(folder, settings, space)


def folder_of(folder: Path, settings: Settings, space: str) -> Path:
    """Where a space of a broker lives."""
    return folder if space in ("", settings.space) else folder / SPACES / space


def ring_of(folder: Path, home: Path | None = None) -> KeyRing:
    """The broker's own keys in one of its spaces; raises as `hefu.keeping.unlocking.Lock.open`.

    Args:
        folder: the broker's, whose one vault is for all spaces.
        home: the space's folder; by default the first's.
    """
    opened = Settings.read(folder).lock(folder).open()
    return KeyRing(BROKER, BROKER, (home or folder) / "keys", opened.passphrase if opened else None)


def unlock(folder: Path, settings: Settings) -> Vault | None:
    """The broker's vault, once no key of any space lies in the clear that the settings want encrypted."""
    return settings.lock(folder).take_over(others=[each / "keys" for each in homes(folder)[1:]])


def read_root(folder: Path, passphrase: bytes | None = None) -> FileSigner:
    """The offline root's key; raises as `hefu.keeping.keys.read_key`."""
    return keys.read_signer(folder / ROOT_KEY, identity.ROOT, passphrase)


def sign_as_root(statement: Statement, root: FileSigner, clock: Clock) -> Statement:
    """A drafted certification or charter with the root's signature.

    Raises:
        Malformed: it is anything else.
    """
    if statement.type == CHARTERED:
        Charter.of(statement)
    else:
        statement.expect(identity.CERTIFIED)
    return statement.sign(root, clock.now())


def _make(folder: Path, plan: SpacePlan, ring: KeyRing, clock: Clock, **told: str) -> SpaceFile:
    """A space's own keys, certification and file; `told` is what it shares with the broker's other spaces."""
    root, log_key = _make_root(plan), Ed25519PrivateKey.generate()
    ring.make()
    keys.write_key(folder / "keys" / "log.key", log_key, ring.passphrase)
    (folder / "operator.json").write_bytes(_certify_broker(ring, root, plan, clock).to_bytes())
    space = SpaceFile(
        space=plan.space,
        root=PublicKey(root.key, identity.ROOT, root.public),
        broker=BROKER,
        log_origin=plan.log_origin,
        log_key=str(VerifierKey(plan.log_origin, note.ED25519, log_key.public_key().public_bytes_raw())),
        **told,
    )
    space.write(folder / SPACE)
    return space


def _make_root(plan: SpacePlan) -> FileSigner:
    plan.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.root.chmod(0o700)
    private = Ed25519PrivateKey.generate()
    keys.write_key(plan.root / ROOT_KEY, private, plan.passphrase)
    return FileSigner(identity.ROOT, private)


def _certify_broker(ring: KeyRing, root: FileSigner, plan: SpacePlan, clock: Clock) -> Statement:
    signer, now = ring.signer(), clock.now()
    operator = Participant(
        id=BROKER,
        names=dict(plan.names),
        roles=frozenset({"operator"}),
        signing=(PublicKey(signer.key, BROKER, signer.public),),
        sealing=ring.sealing().public_key().public_bytes_raw(),
        not_before=now,
        not_after=now + _OPERATOR_LIFE,
    )
    made = draft(identity.CERTIFIED, operator.body(), space=plan.space, issuer=identity.ROOT, at=now)
    return made.sign(root, now)
