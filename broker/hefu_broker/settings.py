"""The broker's settings, ``broker.json`` in its folder: read once, checked, never guessed."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path

from hefu import identity
from hefu.canonical import Object
from hefu.errors import HefuError, Malformed
from hefu.keeping import secret
from hefu.keeping.keys import sync_folder
from hefu.keeping.unlocking import Lock
from hefu.space import SpaceFile

API_VERSION = "hefu/v1"
FILE = "broker.json"
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """How one broker runs.

    Attributes:
        space: id of the space it was founded with; more of them stand in ``spaces`` in its folder.
        broker: its own participant id, with the role operator.
        node: id of this node.
        address: ``host:port`` to listen on for services over mutual TLS; port 0 draws one.
        enrolment: the same for the enrolment service.
        log_origin: the audit log's name.
        certificate_hours: life of the transport certificates it issues.
        status_seconds: between two signatures of the status list.
        reflection: whether gRPC reflection answers.
        relay: ``host:port`` to listen on for connections to connectors that nobody can dial; port 0 draws one; empty
            where there is no relay.
        relay_apart: the relay is a process of its own (``hefu broker relay``), and goes on while the broker is down.
        secret: what database and keys are encrypted under: ``file:PATH``, ``env:NAME`` or ``passphrase`` (asked for, or
            in the file that ``HEFU_PASSPHRASE_FILE`` names). Empty leaves them in the clear, and is warned of.
        checkpoint: file of the newest checkpoint seen, relative to the folder; best on other storage.
        database: URL of PostgreSQL (``postgresql://user@host/name``), for several broker processes on one database;
            empty for a file of SQLite in the folder. Passwords belong into PGPASSWORD or a passfile.
        test: made for tests: only then may ``HEFU_FAULT`` and ``HEFU_CLOCK`` act; without it they stop the start.
        http: ``host:port`` of ``/healthz``, ``/readyz`` and ``/metrics``, for the operator alone; empty for none.
        timestamps: authorities that stamp the log's checkpoints (RFC 3161): URL and PEM file of the certificates, such
            as ``https://tsa.example/tsr tsa.pem``, a pair for each, divided by commas; empty for none.
        timestamp_seconds: between two rounds to them, 60 to 86400.
        report_to: where reports of each space go, to a higher node: a folder in which it leaves receipts, or an https
            URL that answers with one; empty for none.
        report_hours: between two reports, 1 to 720.
        verifiers: processes that verify what members send for the log, 0 to 64; they start when much comes at once;
            0 leaves it to the broker's own.
        logs: form of what is written to standard error, ``text`` or ``json``; ``HEFU_LOG`` overrules it.
        web: ``host:port`` of the pages and of the log's tiles, for browsers; port 0 draws one; empty for none.
        web_url: where browsers find it, such as ``https://space.example``; empty where that is the address itself.
        web_plain: served without TLS, on a loopback address only: for a proxy on this machine, or to try things out.
        web_public: whether a stranger sees the offers that their providers made public; otherwise no product at all.
    """

    space: str
    broker: str
    node: str
    address: str
    enrolment: str
    log_origin: str
    certificate_hours: int = 24
    status_seconds: int = 20
    reflection: bool = False
    checkpoint: str = "checkpoint.latest"
    database: str = ""
    secret: str = ""
    relay: str = ""
    relay_apart: bool = False
    test: bool = False
    http: str = ""
    logs: str = "text"
    web: str = ""
    web_url: str = ""
    web_plain: bool = False
    web_public: bool = True
    verifiers: int = 2
    timestamps: str = ""
    timestamp_seconds: int = 600
    report_to: str = ""
    report_hours: int = 24

    def __post_init__(self) -> None:
        secret.check(self.secret)
        for name in (self.space, self.broker, self.node):
            identity.check_name(name, "A name in the settings")
        if self.database and not self.database.startswith(("postgresql://", "sqlite:////")):
            raise Malformed("database.url")
        self._check_log()
        if not 1 <= self.certificate_hours <= 24 * 30 or not 1 <= self.status_seconds <= 60:
            raise Malformed("request.malformed", why="certificate_hours is 1 to 720, status_seconds 1 to 60")
        if self.web_plain and self.web and not _is_loopback(self.web.rpartition(":")[0]):
            raise Malformed("web.plain", address=self.web)
        if self.web_url and not _URL.fullmatch(self.web_url):
            raise Malformed("web.url")

    def _check_log(self) -> None:
        """What is done with the log beside serving it."""
        if not 0 <= self.verifiers <= 64 or not 60 <= self.timestamp_seconds <= 86400:
            raise Malformed("request.malformed", why="verifiers is 0 to 64, timestamp_seconds 60 to 86400")
        if self.report_to and not self.report_to.startswith(("/", "https://")):
            raise Malformed("report.place")
        if not 1 <= self.report_hours <= 720:
            raise Malformed("request.malformed", why="report_hours is 1 to 720")

    @property
    def certificate_life(self) -> timedelta:
        """How long an issued transport certificate lasts."""
        return timedelta(hours=self.certificate_hours)

    def of_space(self, space: SpaceFile) -> Settings:
        """The same settings for a further space of this broker; its checkpoints never share a file with another's."""
        path = Path(self.checkpoint)
        apart = str(path.with_name(f"{path.name}.{space.space}")) if path.is_absolute() else self.checkpoint
        return replace(self, space=space.space, log_origin=space.log_origin, checkpoint=apart)

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """The settings of a broker's folder.

        Raises:
            Malformed: there is no broker, or a setting is unknown, missing or of a wrong form.
        """
        path = folder / FILE
        try:
            document = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise Malformed("broker.absent", path=str(folder)) from None
        except (OSError, ValueError) as fault:
            raise Malformed("broker.settings", path=str(path), why=type(fault).__name__) from None
        try:
            return cls._of(document)
        except HefuError as fault:
            raise Malformed("broker.settings", path=str(path), why=fault.public()) from None
        except (KeyError, TypeError, ValueError) as fault:
            raise Malformed("broker.settings", path=str(path), why=str(fault)) from None

    def lock(self, folder: Path) -> Lock:
        """What opens the keys and the database of a broker's folder."""
        return Lock(folder, folder / "keys", self.secret)

    def told(self) -> Object:
        """What the log is told of a change of: everything but where the secret is, as text."""
        return {name: str(value) for name, value in asdict(self).items() if name != "secret"}

    def write(self, folder: Path) -> None:
        """Write them into a broker's folder, durably and in one step."""
        document = {"apiVersion": API_VERSION, "kind": "Broker", **asdict(self)}
        beside = folder / f"{FILE}.new"
        with beside.open("w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(folder / FILE)
        sync_folder(folder)  # the secret before this one is forgotten next

    @classmethod
    def _of(cls, document: dict[str, object]) -> Settings:
        if document.pop("apiVersion") != API_VERSION or document.pop("kind") != "Broker":
            raise ValueError(f"apiVersion must be {API_VERSION} and kind Broker")
        for each in fields(cls):
            found = document.get(each.name, each.default)
            if type(found).__name__ != each.type:
                raise ValueError(f"{each.name} must be of type {each.type}")
        return cls(**document)  # type: ignore[arg-type]  # names and types were checked one by one


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
