"""Before a name is put to an agreement: whose keys it names, who signed so far, and whether it begins about now.

Whoever draws up names for every party the keys that may act at that moment; whoever signs checks its own, and that each
signature so far is under a key the agreement names. So a key certified later signs nothing that was agreed on before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta

from hefu.envelope import Statement
from hefu.errors import Unauthenticated, Untrusted
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.agreeing.contract import Answering, ContractRequest
from hefu_policies.agreeing.signatories import PartyKey, check_signers

from hefu_connector.contracting.author import Author
from hefu_connector.ports import Trust

SKEW = timedelta(minutes=5)  # between the clocks of two participants
ConnectorOf = Callable[[str], str]  # the connector behind which a participant acts now; raises NotFound


def answering(
    request: ContractRequest, agreement: str, author: Author, trust: Trust, connector_of: ConnectorOf
) -> Answering:
    """Connectors and present keys of all parties to a request, as whoever draws up the agreement knows them; and a
    fresh filing key where the space files.

    Raises:
        NotFound: a party has no connector now.
        Unauthenticated: a party has no key that may act now.
    """
    others = [each for each in request.parties if each not in (author.participant, request.consumer)]
    connectors = {each: connector_of(each) for each in others}
    return Answering(
        connectors,
        {each: present_keys(trust, each) for each in request.parties},
        author.filer.draw(agreement, request.parties),
    )


def present_keys(trust: Trust, participant: str) -> tuple[PartyKey, ...]:
    """The keys of a participant that may act now; raises Unauthenticated where there is none."""
    trust.check(participant)
    found = []
    for each in trust.keys(participant):
        with suppress(Unauthenticated):
            trust.check(participant, each.key)
            found.append(PartyKey.named(each))
    if not found:
        raise Unauthenticated("identity.unknown")
    return tuple(sorted(found, key=lambda each: each.key))


def check_before_signing(
    agreement: Agreement, offered: Statement, request: Statement, signers: Iterable[str], author: Author, trust: Trust
) -> None:
    """Check what no derivation can: signatures and keys so far, this party's own place in it, and its beginning.

    Args:
        agreement: as it was derived again, byte for byte what was offered.
        offered: with the signatures of exactly these signers, in this order.

    Raises:
        Untrusted: it is not as it should be.
        Unauthenticated: a signer or its key may not act.
    """
    before = [*signers]
    trust.verify(offered, *before)
    for participant, signature in zip(before, offered.signatures, strict=False):
        trust.check(participant, signature.key)
    check_signers(agreement.parties, offered, trust.keys, agreement.id, len(before))
    if len(offered.signatures) != len(before) or not all(each.keys for each in agreement.parties):
        raise Untrusted("agreement.differs", where="parties")
    mine = agreement.party(author.participant)
    named = {PartyKey.named(each) for each in trust.keys(author.participant) if each.key == author.signer.key}
    if mine is None or mine.connector != author.connector or not named or not named <= {*mine.keys}:
        raise Untrusted("agreement.differs", where="parties")
    author.filer.check(agreement)
    earliest, latest = request.time - SKEW, author.clock.now() + SKEW
    if not earliest <= agreement.not_before <= latest:
        raise Untrusted("agreement.differs", where="not_before")
