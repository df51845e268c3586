"""Where the secret of a tower comes from: a file, an environment variable, or a person who types it.

The setting is ``file:PATH``, ``env:NAME`` or ``passphrase``; empty means that nothing is encrypted. The secret is not
a key: it opens a `hefu.keeping.vault`, and so it can be changed without writing everything anew.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path
from typing import NoReturn

from hefu.errors import Malformed, Untrusted
from hefu.keeping.keys import write_private

FILE, ENVIRONMENT, ASKED = "file:", "env:", "passphrase"
VARIABLE, NEW_VARIABLE = "HEFU_PASSPHRASE_FILE", "HEFU_NEW_PASSPHRASE_FILE"
SHORTEST = 12  # characters of a new secret
_LARGEST = 1 << 16  # bytes
_DRAWN = b"hefu-secret-"
_asked: dict[Path, bytes] = {}  # of this process: a person is asked once


def check(setting: str) -> str:
    """The setting itself.

    Raises:
        Malformed: it is none of the three forms.
    """
    named = setting.startswith((FILE, ENVIRONMENT)) and setting.partition(":")[2].strip()
    if setting and setting != ASKED and not named:
        raise Malformed("settings.value", name="secret", expected="file:PATH, env:NAME or passphrase")
    return setting


def read(setting: str, folder: Path) -> bytes:
    """The secret, without white space at its ends.

    Args:
        folder: whose secret it is; a relative path of a file is relative to it.

    Raises:
        Malformed: it is absent or empty, or nobody can be asked.
        Untrusted: others can read the file.
    """
    check(setting)
    if setting == ASKED:
        found = _ask(folder)
    elif setting.startswith(ENVIRONMENT):
        found = os.environb.get(setting.removeprefix(ENVIRONMENT).encode(), b"").strip()
    else:
        found = _read_file(folder / setting.removeprefix(FILE))
    if not found:
        _refuse(setting, "it is empty or not set")
    return found


def settle(setting: str, folder: Path) -> tuple[str, bytes]:
    """A new secret: the setting as it is to be kept (paths absolute), and the secret itself.

    A file that is not there is drawn. Who types one types it twice; `NEW_VARIABLE` may name its file.

    Args:
        setting: empty draws a file outside of the folder, see `usual_place`.

    Raises:
        Malformed: the file cannot be made, or the secret is so short that it can be guessed.
    """
    kept = check(setting)
    if not kept or kept.startswith(FILE):
        path = Path(kept.removeprefix(FILE)).expanduser().absolute() if kept else usual_place(folder)
        if not path.exists():
            _draw(path)
        kept = f"{FILE}{path}"
    found = _ask_new(folder) if kept == ASKED else read(kept, folder)
    if len(found) < SHORTEST:
        _refuse(kept, f"a new one has at least {SHORTEST} characters")
    return kept, found


def usual_place(folder: Path) -> Path:
    """A new file in ``$XDG_CONFIG_HOME/hefu/secrets`` (by default ``~/.config``), named after the folder.

    Raises:
        Malformed: this user has no home.
    """
    try:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:
        _refuse("file:~/.config/hefu/secrets", "this user has no home; name a file")
    return home.absolute() / "hefu" / "secrets" / f"{folder.absolute().name}-{secrets.token_hex(4)}"


def lies_beside(setting: str, folder: Path) -> bool:
    """Whether who copies the folder, or the one that it is in, has the secret too."""
    if not setting.startswith(FILE):
        return False
    path, data = (folder / setting.removeprefix(FILE)).resolve(), folder.resolve()
    return path.is_relative_to(data) or path.parent == data.parent


def is_drawn(secret: bytes) -> bool:
    """Whether it was drawn here: 256 random bits, which nobody guesses however fast."""
    return secret.startswith(_DRAWN) and len(secret) == len(_DRAWN) + 43


def _draw(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        _refuse(str(path), fault.strerror or "the folder cannot be made")
    write_private(path, _DRAWN + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=") + b"\n")


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # The group may read: platforms hand secrets to a service's group.
            if os.fstat(file.fileno()).st_mode & 0o027:
                raise Untrusted("key.loose_file", path=str(path))
            return file.read(_LARGEST).strip()
    except OSError as fault:
        _refuse(str(path), fault.strerror or "no such file")


def _ask(folder: Path) -> bytes:
    named, place = os.environ.get(VARIABLE), folder.absolute()
    if named:
        return _read_file(Path(named))
    if place not in _asked:
        _asked[place] = _type(f"Passphrase of {place} / 口令: ")
    return _asked[place]


def _ask_new(folder: Path) -> bytes:
    named = os.environ.get(NEW_VARIABLE) or os.environ.get(VARIABLE)
    if named:
        return _read_file(Path(named))
    place = folder.absolute()
    typed = _type(f"New passphrase of {place} / 新口令: ")
    if _type("Again / 再次输入: ") != typed:
        _refuse(ASKED, "the two differ")
    _asked[place] = typed
    return typed


def _type(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        _refuse(ASKED, f"there is nobody to ask; name a file in {VARIABLE}")
    from getpass import getpass

    return getpass(prompt).encode().strip()


def _refuse(where: str, why: str) -> NoReturn:
    raise Malformed("secret.unreadable", where=where, why=why)
