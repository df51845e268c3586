"""Other participants' connectors as this one sees them: the port, and the plain values that cross it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu_policies.budget import Charge

from hefu_connector.ports import ComputationState


@dataclass(frozen=True, slots=True)
class Computed:
    """A computation as its provider shows it; `receipt` and `parts` are set at the end."""

    id: str
    state: ComputationState
    receipt: Statement | None
    parts: int


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """The error to expect in one answer column; texts as in `ports.Mechanism`."""

    column: str
    half_width: str
    mechanism: str
    scale: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan would cost, whatever the data says."""

    charge: Charge
    errors: tuple[ExpectedError, ...]
    cells: int


class Confirmations(Protocol):
    """What a recipient of a delivery tells its provider; as `Peers`."""

    def report_deletion(self, provider: str, proof: Statement) -> None:
        """Hand over a signed `delivery.deleted`; the same again changes nothing."""
        ...


class Uploading(Protocol):
    """What a consumer sends to a provider before it asks; as `Peers`."""

    def upload(self, provider: str, computation: str, agreement: str, digest: str, size: int, file: Path) -> None:
        """Send the inputs of a request to come under an agreement; the same again changes nothing.

        Args:
            digest, size: of the file's bytes.
        """
        ...


class Meeting(Protocol):
    """Runs over several connectors, as whoever begins one sees their parties; as `Peers`."""

    def join(self, provider: str, computation: str) -> Statement:
        """What a provider signs for its part of a run; the same at every call."""
        ...

    def carry_on(self, provider: str, computation: str, words: Sequence[Statement], carried: str) -> Computed:
        """Bring what all parties signed, and for the aggregator the digest of what was uploaded to it."""
        ...


class Peers(Protocol):
    """Other participants' connectors. Every method may be called from any thread, may be repeated without harm, and
    raises Unavailable when the connector cannot be reached and otherwise what the connector raised."""

    def estimate(self, provider: str, product: str, plan: Object) -> Estimate:
        """Cost and expected error of a plan; charges nothing."""
        ...

    def create(self, provider: str, request: Statement) -> Computed:
        """Send a signed request; the same again returns the same computation."""
        ...

    def watch(self, provider: str, computation: str) -> Iterator[Computed]:
        """The present state and every change until the end."""
        ...

    def cancel(self, provider: str, computation: str) -> Computed:
        """Stop it if it runs; what was charged stays charged."""
        ...

    def fetch(self, provider: str, computation: str, first: int) -> Iterator[tuple[int, bytes]]:
        """The sealed parts from one on, with their indexes."""
        ...
