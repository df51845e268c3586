"""What a space's charter says of an offer: its policy comes from a template the charter allows, unaltered.

An offer that names its template can be checked by anybody: the template and the parameters give one policy, and it
must be the offer's to the byte.
"""

from __future__ import annotations

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed, Refused, Untrusted
from hefu.membership.charter import Charter

from hefu_policies import library
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.bargaining.haggling import widens
from hefu_policies.goods.product import Description, Offer


def check(charter: Charter | None, description: Description) -> None:
    """Check every offer of a description; raises as `check_offer`."""
    for each in description.offers:
        check_offer(charter, each)


def check_offer(charter: Charter | None, offer: Offer) -> None:
    """Check that an offer's policy is what its template gives, and that the charter allows the template.

    Raises:
        Refused: it is another policy than its template's, or the charter does not allow it.
    """
    if offer.template is not None and not _is_rendered(offer):
        raise Refused("charter.altered", offer=offer.id, template=offer.template.name[:60])
    allowed = charter.templates if charter is not None else None
    if allowed is not None and (offer.template is None or offer.template.name not in allowed):
        raise Refused("charter.template", offer=offer.id, known=", ".join(allowed) or "-")


def check_terms(charter: Charter | None, offer: Offer, changes: Object) -> None:
    """Check the terms on which an offer is to be agreed: where the charter names templates, they may only be narrowed.

    Raises:
        Refused: as `check_offer`, or a change permits what the template does not.
        Malformed: the changes are none that the offer can have.
    """
    check_offer(charter, offer)
    if charter is None or charter.templates is None or not changes:
        return
    wider = widens(offer, changes)
    if wider:
        raise Refused("charter.widened", offer=offer.id, keys=", ".join(wider)[:400])


def check_filing(charter: Charter | None, agreement: Agreement) -> None:
    """Check that an agreement is filed for exactly those whom the charter names, and for its parties.

    Raises:
        Untrusted: it is not.
    """
    keys = charter.filing if charter is not None else {}
    parties = {each.participant for each in agreement.parties}
    wrapped = agreement.filing.wrapped if agreement.filing is not None else {}
    named = {*keys} | parties if keys else set()
    if {*wrapped} != named or any(wrapped[name].suite != key.suite for name, key in keys.items()):
        raise Untrusted("agreement.differs", where="filing")


def _is_rendered(offer: Offer) -> bool:
    if offer.template is None:
        return False
    try:
        rendered = library.template(offer.template.name, offer.template.parameters)
    except Malformed:
        return False
    return canonical.encode(rendered) == canonical.encode(offer.policy)
