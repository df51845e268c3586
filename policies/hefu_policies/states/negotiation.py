"""Contract negotiation: the states of the Dataspace Protocol, as one table and one pure function.

A state is entered when its message is acknowledged. FINALIZED and TERMINATED are final: messages to them are refused,
not ignored. Every negotiation has a fresh id that is never used again.

Where an agreement has more than two parties, each further one endorses what the first provider drew up before the
consumer verifies it; it stays AGREED meanwhile. That nobody endorses twice and none is left out is checked with the
signatures (`hefu_policies.agreeing.signatories`).

Source: Dataspace Protocol 2025-1, contract negotiation protocol, state machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from hefu_policies.states import machine


class State(StrEnum):
    """Where a negotiation stands; None stands for one that has not begun."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


class Role(StrEnum):
    """Who makes a move: of several providers the first; every other party but the consumer endorses."""

    CONSUMER = "consumer"
    PROVIDER = "provider"
    ENDORSER = "endorser"


class Move(StrEnum):
    """What is done. Each value is the last word of the statement's type: ``negotiation.<move>``."""

    REQUEST = "requested"
    OFFER = "offered"
    ACCEPT = "accepted"
    AGREE = "agreed"
    ENDORSE = "endorsed"
    VERIFY = "verified"
    FINALIZE = "finalized"
    TERMINATE = "terminated"


_C, _P, _E = Role.CONSUMER, Role.PROVIDER, Role.ENDORSER

TABLE: Mapping[tuple[State | None, Role, Move], State] = MappingProxyType({
    (None, _C, Move.REQUEST): State.REQUESTED,
    (None, _P, Move.OFFER): State.OFFERED,
    (State.REQUESTED, _P, Move.OFFER): State.OFFERED,
    (State.REQUESTED, _P, Move.AGREE): State.AGREED,
    (State.OFFERED, _C, Move.REQUEST): State.REQUESTED,
    (State.OFFERED, _C, Move.ACCEPT): State.ACCEPTED,
    (State.ACCEPTED, _P, Move.AGREE): State.AGREED,
    (State.AGREED, _E, Move.ENDORSE): State.AGREED,
    (State.AGREED, _C, Move.VERIFY): State.VERIFIED,
    (State.VERIFIED, _P, Move.FINALIZE): State.FINALIZED,
    (State.REQUESTED, _C, Move.TERMINATE): State.TERMINATED,
    (State.REQUESTED, _P, Move.TERMINATE): State.TERMINATED,
    (State.OFFERED, _C, Move.TERMINATE): State.TERMINATED,
    (State.OFFERED, _P, Move.TERMINATE): State.TERMINATED,
    (State.ACCEPTED, _P, Move.TERMINATE): State.TERMINATED,
    (State.AGREED, _C, Move.TERMINATE): State.TERMINATED,
    (State.VERIFIED, _P, Move.TERMINATE): State.TERMINATED,
    (State.REQUESTED, _E, Move.TERMINATE): State.TERMINATED,
    (State.OFFERED, _E, Move.TERMINATE): State.TERMINATED,
    (State.ACCEPTED, _E, Move.TERMINATE): State.TERMINATED,
    (State.AGREED, _E, Move.TERMINATE): State.TERMINATED,
    (State.VERIFIED, _E, Move.TERMINATE): State.TERMINATED,
})  # fmt: skip


def advance(state: State | None, role: Role, move: Move) -> State:
    """The state after a move; ``state`` is None for a negotiation that has not begun.

    Raises:
        Conflict: the table has no such move.
    """
    return machine.step("negotiation", TABLE, state, role, move)


def is_final(state: State) -> bool:
    """Whether the negotiation is over."""
    return machine.is_final(TABLE, state)
