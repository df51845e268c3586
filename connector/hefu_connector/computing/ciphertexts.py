"""The release gate for ciphertexts: each is held to the form that was announced, and all answers have one size.

Nothing is decrypted or computed here. A release is a header in canonical JSON, then the ciphertexts, then as many zeros
as fill it up to the size that suite and number of records alone decide (`computing.blobs`). The recipient's connector
reads no more of it than lengths; what is inside a ciphertext, its worker looks at.
"""

from __future__ import annotations

from collections.abc import Sequence

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed, Untrusted
from hefu_policies.reading import Place

from hefu_connector.computing import blobs, frames, padding
from hefu_connector.computing.suites import Suite
from hefu_connector.ports import Encrypted, Values

_LARGEST_HEADER = 64 << 10  # bytes


def announced(suite: Suite, counts: Sequence[int]) -> Encrypted:
    """The form of ciphertexts under a suite.

    Args:
        counts: of each, how many of its slots are filled.
    """
    return Encrypted(tuple(counts), suite.scale, suite.answered)


def check(values: Values, encrypted: Encrypted) -> None:
    """Let ciphertexts through, or not.

    Raises:
        Untrusted: they are not what was announced; nothing leaves and the charge stays.
    """
    if values.rows or values.half_widths or values.blob is None:
        raise Untrusted("guard.shape", detail="something else than ciphertexts")
    try:
        check_each(_told(values.blob, encrypted), encrypted)
    except Malformed:
        raise Untrusted("guard.shape", detail="a ciphertext is not as was announced") from None


def check_each(told: Sequence[bytes], encrypted: Encrypted) -> None:
    """Check the frame of each ciphertext; raises Malformed."""
    for data, count in zip(told, encrypted.counts, strict=True):
        frames.check_vector(data, count, encrypted.scale, encrypted.largest)


def size(encrypted: Encrypted) -> int:
    """The bytes of all ciphertexts as they are padded: public."""
    return len(encrypted.counts) * encrypted.largest


def payload(computation: str, values: Values, encrypted: Encrypted, openings: Object) -> bytes:
    """The bytes of a release before they are sealed.

    Args:
        openings: salt and value of each commitment in the receipt, for the recipient only.
    """
    document: Object = {"computation": computation, "openings": openings}
    told = _told(values.blob or b"", encrypted)
    zeros = bytes(size(encrypted) - sum(map(len, told)))
    return blobs.encode([padding.padded(document, 0, document), *told, zeros])


def read(data: bytes, computation: str, encrypted: Encrypted) -> tuple[list[bytes], Object]:
    """The ciphertexts of a release, in order, and the openings of the receipt's commitments.

    Raises:
        Malformed: not such a release, or a ciphertext is not of its form.
        Untrusted: it belongs to another computation.
    """
    most = [_LARGEST_HEADER, *[encrypted.largest] * len(encrypted.counts), size(encrypted)]
    header, *told, zeros = blobs.decode(data, most)
    found = Place(canonical.decode(header, _LARGEST_HEADER), "release").members(
        ("computation", "openings", padding.MEMBER)
    )
    padding.check(found[padding.MEMBER])
    if found["computation"].text() != computation:
        raise Untrusted("guard.other", computation=computation)
    if any(zeros):
        raise Malformed("ciphertext.malformed")
    check_each(told, encrypted)
    return told, found["openings"].object()


def _told(blob: bytes, encrypted: Encrypted) -> list[bytes]:
    return blobs.decode(blob, [encrypted.largest] * len(encrypted.counts))
