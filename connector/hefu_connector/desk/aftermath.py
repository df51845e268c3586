"""What people look at after an agreement was made: alarms, and what is owed.

Reading only, but for `notices`, through which people suspend, resume and state what they performed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hefu.canonical import Json
from hefu.envelope import Statement
from hefu.notices import DEVIATED, Deviated

from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.notices import Notices
from hefu_connector.ports import Contract


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is not as was agreed, or that ends or interrupts an agreement.

    Attributes:
        code: a stable word, such as ``duty.violated`` or ``agreement.suspended``.
        about: the participant who deviates, as `issuer` sees it; empty of a suspension or an end.
    """

    agreement: str
    code: str
    issuer: str
    about: str
    duty: str
    subject: str
    reason: str
    time: datetime
    statement: Statement


class Aftermath:
    """Answers what people ask. Safe to use from many threads."""

    def __init__(self, agreements: Agreements, notices: Notices) -> None:
        self._agreements = agreements
        self.notices = notices

    def alarms(self, agreement: str = "") -> list[Alarm]:
        """Deviations, suspensions, and ends before their time, newest first; of one agreement or of all.

        Raises:
            NotFound: no such agreement.
        """
        held = [self._agreements.load(agreement)] if agreement else self._agreements.all()
        found = [_deviation(each) for each in self.notices.of(agreement, DEVIATED)]
        for each in held:
            found += _interruptions(each)
        return sorted(found, key=lambda each: each.time, reverse=True)


def _deviation(statement: Statement) -> Alarm:
    said = Deviated.of(statement)
    return Alarm(
        said.agreement, said.code, statement.issuer, said.about, said.duty, said.subject, said.reason, statement.time,
        statement,
    )  # fmt: skip


def _interruptions(held: Contract) -> list[Alarm]:
    said = [each.statement for each in held.turns]
    if held.termination is not None and held.termination.time < held.agreement.not_after:
        said.append(held.termination)
    name = held.agreement.id
    return [Alarm(name, each.type, each.issuer, "", "", "", _text(each.body.get("reason")), each.time, each)
            for each in said]  # fmt: skip


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
