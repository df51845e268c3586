"""A connector's settings and where its things lie: one directory, one strict JSON file."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from hefu.canonical import Object
from hefu.errors import Malformed
from hefu.identity import check_name
from hefu.keeping import secret
from hefu.keeping.keys import sync_folder
from hefu.keeping.unlocking import Lock
from hefu.membership.enrolment import KeyRing

API_VERSION = "hefu/v1"
KIND = "Connector"


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one connector."""

    directory: Path

    @property
    def settings(self) -> Path:
        """``connector.json``."""
        return self.directory / "connector.json"

    @property
    def database(self) -> Path:
        """``connector.db``: ledger, journal, contracts, what was asked."""
        return self.directory / "connector.db"

    @property
    def high_water(self) -> Path:
        """``journal.high``: how far the journal had come; outside of the database on purpose."""
        return self.directory / "journal.high"

    @property
    def others_high(self) -> Path:
        """``journal.others``: the same of the other spaces on the same store."""
        return self.directory / "journal.others"

    @property
    def space(self) -> Path:
        """``space.json``: the pinned facts of the space."""
        return self.directory / "space.json"

    @property
    def keys(self) -> Path:
        """``keys/``: signing, sealing and transport keys."""
        return self.directory / "keys"

    @property
    def certificate(self) -> Path:
        """``transport.pem``: the transport certificate."""
        return self.directory / "transport.pem"

    @property
    def certification(self) -> Path:
        """``participant.json``: this participant's certification by the root, as it came with the enrolment."""
        return self.directory / "participant.json"

    @property
    def spool(self) -> Path:
        """``spool/``: where version 0.1.0 kept tables while a worker read them."""
        return self.directory / "spool"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator of a connector sets.

    Attributes:
        participant: this participant's id; connector: the connector's.
        listen: ``host:port`` to serve other connectors on; empty serves nobody.
        endpoint: ``host:port`` that others dial; empty where nobody may dial in.
        workers: computations that run at once, each in a process of its own; one place more is kept for a consumer of
            whom none runs, and one process more waits; only one waits where this participant provides nothing.
        quantum_ms: answers are told at whole multiples of it after admission; hides how long a computation took.
        deadline_seconds: after which a worker is killed.
        session_seconds: how long this connector waits for the other parties of a run over several connectors.
        status_seconds: between two looks at the status list.
        members_seconds: between two looks at the list of participants.
        broker_timeout_seconds: deadline of a call to the broker.
        diagnostics: serve gRPC health and reflection to other connectors too; for development.
        relay: be reached through the space's relay too, where it has one and this connector serves others.
        http: ``host:port`` of ``/healthz``, ``/readyz`` and ``/metrics``, for the operator alone; empty for none.
        logs: form of what is written to standard error, ``text`` or ``json``; ``HEFU_LOG`` overrules it.
        secret: what database and keys are encrypted under: ``file:PATH``, ``env:NAME`` or ``passphrase`` (asked for, or
            in the file that ``HEFU_PASSPHRASE_FILE`` names). Empty leaves them in the clear, and is warned of.
        spool: folder for snapshots of sources that do not fit into memory; empty keeps them there. A folder on a disk
            holds them in the clear while a worker reads them, and is warned of.
        layouts: folder for laid-out snapshots (``hefu source refresh``), encrypted as the database is; empty keeps none
            there, so that they are laid out again after a start. Questions read a copy where `spool` says.
        anchor_seconds: between two `journal.head` entries, which tell the log how far this journal has come, what the
            broker took and what was seen of the log.
        lay_out_mb: a file of so many megabytes or more is laid out by itself once a product of it is published, and
            again when it changes; 0 leaves that to commands.
        passphrase_file: of version 0.1.0, which encrypted keys only; the next start makes it the secret.
        test: made for tests: only then may ``HEFU_FAULT`` and ``HEFU_CLOCK`` act; without it they stop the start.
        database: URL of ledger, journal and contracts, ``postgresql://…`` or ``sqlite:////…``; empty: a SQLite file in
            the directory. Replicas of a connector, and a participant's connectors in other spaces, share one.
        witness: cosign the checkpoints of the space's log; ``hefu connector witness`` shows the line for the policy.
        region: where this connector computes, such as ``CN-31``, for policies that say where; empty says nothing, and
            what a policy says of it is then never met.
    """

    participant: str
    connector: str
    listen: str = "127.0.0.1:7410"
    endpoint: str = ""
    workers: int = 2
    quantum_ms: int = 250
    deadline_seconds: int = 60
    status_seconds: int = 3
    members_seconds: int = 60
    broker_timeout_seconds: int = 10
    diagnostics: bool = False
    http: str = ""
    logs: str = "text"
    secret: str = ""
    spool: str = ""
    passphrase_file: str = ""
    relay: bool = True
    test: bool = False
    database: str = ""
    region: str = ""
    layouts: str = ""
    lay_out_mb: int = 16
    anchor_seconds: int = 600
    witness: bool = False
    session_seconds: int = 120

    def __post_init__(self) -> None:
        check_name(self.participant, "participant")
        check_name(self.connector, "connector")
        secret.check(self.secret)
        for name, least, most in (
            ("workers", 1, 64),
            ("quantum_ms", 0, 60_000),
            ("deadline_seconds", 1, 3600),
            ("session_seconds", 1, 3600),
            ("status_seconds", 1, 30),
            ("members_seconds", 1, 3600),
            ("broker_timeout_seconds", 1, 60),
            ("lay_out_mb", 0, 1_000_000),
            ("anchor_seconds", 1, 86_400),
        ):
            number = getattr(self, name)
            if not least <= number <= most:
                raise Malformed("settings.value", name=name, expected=f"a whole number from {least} to {most}")
        for name in ("listen", "endpoint", "http"):
            if not _is_address(getattr(self, name)):
                raise Malformed("settings.value", name=name, expected="host:port, or empty")

    @classmethod
    def read(cls, home: Home) -> Settings:
        """Read the file of a connector's directory.

        Raises:
            Malformed: it is absent, not JSON, has an unknown member or a value of a wrong form.
        """
        path = home.settings
        try:
            document = json.loads(path.read_text("utf-8"))
        except OSError as fault:
            raise Malformed("settings.unreadable", path=str(path), why=fault.strerror or "no such file") from None
        except ValueError:
            raise Malformed("settings.unreadable", path=str(path), why="not JSON") from None
        return cls.of(document, str(path))

    @classmethod
    def of(cls, document: object, where: str = "connector.json") -> Settings:
        """The settings of a parsed file; raises as `read`."""
        if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != (API_VERSION, KIND):
            raise Malformed("settings.unreadable", path=where, why=f"not of kind {KIND} and {API_VERSION}")
        given = {name: value for name, value in document.items() if name not in ("apiVersion", "kind")}
        known = {each.name: each for each in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise Malformed("settings.unknown", path=where, name=unknown[0][:60], known=", ".join(known))
        for name, each in known.items():
            if name not in given and each.default is MISSING:
                raise Malformed("settings.value", name=name, expected="a value; it has no default")
            if name in given and type(given[name]).__name__ != each.type:
                raise Malformed("settings.value", name=name, expected=_WORDS[str(each.type)])
        return cls(**given)

    def told(self) -> Object:
        """What the log is told of a change of: everything but where the secret is, as text."""
        return {each.name: str(getattr(self, each.name)) for each in fields(self) if each.name != "secret"}

    def write(self, home: Home) -> None:
        """Write the file durably, readable by people."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        document = {"apiVersion": API_VERSION, "kind": KIND, **values}
        beside = home.settings.with_name(f"{home.settings.name}.new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(home.settings)
        sync_folder(home.directory)  # the secret before this one is forgotten next

    def store(self, home: Home) -> str:
        """The URL of the database."""
        return self.database or f"sqlite:///{home.database.absolute()}"

    def keeper(self, home: Home) -> Home:
        """The directory that the store lies in: another connector's where that one's file is shared."""
        kind, _, path = self.database.partition(":///")
        theirs = Home(Path(path).parent)
        return theirs if kind == "sqlite" and theirs.database == Path(path) else home

    def ring(self, home: Home) -> KeyRing:
        """The keys.

        Raises:
            Malformed: the secret cannot be read, or is not set though they were made under one.
            Untrusted: others can read it, or it is not theirs.
        """
        opened = self.lock(home).open()
        if opened is not None:
            return KeyRing(self.participant, self.connector, home.keys, opened.passphrase)
        old = secret.read(f"{secret.FILE}{self.passphrase_file}", home.directory) if self.passphrase_file else None
        return KeyRing(self.participant, self.connector, home.keys, old)

    def lock(self, home: Home) -> Lock:
        """What opens the keys and the database."""
        return Lock(home.directory, home.keys, self.kept_under)

    @property
    def kept_under(self) -> str:
        """The secret's setting, in the spelling of this version."""
        return self.secret or (self.passphrase_file and f"{secret.FILE}{self.passphrase_file}")


_WORDS = {"str": "a text", "int": "a whole number", "bool": "true or false"}


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return not text or (bool(host and colon) and port.isdigit() and int(port) < 65_536)
