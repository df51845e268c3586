"""What the operator itself says in a log must hold together: its status lists in order, its statements in time.

The broker signs with a key of its own, so no other signature catches it when it lies about standing or dates. Pure, as
the checks of `hefu.checking.checks`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hefu import canonical, identity
from hefu.checking.checks import SKEW, Facts, Findings
from hefu.envelope import Statement
from hefu.errors import HefuError
from hefu.evidence.record import FINALIZED, Logged
from hefu.identity import StatusList
from hefu.times import write_time

# Between the clocks of two organisations; as far as connectors let them be apart.
APART = timedelta(minutes=5)


def names(status: Statement) -> str:
    """The digest of what a status list says of everybody, whenever and under whatever number it was signed."""
    return canonical.digest(canonical.encode(status.body.get("entries", [])))


def check_standings(facts: Facts) -> Findings:
    """Status lists have growing numbers and times, nobody revoked returns, and nobody is named from before it was said.

    A list that dates a suspension back would accuse its subject of what it did in good standing.
    """
    findings = Findings()
    before: StatusList | None = None
    for logged in facts.record.of(identity.STATUS):
        findings.seen += 1
        try:
            status = StatusList.of(logged.statement)
        except HefuError as fault:
            findings.faults.append(f"entry {logged.index}: {fault.public()}")
            continue
        findings.faults += [f"entry {logged.index}: {each}" for each in _list_faults(before, status)]
        for each in _dated_back(before, status):
            facts.missing(findings, f"entry {logged.index}: {each}")  # a list that is hidden here may have said so
        if before is None or status.sequence > before.sequence:
            before = status
    return findings


def _list_faults(before: StatusList | None, status: StatusList) -> list[str]:
    faults = []
    if before is not None and status.sequence <= before.sequence:
        faults.append(f"a status list of number {status.sequence}, after one of {before.sequence}")
    if before is not None and status.time + SKEW < before.time:
        faults.append("a status list that is dated before the one that it follows")
    for subject in sorted((before.revoked if before else frozenset()) - status.revoked):
        faults.append(f"{subject} was revoked, and no longer is")
    return faults


def _dated_back(before: StatusList | None, status: StatusList) -> list[str]:
    known = {each.subject: each for each in before.standings} if before else {}
    return [
        f"{each.subject} is {each.state} since {write_time(each.since)}, which nobody was told then"
        for each in status.standings
        if known.get(each.subject) != each and each.since + SKEW < status.time
    ]


def check_dates(facts: Facts) -> Findings:
    """The operator's own statements are dated in their order, and none before what it countersigns was signed.

    It dates and queues each as it makes it; only a clock that was put back, or a lie, makes a later one earlier.
    """
    findings = Findings()
    newest: datetime | None = None
    agreements = {each.envelope: each for each in facts.contracts.values()}
    signed = {each.index: each.statement for each in facts.record.logged}
    for logged in facts.record.logged:
        if logged.statement.issuer != facts.record.space.broker or logged.type not in (FINALIZED, identity.STATUS):
            continue
        findings.seen += 1
        time = logged.statement.time
        if newest is not None and time + SKEW < newest:
            findings.faults.append(f"entry {logged.index}: is dated {write_time(time)}, before one that it follows")
        newest = max(newest or time, time)
        contract = agreements.get(str(logged.statement.body.get("envelope")))
        if contract is not None and contract.index in signed:
            findings.faults += _early(logged, signed[contract.index])
    return findings


def _early(logged: Logged, agreement: Statement) -> list[str]:
    last = max((each.time for each in agreement.signatures), default=agreement.time)
    if logged.statement.time + APART >= last:
        return []
    return [f"entry {logged.index}: countersigns an agreement before its parties signed it"]
