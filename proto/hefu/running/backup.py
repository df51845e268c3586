"""A copy of a tower's folder, taken while it serves, and put back: whole or not at all, and never unnoticed.

What is put back is older than what it replaces: a broker would sign a second history, a connector would forget what it
charged. So a folder that was restored serves nobody until its owner has held it against somebody else's memory
(``confirm``): a broker against the newest checkpoint that anybody has, a connector against the broker's log.

The secret that a folder opens with is never part of a copy. A database that is reached by URL is not either: its own
administrator copies it, after this copy was taken.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.errors import Conflict, Malformed, Unavailable
from hefu.keeping import sqlcipher
from hefu.keeping.keys import write_private
from hefu.times import write_time

API_VERSION, KIND = "hefu/v1", "Backup"
MANIFEST, MARK = "backup.json", "restored.json"
_PASSING = frozenset({"lock", "bell", "control.sock", MARK})  # of a process, not of a tower


@dataclass(frozen=True, slots=True)
class Plan:
    """What is copied.

    Attributes:
        tower: ``broker`` or ``connector``.
        settings: the settings' file name; restored last, so that half a folder is nobody's.
        databases: SQLite files, by their names in the folder.
        key: that the databases are encrypted with, if they are.
        secret: the secret's file, where it lies in the folder; it is left out.
        elsewhere: whether the state lies in a database that is reached by URL.
    """

    tower: str
    settings: str
    databases: tuple[str, ...]
    key: bytes | None = None
    secret: Path | None = None
    elsewhere: bool = False


def write(plan: Plan, folder: Path, to: Path, now: datetime) -> dict[str, Any]:
    """Copy a folder into a new one; a server may run on it meanwhile. The manifest comes last.

    Raises:
        Malformed: `to` exists already.
        Unavailable: something cannot be read or written.
    """
    try:
        to.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise Malformed("backup.exists", path=str(to)) from None
    try:
        # Checkpoints before the databases that they are about: a copy is never behind its own checkpoint.
        for name in _files(plan, folder):
            _copy(folder / name, to / name)
        for database in plan.databases:
            if (folder / database).exists():
                copy_database(folder / database, to / database, plan.key)
        names = sorted(str(each.relative_to(to)) for each in to.rglob("*") if each.is_file())
        manifest = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "tower": plan.tower,
            "settings": plan.settings,
            "version": version("hefu"),
            "time": write_time(now),
            "elsewhere": plan.elsewhere,
            "files": {name: _digest(to / name) for name in names},
        }
        write_private(to / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
    except OSError as fault:
        raise Unavailable("backup.unwritten", path=str(to), why=fault.strerror or "it fails") from None
    return manifest


def restore(tower: str, copy: Path, folder: Path, now: datetime) -> dict[str, Any]:
    """Put a copy back into a new folder, marked so that it serves nobody before it is confirmed.

    Raises:
        Malformed: there is something in the folder, or the copy is not whole, or of another tower.
        Unavailable: something cannot be read or written.
    """
    manifest = read(copy, tower)
    if folder.exists() and any(folder.iterdir()):
        raise Malformed("backup.target", path=str(folder))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        mark = {"apiVersion": API_VERSION, "kind": "Restored", "copied": manifest["time"], "restored": write_time(now)}
        write_private(folder / MARK, json.dumps(mark).encode() + b"\n")
        for name in sorted(manifest["files"], key=lambda each: each == manifest["settings"]):
            _copy(copy / name, folder / name)
    except OSError as fault:
        raise Unavailable("backup.unwritten", path=str(folder), why=fault.strerror or "it fails") from None
    return manifest


def read(copy: Path, tower: str) -> dict[str, Any]:
    """The manifest of a copy, once every file is there and as it was.

    Raises:
        Malformed: it is not whole, or of another tower.
    """
    try:
        manifest = json.loads((copy / MANIFEST).read_text("utf-8"))
        kind = (manifest["apiVersion"], manifest["kind"], manifest["tower"])
        files = dict(manifest["files"])
        safe = all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in (*files, MANIFEST))
        changed = [name for name, digest in files.items() if not safe or _digest(copy / name) != digest]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Malformed("backup.broken", path=str(copy), name=MANIFEST) from None
    if kind != (API_VERSION, KIND, tower):
        raise Malformed("backup.other", path=str(copy), tower=tower)
    if changed or manifest["settings"] not in files:
        raise Malformed("backup.broken", path=str(copy), name=changed[0] if changed else manifest["settings"])
    return dict(manifest)


def check(folder: Path, tower: str) -> None:
    """Refuse to serve a folder that was restored and not confirmed.

    Raises:
        Conflict: it was.
    """
    mark = restored(folder)
    if mark is not None:
        raise Conflict("backup.restored", path=str(folder), time=mark, tower=tower)


def restored(folder: Path) -> str | None:
    """When the copy was taken that a folder was restored from, if it was and was not confirmed since."""
    try:
        return str(json.loads((folder / MARK).read_text("utf-8"))["copied"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "?"


def confirm(folder: Path) -> None:
    """Take the mark away: what was restored was held against somebody else's memory."""
    (folder / MARK).unlink(missing_ok=True)
    _sync(folder)


def copy_database(path: Path, to: Path, key: bytes | None) -> None:
    """One consistent moment of a SQLite file, whoever writes to it meanwhile, under the same key.

    Raises:
        Unavailable: it cannot be read.
    """
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # A file that was never under the key is copied as it is: encrypting it is the server's, at its start.
    under = key if key is not None and not sqlcipher.is_plain(path) else None
    try:
        with closing(_open(path, under)) as source, closing(_open(to, under)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE").close()  # one file, and nothing beside it
    except (sqlite3.Error, sqlcipher.module().Error) as fault:
        why = "the database cannot be read"
        raise Unavailable("backup.unwritten", path=str(to), why=why, detail=str(fault)) from None
    with to.open("rb") as file:
        os.fsync(file.fileno())


def _open(path: Path, key: bytes | None) -> Any:
    return sqlite3.connect(path) if key is None else sqlcipher.connect(path, key)


def _files(plan: Plan, folder: Path) -> Iterator[Path]:
    """What is copied as it is, by name in the folder; checkpoints first."""
    secret = plan.secret.resolve() if plan.secret else None
    found = [path for path in folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode)]
    for path in sorted(found, key=lambda each: ("checkpoint" not in each.name, str(each))):
        name = path.relative_to(folder)
        if path.name in _PASSING or path.suffix in (".new", ".plain") or path.resolve() == secret:
            continue
        if not _is_of(name, plan.databases) and name.parts[0] != "spool":
            yield name


def _is_of(name: Path, databases: Iterable[str]) -> bool:
    """Whether it is a database's file, or one that SQLite keeps beside it."""
    return any(str(name) == each or str(name).startswith(f"{each}-") for each in databases)


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("rb") as source, os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())


def _digest(path: Path) -> str:
    return canonical.digest(path.read_bytes())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
