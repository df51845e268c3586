"""What a log's notices about agreements must be: of a party, about the agreement's bytes, suspensions in their order.

And nothing was released while its provider had suspended an agreement. Each is a check as in `hefu.checking.checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hefu.checking.checks import Facts, Findings, under
from hefu.errors import HefuError
from hefu.evidence.record import SIGHT, Logged
from hefu.statements import notices
from hefu.statements.notices import CHANGES, SUSPENDED, Change, Notice
from hefu.statements.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Gap:
    """From when until when a provider had suspended an agreement; `until` is None where it still has. `index` is the
    entry's."""

    index: int
    by: str
    since: datetime
    until: datetime | None = None


def check_suspensions(facts: Facts) -> Findings:
    """Notices are in order, and no receipt was sealed in a gap by over a minute, the time in which it must be seen.

    Who suspends seals no more, and the contract's offline window excuses nothing; another provider under the same
    contract may be cut off for as long.
    """
    findings = Findings()
    gaps = _gaps(facts, findings)
    for logged, end in facts.ended:
        for id_ in under(end):
            for gap in gaps.get(id_, []) if isinstance(end, Receipt) else []:
                sealed = logged.statement.time
                if gap.since + _allowed(facts, id_, gap, logged) < sealed and (gap.until is None or sealed < gap.until):
                    findings.faults.append(
                        f"entry {logged.index}: released under agreement {id_}, which entry {gap.index} had suspended"
                    )
    return findings


def _allowed(facts: Facts, agreement: str, gap: Gap, sealed: Logged) -> timedelta:
    contract = facts.contracts.get(agreement)
    mine = contract.facing(sealed.statement.issuer) if contract is not None else None
    if mine is None or sealed.statement.issuer == gap.by:
        return SIGHT
    return max(mine.window, SIGHT)


def _gaps(facts: Facts, findings: Findings) -> dict[str, list[Gap]]:
    gaps: dict[str, list[Gap]] = {}
    last: dict[tuple[str, str], str] = {}
    for logged in facts.record.of(*notices.READERS):
        findings.seen += 1
        try:
            notice = notices.read(logged.statement)
        except HefuError as fault:
            findings.faults.append(f"entry {logged.index}: {fault.public()}")
            continue
        faults = list(_faults(facts, findings, logged, notice))
        if isinstance(notice, Change) and not faults:
            faults += _turn(facts, logged, notice, gaps.setdefault(notice.agreement, []), last)
        findings.faults += faults
    return gaps


def _faults(facts: Facts, findings: Findings, logged: Logged, notice: Notice) -> Iterator[str]:
    where, contract = f"entry {logged.index}", facts.contracts.get(notice.agreement)
    if contract is None:
        facts.missing(findings, f"{where}: is about agreement {notice.agreement}, which is not in this log")
        return
    provides = logged.type in CHANGES
    providers = [each.provider for each in (contract, *contract.further)]
    if logged.statement.issuer not in (providers if provides else contract.parties):
        yield f"{where}: states something about agreement {notice.agreement} that is not its issuer's to state"
    if notice.digest != contract.digest:
        yield f"{where}: names another digest than that of agreement {notice.agreement}"


def _turn(facts: Facts, logged: Logged, change: Change, gaps: list[Gap], last: dict[tuple[str, str], str]) -> list[str]:
    where, issuer = f"entry {logged.index}", logged.statement.issuer
    if change.agreement not in facts.contracts:
        return []
    before = last.get((change.agreement, issuer), "")
    mine = [index for index, each in enumerate(gaps) if each.by == issuer]
    open_ = bool(mine) and gaps[mine[-1]].until is None
    if change.previous != before or (logged.type == SUSPENDED) is open_:
        return [f"{where}: does not follow the last suspension or resumption of agreement {change.agreement}"]
    last[change.agreement, issuer] = logged.statement.digest()
    if logged.type == SUSPENDED:
        gaps.append(Gap(logged.index, issuer, logged.statement.time))
    else:
        gaps[mine[-1]] = replace(gaps[mine[-1]], until=logged.statement.time)
    return []
