"""The Unix socket between a participant's people and their connector: where it is, and who may open it."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hefu.errors import Untrusted

NAME = "control.sock"
_LONGEST = 100  # bytes; sockaddr_un holds 108


def path(directory: Path) -> Path:
    """Where the socket of a connector's directory is."""
    return directory / NAME


@contextmanager
def address(directory: Path) -> Iterator[str]:
    """The socket's address for gRPC; of a long path by way of an open directory, since socket addresses are short."""
    full = str(path(directory.absolute()))
    if len(os.fsencode(full)) <= _LONGEST or not directory.is_dir():
        yield f"unix:{full}"
        return
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"unix:/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)


def check_private(directory: Path) -> None:
    """Check that only its owner may enter a connector's directory.

    Raises:
        Untrusted: others may.
    """
    if stat.S_IMODE(directory.stat().st_mode) & 0o077:
        raise Untrusted("control.open_directory", directory=str(directory))


def owner(directory: Path) -> str:
    """The account that owns the socket: whoever can open it acts in this name."""
    number = path(directory).stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"
