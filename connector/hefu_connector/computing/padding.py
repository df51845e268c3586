"""The size of a release: it follows from what was announced, and not from how many digits the answer has.

What carries or stores a sealed release sees its size, and so does everybody who reads the size in its receipt. A cell
may take any text up to `CELL` bytes here without moving it; a withheld one takes as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hefu import canonical
from hefu.canonical import Object
from hefu_policies.reading import Place, wrong

CELL = 32  # bytes of a value, and of its half width
RUNG = 1024  # sizes are whole multiples
MEMBER = "padding"


def padded(document: Object, cells: int, blank: Object, names: int = 0) -> bytes:
    """Canonical JSON of a document, filled up to its public size.

    Args:
        cells: how many values it has, and as many half widths.
        blank: the same document without any value and half width.
        names: bytes of keys that `blank` leaves out, and of labels beyond `CELL`, at most.
    """
    public = len(canonical.encode({**blank, MEMBER: ""})) + 2 * cells * (CELL + len('"",')) + names
    data = canonical.encode({**document, MEMBER: ""})
    size = RUNG * -(-public // RUNG)
    while size < len(data):  # longer texts than any engine of ours writes: the next of few sizes
        size *= 2
    return canonical.encode({**document, MEMBER: "0" * (size - len(data))})


def names(widest: Sequence[int]) -> int:
    """The bytes of the names of one found group at most, and of the brackets around it.

    Args:
        widest: bytes of each key as JSON at most.
    """
    return sum(widest) + len("[],") * 2


def labels(words: Iterable[Sequence[str]]) -> int:
    """What the labels of one row may take beyond what every cell has.

    Args:
        words: of each heading that has labels, all of them.
    """
    return sum(max(0, max(len(canonical.encode(each)) for each in some) - CELL) for some in words)


def check(place: Place | None) -> None:
    """Check that a padding tells nothing; releases of 0.1.0 have none. Raises Malformed."""
    if place is not None and place.text(len(str(place.value)), empty=True).strip("0"):
        wrong(place.where, "zeros")
