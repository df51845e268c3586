"""A witness's directory: who it is, which logs it knows, its key, and what it must never forget.

``witness.json`` (name, secret, logs), ``keys/witness.key`` and ``memory/``. A witness's key is in no other directory,
and its memory is never restored from a backup: a witness that forgets may cosign a second history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hefu.errors import Conflict, HefuError, Malformed
from hefu.keeping.keys import replace_private
from hefu.keeping.unlocking import Lock
from hefu.space import API_VERSION
from hefu.times import Clock
from hefu.tlog.note import ED25519, VerifierKey
from hefu.tlog.witness import Memory, Witness
from hefu.wire.witnessing import WitnessKey

FILE, KIND = "witness.json", "Witness"
_MOST_LOGS = 1000


@dataclass(frozen=True, slots=True)
class WitnessHome:
    """The directory of one witness."""

    directory: Path

    @classmethod
    def make(cls, directory: Path, name: str, logs: list[VerifierKey], key_type: str, secret: str = "") -> WitnessHome:
        """Make a new directory with a new key.

        Args:
            name: that stands in its verifier key, such as ``regulator-a.example/witness``.
            secret: what the key is encrypted under, as in `hefu.keeping.secret`; by default a new file elsewhere.

        Raises:
            Conflict: there is a witness already.
            Malformed: the name or a log's key is not well formed.
        """
        home = cls(directory)
        if (directory / FILE).exists():
            raise Conflict("witness.exists", directory=str(directory))
        VerifierKey(name, ED25519, bytes(32))  # a name that no verifier key can have is refused before anything is made
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = Lock(directory, directory / "keys", secret).found()
        opened = lock.open()
        WitnessKey.make(lock.keys, name, opened.passphrase if opened else None, key_type)
        home._write({"name": name, "secret": lock.setting, "logs": [str(each) for each in logs]})
        return home

    @property
    def memory(self) -> Path:
        """The folder of what it must never forget."""
        return self.directory / "memory"

    def logs(self) -> Mapping[str, VerifierKey]:
        """The logs it knows, by origin."""
        listed = self._document()["logs"]
        if not isinstance(listed, list):
            raise self._malformed("logs is a list of verifier keys")
        keys = [VerifierKey.parse(str(each)) for each in listed]
        return {each.name: each for each in keys}

    def know(self, log: VerifierKey) -> None:
        """Cosign this log, too.

        Raises:
            Conflict: a log of this name is known with another key.
        """
        known = dict(self.logs())
        if known.setdefault(log.name, log) != log:
            raise Conflict("witness.other_log", origin=log.name)
        if len(known) > _MOST_LOGS:
            raise Malformed("witness.absent", directory=str(self.directory), why=f"more than {_MOST_LOGS} logs")
        self._write({**self._document(), "logs": [str(each) for each in known.values()]})

    def key(self) -> WitnessKey:
        """Its key; raises as `hefu.keeping.keys.read_key`."""
        opened = self.lock().open()
        return WitnessKey.read(self.lock().keys, str(self._document()["name"]), opened.passphrase if opened else None)

    def lock(self) -> Lock:
        """What opens the key."""
        return Lock(self.directory, self.directory / "keys", str(self._document().get("secret", "")))

    def witness(self, memory: Memory, clock: Clock) -> Witness:
        """The witness over its memory."""
        own = self.key()
        known = {origin: (key,) for origin, key in self.logs().items()}
        return Witness(known, [(own.public, own.sign)], memory, clock.now)

    def _document(self) -> dict[str, object]:
        try:
            found = json.loads((self.directory / FILE).read_text("utf-8"))
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict) or found.get("kind") != KIND or not {"name", "secret", "logs"} <= set(found):
            raise self._malformed("there is no witness here")
        return found

    def _malformed(self, why: str) -> HefuError:
        return Malformed("witness.absent", directory=str(self.directory), why=why)

    def _write(self, document: Mapping[str, object]) -> None:
        whole = {**document, "apiVersion": API_VERSION, "kind": KIND}
        replace_private(self.directory / FILE, (json.dumps(whole, indent=2) + "\n").encode())
