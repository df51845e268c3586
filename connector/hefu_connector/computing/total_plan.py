"""The words of a joint total: one question to several providers, of whose answers only the sum is ever told.

What protects a party's data is the noise that the *others* add, too. So the plan says what share each adds to each
number, the same for all, and names by one digest what all must understand alike: the question, its groups, what a step
of each number is. A party that would understand it otherwise refuses, and the masks of parties that were told two
stories do not cancel (`TotalPlan.masking`).
"""

from __future__ import annotations

from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies.budget import PrivacyLoss
from hefu_policies.reading import Place, check_digest, wrong
from hefu_policies.words.terms import MPC_EVALUATE

from hefu_connector.computing.computation import LARGEST_PLAN, MOST_AGGREGATES, Plan
from hefu_connector.computing.suites import TOTALS
from hefu_connector.session import Session

FUNCTIONS = ("count", "sum", "units")
LARGEST_SHARE = 2**50  # thousandths of a step
_VERSION = 1
_MEMBERS = ("version", "operation", "product", "session", "query", "noise", "question")


@dataclass(frozen=True, slots=True)
class TotalPlan:
    """One party's part of a joint total.

    Attributes:
        session: of whom, in what order, under which key; the same for all parties.
        query: the question to this party: its product, and the loss that it may charge at most.
        noise: of each aggregate, σ of the noise that each party adds, in thousandths of a step; the same for all.
        question: ``sha256:`` of what all parties must understand alike (`hefu_connector.engines.totals`).
    """

    session: Session
    query: Plan
    noise: tuple[int, ...]
    question: str

    def __post_init__(self) -> None:
        if (self.session.suite, self.session.parameters) != (TOTALS.name, TOTALS.digest()):
            wrong("plan.session.suite", f"{TOTALS.name}, and the digest of its parameters")
        for each in self.query.aggregates:
            if each.function not in FUNCTIONS:
                raise Malformed("total.function", function=each.function)
        if self.query.unknown or self.query.join is not None:
            raise Malformed("total.groups")
        if len(self.noise) != len(self.query.aggregates):
            wrong("plan.noise", "one number for each aggregate")
        for share in self.noise:
            Place(share, "plan.noise").integer(1, LARGEST_SHARE)
        check_digest(self.question, "plan.question")

    @property
    def product(self) -> str:
        """The data product asked."""
        return self.query.product

    @property
    def resource(self) -> str:
        """Which of the product's resources; empty where it has one."""
        return self.query.resource

    @property
    def loss(self) -> PrivacyLoss:
        """What it may cost this party's units at most."""
        return self.query.loss

    def headings(self) -> tuple[str, ...]:
        """The total's columns."""
        return self.query.headings()

    def masking(self) -> str:
        """Names what masks are made for, besides the session: the question, and every share of noise."""
        noise: list[Json] = [*self.noise]
        said: Object = {"question": self.question, "noise": noise, "session": self.session.digest()}
        return canonical.digest(canonical.encode(said))

    def body(self) -> Object:
        """The plan as it stands in a `computation.requested` statement."""
        body: Object = {
            "version": _VERSION,
            "operation": MPC_EVALUATE,
            "product": self.product,
            "session": self.session.body(),
            "query": self.query.body(),
            "noise": [*self.noise],
            "question": self.question,
        }
        return body | {"resource": self.resource} if self.resource else body

    @classmethod
    def of(cls, body: Json) -> TotalPlan:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        if len(canonical.encode(body)) > LARGEST_PLAN:
            wrong("plan", f"at most {LARGEST_PLAN} bytes")
        found = Place(body, "plan").members(_MEMBERS, ("resource",))
        found["version"].integer(_VERSION, _VERSION)
        found["operation"].choice(MPC_EVALUATE)
        plan = cls(
            Session.of(found["session"]),
            Plan.of(found["query"].value),
            tuple(each.integer(1, LARGEST_SHARE) for each in found["noise"].items(1)[: MOST_AGGREGATES + 1]),
            found["question"].digest(),
        )
        named = found["resource"].text(64) if "resource" in found else ""
        if (found["product"].text(64), named) != (plan.product, plan.resource):
            wrong("plan.product", "the product and resource of its query")
        return plan
