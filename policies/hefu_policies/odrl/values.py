"""Right operands and units: their JSON, and the typed values that they stand for.

A kind has one of three forms: a typed literal, an IRI in an object, or plain text. A bare value where a literal or an
IRI is due is refused: JSON-LD would read it as something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, NoReturn

from hefu.canonical import Json, Object
from hefu.errors import Malformed

from hefu_policies.deciding.places import industry_lineage, read_network, region_lineage
from hefu_policies.deciding.rules import Value
from hefu_policies.deciding.windows import read_window
from hefu_policies.odrl.contexts import compact
from hefu_policies.reading import Place, wrong
from hefu_policies.words.purposes import LINEAGE
from hefu_policies.words.terms import CURRENCY, PER, Kind, Operand

TERM_PREFIX: Final = "hefu:"
PRODUCT_PREFIX: Final = "urn:hefu:product:"
PATTERNS: Final[dict[Kind, str]] = {
    Kind.DECIMAL: r"(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?",
    Kind.INTEGER: r"(?:0|[1-9][0-9]{0,14})",
    Kind.BOOLEAN: r"(?:true|false)",
    Kind.IRI: r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}\[\]]{1,180}",
    Kind.NAMES: r"[A-Za-z_][A-Za-z0-9_]{0,62}",
    Kind.DIGEST: r"sha256:[0-9a-f]{64}",
    Kind.CLAIM: r"[A-Za-z][A-Za-z0-9]{0,62}(?:\.[A-Za-z][A-Za-z0-9]{0,62})?=[^\s\x00-\x1f][^\x00-\x1f]{0,120}",
}
_CURRENCY: Final = r"[A-Z]{3}"


class Form(Enum):
    """How a value stands in JSON."""

    LITERAL = "literal"  # {"@value": "0.5", "@type": "xsd:decimal"}
    NAME = "name"  # {"@id": "dpv:ScientificResearch"}
    TEXT = "text"  # "age_band"


EXAMPLES: Final[dict[Kind, str]] = {
    Kind.DECIMAL: "0.5", Kind.INTEGER: "50", Kind.TIME: "2027-11-21T00:00:00Z", Kind.DURATION: "P30D",
    Kind.BOOLEAN: "true", Kind.PURPOSE: "dpv:ScientificResearch", Kind.CONCEPT: "hefu:…", Kind.LEVEL: "hefu:L3",
    Kind.PARTY: "urn:hefu:participant:…", Kind.PARTIES: "urn:hefu:participant:…", Kind.IRI: "urn:…",
    Kind.NAMES: "age_band", Kind.DIGEST: "sha256:…", Kind.REGION: "CN-31", Kind.INDUSTRY: "C27",
    Kind.ADDRESS: "192.0.2.0/24", Kind.WINDOW: "1-5 08:00/18:00 +08:00", Kind.CLAIM: "ResearchLicence.level=2",
    Kind.TEXT: "patient",
}  # fmt: skip
_TEXTS = frozenset({
    Kind.NAMES, Kind.DIGEST, Kind.REGION, Kind.INDUSTRY, Kind.ADDRESS, Kind.WINDOW, Kind.CLAIM, Kind.TEXT,
})  # fmt: skip
_EXPECTED: Final[dict[Kind, str]] = {
    Kind.INTEGER: "a whole number of 0 or more",
    Kind.NAMES: "names of letters, digits and underscores",
    Kind.REGION: "a region such as CN, CN-31 or CN-310104",
    Kind.INDUSTRY: "an industry of GB/T 4754 such as C, C27 or C2710",
    Kind.ADDRESS: "a host name in small letters, an IP address, or a network such as 192.0.2.0/24",
    Kind.WINDOW: "days of the week, times of day and the offset from UTC, such as 1-5 08:00/18:00 +08:00",
    Kind.CLAIM: "a claim and its value, such as ResearchLicence.level=2",
    Kind.IRI: "an IRI, such as urn:rule:statistics",
}
_FORMS: Final[dict[Kind, Form]] = {
    kind: Form.LITERAL if kind.value.startswith("xsd:") else Form.TEXT if kind in _TEXTS else Form.NAME for kind in Kind
}
# Kinds that another room reads: what it does not know is refused here.
_READ: Final[dict[Kind, Callable[[str], object]]] = {
    Kind.REGION: region_lineage,
    Kind.INDUSTRY: industry_lineage,
    Kind.ADDRESS: lambda text: text == text.lower() and read_network(text),
    Kind.WINDOW: read_window,
}


def form_of(kind: Kind) -> Form:
    """The form of a kind."""
    return _FORMS[kind]


def written(place: Place, operand: Operand) -> str:
    """The text of a right operand, out of the form that its kind must have."""
    form = form_of(operand.kind)
    if form is Form.TEXT:
        return place.text()
    if isinstance(place.value, (bool, int, str)):
        _bare(place, operand)
    if form is Form.NAME:
        return members(place, ("@id",))["@id"].text()
    found = members(place, ("@value", "@type"))
    if found["@type"].value != operand.kind.value:
        unknown(found["@type"], [operand.kind.value])
    return found["@value"].text()


def write(text: str, kind: Kind) -> Json:
    """The JSON of a right operand's text: what `written` reads."""
    match form_of(kind):
        case Form.TEXT:
            return text
        case Form.NAME:
            return {"@id": text}
        case Form.LITERAL:
            return {"@value": text, "@type": kind.value}


def value(place: Place, text: str, operand: Operand) -> Value:
    """The value that a right operand's text stands for.

    Raises:
        Malformed: it stands for none, with its place and what to write instead.
    """
    inner, kind = Place(text, place.where), operand.kind
    match kind:
        case Kind.DECIMAL:
            number = inner.decimal()
            return number if number >= 0 else wrong(place.where, "a decimal of 0 or more")
        case Kind.INTEGER:
            return int(_shaped(inner, kind))
        case Kind.TIME | Kind.DURATION:
            return inner.time() if kind is Kind.TIME else inner.duration()
        case Kind.BOOLEAN:
            return inner.choice("true", "false") == "true"
        case _:
            return _name(inner, operand) if form_of(kind) is Form.NAME else _text(inner, kind)


def _name(place: Place, operand: Operand) -> Value:
    text = place.text()
    if operand.kind is Kind.PURPOSE:
        return text if text in LINEAGE else unknown(place, LINEAGE)
    if operand.words:
        word = text if text in operand.words else text.removeprefix(TERM_PREFIX)
        known = word in operand.words and text == full(word, TERM_PREFIX)
        return word if known else unknown(place, [full(each, TERM_PREFIX) for each in operand.words])
    return named(place, operand.prefix) if operand.prefix else iri(place)


def _text(place: Place, kind: Kind) -> str:
    if kind is Kind.DIGEST:
        return place.digest()
    text = place.text()
    if kind in _READ:
        return text if _READ[kind](text) else wrong(place.where, _EXPECTED[kind])
    return _shaped(place, kind) if kind in PATTERNS else text


def _shaped(place: Place, kind: Kind) -> str:
    text = place.text()
    return text if re.fullmatch(PATTERNS[kind], text, re.ASCII) else wrong(place.where, _EXPECTED[kind])


def unit(place: Place, operand: Operand) -> str:
    """The unit of a constraint, for an operand that has one: a currency, or the length of a window of time."""
    text = place.text()
    rest = text.removeprefix(operand.unit)
    if operand.unit == CURRENCY and (rest == text or not re.fullmatch(_CURRENCY, rest)):
        wrong(place.where, f"{CURRENCY} and the code of a currency, such as {CURRENCY}CNY")
    if operand.unit == PER:
        if rest == text:
            wrong(place.where, f"{PER} and a length of time, such as {PER}P1D")
        Place(rest, place.where).duration()
    return text


def members(place: Place, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Place]:
    """The members of an object; one too many is not evaluated here, and so refused."""
    if not isinstance(place.value, dict):
        wrong(place.where, "an object")
    required = tuple(required)
    for name in sorted(set(place.value) - set(required) - set(optional)):
        raise Malformed("policy.member", where=place.where, member=name[:40])
    return place.members(required, optional)


def iri(place: Place) -> str:
    """An IRI, in the one spelling that is left to it: two would be two names here, and one in JSON-LD."""
    text = _shaped(place, Kind.IRI)
    short = compact(text)
    return text if short == text else wrong(place.where, f"{short}, with its prefix")


def named(place: Place, prefix: str) -> str:
    """An IRI; one of ours loses its prefix, so that it equals the id used everywhere else."""
    name = iri(place).removeprefix(prefix)
    if name != place.value and (not name or ":" in name):
        wrong(place.where, f"{prefix} and an id")
    return name


def full(name: str, prefix: str) -> str:
    """What `named` reads."""
    return name if ":" in name else prefix + name


def unknown(place: Place, known: Iterable[str]) -> NoReturn:
    """Refuse a word, with all that are known."""
    term = str(place.value)[:60]
    raise Malformed("policy.unknown", where=place.where, term=term, known=", ".join(sorted(known)))


def _bare(place: Place, operand: Operand) -> NoReturn:
    example: Object = {"@id": EXAMPLES[operand.kind]}
    if form_of(operand.kind) is Form.LITERAL:
        example = {"@value": EXAMPLES[operand.kind], "@type": operand.kind.value}
    text = ", ".join(f'"{key}": "{item}"' for key, item in example.items())
    raise Malformed("policy.bare_value", where=place.where, example="{" + text + "}")
