"""The decision behind a receipt, made again: from the receipt's own facts and the signed agreement that it names.

Whoever holds both may do this, without a connector and without trust in one. What was decided before the release, and
whatever only the owner knows, stands in the owner's record of the computation (`records`).
"""

from __future__ import annotations

from collections.abc import Iterator

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Malformed, Untrusted
from hefu.receipt import Receipt, Under

from hefu_policies import odrl
from hefu_policies.agreement import Agreement, Strategy
from hefu_policies.contract import AGREEMENT
from hefu_policies.decision import Decision, Effect, Request, decide
from hefu_policies.policy import Policy, compile_policy
from hefu_policies.reading import Place
from hefu_policies.replay import read_facts, replay
from hefu_policies.terms import LOG, Phase


def again(receipt: Receipt, agreement: Statement) -> tuple[Decision, ...]:
    """Decide on the release again under every clause of this agreement that the receipt names.

    A duty that had to be performed before is taken as performed: its proof is another statement.

    Args:
        agreement: signed by its parties; whether those signatures hold is the caller's to judge.

    Raises:
        Untrusted: the receipt names another agreement or strategy, or the facts do not permit what left.
        Malformed: the agreement or a fact is of a wrong form.
    """
    signed = Agreement.of(agreement.expect(AGREEMENT).body).over(receipt.product)
    found = [each for each in receipt.agreements if signed is not None and each.agreement == signed.id]
    if signed is None or not found or any(each.digest != agreement.digest() for each in found):
        raise Untrusted("policy.replay", what="agreement")
    return tuple(_again(receipt, signed, each) for each in found)


def records(document: Json, agreement: Statement) -> Iterator[Decision]:
    """Make every decision of an owner's record again, phase by phase; raises as `hefu_policies.replay.replay`."""
    signed = Agreement.of(agreement.expect(AGREEMENT).body)
    by_digest = {_digest(each.policy): each for each in signed.strategies}
    if not isinstance(document, dict) or not isinstance(document.get("decisions"), list):
        raise Malformed("contract.missing", where="record", member="decisions")
    for each in Place(document["decisions"], "record.decisions").items(1):
        recorded = each.object()
        strategy = by_digest.get(str(recorded.get("policy")))
        if strategy is None:
            raise Untrusted("policy.replay", what="policy")
        yield replay(strategy.policy, recorded)


def _again(receipt: Receipt, agreement: Agreement, under: Under) -> Decision:
    strategy = _strategy(agreement, under)
    policy = odrl.load(strategy.policy)
    facts = read_facts(receipt.facts)
    rule = next((each for each in policy.permissions if each.id == under.clause), None)
    if rule is None:
        raise Untrusted("policy.replay", what="clause")
    request = Request(_action(facts, rule.action), receipt.product, receipt.consumer, _performed(policy, under.clause))
    decision = decide(compile_policy(policy), request, facts, Phase.RELEASE)
    if not decision.permits:
        raise Untrusted("policy.replay", what="effect")
    if decision.clause != under.clause:
        raise Untrusted("policy.replay", what="clause")
    for each in agreement.terms:  # what one prohibits no other can permit
        if decide(compile_policy(odrl.load(each.policy)), request, facts, Phase.RELEASE).effect is Effect.DENY:
            raise Untrusted("policy.replay", what="effect")
    return decision


def _strategy(agreement: Agreement, under: Under) -> Strategy:
    for each in agreement.terms:
        if each.id == under.strategy:
            return each
    raise Untrusted("policy.replay", what="strategy")


def _action(facts: dict[str, object], otherwise: str) -> str:
    """What was asked for: the plan's operation, or else what the clause is about."""
    operation = facts.get("operation")
    return operation if isinstance(operation, str) else otherwise


def _performed(policy: Policy, clause: str) -> frozenset[str]:
    duties = [each for rule in policy.permissions if rule.id == clause for each in rule.duties]
    return frozenset({LOG, *(each.id for each in duties), *(each.action for each in duties)})


def _digest(policy: Object) -> str:
    """How a record names a policy."""
    return canonical.digest(canonical.encode(policy))
