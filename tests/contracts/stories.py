"""What the suites of ledger and journal tell: accounts, runs and entries with real signatures."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu import canonical
from hefu.envelope import Statement, draft
from hefu.keeping.keys import FileSigner
from hefu_connector.ports import Account, ComputationState, Entry, Run
from hefu_policies.budget import Budget, Charge, PrivacyLoss

NOW = datetime(2026, 11, 21, 10, 0, 0, 250_000, tzinfo=UTC)
SIGNER = FileSigner("hospital-a", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def charge(epsilon: int = 1, delta: int = 0, releases: int = 1) -> Charge:
    return Charge(PrivacyLoss(epsilon, delta), releases)


def account(name: str, epsilon: int = 10, delta: int = 10, releases: int = 10) -> Account:
    return Account(name, Budget(PrivacyLoss(epsilon, delta), releases))


def run(id_: str, request: str = "", consumer: str = "pharma-b") -> Run:
    return Run(
        id=id_,
        request=request or canonical.digest(id_.encode()),
        envelope=f"the request {id_}".encode(),
        consumer=consumer,
        agreements=("agr-one", "agr-two"),
        state=ComputationState.RESERVED,
        charge=None,
        receipt=None,
        parts=0,
        created=NOW,
        updated=NOW,
    )


def entry(id_: str, shift: int = 0) -> Entry:
    """An entry for a computation; with a shift it names a wrong place in the chain."""

    def sign(sequence: int, previous: str) -> Statement:
        body: canonical.Object = {
            "computation": id_,
            "journal": {"connector": "c", "sequence": sequence + shift, "previous": previous},
        }
        statement = draft("computation.sealed", body, space="demo", issuer=SIGNER.participant, at=NOW)
        return statement.sign(SIGNER, NOW)

    return Entry(sign, NOW)


def assert_whole(chain: list[bytes], head: tuple[int, str]) -> None:
    """The chain has no gap, no fork and no altered entry, and ends at the head."""
    previous = ""
    for sequence, envelope in enumerate(chain):
        place = {"connector": "c", "sequence": sequence, "previous": previous}
        assert Statement.parse(envelope).body["journal"] == place
        previous = canonical.digest(envelope)
    assert head == (len(chain), previous)
