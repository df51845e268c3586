"""The others' results of a run, at the party that adds them up: opened here, and looked into by its worker alone.

The consumer carries them, sealed for this party, with the receipts under which they were released. Nothing of it is
believed: each receipt is signed by its party, for this run's part that the party itself signed that it takes, and names
every sealed byte. What is wrong ends the run for all; nobody learns anything, and it stays charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from hefu.envelope import LARGEST_STATEMENT, Statement
from hefu.errors import HefuError, Untrusted
from hefu.statements.receipt import Receipt

from hefu_connector.computing import answers, blobs, guard
from hefu_connector.computing.answers import Unseal
from hefu_connector.computing.meeting import Met
from hefu_connector.ports import Encrypted, Trust
from hefu_connector.session import Party, Session

_OVERHEAD = 1 << 20  # bytes that sealing adds to all parts of a release, at most


def pack(released: Sequence[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """What is carried to the aggregator.

    Args:
        released: of each other party, in the order of participants, its receipt's envelope and its sealed parts.
    """
    return blobs.encode([each for made, parts in released for each in (made, b"".join(parts))])


def gather(
    carried: BinaryIO, session: Session, met: Met, me: str, encrypted: Encrypted, trust: Trust, unseal: Unseal
) -> bytes:  # fmt: skip
    """The others' ciphertexts, one blob a party, as the worker that adds up takes them.

    Args:
        carried: what `pack` wrote.
        encrypted: the form of every party's result.

    Raises:
        Malformed: it is not of that form.
        Untrusted: something was not signed and sealed by its party for this run.
        Unauthenticated: a party may not act any more.
    """
    others = session.others(me)
    found = [*blobs.read(carried, [LARGEST_STATEMENT, guard.LARGEST_RELEASE + _OVERHEAD] * len(others))]
    return blobs.encode([
        _opened(party, session, met, made, sealed, encrypted, trust, unseal)
        for party, made, sealed in zip(others, found[::2], found[1::2], strict=True)
    ])  # fmt: skip


def _opened(
    party: Party, session: Session, met: Met, envelope: bytes, sealed: bytes, encrypted: Encrypted, trust: Trust,
    unseal: Unseal,
) -> bytes:  # fmt: skip
    try:
        made = _receipt(party, session, met, Statement.parse(envelope), trust)
        return answers.open_blob(made, _parts(made, sealed), unseal, encrypted)
    except HefuError as fault:
        raise Untrusted("session.part", party=party.participant, detail=fault.code) from None


def _receipt(party: Party, session: Session, met: Met, statement: Statement, trust: Trust) -> Receipt:
    trust.verify(statement, party.participant)
    trust.check(party.participant, *(each.key for each in statement.signatures))
    made, said = Receipt.of(statement), met.joined[party.participant]
    right = (
        statement.issuer == party.participant
        and (made.computation, made.request) == (party.computation, said.request)
        and made.consumer == session.consumer
        and [each.agreement for each in made.agreements] == [party.agreement]
    )
    if not right:
        raise Untrusted("session.part", party=party.participant)
    return made


def _parts(made: Receipt, sealed: bytes) -> list[bytes]:
    """The sealed parts; whether they are those of the receipt is judged as they are opened."""
    parts, at = [], 0
    for each in made.parts:
        parts.append(sealed[at : at + each.size])
        at += each.size
    if at != len(sealed):
        raise Untrusted("release.part", computation=made.computation, part=len(made.parts))
    return parts
