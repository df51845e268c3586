"""Private keys in files: made, written with mode 0600, encrypted, and refused where others can read them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from hefu import canonical, suites
from hefu.errors import Malformed, Untrusted

PrivateKey = Ed25519PrivateKey | X25519PrivateKey | ec.EllipticCurvePrivateKey | MLDSA44PrivateKey

# RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.
_SEAL = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def key_id(participant: str, public: bytes) -> str:
    """The id of a public key: its owner and the first 16 hex digits of its SHA-256."""
    return f"{participant}#{canonical.digest(public)[7:23]}"


@dataclass(frozen=True, slots=True)
class FileSigner:
    """An Ed25519 key held in memory, read from a file."""

    participant: str
    private: Ed25519PrivateKey

    @property
    def key(self) -> str:
        """The id of this key."""
        return key_id(self.participant, self.public)

    @property
    def suite(self) -> str:
        """Ed25519."""
        return suites.ED25519

    @property
    def public(self) -> bytes:
        """The raw public key (32 bytes)."""
        return self.private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of the message (64 bytes)."""
        return self.private.sign(message)


def seal(plaintext: bytes, recipient: bytes, info: bytes) -> bytes:
    """Encrypt for one recipient (HPKE base mode; output is 48 bytes longer).

    Args:
        plaintext: what only the recipient may read.
        recipient: the recipient's raw X25519 public key.
        info: what the ciphertext is bound to; the recipient must give the same.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    return _SEAL.encrypt(plaintext, X25519PublicKey.from_public_bytes(recipient), info)


def unseal(ciphertext: bytes, private: X25519PrivateKey, info: bytes) -> bytes:
    """Open what `seal` made.

    Raises:
        Untrusted: it was sealed for another key, for another purpose, or altered.
    """
    try:
        return _SEAL.decrypt(ciphertext, private, info)
    except Exception as fault:  # noqa: BLE001 - the library raises several kinds; all mean the same here
        raise Untrusted("seal.broken", detail=type(fault).__name__) from None


def write_key(path: Path, key: PrivateKey, passphrase: bytes | None = None) -> None:
    """Write a new private key, readable by its owner only.

    Raises:
        Malformed: the file exists already; keys are never overwritten.
    """
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    write_private(path, pem)


def write_private(path: Path, data: bytes) -> None:
    """Write a new file with mode 0600, durably.

    Raises:
        Malformed: the file exists already.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Malformed("key.unreadable", path=str(path), why="it exists already") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_private(path: Path, data: bytes) -> None:
    """Put a file with mode 0600 in the place of one, durably: after a crash there is the old one or the new one."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    write_private(beside, data)
    os.replace(beside, path)
    sync_folder(path.parent)


def shred(path: Path) -> None:
    """Overwrite a file and remove it.

    LIMIT: a disk that writes elsewhere (flash, btrfs, a snapshot) keeps the old bytes until it needs the room.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        overwrite(handle)
    finally:
        os.close(handle)
    path.unlink(missing_ok=True)


def protect(path: Path, passphrase: bytes, before: bytes | None = None) -> None:
    """Encrypt a key that lies in the clear, or under another passphrase; nothing changes where it is done already.

    Raises:
        Untrusted, Malformed: as `read_key`, where neither passphrase opens it.
    """
    if b"ENCRYPTED" in path.read_bytes():
        try:
            read_key(path, passphrase)
            return
        except Malformed:
            if before is None:
                raise
    key = read_key(path, before)
    protection = serialization.BestAvailableEncryption(passphrase)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    old = os.open(path, os.O_RDWR)  # the bytes themselves, whatever the name then means
    try:
        replace_private(path, pem)
        overwrite(old)
    finally:
        os.close(old)


def overwrite(handle: int) -> None:
    """Put random bytes in the place of a file's own, durably; `shred` says where that does not help."""
    os.lseek(handle, 0, os.SEEK_SET)
    left = os.fstat(handle).st_size
    while left > 0:
        left -= os.write(handle, os.urandom(min(left, 1 << 20)))
    os.fsync(handle)


def read_key(path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """Read a private key.

    Args:
        passphrase: of an encrypted one; not needed for one in the clear.

    Raises:
        Untrusted: others may read the file and it is not encrypted.
        Malformed: it is absent, not a key, or the passphrase is wrong.
    """
    try:
        data = path.read_bytes()
        loose = stat.S_IMODE(path.stat().st_mode) & 0o077
    except OSError as fault:
        raise Malformed("key.unreadable", path=str(path), why=fault.strerror or "no such file") from None
    if loose and b"ENCRYPTED" not in data:
        raise Untrusted("key.loose_file", path=str(path))
    try:
        key = serialization.load_pem_private_key(data, passphrase if b"ENCRYPTED" in data else None)
    except (ValueError, TypeError):
        raise Malformed("key.unreadable", path=str(path), why="not a key, or a wrong passphrase") from None
    if not isinstance(key, PrivateKey):
        raise Malformed("key.unreadable", path=str(path), why="not a kind of key used here")
    return key


def read_signer(path: Path, participant: str, passphrase: bytes | None = None) -> FileSigner:
    """Read an Ed25519 signing key of a participant; raises as `read_key`."""
    key = read_key(path, passphrase)
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed("key.unreadable", path=str(path), why="not an Ed25519 key")
    return FileSigner(participant, key)
