"""The space file: what a participant pins before it trusts anybody, handed over out of band.

It holds public values only: the root's key, the broker's addresses and transport authority, the log's key. Nothing in
it is ever replaced by what a message says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from hefu import identity
from hefu.envelope import PublicKey
from hefu.errors import Malformed
from hefu.keeping import keys

API_VERSION = "hefu/v1"
_OPTIONAL = {"relay", "charter"}


@dataclass(frozen=True, slots=True)
class SpaceFile:
    """The pinned facts of one space.

    Attributes:
        space: its id; every statement names it.
        root: the offline root's key; certifies participants.
        broker: the participant id of the broker (role operator).
        address: ``host:port`` of the broker's services over mutual TLS.
        enrolment: ``host:port`` of the enrolment service.
        transport_ca: PEM of the authority that issues transport certificates.
        log_origin: the audit log's name.
        log_key: the audit log's verifier key (a C2SP vkey).
        relay: ``host:port`` where connectors that nobody can dial are reached, or several of them with commas between;
            empty where the space has none. Only sealed bytes go there, so a wrong one can hinder and do no more.
        charter: the version of the space's charter when the file was written, as digits; whoever pins it does nothing
            until it has seen that one or a newer. Empty where the space had none.
    """

    space: str
    root: PublicKey
    broker: str
    address: str
    enrolment: str
    transport_ca: str
    log_origin: str
    log_key: str
    relay: str = ""
    charter: str = ""

    @classmethod
    def read(cls, path: Path) -> SpaceFile:
        """Read a space file.

        Raises:
            Malformed: it is absent, not JSON, or lacks a member.
        """
        try:
            document = json.loads(path.read_text("utf-8"))
        except OSError as fault:
            raise Malformed("space.unreadable", path=str(path), why=fault.strerror or "no such file") from None
        except ValueError:
            raise Malformed("space.unreadable", path=str(path), why="not JSON") from None
        return cls.of(document, str(path))

    @classmethod
    def of(cls, document: object, where: str = "space file") -> SpaceFile:
        """The facts of a parsed space file; raises as `read`."""
        members = {*cls.__slots__, "apiVersion", "kind"}
        known = isinstance(document, dict) and {*document, *_OPTIONAL} == members
        if not isinstance(document, dict) or not known or document["apiVersion"] != API_VERSION:
            raise Malformed("space.unreadable", path=where, why=f"it must have exactly {', '.join(sorted(members))}")
        if not all(isinstance(value, str) for value in document.values()):
            raise Malformed("space.unreadable", path=where, why="every member must be a text")
        values = {name: document[name] for name in cls.__slots__ if name != "root" and name in document}
        if not re.fullmatch("[1-9][0-9]{0,8}|", values.get("charter", "")):
            raise Malformed("space.unreadable", path=where, why="charter must be a number")
        raw = identity.read_bytes(document["root"], 32)
        return cls(root=PublicKey(keys.key_id(identity.ROOT, raw), identity.ROOT, raw), **values)

    @property
    def relays(self) -> tuple[str, ...]:
        """The addresses of all relays."""
        return tuple(each.strip() for each in self.relay.split(",") if each.strip())

    def document(self) -> dict[str, str]:
        """The members of the file."""
        values: dict[str, str] = {name: getattr(self, name) for name in self.__slots__ if name != "root"}
        # Readers of version 0.1.0 refuse a member that they do not know.
        values = {name: value for name, value in values.items() if value or name not in _OPTIONAL}
        return {"apiVersion": API_VERSION, "kind": "Space", "root": identity.write_bytes(self.root.value), **values}

    def write(self, path: Path) -> None:
        """Write the file, readable by people."""
        path.write_text(json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n", "utf-8")
