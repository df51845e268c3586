"""Values in words: lengths of time, instants, purposes, concepts, money, windows of time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from hefu.errors import Language
from hefu.times import write_time

from hefu_policies.deciding.policy import Constraint
from hefu_policies.reading import write_decimal
from hefu_policies.telling.wording.sentences import WORDS
from hefu_policies.words import purposes
from hefu_policies.words.terms import ACTIONS, Kind

_CURRENCY: Final = "urn:iso:std:iso:4217:"
_WINDOW: Final = "urn:hefu:per:"
_PERIOD = re.compile(r"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?\Z")
_HOURS = re.compile(r"([1-7])(?:-([1-7]))? ([0-9:]{5})/([0-9:]{5}) ([+-][0-9:]{5})\Z")
_DAYS = (
    ("Monday", "周一"), ("Tuesday", "周二"), ("Wednesday", "周三"), ("Thursday", "周四"), ("Friday", "周五"),
    ("Saturday", "周六"), ("Sunday", "周日"),
)  # fmt: skip
_LENGTHS = (("day", "天"), ("hour", "小时"), ("minute", "分钟"), ("second", "秒"))
_AFTER_ALL: dict[Language, str] = {"en": ", ", "zh": "、"}
_DIGEST = re.compile(r"(sha256:[0-9a-f]{16})[0-9a-f]{48}\Z")
_MOST = 12  # values in one sentence


def pick(pair: tuple[str, str], language: Language) -> str:
    """One of two texts."""
    return pair[1] if language == "zh" else pair[0]


def value_text(value: object, language: Language, kind: Kind = Kind.TEXT) -> str:
    """One value. Only words of the vocabulary are translated: a column may well be called ``raw``."""
    if isinstance(value, bool):
        return pick(("yes", "是") if value else ("no", "否"), language)
    if isinstance(value, timedelta):
        return length_text(value, language)
    if isinstance(value, datetime):
        return write_time(value).replace("T", " ").replace(":00Z", "Z").replace("Z", " UTC")
    if isinstance(value, Decimal):
        return write_decimal(value)
    return str(value) if isinstance(value, int) else _word(str(value), kind, language)


def values_text(constraint: Constraint, language: Language) -> str:
    """All values of a constraint; a long list is cut, and says so."""
    kind = constraint.operand.kind
    texts = [value_text(each, language, kind) for each in constraint.values]
    more = len(texts) - _MOST
    tail = pick((f" and {more} more", f"等（另有 {more} 项）"), language) if more > 0 else ""
    return _AFTER_ALL[language].join(texts[:_MOST]) + tail


def length_text(length: timedelta, language: Language) -> str:
    """A length of time, such as ``30 days`` or ``1 day 12 hours``."""
    seconds = length.days * 86_400 + length.seconds
    return _parts((seconds // 86_400, seconds % 86_400 // 3600, seconds % 3600 // 60, seconds % 60), language)


def unit_text(unit: str, language: Language) -> str:
    """A currency, or the window of time in which something is counted."""
    if unit.startswith(_WINDOW):
        found = _PERIOD.match(unit.removeprefix(_WINDOW))
        if found:
            return _window(tuple(int(each or 0) for each in found.groups()), language)
    return unit.removeprefix(_CURRENCY).removeprefix(_WINDOW)


def _window(parts: tuple[int, ...], language: Language) -> str:
    single = [index for index, each in enumerate(parts) if each]
    if len(single) == 1 and parts[single[0]] == 1:
        return pick(_LENGTHS[single[0]], language)
    return _parts(parts, language)


def _parts(parts: Sequence[int], language: Language) -> str:
    said = [
        f"{number} {zh}" if language == "zh" else f"{number} {en}{'s' if number != 1 else ''}"
        for number, (en, zh) in zip(parts, _LENGTHS, strict=False)
        if number
    ]
    return " ".join(said) or pick(("no time", "零时长"), language)


def _word(text: str, kind: Kind, language: Language) -> str:
    if kind is Kind.PURPOSE:
        return purposes.label(text, language)[:200]
    if kind is Kind.CONCEPT and text in ACTIONS:
        return pick((ACTIONS[text].en, ACTIONS[text].zh), language)
    if kind is Kind.CONCEPT and text in WORDS:
        return pick(WORDS[text], language)
    if kind is Kind.DIGEST and (found := _DIGEST.match(text)):
        return found[1] + "…"
    return (_hours(text, language) if kind is Kind.WINDOW else "") or text[:200]


def _hours(text: str, language: Language) -> str:
    """A recurring window such as ``1-5 08:00/18:00 +08:00``."""
    found = _HOURS.match(text)
    if not found:
        return ""
    first, last, begin, end, zone = found.groups()
    names = [pick(_DAYS[int(each) - 1], language) for each in (first, last or first)]
    days = (
        names[0] if names[0] == names[1] else pick((f"{names[0]} to {names[1]}", f"{names[0]}至{names[1]}"), language)
    )
    return f"{days} {begin}–{end} (UTC{zone})"
