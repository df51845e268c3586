"""What a connector keeps, opened; what an earlier version left in the clear is encrypted first.

A directory of version 0.1.0 lies in the clear. As soon as its settings name a secret, the next start encrypts the keys
(here) and the database (`hefu_connector.storage.database`), and destroys what was readable. Each step may be cut off
by a crash and is done again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hefu.errors import Conflict
from hefu.keeping import sqlcipher
from hefu.keeping.vault import Vault

from hefu_connector.settings import Home, Settings


def unlock(home: Home) -> tuple[Settings, Vault | None]:
    """The settings and the vault, once nothing lies in the clear that the settings want encrypted.

    Raises:
        Malformed, Untrusted: as `Settings.ring`.
        Conflict: the store was encrypted through another directory, whose vault is needed here; nothing changed.
    """
    settings = Settings.read(home)
    _check_shared(home, settings)
    opened = settings.lock(home).take_over(settings.ring(home).passphrase)
    if settings.passphrase_file:
        settings = replace(settings, secret=settings.kept_under, passphrase_file="")
        settings.write(home)
    return settings, opened


def change(directory: Path, setting: str) -> str:
    """Keep everything under another secret; see `hefu.keeping.unlocking.Lock.change`."""
    home = Home(directory)
    settings = Settings.read(home)
    return settings.lock(home).change(setting, lambda kept: replace(settings, secret=kept).write(home))


def _check_shared(home: Home, settings: Settings) -> None:
    """A vault of its own would lock this directory's keys away from a store that is under another's already."""
    if settings.kept_under and not settings.lock(home).file.exists():
        kind, _, place = settings.store(home).partition(":///")
        path = Path(place)
        if kind == "sqlite" and path.exists() and path.stat().st_size and not sqlcipher.is_plain(path):
            raise Conflict("store.other_key", path=str(path))
