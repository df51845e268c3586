"""From a request to a decision: which contract, is it in force, what does the plan need, what do the rules say.

Functions of verified values; nothing is charged or computed here. The decision point itself is pure
(`hefu_policies.deciding.decision`); here stands where its facts come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Malformed, NotFound, Refused
from hefu.statements import receipt
from hefu.statements.delivery import Delivered
from hefu.times import write_time
from hefu_policies import odrl
from hefu_policies.agreeing.contract import Strategy
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.deciding.decision import Decision, Effect, Request
from hefu_policies.deciding.decision import decide as ask
from hefu_policies.deciding.policy import Compiled, Policy, Rule, compile_policy
from hefu_policies.deciding.rules import lets_join
from hefu_policies.goods.resource import Resource
from hefu_policies.proving import replay
from hefu_policies.telling.explanation import check_permitted
from hefu_policies.words.terms import LOG, Phase

from hefu_connector.allowances import Allowance
from hefu_connector.computing import guard
from hefu_connector.computing.course import Course
from hefu_connector.computing.facts import Known, asked_for, taken
from hefu_connector.computing.guard import Passed
from hefu_connector.computing.plans import operation
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.computing.usage import Usage
from hefu_connector.ports import (
    Account,
    BudgetLedger,
    Connection,
    Contract,
    Contracts,
    Engine,
    Ledger,
    Performed,
    Prepared,
    Standing,
    Table,
    Trust,
)

NOTHING_PERFORMED = Performed()
FRESH_SECONDS = 60  # promise T-b: a status list older than this leaves the contract's offline window only
HIGHEST_GRADE_OFFLINE = 3  # security grades above it have no offline window


@dataclass(frozen=True, slots=True)
class Means:
    """What this connector decides with.

    Attributes:
        connector: its own id; it decides by the strategies that name it.
        region: where it computes; empty where its settings do not say.
        most: how long a computation may run.
    """

    connector: str
    region: str
    engines: Mapping[str, Engine]
    ledger: Ledger
    trust: Trust
    most: timedelta


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that was permitted, with all that the later steps need.

    Attributes:
        accounts: what must be charged before anything is computed, and ``allowances`` what must be taken with it.
        seconds: how long it may run.
        under: the contract, strategy and clause, as the receipt names them.
        facts: what the decision knew at admission.
        known: what the facts are taken from.
        course: every decision on it.
        performed: duties that were performed before the admission.
        joined: the same request as the agreements behind the first permit it, where products are joined. Each has its
            own product's columns, facts and charge; what is computed and told is that of the first.
    """

    statement: Statement
    request: ComputationRequest
    contract: Contract
    resource: Resource
    engine: Engine
    prepared: Prepared
    accounts: tuple[Account, ...]
    allowances: tuple[Allowance, ...]
    seconds: float
    under: receipt.Under
    facts: Mapping[str, object]
    known: Known
    course: Course
    performed: frozenset[str] = frozenset()
    joined: tuple[Admitted, ...] = ()

    @property
    def sides(self) -> tuple[Admitted, ...]:
        """Itself and what is joined: one a contract."""
        return (self, *self.joined)

    def asked(self) -> Object | None:
        """What its source is asked, as `Source.open` wants it."""
        if not self.prepared.joins:
            return self.prepared.parameters if self.prepared.delivery is None else None
        columns: Object = {each.name: each.type for each in self.resource.schema if each.name in self.prepared.reads}
        return {"reads": {"columns": columns, "unit": self.resource.privacy.unit}}


Bound = tuple[Contract, Performed]  # a contract, and what is performed for a request and violated under it


@dataclass(frozen=True, slots=True)
class _Side:
    """A contract as this connector enforces it: what it gives to a request."""

    contract: Contract
    resource: Resource
    strategies: list[Strategy]
    policies: list[Policy]
    offline: bool


def decide(
    contract: Contract,
    request: ComputationRequest,
    statement: Statement,
    means: Means,
    course: Course,
    *,
    standing: Standing,
    connection: Connection,
    now: datetime,
    duties: Performed = NOTHING_PERFORMED,
    joined: Sequence[Bound] = (),
) -> Admitted:
    """Prepare the plan under a contract in force and ask the decision point.

    Args:
        course: every decision is noted there, also where it is a refusal.
        duties: what is performed for this request, and what is violated under its contract.
        joined: the contracts behind the first, as `choose` found them; each decides as if it stood alone.

    Raises:
        Malformed: the plan does not fit the schema, or asks for something else than the contract's product.
        Refused: a rule says no; reasons name the clauses.
    """
    bound = ((contract, duties), *joined)
    if request.plan.get("product") != contract.agreement.product:
        raise Malformed(
            "request.malformed", why=f"the plan must ask the agreement's product, {contract.agreement.product}"
        )
    plans = (request.plan, *(_object(request.plan.get("join")) for _ in joined))
    engines = [_engine(each, means.engines, operation(request.plan)) for each, _ in bound]
    sides = [_side(each, plan, means, standing) for (each, _), plan in zip(bound, plans, strict=True)]
    limits = output_limits([policy for each in sides for policy in each.policies], engines[0].action)
    beside = next((each.resource for each in sides[1:]), None)
    prepared = engines[0].prepare(request.plan, sides[0].resource, *limits, beside=beside)
    found = []
    for side, (one, performed) in zip(sides, bound, strict=True):
        names = frozenset(each.name for each in side.resource.schema)
        mine = replace(prepared, columns=prepared.columns & names, reads=prepared.reads & names) if joined else prepared
        own = course if one is contract else course.join(one.agreement.id)
        known = Known(
            request, one, side.resource, engines[0], mine, means.ledger.balance(_agreement_account(one)).charged,
            means.trust, connection, means.region, now,
        )  # fmt: skip
        found.append(_admit(side, known, statement, means, own, performed))
    return replace(found[0], joined=tuple(found[1:]), seconds=min(each.seconds for each in found))


def _side(contract: Contract, named: Object, means: Means, standing: Standing) -> _Side:
    strategies = [each for each in contract.agreement.terms if each.enforced_by == means.connector]
    policies = [compiled(each).policy for each in strategies]
    return _Side(contract, _resource(contract, named), strategies, policies, check_offline(contract, standing))


def _admit(
    side: _Side, known: Known, statement: Statement, means: Means, course: Course, duties: Performed
) -> Admitted:  # fmt: skip
    contract, prepared, now, ledger = side.contract, known.prepared, known.now, means.ledger
    agreement, action = contract.agreement, known.engine.action
    used = Usage(agreement, side.policies, action, contract.description.price, means.most, now)
    facts = taken(known, asked_for(side.policies)) | used.facts(ledger)
    asked = Request(action, agreement.product, known.request.recipient, duties.performed, duties.violated)
    strategy, decision = _permit(side.strategies, asked, facts, Phase.ADMISSION, course)
    if prepared.joins and not lets_join(_rule(decision)):
        raise Refused("contract.join", clause=decision.clause, agreement=agreement.id)
    if prepared.delivery is not None and delete_by(contract, now) <= now:
        raise Refused("delivery.over", due=write_time(delete_by(contract, now)))
    under = receipt.Under(agreement.id, contract.statement.digest(), strategy.id, decision.clause)
    held = [
        *accounts(contract, side.resource, ledger, offline=side.offline), *_clause_account(contract, decision)
    ]  # fmt: skip
    seconds = used.seconds(ledger)
    takes = used.allowances(_rule(decision), seconds)
    return Admitted(
        statement, known.request, contract, side.resource, known.engine, prepared, tuple(held), takes, seconds, under,
        facts, known, course, duties.performed,
    )  # fmt: skip


def decide_again(admitted: Admitted, now: datetime) -> None:
    """Decide on what is watched while it runs, with the facts of now; every other fact is that of the admission.

    Raises:
        Refused: it may not go on.
    """
    try:
        _hold(admitted, _renewed(admitted, now), Phase.MONITOR)
    except Refused as refusal:
        why = refusal.detail or refusal.public()
        raise Refused("policy.lapsed", reasons=refusal.reasons or (refusal.public(),), detail=why) from None


def decide_release(admitted: Admitted, passed: Passed, now: datetime) -> Object:
    """Decide again with what the guard let through; here nothing may stay undecided.

    The duty to log is performed by the transaction that journals the release.

    Returns:
        The facts of this decision, as the receipt states them.

    Raises:
        Refused: a rule says no to the release, or one was not decided in each of its phases.
    """
    rows, size = guard.count(passed, admitted.prepared), guard.measure(passed, admitted.prepared)
    facts = {**_renewed(admitted, now), "outputRows": rows, "outputBytes": size}
    if admitted.prepared.minimum_group is not None:
        facts["minGroup"] = admitted.prepared.minimum_group
    if admitted.prepared.disclosing is not None:
        facts["rounding"] = admitted.prepared.disclosing.rounding
    told = asked_for([each.contract.policy for each in _hold(admitted, facts, Phase.RELEASE)])
    admitted.course.check_coverage(admitted.under.clause)
    if admitted.prepared.delivery is not None:
        facts["deadline"] = delete_by(admitted.contract, now)
        told |= {"deadline"}
    return replay.write_facts({name: value for name, value in facts.items() if name.partition("@")[0] in told})


def _renewed(admitted: Admitted, now: datetime) -> dict[str, object]:
    names = frozenset(admitted.facts)
    return {**admitted.facts, **taken(replace(admitted.known, now=now), names, anew=True)}


def _hold(admitted: Admitted, facts: Mapping[str, object], phase: Phase) -> list[Decision]:
    """What was permitted is so still: by the same clause of the same strategy, and no strategy of ours prohibits it.

    The charge was held to the clause that permitted the request; another clause may have a limit of its own.
    """
    agreement = admitted.contract.agreement
    asked = Request(admitted.engine.action, agreement.product, admitted.request.recipient, admitted.performed | {LOG})
    enforced = next(each.enforced_by for each in agreement.strategies if each.id == admitted.under.strategy)
    found = {}
    for each in agreement.strategies:
        if each.enforced_by == enforced:
            found[each.id] = ask(compiled(each), asked, facts, phase)
            admitted.course.note(found[each.id])
    chosen = found[admitted.under.strategy]
    for decision in (*(each for each in found.values() if each.effect is Effect.DENY), chosen):
        check_permitted(decision)
    if chosen.effect is not Effect.PERMIT:
        raise Refused("contract.duties", duties=", ".join(chosen.duties))
    if chosen.clause != admitted.under.clause:
        raise Refused("contract.clause", clause=admitted.under.clause)
    return [*found.values()]


def reach(contract: Contract, action: str) -> Object:
    """The rows and columns that all strategies of a contract together let be asked, over all requests."""
    found = [compiled(each).policy.reach(action) for each in contract.agreement.terms]
    rows = [most for most, _ in found if most is not None]
    columns = [names for _, names in found if names is not None]
    whole, every = len(rows) < len(found), len(columns) < len(found)
    return {
        "rows": None if whole else max(rows),
        "columns": None if every else [*sorted(frozenset().union(*columns))],
    }


def delete_by(contract: Contract, since: datetime) -> datetime:
    """When what is delivered under a contract now must be deleted at the latest, by all of its strategies."""
    agreement, since = contract.agreement, since.replace(microsecond=0)
    policies = [compiled(each).policy for each in agreement.terms]
    return min(each.delete_by(since, agreement.not_after) for each in policies)


def output_limits(policies: Iterable[Policy], action: str) -> tuple[int | None, Decimal | None]:
    """The minimum group and the rounding that the strictest of these policies demands of an action's output."""
    policies = [*policies]
    groups, steps = ([each.least(action, "minGroup") for each in policies],
                     [each.least_decimal(action, "rounding") for each in policies])  # fmt: skip
    return (
        max((each for each in groups if each is not None), default=None),
        max((each for each in steps if each is not None), default=None),
    )


def compiled(strategy: Strategy) -> Compiled:
    """A strategy's policy, ready for decisions."""
    return _compiled(canonical.encode(strategy.policy))


def check_kept(made: receipt.Receipt, contracts: Contracts, now: datetime) -> None:
    """Check that a release may still be handed over or used; only a delivery's time is ever over.

    Raises:
        Refused: it must have been deleted by now, or its contract has ended.
    """
    delivered = Delivered.of(made)
    if delivered is None:
        return
    check_in_force(contracts.load(made.agreements[0].agreement), made.consumer, now)
    if now >= delivered.delete_by:
        raise Refused("delivery.over", due=write_time(delivered.delete_by))


def decide_use(
    contract: Contract, action: str, consumer: str, facts: Mapping[str, object], performed: frozenset[str] = frozenset()
) -> tuple[Strategy, Decision]:
    """Decide on a use of what was delivered, in its recipient's connector; here nothing may stay undecided.

    The duty to log is performed by the transaction that journals the use.

    Args:
        performed: ids of the duties that were performed for the agreement as a whole.

    Raises:
        Refused: a rule says no.
    """
    asked = Request(action, contract.agreement.product, consumer, performed | {LOG})
    return _permit([*contract.agreement.terms], asked, facts, Phase.RELEASE, Course())


def choose(request: ComputationRequest, provider: str, contracts: Contracts) -> tuple[Contract, ...]:
    """The agreement of the request under which this participant is the provider; of a join the two, in their order.

    A request may name agreements of several providers; each decides its own. The bytes are verified as they are loaded.

    Raises:
        NotFound: none of them is known here, or the caller is not its party.
        Malformed: more than one is of this provider; or, of a join, not one for each of its products and no other.
        Untrusted: what is stored does not verify.
    """
    mine = []
    for agreement in request.agreements:
        try:
            contract = contracts.load(agreement)
        except NotFound:
            continue
        if contract.agreement.provider.participant == provider:
            mine.append(contract)
    if not mine or any(each.agreement.consumer.participant != request.recipient for each in mine):
        raise NotFound("resource.not_found", what="agreement", name=request.agreements[0])
    wanted = products(request.plan)
    if len(wanted) > 1:
        if len(request.agreements) != len(wanted) or tuple(each.agreement.product for each in mine) != wanted:
            raise Malformed("contract.joined", first=wanted[0][:64], second=wanted[1][:64])
    elif len(mine) > 1:
        raise Malformed("request.malformed", why="it names two agreements of one provider; name one")
    return tuple(mine)


def products(plan: Object) -> tuple[str, ...]:
    """The products that a plan reads: its own, and what it joins."""
    join = plan.get("join")
    named = [plan.get("product"), *([join.get("product")] if isinstance(join, dict) else [])]
    return tuple(str(each) for each in named)


def check_in_force(contract: Contract, consumer: str, now: datetime) -> None:
    """Check that the caller is the agreement's consumer and that it has begun and not ended.

    Raises:
        NotFound: somebody else's.
        Refused: before its begin, after its end, suspended by its provider, or terminated by a party.
    """
    agreement = contract.agreement
    if agreement.consumer.participant != consumer:
        raise NotFound("resource.not_found", what="agreement", name=agreement.id)
    if contract.termination is not None:
        ended = write_time(contract.termination.time)
        raise Refused("contract.ended", agreement=agreement.id, since=ended)
    if contract.suspension is not None:
        since = write_time(contract.suspension.time)
        raise Refused("contract.suspended", agreement=agreement.id, since=since)
    if not agreement.not_before <= now < agreement.not_after:
        begin, end = write_time(agreement.not_before), write_time(agreement.not_after)
        raise Refused("contract.not_in_force", agreement=agreement.id, begin=begin, end=end)


def check_offline(contract: Contract, standing: Standing) -> bool:
    """Whether this is work inside the contract's offline window, because the status list is not fresh.

    Raises:
        Refused: the list is older than the window, or the data's security grade allows none.
    """
    if standing.age <= FRESH_SECONDS:
        return False
    window = contract.agreement.offline_window_seconds
    if contract.description.security_grade > HIGHEST_GRADE_OFFLINE:
        window = 0
    if standing.age > window:
        raise Refused("status.stale", age=min(int(standing.age), 10**9) if standing.age < 1e9 else 10**9, window=window)
    return True


def check_snapshot(contract: Contract, table: Table) -> None:
    """Check the snapshot against the agreement's rule: the latest, or one pinned by digest.

    Raises:
        Refused: the data is another than was agreed on.
    """
    rule = contract.agreement.snapshot_rule
    if rule not in ("latest", f"pinned:{table.snapshot}", f"pinned:{table.origin}"):
        raise Refused("contract.snapshot", agreement=contract.agreement.id)


def check_model(resource: Resource, table: Table) -> None:
    """Check that a resource that is a model is computed with that model and no other, bit by bit.

    Its file holds the canonical bytes that its digest names, so nobody needs to read weights to see it.

    Raises:
        Refused: the file is another than was described.
    """
    if resource.model is not None and table.snapshot != resource.model.digest:
        raise Refused("model.other", resource=resource.id)


def accounts(contract: Contract, resource: Resource, ledger: BudgetLedger, *, offline: bool) -> tuple[Account, ...]:
    """What a charge must fit under: the asset's lifetime total, the agreement's budget, its capped share offline.

    A lifetime total that a newer description lowered holds for older agreements too.
    """
    agreement = contract.agreement
    agreed = Account(f"asset/{resource.id}", resource.privacy.lifetime)
    kept = ledger.balance(agreed).account
    held = [
        kept if kept.limit.fits(agreed.limit) else agreed,
        _agreement_account(contract),
    ]
    if offline:
        held.append(Account(f"offline/{agreement.id}", _share(agreement.budget, agreement.offline_share_percent)))
    return tuple(held)


def _agreement_account(contract: Contract) -> Account:
    return Account(f"agreement/{contract.agreement.id}", contract.agreement.budget)


def _clause_account(contract: Contract, decision: Decision) -> list[Account]:
    """Where the permitting clause allows less than the agreement's budget, an account of its own.

    Computations that are decided at the same time see the same spending; only the ledger cannot be raced.
    """
    agreement = contract.agreement
    narrow = decision.contract.policy.narrow(decision.clause, agreement.budget)
    return [] if narrow == agreement.budget else [Account(f"clause/{agreement.id}/{decision.clause}", narrow)]


def _share(budget: Budget, percent: int) -> Budget:
    loss = PrivacyLoss(
        budget.loss.epsilon_nano * percent // 100,
        budget.loss.delta_femto * percent // 100,
        budget.loss.rho_nano * percent // 100,
    )
    return replace(budget, loss=loss, releases=budget.releases * percent // 100)


def _rule(decision: Decision) -> Rule:
    return next(each for each in decision.contract.policy.permissions if each.id == decision.clause)


def _engine(contract: Contract, engines: Mapping[str, Engine], action: str) -> Engine:
    if action in contract.agreement.computations and action in engines:
        return engines[action]
    raise Refused("contract.nothing", asked=action, permitted=", ".join(contract.agreement.computations))


def _object(value: Json) -> Object:
    return value if isinstance(value, dict) else {}


def _resource(contract: Contract, plan: Object) -> Resource:
    named = plan.get("resource")
    for each in contract.description.resources:
        if each.id in contract.agreement.resources and named in (None, "", each.id):
            return each
    raise NotFound("resource.not_found", what="resource", name=str(named)[:64])


def _permit(
    strategies: list[Strategy], asked: Request, facts: Mapping[str, object], phase: Phase, course: Course
) -> tuple[Strategy, Decision]:
    """The first strategy that permits, unless one that this connector enforces prohibits."""
    decided = [(each, ask(compiled(each), asked, facts, phase)) for each in strategies]
    for _, decision in decided:
        course.note(decision)
    for _, decision in decided:
        if decision.effect is Effect.DENY:
            check_permitted(decision)
    for strategy, decision in decided:
        if decision.effect is Effect.PERMIT:
            return strategy, decision
    for _, decision in decided:
        check_permitted(decision)
        raise Refused("contract.duties", duties=", ".join(decision.duties))
    raise Refused("contract.nothing", asked=asked.action, permitted="-")


@lru_cache(maxsize=512)
def _compiled(policy: bytes) -> Compiled:
    return compile_policy(odrl.load(canonical.decode_object(policy)))
