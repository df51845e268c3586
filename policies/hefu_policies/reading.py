"""Strict reading of JSON bodies: a value that knows where it stands, so that every refusal names the place.

Nothing is guessed, cast or ignored here: a missing or unknown member, another type or a number out of its range is
`Malformed`, with the place and what to write instead. Values themselves never stand in the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu.times import read_time

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
# No years and months: they have no fixed length.
_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,5})D)?(?:T(?=[0-9])(?:([0-9]{1,5})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,6})S)?)?\Z"
)
_MOST_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A JSON value and the path at which it stands, for example ``offers[0].budget``."""

    value: Json
    where: str

    def members(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Place]:
        """The members of an object that must have all required names and no others than the optional ones.

        Raises:
            Malformed: not an object, a member missing or unknown.
        """
        if not isinstance(self.value, dict):
            wrong(self.where, "an object")
        needed = set(required)
        for name in sorted(needed - set(self.value)):
            raise Malformed("contract.missing", where=self.where, member=name)
        for name in sorted(set(self.value) - needed - set(optional)):
            raise Malformed("contract.unknown", where=self.where, member=name[:40])
        return {name: Place(value, f"{self.where}.{name}") for name, value in self.value.items()}

    def items(self, least: int = 0) -> list[Place]:
        """The items of a list."""
        if not isinstance(self.value, list) or not least <= len(self.value) <= _MOST_ITEMS:
            wrong(self.where, f"a list of {least} to {_MOST_ITEMS} items" if least else "a list")
        return [Place(value, f"{self.where}[{index}]") for index, value in enumerate(self.value)]

    def text(self, longest: int = 200, *, empty: bool = False) -> str:
        """A text of 1 to ``longest`` characters; of none too where ``empty`` is allowed."""
        if not isinstance(self.value, str) or not (0 if empty else 1) <= len(self.value) <= longest:
            wrong(self.where, f"a text of at most {longest} characters" + ("" if empty else ", not empty"))
        return self.value

    def texts(self, longest: int = 200, least: int = 0) -> tuple[str, ...]:
        """A list of texts, none of them twice."""
        found = tuple(each.text(longest) for each in self.items(least))
        unique(found, self.where)
        return found

    def choice(self, *words: str) -> str:
        """One of the given words."""
        if not isinstance(self.value, str) or self.value not in words:
            wrong(self.where, "one of " + ", ".join(words))
        return self.value

    def integer(self, least: int = 0, most: int = canonical.LARGEST_INTEGER) -> int:
        """An integer in a range; ``true`` is none."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            wrong(self.where, f"an integer from {least} to {most}")
        return self.value

    def flag(self) -> bool:
        """``true`` or ``false``."""
        if not isinstance(self.value, bool):
            wrong(self.where, "true or false")
        return self.value

    def decimal(self) -> Decimal:
        """A decimal written as a text such as ``"12.5"``: no exponent, no sign but a minus."""
        if not isinstance(self.value, str) or not _DECIMAL.match(self.value):
            wrong(self.where, 'a decimal as text, such as "12.5"')
        return Decimal(self.value)

    def time(self) -> datetime:
        """An instant as ``2026-11-21T10:00:00Z``."""
        try:
            return read_time(self.text())
        except Malformed:
            wrong(self.where, "a time such as 2026-11-21T10:00:00Z")

    def duration(self) -> timedelta:
        """A length of time above 0 such as ``P30D`` or ``PT12H``."""
        found = _DURATION.match(self.value) if isinstance(self.value, str) else None
        days, hours, minutes, seconds = (int(each or 0) for each in found.groups()) if found else (0, 0, 0, 0)
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return length if length else wrong(self.where, "a length of time in days or less, such as P30D or PT12H")

    def digest(self) -> str:
        """``sha256:`` and 64 hex digits."""
        return check_digest(self.text(), self.where)

    def languages(self, *, empty: bool = False) -> dict[str, str]:
        """A text in one or more languages: ``{"en": …, "zh": …}``."""
        if not isinstance(self.value, dict) or not (self.value or empty):
            wrong(self.where, 'a text per language, such as {"en": …, "zh": …}')
        for code in self.value:
            if not _LANGUAGE.match(code):
                wrong(self.where, "language codes such as en and zh")
        return {code: Place(text, f"{self.where}.{code}").text(4000) for code, text in self.value.items()}

    def object(self) -> Object:
        """An object of free form, inside the restricted profile of canonical JSON."""
        if not isinstance(self.value, dict):
            wrong(self.where, "an object")
        canonical.encode(self.value)
        return self.value


def wrong(where: str, expected: str) -> NoReturn:
    """Refuse what stands at a place.

    Raises:
        Malformed: always.
    """
    raise Malformed("contract.value", where=where, expected=expected)


def unique(names: Iterable[str], where: str) -> None:
    """Check that no name stands twice.

    Raises:
        Malformed: one does.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Malformed("contract.duplicate", where=where, name=name[:40])
        seen.add(name)


def check_digest(text: str, where: str) -> str:
    """A digest of the form all digests have.

    Raises:
        Malformed: another form.
    """
    if not _DIGEST.match(text):
        wrong(where, "sha256: and 64 hex digits")
    return text


def whole(number: int, where: str, least: int = 0) -> int:
    """A whole number that is not too small; ``True`` is none.

    Raises:
        Malformed: it is not.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        wrong(where, f"a whole number of {least} or more")
    return number


def write_decimal(number: Decimal) -> str:
    """A decimal as text without exponent and without zeros at the end, so that one number has one spelling."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def plain(mapping: Mapping[str, str]) -> Object:
    """A mapping of texts as a JSON object of its own."""
    return dict(mapping.items())


def rows(place: Place, *members: str) -> tuple[Object, ...]:
    """A list of objects that have exactly the given members, all texts."""
    found = []
    for each in place.items():
        parts = each.members(members)
        row: Object = {name: parts[name].text(empty=True) for name in members}
        found.append(row)
    return tuple(found)
