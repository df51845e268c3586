"""What a plan would cost under an own product: priced from the public description, without data, charge or contract."""

from __future__ import annotations

from collections.abc import Mapping

from hefu.canonical import Object
from hefu.errors import NotFound
from hefu_policies import odrl
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Resource

from hefu_connector.computing.admission import output_limits
from hefu_connector.computing.computation import Plan
from hefu_connector.computing.plans import operation, read_plan
from hefu_connector.ports import Engine, Prepared
from hefu_connector.shelves import Products, ProductState


class Estimates:
    """Prices plans for callers. Safe to use from many threads.

    Args:
        engines: by action, as the enforcement point has them.
    """

    def __init__(self, products: Products, engines: Mapping[str, Engine]) -> None:
        self._products = products
        self._engines = engines

    def estimate(self, product: str, plan: Object, caller: str) -> Prepared:
        """A plan as it would be run for a caller, under the strictest of the offers it may see.

        Raises:
            NotFound: no such product, or none of its offers is for this caller.
            Malformed, Refused: the plan does not fit the schema, or asks for what is never answered.
        """
        asked, action = read_plan(plan), operation(plan)
        if asked.product != product:
            raise NotFound("resource.not_found", what="product", name=product)
        join = asked.join if isinstance(asked, Plan) else None
        first, offers = self._shown(product, asked.resource, caller)
        second, more = self._shown(join.product, join.resource, caller) if join is not None else (None, [])
        limits = output_limits((odrl.load(each.policy) for each in (*offers, *more)), action)
        return self._engines[action].prepare(plan, first, *limits, beside=second)

    def _shown(self, product: str, resource: str, caller: str) -> tuple[Resource, list[Offer]]:
        """A resource of a product that a caller may see, and the offers on it."""
        held = self._products.find(product)
        if held is None or held.state is not ProductState.PUBLISHED:
            raise NotFound("resource.not_found", what="product", name=product)
        offers = [each for each in held.description.offers if each.visibility.allows(caller)]
        if not offers:
            raise NotFound("resource.not_found", what="product", name=product)
        return _resource(held.description, resource), offers


def _resource(description: Description, named: str) -> Resource:
    for each in description.resources:
        if named in {"", each.id}:
            return each
    raise NotFound("resource.not_found", what="resource", name=named)
