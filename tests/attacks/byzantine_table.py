"""Every way in which a broker with the log's own key can lie that we could think of, and the check that finds it.

`test_byzantine_broker.py` carries each out and asserts the named check; `docs/generate.py` writes it into the docs.
This file imports nothing of Hefu, so that both can read it.
"""

from __future__ import annotations

from typing import NamedTuple

AT_ONCE, CHECKPOINT, VISIT, READ, COMPARED = (
    "at once", "at the next checkpoint", "at the next visit", "whenever the log is read", "when copies are compared",
)  # fmt: skip
MINUTES = "within 5 minutes of the next journal head"


class Attack(NamedTuple):
    """One lie: what the broker does, who finds it, by the check of which name, and when."""

    name: str
    does: str
    who: str
    check: str
    delay: str


AUDITOR, ANYBODY, EARLIER = "an auditor's fetch", "anybody's verify", "verify --earlier"
CONNECTOR, WITNESS, PARTIES, BROKER = "a connector", "a witness", "the parties' copies", "its own next start"
WATCH, AT_LOOK = "audit watch", "at its next look"

TABLE = (
    Attack("delete", "takes an entry out and signs the shorter tree", AUDITOR, "log.inconsistent", VISIT),
    Attack("delete from a newcomer", "shows a newcomer a log without a receipt", ANYBODY, "journals", READ),
    Attack("edit", "changes a statement's words and signs the new tree", ANYBODY, "statements", READ),
    Attack("edit under the old root", "serves a changed entry under the checkpoint of before", ANYBODY, "tree", READ),
    Attack("reorder", "puts two entries the other way round", CONNECTOR, "log.inconsistent", CHECKPOINT),
    Attack("reorder a contract", "moves a receipt before the countersignature", ANYBODY, "receipts", READ),
    Attack("back-date", "countersigns today and dates it before what it said already", ANYBODY, "dates", READ),
    Attack("back-date a suspension", "names a member as suspended since last week", ANYBODY, "standings", READ),
    Attack("truncate", "signs a smaller tree than it signed before", AUDITOR, "log.inconsistent", VISIT),
    Attack("truncate before a witness", "asks to cosign the smaller tree", WITNESS, "conflict", AT_ONCE),
    Attack("truncate before a newcomer", "cuts off what was said last", PARTIES, "missing", COMPARED),
    Attack("re-sign", "puts its own signature in the place of a member's", ANYBODY, "statements", READ),
    Attack("insert a forgery", "adds a receipt in a provider's name", ANYBODY, "statements", READ),
    Attack("insert into the past", "puts a true statement of its own between old ones", EARLIER, "earlier", READ),
    Attack("log twice", "logs one receipt again, to charge it twice", ANYBODY, "statements", READ),
    Attack("fork", "signs another tree of the same size", WITNESS, "proof", AT_ONCE),
    Attack("fork before a connector", "shows it another, longer history", CONNECTOR, "log.inconsistent", CHECKPOINT),
    Attack("split view", "shows an auditor another history than a member's journal tells of", ANYBODY, "heads", READ),
    Attack("split view with witnesses", "publishes the branch that no quorum cosigned", ANYBODY, "log.quorum", AT_ONCE),
    Attack("withhold entries", "serves fewer entries than it signed", AUDITOR, "audit.withheld", VISIT),
    Attack("withhold from one party", "gives a party the mere hash of what concerns it", PARTIES, "missing", COMPARED),
    Attack("swallow", "takes a member's statement and leaves it out", ANYBODY, "heads", READ),
    Attack("swallow unseen", "leaves out the journal head that tells of it, too", CONNECTOR, "log.swallowed", MINUTES),
    Attack("withhold an actor", "leaves out everything that a provider's journal says", PARTIES, "missing", COMPARED),
    Attack("roll back", "restores the database from a backup", BROKER, "log.behind", AT_ONCE),
    Attack("roll back and forget", "removes its newest checkpoint as well", BROKER, "log.latest_missing", AT_ONCE),
    Attack("restore yesterday", "goes on from yesterday's database and signs on", AUDITOR, "log.inconsistent", VISIT),
    Attack("restore before a connector", "shows it what grew on that", CONNECTOR, "log.inconsistent", CHECKPOINT),
    Attack("equivocate on standing", "signs two status lists of one number", CONNECTOR, "status.equivocated", AT_ONCE),
    Attack("equivocate between members", "shows one member a list that the log does not have", ANYBODY, "heads", READ),
    Attack("replay a status list", "serves the list from before a revocation", CONNECTOR, "status.rollback", AT_ONCE),
    Attack("reinstate", "logs a list without one who was revoked", ANYBODY, "standings", READ),
    Attack("countersign what nobody signed", "finalizes what lacks a signature", ANYBODY, "agreements", READ),
    Attack("countersign for a connector", "hands it that as in force", CONNECTOR, "signature.missing", AT_ONCE),
    Attack("prove by another tree", "proves by a tree it never published", CONNECTOR, "log.inconsistent", AT_ONCE),
    Attack("prove nothing", "answers with a path that leads elsewhere", CONNECTOR, "log.proof", AT_ONCE),
    Attack("sign with another key", "serves a checkpoint under a key nobody pinned", AUDITOR, "log.signature", AT_ONCE),
    Attack("stand still", "serves one old checkpoint for ever", WATCH, "silence", "after the minutes of the rule"),
    Attack("let a clock lie", "countersigns long after the time it claims", WATCH, "clock", AT_LOOK),
)  # fmt: skip
