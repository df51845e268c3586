"""The broker as this connector's rooms see it: ports and plain values, none of them believed before it is verified.

The broker is a notary: it orders, stores and logs. Whoever takes a statement from these ports verifies it under keys
that the pinned root certified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from hefu.envelope import Statement
from hefu.tlog.proof import LogProof
from hefu_policies.states.negotiation import State

from hefu_connector.ports import FiledEnd


@dataclass(frozen=True, slots=True)
class Member:
    """A participant as the registry shows it: statements that are still to be verified."""

    certification: Statement
    bindings: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A data product as the catalog shows it.

    Attributes:
        description: the `product.published` statement: the description version.
        retired: no new agreement is made over it.
        proof: its place in the log; None until sequenced.
    """

    product: str
    provider: str
    description: Statement
    retired: bool = False
    proof: LogProof | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what a search found; `token` asks for the rest and is empty on the last page."""

    products: tuple[Listing, ...]
    token: str
    total: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A negotiation as the broker shows it.

    Attributes:
        messages: every message so far, in order.
        agreement: with the signatures it has; from AGREED on.
        countersignature: the broker's `agreement.finalized`; when FINALIZED.
        proof: where the countersignature stands in the log; once sequenced.
        termination: a party's `agreement.terminated`.
        revision: grows by one with every change in the space.
        notices: how many notices the parties gave about the agreement (`Notices`).
        endorsers: parties besides the first provider and the consumer.
    """

    id: str
    state: State
    consumer: str
    provider: str
    messages: tuple[Statement, ...]
    agreement: Statement | None = None
    countersignature: Statement | None = None
    proof: LogProof | None = None
    termination: Statement | None = None
    revision: int = 0
    notices: int = 0
    endorsers: tuple[str, ...] = ()


class Registry(Protocol):
    """Who is who. Every method may be called from any thread and raises Unavailable when the broker is down."""

    def renew(self, csr: bytes) -> bytes:
        """A new transport certificate (DER) for a signing request (PKCS#10, DER) of this connector."""
        ...

    def bind(self, binding: Statement) -> None:
        """Make a signed `transport.bound` known to the space."""
        ...

    def member(self, participant: str) -> Member:
        """One participant; raises NotFound."""
        ...

    def members(self, after: int = 0) -> tuple[int, Sequence[Member]]:
        """The participants of the space that changed after a revision (0: all), and the revision to ask after next.

        A revision below the given one says that these are all: the registry is another one than it was.
        """
        ...

    def status(self, *, logged: bool = False) -> Statement:
        """The newest status list, or the newest that stands in the log or will."""
        ...


class Charters(Protocol):
    """The space's charter. Threads and errors as in `Registry`."""

    def charter(self) -> Statement | None:
        """The newest charter; None where the broker knows of none."""
        ...


class Mandates(Protocol):
    """What regulators order, and what is filed for them. Threads and errors as in `Registry`."""

    def orders(self, after: int) -> tuple[int, Sequence[Statement]]:
        """How many orders and lifts there are, and those above a number, in order; the first ones where many."""
        ...

    def file(self, filed: Sequence[FiledEnd]) -> int:
        """Hand sealed openings in, of ends that the log has; how many are kept. Repeating changes nothing."""
        ...

    def erase(self, ends: Sequence[str]) -> int:
        """Have sealed openings deleted for good."""
        ...


class Catalog(Protocol):
    """Data products. Threads and errors as in `Registry`."""

    def publish(self, description: Statement) -> Listing:
        """List a signed `product.published`; repeating it changes nothing."""
        ...

    def retire(self, retirement: Statement) -> Listing:
        """Take a product off with a signed `product.retired`."""
        ...

    def product(self, product: str) -> Listing:
        """One product that this participant may see; raises NotFound."""
        ...

    def search(self, query: str, narrowing: str = "", token: str = "", size: int = 50) -> Page:
        """What matches; an empty query lists all."""
        ...


class Negotiations(Protocol):
    """Contract negotiation through the broker. Threads and errors as in `Registry`."""

    def advance(self, message: Statement) -> Progress:
        """Send one signed message; repeating it changes nothing. Raises Conflict where the state does not allow it."""
        ...

    def negotiation(self, name: str) -> Progress:
        """One negotiation by ``negotiations/{id}``, or by ``agreements/{id}`` of what it led to; raises NotFound."""
        ...

    def negotiations(self) -> Sequence[Progress]:
        """All negotiations of this participant, newest first."""
        ...

    def watch(self, after: int) -> Iterator[Progress]:
        """Every change with a revision above `after`, those of the past first; ends or raises when the link breaks."""
        ...

    def terminate(self, termination: Statement) -> Progress:
        """Send a signed `agreement.terminated`."""
        ...


class Notices(Protocol):
    """What parties state about their agreements afterwards. Threads and errors as in `Registry`."""

    def record(self, notice: Statement) -> Progress:
        """Hand in a signed notice; repeating it changes nothing. Raises Conflict where its state forbids it."""
        ...

    def after(self, agreement: str, number: int) -> Sequence[Statement]:
        """The notices of an agreement above a number, in order; the first ones where there are many."""
        ...


class Log(Protocol):
    """The audit log. Threads and errors as in `Registry`."""

    def append(self, envelopes: Sequence[bytes]) -> int:
        """Queue up to 256 journal statements; how many of them are queued or already in. Repeating changes nothing."""
        ...

    def checkpoint(self) -> str:
        """The newest signed checkpoint, a note."""
        ...

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        """Where a leaf stands; raises NotFound until it is sequenced."""
        ...

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """The hashes that show the first `old` of `new` leaves to be unchanged."""
        ...

    def newest(self) -> Statement | None:
        """The newest statement of this connector's journal that is in the log or on its way; unverified. Answers, or
        raises Unavailable, within a few seconds."""
        ...
