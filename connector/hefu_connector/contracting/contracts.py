"""A whole contract, verified: the two halves of the tally, the notary's seal over them, and its place in the log.

Both roles call `verify_contract` before they use an agreement, and the store calls it again on every load. It is pure:
what it trusts is given (`Pins`, `Trust`), what it returns is read from the very bytes whose signatures it checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Malformed, Untrusted
from hefu.statements.notices import SUSPENDED, Change
from hefu.tlog.note import VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.proof import LogProof
from hefu.tlog.tree import leaf_hash
from hefu_policies.agreeing.coherence import check_coherent
from hefu_policies.agreeing.contract import AGREEMENT, PUBLISHED, Agreement
from hefu_policies.agreeing.contribution import Contribution
from hefu_policies.agreeing.signatories import check_signed
from hefu_policies.goods.product import Description
from hefu_policies.states.lifecycle import AgreementState

from hefu_connector.ports import Contract, Trust, Turn

FINALIZED = "agreement.finalized"
TERMINATED = "agreement.terminated"


def _nobody() -> WitnessPolicy | None:
    return None


@dataclass(frozen=True, slots=True)
class Pins:
    """What a participant got out of band and never learns from a message.

    Attributes:
        broker: the participant id whose countersignature makes an agreement final.
        log: the audit log's key; its name is the log's origin.
        participant: whose pins these are; of several providers it stands in front if it is one.
        policy: the witness policy of the newest charter seen, which the offline root signed; None where there is none.
            It is asked where something is taken in, not of what was taken in before there was one.
    """

    space: str
    broker: str
    log: VerifierKey
    participant: str = ""
    policy: Callable[[], WitnessPolicy | None] = _nobody


@dataclass(frozen=True, slots=True)
class Papers:
    """The parts of a contract as exact bytes, as they are kept and as they come from a peer: nothing verified yet.

    Attributes:
        agreement: the `agreement` envelope with every party's signature.
        countersignature: the broker's `agreement.finalized` envelope.
        description: the provider's `product.published` envelope, of the version the agreement names; of several
            providers a JSON list of theirs, in the order of the parties.
        proof: where the countersignature stands in the log: a C2SP tlog-proof (`hefu.tlog.proof.LogProof`) in UTF-8.
        termination: a party's `agreement.terminated` envelope, if it ended.
        turns: the providers' suspensions and resumptions in order: envelope, and of a resumption its log proof.
    """

    agreement: bytes
    countersignature: bytes
    description: bytes
    proof: bytes
    termination: bytes | None = None
    turns: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def of(cls, contract: Contract) -> Papers:
        """The bytes of a contract."""
        return cls(
            contract.statement.to_bytes(),
            contract.countersignature.to_bytes(),
            join([each for each, _ in contract.described] or [contract.description_statement]),
            contract.proof,
            contract.termination.to_bytes() if contract.termination else None,
            tuple((each.statement.to_bytes(), each.proof) for each in contract.turns),
        )


def verify_contract(papers: Papers, trust: Trust, pins: Pins) -> Contract:
    """The contract of these bytes, if every part of it holds.

    Whether it is in force now, and whether its parties and keys are in good standing, is for the caller to judge.

    Raises:
        Malformed: a part cannot be read.
        Untrusted: a signature, digest, proof or name does not hold.
    """
    # 1. Both halves: every party signed these bytes under a key they name, nobody else did, and the provider issued
    # them. What they say of themselves agrees.
    statement = _read(papers.agreement, AGREEMENT, pins)
    agreement = Agreement.of(statement.body)
    _hold(agreement, "issuer", statement.issuer == agreement.provider.participant)
    _hold(agreement, "log", agreement.log == pins.log.name)
    trust.verify(statement, *(each.participant for each in agreement.parties))
    check_signed(agreement.parties, statement, trust.keys, agreement.id)
    check_coherent(agreement)
    # 2. What was agreed on: each provider's description, by digest.
    described = _check_descriptions(split(papers.description, len(agreement.contributions)), agreement, trust, pins)
    # 3. The notary's word names the agreement and its signatures, both by digest.
    final = _read(papers.countersignature, FINALIZED, pins)
    _hold(agreement, "broker", final.issuer == pins.broker)
    trust.verify(final, pins.broker)
    _hold(agreement, "countersignature", final.body.get("agreement") == statement.digest())
    _hold(agreement, "countersignature", final.body.get("envelope") == _envelope_digest(statement))
    _hold(agreement, "negotiation", final.body.get("negotiation") == agreement.negotiation)
    # 4. It widens rights, so it counts only once it stands in the log.
    _read_proof(papers.proof).verify(leaf_hash(final.to_bytes()), pins.log)
    ended = None
    if papers.termination is not None:
        ended = verify_termination(papers.termination, statement, agreement, trust, pins)
    contract = Contract(
        agreement=agreement,
        statement=statement,
        countersignature=final,
        description=described[0][1],
        description_statement=described[0][0],
        proof=papers.proof,
        termination=ended,
        keys=tuple(each.key for each in statement.signatures),
        turns=verify_turns(papers.turns, statement, agreement, trust, pins),
        described=described,
    )
    provides = pins.participant in {each.participant for each in agreement.providers}
    return contract.facing(pins.participant) if provides else contract


def verify_termination(
    envelope: bytes, statement: Statement, agreement: Agreement, trust: Trust, pins: Pins
) -> Statement:
    """A party's signed end of an agreement. It narrows rights, so no log proof is asked.

    Raises:
        Malformed: it cannot be read.
        Untrusted: not of a party, not signed by it, or about another agreement.
    """
    ended = _read(envelope, TERMINATED, pins)
    _hold(agreement, "termination", ended.issuer in {each.participant for each in agreement.parties})
    named = (ended.body.get("agreement"), ended.body.get("digest"))
    _hold(agreement, "termination", named == (agreement.id, statement.digest()))
    trust.verify(ended)
    return ended


def verify_turns(
    turns: Sequence[tuple[bytes, bytes]], statement: Statement, agreement: Agreement, trust: Trust, pins: Pins
) -> tuple[Turn, ...]:
    """The providers' suspensions and resumptions: each follows its provider's one before, and every resumption is in
    the log.

    Each of several providers suspends for itself and resumes what it suspended itself.

    Raises:
        Malformed: one cannot be read.
        Untrusted: not a provider's, not signed by it, about other bytes, out of order, or without its proof.
    """
    found: list[Turn] = []
    start = AgreementState.ACTIVE, ""
    newest = {each.participant: start for each in agreement.providers}
    for envelope, proof in turns:
        said = Statement.parse(envelope)
        change = Change.of(said)
        _hold(agreement, "turn", said.space == pins.space and said.issuer in newest)
        state, last = newest[said.issuer]
        _hold(agreement, "turn", (change.agreement, change.digest) == (agreement.id, statement.digest()))
        _hold(agreement, "turn", change.previous == last)
        trust.verify(said)
        suspends = said.type == SUSPENDED
        _hold(agreement, "turn", suspends is (state is AgreementState.ACTIVE))
        if not suspends:  # it widens rights again
            _read_proof(proof).verify(leaf_hash(envelope), pins.log)
        state = AgreementState.SUSPENDED if suspends else AgreementState.ACTIVE
        newest[said.issuer] = state, said.digest()
        found.append(Turn(said, proof))
    return tuple(found)


def join(descriptions: Sequence[Statement]) -> bytes:
    """The description envelopes of a contract as one byte string."""
    if len(descriptions) == 1:
        return descriptions[0].to_bytes()
    return canonical.encode([canonical.decode(each.to_bytes()) for each in descriptions])


def split(data: bytes, number: int) -> list[bytes]:
    """The envelopes that `join` joined.

    Raises:
        Malformed: there are more or fewer of them.
    """
    if number == 1:
        return [data]
    found = canonical.decode(data)
    if not isinstance(found, list) or len(found) != number:
        raise Malformed("statement.malformed", why="a contract has one description of each provider")
    return [canonical.encode(each) for each in found]


def _check_descriptions(
    envelopes: Sequence[bytes], agreement: Agreement, trust: Trust, pins: Pins
) -> tuple[tuple[Statement, Description], ...]:
    found = []
    for envelope, contribution in zip(envelopes, agreement.contributions, strict=True):
        described = _read(envelope, PUBLISHED, pins)
        found.append((described, _check_description(described, agreement, contribution, trust)))
    return tuple(found)


def _check_description(
    described: Statement, agreement: Agreement, contribution: Contribution, trust: Trust
) -> Description:
    _hold(agreement, "description", described.digest() == contribution.description)
    _hold(agreement, "description", described.issuer == contribution.provider)
    trust.verify(described)
    description = Description.of(described.body)
    resources = {each.id: each for each in description.resources}
    _hold(agreement, "product", description.product == contribution.product)
    _hold(agreement, "resources", set(contribution.resources) <= set(resources))
    for resource in contribution.resources:
        privacy = resources[resource].privacy
        same = (privacy.unit, privacy.neighbouring) == (contribution.unit, contribution.neighbouring)
        _hold(agreement, "privacy", same)
    return description


def _read(envelope: bytes, type_: str, pins: Pins) -> Statement:
    statement = Statement.parse(envelope).expect(type_)
    if statement.space != pins.space:
        raise Untrusted("space.other", found=statement.space, expected=pins.space)
    return statement


def _read_proof(proof: bytes) -> LogProof:
    try:
        return LogProof.parse(proof.decode("utf-8", "strict"))
    except UnicodeDecodeError:
        raise Malformed("log.malformed", what="proof", why="not UTF-8") from None


def _envelope_digest(statement: Statement) -> str:
    return canonical.digest(statement.to_bytes())


def _hold(agreement: Agreement, where: str, holds: bool) -> None:
    if not holds:
        raise Untrusted("contract.broken", agreement=agreement.id, where=where)
