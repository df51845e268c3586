"""What the connector needs of the world, declared by those who use it: each port a Protocol of at most five methods.

`computing/world.py` alone holds a Source and an Engine together; `bootstrap.py` hands it to the enforcement point and
to nobody else. Plain values cross these ports: no database row, protobuf message or connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hefu.canonical import Object
from hefu.envelope import PublicKey, Statement
from hefu.errors import NotFound, Unavailable
from hefu.membership.charter import Charter
from hefu.statements.notices import SUSPENDED
from hefu_policies.agreeing.contract import Agreement
from hefu_policies.budget import Budget, Charge
from hefu_policies.goods.product import Description
from hefu_policies.goods.resource import Resource

from hefu_connector.allowances import Allowance, Metering
from hefu_connector.session import Session

# ---------------------------------------------------------------- data and engines


@dataclass(frozen=True, slots=True)
class Table:
    """A file that a worker may read, and nothing more: it outlives the computation and no longer.

    Attributes:
        path: the exact bytes that `snapshot` names; nobody writes to them while they are held.
        form: ``csv``, ``parquet`` or ``arrow``; ``laid`` for a laid-out snapshot (`engines.laid`); ``cells`` for counts
            that a database made itself; ``file`` for what is delivered whole and never looked into.
        snapshot: ``sha256:`` of the bytes.
        size: bytes.
        layout: how to read it: ``delimiter`` and ``encoding`` of a CSV; ``names``, schema name to the file's name; of a
            laid-out snapshot what is laid out.
        origin: of a laid-out snapshot, ``sha256:`` of the bytes that it was made of.
        beside: tables that are read with it, where a question joins them. A worker is told of them in the layout.
    """

    path: Path
    form: str
    snapshot: str
    size: int
    layout: Object = field(default_factory=dict)
    origin: str = ""
    beside: tuple[Table, ...] = ()


class Source(Protocol):
    """Where one resource's data lives. Held by the enforcement point only."""

    def open(self, columns: Sequence[str], asked: Object | None = None) -> AbstractContextManager[Table]:
        """The present snapshot, for as long as the context is open.

        May be called from any thread, several times at once. Nothing is parsed in this process.

        Args:
            asked: what the worker will be asked, where it counts (``shape``, of `engines.shape`): then a snapshot that
                was laid out for such questions may be handed, or counts that were made where the data lives. Where a
                question joins tables, ``reads`` with the ``columns`` and the ``unit`` of this one: then rows are read.

        Raises:
            Unavailable: the source moved, changed its columns or cannot be read; no data value in the message.
        """
        ...


Joint = Callable[[str, str], Source | None]


def apart(first: str, second: str) -> Source | None:
    """`Joint` where each table is read by itself."""
    del first, second
    return None


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How one answer column was made private.

    Attributes:
        scale: of the noise, in the column's unit, as decimal text.
        half_width: of the 95 % interval of one cell in the column's unit; empty where it depends on the answer.
        epsilon_nano: the part of the charge that this column took, and
        rho_nano: the same where its noise is counted in ρ; 0 where it is not.
    """

    column: str
    mechanism: str
    scale: str
    half_width: str
    epsilon_nano: int
    rho_nano: int = 0


@dataclass(frozen=True, slots=True)
class Delivering:
    """How rows, or a file, are delivered: what was agreed, and the form that the guard holds them to.

    Attributes:
        processing: ``raw``, ``masked``, ``sampled`` or ``anonymised``.
        types: of each heading: a type of the schema, or what its treatment makes of it (`engines.treatments`).
        quasi: places of the headings whose combinations must not single anybody out.
        share: of the privacy units, for a sample; None otherwise.
    """

    processing: str
    types: tuple[str, ...]
    quasi: tuple[int, ...] = ()
    share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Ciphertexts under a key of the recipient, and the form that the guard holds them to.

    Attributes:
        counts: of each, how many of its slots are filled.
        scale: bits of an approximate number's scale; 0 of exact ones.
        largest: bytes of each, at most; all are told in as many.
    """

    counts: tuple[int, ...]
    scale: int
    largest: int


@dataclass(frozen=True, slots=True)
class Disclosing:
    """What exact aggregates are held to: by the engine beside all that was told before, and by the guard.

    Attributes:
        question: what cells and figures hang on, as the history keeps it.
        group: the minimum group.
        edition: which edition of the data the provider says this is.
        rounding: the finest step of any count or sum, in its own unit.
        steps: of each column of the answer, what its values are multiples of; None for a quotient of such.
    """

    question: Object
    group: int
    edition: str
    rounding: Decimal
    steps: tuple[Decimal | None, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Groups that are found in the data, and what the guard holds them to.

    Attributes:
        types: of each key: of its column, where its groups are found; empty where they are public.
        widest: of each key, the bytes that its value takes as JSON at most.
        least: the noised count of privacy units that every group that is told has.
    """

    types: tuple[str, ...]
    widest: tuple[int, ...]
    least: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that was validated against a provider's schema: everything is known before any data is touched.

    Attributes:
        parameters: what the worker gets; generated here, no text of the consumer in it.
        charge: what it will cost, whatever the data says.
        columns: every column that the plan uses anywhere: selected, filtered, grouped. The rules judge these.
        reads: every column that the worker reads: those, and the privacy unit.
        functions: the aggregate functions used, for example ``count``.
        kind: the output kind, for example ``NoisyAggregate`` or ``Histogram``.
        cells: how many rows the answer has, of a delivery or where groups are found at most; public.
        headings: the answer's columns in order; the first `keys` of them are public group keys.
        minimum_group: cells whose noised count is lower are marked suppressed; None where no rule asks for it.
        delivery: set where rows or a file are delivered. Then the worker gets a secret of the agreement, too.
        disclosing: set where figures are exact. Then the worker gets all that was told of the asset before, too.
        finding: set where the data says which groups there are.
        words: of headings whose values are no numbers, all that they may be.
        joins: columns that tables are joined on.
        protocol: of privacy or cryptography, in the words of policies; empty where there is none.
        channel: by which the output goes to its recipient, in the words of policies.
        inputs: digest of what its consumer uploaded for it; empty where there is nothing.
        session: the run over several connectors that it is part of; None where it is a run of its own.
        encrypted: set where the answer is ciphertexts. Then the worker makes them as a file.
    """

    parameters: Object
    charge: Charge
    columns: frozenset[str]
    reads: frozenset[str]
    functions: frozenset[str]
    kind: str
    cells: int
    headings: tuple[str, ...]
    mechanisms: tuple[Mechanism, ...]
    max_contribution: int
    keys: int = 0
    minimum_group: int | None = None
    delivery: Delivering | None = None
    disclosing: Disclosing | None = None
    finding: Finding | None = None
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    joins: frozenset[str] = frozenset()
    protocol: str = ""
    channel: str = "InterfaceChannel"
    inputs: str = ""
    session: Session | None = None
    encrypted: Encrypted | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """What an engine returns: noised values, or what is delivered.

    Attributes:
        rows: as many as `Prepared.cells` (where groups are found, at most), each as long as `Prepared.headings`; texts,
            or None where suppressed.
        half_widths: of the 95 % interval, same shape as `rows`; None for keys and where suppressed; empty for a
            delivery.
        group_counts: of each row where a minimum group is asked, the noised count, or for a delivery the number of
            privacy units in its class; the guard judges it again. Never released.
        rows_read: for the meter of the provider; never released.
        units: of a sample: privacy units taken, and all there are; never released.
        told: of exact aggregates: which cells are told, and which one unit dominates; for the history, never released.
        blob: ciphertexts (`computing.blobs`), where such are the answer; there are no rows then.
    """

    rows: tuple[tuple[str | None, ...], ...]
    half_widths: tuple[tuple[str | None, ...], ...]
    group_counts: tuple[int, ...] | None
    rows_read: int
    units: tuple[int, int] | None = None
    told: Object | None = None
    blob: bytes | None = None


class Engine(Protocol):
    """A computation for one party. `prepare` runs in the connector and is pure; `name` is run in a worker."""

    name: str
    version: str
    action: str  # for example "hefu:dpQuery"
    environment: str  # of execution, and
    encryption: str  # of what is computed on: both in the words of policies

    def prepare(
        self,
        plan: Object,
        resource: Resource,
        minimum_group: int | None,
        rounding: Decimal | None = None,
        beside: Resource | None = None,
    ) -> Prepared:
        """Validate a plan anew against the provider's signed schema and price it.

        Args:
            beside: the resource that the plan joins; only for a plan that joins one.
            minimum_group: the smallest group that the contract lets an output cell stand for.
            rounding: the least step that it wants exact figures rounded to.

        Raises:
            Malformed: the plan is not of the typed form or does not fit the schema.
            Refused: the plan asks for what this engine never answers.
        """
        ...

    def read(self, output: Object, prepared: Prepared) -> Values:
        """The values in what a worker returned; strict, since a worker is not trusted either.

        Raises:
            Untrusted: the output has another shape than was prepared.
        """
        ...


class Workers(Protocol):
    """A pool of disposable processes, spawned ahead of need, each used once."""

    def run(
        self, engine: str, parameters: Object, table: Table, *, job: str, deadline: float, spare: int = 0
    ) -> Object:
        """Run one engine on one table in a fresh process and return its output.

        Blocks the calling thread. The process is killed by then, whatever happened, and runs nothing any more.

        Args:
            job: names the run for `cancel`.
            deadline: seconds; then the process is killed.
            spare: waiting processes that this run leaves to others.

        Raises:
            Unavailable: it died, hung, used too much or answered garbage; the message never says more.
        """
        ...

    def make(
        self,
        engine: str,
        parameters: Object,
        table: Table,
        take: Callable[[bytes], object],
        *,
        job: str,
        deadline: float,
    ) -> Object:
        """As `run`, of an engine that makes a file: `take` gets its pieces, and ends the run by what it raises."""
        ...

    def cancel(self, job: str) -> None:
        """Kill the process of a job, if there is one. May be called from any thread."""
        ...

    def close(self) -> None:
        """Kill all processes."""
        ...


# ---------------------------------------------------------------- what must survive a power cut


@dataclass(frozen=True, slots=True)
class Account:
    """One limit that a charge must fit under.

    Attributes:
        name: ``asset/<resource>`` for a lifetime total, ``agreement/<id>`` for a contract's budget block,
            ``offline/<id>`` for what an agreement may spend while the status list is stale.
    """

    name: str
    limit: Budget


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has: its limit, and what is charged so far (reserved or settled alike)."""

    account: Account
    charged: Charge


class BudgetLedger(Protocol):
    """Durable accounts of privacy loss and releases. Charges are never given back."""

    def reserve(
        self, computation: str, accounts: Sequence[Account], charge: Charge, allowances: Sequence[Allowance] = ()
    ) -> None:
        """Charge all accounts and take of all allowances, or none, durably (synced to disk when this returns), in one
        transaction.

        Concurrent callers, also of other processes, cannot overspend together. A second call with the same
        computation changes nothing and does not raise.

        Raises:
            BudgetExceeded: an account or allowance would exceed its limit; reasons name it and what remains of it,
                but for an asset's, which would tell what others spent.
            Conflict: an account is known with a *lower* limit than given; limits of assets never grow.
        """
        ...

    def balance(self, account: Account) -> Balance:
        """The balance of an account; zero charged if it was never used."""
        ...

    def balances(self) -> Sequence[Balance]:
        """All accounts, by name."""
        ...

    def charged(self, computation: str) -> Charge | None:
        """What a computation was charged, or None if it never was: how a crash between two steps is told apart."""
        ...


class Ledger(BudgetLedger, Metering, Protocol):
    """Privacy loss and everything else that is counted, in one store."""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One exact answer, as far as later ones are held against it.

    Attributes:
        edition: of the data, as its provider declared it then.
        snapshot: ``sha256:`` of the data that it was taken from.
        body: the question, the minimum group, the cells that were told; nothing of their values.
    """

    edition: str
    snapshot: str
    body: Object


class Disclosures(Protocol):
    """What exact answers told of each asset, to whomever, in all spaces of this store. Nothing is ever taken out."""

    def of(self, resource: str) -> Sequence[Disclosed]:
        """All of an asset, in their order."""
        ...

    def add(self, resource: str, place: int, disclosed: Disclosed) -> None:
        """Keep one more, durably (synced to disk when this returns), as number `place` from 0.

        Concurrent callers, also of other processes, cannot both have a place: so nobody is told anything that was not
        held against everything before.

        Raises:
            Conflict: that place is taken; look at the history again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Undisclosed:
    """`Disclosures` of a connector that answers nothing exactly."""

    def of(self, resource: str) -> Sequence[Disclosed]:
        """As in the port."""
        return ()

    def add(self, resource: str, place: int, disclosed: Disclosed) -> None:
        """As in the port; nothing may be told that cannot be kept."""
        raise Unavailable("store.unavailable", why="it keeps no history of exact answers", detail=resource)


class ComputationState(StrEnum):
    """Where a computation stands. The last four are final."""

    RESERVED = "reserved"
    RUNNING = "running"
    RELEASED = "released"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset(
    {
        ComputationState.RELEASED,
        ComputationState.REFUSED,
        ComputationState.FAILED,
        ComputationState.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Run:
    """A computation as the provider keeps it.

    Attributes:
        request: digest of the request's payload; the same id with another digest is a conflict.
        envelope: the request's exact bytes.
        receipt: bytes of the receipt, refusal or failure; None until the end.
        parts: how many sealed parts can be fetched.
        release_at: not to be told before this time (the release quantum); None until the end.
        owner: the process that carries it out (`Fleet`); empty where only one ever works on the journal.
        stop: the code with which another process asks the owner to end it; empty if nobody does.
    """

    id: str
    request: str
    envelope: bytes
    consumer: str
    agreements: tuple[str, ...]
    state: ComputationState
    charge: Charge | None
    receipt: bytes | None
    parts: int
    created: datetime
    updated: datetime
    release_at: datetime | None = None
    owner: str = ""
    stop: str = ""


class Journal(Protocol):
    """The connector's own hash-chained record, and the computations it is about: one durable store, so that a
    receipt, the sealed parts and the state change are written in one transaction."""

    def admit(self, run: Run) -> tuple[Run, bool]:
        """Keep a new computation, or find the one kept under this id; whether it is new decides who carries it out.

        Raises:
            Conflict: the id is kept with another request digest or another consumer.
        """
        ...

    def start(self, computation: str, charge: Charge, at: datetime) -> None:
        """Mark it running with its charge; durable.

        Raises:
            Conflict: it is final already.
        """
        ...

    def close(
        self, computation: str, state: ComputationState, entry: Entry, parts: Sequence[bytes], at: datetime
    ) -> Run:
        """Write the end of a computation: one transaction for state, receipt, sealed parts, journal link and the
        outbox to the broker. Synced to disk when it returns; only then may anything leave.

        The store calls ``entry.sign(sequence, previous)`` inside the transaction, so that the chain has no gap.

        Raises:
            Conflict: it is final already (the first end stands).
        """
        ...

    def find(self, computation: str) -> Run | None:
        """A computation, or None."""
        ...

    def part(self, computation: str, index: int) -> bytes:
        """One sealed part of a release.

        Raises:
            NotFound: there is none.
        """
        ...


class SignEntry(Protocol):
    """Makes a journal statement for its place in the chain."""

    def __call__(self, sequence: int, previous: str) -> Statement:
        """The signed statement whose body has ``journal: {sequence, previous}``."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be journalled, and when the other side may hear of it.

    Attributes:
        sign: called once, inside the journal's transaction.
        release_at: the release quantum's tick.
        due: of a delivery, when its recipient must have deleted it, and it is handed over no more.
        decisions: how it was decided, phase by phase, for the owner alone (`computing.records`); empty for nothing.
        filed: sealed openings for the space's regulators (`hefu.statements.openings`); empty where nothing is filed.
    """

    sign: SignEntry
    release_at: datetime
    due: datetime | None = None
    decisions: bytes = b""
    filed: bytes = b""


class JournalReader(Protocol):
    """The journal as the owner and the background work read it."""

    def runs(self, limit: int, before: str = "") -> Sequence[Run]:
        """Computations, newest first; `before` is the id after which to go on."""
        ...

    def unfinished(self) -> Sequence[Run]:
        """Computations that are not final: after a start, those that a crash interrupted."""
        ...

    def outbox(self, limit: int) -> Sequence[bytes]:
        """Envelopes not yet in the broker's log, in the order of the chain."""
        ...

    def sent(self, digests: Sequence[str]) -> None:
        """Strike envelopes (by ``canonical.digest`` of their bytes) that the broker has taken."""
        ...

    def head(self) -> tuple[int, str]:
        """(next sequence, digest of the last envelope or ``""``)."""
        ...


@dataclass(frozen=True, slots=True)
class FiledEnd:
    """Sealed openings of the end of a computation; ``end`` is the digest of the end's envelope."""

    end: str
    sealed: bytes


class Filed(Protocol):
    """Sealed openings, as the journal keeps them. Any thread; a method that writes is one durable transaction."""

    def untold(self, most: int) -> Sequence[FiledEnd]:
        """Some that the broker does not have yet."""
        ...

    def told(self, ends: Sequence[str]) -> None:
        """Note that the broker has these."""
        ...

    def of(self, computations: Sequence[str]) -> Sequence[FiledEnd]:
        """Those of some computations."""
        ...

    def erase(self, ends: Sequence[str]) -> int:
        """Delete these for good; how many there were."""
        ...


class DecisionRecords(Protocol):
    """How computations were decided, as `Entry.decisions` said when they ended."""

    def decisions(self, computation: str) -> bytes:
        """The record of one; empty where there is none."""
        ...


class Fleet(Protocol):
    """The processes that carry out computations of one journal: this one, and replicas of it."""

    @property
    def me(self) -> str:
        """The name under which this process owns runs."""
        ...

    def alive(self, owner: str) -> bool:
        """Whether that process may still be at work; once it is not, it never is again under this name.

        Raises:
            Unavailable: the store cannot be read.
        """
        ...

    def stop(self, computation: str, code: str) -> None:
        """Ask whoever carries it out to end it with this code (`Run.stop`); durable, and the first code stands."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """`Fleet` of a process that has no other beside it."""

    me: str = ""

    def alive(self, owner: str) -> bool:
        """As in the port: nobody else is."""
        return owner == self.me

    def stop(self, computation: str, code: str) -> None:
        """As in the port: there is nobody to ask."""


# ---------------------------------------------------------------- contracts and identity


@dataclass(frozen=True, slots=True)
class Turn:
    """A suspension or resumption of an agreement, verified.

    Attributes:
        statement: a provider's signed `agreement.suspended` or `agreement.resumed`.
        proof: of a resumption, where it stands in the log, as verified; empty of a suspension, which acts at sight.
    """

    statement: Statement
    proof: bytes = b""


@dataclass(frozen=True, slots=True)
class Contract:
    """An agreement that this connector has verified itself, with all that was verified.

    Of several providers, one stands in front: this connector's own participant where it is one of them, else the first.

    Attributes:
        agreement: read from `statement`, which has all parties' signatures; with one provider in front.
        countersignature: the broker's `agreement.finalized`.
        description: that provider's description version, which the agreement names by digest.
        termination: a party's signed end, if there is one.
        proof: index of the countersignature in the log, hashes and checkpoint note, as verified.
        turns: the providers' suspensions and resumptions, in order; each provider's follow each other.
    """

    agreement: Agreement
    statement: Statement
    countersignature: Statement
    description: Description
    description_statement: Statement
    proof: bytes
    termination: Statement | None = None
    keys: tuple[str, ...] = field(default=())
    turns: tuple[Turn, ...] = ()
    described: tuple[tuple[Statement, Description], ...] = ()  # of all providers, in the order of the signed bytes

    @property
    def suspension(self) -> Statement | None:
        """A suspension that holds now; None where no provider has suspended the agreement."""
        last = {each.statement.issuer: each.statement for each in self.turns}
        return next((each for each in last.values() if each.type == SUSPENDED), None)

    def last_turn(self, provider: str) -> Statement | None:
        """A provider's newest suspension or resumption: nobody else takes back what it suspended."""
        return next((each.statement for each in self.turns[::-1] if each.statement.issuer == provider), None)

    def facing(self, provider: str) -> Contract:
        """The same contract with this provider in front; raises NotFound where it is none."""
        if provider == self.agreement.provider.participant:
            return self
        agreement = self.agreement.facing(provider)
        statement, description = next(each for each in self.described if each[0].digest() == agreement.description)
        return replace(self, agreement=agreement, description=description, description_statement=statement)

    def over(self, product: str) -> Contract:
        """The same contract with the provider of a product in front; raises NotFound where nobody brings it."""
        found = self.agreement.over(product)
        if found is None:
            raise NotFound("resource.not_found", what="product under this agreement", name=product[:64])
        return self.facing(found.provider.participant)


class Contracts(Protocol):
    """Agreements this connector is a party of, kept as exact bytes and verified again at every load."""

    def load(self, agreement: str) -> Contract:
        """A verified agreement. Signatures are checked over the bytes that are returned.

        Raises:
            NotFound: no such agreement here.
            Untrusted: what is stored does not verify.
        """
        ...

    def keep(self, contract: Contract) -> None:
        """Keep a newly finalised agreement durably; keeping it again changes nothing."""
        ...

    def terminate(self, agreement: str, termination: Statement) -> None:
        """Keep a termination durably. The first one stands."""
        ...

    def turn(self, agreement: str, turn: Turn) -> None:
        """Keep a suspension, or a resumption with its log proof, durably; one that is kept already changes nothing.

        Raises:
            Conflict: it does not follow the last one that is kept.
        """
        ...

    def all(self) -> Sequence[Contract]:
        """All agreements, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Connection:
    """Over what a request came, as this connector verified it; empty where it cannot know.

    Attributes:
        connector: who is at the other end, by its transport certificate.
        device: the public key of that certificate: the same over renewals, and another on each machine.
        address: of the other end, without port; empty through a relay, which hides it.
    """

    connector: str = ""
    device: str = ""
    address: str = ""


NOWHERE = Connection()


@dataclass(frozen=True, slots=True)
class Performed:
    """What is known of an agreement's duties when something is decided under it.

    Attributes:
        performed: ids and actions of the duties that count as performed for what is asked.
        violated: ids of those whose time is over and that are not performed.
    """

    performed: frozenset[str] = frozenset()
    violated: frozenset[str] = frozenset()


class Obligations(Protocol):
    """The books of what is owed under agreements, as the enforcement point keeps them."""

    def standing(self, contract: Contract, subject: str) -> Performed:
        """What is performed for a subject (a plan and its purpose), and what is violated."""
        ...

    def admit(
        self, contract: Contract, clause: str, performed: frozenset[str], subject: str, computation: str
    ) -> None:  # fmt: skip
        """Use up what was performed for this subject before the use, durably: it serves one computation.

        Args:
            performed: ids of the duties that the decision counted as performed.

        Raises:
            Refused: another computation took it meanwhile.
        """
        ...

    def give_back(self, contract: Contract, clause: str, subject: str, computation: str) -> None:
        """Undo `admit`: the computation was refused after all, before anything was charged."""
        ...

    def wait(self, contract: Contract, duties: Iterable[str], subject: str, computation: str) -> None:
        """Note that a computation waits for these duties (by id) to be performed."""
        ...

    def release(self, contract: Contract, duties: Iterable[str], computation: str, delete_by: datetime | None) -> None:
        """Enter what will be owed once a computation is released, durably, before it is.

        Args:
            duties: ids of the duties that become active with the release.
            delete_by: of a delivery, when its recipient must have deleted it.
        """
        ...


@dataclass(frozen=True, slots=True)
class NothingOwed:
    """`Obligations` of a connector that keeps no books: no duty is ever performed or violated."""

    def standing(self, contract: Contract, subject: str) -> Performed:
        """As in the port."""
        return Performed()

    def admit(
        self, contract: Contract, clause: str, performed: frozenset[str], subject: str, computation: str
    ) -> None:  # fmt: skip
        """As in the port."""

    def give_back(self, contract: Contract, clause: str, subject: str, computation: str) -> None:
        """As in the port."""

    def wait(self, contract: Contract, duties: Iterable[str], subject: str, computation: str) -> None:
        """As in the port."""

    def release(self, contract: Contract, duties: Iterable[str], computation: str, delete_by: datetime | None) -> None:
        """As in the port."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What this connector knows of the space's standing.

    Attributes:
        age: seconds since the newest verified status list was signed.
    """

    age: float


Chartered = Callable[[], Charter | None]  # the newest verified charter of the space; Unavailable where one is due


class Trust(Protocol):
    """Who may act, as this connector verified it."""

    def check(self, participant: str, *subjects: str) -> Standing:
        """Check a participant and the keys or certificates it uses against the newest status list.

        Raises:
            Unauthenticated: unknown, expired, suspended or revoked.
        """
        ...

    def check_orders(self, *subjects: str) -> None:
        """Check that no regulator's order in force names one of these (`hefu.membership.mandate.subjects`).

        Raises:
            Refused: one does.
        """
        ...

    def sealing(self, participant: str) -> bytes:
        """The participant's raw X25519 public key; raises NotFound."""
        ...

    def roles(self, participant: str) -> frozenset[str]:
        """The roles that the root certified; raises NotFound."""
        ...

    def verify(self, statement: Statement, *parties: str) -> None:
        """Verify signatures under certified keys; raises Untrusted."""
        ...

    def attributes(self, participant: str) -> Mapping[str, frozenset[str]]:
        """What the root certified of a participant besides, by scheme (`hefu.identity.ATTRIBUTES`); raises NotFound."""
        ...

    def keys(self, participant: str) -> Sequence[PublicKey]:
        """Every key that the root ever certified as the participant's, whether it may still act or not."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A release as the recipient reads it, after unsealing.

    Attributes:
        headings: the answer's columns.
        rows, half_widths: as in `Values`.
        mechanisms: one a noised column.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    half_widths: tuple[tuple[str | None, ...], ...]
    mechanisms: tuple[Mechanism, ...]
