"""What a mandate must look like in a log: orders of whom the charter names, obeyed; openings that were said; filing.

Pure, as the checks of `hefu.checking.checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from hefu.checking.checks import SKEW, Facts, Findings, under
from hefu.errors import HefuError, Malformed
from hefu.evidence.record import AGREEMENT, SIGHT, Logged
from hefu.membership.charter import CHARTERED, Charter
from hefu.membership.mandate import DENIED, READERS, Access, Lift, Order, subjects
from hefu.statements.filing import Filing
from hefu.statements.receipt import Receipt


@dataclass(slots=True)
class _Standing:
    """An order, from when it must be known, and until when it stands; `until` is None where it still does."""

    logged: Logged
    order: Order
    until: datetime | None


def check_orders(facts: Facts) -> Findings:
    """Orders and openings are of regulators that the charter named then, and nothing was released against an order.

    As with a suspension a minute is allowed for its sight, or the contract's offline window, since a provider may be
    cut off; a broker that keeps an order from a connector is found when that window is over.
    """
    findings = Findings()
    standing = _standing(facts, findings)
    for logged, end in facts.ended:
        if isinstance(end, Receipt):
            findings.faults += [f"entry {logged.index}: {each}" for each in _against(facts, standing, logged, end)]
    return findings


def check_filing(facts: Facts) -> Findings:
    """Agreements are filed for the regulators of the charter in force, and every end under one names what it files."""
    findings = Findings()
    filed = {}
    for logged in facts.record.of(AGREEMENT):
        findings.seen += 1
        try:
            fault = _filing_fault(facts, logged)
        except HefuError as broken:
            fault = broken.public()
        if fault:  # the charter may be among what this bundle hides
            facts.missing(findings, f"entry {logged.index}: {fault}")
        filed[str(logged.statement.body.get("agreement"))] = "filing" in logged.statement.body
    for logged, end in (*facts.ended, *facts.refused):
        first = end.agreements[0] if end.agreements else ""
        id_ = first if isinstance(first, str) else first.agreement
        contract = facts.contracts.get(id_)
        mine = contract is not None and contract.consumer == end.consumer
        if filed.get(id_, False) and mine and not end.filed:
            findings.faults.append(f"entry {logged.index}: files nothing under agreement {id_}, which does")
    return findings


def _filing_fault(facts: Facts, logged: Logged) -> str:
    said = [each for each in facts.record.of(CHARTERED) if each.index < logged.index]
    keys = Charter.of(said[-1].statement).filing if said else {}
    if said and abs(logged.statement.time - said[-1].statement.time) <= SKEW:
        return ""  # drawn up as the charter changed: the broker judged it
    body = logged.statement.body
    wrapped = Filing.of(body["filing"]).wrapped if "filing" in body else {}
    contract = facts.contracts.get(str(body.get("agreement")))
    expected = {*keys, *(contract.parties if contract else ())} if keys else set()
    return "" if {*wrapped} == expected else "is not filed for its parties and the regulators of the charter"


def _standing(facts: Facts, findings: Findings) -> list[_Standing]:
    found: dict[str, _Standing] = {}
    charter: Charter | None = None
    for logged in facts.record.of(CHARTERED, DENIED, *READERS):
        if logged.type == CHARTERED:
            charter = Charter.of(logged.statement)
            _lapse(found, charter, logged)
            continue
        findings.seen += 1
        for fault in _faults(facts, findings, logged, charter, found):
            findings.faults.append(f"entry {logged.index}: {fault}")
    return [*found.values()]


def _faults(
    facts: Facts, findings: Findings, logged: Logged, charter: Charter | None, found: dict[str, _Standing]
) -> Iterator[str]:
    statement = logged.statement
    if logged.type == DENIED:
        if statement.issuer != facts.record.space.broker:
            yield "somebody else than the operator denies an order"
        return
    if charter is None:
        facts.missing(findings, f"entry {logged.index}: {statement.issuer} had no mandate for it")
    elif statement.issuer not in charter.regulators:
        yield f"{statement.issuer} had no mandate for it"
    else:
        yield from _acts(facts, findings, logged, found)


def _acts(facts: Facts, findings: Findings, logged: Logged, found: dict[str, _Standing]) -> Iterator[str]:
    statement = logged.statement
    try:
        read = READERS[logged.type](statement)
    except Malformed as fault:
        yield fault.public()
        return
    if isinstance(read, Order):
        found.setdefault(statement.digest(), _Standing(logged, read, read.until))
    elif isinstance(read, Lift):
        yield from _lift(logged, read, found)
    elif isinstance(read, Access) and read.agreement not in facts.contracts:
        facts.missing(findings, f"entry {logged.index}: opens agreement {read.agreement}, which is not in this log")


def _lift(logged: Logged, lift: Lift, found: dict[str, _Standing]) -> Iterator[str]:
    held = found.get(lift.order)
    if held is None or held.logged.statement.issuer != logged.statement.issuer:
        yield "lifts what is no order of the same regulator before it"
        return
    held.until = min(held.until or logged.statement.time, logged.statement.time)


def _lapse(found: dict[str, _Standing], charter: Charter, logged: Logged) -> None:
    for each in found.values():
        if each.logged.statement.issuer not in charter.regulators:
            each.until = min(each.until or logged.statement.time, logged.statement.time)


def _against(facts: Facts, standing: list[_Standing], logged: Logged, receipt: Receipt) -> Iterator[str]:
    sealed, provider = logged.statement.time, logged.statement.issuer
    for id_ in under(receipt):
        concerned = subjects(id_, (receipt.under(id_).product,), provider, receipt.consumer)
        contract = facts.contracts.get(id_)
        mine = contract.facing(provider) if contract is not None else None
        allowed = max(mine.window, SIGHT) if mine is not None else SIGHT
        for each in standing:
            late = each.logged.statement.time + allowed < sealed
            if each.order.names in concerned and late and (each.until is None or sealed < each.until):
                yield f"released under agreement {id_} against the order of entry {each.logged.index}"
