"""Time stamps on checkpoints: somebody else's signed word that a state of the log existed at an instant.

What is stamped is the text of a checkpoint (origin, size, root), so a stamp vouches for every entry below the size,
whoever signed or cosigned the note. Times in statements are claims; a stamp bounds them from above.

The signatures are CMS, checked by the package `rfc3161-client` (extra ``timestamps``) under certificates that the
verifier pins; nothing that travels in a response is trusted for being there.

Source: RFC 3161; RFC 5816.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from hefu.errors import Malformed, Untrusted

LARGEST_RESPONSE = 64 << 10  # bytes
_PACKAGE = "rfc3161_client"
_HASHES = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """A response of an authority, as it was received.

    Attributes:
        size: of the checkpoint whose text it is over.
        response: TimeStampResp in DER.
    """

    size: int
    response: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what is sent, and the nonce that the answer must repeat."""

    request: bytes
    nonce: int


def installed() -> bool:
    """Whether time stamps can be asked for and verified here."""
    return importlib.util.find_spec(_PACKAGE) is not None


def ask(message: bytes) -> Asked:
    """A request for a stamp over a message: SHA-256, a random nonce, the authority's certificate wanted.

    Raises:
        Malformed: the package is not installed.
    """
    found = _package()
    made = found.TimestampRequestBuilder().data(message).hash_algorithm(found.HashAlgorithm.SHA256).build()
    return Asked(made.as_bytes(), int(made.nonce))


def verify(response: bytes, message: bytes, pinned: Sequence[x509.Certificate], nonce: int | None = None) -> datetime:
    """The instant of a stamp over a message.

    Args:
        pinned: the authority's roots, and intermediates or its own certificate where responses do not carry them.
        nonce: of the request, where it was just asked for.

    Raises:
        Malformed: no time stamp response, or the package is not installed.
        Untrusted: refused by the authority, another message or nonce, no chain to a pinned root at that instant, or a
            certificate that is not for time stamps alone.
    """
    found = _package()
    if len(response) > LARGEST_RESPONSE:
        raise Malformed("timestamp.malformed")
    try:
        read = found.decode_timestamp_response(response)
        info = read.tst_info
    except ValueError:
        raise Malformed("timestamp.malformed") from None
    hashing = _HASHES.get(info.message_imprint.hash_algorithm.dotted_string)
    if hashing is None or info.message_imprint.message != hashing(message).digest():
        raise Untrusted("timestamp.invalid", why="it is over something else")
    if nonce is not None and info.nonce != nonce:
        raise Untrusted("timestamp.invalid", why="it answers another request")
    try:
        _builder(found, pinned, carried=bool(read.signed_data.certificates)).build().verify_message(read, message)
    except (found.VerificationError, ValueError) as fault:
        raise Untrusted("timestamp.invalid", why="no pinned authority signed it", detail=str(fault)[:500]) from None
    moment: datetime = info.gen_time
    return moment.astimezone(UTC)


def certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file: an authority's root, and what lies between.

    Raises:
        Malformed: there is no root in it, or it cannot be read.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError):
        raise Malformed("timestamp.authority", path=str(path)) from None
    if not any(each.issuer == each.subject for each in found):
        raise Malformed("timestamp.authority", path=str(path))
    return found


def _builder(found: Any, pinned: Sequence[x509.Certificate], *, carried: bool) -> Any:
    builder = found.VerifierBuilder()
    for each in pinned:
        if each.issuer == each.subject:
            builder = builder.add_root_certificate(each)
        elif _is_stamper(each):
            builder = builder if carried else builder.tsa_certificate(each)
        else:
            builder = builder.add_intermediate_certificate(each)
    return builder


def _is_stamper(certificate: x509.Certificate) -> bool:
    """A certificate for time stamps that certifies nobody else."""
    extensions = {each.oid: each.value for each in certificate.extensions}
    uses = extensions.get(x509.ExtendedKeyUsage.oid)
    limits = extensions.get(x509.BasicConstraints.oid)
    stamps = isinstance(uses, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.TIME_STAMPING in uses
    return stamps and not (isinstance(limits, x509.BasicConstraints) and limits.ca)


def _package() -> Any:
    try:
        import rfc3161_client
    except ImportError:
        raise Malformed("timestamp.package") from None
    return rfc3161_client
