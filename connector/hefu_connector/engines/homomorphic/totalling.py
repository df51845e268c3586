"""A party's part of a joint total, in a worker: count, add a share of noise, hide, encrypt; the aggregator adds up too.

True values live in `_shared` and nowhere else: they have noise before it returns. What leaves is a *fresh* encryption
of hidden numbers. No ciphertext is multiplied, and none of another party is but added; the sum is encrypted anew by
adding a fresh encryption of zero, so that its bytes tell nothing of those that went into it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import tenseal
from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies.reading import Place

from hefu_connector.computing import blobs, frames
from hefu_connector.computing.suites import TOTALS
from hefu_connector.engines import counting, masks, noise
from hefu_connector.engines.homomorphic import keys
from hefu_connector.engines.noise import sharing
from hefu_connector.engines.shape import Shape


def make(parameters: Object, path: Path, form: str, layout: Object, sink: io.RawIOBase) -> Object:
    """One party's ciphertexts.

    Args:
        parameters: as `Totals.prepare` made them, and ``session``: ``me``, the ``secrets`` that this party has in
            common with each other one (hexadecimal), and ``sums``, whether it adds up what the others released.
        path, form, layout: the table, and beside it the consumer's public context, and for the aggregator one blob of
            each other party (`computing.blobs`).
        sink: takes the blob: one ciphertext for each of ``open.counts``.

    Returns:
        ``rows_read``: for the provider's meter.

    Raises:
        Moved: the file is not the table that was described.
        Malformed: the context or another party's blob is not of the suite's form.
    """
    counts = open_counts(parameters["open"])
    said = Place(parameters["session"], "session").members(("me", "secrets", "sums"))
    beside = _beside(layout)
    values, rows = _shared(parameters, path, form, {name: each for name, each in layout.items() if name != "beside"})
    secrets = {name: bytes.fromhex(str(each)) for name, each in said["secrets"].object().items()}
    purpose = str(parameters["masking"]).encode()
    hidden = masks.hide_with(
        [value % TOTALS.plain for value in values], said["me"].text(), secrets, TOTALS.plain, purpose
    )
    context = keys.read_public(beside[0].read_bytes(), TOTALS)
    vectors = [encrypt(context, part) for part in _divided(hidden, counts)]
    if said["sums"].flag():
        with beside[1].open("rb") as others:
            vectors = add_up(context, vectors, others, len(secrets), counts)
    blobs.write(sink, len(counts), (bytes(each.serialize()) for each in vectors))
    return {"rows_read": rows}


def encrypt(context: Any, numbers: Sequence[int]) -> Any:
    """A fresh encryption of numbers from 0 to below t."""
    return tenseal.bfv_vector(context, [centred(each) for each in numbers])


def add_up(
    context: Any, own: Sequence[Any], others: BinaryIO, parties: int, counts: Sequence[int]
) -> list[Any]:  # fmt: skip
    """The sum of this party's vectors and of those of all others, encrypted anew.

    Args:
        others: their blobs, in one (`computing.blobs`).
        parties: how many others there are.

    Raises:
        Malformed: there are more or fewer, or one is not of the suite's form.
    """
    most = blobs.size(TOTALS.largest for _ in counts)
    found = [*own]
    for blob in blobs.read(others, [most] * parties):
        each = read(context, blob, counts)
        found = [mine + theirs for mine, theirs in zip(found, each, strict=True)]
    return [each + encrypt(context, [0] * count) for each, count in zip(found, counts, strict=True)]


def read(context: Any, blob: bytes, counts: Sequence[int]) -> list[Any]:
    """A party's vectors; raises Malformed where they are not of the suite's form."""
    found = []
    for data, count in zip(blobs.decode(blob, [TOTALS.largest] * len(counts)), counts, strict=True):
        frames.check_vector(data, count, TOTALS.scale, TOTALS.largest)
        found.append(_vector(context, data, count))
    return found


def open_counts(body: object) -> list[int]:
    """How many slots each ciphertext fills, as the engine prepared it."""
    found = Place(body, "open").members(("counts",))["counts"].items(1)  # type: ignore[arg-type]
    return [each.integer(1, TOTALS.slots) for each in found]


def centred(number: int) -> int:
    """A number modulo t as the library wants it: between -t/2 and t/2."""
    return number - TOTALS.plain if number > TOTALS.plain // 2 else number


def _shared(parameters: Object, path: Path, form: str, layout: Object) -> tuple[list[int], int]:
    """The numbers of each aggregate with this party's share of noise, one behind the other, and the rows read."""
    shape = Shape.of(parameters["shape"])
    exact, rows = counting.exact(shape, path, form, layout)
    places, shares, most = (Place(parameters[name], name).items(1) for name in ("places", "noise", "most"))
    found: list[int] = []
    for place, share, bound in zip(places, shares, most, strict=True):
        reach = int(bound.text())
        clamped = [max(-reach, min(reach, value)) for value in exact[place.integer()]]
        found += noise.draw_share(clamped, share.integer(sharing.LEAST_SHARE) / sharing.FINE)
    return found, rows


def _divided(numbers: Sequence[int], counts: Sequence[int]) -> Iterator[Sequence[int]]:
    if sum(counts) != len(numbers):
        raise Malformed("ciphertext.malformed")
    start = 0
    for count in counts:
        yield numbers[start : start + count]
        start += count


def _vector(context: Any, data: bytes, count: int) -> Any:
    try:
        found = tenseal.bfv_vector_from(context, data)
        pieces = found.ciphertext()
    except (ValueError, RuntimeError, TypeError):
        raise Malformed("ciphertext.malformed") from None
    if len(pieces) != 1 or pieces[0].size() != 2 or found.size() != count:
        raise Malformed("ciphertext.malformed")
    return found


def _beside(layout: Object) -> list[Path]:
    return [Path(str(each.members(("form", "layout", "path"))["path"].value)) for each in
            Place(layout.get("beside"), "beside").items(1)]  # fmt: skip
