"""Plans of every operation: which one a plan is of, how it is read, and how many exact releases it is charged."""

from __future__ import annotations

from collections.abc import Callable

from hefu.canonical import Json, Object
from hefu_policies.reading import Place
from hefu_policies.words.terms import AGGREGATE_QUERY, DELIVER, DOWNLOAD, DP_QUERY, HE_INFERENCE, MPC_EVALUATE, READ

from hefu_connector.computing.computation import Plan
from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.computing.total_plan import TotalPlan

AnyPlan = Plan | DeliveryPlan | ExactPlan | ScorePlan | TotalPlan
_READERS: dict[str, Callable[[Json], AnyPlan]] = {
    DP_QUERY: Plan.of,
    DELIVER: DeliveryPlan.of,
    AGGREGATE_QUERY: ExactPlan.of,
    HE_INFERENCE: ScorePlan.of,
    MPC_EVALUATE: TotalPlan.of,
}

# What this version carries out; a contract about anything else can be agreed on, and nothing can be asked under it.
CARRIED_OUT = frozenset({*_READERS, READ, DOWNLOAD})


def operation(plan: Object) -> str:
    """The action that a plan asks for; a plan that names none is a private query.

    Raises:
        Malformed: it names one that is not known here.
    """
    return Place(plan.get("operation", DP_QUERY), "plan.operation").choice(*_READERS)


def read_plan(plan: Object) -> AnyPlan:
    """A plan of any operation; raises Malformed."""
    return _READERS[operation(plan)](plan)


def releases(plan: AnyPlan) -> int:
    """How many releases a plan is charged: one, but of scores one for each slot of each block."""
    return plan.parameters.places(plan.records) if isinstance(plan, ScorePlan) else 1
