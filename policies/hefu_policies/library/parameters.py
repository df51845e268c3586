"""The parts of a template: parameters with their checks, and the constraints that templates are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hefu.canonical import Json, Object
from hefu.errors import Language

from hefu_policies.reading import Place, check_digest, write_decimal, wrong
from hefu_policies.words.purposes import LINEAGE
from hefu_policies.words.terms import Kind

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_PARTICIPANT = re.compile(r"[a-z](?:-?[a-z0-9]){2,39}\Z")
_SIGNER = re.compile(r"(?:[a-z](?:-?[a-z0-9]){2,39}|did:[a-z0-9]+:[A-Za-z0-9._:%-]{1,150})\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_REGION = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,6})?\Z")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS = re.compile(rf"[1-7](?:-[1-7])? {_CLOCK}/(?:{_CLOCK}|24:00) [+-][01][0-9]:[0-5][0-9]\Z")
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/-]{0,99}\Z")
_CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9]{0,59}\.[A-Za-z][A-Za-z0-9]{0,59}=[^\s=]{1,100}\Z")

Values = Mapping[str, Json]
_SUCH_AS = re.compile(r",? such as ")
# What a parameter takes, in Chinese. A parameter that expects something else cannot be made: it would be told in
# English only.
_EXPECTED_ZH: Mapping[str, str] = {
    "a currency": "币种",
    "a decimal above 0 and at most 1 as text": "以文本写出、大于 0 且不大于 1 的小数",
    "a decimal above 0 as text": "以文本写出、大于 0 的小数",
    "a length of time": "时长",
    "a list of claims": "声明列表",
    "a list of column names": "列名列表",
    "a list of digests": "摘要列表",
    "a list of hosts or networks": "主机或网段列表",
    "a list of participants or DIDs": "参与方标识或 DID 列表",
    "a list of participants": "参与方列表",
    "a list of regions": "地区列表",
    "a list of windows": "时段列表",
    "a participant": "参与方",
    "a purpose": "目的",
    "a time": "时间",
    "a whole number of at least 1": "不小于 1 的整数",
    "a whole number of at least 2": "不小于 2 的整数",
    "an amount as text": "以文本写出的金额",
    "true or false": "true 或 false",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a template.

    Attributes:
        check: gives the value as it will be written, or raises Malformed.
        expected: what to write, with an example, in English: "a purpose such as dpv:ScientificResearch".
        default: None where a value must be given.
        example: what an explanation of the template shows where no value is given.
    """

    name: str
    check: Callable[[Json], Json]
    expected: str
    en: str
    zh: str
    default: Json = None
    example: Json = None
    expected_zh: str = field(init=False)

    def __post_init__(self) -> None:
        kind, example = _SUCH_AS.split(self.expected, maxsplit=1)
        example = example.replace(" or ", " 或 ").replace("(64 hex digits)", "（64 位十六进制数）")
        object.__setattr__(self, "expected_zh", f"{_EXPECTED_ZH[kind]}，例如 {example}")

    @property
    def wanted(self) -> dict[str, str]:
        """What to write, as the parameters that messages in both languages take."""
        return {"expected": self.expected, "expected_zh": self.expected_zh}


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


def digests(value: Json) -> Json:
    """Digests of programs or models, at least one."""
    return [check_digest(each, "digests") for each in Place(value, "digests").texts(71, 1)]


def signers(value: Json) -> Json:
    """Ids of participants or DIDs, at least one."""
    return _matching(value, _SIGNER, "ids of participants, or DIDs")


def regions(value: Json) -> Json:
    """Regions such as CN or CN-31, at least one."""
    return _matching(value, _REGION, "regions such as CN or CN-31")


def hours(value: Json) -> Json:
    """Windows of the week, at least one."""
    return _matching(value, _HOURS, "windows such as 1-5 08:00/18:00 +08:00")


def addresses(value: Json) -> Json:
    """Hosts or networks, at least one."""
    return _matching(value, _ADDRESS, "hosts or networks such as 10.0.0.0/8")


def claims(value: Json) -> Json:
    """Claims that an attestation or a credential makes, at least one."""
    return _matching(value, _CLAIM, "claims such as Enclave.measurement=ab12")


def currency(value: Json) -> str:
    """A currency such as CNY."""
    text = Place(value, "currency").text(3)
    return text if _CURRENCY.match(text) else wrong("currency", "three capital letters")


def _matching(value: Json, form: re.Pattern[str], expected: str) -> Json:
    found = Place(value, "list").texts(200, 1)
    return [*found] if all(map(form.match, found)) else wrong("list", expected)


def participant(value: Json) -> str:
    """The id of one participant."""
    text = Place(value, "participant").text(40)
    return text if _PARTICIPANT.match(text) else wrong("participant", "the id of a participant")


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
