"""An SQLite file of which every page is encrypted and authenticated (SQLCipher 4: AES-256-CBC, HMAC-SHA256).

The write-ahead log is encrypted by the same key, its index holds page numbers only, and temporary tables stay in
memory. The key is 32 random bytes and is used as it is, so that opening costs nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hefu.errors import Conflict, Unavailable
from hefu.keeping.keys import overwrite, shred

_PLAIN = b"SQLite format 3\x00"  # https://www.sqlite.org/fileformat2.html section 1.3.1


def module() -> Any:
    """The DB-API module, for SQLAlchemy; imported where it is used."""
    from sqlcipher3 import dbapi2

    return dbapi2


def connect(path: Path, key: bytes, timeout: float = 10.0) -> Any:
    """A connection to an encrypted file, which is made if it is not there.

    Args:
        timeout: seconds to wait for another process's lock.
    """
    made = module().connect(str(path), timeout=timeout, check_same_thread=False)
    _choose(made)
    made.execute(f"PRAGMA key=\"x'{key.hex()}'\"").close()
    made.execute("PRAGMA temp_store=MEMORY").close()
    return made


def check(path: Path, key: bytes) -> None:
    """Check that the key opens the file, where it holds something.

    Raises:
        Conflict: it does not.
    """
    if not path.exists() or not path.stat().st_size:
        return
    with closing(connect(path, key)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").close()
        except module().DatabaseError as fault:
            if "not a database" not in str(fault):
                raise Unavailable("store.unavailable", why="it cannot be read", detail=str(fault)) from None
            raise Conflict("store.other_key", path=str(path)) from None


def encrypt(path: Path, key: bytes) -> bool:
    """Put an encrypted copy in the place of a plain file, and destroy that; whether there was something to do.

    A crash at any point leaves the plain file or the encrypted one whole; the next call goes on.

    Raises:
        Unavailable: another process has it open, or the disk is full.
    """
    old = path.with_name(f"{path.name}.plain")
    if not old.exists() and not is_plain(path):
        return False
    with _alone(path):
        if is_plain(path):
            _replace(path, old, key)
        for each in (old, *(path.with_name(f"{old.name}{end}") for end in ("-wal", "-shm", "-journal"))):
            shred(each)
    return True


def is_plain(path: Path) -> bool:
    """Whether it is an SQLite file that anybody can read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_PLAIN)) == _PLAIN
    except FileNotFoundError:
        return False


def _choose(connection: Any) -> None:
    """Set what holds for every file that this process opens from now on; each file has its own random salt."""
    # Twice as fast as SHA-512 where the processor knows SHA-256, and a forger has no use for the longer one.
    for pragma in ("log_level=NONE", "default_hmac_algorithm=HMAC_SHA256"):
        connection.execute(f"PRAGMA cipher_{pragma}").close()


def _replace(path: Path, old: Path, key: bytes) -> None:
    new = path.with_name(f"{path.name}.encrypted")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with _log_overwritten(path), closing(_open_plain(path)) as connection:
            # The log goes into the file and is removed: none of it may be taken for the new file's.
            connection.execute("PRAGMA journal_mode=DELETE").close()
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").close()
            _choose(connection)
            connection.execute(f"ATTACH DATABASE ? AS sealed KEY \"x'{key.hex()}'\"", (str(new),)).close()
            connection.execute("SELECT sqlcipher_export('sealed')").fetchall()
            connection.execute("DETACH DATABASE sealed").close()
    except module().Error as fault:
        new.unlink(missing_ok=True)
        why = "the disk is full" if "full" in str(fault) else "another process has it open, or it is damaged"
        raise Unavailable("store.unavailable", why=why, detail=str(fault)) from None
    _sync(new)
    old.unlink(missing_ok=True)
    os.link(path, old)
    os.replace(new, path)
    _sync(path.parent)


def _open_plain(path: Path) -> Any:
    return module().connect(str(path), timeout=1.0, isolation_level=None)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock beside the file: one process at a time takes it over."""
    beside = path.with_name(f"{path.name}.lock")
    handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        beside.unlink(missing_ok=True)
    finally:
        os.close(handle)


@contextmanager
def _log_overwritten(path: Path) -> Iterator[None]:
    """Destroy the bytes of a write-ahead log that is removed meanwhile."""
    log = path.with_name(f"{path.name}-wal")
    handle = os.open(log, os.O_RDWR | os.O_CLOEXEC) if log.exists() else None
    try:
        yield
        if handle is not None:
            overwrite(handle)
    finally:
        if handle is not None:
            os.close(handle)
