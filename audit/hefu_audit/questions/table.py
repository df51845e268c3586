"""The questions, once: commands, docs/questions.md and the tests' list are made from this table.

``number`` is that of the reference's eighteen questions; those without one are named by regulators besides.
"""

from __future__ import annotations

from typing import Final

from hefu_audit.questions import contracts, data, people, spending, whole
from hefu_audit.questions.answer import Parameter, Question

_FROM: Final = Parameter("--from", "from this time on, such as 2026-11-01 or 2026-11-01T08:00:00Z", "time")
_TO: Final = Parameter("--to", "up to this time, which is not in it any more", "time")
_AT: Final = Parameter("--at", "at this time (default: the newest time in the log)", "time")
_AGREEMENT: Final = Parameter("agreement", "the agreement, such as agr-…")
_WHO: Final = Parameter("organisation", "the participant, such as hospital-a")

QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        "whole", "1", "is the log whole, an extension of what I saw before, and the one that others see",
        whole.is_whole,
        (
            Parameter("--since", "a checkpoint you kept; may be given many times", "file", many=True),
            Parameter("--other", "a checkpoint that somebody else got; may be given many times", "file", many=True),
        ),
    ),
    Question(
        "order", "2", "was anything removed, reordered or back-dated in a period", whole.is_in_order,
        (_FROM, _TO, Parameter("--full", "hash every entry again and compute the whole tree", "flag")),
    ),
    Question("history", "3", "everything under a contract, in order: who signed, when, what it cost",
             contracts.history, (_AGREEMENT,)),
    Question("verify", "4", "verify a bundle offline, as hefu verify does", None),
    Question(
        "usage", "5", "which data was used, by whom, for what purpose, under which agreement", data.usage,
        (
            Parameter("--product", "only this product, such as prd-…"),
            Parameter("--asset", "only this asset, such as res-…"),
            Parameter("--party", "only what this participant gave or got"),
            _FROM, _TO,
        ),
    ),
    Question("lineage", "6", "where a result comes from: request, contract, clause, data, program, approvals",
             contracts.lineage, (Parameter("computation", "the computation, such as cmp-…"),)),
    Question("decisions", "7", "was each computation permitted by the policy then in force", spending.decisions,
             (_FROM, _TO)),
    Question("budget", "8", "the budget of an asset, added up again from receipts: granted, spent, overspent",
             spending.budget, (Parameter("asset", "the asset, such as res-…"),)),
    Question("denials", "9", "what was refused, by reason", spending.denials,
             (_FROM, _TO, Parameter("--reason", "only where the code or a reason has this word"))),
    Question(
        "orphans", "9", "releases without a contract, requests without a result, results without a request",
        spending.orphans,
        (Parameter("--after", "seconds after which a request should have ended (default: 86400)", "number", 86400),),
    ),
    Question(
        "reconcile", "10", "do two organisations' journals and the log agree", contracts.reconciled,
        (
            Parameter("one", "one participant"), Parameter("other", "the other participant"),
            Parameter("--agreement", "only under this agreement"),
            Parameter("--copy", "NAME=FILE: a participant's own copy, a bundle or one envelope a line; may be given "
                      "many times", many=True),
        ),
    ),
    Question("keys", "11", "who held which key and role at a time, and was a revoked one used afterwards", people.keys,
             (_AT,)),
    Question("access", "12", "what did regulators and administrators read, change or order", people.accesses,
             (_FROM, _TO)),
    Question("gossip", "13", "did all signers and witnesses see one log", whole.gossips),
    Question("processing", "14", "the record of processing of an organisation", data.processing, (_WHO,)),
    Question("retention", "14", "what must be deleted by when, what is proven, what is overdue", data.retention,
             (Parameter("--organisation", "only what this participant gave or holds"), _AT)),
    Question("transfers", "15", "what went to third parties and across borders, with which legal basis", data.transfers,
             (_FROM, _TO)),
    Question("absent", "16", "is an event absent; has a contract no more events",
             whole.is_absent, (Parameter("event", "an id (stm-…, cmp-…, agr-…) or a digest (sha256:…)"),)),
    Question(
        "health", "17", "who was silent, and when did the log stand still", whole.was_up,
        (_FROM, _TO, Parameter("--silence", "list silences longer than so many seconds (default: 3600)", "number",
                               3600)),
    ),
    Question(
        "sample", "18", "entries drawn by lot from a public seed, with proofs", whole.samples,
        (
            Parameter("-n", "how many (default: 50)", "number", 50),
            Parameter("--seed", "a text that nobody could choose, such as ROOT+DATE (default: the "
                                "checkpoint's root and "
                      "the day it was fetched)"),
        ),
    ),
    Question("visible", "", "who could see a product", data.visible,
             (Parameter("product", "the product's id, such as prd-…"), _AT)),
    Question("did", "", "what an organisation did between two times", people.did, (_WHO, _FROM, _TO)),
    Question("version", "", "which releases used a version of a product", data.versioned,
             (Parameter("version", "the version's digest (sha256:…), or PRODUCT:NUMBER"),)),
    Question("in-force", "", "was a policy in force at a time", contracts.in_force,
             (Parameter("policy", "the policy's digest, its id, or the strategy's"), _AT)),
)  # fmt: skip


def find(name: str) -> Question:
    """The question of a name. Raises KeyError."""
    return {each.name: each for each in QUESTIONS}[name]
