"""What stands in the log of a space: every type of statement, who signs it, who reads it, and what it is for.

The page `docs/events.md` is made from this table; a test holds it against the types that the software knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from hefu import identity
from hefu.checking import heads
from hefu.evidence import record
from hefu.membership import charter, mandate
from hefu.statements import delivery, doings, notices, receipt

PARTIES, EVERYBODY, ITSELF = "its parties", "everybody", "its signer"


@dataclass(frozen=True, slots=True)
class Event:
    """A type of statement. Regulators and operators read all of them.

    Attributes:
        signer: whose signature makes it.
        readers: who reads it besides.
        records: what of a space's life it records.
        check: the named check of `hefu.checking.verify` that judges it.
    """

    type: str
    signer: str
    readers: str
    records: str
    check: str = "statements"


EVENTS: tuple[Event, ...] = (
    Event(record.ENROLLED, "who asks", ITSELF, "enrolment: keys and roles that are asked for"),
    Event(identity.CERTIFIED, "the root", EVERYBODY, "enrolment, key rotation: keys and roles from then on"),
    Event(identity.BOUND, "a participant", EVERYBODY, "a transport certificate and an address"),
    Event(identity.STATUS, "the operator", EVERYBODY, "suspension and revocation", "standings"),
    Event(charter.CHARTERED, "the root", EVERYBODY, "roles, templates, regulators, witnesses, filing keys"),
    Event("product.published", "a provider", "who is shown an offer", "publication: bounds, policy", "lifetimes"),
    Event("product.retired", "a provider", ITSELF, "withdrawal"),
    Event("negotiation.requested", "a consumer", PARTIES, "negotiation: what is asked for"),
    Event("negotiation.offered", "a provider", PARTIES, "negotiation: offer and counter-offer"),
    Event("negotiation.accepted", "a consumer", PARTIES, "negotiation: an offer is accepted"),
    Event("negotiation.agreed", "a provider", PARTIES, "negotiation: the agreement, with the first signature"),
    Event("negotiation.endorsed", "a further party", PARTIES, "negotiation: one signature more"),
    Event("negotiation.verified", "a consumer", PARTIES, "negotiation: the consumer's signature"),
    Event("negotiation.finalized", "a provider", PARTIES, "negotiation: all signatures are confirmed"),
    Event("negotiation.terminated", "a party", PARTIES, "negotiation: its end without an agreement"),
    Event(record.AGREEMENT, "all parties", PARTIES, "the contract: policy, budget, keys, filing", "agreements"),
    Event(record.FINALIZED, "the operator", PARTIES, "the countersignature over the contract's bytes", "agreements"),
    Event(record.TERMINATED, "a party", PARTIES, "the contract's end", "terminations"),
    Event(notices.SUSPENDED, "a provider", PARTIES, "suspension of a contract", "suspensions"),
    Event(notices.RESUMED, "a provider", PARTIES, "its end", "suspensions"),
    Event(notices.FULFILLED, "a party", PARTIES, "a duty was performed", "suspensions"),
    Event(notices.DEVIATED, "a party", PARTIES, "an alarm", "suspensions"),
    Event(receipt.SEALED, "a provider", PARTIES, "request by digest, decision, charge, result by digest", "receipts"),
    Event(receipt.REFUSED, "a provider", PARTIES, "request by digest, denial with its reasons", "journals"),
    Event(receipt.FAILED, "a provider", PARTIES, "request by digest, a charge without a result", "budgets"),
    Event(delivery.USED, "a recipient", PARTIES, "delivery: a use, decided by its connector", "deliveries"),
    Event(delivery.DENIED, "a recipient", PARTIES, "delivery: a use that its connector refused", "deliveries"),
    Event(delivery.DELETED, "a recipient", PARTIES, "the proof of deletion", "deliveries"),
    Event(heads.HEAD, "a connector", ITSELF, "what the broker took, and the checkpoint that was seen", "heads"),
    Event(mandate.SUSPENDED, "a regulator", EVERYBODY, "an order against a contract, participant or product", "orders"),
    Event(mandate.LIFTED, "a regulator", EVERYBODY, "its end", "orders"),
    Event(mandate.DENIED, "the operator", "who gave it", "an order or access outside of a mandate", "orders"),
    Event(mandate.OPENED, "a regulator", PARTIES, "what a regulator opens, and why, before it does", "orders"),
    Event(doings.RUNNING, "operator, connector", ITSELF, "software, policy tables, settings, at a change"),
    Event(doings.ADMINISTERED, "operator, connector", ITSELF, "what an administrator did, by a word and a digest"),
)


def page() -> str:
    """The table as a page of the documentation."""
    lines = [
        "# What stands in the log", "",
        "Generated from `proto/hefu/checking/events.py` by `make docs`. Regulators and the operator read every entry;",
        "others those named here, and of the rest the hash. `hefu verify` runs every check; `statements` is that",
        "the signatures hold.",
        "", "| type | signed by | read by | records | check |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [f"| `{e.type}` | {e.signer} | {e.readers} | {e.records} | `{e.check}` |" for e in EVENTS]
    actions = ", ".join(f"`{each}`" for each in doings.ACTIONS)
    return "\n".join([*lines, "", f"Actions of `{doings.ADMINISTERED}`: {actions}.", ""])
