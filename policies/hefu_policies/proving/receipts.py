"""The decision behind a receipt, made again: from the receipt's own facts and the signed agreement that it names.

Whoever holds both may do this, without a connector and without trust in one. What was decided before the release, and
whatever only the owner knows, stands in the owner's record of the computation (`records`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from hefu.canonical import Json
from hefu.envelope import Statement
from hefu.errors import Malformed, Untrusted
from hefu.statements.receipt import Receipt, Under

from hefu_policies import odrl
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.agreeing.contract import AGREEMENT
from hefu_policies.deciding.decision import Decision, Effect, Facts, Request, decide
from hefu_policies.deciding.policy import Compiled, Policy, compile_policy
from hefu_policies.deciding.rules import lets_join
from hefu_policies.proving.replay import policy_digest, read_facts, replay
from hefu_policies.reading import Place
from hefu_policies.words.terms import LOG, Phase


@dataclass(frozen=True, slots=True)
class Terms:
    """What one provider brings to an agreement, with its policies compiled.

    Attributes:
        policies: by the ids of their strategies.
    """

    agreement: Agreement
    policies: Mapping[str, Compiled]

    @classmethod
    def of(cls, agreement: Agreement) -> Terms:
        """Of an agreement that faces this provider; raises as `hefu_policies.odrl.load`."""
        return cls(agreement, {each.id: compile_policy(odrl.load(each.policy)) for each in agreement.terms})

    def decide(self, action: str, clause: str, consumer: str, facts: Facts) -> dict[str, Decision]:
        """What each strategy says of a release, where the duties of the clause that is named are performed."""
        return {
            name: decide(each, self._request(each, action, clause, consumer), facts, Phase.RELEASE)
            for name, each in self.policies.items()
        }

    def lets_join(self, strategy: str, clause: str) -> bool:
        """Whether a clause says on what its product may be joined."""
        found = self.policies[strategy].policy.permissions if strategy in self.policies else ()
        return any(each.id == clause and lets_join(each) for each in found)

    def delete_by(self, since: datetime) -> datetime:
        """When what is delivered then must be deleted."""
        end = self.agreement.not_after
        found = min((each.policy.delete_by(since, end) for each in self.policies.values()), default=end)
        return min(found, self.agreement.delete_by or found)

    def _request(self, compiled: Compiled, action: str, clause: str, consumer: str) -> Request:
        return Request(action, self.agreement.product, consumer, _performed(compiled.policy, clause))


def again(receipt: Receipt, agreement: Statement) -> tuple[Decision, ...]:
    """Decide on the release again under every clause of this agreement that the receipt names.

    A duty that had to be performed before is taken as performed: its proof is another statement.

    Args:
        agreement: signed by its parties; whether those signatures hold is the caller's to judge.

    Raises:
        Untrusted: the receipt names another agreement or strategy, or the facts do not permit what left.
        Malformed: the agreement or a fact is of a wrong form.
    """
    named = Agreement.of(agreement.expect(AGREEMENT).body)
    signed = named.over(receipt.under(named.id).product)
    found = [each for each in receipt.agreements if signed is not None and each.agreement == signed.id]
    if signed is None or not found or any(each.digest != agreement.digest() for each in found):
        raise Untrusted("policy.replay", what="agreement")
    terms = Terms.of(signed)
    return tuple(_again(receipt, terms, each) for each in found)


def records(document: Json, agreement: Statement) -> Iterator[Decision]:
    """Make every decision of an owner's record again, phase by phase; raises as `replay.replay`."""
    signed = Agreement.of(agreement.expect(AGREEMENT).body)
    by_digest = {policy_digest(each.policy): each for each in signed.strategies}
    for each in Place(_decisions(document, signed.id), "record.decisions").items(1):
        recorded = each.object()
        strategy = by_digest.get(str(recorded.get("policy")))
        if strategy is None:
            raise Untrusted("policy.replay", what="policy")
        yield replay(strategy.policy, recorded)


def _decisions(document: Json, agreement: str) -> Json:
    """What was decided under an agreement: of one behind the first, where products were joined, it stands apart."""
    if not isinstance(document, dict) or not isinstance(document.get("decisions"), list):
        raise Malformed("contract.missing", where="record", member="decisions")
    joined = document.get("joined")
    for each in joined if isinstance(joined, list) else []:
        if isinstance(each, dict) and each.get("agreement") == agreement:
            return each.get("decisions")
    return document["decisions"]


def _again(receipt: Receipt, terms: Terms, under: Under) -> Decision:
    found = terms.policies.get(under.strategy)
    if found is None:
        raise Untrusted("policy.replay", what="strategy")
    rule = next((each for each in found.policy.permissions if each.id == under.clause), None)
    if rule is None:
        raise Untrusted("policy.replay", what="clause")
    facts = read_facts(receipt.under(under.agreement).facts)
    decisions = terms.decide(_action(facts, rule.action), under.clause, receipt.consumer, facts)
    decision = decisions[under.strategy]
    if not decision.permits:
        raise Untrusted("policy.replay", what="effect")
    if decision.clause != under.clause:
        raise Untrusted("policy.replay", what="clause")
    if any(each.effect is Effect.DENY for each in decisions.values()):  # what one prohibits no other can permit
        raise Untrusted("policy.replay", what="effect")
    return decision


def _action(facts: dict[str, object], otherwise: str) -> str:
    """What was asked for: the plan's operation, or else what the clause is about."""
    operation = facts.get("operation")
    return operation if isinstance(operation, str) else otherwise


def _performed(policy: Policy, clause: str) -> frozenset[str]:
    duties = [each for rule in policy.permissions if rule.id == clause for each in rule.duties]
    return frozenset({LOG, *(each.id for each in duties), *(each.action for each in duties)})
