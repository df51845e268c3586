"""A data product: what a provider offers of its resources, to whom, and under which policies.

`Description` is the body of the provider's signed `product.published` statement, one per version; an agreement signs
its digest. Resources stand in `hefu_policies.goods.resource`, agreements in `hefu_policies.agreeing.contract`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from hefu.canonical import Json, Object
from hefu.errors import Malformed

from hefu_policies import odrl
from hefu_policies.budget import Budget
from hefu_policies.deciding.policy import Policy
from hefu_policies.goods.processing import KNOWN
from hefu_policies.goods.resource import Resource
from hefu_policies.reading import Place, check_digest, plain, rows, unique, whole, wrong
from hefu_policies.words.terms import DP_QUERY, HE_INFERENCE, RAW

DATA_PRODUCT = "data_product"
MODEL = "model"
KINDS = (DATA_PRODUCT, "service", MODEL, "application", "policy_template", "demand")
LATEST = "latest"
PUBLIC = "public"  # members and strangers: whoever opens the catalog in a browser
VISIBILITIES = ("members", "listed", PUBLIC)
_PINNED = "pinned:"
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_CODES = ("product_form", "delivery_mode", "execution_environment", "encryption")
_EXTERNAL_ID = ("scheme", "value", "issuer", "status")


@dataclass(frozen=True, slots=True)
class Visibility:
    """Who may see an offer: all ``members`` of the space, the ``listed`` participants, or anybody (``public``)."""

    kind: str = "members"
    participants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in VISIBILITIES:
            wrong("visibility.kind", ", ".join(VISIBILITIES))
        if (self.kind == "listed") != bool(self.participants):
            wrong("visibility.participants", "participants if and only if the kind is listed")
        unique(self.participants, "visibility.participants")

    def allows(self, participant: str) -> bool:
        """Whether the participant, a member of the space, may see the offer."""
        return self.kind != "listed" or participant in self.participants

    def body(self) -> Object:
        """``{kind, participants}``."""
        return {"kind": self.kind, "participants": [*self.participants]}

    @classmethod
    def of(cls, body: Json, where: str = "visibility") -> Visibility:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("kind", "participants"))
        return cls(found["kind"].choice(*VISIBILITIES), found["participants"].texts())


@dataclass(frozen=True, slots=True)
class FromTemplate:
    """The template of the library that an offer's policy was made from, and its parameters: so anybody can check it."""

    name: str
    parameters: Object

    def body(self) -> Object:
        """``{name, parameters}``."""
        return {"name": self.name, "parameters": dict(self.parameters)}

    @classmethod
    def of(cls, body: Json, where: str = "template") -> FromTemplate:
        """Read what `body` wrote; raises as `Visibility.of`."""
        found = Place(body, where).members(("name", "parameters"))
        return cls(found["name"].text(60), found["parameters"].object())


@dataclass(frozen=True, slots=True)
class Offer:
    """Terms on which a product may be used.

    Attributes:
        policy: an ODRL Offer in JSON (`hefu_policies.odrl`), without target, assigner and assignee; the agreement
            fills them in.
        approval: ``automatic``, or ``manual`` where a person of the provider decides on each request.
        budget: what one agreement may spend.
        valid_days: how long an agreement lasts.
        offline_window_seconds: how old the newest status list may be; 0 where none may be stale.
        offline_share_percent: the part of the budget that may be spent with a stale one.
        template: what the policy was made from; None where it was written by hand.
    """

    id: str
    policy: Object
    budget: Budget
    visibility: Visibility = field(default_factory=Visibility)
    approval: str = "automatic"
    valid_days: int = 365
    offline_window_seconds: int = 3600
    offline_share_percent: int = 10
    template: FromTemplate | None = None

    def __post_init__(self) -> None:
        where = f"offer {self.id}"
        if self.approval not in ("automatic", "manual"):
            wrong(f"{where}.approval", "automatic or manual")
        policy = odrl.load(self.policy, f"{where}.policy")
        if policy.kind != "Offer":
            wrong(f"{where}.policy.@type", "Offer")
        exact = DP_QUERY not in policy.actions()
        self.budget.check_granted(f"{where}.budget", exact=exact)
        if not 1 <= whole(self.valid_days, f"{where}.valid_days") <= 3660:
            wrong(f"{where}.valid_days", "1 to 3660")
        check_offline(self.offline_window_seconds, self.offline_share_percent, where)

    def body(self) -> Object:
        """The offer as it stands in a description."""
        made: Object = {} if self.template is None else {"template": self.template.body()}
        return made | {
            "offer": self.id,
            "policy": self.policy,
            "visibility": self.visibility.body(),
            "approval": self.approval,
            "budget": self.budget.body(),
            "valid_days": self.valid_days,
            "offline_window_seconds": self.offline_window_seconds,
            "offline_share_percent": self.offline_share_percent,
        }

    @classmethod
    def of(cls, body: Json, where: str = "offer") -> Offer:
        """Read what `body` wrote; raises as `Visibility.of`."""
        found = Place(body, where).members(
            ("offer", "policy", "visibility", "approval", "budget", "valid_days", "offline_window_seconds",
             "offline_share_percent"),
            ("template",),
        )  # fmt: skip
        made = found.get("template")
        return cls(
            id=found["offer"].text(),
            policy=found["policy"].object(),
            budget=Budget.of(found["budget"].value, found["budget"].where),
            visibility=Visibility.of(found["visibility"].value, found["visibility"].where),
            approval=found["approval"].choice("automatic", "manual"),
            valid_days=found["valid_days"].integer(),
            offline_window_seconds=found["offline_window_seconds"].integer(),
            offline_share_percent=found["offline_share_percent"].integer(),
            template=None if made is None else FromTemplate.of(made.value, made.where),
        )


@dataclass(frozen=True, slots=True)
class Codes:
    """Four codes that are never mixed: each a word of the provider's catalogue, or empty."""

    product_form: str = ""
    delivery_mode: str = ""
    execution_environment: str = ""
    encryption: str = ""

    def body(self) -> Object:
        """The four codes."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def of(cls, body: Json, where: str = "codes") -> Codes:
        """Read what `body` wrote; raises as `Visibility.of`."""
        found = Place(body, where).members(_CODES)
        return cls(**{name: found[name].text(empty=True) for name in _CODES})


@dataclass(frozen=True, slots=True)
class Price:
    """What an agreement costs: a decimal as text, and an ISO 4217 currency."""

    amount: str
    currency: str

    def __post_init__(self) -> None:
        if Place(self.amount, "price.amount").decimal() < 0:
            wrong("price.amount", "0 or more")
        if not _CURRENCY.match(self.currency):
            wrong("price.currency", "three capital letters, such as CNY")

    def body(self) -> Object:
        """``{amount, currency}``."""
        return {"amount": self.amount, "currency": self.currency}

    @classmethod
    def of(cls, body: Json, where: str = "price") -> Price:
        """Read what `body` wrote; raises as `Visibility.of`."""
        found = Place(body, where).members(("amount", "currency"))
        return cls(found["amount"].text(), found["currency"].text())


@dataclass(frozen=True, slots=True)
class Description:
    """One version of a data product, as its provider signs it.

    Attributes:
        version: counts from 1; ``previous`` is the digest of the version before, None for the first.
        snapshot_rule: ``latest``, or ``pinned:`` and the digest of the snapshot that computations read.
        classifications: ``{scheme, code}`` rows.
        security_grade: 1 (lowest) to 5 (highest).
        external_ids: ``{scheme, value, issuer, status}`` rows.
        extensions: foreign spelling, signed and kept.
    """

    product: str
    version: int
    title: Mapping[str, str]
    resources: tuple[Resource, ...]
    offers: tuple[Offer, ...]
    previous: str | None = None
    kind: str = DATA_PRODUCT
    description: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    snapshot_rule: str = LATEST
    codes: Codes = field(default_factory=Codes)
    classifications: tuple[Object, ...] = ()
    security_grade: int = 1
    personal_data: bool = False
    important_data: bool = False
    legal_basis: str = ""
    cross_border: bool = False
    standards: tuple[str, ...] = ()
    price: Price | None = None
    external_ids: tuple[Object, ...] = ()
    extensions: Object = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"product {self.product}"
        if self.kind not in KINDS:
            wrong(f"{where}.kind", "one of " + ", ".join(KINDS))
        if (whole(self.version, f"{where}.version", 1) == 1) != (self.previous is None):
            wrong(f"{where}.previous", "null for version 1, and the digest of the version before for any other")
        if self.previous is not None:
            check_digest(self.previous, f"{where}.previous")
        if not self.title:
            wrong(f"{where}.title", "a title in at least one language")
        check_snapshot_rule(self.snapshot_rule, f"{where}.snapshot_rule")
        if not 1 <= whole(self.security_grade, f"{where}.security_grade") <= 5:
            wrong(f"{where}.security_grade", "1 to 5")
        self._check_parts(where)
        self._check_models(where)

    def _check_models(self, where: str) -> None:
        # Entries of this kind were there before models were served: such say nothing of one, and stay as they are.
        served = [each.model is not None for each in self.resources]
        if any(served) and not (all(served) and self.kind == MODEL):
            wrong(f"{where}.kind", f"{MODEL}, and no other resources, where one is a model")
        for offer in self.offers if any(served) else ():
            if set(odrl.load(offer.policy).actions()) != {HE_INFERENCE}:
                wrong(f"offer {offer.id}.policy", f"{HE_INFERENCE} and nothing else: a model answers encrypted records")

    def _check_parts(self, where: str) -> None:
        if not self.resources or not self.offers:
            wrong(where, "at least one resource and one offer")
        unique((each.id for each in self.resources), f"{where}.resources")
        unique((each.id for each in self.offers), f"{where}.offers")
        for offer in self.offers:
            for resource in self.resources:
                if not offer.budget.fits(resource.privacy.lifetime):
                    wrong(f"offer {offer.id}.budget", f"at most the lifetime budget of resource {resource.id}")
            self._check_columns(offer)

    def _check_columns(self, offer: Offer) -> None:
        # A column misspelt under "none of" would silently forbid nothing.
        policy = odrl.load(offer.policy)
        known = {column.name for resource in self.resources for column in resource.schema}
        for name in sorted(policy.columns() - known):
            raise Malformed("policy.column", offer=offer.id, column=name)
        self._check_sensitivity(offer, policy)

    def _check_sensitivity(self, offer: Offer, policy: Policy) -> None:
        # What is processed by its sensitivity must have one that means something; and no guess is made from data.
        if policy.processings() <= {RAW}:
            return
        named = policy.columns()
        for resource in self.resources:
            for column in resource.schema:
                asked = column.name in named or not named
                if asked and column.name != resource.privacy.unit and column.sensitivity not in KNOWN:
                    raise Malformed("policy.sensitivity", offer=offer.id, column=column.name, known=", ".join(KNOWN))

    def has_guarantee(self) -> bool:
        """Whether all that its offers permit is differentially private; else nobody in it has that guarantee."""
        return not any(odrl.load(each.policy).permits_exact() for each in self.offers)

    def offer(self, id_: str) -> Offer | None:
        """The offer of this id, if there is one."""
        return next((each for each in self.offers if each.id == id_), None)

    def body(self) -> Object:
        """The body of the `product.published` statement."""
        return {
            "product": self.product,
            "version": self.version,
            "previous": self.previous,
            "kind": self.kind,
            "title": plain(self.title),
            "description": plain(self.description),
            "keywords": [*self.keywords],
            "resources": [each.body() for each in self.resources],
            "snapshot_rule": self.snapshot_rule,
            "codes": self.codes.body(),
            "classifications": [dict(each) for each in self.classifications],
            "security_grade": self.security_grade,
            "personal_data": self.personal_data,
            "important_data": self.important_data,
            "legal_basis": self.legal_basis,
            "cross_border": self.cross_border,
            "standards": [*self.standards],
            "price": self.price.body() if self.price else None,
            "offers": [each.body() for each in self.offers],
            "external_ids": [dict(each) for each in self.external_ids],
            "extensions": dict(self.extensions),
        }

    @classmethod
    def of(cls, body: Json, where: str = "product") -> Description:
        """Read what `body` wrote; raises as `Visibility.of`."""
        found = Place(body, where).members(each.name for each in fields(cls))
        previous, price = found["previous"], found["price"]
        return cls(
            product=found["product"].text(),
            version=found["version"].integer(1),
            previous=None if previous.value is None else previous.digest(),
            kind=found["kind"].choice(*KINDS),
            title=found["title"].languages(),
            description=found["description"].languages(empty=True),
            keywords=found["keywords"].texts(),
            resources=tuple(Resource.of(each.value, each.where) for each in found["resources"].items(1)),
            snapshot_rule=found["snapshot_rule"].text(),
            codes=Codes.of(found["codes"].value, found["codes"].where),
            classifications=rows(found["classifications"], "scheme", "code"),
            security_grade=found["security_grade"].integer(1, 5),
            personal_data=found["personal_data"].flag(),
            important_data=found["important_data"].flag(),
            legal_basis=found["legal_basis"].text(empty=True),
            cross_border=found["cross_border"].flag(),
            standards=found["standards"].texts(),
            price=None if price.value is None else Price.of(price.value, price.where),
            offers=tuple(Offer.of(each.value, each.where) for each in found["offers"].items(1)),
            external_ids=rows(found["external_ids"], *_EXTERNAL_ID),
            extensions=found["extensions"].object(),
        )


def check_snapshot_rule(rule: str, where: str) -> None:
    """Check a snapshot rule.

    Raises:
        Malformed: neither ``latest`` nor ``pinned:`` and a digest.
    """
    if rule != LATEST:
        if not rule.startswith(_PINNED):
            wrong(where, "latest, or pinned: and a digest")
        check_digest(rule.removeprefix(_PINNED), where)


def check_offline(window: int, share: int, where: str) -> None:
    """Check the terms of working while the broker is away.

    Raises:
        Malformed: the window is longer than a day, a certificate's life, or the share above 100 %.
    """
    if whole(window, f"{where}.offline_window_seconds") > 86_400:
        wrong(f"{where}.offline_window_seconds", "at most 86400, a day")
    if whole(share, f"{where}.offline_share_percent") > 100:
        wrong(f"{where}.offline_share_percent", "0 to 100")
