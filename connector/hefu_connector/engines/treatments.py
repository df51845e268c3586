"""What happens to one cell of a delivery: kept, replaced by a pseudonym, made coarse, or left out. Plain functions.

Values are texts, absent values None. Every function is total: what cannot be treated is absent, so that one person's
odd value decides nothing about anybody else's row.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from hefu_policies.goods.processing import Treatment
from hefu_policies.goods.resource import NUMERIC, Bounds, Column
from hefu_policies.reading import write_decimal

Cell = str | None
Treat = Callable[[str], Cell]

LONGEST_CELL = 32_768  # characters; a longer text is left out
PSEUDONYM, BAND, MONTH, ABSENT, PART_OF_DATE = "pseudonym", "band", "month", "absent", "part of a date"
_BANDS = 10  # of a masked number between its bounds
_LADDER = (20, 10, 5, 2)  # bands of a number that is generalised further and further
_DATE = re.compile(r"[0-9]{4,6}-[0-9]{2}-[0-9]{2}\Z")
_TIMESTAMP = re.compile(r"([0-9]{4,6}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)\Z")


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a delivery and how it is treated; all that the worker knows of it."""

    name: str
    type: str
    treatment: Treatment
    bounds: Bounds | None = None
    categories: frozenset[str] | None = None

    @classmethod
    def of(cls, column: Column, treatment: Treatment) -> Field:
        """The field of a described column."""
        categories = None if column.categories is None else frozenset(column.categories)
        return cls(column.name, column.type, treatment, column.bounds, categories)

    def form(self) -> str:
        """What the delivered cells look like: a type of the schema, or what the treatment makes of it."""
        if self.treatment is Treatment.KEEP:
            return self.type
        if self.treatment is Treatment.PSEUDONYM:
            return PSEUDONYM
        if self.treatment is Treatment.REDACT:
            return ABSENT
        if self.type in NUMERIC:
            return BAND if self.bounds is not None or self.treatment is Treatment.GENERALISE else ABSENT
        if self.type in ("date", "timestamp"):
            return MONTH if self.treatment is Treatment.COARSEN else PART_OF_DATE
        if self.type == "text" and self.treatment is Treatment.COARSEN and self.categories is None:
            return ABSENT
        return self.type


def spelled(type_: str, text: Cell) -> Cell:
    """A value in the one spelling of its type; None where it has none."""
    spell = _SPELLINGS.get(type_)
    return text if text is None or spell is None else spell(text)


def treatment(field: Field, key: bytes) -> Treat:
    """What is done to each value of a field, but for `Treatment.GENERALISE`, which `ladder` does."""
    if field.treatment is Treatment.PSEUDONYM:
        return lambda text: pseudonym(key, field.name, text)
    if field.treatment is Treatment.COARSEN and field.form() != ABSENT:
        return _coarse(field)
    if field.treatment is Treatment.KEEP:
        return lambda text: text
    return lambda _: None


def pseudonym(key: bytes, name: str, text: str) -> str:
    """The pseudonym of a value: the same under one agreement, unlinkable without its key.

    Source: HMAC-SHA-256, its first 128 bits; by the birthday bound two of 10^9 values meet with probability 10^-21.
    """
    mark = hmac.digest(key, f"pseudonym\x00{name}\x00{text}".encode(), hashlib.sha256)[:16]
    return "psn-" + base64.b32encode(mark).decode().rstrip("=").lower()


def ladder(field: Field) -> tuple[Treat, ...]:
    """Coarser and coarser readings of a quasi-identifier, from the exact value to none at all."""
    exact: Treat = lambda text: text  # noqa: E731 - one of several alike
    none: Treat = lambda _: None  # noqa: E731
    if field.type in NUMERIC and field.bounds is not None:
        bands = [_band(field.bounds, _width(field.bounds, parts)) for parts in _LADDER]
        return (exact, *bands, none)
    if field.type in ("date", "timestamp"):
        return (lambda text: text.partition("T")[0], _month, lambda text: _month(text)[:-3], none)
    return (exact, none)


def _coarse(field: Field) -> Treat:
    if field.bounds is not None:
        return _band(field.bounds, _width(field.bounds, _BANDS))
    if field.type in ("date", "timestamp"):
        return _month
    categories = field.categories
    return lambda text: text if categories is None or text in categories else None


def _width(bounds: Bounds, parts: int) -> Decimal:
    steps = ((bounds.upper - bounds.lower) / parts / bounds.granularity).to_integral_value(ROUND_CEILING)
    return max(steps, Decimal(1)) * bounds.granularity


def _band(bounds: Bounds, width: Decimal) -> Treat:
    def treat(text: str) -> str:
        value = min(max(Decimal(text), bounds.lower), bounds.upper)
        number = ((value - bounds.lower) / width).to_integral_value(ROUND_FLOOR)
        low = bounds.lower + number * width
        if number and low >= bounds.upper:  # the upper bound itself stands in the last band
            low -= width
        high = low + width
        if high >= bounds.upper:
            return f"[{write_decimal(low)},{write_decimal(bounds.upper)}]"
        return f"[{write_decimal(low)},{write_decimal(high)})"

    return treat


def _month(text: str) -> str:
    return text.partition("T")[0][:-3]


def _number(text: str) -> Cell:
    number = Decimal(text)
    return write_decimal(number) if number.is_finite() else None


def _text(text: str) -> Cell:
    plain = unicodedata.normalize("NFC", text)
    return plain if len(plain) <= LONGEST_CELL else None


def _timestamp(text: str) -> Cell:
    found = _TIMESTAMP.match(text)
    return f"{found[1]}T{found[2]}" if found else None


_SPELLINGS: Mapping[str, Treat] = {
    "decimal": _number,
    "text": _text,
    "date": lambda text: text if _DATE.match(text) else None,
    "timestamp": _timestamp,
}
