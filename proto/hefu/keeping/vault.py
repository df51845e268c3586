"""The store key: random, kept under a secret, and the source of every other key that something is kept under.

A vault is one small file. Each of its slots holds the same store key, encrypted under one secret (AES-256-GCM, its key
by scrypt), so that a secret is changed by writing a slot, and no crash in between locks anybody out.
LIMIT: who once had an old secret and a copy of this file keeps the store key; then make a new store.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hefu.errors import Malformed, Untrusted
from hefu.keeping.keys import replace_private, write_private
from hefu.keeping.secret import is_drawn

API_VERSION = "hefu/v1"
KIND = "Vault"
_KEY = 32  # bytes
_NONCE = 12  # bytes; NIST SP 800-38D section 8.2.2
# Cost of scrypt (RFC 7914, r=8, p=1). OWASP's password storage sheet: 2^17 for what people choose.
_CHOSEN, _DRAWN, _MOST = 1 << 17, 1 << 12, 1 << 20
_SLOTS = 8
_LARGEST = 1 << 16  # bytes
_opened: dict[bytes, bytes] = {}  # of this process, by file and secret: scrypt is slow on purpose


@dataclass(frozen=True, slots=True)
class Vault:
    """An opened vault.

    Attributes:
        key: the store key (32 bytes); use what is derived from it.
    """

    key: bytes = field(repr=False)

    def derive(self, purpose: str) -> bytes:
        """The key (32 bytes) of one purpose (HKDF-SHA256, RFC 5869)."""
        return HKDF(SHA256(), _KEY, None, b"hefu store/" + purpose.encode()).derive(self.key)

    @property
    def passphrase(self) -> bytes:
        """What private keys in files are encrypted with."""
        return base64.b64encode(self.derive("key files"))

    def seal(self, plaintext: bytes, about: str) -> bytes:
        """Encrypt something to be kept (AES-256-GCM; 28 bytes longer).

        Args:
            about: what it is; whoever opens it must say the same.
        """
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.derive("sealed")).encrypt(nonce, plaintext, about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Open what `seal` made.

        Raises:
            Untrusted: it was made by another vault or about something else, or altered.
        """
        try:
            return AESGCM(self.derive("sealed")).decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except (InvalidTag, ValueError) as fault:
            raise Untrusted("seal.broken", detail=type(fault).__name__) from None


def make(path: Path, secret: bytes) -> Vault:
    """A new vault with a random key. Raises Malformed where there is one: it is never overwritten."""
    key = os.urandom(_KEY)
    write_private(path, _document([_slot(key, secret)]))
    return Vault(key)


def open_at(path: Path, secret: bytes) -> Vault:
    """Open the vault of a file.

    Raises:
        Malformed: it is absent or no vault.
        Untrusted: the secret opens none of its slots.
    """
    data = _read(path)
    known = sha256(sha256(data).digest() + secret).digest()
    if known not in _opened:
        _opened[known] = _find(path, _slots(path, data), secret)[0]
    return Vault(_opened[known])


def add(path: Path, secret: bytes, new: bytes) -> None:
    """Let a second secret open the vault, durably; raises as `open_at`, of the first secret."""
    slots = _slots(path, _read(path))
    key, place = _find(path, slots, secret)
    replace_private(path, _document([slots[place], _slot(key, new)]))


def forget_others(path: Path, secret: bytes) -> None:
    """Let no other secret open the vault any more, durably; raises as `open_at`."""
    slots = _slots(path, _read(path))
    replace_private(path, _document([slots[_find(path, slots, secret)[1]]]))


def _slot(key: bytes, secret: bytes) -> dict[str, object]:
    salt, nonce = os.urandom(16), os.urandom(_NONCE)
    cost = _DRAWN if is_drawn(secret) else _CHOSEN
    sealed = AESGCM(_stretch(secret, salt, cost)).encrypt(nonce, key, KIND.encode())
    return {"kdf": "scrypt", "n": cost, "salt": salt.hex(), "nonce": nonce.hex(), "sealed": sealed.hex()}


def _find(path: Path, slots: Sequence[Mapping[str, object]], secret: bytes) -> tuple[bytes, int]:
    for place, slot in enumerate(slots):
        cost = slot.get("n")
        if slot.get("kdf") != "scrypt" or not isinstance(cost, int) or not _DRAWN <= cost <= _MOST or cost & cost - 1:
            raise Malformed("key.unreadable", path=str(path), why="a vault of another version of hefu")
        try:
            salt, nonce, sealed = (bytes.fromhex(str(slot.get(name))) for name in ("salt", "nonce", "sealed"))
            return AESGCM(_stretch(secret, salt, cost)).decrypt(nonce, sealed, KIND.encode()), place
        except (InvalidTag, ValueError):
            continue
    raise Untrusted("secret.wrong", path=str(path))


def _stretch(secret: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY, n=cost, r=8, p=1).derive(secret)


def _document(slots: Sequence[Mapping[str, object]]) -> bytes:
    return json.dumps({"apiVersion": API_VERSION, "kind": KIND, "slots": slots}, indent=2).encode() + b"\n"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as fault:
        raise Malformed("key.unreadable", path=str(path), why=fault.strerror or "no such file") from None


def _slots(path: Path, data: bytes) -> list[dict[str, object]]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    slots = document.get("slots") if isinstance(document, dict) and document.get("kind") == KIND else None
    if (
        not isinstance(slots, list)
        or not 1 <= len(slots) <= _SLOTS
        or not all(isinstance(each, dict) for each in slots)
    ):
        raise Malformed("key.unreadable", path=str(path), why="not a vault")
    return slots
