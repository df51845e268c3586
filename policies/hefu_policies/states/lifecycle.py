"""The lives of an agreement and of a data product, each one table.

Nobody but a provider suspends or resumes an agreement, and each only what it suspended itself: of several providers
each has a state of its own in this table, and the agreement rests while one of them holds it suspended. What one side
narrowed the other must not widen. Whether an agreement is inside its dates is a question of the clock, not a
state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from hefu_policies.states import machine


class Actor(StrEnum):
    """Who makes a move. The broker finalizes: it countersigns what all parties signed; an endorser is a further one."""

    PROVIDER = "provider"
    CONSUMER = "consumer"
    ENDORSER = "endorser"
    BROKER = "broker"


class AgreementState(StrEnum):
    """Where an agreement stands; None stands for one that is not countersigned yet."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class AgreementMove(StrEnum):
    """What is done with an agreement."""

    FINALIZE = "finalized"
    SUSPEND = "suspended"
    RESUME = "resumed"
    TERMINATE = "terminated"


class ProductState(StrEnum):
    """Where a data product stands; None stands for one that was never published."""

    LISTED = "listed"
    RETIRED = "retired"


class ProductMove(StrEnum):
    """What is done with a data product. Publishing a listed product again gives it a new version."""

    PUBLISH = "published"
    RETIRE = "retired"


AGREEMENT: Mapping[tuple[AgreementState | None, Actor, AgreementMove], AgreementState] = MappingProxyType({
    (None, Actor.BROKER, AgreementMove.FINALIZE): AgreementState.ACTIVE,
    (AgreementState.ACTIVE, Actor.PROVIDER, AgreementMove.SUSPEND): AgreementState.SUSPENDED,
    (AgreementState.SUSPENDED, Actor.PROVIDER, AgreementMove.RESUME): AgreementState.ACTIVE,
    (AgreementState.ACTIVE, Actor.PROVIDER, AgreementMove.TERMINATE): AgreementState.ENDED,
    (AgreementState.ACTIVE, Actor.CONSUMER, AgreementMove.TERMINATE): AgreementState.ENDED,
    (AgreementState.ACTIVE, Actor.ENDORSER, AgreementMove.TERMINATE): AgreementState.ENDED,
    (AgreementState.SUSPENDED, Actor.ENDORSER, AgreementMove.TERMINATE): AgreementState.ENDED,
    (AgreementState.SUSPENDED, Actor.PROVIDER, AgreementMove.TERMINATE): AgreementState.ENDED,
    (AgreementState.SUSPENDED, Actor.CONSUMER, AgreementMove.TERMINATE): AgreementState.ENDED,
})  # fmt: skip

PRODUCT: Mapping[tuple[ProductState | None, Actor, ProductMove], ProductState] = MappingProxyType({
    (None, Actor.PROVIDER, ProductMove.PUBLISH): ProductState.LISTED,
    (ProductState.LISTED, Actor.PROVIDER, ProductMove.PUBLISH): ProductState.LISTED,
    (ProductState.LISTED, Actor.PROVIDER, ProductMove.RETIRE): ProductState.RETIRED,
})  # fmt: skip


def advance_agreement(state: AgreementState | None, actor: Actor, move: AgreementMove) -> AgreementState:
    """The agreement's state after a move.

    Raises:
        Conflict: the table has no such move.
    """
    return machine.step("agreement", AGREEMENT, state, actor, move)


def advance_product(state: ProductState | None, actor: Actor, move: ProductMove) -> ProductState:
    """The product's state after a move; raises as `advance_agreement`."""
    return machine.step("product", PRODUCT, state, actor, move)
