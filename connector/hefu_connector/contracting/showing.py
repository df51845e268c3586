"""The catalog phase at a provider's own connector: an offer is agreed on with nobody whom its policy excludes.

The broker decides the same before it; here it is decided from what this connector verified itself, by its own clock.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from hefu import canonical
from hefu.errors import NotFound
from hefu_policies.goods import seeing
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.seeing import Sight

from hefu_connector.ports import Trust


def check_shown(description: Description, name: str, consumer: str, trust: Trust, now: datetime) -> Offer:
    """The offer of this name, if the consumer may see it.

    Raises:
        NotFound: it is not there, not listed for the consumer, or its policy definitely excludes the consumer; which
            of them is the provider's own affair.
    """
    offer = description.offer(name)
    if offer is not None and offer.visibility.allows(consumer):
        facts = seeing.known(trust.roles(consumer), trust.attributes(consumer), now)
        if _sight(canonical.encode(offer.policy)).allows(facts):
            return offer
    raise NotFound("offer.not_found", product=description.product, offer=name)


@lru_cache(maxsize=256)
def _sight(policy: bytes) -> Sight:
    """A policy's form for the catalog phase, by its canonical bytes: it is compiled once, asked at every round."""
    return Sight.of(canonical.decode_object(policy))
