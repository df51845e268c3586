"""The release gate for what is delivered: rows or a file, judged before they are sealed, and read when unsealed.

Nothing is computed from data here. What passes has the announced headings, the announced form in every cell, and no
more rows than were agreed; a combination of quasi-identifiers that too few share, or a sample that is too large, stops
the whole delivery.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Untrusted
from hefu_policies.reading import Place

from hefu_connector.ports import Delivering, Prepared, Values

LARGEST = 64 << 20  # bytes; as `guard.LARGEST_RELEASE`
_LONGEST = {"text": 32_768, "file": 45 << 20}
_NUMBER = r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?"
_DATE = r"[0-9]{4,6}-[0-9]{2}-[0-9]{2}"
_FORMS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(rf"(?:{pattern})\Z")
    for name, pattern in {
        "integer": r"-?[0-9]{1,20}",
        "decimal": _NUMBER,
        "boolean": "true|false",
        "date": _DATE,
        "timestamp": rf"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,6}})?",
        "pseudonym": "psn-[a-z2-7]{26}",
        "band": rf"\[{_NUMBER},{_NUMBER}[\])]|{_NUMBER}",
        "month": r"[0-9]{4,6}-[0-9]{2}",
        "part of a date": r"[0-9]{4,6}(?:-[0-9]{2}){0,2}",
        "file": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A delivery as its recipient reads it, after unsealing.

    Attributes:
        types: of each heading; ``file`` for the one cell of a file, as base64.
    """

    processing: str
    headings: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]

    def body(self) -> Object:
        """What the receipt commits to."""
        told: list[Json] = [[*row] for row in self.rows]
        return {
            "processing": self.processing, "headings": [*self.headings], "types": [*self.types], "rows": told,
        }  # fmt: skip

    @classmethod
    def of(cls, body: Json) -> Rows:
        """Read what `body` wrote; raises Malformed, and Untrusted where a row is of another width."""
        found = Place(body, "delivery").members(("processing", "headings", "types", "rows"))
        headings, types = found["headings"].texts(least=1), tuple(each.text() for each in found["types"].items(1))
        value = found["rows"].value
        rows = tuple(map(_row, value)) if isinstance(value, list) else ()
        if not isinstance(value, list) or len(types) != len(headings) or any(len(row) != len(types) for row in rows):
            raise Untrusted("guard.shape")
        return cls(found["processing"].text(), headings, types, rows)


def delivered(values: Values, prepared: Prepared, delivering: Delivering) -> Rows:
    """The delivery that leaves."""
    return Rows(delivering.processing, prepared.headings, delivering.types, values.rows)


def check(values: Values, prepared: Prepared, delivering: Delivering) -> None:
    """Let a delivery through, or not.

    Raises:
        Untrusted: it is not what was announced; nothing leaves and the charge stays.
    """
    if len(values.rows) > prepared.cells or values.half_widths:
        raise Untrusted("guard.shape", detail="more rows than were announced")
    if any(len(row) != len(delivering.types) for row in values.rows):
        raise Untrusted("guard.shape", detail="a row is of another width")
    for at, type_ in enumerate(delivering.types):
        form, longest = _FORMS.get(type_), _LONGEST.get(type_, 1024)
        if not all(row[at] is None or _fits(str(row[at]), form, longest, type_) for row in values.rows):
            raise Untrusted("guard.shape", detail=f"a cell is no {type_}")
    if prepared.minimum_group is not None:
        _check_groups(values, delivering, prepared.minimum_group)
    if delivering.share is not None:
        taken, total = values.units or (1, 0)
        if taken > delivering.share * total:
            raise Untrusted("guard.shape", detail="the sample is larger than its share")


def payload(computation: str, told: Rows, openings: Object) -> bytes:
    """The bytes of a delivery before they are sealed: canonical JSON."""
    return canonical.encode({"computation": computation, "delivery": told.body(), "openings": openings})


def digest(told: Rows) -> str:
    """What the receipt commits to."""
    return canonical.digest(canonical.encode(told.body()))


def read(data: bytes, computation: str) -> tuple[Rows, Object]:
    """A delivery as the recipient reads it after unsealing, and the openings of the receipt's commitments.

    Raises:
        Malformed: not a delivery.
        Untrusted: it belongs to another computation.
    """
    found = Place(canonical.decode(data, LARGEST), "release").members(("computation", "delivery", "openings"))
    if found["computation"].text() != computation:
        raise Untrusted("guard.other", computation=computation)
    return Rows.of(found["delivery"].value), found["openings"].object()


def _fits(cell: str, form: re.Pattern[str] | None, longest: int, type_: str) -> bool:
    if form is None:  # "absent" has no value at all
        return type_ == "text" and len(cell) <= longest
    return len(cell) <= longest and form.match(cell) is not None


def _check_groups(values: Values, delivering: Delivering, least: int) -> None:
    """Each combination of quasi-identifiers stands in enough rows, of enough units, and of no more units than rows."""
    classes = [tuple(row[at] for at in delivering.quasi) for row in values.rows]
    sizes, counts = Counter(classes), values.group_counts
    if counts is None or len(counts) != len(classes):
        raise Untrusted("guard.shape", detail="groups were not counted")
    for each, count in zip(classes, counts, strict=True):
        if not least <= count <= sizes[each]:
            raise Untrusted("guard.shape", detail="too few share a combination")


def _row(value: Json) -> tuple[str | None, ...]:
    if not isinstance(value, list) or not all(each is None or isinstance(each, str) for each in value):
        raise Untrusted("guard.shape")
    return tuple(each if isinstance(each, str) else None for each in value)
