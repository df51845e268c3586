"""Two products of one provider, asked as one: joined on the privacy unit of both, under a contract for each.

both = space.product("prd-patients").join("prd-visits")
both.query("SELECT region, ward, SUM(cost) AS cost FROM data GROUP BY region, ward", epsilon=0.5)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hefu import canonical
from hefu.errors import Malformed

from hefu_connector.workbench import link, questions
from hefu_connector.workbench.answer import Answer
from hefu_connector.workbench.estimate import Estimate

if TYPE_CHECKING:
    from hefu_policies.goods.product import Description

    from hefu_connector.computing.computation import Plan
    from hefu_connector.workbench.questions import Amount


class Held(Protocol):
    """A contract on a product."""

    @property
    def id(self) -> str:
        """Such as ``agr-…``."""


class Side(Protocol):
    """One of the products."""

    @property
    def id(self) -> str:
        """Such as ``prd-…``."""

    @property
    def provider(self) -> str:
        """Whose it is."""

    @property
    def description(self) -> Description:
        """As its provider signed it."""

    def only_contract(self) -> Held:
        """The only contract in force on it; raises NotFound, Conflict."""


@dataclass(frozen=True, slots=True, repr=False)
class Joined:
    """A product with another of its provider beside it; in SQL both are ``data``.

    Attributes:
        folder: of the participant's connector.
    """

    folder: Path
    first: Side
    second: Side

    def estimate(self, sql: str, *, epsilon: Amount = "", delta: Amount = 0, rho: Amount = "") -> Estimate:
        """Cost and expected error of a question; needs no contract, touches no data and charges nothing."""
        plan = self._plan(sql, epsilon, delta, rho)
        with link.control(self.folder) as stub:
            return Estimate.of(questions.estimate(stub, self.first.id, canonical.encode(plan.body())))

    def query(
        self,
        sql: str,
        *,
        epsilon: Amount = "",
        delta: Amount = 0,
        rho: Amount = "",
        contract: str = "",
        joined: str = "",
        purpose: str = "",
    ) -> Answer:
        """Ask, and wait for the answer; each contract is charged in full.

        Args:
            sql: a question of ``data``, with columns of either product.
            contract, joined: on the first and on the second product; by default the only one in force on it.

        Raises:
            Malformed: a word of the query is not of the dialect, or the products cannot be joined.
            NotFound, Conflict: no contract is in force on a product, or several are.
            Refused: the provider refused; the reasons name the clauses.
        """
        plan = canonical.encode(self._plan(sql, epsilon, delta, rho).body())
        with link.control(self.folder) as stub:
            names = [contract or self.first.only_contract().id, joined or self.second.only_contract().id]
            first, second = (questions.contract(stub, each).agreement_name for each in names)
            made = questions.send(stub, first, plan, purpose, second)
            *_, last = questions.follow(stub, made.computation.name)
        return Answer.of(last)

    def __repr__(self) -> str:
        return f"<{self.first.id} joined with {self.second.id} of {self.first.provider} on {self._unit()}>"

    def _plan(self, sql: str, epsilon: Amount, delta: Amount, rho: Amount) -> Plan:
        from hefu_connector.computing.computation import Join

        plan = questions.plan(sql, self.first.description, *questions.offered(epsilon, delta, rho))
        if plan.join is None:
            return replace(plan, join=Join(self.second.id, self._unit(plan.resource)))
        if plan.join.product != self.second.id:
            raise Malformed("contract.joined", first=self.first.id, second=plan.join.product)
        return plan

    def _unit(self, resource: str = "") -> str:
        """The column that names the privacy unit of the first product."""
        found = (each.privacy.unit for each in self.first.description.resources if resource in ("", each.id))
        return next(found, "")
