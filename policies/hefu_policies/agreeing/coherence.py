"""Whether what an agreement says in several places is the same: its policies, its parties, its products.

A signature proves who said something, not that it makes sense. An agreement whose policy names another product, another
consumer or more actions than the agreement lists would let two readers act on different words; it is used by nobody.
"""

from __future__ import annotations

from hefu.errors import Untrusted

from hefu_policies import odrl
from hefu_policies.agreeing.agreement import Agreement, Strategy
from hefu_policies.agreeing.allowed import programs
from hefu_policies.agreeing.contribution import Contribution
from hefu_policies.agreeing.joint import STRATEGY_PREFIX, delete_by
from hefu_policies.deciding.policy import Policy


def check_coherent(agreement: Agreement) -> None:
    """Check an agreement against itself, before every use.

    Raises:
        Malformed: one of its policies cannot be read.
        Untrusted: it contradicts itself.
    """
    policies = {each.id: odrl.load(each.policy) for each in agreement.strategies}
    for contribution in agreement.contributions:
        _check_contribution(agreement, contribution, policies)
    named = {each for policy in policies.values() for each in programs(policy)}
    _hold(agreement, "programs", {*agreement.programs} == named)
    due = delete_by([*policies.values()], agreement.not_after)
    _hold(agreement, "delete_by", agreement.delete_by in (None, due))  # None in agreements of the first release
    for strategy in agreement.strategies:
        written = strategy.policy.get("@context")
        contexts = [each.context for each in agreement.contexts]
        _hold(agreement, "contexts", not contexts or written == contexts)


def _check_contribution(agreement: Agreement, contribution: Contribution, policies: dict[str, Policy]) -> None:
    facing = agreement.facing(contribution.provider)
    permitted = set()
    for strategy in facing.terms:
        policy = policies[strategy.id]
        _check_strategy(facing, strategy, policy)
        permitted |= {*policy.actions()}
    _hold(agreement, "computations", permitted == {*contribution.computations})


def _check_strategy(facing: Agreement, strategy: Strategy, policy: Policy) -> None:
    _hold(facing, "strategies", policy.kind == "Agreement" and policy.id == STRATEGY_PREFIX + strategy.id)
    _hold(facing, "strategies", policy.target == facing.product)
    _hold(facing, "strategies", policy.assigner == facing.provider.participant)
    _hold(facing, "strategies", policy.assignee == facing.consumer.participant)
    _hold(facing, "strategies", policy.timestamp == facing.not_before)


def _hold(agreement: Agreement, where: str, holds: bool) -> None:
    if not holds:
        raise Untrusted("contract.broken", agreement=agreement.id, where=where)
