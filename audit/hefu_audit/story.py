"""The story of one contract, from a verified record: every step in order, who signed, what was spent so far. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hefu.canonical import Object
from hefu.checking.agreed import Contract
from hefu.checking.checks import PUBLISHED, Facts
from hefu.errors import NotFound
from hefu.evidence.record import AGREEMENT, FINALIZED, TERMINATED, Logged, Record
from hefu.statements.receipt import NOTHING, Failure, Receipt, Refusal, Spent
from hefu.times import write_time


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the log that concerns the contract.

    Attributes:
        time: as its signer claims.
        signers: participants whose signatures were verified.
        note: a code or the charge, in a few words.
        spent: of the contract's budget after this step; None where the step charges nothing.
    """

    index: int
    time: str
    type: str
    signers: tuple[str, ...]
    note: str
    spent: Spent | None = None

    def document(self) -> Object:
        """The step for machines."""
        return {
            "index": self.index,
            "time": self.time,
            "type": self.type,
            "signers": [*self.signers],
            "note": self.note,
            "spent": self.spent.body() if self.spent else None,
        }


@dataclass(frozen=True, slots=True)
class Story:
    """A contract and its steps."""

    contract: Contract
    steps: tuple[Step, ...]

    @property
    def spent(self) -> Spent:
        """What was charged in all."""
        return next((each.spent for each in reversed(self.steps) if each.spent), NOTHING)

    def document(self) -> Object:
        """The story for machines."""
        return {
            "agreement": self.contract.id,
            "digest": self.contract.digest,
            "provider": self.contract.provider,
            "consumer": self.contract.consumer,
            "product": self.contract.product,
            "budget": self.contract.budget.body(),
            "spent": self.spent.body(),
            "steps": [each.document() for each in self.steps],
        }


def tell(record: Record, agreement: str) -> Story:
    """The story of a contract.

    Raises:
        NotFound: the record has no such agreement.
    """
    facts = Facts.of(record)
    contract = facts.contracts.get(agreement)
    if contract is None:
        raise NotFound("resource.not_found", what="agreement", name=agreement)
    return Story(contract, tuple(_steps(facts, contract)))


def _steps(facts: Facts, contract: Contract) -> Iterator[Step]:
    record, spent = facts.record, NOTHING
    agreed = next(each for each in record.of(AGREEMENT) if each.index == contract.index)
    negotiation = agreed.statement.body.get("negotiation", "")
    ends = {each.index: end for each, end in (*facts.ended, *facts.refused)}
    for logged in record.logged:
        end = ends.get(logged.index)
        if end is not None and contract.id not in _named(end):
            continue
        if end is None and not _concerns(logged, contract, negotiation):
            continue
        charged = isinstance(end, Receipt | Failure)
        if isinstance(end, Receipt | Failure):
            spent += end.charge
        yield Step(
            logged.index,
            write_time(logged.statement.time),
            logged.type,
            record.signers(logged.statement),
            _note(logged, end),
            spent if charged else None,
        )


def _concerns(logged: Logged, contract: Contract, negotiation: object) -> bool:
    body = logged.statement.body
    if logged.type == PUBLISHED:
        return logged.statement.digest() == contract.description
    if logged.type == AGREEMENT:
        return logged.index == contract.index
    if logged.type in (FINALIZED, TERMINATED):
        return body.get("agreement") in (contract.digest, contract.id)
    if logged.type.startswith("negotiation."):
        return bool(negotiation) and body.get("negotiation") == negotiation
    named = body.get("agreements")
    return logged.type == "computation.requested" and isinstance(named, list) and contract.id in named


def _named(end: Receipt | Failure | Refusal) -> tuple[str, ...]:
    return tuple(each if isinstance(each, str) else each.agreement for each in end.agreements)


def _note(logged: Logged, end: Receipt | Failure | Refusal | None) -> str:
    if isinstance(end, Receipt):
        return f"{end.computation} {end.output.kind}, {end.output.cells} cells"
    if end is not None:
        return f"{end.computation} {end.code}"
    for name in ("code", "computation", "negotiation", "product"):
        value = logged.statement.body.get(name)
        if isinstance(value, str) and value:
            return value
    return ""
