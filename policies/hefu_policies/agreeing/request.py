"""How a negotiation begins, and what it is about: a consumer's request, or a provider's offer to a named consumer.

Whoever begins names the product, the description version and the published offer. A provider that begins cannot know
for what purpose, and through which connector, the consumer would act: that stands in the consumer's first message,
be it an acceptance or a request for other terms. `subject` reads both beginnings as one thing.

Source: Dataspace Protocol 2025-1, contract negotiation protocol: a negotiation begins with a request or an offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Conflict

from hefu_policies.agreeing.joint import Sought
from hefu_policies.agreeing.signatories import MOST_PARTIES
from hefu_policies.reading import Place, check_digest, unique, wrong

REQUESTED, OFFERED, ACCEPTED = "negotiation.requested", "negotiation.offered", "negotiation.accepted"
LONGEST_REASON = 500  # characters
_LATER = ("further", "service")  # absent where they are empty, so that older requests keep their bytes
_STRUCTURED = ("changes", "previous", "further")


@dataclass(frozen=True, slots=True)
class ContractRequest:
    """The body of `negotiation.requested`: a consumer asks for an agreement under an offer, perhaps on other terms.

    Attributes:
        connector: the consumer's.
        description: the digest of the description version it read.
        purpose: what for, a concept such as ``dpv:ScientificResearch``; declared, not provable.
        changes: what it asks for instead of the offer's terms (`hefu_policies.agreeing.changes`); empty for the
            offer as it is.
        previous: the digests of the messages before; none in the first request.
        further: offers of further providers, where the agreement is to be one of several; then as they stand.
        service: a participant that carries out joint computations; empty where there is none.
    """

    negotiation: str
    provider: str
    consumer: str
    connector: str
    product: str
    description: str
    offer: str
    purpose: str
    changes: Object = field(default_factory=dict)
    previous: tuple[str, ...] = ()
    further: tuple[Sought, ...] = ()
    service: str = ""

    def __post_init__(self) -> None:
        check_digest(self.description, "request.description")
        if self.provider == self.consumer:
            wrong("request.provider", "another participant than the consumer")
        unique(self.parties, "request.further")
        if len(self.parties) > MOST_PARTIES:
            wrong("request.further", f"at most {MOST_PARTIES} parties")
        if self.changes and self.further:
            wrong("request.changes", "none: of several providers each offer is taken as it stands")

    @property
    def parties(self) -> tuple[str, ...]:
        """Everybody who will sign, in the order of the agreement's parties."""
        return (self.provider, *self.endorsers, self.consumer)

    @property
    def endorsers(self) -> tuple[str, ...]:
        """All parties but the first provider and the consumer."""
        return (*(each.provider for each in self.further), *([self.service] if self.service else []))

    @property
    def sought(self) -> tuple[Sought, ...]:
        """What is asked of every provider, the first one's first."""
        return (Sought(self.provider, self.product, self.description, self.offer), *self.further)

    @property
    def is_answered(self) -> bool:
        """Whether the consumer has said for what and through which connector it would act."""
        return bool(self.connector)

    def body(self) -> Object:
        """The body of the `negotiation.requested` statement."""
        texts: Object = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _LATER}
        further: Object = {"further": [each.body() for each in self.further]} if self.further else {}
        service: Object = {"service": self.service} if self.service else {}
        return texts | {"changes": dict(self.changes), "previous": [*self.previous]} | further | service

    @classmethod
    def of(cls, body: Json, where: str = "request") -> ContractRequest:
        """Read what `body` wrote; raises as `Party.of`."""
        found = Place(body, where).members((each.name for each in fields(cls) if each.name not in _LATER), _LATER)
        texts = {name: each.text() for name, each in found.items() if name not in _STRUCTURED}
        further = found["further"].items(1) if "further" in found else []
        return cls(
            **texts,
            changes=found["changes"].object(),
            previous=found["previous"].texts(),
            further=tuple(Sought.of(each.value, each.where) for each in further),
        )


@dataclass(frozen=True, slots=True)
class OpeningOffer:
    """The body of a `negotiation.offered` that begins a negotiation: a provider offers terms to a named consumer.

    Attributes:
        description: the digest of the description version that has the published offer.
        changes: of the published offer, as in a request; wider or narrower as its provider likes.
        reason: for people.
        previous: none; there was no message before.
    """

    negotiation: str
    provider: str
    consumer: str
    product: str
    description: str
    offer: str
    changes: Object = field(default_factory=dict)
    reason: str = ""
    previous: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_digest(self.description, "offered.description")
        if self.provider == self.consumer:
            wrong("offered.consumer", "another participant than the provider")
        if self.previous:
            wrong("offered.previous", "no message before")

    @property
    def subject(self) -> ContractRequest:
        """What is negotiated, as far as the provider can know it."""
        return ContractRequest(
            self.negotiation, self.provider, self.consumer, "", self.product, self.description, self.offer, "",
            self.changes,
        )  # fmt: skip

    def body(self) -> Object:
        """All attributes by their names."""
        texts: Object = {each.name: getattr(self, each.name) for each in fields(self)}
        return texts | {"changes": dict(self.changes), "previous": []}

    @classmethod
    def of(cls, body: Json, where: str = "offered") -> OpeningOffer:
        """Read what `body` wrote; raises as `ContractRequest.of`."""
        found = Place(body, where).members(each.name for each in fields(cls))
        structured = ("changes", "previous", "reason")
        return cls(
            **{name: each.text() for name, each in found.items() if name not in structured},
            changes=found["changes"].object(),
            reason=found["reason"].text(LONGEST_REASON, empty=True),
            previous=found["previous"].texts(),
        )


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The body of `negotiation.accepted`: a consumer takes what the provider offered last, as it stands.

    Attributes:
        connector: the consumer's; ``purpose`` what for. Only in the consumer's first message, else both are empty.
    """

    negotiation: str
    previous: tuple[str, ...]
    connector: str = ""
    purpose: str = ""

    def __post_init__(self) -> None:
        if bool(self.connector) is not bool(self.purpose):
            wrong("accepted.purpose", "a connector and a purpose, or neither")

    @classmethod
    def of(cls, body: Json, where: str = "accepted") -> Acceptance:
        """Read an acceptance; raises as `ContractRequest.of`."""
        found = Place(body, where).members(("negotiation", "previous"), ("connector", "purpose"))
        texts = {name: each.text() for name, each in found.items() if name != "previous"}
        return cls(**texts, previous=found["previous"].texts())


def is_opening(messages: Sequence[Statement]) -> bool:
    """Whether a negotiation was begun by its provider."""
    return bool(messages) and messages[0].type == OFFERED


def subject(messages: Sequence[Statement]) -> ContractRequest:
    """What is negotiated: as the first request says it, or as the first offer and the consumer's answer to it do.

    Args:
        messages: of one negotiation, in order, the first one among them. Signatures, and who may send what, are the
            caller's to verify.

    Returns:
        As the body of a first request: with the terms of the first message. Connector and purpose are empty where the
        consumer has not yet answered its provider's offer.

    Raises:
        Malformed: a message cannot be read, or the first begins no negotiation.
    """
    first, *later = messages
    if first.type != OFFERED:
        return ContractRequest.of(first.expect(REQUESTED).body)
    opened = OpeningOffer.of(first.body).subject
    for each in later:
        if each.type == REQUESTED:
            answer = ContractRequest.of(each.body)
            return replace(opened, connector=answer.connector, purpose=answer.purpose)
        if each.type == ACCEPTED:
            taken = Acceptance.of(each.body)
            return replace(opened, connector=taken.connector, purpose=taken.purpose)
    return opened


def check_request(first: ContractRequest, message: Statement) -> ContractRequest:
    """A further request of a consumer: all but its changes is as was said before.

    Args:
        first: the `subject` of the messages before.

    Raises:
        Malformed: it cannot be read.
        Conflict: it asks for another thing than was negotiated.
    """
    found = ContractRequest.of(message.body)
    fixed = ["negotiation", "provider", "consumer", "product", "description", "offer", "further", "service"]
    for name in fixed + (["connector", "purpose"] if first.is_answered else []):
        if getattr(found, name) != getattr(first, name):
            raise Conflict("negotiation.differs", where=name)
    return found


def check_acceptance(first: ContractRequest, message: Statement) -> Acceptance:
    """A consumer's acceptance: it names connector and purpose if, and only if, nothing said before names them.

    Raises:
        Malformed: it cannot be read.
        Conflict: it names too much or too little.
    """
    found = Acceptance.of(message.body)
    if first.is_answered is bool(found.connector):
        raise Conflict("negotiation.differs", where="purpose")
    return found
