"""Identifiers of the national data infrastructure: the check character, and the 47 characters of a contract.

Source: NDI-TR-2025-04 section on check characters (GB/T 17710, MOD 37-2); TC609-6-2025-14 (contractId = type 1 + node
type 1 + subject 18 + region or industry 4 + time 14 + random 8 + check 1). For contracts the rule of the check
character is not stated; the same is used.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone

from hefu_policies.reading import wrong

SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"
BEIJING = timezone(timedelta(hours=8))
_CONTRACT = "8"  # the type of a contract is not published; 1 to 7 are other things
_CONNECTOR = "5"
_SUBJECT = re.compile(r"[0-9A-Z]{18}\Z")
_REGION = re.compile(r"[0-9]{4}\Z")
_TIME = re.compile(r"[0-9]{14}\Z")


def check_character(text: str) -> str:
    """The character that makes Σ aᵢ·2^(i-1) ≡ 1 (mod 37), i counted from the right and from 1.

    Raises:
        Malformed: a character that is no digit or capital letter.
    """
    return SYMBOLS[(1 - _sum(text + "0")) % 37]


def contract_id(agreement: str, subject: str, region: str, at: datetime) -> str:
    """The 47 characters of a contract; what stands for chance is drawn from the agreement's own id.

    Args:
        subject: the 18 characters of the party that drew the contract up.
        region: four digits of GB/T 2260, or "00" and two of GB/T 4754.

    Raises:
        Malformed: subject or region have another form.
    """
    if not _SUBJECT.match(subject):
        wrong("subject", "18 digits or capital letters")
    if not _REGION.match(region):
        wrong("region", "four digits, such as 3100")
    body = _CONTRACT + _CONNECTOR + subject + region + write_time(at) + _letters(agreement, 8)
    return body + check_character(body)


def stand_in(participant: str) -> str:
    """18 characters for a participant whose registered number is not known: they begin with Z, as no real one does."""
    return "Z" + _letters(participant, 17)


def write_time(at: datetime) -> str:
    """An instant as YYYYMMDDHHMMSS in Beijing."""
    return at.astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def read_time(text: str, where: str) -> str:
    """An instant as ``2026-11-21T10:00:00Z``, out of what `write_time` wrote.

    Raises:
        Malformed: no such time.
    """
    try:
        found = datetime.strptime(text + "+0800", "%Y%m%d%H%M%S%z") if _TIME.match(text) else None
    except ValueError:
        found = None
    if found is None:
        wrong(where, "a time as YYYYMMDDHHMMSS")
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _letters(text: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    found = ""
    for _ in range(length):
        number, place = divmod(number, 36)
        found += SYMBOLS[place]
    return found


def _sum(text: str) -> int:
    found = 0
    for symbol in text:
        place = SYMBOLS.find(symbol)
        if place < 0:
            wrong("identifier", "digits and capital letters")
        found = (found * 2 + place) % 37
    return found
