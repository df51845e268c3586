"""What one provider brings into an agreement: its product on the terms of one of its offers, within its own budget."""

from __future__ import annotations

from dataclasses import dataclass

from hefu.canonical import Json, Object

from hefu_policies.budget import Budget
from hefu_policies.goods.product import check_offline, check_snapshot_rule
from hefu_policies.goods.resource import ADD_REMOVE
from hefu_policies.reading import Place, check_digest, wrong
from hefu_policies.words.terms import DP_QUERY

_MEMBERS = (
    "provider", "offer", "product", "description", "resources", "snapshot_rule", "computations",
    "offline_window_seconds", "offline_share_percent", "budget", "privacy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contribution:
    """One provider's part of an agreement.

    Attributes:
        description: the digest of the description version that was agreed on.
        resources: ids of the assets.
        computations: the actions that may be asked for at all.
        unit: the privacy unit; ``neighbouring`` is its relation.
    """

    provider: str
    offer: str
    product: str
    description: str
    resources: tuple[str, ...]
    snapshot_rule: str
    computations: tuple[str, ...]
    offline_window_seconds: int
    offline_share_percent: int
    budget: Budget
    unit: str
    neighbouring: str = ADD_REMOVE

    def __post_init__(self) -> None:
        self.check(f"contribution of {self.provider}")

    def check(self, where: str) -> None:
        """Check that it is complete and within what may be agreed.

        Raises:
            Malformed: it is not.
        """
        check_digest(self.description, f"{where}.description")
        check_snapshot_rule(self.snapshot_rule, f"{where}.snapshot_rule")
        check_offline(self.offline_window_seconds, self.offline_share_percent, where)
        if not (self.resources and self.computations):
            wrong(where, "at least one resource and computation")
        if self.neighbouring != ADD_REMOVE:
            wrong(f"{where}.privacy.neighbouring", ADD_REMOVE)
        exact = DP_QUERY not in self.computations
        self.budget.check_granted(f"{where}.budget", exact=exact)

    def body(self) -> Object:
        """The contribution as it stands under ``further``; the first provider's stands in the agreement itself."""
        return {
            "provider": self.provider,
            "offer": self.offer,
            "product": self.product,
            "description": self.description,
            "resources": [*self.resources],
            "snapshot_rule": self.snapshot_rule,
            "computations": [*self.computations],
            "offline_window_seconds": self.offline_window_seconds,
            "offline_share_percent": self.offline_share_percent,
            "budget": self.budget.body(),
            "privacy": {"unit": self.unit, "neighbouring": self.neighbouring},
        }

    @classmethod
    def of(cls, body: Json, where: str = "contribution") -> Contribution:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(_MEMBERS)
        privacy = found["privacy"].members(("unit", "neighbouring"))
        return cls(
            provider=found["provider"].text(),
            offer=found["offer"].text(),
            product=found["product"].text(),
            description=found["description"].digest(),
            resources=found["resources"].texts(least=1),
            snapshot_rule=found["snapshot_rule"].text(),
            computations=found["computations"].texts(least=1),
            offline_window_seconds=found["offline_window_seconds"].integer(),
            offline_share_percent=found["offline_share_percent"].integer(),
            budget=Budget.of(found["budget"].value, found["budget"].where),
            unit=privacy["unit"].text(),
            neighbouring=privacy["neighbouring"].choice(ADD_REMOVE),
        )
