"""Fulfilment of an agreement: the Dataspace Protocol's transfer process, as one table and one pure function.

For Hefu a transfer is the right to compute or to receive: STARTED while computations are taken. COMPLETED and
TERMINATED are final.

Source: Dataspace Protocol 2025-1, transfer process protocol, state machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from hefu_policies.states import machine
from hefu_policies.states.negotiation import Role


class State(StrEnum):
    """Where a fulfilment stands; None stands for one that has not begun."""

    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


class Move(StrEnum):
    """What is done."""

    REQUEST = "requested"
    START = "started"
    SUSPEND = "suspended"
    COMPLETE = "completed"
    TERMINATE = "terminated"


_C, _P = Role.CONSUMER, Role.PROVIDER

TABLE: Mapping[tuple[State | None, Role, Move], State] = MappingProxyType({
    (None, _C, Move.REQUEST): State.REQUESTED,
    (State.REQUESTED, _P, Move.START): State.STARTED,
    (State.STARTED, _C, Move.COMPLETE): State.COMPLETED,
    (State.STARTED, _P, Move.COMPLETE): State.COMPLETED,
    (State.STARTED, _C, Move.SUSPEND): State.SUSPENDED,
    (State.STARTED, _P, Move.SUSPEND): State.SUSPENDED,
    (State.SUSPENDED, _C, Move.START): State.STARTED,
    (State.SUSPENDED, _P, Move.START): State.STARTED,
    (State.REQUESTED, _C, Move.TERMINATE): State.TERMINATED,
    (State.REQUESTED, _P, Move.TERMINATE): State.TERMINATED,
    (State.STARTED, _C, Move.TERMINATE): State.TERMINATED,
    (State.STARTED, _P, Move.TERMINATE): State.TERMINATED,
    (State.SUSPENDED, _C, Move.TERMINATE): State.TERMINATED,
    (State.SUSPENDED, _P, Move.TERMINATE): State.TERMINATED,
})  # fmt: skip


def advance(state: State | None, role: Role, move: Move) -> State:
    """The state after a move; ``state`` is None for a fulfilment that has not begun.

    Raises:
        Conflict: the table has no such move.
    """
    return machine.step("fulfilment", TABLE, state, role, move)


def is_final(state: State) -> bool:
    """Whether the fulfilment is over."""
    return machine.is_final(TABLE, state)
