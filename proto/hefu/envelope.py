"""Statements: canonical JSON that parties sign, and nothing else is ever signed.

A statement's payload is one canonical JSON object with the members ``type``, ``version``, ``id``, ``space``,
``issuer``, ``time``, ``body`` and, where a person or program acts, ``actor`` and ``on_behalf_of``; and ``seen``:
origin, size and root of the newest checkpoint of the log that its signer had verified. Every signature is
a detached JSON Web Signature over exactly the payload's bytes, so that other software verifies it; the protected
header names the key, the time and the type, which separates the uses of a key. A statement travels as *one* byte
string, the canonical bytes of ``{"payload": …, "signatures": […]}``; those bytes are kept, logged and hashed.

Source: RFC 7515 section 7.2 and appendix F (detached), RFC 7797 (unencoded payload), RFC 9864 ("Ed25519").
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from hefu import canonical, suites
from hefu.canonical import Object
from hefu.errors import Malformed, Untrusted
from hefu.suites import ED25519, Signer
from hefu.times import read_time, write_time
from hefu.tlog.checkpoint import Checkpoint

__all__ = ["ED25519", "LARGEST_STATEMENT", "PublicKey", "Signature", "Signer", "Statement", "draft", "new_id"]

LARGEST_STATEMENT = 256 * 1024  # bytes
_REQUIRED = {"type", "version", "id", "space", "issuer", "time", "body"}
_OPTIONAL = {"actor", "on_behalf_of", "seen"}
_MOST_SIGNATURES = 16
_LARGEST_HEADER = 1024  # bytes
# What `_header` writes of texts that JSON writes as they are: most headers. Others are read as JSON.
_TEXT = rb"([ !#-\[\]-~]*)"
_PLAIN_HEADER = re.compile(
    rb'\{"alg":"%b","b64":false,"crit":\["b64"\],"iat":(0|[1-9][0-9]{0,9}),"kid":"%b","typ":"hefu-%b\+json"\}'
    % (_TEXT, _TEXT, _TEXT)
)
# The canonical form around the two members, which are canonical themselves: "payload" sorts before "signatures".
_OPEN, _BETWEEN, _CLOSE = b'{"payload":', b',"signatures":', b"}"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A certified signing key: whose it is, and its suite, which is fixed here and never by a message."""

    key: str
    participant: str
    value: bytes
    suite: str = ED25519


@dataclass(frozen=True, slots=True)
class Signature:
    """One detached signature. ``protected`` is kept as received; ``key``, ``time`` and ``suite`` are read from it."""

    protected: str
    value: bytes
    key: str
    time: datetime
    suite: str = ED25519


@dataclass(frozen=True, slots=True)
class Statement:
    """What parties sign. Made by `draft` or `Statement.parse`; add signatures with `sign`."""

    payload: bytes
    signatures: tuple[Signature, ...]
    type: str
    version: int
    id: str
    space: str
    issuer: str
    time: datetime
    body: Object
    actor: Object | None = None
    seen: Checkpoint | None = None

    @classmethod
    def parse(cls, data: bytes) -> Statement:
        """Read a statement from its one byte string. Nothing is verified yet but form.

        Raises:
            Malformed: too large, not canonical, a member missing or unknown.
        """
        outer = canonical.decode_object(data, LARGEST_STATEMENT)
        if set(outer) != {"payload", "signatures"} or not isinstance(outer["payload"], dict):
            raise Malformed("statement.malformed", why="payload and signatures are needed, and nothing else")
        entries = outer["signatures"]
        if not isinstance(entries, list) or len(entries) > _MOST_SIGNATURES:
            raise Malformed("statement.malformed", why="signatures must be a short list")
        # The form is canonical and has two members, so the last such place outside of a signature parts them; a
        # signature that has a member of this name is refused.
        statement = _read_payload(outer["payload"], data[len(_OPEN) : data.rfind(_BETWEEN)])
        signatures = tuple(_read_signature(entry, statement.type) for entry in entries)
        if len({each.key for each in signatures}) != len(signatures):
            raise Malformed("statement.malformed", why="a key signed twice")
        return _with_signatures(statement, signatures)

    def to_bytes(self) -> bytes:
        """The one byte string of this statement with the signatures it has."""
        return _OPEN + self.payload + _BETWEEN + _signature_bytes(self.signatures) + _CLOSE

    def digest(self) -> str:
        """``sha256:`` of the payload: names what was said, whoever signed it."""
        return canonical.digest(self.payload)

    def sign(self, signer: Signer, at: datetime) -> Statement:
        """The same statement with one more signature over the same bytes."""
        at = at.replace(microsecond=0)  # what a header can say
        protected = _header(signer.suite, signer.key, self.type, at)
        value = signer.sign(_signing_input(protected, self.payload))
        # Whole seconds, as the header has them: a statement is the same before and after it travels.
        second = datetime.fromtimestamp(int(at.timestamp()), tz=UTC)
        return _with_signatures(self, (*self.signatures, Signature(protected, value, signer.key, second, signer.suite)))

    def expect(self, type_: str) -> Statement:
        """This statement, if it is of the given type.

        Raises:
            Malformed: it is of another type.
        """
        if self.type != type_:
            raise Malformed("statement.wrong_type", found=self.type, expected=type_)
        return self

    def verify(self, keys: Mapping[str, PublicKey], *parties: str) -> None:
        """Check every signature, and that each of the parties signed.

        Args:
            keys: certified keys by id. A signature under a key that is not here makes the statement untrusted.
            parties: participants all of whom must have signed; by default the issuer.

        Raises:
            Untrusted: a signature does not hold, its key is unknown, or a party's signature is missing.
        """
        signed = set()
        for signature in self.signatures:
            key = keys.get(signature.key)
            if key is None:
                raise Untrusted("key.unknown", key=signature.key)
            _verify_one(key, signature, self)
            signed.add(key.participant)
        for party in parties or (self.issuer,):
            if party not in signed:
                raise Untrusted("signature.missing", type=self.type, party=party)


def draft(
    type_: str,
    body: Object,
    *,
    space: str,
    issuer: str,
    at: datetime,
    actor: Object | None = None,
    id_: str = "",
    seen: Checkpoint | None = None,
) -> Statement:
    """A new statement without signatures.

    Args:
        type_: what is said, for example ``"agreement"``; the room that reads it owns its body.
        body: JSON in the restricted profile.
        seen: the newest checkpoint of the space's log that its signer verified; absent where it knows none.
        id_: a random 128-bit id is drawn where none is given; it also stops guessing of the log's leaf hashes.
    """
    payload: Object = {
        "type": type_,
        "version": 1,
        "id": id_ or new_id("stm"),
        "space": space,
        "issuer": issuer,
        "time": write_time(at),
        "body": body,
    }
    if actor is not None:
        payload["actor"] = actor
    if seen is not None:
        payload["seen"] = {"origin": seen.origin, "size": seen.size, "root": _b64(seen.root)}
    return _read_payload(payload, canonical.encode(payload))


def new_id(prefix: str) -> str:
    """A random id of 128 bits: a short word that says of what, a hyphen, 26 letters and digits of base 32."""
    return f"{prefix}-{base64.b32encode(secrets.token_bytes(16)).decode().rstrip('=').lower()}"


def _read_payload(payload: Object, data: bytes) -> Statement:
    """The statement of a payload and its canonical bytes."""
    missing, unknown = _REQUIRED - set(payload), set(payload) - _REQUIRED - _OPTIONAL
    if missing or unknown:
        raise Malformed("statement.malformed", why=f"missing {sorted(missing)}, unknown {sorted(unknown)}")
    words = {name: payload[name] for name in ("type", "id", "space", "issuer", "time")}
    if not all(isinstance(word, str) and 0 < len(word) <= 128 for word in words.values()):
        raise Malformed("statement.malformed", why="type, id, space, issuer and time are short texts")
    body, actor, version = payload["body"], payload.get("actor"), payload["version"]
    if not isinstance(body, dict) or not isinstance(actor, dict | None) or version != 1 or version is True:
        raise Malformed("statement.malformed", why="version must be 1, body and actor objects")
    return Statement(
        payload=data,
        signatures=(),
        type=str(words["type"]),
        version=1,
        id=str(words["id"]),
        space=str(words["space"]),
        issuer=str(words["issuer"]),
        time=read_time(str(words["time"])),
        body=body,
        actor=actor,
        seen=_read_seen(payload["seen"]) if "seen" in payload else None,
    )


def _read_seen(value: canonical.Json) -> Checkpoint:
    """A checkpoint that a signer says it verified; it is compared with the log by whoever has the log."""
    if not isinstance(value, dict) or set(value) != {"origin", "size", "root"}:
        raise Malformed("statement.malformed", why="seen has origin, size and root")
    origin, size, root = value["origin"], value["size"], value["root"]
    if not isinstance(origin, str) or not isinstance(root, str) or type(size) is not int or len(origin) > 255:
        raise Malformed("statement.malformed", why="seen has origin, size and root")
    return Checkpoint(origin, size, _unb64(root))


def _signature_bytes(signatures: tuple[Signature, ...]) -> bytes:
    entries: list[canonical.Json] = [
        {"protected": each.protected, "signature": _b64(each.value)} for each in signatures
    ]
    return canonical.encode(entries)


def _with_signatures(statement: Statement, signatures: tuple[Signature, ...]) -> Statement:
    return Statement(
        statement.payload, signatures, statement.type, statement.version, statement.id, statement.space,
        statement.issuer, statement.time, statement.body, statement.actor, statement.seen,
    )  # fmt: skip


def _header(suite: str, key: str, type_: str, at: datetime) -> str:
    # "iat" is a NumericDate, in whole seconds: RFC 7519 section 4.1.6.
    header: Object = {
        "alg": suite,
        "b64": False,
        "crit": ["b64"],
        "iat": int(at.timestamp()),
        "kid": key,
        "typ": f"hefu-{type_}+json",
    }
    return _b64(canonical.encode(header))


def _read_signature(entry: canonical.Json, type_: str) -> Signature:
    if not isinstance(entry, dict) or set(entry) != {"protected", "signature"}:
        raise Malformed("statement.malformed", why="a signature has protected and signature")
    protected, value = entry["protected"], entry["signature"]
    if not isinstance(protected, str) or not isinstance(value, str):
        raise Malformed("statement.malformed", why="protected and signature are texts")
    suite, kid, at = _read_header(protected, type_)
    return Signature(protected, _unb64(value), kid, at, suite)


@lru_cache(maxsize=1024)  # what a key signs within one second has one header
def _read_header(protected: str, type_: str) -> tuple[str, str, datetime]:
    data = _unb64(protected)
    plain = _PLAIN_HEADER.fullmatch(data) if len(data) <= _LARGEST_HEADER else None
    if plain is not None and plain[4] == type_.encode() and (suite := plain[1].decode()) in suites.KNOWN:
        return suite, plain[3].decode(), datetime.fromtimestamp(int(plain[2]), tz=UTC)
    header = canonical.decode_object(data, _LARGEST_HEADER)
    kid, iat, suite = header.get("kid"), header.get("iat"), header.get("alg")
    if not isinstance(kid, str) or not isinstance(iat, int) or isinstance(iat, bool) or not 0 <= iat < 2**36:
        raise Malformed("statement.malformed", why="the protected header lacks kid or iat")
    at = datetime.fromtimestamp(iat, tz=UTC)
    if not isinstance(suite, str) or suite not in suites.KNOWN or protected != _header(suite, kid, type_, at):
        raise Malformed("statement.malformed", why="the protected header is not of this profile")
    return suite, kid, at


def _verify_one(key: PublicKey, signature: Signature, statement: Statement) -> None:
    # INVARIANT: the key's record says by which suite; a header that says another one makes nothing valid.
    suite, message = suites.KNOWN.get(key.suite), _signing_input(signature.protected, statement.payload)
    if suite is None or signature.suite != key.suite or not suite.holds(key.value, message, signature.value):
        raise Untrusted("signature.invalid", type=statement.type, party=key.participant)


def _signing_input(protected: str, payload: bytes) -> bytes:
    # RFC 7797 section 3: ASCII(BASE64URL(protected)) || '.' || payload
    return protected.encode("ascii") + b"." + payload


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("statement.malformed", why="not base64url") from None
    if _b64(data) != text:
        raise Malformed("statement.malformed", why="not base64url")
    return data
