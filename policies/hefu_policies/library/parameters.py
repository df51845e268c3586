"""The parts of a template: parameters with their checks, and the constraints that templates are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hefu.canonical import Json, Object
from hefu.errors import Language

from hefu_policies.purposes import LINEAGE
from hefu_policies.reading import Place, write_decimal, wrong
from hefu_policies.terms import Kind

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_PARTICIPANT = re.compile(r"[a-z](?:-?[a-z0-9]){2,39}\Z")

Values = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a template.

    Attributes:
        check: gives the value as it will be written, or raises Malformed.
        expected: what to write, with an example.
        default: None where a value must be given.
    """

    name: str
    check: Callable[[Json], Json]
    expected: str
    en: str
    zh: str
    default: Json = None


@dataclass(frozen=True, slots=True)
class Template:
    """A ready-made policy.

    Attributes:
        rules: the members ``permission``, ``prohibition`` and ``obligation`` for given values.
        text: the same in plain words.
    """

    name: str
    parameters: tuple[Parameter, ...]
    rules: Callable[[Values], Object]
    text: Callable[[Values, Language], str]
    en: str
    zh: str


def purpose(value: Json) -> str:
    """A known purpose; ``dpv:`` may be left out."""
    text = Place(value, "purpose").text()
    text = text if text.startswith("dpv:") else "dpv:" + text
    return text if text in LINEAGE else wrong("purpose", "a known purpose")


def positive(value: Json) -> str:
    """A decimal above 0, as text or as an integer."""
    number = Place(str(value) if type(value) is int else value, "decimal").decimal()
    return write_decimal(number) if number > 0 else wrong("decimal", "above 0")


def whole(value: Json) -> int:
    """An integer of at least 1."""
    return Place(value, "integer").integer(1, 10**12)


def several(value: Json) -> int:
    """An integer of at least 2."""
    return Place(value, "integer").integer(2, 10**12)


def share(value: Json) -> str:
    """A decimal above 0 and at most 1, as text or as an integer."""
    text = positive(value)
    return text if Place(text, "share").decimal() <= 1 else wrong("share", "at most 1")


def flag(value: Json) -> bool:
    """True or false; product files write it as a word."""
    word = value.lower() if isinstance(value, str) else value
    return Place(word == "true" if word in ("true", "false") else value, "flag").flag()


def length(value: Json) -> str:
    """A length of time such as P30D."""
    place = Place(value, "length")
    place.duration()
    return place.text()


def names(value: Json) -> Json:
    """Names of columns or functions, at least one."""
    found = Place(value, "names").texts(63, 1)
    return [*found] if all(map(_NAME.match, found)) else wrong("names", "letters, digits and underscores")


def participants(value: Json) -> Json:
    """Ids of participants, at least one."""
    found = Place(value, "participants").texts(40, 1)
    return [*found] if all(map(_PARTICIPANT.match, found)) else wrong("participants", "ids of participants")


def instant(value: Json) -> str:
    """A time as 2027-11-21T00:00:00Z."""
    place = Place(value, "time")
    place.time()
    return place.text()


def constraint(id_: str, operand: str, operator: str, right: Json) -> Object:
    """One constraint of a template."""
    return {"@id": f"urn:c:{id_}", "leftOperand": operand, "operator": operator, "rightOperand": right}


def typed(value: Json, kind: Kind) -> Object:
    """A number or time as a right operand."""
    return {"@value": str(value), "@type": kind.value}


def concepts(values: Iterable[str]) -> list[Json]:
    """Concepts or participants as a right operand."""
    return [{"@id": each} for each in values]


def listed(value: Json) -> str:
    """A list value as words."""
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
