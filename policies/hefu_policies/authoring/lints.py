"""What a policy's author should look at again: not wrong, yet seldom meant.

A policy that loads is well formed. Here stands what is well formed and still careless: no purpose, no end, a budget
without a cap for one release, a program that nobody named. Clauses that clash are found by
`hefu_policies.analysis.clashes`, and told together with these by `hefu policy check`.

Source: the questions of ``policy check`` in the profile's reference, section 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hefu.errors import Language, sentence

from hefu_policies.deciding.policy import Constraint, Duty, Policy, Rule, leaves
from hefu_policies.deciding.rules import is_noised
from hefu_policies.words import terms
from hefu_policies.words.terms import COMPUTE, DELETE, DELIVER, DP_QUERY, LOG, Phase

_COMPUTATIONS = terms.narrower(COMPUTE)
_COUNTED = frozenset({"count", "frequency", "epsilonBudget", "rhoBudget", "timeInterval"})
_ENDS = frozenset({"dateTime", "elapsedTime"})


@dataclass(frozen=True, slots=True)
class Advice:
    """One remark.

    Attributes:
        code: of its sentence.
        rule: which rule or duty it is about.
        is_warning: whether data or money may be lost by it; else it is worth knowing.
    """

    code: str
    rule: str
    is_warning: bool = True

    def sentence(self, language: Language = "en") -> str:
        """What it is, and what to write instead."""
        return sentence(self.code, language, {"rule": self.rule})


def lint(policy: Policy) -> tuple[Advice, ...]:
    """Everything there is to say about a policy, rule by rule."""
    found = [each for rule in policy.permissions for each in _permission(rule)]
    follows = {each for duty in policy.duties() for each in duty.consequences}
    found += [each for duty in policy.duties() for each in _duty(duty, duty in follows)]
    found += _whole(policy)
    return tuple(dict.fromkeys(found))


def _permission(rule: Rule) -> Iterator[Advice]:
    said = {each.operand.name: each for each in leaves(rule)}
    computes = rule.action in _COMPUTATIONS
    if "purpose" not in said:
        yield Advice("lint.no_purpose", rule.id, is_warning=False)
    if not _ENDS & said.keys():
        yield Advice("lint.no_end", rule.id, is_warning=False)
    if "recipient" not in said and computes:
        yield Advice("lint.no_recipient", rule.id, is_warning=False)
    if "outputKind" not in said and computes and rule.action != terms.PREVIEW:
        yield Advice("lint.no_output", rule.id)
    if "column" not in said and computes and rule.action not in _ASK_NO_COLUMN:
        yield Advice("lint.no_columns", rule.id, is_warning=False)
    if not any(each.action == LOG for each in rule.duties):
        yield Advice("lint.no_log", rule.id)
    yield from _losses(rule, said)
    yield from _exact(rule, said)
    yield from _code(rule, said)


_ASK_NO_COLUMN = frozenset({terms.PREVIEW, terms.PSI})


def _losses(rule: Rule, said: dict[str, Constraint]) -> Iterator[Advice]:
    for budget, cap in (("epsilonBudget", "epsilon"), ("deltaBudget", "delta"), ("rhoBudget", "rho")):
        if budget in said and cap not in said:
            yield Advice("lint.no_cap", rule.id)
        elif budget in said and cap in said and _first(said[cap]) > _first(said[budget]):
            yield Advice("lint.cap_above_budget", rule.id)
    if rule.action == DP_QUERY and not {"epsilon", "rho"} & said.keys():
        yield Advice("lint.no_epsilon", rule.id)
    time = said.get("dateTime")
    if time is not None and time.operator in (terms.Operator.EQ, terms.Operator.NEQ):
        yield Advice("lint.instant", rule.id)


def _exact(rule: Rule, said: dict[str, Constraint]) -> Iterator[Advice]:
    """Exact answers are bounded by nothing but their groups and their number."""
    if rule.action not in _COMPUTATIONS or rule.action in (DP_QUERY, terms.PREVIEW):
        return
    if not _COUNTED & said.keys():
        yield Advice("lint.endless", rule.id)
    told = rule.action in (terms.AGGREGATE_QUERY, terms.PSI, terms.MPC_EVALUATE) and not is_noised(rule)
    if told and "minGroup" not in said:
        yield Advice("lint.no_group", rule.id)


def _code(rule: Rule, said: dict[str, Constraint]) -> Iterator[Advice]:
    """Code and models run only where their exact bytes are named."""
    if rule.action == terms.TEE_EXECUTE and "program" not in said:
        yield Advice("lint.no_program", rule.id)
    if rule.action == terms.TEE_EXECUTE and "attestation" not in said:
        yield Advice("lint.no_attestation", rule.id)
    if rule.action == terms.HE_INFERENCE and "model" not in said:
        yield Advice("lint.no_model", rule.id)
    if rule.action == terms.FEDERATED_TRAIN and not {"secureAggregation", "epsilon", "rho"} & said.keys():
        yield Advice("lint.plain_updates", rule.id)
    if rule.action in (terms.FEDERATED_TRAIN, terms.MPC_EVALUATE) and "minParties" not in said:
        yield Advice("lint.two_parties", rule.id)


def _duty(duty: Duty, follows: bool) -> Iterator[Advice]:
    found = {each.operand.name for each in leaves(duty)}
    action = terms.ACTIONS.get(duty.action)
    after = follows or "event" in found or (action is not None and action.due is Phase.POST)
    if after and not duty.is_timed:
        yield Advice("lint.no_deadline", duty.id)
    if duty.action == terms.COMPENSATE and "payAmount" not in found:
        yield Advice("lint.no_amount", duty.id)


def _whole(policy: Policy) -> Iterator[Advice]:
    delivers = any(rule.action == DELIVER for rule in policy.permissions)
    deletes = any(duty.action == DELETE for duty in policy.obligations)
    if delivers and not deletes:
        yield Advice("lint.no_deletion", policy.id)


def _first(constraint: Constraint) -> Decimal:
    return Decimal(str(constraint.values[0]))
