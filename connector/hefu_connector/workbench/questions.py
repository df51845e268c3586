"""Asking, step by step: the contract, the plan, the request, the end. Commands and Python call the same functions.

SQL is read in the process of whoever asks and goes no further than it; only the typed plan crosses the socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed, NotFound, Refused

from hefu_connector.workbench.link import PEER, call, contract_name, named, short

if TYPE_CHECKING:
    from hefu.v1 import catalog_pb2, computation_pb2, control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.budget import PrivacyLoss
    from hefu_policies.goods.product import Description

    from hefu_connector.computing.computation import Plan
    from hefu_connector.computing.exact import ExactPlan

Amount = str | float | Decimal
Offered = tuple[str, str, str]  # ε, δ and ρ as people write them; empty where it is not that one
_LONGEST_WAIT = 3600.0  # seconds
_SENDING = 60.0  # seconds
_PAGE = 200


def search(stub: ControlServiceStub, words: str = "", provider: str = "", keyword: str = "") -> list[Any]:
    """Every product of the catalog that matches, page by page."""
    from hefu.v1 import catalog_pb2

    narrowing = [f"{name}={value}" for name, value in (("provider", provider), ("keyword", keyword)) if value]
    request = catalog_pb2.SearchProductsRequest(query=words, filter=" AND ".join(narrowing), page_size=_PAGE)
    found: list[catalog_pb2.Product] = []
    while True:
        page = call(stub.SearchProducts, request)
        found.extend(page.products)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def product(stub: ControlServiceStub, id_: str) -> catalog_pb2.Product:
    """One product; raises NotFound."""
    from hefu.v1 import catalog_pb2

    found: catalog_pb2.Product = call(stub.GetProduct, catalog_pb2.GetProductRequest(name=named("products", id_)))
    return found


def contract(stub: ControlServiceStub, id_: str) -> control_pb2.Contract:
    """A contract that is agreed on, by agreement or negotiation.

    Raises:
        NotFound: there is none, or it is not in force yet.
    """
    from hefu.v1 import control_pb2

    found: control_pb2.Contract = call(stub.GetContract, control_pb2.GetContractRequest(name=contract_name(id_)))
    if not found.HasField("description"):
        raise NotFound("command.not_in_force", contract=id_)
    return found


def described(contract: control_pb2.Contract, product: str = "") -> Description:
    """The description under a contract of a product; by default of the contract's own, or of the first provider's.

    Raises:
        NotFound: nobody brings that product into the contract.
    """
    found = [description(each.envelope) for each in (contract.description, *contract.descriptions)]
    wanted = short(named("products", product)) if product else found[0].product
    for each in found:
        if each.product == wanted:
            return each
    raise NotFound("resource.not_found", what="product under this agreement", name=wanted[:64])


def description(envelope: bytes) -> Description:
    """What a signed description says; the connector verified it."""
    from hefu.envelope import Statement
    from hefu_policies.goods.product import Description

    return Description.of(Statement.parse(envelope).body)


def offered(epsilon: Amount, delta: Amount, rho: Amount) -> Offered:
    """A privacy loss as it is written; raises Malformed where it is neither an ε nor a ρ, or both."""
    found = _text(epsilon), _text(delta), _text(rho)
    if bool(found[0]) == bool(found[2]):
        raise Malformed("command.epsilon")
    return found


def plan(sql: str, description: Description, epsilon: str, delta: str = "0", rho: str = "") -> Plan:
    """The typed plan of a query in Hefu's SQL.

    Args:
        rho: offered in place of ε, where the contract counts in ρ.

    Raises:
        Malformed: a word of it is not of the dialect; the sentence names it and says why.
    """
    from hefu_connector.engines import language

    return language.parse(sql, description, loss(epsilon, delta, rho))


def loss(epsilon: str, delta: str = "0", rho: str = "") -> PrivacyLoss:
    """What is offered, as people write it; raises Malformed."""
    from hefu_policies.budget import PrivacyLoss

    return PrivacyLoss.of_rho(rho, delta) if rho else PrivacyLoss.of_text(epsilon, delta)


def exact(sql: str, description: Description) -> ExactPlan:
    """The same query as an exact aggregate: without noise, and without differential privacy; raises as `plan`."""
    from hefu_policies.budget import NO_LOSS

    from hefu_connector.computing.exact import ExactPlan
    from hefu_connector.engines import language

    return ExactPlan(language.parse(sql, description, NO_LOSS))


def aimed(plan: Plan, description: Description, error: str) -> Plan:
    """The plan with the least loss at which no answer is further off than ``2%`` or ``50``.

    Args:
        plan: what it offers is the most to spend; where it offers nothing, what the product's offers allow at once.

    Raises:
        Refused: more would be needed than may be spent, or the error cannot be told beforehand.
    """
    from dataclasses import replace

    from hefu_connector.workbench import targeting

    if plan.join is not None:  # the other product's schema and offers would have to be known as well
        raise Refused("plan.target_join")
    most, group = targeting.offered(description)
    if plan.loss.epsilon_nano or plan.loss.rho_nano:
        most = plan.loss
    resource = next((each for each in description.resources if each.id == plan.resource), description.resources[0])
    target = targeting.Target.of_text(error)
    return replace(plan, loss=targeting.least(plan, resource, target, group, most))


def send(
    stub: ControlServiceStub, agreement: str, plan: bytes, purpose: str = "", joined: str = ""
) -> control_pb2.OwnComputation:
    """Have a plan signed and sent; raises what refused it.

    Args:
        joined: the agreement on the product that the plan joins, if it joins one.
    """
    from hefu.v1 import control_pb2

    request = control_pb2.ControlServiceCreateComputationRequest(
        agreement=agreement, plan=plan, purpose=purpose, joined=joined
    )
    made: control_pb2.OwnComputation = call(stub.CreateComputation, request, _SENDING)
    return made


def follow(stub: ControlServiceStub, name: str) -> Iterator[control_pb2.OwnComputation]:
    """Every change of a computation until it is over; the last one carries the answer, unsealed and verified."""
    from hefu.v1 import computation_pb2
    from hefu.wire import transport

    request = computation_pb2.WatchComputationRequest(name=name)
    yield from transport.stream(stub.WatchComputation, request, peer=PEER, timeout=_LONGEST_WAIT)
    yield seen(stub, name)


def seen(stub: ControlServiceStub, name: str) -> control_pb2.OwnComputation:
    """A computation as it is now."""
    from hefu.v1 import computation_pb2

    request = computation_pb2.GetComputationRequest(name=named("computations", name))
    found: control_pb2.OwnComputation = call(stub.GetComputation, request, _SENDING)
    return found


def estimate(stub: ControlServiceStub, product: str, plan: bytes) -> computation_pb2.Estimate:
    """Cost and expected error of a plan; charges nothing."""
    from hefu.v1 import control_pb2

    request = control_pb2.ControlServiceEstimateComputationRequest(product=named("products", product), plan=plan)
    found: computation_pb2.Estimate = call(stub.EstimateComputation, request)
    return found


def _text(amount: Amount) -> str:
    """A number as it is written, never as a float is stored."""
    return amount if isinstance(amount, str) else format(Decimal(str(amount)), "f")
