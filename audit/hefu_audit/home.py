"""An auditor's directory: who it is, what it pinned, its keys, and what it remembers between visits.

``audit.json`` (participant, connector, secret), ``space.json``, ``keys/``, ``transport.pem``, ``request`` and
``enrolment`` (of becoming a participant), ``checkpoint`` (the last verified one) and ``evidence/`` (never deleted).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu.envelope import Statement
from hefu.errors import Conflict, Malformed
from hefu.identity import check_name
from hefu.keeping import keys
from hefu.keeping.keys import replace_private, write_private
from hefu.keeping.unlocking import Lock
from hefu.membership.enrolment import KeyRing, Sent
from hefu.space import API_VERSION, SpaceFile
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import LARGEST_NOTE, Note

KIND = "Auditor"
_EVIDENCE = re.compile(r"[0-9a-z.-]{1,80}")


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one auditor; also its `hefu_audit.ports.Memory`."""

    directory: Path

    @classmethod
    def make(cls, directory: Path, space: SpaceFile, participant: str, connector: str, secret: str = "") -> Home:
        """Make a new directory with new keys.

        Args:
            secret: what the keys are encrypted under, as in `hefu.keeping.secret`; by default a new file elsewhere.

        Raises:
            Conflict: there is an auditor already.
            Malformed: a name is not well formed.
        """
        home = cls(directory)
        if home._settings.exists():
            raise Conflict("audit.exists", directory=str(directory))
        check_name(participant, "The participant's name")
        check_name(connector, "The connector's name")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = Lock(directory, directory / "keys", secret).found()
        opened = lock.open()
        KeyRing(participant, connector, lock.keys, opened.passphrase if opened else None).make()
        space.write(home.space_file)
        document = {"apiVersion": API_VERSION, "kind": KIND, "participant": participant, "connector": connector}
        _replace(home._settings, json.dumps({**document, "secret": lock.setting}, indent=2) + "\n")
        return home

    @property
    def space_file(self) -> Path:
        """``space.json``."""
        return self.directory / "space.json"

    @property
    def certificate(self) -> Path:
        """``transport.pem``."""
        return self.directory / "transport.pem"

    def space(self) -> SpaceFile:
        """The pinned facts; raises as `SpaceFile.read`."""
        return SpaceFile.read(self.space_file)

    def ring(self) -> KeyRing:
        """The keys.

        Raises:
            Malformed: there is no auditor in this directory, or the secret cannot be read.
            Untrusted: the secret is not theirs.
        """
        document = self._document()
        opened = self.lock().open()
        participant, connector = (check_name(str(document[name])) for name in ("participant", "connector"))
        return KeyRing(participant, connector, self.directory / "keys", opened.passphrase if opened else None)

    def filing(self) -> X25519PrivateKey:
        """The key to which contracts are filed for this auditor; made at the first call, and it serves nothing else.

        Raises:
            Malformed, Untrusted: as `ring`, or it cannot be read.
        """
        ring, path = self.ring(), self.directory / "keys" / "filing.key"
        if not path.exists():
            keys.write_key(path, X25519PrivateKey.generate(), ring.passphrase)
        key = keys.read_key(path, ring.passphrase)
        if not isinstance(key, X25519PrivateKey):
            raise Malformed("key.unreadable", path=str(path), why="not an X25519 key")
        return key

    def lock(self) -> Lock:
        """What opens the keys; those of version 0.1.0 lie in the clear. Raises Malformed where there is no auditor."""
        return Lock(self.directory, self.directory / "keys", str(self._document().get("secret", "")))

    def change_secret(self, setting: str) -> str:
        """Keep the keys under another secret, or a first one; see `hefu.keeping.unlocking.Lock.change`."""
        document = self._document()

        def keep(kept: str) -> None:
            _replace(self._settings, json.dumps({**document, "secret": kept}, indent=2) + "\n")

        kept = self.lock().change(setting, keep)
        self.lock().take_over()
        return kept

    def credentials(self) -> tuple[bytes, bytes]:
        """(private key PEM, certificate PEM) of the transport.

        Raises:
            Malformed: not enrolled yet.
        """
        ring = self.ring()
        try:
            return ring.transport_pem(), self.certificate.read_bytes()
        except OSError:
            raise Malformed("audit.not_enrolled", directory=str(self.directory)) from None

    def write_certificate(self, pem: bytes) -> None:
        """Keep a transport certificate in place of the one before."""
        _replace(self.certificate, pem.decode("ascii"))

    def enrolment(self) -> str | None:
        """The name of the enrolment that waits for the root's holder, if there is one."""
        return _read(self.directory / "enrolment")

    def write_enrolment(self, name: str) -> None:
        """Remember the enrolment; its name is known to this auditor only."""
        write_private(self.directory / "enrolment", name.encode())

    def sent(self) -> Sent | None:
        """The request that was sent to be enrolled, if one was: an answer that was lost is asked for with the same."""
        text = _read(self.directory / "request")
        if text is None:
            return None
        document = json.loads(text)
        return Statement.parse(str(document["request"]).encode()), bytes.fromhex(str(document["csr"]))

    def keep_sent(self, sent: Sent) -> None:
        """Keep the request that is about to be sent."""
        _replace(self.directory / "request", json.dumps({"request": sent[0].to_bytes().decode(), "csr": sent[1].hex()}))

    def last(self) -> str | None:
        """As in `hefu_audit.ports.Memory`."""
        return _read(self._checkpoint)

    def keep(self, note: str, head: Checkpoint) -> None:
        """As in `hefu_audit.ports.Memory`; a smaller checkpoint than the one kept is refused as a Conflict."""
        last = self.last()
        if last is not None and Checkpoint.parse(Note.parse(last).text).size > head.size:
            raise Conflict("audit.rollback", size=head.size)
        _replace(self._checkpoint, note)

    def evidence(self, name: str, document: object) -> str:
        """As in `hefu_audit.ports.Memory`."""
        if not _EVIDENCE.fullmatch(name):
            raise ValueError("an evidence file has a plain name")
        folder = self.directory / "evidence"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        if not path.exists():
            _replace(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return str(path)

    def _document(self) -> dict[str, object]:
        try:
            document = json.loads(self._settings.read_text("utf-8"))
        except (OSError, ValueError):
            document = None
        if not isinstance(document, dict) or not {"participant", "connector"} <= set(document):
            raise Malformed("audit.absent", directory=str(self.directory))
        return document

    @property
    def _settings(self) -> Path:
        return self.directory / "audit.json"

    @property
    def _checkpoint(self) -> Path:
        return self.directory / "checkpoint"


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_NOTE).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise Malformed("bundle.malformed", where=path.name, why="it cannot be read") from None


def _replace(path: Path, text: str) -> None:
    replace_private(path, text.encode())
