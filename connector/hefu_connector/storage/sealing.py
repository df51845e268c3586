"""Columns that are encrypted by themselves, for a database whose files somebody else keeps (PostgreSQL).

A SQLite file is encrypted as a whole, so there these types do nothing. On PostgreSQL a connector with a secret seals
what statements, requests, answers and parts say before it leaves the process (AES-256-GCM; what is bound is the table
and the column, so that no value can be moved to another column unnoticed).
LIMIT: ids, digests, states, times, sizes and the numbers of accounts stay readable there: the database compares them.
"""

from __future__ import annotations

import base64
import hmac
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hefu.errors import Conflict, Malformed, Untrusted
from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import TypeDecorator

_NONCE = 12  # bytes
_BATCH = 200  # rows


@dataclass(frozen=True, slots=True)
class ColumnKey:
    """What the columns of one database are sealed with: a key that is used for nothing else."""

    value: bytes = field(repr=False)

    def seal(self, plaintext: bytes, about: str) -> bytes:
        """Encrypt a value for a column; 28 bytes longer."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._derive("columns")).encrypt(nonce, plaintext, about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Open a value of a column.

        Raises:
            Untrusted: it was altered, or belongs to another column.
        """
        try:
            return AESGCM(self._derive("columns")).decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except (InvalidTag, ValueError):
            raise Untrusted("seal.broken", detail=about) from None

    def blind(self, value: str) -> str:
        """A name for a value that shows nothing of it; equal values have equal names."""
        return hmac.digest(self._derive("names"), value.encode(), "sha256").hex()

    def _derive(self, purpose: str) -> bytes:
        return hmac.digest(self.value, b"hefu columns/" + purpose.encode(), "sha256")


class Sealed(TypeDecorator[bytes]):
    """Bytes that only this connector reads.

    Args:
        about: ``table.column``.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, about: str) -> None:
        super().__init__()
        self.about = about

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """Seal it where this database is sealed."""
        key = _key_of(dialect)
        return value if key is None or value is None else key.seal(value, self.about)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        """Open it."""
        key = _key_of(dialect)
        return value if key is None or value is None else key.unseal(bytes(value), self.about)


class SealedText(TypeDecorator[str]):
    """A text that only this connector reads; as `Sealed`."""

    impl = Text
    cache_ok = True

    def __init__(self, about: str) -> None:
        super().__init__()
        self.about = about

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal it where this database is sealed."""
        key = _key_of(dialect)
        if key is None or value is None:
            return value
        return base64.b64encode(key.seal(value.encode(), self.about)).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Open it."""
        key = _key_of(dialect)
        return value if key is None or value is None else key.unseal(_unbase64(value), self.about).decode()


class Blinded(TypeDecorator[str]):
    """A text that is only ever compared: where this database is sealed, a name stands for it."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The name."""
        key = _key_of(dialect)
        return value if key is None or value is None else key.blind(value)


def use(engine: Engine, key: bytes) -> None:
    """Seal the columns of a database from now on. Call it before any statement."""
    engine.dialect.hefu_columns = ColumnKey(key)  # type: ignore[attr-defined]  # types are handed the dialect only


def settle(connection: Connection, metadata: MetaData, locks: Table) -> None:
    """Check that the database is sealed with this key or with none; seal what an open one holds.

    Args:
        locks: a table of names, in which the key's own is kept.

    Raises:
        Conflict: it is sealed with another key.
        Malformed: it is sealed, and there is no key.
    """
    key, place = _key_of(connection.dialect), connection.engine.url.database or ""
    known = set(connection.execute(select(locks.c.name).where(locks.c.name.startswith("key:"))).scalars())
    if key is None:
        if known:
            raise Malformed("secret.needed", path=place)
        return
    name = f"key:{key.blind('key')}"
    if known - {name}:
        raise Conflict("store.other_key", path=place)
    if not known:
        for table in metadata.sorted_tables:
            _seal_rows(connection, table)
        connection.execute(insert(locks).values(name=name))


def _seal_rows(connection: Connection, table: Table) -> None:
    kept = [each for each in table.c if isinstance(each.type, Sealed | SealedText | Blinded)]
    if not kept:
        return
    keys = list(table.primary_key)
    # As they are: through the type they would be opened.
    plain = [_as_is(each) for each in (*keys, *kept)]
    for row in connection.execute(select(*plain).execution_options(yield_per=_BATCH)):
        here = [each == value for each, value in zip(map(_as_is, keys), row, strict=False)]
        values = dict(zip(kept, row[len(keys) :], strict=True))
        connection.execute(update(table).where(*here).values(values))


def _as_is(column: Any) -> Any:
    kind = column.type
    return type_coerce(column, kind.impl_instance) if isinstance(kind, TypeDecorator) else column


def _key_of(dialect: Dialect) -> ColumnKey | None:
    return getattr(dialect, "hefu_columns", None)


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Untrusted("seal.broken", detail="not sealed") from None
