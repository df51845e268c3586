"""Whether what was released, and what was used of deliveries, was permitted: each decision made again, offline.

The receipt says what its decision knew; the agreement, as all parties signed it, has the rules. Both stand in the log.
So anybody can decide again and see whether the clause that is named permits what was done: its columns, purpose,
share, group and rows, and by when a delivery must be deleted. What a receipt says of itself elsewhere must agree with
what its decision knew. Whether duties were performed stands in other statements, and is not judged here.

LIMIT: a provider that lies about its own facts is not found out by its own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from hefu.canonical import Json
from hefu.checking.checks import ASKED, SKEW, Facts, Findings, Further
from hefu.errors import HefuError
from hefu.evidence.record import Logged
from hefu.statements.delivery import Delivered, Used
from hefu.statements.receipt import Receipt, Under

from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.deciding.decision import Effect
from hefu_policies.deciding.rules import JOIN_KEY
from hefu_policies.proving.receipts import Terms
from hefu_policies.proving.replay import read_facts

_NANO, _FEMTO = Decimal("1e9"), Decimal("1e15")


def check_policies(facts: Facts) -> Findings:
    """Every release and every use is permitted by the clause it names, decided again from what it says it knew."""
    findings = Findings()
    asked = {each.statement.digest(): each.statement.body.get("purpose") for each in facts.record.of(ASKED)}
    deliveries: dict[str, Logged] = {}
    for logged, end in facts.ended:
        if not isinstance(end, Receipt):
            continue
        deliveries[logged.statement.digest()] = logged
        for under in end.agreements:
            terms = _terms(facts, findings, under.agreement, logged)
            if terms is not None:
                findings.seen += 1
                _note(findings, logged, _receipt_faults(asked, terms, logged, end, under))
    for logged, told in facts.told:
        made = deliveries.get(told.kept.receipt)
        if isinstance(told, Used) and made is not None:
            terms = _terms(facts, findings, told.kept.agreements[0], made)
            if terms is not None:
                findings.seen += 1
                _note(findings, logged, _use_faults(terms, logged, told))
    return findings


CHECK = Further(
    "policies",
    ("every release and use was permitted by the clause it names", "每次发布与使用均为其所列条款允许"),
    check_policies,
)


def _terms(facts: Facts, findings: Findings, agreement: str, logged: Logged) -> Terms | None:
    """The terms of a statement's issuer under an agreement; None where there are none to be held against."""
    issuer = logged.statement.issuer
    contract = facts.under(agreement, issuer)
    if contract is None or contract.provider != issuer:
        findings.unchecked += contract is None
        return None
    key = Terms, contract.envelope, issuer
    if key not in facts.kept:
        try:
            facts.kept[key] = Terms.of(Agreement.of(contract.body).facing(contract.provider))
        except HefuError as fault:
            facts.kept[key] = None
            findings.faults.append(f"entry {contract.index}: agreement {contract.id}: {fault.public()}")
    found = facts.kept[key]
    findings.unchecked += found is None
    return found if isinstance(found, Terms) else None


def _note(findings: Findings, logged: Logged, faults: Iterator[str]) -> None:
    try:
        findings.faults += [f"entry {logged.index}: {each}" for each in faults]
    except HefuError as fault:
        findings.faults.append(f"entry {logged.index}: {fault.public()}")


# ---------------------------------------------------------------- a release


def _receipt_faults(
    asked: Mapping[str, Json], terms: Terms, logged: Logged, made: Receipt, under: Under
) -> Iterator[str]:
    known = read_facts(made.under(under.agreement).facts)
    yield from _own_words(asked, logged, made, known)
    if made.joined and not (known.get(JOIN_KEY) and terms.lets_join(under.strategy, under.clause)):
        yield f"joins products, which agreement {under.agreement} does not permit by the clause it names"
    action = known.get("operation")
    if not isinstance(action, str):
        yield "does not say what was done"
        return
    decisions = terms.decide(action, under.clause, terms.agreement.consumer.participant, known)
    decided = decisions.get(under.strategy)
    if decided is None:
        yield f"names a strategy that agreement {under.agreement} does not have"
    elif decided.effect in (Effect.DENY, Effect.DEFAULT_DENY):
        yield f"agreement {under.agreement} does not permit it: decided again from its facts, it is refused"
    elif decided.clause != under.clause:
        yield f"is permitted by another clause than it names, {under.clause}"
    if any(each.effect is Effect.DENY for each in decisions.values()):
        yield f"a prohibition of agreement {under.agreement} stands against it"
    said = Delivered.of(made)
    if said is not None and isinstance(at := known.get("dateTime"), datetime) and said.delete_by > terms.delete_by(at):
        yield f"may be kept longer than agreement {under.agreement} says"


def _own_words(asked: Mapping[str, Json], logged: Logged, made: Receipt, known: Mapping[str, object]) -> Iterator[str]:
    """What a receipt says elsewhere than its decision knew.

    Args:
        asked: the purposes that were asked for, by the digests of the requests.
    """
    for name, value in (
        ("recipient", made.consumer),
        ("outputKind", made.output.kind),
        ("outputRows", made.output.cells),
    ):
        if name not in known or known[name] != value:
            yield f"was decided on another {name} than it states"
    at = known.get("dateTime")
    if not isinstance(at, datetime) or not made.admitted - SKEW <= at <= logged.statement.time + SKEW:
        yield "was decided at another time than it states"
    for name, charged, unit in (
        ("epsilon", made.charge.epsilon_nano, _NANO),
        ("delta", made.charge.delta_femto, _FEMTO),
        ("rho", made.charge.rho_nano, _NANO),
    ):
        decided = known.get(name)
        if charged and not (isinstance(decided, Decimal) and decided * unit == charged):
            yield f"was charged another {name} than was decided on"
    if made.request in asked and asked[made.request] != known.get("purpose"):
        yield "was decided on another purpose than was asked for"


# ---------------------------------------------------------------- a use of what was delivered


def _use_faults(terms: Terms, logged: Logged, told: Used) -> Iterator[str]:
    known, at = read_facts(told.facts), logged.statement.time
    decided_at = known.get("dateTime")
    if not isinstance(decided_at, datetime) or abs(decided_at - at) > SKEW + timedelta(seconds=1):
        yield "was decided at another time than it states"
    decided = terms.decide(told.action, told.clause, terms.agreement.consumer.participant, known).values()
    if any(each.effect is Effect.DENY for each in decided):
        yield f"a prohibition of agreement {terms.agreement.id} stands against it"
    if not any(each.permits and each.clause == told.clause for each in decided):
        yield f"the clause it names, {told.clause}, does not permit it: decided again from its facts, it is refused"
