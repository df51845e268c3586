"""What must be true of deliveries in a log: processed as named, used in time, deleted in time, each said by its keeper.

A pure function of a log's facts, like those of `hefu.checking.checks`. What a recipient does outside of its connector
no log can show; what its connector says it signs, and a proof that is missing when it is due is a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from hefu.checking import clauses
from hefu.checking.agreed import Contract
from hefu.checking.checks import SKEW, Facts, Findings, endings
from hefu.errors import HefuError
from hefu.evidence.record import SIGHT, Logged
from hefu.statements.delivery import Deleted, Delivered, Told, Used
from hefu.statements.receipt import Receipt
from hefu.times import write_time

SMALLEST_GROUP = 2


@dataclass(frozen=True, slots=True)
class _Held:
    """A delivery in the log: its receipt, what that says, and the agreement, where it is here."""

    logged: Logged
    receipt: Receipt
    said: Delivered
    contract: Contract | None


def check_deliveries(facts: Facts) -> Findings:
    """Deliveries were processed as named, used by their recipient in time, and deleted when the contract says.

    A proof that comes late is no fault as long as nothing was used meanwhile: a connector that stood still held what it
    could not open. One that is missing is a fault from a minute's sight, or the contract's offline window, after it was
    due, by the newest time in the log. What is said of a receipt that is not here yet is counted as unchecked.
    """
    findings = Findings()
    held = _held(facts, findings)
    findings.seen = len(held)
    deletions: dict[str, tuple[Logged, Deleted]] = {}
    for logged, told in facts.told:
        of = held.get(told.kept.receipt)
        # What somebody else says of it neither proves a deletion nor accuses its recipient.
        if isinstance(told, Deleted) and of is not None and logged.statement.issuer == of.receipt.consumer:
            deletions.setdefault(told.kept.receipt, (logged, told))
    ended = endings(facts, Findings())
    for logged, told in facts.told:
        of = held.get(told.kept.receipt)
        if of is None:
            findings.unchecked += 1
            continue
        faults = [*_told_faults(of, logged, told, deletions.get(told.kept.receipt)), *_after_end(logged, told, ended)]
        findings.faults += [f"entry {logged.index}: {each}" for each in faults]
    newest = max((each.statement.time for each in facts.record.logged), default=None)
    findings.faults += _overdue(held, deletions, newest)
    return findings


def _after_end(logged: Logged, told: Told, ended: dict[str, tuple[Logged, datetime]]) -> Iterator[str]:
    for id_ in told.kept.agreements if isinstance(told, Used) else ():
        if id_ in ended and logged.statement.time > ended[id_][1]:
            yield f"used under agreement {id_}, which entry {ended[id_][0].index} had ended"


def _held(facts: Facts, findings: Findings) -> dict[str, _Held]:
    """Every delivery by the digest of its receipt's payload."""
    found: dict[str, _Held] = {}
    for logged, end in facts.ended:
        if not isinstance(end, Receipt):
            continue
        try:
            said = Delivered.of(end)
        except HefuError as fault:
            findings.faults.append(f"entry {logged.index}: {fault.public()}")
            continue
        if said is not None:
            of = _Held(logged, end, said, facts.under(end.agreements[0].agreement, logged.statement.issuer))
            found[logged.statement.digest()] = of
            findings.faults += [f"entry {logged.index}: {each}" for each in _receipt_faults(of)]
    return found


def _receipt_faults(of: _Held) -> Iterator[str]:
    if of.receipt.charge.releases < 1:
        yield "a delivery that was not counted as a release"
    if of.said.rows != of.receipt.output.cells:
        yield "delivers another number of rows than was decided on"
    if of.said.minimum_group is not None and of.said.minimum_group < SMALLEST_GROUP:
        yield "anonymised rows in groups of less than two"
    if of.contract is not None and of.said.delete_by > of.contract.not_after:
        yield f"may be kept longer than agreement {of.contract.id} lasts"
    if of.contract is not None and clauses.are_signed(of.contract.body):
        under = of.receipt.agreements[0]
        kind = of.receipt.output.kind
        yield from clauses.delivery_faults(of.contract.body, under.strategy, under.clause, of.said, kind)


def _told_faults(of: _Held, logged: Logged, told: Told, deletion: tuple[Logged, Deleted] | None) -> Iterator[str]:
    statement, made = logged.statement, of.receipt
    if statement.issuer != made.consumer:
        yield f"says of a delivery what only its recipient {made.consumer} can say"
        return
    if told.kept.delivery != made.computation or {*told.kept.agreements} != {
        each.agreement for each in made.agreements
    }:
        yield "names another computation or agreement than the receipt it is about"
    if of.contract is not None and told.journal.connector != of.contract.recipient:
        yield f"stands in the journal of another connector than agreement {of.contract.id} names"
    if isinstance(told, Used):
        yield from _use_faults(of, logged, told)
    if deletion is None or deletion[0].index == logged.index:
        return
    if isinstance(told, Used) and told.journal.sequence > deletion[1].journal.sequence:
        yield f"{statement.issuer} used what entry {deletion[0].index} says was deleted"
    if isinstance(told, Deleted):
        yield f"deletes again what entry {deletion[0].index} had deleted"


def _use_faults(of: _Held, logged: Logged, told: Used) -> Iterator[str]:
    who, agreement = logged.statement.issuer, of.contract.body if of.contract is not None else {}
    if logged.statement.time > of.said.delete_by + SKEW:
        yield f"{who} used what had to be deleted by {write_time(of.said.delete_by)}"
    if clauses.are_signed(agreement) and not clauses.permits(agreement, told.clause, told.action):
        yield f"{who} used it ({told.action}) under a clause that does not permit that"


def _overdue(
    held: dict[str, _Held], deletions: dict[str, tuple[Logged, Deleted]], newest: datetime | None
) -> Iterator[str]:
    for digest, of in held.items():
        window = max(of.contract.window, SIGHT) if of.contract is not None else SIGHT
        if digest not in deletions and newest is not None and newest > of.said.delete_by + window + SKEW:
            due = write_time(of.said.delete_by)
            yield (
                f"entry {of.logged.index}: {of.receipt.consumer} had to delete it by {due}, and no proof of that "
                "stands in the log"
            )
