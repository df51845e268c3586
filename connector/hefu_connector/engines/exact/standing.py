"""What earlier answers found out about a snapshot, so that it is not found out again: who stands in which told sets.

It goes from one worker to the next through the connector, which keeps it in memory as a text that it never reads, for
one snapshot and a beginning of its history. Whatever does not fit is counted anew; nothing hangs on its being there.
Rows are told by their order, so each reading makes sure that it meets them in that order.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from hefu import canonical
from hefu.errors import Malformed
from hefu_policies.reading import Place

LARGEST = 24 << 20  # characters
_HEAD = 8  # bytes: how long what stands before the rows is
_CODEC = "zstd"


@dataclass(frozen=True, slots=True)
class Mark:
    """A set of rows that matters: one that a figure was told of, or a cell that one unit dominates.

    Attributes:
        group: the minimum group that it was told under.
        sums: the columns whose sums over it were told.
        heavy: the column whose sum one unit dominates; nothing was told then.
    """

    group: int
    sums: tuple[str, ...] = ()
    heavy: str = ""


@dataclass(slots=True)
class Standing:
    """Where every row stands after some answers.

    Attributes:
        answers: how many.
        marks: the sets that matter.
        atoms: of each set of rows that no mark tells apart, the bits of its marks; the first is in none.
        order: the number and the order of the rows, as one text.
        rows: the atom of each row, as they lie: whole numbers of 32 bits; empty where all are in the first.
        dependent: by rule, the bits of marks that are sums of others.
    """

    answers: int = 0
    marks: list[Mark] = field(default_factory=list)
    atoms: list[int] = field(default_factory=lambda: [0])
    order: str = ""
    rows: Any = None
    dependent: dict[str, int] = field(default_factory=dict)

    def write(self) -> str:
        """As text; empty where it would be too long."""
        head = canonical.encode(
            {
                "answers": self.answers, "order": self.order, "atoms": [f"{each:x}" for each in self.atoms],
                "marks": [{"group": each.group, "sums": [*each.sums], "heavy": each.heavy} for each in self.marks],
                "dependent": {name: f"{each:x}" for name, each in self.dependent.items()},
                "rows": 0 if self.rows is None else len(self.rows),
            }
        )  # fmt: skip
        rows = b"" if self.rows is None else self.rows.buffers()[1].to_pybytes()[: 4 * len(self.rows)]
        data = len(head).to_bytes(_HEAD, "big") + head + rows
        packed = pa.compress(data, codec=_CODEC, asbytes=True)
        text = base64.b64encode(len(data).to_bytes(_HEAD, "big") + packed).decode()
        return text if len(text) <= LARGEST else ""

    @classmethod
    def of(cls, text: str) -> Standing:
        """Read what `write` wrote; raises Malformed or ValueError."""
        packed = base64.b64decode(text, validate=True)
        data = pa.decompress(packed[_HEAD:], int.from_bytes(packed[:_HEAD], "big"), codec=_CODEC, asbytes=True)
        end = _HEAD + int.from_bytes(data[:_HEAD], "big")
        names = ("answers", "order", "atoms", "marks", "dependent", "rows")
        found = Place(canonical.decode_object(data[_HEAD:end], len(data)), "standing").members(names)
        many = found["rows"].integer()
        rows = pa.Array.from_buffers(pa.int32(), many, [None, pa.py_buffer(data[end:])]) if many else None
        if rows is not None and len(data) - end != 4 * many:
            raise Malformed("internal", reference="standing")
        dependent = found["dependent"].object()
        return cls(
            found["answers"].integer(), [_mark(each) for each in found["marks"].items()],
            [int(str(each.value), 16) for each in found["atoms"].items(1)], found["order"].text(empty=True), rows,
            {name: int(str(each), 16) for name, each in dependent.items()},
        )  # fmt: skip

    def add(self, mark: Mark) -> int:
        """Take up a mark; its place."""
        self.marks.append(mark)
        return len(self.marks) - 1


def places(bits: int) -> Iterator[int]:
    """Which bits are set."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1


def _mark(place: Place) -> Mark:
    found = place.members(("group", "sums", "heavy"))
    sums = tuple(each.text() for each in found["sums"].items())
    return Mark(found["group"].integer(1), sums, found["heavy"].text(empty=True))
