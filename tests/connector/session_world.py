"""Three providers' connectors in memory and one consumer: real decisions, charges, keys and receipts, no network.

The engine is the smallest that a session serves: it counts the rows of its table and hides the count under masks.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import PublicKey, Statement, draft, new_id
from hefu.identity import CERTIFIED, ROOT, Participant
from hefu.keeping.keys import FileSigner
from hefu.membership.directory import Directory
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.request import REQUESTED, ComputationRequest
from hefu_connector.computing.world import Rules, World
from hefu_connector.engines.masks import uniform
from hefu_connector.ports import Account, Contract, Prepared, Run, Table, Values
from hefu_connector.session import Party, Session
from hefu_connector.sources.files import FileSource
from hefu_policies import odrl
from hefu_policies.agreeing.contract import AGREEMENT, PUBLISHED, ContractRequest, agreement_from
from hefu_policies.budget import Budget, Charge, PrivacyLoss
from hefu_policies.deciding.policy import Constraint
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.library.rules import need, permission, written
from hefu_policies.reading import Place
from hefu_policies.words.terms import AGGREGATE_QUERY, CONTEXTS, PROFILE
from hefu_space.simulator.accounts import MemoryJournal, MemoryLedger

from tests.connector.world import SPACE, START, DirectoryTrust, MemoryContracts, SetClock

NAMES = ("grid-a", "grid-b", "grid-c")
CONSUMER, AGGREGATOR = "group-d", "grid-b"
MODULUS = 1 << 32
ONE = Charge(PrivacyLoss(500_000_000))


class Counting:
    """Counts rows under masks. An `Engine`."""

    name, version, action = "masked-count", "1", AGGREGATE_QUERY
    environment, encryption = "Sandbox", "PlainText"

    def prepare(
        self, plan: Object, resource: Resource, minimum_group: int | None, rounding: Decimal | None = None,
        beside: Resource | None = None,
    ) -> Prepared:  # fmt: skip
        session = Session.of(Place(plan["session"], "plan.session"))
        return Prepared(
            parameters={}, charge=ONE, columns=frozenset({"meter"}), reads=frozenset({"meter"}),
            functions=frozenset({"count"}), kind="EncryptedResult", cells=1, headings=("n",), mechanisms=(),
            max_contribution=1, session=session,
        )  # fmt: skip

    def read(self, output: Object, prepared: Prepared) -> Values:
        return Values(((str(output["hidden"]),),), ((None,),), None, 0)


@dataclass
class HeldWorkers:
    """The engine's other half, in this thread; can be held back, or die."""

    gate: threading.Event = field(default_factory=threading.Event)
    seen: list[Object] = field(default_factory=list)
    dies: bool = False

    def run(
        self, engine: str, parameters: Object, table: Table, *, job: str, deadline: float, spare: int = 0
    ) -> Object:
        self.seen.append(parameters)
        self.gate.wait(deadline)
        if self.dies:
            raise RuntimeError("died")
        said = parameters["session"]
        assert isinstance(said, dict)
        assert isinstance(said["secrets"], dict)
        hidden = len(table.path.read_text().splitlines()) - 1
        for other, secret in said["secrets"].items():
            mask = next(uniform(bytes.fromhex(str(secret)), MODULUS))
            hidden += mask if str(said["me"]) < other else -mask
        return {"hidden": hidden % MODULUS}

    def cancel(self, job: str) -> None:
        self.gate.set()

    def close(self) -> None:
        self.gate.set()


def policy(action: str, conditions: list[Constraint]) -> Object:
    """An offer that permits one action under these conditions."""
    head: Object = {
        "@context": [*CONTEXTS], "@id": "urn:hefu:offer", "@type": "Offer", "profile": [PROFILE],
        "conflict": odrl.PROHIBIT,
    }  # fmt: skip
    return {**head, **written([permission("joint", action, conditions)])}


class Provider:
    """One provider: its table, contract, accounts and enforcement point."""

    def __init__(self, grid: Grid, name: str, folder: Path, rows: int) -> None:
        self.grid, self.name = grid, name
        self.ledger, self.journal, self.contracts, self.workers = (
            MemoryLedger(), MemoryJournal(), MemoryContracts(), HeldWorkers()
        )  # fmt: skip
        self.workers.gate.set()
        self.file = folder / f"{name}.csv"
        self.file.write_text("meter\n" + "".join(f"m{each}\n" for each in range(rows)))
        self.spool = folder / f"spool-{name}"
        self.spool.mkdir(mode=0o700)
        self.contract = self._agree()
        self.enforcement = self.build()

    def build(self) -> Enforcement:
        grid = self.grid
        world = World(
            self.name, f"{self.name}-c1", SPACE, grid.signers[self.name], grid.clock, grid.trust, self.contracts,
            self.ledger, self.journal, self.journal, lambda _: FileSource(self.file, "csv", self.spool),
            {AGGREGATE_QUERY: Counting()}, self.workers, Rules(quantum_seconds=0, deadline_seconds=20, jobs=1),
        )  # fmt: skip
        return Enforcement(world)

    @property
    def charged(self) -> Charge:
        return self.ledger.balance(Account(f"asset/res-{self.name}", Budget.of_text("5", releases=9))).charged

    def _agree(self) -> Contract:
        grid, product = self.grid, f"prd-{self.name}"
        conditions = [
            need("parties", "hefu:minParties", "gteq", 3),
            need("colluding", "hefu:collusionThreshold", "gteq", 1),
            need("only", "hefu:counterparty", "isPartOf", *NAMES, CONSUMER),
            need("to", "odrl:recipient", "eq", CONSUMER),
        ]
        offer = Offer("off-one", policy(AGGREGATE_QUERY, conditions), Budget.of_text("5", releases=9))
        schema = (Column("meter", "text"), Column("kwh", "integer", bounds=Bounds(Decimal(0), Decimal(9), Decimal(1))))
        resource = Resource(f"res-{self.name}", schema, Privacy("meter", 1, Budget.of_text("5", releases=9)))
        description = Description(product, 1, {"en": "Meters"}, (resource,), (offer,))
        described = draft(PUBLISHED, description.body(), space=SPACE, issuer=self.name, at=START)
        described = grid.sign(described, self.name)
        asked = ContractRequest(
            negotiation=f"neg-{self.name}", provider=self.name, consumer=CONSUMER, connector="group-d-c1",
            product=product, description=described.digest(), offer="off-one", purpose="dpv:ServiceProvision",
        )  # fmt: skip
        requested = draft("negotiation.requested", asked.body(), space=SPACE, issuer=CONSUMER, at=START)
        made = agreement_from(
            described, requested, agreement=f"agr-{self.name}", strategy="str-one", connector=f"{self.name}-c1",
            log="demo/log", at=START,
        )  # fmt: skip
        signed = draft(AGREEMENT, made.body(), space=SPACE, issuer=self.name, at=START)
        signed = grid.sign(grid.sign(signed, self.name), CONSUMER)
        contract = Contract(made, signed, signed, description, described, b"")
        self.contracts.keep(contract)
        return contract


class Grid:
    """Root, three providers with 5, 7 and 11 rows, a consumer with a contract of each."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self.root = FileSigner(ROOT, Ed25519PrivateKey.generate())
        self.directory = Directory(SPACE, _public(self.root))
        everybody = (*NAMES, CONSUMER, "mallory", "broker")
        self.signers = {name: FileSigner(name, Ed25519PrivateKey.generate()) for name in everybody}
        self.sealing = {name: X25519PrivateKey.generate() for name in everybody}
        for name in everybody:
            self._certify(name)
        self.trust = DirectoryTrust(self.directory, self.clock)
        self.providers = {
            name: Provider(self, name, folder, rows) for name, rows in zip(NAMES, (5, 7, 11), strict=True)
        }

    def close(self) -> None:
        for each in self.providers.values():
            each.workers.gate.set()
            each.enforcement.close()

    def session(self, **changes: object) -> Session:
        parties = tuple(Party(name, f"agr-{name}", new_id("cmp")) for name in NAMES)
        digest = canonical.digest(b"key")
        made = Session(new_id("ses"), parties, AGGREGATOR, 2, digest, "bfv-totals", digest, CONSUMER)
        return replace(made, **changes)  # type: ignore[arg-type]

    def request(self, session: Session, name: str, **changes: object) -> Statement:
        party = session.party(name)
        plan: Object = {"operation": AGGREGATE_QUERY, "product": f"prd-{name}", "session": session.body()}
        members: dict[str, object] = {
            "computation": party.computation, "agreements": (party.agreement,), "plan": plan,
            "purpose": "dpv:ServiceProvision", "recipient": CONSUMER, "nonce": new_id("non"),
        }  # fmt: skip
        asked = ComputationRequest(**(members | changes))  # type: ignore[arg-type]
        return self.sign(
            draft(REQUESTED, asked.body(), space=SPACE, issuer=CONSUMER, at=self.clock.now()), CONSUMER
        )  # fmt: skip

    def create(self, session: Session, *names: str) -> dict[str, Run]:
        return {
            name: self.providers[name].enforcement.create(self.request(session, name), CONSUMER)
            for name in names or NAMES
        }

    def words(self, session: Session) -> list[Statement]:
        """What all parties sign, after their parts were created."""
        found = ((each, self.providers[each.participant].enforcement) for each in session.parties)
        return [door.join(each.computation, CONSUMER) for each, door in found]

    def sign(self, statement: Statement, name: str) -> Statement:
        return statement.sign(self.signers[name], self.clock.now())

    def _certify(self, name: str) -> None:
        role = "operator" if name == "broker" else "consumer" if name == CONSUMER else "provider"
        sealing = self.sealing[name].public_key().public_bytes_raw()
        one = Participant(
            name, {"en": name}, frozenset({role}), (_public(self.signers[name]),), sealing,
            START - timedelta(days=1), START + timedelta(days=365),
        )  # fmt: skip
        made = draft(CERTIFIED, one.body(), space=SPACE, issuer=ROOT, at=START).sign(self.root, START)
        self.directory.certify(made)


def _public(signer: FileSigner) -> PublicKey:
    return PublicKey(signer.key, signer.participant, signer.public)
