"""The words of an exact aggregate: a plan of private statistics without a privacy loss, under an operation of its own.

It is a separate computation with a separate permission (`hefu:aggregateQuery`). What it costs is an exact release, and
what it gives has no differential privacy guarantee: docs/exact-aggregates.md says what protects it and what does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from hefu.canonical import Json, Object
from hefu.errors import Refused
from hefu_policies.budget import NO_LOSS, PrivacyLoss
from hefu_policies.reading import Place, wrong
from hefu_policies.words.terms import AGGREGATE_QUERY

from hefu_connector.computing.computation import Plan

# The mechanism of every figure of an exact answer: what its receipt, and whoever shows it, says of it.
WITHOUT_PRIVACY = "rounding-without-differential-privacy"
_VERSIONS = (1, 2)  # of plans that disclosure control was made for: no newer form is let through unguarded


@dataclass(frozen=True, slots=True)
class ExactPlan:
    """What is asked exactly.

    Attributes:
        plan: the question; its loss is none.
    """

    plan: Plan

    def __post_init__(self) -> None:
        if self.plan.sets:
            wrong("plan.sets", "no grouping sets in an exact aggregate: disclosure control judges one table at a time")
        if self.plan.join is not None:
            raise Refused("plan.join_exact")
        Place(self.plan.body()["version"], "plan.version").integer(*_VERSIONS)

    @property
    def product(self) -> str:
        """The data product asked."""
        return self.plan.product

    @property
    def resource(self) -> str:
        """Which of the product's resources; empty where it has one."""
        return self.plan.resource

    @property
    def loss(self) -> PrivacyLoss:
        """None: what leaves without noise is counted as an exact release and not as an amount of ε."""
        return NO_LOSS

    def headings(self) -> tuple[str, ...]:
        """The answer's columns."""
        return self.plan.headings()

    def body(self) -> Object:
        """The plan as it stands in a `computation.requested` statement."""
        asked = {name: value for name, value in self.plan.body().items() if name != "loss"}
        return {**asked, "operation": AGGREGATE_QUERY}

    @classmethod
    def of(cls, body: Json) -> ExactPlan:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        needed = ("version", "operation", "product", "aggregates", "filter", "group_by")
        found = Place(body, "plan").members(needed, ("resource", "join"))
        found["operation"].choice(AGGREGATE_QUERY)
        if "join" in found:
            raise Refused("plan.join_exact")
        found["version"].integer(*_VERSIONS)
        asked = {name: each.value for name, each in found.items() if name != "operation"}
        return cls(Plan.of({**asked, "loss": NO_LOSS.body()}))
