"""A folder of keys under a secret: made, opened, taken over from the clear, and its secret changed. For every tower.

The vault lies beside the keys, in ``vault.json``; who copies a folder of keys for a twin copies it too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hefu.errors import Malformed
from hefu.keeping import keys, secret, vault
from hefu.keeping.vault import Vault

log = logging.getLogger("hefu.keys")
FILE = "vault.json"


@dataclass(frozen=True, slots=True)
class Lock:
    """What opens a tower's keys.

    Attributes:
        folder: the tower's; a relative path of a secret's file is relative to it.
        keys: its keys'.
        setting: as `hefu.keeping.secret` reads it; empty where everything lies in the clear.
    """

    folder: Path
    keys: Path
    setting: str

    @property
    def file(self) -> Path:
        """``vault.json``."""
        return self.keys / FILE

    def found(self) -> Lock:
        """Make the vault of a new folder; the lock with the setting as it is to be kept (`secret.settle`)."""
        settled, value = secret.settle(self.setting, self.folder)
        self.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault.make(self.file, value)
        return Lock(self.folder, self.keys, settled)

    def open(self) -> Vault | None:
        """The vault; None where there is none yet.

        Raises:
            Malformed: the secret cannot be read, or is not set though the vault was made under one.
            Untrusted: others can read it, or it is not this vault's.
        """
        if not self.file.exists():
            return None
        if not self.setting:
            raise Malformed("secret.needed", path=str(self.file))
        return vault.open_at(self.file, secret.read(self.setting, self.folder))

    def take_over(self, before: bytes | None = None, others: Sequence[Path] = ()) -> Vault | None:
        """The vault, made if the setting is new, once no key lies in the clear any more. For the start of a server.

        A crash leaves each key under the passphrase before or under the vault's, and this goes on with it.

        Args:
            before: the passphrase that the keys may still be under.
            others: further folders of keys under the same vault.

        Raises:
            Malformed, Untrusted: as `open`.
        """
        if not self.setting:
            log.warning("keys and database lie in the clear; encrypt them with the command: secret change")
            return self.open()
        if secret.lies_beside(self.setting, self.folder):
            log.warning("the secret lies beside what it opens: who copies that has both; keep it elsewhere")
        if not self.file.exists():
            vault.make(self.file, secret.read(self.setting, self.folder))
        opened = self.open()
        for path in [path for folder in (self.keys, *others) for path in sorted(folder.glob("*.key"))]:
            keys.protect(path, opened.passphrase if opened else b"", before)
        return opened

    def change(self, setting: str, keep: Callable[[str], None]) -> str:
        """Keep everything under another secret; the store key stays, so a running server goes on.

        Args:
            setting: the new one, as in `found`.
            keep: writes it to the tower's settings, in one step.

        Returns:
            It as it is kept. A first secret takes effect at the next start.
        """
        opened = self.open()
        old = secret.read(self.setting, self.folder) if opened else b""
        settled, new = secret.settle(setting, self.folder)
        if opened:
            vault.add(self.file, old, new)
        # Until here the old secret is in force, from here on the new one; in between, both open the vault.
        keep(settled)
        if opened:
            vault.forget_others(self.file, new)
        return settled
