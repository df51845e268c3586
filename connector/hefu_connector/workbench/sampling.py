"""Asking for a synthetic sample: its counts follow from the public schema, one question is charged, rows are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hefu import canonical
from hefu.errors import Malformed

from hefu_connector.workbench import questions, synthesis
from hefu_connector.workbench.answer import Answer
from hefu_connector.workbench.marginals import Marginals, marginals
from hefu_connector.workbench.sample import Sample, draw

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.goods.product import Description
    from hefu_policies.goods.resource import Resource

    from hefu_connector.computing.computation import Plan


@dataclass(frozen=True, slots=True)
class Wish:
    """What sample is wanted.

    Attributes:
        pairs: of columns that are counted together; by the public rule where absent.
        columns: to count; all that can be where empty.
        bins: of a number's range, at most; 10 where absent, or fewer if an answer could not hold them.
        resource: of a product with several; the first where empty.
    """

    rows: int = 1000
    pairs: Sequence[tuple[str, str]] | None = None
    columns: Sequence[str] = ()
    bins: int | None = None
    resource: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= synthesis.MOST_ROWS:
            raise Malformed("sample.rows", most=synthesis.MOST_ROWS)

    def marginals(self, description: Description) -> tuple[Resource, Marginals]:
        """What is counted of which resource; raises Malformed."""
        for each in description.resources:
            if self.resource in ("", each.id):
                return each, marginals(each, self.pairs, self.columns, self.bins)
        raise Malformed("question.differ", word=self.resource[:64], why="the product has no such resource")


def plan(description: Description, wish: Wish, offered: questions.Offered) -> Plan:
    """The one question of a sample, priced by its provider like any other; raises Malformed."""
    epsilon, delta, rho = offered
    resource, counted = wish.marginals(description)
    several = len(description.resources) > 1
    return counted.plan(description.product, resource.id if several else "", questions.loss(epsilon, delta, rho))


def ask(
    stub: ControlServiceStub,
    contract: control_pb2.Contract,
    description: Description,
    wish: Wish,
    offered: questions.Offered,
    purpose: str = "",
) -> Sample:
    """Ask, wait, and draw the rows.

    Raises:
        NotFound: what draws rows is not installed; nothing was asked then.
        Malformed: the wish does not fit the schema.
        Refused: the provider refused.
    """
    synthesis.check()
    body = canonical.encode(plan(description, wish, offered).body())
    questions.estimate(stub, description.product, body)  # what would be refused is not sent
    made = questions.send(stub, contract.agreement_name, body, purpose)
    *_, last = questions.follow(stub, made.computation.name)
    return again(last, description, wish)


def again(found: control_pb2.OwnComputation, description: Description, wish: Wish) -> Sample:
    """Other rows from a release that was paid for; charges nothing.

    Args:
        wish: as it was when the release was asked for, but for the number of rows.

    Raises:
        Malformed: the release is of another question.
    """
    answer = Answer.of(found)
    resource, counted = wish.marginals(description)
    if answer.sources[0].product != description.product or not counted.asked(found.plan):
        raise Malformed("sample.release", computation=answer.sources[0].computation)
    return draw(answer, counted, resource, wish.rows)
