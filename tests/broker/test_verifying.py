"""Statements verified in processes of their own: the same ones hold as in this process, and nothing hangs on them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.envelope import PublicKey, Statement, draft
from hefu.keeping.keys import FileSigner
from hefu_broker.membership.verifying import LEAST, Verified, Verifying

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OWN = FileSigner("hospital-a", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = FileSigner("insurer-b", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
KEYS = {OWN.key: PublicKey(OWN.key, "hospital-a", OWN.public)}


def made(number: int, signer: FileSigner = OWN) -> bytes:
    return (
        draft("computation.sealed", {"number": number}, space="demo", issuer="hospital-a", at=AT)
        .sign(signer, AT)
        .to_bytes()
    )


@pytest.fixture(scope="module")
def verifying() -> Iterator[Verifying]:
    found = Verifying(1)
    yield found
    found.close()


def test_many_are_read_in_order_and_one_that_does_not_hold_spoils_them_all(verifying: Verifying) -> None:
    many = [made(each) for each in range(LEAST)]
    assert verifying.read(many, KEYS, "hospital-a") == [Verified.of(Statement.parse(each)) for each in many]
    for bad in (made(7, OTHER), b"{}", many[0].replace(b'"number":0', b'"number":1')):
        assert verifying.read([*many[:-1], bad], KEYS, "hospital-a") is None


def test_a_killed_process_costs_its_answer_no_statement(verifying: Verifying) -> None:
    many = [made(each) for each in range(LEAST)]
    assert verifying.read(many, KEYS, "hospital-a")
    (process,) = verifying._pool._processes.values()  # type: ignore[union-attr]
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert verifying.read(many, KEYS, "hospital-a") == [Verified.of(Statement.parse(each)) for each in many]
