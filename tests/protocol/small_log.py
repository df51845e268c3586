"""A small log in memory with real keys: every statement a space would log, so that tests can attack it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical, identity
from hefu.canonical import Json, Object
from hefu.envelope import PublicKey, Statement, draft, new_id
from hefu.evidence.bundle import BundleEntry, write_bundle
from hefu.identity import Participant
from hefu.keeping.keys import FileSigner
from hefu.space import SpaceFile
from hefu.statements.receipt import Failure, Link, Meters, Noise, Receipt, Refusal, Released, SealedPart, Spent, Under
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import ED25519, VerifierKey
from hefu_policies import odrl
from hefu_policies.library import template
from hefu_policies.proving.replay import write_facts

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ORIGIN = "log.demo.hefu"
CONSUMER, PROVIDER, BROKER = "lab-b", "clinic-a", "broker"
RESOURCE, PRODUCT, AGREEMENT = "res-flights", "prd-flights", "agr-one"
BUDGET = Spent(1_000_000_000, 0, 5)
LIFETIME = Spent(1_500_000_000, 0, 6)
DIGEST = canonical.digest(b"anything")


def signer(name: str) -> FileSigner:
    """A new key."""
    return FileSigner(name, Ed25519PrivateKey.generate())


def public(one: FileSigner) -> PublicKey:
    """Its public half."""
    return PublicKey(one.key, one.participant, one.public)


def budget(limit: Spent) -> Object:
    """A budget block."""
    return {"currency": "epsilon-delta", **limit.body()}


@dataclass
class SmallLog:
    """Entries, the keys behind them, and ways to say more. `tell` says a whole story."""

    at: datetime = START
    entries: list[bytes] = field(default_factory=list)
    journal: list[bytes] = field(default_factory=list)
    strategies: list[Json] = field(default_factory=list)
    policy: Object | None = None  # an Offer's, in place of one for statistics
    whole: bool = True  # else agreements have no more than the checks of the base install need

    def __post_init__(self) -> None:
        self.signers = {name: signer(name) for name in ("root", BROKER, PROVIDER, CONSUMER)}
        self.log_signer = signer(ORIGIN)
        self.log_key = VerifierKey(ORIGIN, ED25519, self.log_signer.public)
        self.space = SpaceFile(
            space="demo",
            root=public(self.signers["root"]),
            broker=BROKER,
            address="localhost:1",
            enrolment="localhost:2",
            transport_ca="",
            log_origin=ORIGIN,
            log_key=str(self.log_key),
        )

    # ------------------------------------------------------------ the story

    def tell(self) -> None:
        """Certifications, a product, a contract, two releases, a refusal and a failure."""
        self.certify(BROKER, "operator")
        self.certify(PROVIDER, "provider")
        self.certify(CONSUMER, "consumer")
        self.publish()
        self.agree()
        self.finalize()
        self.release("cmp-one")
        self.refuse("cmp-two")
        self.fail("cmp-three")
        self.release("cmp-four")

    def certify(self, name: str, role: str, *keys: FileSigner) -> Statement:
        """The root certifies a participant."""
        signing = tuple(public(each) for each in keys or (self.signers[name],))
        one = Participant(name, {"en": name}, frozenset({role}), signing, bytes(32), START, START + timedelta(days=365))
        return self.say(identity.CERTIFIED, one.body(), "root")

    def publish(self, lifetime: Spent = LIFETIME) -> Statement:
        """The provider publishes a product; the description counts from now on."""
        resource: Object = {"resource": RESOURCE, "privacy": {"lifetime": budget(lifetime)}}
        self.description = self.say("product.published", {"product": PRODUCT, "resources": [resource]}, PROVIDER)
        return self.description

    def agree(self, *signers: str, id_: str = AGREEMENT, limit: Spent = BUDGET) -> Statement:
        """An agreement signed by both parties, or by those given."""
        parties: list[Json] = [
            {"participant": PROVIDER, "role": "provider", "connector": PROVIDER},
            {"participant": CONSUMER, "role": "consumer", "connector": CONSUMER},
        ]
        body: Object = {
            "agreement": id_,
            "product": PRODUCT,
            "description": self.description.digest(),
            "resources": [RESOURCE],
            "parties": parties,
            "not_before": "2026-11-21T00:00:00Z",
            "not_after": "2026-12-21T00:00:00Z",
            "offline_window_seconds": 600,
            "budget": budget(limit),
        }
        whole: Object = {
            "negotiation": f"neg-{id_}",
            "offer": "off-one",
            "snapshot_rule": "latest",
            "computations": [*odrl.load(self.strategy()["policy"]).actions()],
            "offline_share_percent": 10,
            "privacy": {"unit": "flight", "neighbouring": "add-remove"},
            "log": ORIGIN,
            "previous": [DIGEST],
            "extensions": {},
            "strategies": [self.strategy()],
        }
        if self.whole:
            body |= whole
        elif self.strategies:
            body["strategies"] = [*self.strategies]
        self.agreement = self.say("agreement", body, PROVIDER, *(signers or (PROVIDER, CONSUMER)))
        return self.agreement

    def strategy(self) -> Object:
        """A policy that lets the consumer compute statistics."""
        terms: Object = {
            "purpose": "dpv:ScientificResearch", "epsilon": "9", "min_group": 5, "columns": ["age"],
            "until": "2036-01-01T00:00:00Z", "count": 1000, "budget": "1000",
        }  # fmt: skip
        policy = odrl.bind(
            self.policy or template("research-statistics", terms),
            id_="urn:hefu:strategy:str-one", target=PRODUCT, assigner=PROVIDER, assignee=CONSUMER, at=START,
        )  # fmt: skip
        if self.policy is None:
            rules = policy["permission"]
            assert isinstance(rules, list)
            assert isinstance(rules[0], dict)
            rules[0]["@id"] = "urn:rule:1"
        return {"strategy": "str-one", "enforced_by": PROVIDER, "policy": policy}

    @property
    def clause(self) -> str:
        """The clause that receipts name."""
        return "urn:rule:1" if self.whole else "rule-1"

    def facts(self, epsilon_nano: int) -> Object:
        """What the decision on a release knew."""
        return write_facts({
            "operation": "hefu:dpQuery", "purpose": "dpv:ScientificResearch", "column": frozenset({"age"}),
            "function": frozenset({"count"}), "epsilon": Decimal(epsilon_nano) / 10**9, "delta": Decimal(0),
            "epsilonBudget": Decimal(epsilon_nano) / 10**9, "deltaBudget": Decimal(0), "count": 1, "dateTime": self.at,
            "outputKind": "NoisyAggregate", "outputRows": 1, "maxContribution": 1, "minGroup": 5,
            "recipient": CONSUMER,
        })  # fmt: skip

    def finalize(self) -> Statement:
        """The broker countersigns the newest agreement."""
        envelope = canonical.digest(self.agreement.to_bytes())
        body: Object = {"agreement": self.agreement.digest(), "envelope": envelope, "parties": [PROVIDER, CONSUMER]}
        return self.say("agreement.finalized", body, BROKER)

    def receipt(self, computation: str, epsilon_nano: int = 100_000_000) -> Receipt:
        """A receipt under the newest agreement, not yet journalled."""
        return Receipt(
            computation=computation,
            request=canonical.digest(computation.encode()),
            consumer=CONSUMER,
            agreements=(Under(str(self.agreement.body["agreement"]), self.agreement.digest(), "str-one", self.clause),),
            product=PRODUCT,
            description=self.description.digest(),
            resource=RESOURCE,
            snapshot=DIGEST,
            engine="statistics",
            engine_version="1",
            charge=Spent(epsilon_nano, 0, 1),
            mechanisms=(Noise("n", "discrete Laplace", "20", epsilon_nano),),
            output=Released("NoisyAggregate", 1, 0),
            parts=(SealedPart(DIGEST, 100),),
            meters=Meters(1, 1, 100, 250),
            admitted=self.at,
            facts=self.facts(epsilon_nano),
        )

    def release(self, computation: str, epsilon_nano: int = 100_000_000) -> Statement:
        """The provider journals a receipt."""
        return self.journalled("computation.sealed", self.receipt(computation, epsilon_nano))

    def refuse(self, computation: str) -> Statement:
        """The provider journals a refusal."""
        refusal = Refusal(computation, DIGEST, CONSUMER, (AGREEMENT,), "policy.denied", ("rule-2: purpose",))
        return self.journalled("computation.refused", refusal)

    def fail(self, computation: str, epsilon_nano: int = 50_000_000) -> Statement:
        """The provider journals a failure."""
        request = canonical.digest(computation.encode())
        failure = Failure(
            computation, request, CONSUMER, (AGREEMENT,), "worker.died", Spent(epsilon_nano, 0, 1), RESOURCE
        )
        return self.journalled("computation.failed", failure)

    def terminate(self, by: str = CONSUMER) -> Statement:
        """A party ends the newest agreement."""
        body: Object = {
            "agreement": self.agreement.body["agreement"],
            "digest": self.agreement.digest(),
            "code": "done",
            "reason": "",
        }
        return self.say("agreement.terminated", body, by)

    def turn(self, word: str, previous: str = "", by: str = PROVIDER, **changes: str) -> Statement:
        """The provider suspends or resumes the newest agreement."""
        body: Object = {
            "agreement": self.agreement.body["agreement"],
            "digest": self.agreement.digest(),
            "code": "asked",
            "reason": "",
            "previous": previous,
        }
        return self.say(f"agreement.{word}", body | changes, by)

    # ------------------------------------------------------------ the means

    def journalled(self, type_: str, end: Receipt | Refusal | Failure, link: Link | None = None) -> Statement:
        """Say the next statement of the provider's journal."""
        previous = canonical.digest(self.journal[-1]) if self.journal else ""
        statement = self.say(type_, end.linked(link or Link(len(self.journal), previous, PROVIDER)).body(), PROVIDER)
        self.journal.append(self.entries[-1])
        return statement

    def say(self, type_: str, body: Object, issuer: str, *signers: str) -> Statement:
        """Sign a statement (by its issuer if nobody else is named) and log it."""
        self.at += timedelta(seconds=1)
        statement = draft(type_, body, space="demo", issuer=issuer, at=self.at, id_=new_id("stm"))
        for name in signers or (issuer,):
            statement = statement.sign(self.signers[name], self.at)
        self.entries.append(statement.to_bytes())
        return statement

    def checkpoint(self, size: int | None = None) -> str:
        """The log signs what it has, or what it had at a size."""
        leaves = [tree.leaf_hash(each) for each in self.entries[:size]]
        head = Checkpoint(ORIGIN, len(leaves), tree.root(leaves))
        return checkpoint.sign(head, self.log_key, self.log_signer.sign)

    def bundle(self, path: Path, note: str | None = None, hide: frozenset[int] = frozenset()) -> Path:
        """Write all entries as a bundle; some as leaf hashes only."""
        lines = [BundleEntry.whole(index, each) for index, each in enumerate(self.entries)]
        shown = [BundleEntry(e.index, e.leaf_hash, None) if e.index in hide else e for e in lines]
        write_bundle(path, self.space, note or self.checkpoint(), shown)
        return path
