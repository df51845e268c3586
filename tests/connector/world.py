"""A provider's connector in memory: real policies, engine, guard and keys behind the real ports, no network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu.canonical import Object
from hefu.envelope import PublicKey, Statement, draft, new_id
from hefu.errors import NotFound, Unavailable
from hefu.identity import CERTIFIED, ROOT, STATUS, Participant, StatusList
from hefu.identity import Standing as Word
from hefu.keeping.keys import FileSigner
from hefu.membership.directory import Directory
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.request import REQUESTED, ComputationRequest
from hefu_connector.computing.world import Rules, World
from hefu_connector.engines import counting, delivering
from hefu_connector.engines.delivery import Delivery
from hefu_connector.engines.exact import counting as exact_counting
from hefu_connector.engines.exact.engine import Exact
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Contract, NothingOwed, Obligations, Standing, Table, Turn
from hefu_connector.sources.files import FileSource
from hefu_policies.agreeing.contract import AGREEMENT, PUBLISHED, Agreement, ContractRequest, agreement_from
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.library import template
from hefu_space.simulator.accounts import MemoryDisclosures, MemoryJournal, MemoryLedger

ENGINES = {"statistics": counting, "delivery": delivering, "exact": exact_counting}
START = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
SPACE, PROVIDER, CONSUMER = "demo", "hospital-a", "pharma-b"
ROWS = "patient,age,region\n" + "".join(f"p{i},{20 + i % 50},{'north' if i % 3 else 'south'}\n" for i in range(300))


@dataclass
class SetClock:
    """A clock that tests move."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class MemoryContracts:
    """`ports.Contracts` in memory."""

    held: dict[str, Contract] = field(default_factory=dict)

    def load(self, agreement: str) -> Contract:
        if agreement not in self.held:
            raise NotFound("resource.not_found", what="agreement", name=agreement)
        return self.held[agreement]

    def keep(self, contract: Contract) -> None:
        self.held.setdefault(contract.agreement.id, contract)

    def terminate(self, agreement: str, termination: Statement) -> None:
        self.held[agreement] = replace(self.load(agreement), termination=termination)

    def turn(self, agreement: str, turn: Turn) -> None:
        held = self.load(agreement)
        self.held[agreement] = replace(held, turns=(*held.turns, turn))

    def all(self) -> Sequence[Contract]:
        return list(self.held.values())


@dataclass
class DirectoryTrust:
    """`ports.Trust` over a real directory whose status list has a settable age."""

    directory: Directory
    clock: SetClock
    age: float = 1.0

    def check(self, participant: str, *subjects: str) -> Standing:
        self.directory.check_active(participant, self.clock.now(), *subjects)
        return Standing(self.age)

    def check_orders(self, *subjects: str) -> None:
        """As in the port."""
        self.directory.check_orders(self.clock.now(), *subjects)

    def sealing(self, participant: str) -> bytes:
        return self.directory.participant(participant).sealing

    def roles(self, participant: str) -> frozenset[str]:
        return self.directory.participant(participant).roles

    def attributes(self, participant: str) -> Mapping[str, frozenset[str]]:
        return self.directory.participant(participant).attributes()

    def keys(self, participant: str) -> list[PublicKey]:
        return self.directory.keys_of(participant)

    def verify(self, statement: Statement, *parties: str) -> None:
        statement.verify(self.directory.keys, *parties)


class InlineWorkers:
    """`ports.Workers` without processes: the same engine code in this thread; can be held back or made to die."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.dies = False
        self.cancelled: set[str] = set()

    def run(
        self, engine: str, parameters: Object, table: Table, *, job: str, deadline: float, spare: int = 0
    ) -> Object:
        assert engine in ENGINES
        self.started.set()
        self.gate.wait(deadline)
        if self.dies:
            raise Unavailable("worker.failed")
        if job in self.cancelled:
            raise Unavailable("cancelled")
        beside = [{"path": str(each.path), "form": each.form, "layout": each.layout} for each in table.beside]
        layout = {**table.layout, **({"beside": beside} if beside else {})}
        found = ENGINES[engine].run(parameters, table.path, table.form, layout)
        assert isinstance(found, dict)
        return found

    def cancel(self, job: str) -> None:
        self.cancelled.add(job)
        self.gate.set()

    def close(self) -> None:
        self.gate.set()


class Space:
    """Root, two participants and one agreement between them, all with real keys."""

    def __init__(
        self, folder: Path, *, budget: str = "1", releases: int = 100, lifetime: str = "10", count: int = 200,
        policy: Object | None = None, delta: str = "0",
    ) -> None:  # fmt: skip
        self.count, self.delta = count, delta
        self.policy = policy
        self.clock = SetClock()
        self.owing: Obligations = NothingOwed()
        self.root = FileSigner(ROOT, Ed25519PrivateKey.generate())
        self.directory = Directory(SPACE, _public(self.root))
        self.signers = {name: FileSigner(name, Ed25519PrivateKey.generate()) for name in (PROVIDER, CONSUMER, "broker")}
        self.sealing = {name: X25519PrivateKey.generate() for name in self.signers}
        for name in self.signers:
            self._certify(name, "operator" if name == "broker" else "provider" if name == PROVIDER else "consumer")
        self.ledger, self.journal, self.contracts = MemoryLedger(), MemoryJournal(), MemoryContracts()
        self.disclosures = MemoryDisclosures()
        self.trust, self.workers = DirectoryTrust(self.directory, self.clock), InlineWorkers()
        self.file = folder / "admissions.csv"
        self.file.write_text(ROWS)
        self.files = {"res-admissions": self.file}
        self.spool = folder / "spool"
        self.spool.mkdir(mode=0o700)
        self.contract = self.agree(budget, releases, lifetime)
        self.enforcement = self.build()

    def build(self, filing: Callable[[Agreement], bytes | None] = lambda _: None) -> Enforcement:
        sources = {name: FileSource(path, "csv", self.spool) for name, path in self.files.items()}
        world = World(
            PROVIDER, "hospital-a-main", SPACE, self.signers[PROVIDER], self.clock, self.trust, self.contracts,
            self.ledger, self.journal, self.journal, sources.__getitem__,
            {Statistics.action: Statistics(), Delivery.action: Delivery(), Exact.action: Exact()}, self.workers,
            Rules(quantum_seconds=0, deadline_seconds=20, jobs=2), secret=lambda agreement: agreement.encode() * 4,
            owing=self.owing, disclosures=self.disclosures, filing=filing,
        )  # fmt: skip
        return Enforcement(world)

    def agree(
        self,
        budget: str,
        releases: int,
        lifetime: str,
        agreement: str = "agr-one",
        description: Description | None = None,
    ) -> Contract:
        description = description or _description(budget, releases, lifetime, self.count, self.policy, self.delta)
        described = self._sign(draft(PUBLISHED, description.body(), space=SPACE, issuer=PROVIDER, at=START), PROVIDER)
        asked = ContractRequest(
            negotiation="neg-one", provider=PROVIDER, consumer=CONSUMER, connector="pharma-b-main",
            product=description.product, description=described.digest(), offer="off-research",
            purpose="dpv:ScientificResearch",
        )  # fmt: skip
        requested = draft("negotiation.requested", asked.body(), space=SPACE, issuer=CONSUMER, at=START)
        made: Agreement = agreement_from(
            described, requested, agreement=agreement, strategy="str-one", connector="hospital-a-main", log="demo/log",
            at=START,
        )  # fmt: skip
        signed = draft(AGREEMENT, made.body(), space=SPACE, issuer=PROVIDER, at=START)
        signed = self._sign(self._sign(signed, PROVIDER), CONSUMER)
        contract = Contract(made, signed, signed, description, described, b"")
        self.contracts.keep(contract)
        return contract

    def request(
        self, epsilon: str = "0.5", *, plan: Object | None = None, purpose: str = "dpv:ScientificResearch",
        signer: str = CONSUMER, issuer: str = CONSUMER, computation: str = "", agreement: str = "agr-one",
        joined: tuple[str, ...] = (),
    ) -> Statement:  # fmt: skip
        asked = ComputationRequest(
            computation or new_id("cmp"), (agreement, *joined), plan or self.plan(epsilon), purpose, issuer,
            new_id("non"),
        )  # fmt: skip
        actor: Object = {"kind": "person", "user": "li"}
        made = draft(REQUESTED, asked.body(), space=SPACE, issuer=issuer, at=self.clock.now(), actor=actor)
        return self._sign(made, signer)

    def plan(self, epsilon: str, column: str = "age") -> Object:
        aggregates = (Aggregate("count", "n"), Aggregate("mean", "mean", column))
        plan = Plan("prd-admissions", aggregates, PrivacyLoss.of_text(epsilon), group_by=("region",))
        return plan.body()

    def revoke(self, subject: str) -> None:
        words = (Word(subject, "revoked", START, "test"),)
        made = draft(STATUS, StatusList(2, START, words).body(), space=SPACE, issuer="broker", at=START)
        self.directory.apply(self._sign(made, "broker"))

    def _sign(self, statement: Statement, name: str) -> Statement:
        return statement.sign(self.signers[name], self.clock.now())

    def _certify(self, name: str, role: str) -> None:
        one = Participant(
            name, {"en": name}, frozenset({role}), (_public(self.signers[name]),),
            self.sealing[name].public_key().public_bytes_raw(), START - timedelta(days=1), START + timedelta(days=365),
        )  # fmt: skip
        made = draft(CERTIFIED, one.body(), space=SPACE, issuer=ROOT, at=START).sign(self.root, START)
        self.directory.certify(made)


def _public(signer: FileSigner) -> PublicKey:
    return PublicKey(signer.key, signer.participant, signer.public)


def _description(
    budget: str, releases: int, lifetime: str, count: int, policy: Object | None = None, delta: str = "0"
) -> Description:  # fmt: skip
    policy = policy or template(
        "research-statistics",
        {
            "purpose": "dpv:ScientificResearch", "epsilon": "0.5", "min_group": 20, "columns": ["age", "region"],
            "until": "2027-11-21T00:00:00Z", "count": count, "budget": budget,
        },
    )  # fmt: skip
    schema = (
        Column("patient", "text", sensitivity="personal"),
        Column(
            "age",
            "integer",
            unit="a",
            bounds=Bounds(Decimal(0), Decimal(120), Decimal(1)),
            sensitivity="quasi-identifier",
        ),
        Column("region", "text", categories=("north", "south"), sensitivity="public"),
        Column("weight", "integer", bounds=Bounds(Decimal(0), Decimal(300), Decimal(1))),
    )
    privacy = Privacy("patient", 1, Budget.of_text(lifetime, delta, releases=10_000))
    return Description(
        product="prd-admissions", version=1, title={"en": "Admissions"},
        resources=(Resource("res-admissions", schema, privacy),),
        offers=(
            Offer("off-research", policy, Budget.of_text(budget, delta, releases=releases), offline_window_seconds=3600,
                  offline_share_percent=50),
        ),
        security_grade=3, personal_data=True,
    )  # fmt: skip
