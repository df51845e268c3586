"""A whole contract with real keys: root, provider, consumer, broker and log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical, identity
from hefu.canonical import Object
from hefu.envelope import PublicKey, Statement, draft
from hefu.identity import CERTIFIED, ROOT, Participant
from hefu.keeping.keys import FileSigner
from hefu.membership.directory import Directory
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import ED25519, VerifierKey
from hefu.tlog.proof import LogProof
from hefu_connector.contracting.contracts import FINALIZED, TERMINATED, Papers, Pins
from hefu_connector.ports import Standing
from hefu_policies.agreeing.contract import (
    AGREEMENT,
    PUBLISHED,
    REQUESTED,
    Answering,
    ContractRequest,
    PartyKey,
    agreement_from,
)  # fmt: skip
from hefu_policies.budget import Budget
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.library import template

from tests.contracts.stories import NOW as INSTANT

NOW = INSTANT.replace(microsecond=0)
SPACE, PROVIDER, CONSUMER, BROKER, STRANGER = "demo", "hospital-a", "pharma-b", "broker", "thief"


class DirectoryTrust:
    """`ports.Trust` over a directory that the test filled."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def check(self, participant: str, *subjects: str) -> Standing:
        """As in the port."""
        self._directory.check_active(participant, NOW, *subjects)
        return Standing(0.0)

    def check_orders(self, *subjects: str) -> None:
        """As in the port."""
        self._directory.check_orders(NOW, *subjects)

    def sealing(self, participant: str) -> bytes:
        """As in the port."""
        return self._directory.participant(participant).sealing

    def roles(self, participant: str) -> frozenset[str]:
        """As in the port."""
        return self._directory.participant(participant).roles

    def attributes(self, participant: str) -> Mapping[str, frozenset[str]]:
        """As in the port."""
        return self._directory.participant(participant).attributes()

    def keys(self, participant: str) -> list[PublicKey]:
        return self._directory.keys_of(participant)

    def verify(self, statement: Statement, *parties: str) -> None:
        """As in the port."""
        statement.verify(self._directory.keys, *parties)


@dataclass
class Halves:
    """Who signs, and what they signed. Each part can be made again otherwise, to see it refused."""

    signers: dict[str, FileSigner] = field(default_factory=dict)
    _certified: int = 0

    def __post_init__(self) -> None:
        self.root = root = FileSigner(ROOT, Ed25519PrivateKey.generate())
        self.directory = Directory(SPACE, PublicKey(root.key, ROOT, root.public))
        for name in (PROVIDER, CONSUMER, BROKER, STRANGER):
            self.signers[name] = FileSigner(name, Ed25519PrivateKey.generate())
            self.certify(name, self.signers[name])
        self.trust = DirectoryTrust(self.directory)
        self.log = Ed25519PrivateKey.generate()
        key = VerifierKey("demo/log", ED25519, self.log.public_key().public_bytes_raw())
        self.pins = Pins(SPACE, BROKER, key)
        self.description = self.published()
        self.agreement = self.agreed()
        self.countersignature = self.finalized()

    def say(self, type_: str, body: Object, issuer: str, *signers: str, space: str = SPACE) -> Statement:
        statement = draft(type_, body, space=space, issuer=issuer, at=NOW)
        for each in signers or (issuer,):
            statement = statement.sign(self.signers[each], NOW)
        return statement

    def published(self, **changes: Any) -> Statement:
        return self.say(PUBLISHED, description(**changes).body(), PROVIDER)

    def body(self, **changes: Any) -> Object:
        """The body of the agreement that follows, or of one that says something else."""
        request = ContractRequest(
            "neg-1", PROVIDER, CONSUMER, "pharma-b-main", "prd-a", self.description.digest(), "off-a", "dpv:Research"
        )
        requested = self.say(REQUESTED, request.body(), CONSUMER)
        agreed = agreement_from(
            self.description, requested, agreement="agr-1", strategy="str-1", connector="hospital-a-main",
            log=self.pins.log.name, at=NOW, answering=self.answering(),
        )  # fmt: skip
        return replace(agreed, **changes).body()

    def answering(self) -> Answering:
        """Both parties under the keys they have."""
        named = {each: tuple(map(PartyKey.named, self.trust.keys(each))) for each in (PROVIDER, CONSUMER)}
        return Answering({}, named)

    def certify(self, name: str, *keys: FileSigner) -> None:
        """The root certifies a participant with these keys."""
        signing = tuple(PublicKey(each.key, name, each.public) for each in keys)
        begin, end = NOW - timedelta(days=1), NOW + timedelta(days=90)
        one = Participant(name, {"en": name}, frozenset(identity.ROLES), signing, bytes(32), begin, end)
        self._certified += 1
        at = NOW + timedelta(seconds=self._certified)
        statement = draft(CERTIFIED, one.body(), space=SPACE, issuer=ROOT, at=at)
        self.directory.certify(statement.sign(self.root, at))

    def agreed(self, *signers: str, **changes: Any) -> Statement:
        return self.say(AGREEMENT, self.body(**changes), PROVIDER, *(signers or (PROVIDER, CONSUMER)))

    def finalized(self, issuer: str = BROKER, signer: str = "", **changes: str) -> Statement:
        body: Object = {
            "negotiation": "neg-1",
            "agreement": self.agreement.digest(),
            "envelope": canonical.digest(self.agreement.to_bytes()),
            "parties": [PROVIDER, CONSUMER],
        }
        return self.say(FINALIZED, body | changes, issuer, signer or issuer)

    def proof(self, *, origin: str = "", key: Ed25519PrivateKey | None = None, leaf: bytes = b"") -> LogProof:
        """That the countersignature stands in a log of five entries, whose checkpoint the log signed."""
        entries = [b"a", b"b", b"c", leaf or self.countersignature.to_bytes(), b"e"]
        hashes = [tree.leaf_hash(each) for each in entries]
        signing = key or self.log
        verifier = VerifierKey(origin or self.pins.log.name, ED25519, signing.public_key().public_bytes_raw())
        state = Checkpoint(verifier.name, len(hashes), tree.root(hashes))
        note = checkpoint.sign(state, verifier, signing.sign)
        return LogProof(3, tuple(tree.inclusion_proof(3, len(hashes), tree.reader(hashes))), note)

    def terminated(self, issuer: str = CONSUMER, signer: str = "", **changes: str) -> Statement:
        body: Object = {
            "agreement": "agr-1",
            "digest": self.agreement.digest(),
            "code": "purpose_ended",
            "reason": "the study is over",
        }
        return self.say(TERMINATED, body | changes, issuer, signer or issuer)

    def logged(self, statement: Statement) -> bytes:
        """The proof that a statement stands in the log."""
        return str(self.proof(leaf=statement.to_bytes())).encode()

    def turned(self, word: str, previous: str = "", issuer: str = PROVIDER, **changes: str) -> Statement:
        """A suspension or a resumption."""
        signer = changes.pop("signer", issuer)
        body: Object = {
            "agreement": "agr-1",
            "digest": self.agreement.digest(),
            "code": "asked",
            "reason": "a check",
            "previous": previous,
        }
        return self.say(f"agreement.{word}", body | changes, issuer, signer)

    def papers(self, **changes: bytes) -> Papers:
        papers = Papers(
            self.agreement.to_bytes(),
            self.countersignature.to_bytes(),
            self.description.to_bytes(),
            str(self.proof()).encode(),
        )
        return replace(papers, **changes)


def resource(id_: str = "res-a", unit: str = "patient", epsilon: str = "10", releases: int = 1000) -> Resource:
    columns = (
        Column("patient", "text", sensitivity="personal"),
        Column("ward", "text", categories=("north", "south")),
        Column("age", "integer", bounds=Bounds(Decimal(0), Decimal(120), Decimal(1))),
    )
    most = 1 if unit == "row" else 4
    return Resource(id_, columns, Privacy(unit, most, Budget.of_text(epsilon, "1e-6", releases=releases)))


def description(**changes: Any) -> Description:
    """Version 1 of a small product, or of a changed one."""
    terms = {
        "purpose": "dpv:ScientificResearch",
        "epsilon": "0.5",
        "min_group": 50,
        "columns": ["age", "ward"],
        "until": "2027-11-21T00:00:00Z",
        "count": 10,
        "budget": "1",
    }
    offer = Offer("off-a", template("research-statistics", terms), Budget.of_text("1", "1e-7", releases=10))
    return replace(Description("prd-a", 1, {"en": "Wards"}, (resource(),), (offer,)), **changes)
