"""Which library computes under a parameter set: a table, so that a second one can stand beside the first.

The workers for scores know a library by these two ports and nothing else. What a peer's bytes look like is a library's
own: another one comes with a suite of its own name and with its own frames (`hefu_connector.computing.frames`).
LIMIT: joint totals are written for TenSEAL's BFV vectors (`totalling`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from hefu_connector.computing.model import Feature, Model
from hefu_connector.computing.suites import CURVED, LINEAR, TOTALS, Suite

Hidden = tuple[Decimal, Decimal]  # a slope and a shift of all answers to one request


class Keys(Protocol):
    """Keys of one consumer under one contract. Called in a worker that serves one computation; a context is the
    library's own thing, and nobody else looks into it."""

    def make(self, suite: Suite) -> Any:
        """A context with a fresh secret key, from the operating system's randomness."""
        ...

    def secret(self, context: Any) -> bytes:
        """With the secret key: for the connector that made it, which seals it."""
        ...

    def public(self, context: Any, *, multiplies: bool = False) -> bytes:
        """What the other side may have; with `multiplies` also to multiply ciphertexts."""
        ...

    def read_secret(self, data: bytes) -> Any:
        """What `secret` or `public` wrote at this connector."""
        ...

    def read_public(self, data: bytes, suite: Suite, *, multiplies: bool = False) -> Any:
        """A peer's context; raises Malformed unless it is of exactly the suite and holds what was asked for alone."""
        ...


class Scores(Protocol):
    """Scores of encrypted records, a block at a time. Called in a worker; each raises Malformed for whatever a peer
    may have sent."""

    def encrypt(
        self, context: Any, features: Sequence[Feature], columns: Sequence[Sequence[Decimal | float]]
    ) -> list[bytes]:
        """One ciphertext a feature; values out of range are refused."""
        ...

    def hidden(self, model: Model) -> Hidden:
        """For a ranking, what nobody else learns: drawn once a request."""
        ...

    def score(
        self, context: Any, model: Model, block: Sequence[bytes], count: int, hides: Hidden | None = None
    ) -> bytes:
        """The scores of one block, encrypted anew and flooded below the grid: bytes that depend on nothing else."""
        ...

    def decrypt(self, context: Any, data: bytes, suite: Suite, count: int, step: Decimal) -> list[int]:
        """The scores of one block in whole steps of the grid; nothing finer is told."""
        ...


@dataclass(frozen=True, slots=True)
class Library:
    """One library."""

    name: str
    keys: Keys
    scores: Scores


def _tenseal() -> Library:
    from hefu_connector.engines.homomorphic import keys, scoring

    return Library("tenseal", keys, scoring)


# Each is imported where it is used: no process loads a library that it does not need.
LIBRARIES: Mapping[str, Callable[[], Library]] = {
    LINEAR.name: _tenseal,
    CURVED.name: _tenseal,
    TOTALS.name: _tenseal,
}


def library(suite: Suite) -> Library:
    """The library that computes under a suite."""
    return LIBRARIES[suite.name]()
