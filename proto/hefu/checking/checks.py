"""What must be true of a log's statements together: contracts, receipts, budgets, journals, terminations.

Each check is a pure function of a `Record` and returns its faults: one plain sentence each, with the entry's number.
A statement that refers to one which the bundle hides from its holder is not a fault but counted as unchecked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hefu import canonical
from hefu.canonical import Object
from hefu.checking.agreed import Contract, budget_of
from hefu.envelope import Statement
from hefu.errors import HefuError
from hefu.evidence.record import AGREEMENT, FINALIZED, SIGHT, TERMINATED, Logged, Record
from hefu.members import digest, many, mapping, reading, text
from hefu.statements import delivery
from hefu.statements.receipt import (
    FAILED,
    NOTHING,
    REFUSED,
    SEALED,
    Failure,
    Link,
    Receipt,
    Refusal,
    Spent,
    journal_of,
)

PUBLISHED, ASKED = "product.published", "computation.requested"
# Two computations that end at once take their times before their places in the journal, and clocks are set.
SKEW = timedelta(seconds=60)

Ended = Receipt | Failure


@dataclass(slots=True)
class Findings:
    """What a check found: faults, how many things it looked at, and what it could not look at."""

    faults: list[str] = field(default_factory=list)
    seen: int = 0
    unchecked: int = 0


@dataclass(slots=True)
class Facts:
    """The typed facts of a record that several checks share; what cannot be read is a fault of the check `forms`."""

    record: Record
    contracts: dict[str, Contract] = field(default_factory=dict)
    countersigned: dict[str, int] = field(default_factory=dict)  # envelope digest -> entry
    descriptions: dict[str, tuple[Logged, dict[str, Spent]]] = field(default_factory=dict)
    ended: list[tuple[Logged, Ended]] = field(default_factory=list)
    refused: list[tuple[Logged, Refusal]] = field(default_factory=list)
    told: list[tuple[Logged, delivery.Told]] = field(default_factory=list)  # what recipients say of deliveries
    journals: dict[tuple[str, str], list[tuple[Link, Logged]]] = field(default_factory=lambda: defaultdict(list))
    forms: Findings = field(default_factory=Findings)
    kept: dict[object, object] = field(default_factory=dict)  # what a check made of a contract, by what that is made of

    @classmethod
    def of(
        cls, record: Record, known: Mapping[int, Ended] | None = None, kept: dict[object, object] | None = None
    ) -> Facts:
        """Read every statement that a check needs.

        Args:
            known: ends of computations that were read before (`end_of`), by their entries.
            kept: of the facts that were judged before these.
        """
        facts = cls(record, kept={} if kept is None else kept)
        for logged in record.logged:
            try:
                facts._read(logged, known or {})
            except HefuError as fault:
                facts.forms.faults.append(f"entry {logged.index}: {fault.public()}")
        facts.forms.seen = len(record.logged)
        return facts

    def _read(self, logged: Logged, known: Mapping[int, Ended]) -> None:
        end = known.get(logged.index)
        link = end.journal if end is not None else journal_of(logged.statement)
        if link is not None:
            self.journals[logged.statement.issuer, link.connector].append((link, logged))
        end = end or end_of(logged.statement)
        if logged.type == AGREEMENT:
            self._read_agreement(logged)
        elif logged.type == FINALIZED:
            with reading(FINALIZED):
                self.countersigned.setdefault(digest(logged.statement.body["envelope"]), logged.index)
        elif logged.type == PUBLISHED:
            self.descriptions[logged.statement.digest()] = logged, lifetimes(logged.statement.body)
        elif end is not None:
            self.ended.append((logged, end))
        elif logged.type == REFUSED:
            self.refused.append((logged, Refusal.of(logged.statement)))
        elif logged.type in delivery.READERS:
            self.told.append((logged, delivery.READERS[logged.type](logged.statement)))

    def _read_agreement(self, logged: Logged) -> None:
        contract = Contract.of(logged)
        if contract.id in self.contracts:
            self.forms.faults.append(f"entry {logged.index}: agreement {contract.id} stands in the log already")
        else:
            self.contracts[contract.id] = contract

    def under(self, agreement: str, provider: str) -> Contract | None:
        """An agreement as this provider enforces it; as the first of them does where it is none; None if unknown."""
        found = self.contracts.get(agreement)
        return found and (found.facing(provider) or found)

    def missing(self, findings: Findings, fault: str) -> None:
        """Something that is referred to is not there: a fault, unless the bundle hides entries from its holder."""
        if self.record.hidden:
            findings.unchecked += 1
        else:
            findings.faults.append(fault)


@dataclass(frozen=True, slots=True)
class Further:
    """A check of a floor above, found by the entry point group ``hefu.checks``: its name, its title, and the check."""

    name: str
    titles: tuple[str, str]  # English, Chinese
    check: Callable[[Facts], Findings]


def end_of(statement: Statement) -> Ended | None:
    """The end of a computation that charged something, as a statement says it; None where it says something else.

    Raises:
        Malformed: it has not the form of its type.
    """
    read = _ENDS.get(statement.type)
    return read(statement) if read is not None else None


_ENDS: Mapping[str, Callable[[Statement], Ended]] = {SEALED: Receipt.of, FAILED: Failure.of}


def lifetimes(body: Object) -> dict[str, Spent]:
    """The lifetime total of each resource of a product description."""
    with reading(PUBLISHED):
        rows = many(body["resources"], mapping)
        return {text(each["resource"]): budget_of(mapping(each["privacy"])["lifetime"]) for each in rows}


def under(end: Ended) -> tuple[str, ...]:
    """The ids of the agreements that an end stands under."""
    return tuple(dict.fromkeys(each if isinstance(each, str) else each.agreement for each in end.agreements))


def check_agreements(facts: Facts) -> Findings:
    """Every countersignature is over exactly the bytes of a logged agreement that all parties signed.

    That all parties signed is rule 3 of `hefu.evidence.record`, so an agreement which lacks a signature is not among
    these. Where an agreement names its parties' keys, the signatures are under these and no others.
    An agreement without a countersignature is not in force; a receipt under it is a fault of `check_receipts`.
    """
    findings = Findings(seen=len(facts.contracts))
    envelopes = {each.envelope: each for each in facts.contracts.values()}
    for logged in facts.record.of(FINALIZED):
        body = logged.statement.body
        contract = envelopes.get(str(body.get("envelope")))
        if contract is None:
            facts.missing(findings, f"entry {logged.index}: countersigns bytes that are no agreement of this log")
        elif body.get("agreement") != contract.digest:
            findings.faults.append(f"entry {logged.index}: names another agreement than the bytes it countersigns")
    for logged in facts.record.of(AGREEMENT):
        findings.faults += [f"entry {logged.index}: {each}" for each in _key_faults(facts, logged)]
    return findings


def _key_faults(facts: Facts, logged: Logged) -> Iterator[str]:
    """Signatures of a party that are under another key than the agreement names for it, or not one of each party."""
    contract = facts.contracts.get(str(logged.statement.body.get("agreement")))
    if contract is None or contract.index != logged.index:
        return
    signed = [key for each in logged.statement.signatures if (key := facts.record.key(each.key)) is not None]
    for key in signed:
        named = contract.keys.get(key.participant)
        if named and (key.key, key.suite, canonical.digest(key.value)) not in named:
            yield f"{key.participant} signed under a key that the agreement does not name"
    if sorted(each.participant for each in signed) != sorted(contract.parties):
        yield "not signed by exactly its parties, each once"


def check_receipts(facts: Facts) -> Findings:
    """Every receipt stands under an agreement in force, is its provider's, and names what was agreed."""
    findings = Findings(seen=len(facts.ended))
    asked = {
        (each.statement.issuer, str(each.statement.body.get("computation"))): each.statement.digest()
        for each in facts.record.of(ASKED)
    }
    for logged, end in facts.ended:
        for fault in _receipt_faults(facts, findings, logged, end):
            findings.faults.append(f"entry {logged.index}: {fault}")
        if asked.get((end.consumer, end.computation), end.request) != end.request:
            findings.faults.append(f"entry {logged.index}: the receipt is for another request than was logged")
    return findings


def _receipt_faults(facts: Facts, findings: Findings, logged: Logged, end: Ended) -> Iterator[str]:
    for id_ in under(end):
        contract = facts.under(id_, logged.statement.issuer)
        if contract is None:
            facts.missing(findings, f"entry {logged.index}: no agreement {id_} in this log")
            continue
        if facts.countersigned.get(contract.envelope, logged.index) >= logged.index or contract.index > logged.index:
            yield f"agreement {id_} was not in force: no countersignature stands before this entry"
        if (logged.statement.issuer, end.consumer) != (contract.provider, contract.consumer):
            yield f"signer and consumer are not the provider and consumer of agreement {id_}"
        if end.journal.connector != contract.connector:
            yield f"stands in the journal of another connector than agreement {id_} names"
        # A failure may be told long after, when a connector starts again; a receipt counts from its admission.
        admitted = end.admitted if isinstance(end, Receipt) else contract.not_before
        if not contract.not_before <= admitted <= min(contract.not_after, logged.statement.time + SKEW):
            yield f"admitted outside the validity of agreement {id_}, or after it was sealed"
        if isinstance(end, Receipt):
            yield from _release_faults(facts, findings, logged, end, contract)


def _release_faults(
    facts: Facts, findings: Findings, logged: Logged, receipt: Receipt, contract: Contract
) -> Iterator[str]:
    signed = {each.agreement: each.digest for each in receipt.agreements}
    if signed[contract.id] != contract.digest:
        yield f"names another digest than that of agreement {contract.id}"
    read = receipt.under(contract.id)
    if (read.product, read.description) != (contract.product, contract.description):
        yield f"another product or description than agreement {contract.id} has"
    if read.resource not in contract.resources:
        yield f"a resource that agreement {contract.id} does not name"
    published = facts.descriptions.get(read.description)
    if published is None:
        facts.missing(findings, f"entry {logged.index}: its product description was never published in this log")
    elif published[0].index > logged.index or published[0].statement.issuer != contract.provider:
        yield "its product description was published later, or by another participant"


def check_budgets(facts: Facts) -> Findings:
    """For each agreement the charges of all receipts and failures together fit its budget block."""
    findings = Findings(seen=len(facts.contracts))
    spent: dict[tuple[str, str], Spent] = defaultdict(lambda: NOTHING)
    for logged, end in facts.ended:
        for id_ in under(end):
            contract = facts.under(id_, logged.statement.issuer)
            if contract is None or contract.provider != logged.statement.issuer:
                continue  # what somebody else says of it charges nobody
            spent[id_, contract.provider] += end.charge
            if not spent[id_, contract.provider].within(contract.budget):
                findings.faults.append(f"entry {logged.index}: overspends the budget of agreement {id_}")
    return findings


def check_lifetimes(facts: Facts) -> Findings:
    """For each asset all charges together fit its lifetime total, over all agreements and description versions.

    The first published total of an asset stands for ever; a later version may only be lower.
    """
    findings = Findings()
    first: dict[tuple[str, str], Spent] = {}
    for logged, totals in facts.descriptions.values():
        for resource, total in totals.items():
            first.setdefault((logged.statement.issuer, resource), total)
    findings.seen = len(first)
    spent: dict[tuple[str, str], Spent] = defaultdict(lambda: NOTHING)
    for logged, end in facts.ended:
        for asset, agreed in _assets(facts, logged.statement.issuer, end).items():
            spent[asset] += end.charge
            limits = [each for each in (first.get(asset), agreed) if each is not None]
            if not limits:
                findings.unchecked += 1
            elif not all(spent[asset].within(each) for each in limits):
                findings.faults.append(f"entry {logged.index}: overspends the lifetime total of resource {asset[1]}")
    return findings


def _assets(facts: Facts, provider: str, end: Ended) -> dict[tuple[str, str], Spent | None]:
    """The assets that an end charges, each with the total in the description version that was agreed on.

    A failure that names no resource charges every resource of its agreements: charged is never less than released.
    """
    charged: dict[tuple[str, str], Spent | None] = {}
    for id_ in under(end):
        contract = facts.under(id_, provider)
        named = end.under(id_).resource if isinstance(end, Receipt) else end.asset(id_)
        resources = (named,) if named else contract.resources if contract else ()
        described = facts.descriptions.get(contract.description) if contract else None
        for resource in resources:
            charged[provider, resource] = described[1].get(resource) if described else None
    return charged


def check_journals(facts: Facts) -> Findings:
    """Each connector's journal is gapless from 0, chained by digests, and its times never go back by over a minute.

    LIMIT: what a connector has not yet handed in cannot be missed here; its counterparties hold their receipts.
    """
    findings = Findings(seen=len(facts.journals))
    for (participant, _), links in facts.journals.items():
        chain: dict[int, Logged] = {}
        for link, logged in links:
            if link.sequence in chain:
                findings.faults.append(f"entry {logged.index}: {participant} used number {link.sequence} twice")
            chain.setdefault(link.sequence, logged)
        for link, logged in links:
            if link.sequence:
                _check_link(facts, findings, link, logged, chain.get(link.sequence - 1))
    return findings


def _check_link(facts: Facts, findings: Findings, link: Link, logged: Logged, before: Logged | None) -> None:
    issuer = logged.statement.issuer
    if before is None:
        facts.missing(findings, f"entry {logged.index}: number {link.sequence - 1} of {issuer}'s journal is missing")
    elif before.envelope != link.previous:
        findings.faults.append(f"entry {logged.index}: does not follow entry {before.index} in {issuer}'s journal")
    elif before.statement.time > logged.statement.time + SKEW:
        findings.faults.append(f"entry {logged.index}: is dated before entry {before.index}, which it follows")


def check_terminations(facts: Facts) -> Findings:
    """Nothing was released under an agreement after a party had ended it and the provider must have known.

    A provider may be cut off, so a receipt may be logged long after the termination. What counts is the time of
    sealing, which the journal's chain bounds: not later than the termination by more than the contract's offline
    window, and never by less than a minute's sight. Nobody could see a termination before it was told, so it counts
    from the newest time that others had entered before it, if that is later: dating it back accuses nobody.
    """
    findings = Findings()
    ended = endings(facts, findings)
    for logged, end in facts.ended:
        for id_ in under(end):
            if isinstance(end, Receipt) and id_ in ended and logged.statement.time > ended[id_][1]:
                findings.faults.append(
                    f"entry {logged.index}: released under agreement {id_}, which entry {ended[id_][0].index} had ended"
                )
    return findings


def endings(facts: Facts, findings: Findings) -> dict[str, tuple[Logged, datetime]]:
    """The agreements that a party ended, each with the entry, and the time after which nothing may happen under it."""
    ended: dict[str, tuple[Logged, datetime]] = {}
    for logged in facts.record.of(TERMINATED):
        findings.seen += 1
        id_ = str(logged.statement.body.get("agreement"))
        contract = facts.contracts.get(id_)
        if contract is None:
            facts.missing(findings, f"entry {logged.index}: ends agreement {id_}, which is not in this log")
        elif logged.statement.issuer not in contract.parties:
            findings.faults.append(f"entry {logged.index}: ends agreement {id_} without being a party")
        elif logged.statement.body.get("digest") != contract.digest:
            findings.faults.append(f"entry {logged.index}: names another digest than that of agreement {id_}")
        else:
            latest = _told(facts, logged) + max(contract.window, SIGHT)
            ended[id_] = min(ended.get(id_, (logged, latest)), (logged, latest), key=lambda each: each[1])
    return ended


def _told(facts: Facts, ended: Logged) -> datetime:
    others = (each for each in facts.record.logged if each.index < ended.index)
    times = (each.statement.time for each in others if each.statement.issuer != ended.statement.issuer)
    return max(ended.statement.time, *times)


def check_once(facts: Facts) -> Findings:
    """No computation, and no request, ends twice at the same provider in a charge."""
    findings = Findings(seen=len(facts.ended))
    seen: dict[tuple[str, str], int] = {}
    for logged, end in facts.ended:
        for name in (end.computation, end.request):
            first = seen.setdefault((logged.statement.issuer, name), logged.index)
            if first != logged.index:
                findings.faults.append(f"entry {logged.index}: the computation of entry {first} ended again")
                break
    return findings
