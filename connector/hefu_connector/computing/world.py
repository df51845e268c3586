"""What the enforcement point holds, and what the operator of a connector sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from hefu.envelope import Signer
from hefu.errors import Unavailable, Untrusted
from hefu.times import Clock
from hefu.tlog.checkpoint import Checkpoint
from hefu_policies.agreeing.agreement import Agreement

from hefu_connector.computing import ends
from hefu_connector.inputs import Inputs, NoInputs
from hefu_connector.ports import (
    Alone,
    Contracts,
    Disclosures,
    Engine,
    Fleet,
    Joint,
    Journal,
    JournalReader,
    Ledger,
    NothingOwed,
    Obligations,
    Source,
    Trust,
    Undisclosed,
    Workers,
    apart,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator of a connector sets.

    Attributes:
        quantum_seconds: answers are told at whole multiples of it after admission; 0 tells them at once.
        deadline_seconds: after which a worker is killed.
        jobs: computations that run at once; others wait.
        waiting: computations that may wait; more are shed.
        each: computations of one consumer that may run or wait, so that nobody fills the queue alone.
        session_seconds: how long a party of a run over several connectors waits for the others.
    """

    quantum_seconds: float = 0.25
    deadline_seconds: float = 60.0
    jobs: int = 2
    waiting: int = 256
    each: int = 64
    session_seconds: float = 120.0


def _unfiled(_: Agreement) -> None:
    """The filing key where nothing is filed."""


def _opens_nothing(sealed: bytes, info: bytes) -> bytes:
    raise Untrusted("seal.broken")


def _no_secret(agreement: str) -> bytes:
    raise Unavailable("store.unavailable", why="it keeps no secrets of agreements", detail=agreement)


@dataclass(frozen=True, slots=True)
class World:
    """Everything the enforcement point holds; put together by `bootstrap.py` and handed to nobody else.

    Attributes:
        executor: carries computations out; None for a pool of as many threads as the rules' jobs.
        fleet: the processes that carry out computations of this journal.
        owing: the books of what is owed under agreements.
        region: where this connector computes, for policies that say where.
        seen: the newest checkpoint of the log that was verified here, for receipts to name.
        disclosures: what exact answers told of each asset.
        inputs: what consumers uploaded for their requests.
        unseal: opens a part that was sealed for this participant, and is bound to what is said of it.
        secret: 32 bytes that belong to an agreement, drawn at first use and kept: its pseudonyms and samples hang on
            them.
        filing: the filing key of an agreement; None where it files nothing.
        joint: of two resources, a source of both, where they live in one place that joins them; else None.
    """

    participant: str
    connector: str
    space: str
    signer: Signer
    clock: Clock
    trust: Trust
    contracts: Contracts
    ledger: Ledger
    journal: Journal
    reader: JournalReader
    sources: Callable[[str], Source]
    engines: Mapping[str, Engine]
    workers: Workers
    rules: Rules
    executor: Executor | None = None
    fleet: Fleet = field(default_factory=Alone)
    secret: Callable[[str], bytes] = _no_secret
    filing: Callable[[Agreement], bytes | None] = _unfiled
    region: str = ""
    seen: Callable[[], Checkpoint | None] = ends.nothing_seen
    owing: Obligations = field(default_factory=NothingOwed)
    disclosures: Disclosures = field(default_factory=Undisclosed)
    inputs: Inputs = field(default_factory=NoInputs)
    unseal: Callable[[bytes, bytes], bytes] = _opens_nothing
    joint: Joint = apart
