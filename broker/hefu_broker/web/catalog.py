"""The catalog in a browser: what a stranger may see, or what the member does whose link was opened."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from hefu.envelope import Statement
from hefu.errors import HefuError, Malformed, NotFound, Unauthenticated
from hefu.tlog import tree
from hefu_policies import odrl
from hefu_policies.agreeing.contract import Description
from hefu_policies.telling import models, wording
from starlette.responses import Response

from hefu_broker.membership.visits import CATALOG
from hefu_broker.web import showing, visitor

if TYPE_CHECKING:
    from hefu.errors import Language
    from hefu.identity import Binding
    from hefu_policies.agreeing.contract import Offer
    from hefu_policies.budget import Budget

    from hefu_broker.rooms import Rooms

PAGE = 20
router = APIRouter()


@router.api_route("/", methods=["GET", "HEAD"])
def catalog(request: Request, q: str = "", page: str = "") -> Response:
    """What is listed, or found by some words."""
    rooms, member = visitor.rooms_of(request), _member(request)
    told: dict[str, Any] = {
        "q": q[:200],
        "member": member,
        "public": rooms.settings.web_public,
        "fault": "",
        "more": "",
    }
    try:
        if member is None and not rooms.settings.web_public:
            raise NotFound("web.unopened")
        found, more = rooms.catalog.search(member, q[:200], "", PAGE, page)
    except (Malformed, NotFound) as fault:
        told["fault"] = fault.public(visitor.language_of(request))
        return showing.page(request, "catalog.html", told | {"products": [], "total": 0})
    products = [_card(Description.of(Statement.parse(each.envelope).body), each.provider) for each in found.cards]
    return showing.page(request, "catalog.html", told | {"products": products, "total": found.total, "more": more})


@router.api_route("/products/{id_}", methods=["GET", "HEAD"])
def product(request: Request, id_: str) -> Response:
    """One product: what it is, what may be asked of it on which terms, in plain words."""
    rooms, member, language = visitor.rooms_of(request), _member(request), visitor.language_of(request)
    if member is None and not rooms.settings.web_public:
        raise NotFound("web.unopened")
    listing, offers = rooms.catalog.shown(member, id_)
    one = listing.description
    return showing.page(
        request,
        "product.html",
        {
            "one": one,
            "provider": _name(rooms, listing.provider, language),
            "state": listing.state,
            "published": listing.statement.time,
            "digest": listing.digest,
            "index": rooms.log.index_of(tree.leaf_hash(listing.statement.to_bytes())),
            "guarantee": one.has_guarantee(),
            "offers": [_offer(each, language) for each in offers],
            "budget": lambda budget: spent_text(budget_values(budget)),
            "bounds": _bounds,
            "disclosure": lambda resource: models.disclosure(resource, one.offers, language),
        },
    )


def _member(request: Request) -> Binding | None:
    """The member that visits; None for a stranger, who sees what is public."""
    try:
        return visitor.reader(request, CATALOG)
    except Unauthenticated:
        return None


def _card(one: Description, provider: str) -> dict[str, Any]:
    return {"one": one, "provider": provider, "rows": sum(len(each.schema) for each in one.resources)}


def _name(rooms: Rooms, participant: str, language: Language) -> str:
    try:
        return showing.pick(rooms.registry.directory.participant(participant).names, language) or participant
    except HefuError:
        return participant


def _offer(offer: Offer, language: Language) -> dict[str, Any]:
    return {
        "it": offer,
        "budget": spent_text(budget_values(offer.budget)),
        "told": wording.explain(odrl.load(offer.policy), language),
    }


def budget_values(budget: Budget) -> tuple[int, int, int, int]:
    """ε, δ, releases and ρ of a budget, in their units."""
    return budget.loss.epsilon_nano, budget.loss.delta_femto, budget.releases, budget.loss.rho_nano


def spent_text(values: tuple[int, int, int, int]) -> str:
    """A budget or a charge in a few signs: ε 0.5, δ 1e-6, 3 ×."""
    epsilon, delta, releases, rho = values
    parts = [f"ε {_number(Decimal(epsilon).scaleb(-9))}"] if epsilon or not rho else []
    parts += [f"ρ {_number(Decimal(rho).scaleb(-9))}"] if rho else []
    parts += [f"δ {Decimal(delta).scaleb(-15).normalize():.3g}"] if delta else []
    return ", ".join([*parts, f"{releases} ×"])


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _bounds(column: Any) -> str:
    if column.bounds is not None:
        held = column.bounds
        return f"{_number(held.lower)} … {_number(held.upper)} / {_number(held.granularity)}"
    if column.categories:
        few = ", ".join(column.categories[:12])
        return few + (" …" if len(column.categories) > 12 else "")
    return ""
