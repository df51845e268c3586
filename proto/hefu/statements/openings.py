"""What an agreement files for the space's regulators: sealed openings of the ends of its computations.

They are kept beside the journal and at the broker, and handed over on a mandate only. Erasure destroys them.
INVARIANT: nothing in them is derived from data but what the release itself told its recipient.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.identity import read_bytes, write_bytes
from hefu.members import exactly, mapping, reading, text
from hefu.statements import receipt
from hefu.statements.filing import Filing, commit_key

LARGEST_SEALED = 1 << 20  # bytes
_NONCE = 12  # bytes; NIST SP 800-38D section 8.2.2

End = receipt.Receipt | receipt.Refusal | receipt.Failure


@dataclass(frozen=True, slots=True)
class Openings:
    """What the log only commits to, of one end of a computation.

    Attributes:
        values: value and salt of each commitment, by name.
        request: the envelope of what was asked; its digest stands in the log.
    """

    request: bytes
    values: Mapping[str, tuple[Json, bytes]] = field(default_factory=dict)

    def body(self) -> Object:
        """``{request, values}``."""
        values: Object = {
            name: {"value": value, "salt": write_bytes(salt)} for name, (value, salt) in self.values.items()
        }
        return {"request": self.request.decode("utf-8"), "values": values}

    @classmethod
    def of(cls, value: Json) -> Openings:
        """Read what `body` wrote; raises Malformed."""
        with reading("openings"):
            found = exactly(value, "request", "values")
            request = found["request"]
            if not isinstance(request, str):
                raise TypeError
            rows = {name: exactly(each, "value", "salt") for name, each in mapping(found["values"]).items()}
            values = {name: (each["value"], read_bytes(text(each["salt"]))) for name, each in rows.items()}
            return cls(request.encode(), values)


def seal(key: bytes, agreement: str, computation: str, openings: Openings) -> bytes:
    """Seal the openings of one end of a computation under the filing key of its agreement (28 bytes longer)."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, canonical.encode(openings.body()), _about(agreement, computation))


def unseal(key: bytes, agreement: str, computation: str, sealed: bytes) -> Openings:
    """Open what `seal` made.

    Raises:
        Untrusted: it was made under another key or for another computation, altered, or is not of its form: garbage
            that its connector filed, if the receipt names these very bytes.
    """
    try:
        data = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _about(agreement, computation))
        return Openings.of(canonical.decode(data, LARGEST_SEALED))
    except (InvalidTag, ValueError, Malformed) as fault:
        raise Untrusted("filing.garbage", computation=computation, detail=type(fault).__name__) from None


def faults(end: End, sealed: bytes, openings: Openings) -> list[str]:
    """What is wrong with openings as they were filed for an end of a computation; nothing where all of it holds.

    Everything needed is signed or given, so whoever holds the filing key proves a fault to anybody.
    """
    found = []
    if end.filed != canonical.digest(sealed):
        found.append("the sealed bytes are not those that the receipt names")
    try:
        if Statement.parse(openings.request).digest() != end.request:
            found.append("the request is another than the receipt's")
    except HefuError:
        found.append("the request cannot be read")
    commitments = end.commitments if isinstance(end, receipt.Receipt) else {}
    for name, commitment in commitments.items():
        value, salt = openings.values.get(name, (None, b""))
        try:
            receipt.check_opening(commitment, name, value, salt)
        except Untrusted:
            found.append(f"the opening of {name} is missing, or does not open the receipt's commitment")
    return found


def read_end(statement: Statement) -> End:
    """The body of a receipt, a refusal or a failure.

    Raises:
        Malformed: it is none of them, or not of its form.
    """
    if statement.type == receipt.SEALED:
        return receipt.Receipt.of(statement)
    return receipt.Refusal.of(statement) if statement.type == receipt.REFUSED else receipt.Failure.of(statement)


def is_garbage(evidence: Object) -> bool:
    """Whether evidence of a regulator proves that something else was filed than was signed for; to anybody.

    The key is the one that the agreement commits to, the sealed bytes are those that the end names, and they do not
    open what the end commits to. The signatures on both statements are for the caller to verify.

    Raises:
        Malformed: it is not of its form.
    """
    with reading("evidence"):
        exactly(evidence, "agreement", "end", "sealed", "key")
        agreement, said = (_statement(evidence[name]) for name in ("agreement", "end"))
        key, sealed = (read_bytes(str(evidence[name])) for name in ("key", "sealed"))
        id_, signed = text(agreement.body["agreement"]), Filing.of(agreement.body["filing"])
    end = read_end(said)
    if commit_key(key, id_) != signed.key or end.filed != canonical.digest(sealed):
        return False
    try:
        return bool(faults(end, sealed, unseal(key, id_, end.computation, sealed)))
    except Untrusted:
        return True


def _statement(value: Json) -> Statement:
    if not isinstance(value, str):
        raise TypeError
    return Statement.parse(value.encode())


def _about(agreement: str, computation: str) -> bytes:
    return canonical.encode({"use": "hefu openings", "agreement": agreement, "computation": computation})
